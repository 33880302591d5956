"""Fits the heads: one SVC per family on frozen features, its hyperparameters searched."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.svm import SVC

from app.extractor import Features

Ints = npt.NDArray[np.int64]

GRID_C = (1.0, 10.0, 100.0)
GRID_GAMMA = (0.25, 0.5, 1.0, 2.0, 4.0)
"""In units of scikit-learn's ``gamma="scale"``, 1 / (512 x the variance of the features)."""
FOLDS = 5


@dataclass(frozen=True)
class FittedHead:
    """An SVC fitted on training and validation features, and the accuracy by which it was chosen."""

    svc: SVC
    validation_accuracy: float


def fit_head(
    training: tuple[Features, Ints], validation: tuple[Features, Ints], seed: int, jobs: int = -1
) -> FittedHead:
    """Search C and gamma, then fit on both parts.

    The network has learnt the training images, so their features lie too well apart to tell hyperparameters from each
    other. Each fold therefore fits on the training part and four fifths of the validation part and is scored on the
    last fifth: over the folds, on every validation image once.

    Args:
        training: features (n, 512) and class numbers (n,).
        validation: the same, of images that the network has not learnt.
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
    scale = 1 / (features.shape[1] * float(features.var()))
    search = GridSearchCV(
        SVC(kernel="rbf", break_ties=True, cache_size=500),
        {"C": GRID_C, "gamma": [factor * scale for factor in GRID_GAMMA]},
        cv=parts,
        n_jobs=jobs,
        verbose=1,
    )
    search.fit(features, classes)
    return FittedHead(search.best_estimator_, float(search.best_score_))
