"""From cropped ink to the canonical glyph: one size, one frame, and strokes that survive the resize.

The crop is stretched to fill its frame because the images of NHCD are: the aspect ratios of its writers are lost, so a
model trained on it must not see any.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from PIL import Image

from akshar.imaging.glyph import BORDER, INNER, SIZE, Glyph, Pixels
from akshar.imaging.strokes import stroke_width

# A crop is first reduced to this size, which bounds the cost of what follows and leaves strokes pixels to grow in.
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
    if max(ink.shape) > _WORK:
        size = min(ink.shape[1], _WORK), min(ink.shape[0], _WORK)
        ink = np.asarray(Image.fromarray(ink).resize(size, Image.Resampling.BOX))
        if not ink.any():  # Specks so far apart that nothing is left of them.
            return None
    if min(ink.shape) > INNER and (missing := _missing_width(ink)) >= 1:
        widened = missing * INNER / min(ink.shape)
        ink = _widen(ink, round(missing / 2))
    crop = Image.frombuffer("L", ink.shape[::-1], ink.tobytes())
    resized = crop.resize((INNER, INNER), Image.Resampling.BILINEAR).tobytes()
    glyph = np.zeros((SIZE, SIZE), np.float32)
    glyph[BORDER:-BORDER, BORDER:-BORDER] = np.ndarray((INNER, INNER), np.uint8, resized)
    glyph /= glyph.max()
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
    return minimum - stroke_width(ink > int(ink.max()) // 2)


def _widen(ink: Pixels, radius: int) -> Pixels:
    """The strongest ink within ``radius`` pixels, first vertically, then horizontally."""
    strongest, faintest = int(ink.max()), int(ink.min())
    scale = 255 / (strongest - faintest)
    stretched = (ink * scale - faintest * scale).astype(np.uint8)
    (height, width), steps = ink.shape, range(2 * radius + 1)
    page = _center(stretched, height + 2 * radius, width + 2 * radius)
    tall = np.maximum.reduce([page[step : step + height] for step in steps])
    widened: Pixels = np.maximum.reduce([tall[:, step : step + width] for step in steps])
    return widened
