"""The committed results are whole, and what documents say of them is what they are."""

import json

import pytest

from app.multipart import parse_form
from app.settings import REPOSITORY
from benchmarks import FAMILY, report
from benchmarks.images import IMAGES
from benchmarks.load import multipart

RESULTS = json.loads((REPOSITORY / "benchmarks/results.json").read_text())


def test_all_that_has_a_target_was_measured() -> None:
    assert not RESULTS["quick"]
    assert list(RESULTS["ratios"]) == list(report.TARGETS)
    assert RESULTS["ratios"] == pytest.approx(report.ratios(RESULTS))


def test_the_table_is_that_of_the_results() -> None:
    assert (REPOSITORY / "benchmarks/results.md").read_text() == report.table(RESULTS)


def test_the_readme_shows_the_ratios() -> None:
    readme = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    for line in report.table(RESULTS).splitlines():
        if any(line.startswith(f"| `{name}`") for name in report.TARGETS):
            assert line in readme


def test_a_missed_target_says_so() -> None:
    assert report.reached("best_peer", 1.7)
    assert not report.reached("best_peer", 1.69)
    assert not report.reached("memory_growth", 0.05)


def test_what_is_sent_are_different_images_of_one_family() -> None:
    assert len(set(IMAGES)) == len(IMAGES) == 64
    assert FAMILY == "consonants"
    body = multipart([("file", "a.png", IMAGES[0], "image/png"), ("file", "b.png", IMAGES[1], "image/png")])
    assert [part.content for part in parse_form(body.data, body.content_type, 2)] == list(IMAGES[:2])
