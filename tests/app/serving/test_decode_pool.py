import asyncio
from contextlib import AbstractAsyncContextManager

import numpy as np
import pytest

from akshar.imaging.errors import ImageError
from akshar.imaging.look import Inspection
from akshar.imaging.reader import Reading, read_glyph, read_if_simple
from app.serving import decode_pool
from app.serving.decode_pool import DecodePool
from app.serving.errors import OutOfMemoryError
from app.serving.turns import Turns
from tests.app.serving import decoding
from tests.app.serving.decoding import LARGE, SMALL, RunInstead, cancel, children, read_one, run, started
from tests.drawing import draw, encode


@pytest.mark.parametrize(
    ("data", "inline"),
    [(SMALL, True), (LARGE, False), *((encode(draw("pa", 16), kind), False) for kind in ("TIFF", "AVIF", "HEIF"))],
    ids=["small", "large", "TIFF", "AVIF", "HEIF"],
)
def test_small_images_are_decoded_in_the_event_loop_and_large_or_rich_ones_in_processes(
    run_instead: RunInstead, data: bytes, inline: bool
) -> None:
    async def scenario() -> None:
        async with started() as pool:
            assert np.array_equal((await read_one(pool, data)).glyph, read_glyph(data))
        run_instead(decoding.own_process)
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


def test_large_files_of_unknown_formats_need_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        monkeypatch.setattr(DecodePool, "_decode", lambda *_: pytest.fail("a process was asked"))
        async with started() as pool:
            (result,) = await pool.read([bytearray(b"%PDF-1.7" + bytes(100_000))], "a")
        assert isinstance(result, ImageError)
        assert result.code == "unsupported_image"
        assert "PDF" in result.detail

    run(scenario)


def test_a_photograph_counts_by_what_is_decoded_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    counted: list[int] = []

    def count(self: Turns, client: str, pixels: int, cost: float) -> AbstractAsyncContextManager[None]:
        counted.append(pixels)
        return take(self, client, pixels, cost)

    take = Turns.take
    page = draw("pa", 4000).convert("RGB")

    async def scenario() -> None:
        monkeypatch.setattr(Turns, "take", count)
        async with started() as pool:
            assert (await read_one(pool, encode(page, "JPEG"))).size == (4000, 4000)

    run(scenario)
    assert counted == [500 * 500]


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


def test_the_delay_is_that_of_the_images_that_wait(run_instead: RunInstead) -> None:
    async def scenario() -> None:
        async with started(processes=1) as pool:
            assert pool.delay == 0
            await read_one(pool, LARGE)
            run_instead(decoding.hang)
            await pool._replace(await pool._idle.get())
            task = asyncio.create_task(pool.read(8 * [LARGE], "a"))
            await asyncio.sleep(0.1)
            assert pool.delay > 0
            await cancel(task)
            assert pool.delay == 0

    run(scenario)
