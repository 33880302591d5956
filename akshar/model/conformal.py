"""Conformal prediction: how typical a glyph is of the held-out characters, and sets that hold the true class."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from akshar.model.svm import Floats


def typicality(distances: Floats, held_out: Sequence[Floats]) -> Floats:
    """The conformal p-value of n glyphs: the share of held-out characters that are no more typical, in [0, 1].

    For each family that is the share of its held-out characters at least as far from their nearest class as the glyph
    is from its own; the greatest of these shares counts. The plain share is used, without the usual +1 for the glyph
    itself: a glyph that is farther than all held-out characters has the typicality 0, however few of them there are.

    Args:
        distances: of each glyph from the nearest class of each family, shape (n, families).
        held_out: the ascending distances of each family's held-out characters.
    """
    shares = [
        (len(scores) - np.searchsorted(scores, column, side="left")) / len(scores)
        for scores, column in zip(held_out, distances.T, strict=True)
    ]
    p_values: Floats = np.max(shares, axis=0)
    return p_values


def conformal_threshold(nonconformity: npt.ArrayLike, coverage: float) -> float:
    """The probability from which a class belongs to a set that holds the true class in a share ``coverage`` of cases.

    Split conformal prediction with the score 1 - probability of the true class (Sadinle, Lei and Wasserman, "Least
    ambiguous set-valued classifiers", 2019). It holds for images that are drawn as the calibration images were.

    Args:
        nonconformity: scores of n calibration images.
        coverage: above 0 and below 1; more than n images can guarantee gives 0: all classes.
    """
    scores = np.sort(np.asarray(nonconformity, np.float64))
    rank = math.ceil((len(scores) + 1) * coverage)
    return 0.0 if rank > len(scores) else float(1 - scores[rank - 1])
