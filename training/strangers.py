"""What is none of the characters: other letters, parts of characters, two at once, scribbles, noise and textures.

They measure how well the service refuses what it was never taught to. All are rendered from fonts or drawn, and read as
uploads are.
"""

from __future__ import annotations

import string
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

from app.catalogue import CATALOGUE
from app.framing import Glyph
from app.imaging import ImageError, read

Page = Image.Image
"""Dark ink on light paper, mode L."""
Fonts = Mapping[str, Sequence[ImageFont.FreeTypeFont]]
"""By script, as in the names of their files: latin, devanagari."""
Drawing = Callable[[np.random.Generator, Fonts], Page]

PER_KIND: Final = 200
SIDE: Final = 96
_CONSONANTS: Final = [entry.character for entry in CATALOGUE["consonants"] if len(entry.character) == 1]
_PENS: Final = (3, 9)
_VIRAMA: Final = "\u094d"
_ZWJ: Final = "\u200d"
_MATRAS: Final = "ािीुूृेैोौंः"
# Of the shape of a character of ours: O and 0 are ०, and a hand's 3 is hardly another than ३.
_LETTERS: Final = [letter for letter in string.ascii_letters if letter not in "Oo"]
_DIGITS: Final = [digit for digit in string.digits if digit not in "03"]


def _text(texts: Sequence[str], script: str = "devanagari") -> Drawing:
    """Draws one of some texts by one of the script's fonts, aslant and a little out of shape, as hands do."""

    def draw(rng: np.random.Generator, fonts: Fonts) -> Page:
        page = Image.new("L", (3 * SIDE, 3 * SIDE), 255)
        font = fonts[script][int(rng.integers(len(fonts[script])))]
        text = texts[int(rng.integers(len(texts)))]
        ImageDraw.Draw(page).text((1.5 * SIDE, 1.5 * SIDE), text, 0, font, anchor="mm")
        return _by_hand(page, rng)

    return draw


def _by_hand(page: Page, rng: np.random.Generator) -> Page:
    """Bend and slant what fonts draw so straight."""
    levels = 255 - np.asarray(page, np.float64)
    height, width = levels.shape
    bend = [ndimage.gaussian_filter(rng.standard_normal((height, width)), SIDE / 8) for _ in range(2)]
    bend = [SIDE / 30 * part / part.std() for part in bend]
    rows, columns = np.mgrid[:height, :width].astype(np.float64)
    slant = rng.uniform(-0.2, 0.2)
    bent = ndimage.map_coordinates(
        levels, [rows + bend[0], columns + bend[1] + slant * (rows - height / 2)], order=1, mode="constant"
    )
    return Image.fromarray(np.uint8(255 - bent))


def scribble(rng: np.random.Generator, fonts: Fonts) -> Page:
    """A pen that wanders, lifted a few times."""
    page = Image.new("L", (2 * SIDE, 2 * SIDE), 255)
    pen = ImageDraw.Draw(page)
    width = int(rng.integers(*_PENS))
    for _ in range(rng.integers(1, 5)):
        steps = ndimage.gaussian_filter1d(rng.standard_normal((2, rng.integers(30, 160))), 4, axis=1)
        path = np.cumsum(steps, axis=1)
        path -= path.mean(axis=1, keepdims=True)
        path *= rng.uniform(0.3, 0.8) * SIDE / max(1e-6, np.abs(path).max())
        path += SIDE + rng.uniform(-0.2, 0.2, (2, 1)) * SIDE
        pen.line([(float(x), float(y)) for x, y in path.T], 0, width, joint="curve")
    return page


def shapes(rng: np.random.Generator, fonts: Fonts) -> Page:
    """Crosses, stars, lattices, filled boxes: what forms and hands have beside characters. No outlines: they are ०."""
    page = Image.new("L", (2 * SIDE, 2 * SIDE), 255)
    pen = ImageDraw.Draw(page)
    width = int(rng.integers(*_PENS))
    corners = int(rng.integers(3, 9))
    angles = rng.uniform(0, 2 * np.pi) + 2 * np.pi * np.arange(corners) / corners + rng.normal(0, 0.1, corners)
    reach = SIDE * rng.uniform(0.4, 0.9, corners)
    points = np.column_stack([SIDE + reach * np.cos(angles), SIDE + reach * np.sin(angles)])
    kind = rng.integers(3)
    if kind == 0:
        for point in points.tolist():
            pen.line([(SIDE, SIDE), tuple(point)], 0, width)
    elif kind == 1:
        pen.polygon([tuple(point) for point in points.tolist()], fill=0)
    else:
        for place in np.linspace(0.4, 1.6, int(rng.integers(2, 5))) * SIDE:
            pen.line([(place, 0.3 * SIDE), (place, 1.7 * SIDE)], 0, width)
            if corners % 2:
                pen.line([(0.3 * SIDE, place), (1.7 * SIDE, place)], 0, width)
    return page


