"""How far frozen features carry: the vowels, left out of an extractor's training, learnt from a few images each.

An SVC on the frozen features stands against a retrained softmax layer on the same features (a multinomial logistic
regression is just that), both with their hyperparameters cross-validated on the few images alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import keras
import numpy as np
from sklearn.linear_model import LogisticRegression

from training import extractor
from training.data import Dataset
from training.experiment import describe
from training.export import keras_features
from training.protocols import Task
from training.recipe import FIRST, Recipe
from training.runs import HISTORY, Answers, Run, read_history
from training.search import grid_search
from training.sources import Source, sample
from training.specialise import folds_for_search, search_svc

FAMILY = "vowels"
SHOTS = (5, 20, 100)
DRAWS = 5
SOFTMAX_C = (0.01, 0.1, 1.0, 10.0, 100.0)


def without_vowels(
    task: Task,
    work: Path,
    say: Callable[[str], None] = print,
    verbose: int = 1,
    recipe: Recipe = FIRST,
    shots: tuple[int, ...] = SHOTS,
    draws: int = DRAWS,
) -> list[Run]:
    """Train an extractor without the vowels, then learn them from a few images of the training part.

    Returns:
        A run whose ``details["curve"]`` has a row for each number of images and draw: how many of the vowels' test
        images the SVC and the softmax layer got right. Its answers are the SVC's for the most images, first draw.
    """
    known, unknown = (
        [part[(part.family == FAMILY) == new] for part in (task.train, task.validation)] for new in (False, True)
    )
    say(f"Training an extractor on {len(known[0]):,} images, without {FAMILY}.")
    classifier = extractor.train([Source.of(known[0])], (known[1].glyphs, known[1].joint), recipe, 1, work, verbose)
    frozen = extractor.freeze(classifier)
    test = task.test[task.test.family == FAMILY]
    test_features = keras_features(frozen, test.glyphs)
    curve, answers = [], np.zeros(0, np.int64)
    for images in shots:
        for draw in range(1, draws + 1):
            few = sample(unknown[0], images, seed=draw)
            svc, softmax = _answers(frozen, few, test_features, draw)
            curve.append({"images": images, "draw": draw, **_right(test, svc=svc, softmax=softmax)})
            answers = svc if draw == 1 else answers
            say(f"{images} images of each, draw {draw}: {curve[-1]}")
    run = Run(
        protocol="published",
        part="1",
        method="without-vowels",
        seed=1,
        recipe=asdict(recipe),
        data=describe(Task(known[0], known[1], test)),
        answers={FAMILY: Answers(test.name, test.class_id, answers)},
        details={"curve": curve},
        history=read_history(work / HISTORY),
    )
    return [run]


def _answers(frozen: keras.Model, few: Dataset, test: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    features = keras_features(frozen, few.glyphs)
    folds = folds_for_search(few.class_id, seed)
    svc = search_svc(features, few.class_id, folds, jobs=-1).fit(features, few.class_id)
    softmax = grid_search(LogisticRegression(max_iter=2000), {"C": SOFTMAX_C}, folds, bar=False)
    return svc.predict(test), softmax.fit(features, few.class_id).predict(test)


def _right(test: Dataset, **answers: np.ndarray) -> dict[str, Any]:
    return {**{name: int((answer == test.class_id).sum()) for name, answer in answers.items()}, "n": len(test)}
