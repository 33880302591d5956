"""The reader: an image in any form to a prediction, without a server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from akshar.imaging.formats import MAX_PIXELS
from akshar.imaging.opening import check_pixels
from akshar.imaging.reader import from_array, open_image, read
from akshar.model.abstention import DecisionOptions, decide
from akshar.model.choice import recognize
from akshar.model.loading import load_recognizer
from akshar.model.recognizer import AUTO, UnknownFamilyError
from akshar.model.runtime import RuntimeName
from akshar.prediction import Prediction, prediction_fields

Source = str | Path | bytes | Image.Image | npt.NDArray[Any]
"""A file's path, an encoded file, a PIL image, or an array (see `akshar.imaging.reader.from_array`)."""


class Reader:
    """Reads single handwritten characters. Not for use from several threads at a time.

    Args:
        artifacts: folder of the artifacts; by default what ``AKSHAR_ARTIFACTS`` names, else those of this installation.
        runtime: ``onnxruntime``, ``tensorflow``, or ``auto``.
        max_pixels: the most pixels of an image that are decoded; of a JPEG or HEIC, fewer are than it has.

    Raises:
        BundleError: the artifacts cannot be read, or the runtime is not installed.
    """

    def __init__(
        self, artifacts: Path | str | None = None, runtime: RuntimeName = "auto", max_pixels: int = MAX_PIXELS
    ) -> None:
        self._recognizer, _ = load_recognizer(Path(artifacts) if artifacts else None, runtime)
        self._max_pixels = max_pixels

    @property
    def families(self) -> tuple[str, ...]:
        """The families that can be asked for, besides ``auto``."""
        return self._recognizer.families

    def read(
        self,
        source: Source,
        family: str = AUTO,
        *,
        min_confidence: float | None = None,
        coverage: float | None = None,
        explain: bool = False,
    ) -> Prediction:
        """Read the one character of an image.

        Args:
            source: the image.
            family: ``numerals``, ``vowels``, ``consonants``, one that was added, or ``auto``: all compete.
            min_confidence: the confidence from which the prediction is accepted; by default the model's.
            coverage: adds `Prediction.prediction_set`, which holds the right character in this share of cases.
            explain: adds `Prediction.explanation`.

        Raises:
            ImageError: the image cannot be read; its ``code`` is one of those in ``docs/errors.md``.
            OSError: the file cannot be opened.
            ValueError: there is no such family, or the coverage is not between 0 and 1.
        """
        if coverage is not None and not 0 < coverage < 1:
            raise ValueError(f"coverage must be between 0 and 1, not {coverage}")
        recognizer = self._recognizer
        reading = read(self._open(source))
        try:
            ((recognition, reading),) = recognize(recognizer, [reading], [family])
        except UnknownFamilyError:
            raise ValueError(f"no family {family!r}; there are {', '.join(self.families)}, {AUTO}") from None
        options = DecisionOptions(recognizer.min_confidence if min_confidence is None else min_confidence, coverage)
        decision = decide(recognition, reading, options)
        return Prediction(**prediction_fields(recognition, reading, decision, recognizer.model_version, explain))

    def _open(self, source: Source) -> Image.Image:
        if isinstance(source, str | Path):
            source = Path(source).read_bytes()
        if isinstance(source, bytes | bytearray | memoryview):
            return open_image(bytes(source), self._max_pixels)
        if isinstance(source, Image.Image):
            check_pixels(source, self._max_pixels)
            # Reading turns and drafts an image in place; the caller's stays as it is.
            image = source.copy()
            return from_array(np.asarray(image)) if image.mode == "F" else image
        image = from_array(np.asarray(source))
        check_pixels(image, self._max_pixels)
        return image
