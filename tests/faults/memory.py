"""Watches the memory and the processes of a server while it is attacked."""

import asyncio
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Self


def tree(pid: int) -> list[int]:
    """The process and all its descendants."""
    found = [pid]
    for parent in found:
        with suppress(OSError):
            for task in Path(f"/proc/{parent}/task").iterdir():
                found += map(int, (task / "children").read_text().split())
    return found


def is_alive(pid: int) -> bool:
    """Whether the process runs; one that has ended may wait for its parent."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def memory(pid: int) -> int:
    """Megabytes that the process and its descendants take together; what they share counts once."""
    kilobytes = 0
    for each in tree(pid):
        with suppress(OSError):
            for line in Path(f"/proc/{each}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    kilobytes += int(line.split()[1])
    return kilobytes // 1024


def cpu_seconds(pid: int) -> float:
    """CPU seconds that the process and its living descendants have taken."""
    ticks = 0
    for each in tree(pid):
        with suppress(OSError):
            fields = Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


class Watch:
    """Samples a server's memory within a block.

    Attributes:
        rest: megabytes before.
        highest: megabytes at most.
    """

    def __init__(self, pid: int) -> None:
        self._pid = pid

    async def __aenter__(self) -> Self:
        self.rest = self.highest = memory(self._pid)
        self._task = asyncio.create_task(self._sample())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()

    async def _sample(self) -> None:
        while True:
            self.highest = max(self.highest, await asyncio.to_thread(memory, self._pid))
            await asyncio.sleep(0.05)


async def assert_idle(pid: int) -> None:
    """Nothing of the server computes any more, 2 seconds after the last response."""
    await asyncio.sleep(2)
    before, started = cpu_seconds(pid), time.monotonic()
    await asyncio.sleep(1)
    assert cpu_seconds(pid) - before < 0.3 * (time.monotonic() - started)
