"""What a run shows: percentiles by phase and second, memory, CPU time, and the ratios that have targets."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from benchmarks.attack.normal import Exchange
from benchmarks.attack.sampling import Sample
from benchmarks.report import Target

PHASES: Final = ("quiet", "attack", "recovery")

TARGETS: Final = {
    "memory_over_rest_mb": Target("<=", 400, "highest memory of the server over its median before the attack, MB"),
    "livez_p99_ms": Target("<=", 100, "p99 of /livez on the service's port during the attack, ms"),
    "probe_port_p99_ms": Target("<=", 100, "the same on the probes' port"),
    "served_32": Target(">=", 1, "share of the 32-pixel requests that got 200 during the attack"),
    "served_280": Target(">=", 1, "the same for canvases of 280 pixels"),
    "p99_32_ms": Target("<=", 1000, "p99 of the 32-pixel requests during the attack, ms"),
    "server_errors": Target("<=", 0, "errors and crashes in the server's log"),
}
"""Targets by the keys of ``results["ratios"]``."""


class Phase(NamedTuple):
    """A part of a run, in seconds since the start of the first."""

    name: str
    start: float
    end: float


def percentiles(seconds: Sequence[float]) -> dict[str, float]:
    """p50, p99 and maximum in milliseconds."""
    ordered = sorted(seconds)
    ranks = {"p50_ms": 0.5, "p99_ms": 0.99, "max_ms": 1.0}
    return {name: round(1e3 * ordered[math.ceil(rank * len(ordered)) - 1], 2) for name, rank in ranks.items()}


def by_phase(exchanges: Iterable[Exchange], start: float, phases: Sequence[Phase]) -> dict[str, Any]:
    """For each stream and phase: percentiles over all requests, lost ones included, and the statuses."""
    cells: dict[str, dict[str, list[Exchange]]] = {}
    for exchange in exchanges:
        for phase in phases:
            if phase.start <= exchange.sent - start < phase.end:
                cells.setdefault(exchange.stream, {}).setdefault(phase.name, []).append(exchange)
    return {
        stream: {
            phase: {
                "requests": len(each),
                **percentiles([exchange.seconds for exchange in each]),
                "served": sum(exchange.status == 200 for exchange in each) / len(each),
                "statuses": _statuses(each),
            }
            for phase, each in by_name.items()
        }
        for stream, by_name in sorted(cells.items())
    }


def _statuses(exchanges: Iterable[Exchange]) -> dict[str, int]:
    counts = Counter(str(exchange.status) if exchange.status else "lost" for exchange in exchanges)
    return dict(sorted(counts.items()))


def by_second(exchanges: Iterable[Exchange], start: float, end: float) -> dict[str, dict[str, list[float]]]:
    """For each stream: the seconds in which requests were sent, and p50 and p99 of each."""
    cells: dict[str, dict[int, list[float]]] = {}
    for exchange in exchanges:
        if 0 <= exchange.sent - start < end:
            seconds = cells.setdefault(exchange.stream, {})
            seconds.setdefault(int(exchange.sent - start), []).append(exchange.seconds)
    series: dict[str, dict[str, list[float]]] = {}
    for stream, by_time in sorted(cells.items()):
        measured = [(second, percentiles(each)) for second, each in sorted(by_time.items())]
        series[stream] = {"second": [second for second, _ in measured]}
        for name in ("p50_ms", "p99_ms"):
            series[stream][name] = [values[name] for _, values in measured]
    return series


def by_attack(
    exchanges: Iterable[Exchange], start: float, turns: Sequence[Mapping[str, Any]]
) -> dict[str, dict[str, float]]:
    """For each attack and stream: p99 in milliseconds of the requests that were sent while the attack was on."""
    seconds: dict[str, dict[str, list[float]]] = {}
    for exchange in exchanges:
        for turn in turns:
            if turn["start"] <= exchange.sent - start < turn["end"]:
                for attack in turn["attacks"]:
                    seconds.setdefault(attack, {}).setdefault(exchange.stream, []).append(exchange.seconds)
    return {
        attack: {stream: percentiles(each)["p99_ms"] for stream, each in by_stream.items()}
        for attack, by_stream in seconds.items()
    }


def memory(samples: Sequence[Sample], start: float, phases: Sequence[Phase]) -> dict[str, Any]:
    """Megabytes of the server: the median and the peak of each phase, the last, and all by time."""
    series = [(round(each.time - start, 2), round(each.memory_mb, 1)) for each in samples]
    within = {phase.name: [mb for at, mb in series if phase.start <= at < phase.end] for phase in phases}
    return {
        "rest_mb": statistics.median(within["quiet"]),
        "peak_mb": {name: max(each) for name, each in within.items()},
        "last_mb": series[-1][1],
        "series": {"second": [at for at, _ in series], "mb": [mb for _, mb in series]},
    }


def cpu(samples: Sequence[Sample], start: float, phases: Sequence[Phase]) -> dict[str, Any]:
    """Cores in use in each phase, on average: by the server, the clients, and all other processes."""
    cores: dict[str, Any] = {}
    for phase in phases:
        within = [each for each in samples if phase.start <= each.time - start < phase.end]
        first, last = within[0], within[-1]
        seconds = max(last.time - first.time, 1e-9)
        used = {name: max(last.cpu[name] - first.cpu[name], 0) / seconds for name in first.cpu}
        everyone = used.pop("all")
        used["others"] = max(everyone - sum(used.values()), 0)
        cores[phase.name] = {name: round(value, 3) for name, value in used.items()}
    return cores


def ratios(results: Mapping[str, Any]) -> dict[str, float]:
    """The figures that `TARGETS` names."""
    attacked = {stream: phases["attack"] for stream, phases in results["streams"].items()}
    return {
        "memory_over_rest_mb": max(results["memory"]["peak_mb"].values()) - results["memory"]["rest_mb"],
        "livez_p99_ms": attacked["/livez"]["p99_ms"],
        "probe_port_p99_ms": attacked["/livez, probe port"]["p99_ms"],
        "served_32": attacked["32 px"]["served"],
        "served_280": attacked["280 px"]["served"],
        "p99_32_ms": attacked["32 px"]["p99_ms"],
        "server_errors": results["log"]["errors"],
    }
