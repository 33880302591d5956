"""Finds the straight lines of a form around a character."""

from __future__ import annotations

import math
from typing import Final, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from akshar.imaging.glyph import Pixels
from akshar.imaging.ink import Box

FRAME: Final = 4
"""Lines that make a frame, which no character has around it."""
_SIDES: Final = range(FRAME)
# Many characters have a headline and a stem on the right, few a stroke all along the other sides.
_RAREST_FIRST: Final = _SIDES[::-1]
Mask = npt.NDArray[np.bool_]

# A form line runs within this share of the page along its side.
EDGE_BAND: Final = 0.16
# It is thinner than this share of that side, or than the next if all sides have one, and straight to within the third.
_LINE: Final = 0.06
_THICK_LINE: Final = 0.12
_STRAIGHT: Final = 0.015
# It covers this share of its side, and is straight over this share.
_COVERS: Final = 0.95
_IS_STRAIGHT: Final = 0.85
# The sides of a frame that a character crosses are longer than this share of both together.
_SPAN: Final = 0.6
# With more than this share of a line beside it, the two are one thick stroke. A headline may be that close.
_BESIDE: Final = 0.88
# How close to the edge, as a share of the image's longer side, a line ends that runs over it.
_SLACK: Final = 0.01
# Pages of fewer pixels a side have no room for a line and a character.
_ROOM: Final = 10
_MIN_DEPTH: Final = 3
"""Pixels that show whether there is paper below a line."""


class Lines(NamedTuple):
    """What is left when the lines along a page's sides are erased.

    Attributes:
        rest: the page without them, 0 and 1.
        sides: how many sides had one.
    """

    rest: Pixels
    sides: int


def erase_lines(solid: Pixels, box: Box) -> Lines:
    """Erase straight, thin lines that run all along the sides of a box and are the outermost thing in it.

    Args:
        solid: 1 where there is ink.
        box: around the ink to look at.
    """
    left, top, right, bottom = box
    if min(right - left, bottom - top) < _ROOM:
        return Lines(solid, 0)
    page = solid[top:bottom, left:right]
    height, width = solid.shape
    slack = max(1, round(_SLACK * max(height, width)))
    at_edge = (top <= slack, width - right <= slack, height - bottom <= slack, left <= slack)
    # A line runs from an edge of the image to another, unless it is part of a frame.
    across = [side for side in _SIDES if at_edge[side - 1] or at_edge[(side + 1) % FRAME]]
    candidates = [side for side in across if _covered(page, side)]
    if len(candidates) == len(across) and all(_covered(page, side) for side in _RAREST_FIRST if side not in across):
        candidates = list(_SIDES)
    if not candidates:
        return Lines(solid, 0)
    # Fewer lines than a frame's may be strokes, the thicker the likelier.
    most = _LINE if len(candidates) < FRAME else _THICK_LINE
    mask = page.view(np.bool_)
    found = [(side, line) for side in candidates if (line := _top_line(np.rot90(mask, side), most))]
    if len(candidates) == FRAME and len(found) >= FRAME - 1:
        # One side that is thicker is a line and the headline or stem that touches it.
        thin = min(line.thickness for _, line in found)
        found = [(side, line) for side in candidates if (line := _top_line(np.rot90(mask, side), most, thin))]
    if len(found) < FRAME == len(candidates):
        found = [(side, line) for side, line in found if line.thickness <= max(2, _LINE * page.shape[side % 2])]
    if not found:
        return Lines(solid, 0)
    rest = solid.copy()
    erased = rest[top:bottom, left:right].view(np.bool_)
    for side, line in found:
        np.rot90(erased, side)[: len(line.pixels)][line.pixels] = False
    return Lines(rest, len(found))


def crossed_frame(solid: Pixels, box: Box) -> Box | None:
    """The box that a frame makes which the character crosses, so that it is not the outermost thing.

    Args:
        solid: 1 where there is ink.
        box: around the part that may be both.
    """
    left, top, right, bottom = box
    page = solid[top:bottom, left:right]
    height, width = page.shape
    rows = _outer_lines(_sums(page, 1), width)
    if rows is None or (columns := _outer_lines(_sums(page, 0), height)) is None:
        return None
    (first, last), (start, end) = rows, columns
    # A round stroke has no corners.
    corners = (page[y : y + 2, x : x + 2] for y in (first, last - 2) for x in (start, end - 2))
    if not all(corner.any() for corner in corners):
        return None
    return left + start, top + first, left + end, top + last


