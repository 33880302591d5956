"""Finds the ink of one character in photographs, scans and canvases, among uneven light, dust and form lines.

Size and place tell what else such an image shows. Light changes over distances wider than any stroke; dust is smaller
than a dot of the pen; form lines and neighbouring characters hug the edge.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy import ndimage

from akshar.imaging.glyph import Pixels
from akshar.imaging.grayscale import luminance
from akshar.imaging.strokes import stroke_width
from akshar.imaging.threshold import SPECK, Ink, otsu

Reals = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

# The longer side, in pixels, at which ink is sought: enough for a stroke, few enough for a request.
_WORK: Final = 192
# The longer side at which paper and light are estimated: they change slowly.
_COARSE: Final = 48
# A character smaller than this at the working size is segmented again, at its full resolution.
_FINE: Final = 96
_MARGIN: Final = 0.35  # Paper kept around it, as a share of its longer side.
# Strokes are narrower than this share of the image's shorter side; anything wider is light or shadow.
_WINDOW: Final = 0.3
# A part that touches the edge and lies wholly within this share of the image along it is the form or a neighbour.
_EDGE_BAND: Final = 0.16
# A form line is thinner than this share of that side, and straight to within the next.
_LINE: Final = 0.06
_STRAIGHT: Final = 0.015
# A part is a dot of the pen, not dust, if both its sides are at least this share of the stroke width.
_MIN_DOT: Final = 0.6
# Grey levels between ink and paper; less than in a thumbnail, because uneven light has been removed.
_MIN_CONTRAST: Final = 12
_LEVELS: Final = np.arange(256)


def segment(image: Image.Image) -> Ink | None:
    """The ink of the character in an image from `akshar.imaging.modes.to_plain_mode`; None if nothing stands out."""
    ink = _segment_part(image, (0, 0, *image.size))
    if ink is None:
        return None
    left, top, right, bottom = ink.box
    side = max(right - left, bottom - top)
    if side * _WORK >= _FINE * max(image.size) or max(image.size) <= _WORK:
        return ink
    margin = round(_MARGIN * side)
    closer = (
        max(0, left - margin),
        max(0, top - margin),
        min(image.width, right + margin),
        min(image.height, bottom + margin),
    )
    refined = _segment_part(image, closer)
    if refined is None:
        return ink
    return replace(refined, specks=max(ink.specks, refined.specks), edges=max(ink.edges, refined.edges))


def _segment_part(image: Image.Image, part: tuple[int, int, int, int]) -> Ink | None:
    """The ink within a part of an image, given as left, top, right, bottom."""
    factor = max(1, -(-max(part[2] - part[0], part[3] - part[1]) // _WORK))
    reduced = luminance(image.reduce(factor, part))
    # Light changes slowly: few pixels are enough to estimate it.
    coarse_image = reduced.reduce(max(1, round(max(reduced.size) / _COARSE)))
    level, coarse = np.asarray(reduced, np.float32), np.asarray(coarse_image, np.float32)
    light = _light_is_ink(coarse)
    strength = _strength(level, coarse) if light else _strength(255 - level, 255 - coarse)
    threshold = _threshold(strength)
    noise = _noise(strength)
    if noise > threshold / 6:
        strength = ndimage.gaussian_filter(strength, min(2.5, 6 * noise / max(threshold, 1)))
        threshold = _threshold(strength)
    solid = strength > threshold
    if not solid.any():
        return None
    pen = float(np.median(strength[solid]))
    if pen < _MIN_CONTRAST:
        return None
    without_lines = _remove_lines(solid)
    kept, specks, edges = _select_parts(solid if without_lines is None else without_lines, strength)
    rows, columns = np.flatnonzero(kept.any(1)), np.flatnonzero(kept.any(0))
    top, bottom, left, right = int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1
    # Soft edges of strokes lie just outside what is solid.
    near = ndimage.maximum_filter(kept[top:bottom, left:right].view(np.uint8), 5)
    ink = np.minimum(strength[top:bottom, left:right] * (255 / pen), 255).astype(np.uint8) * near
    box = (
        part[0] + factor * left,
        part[1] + factor * top,
        min(part[0] + factor * right, part[2]),
        min(part[1] + factor * bottom, part[3]),
    )
    return Ink(ink, box, light, round(pen), specks, edges + (without_lines is not None))


def _light_is_ink(level: Reals) -> bool:
    """Whether the ink is lighter than the paper, whose brightness is estimated from the image's edge."""
    height, width = level.shape
    rows, columns = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    terms = np.stack([np.ones_like(rows), rows, columns, rows * columns, rows**2, columns**2], -1).reshape(-1, 6)
    values = level.ravel().astype(np.float64)
    edge = (np.maximum(np.abs(rows), np.abs(columns)) > 0.75).ravel()
    at, observed = terms[edge], values[edge]
    # The light on a page is smooth: fit a surface to the edge, ignoring the ink there.
    for _ in range(4):
        surface = np.linalg.lstsq(at.T @ at, at.T @ observed)[0]
        departure = np.abs(observed - at @ surface)
        trusted = departure < 1.5 * float(np.median(departure)) + 4
        if trusted.all() or np.count_nonzero(trusted) < 12:
            break
        at, observed = at[trusted], observed[trusted]
    # Cubed, so that a few pixels of ink outweigh the many that differ a little by light and noise.
    return float(((values - terms @ surface) ** 3).sum()) > 0


