"""What all peers share: the models, and the form of a prediction."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from threadpoolctl import threadpool_limits

from akshar.imaging.glyph import Glyph
from akshar.model.bundle import load_bundle
from akshar.model.extractor import OnnxExtractor
from akshar.model.recognition import Recognition
from akshar.model.recognizer import Recognizer
from benchmarks import FAMILY, ROOT

ARTIFACTS: Final = ROOT / "artifacts"
MAX_BATCH: Final = 64
"""The largest number of images in one call of the network: the default of Akshar."""
WORKERS: Final = int(os.environ.get("BENCHMARK_WORKERS", "1"))
"""Processes that hold the models: one, like Akshar, or one per core, which several peers advise on a CPU."""


def load_recognizer() -> Recognizer:
    """A warm recognizer, made as in our service; call it in the process that uses it."""
    threadpool_limits(1, "blas")
    bundle = load_bundle(ARTIFACTS)
    recognizer = Recognizer(bundle.model, OnnxExtractor(bundle.onnx, threads=1))
    recognizer.warm_up([1, len(recognizer.families), MAX_BATCH])
    return recognizer


def recognize(recognizer: Recognizer, glyphs: Sequence[Glyph]) -> list[dict[str, Any]]:
    """Predictions for a batch of glyphs of the benchmark's one family."""
    batch = recognizer.recognize(np.stack(glyphs), [FAMILY] * len(glyphs))
    return [_prediction(recognition) for recognition in batch.recognitions]


def _prediction(recognition: Recognition) -> dict[str, Any]:
    alternatives = [
        {
            "family": candidate.family,
            "class_id": candidate.entry.class_id,
            "character": candidate.entry.character,
            "confidence": round(candidate.confidence, 6),
        }
        for candidate in recognition.candidates
    ]
    return {**alternatives[0], "alternatives": alternatives}
