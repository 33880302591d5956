"""Corrections of wrong labels in training images: a list that confident learning suggested and people reviewed.

`training.evaluation.label_errors` makes the suggestions. Test parts are never corrected.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final, Literal, NamedTuple

import numpy as np
from pydantic import TypeAdapter

from training.data.dataset import Dataset

LABEL_ERRORS: Final = Path(__file__).with_name("label_errors.csv")


class LabelError(NamedTuple):
    """A suspected label.

    Attributes:
        data_set: as in `training.data.sources.FILES`, or ``nhcd``.
        name: of the image, as in `Dataset`.
        given: its class number.
        suggested: the likelier class number.
        action: ``relabelled`` as suggested; ``dropped``, if the image is neither for certain; ``kept``, if the label is
            right.
    """

    data_set: str
    name: str
    given: int
    suggested: int
    action: Literal["relabelled", "dropped", "kept"]


def read_label_errors(path: Path = LABEL_ERRORS) -> list[LabelError]:
    """Read a list: a CSV file with a column for each attribute of `LabelError`."""
    with path.open(newline="", encoding="utf-8") as lines:
        return TypeAdapter(list[LabelError]).validate_python([tuple(row.values()) for row in csv.DictReader(lines)])


def add_label_errors(errors: Sequence[LabelError], path: Path = LABEL_ERRORS) -> None:
    """Add to a list, and sort it by data set and name; what it already says of an image stays."""
    listed = read_label_errors(path) if path.exists() else []
    by_name = {error[:2]: error for error in (*errors, *listed)}
    with path.open("w", newline="", encoding="utf-8") as lines:
        writer = csv.writer(lines, lineterminator="\n")
        writer.writerow(LabelError._fields)
        writer.writerows(sorted(by_name.values()))


def correct_labels(dataset: Dataset, data_set: str, errors: Sequence[LabelError]) -> Dataset:
    """Relabel and drop images of a training or validation part.

    Args:
        dataset: the part.
        data_set: the name of its data set.
        errors: of any data sets.
    """
    listed = {error.name: error for error in errors if error.data_set == data_set}
    kept = np.array([name not in listed or listed[name].action != "dropped" for name in dataset.name], bool)
    dataset = dataset[kept]
    class_id = dataset.class_id.copy()
    for row, name in enumerate(dataset.name):
        if name in listed and listed[name].action == "relabelled":
            class_id[row] = listed[name].suggested
    return replace(dataset, class_id=class_id)
