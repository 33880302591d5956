"""Plots of runs, as SVG. The same runs give the same file."""

from __future__ import annotations

import io
import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from sklearn.metrics import confusion_matrix

from akshar.model.classes import CATALOGUE, joint_index
from training.evaluation import metrics
from training.evaluation.runs import Run
from training.report import tables
from training.report.reliability_tables import pool_reliability

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLORS: Final = {"numerals": "#2563eb", "vowels": "#059669", "consonants": "#c2410c"}
_RUN_COLORS: Final = ("#2563eb", "#c2410c", "#059669", "#7c3aed")
_GRAY: Final = "#94a3b8"
_BLACK: Final = "#111827"


def svg(figure: Figure) -> str:
    """A figure as SVG text that depends on the figure alone."""
    buffer = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": "akshar"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    # Matplotlib leaves white space at the ends of lines.
    return "".join(f"{line.rstrip()}\n" for line in buffer.getvalue().splitlines())


def published_and_ours(runs: Sequence[Run]) -> Figure:
    """Accuracy of every reader on the same test images, with 95 % intervals; crosses are the articles' figures."""
    scores = tables.readers(runs)
    # Tesseract's accuracy would squeeze all others into a corner; it is in the table.
    readers = [reader for reader in scores if reader != "tesseract"][::-1]
    figure = Figure(figsize=(11, 1 + 0.42 * len(readers)), layout="constrained")
    for axes, (family, color) in zip(figure.subplots(1, 3, sharey=True), COLORS.items(), strict=True):
        for row, reader in enumerate(readers):
            score = scores[reader][family]
            low, high = score["interval"]
            axes.plot([100 * low, 100 * high], [row, row], color=color, linewidth=2, alpha=0.5)
            axes.plot(100 * score["accuracy"], row, "o", color=color)
            if published := tables.PUBLISHED_FIGURES.get(reader):
                axes.plot(published[list(CATALOGUE).index(family)], row, "x", color=_BLACK)
        axes.set_title(family)
        axes.set_yticks(range(len(readers)), [tables.READERS[reader].strip("*") for reader in readers])
        _style(axes)
    figure.supxlabel("accuracy on the test part, % (line: 95 % interval; cross: the articles, on other images)")
    return figure


def few_shot(runs: Sequence[Run]) -> Figure:
    """Accuracy on vowels that the extractor never saw, trained on few images: SVC against a retrained softmax layer."""
    draws = tables.few_shot_draws(runs)
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    methods = (("svc", "SVC on frozen features", "#c2410c"), ("softmax", "retrained softmax layer", _GRAY))
    for offset, (method, label, color) in enumerate(methods):
        accuracies = [[100 * row[method] / row["n"] for row in rows] for rows in draws.values()]
        x = np.arange(len(draws)) + 0.08 * offset
        mean = np.array([np.mean(each) for each in accuracies])
        spread = np.abs(np.array([[min(each), max(each)] for each in accuracies]).T - mean)
        axes.errorbar(x, mean, spread, fmt="o-", color=color, capsize=4, label=label)
        for at, value in zip(x, mean, strict=True):
            axes.annotate(f"{value:.1f}", (at, value), (-32 + 38 * offset, 4 - 16 * offset), textcoords="offset points")
    axes.set_xticks(np.arange(len(draws)), [str(images) for images in draws])
    axes.set_xlabel("training images of each vowel")
    axes.set_ylabel("accuracy on vowels, %")
    axes.legend(loc="lower right", frameon=False)
    _style(axes)
    return figure


def planes(runs: Sequence[Run]) -> Figure:
    """The test images at the two outputs of the bottleneck networks: all classes, and the vowels alone."""
    figure = Figure(figsize=(12, 6), layout="constrained")
    for axes, method in zip(figure.subplots(1, 2), ("bottleneck", "bottleneck-vowels"), strict=True):
        axes.set_axis_off()
        run = next((run for run in runs if run.method == method), None)
        if run is not None:
            _plane(axes, run)
    return figure


def _plane(axes: Axes, run: Run) -> None:
    """One bottleneck network: a point for each test image, colored by class."""
    points = np.array(run.details["plane"])
    joint = np.array([joint_index(f, int(c)) for f, p in run.predictions.items() for c in p.truth])
    all_classes = len(run.predictions) > 1
    palette = mpl.colormaps["nipy_spectral" if all_classes else "tab20"]
    present = np.unique(joint)
    names = {joint_index(f, c.class_id): c.romanization for f, classes in CATALOGUE.items() for c in classes}
    for position, index in enumerate(present):
        own = points[joint == index]
        color = palette(position / max(1, len(present) - 1) * (0.95 if all_classes else 0.6))
        axes.scatter(own[:, 0], own[:, 1], s=9, color=color, linewidths=0)
        axes.annotate(names[int(index)], np.median(own, axis=0), ha="center", va="center", fontsize=8)
    correct = sum(int(p.correct.sum()) for p in run.predictions.values())
    axes.set_title(f"{len(present)} classes, {correct:,} of {len(joint):,} correct within their family")


