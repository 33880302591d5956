"""How data sets are split into training, validation and test: five protocols, each of one or more parts.

* ``published``: the split of the published articles; a part is a seed.
* ``hcr-net``: the first 20 % of each class's file names are held out, as HCR-Net's authors did (2021).
* ``writers``: five folds, no writer on both sides; a part is a fold.
* ``cross``: trained on one data set, scored on another: ``nhcd-dhcd`` and, for the shared classes, ``dhcd-nhcd``.
* ``left-out``: one of the three data sets is not trained on, and its test part is scored; a part is its name.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import numpy.typing as npt
from sklearn.model_selection import GroupKFold, train_test_split

from training.data.dataset import Dataset, concatenate
from training.data.sources import ExtraSources, Parts, SourceName, sample

Rows = npt.NDArray[np.intp]

TEST_SHARE = 0.15
VALIDATION_SHARE = 0.176
"""Share of the images that are not in the test part: 15 % of all."""
WRITER_FOLDS = 5
NEAR_COPY = 0.95
"""Correlation of two glyphs from which one may be a copy of the other; two attempts of one writer stay below it."""
DHCD_PER_CLASS = 300
"""Training images in ``dhcd-nhcd``: about as many as NHCD has, so that the two directions are comparable."""


@dataclass(frozen=True)
class Split:
    """Rows of a data set, by part."""

    train: Rows
    validation: Rows
    test: Rows


def published(dataset: Dataset, seed: int = 1) -> Split:
    """The split of the published articles (P. Foret, 2017), over 58 separate classes.

    ``train_test_split``, stratified by joint class: 15 % test, then 17.6 % of the rest for validation, both with
    ``random_state=seed``, over rows ordered by family, class number and file name (the order of `Dataset`). On NHCD
    the test part holds 430 numerals, 396 vowels and 1,111 consonants for every seed. Images whose file equals a test
    image byte for byte (NHCD has two such pairs) are left out of training and validation.
    """
    rows = np.arange(len(dataset))
    joint = dataset.joint
    rest, test = train_test_split(rows, test_size=TEST_SHARE, stratify=joint, random_state=seed)
    train, validation = train_test_split(rest, test_size=VALIDATION_SHARE, stratify=joint[rest], random_state=seed)
    return _without_copies(dataset, train, validation, test)


def hcr_net(dataset: Dataset, seed: int = 1) -> Split:
    """The first 20 % (rounded down) of each class's sorted file names held out: 570, 528 and 1,476 images of NHCD.

    Names begin with the writer's number, so most writers of the test part are new. The rest is split as in `published`.
    """
    rows, joint = np.arange(len(dataset)), dataset.joint
    of_class = [rows[joint == index] for index in np.unique(joint)]  # Rows are in the order of names.
    test = np.concatenate([members[: len(members) // 5] for members in of_class])
    rest = np.setdiff1d(rows, test)
    train, validation = train_test_split(rest, test_size=VALIDATION_SHARE, stratify=joint[rest], random_state=seed)
    return _without_copies(dataset, train, validation, test)


def writers(dataset: Dataset, fold: int = 1) -> Split:
    """Fold 1 to 5, of about equal size. No writer occurs in two folds, nor in both training and validation."""
    rows = np.arange(len(dataset))
    rest, test = list(GroupKFold(WRITER_FOLDS).split(rows, groups=dataset.writer))[fold - 1]
    train, validation = next(iter(GroupKFold(WRITER_FOLDS).split(rest, groups=dataset.writer[rest])))
    return Split(rest[train], rest[validation], test)


@dataclass(frozen=True)
class Task:
    """What is trained on, what chooses the epoch and the hyperparameters, and what is tested on.

    Attributes:
        extra_sources: images of other writers that a recipe may train on, too.
    """

    train: Dataset
    validation: Dataset
    test: Dataset
    extra_sources: ExtraSources = field(default_factory=dict)


Others = Mapping[SourceName, Parts]
"""The data sets besides NHCD that are available."""


@dataclass(frozen=True)
class Protocol:
    """A way of scoring: its parts, and the task of each.

    Attributes:
        parts: names of all parts; a number is also the seed of the training.
        usual: how many of them, from the first, are run by default.
        task: makes the task of a part from NHCD and the other data sets.
        needs: the other data sets that must be available, whatever the recipe trains on.
    """

    parts: tuple[str, ...]
    usual: int
    task: Callable[[Dataset, Others, str], Task]
    needs: tuple[SourceName, ...] = ()


def make_task(train: Dataset, validation: Dataset, test: Dataset, others: Others) -> Task:
    """A task that also trains and validates on other data sets."""
    validations = [validation, *(parts.validation for parts in others.values())]
    return Task(train, concatenate(validations), test, {name: parts.train for name, parts in others.items()})


def _within(split: Callable[[Dataset, int], Split]) -> Callable[[Dataset, Others, str], Task]:
    def task(nhcd: Dataset, others: Others, part: str) -> Task:
        rows = split(nhcd, int(part))
        return make_task(nhcd[rows.train], nhcd[rows.validation], nhcd[rows.test], others)

    return task


def _across(nhcd: Dataset, others: Others, part: str) -> Task:
    parts = others["dhcd"]
    dhcd = concatenate([parts.train, parts.validation, parts.test])
    if part == "nhcd-dhcd":
        train_on, test_on = nhcd, dhcd
    else:
        train_on, test_on = sample(dhcd, DHCD_PER_CLASS, seed=1), nhcd[np.isin(nhcd.family, np.unique(dhcd.family))]
    rows = np.arange(len(train_on))
    train, validation = train_test_split(rows, test_size=VALIDATION_SHARE, stratify=train_on.joint, random_state=1)
    return Task(train_on[train], train_on[validation], test_on)


def all_parts(nhcd: Dataset, others: Others) -> dict[str, Parts]:
    """The parts of all data sets by name, NHCD's as in `published`."""
    rows = published(nhcd)
    own = Parts(nhcd[rows.train], nhcd[rows.validation], nhcd[rows.test])
    return {"nhcd": own, **{str(name): parts for name, parts in others.items()}}


