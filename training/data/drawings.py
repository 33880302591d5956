"""Characters drawn from strokes, for the self-test of artifacts (`akshar.model.self_test`) and for tests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from PIL import Image, ImageDraw

from akshar.imaging.glyph import Glyph
from akshar.imaging.reader import read

Strokes = Sequence[Sequence[tuple[float, float]]]
"""Polylines of x, y in a unit square."""

GLYPHS: Final[dict[str, Strokes]] = {
    "zero": [[(0.5 + 0.4 * np.cos(t), 0.5 + 0.45 * np.sin(t)) for t in np.linspace(0, 2 * np.pi, 40)]],
    # The numeral ४: two strokes that cross and meet below, in one.
    "four": [
        [(0.15, 0.08), (0.5, 0.5), (0.75, 0.75), (0.6, 0.93), (0.4, 0.93), (0.25, 0.75), (0.5, 0.5), (0.85, 0.08)]
    ],
    # The vowel उ: a headline, and below it two bows open to the left.
    "u": [
        [(0.05, 0.08), (0.95, 0.08)],
        [(0.5, 0.08), (0.5, 0.2)],
        [(0.25, 0.3), (0.55, 0.22), (0.62, 0.38), (0.4, 0.5), (0.68, 0.6), (0.62, 0.85), (0.3, 0.92), (0.1, 0.75)],
    ],
    # The letter ट: a headline, a short stem, and a bowl open to the right.
    "tta": [
        [(0.05, 0.08), (0.95, 0.08)],
        [(0.5, 0.08), (0.5, 0.25)],
        [(0.5 + 0.35 * np.cos(t), 0.55 - 0.3 * np.sin(t)) for t in np.linspace(1.4, 5.6, 40)],
    ],
    # The letter प: a headline, a stem, and a hook that joins it.
    "pa": [
        [(0.05, 0.08), (0.95, 0.08)],
        [(0.72, 0.08), (0.72, 0.95)],
        [(0.25, 0.08), (0.25, 0.4), (0.32, 0.55), (0.45, 0.6), (0.72, 0.52)],
    ],
}
SELF_TEST: Final = {"numerals": ("zero", "four"), "vowels": ("u",), "consonants": ("tta", "pa")}


def draw(strokes: Strokes, size: int = 64, stroke: float = 0.09, margin: float = 0.1) -> Image.Image:
    """Dark ink on white paper: a square greyscale image of ``size`` pixels."""
    fine = 4 * size
    image = Image.new("L", (fine, fine), 255)
    pen = ImageDraw.Draw(image)
    width = max(1, round(stroke * fine))
    for polyline in strokes:
        points = [(fine * (margin + x * (1 - 2 * margin)), fine * (margin + y * (1 - 2 * margin))) for x, y in polyline]
        pen.line(points, 0, width, joint="curve")
        for x, y in (points[0], points[-1]):
            pen.ellipse([x - width / 2, y - width / 2, x + width / 2, y + width / 2], 0)
    return image.resize((size, size), Image.Resampling.BOX)


def self_test_glyphs() -> dict[str, list[Glyph]]:
    """The glyphs of the self-test, by family."""
    return {family: [read(draw(GLYPHS[name])).glyph for name in names] for family, names in SELF_TEST.items()}
