"""Glyphs to answers: one extractor call for all families, then each family's head. Pure and synchronous.

The API, the command line, bulk scoring and the evaluation of a training all call this.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from app.bundle import Bundle, ClassEntry
from app.extractor import Extractor, Features, Glyphs
from app.heads import Head

TOP = 5


@dataclass(frozen=True, slots=True)
class Candidate:
    """A class and how sure the head is of it, in [0, 1]."""

    entry: ClassEntry
    confidence: float


@dataclass(frozen=True, slots=True)
class Recognition:
    """The best candidates of one glyph in one family, best first; at most five, the answer among them."""

    family: str
    candidates: tuple[Candidate, ...]

    @property
    def best(self) -> Candidate:
        """The answer."""
        return self.candidates[0]


class UnknownFamilyError(KeyError):
    """No head has this name."""


class Recognizer:
    """The extractor and the heads of one bundle."""

    def __init__(self, bundle: Bundle, extractor: Extractor) -> None:
        self.extractor = extractor
        self.model_version = bundle.manifest.model_version
        self.heads = {name: Head(svc) for name, svc in bundle.heads.items()}
        self._classes = {
            name: {entry.class_id: entry for entry in family.classes}
            for name, family in bundle.manifest.families.items()
        }

    @property
    def families(self) -> list[str]:
        """The names that `recognize` knows."""
        return list(self.heads)

    def warm_up(self, batch_sizes: Sequence[int]) -> None:
        """Run every head and the extractor at the batch sizes to come, so that no user waits for first-call work."""
        for size in batch_sizes:
            self.recognize(
                np.zeros((size, 32, 32), np.float32), [self.families[i % len(self.families)] for i in range(size)]
            )

    def recognize(self, glyphs: Glyphs, families: Sequence[str]) -> list[Recognition]:
        """Read glyphs of shape (n, 32, 32), each by the head of its own family (n names).

        Raises:
            UnknownFamilyError: a family has no head; nothing is computed.
        """
        for family in families:
            if family not in self.heads:
                raise UnknownFamilyError(family)
        return self.classify(self.extractor(glyphs), families)

    def classify(self, features: Features, families: Sequence[str]) -> list[Recognition]:
        """Answers of the heads for features of shape (n, 512), each by the head of its own family (n names)."""
        answers: dict[int, Recognition] = {}
        for family in set(families):
            rows = [row for row, name in enumerate(families) if name == family]
            answers.update(zip(rows, self._classify(features[rows], family), strict=True))
        return [answers[row] for row in range(len(families))]

    def _classify(self, features: Features, family: str) -> list[Recognition]:
        ranking = self.heads[family].rank(features)
        classes = self._classes[family]
        return [
            Recognition(
                family,
                tuple(
                    Candidate(classes[class_id], confidence)
                    for class_id, confidence in zip(class_ids, confidences, strict=True)
                ),
            )
            for class_ids, confidences in zip(
                ranking.class_ids[:, :TOP].tolist(), ranking.confidences[:, :TOP].tolist(), strict=True
            )
        ]
