import pytest

from akshar.model.bundle import Bundle
from akshar.model.recognizer import Recognizer
from training.data import splits
from training.data.dataset import Dataset
from training.data.sources import sample
from training.evaluation.corruption_run import measure_corruptions, read_or_none
from training.evaluation.corruptions import CORRUPTIONS, MEDIUM

pytestmark = pytest.mark.slow


def test_no_corruption_costs_much_at_medium_strength(recognizer: Recognizer, bundle: Bundle, nhcd: Dataset) -> None:
    validation = nhcd[splits.published(nhcd, 1).validation]
    images = sample(validation, 1, seed=1)
    run = measure_corruptions(recognizer, bundle.manifest, images, strengths=(MEDIUM,))
    assert run.file == "published-1-corrupted.json"
    rows = {row["kind"]: row for row in run.details["corruptions"]}
    assert list(rows) == list(CORRUPTIONS)
    clean = sum(run.scores[family]["correct"] for family in ("numerals", "vowels", "consonants"))
    for kind, row in rows.items():
        assert (row["n"], row["refused"], len(row["shown"])) == (58, 0, 4)
        assert row["right"] >= clean - 3, kind  # Of 58: one is 1.7 points; the report measures it on more.


def test_a_rejected_file_has_no_glyph() -> None:
    assert read_or_none(b"no image") is None
