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

from app.framing import Pixels

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
    box: tuple[int, int, int, int]
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
    box = Image.frombuffer("L", image.size, strengths.translate(_SOLID)).getbbox() or (0, 0, width, height)
    left, top, right, bottom = box
    return Ink(np.ndarray((height, width), np.uint8, strengths)[top:bottom, left:right], box, light, high - low)


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
