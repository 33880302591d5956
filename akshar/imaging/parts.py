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
from akshar.imaging.lines import EDGE_BAND, FRAME, crossed_frame, erase_lines
from akshar.imaging.strokes import stroke_width, with_border

# Dust is smaller than this share of the dot that the pen makes.
SPECK: Final = 0.4
# A part is a dot of the pen, not dust, if both its sides are at least this share of the stroke width.
_MIN_DOT: Final = 0.6
# What is left within a form's box is a character if it is longer than this share of the box.
_MIN_LEFT: Final = 0.12
# What lies this near to a frame, as a share of its side, and at least in pixels, is the frame's.
_CRUMBS: Final = 0.06
_CRUMB: Final = 3
# The most that lines break strokes which cross them, as a share of the page.
_LINE_WIDTH: Final = 0.05
# What erasing a line leaves of it is less than this share of it.
_ROUGH: Final = 0.2
# With this much paper around a character, as a share of its size, its strokes are not at the edge. Its dots may be,
# which are shorter than this share of the page.
_LOOSE: Final = 0.1
_DOT: Final = 0.15
# A whole dot is at most so many times as long as wide, and touches the edge with less than this share of its width.
_ROUND: Final = 1.5
_TOUCHES: Final = 0.8
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
            rest, lines, box = inner, sides, frame
    connected = everything.count == 1
    kept = Selection(solid, everything.box, 0, 0)
    if not connected and not keep_dust:
        kept = everything.selection(drop_edges=False)
    if lines < FRAME and (crossed := crossed_frame(solid, everything.box_of_largest)):
        inner, sides = erase_lines(solid, crossed)
        # A round stroke of a wide pen may look like that.
        if sides == FRAME and (without := _without_lines(_bridged(inner, solid), strength, crossed, framed=True)):
            return Selections(0, [kept, without])
    if not lines:
        if connected or not everything.touch_edge:
            return Selections(0, [kept], connected)
        dropped = everything.selection(drop_edges=True)
        margin, short, dots = _margin(dropped.box, solid), *everything.edge_dots()
        if roomy and margin > _LOOSE and not short:
            return Selections(0, [dropped])
        return Selections(0, _ordered(kept, dropped, cautious and (dots or margin <= 0)))
    without = _without_lines(rest, strength, box, lines == FRAME)
    if lines == FRAME:
        return Selections(lines, [without] if without else [])
    if without is None:
        return Selections(lines, [kept])
    joined = everything.are_joined(rest)
    if lines > 1 and not joined and roomy:
        return Selections(lines, [without])
    return Selections(lines, _ordered(kept, without, cautious and joined))


def _bridged(rest: Pixels, solid: Pixels) -> Pixels:
    """What is left of a page of which lines were erased, with strokes joined that cross them."""
    width = int(_LINE_WIDTH * max(rest.shape)) | 1
    return cv2.bitwise_and(cv2.morphologyEx(rest, cv2.MORPH_CLOSE, np.ones((width, width), np.uint8)), solid)


def _without_lines(rest: Pixels, strength: Pixels, box: Box, framed: bool) -> Selection | None:
    """The parts left when the lines along a box were erased, unless they are crumbs of these."""
    if framed:
        rest = _without_crumbs(rest, box)
    if not rest.any():
        return None
    selection = _Parts(rest, strength).selection(drop_edges=True)
    left, top, right, bottom = selection.box
    if max(right - left, bottom - top) <= _MIN_LEFT * max(box[2] - box[0], box[3] - box[1]):
        return None
    return selection._replace(edges=selection.edges + 1)


def _without_crumbs(rest: Pixels, box: Box) -> Pixels:
    """What is left of a frame that was erased, without parts just inside it: its corners, if it is turned a little."""
    _, labels, stats, _ = cv2.connectedComponentsWithStats(rest, connectivity=8, ltype=cv2.CV_16U)
    (left, top), (right, bottom) = stats[:, :2].T, (stats[:, :2] + stats[:, 2:4]).T
    across, down = (max(_CRUMB, round(_CRUMBS * (end - start))) for start, end in zip(box[:2], box[2:], strict=True))
    near = (right <= box[0] + across) | (left >= box[2] - across) | (bottom <= box[1] + down) | (top >= box[3] - down)
    inside = (left >= box[0]) & (top >= box[1]) & (right <= box[2]) & (bottom <= box[3])
    keep = ~(near & inside)
    keep[0] = False
    return keep.astype(np.uint8)[labels]


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
        self.count = cv2.connectedComponents(solid[self._inked], connectivity=8)[0] - 1
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

    def edge_dots(self) -> tuple[bool, bool]:
        """Whether a part at the edge is short enough to be a dot of the character; whether all look like whole dots."""
        parts = np.flatnonzero(self._at_edge)
        sizes = self._stats[parts][:, [cv2.CC_STAT_WIDTH, cv2.CC_STAT_HEIGHT]]
        longer = sizes.max(1)
        short = longer <= _DOT * max(self._page)
        whole = bool((short & (longer <= _ROUND * sizes.min(1))).all()) and not any(
            self._is_cut(part) for part in parts.tolist()
        )
        return bool(short.any()), whole

    def _is_cut(self, part: int) -> bool:
        """Whether the edge of the page cuts a part that touches it: the part is as wide there as anywhere."""
        height, width = self._page
        left, top, wide, high, _ = self._stats[part].tolist()
        own = self._labels == part + 1
        across = (top == 0, own[0]), (top + high == height, own[-1])
        down = (left == 0, own[:, 0]), (left + wide == width, own[:, -1])
        return any(
            at_edge and np.count_nonzero(line) > _TOUCHES * extent
            for lines, extent in ((across, wide), (down, high))
            for at_edge, line in lines
        )

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
