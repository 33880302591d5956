"""Clean ink on even paper gives the same glyph at any size, cut anywhere: what is shown decides, not the size."""

import csv
import hashlib
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from akshar.imaging.errors import ImageError
from akshar.imaging.reader import open_image, read, read_glyph
from akshar.model.choice import recognize
from akshar.model.recognizer import Recognizer
from tests.akshar.imaging.pictures import similarity
from tests.akshar.imaging.printing import CHARACTERS, crop, printed, with_margins
from tests.conftest import DATA
from tests.drawing import draw, encode
from training.data.drawings import GLYPHS

TIGHT, ABOVE, SIDES = (0, 0, 0, 0), (0, 0, 0, 0.3), (0.2, 0, 0.2, 0)
CASES = DATA.parent / "cases"


def in_the_middle(drawn: Image.Image) -> np.ndarray:
    return read_glyph(encode(with_margins(drawn, 0.6, 0.6, 0.6, 0.6)))


@pytest.mark.parametrize("name", GLYPHS)
def test_pens_of_any_width_give_the_glyph_of_a_wide_page(name: str) -> None:
    """From hairlines to a fifth of the height. Wider pens leave hardly any paper in a tight crop."""
    for height in (24, 40, 41, 64, 120, 250, 400):
        for stroke in (1.2 / height, 0.03, 0.08, 0.15, 0.2):
            drawn = crop(draw(name, 2 * height, stroke / 2, 0.3))
            for margins in (TIGHT, ABOVE, SIDES, (0, 0.3, 0, 0)):
                # A hairline breaks, and its pieces at the edge may be a form's: then there are two glyphs.
                glyphs = read(with_margins(drawn, *margins)).glyphs[: 2 if stroke < 0.06 else 1]
                likest = max(similarity(glyph, in_the_middle(drawn)) for glyph in glyphs)
                assert likest > 0.95, (height, stroke, margins)


@pytest.mark.parametrize("margins", [TIGHT, ABOVE, SIDES], ids=["tight", "paper below", "paper at the sides"])
def test_tight_crops_of_print_are_read(recognizer: Recognizer, margins: tuple[float, ...]) -> None:
    """Headlines from edge to edge, dots at the edge and strokes that are wide for a small image are the character's."""
    drawn = [
        (family, class_id, printed(character, weight, height, bilevel=True))
        for family, class_id, character in CHARACTERS
        for weight in ("Regular", "Bold")
        for height in (24, 44, 70, 105)
    ]
    readings = [read(open_image(encode(with_margins(crop, *margins).convert("1")))) for _, _, crop in drawn]
    chosen = recognize(recognizer, readings, [family for family, _, _ in drawn])
    wrong = [
        (family, class_id, crop.size, recognition.best.entry.character)
        for (family, class_id, crop), (recognition, _) in zip(drawn, chosen, strict=True)
        if recognition.best.entry.class_id != class_id
    ]
    assert len(wrong) <= 0.01 * len(drawn), wrong


def test_the_crops_that_were_misread_are_read(recognizer: Recognizer) -> None:
    """Forty of the kinds that `test_tight_crops_of_print_are_read` draws, which an earlier version misread."""
    if not CASES.exists():
        pytest.skip("The misread crops are not there: they are not part of the repository")
    rows = list(csv.DictReader((CASES / "cases.tsv").read_text(encoding="utf-8").splitlines(), delimiter="\t"))
    assert len(rows) == 40
    readings = [read(open_image((CASES / row["file"]).read_bytes())) for row in rows]
    chosen = recognize(recognizer, readings, [row["family"] for row in rows])
    wrong = {
        row["file"]: recognition.best.entry.character
        for row, (recognition, _) in zip(rows, chosen, strict=True)
        if recognition.best.entry.class_id != int(row["class_id"])
    }
    assert wrong == {}


def test_scaling_does_not_change_what_is_read(recognizer: Recognizer) -> None:
    changed = []
    for family, class_id, character in CHARACTERS:
        drawn = printed(character, "Regular", 400)
        sizes = [drawn.resize((round(drawn.width * s), round(drawn.height * s))) for s in (0.09, 0.11, 0.25, 0.6, 1)]
        chosen = recognize(recognizer, [read(with_margins(size, *ABOVE)) for size in sizes], [family] * len(sizes))
        answers = [recognition.best.entry.class_id for recognition, _ in chosen]
        changed += [(character, answers)] if set(answers) != {class_id} else []
    assert changed == []


def test_uneven_paper_is_not_taken_for_even() -> None:
    """A hard shadow divides the page into two even levels."""
    drawn = np.asarray(with_margins(draw("pa", 200), 0.3, 0.3, 0.3, 0.3), np.float64)
    rows, columns = np.indices(drawn.shape)
    shaded = np.where(rows + columns > 0.7 * len(drawn), 0.6, 1) * (90 + drawn * 0.6)
    seen = read(Image.fromarray(shaded.astype(np.uint8)))
    assert similarity(seen.glyph, read_glyph(encode(draw("pa", 200)))) > 0.93


def test_one_colour_is_blank() -> None:
    for size in ((1, 1), (1, 300), (300, 1), (41, 41), (500, 400)):
        with pytest.raises(ImageError) as blank:
            read(Image.new("RGB", size, (0, 0, 225)))
        assert blank.value.code == "blank_image"


NHCD = "44cdd7f17ec174e635b8471f2ec383f1102d997128c0220d5d954630dec3bb6c"
DHCD = "753ca6cf388df956a4e42b4ec53802cb4743fc930b361e3d5ec75e75e07c4604"


@pytest.mark.parametrize(("archive", "step", "digest"), [("nhcd_zip", 8, NHCD), ("dhcd_zip", 50, DHCD)])
def test_the_glyphs_of_the_training_images_are_those_that_the_model_was_trained_on(
    request: pytest.FixtureRequest, archive: str, step: int, digest: str
) -> None:
    path: Path = request.getfixturevalue(archive)
    glyphs = hashlib.sha256()
    with zipfile.ZipFile(path) as opened:
        for name in sorted(name for name in opened.namelist() if name.endswith((".jpg", ".png")))[::step]:
            glyphs.update(read_glyph(opened.read(name)).tobytes())
    assert glyphs.hexdigest() == digest
