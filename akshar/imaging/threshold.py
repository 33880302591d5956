"""Separates ink from paper by grey levels alone: clean ink on even paper needs no more.

`akshar.imaging.background` does it where light, shadow or texture vary more than that allows.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from akshar.imaging.glyph import Pixels

# Grey levels (of 255) between paper and ink below which there is nothing to read.
MIN_CONTRAST: Final = 20
_LEVELS: Final = np.arange(256)
# Up to so many pixels NumPy counts as quickly as OpenCV; beyond so many, every other row tells as much.
_FEW: Final = 2_000
_MANY: Final = 20_000
# Pixels may differ from ink and paper by this share of the contrast, and by more where the levels differ by the next
# share within a few pixels, because ink and paper meet there.
_TOLERANCE: Final = 0.25
_STEEP: Final = 0.45
# Where half of all neighbours differ by more than this share of the contrast, there is noise.
_GRAIN: Final = 0.055
# How close to even the shares of dark pixels in the image and along its edge may be before they say nothing.
_DOUBT: Final = 0.15
# The share of pixels that may differ elsewhere: a worn pen, a smudge.
_ODD: Final = 0.004
_MEET: Final = np.ones((5, 5), np.uint8)


class Separated(NamedTuple):
    """Ink told from paper.

    Attributes:
        strength: of the ink, 0 (paper) to 255, shape (height, width); from 128 on a pixel counts as ink.
        light: whether the ink is lighter than the paper.
        dark_level: the median level of the darker side.
        light_level: the median level of the lighter side.
        doubtful: whether the page hardly tells which of the two is ink: most of the image is as dark as the lesser part
            of its edge, or nearly half of it is ink.
    """

    strength: Pixels
    light: bool
    dark_level: int
    light_level: int
    doubtful: bool

    @property
    def contrast(self) -> int:
        """Grey levels between ink and paper."""
        return self.light_level - self.dark_level

    def inverted(self) -> Separated:
        """The same page with ink taken for paper."""
        return self._replace(strength=cv2.bitwise_not(self.strength), light=not self.light)


def separate(level: Pixels) -> Separated | None:
    """Tell ink from paper, dark on light or light on dark, by Otsu's threshold; None if the image is blank."""
    counts = _histogram(level)
    dark = counts.cumsum()
    split = otsu(dark, (counts * _LEVELS).cumsum())
    below, size = int(dark[split]), int(dark[-1])
    # The medians of the two sides; one side is empty if all pixels have one level.
    low, high = dark.searchsorted((below / 2, (below + size) / 2)).tolist()
    if not 0 < below < size or high - low < MIN_CONTRAST:
        return None
    # Paper is what fills most of the image and most of its edge.
    edge = level[0].tobytes() + level[-1].tobytes() + level[:, 0].tobytes() + level[:, -1].tobytes()
    dark_edge = len(edge) - len(edge.translate(None, bytes(range(split + 1))))
    of_all, of_edge = below / size, dark_edge / len(edge)
    light = of_all + of_edge > 1
    doubtful = (of_all > 0.5) != (of_edge > 0.5) or abs(of_all + of_edge - 1) < _DOUBT
    return Separated(cv2.LUT(level, _stretch(low, high, light)), light, low, high, doubtful)


def _histogram(level: Pixels) -> npt.NDArray[np.int64]:
    """The number of pixels of each level; of a large image, of every other row."""
    if level.size <= _FEW:
        return np.bincount(level.ravel(), minlength=256)
    rows = level[:: 1 + (level.size > _MANY)]
    return cv2.calcHist([rows], [0], None, [256], [0, 256]).ravel().astype(np.int64)


def is_even(level: Pixels, separated: Separated) -> bool:
    """Whether nothing but ink and paper is there: little noise, and other levels only where the two meet sharply."""
    contrast = separated.contrast
    other = cv2.LUT(level, _other(separated.dark_level, separated.light_level))
    count = cv2.countNonZero(other)
    most = _ODD * level.size
    if count <= most:
        return True
    if level.shape[1] == 1:
        return False
    steps = cv2.absdiff(level[:, 1:], level[:, :-1])
    if 2 * cv2.countNonZero(cv2.threshold(steps, _GRAIN * contrast, 1, cv2.THRESH_BINARY)[1]) > level.size:
        return False
    # In a tight crop, the paper is beyond the edge.
    paper = separated.dark_level if separated.light else separated.light_level
    change = cv2.morphologyEx(
        level, cv2.MORPH_GRADIENT, _MEET, borderType=cv2.BORDER_CONSTANT, borderValue=float(paper)
    )
    steep = cv2.threshold(change, _STEEP * contrast, 1, cv2.THRESH_BINARY)[1]
    return count - cv2.countNonZero(cv2.bitwise_and(other, steep)) <= most


@lru_cache(maxsize=4096)
def _other(low: int, high: int) -> Pixels:
    """1 for each grey level that is neither near the level of the ink nor near that of the paper."""
    margin = _TOLERANCE * (high - low)
    return ((abs(_LEVELS - low) >= margin) & (abs(_LEVELS - high) >= margin)).astype(np.uint8)


@lru_cache(maxsize=4096)
def _stretch(low: int, high: int, light: bool) -> Pixels:
    """The ink strength of each grey level. Few pairs of levels ever occur, and most of them repeat."""
    strength = ((_LEVELS - low) / (high - low)).clip(0, 1)
    table: Pixels = np.rint(255 * (strength if light else 1 - strength)).astype(np.uint8)
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
