"""Augmentation of glyphs in NumPy: what another hand, pen or scanner would have made of them.

Any Keras backend trains on its output, and one seed gives the same images on all of them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from app.framing import BORDER, SIZE

Reals = npt.NDArray[np.floating]
Batch = npt.NDArray[np.float32]
"""Glyphs, shape (n, 32, 32), values in [0, 1], ink 1."""


_CENTRE = (SIZE - 1) / 2
_FRAME = (BORDER, SIZE - BORDER - 1)
_AROUND = 6
"""Pixels beyond the glyph's own in which turned and slanted ink is sought before it is framed anew."""


@dataclass(frozen=True)
class Augmentation:
    """Strengths; each image draws its own values, uniform within plus and minus unless said otherwise.

    Attributes:
        rotation: degrees.
        shear: pixels sideways per pixel down.
        scale: logarithm of the factor, for each axis alone.
        shift: pixels, for each axis alone.
        elastic: pixels; standard deviation of a smooth random displacement on a 5x5 lattice.
        stroke: share of the images whose strokes grow or shrink.
        grow: pixels on either side by which strokes grow at most.
        shrink: the same for those that shrink.
        blur: share of the images softened by a 3x3 binomial filter.
        reframe: turned, slanted and bent ink is framed anew, as the service frames every image; scale and shift come
            after it, for the crops that miss by a little.
    """

    rotation: float = 12.0
    shear: float = 0.2
    scale: float = 0.15
    shift: float = 2.0
    elastic: float = 1.3
    stroke: float = 0.5
    grow: float = 1.0
    shrink: float = 1.0
    blur: float = 0.1
    reframe: bool = False

    def __call__(self, glyphs: Batch, rng: np.random.Generator) -> Batch:
        """Augment a batch: shape (n, 32, 32) in and out."""
        warped = _sample(glyphs, self._coordinates(glyphs, rng))
        drawn: Batch = self._soften(self._restroke(warped, rng), rng)
        # The canonical glyph's darkest ink is 1 whatever the pen, and so it stays.
        peak: Batch = np.maximum(drawn.max((1, 2), keepdims=True), np.float32(1e-3))
        return drawn / peak

    def _coordinates(self, glyphs: Batch, rng: np.random.Generator) -> Batch:
        """Where each output pixel looks in its input: shape (n, 2, height, width), rows then columns."""
        n = len(glyphs)
        angle = np.deg2rad(rng.uniform(-self.rotation, self.rotation, n))
        shear = rng.uniform(-self.shear, self.shear, n)
        zoom = np.exp(rng.uniform(-self.scale, self.scale, (n, 2)))
        shift = rng.uniform(-self.shift, self.shift, (n, 2))
        lattice = rng.normal(0, self.elastic, (n, 2, 5, 5))
        cos, sin = np.cos(angle), np.sin(angle)
        # Output to input: rotate, slant, scale. matrix: (n, 2, 2)
        matrix = np.stack([np.stack([cos, sin], -1), np.stack([shear * cos - sin, shear * sin + cos], -1)], 1)
        pixels = np.broadcast_to(np.arange(SIZE, dtype=float), (n, SIZE))
        if not self.reframe:
            return _warp(pixels, pixels, matrix * zoom[:, :, None], shift, lattice)
        rows, columns = _frames(glyphs, matrix, lattice)
        missed = (pixels[:, None] - _CENTRE) * zoom[:, :, None] + _CENTRE + shift[:, :, None]
        return _warp(_along(rows, missed[:, 0]), _along(columns, missed[:, 1]), matrix, np.zeros((n, 2)), lattice)

    def _restroke(self, glyphs: Batch, rng: np.random.Generator) -> Batch:
        n = len(glyphs)
        chosen = rng.random(n) < self.stroke
        grow = rng.random(n) < 0.5
        amount = rng.random((n, 1, 1), np.float32)
        out = glyphs.copy()
        for rows, extreme, most in ((chosen & grow, np.maximum, self.grow), (chosen & ~grow, np.minimum, self.shrink)):
            for pixel in range(math.ceil(most)):  # The last one in part.
                changed = extreme.reduce(_neighbours(out[rows], cross_only=True))
                out[rows] += np.clip(most * amount[rows] - pixel, 0, 1) * (changed - out[rows])
        return out

    def _soften(self, glyphs: Batch, rng: np.random.Generator) -> Batch:
        chosen = rng.random(len(glyphs)) < self.blur
        weights = np.array([1, 2, 1, 2, 4, 2, 1, 2, 1], np.float32) / 16
        glyphs[chosen] = np.tensordot(weights, _neighbours(glyphs[chosen]), 1)
        return glyphs


