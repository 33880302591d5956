"""Fits the heads: one SVC per family on frozen features, its hyperparameters searched."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.model_selection import KFold
from sklearn.svm import SVC

from app.extractor import Features
from training.recipe import Search
from training.search import rbf_search

Ints = npt.NDArray[np.int64]

FOLDS = 5


@dataclass(frozen=True)
class FittedHead:
    """An SVC fitted on training and validation features, and the accuracy by which it was chosen."""

    svc: SVC
    validation_accuracy: float


def fit_head(
    training: tuple[Features, Ints], validation: tuple[Features, Ints], grid: Search, seed: int, jobs: int = -1
) -> FittedHead:
    """Search C and gamma, then fit on both parts.

    The network has learnt the training images, so their features lie too well apart to tell hyperparameters from each
    other. Each fold therefore fits on the training part and four fifths of the validation part and is scored on the
    last fifth: over the folds, on every validation image once.

    Args:
        training: features (n, 512) and class numbers (n,).
        validation: the same, of images that the network has not learnt.
        grid: what to search.
        seed: of the folds.
        jobs: processes; -1 is one a core.
    """
    features = np.concatenate([training[0], validation[0]])
    classes = np.concatenate([training[1], validation[1]])
    held = np.arange(len(training[1]), len(classes))
    folds = KFold(FOLDS, shuffle=True, random_state=seed)
    parts = [
        (np.concatenate([np.arange(len(training[1])), held[kept]]), held[scored])
        for kept, scored in folds.split(validation[1])
    ]
    search = rbf_search(SVC(kernel="rbf", break_ties=True, cache_size=500), features, grid, parts, jobs)
    search.fit(features, classes)
    return FittedHead(search.best_estimator_, float(search.best_score_))


def describe_svc(svc: SVC) -> dict[str, Any]:
    """A fitted head as the manifest writes it."""
    return {
        "kernel": svc.kernel,
        "C": svc.C,
        "gamma": svc.gamma,
        "support_vectors": int(np.sum(svc.n_support_)),
    }
