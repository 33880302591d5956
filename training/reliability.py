"""Whether confidence means what it says: of answers whose truth is known, how sure they were and how often right."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
from sklearn.metrics import roc_auc_score

from app.extractor import Features
from app.heads import Floats, Head, one_vs_rest
from app.trust import Prototypes, least_probability, probabilities
from training.calibration import Trust
from training.evaluation import margins
from training.runs import COVERAGES, Answers

Flags = npt.NDArray[np.bool_]
BINS = 15


def judge(answers: Answers, features: Features, head: Head, trust: Trust, family: str) -> Answers:
    """Answers of a head with how far they can be relied on.

    Args:
        answers: of n images.
        features: theirs, shape (n, 512).
        head: that gave them.
        trust: see `training.calibration`.
        family: of head and images.
    """
    means, calibration = Prototypes(trust.prototypes, trust.whitening), trust.calibrations[family]
    cosines = means.compare(features).cosines
    found = margins(head, features)
    shares = probabilities(found, cosines[:, means.columns[family]], calibration.likeness, calibration.coupling)
    rows, votes = np.arange(len(shares)), np.sort(one_vs_rest(found), axis=1)
    of_truth = shares[rows, np.searchsorted(head.class_ids, answers.truth)]
    least = [least_probability(calibration.nonconformity, coverage) for coverage in COVERAGES]
    nearest = {name: cosines[:, columns].max(axis=1) for name, columns in means.columns.items()}
    return replace(
        answers,
        vote=votes[:, -1] - votes[:, -2],
        confidence=shares.max(axis=1),
        likely=np.stack([np.maximum((shares >= share).sum(axis=1), 1) for share in least], axis=1),
        held=(of_truth[:, None] >= least) | (answers.answer == answers.truth)[:, None],
        # As if each family were asked for: by how much another one's class is more alike.
        gaps=np.stack(
            [means.elsewhere(cosines, asked).max(axis=1) - nearest[asked] for asked in means.columns], axis=1
        ),
    )


def calibration_error(confidence: Floats, right: Flags, bins: int = BINS) -> float:
    """Expected calibration error over bins of equal mass: mean distance of confidence and accuracy."""
    parts = np.array_split(np.argsort(confidence, kind="stable"), bins)
    gaps = [len(part) * abs(confidence[part].mean() - right[part].mean()) for part in parts if len(part)]
    return float(sum(gaps) / len(confidence))


def reliability(confidence: Floats, right: Flags, bins: int = BINS) -> list[tuple[float, float, int]]:
    """Bins of equal mass: mean confidence, accuracy, images."""
    parts = np.array_split(np.argsort(confidence, kind="stable"), bins)
    return [(float(confidence[part].mean()), float(right[part].mean()), len(part)) for part in parts if len(part)]


def tells_apart(score: Floats, right: Flags) -> float:
    """Area under the ROC of right against wrong answers; not a number where none is wrong."""
    return float("nan") if right.all() else float(roc_auc_score(right, score))


def risk_coverage(score: Floats, right: Flags) -> tuple[Floats, Floats]:
    """Share of images whose answers are accepted, most confident first, and the share of errors among these."""
    order = np.argsort(-score, kind="stable")
    accepted = np.arange(1, len(order) + 1)
    return accepted / len(order), (~right[order]).cumsum() / accepted


def risk_at(score: Floats, right: Flags, coverage: float) -> float:
    """Share of errors among the most confident share ``coverage`` of the answers."""
    shares, risks = risk_coverage(score, right)
    return float(risks[np.searchsorted(shares, coverage - 1e-9)])


def noticed(own: Floats, others: Floats, false_alarms: float) -> float:
    """Share of ``others`` above the threshold that a share ``false_alarms`` of ``own`` is above."""
    return float((others > np.quantile(own, 1 - false_alarms)).mean())
