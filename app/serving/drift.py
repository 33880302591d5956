"""Tells operators, per family, whether requests still look like the training data, before accuracy suffers.

The confidence and the greatest cosine similarity of each prediction fall into one of ten bins that held-out images
filled equally. The population stability index of recent predictions over these bins is 0 while nothing has changed;
above 0.25 is commonly taken for a change that matters.
"""

from __future__ import annotations

from bisect import bisect
from collections.abc import Mapping
from math import log
from typing import Final, Literal

from akshar.model.manifest import FamilyEntry
from akshar.model.recognition import Recognition
from app import metrics

Measure = Literal["confidence", "likeness"]
"""Labels of the gauge; "likeness" is the greatest cosine similarity."""

MEMORY: Final = 500
"""Predictions after which one counts for a third of a new one."""
_UPDATE_EVERY: Final = 16
"""Predictions of a family between two updates of its gauges."""
_MIN_SHARE: Final = 1e-4


class _Recent:
    """Recent values of one measure in one family."""

    def __init__(self, edges: list[float], family: str, measure: Measure) -> None:
        self._edges = edges
        self._shares = [1 / (len(edges) + 1)] * (len(edges) + 1)
        self._count = 0
        self._gauge = metrics.DRIFT.labels(family, measure)
        self._gauge.set(0)

    def add(self, value: float) -> None:
        self._shares = [share * (1 - 1 / MEMORY) for share in self._shares]
        self._shares[bisect(self._edges, value)] += 1 / MEMORY
        self._count += 1
        if self._count % _UPDATE_EVERY == 0:
            self._gauge.set(self._stability_index())

    def _stability_index(self) -> float:
        expected = 1 / len(self._shares)
        # A bin that stays empty would make the index infinite.
        shares = [max(share, _MIN_SHARE) for share in self._shares]
        return sum((share - expected) * log(share / expected) for share in shares)


class Drift:
    """Follows the predictions of all families of a manifest."""

    def __init__(self, families: Mapping[str, FamilyEntry]) -> None:
        self._recent: dict[str, dict[Measure, _Recent]] = {
            name: {
                "confidence": _Recent(entry.calibration.deciles.confidence, name, "confidence"),
                "likeness": _Recent(entry.calibration.deciles.cosine, name, "likeness"),
            }
            for name, entry in families.items()
        }

    def add(self, recognition: Recognition) -> None:
        """Count a prediction that is given."""
        recent = self._recent[recognition.best.family]
        recent["confidence"].add(recognition.best.confidence)
        recent["likeness"].add(recognition.cosine)
