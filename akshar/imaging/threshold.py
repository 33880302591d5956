"""Separates ink from paper by grey levels alone: clean ink on even paper needs no more.

`akshar.imaging.background` does it where light, shadow or texture vary more than that allows.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from akshar.imaging.glyph import Pixels
from akshar.imaging.grayscale import histogram

# Grey levels (of 255) between paper and ink below which there is nothing to read.
MIN_CONTRAST: Final = 20
_LEVELS: Final = np.arange(256)
# Beyond so many pixels, every other row tells as much.
_MANY: Final = 20_000
# For each level, all up to it.
_UP_TO: Final = [bytes(range(level + 1)) for level in range(256)]
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
# Where more than this share of a large image differs, a look at a part of its rows will mostly do.
_MUCH: Final = 0.1
_PART: Final = 8
_MEET: Final = np.ones((5, 5), np.uint8)


class Separated(NamedTuple):
    """Ink told from paper.

    Attributes:
        level: the grey levels, shape (height, width).
        counts: the number of pixels of each, shape (256,); of a large image, in every other row.
        light: whether the ink is lighter than the paper.
        dark_level: the median level of the darker side.
        light_level: the median level of the lighter side.
        doubtful: whether the page hardly tells which of the two is ink: most of the image is as dark as the lesser part
            of its edge, or nearly half of it is ink.
    """

    level: Pixels
    counts: npt.NDArray[Any]
    light: bool
    dark_level: int
    light_level: int
    doubtful: bool

    @property
    def contrast(self) -> int:
        """Grey levels between ink and paper."""
        return self.light_level - self.dark_level

    def strength(self) -> Pixels:
        """Of the ink, 0 (paper) to 255, shape (height, width); from 128 on a pixel counts as ink."""
        return cv2.LUT(self.level, _stretch(self.dark_level, self.light_level, self.light))


def separate(level: Pixels) -> Separated | None:
    """Tell ink from paper, dark on light or light on dark, by Otsu's threshold; None if the image is blank."""
    rows = level[::2] if level.size > _MANY else level
    counts = histogram(rows)
    dark = counts.cumsum()
    split = int(cv2.threshold(rows, 0, 1, cv2.THRESH_OTSU)[0])
    below, size = int(dark[split]), int(dark[-1])
    # The medians of the two sides; one side is empty if all pixels have one level.
    low, high = dark.searchsorted((below / 2, (below + size) / 2)).tolist()
    if not 0 < below < size or high - low < MIN_CONTRAST:
        return None
    # Paper is what fills most of the image and most of its edge.
    edge = level[0].tobytes() + level[-1].tobytes() + level[:, 0].tobytes() + level[:, -1].tobytes()
    dark_edge = len(edge) - len(edge.translate(None, _UP_TO[split]))
    of_all, of_edge = below / size, dark_edge / len(edge)
    light = of_all + of_edge > 1
    doubtful = (of_all > 0.5) != (of_edge > 0.5) or abs(of_all + of_edge - 1) < _DOUBT
    return Separated(level, counts, light, low, high, doubtful)


def is_even(separated: Separated, soft: bool = False) -> bool:
    """Whether nothing but ink and paper is there: little noise, and other levels only where the two meet sharply.

    Args:
        separated: the page.
        soft: whether it was reduced so far that strokes may be all edge. Then levels beyond both tell of shadow.
    """
    level, contrast = separated.level, separated.contrast
    is_other = _other(separated.dark_level, separated.light_level)
    most = _ODD * level.size
    if soft and cv2.countNonZero(cv2.LUT(level, _beyond(separated.dark_level, separated.light_level))) > most:
        return False
    if level.size > _MANY and separated.counts @ is_other > _MUCH * level.size:
        # A photograph, whose upper part alone mostly has more of them than a clean page may.
        upper = level[: len(level) // _PART]
        odd = cv2.subtract(cv2.LUT(upper, is_other), _steep(upper, separated))
        if cv2.countNonZero(odd[: -len(_MEET)]) > most:
            return False
    other = cv2.LUT(level, is_other)
    if cv2.countNonZero(other) <= most:
        return True
    if level.shape[1] == 1:
        return False
    steps = cv2.absdiff(level[:, 1:], level[:, :-1])
    if 2 * cv2.countNonZero(cv2.threshold(steps, _GRAIN * contrast, 1, cv2.THRESH_BINARY)[1]) > level.size:
        return False
    return cv2.countNonZero(cv2.subtract(other, _steep(level, separated))) <= most


def _steep(level: Pixels, separated: Separated) -> Pixels:
    """1 for each pixel near which ink and paper meet."""
    # In a tight crop, the paper is beyond the edge.
    paper = separated.dark_level if separated.light else separated.light_level
    change = cv2.morphologyEx(
        level, cv2.MORPH_GRADIENT, _MEET, borderType=cv2.BORDER_CONSTANT, borderValue=float(paper)
    )
    return cv2.threshold(change, _STEEP * separated.contrast, 1, cv2.THRESH_BINARY)[1]


@lru_cache(maxsize=4096)
def _other(low: int, high: int) -> Pixels:
    """1 for each grey level that is neither near the level of the ink nor near that of the paper."""
    margin = _TOLERANCE * (high - low)
    return ((abs(_LEVELS - low) >= margin) & (abs(_LEVELS - high) >= margin)).astype(np.uint8)


@lru_cache(maxsize=4096)
def _beyond(low: int, high: int) -> Pixels:
    """1 for each grey level that is darker or lighter than both ink and paper."""
    margin = _TOLERANCE * (high - low)
    return (abs(_LEVELS - (low + high) / 2) >= (high - low) / 2 + margin).astype(np.uint8)


@lru_cache(maxsize=4096)
def _stretch(low: int, high: int, light: bool) -> Pixels:
    """The ink strength of each grey level. Few pairs of levels ever occur, and most of them repeat."""
    strength = ((_LEVELS - low) / (high - low)).clip(0, 1)
    table: Pixels = np.rint(255 * (strength if light else 1 - strength)).astype(np.uint8)
    return table
