"""Measures the service beside its parts, its ceiling and its peers: ``make bench``, or ``make bench-quick``.

All in one run on one machine, what is compared taking turns, and reported as ratios: absolute times of a shared machine
mean little. Writes ``results.json``, ``results.md`` and ``results.svg`` beside this file.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console

from app.settings import REPOSITORY
from benchmarks import FAMILY, report
from benchmarks.images import IMAGES, batch, single
from benchmarks.load import Body, Load, Server, free_port, load, serving
from benchmarks.peers import PEERS, Peer, environment

PATH: Final = f"/predict/{FAMILY}"
CONCURRENCIES: Final = (1, 8, 32, 128)
BATCH_CONNECTIONS: Final = (1, 2, 4)
GROWTH_REQUESTS: Final = 200_000

_SETTLE: Final = 0.3

console = Console(stderr=True)


@dataclass(frozen=True)
class Effort:
    """How long to measure."""

    rounds: int
    seconds: float
    raw_seconds: float


QUICK: Final = Effort(rounds=3, seconds=2, raw_seconds=0.15)
FULL: Final = Effort(rounds=3, seconds=4, raw_seconds=0.3)
SLOW: Final = Effort(rounds=2, seconds=12, raw_seconds=0)
"""For a server that answers a few requests a second."""


@dataclass(frozen=True)
class Running:
    """A server that runs, and where."""

    server: Server
    url: str

    def load(self, path: str, bodies: list[Body], connections: int, seconds: float) -> Load:
        """Load it; an error or a refusal spoils a measurement, so it ends the run."""
        time.sleep(_SETTLE)  # What the load before has left unanswered is still under way.
        measured = load(f"{self.url}{path}", bodies, connections, seconds, timeout=30)
        if measured.non_2xx or measured.errors or not measured.requests:
            raise RuntimeError(f"{self.url}{path}: {measured}")
        return measured


def main(quick: Annotated[bool, typer.Option(help="Leave out the peers and the long run.")] = False) -> None:
    """Measure, and write the results beside this file."""
    effort = QUICK if quick else FULL
    results: dict[str, Any] = {"quick": quick, "machine": _machine()}
    uploads = [single(image) for image in IMAGES]
    with tempfile.TemporaryDirectory(prefix="akshar-bench-") as folder, ExitStack() as stack:
        logs = Path(folder)
        say("parts in one process")
        results["raw"] = _raw(effort)
        say("from exec to ready")
        results["ready"] = _ready(logs, effort.rounds)
        ours = stack.enter_context(_ours(logs))
        with _ceiling(logs) as ceiling:
            say("the ceiling, in turns with the service")
            results["ceiling"] = _in_turns(ours, uploads, ceiling, PATH, uploads, effort)
        say("the service")
        results["service"] = _service(ours, uploads, effort)
        if not quick:
            results["peers"] = {}
            for peer in PEERS:
                for workers in (1, results["machine"]["cores"]) if peer.workers else (1,):
                    name = f"{peer.name}, {workers} model process{'es' * (workers > 1)}"
                    say(f"{name}, in turns with the service")
                    results["peers"][name] = _peer(peer, workers, ours, uploads, logs, effort)
            say(f"{GROWTH_REQUESTS:,} requests")
            results["memory"] = _memory_growth(ours, uploads)
    results["machine"]["busy_after"] = _busy_share()
    results["ratios"] = report.ratios(results)
    report.write(results)
    console.print(report.table(results))


def say(what: str) -> None:
    """Tell what is being measured."""
    console.print(f"[dim]{time.strftime('%H:%M:%S')}[/] {what}")


def _machine() -> dict[str, Any]:
    cpu = next(
        (line.partition(": ")[2] for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line),
        platform.machine(),
    )
    names = ("fastapi", "starlette", "uvicorn", "onnxruntime", "numpy", "scikit-learn", "pillow", "tensorflow")
    return {
        "cpu": cpu,
        "cores": len(os.sched_getaffinity(0)),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in names},
        "busy_before": _busy_share(),
    }


def _busy_share(seconds: float = 2) -> float:
    """The share of all cores' time that others take while this process sleeps."""

    def ticks() -> list[int]:
        return [int(field) for field in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]

    before = ticks()
    time.sleep(seconds)
    spent = [after - was for after, was in zip(ticks(), before, strict=True)]
    return 1 - (spent[3] + spent[4]) / max(sum(spent), 1)