def _outer_lines(ink: npt.NDArray[np.int32], length: int) -> tuple[int, int] | None:
    """The first of the rows that are lines and the one after the last; None if they are no two sides of a frame.

    Args:
        ink: pixels of ink in each row.
        length: pixels in a row.
    """
    most = cv2.minMaxLoc(ink)[1]
    if most < _SPAN * length:
        return None
    lines = (ink >= _COVERS * most).nonzero()[0]
    first, last = int(lines[0]), int(lines[-1]) + 1
    if last - first < _SPAN * len(ink):
        return None
    # Beyond a line there are only the strokes that cross it. Beside a round stroke there is the rest of it.
    beyond = (*ink[max(0, first - 2) : max(0, first - 1)], *ink[last + 1 : last + 2])
    return None if beyond and max(beyond) > _BESIDE * most else (first, last)


def _depth(length: int) -> int:
    """How deep within a page of some height or width a line may be."""
    return max(_MIN_DEPTH, round(EDGE_BAND * length))


def _covered(page: Pixels, side: int) -> bool:
    """Whether there is ink nearly everywhere along a side: a quick look, which most pages do not pass.

    Args:
        page: 1 where there is ink.
        side: 0 top, 1 right, 2 bottom, 3 left.
    """
    across = side % 2
    depth = _depth(page.shape[across])
    band = slice(None, depth) if side in (0, 3) else slice(-depth, None)
    return cv2.countNonZero(_sums(page[:, band] if across else page[band], across)) >= _COVERS * page.shape[1 - across]


def _sums(page: Pixels, axis: int) -> npt.NDArray[np.int32]:
    """The number of pixels of ink in each column (axis 0) or row (axis 1)."""
    sums: npt.NDArray[np.int32] = cv2.reduce(page, axis, cv2.REDUCE_SUM, dtype=cv2.CV_32S).ravel()
    return sums


class _Line(NamedTuple):
    """A line: its pixels, a mask of the uppermost rows of a page, and its thickness."""

    pixels: Mask
    thickness: float


def _top_line(page: Mask, most: float, thin: float = math.inf) -> _Line | None:
    """A straight line from side to side that is the topmost thing on a page, and no thicker than a share of it.

    Args:
        page: 1 where there is ink.
        most: the share.
        thin: pixels; what is below them is not the line's.
    """
    height, width = page.shape
    thickest = max(2.0, most * height)
    # A quick look, at which most strokes fail: they begin with more ink than a line has.
    if thin > thickest and 2 * np.count_nonzero(np.logical_and.reduce(page[: int(thickest) + 1])) > width:
        return None
    band = page[: _depth(height)]
    begun = np.logical_or.accumulate(band)
    ended = np.logical_or.accumulate(begun > band)
    first, after = len(band) - begun.sum(0), len(band) - ended.sum(0)
    has_ink = first < len(band)
    widths = np.sort((after - first)[has_ink])
    median = float(widths[(len(widths) - 1) // 2] + widths[len(widths) // 2]) / 2
    thickness = min(median, thin)
    if median >= len(band) or thickness > thickest:
        return None
    rows = np.arange(len(band))[:, None]
    columns = np.flatnonzero(has_ink)
    line = np.rint(_fitted(columns, first[has_ink], width))
    straight = np.abs(first - line) <= max(1.0, _STRAIGHT * width)
    if np.count_nonzero(straight & has_ink) < _IS_STRAIGHT * width:
        return None
    # Where a stroke of the character meets the line, only the thickness of the line is erased.
    end = np.where(after - first <= 1.5 * thickness + 1, after, line + np.ceil(thickness))
    return _Line((rows >= np.minimum(first, line)) & (rows < end), thickness)


def _fitted(at: npt.NDArray[np.intp], values: npt.NDArray[np.intp], width: int) -> npt.NDArray[np.float64]:
    """The straight line closest to values at some columns, at each column."""
    middle, mean = at.mean(), values.mean()
    away = at - middle
    slope = (away @ (values - mean)) / max(away @ away, 1)
    return mean + slope * (np.arange(width) - middle)
