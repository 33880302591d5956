import asyncio
import math
import threading
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, cast

import numpy as np
import pytest

from akshar.model.recognition import Recognition
from akshar.model.recognizer import RecognizedBatch, Recognizer
from app import metrics
from app.serving.batching import Batcher, Outcome, Recognized
from app.serving.errors import ExpiredError, RecognitionError, StoppedError

POISON = -99.0


class FakeRecognizer:
    """Recognizes the first pixel of a glyph; waits at a gate, and fails on demand or if a glyph is poison."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Event()
        self.sizes: list[int] = []
        self.error: BaseException | None = None

    def recognize(self, glyphs: np.ndarray, families: Sequence[str]) -> RecognizedBatch:
        self.sizes.append(len(glyphs))
        self.entered.set()
        assert self.gate.wait(10)
        if self.error:
            raise self.error
        values = np.asarray(glyphs[:, 0, 0])
        if POISON in values:
            raise ValueError("poison")
        # The batcher only passes recognitions on.
        return RecognizedBatch(cast(list[Recognition], list(zip(families, values.tolist(), strict=True))), 0.1, 0.2)


def glyph(value: float) -> np.ndarray:
    return np.full((32, 32), value, np.float32)


@asynccontextmanager
async def running(fake: FakeRecognizer, max_batch: int = 8, window: float = 0) -> AsyncIterator[Batcher]:
    batcher = Batcher(cast(Recognizer, fake), max_batch, window)
    batcher.start()
    try:
        yield batcher
    finally:
        fake.gate.set()
        await batcher.stop()


def run(scenario: Callable[[], Any]) -> None:
    asyncio.run(asyncio.wait_for(scenario(), 20))


def submit(batcher: Batcher, value: float, family: str = "f", deadline: float = math.inf) -> asyncio.Future[Outcome]:
    (future,) = batcher.submit([glyph(value)], family, deadline)
    return future


async def result(future: asyncio.Future[Outcome]) -> object:
    """What the fake recognizer gave, or the type of the error."""
    outcome = await future
    return outcome.recognition if isinstance(outcome, Recognized) else type(outcome)


async def results(futures: Sequence[asyncio.Future[Outcome]]) -> list[object]:
    return [await result(future) for future in futures]


async def held_up(fake: FakeRecognizer, batcher: Batcher) -> asyncio.Future[Outcome]:
    """Send one glyph and keep the worker busy with it until the gate opens."""
    fake.gate.clear()
    future = submit(batcher, -1, "first")
    await asyncio.to_thread(fake.entered.wait, 10)
    return future


def skipped() -> float:
    return float(metrics.SKIPPED._value.get())


def test_glyphs_that_wait_while_a_batch_runs_share_the_next() -> None:
    async def scenario() -> None:
        fake = FakeRecognizer()
        async with running(fake, max_batch=8) as batcher:
            first = await held_up(fake, batcher)
            rest = [submit(batcher, i, f"family {i}") for i in range(10)]
            fake.gate.set()
            assert await results(rest) == [(f"family {i}", float(i)) for i in range(10)]
            assert await result(first) == ("first", -1.0)
            assert fake.sizes == [1, 8, 2]

    run(scenario)


def test_a_lone_glyph_waits_for_nothing() -> None:
    async def scenario() -> None:
        fake = FakeRecognizer()
        async with running(fake) as batcher:
            outcome = await submit(batcher, 1)
            assert isinstance(outcome, Recognized)
            assert outcome.queue < 1
            assert (outcome.extractor, outcome.head) == (0.1, 0.2)
            assert fake.sizes == [1]

    run(scenario)


def test_a_window_gathers_the_glyphs_that_arrive_within_it() -> None:
    async def scenario() -> None:
        fake = FakeRecognizer()
        async with running(fake, max_batch=3, window=30) as batcher:
            futures = [submit(batcher, 0), submit(batcher, 1)]
            await asyncio.sleep(0.1)
            assert fake.sizes == []
            futures.append(submit(batcher, 2))  # The batch is full: no need to wait any longer.
            assert len(await results(futures)) == 3
            assert fake.sizes == [3]

    run(scenario)


def test_a_window_does_not_delay_stopping() -> None:
    async def scenario() -> None:
        fake = FakeRecognizer()
        async with running(fake, window=30) as batcher:
            future = submit(batcher, 0)
            await batcher.stop()
            assert await result(future) == ("f", 0.0)

    run(scenario)


def test_the_rate_is_measured_from_the_batches() -> None:
    async def scenario() -> None:
        fake = FakeRecognizer()
        async with running(fake, max_batch=1) as batcher:
            assert math.isnan(batcher.rate)
            first = await held_up(fake, batcher)
            await asyncio.sleep(0.5)
            fake.gate.set()
            await first
            assert 0.5 < batcher.rate <= 2

    run(scenario)


def test_poison_fails_alone() -> None:
    async def scenario() -> None:
        fake = FakeRecognizer()
        async with running(fake, max_batch=16) as batcher:
            first = await held_up(fake, batcher)
            values = [0.0, 1.0, POISON, 3.0, 4.0, 5.0, POISON, 7.0, 8.0]
            futures = [submit(batcher, value) for value in values]
            fake.gate.set()
            expected = [RecognitionError if value == POISON else ("f", value) for value in values]
            assert await results(futures) == expected
            assert await result(first) == ("first", -1.0)
            assert batcher.alive

    run(scenario)


def test_abandoned_glyphs_are_not_read() -> None:
    async def scenario() -> None:
        fake = FakeRecognizer()
        before = skipped()
        async with running(fake) as batcher:
            first = await held_up(fake, batcher)
            gone, stays = submit(batcher, 1), submit(batcher, 2)
            gone.cancel()
            fake.gate.set()
            await results([first, stays])
            assert fake.sizes == [1, 1]
        assert skipped() == before + 1

    run(scenario)


def test_expired_glyphs_are_not_read() -> None:
    async def scenario() -> None:
        fake = FakeRecognizer()
        before = skipped()
        async with running(fake) as batcher:
            first = await held_up(fake, batcher)
            late = submit(batcher, 1, deadline=time.monotonic() + 0.01)
            stays = submit(batcher, 2, deadline=time.monotonic() + 60)
            await asyncio.sleep(0.05)
            fake.gate.set()
            assert await results([first, late, stays]) == [("first", -1.0), ExpiredError, ("f", 2.0)]
            assert fake.sizes == [1, 1]
        assert skipped() == before + 1

    run(scenario)


def test_a_batch_of_abandoned_glyphs_alone_is_skipped() -> None:
    async def scenario() -> None:
        fake = FakeRecognizer()
        async with running(fake) as batcher:
            first = await held_up(fake, batcher)
            submit(batcher, 1).cancel()
            fake.gate.set()
            await first
            assert await result(submit(batcher, 2)) == ("f", 2.0)
            assert fake.sizes == [1, 1]

    run(scenario)


def test_stopping_reads_the_queue_and_refuses_new_glyphs() -> None:
    async def scenario() -> None:
        fake = FakeRecognizer()
        async with running(fake) as batcher:
            first = await held_up(fake, batcher)
            second = submit(batcher, 2)
            stopping = asyncio.create_task(batcher.stop())
            await asyncio.sleep(0)
            with pytest.raises(StoppedError):
                submit(batcher, 3)
            fake.gate.set()
            assert await results([first, second]) == [("first", -1.0), ("f", 2.0)]
            await stopping
            assert not batcher.alive

    run(scenario)


def test_it_refuses_glyphs_before_it_starts() -> None:
    async def scenario() -> None:
        batcher = Batcher(cast(Recognizer, FakeRecognizer()), 8)
        with pytest.raises(StoppedError):
            submit(batcher, 0)
        await batcher.stop()

    run(scenario)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_when_the_worker_dies_all_waiting_glyphs_get_an_error() -> None:
    async def scenario() -> None:
        fake = FakeRecognizer()
        async with running(fake, max_batch=2) as batcher:
            computed = await held_up(fake, batcher)
            waiting = [submit(batcher, i) for i in range(5)]
            fake.error = SystemExit()
            fake.gate.set()
            assert await results([computed, *waiting]) == [StoppedError] * 6
            assert not batcher.alive

    run(scenario)