def _warp(rows: Reals, columns: Reals, matrix: Reals, shift: Reals, lattice: Reals) -> Batch:
    """Where output rows (n, r) and columns (n, c) look in their input: shape (n, 2, r, c)."""
    row, column = (rows - _CENTRE)[:, None, :, None], (columns - _CENTRE)[:, None, None, :]
    where = matrix[:, :, 0, None, None] * row + matrix[:, :, 1, None, None] * column
    where = where + (_CENTRE + shift)[:, :, None, None]
    bent = _spread(rows)[:, None] @ lattice @ _spread(columns)[:, None].swapaxes(2, 3)
    bent_where: Batch = (where + bent).astype(np.float32)
    return bent_where


def _frames(glyphs: Batch, matrix: Reals, lattice: Reals) -> tuple[Reals, Reals]:
    """First and last row, and first and last column, of the ink of each warped glyph: both shape (n, 2)."""
    n, around = len(glyphs), np.arange(-_AROUND, SIZE + _AROUND, dtype=float)
    pixels = np.broadcast_to(around, (n, len(around)))
    where = _warp(pixels, pixels, matrix, np.zeros((n, 2)), lattice)
    nearest = np.rint(where).astype(np.int32) + 1
    padded = np.pad(glyphs > 0.5, ((0, 0), (1, 1), (1, 1)))
    nearest = nearest.clip(0, SIZE + 1)
    solid = padded[np.arange(n)[:, None, None], nearest[:, 0], nearest[:, 1]]
    ends = []
    for axis in (2, 1):
        met = np.asarray(solid.any(axis))
        first, last = met.argmax(1), met.shape[1] - 1 - met[:, ::-1].argmax(1)
        ends.append(np.stack([around[first], around[last]], 1))
    return ends[0], ends[1]


def _along(ends: Reals, pixels: Reals) -> Reals:
    """Pixels of a frame, shape (n, size), as places between the ends of the ink, (n, 2)."""
    share = (pixels - _FRAME[0]) / (_FRAME[1] - _FRAME[0])
    places: Reals = ends[:, :1] + share * np.maximum(ends[:, 1:] - ends[:, :1], 1)
    return places


def _spread(places: Reals) -> Reals:
    """Weights that spread 5 lattice values over places (n, size): shape (n, size, 5), Gaussian, summing to one."""
    distance = (places * 4 / (SIZE - 1))[..., None] - np.arange(5)
    weights = np.exp(-0.5 * (distance / 0.6) ** 2)
    spread: Reals = weights / weights.sum(-1, keepdims=True)
    return spread


def _neighbours(glyphs: Batch, cross_only: bool = False) -> Batch:
    """The 3x3 (or cross of 5) neighbours of each pixel, paper beyond the edge: shape (9 or 5, n, height, width)."""
    height, width = glyphs.shape[1:]
    padded = np.pad(glyphs, ((0, 0), (1, 1), (1, 1)))
    offsets = [(y, x) for y in range(3) for x in range(3) if not cross_only or 1 in (y, x)]
    return np.stack([padded[:, y : y + height, x : x + width] for y, x in offsets])


def _sample(glyphs: Batch, where: Batch) -> Batch:
    """Bilinear samples of each glyph at ``where``, shape (n, 2, height, width); paper beyond the edge."""
    n, height, width = glyphs.shape
    padded = np.pad(glyphs, ((0, 0), (1, 1), (1, 1)))
    row = np.clip(where[:, 0] + 1, 0, height + 0.999)
    column = np.clip(where[:, 1] + 1, 0, width + 0.999)
    top, left = row.astype(np.int32), column.astype(np.int32)
    down, right = row - top, column - left
    stride = width + 2
    index = np.arange(n, dtype=np.int32)[:, None, None] * ((height + 2) * stride) + top * stride + left
    flat = padded.ravel()
    upper = flat[index] * (1 - right) + flat[index + 1] * right
    lower = flat[index + stride] * (1 - right) + flat[index + stride + 1] * right
    sampled: Batch = (upper * (1 - down) + lower * down).astype(np.float32)
    return sampled
