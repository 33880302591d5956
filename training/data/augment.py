"""Augmentation of glyphs in NumPy: what another hand, pen or scanner would have produced.

Any Keras backend trains on its output, and one seed gives the same images on all of them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Batch = npt.NDArray[np.float32]
"""Glyphs, shape (n, 32, 32), values in [0, 1], ink 1."""


@dataclass(frozen=True)
class Augmentation:
    """Strengths; each image draws its own values, uniform within plus and minus unless said otherwise.

    Attributes:
        rotation: degrees.
        shear: pixels sideways per pixel down.
        scale: logarithm of the factor, for each axis separately.
        shift: pixels, for each axis separately.
        elastic: pixels; standard deviation of a smooth random displacement on a 5x5 lattice.
        stroke: share of the images in which strokes grow or shrink.
        grow: greatest growth, in pixels on either side of a stroke.
        shrink: greatest shrinkage, likewise.
        blur: share of the images softened by a 3x3 binomial filter.
    """

    rotation: float = 12.0
    shear: float = 0.2
    scale: float = 0.15
    shift: float = 2.0
    elastic: float = 1.3
    stroke: float = 0.5
    grow: float = 2.0
    shrink: float = 1.0
    blur: float = 0.25

    def __call__(self, glyphs: Batch, rng: np.random.Generator) -> Batch:
        """Augment a batch: shape (n, 32, 32) in and out."""
        warped = _sample(glyphs, self._coordinates(glyphs.shape, rng))
        drawn: Batch = self._soften(self._restroke(warped, rng), rng)
        # The canonical glyph's darkest ink is 1 whatever the pen, and so it stays.
        peak: Batch = np.maximum(drawn.max((1, 2), keepdims=True), np.float32(1e-3))
        return drawn / peak

    def _coordinates(self, shape: tuple[int, ...], rng: np.random.Generator) -> Batch:
        """Where each output pixel looks in its input: shape (n, 2, height, width), rows then columns."""
        n, height, width = shape
        angle = np.deg2rad(rng.uniform(-self.rotation, self.rotation, n))
        shear = rng.uniform(-self.shear, self.shear, n)
        zoom = np.exp(rng.uniform(-self.scale, self.scale, (n, 2)))
        shift = rng.uniform(-self.shift, self.shift, (n, 2))
        cos, sin = np.cos(angle), np.sin(angle)
        # Output to input: rotate, slant, scale. matrix: (n, 2, 2)
        matrix = np.stack([np.stack([cos, sin], -1), np.stack([shear * cos - sin, shear * sin + cos], -1)], 1)
        matrix = matrix * zoom[:, :, None]
        centre = (np.array([height, width]) - 1) / 2
        grid = np.stack(np.meshgrid(np.arange(height), np.arange(width), indexing="ij")).reshape(2, -1)
        points = matrix @ (grid - centre[:, None]) + (centre + shift)[:, :, None]
        lattice = rng.normal(0, self.elastic, (n, 2, 5, 5))
        bent = points.reshape(n, 2, height, width) + _smooth_rows(height) @ lattice @ _smooth_rows(width).T
        return np.asarray(bent, np.float32)

    def _restroke(self, glyphs: Batch, rng: np.random.Generator) -> Batch:
        n = len(glyphs)
        selected = rng.random(n) < self.stroke
        grow = rng.random(n) < 0.5
        amount = rng.random((n, 1, 1), np.float32)
        out = glyphs.copy()
        for rows, extreme, reach in (
            (selected & grow, np.maximum, self.grow),
            (selected & ~grow, np.minimum, self.shrink),
        ):
            for pixel in range(math.ceil(reach)):  # The last one in part.
                changed = extreme.reduce(_neighbours(out[rows], cross_only=True))
                out[rows] += np.clip(reach * amount[rows] - pixel, 0, 1) * (changed - out[rows])
        return out

    def _soften(self, glyphs: Batch, rng: np.random.Generator) -> Batch:
        selected = rng.random(len(glyphs)) < self.blur
        weights = np.array([1, 2, 1, 2, 4, 2, 1, 2, 1], np.float32) / 16
        glyphs[selected] = np.tensordot(weights, _neighbours(glyphs[selected]), 1)
        return glyphs


def _smooth_rows(size: int) -> npt.NDArray[np.float64]:
    """Weights that spread 5 lattice values over ``size`` pixels, Gaussian, shape (size, 5), rows summing to one."""
    distance = np.linspace(0, 4, size)[:, None] - np.arange(5)
    weights = np.exp(-0.5 * (distance / 0.6) ** 2)
    return np.asarray(weights / weights.sum(1, keepdims=True), np.float64)


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
