"""Writes the frozen extractor as ``.keras`` and ``.onnx``, and sees that both give the same features.

The conversion runs in a process of its own on Keras's TensorFlow backend, whichever backend has trained: its exporter
is the one whose graphs ONNX Runtime is known to take. ``python -m training.export extractor.keras extractor.onnx``.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np

from app.bundle import KERAS, ONNX
from app.extractor import Features, Glyphs, OnnxExtractor

TOLERANCE = 1e-5


class ExportError(Exception):
    """The network cannot be exported, or does not give the features of the trained one."""


def export_extractor(extractor: keras.Model, folder: Path, glyphs: Glyphs) -> None:
    """Write ``extractor.keras`` and ``extractor.onnx`` into a folder.

    Args:
        extractor: glyphs (n, 32, 32, 1) to features (n, 512).
        folder: exists.
        glyphs: real ones, shape (n, 32, 32), on which both must agree within `TOLERANCE`.

    Raises:
        ExportError: they do not, or the conversion failed.
    """
    extractor.save(folder / KERAS)
    conversion = subprocess.run(
        [sys.executable, "-m", "training.export", folder / KERAS, folder / ONNX],
        env={**os.environ, "KERAS_BACKEND": "tensorflow"},
        capture_output=True,
        text=True,
        check=False,
    )
    if conversion.returncode:
        raise ExportError(f"{KERAS} was not converted to {ONNX}:\n{conversion.stderr}")
    features = OnnxExtractor((folder / ONNX).read_bytes())(glyphs)
    difference = float(np.abs(features - keras_features(extractor, glyphs)).max())
    if not difference <= TOLERANCE:
        raise ExportError(f"{ONNX} differs from {KERAS} by {difference:.1e}; at most {TOLERANCE} is allowed")


def keras_features(extractor: keras.Model, glyphs: Glyphs, batch: int = 512) -> Features:
    """Features of glyphs by Keras itself, shapes (n, 32, 32) to (n, 512)."""
    parts = (glyphs[start : start + batch, ..., None] for start in range(0, len(glyphs), batch))
    return np.concatenate([keras.ops.convert_to_numpy(extractor(part, training=False)) for part in parts])


def _convert(source: str, target: str) -> None:
    network = keras.models.load_model(source, compile=False)
    network(np.zeros((1, *network.input_shape[1:]), np.float32))  # Only a network that was called can be exported.
    network.export(target, format="onnx", verbose=False)


if __name__ == "__main__":
    _convert(*sys.argv[1:])
