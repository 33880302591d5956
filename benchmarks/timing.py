"""Timings that can be compared on a noisy machine: the calls to compare take turns."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping


def seconds_per_call(calls: Mapping[str, Callable[[], object]], rounds: int, seconds: float) -> dict[str, float]:
    """The median over rounds of each call's mean time.

    Args:
        calls: what to time, by name.
        rounds: how often each call gets a turn.
        seconds: how long one turn lasts; at least one call is made.
    """
    for call in calls.values():
        call()  # First calls prepare things.
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            count, started = 0, time.perf_counter()
            while (elapsed := time.perf_counter() - started) < seconds or not count:
                call()
                count += 1
            times[name].append(elapsed / count)
    return {name: statistics.median(each) for name, each in times.items()}
