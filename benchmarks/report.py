"""Results as ratios beside their targets, a table, and a plot."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

FOLDER: Final = Path(__file__).parent

TARGETS: Final[dict[str, tuple[str, float, str]]] = {
    "head_n1": (">=", 20, "our whole answer over scikit-learn's label, from features, 1 image"),
    "head_n32": (">=", 10, "our whole answer over scikit-learn's label, from features, 32 images"),
    "network_n1": ("<=", 1.5, "the network over the first that shipped, 1 image"),
    "network_n32": ("<=", 1.5, "the network over the first that shipped, 32 images"),
    "image_32": ("<=", 3, "a 32x32 PNG to its glyph over Pillow's decoding"),
    "image_1000": ("<=", 3, "a photograph of 1000x1000 to its glyph over Pillow's decoding"),
    "batch_of_raw": (">=", 0.75, "images/s of batch uploads of 64 over the whole way in one process"),
    "single_of_ceiling": (">=", 0.7, "requests/s over the same server without the model, concurrency 32"),
    "best_peer": (">=", 1.7, "requests/s over the best peer with our models, concurrency 32"),
    "best_peer_p99": ("<", 1, "p99 over the lowest p99 of these peers, concurrency 32"),
    "tutorial": (">=", 50, "requests/s over the app that tutorials write, concurrency 32"),
    "ready_of_imports": ("<=", 2, "exec to ready over importing scikit-learn and ONNX Runtime alone"),
    "resident_mb": ("<", 350, "resident memory after all loads, MB"),
    "memory_growth": ("<", 0.05, "growth of resident memory over 200,000 requests"),
}
"""What is to be reached, by the keys of ``results.json["ratios"]``."""


def ratios(results: dict[str, Any]) -> dict[str, float]:
    """All that `TARGETS` names, as far as it was measured."""
    raw, service = results["raw"], results["service"]
    labels, answers = raw["head"]["scikit-learn, the label alone"], raw["head"]["the whole answer"]
    found = {
        **{f"head_n{n}": labels[n] / answers[n] for n in ("1", "32")},
        **{f"network_n{n}": raw["network"]["ours"][n] / raw["network"]["first"][n] for n in ("1", "32")},
        **{f"image_{size}": each["ours"] / each["pillow"] for size, each in raw["imaging"].items()},
        "batch_of_raw": max(each["images_per_second"] for each in service["batch"].values())
        / raw["whole_way"]["images_per_second"],
        "single_of_ceiling": results["ceiling"]["ratio"],
        "ready_of_imports": results["ready"]["ready"] / results["ready"]["imports"],
        "resident_mb": service["resident_mb"]["rss"],
    }
    if peers := dict(results.get("peers", {})):
        found["tutorial"] = next(peers.pop(name) for name in list(peers) if name.startswith("tutorial"))["ratio"]
        found["best_peer"] = min(peer["ratio"] for peer in peers.values())
        found["best_peer_p99"] = max(peer["ours"]["p99_ms"] / peer["other"]["p99_ms"] for peer in peers.values())
    if memory := results.get("memory"):
        found["memory_growth"] = memory["after_mb"] / memory["before_mb"] - 1
    return {name: found[name] for name in TARGETS if name in found}


def reached(name: str, value: float) -> bool:
    """Whether a ratio meets its target."""
    how, target, _ = TARGETS[name]
    return {">=": value >= target, "<=": value <= target, "<": value < target}[how]


def table(results: dict[str, Any]) -> str:
    """The results as Markdown."""
    machine = results["machine"]
    where = (
        f"`make bench{'-quick' * results['quick']}` on {machine['cores']} cores of {machine['cpu']}, Python "
        f"{machine['python']}, client and server on the same cores; whatever else ran on the machine took "
        f"{machine['busy_before']:.0%} of them before and {machine['busy_after']:.0%} after. What is compared took "
        "turns, and who waited was stopped. Read the ratios; absolute numbers are this machine's on this day."
    )
    lines = ["# Benchmark", "", where, "", *_header("ratio", "is", "target", "what")]
    for name, value in results["ratios"].items():
        how, target, meaning = TARGETS[name]
        mark = "" if reached(name, value) else " **missed**"
        lines.append(f"| `{name}` | {value:.3g}{mark} | {how} {target:g} | {meaning} |")
    lines += [
        "",
        "| uploads | connections | requests/s | images/s | p50 ms | p95 ms | p99 ms |",
        "|---|---|---|---|---|---|---|",
    ]
    for kind, images in (("single", 1), ("batch", 64)):
        for connections, each in results["service"][kind].items():
            lines.append(
                f"| {kind} | {connections} | {each['requests_per_second']:.0f} "
                f"| {images * each['requests_per_second']:.0f} | {_latencies(each)} |"
            )
    ceiling = results["ceiling"]["other"]
    rate = ceiling["requests_per_second"]
    lines.append(f"| single, the model left out | 32 | {rate:.0f} | {rate:.0f} | {_latencies(ceiling)} |")
    rate = results["raw"]["whole_way"]["images_per_second"]
    lines.append(f"| none: the whole way in one process | | | {rate:.0f} | | | |")
    if "peers" in results:
        ours = ("ours then", "ratio")
        lines += ["", *_header("server", "requests/s", *ours, *_LATENCIES, "ours p99 ms", "resident MB")]
        for name, peer in results["peers"].items():
            lines.append(
                f"| {name} | {peer['other']['requests_per_second']:.0f} | {peer['ours']['requests_per_second']:.0f} "
                f"| {peer['ratio']:.2f} | {_latencies(peer['other'])} | {peer['ours']['p99_ms']:.1f} "
                f"| {peer['resident_mb']['pss']:.0f} |"
            )
    lines += ["", *_header("milliseconds a call", "n = 1", "n = 8", "n = 32", "n = 128")]
    raw = results["raw"]
    for part, runtimes in (("extractor", raw["extractor"]), ("consonants' head", raw["head"])):
        for runtime, times in runtimes.items():
            lines.append(f"| {part}, {runtime} | {' | '.join(f'{1e3 * seconds:.2f}' for seconds in times.values())} |")
    for size, times in raw["imaging"].items():
        for name, what in (("ours", "a file to its glyph"), ("pillow", "the file decoded by Pillow")):
            lines.append(f"| {what}, {size}x{size} | {1e3 * times[name]:.2f} | | | |")
    return "\n".join(lines) + "\n"


_LATENCIES: Final = ("p50 ms", "p95 ms", "p99 ms")


def _header(*columns: str) -> list[str]:
    return [f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]


def _latencies(each: dict[str, float]) -> str:
    return " | ".join(f"{each[name]:.1f}" for name in ("p50_ms", "p95_ms", "p99_ms"))


def write(results: dict[str, Any]) -> None:
    """Write all three beside this file."""
    (FOLDER / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    (FOLDER / "results.md").write_text(table(results))
    _plot(results, FOLDER / "results.svg")


def _plot(results: dict[str, Any], path: Path) -> None:
    """Requests a second at concurrency 32, of all servers as shares of ours in the same minutes."""
    import matplotlib

    matplotlib.use("svg")
    # The same file for the same numbers.
    matplotlib.rcParams["svg.hashsalt"] = "akshar"
    import matplotlib.pyplot as plt

    shares = {"the same server, no model": 1 / results["ceiling"]["ratio"], "Akshar": 1.0}
    shares |= {name: 1 / peer["ratio"] for name, peer in results.get("peers", {}).items()}
    ordered = dict(sorted(shares.items(), key=lambda item: item[1]))
    figure, axes = plt.subplots(figsize=(7, 0.5 + 0.4 * len(ordered)), layout="constrained")
    colours = ["#c2410c" if name == "Akshar" else "#94a3b8" for name in ordered]
    bars = axes.barh(list(ordered), list(ordered.values()), color=colours)
    axes.bar_label(bars, [f"{share:.2f}" for share in ordered.values()], padding=3)
    axes.set_xlabel("requests/s at concurrency 32, Akshar = 1")
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)
