"""The canonical glyph: its type, its sizes and its PNG."""

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
"""One canonical glyph, shape (32, 32), values in [0, 1]: ink 1, paper 0."""
Glyphs = npt.NDArray[np.float32]
"""Canonical glyphs, shape (n, 32, 32)."""
SIZE: Final = 32
BORDER: Final = 2
INNER: Final = SIZE - 2 * BORDER


def to_png(glyph: Glyph) -> str:
    """A glyph as a PNG in base64, white ink on black."""
    png = io.BytesIO()
    Image.fromarray(np.rint(255 * glyph).astype(np.uint8)).save(png, "PNG")
    return base64.b64encode(png.getvalue()).decode()


def from_png(text: str) -> Glyph:
    """The glyph that `to_png` encoded, rounded to 1/255."""
    with Image.open(io.BytesIO(base64.b64decode(text))) as image:
        glyph: Glyph = np.asarray(image, np.float32) / np.float32(255)
    return glyph
