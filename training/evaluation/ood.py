"""OOD detection: how well the artifacts tell characters from inputs that are none of the 58 classes.

Such inputs are other letters, parts of characters, two characters at once, scribbles, noise and textures, rendered from
fonts or drawn, and read as uploads are. They are never trained on.
"""

from __future__ import annotations

import string
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

from akshar.imaging.errors import ImageError
from akshar.imaging.glyph import Glyph, Glyphs, to_png
from akshar.imaging.reader import read
from akshar.model.abstention import MIN_TYPICALITY, Reason, glyph_reasons
from akshar.model.classes import CATALOGUE
from akshar.model.manifest import Manifest
from akshar.model.recognition import Recognition
from akshar.model.recognizer import AUTO, Recognizer
from training.data.dataset import Dataset
from training.evaluation.metrics import auroc
from training.evaluation.predictions import evaluate_artifacts, labels_only, recognize_all
from training.evaluation.runs import Run

Page = Image.Image
"""Dark ink on light paper, mode L."""
Fonts = Mapping[str, Sequence[ImageFont.FreeTypeFont]]
"""By script, as named in their files: latin, devanagari."""
Drawing = Callable[[np.random.Generator, Fonts], Page]

METHOD: Final = "ood"
PER_KIND: Final = 200
"""Inputs of each kind."""
_SHOWN: Final = 8
"""Inputs of each kind that the gallery of the report shows; none is of a data set."""
SIDE: Final = 96
_CONSONANTS: Final = [entry.character for entry in CATALOGUE["consonants"] if len(entry.character) == 1]
_PENS: Final = (3, 9)
_VIRAMA: Final = "\u094d"
_ZWJ: Final = "\u200d"
_MATRAS: Final = "ािीुूृेैोौंः"
# Left out because they look like one of the classes: O and 0 like ०, a handwritten 3 like ३.
_LETTERS: Final = [letter for letter in string.ascii_letters if letter not in "Oo"]
_DIGITS: Final = [digit for digit in string.digits if digit not in "03"]


def _text(texts: Sequence[str], script: str = "devanagari") -> Drawing:
    """Draws one of the texts in one of the script's fonts, slanted and slightly deformed, as handwriting is."""

    def draw(rng: np.random.Generator, fonts: Fonts) -> Page:
        page = Image.new("L", (3 * SIDE, 3 * SIDE), 255)
        font = fonts[script][int(rng.integers(len(fonts[script])))]
        text = texts[int(rng.integers(len(texts)))]
        ImageDraw.Draw(page).text((1.5 * SIDE, 1.5 * SIDE), text, 0, font, anchor="mm")
        return _deform(page, rng)

    return draw


def _deform(page: Page, rng: np.random.Generator) -> Page:
    """Bend and slant the straight drawing of a font."""
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
    """A wandering pen, lifted a few times."""
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
    """Crosses, stars, lattices, filled boxes. No outlines, which look like ०."""
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
        for position in np.linspace(0.4, 1.6, int(rng.integers(2, 5))) * SIDE:
            pen.line([(position, 0.3 * SIDE), (position, 1.7 * SIDE)], 0, width)
            if corners % 2:
                pen.line([(0.3 * SIDE, position), (1.7 * SIDE, position)], 0, width)
    return page


def noise(rng: np.random.Generator, fonts: Fonts) -> Page:
    """Noise, from single pixels to blots."""
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
"""The kinds that are drawn without fonts."""


def draw_ood_inputs(number: int, folder: Path, seed: int) -> dict[str, Glyphs]:
    """Glyphs of each kind, shape (number, 32, 32), as the service reads them; rejected images are drawn again.

    Kinds that need fonts are left out if there are none.

    Args:
        number: of each kind.
        folder: of fonts, Devanagari and Latin.
        seed: of everything that is random.
    """
    fonts = {
        script: [ImageFont.truetype(str(path), SIDE) for path in sorted(folder.rglob(f"*-{script}-[0-9]*.woff"))]
        for script in ("devanagari", "latin")
    }
    inputs: dict[str, Glyphs] = {}
    for index, (kind, drawing) in enumerate(KINDS.items()):
        if not all(fonts.values()) and drawing not in WITHOUT_FONTS:
            continue
        rng = np.random.default_rng([seed, index])
        glyphs: list[Glyph] = []
        while len(glyphs) < number:
            try:
                glyphs.append(read(drawing(rng, fonts)).glyph)
            except ImageError:
                continue
        inputs[kind] = np.stack(glyphs)
    return inputs


def measure_ood_detection(
    recognizer: Recognizer,
    manifest: Manifest,
    characters: Dataset,
    inputs: Mapping[str, Glyphs],
    log: Callable[[str], None] = lambda _: None,
) -> Run:
    """Compare held-out characters with OOD inputs.

    Args:
        recognizer: of the artifacts.
        manifest: of the artifacts.
        characters: held-out characters.
        inputs: glyphs by kind, from `draw_ood_inputs`.
        log: called with each line of progress.

    Returns:
        A run of the characters' predictions. Its details have a row for each kind: the AUROC of typicality, and how
        many inputs are reported as no character, and abstained from for any reason.
    """
    known = _typicalities(recognize_all(recognizer, characters.glyphs, characters.family.tolist()))
    rows: list[dict[str, Any]] = []
    unknown: list[npt.NDArray[np.float64]] = []
    for kind, glyphs in inputs.items():
        recognitions = recognize_all(recognizer, glyphs, [AUTO] * len(glyphs))
        unknown.append(_typicalities(recognitions))
        reasons = [glyph_reasons(recognition, recognizer.min_confidence) for recognition in recognitions]
        row = {
            "kind": kind,
            "n": len(glyphs),
            "auroc": _auroc(known, unknown[-1]),
            "not_a_character": sum(Reason.NOT_A_CHARACTER in why for why in reasons),
            "abstained": sum(map(bool, reasons)),
            "shown": [_shown(*shown) for shown in zip(glyphs[:_SHOWN], recognitions, reasons, strict=False)],
        }
        rows.append(row)
        log(f"{kind}: {row['auroc']:.4f}")
    clean = evaluate_artifacts(recognizer, manifest, characters)
    details = {
        **clean.details,
        "ood": rows,
        "auroc": _auroc(known, np.concatenate(unknown)),
        "characters": {"n": len(known), "not_a_character": int((known < MIN_TYPICALITY).sum())},
    }
    return replace(clean, method=METHOD, predictions=labels_only(clean.predictions), details=details)


def _typicalities(recognitions: Sequence[Recognition]) -> npt.NDArray[np.float64]:
    return np.array([recognition.typicality for recognition in recognitions])


def _auroc(known: npt.NDArray[np.float64], unknown: npt.NDArray[np.float64]) -> float:
    return auroc(np.concatenate([known, unknown]), np.repeat([True, False], [len(known), len(unknown)]))


def _shown(glyph: Glyph, recognition: Recognition, reasons: Sequence[Reason]) -> dict[str, Any]:
    return {
        "glyph": to_png(glyph),
        "character": recognition.best.entry.character,
        "confidence": round(recognition.best.confidence, 3),
        "reasons": [str(reason) for reason in reasons],
    }
