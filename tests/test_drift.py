import numpy as np
from prometheus_client import REGISTRY

from app.bundle import Bundle
from app.drift import MEMORY, Drift
from app.recognizer import Candidate, Recognition, Recognizer


def answered(recognizer: Recognizer, confidence: float, likeness: float) -> Recognition:
    entry = recognizer.manifest.families["vowels"].classes[0]
    return Recognition(
        "vowels", (Candidate("vowels", entry, confidence),), [("vowels", entry)], np.ones(1), 1.0, likeness, None
    )


def gauge(of: str) -> float:
    return float(REGISTRY.get_sample_value("akshar_drift", {"family": "vowels", "of": of}) or 0)


def test_what_looks_like_training_does_not_drift_and_what_does_not_does(recognizer: Recognizer, bundle: Bundle) -> None:
    deciles = bundle.manifest.families["vowels"].calibration.deciles
    drift, rng = Drift(bundle.manifest.families), np.random.default_rng(0)
    assert gauge("confidence") == gauge("likeness") == 0

    def anywhere(edges: list[float]) -> float:
        """As likely in each of the ten bins."""
        return float(np.interp(rng.random(), np.linspace(0, 1, 11), [0, *edges, 1]))

    for _ in range(4 * MEMORY):
        drift.add(answered(recognizer, anywhere(deciles.confidence), anywhere(deciles.likeness)))
    assert max(gauge("confidence"), gauge("likeness")) < 0.1
    for _ in range(MEMORY):
        drift.add(answered(recognizer, anywhere(deciles.confidence), 0.2))
    assert gauge("confidence") < 0.1
    assert gauge("likeness") > 0.5
