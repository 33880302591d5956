"""Statistics of answers: accuracy with its interval, macro-F1, worst classes, commonest confusions."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import binomtest
from sklearn.metrics import f1_score

from app.catalogue import joint_index

Ints = npt.NDArray[np.int64]


def interval(correct: int, n: int) -> tuple[float, float]:
    """The 95 % interval of Wilson of an accuracy."""
    limits = binomtest(correct, n).proportion_ci(0.95, method="wilson")
    return float(limits.low), float(limits.high)


def score(truth: Ints, answer: Ints) -> dict[str, float | int | list[float]]:
    """Accuracy, counts, 95 % interval and macro-F1 of answers, both shape (n,), n > 0."""
    correct, n = int((truth == answer).sum()), len(truth)
    return {
        "accuracy": correct / n,
        "correct": correct,
        "n": n,
        "interval": list(interval(correct, n)),
        "macro_f1": float(f1_score(truth, answer, labels=np.unique(truth), average="macro", zero_division=0)),
    }


def summary(parts: list[dict[str, dict[str, Any]]]) -> dict[str, dict[str, Any]]:
    """Scores of several parts of a protocol as one: pooled counts and interval, mean and range of the accuracies."""
    pooled: dict[str, dict[str, Any]] = {}
    for family in dict.fromkeys(family for scores in parts for family in scores):
        found = [scores[family] for scores in parts if family in scores]
        accuracies = [score["accuracy"] for score in found]
        correct, n = (sum(score[count] for score in found) for count in ("correct", "n"))
        pooled[family] = {
            "accuracy": float(np.mean(accuracies)),
            "range": [min(accuracies), max(accuracies)],
            "correct": correct,
            "n": n,
            "interval": list(interval(correct, n)),
            "macro_f1": float(np.mean([score["macro_f1"] for score in found])),
        }
    return pooled


def worst_classes(truth: Ints, answer: Ints, most: int = 5) -> list[tuple[int, int, int]]:
    """The classes of least recall: (class, right, of), those without an error left out."""
    counts = [(int(c), int((answer[truth == c] == c).sum()), int((truth == c).sum())) for c in np.unique(truth)]
    erring = [entry for entry in counts if entry[1] < entry[2]]
    return sorted(erring, key=lambda entry: (entry[1] / entry[2], entry[0]))[:most]


def confusions(truth: Ints, answer: Ints, most: int = 10) -> list[tuple[int, int, int]]:
    """The commonest errors: (truth, answer, times), commonest first."""
    wrong = truth != answer
    pairs = Counter(zip(truth[wrong].tolist(), answer[wrong].tolist(), strict=True))
    return [(t, a, times) for (t, a), times in sorted(pairs.items(), key=lambda item: (-item[1], item[0]))[:most]]


def masked_softmax(logits: npt.NDArray[np.floating], family: str, class_ids: Ints) -> Ints:
    """The class numbers whose logits are greatest among those of one family, shape (n,)."""
    columns = [joint_index(family, int(c)) for c in class_ids]
    answer: Ints = class_ids[logits[:, columns].argmax(axis=1)]
    return answer