def learning_curves(runs: Sequence[Run]) -> Figure:
    """Validation loss and error by epoch, of every run that kept its history."""
    figure = Figure(figsize=(11, 4), layout="constrained")
    for axes, key, label in zip(
        figure.subplots(1, 2), ("val_loss", "val_accuracy"), ("validation loss", "validation error, %"), strict=True
    ):
        for run in runs:
            if len(run.history) > 1:
                values = np.array([row[key] for row in run.history])
                shown = values if key == "val_loss" else 100 * (1 - values)
                axes.plot(np.arange(1, len(shown) + 1), shown, linewidth=1, label=run.file.removesuffix(".json"))
        axes.set_yscale("log")
        axes.set_xlabel("epoch")
        axes.set_ylabel(label)
        _style(axes)
    figure.axes[1].legend(fontsize=6, frameon=False, loc="upper right", ncols=2)
    return figure


def images_per_class(runs: Sequence[Run]) -> Figure:
    """Accuracy by family against the number of images per class that the first recipe trained on."""
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    by_images = tables.scores_by_training_images(runs)
    for family, color in COLORS.items():
        points = [(n, 100 * scores[family]["accuracy"]) for n, scores in by_images.items() if family in scores]
        if points:
            axes.plot(*zip(*points, strict=True), "o-", color=color, label=family)
    axes.set_xscale("log")
    axes.set_xticks(list(by_images), [str(n) for n in by_images])
    axes.minorticks_off()
    axes.set_xlabel("images per class, training and validation")
    axes.set_ylabel("accuracy, %")
    axes.legend(frameon=False)
    _style(axes)
    return figure


def confusion(run: Run, family: str) -> Figure:
    """The confusion matrix of one family: rows are true classes; the diagonal is left white, so that errors show."""
    predictions, names = run.predictions[family], [c.romanization for c in CATALOGUE[family]]
    ids = [c.class_id for c in CATALOGUE[family]]
    counts = confusion_matrix(predictions.truth, predictions.predicted, labels=ids)
    wrong = counts * (1 - np.eye(len(ids), dtype=int))
    side = 2 + 0.22 * len(ids)
    figure = Figure(figsize=(side, side), layout="constrained")
    axes = figure.subplots()
    axes.imshow(wrong, cmap="Oranges", vmin=0, vmax=max(1, wrong.max()))
    for row, column in np.argwhere(counts):
        color = _GRAY if row == column else _BLACK
        axes.text(column, row, str(counts[row, column]), ha="center", va="center", fontsize=6, color=color)
    axes.set_xticks(range(len(ids)), names, rotation=90, fontsize=7)
    axes.set_yticks(range(len(ids)), names, fontsize=7)
    axes.set_xlabel("predicted class")
    axes.set_ylabel("true class")
    return figure


def confidence(runs: Sequence[Run]) -> Figure:
    """Accuracy against confidence, and selective risk against coverage by confidence and by vote margin."""
    figure = Figure(figsize=(11, 4.5), layout="constrained")
    diagram, curve = figure.subplots(1, 2)
    lowest = 100.0
    colors = itertools.cycle(_RUN_COLORS)
    for (protocol, recipe), members in tables.group_by_protocol(runs).items():
        pooled = pool_reliability(members)
        if pooled is None or protocol not in tables.PARTED_PROTOCOLS:
            continue
        name, color = f"{protocol}, {recipe}", next(colors)
        bins = 100 * np.array([bin_[:2] for bin_ in metrics.reliability_bins(pooled.confidence, pooled.correct)])
        diagram.plot(*bins.T, "o-", color=color, label=name)
        lowest = min(lowest, bins.min())
        for score, style, suffix in ((pooled.confidence, "-", ""), (pooled.vote_margin, ":", ", by vote margin")):
            coverages, risks = metrics.risk_coverage(score, pooled.correct)
            shown = coverages > 0.5
            curve.plot(100 * coverages[shown], 100 * risks[shown], style, color=color, label=name + suffix)
    diagram.plot([lowest, 100], [lowest, 100], color=_GRAY, linewidth=1)
    diagram.set_xlabel("confidence, % (15 bins with equal numbers of images)")
    diagram.set_ylabel("accuracy, %")
    curve.set_xlabel("coverage: predictions accepted, %")
    curve.set_ylabel("selective risk: errors among them, %")
    for axes in (diagram, curve):
        if axes.get_legend_handles_labels()[0]:
            axes.legend(frameon=False, fontsize=8)
        _style(axes)
    return figure


COMMITTED: Final[dict[str, Any]] = {
    "published-and-ours": published_and_ours,
    "few-shot": few_shot,
    "planes": planes,
    "confidence": confidence,
}
"""The plots that documents show, by the names of their files in ``docs/images/``."""


def _style(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#e5e7eb", linewidth=0.5)
    axes.set_axisbelow(True)
