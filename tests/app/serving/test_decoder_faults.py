import asyncio
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from akshar.imaging.errors import ImageError
from akshar.imaging.reader import read_glyph
from app.serving import decode_pool, decoder
from app.serving.errors import DecoderDiedError, OutOfMemoryError, RecognitionError
from tests.app.serving import decoding
from tests.app.serving.decoding import LARGE, RunInstead, cancel, children, read_one, run, started


def test_a_cancelled_decoding_is_killed_and_only_then_gives_its_turn_back(
    run_instead: RunInstead, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_instead(decoding.hang)

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


def test_whenever_a_decoding_is_cancelled_no_process_is_left_over(run_instead: RunInstead) -> None:
    run_instead(decoding.hang)

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
        (decoding.hang_up, DecoderDiedError),
        (decoding.taken_over, DecoderDiedError),
        (decoding.nonsense, DecoderDiedError),
        (decoding.endless_result, DecoderDiedError),
        (decoding.short_of_memory, OutOfMemoryError),
        (decoding.faulty, RecognitionError),
    ],
)
def test_what_is_no_fault_of_the_image_is_not_blamed_on_it(
    run_instead: RunInstead, monkeypatch: pytest.MonkeyPatch, fault: decoding.Decode, error: type
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


def test_lack_of_memory_for_a_result_is_an_error_of_one_file(monkeypatch: pytest.MonkeyPatch) -> None:
    def short_of_memory(*_: object) -> None:
        raise MemoryError

    async def scenario() -> None:
        async with started(processes=1) as pool:
            with monkeypatch.context() as patch:
                patch.setattr(decoder._Unpickler, "find_class", short_of_memory)
                (result,) = await pool.read([LARGE], "a")
                assert isinstance(result, OutOfMemoryError)
            assert np.array_equal((await read_one(pool, LARGE)).glyph, read_glyph(LARGE))

    run(scenario)


def test_decoding_ends_at_the_limit_of_cpu_time(run_instead: RunInstead) -> None:
    run_instead(decoding.endless)

    async def scenario() -> None:
        async with started(seconds=1) as pool:
            started_at = time.monotonic()
            (result,) = await pool.read([LARGE], "a")
            assert isinstance(result, ImageError)
            assert result.code == "decoding_limit"
            assert time.monotonic() - started_at < 30

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
