"""Forms made to keep the event loop busy, sent to a real server process."""

import asyncio
from collections.abc import Callable, Iterator

import pytest

from benchmarks.hostile_forms import SLOW_FORMS, Form, boundary_soup
from tests.faults.client import ask_once, request
from tests.faults.support import PA, assert_problem, run
from tests.server.process import Server, serving

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serving() as server:
        server.wait_until_ready()
        yield server


@pytest.mark.parametrize("attack", SLOW_FORMS)
def test_while_a_slow_form_is_parsed_others_are_answered(server: Server, attack: Callable[[float], Form]) -> None:
    """`boundary_soup` alone kept others waiting for 5.7 s."""

    async def scenario() -> None:
        sent = request("/predict/consonants/batch", *attack(32))
        hostile = asyncio.create_task(ask_once(server.port, sent))
        answered = 0
        while not hostile.done() or answered < 3:
            response = await ask_once(server.port, request("/predict/consonants", PA))
            assert response.json()["class_id"] == 21
            assert response.seconds < 1
            answered += 1
        assert_problem(await hostile, "malformed_multipart", "too_many_files")

    run(scenario())


def test_several_slow_forms_at_once_delay_nobody(server: Server) -> None:
    async def scenario() -> None:
        sent = request("/predict/consonants/batch", *boundary_soup(32))
        hostile = [asyncio.create_task(ask_once(server.port, sent)) for _ in range(3)]
        while not all(task.done() for task in hostile):
            response = await ask_once(server.port, request("/predict/consonants", PA))
            assert response.json()["class_id"] == 21
            assert response.seconds < 1
        for response in await asyncio.gather(*hostile):
            # Together they are more bytes than one may hold as long as others may come.
            assert_problem(response, "malformed_multipart", "overloaded")

    run(scenario())
