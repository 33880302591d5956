"""Fonts written by a pen: each form's skeleton, bent a little and drawn with a stroke of one width.

Printed fonts have serifs, contrast and one weight throughout; handwriting has none of these. Without them a font still
shows how its characters are built: regional forms that no data set here has (५ ८ ९ अ झ ण ल श), and more vowels.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps
from scipy import ndimage
from skimage.morphology import skeletonize

Ink = npt.NDArray[np.float64]
"""Strength of the ink, 0 to 1, shape (height, width)."""

TIMES: Final = 2
"""How often each form is written."""
_SIDE: Final = 96
_ROOM: Final = 24
# Ranges from which each writing draws: the standard deviation of the movement of a 4x4 lattice's points, as a share of
# `_SIDE`; and the width of the pen in pixels.
_BEND: Final = (0.0, 0.035)
_WIDTH: Final = (2.0, 12.0)


def written(page: Image.Image) -> Iterator[Image.Image]:
    """A form, dark on white, written `TIMES` times by pens of different widths; always the same for the same page."""
    ink = ImageOps.invert(page)
    crop = ImageOps.contain(ink.crop(ink.getbbox()), (_SIDE, _SIDE), Image.Resampling.BOX)
    form = np.pad(np.asarray(crop) / 255, _ROOM)
    rng = np.random.default_rng(zlib.crc32(page.tobytes()))
    for _ in range(TIMES):
        line = np.asarray(skeletonize(_bent(form, rng) > 0.5))  # type: ignore[no-untyped-call]
        distance = ndimage.distance_transform_edt(~line)
        yield Image.fromarray(np.uint8(255 * np.clip(distance - rng.uniform(*_WIDTH) / 2 + 0.5, 0, 1)))


def _bent(ink: Ink, rng: np.random.Generator) -> Ink:
    """The ink, moved smoothly by the points of a coarse lattice."""
    lattice = rng.normal(0, rng.uniform(*_BEND) * _SIDE, (2, 4, 4)).astype(np.float32)
    moves = [np.asarray(Image.fromarray(axis).resize(ink.shape[::-1], Image.Resampling.BICUBIC)) for axis in lattice]
    bent: Ink = ndimage.map_coordinates(ink, np.indices(ink.shape) + moves, order=1)
    return bent
