import pytest

from app.serving.admission import Admission
from app.serving.errors import OverloadedError


def admission(places: int = 10, max_bytes: int = 1000, delay: float = 0) -> Admission:
    return Admission(places, max_bytes, lambda: delay)


def test_a_client_alone_gets_half_of_the_places() -> None:
    budget = admission()
    with budget.admit("a") as first:
        first.add_images(4)
        assert budget.waiting == 5
        with pytest.raises(OverloadedError):
            first.add_images(1)
        with pytest.raises(OverloadedError), budget.admit("a"):
            pytest.fail("there was no place")
        with budget.admit("b"):  # Another client finds a place.
            assert budget.waiting == 6
    assert budget.waiting == 0


def test_however_many_clients_flood_the_service_the_next_one_finds_a_place() -> None:
    budget = admission(places=512)
    flood = []
    for client in range(5):
        while True:
            context = budget.admit(f"flood {client}")
            try:
                context.__enter__()
            except OverloadedError:
                break
            flood.append(context)
    assert len(flood) == 256 + 128 + 64 + 32 + 16
    with budget.admit("another"), budget.admit("another"):
        pass
    for context in flood:
        context.__exit__(None, None, None)
    assert budget.waiting == 0
    assert not budget._by_client


def test_a_large_upload_gives_way_to_small_ones_when_bytes_are_short() -> None:
    budget = admission()
    with budget.admit("a") as first, budget.admit("a") as second, budget.admit("b") as third:
        first.add_bytes(500)
        with pytest.raises(OverloadedError):
            first.add_bytes(1)
        second.add_bytes(250)
        with pytest.raises(OverloadedError):
            second.add_bytes(1)
        third.add_bytes(100)
        assert budget.receiving == 850
    assert budget.receiving == 0


def test_everything_is_given_back_after_an_error() -> None:
    budget = admission()

    def fail() -> None:
        with budget.admit("a") as admitted:
            admitted.add_images(2)
            admitted.add_bytes(10)
            raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        fail()
    assert (budget.waiting, budget.receiving) == (0, 0)


@pytest.mark.parametrize(("delay", "seconds"), [(9.5, 10), (0.1, 1), (1000, 60), (0, 1)])
def test_retry_after_is_the_time_that_waiting_images_take(delay: float, seconds: int) -> None:
    budget = admission(delay=delay)
    with budget.admit("a") as admitted, pytest.raises(OverloadedError) as refused:
        admitted.add_images(9)
    assert refused.value.retry_after == seconds
