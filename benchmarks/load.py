"""Starts servers and loads them with wrk, which is in C and leaves the cores to the server."""

from __future__ import annotations

import contextlib
import json
import math
import os
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_SCRIPT: Final = Path(__file__).with_name("load.lua")
_POLL: Final = 0.02
_LOG_TAIL: Final = 3000
_BOUNDARY: Final = "akshar-benchmark-boundary"


@dataclass(frozen=True, slots=True)
class Body:
    """What a POST request carries."""

    data: bytes
    content_type: str


def multipart(files: Sequence[tuple[str, str, bytes, str]]) -> Body:
    """An upload of files, each a field, a file name, its bytes and its media type."""
    parts = [
        f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="{field}"; filename="{name}"\r\n'
        f"Content-Type: {mime}\r\n\r\n".encode()
        + data
        + b"\r\n"
        for field, name, data, mime in files
    ]
    return Body(b"".join(parts) + f"--{_BOUNDARY}--\r\n".encode(), f"multipart/form-data; boundary={_BOUNDARY}")


@dataclass(frozen=True, slots=True)
class Errors:
    """Requests that got no answer."""

    connect: int
    read: int
    write: int
    timeout: int

    def __bool__(self) -> bool:
        return bool(self.connect or self.read or self.write or self.timeout)


@dataclass(frozen=True, slots=True)
class Load:
    """What wrk saw.

    Attributes:
        statuses: how many answers had which status; empty unless asked for.
        non_2xx: answers of status 400 and more, which is how wrk counts.
        p50_ms: as are the other latencies, with wrk's correction for coordinated omission: an answer that took longer
            than two of a connection's mean intervals also counts for the requests that it held up. NaN without any
            answer. Requests still under way at the end count nowhere, so let a run last much longer than an answer.
    """

    requests_per_second: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    requests: int
    seconds: float
    statuses: dict[int, int]
    non_2xx: int
    errors: Errors


def load(
    url: str,
    bodies: Sequence[Body],
    connections: int,
    seconds: float,
    threads: int = 1,
    *,
    count_statuses: bool = False,
    timeout: int = 10,
) -> Load:
    """POST the bodies in turn over kept-alive connections, each of which sends again as soon as it has its answer.

    Args:
        url: where to; one address for all bodies.
        bodies: what to send, each thread of wrk starting at the first.
        connections: how many requests are under way at once.
        seconds: for how long; wrk knows whole seconds, so this is rounded up.
        threads: of wrk, at most one a connection.
        count_statuses: count answers by status, which makes wrk copy each answer to Lua and costs it some speed.
        timeout: seconds after which an answer counts as an error instead of a latency.

    Raises:
        RuntimeError: wrk failed, or nothing listens at the address.
    """
    with tempfile.TemporaryDirectory(prefix="akshar-load-") as folder:
        for i, body in enumerate(bodies):
            (Path(folder) / f"{i}.body").write_bytes(body.data)
            (Path(folder) / f"{i}.type").write_text(body.content_type)
        ran = subprocess.run(
            [
                "wrk",
                *("--connections", str(connections), "--threads", str(min(threads, connections))),
                *("--duration", f"{math.ceil(seconds)}s", "--timeout", f"{timeout}s", "--script", str(_SCRIPT)),
                *(url, "--", folder, str(len(bodies)), "count-statuses" if count_statuses else "plain"),
            ],
            capture_output=True,
            text=True,
            check=False,
        )
    lines = [line for line in ran.stdout.splitlines() if line.startswith("{")]
    if ran.returncode or not lines:
        raise RuntimeError(f"wrk answered {ran.returncode}: {(ran.stderr or ran.stdout).strip()}")
    seen = json.loads(lines[-1])
    elapsed = seen["us"] / 1e6
    p50, p95, p99 = (seen[name] / 1e3 if seen["requests"] else math.nan for name in ("p50", "p95", "p99"))
    return Load(
        requests_per_second=seen["requests"] / elapsed,
        p50_ms=p50,
        p95_ms=p95,
        p99_ms=p99,
        requests=seen["requests"],
        seconds=elapsed,
        statuses={int(status): count for status, count in seen["statuses"].items()},
        non_2xx=seen["non_2xx"],
        errors=Errors(**seen["errors"]),
    )


