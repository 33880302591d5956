"""Tables of what can be relied on: confidences, prediction sets, corrupted images and OOD inputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from training.evaluation import metrics
from training.evaluation.runs import COVERAGES, Run
from training.report.tables import FAMILIES, Table, group_by_protocol, percent

Floats = npt.NDArray[np.floating]
Flags = npt.NDArray[np.bool_]

COVERAGE: Final = 0.97
"""Share of predictions that are accepted, at which the selective risk is reported."""
FALSE_POSITIVE_RATE: Final = 0.01
"""Of lookalikes: the rate at which the true positive rate is reported."""


@dataclass(frozen=True)
class PooledReliability:
    """Reliability of the predictions of several runs, over all their n images.

    Attributes:
        confidence, vote_margin, set_sizes, covered: see `training.evaluation.runs.Predictions`.
        correct: whether the prediction is right, shape (n,).
        own_gaps: lookalike gaps with the image's own family requested, shape (n,).
        other_gaps: lookalike gaps with another family requested, shape (n x (families - 1),).
    """

    confidence: Floats
    vote_margin: Floats
    set_sizes: npt.NDArray[np.int64]
    covered: Flags
    correct: Flags
    own_gaps: Floats
    other_gaps: Floats


def pool_reliability(members: Sequence[Run]) -> PooledReliability | None:
    """The reliability of all predictions of several runs; None if one of them has no confidences."""
    parts = [(index, p) for run in members for index, p in enumerate(run.predictions.values())]
    if not parts or not all(len(p.confidence) for _, p in parts):
        return None
    return PooledReliability(
        confidence=np.concatenate([p.confidence for _, p in parts]),
        vote_margin=np.concatenate([p.vote_margin for _, p in parts]),
        set_sizes=np.concatenate([p.set_sizes for _, p in parts]),
        covered=np.concatenate([p.covered for _, p in parts]),
        correct=np.concatenate([p.correct for _, p in parts]),
        own_gaps=np.concatenate([p.lookalike_gaps[:, index] for index, p in parts]),
        other_gaps=np.concatenate([np.delete(p.lookalike_gaps, index, axis=1).ravel() for index, p in parts]),
    )


def confidence(runs: Sequence[Run]) -> Table:
    """How reliable confidences, prediction sets and lookalikes are, over all families, by protocol."""
    rows = []
    for (protocol, recipe), members in group_by_protocol(runs).items():
        pooled = pool_reliability(members)
        if pooled is None:
            continue
        scores, correct = (pooled.confidence, pooled.vote_margin), pooled.correct
        coverage, size = pooled.covered.mean(axis=0), pooled.set_sizes.mean(axis=0)
        lookalikes = ""
        if len(pooled.other_gaps):
            rate = metrics.true_positive_rate_at(pooled.own_gaps, pooled.other_gaps, FALSE_POSITIVE_RATE)
            lookalikes = percent(rate)
        rows.append(
            (
                protocol,
                recipe,
                f"{len(correct):,}",
                f"{metrics.expected_calibration_error(pooled.confidence, correct):.4f}",
                *(f"{metrics.auroc(score, correct):.4f}" for score in scores),
                *(percent(metrics.selective_risk(score, correct, COVERAGE)) for score in scores),
                *(f"{percent(c)} (size {s:.2f})" for c, s in zip(coverage, size, strict=True)),
                lookalikes,
            )
        )
    header = (
        *("protocol", "recipe", "images", "ECE", "AUROC", "AUROC of vote margins"),
        *(f"selective risk at {100 * COVERAGE:.0f} % coverage", "same, by vote margins"),
        *(f"{100 * coverage:.0f} % prediction sets" for coverage in COVERAGES),
        f"lookalike TPR at {100 * FALSE_POSITIVE_RATE:.0f} % FPR",
    )
    return Table(header, rows)


def corrupted_images(run: Run) -> Table:
    """Accuracy over all families for each kind of corruption at its three strengths, and on the clean images."""
    scores = [run.scores[family] for family in FAMILIES]
    clean = sum(score["correct"] for score in scores) / sum(score["n"] for score in scores)
    lines: dict[str, list[str]] = {"clean": ["", *3 * [percent(clean)]]}
    for row in run.details["corruptions"]:
        lines.setdefault(row["kind"], [row["what"]]).append(percent(row["right"] / row["n"]))
    rows = [(kind, *cells) for kind, cells in lines.items()]
    return Table(("corruption", "what it imitates", "mild", "medium", "strong"), rows)


def ood_inputs(run: Run) -> Table:
    """OOD inputs by kind: AUROC against held-out characters, and how many are rejected."""
    rows = [
        (
            row["kind"],
            f"{row['auroc']:.4f}",
            percent(row["not_a_character"] / row["n"]),
            percent(row["abstained"] / row["n"]),
        )
        for row in run.details["ood"]
    ]
    characters = run.details["characters"]
    rows.append(("all kinds", f"{run.details['auroc']:.4f}", "", ""))
    rows.append(("held-out characters", "", percent(characters["not_a_character"] / characters["n"]), ""))
    return Table(("kind", "AUROC", "not_a_character, %", "abstained, %"), rows)
