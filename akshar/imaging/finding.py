"""Finds the ink of one character in an image, by what the image shows.

Clean ink on even paper is told from it by grey levels alone, at any size. Elsewhere the paper is estimated first.
"""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from PIL import Image

from akshar.imaging.background import stand_out
from akshar.imaging.glyph import Pixels
from akshar.imaging.grayscale import is_clear, luminance, pixels
from akshar.imaging.ink import Box, Found, Ink
from akshar.imaging.lines import FRAME
from akshar.imaging.parts import Selection, select_parts
from akshar.imaging.specks import trim_specks
from akshar.imaging.threshold import Separated, is_even, separate

THUMBNAIL: Final = 40
"""An image of at most this side, in pixels, holds a glyph and little else, as the images of data sets do."""
# The longer side, in pixels, at which clean ink is sought: hairlines keep their strength.
_CLEAN_WORK: Final = 400
# The same for uneven paper: enough for a stroke, few enough for a request.
_WORK: Final = 192
# The same at which edges are sharp that are blurred.
_SHARP: Final = 96
# A character smaller than this share of the image is sought again, closer.
_SMALL: Final = 0.5
_MARGIN: Final = 0.35  # Paper kept around it, as a share of its longer side.
_NEAR: Final = np.ones((5, 5), np.uint8)
_SOLID: Final = 127
"""Above this strength a pixel of clean ink is solid."""
# An image of fewer pixels a side has no room for more than a character.
_ROOM: Final = 20
_MOST: Final = 3
"""Most glyphs of one image."""


def find_ink(image: Image.Image) -> Found:
    """Find the ink of the character.

    Args:
        image: from `akshar.imaging.modes.to_plain_mode`.
    """
    longest = max(image.size)
    if longest <= THUMBNAIL:
        return _in_thumbnail(luminance(image))
    level = luminance(image) if longest <= _CLEAN_WORK else None
    found = _in_part(image, level, (0, 0, *image.size))
    if not found.inks or longest <= found.side:
        return found
    first = found.inks[0]
    left, top, right, bottom = first.box
    side = max(right - left, bottom - top)
    if side >= _SMALL * longest:
        return found
    margin = round(_MARGIN * side)
    closer = (
        max(0, left - margin),
        max(0, top - margin),
        min(image.width, right + margin),
        min(image.height, bottom + margin),
    )
    refined = _in_part(image, level, closer)
    if not refined.inks:
        return found
    best, *others = refined.inks
    best = best._replace(specks=max(first.specks, best.specks), edges=max(first.edges, best.edges))
    return refined._replace(inks=[best, *others])


def _in_thumbnail(level: Pixels) -> Found:
    """The ink of an image of a glyph's size: likeliest all of it, but for dust around it."""
    separated = separate(level)
    if separated is None:
        return Found([])
    found = _on_even_paper(separated)
    if len(found.inks) > 1 and max(level.shape) < _ROOM:
        return found._replace(inks=[ink for ink in found.inks if not ink.edges][:1])
    if len(found.inks) > 1:
        found.inks.sort(key=lambda ink: ink.edges > 0 or ink.light != separated.light)
    return found


def _in_part(image: Image.Image, whole: Pixels | None, part: Box) -> Found:
    """The ink within a part of an image.

    Args:
        image: all of it.
        whole: its grey levels, unless it is large.
        part: left, top, right, bottom.
    """
    left, top, right, bottom = part
    factor = -(-max(right - left, bottom - top) // _CLEAN_WORK)
    if whole is None:
        level = luminance(image.reduce(factor, part))
    else:
        level = whole[top:bottom, left:right]
        if level.shape != whole.shape and image.mode != "L" and not is_clear(level):
            level = luminance(image.crop(part))
    separated = separate(level)
    even = separated is not None and is_even(separated)
    # A small image that was enlarged has soft edges, which are sharp at a size of its own.
    if not even and (more := -(-max(level.shape) // _SHARP)) > 1:
        small = np.ascontiguousarray(level[::more, ::more])
        separated = separate(small)
        if even := separated is not None and is_even(separated, soft=True):
            level, factor = small, factor * more
    if even and separated is not None:
        found = _on_even_paper(separated)
    else:
        if (more := -(-max(level.shape) // _WORK)) > 1:
            level, factor = pixels(Image.fromarray(level).reduce(more)), factor * more
        found = _on_uneven_paper(level)
    if factor > 1 or part[:2] != (0, 0):
        found = found._replace(inks=[ink._replace(box=_in_image(ink.box, part, factor)) for ink in found.inks])
    return found._replace(side=max(level.shape))


def _in_image(box: Box, part: Box, factor: int) -> Box:
    """A box within a part of an image that was reduced by a factor, in pixels of the image."""
    left, top, right, bottom = box
    return (
        part[0] + factor * left,
        part[1] + factor * top,
        min(part[0] + factor * right, part[2]),
        min(part[1] + factor * bottom, part[3]),
    )


def _on_even_paper(separated: Separated) -> Found:
    """The ink on a page that grey levels alone divide."""
    strength, contrast = separated.strength(), separated.contrast
    found = _clean_ink(strength, separated.light, contrast)
    if not separated.doubtful or (found.lines >= FRAME and not found.inks):
        return found
    other = _clean_ink(cv2.bitwise_not(strength), not separated.light, contrast)
    # The lines of a box along the image's edge pass for dark paper.
    roomy = max(strength.shape) > THUMBNAIL
    if other.lines >= FRAME - roomy:
        inks = [ink for ink in other.inks if ink.edges]
        # So may the paper between a wide stroke and the edge.
        return other._replace(inks=(inks + found.inks)[:_MOST] if inks and roomy else inks)
    return found._replace(inks=(found.inks + other.inks)[:_MOST])


def _clean_ink(strength: Pixels, light: bool, contrast: int) -> Found:
    solid = cv2.threshold(strength, _SOLID, 1, cv2.THRESH_BINARY)[1]
    in_thumbnail = max(strength.shape) <= THUMBNAIL
    lines, likely, connected = select_parts(solid, strength, cautious=True, keep_dust=in_thumbnail)
    if not in_thumbnail:
        return Found([_cut(strength, selection, light, contrast) for selection in likely], lines)
    inks = [_cut(strength, selection, light, contrast) for selection in likely if selection.edges]
    for selection in likely:
        if not selection.edges:
            box, specks = (selection.box, 0) if connected else trim_specks(solid, selection.box)
            left, top, right, bottom = box
            inks.append(Ink(strength[top:bottom, left:right], box, light, contrast, specks))
    return Found(inks, lines)


def _on_uneven_paper(level: Pixels) -> Found:
    """The ink that stands out from paper in uneven light."""
    standing = stand_out(level)
    if standing is None:
        return Found([])
    strength = cv2.convertScaleAbs(standing.strength, alpha=255 / standing.pen)
    lines, likely, _ = select_parts(standing.solid, strength, cautious=False)
    return Found([_cut(strength, selection, standing.light, standing.pen) for selection in likely], lines)


def _cut(strength: Pixels, selection: Selection, light: bool, contrast: int) -> Ink:
    """The ink of the selected parts, with their soft edges, which lie just outside what is solid."""
    left, top, right, bottom = selection.box
    near = cv2.dilate(selection.mask[top:bottom, left:right], _NEAR)
    ink = cv2.multiply(strength[top:bottom, left:right], near)
    return Ink(ink, selection.box, light, contrast, selection.specks, selection.edges)
