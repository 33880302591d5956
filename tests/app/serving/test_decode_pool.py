import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import numpy as np
import pytest

from akshar.imaging.errors import ImageError
from akshar.imaging.inspection import Inspection
from akshar.imaging.reader import Reading, read_glyph, read_if_simple
from app.serving import decode_pool
from app.serving.decode_pool import DecodeLimits, DecodePool
from app.serving.decode_worker import Failure, Limits
from app.serving.errors import DecoderDiedError, OutOfMemoryError
from tests.drawing import draw, encode

LARGE = encode(draw("pa", 400))
SMALL = encode(draw("pa", 32))


def make_pool(max_bytes: int = 10**6, seconds: float = 5, processes: int = 2, memory: int = 2**29) -> DecodePool:
    return DecodePool(DecodeLimits(max_bytes, Limits(10**6, seconds, memory), processes, 10**6))


async def read_one(pool: DecodePool, data: bytes, client: str = "a") -> Reading:
    (reading,) = await pool.read([data], client)
    if isinstance(reading, Exception):
        raise reading
    return reading


def run(scenario: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(60):
            await scenario()

    asyncio.run(bounded())


# What the decoder processes run in place of the real decoding; they import it from here.


def own_process(data: bytes, limits: Limits) -> Failure:
    return Failure("process", str(os.getpid()))


def hang(data: bytes, limits: Limits | None = None) -> Failure:
    while True:
        pass


def hang_up(data: bytes, limits: Limits) -> Failure:
    os.abort()


def out_of_memory(data: bytes, limits: Limits) -> Failure:
    raise MemoryError


@pytest.mark.parametrize(("data", "inline"), [(SMALL, True), (LARGE, False)])
def test_small_images_are_decoded_in_the_event_loop_and_large_ones_in_processes(
    monkeypatch: pytest.MonkeyPatch, data: bytes, inline: bool
) -> None:
    async def scenario() -> None:
        pool = make_pool()
        assert np.array_equal((await read_one(pool, data)).glyph, read_glyph(data))
        monkeypatch.setattr(decode_pool, "decode", own_process)
        (result,) = await pool.read([data], "a")
        if inline:
            assert isinstance(result, Reading)
        else:
            assert isinstance(result, ImageError)
            assert int(result.detail) != os.getpid()
        assert pool._turns.idle

    run(scenario)


def test_each_file_has_its_own_result() -> None:
    async def scenario() -> None:
        pool = make_pool(max_bytes=len(LARGE))
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


def test_a_cancelled_decoding_is_killed_and_only_then_gives_its_turn_back(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        pool = make_pool(processes=1)
        with monkeypatch.context() as patch:
            patch.setattr(decode_pool, "decode", own_process)
            (process,) = await pool.read([LARGE], "a")
            assert isinstance(process, ImageError)
            patch.setattr(decode_pool, "decode", hang)
            task = asyncio.create_task(pool.read([LARGE, LARGE], "a"))
            await asyncio.sleep(0.3)
            assert not pool._turns.idle
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        assert pool._turns.idle
        with pytest.raises(ProcessLookupError):
            os.kill(int(process.detail), 0)
        assert np.array_equal((await read_one(pool, LARGE)).glyph, read_glyph(LARGE))

    run(scenario)


def test_decoding_ends_at_the_limit_of_cpu_time(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        pool = make_pool(seconds=1)
        started = time.monotonic()
        monkeypatch.setattr(decode_pool, "decode", endless)
        (result,) = await pool.read([LARGE], "a")
        assert isinstance(result, ImageError)
        assert result.code == "decoding_limit"
        assert time.monotonic() - started < 30

    run(scenario)


def endless(data: bytes, limits: Limits) -> Any:
    from app.serving import decode_worker

    vars(decode_worker)["read"] = hang
    vars(decode_worker)["open_image"] = lambda *_: b""
    return decode_worker.decode(data, limits)


@pytest.mark.parametrize(("fault", "error"), [(hang_up, DecoderDiedError), (out_of_memory, OutOfMemoryError)])
def test_a_dead_process_and_lack_of_memory_are_not_blamed_on_the_image(
    monkeypatch: pytest.MonkeyPatch, fault: Any, error: type
) -> None:
    async def scenario() -> None:
        pool = make_pool()
        with monkeypatch.context() as patch:
            patch.setattr(decode_pool, "decode", fault)
            (result,) = await pool.read([LARGE], "a")
            assert isinstance(result, error)
        assert np.array_equal((await read_one(pool, LARGE)).glyph, read_glyph(LARGE))

    run(scenario)


def test_an_image_that_takes_more_memory_than_allowed_is_an_error_of_memory() -> None:
    async def scenario() -> None:
        pool = make_pool(memory=2**20)
        await pool.start()
        await pool.warm_up()
        (result,) = await pool.read([encode(draw("pa", 1000).convert("RGBA"))], "a")
        assert isinstance(result, OutOfMemoryError)

    run(scenario)


def test_lack_of_memory_in_the_serving_process_is_an_error_of_one_file(monkeypatch: pytest.MonkeyPatch) -> None:
    def short_of_memory(data: bytes, *limits: int) -> Reading | Inspection:
        if data == SMALL:
            raise MemoryError
        return read_if_simple(data, *limits)

    async def scenario() -> None:
        pool = make_pool()
        monkeypatch.setattr(decode_pool, "read_if_simple", short_of_memory)
        small, large = await pool.read([SMALL, LARGE], "a")
        assert isinstance(small, OutOfMemoryError)
        assert isinstance(large, Reading)

    run(scenario)


def test_the_delay_is_that_of_the_images_that_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        pool = make_pool(processes=1)
        assert pool.delay == 0
        await read_one(pool, LARGE)
        monkeypatch.setattr(decode_pool, "decode", hang)
        task = asyncio.create_task(pool.read(8 * [LARGE], "a"))
        await asyncio.sleep(0.1)
        assert pool.delay > 0
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        assert pool.delay == 0

    run(scenario)
