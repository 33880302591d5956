"""Few-shot learning: the vowels, left out of a network's training, fitted on a few images of each.

An SVC on the frozen features is compared with a retrained softmax layer on the same features (that is a multinomial
logistic regression). Both have their hyperparameters cross-validated on these few images alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import keras
import numpy as np
from sklearn.linear_model import LogisticRegression

from training.data.dataset import Dataset
from training.data.sources import Source, sample
from training.data.splits import Task
from training.evaluation.runs import Predictions, Run, describe_data
from training.models import network
from training.models.add_family import search_folds, search_svc
from training.models.export import keras_features
from training.models.history import HISTORY, read_history
from training.models.svm import grid_search
from training.recipe import FIRST, Recipe

FAMILY = "vowels"
SHOTS = (5, 20, 100)
DRAWS = 5
SOFTMAX_C = (0.01, 0.1, 1.0, 10.0, 100.0)


def without_vowels(
    task: Task,
    work: Path,
    log: Callable[[str], None] = print,
    verbose: int = 1,
    recipe: Recipe = FIRST,
    shots: tuple[int, ...] = SHOTS,
    draws: int = DRAWS,
) -> list[Run]:
    """Train a network without the vowels, then fit heads for them on a few images of the training part.

    Returns:
        A run with a row in ``details["curve"]`` for each number of images and draw: how many of the vowels' test images
        the SVC and the softmax layer predicted correctly. Its predictions are the SVC's for the largest number of
        images, first draw.
    """
    train, validation = (part[part.family != FAMILY] for part in (task.train, task.validation))
    vowels = task.train[task.train.family == FAMILY]
    log(f"Training a network on {len(train):,} images, without {FAMILY}.")
    classifier = network.train([Source.of(train)], (validation.glyphs, validation.joint), recipe, 1, work, verbose)
    extractor = network.freeze(classifier)
    test = task.test[task.test.family == FAMILY]
    test_features = keras_features(extractor, test.glyphs)
    curve, predicted = [], np.zeros(0, np.int64)
    for images in shots:
        for draw in range(1, draws + 1):
            few = sample(vowels, images, seed=draw)
            svc, softmax = _predict(extractor, few, test_features, draw)
            curve.append({"images": images, "draw": draw, **_correct(test, svc=svc, softmax=softmax)})
            predicted = svc if draw == 1 else predicted
            log(f"{images} images of each, draw {draw}: {curve[-1]}")
    run = Run(
        protocol="published",
        part="1",
        method="without-vowels",
        seed=1,
        recipe=asdict(recipe),
        data=describe_data(Task(train, validation, test)),
        predictions={FAMILY: Predictions(test.name, test.class_id, predicted)},
        details={"curve": curve},
        history=read_history(work / HISTORY),
    )
    return [run]


def _predict(extractor: keras.Model, few: Dataset, test: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    features = keras_features(extractor, few.glyphs)
    folds = search_folds(few.class_id, seed)
    svc = search_svc(features, few.class_id, folds, jobs=-1).fit(features, few.class_id)
    softmax = grid_search(LogisticRegression(max_iter=2000), {"C": SOFTMAX_C}, folds, bar=False)
    return svc.predict(test), softmax.fit(features, few.class_id).predict(test)


def _correct(test: Dataset, **predicted: np.ndarray) -> dict[str, Any]:
    return {**{name: int((classes == test.class_id).sum()) for name, classes in predicted.items()}, "n": len(test)}
