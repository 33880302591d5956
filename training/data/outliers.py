"""Outliers to train on: what no class has, made from the glyphs of real hands.

They are pieces of two characters joined, halves of one, two laid over each other, and characters turned or mirrored.
None is rendered from a font, as the inputs of `training.evaluation.ood` are. Each way of making one has classes of its
own, one for each class that it was made of, which the network tells apart while it is trained: the left half of a क,
a ट upside down. So it finds them unlike the 58 classes, as in outlier exposure (Hendrycks et al., 2018). Targets that
are equal for all classes would make them all alike, but families added later need features that tell other marks apart.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from akshar.imaging.glyph import BORDER, INNER, SIZE, Glyph, Glyphs
from akshar.imaging.normalize import normalize
from akshar.model.classes import JOINT_CLASSES, joint_index
from training.data.dataset import Dataset

Ink = npt.NDArray[np.float32]
"""Strength of ink, 0 to 1, of any shape (height, width)."""
Made = tuple[Ink, Sequence[tuple[int, int]]]
"""Ink, and what it shows, in equal shares: kinds of outlier, and which of two glyphs each was made of (0 or 1)."""
Maker = Callable[[Glyph, Glyph, np.random.Generator], Made]
"""Makes an outlier from two glyphs of different classes."""

# Kinds: halves, turns, and what is laid over something else.
_LEFT, _RIGHT, _UPPER, _LOWER, _QUARTER, _HALF_TURN, _BACK, _MIRRORED, _OVER = range(9)
KINDS: Final = 9
OUTLIER_CLASSES: Final = KINDS * JOINT_CLASSES
_SYMMETRIC: Final = joint_index("numerals", 0)
"""The class that stays what it is when it is turned: ०."""
_INK: Final = 0.3
_MIN_SIDE: Final = 4
"""Pixels of ink that a piece must have in either direction."""
_MIN_MEAN: Final = 0.03


def beside(a: Glyph, b: Glyph, rng: np.random.Generator) -> Made:
    """The left part of one and all of the other, narrowed: as conjuncts are written."""
    return _joined(a, b, rng), ((_LEFT, 0), (_RIGHT, 1))


def below(a: Glyph, b: Glyph, rng: np.random.Generator) -> Made:
    """The upper part of one and all of the other, flattened."""
    return _joined(a.T, b.T, rng).T, ((_UPPER, 0), (_LOWER, 1))


def half(a: Glyph, _: Glyph, rng: np.random.Generator) -> Made:
    """The left, right, upper or lower half of one."""
    kept, kind = BORDER + int(rng.integers(11, 19)), int(rng.integers(4))
    return (a[:, :kept], a[:, -kept:], a[:kept], a[-kept:])[kind], ((_LEFT + kind, 0),)


def over(a: Glyph, b: Glyph, rng: np.random.Generator) -> Made:
    """One laid over the other."""
    down, right = (int(move) for move in rng.integers(-5, 6, 2))
    page = np.pad(a, 6)
    part = page[6 + down : 6 + down + SIZE, 6 + right : 6 + right + SIZE]
    np.maximum(part, b, out=part)
    return page, ((_OVER, 0), (_OVER, 1))


def turned(a: Glyph, _: Glyph, rng: np.random.Generator) -> Made:
    """One turned by a quarter or half, or mirrored."""
    kind = int(rng.integers(4))
    return (np.rot90(a), np.rot90(a, 2), np.rot90(a, 3), a[:, ::-1])[kind], ((_QUARTER + kind, 0),)


def _joined(a: Glyph, b: Glyph, rng: np.random.Generator) -> Ink:
    left = a[:, BORDER : BORDER + rng.integers(9, 18)]
    width = int(rng.integers(INNER // 2, INNER + 1))
    right = cv2.resize(b[:, BORDER:-BORDER], (width, SIZE), interpolation=cv2.INTER_AREA)
    page = np.zeros((SIZE, left.shape[1] + width - int(rng.integers(0, 4))), np.float32)
    page[:, : left.shape[1]] = left
    page[:, -width:] = np.maximum(page[:, -width:], right)
    return page


MAKERS: Final[tuple[Maker, ...]] = (beside, below, half, over, turned)


class Outliers(NamedTuple):
    """Outliers, and what each is made of.

    Attributes:
        glyphs: shape (n, 32, 32).
        targets: shares of the classes of outliers, shape (n, OUTLIER_CLASSES), float32.
    """

    glyphs: Glyphs
    targets: npt.NDArray[np.float32]


def make_outliers(images: Dataset, number: int, seed: int) -> Outliers:
    """Make outliers from images that are trained on.

    Args:
        images: of at least two classes.
        number: of outliers.
        seed: of what is joined, and how.
    """
    rng, joint = np.random.default_rng(seed), images.joint
    glyphs = np.zeros((number, SIZE, SIZE), np.float32)
    targets = np.zeros((number, OUTLIER_CLASSES), np.float32)
    made = 0
    while made < number:
        rows = rng.integers(len(images), size=2)
        make = MAKERS[rng.integers(len(MAKERS))]
        if joint[rows[0]] == joint[rows[1]] or (make is turned and joint[rows[0]] == _SYMMETRIC):
            continue
        page, shows = make(images.glyphs[rows[0]], images.glyphs[rows[1]], rng)
        glyph = _framed(page)
        if glyph is not None:
            glyphs[made] = glyph
            for kind, which in shows:
                targets[made, kind * JOINT_CLASSES + joint[rows[which]]] += 1 / len(shows)
            made += 1
    return Outliers(glyphs, targets)


def _framed(page: Ink) -> Glyph | None:
    """Ink as a canonical glyph; None if there is too little."""
    rows, columns = (np.flatnonzero(page.max(axis=axis) > _INK) for axis in (1, 0))
    if min(len(rows), len(columns)) < _MIN_SIDE:
        return None
    ink = page[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    normalized = normalize(np.ascontiguousarray(255 * ink, np.uint8))
    return None if normalized is None or normalized[0].mean() <= _MIN_MEAN else normalized[0]
