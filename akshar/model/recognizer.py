"""Glyphs to recognitions: one call of the extractor for all families, then the head of each. Pure and synchronous.

The service, the command line, bulk work and the evaluation of a training all call this.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from akshar.imaging.glyph import SIZE, Glyphs
from akshar.model.bundle import Model
from akshar.model.class_means import ClassMeans
from akshar.model.classes import HOMOGLYPHS
from akshar.model.conformal import typicality
from akshar.model.extractor import Extractor, Features
from akshar.model.probability import class_probabilities, softmax
from akshar.model.recognition import Candidate, Recognition, make_candidates
from akshar.model.svm import Floats, Head

TOP_K: Final = 5
AUTO: Final = "auto"
"""In place of a family: the classes of all families compete."""
LOOKALIKE_PROBABILITY: Final = 0.02
"""Where all families compete, the probability from which a class of another family is named as a lookalike."""


class UnknownFamilyError(KeyError):
    """No head has this name."""


class RecognizedBatch(NamedTuple):
    """Recognitions of n glyphs, and the seconds that the extractor and the heads took for all of them."""

    recognitions: list[Recognition]
    extractor_seconds: float
    head_seconds: float


class Recognizer:
    """An extractor and a model on top of its features.

    Args:
        model: the heads, class means and calibration.
        extractor: the network, on a runtime.
        min_confidence: the confidence below which a prediction is abstained from, unless a request says otherwise; by
            default the model's.

    Attributes:
        families: the names that `recognize` knows, besides `AUTO`.
        model_version: which artifacts answer.
        heads: by family.
        class_means: of all families.
    """

    def __init__(self, model: Model, extractor: Extractor, min_confidence: float | None = None) -> None:
        families = model.families
        self.extractor = extractor
        self.families = tuple(families)
        self.model_version = model.version
        self.min_confidence = model.calibration.min_confidence if min_confidence is None else min_confidence
        self.heads = {name: Head(family.svc) for name, family in families.items()}
        self.class_means = ClassMeans(
            {name: family.class_means for name, family in families.items()},
            model.whitening,
            [name for name, family in families.items() if family.in_network],
        )
        self._calibrations = {name: family.calibration for name, family in families.items()}
        self._joint = model.calibration
        self._distances = [np.array(calibration.distances) for calibration in self._calibrations.values()]
        self._first_columns = [columns.start for columns in self.class_means.columns.values()]
        entries = {name: {entry.class_id: entry for entry in family.classes} for name, family in families.items()}
        # In the order of the columns of `class_means`.
        self._classes = [
            (name, entries[name][class_id]) for name, head in self.heads.items() for class_id in head.class_ids
        ]
        self._homoglyphs = _homoglyph_columns([entry.character for _, entry in self._classes])
        self._family_of_column = np.array([name for name, _ in self._classes])

    def warm_up(self, batch_sizes: Sequence[int]) -> None:
        """Run the extractor and every head at the batch sizes to come, so that no user waits for first-call work."""
        names = [*self.families, AUTO]
        for size in batch_sizes:
            self.recognize(np.zeros((size, SIZE, SIZE), np.float32), [names[i % len(names)] for i in range(size)])

    def recognize(self, glyphs: Glyphs, families: Sequence[str]) -> RecognizedBatch:
        """Read glyphs of shape (n, 32, 32), each as one of its own family (n names) or of `AUTO`.

        Raises:
            UnknownFamilyError: a family has no head; nothing is computed.
        """
        for family in families:
            if family not in self.heads and family != AUTO:
                raise UnknownFamilyError(family)
        started = time.monotonic()
        features = self.extractor(glyphs)
        extracted = time.monotonic()
        recognitions = self.classify(features, families)
        return RecognizedBatch(recognitions, extracted - started, time.monotonic() - extracted)

    def classify(self, features: Features, families: Sequence[str]) -> list[Recognition]:
        """Recognitions for features of shape (n, 512), each as one of its own family (n names) or of `AUTO`."""
        similarity = self.class_means.compare(features)
        nearest = np.minimum.reduceat(similarity.distances, self._first_columns, axis=1)
        typicalities = typicality(nearest, self._distances).tolist()
        highest_cosines = similarity.cosines.max(axis=1).tolist()
        recognitions: dict[int, Recognition] = {}
        for requested in set(families):
            rows = [row for row, name in enumerate(families) if name == requested]
            cosines, classes = similarity.cosines[rows], self._classes[self._columns(requested)]
            probabilities = self._probabilities(requested, features[rows], cosines)
            best = np.argsort(-probabilities, axis=1, kind="stable")[:, :TOP_K]
            lookalikes = self._lookalikes(requested, cosines, probabilities)
            distances = similarity.distances[rows, self._columns(requested)].min(axis=1).tolist()
            scores = (self._joint if requested == AUTO else self._calibrations[requested]).nonconformity
            for index, row in enumerate(rows):
                recognitions[row] = Recognition(
                    requested,
                    make_candidates(classes, best[index], probabilities[index]),
                    classes,
                    probabilities[index],
                    scores,
                    typicalities[row],
                    highest_cosines[row],
                    lookalikes.get(index),
                    distances[index],
                )
        return [recognitions[row] for row in range(len(families))]

    def _columns(self, requested: str) -> slice:
        """The columns of the classes that compete."""
        return slice(None) if requested == AUTO else self.class_means.columns[requested]

    def _probabilities(self, requested: str, features: Features, cosines: Floats) -> Floats:
        """Probabilities of the classes that compete, shape (n, k)."""
        if requested == AUTO:
            joint = softmax(self._joint.cosine_weight * cosines)
            by_family = [
                joint[:, columns].sum(axis=1, keepdims=True) * self._probabilities(family, features, cosines)
                for family, columns in self.class_means.columns.items()
            ]
            return np.concatenate(by_family, axis=1)
        votes, weights = self.heads[requested].votes(features), self._calibrations[requested]
        own = cosines[:, self._columns(requested)]
        return class_probabilities(votes, own, weights.cosine_weight, weights.pairwise_weight)

    def _lookalikes(self, requested: str, cosines: Floats, probabilities: Floats) -> dict[int, Candidate]:
        """The class of another family that a glyph looks like, by row, where there is one."""
        if requested == AUTO:
            best = probabilities.argmax(axis=1)
            same_family = self._family_of_column == self._family_of_column[best][:, None]
            others = np.where(same_family, 0, probabilities)
            probable = others.max(axis=1) >= LOOKALIKE_PROBABILITY
            column = np.where(probable, others.argmax(axis=1), self._homoglyphs[best])
            rows = np.flatnonzero(column >= 0)
            joint = probabilities
        else:
            own = cosines[:, self._columns(requested)].max(axis=1)
            others = np.where(self.class_means.other_families[requested], cosines, -1)
            column = others.argmax(axis=1)
            rows = np.flatnonzero(others.max(axis=1) - own > self._calibrations[requested].lookalike_margin)
            # Few glyphs look like another family's: most calls need no probabilities of all classes.
            joint = softmax(self._joint.cosine_weight * cosines) if len(rows) else cosines
        return {row: make_candidates(self._classes, column[[row]], joint[row])[0] for row in rows.tolist()}


def _homoglyph_columns(characters: Sequence[str]) -> npt.NDArray[np.intp]:
    """For each character the column of its homoglyph in another family, -1 where there is none."""
    columns: dict[str, int] = {}
    for column, character in enumerate(characters):
        columns.setdefault(character, column)  # A family added later may have the character again.
    homoglyphs = np.full(len(characters), -1)
    for one, other in HOMOGLYPHS:
        if one in columns and other in columns:
            homoglyphs[columns[one]], homoglyphs[columns[other]] = columns[other], columns[one]
    return homoglyphs
