from pathlib import Path

import pytest

from akshar.model.recognizer import Recognizer
from benchmarks import gallery
from tests.akshar.imaging.printing import box
from tests.drawing import encode


def test_the_gallery_shows_each_image_its_glyphs_and_the_choice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures = list(gallery.drawings())
    assert len({picture.title for picture in pictures}) == len(pictures) > 200
    monkeypatch.setattr(gallery, "drawings", lambda: pictures[::40])
    out = tmp_path / "build" / "gallery.html"
    gallery.main(out, None)
    page = out.read_text(encoding="utf-8")
    assert page.count("<tr>") == 1 + len(pictures[::40])
    assert page.count('class="chosen"') == len(pictures[::40])
    assert "०" in page


def test_the_gallery_says_why_an_image_has_no_glyph(recognizer: Recognizer) -> None:
    shown = gallery.row(recognizer, gallery.Picture("a box", "numerals", encode(box(60, 2))))
    assert "lines of a form" in shown
    assert "chosen" not in shown
