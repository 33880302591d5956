"""Separates ink from paper under uneven light, in shadow and among texture: photographs, mostly.

Light changes over distances wider than any stroke, so the paper is estimated and what stands out from it is ink.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from akshar.imaging.glyph import Pixels
from akshar.imaging.grayscale import histogram

Doubles = npt.NDArray[np.float64]

# The longer side, in pixels, at which paper and light are estimated: they change slowly.
_COARSE: Final = 48
# Strokes are narrower than this share of the image's shorter side; anything wider is light or shadow.
_WINDOW: Final = 0.3
# Grey levels between ink and paper; less than on even paper, because uneven light has been removed.
_MIN_CONTRAST: Final = 12
# The border, as a share of the distance from the centre, from which the light on the paper is estimated.
_BORDER: Final = 0.75
_FITS: Final = 4
# Added to a system of equations that may have no one solution: an image may be a pixel wide.
_RIDGE: Final = 1e-6 * np.eye(6)


class Standing(NamedTuple):
    """What stands out from the paper.

    Attributes:
        strength: grey levels above the paper, shape (height, width).
        solid: 1 where that is so much that the pixel counts as ink, same shape.
        pen: the median strength of these.
        light: whether the ink is lighter than the paper.
    """

    strength: Pixels
    solid: Pixels
    pen: int
    light: bool


def stand_out(level: Pixels) -> Standing | None:
    """Tell ink from the paper around it; None if nothing stands out."""
    factor = max(1, round(max(level.shape) / _COARSE))
    small = -(-level.shape[1] // factor), -(-level.shape[0] // factor)
    coarse = cv2.resize(level, small, interpolation=cv2.INTER_AREA)
    light = _light_is_ink(coarse)
    if not light:
        level, coarse = cv2.bitwise_not(level), cv2.bitwise_not(coarse)
    strength = _above_paper(level, coarse)
    threshold, solid = _otsu(strength)
    noise = _noise(strength)
    if noise > threshold / 6:
        strength = cv2.GaussianBlur(strength, (0, 0), min(2.5, 6 * noise / max(threshold, 1)))
        solid = _otsu(strength)[1]
    counts = cv2.calcHist([strength], [0], solid, [256], [0, 256]).ravel()
    if not counts.any() or (pen := _middle(counts)) < _MIN_CONTRAST:
        return None
    return Standing(strength, solid, pen, light)


def _light_is_ink(level: Pixels) -> bool:
    """Whether the ink is lighter than the paper, whose brightness is estimated from the image's edge."""
    terms, at_edge, at = _surface_terms(*level.shape)
    values = level.ravel().astype(np.float64)
    observed = values[at_edge]
    # The light on a page is smooth: fit a surface to the edge, ignoring the ink there.
    for _ in range(_FITS):
        _, surface = cv2.solve(at.T @ at + _RIDGE, (at.T @ observed)[:, None], flags=cv2.DECOMP_CHOLESKY)
        departure = np.abs(observed - (at @ surface).ravel())
        trusted = np.flatnonzero(departure < 1.5 * _median(departure) + 4)
        if len(trusted) == len(at) or len(trusted) < 12:
            break
        at, observed = at[trusted], observed[trusted]
    # Cubed, so that a few pixels of ink outweigh the many that differ a little by light and noise.
    rest = values - (terms @ surface).ravel()
    return float(rest @ (rest * rest)) > 0


def _median(values: Doubles) -> float:
    """The median, or the greater of the two: NumPy's own takes three times as long."""
    middle = values.size // 2
    return float(np.partition(values, middle)[middle])


def _middle(counts: npt.NDArray[Any]) -> int:
    """The median of grey levels, or the greater of the two, by the number of pixels of each."""
    up_to = counts.cumsum()
    return int(up_to.searchsorted(up_to[-1] // 2, "right"))


@lru_cache(maxsize=256)
def _surface_terms(height: int, width: int) -> tuple[Doubles, npt.NDArray[np.intp], Doubles]:
    """The terms of a quadratic surface at each pixel, shape (pixels, 6); every other pixel of the edge; its terms."""
    rows, columns = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    terms = np.stack([np.ones_like(rows), rows, columns, rows * columns, rows**2, columns**2], -1).reshape(-1, 6)
    at_edge = np.flatnonzero(np.maximum(np.abs(rows), np.abs(columns)).ravel() > _BORDER)[::2]
    return terms, at_edge, terms[at_edge]


def _above_paper(level: Pixels, coarse: Pixels) -> Pixels:
    """How much each pixel of light ink stands out above the paper: a white top-hat transform.

    Args:
        level: grey levels, light ink on dark paper, shape (height, width).
        coarse: the same image at fewer pixels, from which the paper is estimated.
    """
    smooth: Any = cv2.blur(coarse.astype(np.float32), (3, 3), borderType=cv2.BORDER_REFLECT)
    side = max(3, round(_WINDOW * min(coarse.shape)) | 1)
    paper = cv2.morphologyEx(smooth, cv2.MORPH_OPEN, np.ones((side, side), np.uint8))
    wide = max(3, side // 3)
    paper = cv2.blur(cv2.min(paper, smooth), (wide, wide), borderType=cv2.BORDER_REFLECT)
    under = cv2.resize(paper, level.shape[::-1], interpolation=cv2.INTER_LINEAR)
    above: Any = cv2.subtract(level, under, dtype=cv2.CV_32F)
    return np.maximum(above, 0, out=above).astype(np.uint8)


def _otsu(strength: Pixels) -> tuple[float, Pixels]:
    """Otsu's threshold, and 1 where pixels are above it."""
    return cv2.threshold(strength, 0, 1, cv2.THRESH_BINARY + cv2.THRESH_OTSU)


def _noise(strength: Pixels) -> float:
    """The standard deviation of pixel noise, estimated from the median difference of neighbouring pixels."""
    rows = strength[::2]
    if rows.shape[1] < 2:
        return 0.0
    steps = cv2.absdiff(rows[:, 1:], rows[:, :-1])
    return 1.05 * _middle(histogram(steps))  # 1.4826 / sqrt(2)
