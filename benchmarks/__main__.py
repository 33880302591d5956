"""Measures the service, its parts, its ceiling and its peers: ``make bench``, or ``make bench-quick`` without peers.

Everything is measured in one run on one machine. What is compared takes turns and is reported as a ratio: absolute
times on a shared machine mean little. The results go to ``build/benchmark.*``, or replace the committed
``benchmarks/results.*`` with ``--save``.
"""

from __future__ import annotations

import json
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

from benchmarks import FAMILY, ROOT, report
from benchmarks.images import IMAGES, PICTURES, batch, single
from benchmarks.load import Body, Load, free_port, load
from benchmarks.peers import PEERS, Peer, environment
from benchmarks.servers import Server, machine, serving

PATH: Final = f"/predict/{FAMILY}"
CONCURRENCIES: Final = (1, 8, 32, 128)
BATCH_CONNECTIONS: Final = (1, 2, 4)
GROWTH_REQUESTS: Final = 200_000

_SETTLE_SECONDS: Final = 0.3

console = Console(stderr=True)


@dataclass(frozen=True)
class Effort:
    """How long to measure.

    Attributes:
        rounds: how often each measurement is repeated.
        seconds: length of one load.
        part_seconds: length of one timing of a part.
    """

    rounds: int
    seconds: float
    part_seconds: float


QUICK: Final = Effort(rounds=3, seconds=2, part_seconds=0.15)
FULL: Final = Effort(rounds=3, seconds=4, part_seconds=0.3)
SLOW: Final = Effort(rounds=2, seconds=12, part_seconds=0)
"""For a server that responds to only a few requests per second."""


@dataclass(frozen=True)
class Running:
    """A running server and its address."""

    server: Server
    url: str

    def load(self, path: str, bodies: list[Body], connections: int, seconds: float) -> Load:
        """Load the server. Any failed request makes a measurement useless, so it raises RuntimeError."""
        time.sleep(_SETTLE_SECONDS)  # Requests that the previous load left behind are still under way.
        measured = load(f"{self.url}{path}", bodies, connections, seconds, timeout=30)
        if measured.non_2xx or measured.errors or not measured.requests:
            raise RuntimeError(f"{self.url}{path}: {measured}")
        return measured


def main(
    quick: Annotated[bool, typer.Option(help="Leave out the peers and the long run.")] = False,
    save: Annotated[bool, typer.Option(help="Replace the committed results; needs a full run.")] = False,
) -> None:
    """Measure, and write the results to build/benchmark.json, .md and .svg."""
    if quick and save:
        raise typer.BadParameter("--save needs a full run, without --quick")
    results = measure(quick)
    written = report.write(results, report.COMMITTED if save else report.MEASURED)
    console.print(report.markdown(results))
    log(f"written: {', '.join(map(str, written))}")


def measure(quick: bool) -> dict[str, Any]:
    """All results, as ``results.json`` holds them."""
    effort = QUICK if quick else FULL
    results: dict[str, Any] = {"quick": quick, "machine": _machine()}
    uploads = [single(image) for image in IMAGES]
    with tempfile.TemporaryDirectory(prefix="akshar-bench-") as folder, ExitStack() as stack:
        logs = Path(folder)
        log("parts in one process")
        results["parts"] = _parts(effort)
        log("from exec to ready")
        results["ready"] = _ready(logs, effort.rounds)
        akshar = stack.enter_context(_akshar(logs))
        with _ceiling(logs) as ceiling:
            log("the ceiling, in turns with the service")
            results["ceiling"] = _in_turns(akshar, uploads, ceiling, PATH, uploads, effort)
        log("the service")
        results["service"] = _service(akshar, uploads, effort)
        if not quick:
            results["peers"] = {}
            for peer in PEERS:
                for workers in (1, results["machine"]["cores"]) if peer.workers else (1,):
                    name = f"{peer.name}, {workers} model process{'es' * (workers > 1)}"
                    log(f"{name}, in turns with the service")
                    results["peers"][name] = _peer(peer, workers, akshar, uploads, logs, effort)
            log(f"{GROWTH_REQUESTS:,} requests")
            results["memory"] = _memory_growth(akshar, uploads)
    results["machine"]["busy_after"] = _busy_share()
    results["ratios"] = report.ratios(results)
    return results


def log(text: str) -> None:
    """Print progress, with the time."""
    console.print(f"[dim]{time.strftime('%H:%M:%S')}[/] {text}")


def _machine() -> dict[str, Any]:
    names = ("fastapi", "starlette", "uvicorn", "onnxruntime", "numpy", "scikit-learn", "pillow", "tensorflow")
    return {**machine(), "versions": {name: version(name) for name in names}, "busy_before": _busy_share()}


def _busy_share(seconds: float = 2) -> float:
    """The share of the time of all cores that other processes use while this one sleeps."""

    def ticks() -> list[int]:
        return [int(field) for field in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]

    before = ticks()
    time.sleep(seconds)
    spent = [end - start for end, start in zip(ticks(), before, strict=True)]
    return 1 - (spent[3] + spent[4]) / max(sum(spent), 1)


def _parts(effort: Effort) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.parts", str(effort.rounds), str(effort.part_seconds)]
    process = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    parts: dict[str, Any] = json.loads(process.stdout)
    return parts


