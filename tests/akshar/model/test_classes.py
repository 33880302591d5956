import csv
import io
import unicodedata
import zipfile

import pytest

from akshar.model.classes import CATALOGUE, JOINT_CLASSES, joint_index

EVERY = [(family, entry) for family, classes in CATALOGUE.items() for entry in classes]


def test_the_58_classes_have_joint_indices_of_their_own() -> None:
    assert [joint_index(family, entry.class_id) for family, entry in EVERY] == list(range(58))
    assert JOINT_CLASSES == 58


def test_the_published_bug_is_not_here() -> None:
    """There, numeral zero shared a column with ज्ञ."""
    assert joint_index("numerals", 0) == 0
    assert joint_index("consonants", 36) == 57


def test_an_unknown_class_has_no_joint_index() -> None:
    with pytest.raises(KeyError):
        joint_index("vowels", 0)


@pytest.mark.parametrize("family", CATALOGUE)
def test_labels_and_characters_name_one_class_each(family: str) -> None:
    for names in ([c.label for c in CATALOGUE[family]], [c.character for c in CATALOGUE[family]]):
        assert len(set(names)) == len(names)


def test_characters_are_normal_and_codepoints_spell_them() -> None:
    for _, entry in EVERY:
        assert unicodedata.normalize("NFC", entry.character) == entry.character
        assert "".join(chr(int(point[2:], 16)) for point in entry.codepoints) == entry.character


def test_it_says_what_the_data_set_says(nhcd_files: zipfile.ZipFile) -> None:
    """labels.csv, but for its doubled label and one capital letter."""
    rows = csv.reader(io.StringIO(nhcd_files.read("labels.csv").decode("utf-8-sig")))
    told = [row for row in rows if row[0].isdecimal()]
    assert [(int(n), character, sound.lower()) for n, _, character, sound in told] == [
        (entry.class_id, entry.character, entry.romanization) for _, entry in EVERY
    ]
    mended = [(label, entry.label) for (_, label, _, _), (_, entry) in zip(told, EVERY, strict=True)]
    assert [pair for pair in mended if pair[0] != pair[1]] == [("dha", "bha")]
