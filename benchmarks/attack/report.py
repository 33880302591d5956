"""The results as Markdown pages and as a plot."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from benchmarks.attack import flood
from benchmarks.attack.attacks import KINDS, NICENESS, PAUSE_SECONDS
from benchmarks.attack.normal import TIMEOUT_SECONDS
from benchmarks.attack.sampling import SAMPLE_SECONDS
from benchmarks.attack.summary import PHASES, TARGETS
from benchmarks.report import table_header

_COLORS: Final = {"32 px": "#c2410c", "280 px": "#1d4ed8", "/livez": "#15803d", "/livez, probe port": "#a855f7"}


def write(results: dict[str, Any], path: Path) -> Sequence[Path]:
    """Write the results as JSON, Markdown and, of a mixed attack, SVG, to a path without its ending; the paths."""
    path.parent.mkdir(parents=True, exist_ok=True)
    plotted = "streams" in results
    written = [path.with_suffix(ending) for ending in (".json", ".md", ".svg")[: 2 + plotted]]
    written[0].write_text(json.dumps(results, indent=1) + "\n")
    written[1].write_text(markdown(results, path.stem) if plotted else flood_markdown(results))
    if plotted:
        plot(results, written[2])
    return written


def markdown(results: dict[str, Any], plot_name: str = "attack") -> str:
    """The page of a mixed attack, which shows the plot beside it."""
    phases = {phase["name"]: phase for phase in results["phases"]}
    length = {name: phases[name]["end"] - phases[name]["start"] for name in PHASES}
    intro = (
        f"`python -m benchmarks.attack` on {_machine(results)}: {length['quiet']:.0f} s of normal load, "
        f"{length['attack']:.0f} s of attacks beside it and {length['recovery']:.0f} s after them. Server, clients and "
        "attackers share the cores; the attackers run in a process of their own with a niceness of "
        f"{NICENESS}, and wait {1e3 * PAUSE_SECONDS:.0f} ms after a refusal. Each client and attacker has loopback "
        f"addresses of its own. Requests are sent at a fixed rate, and count as lost after {TIMEOUT_SECONDS} s. Memory "
        f"is the PSS of all processes of the server, every {SAMPLE_SECONDS:g} s."
    )
    sections = [
        ["# Mixed attack", "", intro],
        ["## Targets", "", *_target_table(results)],
        ["## Normal requests", "", *_stream_table(results), "", f"![Memory and latency by time]({plot_name}.svg)"],
        ["## Memory and CPU", "", *_resource_table(results)],
        ["## Attacks", "", *_attack_table(results)],
        ["## The server's log", "", *_log_lines(results["log"])],
    ]
    return "\n\n".join("\n".join(lines) for lines in sections) + "\n"


def flood_markdown(results: dict[str, Any]) -> str:
    """The page of a flood."""
    intro = (
        f"`python -m benchmarks.attack --flood` on {_machine(results)}: p99 of 32-pixel requests from 127.0.0.1, "
        f"without and beside {flood.FLOOD_CONNECTIONS} connections from another address that send large images one "
        f"after another. Medians of {results['rounds']} rounds of {results['seconds']:g} s, in turns. Server, client "
        f"(wrk) and flood (niceness {NICENESS}) share the cores: the last two columns are the cores that the client "
        f"and the flood used. Target: a ratio of at most {flood.TARGET.limit:g}."
    )
    columns = ("connections", "flood", "requests/s", "p50 ms", "p99 ms", "ratio of p99", "200s")
    lines = [
        "# Flood of large images",
        "",
        intro,
        "",
        *table_header(*columns, "flood's responses/s", "client", "flood"),
    ]
    quiet_rows: set[int] = set()
    for cell in results["cells"]:
        if cell["connections"] not in quiet_rows:
            quiet_rows.add(cell["connections"])
            lines.append(_flood_row(cell, "none", cell["quiet"], "", "", ""))
        mark = "" if flood.TARGET.met_by(cell["ratio"]) else " **missed**"
        statuses = ", ".join(f"{name}: {rate:.0f}" for name, rate in cell["flood"].items())
        side = f"{cell['side']}x{cell['side']}"
        cores = f"{cell['flood_cores']:.2f}"
        lines.append(_flood_row(cell, side, cell["beside"], f"{cell['ratio']:.2f}{mark}", statuses, cores))
    return "\n".join(lines) + "\n"


def _flood_row(cell: dict[str, Any], name: str, row: dict[str, float], ratio: str, statuses: str, cores: str) -> str:
    return (
        f"| {cell['connections']} | {name} | {row['requests_per_second']:.0f} | {row['p50_ms']:.1f} "
        f"| {row['p99_ms']:.1f} | {ratio} | {_share(row['served'])} | {statuses} | {row['client_cores']:.2f} "
        f"| {cores} |"
    )


def _machine(results: dict[str, Any]) -> str:
    machine = results["machine"]
    return f"{machine['cores']} cores of {machine['cpu']}, Python {machine['python']}"


def _target_table(results: dict[str, Any]) -> list[str]:
    lines = table_header("figure", "measured", "target", "meaning")
    for name, value in results["ratios"].items():
        target = TARGETS[name]
        mark = "" if target.met_by(value) else " **missed**"
        lines.append(f"| `{name}` | {value:.4g}{mark} | {target.comparison} {target.limit:g} | {target.meaning} |")
    return lines


def _stream_table(results: dict[str, Any]) -> list[str]:
    lines = table_header(
        "requests", "phase", "number", "p50 ms", "p99 ms", "slowest ms", "200s", "p99 / quiet", "others"
    )
    for stream, phases in results["streams"].items():
        for name in PHASES:
            row = phases[name]
            others = ", ".join(f"{status}: {count}" for status, count in row["statuses"].items() if status != "200")
            lines.append(
                f"| {stream} | {name} | {row['requests']} | {row['p50_ms']:.1f} | {row['p99_ms']:.1f} "
                f"| {row['max_ms']:.0f} | {_share(row['served'])} | {row['p99_ms'] / phases['quiet']['p99_ms']:.1f} "
                f"| {others} |"
            )
    return lines


def _resource_table(results: dict[str, Any]) -> list[str]:
    memory, cores = results["memory"], results["cpu"]
    names = ("server", "normal", "attackers", "others")
    intro = (
        f"Memory at rest (the median before the attack): {memory['rest_mb']:.0f} MB; at the end: "
        f"{memory['last_mb']:.0f} MB. The columns from the third on are the cores in use, on average."
    )
    columns = ("phase", "highest memory, MB", "server", "normal clients", "attackers", "other processes")
    lines = [intro, "", *table_header(*columns)]
    for phase in PHASES:
        used = " | ".join(f"{cores[phase][name]:.2f}" for name in names)
        lines.append(f"| {phase} | {memory['peak_mb'][phase]:.0f} | {used} |")
    return lines


def _attack_table(results: dict[str, Any]) -> list[str]:
    streams = list(results["streams"])
    intro = (
        "Three attacks are on at a time, each of them a third of the time. What they got: statuses, and connections "
        "that were closed without a response. The other columns are p99 in milliseconds of the normal requests that "
        "were sent while the attack was on, beside two others each time."
    )
    lines = [intro, "", *table_header("attack", "what", "outcomes", *streams)]
    for name, attack in results["attacks"].items():
        counts = ", ".join(f"{outcome}: {count:,}" for outcome, count in attack["outcomes"].items())
        p99 = " | ".join(f"{attack['p99_ms'][stream]:.0f}" for stream in streams)
        lines.append(f"| {name} | {KINDS[name].meaning} | {counts} | {p99} |")
    return lines


def _log_lines(log: dict[str, Any]) -> list[str]:
    warnings = ", ".join(f"`{event}` {count}" for event, count in log["events"].items()) or "none"
    return [f"Tracebacks: {log['tracebacks']}. Events, at the level of warnings or above: {warnings}."]


def _share(share: float) -> str:
    """As a percentage, which says 100 only of all."""
    return "100 %" if share == 1 else f"{min(100 * share, 99.99):.2f} %"


def plot(results: dict[str, Any], path: Path) -> None:
    """Memory and latency by time, over the attacks."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "akshar"  # The same file for the same results.
    import matplotlib.pyplot as plt

    figure, (memory, latency, attacks) = plt.subplots(
        3, sharex=True, figsize=(9, 8), height_ratios=(2, 3, 2), layout="constrained"
    )
    series = results["memory"]["series"]
    memory.plot(series["second"], series["mb"], color="#334155")
    memory.axhline(
        results["memory"]["rest_mb"] + TARGETS["memory_over_rest_mb"].limit, color="#dc2626", ls=":", label="limit"
    )
    memory.legend(fontsize="x-small", loc="lower right", frameon=False)
    memory.set(ylabel="memory, MB", ylim=(0, None))
    for stream, lines in results["series"].items():
        latency.plot(lines["second"], lines["p99_ms"], color=_COLORS[stream], lw=0.9, label=f"{stream}, p99")
        latency.plot(lines["second"], lines["p50_ms"], color=_COLORS[stream], lw=0.7, ls=":", label=f"{stream}, p50")
    latency.set(ylabel="latency of each second, ms", yscale="log")
    latency.legend(ncols=4, fontsize="x-small", loc="lower center", bbox_to_anchor=(0.5, 1), frameon=False)
    names = list(KINDS)
    for turn in results["turns"]:
        for name in turn["attacks"]:
            attacks.barh(names.index(name), turn["end"] - turn["start"], left=turn["start"], color="#94a3b8")
    attacks.set(yticks=range(len(names)), yticklabels=names, xlabel="seconds", ylim=(len(names) - 0.5, -0.5))
    for axes in (memory, latency, attacks):
        axes.spines[["top", "right"]].set_visible(False)
        for phase in results["phases"]:
            if phase["name"] == "attack":
                axes.axvspan(phase["start"], phase["end"], color="#fee2e2", zorder=0)
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)
