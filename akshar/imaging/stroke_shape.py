"""How far ink is from a drawing of one character: that is long and narrow, with paper between its strokes."""

from __future__ import annotations

from typing import Final, NamedTuple

import cv2
import numpy as np

from akshar.imaging.glyph import BORDER, INNER, Glyph

# The headline's share of the frame, which joins the characters of a word.
_HEADLINE: Final = 7
# Widths in units of the height: of all ink where there is a gap; where there need be none; of ink on one side of a gap.
_WIDE: Final = 1.15
_VERY_WIDE: Final = 1.7
_PIECE: Final = 0.3
# Ink from this strength on counts: low, so that a pale stroke does not break into pieces.
_INK: Final = 0.3


class StrokeShape(NamedTuple):
    """Two measures of a glyph; noise and blots have a low value of one of them.

    Attributes:
        elongation: how long the connected parts are for their area, on average: outline squared over 16 times the area.
            A square has 1, a disc 1.3, a straight stroke about a quarter of its length over its width. The median of
            NHCD's characters is 9.8, and 99 % have more than 3.9.
        spacing: the mean width of the paper between the ink, in glyph pixels. Their median is 5.1, and 99 % have more
            than 3.3.
    """

    elongation: float
    spacing: float


def is_several(glyph: Glyph, aspect: float) -> bool:
    """Whether ink that is no character may be several side by side: it is wide, and has a gap below the headline.

    Args:
        glyph: shape (32, 32).
        aspect: width over height of the ink in the image.
    """
    if aspect > _VERY_WIDE:
        return True
    columns = (glyph[BORDER + _HEADLINE : -BORDER] > _INK).any(axis=0)
    ends = np.flatnonzero(np.diff(columns, prepend=False, append=False))
    widths = (ends[1::2] - ends[::2]) * aspect / INNER
    return aspect > _WIDE and int(np.count_nonzero(widths >= _PIECE)) > 1


def stroke_shape(glyph: Glyph) -> StrokeShape:
    """Measure a glyph of shape (32, 32)."""
    solid = glyph > _INK
    area = max(int(np.count_nonzero(solid)), 1)
    outline = np.count_nonzero(solid[1:] != solid[:-1]) + np.count_nonzero(solid[:, 1:] != solid[:, :-1])
    parts = max(cv2.connectedComponents(solid.view(np.uint8), connectivity=8)[0] - 1, 1)
    elongation = int(outline) ** 2 / (16 * area * parts)
    return StrokeShape(elongation, 2 * (INNER * INNER - area) / max(int(outline), 1))
