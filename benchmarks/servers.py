"""Starts server processes, pauses them, measures their memory and ends them with all that they started."""

from __future__ import annotations

import contextlib
import os
import platform
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

_POLL: Final = 0.02
_TICKS: Final = os.sysconf("SC_CLK_TCK")
_LOG_TAIL: Final = 3000


@dataclass(frozen=True, slots=True)
class Memory:
    """Resident megabytes of a server's processes.

    Attributes:
        rss: counts a page once for every process that shares it.
        pss: counts a shared page once in all.
    """

    rss: float
    pss: float


@dataclass(frozen=True, slots=True)
class Server:
    """A running server.

    Attributes:
        pid: its first process, which leads a session of its own.
        ready_seconds: from its start to the first time that it reported to be ready.
    """

    pid: int
    ready_seconds: float

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Stop all its processes for a while: some servers poll when idle, which takes cores from the others."""
        processes = _family(self.pid)
        _signal(processes, signal.SIGSTOP)
        try:
            yield
        finally:
            _signal(processes, signal.SIGCONT)

    def resident_mb(self) -> Memory:
        """What it and all its descendants hold in memory now."""
        rss = pss = 0
        for pid, _ in _family(self.pid):
            with contextlib.suppress(OSError):  # The process may have ended meanwhile.
                for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                    name, _, rest = line.partition(":")
                    if name == "Rss":
                        rss += int(rest.split()[0])
                    elif name == "Pss":
                        pss += int(rest.split()[0])
        return Memory(rss / 1024, pss / 1024)

    def cpu_seconds(self) -> float:
        """CPU seconds until now of the processes of its session, and of their children that have ended."""
        return sum(
            cpu_seconds(int(entry.name), self.pid) for entry in Path("/proc").iterdir() if entry.name.isdecimal()
        )


def machine() -> dict[str, Any]:
    """What this runs on: the CPU, its cores that may be used, and Python."""
    cpu = next(
        (line.partition(": ")[2] for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line),
        platform.machine(),
    )
    return {"cpu": cpu, "cores": len(os.sched_getaffinity(0)), "python": platform.python_version()}


def cpu_seconds(pid: int, session: int | None = None) -> float:
    """CPU seconds of a process and of its children that have ended; 0 if it is not there or not of this session."""
    with contextlib.suppress(OSError):
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
        if session is None or int(fields[3]) == session:
            return sum(int(field) for field in fields[11:15]) / _TICKS
    return 0.0


@contextlib.contextmanager
def serving(
    command: Sequence[str],
    ready_url: str,
    log: Path,
    env: Mapping[str, str] | None = None,
    timeout: float = 120,
    cwd: Path | None = None,
    grace: float = 6,
) -> Iterator[Server]:
    """Run a server until the block ends; the block starts once the server is ready.

    Args:
        command: starts the server in the foreground.
        ready_url: responds with 200 once the server is ready, and not before.
        log: the file that both output streams go to.
        env: variables to add to those of this process.
        timeout: seconds that it may take to get ready.
        cwd: the server's working directory; by default that of this process.
        grace: seconds that it may take to end before its remaining processes are killed.

    Raises:
        RuntimeError: the server ended or ran out of time before it was ready; the message ends with its last log lines.
    """
    with log.open("wb") as output:
        started = time.perf_counter()
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(env or {})},
            cwd=cwd,
            start_new_session=True,
        )
    try:
        while not _responds(ready_url):
            if os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
                raise RuntimeError(f"{command[0]} ended before it was ready:\n{_tail(log)}")
            if time.perf_counter() - started > timeout:
                raise RuntimeError(f"{command[0]} was not ready after {timeout:g} s:\n{_tail(log)}")
            time.sleep(_POLL)
        yield Server(process.pid, time.perf_counter() - started)
    finally:
        _end(process, grace)


def _responds(url: str) -> bool:
    # Ignores the proxies of the environment: they do not reach this machine's own ports.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=2) as response:
            return bool(response.status == 200)
    except (OSError, urllib.error.URLError, ValueError):
        return False


def _tail(log: Path) -> str:
    return log.read_text(errors="replace")[-_LOG_TAIL:]


def _end(process: subprocess.Popen[bytes], grace: float) -> None:
    """Send SIGTERM to the server, as Docker does, then to the processes it left behind; kill what remains."""
    family = _family(process.pid)
    # It is reaped only at the end: until then its pid cannot be given to another process.
    os.kill(process.pid, signal.SIGTERM)
    _wait_for({member for member in family if member[0] == process.pid}, grace)
    for number in (signal.SIGTERM, signal.SIGKILL):
        family |= _family(process.pid)
        _signal(family, number)
        _wait_for(family, grace)
    process.wait()


def _signal(family: set[tuple[int, int]], number: int) -> None:
    for pid, _ in _alive(family):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def _wait_for(family: set[tuple[int, int]], seconds: float) -> None:
    deadline = time.perf_counter() + seconds
    while _alive(family) and time.perf_counter() < deadline:
        time.sleep(_POLL)


@dataclass(frozen=True, slots=True)
class _Process:
    parent: int
    session: int
    started: int
    zombie: bool


def _processes() -> dict[int, _Process]:
    processes = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with contextlib.suppress(OSError):  # The process may have ended meanwhile.
                # The name, in parentheses, may contain anything; the fields from the third on follow it.
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                processes[int(entry.name)] = _Process(
                    int(fields[1]), int(fields[3]), int(fields[19]), fields[0] in "ZX"
                )
    return processes


def _family(leader: int) -> set[tuple[int, int]]:
    """The leader's session and all its descendants, who may have left the session.

    Each is a pid and a start time: a pid may be used again.
    """
    processes = _processes()
    family = {pid for pid, process in processes.items() if pid == leader or process.session == leader}
    while children := {pid for pid, process in processes.items() if process.parent in family} - family:
        family |= children
    return {(pid, processes[pid].started) for pid in family}


def _alive(family: set[tuple[int, int]]) -> set[tuple[int, int]]:
    processes = _processes()
    return {
        (pid, started)
        for pid, started in family
        if pid in processes and processes[pid].started == started and not processes[pid].zombie
    }
