"""Writes the frozen extractor as ``.keras`` and ``.onnx``, and checks that both give the same features.

The conversion runs in its own process on Keras's TensorFlow backend, whichever backend was trained on: only graphs of
that exporter are known to run on ONNX Runtime. ``python -m training.models.export extractor.keras extractor.onnx``.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np

from akshar.imaging.glyph import Glyphs
from akshar.model.bundle import KERAS, ONNX
from akshar.model.extractor import Features, OnnxExtractor

TOLERANCE = 1e-5


class ExportError(Exception):
    """The network cannot be exported, or the exported one gives other features."""


def export_extractor(extractor: keras.Model, folder: Path, glyphs: Glyphs) -> None:
    """Write ``extractor.keras`` and ``extractor.onnx`` into a folder.

    Args:
        extractor: glyphs (n, 32, 32, 1) to features (n, 512).
        folder: exists.
        glyphs: real ones, shape (n, 32, 32), on which both files must agree within `TOLERANCE`.

    Raises:
        ExportError: they do not, or the conversion failed.
    """
    extractor.save(folder / KERAS)
    conversion = subprocess.run(
        [sys.executable, "-m", "training.models.export", folder / KERAS, folder / ONNX],
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
    network(np.zeros((1, *network.input_shape[1:]), np.float32))  # Only a network that has been called can be exported.
    network.export(target, format="onnx", verbose=False)


if __name__ == "__main__":
    _convert(*sys.argv[1:])
