"""The README's pictures show what the shipped models predict."""

import re
from pathlib import Path

from akshar.model.recognizer import Recognizer
from training.report import pictures


def predicted(svg: str) -> list[str]:
    return re.findall(r'<text class="character"[^>]*>(.*?)</text>', svg)


def test_the_overview_shows_the_current_predictions(recognizer: Recognizer, repository: Path) -> None:
    svg = pictures.overview(recognizer)
    assert predicted(svg) == ["प", "ट", "०"]
    committed = (repository / "docs" / "images" / "overview.svg").read_text(encoding="utf-8")
    assert predicted(committed) == predicted(svg)


def test_corrupted_drawings_are_read(recognizer: Recognizer, repository: Path) -> None:
    svg = pictures.reach(recognizer)
    assert predicted(svg) == ["प", "ट"] * 4
    committed = (repository / "docs" / "images" / "reach.svg").read_text(encoding="utf-8")
    assert predicted(committed) == predicted(svg)
