"""The methods of the published articles (P. Foret, 2017), repeated on the test images of the published split, seed 1.

Each baseline predicts the same images as our own models and leaves the same kind of run. The articles merged numeral
zero with the class of ज्ञ by an error in encoding labels; here every baseline keeps all 58 classes separate.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Final

import keras
import numpy as np
from keras import layers
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline
from sklearn.svm import SVC

from akshar.imaging.glyph import SIZE
from akshar.model.classes import JOINT_CLASSES
from training.data.augment import Augmentation
from training.data.dataset import Dataset
from training.data.sources import Source
from training.data.splits import Task
from training.evaluation.metrics import masked_argmax
from training.evaluation.predictions import evaluate
from training.evaluation.protocol import with_logits
from training.evaluation.runs import Predictions, Run, describe_data
from training.models import network
from training.models.export import keras_features
from training.models.fit import fit_heads
from training.models.history import HISTORY, read_history
from training.models.network import AugmentedBatches, ensure_run_dir
from training.models.svm import grid_search
from training.recipe import FIRST, Search

SEED: Final = 1
Log = Callable[[str], None]

GRID_C = (1.0, 10.0, 100.0, 1000.0)
GRID_GAMMA = (0.001, 0.01, 0.1, 1.0, 10.0, 100.0)
"""The articles' search."""

PUBLISHED_AUGMENTATION: Final = Augmentation(rotation=15, shear=0, scale=0.2, shift=0, elastic=0, stroke=0, blur=0)
PUBLISHED_BATCH: Final = 400


def pca_svc(task: Task, work: Path, log: Log = print, verbose: int = 1) -> list[Run]:
    """Pixels on their first 24 principal axes, an RBF SVC per family, searched over the articles' grid."""
    predictions, heads = {}, {}
    for family in task.test.families:
        log(f"Searching the SVC of the {family} on 24 principal axes.")
        train, validation, test = (_family(part, family) for part in (task.train, task.validation, task.test))
        search = grid_search(
            make_pipeline(PCA(24, random_state=SEED), SVC(kernel="rbf", break_ties=True)),
            {"svc__C": GRID_C, "svc__gamma": GRID_GAMMA},
            folds=3,
        )
        search.fit(
            np.concatenate([_pixels(train), _pixels(validation)]), np.concatenate([train.class_id, validation.class_id])
        )
        predictions[family] = Predictions(test.name, test.class_id, search.predict(_pixels(test)))
        heads[family] = {**search.best_params_, "cross_validated_accuracy": float(search.best_score_)}
    return [_run("pca-svc", {"axes": 24, "C": GRID_C, "gamma": GRID_GAMMA}, task, predictions, {"heads": heads})]


def cnn_per_family(task: Task, work: Path, log: Log = print, verbose: int = 1) -> list[Run]:
    """A network for each family alone, trained from scratch by the first recipe; its softmax predicts."""
    recipe, predictions = FIRST, {}
    for family in task.test.families:
        log(f"Training a network on the {family} alone.")
        train, validation, test = (_family(part, family) for part in (task.train, task.validation, task.test))
        classifier = network.train(
            [Source.of(train)],
            (validation.glyphs, validation.joint),
            recipe,
            SEED,
            work / family,
            verbose,
        )
        predictions[family] = _softmax(keras_features(classifier, test.glyphs), test, train)
    return [_run("cnn-per-family", asdict(recipe), task, predictions, {})]


