"""The ink of one character."""

from __future__ import annotations

from typing import NamedTuple

from akshar.imaging.glyph import Pixels

Box = tuple[int, int, int, int]
"""Left, top, right and bottom in pixels, right and bottom exclusive."""


class Ink(NamedTuple):
    """The ink of one character.

    Attributes:
        strength: 0 (paper) to 255, shape (height, width), cropped to the character.
        box: left, top, right, bottom of that crop in pixels of the image.
        light: whether the ink is lighter than the paper.
        contrast: grey levels, of 255, between ink and paper.
        specks: parts removed because they are smaller than a dot of the pen.
        edges: parts removed because they belong to the image's edge: a form line, a neighbour.
    """

    strength: Pixels
    box: Box
    light: bool
    contrast: int
    specks: int = 0
    edges: int = 0


class Found(NamedTuple):
    """What was found in an image.

    Attributes:
        inks: what may be the character's ink, the likelier first; empty if there is none.
        lines: on how many sides a form's line was found, or what looks like one.
        side: the longer side of the image in which it was found, in pixels.
    """

    inks: list[Ink]
    lines: int = 0
    side: int = 0
