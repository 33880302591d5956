"""Faults among several worker processes."""

import asyncio
import os
import signal
from contextlib import suppress

import pytest

from tests.faults.client import GOOD, LostError, ask_once, crowd, request
from tests.faults.server import marker
from tests.faults.support import FAULTY, PA, assert_problem, run, settle
from tests.server.process import Server, serving

pytestmark = pytest.mark.slow


async def ready_workers(server: Server, count: int) -> list[int]:
    """Wait until this many workers have become ready, ever; their process ids."""
    for _ in range(600):
        pids = [line["pid"] for line in server.lines if line["event"] == "ready"]
        if len(pids) == count:
            return pids
        await asyncio.sleep(0.1)
    pytest.fail(f"there are not {count} workers\n{server.log}")


def test_a_killed_worker_is_replaced_and_the_metrics_still_add_up() -> None:
    async def scenario(server: Server) -> None:
        workers = await ready_workers(server, 2)
        stop = False
        load = asyncio.create_task(crowd(server.port, 8, lambda: not stop))
        await asyncio.sleep(2)
        os.kill(workers[0], signal.SIGKILL)
        await asyncio.sleep(1)
        # The other worker still answers.
        assert (await ask_once(server.port, request("/predict/consonants", PA))).json()["class_id"] == 21
        await ready_workers(server, 3)
        await asyncio.sleep(1)
        stop = True
        met = await load
        assert met.statuses() == {200}
        assert met.wrong() == []
        assert len(met.lost) <= 8
        await settle(server, "akshar_images_waiting", 0)
        # Only what the killed worker had counted and not yet sent is lost with its connections.
        answered = len(met.answered) + 1
        assert answered <= server.metric("akshar_predictions_total") <= answered + len(met.lost)
        assert server.metric("akshar_build_info") == 1

    with serving((*FAULTY, "--workers", "2")) as server:
        server.wait_until_ready()
        run(scenario(server))
        assert server.end() == 0


def test_a_worker_whose_batching_thread_has_died_is_replaced() -> None:
    async def scenario(server: Server) -> None:
        await ready_workers(server, 2)
        with suppress(LostError):
            assert_problem(await ask_once(server.port, request("/predict/vowels", marker("death"))), "not_ready")
        await ready_workers(server, 3)
        for sent, right in GOOD.items():
            assert (await ask_once(server.port, sent)).json()["class_id"] == right

    with serving((*FAULTY, "--workers", "2")) as server:
        server.wait_until_ready()
        run(scenario(server))