def published_network(
    task: Task, work: Path, log: Log = print, verbose: int = 1, epochs: int = 60, grid: Search | None = None
) -> list[Run]:
    """The articles' network by their recipe, frozen without its last two layers, with an SVC per family.

    The run's predictions are those of the SVCs. Its logits are those of the whole network: its softmax, masked to each
    family, is the control that the articles lack.

    Args:
        task: of the published protocol.
        work: folder for checkpoints.
        log: called with each line of progress.
        verbose: Keras's.
        epochs: the articles trained for 150; the epoch of the lowest validation loss is kept either way.
        grid: of the heads; by default the whole grid.
    """
    recipe = {
        "network": "published",
        "epochs": epochs,
        "batch": PUBLISHED_BATCH,
        "optimizer": "RMSprop 1e-3",
        "augmentation": asdict(PUBLISHED_AUGMENTATION),
    }
    log(f"Training the published network for {epochs} epochs.")
    ensure_run_dir(work, {"recipe": recipe, "seed": SEED})
    keras.utils.set_random_seed(SEED)
    classifier = build_published()
    classifier.compile(
        optimizer=keras.optimizers.RMSprop(1e-3),
        loss=keras.losses.CategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    batches = AugmentedBatches([Source.of(task.train)], PUBLISHED_AUGMENTATION, PUBLISHED_BATCH, SEED)
    network.fit(classifier, batches, (task.validation.glyphs, task.validation.joint), epochs, work, verbose)
    fitted = fit_heads(classifier, task, grid or Search(), SEED, log)
    predictions = with_logits(evaluate(fitted.recognizer(), task.test), classifier, task.test)
    details = {"parameters": classifier.count_params(), "heads": fitted.describe_heads()}
    return [_run("published-network", recipe, task, predictions, details, read_history(work / HISTORY))]


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
    x = layers.Dense(512, activation="relu", name=network.FEATURE_LAYER)(x)
    x = layers.Dropout(0.7)(x)
    return keras.Model(glyph, layers.Dense(JOINT_CLASSES)(x), name="published")


def bottleneck(task: Task, work: Path, log: Log = print, verbose: int = 1) -> list[Run]:
    """The first recipe's network with a layer of two numbers before its last: for all classes, and for vowels alone.

    ``details["plane"]`` holds the two numbers of each test image, in the order of the predictions.
    """
    train, validation, test = (_family(part, "vowels") for part in (task.train, task.validation, task.test))
    return [
        _bottleneck("bottleneck", task, work / "all", log, verbose),
        _bottleneck("bottleneck-vowels", Task(train, validation, test), work / "vowels", log, verbose),
    ]


def _bottleneck(method: str, task: Task, work: Path, log: Log, verbose: int) -> Run:
    recipe = replace(FIRST, label_smoothing=0.0)
    log(f"Training a network with a bottleneck of two on {len(task.train):,} images.")
    ensure_run_dir(work, {"recipe": asdict(recipe), "seed": SEED, "bottleneck": 2})
    keras.utils.set_random_seed(SEED)
    whole = network.build(recipe)
    plane = layers.Dense(2, name="plane")(whole.get_layer(network.FEATURE_LAYER).output)
    classifier = keras.Model(whole.input, layers.Dense(JOINT_CLASSES)(plane))
    batches = AugmentedBatches([Source.of(task.train)], recipe.augmentation, recipe.batch, SEED)
    classifier.compile(
        optimizer=network.one_cycle(recipe, len(batches)),
        loss=keras.losses.CategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    network.fit(classifier, batches, (task.validation.glyphs, task.validation.joint), recipe.epochs, work, verbose)
    to_plane = keras.Model(classifier.input, plane)
    predictions, points = {}, []
    for family in task.test.families:
        test = _family(task.test, family)
        predictions[family] = _softmax(keras_features(classifier, test.glyphs), test, _family(task.train, family))
        points.append(keras_features(to_plane, test.glyphs))
    details = {"plane": np.concatenate(points).round(3).tolist()}
    return _run(method, {**asdict(recipe), "bottleneck": 2}, task, predictions, details, read_history(work / HISTORY))


def _softmax(logits: np.ndarray, test: Dataset, train: Dataset) -> Predictions:
    """The predictions of a network's softmax, masked to the classes of the one family of ``test`` and ``train``."""
    predicted = masked_argmax(logits, str(test.family[0]), np.unique(train.class_id))
    return Predictions(test.name, test.class_id, predicted)


def _family(dataset: Dataset, family: str) -> Dataset:
    return dataset[dataset.family == family]


def _pixels(dataset: Dataset) -> np.ndarray:
    return dataset.glyphs.reshape(len(dataset), -1)


def _run(
    method: str,
    recipe: dict[str, Any],
    task: Task,
    predictions: dict[str, Predictions],
    details: dict[str, Any],
    history: list[dict[str, float]] | None = None,
) -> Run:
    return Run(
        protocol="published",
        part=str(SEED),
        method=method,
        seed=SEED,
        recipe=recipe,
        data=describe_data(task),
        predictions=predictions,
        details=details,
        history=history or [],
    )
