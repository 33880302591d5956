"""From cropped ink to the canonical glyph: one size, one frame, and strokes that survive the resize.

The crop is stretched to fill its frame because the images of NHCD are: the aspect ratios of its writers are lost, so a
model trained on it must not see any.
"""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from PIL import Image

from akshar.imaging.glyph import BORDER, INNER, SIZE, Glyph, Pixels
from akshar.imaging.strokes import stroke_width

# A crop of several times this size is first reduced, which takes a fraction of the time of the resize.
_WORK: Final = 4 * INNER
# Strokes thinner than this share of the frame (2 of 28 pixels) are widened; those of NHCD are 2 to 5 pixels wide.
_MIN_STROKE: Final = 2 / INNER
# The narrower side of a crop counts as at least this share of the longer: a danda stays a bar and fills no square.
_MIN_ASPECT: Final = 1 / 3


def normalize(ink: Pixels) -> tuple[Glyph, float] | None:
    """Resize a crop to a glyph, widening strokes that would fade.

    Args:
        ink: strength of the ink, 0 (paper) to 255, cropped to the character.

    Returns:
        The glyph, and by how many of its pixels strokes were widened; None if nothing is left at this size.
    """
    widened = 0.0
    short = round(max(ink.shape) * _MIN_ASPECT)
    if min(ink.shape) < short:
        ink = _center(ink, max(ink.shape[0], short), max(ink.shape[1], short))
    if min(ink.shape) > INNER and (missing := _missing_width(ink)) > 0:
        widened = missing * INNER / min(ink.shape)
        ink = _widen(ink, missing / 2)
    crop = Image.frombuffer("L", ink.shape[::-1], ink.tobytes())
    if (factor := max(ink.shape) // _WORK) > 1 and min(ink.shape) >= factor * INNER:
        crop = crop.reduce(factor)
    resized = crop.resize((INNER, INNER), Image.Resampling.BILINEAR).tobytes()
    inner = np.ndarray((INNER, INNER), np.uint8, resized)
    strongest = cv2.minMaxLoc(inner)[1]
    if not strongest:  # Specks so far apart that nothing is left of them.
        return None
    glyph = np.zeros((SIZE, SIZE), np.float32)
    np.divide(inner, np.float32(strongest), out=glyph[BORDER:-BORDER, BORDER:-BORDER])
    return glyph, widened


def _center(ink: Pixels, height: int, width: int) -> Pixels:
    """Set a crop on a larger page of paper."""
    page = np.zeros((height, width), np.uint8)
    top, left = round((height - ink.shape[0]) / 2), round((width - ink.shape[1]) / 2)
    page[top : top + ink.shape[0], left : left + ink.shape[1]] = ink
    return page


def _missing_width(ink: Pixels) -> float:
    """By how many pixels strokes are thinner than `_MIN_STROKE` of the frame: they would vanish in the resize."""
    minimum: float = _MIN_STROKE * min(ink.shape)
    return minimum - stroke_width(cv2.threshold(ink, cv2.minMaxLoc(ink)[1] // 2, 1, cv2.THRESH_BINARY)[1])


def _widen(ink: Pixels, radius: float) -> Pixels:
    """The strongest ink within ``radius`` pixels: between two whole radii, a mean of both."""
    stretched = cv2.normalize(ink, None, 0, 255, cv2.NORM_MINMAX)
    whole = int(radius)
    narrow, wide = (cv2.dilate(stretched, np.ones((2 * r + 1, 2 * r + 1), np.uint8)) for r in (whole, whole + 1))
    return cv2.addWeighted(narrow, 1 - (radius - whole), wide, radius - whole, 0)
