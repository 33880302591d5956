"""The ink of one character on photographs, scans and canvases, apart from light, dust and form.

What such an image holds beside its character is told apart by size and place. Light changes over distances that no
stroke is wide; dust is smaller than the pen's own dot; what belongs to the form or to a neighbour hugs the edge.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy import ndimage

from app.framing import Pixels, stroke_width
from app.ink import SPECK, Ink, otsu
from app.luminance import luminance

Reals = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

# The longer side on which ink is sought: enough pixels for a stroke, few enough for a request.
_WORK: Final = 192
# The longer side on which paper and light are sought: they change slowly.
_COARSE: Final = 48
# A character shorter than this on the working size is looked at again, at the pixels that it has.
_FINE: Final = 96
_MARGIN: Final = 0.35  # Paper left around it for that, as a share of its longer side.
# Strokes are narrower than this share of the image's shorter side; what is wider is light or shadow.
_WINDOW: Final = 0.3
# What lies wholly within this share of the image along its edge, and touches it, is the form or a neighbour.
_EDGE_BAND: Final = 0.16
# A form's line is thinner than this share of that side, and straight to within this share.
_LINE: Final = 0.06
_STRAIGHT: Final = 0.015
# A part is a dot of the pen's where both its sides are at least this share of the stroke's width.
_LEAST_DOT: Final = 0.6
# Levels by which ink stands out; less than on a thumbnail, for uneven light has been taken away.
_MIN_CONTRAST: Final = 12
_LEVELS: Final = np.arange(256)


def by_parts(image: Image.Image) -> Ink | None:
    """The character's ink on an image of a mode that `app.luminance.plain` gives; None where nothing stands out."""
    ink = _look(image, (0, 0, *image.size))
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
    found = _look(image, closer)
    return replace(found, specks=max(ink.specks, found.specks), edges=max(ink.edges, found.edges)) if found else ink


def _look(image: Image.Image, part: tuple[int, int, int, int]) -> Ink | None:
    """The ink within a part of an image, given as left, top, right, bottom."""
    factor = max(1, -(-max(part[2] - part[0], part[3] - part[1]) // _WORK))
    reduced = luminance(image.reduce(factor, part))
    # Light changes slowly: fewer pixels tell it.
    few = reduced.reduce(max(1, round(max(reduced.size) / _COARSE)))
    level, coarse = np.asarray(reduced, np.float32), np.asarray(few, np.float32)
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
    lined = _without_lines(solid)
    kept, specks, edges = _parts(solid if lined is None else lined, strength)
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
    return Ink(ink, box, light, round(pen), specks, edges + (lined is not None))


def _light_is_ink(level: Reals) -> bool:
    """Whether what departs from the paper, as the image's edge shows it, is lighter than that paper."""
    height, width = level.shape
    rows, columns = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    terms = np.stack([np.ones_like(rows), rows, columns, rows * columns, rows**2, columns**2], -1).reshape(-1, 6)
    values = level.ravel().astype(np.float64)
    edge = (np.maximum(np.abs(rows), np.abs(columns)) > 0.75).ravel()
    at, seen = terms[edge], values[edge]
    # The light over the page is smooth: a surface through the edge, without the ink that lies there.
    for _ in range(4):
        surface = np.linalg.lstsq(at.T @ at, at.T @ seen)[0]
        departure = np.abs(seen - at @ surface)
        trusted = departure < 1.5 * float(np.median(departure)) + 4
        if trusted.all() or np.count_nonzero(trusted) < 12:
            break
        at, seen = at[trusted], seen[trusted]
    # Cubed, so that the few pixels of ink outweigh the many where light and noise depart a little.
    return float(((values - terms @ surface) ** 3).sum()) > 0


def _strength(level: Reals, coarse: Reals) -> Pixels:
    """How much each pixel of light ink stands out above its ground: what is left where narrow things are cut away.

    Args:
        level: of the image.
        coarse: of the same image on fewer pixels, from which the ground is told.
    """
    coarse = ndimage.uniform_filter(coarse, 3)  # Smooth, so that the darkest noise does not become the ground.
    window = max(3, round(_WINDOW * min(coarse.shape)) | 1)
    ground = ndimage.maximum_filter(ndimage.minimum_filter(coarse, window), window)
    ground = ndimage.uniform_filter(np.minimum(ground, coarse), max(3, window // 3))
    under = Image.fromarray(ground).resize(level.shape[::-1], Image.Resampling.BILINEAR)
    above: Pixels = np.maximum(level - np.asarray(under), 0).astype(np.uint8)
    return above


def _threshold(strength: Pixels) -> int:
    counts = np.bincount(strength.ravel(), minlength=256)
    return otsu(counts.cumsum(), (counts * _LEVELS).cumsum())


def _noise(strength: Pixels) -> float:
    """The standard deviation of what changes from pixel to pixel, from the median of neighbours' differences."""
    steps = np.abs(np.diff(strength[::2].astype(np.int16), axis=1))
    return 1.05 * float(np.median(steps)) if steps.size else 0.0  # 1.4826 / sqrt(2)


def _without_lines(solid: Mask) -> Mask | None:
    """The solid pixels without the lines of a form's box; None where there are none.

    A headline that a tight crop cuts at both ends looks the same, but then the rest reaches the image's edge too.
    """
    rest = solid.copy()
    found = [_erase_top_line(np.rot90(solid, quarter), np.rot90(rest, quarter)) for quarter in range(4)]
    if not any(found) or not rest.any():
        return None
    rows, columns = np.flatnonzero(rest.any(1)), np.flatnonzero(rest.any(0))
    free = rows[0] > 0 and columns[0] > 0 and rows[-1] + 1 < len(rest) and columns[-1] + 1 < len(rest[0])
    return rest if free else None


def _erase_top_line(solid: Mask, rest: Mask) -> bool:
    """Erase from ``rest`` a straight thin line, edge to edge, that is the first thing below the top of ``solid``."""
    height, width = solid.shape
    band = solid[: round(_EDGE_BAND * height)]
    met = band.any(0)
    if np.count_nonzero(met) < 0.95 * width or min(band.shape) < 3:
        return False
    rows = np.arange(len(band))[:, None]
    first = band.argmax(0)
    after = np.where((~band & (rows > first)).any(0), (~band & (rows > first)).argmax(0), len(band))
    thickness = float(np.median((after - first)[met]))
    columns = np.flatnonzero(met)
    slope, start = np.polyfit(columns, first[met], 1)
    line = np.rint(start + slope * np.arange(width))
    straight = np.abs(first - line) <= max(1.0, _STRAIGHT * width)
    if thickness > max(2, _LINE * height) or np.count_nonzero(straight & met) < 0.85 * width:
        return False
    # Where a stroke of the character meets the line, only the line's own thickness goes.
    end = np.where(after - first <= 1.5 * thickness + 1, after, line + np.ceil(thickness))
    rest[: len(band)][(rows >= np.minimum(first, line)) & (rows < end)] = False
    return True


def _parts(solid: Mask, strength: Pixels) -> tuple[Mask, int, int]:
    """The parts that belong to the character, and how many were left out as specks and as the edge's."""
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
    speck = (shorter < _LEAST_DOT * pen) & (areas < pen * pen) | (areas < SPECK * pen * pen)
    speck[main] = False
    speck &= ~edge
    keep = np.concatenate([[False], ~edge & ~speck])
    return keep[labels], int(np.count_nonzero(speck)), int(np.count_nonzero(edge))
