"""Keeps dust around a thumbnail from enlarging the box of its ink."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np

from akshar.imaging.glyph import Pixels
from akshar.imaging.ink import Box
from akshar.imaging.parts import SPECK
from akshar.imaging.strokes import stroke_width, with_border

# Dust has at most this many pixels, at least `_MIN_GAP` pixels away from the rest.
_LARGEST_SPECK: Final = 6
_MIN_GAP: Final = 3
_GAP: Final = bytes(_MIN_GAP)


def trim_specks(solid: Pixels, box: Box) -> tuple[Box, int]:
    """The box of all ink without dust at its sides, and the number of specks outside of it.

    A glyph fills its frame, so one dark pixel in a corner would shrink it. Dust within the box does little harm.

    Args:
        solid: 1 where there is ink.
        box: around all of it.
    """
    left, top, right, bottom = box
    mask = solid[top:bottom, left:right].view(np.bool_)
    if _GAP not in mask.any(0).tobytes() and _GAP not in mask.any(1).tobytes():
        return box, 0  # Nearly always: nothing lies apart.
    max_ink = min(_LARGEST_SPECK, SPECK * stroke_width(with_border(mask.view(np.uint8))) ** 2)
    kept = mask
    for axis in (0, 1, 0):  # Removing rows of dust may uncover columns of dust, and the other way round.
        lines = kept.sum(1 - axis).tolist()
        first, last = _dusty_lines(lines, max_ink), len(lines) - _dusty_lines(lines[::-1], max_ink)
        kept = kept[first:last] if axis == 0 else kept[:, first:last]
        left, top = (left, top + first) if axis == 0 else (left + first, top)
    return (left, top, left + kept.shape[1], top + kept.shape[0]), _count(mask) - _count(kept)


def _count(mask: np.ndarray) -> int:
    return cv2.connectedComponents(np.ascontiguousarray(mask).view(np.uint8), connectivity=8)[0]


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
