"""What all peers share: the models, and how an answer looks."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from threadpoolctl import threadpool_limits

from app.bundle import load_bundle
from app.extractor import OnnxExtractor
from app.framing import Glyph
from app.recognizer import Recognition, Recognizer
from benchmarks import FAMILY

ARTIFACTS: Final = Path(__file__).parents[2] / "artifacts"
MAX_BATCH: Final = 64
"""Most images in one call of the network, as ours is by default."""
WORKERS: Final = int(os.environ.get("BENCHMARK_WORKERS", "1"))
"""Processes that hold the models. One, as ours; several peers advise one a core on a CPU, so that is measured too."""


def load_recognizer() -> Recognizer:
    """The recognizer as our service makes it, warm, in the process that is to use it."""
    threadpool_limits(1, "blas")
    bundle = load_bundle(ARTIFACTS)
    recognizer = Recognizer(bundle, OnnxExtractor(bundle.onnx, threads=1))
    recognizer.warm_up([1, len(recognizer.families), MAX_BATCH])
    return recognizer


def recognize(recognizer: Recognizer, glyphs: Sequence[Glyph]) -> list[dict[str, Any]]:
    """Answers for a batch of glyphs of the benchmark's one family."""
    return [_answer(recognition) for recognition in recognizer.recognize(np.stack(glyphs), [FAMILY] * len(glyphs))]


def _answer(recognition: Recognition) -> dict[str, Any]:
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
