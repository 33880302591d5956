import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, cast

import numpy as np
import pytest

from app.batching import Batcher, OverloadedError, StoppedError
from app.recognizer import Recognizer


class FakeRecognizer:
    """Answers with the glyph's first pixel; waits at a gate, and breaks where told."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Event()
        self.sizes: list[int] = []
        self.error: BaseException | None = None

    def recognize(self, glyphs: np.ndarray, families: Sequence[str]) -> list[tuple[str, float]]:
        self.sizes.append(len(glyphs))
        self.entered.set()
        assert self.gate.wait(10)
        if self.error:
            raise self.error
        return [(family, float(glyph[0, 0])) for glyph, family in zip(glyphs, families, strict=True)]


def glyph(value: float) -> np.ndarray:
    return np.full((32, 32), value, np.float32)


@asynccontextmanager
async def running(fake: FakeRecognizer, max_batch: int = 8, max_queue: int = 16) -> AsyncIterator[Batcher]:
    batcher = Batcher(cast(Recognizer, fake), max_batch, max_queue)
    batcher.start()
    try:
        yield batcher
    finally:
        fake.gate.set()
        await batcher.stop()


def run(scenario: Callable[[], Any]) -> None:
    asyncio.run(asyncio.wait_for(scenario(), 20))


async def held_up(fake: FakeRecognizer, batcher: Batcher) -> asyncio.Task[Any]:
    """Send one glyph and keep the worker busy with it until the gate opens."""
    fake.gate.clear()
    task = asyncio.create_task(batcher.recognize(glyph(-1), "first"))
    await asyncio.to_thread(fake.entered.wait, 10)
    return task


def test_who_waits_while_a_batch_runs_shares_the_next_and_gets_his_own_answer() -> None:
    async def scenario() -> None:
        fake = FakeRecognizer()
        async with running(fake, max_batch=8) as batcher:
            first = await held_up(fake, batcher)
            rest = [asyncio.create_task(batcher.recognize(glyph(i), f"family {i}")) for i in range(10)]
            await asyncio.sleep(0)
            fake.gate.set()
            assert await asyncio.gather(*rest) == [(f"family {i}", float(i)) for i in range(10)]
            assert await first == ("first", -1.0)
            assert fake.sizes == [1, 8, 2]

    run(scenario)


def test_a_full_queue_refuses_at_once() -> None:
    async def scenario() -> None:
        fake = FakeRecognizer()
        async with running(fake, max_queue=2) as batcher:
            await held_up(fake, batcher)
            waiting = [asyncio.create_task(batcher.recognize(glyph(i), "f")) for i in range(2)]
            await asyncio.sleep(0)
            with pytest.raises(OverloadedError):
                await batcher.recognize(glyph(2), "f")
            fake.gate.set()
            assert len(await asyncio.gather(*waiting)) == 2

    run(scenario)


def test_a_failed_batch_is_an_error_for_those_in_it_and_nobody_else() -> None:
    async def scenario() -> None:
        fake = FakeRecognizer()
        fake.error = ValueError("broken")
        async with running(fake) as batcher:
            with pytest.raises(ValueError, match="broken"):
                await batcher.recognize(glyph(0), "f")
            fake.error = None
            assert batcher.alive
            assert await batcher.recognize(glyph(1), "f") == ("f", 1.0)

    run(scenario)


def test_who_has_left_is_not_computed() -> None:
    async def scenario() -> None:
        fake = FakeRecognizer()
        async with running(fake) as batcher:
            first = await held_up(fake, batcher)
            gone = asyncio.create_task(batcher.recognize(glyph(1), "f"))
            stays = asyncio.create_task(batcher.recognize(glyph(2), "f"))
            await asyncio.sleep(0)
            gone.cancel()
            await asyncio.sleep(0)
            fake.gate.set()
            await asyncio.gather(first, stays)
            assert fake.sizes == [1, 1]

    run(scenario)


def test_stopping_answers_who_waits_and_refuses_who_comes() -> None:
    async def scenario() -> None:
        fake = FakeRecognizer()
        async with running(fake) as batcher:
            first = await held_up(fake, batcher)
            second = asyncio.create_task(batcher.recognize(glyph(2), "f"))
            await asyncio.sleep(0)
            stopping = asyncio.create_task(batcher.stop())
            await asyncio.sleep(0)
            with pytest.raises(StoppedError):
                await batcher.recognize(glyph(3), "f")
            fake.gate.set()
            assert await asyncio.gather(first, second) == [("first", -1.0), ("f", 2.0)]
            await stopping
            assert not batcher.alive

    run(scenario)


def test_it_refuses_before_it_starts() -> None:
    async def scenario() -> None:
        batcher = Batcher(cast(Recognizer, FakeRecognizer()), 8, 8)
        with pytest.raises(StoppedError):
            await batcher.recognize(glyph(0), "f")
        await batcher.stop()

    run(scenario)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_the_death_of_the_worker_is_told_to_all_who_wait() -> None:
    async def scenario() -> None:
        fake = FakeRecognizer()
        async with running(fake) as batcher:
            computed = await held_up(fake, batcher)
            waiting = asyncio.create_task(batcher.recognize(glyph(1), "f"))
            await asyncio.sleep(0)
            fake.error = SystemExit()
            fake.gate.set()
            for task in (computed, waiting):
                with pytest.raises(StoppedError):
                    await task
            assert not batcher.alive

    run(scenario)
