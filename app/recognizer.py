"""Glyphs to answers: one extractor call for all families, then each family's head. Pure and synchronous.

The API, the command line, bulk scoring and the evaluation of a training all call this.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from app.bundle import Bundle, ClassEntry
from app.catalogue import SAME_SHAPE
from app.extractor import Extractor, Features, Glyphs
from app.heads import Floats, Head
from app.trust import Prototypes, least_probability, probabilities, softmax

TOP: Final = 5
AUTO: Final = "auto"
"""Names no family: the classes of all compete."""
SHARED: Final = 0.02
"""Where all compete, the probability from which a class of another family is named beside the answer."""


class Candidate(NamedTuple):
    """A class, and the probability that it is right, in [0, 1]."""

    family: str
    entry: ClassEntry
    confidence: float


@dataclass(frozen=True, slots=True)
class Recognition:
    """What one glyph may be, asked as one of a family or of `AUTO`.

    Attributes:
        asked: the family, or `AUTO`.
        candidates: best first; at most five, the answer among them.
        classes: all that compete, with their families.
        probabilities: theirs, shape (k,).
        familiarity: above zero for a glyph that is as near to a class as its family's own glyphs are; in units of
            `app.trust.Likeness.distances`.
        likeness: to the nearest class, as a cosine.
        elsewhere: a class of another family that it looks like: more than any asked for, or, where all compete, too.
    """

    asked: str
    candidates: tuple[Candidate, ...]
    classes: Sequence[tuple[str, ClassEntry]]
    probabilities: Floats
    familiarity: float
    likeness: float
    elsewhere: Candidate | None

    @property
    def best(self) -> Candidate:
        """The answer."""
        return self.candidates[0]

    def at_least(self, probability: float) -> tuple[Candidate, ...]:
        """The classes of so great a probability, best first; the answer in any case."""
        count = max(1, int((self.probabilities >= probability).sum()))
        columns = np.argsort(-self.probabilities, kind="stable")[:count]
        return _candidates(self.classes, columns, self.probabilities)


def _candidates(
    classes: Sequence[tuple[str, ClassEntry]], columns: npt.NDArray[np.intp], probabilities: Floats
) -> tuple[Candidate, ...]:
    """The classes of these columns, with their probabilities."""
    # All at once: NumPy takes its time for each number that it gives away alone.
    found = zip((classes[column] for column in columns.tolist()), probabilities[columns].tolist(), strict=True)
    return tuple(Candidate(family, entry, probability) for (family, entry), probability in found)


def _twins(characters: Sequence[str]) -> npt.NDArray[np.intp]:
    """For each of the characters the place of the one of another family that has its shape, -1 where there is none."""
    places: dict[str, int] = {}
    for place, character in enumerate(characters):
        places.setdefault(character, place)  # A family added later may have the character again.
    twins = np.full(len(characters), -1)
    for one, other in SAME_SHAPE:
        if one in places and other in places:
            twins[places[one]], twins[places[other]] = places[other], places[one]
    return twins


class UnknownFamilyError(KeyError):
    """No head has this name."""


class Recognizer:
    """The extractor and the heads of one bundle.

    Args:
        bundle: what was loaded.
        extractor: its network, on a runtime.
        min_confidence: the least probability of an answer that is relied on, where no request says otherwise; by
            default the manifest's.
    """

    def __init__(self, bundle: Bundle, extractor: Extractor, min_confidence: float | None = None) -> None:
        manifest = bundle.manifest
        self.extractor = extractor
        self.manifest = manifest
        self.trust = manifest.trust
        self.min_confidence = self.trust.min_confidence if min_confidence is None else min_confidence
        self.heads = {name: Head(svc) for name, svc in bundle.heads.items()}
        self._calibrations = {name: family.calibration for name, family in manifest.families.items()}
        self._nonconformity = {
            AUTO: manifest.trust.nonconformity,
            **{name: entry.nonconformity for name, entry in self._calibrations.items()},
        }
        self._prototypes = Prototypes(bundle.prototypes, bundle.whitening)
        of_family = {
            name: {entry.class_id: entry for entry in family.classes} for name, family in manifest.families.items()
        }
        # In the order of the prototypes' columns.
        self._classes = [
            (name, of_family[name][class_id]) for name, head in self.heads.items() for class_id in head.class_ids
        ]
        self._twins = _twins([entry.character for _, entry in self._classes])
        self._family = np.array([name for name, _ in self._classes])
        self._farthest = np.array([self._calibrations[name].farthest for name, _ in self._classes])

    @property
    def model_version(self) -> str:
        """Which artifacts answer."""
        return self.manifest.model_version

    @property
    def families(self) -> list[str]:
        """The names that `recognize` knows, but for `AUTO`."""
        return list(self.heads)

    def least_probability(self, family: str, coverage: float) -> float:
        """From which a class is one of those that hold the truth in a share ``coverage`` of cases; `AUTO`, too."""
        return least_probability(self._nonconformity[family], coverage)

    def warm_up(self, batch_sizes: Sequence[int]) -> None:
        """Run every head and the extractor at the batch sizes to come, so that no user waits for first-call work."""
        names = [*self.families, AUTO]
        for size in batch_sizes:
            self.recognize(np.zeros((size, 32, 32), np.float32), [names[i % len(names)] for i in range(size)])

    def recognize(self, glyphs: Glyphs, families: Sequence[str]) -> list[Recognition]:
        """Read glyphs of shape (n, 32, 32), each by the head of its own family (n names), or of all.

        Raises:
            UnknownFamilyError: a family has no head; nothing is computed.
        """
        for family in families:
            if family not in self.heads and family != AUTO:
                raise UnknownFamilyError(family)
        return self.classify(self.extractor(glyphs), families)

    def classify(self, features: Features, families: Sequence[str]) -> list[Recognition]:
        """Answers of the heads for features of shape (n, 512), each by the head of its own family (n names)."""
        likeness = self._prototypes.compare(features)
        familiar = (self._farthest - likeness.distances).max(axis=1).tolist()
        nearest = likeness.cosines.max(axis=1).tolist()
        answers: dict[int, Recognition] = {}
        for asked in set(families):
            rows = [row for row, name in enumerate(families) if name == asked]
            cosines, classes = likeness.cosines[rows], self._classes[self._columns(asked)]
            shares = self._shares(asked, features[rows], cosines)
            best = np.argsort(-shares, axis=1, kind="stable")[:, :TOP]
            elsewhere = self._elsewhere(asked, cosines, shares)
            for place, row in enumerate(rows):
                answers[row] = Recognition(
                    asked,
                    _candidates(classes, best[place], shares[place]),
                    classes,
                    shares[place],
                    familiar[row],
                    nearest[row],
                    elsewhere.get(place),
                )
        return [answers[row] for row in range(len(families))]

    def _columns(self, asked: str) -> slice:
        """Whose cosines and classes compete."""
        return slice(None) if asked == AUTO else self._prototypes.columns[asked]

    def _shares(self, asked: str, features: Features, cosines: Floats) -> Floats:
        """Probabilities of the classes that compete, shape (n, k)."""
        if asked == AUTO:
            joint = softmax(self.trust.joint_likeness * cosines)
            shares = [
                joint[:, columns].sum(axis=1, keepdims=True) * self._shares(family, features, cosines)
                for family, columns in self._prototypes.columns.items()
            ]
            return np.concatenate(shares, axis=1)
        margins, weights = self.heads[asked].margins(features), self._calibrations[asked]
        return probabilities(margins, cosines[:, self._columns(asked)], weights.likeness, weights.coupling)

    def _elsewhere(self, asked: str, cosines: Floats, shares: Floats) -> dict[int, Candidate]:
        """The class of another family that a glyph looks like, by row, where it does."""
        if asked == AUTO:
            best = shares.argmax(axis=1)
            rest = np.where(self._family == self._family[best][:, None], 0, shares)
            column = np.where(rest.max(axis=1) >= SHARED, rest.argmax(axis=1), self._twins[best])
            found = np.flatnonzero(column >= 0)
            of_class = shares
        else:
            own = cosines[:, self._columns(asked)].max(axis=1)
            rest = self._prototypes.elsewhere(cosines, asked)
            column = rest.argmax(axis=1)
            found = np.flatnonzero(rest.max(axis=1) - own > self._calibrations[asked].elsewhere)
            # Few glyphs look like another family's: most calls need no probabilities of all classes.
            of_class = softmax(self.trust.joint_likeness * cosines) if len(found) else cosines
        return {row: _candidates(self._classes, column[[row]], of_class[row])[0] for row in found.tolist()}
