"""Runs fuzzers against one real server, and checks after each and at the end that nothing was left behind."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any, Final

import httpx2

from tests.drawing import draw, encode
from tests.faults.client import ask_once, request
from tests.faults.memory import assert_idle, memory
from tests.fuzz import api, forms, http, images
from tests.fuzz.exchange import MAX_SECONDS
from tests.fuzz.oracle import LogReader
from tests.fuzz.session import Make, Report, run_cases
from tests.server.process import Server, serving

_CASES: Final[dict[str, tuple[Make, int]]] = {
    "images": (images.make, 4),
    "forms": (forms.make, 4),
    "http": (http.make, 24),  # Most of them wait.
}
"""What makes the cases of a fuzzer, and how many connections send them at once."""

FUZZERS: Final = (*_CASES, "api")
"""The names of all fuzzers, in the order in which they run."""

_SETTINGS: Final[dict[str, Any]] = {"header_seconds": 2, "upload_seconds": 3, "keep_alive_seconds": 2}
"""Shorter than by default, so that clients which wait for the server to close can be many."""

_MORE_MEGABYTES: Final = 150
_SETTLE_SECONDS: Final = 10
_CRASHES: Final = "500"
_NOTHING_LEFT: Final = ("akshar_images_waiting", "akshar_receiving_bytes", "akshar_decoding_waiting")


def run(names: Sequence[str], seconds: float, seed: int, only: int | None = None) -> list[Report]:
    """Run fuzzers one after the other, and print what each has done and found.

    Args:
        names: of `FUZZERS`.
        seconds: for how long each runs.
        seed: of the random numbers.
        only: the number of the one case to send.

    Returns:
        A report of each, and one of the server as a whole.
    """
    with serving(**_SETTINGS) as server:
        server.wait_until_ready()
        with httpx2.Client(base_url=server.url, timeout=MAX_SECONDS) as client:
            return asyncio.run(_run(server, _Counters(client), names, seconds, seed, only))


async def _run(
    server: Server, counters: _Counters, names: Sequence[str], seconds: float, seed: int, only: int | None
) -> list[Report]:
    await _warm_up(server.port)
    pid, log, rest = server.process.pid, LogReader(server.process.pid), memory(server.process.pid)
    reports = []
    for name in names:
        report = Report(name, seed)
        if name in _CASES:
            make, clients = _CASES[name]
            await run_cases(server.port, make, report, seconds, 1 if only is not None else clients, only)
        else:
            await api.run(server.port, report, seconds)
        if server.process.poll() is None:
            for fault in (*log.faults(), *await counters.faults()):
                report.find(fault, "log.txt", server.log.encode()[-(10**6) :])
        else:
            report.find(f"the server has ended with {server.process.returncode}", "log.txt", server.log.encode())
        print(report.text(), flush=True)
        reports.append(report)
        if server.process.poll() is not None:
            return reports
    reports.append(await _at_the_end(pid, rest, Report("all", seed)))
    return reports


async def _warm_up(port: int) -> None:
    """Let the serving process and the decoder processes load what they load with their first images."""
    body = encode(draw("pa", 400))
    await asyncio.gather(*(ask_once(port, request("/predict/auto", body)) for _ in range(8)))


class _Counters:
    """What the server's metrics say of places, bytes and turns that are held, and of responses that nobody read."""

    def __init__(self, client: httpx2.Client) -> None:
        self._client = client
        self._crashes = 0.0

    async def faults(self) -> list[str]:
        """What no request holds any more and was not given back, and new responses of 500."""
        faults: list[str] = []
        for _ in range(_SETTLE_SECONDS * 10):
            try:
                values = self._read()
            except httpx2.TransportError as error:
                return [f"no metrics: {error!r}"]
            faults = [f"{name} is {values[name]:g} at rest" for name in _NOTHING_LEFT if values[name]]
            if not faults:
                break
            await asyncio.sleep(0.1)
        crashes, self._crashes = values[_CRASHES] - self._crashes, values[_CRASHES]
        return [*faults, *([f"{crashes:g} requests counted with status 500"] if crashes else [])]

    def _read(self) -> dict[str, float]:
        values = dict.fromkeys((*_NOTHING_LEFT, _CRASHES), 0.0)
        for line in self._client.get("/metrics").text.splitlines():
            name, _, value = line.rpartition(" ")
            if name in _NOTHING_LEFT:
                values[name] = float(value)
            elif name.startswith("akshar_requests_total{") and 'status="500"' in name:
                values[_CRASHES] += float(value)
        return values


async def _at_the_end(pid: int, rest: int, report: Report) -> Report:
    """Whether the memory has come back, and nothing computes any more."""
    started = time.monotonic()
    try:
        await assert_idle(pid)
    except AssertionError:
        report.find("a process of the server computes on with nothing to do", "processes.txt", b"")
    while (now := memory(pid)) > rest + _MORE_MEGABYTES and time.monotonic() - started < _SETTLE_SECONDS:
        await asyncio.sleep(0.5)
    if now > rest + _MORE_MEGABYTES:
        report.find(f"{now} MB are still taken at the end, {rest} MB before", "memory.txt", b"")
    print(f"memory: {rest} MB before, {now} MB after")
    print(report.text() if report.findings else "nothing is left behind", flush=True)
    return report
