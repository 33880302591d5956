"""Separates ink from paper by grey levels alone, for images of about a glyph's size.

`akshar.imaging.segmentation` does it for photographs, scans and canvases, which show more than the character.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy import ndimage

from akshar.imaging.glyph import Pixels
from akshar.imaging.strokes import stroke_width

Box = tuple[int, int, int, int]
"""Left, top, right and bottom in pixels, right and bottom exclusive."""

# Dust is smaller than this share of the dot that the pen makes. In a thumbnail it also has at most `_LARGEST_SPECK`
# pixels, at least `_MIN_GAP` pixels away from the rest.
SPECK: Final = 0.4
_LARGEST_SPECK: Final = 6
_MIN_GAP: Final = 3
_GAP: Final = bytes(_MIN_GAP)
_EIGHT_CONNECTED: Final = np.ones((3, 3))
# Grey levels (of 255) between paper and ink below which there is nothing to read.
MIN_CONTRAST: Final = 20
_LEVELS: Final = np.arange(256)
_IS_SOLID: Final = bytes(level >= 128 for level in range(256))


@dataclass(frozen=True, slots=True)
class Ink:
    """The ink of one character.

    Attributes:
        strength: 0 (paper) to 255, shape (height, width), cropped to the character.
        box: left, top, right, bottom of that crop in pixels of the image.
        light: whether the ink is lighter than the paper.
        contrast: grey levels, of 255, between ink and paper.
        specks: parts removed because they are smaller than a dot of the pen.
        edges: parts removed because they belong to the image's edge: a form line, a neighbour.
    """

    strength: Pixels
    box: Box
    light: bool
    contrast: int
    specks: int = 0
    edges: int = 0


def threshold(image: Image.Image) -> Ink | None:
    """The ink of a greyscale image (mode ``L``), dark on light or light on dark; None if the image is blank."""
    (width, height), raw = image.size, image.tobytes()
    counts = np.bincount(np.frombuffer(raw, np.uint8), minlength=256)
    dark = counts.cumsum()
    level = otsu(dark, (counts * _LEVELS).cumsum())
    below, size = int(dark[level]), len(raw)
    # The medians of the two sides; one side is empty if all pixels have one level.
    low, high = dark.searchsorted((below / 2, (below + size) / 2)).tolist()
    if not 0 < below < size or high - low < MIN_CONTRAST:
        return None
    # Paper is what fills most of the image and most of its edge.
    edge = raw[:width] + raw[-width:] + raw[::width] + raw[width - 1 :: width]
    dark_edge = len(edge) - len(edge.translate(None, bytes(range(level + 1))))
    light = below / size + dark_edge / len(edge) > 1
    strengths = raw.translate(_stretch(low, high, light))
    # After the stretch, half strength separates ink from paper, and neither side is empty.
    solid = Image.frombuffer("L", image.size, strengths.translate(_IS_SOLID))
    box, specks = _trim_specks(solid, solid.getbbox() or (0, 0, width, height))
    left, top, right, bottom = box
    ink = np.ndarray((height, width), np.uint8, strengths)[top:bottom, left:right]
    return Ink(ink, box, light, high - low, specks)


def _trim_specks(solid: Image.Image, box: Box) -> tuple[Box, int]:
    """The box without dust at its sides, and the number of specks removed.

    A glyph fills its frame, so one dark pixel in a corner would shrink it. Dust within the box does little harm.

    Args:
        solid: 1 where there is ink.
        box: around all ink.
    """
    left, top, right, bottom = box
    columns, rows = solid.getprojection()
    if _GAP not in bytes(columns[left:right]) and _GAP not in bytes(rows[top:bottom]):
        return box, 0  # Nearly always: nothing lies apart.
    mask = np.asarray(solid, np.bool_)[top:bottom, left:right]
    max_ink = min(_LARGEST_SPECK, SPECK * stroke_width(np.pad(mask, 1)) ** 2)
    kept = mask
    for axis in (0, 1, 0):  # Removing rows of dust may uncover columns of dust, and the other way round.
        lines = kept.sum(1 - axis).tolist()
        first, last = _dusty_lines(lines, max_ink), len(lines) - _dusty_lines(lines[::-1], max_ink)
        kept = kept[first:last] if axis == 0 else kept[:, first:last]
        left, top = (left, top + first) if axis == 0 else (left + first, top)
    inner = (left, top, left + kept.shape[1], top + kept.shape[0])
    return inner, ndimage.label(mask, _EIGHT_CONNECTED)[1] - ndimage.label(kept, _EIGHT_CONNECTED)[1]


def _dusty_lines(counts: list[int], max_ink: float) -> int:
    """The number of lines at a side that hold at most ``max_ink`` pixels and end in a gap; 0 if nothing follows it."""
    ink = gap = dusty = 0
    for line, count in enumerate(counts):
        if not count:
            gap += 1
            continue
        if gap >= _MIN_GAP:
            dusty = line
        ink, gap = ink + count, 0
        if ink > max_ink:
            return dusty
    return 0


@lru_cache(maxsize=4096)
def _stretch(low: int, high: int, light: bool) -> bytes:
    """The ink strength of each grey level. Few pairs of levels ever occur, and most of them repeat."""
    strength = ((_LEVELS - low) / (high - low)).clip(0, 1)
    table: bytes = np.rint(255 * (strength if light else 1 - strength)).astype(np.uint8).tobytes()
    return table


def otsu(dark: npt.NDArray[np.int64], total: npt.NDArray[np.int64]) -> int:
    """The level up to which pixels count as dark, chosen to maximise the variance between dark and light.

    Otsu, "A threshold selection method from gray-level histograms", 1979. Neither side is empty
    if there are two levels.

    Args:
        dark: number of pixels up to each level, shape (256,).
        total: sum of their levels, shape (256,).
    """
    weight = np.maximum(dark * (dark[-1] - dark), 1)  # If one side is empty, there is no variance to divide either.
    difference = dark * (total[-1] / dark[-1]) - total
    between = difference * difference / weight
    return int(between.argmax())
