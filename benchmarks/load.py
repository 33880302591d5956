"""Loads a server with wrk, which is written in C and leaves the cores to the server."""

from __future__ import annotations

import json
import math
import socket
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_SCRIPT: Final = Path(__file__).with_name("load.lua")
_BOUNDARY: Final = "akshar-benchmark-boundary"


@dataclass(frozen=True, slots=True)
class Body:
    """The body of a POST request."""

    data: bytes
    content_type: str


def multipart(files: Sequence[tuple[str, str, bytes, str]]) -> Body:
    """A form of files, each given as field, file name, bytes and media type."""
    parts = [
        f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="{field}"; filename="{name}"\r\n'
        f"Content-Type: {mime}\r\n\r\n".encode()
        + data
        + b"\r\n"
        for field, name, data, mime in files
    ]
    return Body(b"".join(parts) + f"--{_BOUNDARY}--\r\n".encode(), f"multipart/form-data; boundary={_BOUNDARY}")


def free_port() -> int:
    """A port of 127.0.0.1 on which nothing listens now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True, slots=True)
class Errors:
    """How many requests got no response, by cause."""

    connect: int
    read: int
    write: int
    timeout: int

    def __bool__(self) -> bool:
        return bool(self.connect or self.read or self.write or self.timeout)


@dataclass(frozen=True, slots=True)
class Load:
    """What wrk measured.

    Attributes:
        statuses: the number of responses by status; empty unless requested.
        non_2xx: responses with status 400 or higher, which is how wrk counts.
        p50_ms: like the other latencies, corrected by wrk for coordinated omission: a response that took longer than
            two mean intervals of its connection also counts for the requests that it delayed. NaN without any
            response. Requests still under way at the end are not counted, so a run should last much longer than one
            response.
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
    """POST the bodies in turn over kept-alive connections; each sends its next request as soon as it has a response.

    Args:
        url: the one address that all bodies are sent to.
        bodies: request bodies; each thread of wrk starts at the first.
        connections: how many requests are under way at once.
        seconds: how long to send; wrk counts whole seconds, so this is rounded up.
        threads: threads of wrk, at most one per connection.
        count_statuses: count responses by status, which makes wrk copy each response to Lua and slows it down a little.
        timeout: seconds after which a missing response counts as an error instead of a latency.

    Raises:
        RuntimeError: wrk failed, or nothing listens at the address.
    """
    with tempfile.TemporaryDirectory(prefix="akshar-load-") as folder:
        for i, body in enumerate(bodies):
            (Path(folder) / f"{i}.body").write_bytes(body.data)
            (Path(folder) / f"{i}.type").write_text(body.content_type)
        wrk = subprocess.run(
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
    lines = [line for line in wrk.stdout.splitlines() if line.startswith("{")]
    if wrk.returncode or not lines:
        raise RuntimeError(f"wrk exited with {wrk.returncode}: {(wrk.stderr or wrk.stdout).strip()}")
    report = json.loads(lines[-1])
    elapsed = report["us"] / 1e6
    p50, p95, p99 = (report[name] / 1e3 if report["requests"] else math.nan for name in ("p50", "p95", "p99"))
    return Load(
        requests_per_second=report["requests"] / elapsed,
        p50_ms=p50,
        p95_ms=p95,
        p99_ms=p99,
        requests=report["requests"],
        seconds=elapsed,
        statuses={int(status): count for status, count in report["statuses"].items()},
        non_2xx=report["non_2xx"],
        errors=Errors(**report["errors"]),
    )
