"""Writes the frozen extractor as ``.keras`` and ``.onnx``, and sees that both give the same features."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np

from app.bundle import KERAS, ONNX
from app.extractor import Features, Glyphs, OnnxExtractor

TOLERANCE = 1e-5


class ExportError(Exception):
    """The exported network does not give the features of the trained one."""


def export_extractor(extractor: keras.Model, folder: Path, glyphs: Glyphs) -> None:
    """Write ``extractor.keras`` and ``extractor.onnx`` into a folder.

    Args:
        extractor: glyphs (n, 32, 32, 1) to features (n, 512).
        folder: exists.
        glyphs: real ones, shape (n, 32, 32), on which both must agree within `TOLERANCE`.

    Raises:
        ExportError: they do not.
    """
    extractor.save(folder / KERAS)
    expected = keras_features(extractor, glyphs)  # The export needs a network that has been called.
    extractor.export(folder / ONNX, format="onnx", verbose=False)
    difference = float(np.abs(OnnxExtractor((folder / ONNX).read_bytes())(glyphs) - expected).max())
    if not difference <= TOLERANCE:
        raise ExportError(f"{ONNX} differs from {KERAS} by {difference:.1e}; at most {TOLERANCE} is allowed")


def keras_features(extractor: keras.Model, glyphs: Glyphs, batch: int = 512) -> Features:
    """Features of glyphs by Keras itself, shapes (n, 32, 32) to (n, 512)."""
    parts = (glyphs[start : start + batch, ..., None] for start in range(0, len(glyphs), batch))
    return np.concatenate([keras.ops.convert_to_numpy(extractor(part, training=False)) for part in parts])
