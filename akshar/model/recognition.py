"""What a recognizer says of one glyph."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from akshar.model.conformal import conformal_threshold
from akshar.model.manifest import ClassEntry
from akshar.model.svm import Floats

Classes = Sequence[tuple[str, ClassEntry]]
"""Classes with the names of their families."""


class Candidate(NamedTuple):
    """A class, and the probability that it is right, in [0, 1]."""

    family: str
    entry: ClassEntry
    confidence: float


@dataclass(frozen=True, slots=True)
class Recognition:
    """What one glyph may be, among the classes of one family or of all.

    Attributes:
        requested: the family, or `akshar.model.recognizer.AUTO`.
        candidates: the five most probable classes at most, best first.
        classes: all k classes that compete.
        probabilities: of these classes, shape (k,).
        nonconformity: calibration scores of the requested family; see `akshar.model.conformal.conformal_threshold`.
        typicality: see `akshar.model.conformal.typicality`.
        cosine: the greatest cosine similarity with any class mean.
        lookalike: a class of another family that the glyph looks like: more than like any class of the requested
            family, or, where all compete, nearly as much as like the best.
        distance: Mahalanobis distance to the nearest of the classes that compete.
    """

    requested: str
    candidates: tuple[Candidate, ...]
    classes: Classes
    probabilities: Floats
    nonconformity: Sequence[float]
    typicality: float
    cosine: float
    lookalike: Candidate | None
    distance: float = 0.0

    @property
    def best(self) -> Candidate:
        """The most probable class."""
        return self.candidates[0]

    def prediction_set(self, coverage: float) -> tuple[Candidate, ...]:
        """The classes that hold the true one in a share ``coverage`` of cases, best first; never empty.

        Where no class is probable enough to belong to them, it is as many as have that probability together.
        """
        minimum = conformal_threshold(self.nonconformity, coverage)
        columns = np.argsort(-self.probabilities, kind="stable")
        ordered = self.probabilities[columns]
        size = int((ordered >= minimum).sum()) or 1 + int(np.searchsorted(ordered.cumsum(), coverage))
        return make_candidates(self.classes, columns[:size], self.probabilities)


def make_candidates(classes: Classes, columns: npt.NDArray[np.intp], probabilities: Floats) -> tuple[Candidate, ...]:
    """The classes of these columns, with their probabilities."""
    # All at once: NumPy takes its time for each number that is taken out of an array alone.
    chosen = zip((classes[column] for column in columns.tolist()), probabilities[columns].tolist(), strict=True)
    return tuple(Candidate(family, entry, probability) for (family, entry), probability in chosen)
