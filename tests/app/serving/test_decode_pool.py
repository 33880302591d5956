import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from akshar.imaging.errors import ImageError
from akshar.imaging.inspection import Inspection
from akshar.imaging.reader import Reading, read_glyph, read_if_simple
from app.serving import decode_pool, decode_worker, decoder
from app.serving.decode_pool import DecodeLimits, DecodePool
from app.serving.decode_worker import Failure, Limits
from app.serving.errors import DecoderDiedError, OutOfMemoryError, RecognitionError
from tests.drawing import draw, encode

LARGE = encode(draw("pa", 400))
SMALL = encode(draw("pa", 32))

Decode = Callable[[bytes, Limits], Any]


@asynccontextmanager
async def started(
    max_bytes: int = 10**6, seconds: float = 5, processes: int = 2, memory: int = 2**29
) -> AsyncIterator[DecodePool]:
    pool = DecodePool(DecodeLimits(max_bytes, Limits(10**6, seconds, memory), processes, 10**6))
    await pool.start()
    try:
        yield pool
    finally:
        pool.stop()


async def read_one(pool: DecodePool, data: bytes) -> Reading:
    (reading,) = await pool.read([data], "a")
    if isinstance(reading, Exception):
        raise reading
    return reading


async def cancel(task: asyncio.Task[Any]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


def run(scenario: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(60):
            await scenario()

    asyncio.run(bounded())


_others: set[int] = set()


@pytest.fixture(autouse=True)
def forget_others() -> None:
    """Other tests of this process have apps, with decoders of their own."""
    _others.clear()
    _others.update(children())


def children() -> set[int]:
    """The child processes of this test that run."""
    pids = {int(pid) for path in Path("/proc/self/task").glob("*/children") for pid in path.read_text().split()}
    return {pid for pid in pids - _others if Path(f"/proc/{pid}/statm").read_text().split()[0] != "0"}


@pytest.fixture
def run_instead(monkeypatch: pytest.MonkeyPatch) -> Callable[[Decode], None]:
    """Lets decoder processes run a function below in place of the real decoding; those that are started from now on."""

    def replace(function: Decode) -> None:
        code = f"from {__name__} import {function.__name__} as f, decode_worker as w; w.decode = f; w.serve()"
        monkeypatch.setattr(decoder, "COMMAND", [sys.executable, "-c", code])

    return replace


def own_process(data: bytes, limits: Limits) -> Failure:
    return Failure("process", str(os.getpid()))


def hang(data: bytes, limits: Limits | None = None) -> Failure:
    while True:
        pass


_decode = decode_worker.decode


def endless(data: bytes, limits: Limits) -> Any:
    vars(decode_worker)["read"] = hang
    return _decode(data, limits)


def short_of_memory(data: bytes, limits: Limits) -> Any:
    vars(decode_worker)["open_image"] = _raise_memory_error
    return _decode(data, limits)


def _raise_memory_error(*_: Any) -> None:
    raise MemoryError


def faulty(data: bytes, limits: Limits) -> Any:
    vars(decode_worker)["read"] = len
    return _decode(data, limits)


def hang_up(data: bytes, limits: Limits) -> Failure:
    os.abort()


class Order:
    """What a process that a file has taken over may send instead of a result: an order to run a function."""

    def __reduce__(self) -> Any:
        return os.mkdir, ("taken-over",)


def taken_over(data: bytes, limits: Limits) -> Order:
    return Order()


@pytest.mark.parametrize(("data", "inline"), [(SMALL, True), (LARGE, False)])
def test_small_images_are_decoded_in_the_event_loop_and_large_ones_in_processes(
    run_instead: Callable[[Decode], None], data: bytes, inline: bool
) -> None:
    async def scenario() -> None:
        async with started() as pool:
            assert np.array_equal((await read_one(pool, data)).glyph, read_glyph(data))
        run_instead(own_process)
        async with started() as pool:
            (result,) = await pool.read([data], "a")
            if inline:
                assert isinstance(result, Reading)
            else:
                assert isinstance(result, ImageError)
                assert int(result.detail) in children()
            assert pool._turns.idle
        assert not children()

    run(scenario)


def test_each_file_has_its_own_result() -> None:
    async def scenario() -> None:
        async with started(max_bytes=len(LARGE)) as pool:
            files = [SMALL, b"no image", bytes(len(LARGE) + 1), LARGE, LARGE[:-500], SMALL]
            results = await pool.read(files, "a")
            assert [result.code if isinstance(result, ImageError) else type(result).__name__ for result in results] == [
                "Reading",
                "unsupported_image",
                "too_many_bytes",
                "Reading",
                "truncated_image",
                "Reading",
            ]
            assert all(result.__traceback__ is None for result in results if isinstance(result, ImageError))

    run(scenario)


def test_a_cancelled_decoding_is_killed_and_only_then_gives_its_turn_back(
    run_instead: Callable[[Decode], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    run_instead(hang)

    async def scenario() -> None:
        async with started(processes=1) as pool:
            monkeypatch.undo()
            (process,) = children()
            task = asyncio.create_task(pool.read([LARGE, LARGE], "a"))
            await asyncio.sleep(0.3)
            assert not pool._turns.idle
            await cancel(task)
            assert pool._turns.idle
            assert process not in children()
            assert np.array_equal((await read_one(pool, LARGE)).glyph, read_glyph(LARGE))

    run(scenario)


def test_whenever_a_decoding_is_cancelled_no_process_is_left_over(run_instead: Callable[[Decode], None]) -> None:
    run_instead(hang)

    async def scenario() -> None:
        async with started(processes=2) as pool:
            for seconds in (0, 0.001, 0.02, 0.1, 0.3, 0.6) * 2:
                task = asyncio.create_task(pool.read([LARGE], "a"))
                await asyncio.sleep(seconds)
                await cancel(task)
                assert len(children()) <= 2
            while pool._idle.qsize() < 2:
                await asyncio.sleep(0.05)
            assert len(children()) == 2
        assert not children()

    run(scenario)


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (hang_up, DecoderDiedError),
        (taken_over, DecoderDiedError),
        (short_of_memory, OutOfMemoryError),
        (faulty, RecognitionError),
    ],
)
def test_what_is_no_fault_of_the_image_is_not_blamed_on_it(
    run_instead: Callable[[Decode], None], monkeypatch: pytest.MonkeyPatch, fault: Decode, error: type
) -> None:
    run_instead(fault)

    async def scenario() -> None:
        async with started(processes=1) as pool:
            monkeypatch.undo()
            (result,) = await pool.read([LARGE], "a")
            assert isinstance(result, error)
            if error is DecoderDiedError:
                assert np.array_equal((await read_one(pool, LARGE)).glyph, read_glyph(LARGE))

    run(scenario)
    assert not Path("taken-over").exists()


def test_decoding_ends_at_the_limit_of_cpu_time(run_instead: Callable[[Decode], None]) -> None:
    run_instead(endless)

    async def scenario() -> None:
        async with started(seconds=1) as pool:
            started_at = time.monotonic()
            (result,) = await pool.read([LARGE], "a")
            assert isinstance(result, ImageError)
            assert result.code == "decoding_limit"
            assert time.monotonic() - started_at < 30

    run(scenario)


def test_an_image_that_takes_more_memory_than_allowed_is_an_error_of_memory() -> None:
    async def scenario() -> None:
        async with started(memory=2**20) as pool:
            (result,) = await pool.read([encode(draw("pa", 1000).convert("RGBA"))], "a")
            assert isinstance(result, OutOfMemoryError)

    run(scenario)


def test_lack_of_memory_in_the_serving_process_is_an_error_of_one_file(monkeypatch: pytest.MonkeyPatch) -> None:
    def short_of_memory(data: bytes, *limits: int) -> Reading | Inspection:
        if data == SMALL:
            raise MemoryError
        return read_if_simple(data, *limits)

    async def scenario() -> None:
        async with started() as pool:
            monkeypatch.setattr(decode_pool, "read_if_simple", short_of_memory)
            small, large = await pool.read([SMALL, LARGE], "a")
            assert isinstance(small, OutOfMemoryError)
            assert isinstance(large, Reading)

    run(scenario)


def test_a_process_that_does_not_start_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        async with started(processes=1) as pool:
            monkeypatch.setattr(decode_pool, "_RESTART_SECONDS", 0.01)
            with monkeypatch.context() as patch:
                patch.setattr(decoder, "COMMAND", [sys.executable, "-c", "raise SystemExit"])
                await pool._replace(await pool._idle.get())
                task = asyncio.create_task(read_one(pool, LARGE))
                await asyncio.sleep(0.3)
                assert not task.done()
            assert np.array_equal((await task).glyph, read_glyph(LARGE))
            assert len(children()) == 1

    run(scenario)


def test_a_start_that_fails_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        monkeypatch.setattr(decoder, "COMMAND", [sys.executable, "-c", "raise SystemExit"])
        with pytest.raises(EOFError):
            async with started():
                pass
        assert not children()

    run(scenario)


def test_the_delay_is_that_of_the_images_that_wait(run_instead: Callable[[Decode], None]) -> None:
    async def scenario() -> None:
        async with started(processes=1) as pool:
            assert pool.delay == 0
            await read_one(pool, LARGE)
            run_instead(hang)
            await pool._replace(await pool._idle.get())
            task = asyncio.create_task(pool.read(8 * [LARGE], "a"))
            await asyncio.sleep(0.1)
            assert pool.delay > 0
            await cancel(task)
            assert pool.delay == 0

    run(scenario)
