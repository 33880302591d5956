"""Corrections of wrong labels, on the shipped list and on lists of our own."""

from pathlib import Path

import numpy as np
import pytest

from akshar.model.classes import CATALOGUE
from training.data.dataset import Dataset
from training.data.label_errors import LabelError, add_label_errors, correct_labels, read_label_errors
from training.data.sources import split_dongre_mankar

ERRORS = [
    LabelError("nhcd", "vowels/2/a", 2, 5, "relabelled"),
    LabelError("nhcd", "vowels/1/b", 1, 2, "dropped"),
    LabelError("nhcd", "vowels/3/c", 3, 4, "kept"),
    LabelError("dhcd", "vowels/4/d", 4, 1, "relabelled"),
]


def test_labels_are_corrected() -> None:
    names = np.array(["vowels/1/b", "vowels/2/a", "vowels/3/c", "vowels/4/d"])
    glyphs = np.arange(4, dtype=np.float32)[:, None, None] * np.ones((32, 32), np.float32)
    dataset = Dataset(glyphs, np.full(4, "vowels"), np.array([1, 2, 3, 4]), np.full(4, ""), names, names)
    corrected = correct_labels(dataset, "nhcd", ERRORS)
    assert corrected.name.tolist() == names[1:].tolist()
    assert corrected.class_id.tolist() == [5, 3, 4]
    assert corrected.glyphs[:, 0, 0].tolist() == [1, 2, 3]
    assert dataset.class_id.tolist() == [1, 2, 3, 4]


def test_a_list_keeps_what_was_reviewed(tmp_path: Path) -> None:
    path = tmp_path / "errors.csv"
    add_label_errors(ERRORS[:2], path)
    add_label_errors([ERRORS[0]._replace(action="dropped"), *ERRORS[2:]], path)
    assert read_label_errors(path) == sorted(ERRORS)
    path.write_text(path.read_text().replace("kept", "ignored"))
    with pytest.raises(ValueError, match="ignored"):
        read_label_errors(path)


def test_the_shipped_list_names_images_that_are_trained_on(dongre_mankar: Dataset) -> None:
    errors = [error for error in read_label_errors() if error.data_set == "dongre-mankar"]
    assert len({error.name for error in errors}) == len(errors) > 0
    row_of = {name: row for row, name in enumerate(dongre_mankar.name.tolist())}
    tested = set(split_dongre_mankar(dongre_mankar).test.name)
    for error in errors:
        row = row_of[error.name]
        assert dongre_mankar.class_id[row] == error.given != error.suggested
        assert error.suggested in {entry.class_id for entry in CATALOGUE[str(dongre_mankar.family[row])]}
        assert error.name not in tested
