"""Samples the memory of the server, and the CPU time of the server, its clients and everyone else."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.servers import Server, cpu_seconds

SAMPLE_SECONDS: Final = 0.5

_TICKS: Final = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Sample:
    """One look at the machine.

    Attributes:
        time: on the clock of `time.monotonic`.
        memory_mb: of all processes of the server; a page that they share counts once.
        cpu: CPU seconds until now of the ``server`` (its ended processes included), each client process, and of all
            processes of the machine (``all``).
    """

    time: float
    memory_mb: float
    cpu: dict[str, float]


def sample(server: Server, clients: dict[str, int]) -> Sample:
    """A sample now.

    Args:
        server: the server, whose processes are all of its session.
        clients: pids by name.
    """
    cpu = {name: cpu_seconds(pid) for name, pid in clients.items()}
    cpu["server"] = server.cpu_seconds()
    busy = Path("/proc/stat").read_text().split("\n", 1)[0].split()
    # User, nice, system, interrupts, and what a hypervisor took; neither idle nor waiting for a disk.
    cpu["all"] = sum(int(busy[i]) for i in (1, 2, 3, 6, 7, 8)) / _TICKS
    return Sample(time.monotonic(), server.resident_mb().pss, cpu)


def watch(server: Server, clients: dict[str, int], end: float) -> list[Sample]:
    """Samples until a time on the clock of `time.monotonic`."""
    samples = [sample(server, clients)]
    while samples[-1].time < end:
        time.sleep(SAMPLE_SECONDS)
        samples.append(sample(server, clients))
    return samples
