"""Attacks the service beside normal load: ``python -m benchmarks.attack``, twelve minutes.

First there is normal load alone, then all attacks in turns beside it, then normal load again. With ``--flood`` only
32-pixel requests are measured, without and beside a flood of large images; this takes three minutes and wrk.

The results go to ``build/attack.*`` or ``build/flood.*``, or replace the committed ``benchmarks/attack.*`` or
``benchmarks/flood.*`` with ``--save``.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console

from benchmarks import ROOT
from benchmarks.attack import attacks, flood, normal, report, summary
from benchmarks.attack.sampling import watch
from benchmarks.attack.summary import Phase
from benchmarks.load import free_port
from benchmarks.servers import Server, machine, serving

COMMITTED: Final = ROOT / "benchmarks"
MEASURED: Final = ROOT / "build"

FLOOD_ROUNDS: Final = 3
FLOOD_SECONDS: Final = 8

_WARM_UP_SECONDS: Final = 5
_LOUD: Final = ("warning", "error", "critical")

console = Console(stderr=True)


@dataclass(frozen=True, slots=True)
class Target:
    """A running server and its log."""

    server: Server
    port: int
    probe_port: int
    log: Path


def main(
    minutes: Annotated[float, typer.Option(help="Of attacks.", min=0.1)] = 10,
    quiet_minutes: Annotated[float, typer.Option(help="Of normal load before, and again after.", min=0.05)] = 1,
    only_flood: Annotated[bool, typer.Option("--flood", help="Measure only beside a flood of large images.")] = False,
    save: Annotated[bool, typer.Option(help="Replace the committed results.")] = False,
) -> None:
    """Measure, and write the results."""
    folder = COMMITTED if save else MEASURED
    if only_flood:
        written = report.write(measure_flood(FLOOD_ROUNDS, FLOOD_SECONDS), folder / "flood")
    else:
        written = report.write(measure(60 * minutes, 60 * quiet_minutes), folder / "attack")
    console.print(written[1].read_text(), markup=False)
    console.print(f"written: {', '.join(map(str, written))}")


def measure(attack_seconds: float, quiet_seconds: float) -> dict[str, Any]:
    """A mixed attack, as ``attack.json`` holds it."""
    with _serving() as target, _process() as client, _process() as attacker:
        attacker.submit(attacks.prepare).result()
        clients = {"normal": client.submit(os.getpid).result(), "attackers": attacker.submit(os.getpid).result()}
        start = time.monotonic() + _WARM_UP_SECONDS
        end = start + attack_seconds + 2 * quiet_seconds
        exchanges = client.submit(normal.run, target.port, target.probe_port, end)
        outcomes = attacker.submit(attacks.run, target.port, start + quiet_seconds, attack_seconds)
        time.sleep(_WARM_UP_SECONDS)
        samples = watch(target.server, clients, end)
        bounds = (0, quiet_seconds, quiet_seconds + attack_seconds, end - start)
        phases = [Phase(name, *bounds[i : i + 2]) for i, name in enumerate(summary.PHASES)]
        turns = list(_turns(quiet_seconds, attack_seconds))
        p99 = summary.by_attack(exchanges.result(), start, turns)
        results = {
            "machine": machine(),
            "phases": [phase._asdict() for phase in phases],
            "turns": turns,
            "streams": summary.by_phase(exchanges.result(), start, phases),
            "memory": summary.memory(samples, start, phases),
            "cpu": summary.cpu(samples, start, phases),
            "attacks": {
                name: {"outcomes": dict(sorted(counts.items())), "p99_ms": p99[name]}
                for name, counts in outcomes.result().items()
            },
            "log": _read_log(target.log),
            "series": summary.by_second(exchanges.result(), start, end - start),
        }
    return {"ratios": summary.ratios(results), **results}


def measure_flood(rounds: int, seconds: float) -> dict[str, Any]:
    """A flood, as ``flood.json`` holds it."""
    with _serving() as target, _process() as flooder:
        cells = flood.measure(target.port, flooder, rounds, seconds)
    return {"machine": machine(), "rounds": rounds, "seconds": seconds, "cells": cells}


@contextmanager
def _serving() -> Iterator[Target]:
    """``akshar serve`` with its default settings, and a port for probes."""
    port, probe_port = free_port(), free_port()
    command = [str(Path(sys.executable).with_name("akshar")), "serve", "--port", str(port)]
    env = {"AKSHAR_PROBE_PORT": str(probe_port), "AKSHAR_LOG_FORMAT": "json"}
    with tempfile.TemporaryDirectory(prefix="akshar-attack-") as folder:
        log = Path(folder) / "akshar.log"
        with serving(command, f"http://127.0.0.1:{port}/readyz", log, env, cwd=ROOT, grace=20) as server:
            yield Target(server, port, probe_port, log)


def _process() -> ProcessPoolExecutor:
    """One process, which shares nothing with this one: not its threads, and not its memory."""
    return ProcessPoolExecutor(1, get_context("spawn"))


def _turns(start: float, seconds: float) -> Iterator[dict[str, Any]]:
    plan = attacks.turns(seconds)
    length = seconds / len(plan)
    for number, names in enumerate(plan):
        yield {"start": start + number * length, "end": start + (number + 1) * length, "attacks": list(names)}


def _read_log(log: Path) -> dict[str, Any]:
    """What the log of the server says of faults."""
    events: Counter[str] = Counter()
    errors = tracebacks = 0
    with log.open(errors="replace") as lines:
        for line in lines:
            tracebacks += "Traceback" in line
            # Most lines are of requests; and the last one may be incomplete.
            if not any(f'"level":"{level}"' in line for level in _LOUD) or not line.endswith("}\n"):
                continue
            entry = json.loads(line)
            events[entry["event"]] += 1
            errors += entry["level"] != "warning"
    return {"errors": errors, "tracebacks": tracebacks, "events": dict(events.most_common())}


if __name__ == "__main__":
    typer.run(main)