def noise(rng: np.random.Generator, fonts: Fonts) -> Page:
    """Grain, from single pixels to blots."""
    grain = ndimage.gaussian_filter(rng.standard_normal((SIDE, SIDE)), rng.uniform(0.5, 20))
    ink = grain > np.quantile(grain, rng.uniform(0.5, 0.95))
    return Image.fromarray(np.uint8(np.where(ink, 20, 235)))


def texture(rng: np.random.Generator, fonts: Fonts) -> Page:
    """Stripes, checks and waves: cloth, print, ruled paper."""
    rows, columns = np.mgrid[:SIDE, :SIDE]
    turn = rng.uniform(0, np.pi)
    along = np.cos(turn) * rows + np.sin(turn) * columns
    across = np.cos(turn) * columns - np.sin(turn) * rows
    wave = np.sin(2 * np.pi * along / rng.uniform(8, 60) + rng.uniform(0, 3) * np.sin(across / rng.uniform(5, 30)))
    if rng.integers(2):
        wave = wave * np.sin(2 * np.pi * across / rng.uniform(8, 60))
    return Image.fromarray(np.uint8(np.where(wave > rng.uniform(0, 0.6), 30, 225)))


def joined(rng: np.random.Generator, fonts: Fonts) -> Page:
    """Two or three characters in one image."""
    characters = [entry.character for family in CATALOGUE.values() for entry in family]
    texts = ["".join(rng.choice(characters, rng.integers(2, 4))) for _ in range(8)]
    return _text(texts)(rng, fonts)


_CONJUNCTS: Final = [
    first + _VIRAMA + second
    for first in _CONSONANTS
    for second in "तनमयरलवसकप"
    if first + _VIRAMA + second not in {entry.character for entry in CATALOGUE["consonants"]}
]
KINDS: Final[dict[str, Drawing]] = {
    "Latin capitals": _text([letter for letter in _LETTERS if letter.isupper()], "latin"),
    "half forms": _text([letter + _VIRAMA + _ZWJ for letter in _CONSONANTS]),
    "matras": _text([letter + matra for letter in _CONSONANTS for matra in _MATRAS]),
    "scribbles": scribble,
    "noise": noise,
    "Latin small letters": _text([letter for letter in _LETTERS if letter.islower()], "latin"),
    "Latin digits": _text(_DIGITS, "latin"),
    "conjuncts": _text(_CONJUNCTS),
    "two characters": joined,
    "shapes": shapes,
    "textures": texture,
}


WITHOUT_FONTS: Final = (scribble, shapes, noise, texture)


def draw(number: int, folder: Path, seed: int) -> dict[str, npt.NDArray[np.float32]]:
    """Glyphs of each kind, shape (number, 32, 32), as the service reads them; what it refuses is drawn anew.

    Kinds that are written are left out where there are no fonts.

    Args:
        number: of each.
        folder: of fonts, Devanagari and Latin.
        seed: of all that is random.
    """
    fonts = {
        script: [ImageFont.truetype(str(path), SIDE) for path in sorted(folder.rglob(f"*-{script}-[0-9]*.woff"))]
        for script in ("devanagari", "latin")
    }
    found: dict[str, npt.NDArray[np.float32]] = {}
    for place, (kind, drawing) in enumerate(KINDS.items()):
        if not all(fonts.values()) and drawing not in WITHOUT_FONTS:
            continue
        rng = np.random.default_rng([seed, place])
        glyphs: list[Glyph] = []
        while len(glyphs) < number:
            try:
                glyphs.append(read(drawing(rng, fonts)).glyph)
            except ImageError:
                continue
        found[kind] = np.stack(glyphs)
    return found
