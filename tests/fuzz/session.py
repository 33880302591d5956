"""Sends the cases of one fuzzer to a server for a while, and writes down what is wrong with its responses."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Final

from tests.faults.client import GOOD, LostError, ask_once
from tests.fuzz.exchange import MAX_SECONDS, Case, exchange
from tests.fuzz.oracle import judge

Make = Callable[[Random], Case]
"""Makes a case of what it draws from a generator of random numbers."""

FOLDER: Final = Path("build/fuzz")
_PULSE_SECONDS: Final = 0.5
_PULSE_ADDRESS: Final = "127.0.0.2"
"""Another client than the one that sends the cases: its share of the service is its own."""
_MAX_ALIKE: Final = 3
"""Findings that begin alike and are all written down; after so many they are only counted."""


@dataclass
class Report:
    """What one fuzzer has done.

    Attributes:
        requests: cases that were sent; one may be several HTTP requests, or none.
        statuses: of the responses; connections without one count by how they ended.
        findings: what is wrong, each with its file.
    """

    fuzzer: str
    seed: int
    seconds: float = 0.0
    requests: int = 0
    statuses: Counter[str] = field(default_factory=Counter)
    findings: list[str] = field(default_factory=list)
    _alike: Counter[str] = field(default_factory=Counter)

    def find(self, what: str, name: str, reproducer: bytes) -> None:
        """Write down a finding: its reproducer is a file of the folder, with this name."""
        self._alike[what[:30]] += 1
        if self._alike[what[:30]] > _MAX_ALIKE:
            return
        FOLDER.mkdir(parents=True, exist_ok=True)
        path = FOLDER / f"{self.fuzzer}-{self.seed}-{name}"
        path.write_bytes(reproducer)
        self.findings.append(f"{what}\n    {path}")

    def text(self) -> str:
        """A line of figures, and the findings."""
        counts = ", ".join(f"{status}: {count:,}" for status, count in sorted(self.statuses.items()))
        lines = [f"{self.fuzzer}: seed {self.seed}, {self.requests:,} requests in {self.seconds:.0f} s; {counts}"]
        more = sum(count - _MAX_ALIKE for count in self._alike.values() if count > _MAX_ALIKE)
        lines += [f"  FOUND {finding}" for finding in self.findings]
        return "\n".join([*lines, *([f"  and {more:,} more like these"] if more else [])])


def make_case(make: Make, fuzzer: str, seed: int, number: int) -> Case:
    """The case of this number: it depends on nothing else, not even on the time that others took."""
    return make(Random(f"{fuzzer}-{seed}-{number}"))


async def run_cases(port: int, make: Make, report: Report, seconds: float, clients: int, only: int | None) -> None:
    """Send cases until the time is over, and meanwhile check that another client is served.

    Args:
        port: of the server, on 127.0.0.1.
        make: makes the cases.
        report: of this fuzzer.
        seconds: to go on for.
        clients: connections at once.
        only: the number of the one case to send.
    """
    started = time.monotonic()
    under_way: dict[int, Case] = {}
    numbers = itertools.count() if only is None else iter([only])

    async def client() -> None:
        for number in numbers:
            case = under_way[number] = make_case(make, report.fuzzer, report.seed, number)
            await _send(port, case, report, number)
            del under_way[number]
            if time.monotonic() - started > seconds:
                return

    async with watched(port, report, under_way):
        await asyncio.gather(*(client() for _ in range(clients)))
    report.seconds = time.monotonic() - started


@asynccontextmanager
async def watched(port: int, report: Report, under_way: Mapping[int, Case]) -> AsyncIterator[None]:
    """Within the block and right after it, another client asks for a known image, and must get the right class.

    Args:
        port: of the server, on 127.0.0.1.
        report: of the fuzzer that the block runs.
        under_way: the cases that are being sent, by number: the suspects if that fails.
    """

    async def ask() -> None:
        before = dict(under_way)
        if wrong := await _known_image_fault(port):
            suspects = {**before, **under_way}
            sent = b"\n\n--- another case, sent at the same time ---\n\n".join(
                b"".join(case.chunks) for case in suspects.values()
            )
            report.find(wrong, f"{min(suspects, default=0)}-to-{max(suspects, default=0)}.bin", sent)

    async def pulse() -> None:
        while True:
            await ask()
            await asyncio.sleep(_PULSE_SECONDS)

    beat = asyncio.create_task(pulse())
    try:
        yield
    finally:
        beat.cancel()
    await ask()


async def _send(port: int, case: Case, report: Report, number: int) -> None:
    try:
        outcome = await exchange(port, case)
    except OSError as error:
        report.statuses["refused"] += 1
        report.find(f"no connection: {error}", f"{number}.bin", b"".join(case.chunks))
        await asyncio.sleep(0.5)  # A server that has ended would be asked in a tight loop.
        return
    responses, wrong = judge(case, outcome)
    report.requests += 1
    report.statuses.update(str(response.status) for response in responses)
    if not responses:
        report.statuses[outcome.end] += 1
    for fault in wrong:
        report.find(f"case {number}: {fault}", f"{number}.bin", b"".join(case.chunks))


async def _known_image_fault(port: int) -> str | None:
    """What is wrong with the prediction for a known image; None if it is right."""
    sent, class_id = next(iter(GOOD.items()))
    try:
        async with asyncio.timeout(MAX_SECONDS):
            response = await ask_once(port, sent, _PULSE_ADDRESS)
    except (LostError, OSError, TimeoutError) as error:
        return f"a known image gets no response: {error!r}"
    if response.status != 200:
        return f"a known image gets {response.status}: {response.body[:200]!r}"
    if response.json()["class_id"] != class_id:
        return f"a known image is read as another class: {response.body[:200]!r}"
    return None
