"""Tells the connected parts of a character from dust, form lines and neighbours, by size and place.

Where a part may be either, both selections are made: the model says which looks more like a character.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any, Final, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from akshar.imaging.glyph import Pixels
from akshar.imaging.ink import Box
from akshar.imaging.lines import EDGE_BAND, FRAME, erase_lines
from akshar.imaging.strokes import stroke_width, with_border

# Dust is smaller than this share of the dot that the pen makes.
SPECK: Final = 0.4
# A part is a dot of the pen, not dust, if both its sides are at least this share of the stroke width.
_MIN_DOT: Final = 0.6
# What is left within a form's box is a character if it is longer than this share of the box.
_MIN_LEFT: Final = 0.12
# What erasing a line leaves of it is less than this share of it.
_ROUGH: Final = 0.2
# With this much paper around a character, as a share of its size, its strokes are not at the edge. Its dots may be,
# which are shorter than this share of the page.
_LOOSE: Final = 0.1
_DOT: Final = 0.15
# Pages of at most this side have no room in which a place would tell a form's line from a headline.
_SMALL: Final = 40


class Selection(NamedTuple):
    """Parts taken for the character.

    Attributes:
        mask: 1 where they are, shape of the page.
        box: around them.
        specks: parts left out as dust.
        edges: parts left out because they belong to the image's edge: form lines (all together one), neighbours.
    """

    mask: Pixels
    box: Box
    specks: int
    edges: int


class Selections(NamedTuple):
    """What may be the character.

    Attributes:
        lines: how many sides have a form's line, or what looks like one.
        likely: the selections that may be the character, the likelier first; none if there are only a form's lines.
        connected: whether all ink is one part.
    """

    lines: int
    likely: list[Selection]
    connected: bool = False


def select_parts(solid: Pixels, strength: Pixels, cautious: bool, keep_dust: bool = False) -> Selections:
    """Tell the character's parts from others.

    Args:
        solid: 1 where there is ink, which is somewhere; shape (height, width).
        strength: of the ink, same shape.
        cautious: whether what touches the edge is likelier to be the character's than a form's or a neighbour's.
        keep_dust: whether a selection from which nothing else is left out keeps its dust.
    """
    everything = _Parts(solid, strength)
    box, roomy = everything.box, max(solid.shape) > _SMALL
    rest, lines = erase_lines(solid, box)
    if lines < FRAME and (frame := everything.box_of_largest) != box:
        inner, sides = erase_lines(solid, frame)
        if sides == FRAME:
            rest, lines = inner, sides
    connected = everything.count == 1
    kept = Selection(solid, box, 0, 0) if connected or keep_dust else everything.selection(drop_edges=False)
    if not lines:
        if connected or not everything.touch_edge:
            return Selections(0, [kept], connected)
        dropped = everything.selection(drop_edges=True)
        if roomy and _margin(dropped.box, solid) > _LOOSE and not everything.edge_dots():
            return Selections(0, [dropped])
        return Selections(0, _ordered(kept, dropped, cautious and _margin(dropped.box, solid) <= 0))
    without = _without_lines(rest, strength, box)
    if lines == FRAME:
        return Selections(lines, [without] if without else [])
    if without is None:
        return Selections(lines, [kept])
    joined = everything.are_joined(rest)
    if lines > 1 and not joined and roomy:
        return Selections(lines, [without])
    return Selections(lines, _ordered(kept, without, cautious and joined))


def _without_lines(rest: Pixels, strength: Pixels, box: Box) -> Selection | None:
    """The parts left when lines were erased, unless they are crumbs of these."""
    if not rest.any():
        return None
    selection = _Parts(rest, strength).selection(drop_edges=True)
    left, top, right, bottom = selection.box
    if max(right - left, bottom - top) <= _MIN_LEFT * max(box[2] - box[0], box[3] - box[1]):
        return None
    return selection._replace(edges=selection.edges + 1)


def _ordered(kept: Selection, dropped: Selection, keep: bool) -> list[Selection]:
    return [kept, dropped] if keep else [dropped, kept]


def _margin(box: Box, page: Pixels) -> float:
    """The least paper around a box on its page, as a share of its longer side."""
    height, width = page.shape
    left, top, right, bottom = box
    return min(left, top, width - right, height - bottom) / max(right - left, bottom - top)


class _Parts:
    """The connected parts of a page.

    Attributes:
        box: around all of them.
    """

    def __init__(self, solid: Pixels, strength: Pixels) -> None:
        self._solid, self._strength = solid, strength
        left, top, width, height = cv2.boundingRect(solid)
        self.box: Box = left, top, left + width, top + height
        self._inked = np.s_[top : top + height, left : left + width]
        count, _ = cv2.connectedComponents(solid[self._inked], connectivity=8, ltype=cv2.CV_16U)
        self.count = count - 1
        self._page = solid.shape

    @cached_property
    def _labels(self) -> npt.NDArray[np.uint16]:
        """The number of the part, from 1, at each pixel of the box around all of them."""
        return self._labelled[1]

    @cached_property
    def _stats(self) -> npt.NDArray[np.int32]:
        """Left, top, width, height and area of each part."""
        stats = self._labelled[2][1:]
        stats[:, :2] += self.box[:2]
        return stats

    @cached_property
    def _labelled(self) -> Any:
        return cv2.connectedComponentsWithStats(self._solid[self._inked], connectivity=8, ltype=cv2.CV_16U)

    @property
    def touch_edge(self) -> bool:
        """Whether any part, but not all, touch the edge of the page and lie wholly along it."""
        height, width = self._page
        left, top, right, bottom = self.box
        return (left == 0 or top == 0 or right == width or bottom == height) and bool(self._at_edge.any())

    @property
    def box_of_largest(self) -> Box:
        """Around the part that spans the most."""
        if self.count == 1:
            return self.box
        spans = self._stats[:, cv2.CC_STAT_WIDTH] * self._stats[:, cv2.CC_STAT_HEIGHT]
        return _around(self._stats[spans.argmax()][None])

    def edge_dots(self) -> bool:
        """Whether a part at the edge is small enough to be a dot of the character."""
        sizes = self._stats[self._at_edge][:, [cv2.CC_STAT_WIDTH, cv2.CC_STAT_HEIGHT]].max(1)
        return bool((sizes <= _DOT * max(self._page)).any())

    def are_joined(self, rest: Pixels) -> bool:
        """Whether lines that were erased run into what is left."""
        left = rest[self._inked]
        erased = self._solid[self._inked] - left
        labels = self._labels.ravel()
        of_lines, of_rest = (np.bincount(labels, page.ravel(), self.count + 1) for page in (erased, left))
        # Erasing leaves some of a line's own rough edge.
        return bool(((of_lines > 0) & (of_rest > _ROUGH * of_lines)).any())

    def selection(self, drop_edges: bool) -> Selection:
        """The parts without dust, and without those at the edge if they shall be dropped."""
        if self.count == 1:
            return Selection(self._solid, self.box, 0, 0)
        stats, edge = self._stats, self._at_edge
        mass = np.bincount(self._labels.ravel(), self._strength[self._inked].ravel(), self.count + 1)[1:]
        main = int(np.where(edge, 0, mass).argmax())
        left, top, width, height, _ = stats[main].tolist()
        left, top = left - self.box[0], top - self.box[1]
        own = self._labels[top : top + height, left : left + width] == main + 1
        pen = stroke_width(with_border(own.view(np.uint8)))
        areas = stats[:, cv2.CC_STAT_AREA]
        shorter = np.minimum(stats[:, cv2.CC_STAT_WIDTH], stats[:, cv2.CC_STAT_HEIGHT])
        dropped = edge & drop_edges
        speck = (shorter < _MIN_DOT * pen) & (areas < pen * pen) | (areas < SPECK * pen * pen)
        speck[main] = False
        speck &= ~dropped
        keep = ~dropped & ~speck
        if keep.all():
            return Selection(self._solid, self.box, 0, 0)
        mask = np.zeros_like(self._solid)
        mask[self._inked] = np.concatenate([[0], keep]).astype(np.uint8)[self._labels]
        return Selection(mask, _around(stats[keep]), int(np.count_nonzero(speck)), int(np.count_nonzero(dropped)))

    @cached_property
    def _at_edge(self) -> npt.NDArray[np.bool_]:
        """Which parts touch the edge and lie wholly along it; none if all do."""
        height, width = self._page
        left, top, wide, high = (self._stats[:, at] for at in range(4))
        edge = (left == 0) | (top == 0) | (left + wide == width) | (top + high == height)
        if edge.any():
            down, across = round(EDGE_BAND * height), round(EDGE_BAND * width)
            inner = self._labels[
                max(0, down - self.box[1]) : max(0, height - down - self.box[1]),
                max(0, across - self.box[0]) : max(0, width - across - self.box[0]),
            ]
            reaches_in = np.zeros(self.count + 1, np.bool_)
            reaches_in[inner] = True
            edge &= ~reaches_in[1:]
            if edge.all():
                edge[:] = False
        return edge


def _around(stats: npt.NDArray[np.int32]) -> Box:
    left, top = stats[:, cv2.CC_STAT_LEFT], stats[:, cv2.CC_STAT_TOP]
    right, bottom = left + stats[:, cv2.CC_STAT_WIDTH], top + stats[:, cv2.CC_STAT_HEIGHT]
    return int(left.min()), int(top.min()), int(right.max()), int(bottom.max())