def _strength(level: Reals, coarse: Reals) -> Pixels:
    """How much each pixel of light ink stands out above the paper: a white top-hat transform.

    Args:
        level: grey levels, light ink on dark paper, shape (height, width).
        coarse: the same image at fewer pixels, from which the paper is estimated.
    """
    coarse = ndimage.uniform_filter(coarse, 3)  # Smooth, so that the darkest noise is not taken for the paper.
    window = max(3, round(_WINDOW * min(coarse.shape)) | 1)
    paper = ndimage.maximum_filter(ndimage.minimum_filter(coarse, window), window)
    paper = ndimage.uniform_filter(np.minimum(paper, coarse), max(3, window // 3))
    under = Image.fromarray(paper).resize(level.shape[::-1], Image.Resampling.BILINEAR)
    above: Pixels = np.maximum(level - np.asarray(under), 0).astype(np.uint8)
    return above


def _threshold(strength: Pixels) -> int:
    counts = np.bincount(strength.ravel(), minlength=256)
    return otsu(counts.cumsum(), (counts * _LEVELS).cumsum())


def _noise(strength: Pixels) -> float:
    """The standard deviation of pixel noise, estimated from the median difference of neighbouring pixels."""
    steps = np.abs(np.diff(strength[::2].astype(np.int16), axis=1))
    return 1.05 * float(np.median(steps)) if steps.size else 0.0  # 1.4826 / sqrt(2)


def _remove_lines(solid: Mask) -> Mask | None:
    """The solid pixels without the lines of a form's box; None if there are none.

    A headline that a tight crop cuts at both ends looks the same, but then the rest touches the image's edge, too.
    """
    rest = solid.copy()
    erased = [_erase_top_line(np.rot90(solid, quarter), np.rot90(rest, quarter)) for quarter in range(4)]
    if not any(erased) or not rest.any():
        return None
    rows, columns = np.flatnonzero(rest.any(1)), np.flatnonzero(rest.any(0))
    free = rows[0] > 0 and columns[0] > 0 and rows[-1] + 1 < len(rest) and columns[-1] + 1 < len(rest[0])
    return rest if free else None


def _erase_top_line(solid: Mask, rest: Mask) -> bool:
    """Erase from ``rest`` a straight, thin line from edge to edge that is the topmost thing in ``solid``."""
    height, width = solid.shape
    band = solid[: round(_EDGE_BAND * height)]
    has_ink = band.any(0)
    if np.count_nonzero(has_ink) < 0.95 * width or min(band.shape) < 3:
        return False
    rows = np.arange(len(band))[:, None]
    first = band.argmax(0)
    after = np.where((~band & (rows > first)).any(0), (~band & (rows > first)).argmax(0), len(band))
    thickness = float(np.median((after - first)[has_ink]))
    columns = np.flatnonzero(has_ink)
    slope, start = np.polyfit(columns, first[has_ink], 1)
    line = np.rint(start + slope * np.arange(width))
    straight = np.abs(first - line) <= max(1.0, _STRAIGHT * width)
    if thickness > max(2, _LINE * height) or np.count_nonzero(straight & has_ink) < 0.85 * width:
        return False
    # Where a stroke of the character meets the line, only the thickness of the line is erased.
    end = np.where(after - first <= 1.5 * thickness + 1, after, line + np.ceil(thickness))
    rest[: len(band)][(rows >= np.minimum(first, line)) & (rows < end)] = False
    return True


def _select_parts(solid: Mask, strength: Pixels) -> tuple[Mask, int, int]:
    """The connected parts that belong to the character, and the number removed as specks and at the edge."""
    labels, count = ndimage.label(solid, np.ones((3, 3)))
    if count == 1:
        return solid, 0, 0
    flat = labels.ravel()
    areas = np.bincount(flat, minlength=count + 1)[1:]
    mass = np.bincount(flat, strength.ravel(), count + 1)[1:]
    boxes = ndimage.find_objects(labels)
    height, width = solid.shape
    band = round(_EDGE_BAND * height), round(_EDGE_BAND * width)
    inner = labels[band[0] : height - band[0], band[1] : width - band[1]]
    inside = np.bincount(inner.ravel(), minlength=count + 1)[1:] > 0
    touching = np.array(
        [r.start == 0 or c.start == 0 or r.stop == height or c.stop == width for r, c in boxes], np.bool_
    )
    edge = touching & ~inside
    if edge.all():
        edge[:] = False
    main = int(np.where(edge, 0, mass).argmax())
    pen = stroke_width(np.pad(labels[boxes[main]] == main + 1, 1))
    shorter = np.array([min(r.stop - r.start, c.stop - c.start) for r, c in boxes])
    speck = (shorter < _MIN_DOT * pen) & (areas < pen * pen) | (areas < SPECK * pen * pen)
    speck[main] = False
    speck &= ~edge
    keep = np.concatenate([[False], ~edge & ~speck])
    return keep[labels], int(np.count_nonzero(speck)), int(np.count_nonzero(edge))
