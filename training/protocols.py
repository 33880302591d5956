"""How a data set is parted into training, validation and test."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn.model_selection import train_test_split

from training.data import Dataset

Rows = npt.NDArray[np.intp]

TEST_SHARE = 0.15
VALIDATION_SHARE = 0.176
"""Of what the test part leaves: 15 % of all."""


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
    leaked = np.isin(dataset.content, dataset.content[test])
    return Split(train[~leaked[train]], validation[~leaked[validation]], test)


def names_digest(dataset: Dataset, rows: Rows) -> str:
    """sha256 of the sorted names of rows, one ``<family>/<class>/<file>`` a line, each ended by a newline."""
    return hashlib.sha256("".join(f"{name}\n" for name in sorted(dataset.name[rows])).encode()).hexdigest()
