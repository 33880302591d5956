"""From cropped ink to the canonical glyph: one size, one frame, strokes that survive it.

The crop is stretched to fill its frame because the data set's own images are: its writers' aspect ratios are lost, so
a model trained on it must not be shown any.
"""

from __future__ import annotations

import base64
import io
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image

Pixels = npt.NDArray[np.uint8]
"""A greyscale image, shape (height, width)."""
Glyph = npt.NDArray[np.float32]
"""One canonical glyph, shape (32, 32), values in [0, 1]."""
SIZE: Final = 32
BORDER: Final = 2
INNER: Final = SIZE - 2 * BORDER

# A crop is first brought to this size, so that the cost of what follows is bounded and strokes have pixels to grow in.
_WORK: Final = 4 * INNER
# Strokes thinner than this share of the frame (2 of 28 pixels) are thickened; the data set's are 2 to 5 pixels wide.
_MIN_STROKE: Final = 2 / INNER
# The narrower side of a crop counts as at least this share of the longer: a danda stays a bar and fills no square.
_MIN_ASPECT: Final = 1 / 3


def fit(ink: Pixels) -> tuple[Glyph, float] | None:
    """Resize a crop to a glyph, growing strokes that would fade.

    Args:
        ink: strength of the ink, 0 paper to 255, cropped to the character.

    Returns:
        The glyph, and by how many of its pixels strokes were grown; or None where nothing is left at this size.
    """
    grown = 0.0
    short = round(max(ink.shape) * _MIN_ASPECT)
    if min(ink.shape) < short:
        ink = _centred(ink, max(ink.shape[0], short), max(ink.shape[1], short))
    if max(ink.shape) > _WORK:
        size = min(ink.shape[1], _WORK), min(ink.shape[0], _WORK)
        ink = np.asarray(Image.fromarray(ink).resize(size, Image.Resampling.BOX))
        if not ink.any():  # Specks so far apart that nothing is left of them.
            return None
    if min(ink.shape) > INNER and (missing := _missing(ink)) >= 1:
        grown = missing * INNER / min(ink.shape)
        ink = _grow(ink, round(missing / 2))
    crop = Image.frombuffer("L", ink.shape[::-1], ink.tobytes())
    fitted = crop.resize((INNER, INNER), Image.Resampling.BILINEAR).tobytes()
    glyph = np.zeros((SIZE, SIZE), np.float32)
    glyph[BORDER:-BORDER, BORDER:-BORDER] = np.ndarray((INNER, INNER), np.uint8, fitted)
    glyph /= glyph.max()
    return glyph, grown


def pack(glyph: Glyph) -> str:
    """A glyph as a PNG in base64."""
    png = io.BytesIO()
    Image.fromarray(np.rint(255 * glyph).astype(np.uint8)).save(png, "PNG")
    return base64.b64encode(png.getvalue()).decode()


def unpack(text: str) -> Glyph:
    """What `pack` has packed, rounded to 1 / 255."""
    with Image.open(io.BytesIO(base64.b64decode(text))) as image:
        glyph: Glyph = np.asarray(image, np.float32) / np.float32(255)
    return glyph


def _centred(ink: Pixels, height: int, width: int) -> Pixels:
    """Set a crop on a larger page of paper."""
    page = np.zeros((height, width), np.uint8)
    top, left = round((height - ink.shape[0]) / 2), round((width - ink.shape[1]) / 2)
    page[top : top + ink.shape[0], left : left + ink.shape[1]] = ink
    return page


def stroke_width(solid: npt.NDArray[np.bool_]) -> float:
    """The mean width of strokes in pixels: twice their area over the length of their outline."""
    outline = np.count_nonzero(solid[1:] != solid[:-1]) + np.count_nonzero(solid[:, 1:] != solid[:, :-1])
    return 2 * int(np.count_nonzero(solid)) / max(int(outline), 1)


def _missing(ink: Pixels) -> float:
    """By how many pixels strokes are thinner than `_MIN_STROKE` of the frame: they would vanish in the resize."""
    least: float = _MIN_STROKE * min(ink.shape)
    return least - stroke_width(ink > int(ink.max()) // 2)


def _grow(ink: Pixels, radius: int) -> Pixels:
    """The strongest ink within ``radius`` pixels, first up and down, then left and right."""
    strongest, faintest = int(ink.max()), int(ink.min())
    scale = 255 / (strongest - faintest)
    stretched = (ink * scale - faintest * scale).astype(np.uint8)
    (height, width), steps = ink.shape, range(2 * radius + 1)
    page = _centred(stretched, height + 2 * radius, width + 2 * radius)
    tall = np.maximum.reduce([page[step : step + height] for step in steps])
    grown: Pixels = np.maximum.reduce([tall[:, step : step + width] for step in steps])
    return grown
