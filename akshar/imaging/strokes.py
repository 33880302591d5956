"""How wide the strokes of a drawing are."""

from __future__ import annotations

import cv2

from akshar.imaging.glyph import Pixels


def with_border(solid: Pixels) -> Pixels:
    """A drawing with a pixel of paper around it, so that its outline is closed."""
    return cv2.copyMakeBorder(solid, 1, 1, 1, 1, cv2.BORDER_CONSTANT)


def stroke_width(solid: Pixels) -> float:
    """The mean width of strokes in pixels: twice their area over the length of their outline.

    Args:
        solid: one value where there is ink, and 0 elsewhere.
    """
    outline = cv2.countNonZero(cv2.absdiff(solid[1:], solid[:-1])) if len(solid) > 1 else 0
    if solid.shape[1] > 1:
        outline += cv2.countNonZero(cv2.absdiff(solid[:, 1:], solid[:, :-1]))
    return 2 * cv2.countNonZero(solid) / max(outline, 1)
