"""Decode pools for tests, and functions that their processes may run instead of the real decoding."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from akshar.imaging.reader import Reading
from app.serving import decode_worker
from app.serving.decode_pool import DecodeLimits, DecodePool
from app.serving.decode_worker import Failure, Limits
from tests.drawing import draw, encode

LARGE = encode(draw("pa", 400))
SMALL = encode(draw("pa", 32))

Decode = Callable[[bytes, Limits], Any]
"""What a decoder process runs."""
RunInstead = Callable[[Decode], None]


@asynccontextmanager
async def started(
    max_bytes: int = 10**6, seconds: float = 5, processes: int = 2, memory: int = 2**29
) -> AsyncIterator[DecodePool]:
    pool = DecodePool(DecodeLimits(max_bytes, Limits(10**6, seconds, memory), processes, 10**6))
    try:
        await pool.start()
        yield pool
    finally:
        await pool.stop()


async def read_one(pool: DecodePool, data: bytes) -> Reading:
    (reading,) = await pool.read([data], "a")
    if isinstance(reading, Exception):
        raise reading
    return reading


async def cancel(task: asyncio.Task[Any]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


_others: set[int] = set()


def children() -> set[int]:
    """The child processes of this test that run."""
    pids = {int(pid) for path in Path("/proc/self/task").glob("*/children") for pid in path.read_text().split()}
    return {pid for pid in pids - _others if Path(f"/proc/{pid}/statm").read_text().split()[0] != "0"}


def run(scenario: Callable[[], Awaitable[None]]) -> None:
    _others.clear()
    _others.update(children())  # Other tests of this process have apps, with decoders of their own.

    async def bounded() -> None:
        async with asyncio.timeout(60):
            await scenario()

    asyncio.run(bounded())


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


def nonsense(data: bytes, limits: Limits) -> int:
    return 5


def endless_result(data: bytes, limits: Limits) -> str:
    return 2**21 * "x"