def _left_out(nhcd: Dataset, others: Others, part: str) -> Task:
    parts = all_parts(nhcd, others)
    own = parts["dongre-mankar" if part == "nhcd" else "nhcd"]
    rest = {name: other for name, other in others.items() if name != part and other is not own}
    return make_task(own.train, own.validation, parts[part].test, rest)


ProtocolName = Literal["published", "hcr-net", "writers", "cross", "left-out"]

PROTOCOLS: dict[ProtocolName, Protocol] = {
    "published": Protocol(("1", "2", "3", "4", "5"), 3, _within(published)),
    "hcr-net": Protocol(("1",), 1, _within(hcr_net)),
    "writers": Protocol(("1", "2", "3", "4", "5"), WRITER_FOLDS, _within(writers)),
    "cross": Protocol(("nhcd-dhcd", "dhcd-nhcd"), 2, _across, needs=("dhcd",)),
    "left-out": Protocol(("dongre-mankar", "dhcd", "nhcd"), 3, _left_out, needs=("dhcd", "dongre-mankar")),
}


def with_few_images(task: Task, per_class: int) -> Task:
    """The same test part, with ``per_class`` images of each class to train on, 17.6 % of them for validation."""
    held_out = max(1, round(VALIDATION_SHARE * per_class))
    train = sample(task.train, per_class - held_out, seed=1)
    return replace(task, train=train, validation=sample(task.validation, held_out, seed=1))


def _without_copies(dataset: Dataset, train: Rows, validation: Rows, test: Rows) -> Split:
    leaked = np.isin(dataset.content, dataset.content[test])
    return Split(train[~leaked[train]], validation[~leaked[validation]], test)


def without_copies(extra_sources: ExtraSources, test: Dataset) -> dict[SourceName, Dataset]:
    """Extra sources without images that are, or may be, copies of a test image."""
    return {name: images[~near_copies(images, test)] for name, images in extra_sources.items()}


def near_copies(images: Dataset, test: Dataset) -> npt.NDArray[np.bool_]:
    """Which images correlate with an image of a test part by `NEAR_COPY` or more, shape (n,)."""
    sides = [_standardized(part) for part in (images, test)]
    return np.concatenate(
        [(sides[0][rows] @ sides[1].T).max(1) >= NEAR_COPY for rows in np.array_split(np.arange(len(images)), 64)]
    )


def _standardized(images: Dataset) -> npt.NDArray[np.float32]:
    """Glyphs as vectors whose inner products are correlations: shape (n, 1024)."""
    flat = images.glyphs.reshape(len(images), -1)
    flat = flat - flat.mean(1, keepdims=True)
    length = np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-6)
    return np.asarray(flat / length, np.float32)


def names_digest(dataset: Dataset, rows: Rows) -> str:
    """sha256 of the sorted names of these rows, one ``<family>/<class>/<file>`` per line, each ended by a newline."""
    return hashlib.sha256("".join(f"{name}\n" for name in sorted(dataset.name[rows])).encode()).hexdigest()