def free_port() -> int:
    """A port of this machine that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True, slots=True)
class Memory:
    """Resident megabytes of a server's processes: ``rss`` counts pages they share once each, ``pss`` once in all."""

    rss: float
    pss: float


@dataclass(frozen=True, slots=True)
class Server:
    """A server that runs.

    Attributes:
        pid: its first process, which leads a session of its own.
        ready_seconds: from its start to the first time that it said to be ready.
    """

    pid: int
    ready_seconds: float

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Stop all its processes meanwhile: some servers poll when they are idle, which takes the cores from others."""
        family = _family(self.pid)
        _signal(family, signal.SIGSTOP)
        try:
            yield
        finally:
            _signal(family, signal.SIGCONT)

    def resident_mb(self) -> Memory:
        """What it and all its descendants hold in memory now."""
        rss = pss = 0
        for pid, _ in _family(self.pid):
            with contextlib.suppress(OSError):  # It may have ended since.
                for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                    name, _, rest = line.partition(":")
                    if name == "Rss":
                        rss += int(rest.split()[0])
                    elif name == "Pss":
                        pss += int(rest.split()[0])
        return Memory(rss / 1024, pss / 1024)


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
    """Run a server until the block ends; enter it once the server is ready.

    Args:
        command: what starts it, in the foreground.
        ready_url: answers 200 once it is ready, and not before.
        log: where its output goes, both streams.
        env: variables to add to this process's.
        timeout: seconds it may take to get ready.
        cwd: where it starts; here by default.
        grace: seconds it may take to end, before what is left of it is killed.

    Raises:
        RuntimeError: it ended, or ran out of time, before it was ready; the text ends with the tail of its log.
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
        while not _answers(ready_url):
            if os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
                raise RuntimeError(f"{command[0]} ended before it was ready:\n{_tail(log)}")
            if time.perf_counter() - started > timeout:
                raise RuntimeError(f"{command[0]} was not ready after {timeout:g} s:\n{_tail(log)}")
            time.sleep(_POLL)
        yield Server(process.pid, time.perf_counter() - started)
    finally:
        _end(process, grace)


def _answers(url: str) -> bool:
    # Without the environment's proxies, which know nothing of this machine.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=2) as response:
            return bool(response.status == 200)
    except (OSError, urllib.error.URLError, ValueError):
        return False


def _tail(log: Path) -> str:
    return log.read_text(errors="replace")[-_LOG_TAIL:]


def _end(process: subprocess.Popen[bytes], grace: float) -> None:
    """Ask the server to end, as Docker does; then ask whom it left behind, and kill who stays."""
    family = _family(process.pid)
    # It is not reaped before the end, so that its pid stays its own: nobody else's process may be taken for it.
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
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with contextlib.suppress(OSError):  # It may have ended since.
                # The name, in parentheses, may hold anything; what follows it are the fields from the third on.
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                found[int(entry.name)] = _Process(int(fields[1]), int(fields[3]), int(fields[19]), fields[0] in "ZX")
    return found


def _family(leader: int) -> set[tuple[int, int]]:
    """The leader's session and all descendants, who may have left it, as pid and start: a pid may be given anew."""
    processes = _processes()
    family = {pid for pid, process in processes.items() if pid == leader or process.session == leader}
    while more := {pid for pid, process in processes.items() if process.parent in family} - family:
        family |= more
    return {(pid, processes[pid].started) for pid in family}


def _alive(family: set[tuple[int, int]]) -> set[tuple[int, int]]:
    processes = _processes()
    return {
        (pid, started)
        for pid, started in family
        if pid in processes and processes[pid].started == started and not processes[pid].zombie
    }
