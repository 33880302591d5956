import asyncio
import math
import threading
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app import metrics
from app.batching import Answer, Batcher, ExpiredError, Outcome, OverloadedError, RecognitionError, StoppedError
from app.recognizer import Recognition, Recognizer
from tests.test_recognizer import drawn
from training.data import Dataset

POISON = -99.0


class FakeRecognizer:
    """Answers with the glyph's first pixel; waits at a gate, and breaks where told or where a glyph is poison."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Event()
        self.sizes: list[int] = []
        self.error: BaseException | None = None

    def extractor(self, glyphs: np.ndarray) -> np.ndarray:
        self.sizes.append(len(glyphs))
        self.entered.set()
        assert self.gate.wait(10)
        if self.error:
            raise self.error
        values = np.asarray(glyphs[:, 0, 0])
        if POISON in values:
            raise ValueError("poison")
        return values

    def classify(self, features: np.ndarray, families: Sequence[str]) -> list[Recognition]:
        # The batcher only carries recognitions about.
        return cast(list[Recognition], list(zip(families, features.tolist(), strict=True)))


def glyph(value: float) -> np.ndarray:
    return np.full((32, 32), value, np.float32)


@asynccontextmanager
async def running(
    fake: FakeRecognizer, max_batch: int = 8, max_waiting: int = 16, window: float = 0
) -> AsyncIterator[Batcher]:
    batcher = Batcher(cast(Recognizer, fake), max_batch, max_waiting, window)
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
    """What the fake recognizer answered, or the error."""
    outcome = await future
    return outcome.recognition if isinstance(outcome, Answer) else type(outcome)


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


def test_who_waits_while_a_batch_runs_shares_the_next_and_gets_his_own_answer() -> None:
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
            assert isinstance(outcome, Answer)
            assert outcome.queue < 1
            assert fake.sizes == [1]

    run(scenario)


def test_a_window_gathers_who_comes_within_it() -> None:
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


def test_a_window_does_not_hold_up_the_end() -> None:
    async def scenario() -> None:
        fake = FakeRecognizer()
        async with running(fake, window=30) as batcher:
            future = submit(batcher, 0)
            await batcher.stop()
            assert await result(future) == ("f", 0.0)

    run(scenario)


def test_more_than_may_wait_are_refused_until_there_is_room() -> None:
    async def scenario() -> None:
        async with running(FakeRecognizer(), max_waiting=4) as batcher:
            with batcher.admitted(3):
                assert batcher.waiting == 3
                with pytest.raises(OverloadedError) as refused, batcher.admitted(2):
                    pytest.fail("there was no room")
                assert refused.value.retry_after == 1
                with batcher.admitted(1), pytest.raises(OverloadedError):
                    batcher.check_room(1)
            assert batcher.waiting == 0
            with batcher.admitted(4):
                pass

    run(scenario)


def test_retry_after_follows_the_measured_drain_rate() -> None:
    async def scenario() -> None:
        fake = FakeRecognizer()
        async with running(fake, max_batch=1, max_waiting=40) as batcher:
            first = await held_up(fake, batcher)
            await asyncio.sleep(0.5)
            fake.gate.set()
            await first
            # One image in some half a second: twenty that wait will take some ten.
            with batcher.admitted(20), pytest.raises(OverloadedError) as refused:
                batcher.check_room(21)
            assert 10 <= refused.value.retry_after <= 40

    run(scenario)


def test_poison_is_an_error_for_itself_and_none_for_its_neighbours() -> None:
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


def test_who_has_left_is_not_computed() -> None:
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


def test_who_expired_in_the_queue_is_told_and_not_computed() -> None:
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


def test_a_batch_of_none_but_the_departed_is_no_batch() -> None:
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


def test_stopping_answers_who_waits_and_refuses_who_comes() -> None:
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


def test_it_refuses_before_it_starts() -> None:
    async def scenario() -> None:
        batcher = Batcher(cast(Recognizer, FakeRecognizer()), 8, 8)
        with pytest.raises(StoppedError):
            submit(batcher, 0)
        await batcher.stop()

    run(scenario)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_the_death_of_the_worker_is_told_to_all_who_wait() -> None:
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


GLYPHS = drawn()
NAMES = ["numerals", "consonants", "consonants"]


@settings(max_examples=40, deadline=None)
@given(rows=st.lists(st.integers(0, len(GLYPHS) - 1), min_size=1, max_size=70), noise=st.integers(0, 2**32 - 1))
def test_an_image_gets_the_same_answer_whatever_it_is_batched_with(
    recognizer: Recognizer, rows: list[int], noise: int
) -> None:
    """Drawn glyphs among random neighbours: noise, and each other."""
    alone = [recognizer.recognize(glyph[None], [name])[0] for glyph, name in zip(GLYPHS, NAMES, strict=True)]
    random = np.random.default_rng(noise)
    neighbours = random.random((random.integers(0, 60), 32, 32), np.float32)
    glyphs = np.concatenate([GLYPHS[rows], neighbours])
    names = [NAMES[row] for row in rows] + random.choice(NAMES, len(neighbours)).tolist()
    order = random.permutation(len(glyphs))
    together = recognizer.recognize(glyphs[order], [names[row] for row in order])
    for place, source in enumerate(order):
        if source < len(rows):
            one, other = alone[rows[source]].best, together[place].best
            assert one.entry == other.entry
            assert abs(one.confidence - other.confidence) <= 1e-5


def test_real_images_get_the_same_answers_in_batches_of_any_size(recognizer: Recognizer, nhcd: Dataset) -> None:
    random = np.random.default_rng(1)
    rows = random.choice(len(nhcd), 300, replace=False)
    part = nhcd[rows]
    alone = [
        recognizer.recognize(glyph[None], [family])[0].best
        for glyph, family in zip(part.glyphs, part.family, strict=True)
    ]
    start = 0
    while start < len(rows):
        batch = slice(start, start + int(random.integers(2, 65)))
        together = recognizer.recognize(part.glyphs[batch], part.family[batch].tolist())
        for one, other in zip(alone[batch], together, strict=True):
            assert one.entry == other.best.entry
            assert abs(one.confidence - other.best.confidence) <= 1e-5
        start = batch.stop
