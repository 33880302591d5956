"""Devanagari fonts as writers: every character of the catalogue, as each font draws it in each language.

Hindi, Nepali and Marathi write some characters in forms of their own (५ ८ ९ अ झ ण ल श), and many fonts have them as
their ``locl`` feature. ``make fonts`` fetches fonts that look handwritten; any folder of ``.ttf``, ``.otf`` or
``.woff`` files will do.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from akshar.imaging.errors import ImageError
from akshar.imaging.glyph import Glyph
from akshar.imaging.reader import read
from akshar.model.classes import CATALOGUE
from training.data.dataset import Dataset, DatasetError

LANGUAGES: Final = ("hi", "ne", "mr")
_HEIGHT: Final = 96
_PAGE: Final = 4 * _HEIGHT
# Fonts draw a box for characters that they lack.
_UNASSIGNED: Final = "\u0378"
# A conjunct that a font cannot form is written as its parts, side by side.
_WIDEST: Final = 1.5

Hand = Callable[[Image.Image], Iterable[Image.Image]]
"""How a font's form, dark on a white page, is written: pages like it."""


def as_printed(page: Image.Image) -> Iterable[Image.Image]:
    """The form itself."""
    return [page]


def read_fonts(folder: Path, hand: Hand = as_printed) -> Dataset:
    """Draw the catalogue's characters with every font of a folder.

    Args:
        folder: of font files, anywhere in it.
        hand: writes each form; `training.data.stroke_fonts.written` is another.

    Returns:
        The glyphs; the writer is the font's file name, and a form that two languages share is included once.

    Raises:
        DatasetError: none of them has a Devanagari character.
    """
    files = sorted(path for path in folder.rglob("*") if path.suffix in (".ttf", ".otf", ".woff"))
    glyphs: dict[tuple[str, str, int, str], Glyph] = {}
    for file in files:
        font = ImageFont.truetype(str(file), _HEIGHT, layout_engine=ImageFont.Layout.RAQM)
        usual, absent = _width(font, "क"), _read(_page(font, _UNASSIGNED, "hi"))
        if _same(_read(_page(font, "क", "hi")), absent):
            continue  # A font of other scripts.
        for family, classes in CATALOGUE.items():
            for entry in classes:
                if len(entry.character) > 2 and _width(font, entry.character) > _WIDEST * usual:
                    continue
                forms = {_digest(page): page for page in (_page(font, entry.character, of) for of in LANGUAGES)}
                for glyph in (_read(written) for form in forms.values() for written in hand(form)):
                    if glyph is not None and not _same(glyph, absent):
                        key = (file.stem, family, entry.class_id, _digest(glyph))
                        glyphs.setdefault(key, glyph)
    if not glyphs:
        raise DatasetError(f"{folder}: holds no font with Devanagari characters; run `make fonts`.")
    keys = sorted(glyphs, key=lambda key: (list(CATALOGUE).index(key[1]), key[2], key[0], key[3]))
    return Dataset(
        glyphs=np.stack([glyphs[key] for key in keys]),
        family=np.array([family for _, family, _, _ in keys]),
        class_id=np.array([class_id for _, _, class_id, _ in keys], np.int64),
        writer=np.array([font for font, _, _, _ in keys]),
        name=np.array([f"{family}/{class_id}/{font}-{digest[:8]}" for font, family, class_id, digest in keys]),
        content=np.array([digest for _, _, _, digest in keys]),
    )


def _same(a: Glyph | None, b: Glyph | None) -> bool:
    return (a is None and b is None) or (a is not None and b is not None and np.array_equal(a, b))


def _width(font: ImageFont.FreeTypeFont, text: str) -> float:
    left, _, right, _ = font.getbbox(text)
    return right - left


def _page(font: ImageFont.FreeTypeFont, character: str, language: str) -> Image.Image:
    page = Image.new("L", (_PAGE, _PAGE), 255)
    pen = ImageDraw.Draw(page)
    pen.text((_PAGE / 2, _PAGE / 2), character, 0, font, anchor="mm", language=language)
    return page


def _read(page: Image.Image) -> Glyph | None:
    try:
        return read(page).glyph
    except ImageError:
        return None


def _digest(image: Image.Image | Glyph) -> str:
    return hashlib.sha256(image.tobytes()).hexdigest()
