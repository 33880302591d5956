"""What the published articles show (P. Foret, 2017), repeated on the test images of the published split, seed 1.

Each baseline answers the same images as our own models do and leaves the same kind of run. Theirs folded numeral zero
into the class of ज्ञ by an error in encoding labels; here all 58 classes are apart, in every baseline.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import layers
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline
from sklearn.svm import SVC

from app.catalogue import JOINT_CLASSES
from app.framing import SIZE
from training import extractor
from training.augment import Augmentation
from training.data import Dataset
from training.experiment import answer_by_heads, describe
from training.export import keras_features
from training.extractor import AugmentedBatches, claim, fit
from training.protocols import Task
from training.recipe import FIRST, Search
from training.runs import HISTORY, Answers, Run, read_history
from training.scoring import masked_softmax
from training.search import grid_search
from training.sources import Source

SEED = 1
Say = Callable[[str], None]

GRID_C = (1.0, 10.0, 100.0, 1000.0)
GRID_GAMMA = (0.001, 0.01, 0.1, 1.0, 10.0, 100.0)
"""The articles' search."""

PUBLISHED_AUGMENTATION = Augmentation(rotation=15, shear=0, scale=0.2, shift=0, elastic=0, stroke=0, blur=0)
PUBLISHED_BATCH = 400


def pca_svc(task: Task, work: Path, say: Say = print, verbose: int = 1) -> list[Run]:
    """Pixels on their first 24 principal axes, an RBF SVC per family, searched over the articles' grid."""
    answers, chosen = {}, {}
    for family in task.test.families:
        say(f"Searching the SVC of the {family} over 24 principal axes.")
        train, validation, test = (_family(part, family) for part in (task.train, task.validation, task.test))
        search = grid_search(
            make_pipeline(PCA(24, random_state=SEED), SVC(kernel="rbf", break_ties=True)),
            {"svc__C": GRID_C, "svc__gamma": GRID_GAMMA},
            folds=3,
        )
        search.fit(
            np.concatenate([_pixels(train), _pixels(validation)]), np.concatenate([train.class_id, validation.class_id])
        )
        answers[family] = Answers(test.name, test.class_id, search.predict(_pixels(test)))
        chosen[family] = {**search.best_params_, "cross_validated_accuracy": float(search.best_score_)}
    return [_run("pca-svc", {"axes": 24, "C": GRID_C, "gamma": GRID_GAMMA}, task, answers, {"heads": chosen})]


def cnn_per_family(task: Task, work: Path, say: Say = print, verbose: int = 1) -> list[Run]:
    """A network for each family alone, from scratch, by the first recipe; its softmax answers."""
    recipe, answers = FIRST, {}
    for family in task.test.families:
        say(f"Training a network on the {family} alone.")
        train, validation, test = (_family(part, family) for part in (task.train, task.validation, task.test))
        network = extractor.train(
            [Source.of(train)],
            (validation.glyphs, validation.joint),
            recipe,
            SEED,
            work / family,
            verbose,
        )
        logits = keras_features(network, test.glyphs)
        answers[family] = Answers(test.name, test.class_id, _softmax(logits, family, train))
    return [_run("cnn-per-family", asdict(recipe), task, answers, {})]


