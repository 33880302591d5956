"""The ink of an image: what of it is character and what is paper. By levels alone, as images of a glyph's size need it.

Photographs, scans and canvases, which hold more than the character, are the work of `app.page`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy import ndimage

from app.framing import Pixels, stroke_width

Box = tuple[int, int, int, int]
"""Left, top, right and bottom in pixels, right and bottom exclusive."""

# Dust is smaller than this share of the pen's own dot; on a thumbnail at most so many pixels, so many off the rest.
SPECK: Final = 0.4
_LARGEST_SPECK: Final = 6
_APART: Final = 3
_PAPER: Final = bytes(_APART)
_EIGHT: Final = np.ones((3, 3))
# Luminance steps (of 255) between paper and ink below which there is nothing to read.
MIN_CONTRAST: Final = 20
_LEVELS: Final = np.arange(256)
_SOLID: Final = bytes(level >= 128 for level in range(256))


@dataclass(frozen=True, slots=True)
class Ink:
    """The ink that was found.

    Attributes:
        strength: of the ink, 0 paper to 255, shape (height, width), cropped to the character.
        box: left, top, right, bottom of that crop in pixels of the image.
        light: whether the ink is lighter than its paper.
        contrast: levels, of 255, by which the ink stands out.
        specks: parts left out because they are smaller than the pen's own dot.
        edges: parts left out because they belong to the image's edge: a form's line, a neighbour.
    """

    strength: Pixels
    box: Box
    light: bool
    contrast: int
    specks: int = 0
    edges: int = 0


def by_levels(image: Image.Image) -> Ink | None:
    """The ink of a luminance image (mode ``L``), whichever of ink and paper is darker; None where it is blank."""
    (width, height), raw = image.size, image.tobytes()
    counts = np.bincount(np.frombuffer(raw, np.uint8), minlength=256)
    dark = counts.cumsum()
    threshold = otsu(dark, (counts * _LEVELS).cumsum())
    below, size = int(dark[threshold]), len(raw)
    # The medians of the two sides; one side is empty where all pixels are of one level.
    low, high = dark.searchsorted((below / 2, (below + size) / 2)).tolist()
    if not 0 < below < size or high - low < MIN_CONTRAST:
        return None
    # Paper is what fills most of the image and most of its edge.
    edge = raw[:width] + raw[-width:] + raw[::width] + raw[width - 1 :: width]
    dark_edge = len(edge) - len(edge.translate(None, bytes(range(threshold + 1))))
    light = below / size + dark_edge / len(edge) > 1
    strengths = raw.translate(_stretch(low, high, light))
    # After the stretch, half strength parts ink from paper, and neither side is empty.
    solid = Image.frombuffer("L", image.size, strengths.translate(_SOLID))
    box, specks = _without_specks(solid, solid.getbbox() or (0, 0, width, height))
    left, top, right, bottom = box
    ink = np.ndarray((height, width), np.uint8, strengths)[top:bottom, left:right]
    return Ink(ink, box, light, high - low, specks)


def _without_specks(solid: Image.Image, box: Box) -> tuple[Box, int]:
    """The box without the dust at its sides, and how many specks of it there are.

    A glyph fills its frame: one dark pixel in a corner would shrink it. Dust within the box does little harm.

    Args:
        solid: 1 where there is ink.
        box: of all of it.
    """
    left, top, right, bottom = box
    columns, rows = solid.getprojection()
    if _PAPER not in bytes(columns[left:right]) and _PAPER not in bytes(rows[top:bottom]):
        return box, 0  # As nearly always: nothing lies apart.
    mask = np.asarray(solid, np.bool_)[top:bottom, left:right]
    least = min(_LARGEST_SPECK, SPECK * stroke_width(np.pad(mask, 1)) ** 2)
    kept = mask
    for axis in (0, 1, 0):  # What lies beside rows of dust may be columns of dust, and the other way round.
        lines = kept.sum(1 - axis).tolist()
        first, last = _dusty_lines(lines, least), len(lines) - _dusty_lines(lines[::-1], least)
        kept = kept[first:last] if axis == 0 else kept[:, first:last]
        left, top = (left, top + first) if axis == 0 else (left + first, top)
    inner = (left, top, left + kept.shape[1], top + kept.shape[0])
    return inner, ndimage.label(mask, _EIGHT)[1] - ndimage.label(kept, _EIGHT)[1]


def _dusty_lines(counts: list[int], most: float) -> int:
    """How many lines from a side on hold at most so much ink, and then paper; 0 where there is nothing behind."""
    ink = gap = dusty = 0
    for line, count in enumerate(counts):
        if not count:
            gap += 1
            continue
        if gap >= _APART:
            dusty = line
        ink, gap = ink + count, 0
        if ink > most:
            return dusty
    return 0


@lru_cache(maxsize=4096)
def _stretch(low: int, high: int, light: bool) -> bytes:
    """The ink strength of each luminance. Few pairs of levels are ever met, and most come again."""
    strength = ((_LEVELS - low) / (high - low)).clip(0, 1)
    table: bytes = np.rint(255 * (strength if light else 1 - strength)).astype(np.uint8).tobytes()
    return table


def otsu(dark: npt.NDArray[np.int64], total: npt.NDArray[np.int64]) -> int:
    """The level up to which pixels count as dark, so that the variance between dark and light is greatest.

    Otsu, "A threshold selection method from gray-level histograms", 1979. Both sides hold a level where there are two.

    Args:
        dark: the number of pixels up to each level.
        total: the sum of their levels.
    """
    spread = np.maximum(dark * (dark[-1] - dark), 1)  # Where one side is empty there is no variance to divide either.
    apart = dark * (total[-1] / dark[-1]) - total
    between = apart * apart / spread
    return int(between.argmax())
