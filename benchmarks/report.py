"""Results as ratios next to their targets, as tables with notes, and as a plot."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from benchmarks import ROOT

COMMITTED: Final = ROOT / "benchmarks/results"
"""The committed results, without the ending: ``.json``, ``.md`` and ``.svg``."""
MEASURED: Final = ROOT / "build/benchmark"
"""Where a run writes the same three files by default."""


class Target(NamedTuple):
    """What a ratio should be: a comparison (``>=``, ``<=`` or ``<``) with a limit, and the meaning of the ratio."""

    comparison: str
    limit: float
    meaning: str

    def met_by(self, value: float) -> bool:
        """Whether a ratio meets the target."""
        return {">=": value >= self.limit, "<=": value <= self.limit, "<": value < self.limit}[self.comparison]


TARGETS: Final = {
    "head_n1": Target(">=", 20, "speed of a full recognition relative to scikit-learn's label, from features, 1 image"),
    "head_n32": Target(">=", 10, "the same, 32 images"),
    "network_n1": Target("<=", 1.5, "time of the network relative to the first one that shipped, 1 image"),
    "network_n32": Target("<=", 1.5, "the same, 32 images"),
    "image_32": Target("<=", 3, "time from a 32x32 PNG to its glyph relative to decoding it with Pillow"),
    "image_64": Target("<=", 3, "the same for a 64x64 PNG"),
    "image_160": Target("<=", 6, "the same for a 160x160 PNG"),
    "image_280": Target("<=", 2.5, "the same for a 280x280 canvas with transparency"),
    "image_300": Target("<=", 2.5, "the same for a 300x300 photograph"),
    "image_1000": Target("<=", 1.3, "the same for a 1000x1000 photograph"),
    "canvas_vs_32": Target(">=", 0.5, "requests/s with 280x280 canvases relative to 32x32 drawings, concurrency 32"),
    "batch_vs_in_process": Target(">=", 0.75, "images/s in batches of 64 files relative to one process, no server"),
    "single_vs_ceiling": Target(">=", 0.7, "requests/s relative to the same server without a model, concurrency 32"),
    "best_peer": Target(">=", 1.7, "requests/s relative to the fastest peer with our models, concurrency 32"),
    "best_peer_p99": Target("<", 1, "p99 latency relative to the closest of these peers, concurrency 32"),
    "tutorial": Target(">=", 50, "requests/s relative to the app that tutorials write, concurrency 32"),
    "ready_vs_imports": Target("<=", 2, "time from exec to ready relative to importing scikit-learn and ONNX Runtime"),
    "resident_mb": Target("<", 350, "resident memory after all loads, MB"),
    "memory_growth": Target("<", 0.05, "growth of resident memory over 200,000 requests"),
}
"""Targets by the keys of ``results.json["ratios"]``."""

_PEER_NAMES: Final = {"bentoml": "BentoML", "litserve": "LitServe", "mlserver": "MLServer", "rayserve": "Ray Serve"}
_LATENCIES: Final = ("p50 ms", "p95 ms", "p99 ms")


def ratios(results: dict[str, Any]) -> dict[str, float]:
    """The ratios that `TARGETS` names, as far as they were measured."""
    parts, service = results["parts"], results["service"]
    labels, recognitions = parts["head"]["scikit-learn's label"], parts["head"]["recognition"]
    values = {
        **{f"head_n{n}": labels[n] / recognitions[n] for n in ("1", "32")},
        **{f"network_n{n}": parts["network"]["current"][n] / parts["network"]["first"][n] for n in ("1", "32")},
        **{f"image_{size}": times["glyph"] / times["pillow"] for size, times in parts["imaging"].items()},
        "canvas_vs_32": service["pictures"]["280"]["requests_per_second"]
        / service["pictures"]["32"]["requests_per_second"],
        "batch_vs_in_process": max(load["images_per_second"] for load in service["batch"].values())
        / parts["in_process"]["images_per_second"],
        "single_vs_ceiling": results["ceiling"]["ratio"],
        "ready_vs_imports": results["ready"]["ready"] / results["ready"]["imports"],
        "resident_mb": service["resident_mb"]["rss"],
    }
    if peers := dict(results.get("peers", {})):
        values["tutorial"] = next(peers.pop(name) for name in list(peers) if name.startswith("tutorial"))["ratio"]
        values["best_peer"] = min(peer["ratio"] for peer in peers.values())
        values["best_peer_p99"] = max(peer["akshar"]["p99_ms"] / peer["other"]["p99_ms"] for peer in peers.values())
    if memory := results.get("memory"):
        values["memory_growth"] = memory["after_mb"] / memory["before_mb"] - 1
    return {name: values[name] for name in TARGETS if name in values}


def markdown(results: dict[str, Any]) -> str:
    """The results as a Markdown page."""
    machine = results["machine"]
    intro = (
        f"`make bench{'-quick' * results['quick']}` on {machine['cores']} cores of {machine['cpu']}, Python "
        f"{machine['python']}, with client and server on the same cores. Other processes used "
        f"{machine['busy_before']:.0%} of these cores before the run and {machine['busy_after']:.0%} after it. "
        "Measurements that are compared took turns, and a server that was not being measured was stopped. Compare the "
        "ratios; absolute figures depend on the machine and the day."
    )
    sections = [["# Benchmark", "", intro], _ratio_table(results), ["## Notes", "", *_notes(results)]]
    sections += [["## Service", "", *_service_table(results)], ["## Pictures", "", *_picture_table(results)]]
    if "peers" in results:
        sections += [["## Peers", "", *_peer_table(results["peers"])]]
    sections += [["## Parts", "", *_parts_table(results["parts"])]]
    return "\n\n".join("\n".join(lines) for lines in sections) + "\n"


def _ratio_table(results: dict[str, Any]) -> list[str]:
    lines = ["## Targets", "", *table_header("ratio", "measured", "target", "meaning")]
    for name, value in results["ratios"].items():
        target = TARGETS[name]
        mark = "" if target.met_by(value) else " **missed**"
        lines.append(f"| `{name}` | {value:.3g}{mark} | {target.comparison} {target.limit:g} | {target.meaning} |")
    return lines


def _notes(results: dict[str, Any]) -> list[str]:
    """What a full recognition costs, and why targets are missed, where the reason is known."""
    head, decoding = results["parts"]["head"], results["parts"]["imaging"]["32"]["pillow"]
    recognition, label = 1e3 * head["recognition"]["1"], 1e3 * head["label"]["1"]
    cost = (
        "- `head_n1`, `head_n32`: a full recognition includes probabilities, a typicality and a lookalike from another "
        f"family. For one image it takes {recognition:.2f} ms, {recognition / label:.1f} times as long as the label "
        f"alone ({label:.2f} ms)."
    )
    lines = [cost]
    missed = [name for name, value in results["ratios"].items() if not TARGETS[name].met_by(value)]
    if "head_n32" in missed:
        lines.append(
            f"- `head_n32` is missed: for 32 images, the probabilities and the typicality take "
            f"{1e3 * (head['recognition']['32'] - head['label']['32']):.2f} ms besides the labels' "
            f"{1e3 * head['label']['32']:.2f} ms."
        )
    if "image_32" in missed:
        lines.append(
            f"- `image_32` is missed: Pillow decodes a small drawing in {1e3 * decoding:.2f} ms. No Python code that "
            "makes a glyph from it takes only three times as long."
        )
    for size in ("64", "160", "280", "300", "1000"):
        if f"image_{size}" in missed:
            times = results["parts"]["imaging"][size]
            lines.append(
                f"- `image_{size}` is missed: besides Pillow's {1e3 * times['pillow']:.2f} ms, finding the ink and "
                f"making the glyph take {1e3 * (times['glyph'] - times['pillow']):.2f} ms."
            )
    if "canvas_vs_32" in missed:
        canvas, small = (results["service"]["pictures"][size]["cpu_ms"] for size in ("280", "32"))
        lines.append(
            f"- `canvas_vs_32` is missed: a canvas takes {canvas:.2f} ms of CPU time, a small drawing {small:.2f} ms."
        )
    if "best_peer" in missed:
        lines.append(_peer_note(results))
    return lines


def _peer_note(results: dict[str, Any]) -> str:
    """Why the fastest peers are closer than the target: figures of the two fastest libraries, in all their set-ups."""
    by_library: dict[str, list[dict[str, Any]]] = {}
    for name, peer in results["peers"].items():
        by_library.setdefault(name.partition(",")[0], []).append(peer)
    fastest = sorted(by_library, key=lambda library: min(peer["ratio"] for peer in by_library[library]))[:2]
    peers = [peer for library in fastest for peer in by_library[library]]
    share = max(1 / peer["ratio"] for peer in peers)
    latency = [peer["other"]["p99_ms"] / peer["akshar"]["p99_ms"] for peer in peers]
    memory = [peer["resident_mb"]["pss"] / results["service"]["resident_mb"]["rss"] for peer in peers]
    rate = results["parts"]["in_process"]["images_per_second"]
    return (
        f"- `best_peer` is missed: with our models, {' and '.join(_PEER_NAMES[library] for library in fastest)} reach "
        f"up to {share:.0%} of our requests per second, at {min(latency):.1f} to {max(latency):.1f} times our p99 "
        f"latency and {min(memory):.1f} to {max(memory):.1f} times our memory. They decode and compute in separate "
        "processes; we do both in threads of one process. With two busy cores both are limited by the same "
        f"computation, which reads {rate:,.0f} images/s on this machine without any server."
    )


def _service_table(results: dict[str, Any]) -> list[str]:
    lines = table_header("uploads", "connections", "requests/s", "images/s", *_LATENCIES)
    for kind, images in (("single", 1), ("batch", 64)):
        for connections, load in results["service"][kind].items():
            rate = load["requests_per_second"]
            lines.append(f"| {kind} | {connections} | {rate:.0f} | {images * rate:.0f} | {_latencies(load)} |")
    ceiling = results["ceiling"]["other"]
    rate = ceiling["requests_per_second"]
    lines.append(f"| single, without a model | 32 | {rate:.0f} | {rate:.0f} | {_latencies(ceiling)} |")
    rate = results["parts"]["in_process"]["images_per_second"]
    return [*lines, f"| none: in one process, no server | | | {rate:.0f} | | | |"]


def _picture_table(results: dict[str, Any]) -> list[str]:
    intro = (
        "Uploads of one picture each at concurrency 32, by its side in pixels: drawings, a canvas with transparency "
        "(280) and photographs (300, 1000). CPU time is that of all processes of the service."
    )
    lines = [intro, "", *table_header("side", "requests/s", "CPU ms per request", *_LATENCIES)]
    for side, load in results["service"]["pictures"].items():
        lines.append(f"| {side} | {load['requests_per_second']:.0f} | {load['cpu_ms']:.2f} | {_latencies(load)} |")
    return lines


def _peer_table(peers: dict[str, Any]) -> list[str]:
    intro = "Each peer took turns with Akshar; `Akshar` columns are Akshar's figures from these turns."
    columns = ("server", "requests/s", "Akshar requests/s", "ratio", *_LATENCIES, "Akshar p99 ms", "resident MB")
    lines = [intro, "", *table_header(*columns)]
    for name, peer in peers.items():
        lines.append(
            f"| {name} | {peer['other']['requests_per_second']:.0f} | {peer['akshar']['requests_per_second']:.0f} "
            f"| {peer['ratio']:.2f} | {_latencies(peer['other'])} | {peer['akshar']['p99_ms']:.1f} "
            f"| {peer['resident_mb']['pss']:.0f} |"
        )
    return lines


def _parts_table(parts: dict[str, Any]) -> list[str]:
    lines = table_header("milliseconds per call", "n = 1", "n = 8", "n = 32", "n = 128")
    for part, variants in (("extractor", parts["extractor"]), ("head of the consonants", parts["head"])):
        for variant, times in variants.items():
            lines.append(f"| {part}: {variant} | {' | '.join(f'{1e3 * seconds:.2f}' for seconds in times.values())} |")
    for size, times in parts["imaging"].items():
        for name, what in (("glyph", "file to glyph"), ("pillow", "decoding the file with Pillow")):
            lines.append(f"| {what}, {size}x{size} | {1e3 * times[name]:.2f} | | | |")
    return lines


def table_header(*columns: str) -> list[str]:
    """The first two lines of a Markdown table."""
    return [f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]


def _latencies(load: dict[str, float]) -> str:
    return " | ".join(f"{load[name]:.1f}" for name in ("p50_ms", "p95_ms", "p99_ms"))


def write(results: dict[str, Any], path: Path) -> Sequence[Path]:
    """Write the results as JSON, Markdown and SVG, to a path without its ending; the paths written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    written = [path.with_suffix(ending) for ending in (".json", ".md", ".svg")]
    written[0].write_text(json.dumps(results, indent=1) + "\n")
    written[1].write_text(markdown(results))
    _plot(results, written[2])
    return written


def _plot(results: dict[str, Any], path: Path) -> None:
    """Requests per second of all servers at concurrency 32, each relative to Akshar in the same turns."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "akshar"  # The same file for the same results.
    import matplotlib.pyplot as plt

    rates = {"the same server, no model": 1 / results["ceiling"]["ratio"], "Akshar": 1.0}
    rates |= {name: 1 / peer["ratio"] for name, peer in results.get("peers", {}).items()}
    ordered = dict(sorted(rates.items(), key=lambda item: item[1]))
    figure, axes = plt.subplots(figsize=(7, 0.5 + 0.4 * len(ordered)), layout="constrained")
    colors = ["#c2410c" if name == "Akshar" else "#94a3b8" for name in ordered]
    bars = axes.barh(list(ordered), list(ordered.values()), color=colors)
    axes.bar_label(bars, [f"{rate:.2f}" for rate in ordered.values()], padding=3)
    axes.set_xlabel("requests/s at concurrency 32, Akshar = 1")
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


if __name__ == "__main__":
    # After a change to the wording: the committed page and plot anew, from the committed figures.
    write(json.loads(COMMITTED.with_suffix(".json").read_text()), COMMITTED)
