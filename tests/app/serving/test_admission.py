import math

import pytest

from app.serving.admission import Admission
from app.serving.errors import OverloadedError


def test_images_are_refused_until_there_are_places() -> None:
    admission = Admission(4, lambda: math.nan)
    with admission.admit(3):
        assert admission.waiting == 3
        with pytest.raises(OverloadedError) as refused, admission.admit(2):
            pytest.fail("there was no place")
        assert refused.value.retry_after == 1
        with admission.admit(1), pytest.raises(OverloadedError), admission.admit(1):
            pytest.fail("there was no place")
    assert admission.waiting == 0
    with admission.admit(4):
        pass


def test_places_are_given_back_after_an_error() -> None:
    admission = Admission(4, lambda: math.nan)
    with pytest.raises(ValueError, match="broken"), admission.admit(4):
        raise ValueError("broken")
    assert admission.waiting == 0


@pytest.mark.parametrize(("rate", "seconds"), [(2.0, 10), (100.0, 1), (0.001, 60), (math.nan, 1)])
def test_retry_after_is_the_time_that_waiting_images_take(rate: float, seconds: int) -> None:
    admission = Admission(40, lambda: rate)
    with admission.admit(20), pytest.raises(OverloadedError) as refused, admission.admit(21):
        pytest.fail("there was no place")
    assert refused.value.retry_after == seconds
