"""The one fit: from a task to a classifier, its frozen extractor and calibrated heads.

Shipped artifacts, the protocols' trainings, the ablations and the published network all come from here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
from sklearn.svm import SVC

from akshar.imaging.glyph import Glyphs
from akshar.model.bundle import FamilyModel, Model
from akshar.model.classes import CATALOGUE
from akshar.model.extractor import Features
from akshar.model.manifest import ClassEntry
from akshar.model.recognizer import Recognizer
from training.data.dataset import Dataset
from training.data.sources import SPLITS, Shares, head_images, network_sources, outlier_source
from training.data.splits import Task
from training.models import network
from training.models.calibration import calibrate
from training.models.export import keras_features
from training.models.svm import FittedHead, describe_svc, fit_head
from training.recipe import Recipe, Search

Log = Callable[[str], None]


class KerasExtractor:
    """A frozen network in memory, as `akshar.model.extractor.Extractor` describes it."""

    name = "keras"
    device = "cpu"

    def __init__(self, network: keras.Model) -> None:
        self._network = network

    def __call__(self, glyphs: Glyphs) -> Features:
        return keras_features(self._network, glyphs)


@dataclass(frozen=True)
class FittedModel:
    """A trained classifier and what was fitted on its features.

    Attributes:
        classifier: glyphs (n, 32, 32, 1) to logits (n, 58).
        extractor: the classifier without its last layers, frozen: glyphs to features (n, 512).
        model: the heads, fitted on the training and the validation part, with class means and calibration.
        held_out_svcs: by family, fitted on the training part alone.
        validation_accuracies: by family, of the hyperparameters that the search chose.
    """

    classifier: keras.Model
    extractor: keras.Model
    model: Model
    held_out_svcs: Mapping[str, SVC]
    validation_accuracies: Mapping[str, float]

    def recognizer(self, held_out: bool = False) -> Recognizer:
        """A recognizer of this model; with ``held_out``, its heads were not fitted on the validation part."""
        model = self.model
        if held_out:
            families = model.families.items()
            model = replace(model, families={n: replace(f, svc=self.held_out_svcs[n]) for n, f in families})
        return Recognizer(model, KerasExtractor(self.extractor))

    def describe_heads(self) -> dict[str, dict[str, Any]]:
        """By family, the SVC and its validation accuracy, as manifests and runs describe them."""
        return {
            family: {**describe_svc(entry.svc), "validation_accuracy": self.validation_accuracies[family]}
            for family, entry in self.model.families.items()
        }


def train_classifier(
    task: Task, recipe: Recipe, seed: int, work: Path, log: Log = print, verbose: int = 1
) -> keras.Model:
    """Train a recipe's network on a task; see `fit`."""
    sources = network_sources(task.train, task.extra_sources, recipe.extra_sources)
    if recipe.outliers:
        handwritten = {name: share for name, share in recipe.extra_sources.items() if name in SPLITS}
        images = head_images(task.train, task.extra_sources, handwritten, seed)
        sources.append(outlier_source(images, recipe.outliers, seed))
    log(f"Training the network on {len(task.train):,} images, with {len(task.validation):,} for validation.")
    validation = task.validation.glyphs, task.validation.joint
    return network.train(sources, validation, recipe, seed, work, verbose)


def fit(task: Task, recipe: Recipe, seed: int, work: Path, log: Log = print, verbose: int = 1) -> FittedModel:
    """Train a recipe's network on a task, then fit and calibrate a head for every family of its training part.

    Args:
        task: what to train on and what to validate on; the test part is not used.
        recipe: of the network and the heads.
        seed: of the training and the search.
        work: folder for checkpoints; an interrupted training resumes.
        log: called with each line of progress.
        verbose: Keras's: 1 for a bar, 2 for a line per epoch, 0 for silence.
    """
    classifier = train_classifier(task, recipe, seed, work, log, verbose)
    return fit_heads(classifier, task, recipe.search, seed, log, recipe.extra_sources)


def fit_heads(
    classifier: keras.Model, task: Task, search: Search, seed: int, log: Log = print, shares: Shares | None = None
) -> FittedModel:
    """Fit and calibrate a head for every family of a task's training part, on a classifier's frozen features.

    Args:
        classifier: trained.
        task: what to fit on and what to validate on; the test part is not used.
        search: the grid of hyperparameters.
        seed: of the search, and of the drawing from the extra sources.
        log: called with each line of progress.
        shares: how much of the extra sources the heads are fitted on.
    """
    extractor = network.freeze(classifier)
    train, validation = head_images(task.train, task.extra_sources, shares or {}, seed), task.validation
    train_features, validation_features = (keras_features(extractor, part.glyphs) for part in (train, validation))
    heads: dict[str, FittedHead] = {}
    for family in task.train.families:
        log(f"Searching the head of the {family}.")
        heads[family] = fit_head(
            _of_family(family, train, train_features),
            _of_family(family, validation, validation_features),
            search,
            seed,
        )
    log("Calibrating.")
    svcs = {family: head.svc for family, head in heads.items()}
    calibrated = calibrate((train_features, train), (validation_features, validation), svcs)
    families = {
        family: FamilyModel(
            classes=[ClassEntry.of(entry) for entry in CATALOGUE[family]],
            svc=svc,
            class_means=calibrated.class_means[family],
            calibration=calibrated.calibrations[family],
            in_network=True,
        )
        for family, svc in svcs.items()
    }
    return FittedModel(
        classifier,
        extractor,
        Model(families, calibrated.whitening.astype(np.float32), calibrated.joint),
        calibrated.held_out_svcs,
        {family: head.validation_accuracy for family, head in heads.items()},
    )


def _of_family(family: str, dataset: Dataset, features: Features) -> tuple[Features, npt.NDArray[np.int64]]:
    rows = dataset.family == family
    return features[rows], dataset.class_id[rows]