def _ready(logs: Path, rounds: int) -> dict[str, float]:
    """Seconds from exec to ready, and of a Python that only imports the two libraries that the models need."""
    imports = [sys.executable, "-c", "import onnxruntime, sklearn.svm"]
    times: dict[str, list[float]] = {"ready": [], "imports": []}
    for _ in range(rounds):
        started = time.perf_counter()
        subprocess.run(imports, check=True)
        times["imports"].append(time.perf_counter() - started)
        with _akshar(logs) as akshar:
            times["ready"].append(akshar.server.ready_seconds)
    return {name: statistics.median(each) for name, each in times.items()}


def _akshar(logs: Path) -> AbstractContextManager[Running]:
    command = [str(Path(sys.executable).with_name("akshar")), "serve", "--port"]
    return _run(lambda port: [*command, str(port)], "/readyz", logs / "akshar.log")


def _ceiling(logs: Path) -> AbstractContextManager[Running]:
    command = [sys.executable, "-m", "benchmarks.ceiling", "serve", "--port"]
    return _run(lambda port: [*command, str(port)], "/readyz", logs / "ceiling.log")


@contextmanager
def _run(
    command: Callable[[int], list[str]], ready_path: str, log_file: Path, env: Mapping[str, str] | None = None
) -> Iterator[Running]:
    """Run a server until the block ends; ``command`` makes its command line for a port."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with serving(command(port), url + ready_path, log_file, env, timeout=180, cwd=ROOT) as server:
        yield Running(server, url)


def _in_turns(
    akshar: Running, uploads: list[Body], other: Running, path: str, bodies: list[Body], effort: Effort
) -> dict[str, Any]:
    """Load both at concurrency 32, in turns, so that both meet the same noise; the one not measured is paused.

    Args:
        akshar: the service.
        uploads: its request bodies.
        other: the server to compare with.
        path: where it predicts.
        bodies: its request bodies.
        effort: how long to measure.

    Returns:
        Medians over the rounds for both, and the median ratio of their requests per second.
    """
    for running, to, requests in ((akshar, PATH, uploads), (other, path, bodies)):
        running.load(to, requests, 32, min(effort.seconds, 10))  # Warm-up.
    rounds = []
    for _ in range(effort.rounds):
        with other.server.paused():
            akshar_load = akshar.load(PATH, uploads, 32, effort.seconds)
        with akshar.server.paused():
            other_load = other.load(path, bodies, 32, effort.seconds)
        rounds.append((akshar_load, other_load))
    return {
        "akshar": _median([akshar_load for akshar_load, _ in rounds]),
        "other": _median([other_load for _, other_load in rounds]),
        "ratio": statistics.median(one.requests_per_second / two.requests_per_second for one, two in rounds),
    }


def _median(loads: list[Load]) -> dict[str, float]:
    names = ("requests_per_second", "p50_ms", "p95_ms", "p99_ms")
    return {name: statistics.median(getattr(each, name) for each in loads) for name in names}


def _service(akshar: Running, uploads: list[Body], effort: Effort) -> dict[str, Any]:
    results: dict[str, Any] = {"single": {}, "batch": {}}
    for connections in CONCURRENCIES:
        loads = [akshar.load(PATH, uploads, connections, effort.seconds) for _ in range(effort.rounds)]
        results["single"][str(connections)] = _median(loads)
    for connections in BATCH_CONNECTIONS:
        loads = [akshar.load(f"{PATH}/batch", [batch()], connections, effort.seconds) for _ in range(effort.rounds)]
        median = _median(loads)
        rate = len(IMAGES) * median["requests_per_second"]
        results["batch"][str(connections)] = {**median, "images_per_second": rate}
    results["pictures"] = _pictures(akshar, effort)
    results["resident_mb"] = asdict(akshar.server.resident_mb())
    return results


def _pictures(akshar: Running, effort: Effort) -> dict[str, Any]:
    """Uploads of one picture each, by its side in pixels, in turns; and what they cost in CPU time, all processes."""
    loads: dict[str, list[Load]] = {name: [] for name in PICTURES}
    cpu: dict[str, list[float]] = {name: [] for name in PICTURES}
    for _ in range(effort.rounds):
        for name, picture in PICTURES.items():
            before = akshar.server.cpu_seconds()
            measured = akshar.load(PATH, [single(picture)], 32, effort.seconds)
            loads[name].append(measured)
            cpu[name].append((akshar.server.cpu_seconds() - before) / measured.requests)
    return {name: {**_median(loads[name]), "cpu_ms": 1e3 * statistics.median(cpu[name])} for name in PICTURES}


def _peer(peer: Peer, workers: int, akshar: Running, uploads: list[Body], logs: Path, effort: Effort) -> dict[str, Any]:
    python = str(environment(peer))
    env = {**peer.env, **({peer.workers: str(workers)} if peer.workers else {})}
    with _run(lambda port: peer.command(python, port), peer.ready_path, logs / f"{peer.name}.log", env) as running:
        bodies = [peer.body(image) for image in IMAGES]
        effort = SLOW if peer.name == "tutorial" else effort
        results = _in_turns(akshar, uploads, running, peer.path, bodies, effort)
        server = running.server
        return {**results, "ready_seconds": server.ready_seconds, "resident_mb": asdict(server.resident_mb())}


def _memory_growth(akshar: Running, uploads: list[Body]) -> dict[str, float]:
    """Resident memory before and after many requests to a server that has been under load before."""
    before, requests = akshar.server.resident_mb().rss, 0
    while requests < GROWTH_REQUESTS:
        requests += akshar.load(PATH, uploads, 32, 20).requests
    return {"requests": requests, "before_mb": before, "after_mb": akshar.server.resident_mb().rss}


if __name__ == "__main__":
    typer.run(main)
