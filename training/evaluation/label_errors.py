"""Finds images whose labels are probably wrong, by confident learning (Northcutt et al., 2021; the library cleanlab).

The probabilities are those of a classifier that is cross-validated on the features of a network which never saw the
data set: a network that was trained on a wrong label would confirm it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Final, Literal

import numpy as np
from cleanlab.filter import find_label_issues
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict

from akshar.model.extractor import Features
from training.data.dataset import Dataset, concatenate
from training.data.label_errors import LabelError, read_label_errors
from training.data.sources import SPLITS, SourceName, read_data_sets, read_drawn
from training.data.splits import PROTOCOLS, all_parts
from training.models.export import keras_features
from training.models.fit import train_classifier
from training.models.network import freeze
from training.recipe import RECIPES

_SEED: Final = 1
_FOLDS: Final = 5
_C: Final = 30.0
"""Inverse strength of the regularization: high, because features have length 1."""


def suspect(
    data_set: SourceName | Literal["nhcd"],
    nhcd: Path,
    others: Path,
    fonts: Path,
    work: Path,
    read: Callable[[Path], Dataset],
    log: Callable[[str], None] = print,
    verbose: int = 1,
) -> tuple[Dataset, list[LabelError]]:
    """Train a network by the short recipe on the other data sets, and find suspected labels with its features.

    Args:
        data_set: whose labels are checked.
        nhcd: path of NHCD.
        others: folder of the other data sets.
        fonts: folder of fonts.
        work: folder for checkpoints; an interrupted training resumes.
        read: reads a data set.
        log: called with each line of progress.
        verbose: Keras's: 1 for a bar, 2 for a line per epoch.

    Returns:
        The images of the training and validation part, with the labels as given; and the suspected ones.
    """
    recipe, own = RECIPES["short"], read(nhcd)
    errors = [error for error in read_label_errors() if error.data_set != data_set]
    sets = read_data_sets(SPLITS, others, read, errors)
    task = PROTOCOLS["left-out"].task(own, sets, data_set)
    task = replace(task, extra_sources={**task.extra_sources, **read_drawn(recipe.extra_sources, fonts)})
    classifier = train_classifier(task, recipe, _SEED, work / f"label-errors-{data_set}", log, verbose)
    parts = all_parts(own, sets)[data_set]
    images = concatenate([parts.train, parts.validation])
    return images, find_label_errors(data_set, images, keras_features(freeze(classifier), images.glyphs))


def find_label_errors(data_set: str, images: Dataset, features: Features) -> list[LabelError]:
    """Suspected labels by family, the most doubtful first; each is ``dropped`` until somebody has looked at it.

    Args:
        data_set: name of the data set.
        images: at least five of each class.
        features: of these images by a network that was not trained on them, shape (n, 512).
    """
    return [error for family in images.families for error in _in_family(data_set, family, images, features)]


def _in_family(data_set: str, family: str, images: Dataset, features: Features) -> Iterable[LabelError]:
    rows = images.family == family
    names, (class_ids, labels) = images.name[rows], np.unique(images.class_id[rows], return_inverse=True)
    folds = StratifiedKFold(_FOLDS, shuffle=True, random_state=1)
    classifier = LogisticRegression(C=_C, max_iter=300)
    probabilities = cross_val_predict(classifier, features[rows], labels, cv=folds, method="predict_proba")
    # Images that both of cleanlab's rules suspect: fewer, and mostly rightly so.
    suspected = find_label_issues(
        labels, probabilities, filter_by="both", return_indices_ranked_by="self_confidence", n_jobs=1
    )
    for row in suspected.tolist():
        suggested = int(class_ids[probabilities[row].argmax()])
        yield LabelError(data_set, str(names[row]), int(class_ids[labels[row]]), suggested, "dropped")
