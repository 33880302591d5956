"""Plots of runs, as SVG. The same runs give the same file."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from sklearn.metrics import confusion_matrix

from app.catalogue import CATALOGUE, joint_index
from training import reliability, tables
from training.runs import Run

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS: Final = {"numerals": "#2563eb", "vowels": "#059669", "consonants": "#c2410c"}
_GREY: Final = "#94a3b8"


def svg(figure: Figure) -> str:
    """A figure as SVG text that depends on the figure alone."""
    buffer = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": "akshar"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    # Matplotlib leaves white space at the ends of lines.
    return "".join(f"{line.rstrip()}\n" for line in buffer.getvalue().splitlines())


def theirs_and_ours(runs: Sequence[Run]) -> Figure:
    """Accuracy of every reader on the same test images, with 95 % intervals; a cross is what the articles say."""
    found = tables.on_the_published_split(runs)
    # Tesseract would squeeze all others into a corner; its numbers are in the table.
    readers = [reader for reader in found if reader != "tesseract"][::-1]
    figure = Figure(figsize=(11, 1 + 0.42 * len(readers)), layout="constrained")
    for axes, (family, colour) in zip(figure.subplots(1, 3, sharey=True), COLOURS.items(), strict=True):
        for row, reader in enumerate(readers):
            score = found[reader][family]
            low, high = score["interval"]
            axes.plot([100 * low, 100 * high], [row, row], color=colour, linewidth=2, alpha=0.5)
            axes.plot(100 * score["accuracy"], row, "o", color=colour)
            if theirs := tables.THEIRS.get(reader):
                axes.plot(theirs[list(CATALOGUE).index(family)], row, "x", color="#111827")
        axes.set_title(family)
        axes.set_yticks(range(len(readers)), [tables.READERS[reader].strip("*") for reader in readers])
        _plain(axes)
    figure.supxlabel("accuracy on the test part, % (line: 95 % interval; cross: the articles, on other classes)")
    return figure


def fewshot(runs: Sequence[Run]) -> Figure:
    """The vowels, new to the extractor, from few images each: SVC against a retrained softmax layer."""
    draws = tables.few_images(runs)
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    for offset, (method, label, colour) in enumerate(
        (("svc", "SVC on frozen features", "#c2410c"), ("softmax", "retrained softmax layer", _GREY))
    ):
        shares = [[100 * row[method] / row["n"] for row in rows] for rows in draws.values()]
        x = np.arange(len(draws)) + 0.08 * offset
        mean = np.array([np.mean(each) for each in shares])
        spread = np.abs(np.array([[min(each), max(each)] for each in shares]).T - mean)
        axes.errorbar(x, mean, spread, fmt="o-", color=colour, capsize=4, label=label)
        for place, value in zip(x, mean, strict=True):
            axes.annotate(
                f"{value:.1f}", (place, value), (-32 + 38 * offset, 4 - 16 * offset), textcoords="offset points"
            )
    axes.set_xticks(np.arange(len(draws)), [str(images) for images in draws])
    axes.set_xlabel("images of each vowel that were learnt")
    axes.set_ylabel("vowels read right, %")
    axes.legend(loc="lower right", frameon=False)
    _plain(axes)
    return figure


def planes(runs: Sequence[Run]) -> Figure:
    """The test images in the two numbers of the bottleneck networks: all classes, and the vowels alone."""
    figure = Figure(figsize=(12, 6), layout="constrained")
    all_classes, vowels = figure.subplots(1, 2)
    for axes, method in ((all_classes, "bottleneck"), (vowels, "bottleneck-vowels")):
        run = next((run for run in runs if run.method == method), None)
        axes.set_axis_off()
        if run is None:
            continue
        points = np.array(run.details["plane"])
        joint = np.array([joint_index(f, int(c)) for f, a in run.answers.items() for c in a.truth])
        palette = mpl.colormaps["nipy_spectral"] if method == "bottleneck" else mpl.colormaps["tab20"]
        present = np.unique(joint)
        names = {joint_index(f, c.class_id): c.romanization for f, classes in CATALOGUE.items() for c in classes}
        for place, index in enumerate(present):
            own = points[joint == index]
            colour = palette(place / max(1, len(present) - 1) * (0.95 if method == "bottleneck" else 0.6))
            axes.scatter(*own.T, s=9, color=colour, linewidths=0)
            axes.annotate(names[int(index)], np.median(own, axis=0), ha="center", va="center", fontsize=8)
        right = sum(int((a.truth == a.answer).sum()) for a in run.answers.values())
        axes.set_title(f"{len(present)} classes, {right:,} of {len(joint):,} read right within their family")
    return figure


def learning_curves(runs: Sequence[Run]) -> Figure:
    """Validation loss and error by epoch, of every run that kept its history."""
    figure = Figure(figsize=(11, 4), layout="constrained")
    for axes, key, label in zip(
        figure.subplots(1, 2), ("val_loss", "val_accuracy"), ("validation loss", "validation error, %"), strict=True
    ):
        for run in runs:
            if run.history and len(run.history) > 1:
                values = np.array([row[key] for row in run.history])
                shown = values if key == "val_loss" else 100 * (1 - values)
                axes.plot(np.arange(1, len(shown) + 1), shown, linewidth=1, label=run.file.removesuffix(".json"))
        axes.set_yscale("log")
        axes.set_xlabel("epoch")
        axes.set_ylabel(label)
        _plain(axes)
    figure.axes[1].legend(fontsize=6, frameon=False, loc="upper right", ncols=2)
    return figure


def images_per_class(runs: Sequence[Run]) -> Figure:
    """Accuracy by family against the images of a class that the first recipe learnt from."""
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    found = tables.by_images_per_class(runs)
    for family, colour in COLOURS.items():
        points = [(n, 100 * scores[family]["accuracy"]) for n, scores in found.items() if family in scores]
        if points:
            axes.plot(*zip(*points, strict=True), "o-", color=colour, label=family)
    axes.set_xscale("log")
    axes.set_xticks(list(found), [str(n) for n in found])
    axes.minorticks_off()
    axes.set_xlabel("images of each class, those that validate included")
    axes.set_ylabel("read right, %")
    axes.legend(frameon=False)
    _plain(axes)
    return figure


def confusion(run: Run, family: str) -> Figure:
    """The confusion matrix of one family: rows are the truth; the diagonal is left white, so that errors show."""
    answers, names = run.answers[family], [c.romanization for c in CATALOGUE[family]]
    ids = [c.class_id for c in CATALOGUE[family]]
    counts = confusion_matrix(answers.truth, answers.answer, labels=ids)
    wrong = counts * (1 - np.eye(len(ids), dtype=int))
    side = 2 + 0.22 * len(ids)
    figure = Figure(figsize=(side, side), layout="constrained")
    axes = figure.subplots()
    axes.imshow(wrong, cmap="Oranges", vmin=0, vmax=max(1, wrong.max()))
    for row, column in np.argwhere(counts):
        colour = "#94a3b8" if row == column else "#111827"
        axes.text(column, row, str(counts[row, column]), ha="center", va="center", fontsize=6, color=colour)
    axes.set_xticks(range(len(ids)), names, rotation=90, fontsize=7)
    axes.set_yticks(range(len(ids)), names, fontsize=7)
    axes.set_xlabel("answer")
    axes.set_ylabel("truth")
    return figure


def confidence(runs: Sequence[Run]) -> Figure:
    """Accuracy against confidence, and errors against the share of answers accepted, beside the votes' order."""
    figure = Figure(figsize=(11, 4.5), layout="constrained")
    diagram, curve = figure.subplots(1, 2)
    least = 100.0
    colours = iter(("#2563eb", "#c2410c", "#059669", "#7c3aed"))
    for (protocol, method), members in tables.groups(runs).items():
        found = tables.judged(members)
        if found is None or protocol not in ("published", "writers"):
            continue
        name, colour = f"{protocol}, {method}", next(colours)
        bins = reliability.reliability(found.confidence, found.right)
        diagram.plot([100 * c for c, _, _ in bins], [100 * r for _, r, _ in bins], "o-", color=colour, label=name)
        least = min(least, *(100 * share for c, r, _ in bins for share in (c, r)))
        for score, style, of in ((found.confidence, "-", ""), (found.vote, ":", ", by votes")):
            shares, risks = reliability.risk_coverage(score, found.right)
            shown = shares > 0.5
            curve.plot(100 * shares[shown], 100 * risks[shown], style, color=colour, label=name + of)
    diagram.plot([least, 100], [least, 100], color=_GREY, linewidth=1)
    diagram.set_xlabel("confidence, % (15 bins of as many images each)")
    diagram.set_ylabel("read right, %")
    curve.set_xlabel("answers accepted, %")
    curve.set_ylabel("errors among them, %")
    for axes in (diagram, curve):
        if axes.get_legend_handles_labels()[0]:
            axes.legend(frameon=False, fontsize=8)
        _plain(axes)
    return figure


COMMITTED: Final[dict[str, Any]] = {
    "theirs-and-ours": theirs_and_ours,
    "fewshot": fewshot,
    "planes": planes,
    "confidence": confidence,
}
"""The plots that the README shows, by the name of their file in ``docs/images/``."""


def _plain(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#e5e7eb", linewidth=0.5)
    axes.set_axisbelow(True)
