"""Statistics of predictions: accuracy with its interval, errors by class, and how far confidence can be trusted."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import binomtest
from sklearn.metrics import f1_score, roc_auc_score

from akshar.model.classes import joint_index

Ints = npt.NDArray[np.int64]
Reals = npt.NDArray[np.floating]
Flags = npt.NDArray[np.bool_]

BINS = 15


def wilson_interval(correct: int, n: int) -> tuple[float, float]:
    """Wilson's 95 % interval of an accuracy."""
    limits = binomtest(correct, n).proportion_ci(0.95, method="wilson")
    return float(limits.low), float(limits.high)


def score(truth: Ints, predicted: Ints) -> dict[str, float | int | list[float]]:
    """Accuracy, counts, 95 % interval and macro-F1 of predictions; both shape (n,), n > 0."""
    correct, n = int((truth == predicted).sum()), len(truth)
    return {
        "accuracy": correct / n,
        "correct": correct,
        "n": n,
        "interval": list(wilson_interval(correct, n)),
        "macro_f1": float(f1_score(truth, predicted, labels=np.unique(truth), average="macro", zero_division=0)),
    }


def summarize(parts: list[dict[str, dict[str, Any]]]) -> dict[str, dict[str, Any]]:
    """Scores of several parts of a protocol as one: pooled counts and interval, mean and range of the accuracies."""
    pooled: dict[str, dict[str, Any]] = {}
    for family in dict.fromkeys(family for scores in parts for family in scores):
        of_family = [scores[family] for scores in parts if family in scores]
        accuracies = [score["accuracy"] for score in of_family]
        correct, n = (sum(score[count] for score in of_family) for count in ("correct", "n"))
        pooled[family] = {
            "accuracy": float(np.mean(accuracies)),
            "range": [min(accuracies), max(accuracies)],
            "correct": correct,
            "n": n,
            "interval": list(wilson_interval(correct, n)),
            "macro_f1": float(np.mean([score["macro_f1"] for score in of_family])),
        }
    return pooled


def worst_classes(truth: Ints, predicted: Ints, count: int = 5) -> list[tuple[int, int, int]]:
    """The classes of lowest recall as (class, correct, n); classes without an error are left out."""
    recalls = [(int(c), int((predicted[truth == c] == c).sum()), int((truth == c).sum())) for c in np.unique(truth)]
    with_errors = [entry for entry in recalls if entry[1] < entry[2]]
    return sorted(with_errors, key=lambda entry: (entry[1] / entry[2], entry[0]))[:count]


def confusions(truth: Ints, predicted: Ints, count: int = 10) -> list[tuple[int, int, int]]:
    """The commonest errors as (truth, predicted, times), commonest first."""
    wrong = truth != predicted
    pairs = Counter(zip(truth[wrong].tolist(), predicted[wrong].tolist(), strict=True))
    return [(t, p, times) for (t, p), times in sorted(pairs.items(), key=lambda item: (-item[1], item[0]))[:count]]


def masked_argmax(logits: Reals, family: str, class_ids: Ints) -> Ints:
    """The class numbers of one family with the greatest of the 58 logits, shapes (n, 58) to (n,)."""
    columns = [joint_index(family, int(c)) for c in class_ids]
    predicted: Ints = class_ids[logits[:, columns].argmax(axis=1)]
    return predicted


def expected_calibration_error(confidence: Reals, correct: Flags, bins: int = BINS) -> float:
    """ECE over bins of equal mass: the mean distance between confidence and accuracy."""
    parts = np.array_split(np.argsort(confidence, kind="stable"), bins)
    gaps = [len(part) * abs(confidence[part].mean() - correct[part].mean()) for part in parts if len(part)]
    return float(sum(gaps) / len(confidence))


def reliability_bins(confidence: Reals, correct: Flags, bins: int = BINS) -> list[tuple[float, float, int]]:
    """Bins of equal mass as (mean confidence, accuracy, images)."""
    parts = np.array_split(np.argsort(confidence, kind="stable"), bins)
    return [(float(confidence[part].mean()), float(correct[part].mean()), len(part)) for part in parts if len(part)]


def auroc(score: Reals, positive: Flags) -> float:
    """Area under the ROC curve of a score, shape (n,), that should be higher where ``positive``; nan without both."""
    return float(roc_auc_score(positive, score)) if 0 < positive.sum() < len(positive) else float("nan")


def risk_coverage(score: Reals, correct: Flags) -> tuple[Reals, Reals]:
    """The share of images accepted, highest score first, and the share of errors among those, both shape (n,)."""
    order = np.argsort(-score, kind="stable")
    accepted = np.arange(1, len(order) + 1)
    return accepted / len(order), (~correct[order]).cumsum() / accepted


def selective_risk(score: Reals, correct: Flags, coverage: float) -> float:
    """The share of errors among the share ``coverage`` of the images with the highest scores."""
    coverages, risks = risk_coverage(score, correct)
    return float(risks[np.searchsorted(coverages, coverage - 1e-9)])


def true_positive_rate_at(negatives: Reals, positives: Reals, false_positive_rate: float) -> float:
    """The share of ``positives`` above the threshold that a share ``false_positive_rate`` of ``negatives`` exceeds."""
    return float((positives > np.quantile(negatives, 1 - false_positive_rate)).mean())
