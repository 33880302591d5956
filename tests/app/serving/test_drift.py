import numpy as np
from prometheus_client import REGISTRY

from akshar.model.bundle import Bundle
from akshar.model.recognition import Candidate, Recognition
from app.serving.drift import MEMORY, Drift


def recognition(bundle: Bundle, confidence: float, cosine: float) -> Recognition:
    entry = bundle.manifest.families["vowels"].classes[0]
    return Recognition(
        "vowels", (Candidate("vowels", entry, confidence),), [("vowels", entry)], np.ones(1), [], 1.0, cosine, None
    )


def gauge(measure: str) -> float:
    return float(REGISTRY.get_sample_value("akshar_drift", {"family": "vowels", "of": measure}) or 0)


def test_only_predictions_unlike_the_held_out_images_drift(bundle: Bundle) -> None:
    deciles = bundle.manifest.families["vowels"].calibration.deciles
    drift, rng = Drift(bundle.manifest.families), np.random.default_rng(0)
    assert gauge("confidence") == gauge("likeness") == 0

    def anywhere(edges: list[float]) -> float:
        """A value that falls into each of the ten bins with equal probability."""
        return float(np.interp(rng.random(), np.linspace(0, 1, 11), [0, *edges, 1]))

    for _ in range(4 * MEMORY):
        drift.add(recognition(bundle, anywhere(deciles.confidence), anywhere(deciles.cosine)))
    assert max(gauge("confidence"), gauge("likeness")) < 0.1
    for _ in range(MEMORY):
        drift.add(recognition(bundle, anywhere(deciles.confidence), 0.2))
    assert gauge("confidence") < 0.1
    assert gauge("likeness") > 0.5