def published_network(
    task: Task, work: Path, say: Say = print, verbose: int = 1, epochs: int = 60, grid: Search | None = None
) -> list[Run]:
    """The articles' network by their recipe, its last two layers popped, frozen, an SVC per family on top.

    The run's answers are the SVCs'; its logits are those of the same network before the popping, from which the
    softmax masked to each family is read: the control that the articles lack.

    Args:
        task: of the published protocol.
        work: folder for checkpoints.
        say: takes a line of progress.
        verbose: Keras's.
        epochs: of the articles' 150, the epoch of least validation loss is kept either way.
        grid: of the heads; by default all of it.
    """
    recipe = {
        "network": "published",
        "epochs": epochs,
        "batch": PUBLISHED_BATCH,
        "optimizer": "RMSprop 1e-3",
        "augmentation": asdict(PUBLISHED_AUGMENTATION),
    }
    say(f"Training the published network for {epochs} epochs.")
    claim(work, {"recipe": recipe, "seed": SEED})
    keras.utils.set_random_seed(SEED)
    network = build_published()
    network.compile(
        optimizer=keras.optimizers.RMSprop(1e-3),
        loss=keras.losses.CategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    batches = AugmentedBatches([Source.of(task.train)], PUBLISHED_AUGMENTATION, PUBLISHED_BATCH, SEED)
    fit(network, batches, (task.validation.glyphs, task.validation.joint), epochs, work, verbose)
    answers, chosen = answer_by_heads(network, task, grid or Search(), SEED, say)
    details = {"parameters": network.count_params(), "heads": chosen}
    return [_run("published-network", recipe, task, answers, details, read_history(work / HISTORY))]


def build_published() -> keras.Model:
    """The articles' network: glyphs (n, 32, 32, 1) to logits (n, 58)."""
    glyph = keras.Input((SIZE, SIZE, 1))
    x = layers.Conv2D(128, 3, activation="relu")(glyph)
    x = layers.Dropout(0.25)(x)
    x = layers.Conv2D(64, 3, activation="relu")(x)
    x = layers.MaxPooling2D(2)(x)
    x = layers.Conv2D(32, 3, activation="relu")(x)
    x = layers.Dropout(0.25)(x)
    x = layers.Flatten()(x)
    x = layers.Dense(512, activation="relu")(x)
    x = layers.Dropout(0.7)(x)
    x = layers.Dense(512, activation="relu", name=extractor.FEATURE_LAYER)(x)
    x = layers.Dropout(0.7)(x)
    return keras.Model(glyph, layers.Dense(JOINT_CLASSES)(x), name="published")


def bottleneck(task: Task, work: Path, say: Say = print, verbose: int = 1) -> list[Run]:
    """The first recipe's network squeezed through two numbers before its last layer: all classes, and the vowels alone.

    ``details["plane"]`` holds the two numbers of each test image, in the order of the answers.
    """
    return [
        _bottleneck("bottleneck", task, work / "all", say, verbose),
        _bottleneck(
            "bottleneck-vowels",
            Task(_family(task.train, "vowels"), _family(task.validation, "vowels"), _family(task.test, "vowels")),
            work / "vowels",
            say,
            verbose,
        ),
    ]


def _bottleneck(method: str, task: Task, work: Path, say: Say, verbose: int) -> Run:
    recipe = replace(FIRST, label_smoothing=0.0)
    say(f"Training a network with a bottleneck of two on {len(task.train):,} images.")
    claim(work, {"recipe": asdict(recipe), "seed": SEED, "bottleneck": 2})
    keras.utils.set_random_seed(SEED)
    whole = extractor.build(recipe)
    plane = layers.Dense(2, name="plane")(whole.get_layer(extractor.FEATURE_LAYER).output)
    network = keras.Model(whole.input, layers.Dense(JOINT_CLASSES)(plane))
    batches = AugmentedBatches([Source.of(task.train)], recipe.augmentation, recipe.batch, SEED)
    network.compile(
        optimizer=extractor.one_cycle(recipe, len(batches)),
        loss=keras.losses.CategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    fit(network, batches, (task.validation.glyphs, task.validation.joint), recipe.epochs, work, verbose)
    answers, points = {}, []
    for family in task.test.families:
        test = _family(task.test, family)
        logits = keras_features(network, test.glyphs)
        answers[family] = Answers(test.name, test.class_id, _softmax(logits, family, _family(task.train, family)))
        points.append(keras_features(keras.Model(network.input, network.get_layer("plane").output), test.glyphs))
    details = {"plane": np.concatenate(points).round(3).tolist()}
    return _run(method, {**asdict(recipe), "bottleneck": 2}, task, answers, details, read_history(work / HISTORY))


def _softmax(logits: np.ndarray, family: str, train: Dataset) -> np.ndarray:
    return masked_softmax(logits, family, np.unique(train.class_id))


def _family(dataset: Dataset, family: str) -> Dataset:
    return dataset[dataset.family == family]


def _pixels(dataset: Dataset) -> np.ndarray:
    return dataset.glyphs.reshape(len(dataset), -1)


def _run(
    method: str,
    recipe: dict[str, Any],
    task: Task,
    answers: dict[str, Answers],
    details: dict[str, Any],
    rows: list[dict[str, float]] | None = None,
) -> Run:
    return Run(
        protocol="published",
        part=str(SEED),
        method=method,
        seed=SEED,
        recipe=recipe,
        data=describe(task),
        answers=answers,
        details=details,
        history=rows or [],
    )
