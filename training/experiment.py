"""One training, from a protocol's task to its run: extractor, heads, answers for the test part."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import keras
import numpy as np
from sklearn.svm import SVC

from app.extractor import Features
from app.heads import Head
from training import extractor
from training.calibration import calibrate
from training.data import Dataset
from training.evaluation import answer, predict
from training.export import keras_features
from training.heads import FittedHead, fit_head
from training.protocols import Task
from training.recipe import Recipe, Search, for_few_images
from training.reliability import judge
from training.runs import HISTORY, Answers, Run, read_history
from training.sources import for_heads, to_learn


def train_and_answer(
    protocol: str,
    part: str,
    method: str,
    task: Task,
    recipe: Recipe,
    per_class: int | None,
    work: Path,
    say: Callable[[str], None] = print,
    verbose: int = 1,
) -> Run:
    """Train by a recipe on a task and answer its test part.

    Args:
        protocol: its name, for the run.
        part: of the protocol; a number is also the seed.
        method: the recipe's name, for the run.
        task: what to learn from and what to answer.
        recipe: of extractor and heads; its epochs grow where there are few images.
        per_class: how many images of each class the task was cut down to, None for all.
        work: folder for checkpoints; an interrupted run resumes.
        say: takes a line of progress.
        verbose: Keras's: 1 for a bar, 2 for a line an epoch.
    """
    started = time.monotonic()
    seed = int(part) if part.isdigit() else 1
    recipe = for_few_images(recipe, len(task.train))
    say(f"{protocol} {part}, {method}: {len(task.train):,} images to learn, {len(task.validation):,} to validate.")
    classifier = extractor.train(
        to_learn(task.train, task.more, recipe),
        (task.validation.glyphs, task.validation.joint),
        recipe,
        seed,
        work,
        verbose,
    )
    in_heads = for_heads(task.train, task.more, recipe, seed)
    answers, chosen = answer_by_heads(classifier, replace(task, train=in_heads), recipe.search, seed, say)
    return Run(
        protocol=protocol,
        part=part,
        method=method,
        seed=seed,
        recipe={**asdict(recipe), "per_class": per_class, "backend": keras.backend.backend()},
        data=describe(task),
        answers=answers,
        details={
            "parameters": classifier.count_params(),
            "heads": chosen,
            "minutes": round((time.monotonic() - started) / 60, 1),
        },
        history=read_history(work / HISTORY),
    )


def answer_by_heads(
    classifier: keras.Model,
    task: Task,
    grid: Search,
    seed: int,
    say: Callable[[str], None],
) -> tuple[dict[str, Answers], dict[str, dict[str, float]]]:
    """Fit a head per family, and one over all classes, on a classifier's frozen features; answer the test part.

    The head over all classes takes the hyperparameters of the last family's.

    Returns:
        The answers by family, and what the search has chosen for each.
    """
    frozen = extractor.freeze(classifier)
    train, validation, test = (keras_features(frozen, part.glyphs) for part in (task.train, task.validation, task.test))
    logits = keras_features(classifier, task.test.glyphs)
    heads: dict[str, FittedHead] = {}
    for family in task.test.families:
        say(f"Searching the head of the {family}.")
        heads[family] = fit_head(_of(family, task.train, train), _of(family, task.validation, validation), grid, seed)
    last = list(heads.values())[-1].svc
    say("Fitting a head over all classes.")
    joint = Head(
        SVC(kernel="rbf", C=last.C, gamma=last.gamma, break_ties=True, cache_size=1000).fit(
            np.concatenate([train, validation]), np.concatenate([task.train.joint, task.validation.joint])
        )
    )
    trust = calibrate(
        (train, task.train), (validation, task.validation), {family: head.svc for family, head in heads.items()}
    )
    answers = {}
    for family, fitted in heads.items():
        rows, head = np.flatnonzero(task.test.family == family), Head(fitted.svc)
        by_head = judge(answer(task.test[rows], test[rows], head), test[rows], head, trust, family)
        answers[family] = replace(by_head, joint=predict(joint, test[rows]), logits=logits[rows[by_head.kept]])
    chosen = {
        family: {
            "C": head.svc.C,
            "gamma": float(head.svc.gamma),
            "support_vectors": int(head.svc.n_support_.sum()),
            "validation_accuracy": head.validation_accuracy,
        }
        for family, head in heads.items()
    }
    return answers, chosen


def _of(family: str, dataset: Dataset, features: Features) -> tuple[Features, np.ndarray]:
    rows = dataset.family == family
    return features[rows], dataset.class_id[rows]


def describe(task: Task) -> dict[str, object]:
    """Sizes and digests of a task's parts."""
    parts = [("train", task.train), ("validation", task.validation), ("test", task.test), *task.more.items()]
    return {part: {"images": len(dataset), "digest": dataset.digest} for part, dataset in parts}
