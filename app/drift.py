"""Whether what is sent still looks like what was learnt, per family: for operators, before accuracy shows it.

Each answer's confidence and likeness fall into one of ten bins that images held out from training filled alike. The
population stability index of recent answers over these bins is 0 where nothing has changed; above 0.25 is commonly
taken for a change that matters.
"""

from __future__ import annotations

from bisect import bisect
from collections.abc import Mapping
from math import log
from typing import Final, Literal

from app import metrics
from app.bundle import FamilyEntry
from app.recognizer import Recognition

Of = Literal["confidence", "likeness"]

MEMORY: Final = 500
"""Answers after which one counts for a third of a new one."""
_EVERY: Final = 16
"""Answers of a family from one look at its bins to the next."""
_LEAST: Final = 1e-4


class _Recent:
    """A measure's recent answers of one family."""

    def __init__(self, edges: list[float], family: str, of: Of) -> None:
        self._edges = edges
        self._shares = [1 / (len(edges) + 1)] * (len(edges) + 1)
        self._seen = 0
        self._gauge = metrics.DRIFT.labels(family, of)
        self._gauge.set(0)

    def add(self, value: float) -> None:
        self._shares = [share * (1 - 1 / MEMORY) for share in self._shares]
        self._shares[bisect(self._edges, value)] += 1 / MEMORY
        self._seen += 1
        if self._seen % _EVERY == 0:
            self._gauge.set(self._index())

    def _index(self) -> float:
        alike = 1 / len(self._shares)
        # A bin that nothing has fallen into for ever would make the index endless.
        shares = [max(share, _LEAST) for share in self._shares]
        return sum((share - alike) * log(share / alike) for share in shares)


class Drift:
    """Follows the answers of all families of a manifest."""

    def __init__(self, families: Mapping[str, FamilyEntry]) -> None:
        self._recent: dict[str, dict[Of, _Recent]] = {
            name: {
                "confidence": _Recent(entry.calibration.deciles.confidence, name, "confidence"),
                "likeness": _Recent(entry.calibration.deciles.likeness, name, "likeness"),
            }
            for name, entry in families.items()
        }

    def add(self, recognition: Recognition) -> None:
        """Take note of an answer that is given."""
        recent = self._recent[recognition.best.family]
        recent["confidence"].add(recognition.best.confidence)
        recent["likeness"].add(recognition.likeness)