def _raw(effort: Effort) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.raw", str(effort.rounds), str(effort.raw_seconds)]
    ran = subprocess.run(command, cwd=REPOSITORY, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    found: dict[str, Any] = json.loads(ran.stdout)
    return found


def _ready(logs: Path, rounds: int) -> dict[str, float]:
    """Exec to ready, beside a Python that does nothing but import the two libraries that the models need."""
    imports = [sys.executable, "-c", "import onnxruntime, sklearn.svm"]
    times: dict[str, list[float]] = {"ready": [], "imports": []}
    for _ in range(rounds):
        started = time.perf_counter()
        subprocess.run(imports, check=True)
        times["imports"].append(time.perf_counter() - started)
        with _ours(logs) as ours:
            times["ready"].append(ours.server.ready_seconds)
    return {name: statistics.median(each) for name, each in times.items()}


def _ours(logs: Path) -> AbstractContextManager[Running]:
    command = [str(Path(sys.executable).with_name("akshar")), "serve", "--port"]
    return _run(lambda port: [*command, str(port)], "/readyz", logs / "akshar.log")


def _ceiling(logs: Path) -> AbstractContextManager[Running]:
    command = [sys.executable, "-m", "benchmarks.ceiling", "serve", "--port"]
    return _run(lambda port: [*command, str(port)], "/readyz", logs / "ceiling.log")


@contextmanager
def _run(
    command: Callable[[int], list[str]], ready_path: str, log: Path, env: Mapping[str, str] | None = None
) -> Iterator[Running]:
    """What the command, given a port, starts; until the block ends."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with serving(command(port), url + ready_path, log, env, timeout=180, cwd=REPOSITORY) as server:
        yield Running(server, url)


def _in_turns(
    ours: Running, uploads: list[Body], other: Running, path: str, bodies: list[Body], effort: Effort
) -> dict[str, Any]:
    """Both at concurrency 32, in turns, so that both meet the same noise; who waits is paused. The median of rounds."""
    for running, where, what in ((ours, PATH, uploads), (other, path, bodies)):
        running.load(where, what, 32, min(effort.seconds, 10))  # Warm-up.
    rounds = []
    for _ in range(effort.rounds):
        with other.server.paused():
            mine = ours.load(PATH, uploads, 32, effort.seconds)
        with ours.server.paused():
            theirs = other.load(path, bodies, 32, effort.seconds)
        rounds.append((mine, theirs))
    return {
        "ours": _median([mine for mine, _ in rounds]),
        "other": _median([theirs for _, theirs in rounds]),
        "ratio": statistics.median(mine.requests_per_second / theirs.requests_per_second for mine, theirs in rounds),
    }


def _median(loads: list[Load]) -> dict[str, float]:
    names = ("requests_per_second", "p50_ms", "p95_ms", "p99_ms")
    return {name: statistics.median(getattr(each, name) for each in loads) for name in names}


def _service(ours: Running, uploads: list[Body], effort: Effort) -> dict[str, Any]:
    found: dict[str, Any] = {"single": {}, "batch": {}}
    for connections in CONCURRENCIES:
        loads = [ours.load(PATH, uploads, connections, effort.seconds) for _ in range(effort.rounds)]
        found["single"][str(connections)] = _median(loads)
    for connections in BATCH_CONNECTIONS:
        loads = [ours.load(f"{PATH}/batch", [batch()], connections, effort.seconds) for _ in range(effort.rounds)]
        median = _median(loads)
        found["batch"][str(connections)] = {**median, "images_per_second": len(IMAGES) * median["requests_per_second"]}
    found["resident_mb"] = asdict(ours.server.resident_mb())
    return found


def _peer(peer: Peer, workers: int, ours: Running, uploads: list[Body], logs: Path, effort: Effort) -> dict[str, Any]:
    python = str(environment(peer))
    env = {**peer.env, **({peer.workers: str(workers)} if peer.workers else {})}
    with _run(lambda port: peer.command(python, port), peer.ready_path, logs / f"{peer.name}.log", env) as running:
        bodies = [peer.body(image) for image in IMAGES]
        found = _in_turns(ours, uploads, running, peer.path, bodies, SLOW if peer.name == "tutorial" else effort)
        server = running.server
        return {**found, "ready_seconds": server.ready_seconds, "resident_mb": asdict(server.resident_mb())}


def _memory_growth(ours: Running, uploads: list[Body]) -> dict[str, float]:
    """Resident memory before and after many requests, the server having been loaded before."""
    before, requests = ours.server.resident_mb().rss, 0
    while requests < GROWTH_REQUESTS:
        requests += ours.load(PATH, uploads, 32, 20).requests
    return {"requests": requests, "before_mb": before, "after_mb": ours.server.resident_mb().rss}


if __name__ == "__main__":
    typer.run(main)
