"""32-pixel requests beside a flood of large images from another address."""

from __future__ import annotations

import asyncio
import os
import resource
import statistics
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import uvloop

from benchmarks import FAMILY
from benchmarks.attack.attacks import NICENESS, Attack
from benchmarks.attack.connection import post
from benchmarks.images import IMAGES, encode, photo, single
from benchmarks.load import Body, Load, load
from benchmarks.report import Target
from training.data.drawings import GLYPHS, draw

CONNECTIONS: Final = (1, 8)
"""Of the client whose requests are measured."""
FLOOD_CONNECTIONS: Final = 16
SIDES: Final = (300, 1000)
TARGET: Final = Target("<=", 3, "p99 of 32-pixel requests beside a flood relative to p99 without it")

_LEAD_SECONDS: Final = 1.0
"""How long a flood goes on before the measurement begins, and after it ends."""
_PATH: Final = f"/predict/{FAMILY}"


@dataclass(frozen=True, slots=True)
class Turn:
    """One measurement.

    Attributes:
        load: of the measured client.
        client_cores: that the measured client used.
        flood: responses of the flood by status, per second.
        flood_cores: that the flood's client used.
    """

    load: Load
    client_cores: float
    flood: dict[str, float]
    flood_cores: float


@cache
def large_request(side: int) -> bytes:
    """A drawing as PNG, or of 1000 pixels a photograph as JPEG."""
    body = Body(photo(), "image/jpeg") if side == 1000 else Body(encode(draw(GLYPHS["pa"], side)), "image/png")
    return post(_PATH, body)


def prepare() -> None:
    """Make what the flood sends, and stand back from the server."""
    os.nice(NICENESS)
    for side in SIDES:
        large_request(side)


def run(port: int, side: int, seconds: float) -> tuple[Counter[str], float]:
    """Flood the server for so many seconds; the outcomes, and the CPU seconds that it took."""
    started = time.process_time()
    outcomes: Counter[str] = Counter()
    uvloop.run(_run(Attack(port, outcomes), side, seconds))
    return outcomes, time.process_time() - started


async def _run(attack: Attack, side: int, seconds: float) -> None:
    sending = asyncio.create_task(attack.send_all(FLOOD_CONNECTIONS, 1, [large_request(side)]))
    await asyncio.wait([sending], timeout=seconds)
    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)


def measure(port: int, pool: ProcessPoolExecutor, rounds: int, seconds: float) -> list[dict[str, Any]]:
    """Measure without and beside each flood, in turns, for each number of connections.

    Args:
        port: of the server.
        pool: one process for the flood.
        rounds: how often each measurement is repeated.
        seconds: length of one.

    Returns:
        For each number of connections and each side of the flood's images: medians over the rounds.
    """
    cells: dict[tuple[int, int], list[tuple[Turn, Turn]]] = {}
    pool.submit(prepare).result()
    _turn(pool, port, CONNECTIONS[-1], None, min(seconds, 3))  # Warm-up.
    for _ in range(rounds):
        for connections in CONNECTIONS:
            quiet = _turn(pool, port, connections, None, seconds)
            for side in SIDES:
                beside = _turn(pool, port, connections, side, seconds)
                cells.setdefault((connections, side), []).append((quiet, beside))
    return [_medians(connections, side, turns) for (connections, side), turns in cells.items()]


def _turn(pool: ProcessPoolExecutor, port: int, connections: int, side: int | None, seconds: float) -> Turn:
    flooding = None
    if side:
        flooding = pool.submit(run, port, side, seconds + 2 * _LEAD_SECONDS)
    time.sleep(_LEAD_SECONDS)
    before = _children_seconds()
    url = f"http://127.0.0.1:{port}{_PATH}"
    bodies = [single(image) for image in IMAGES]
    measured = load(url, bodies, connections, seconds, count_statuses=True)
    client = (_children_seconds() - before) / measured.seconds
    if flooding is None:
        return Turn(measured, client, {}, 0.0)
    outcomes, cpu = flooding.result()
    lasted = seconds + 2 * _LEAD_SECONDS
    return Turn(measured, client, {name: count / lasted for name, count in outcomes.items()}, cpu / lasted)


def _children_seconds() -> float:
    """CPU seconds of children that have ended: those of wrk."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _medians(connections: int, side: int, turns: Sequence[tuple[Turn, Turn]]) -> dict[str, Any]:
    def row(each: Sequence[Turn]) -> dict[str, float]:
        names = ("requests_per_second", "p50_ms", "p99_ms")
        return {
            **{name: statistics.median(getattr(turn.load, name) for turn in each) for name in names},
            "served": statistics.median(turn.load.statuses.get(200, 0) / turn.load.requests for turn in each),
            "client_cores": statistics.median(turn.client_cores for turn in each),
        }

    beside = [turn for _, turn in turns]
    outcomes = sorted({name for turn in beside for name in turn.flood})
    return {
        "connections": connections,
        "side": side,
        "quiet": row([turn for turn, _ in turns]),
        "beside": row(beside),
        "flood": {name: statistics.median(turn.flood.get(name, 0) for turn in beside) for name in outcomes},
        "flood_cores": statistics.median(turn.flood_cores for turn in beside),
        "ratio": statistics.median(turn.load.p99_ms / quiet.load.p99_ms for quiet, turn in turns),
    }
