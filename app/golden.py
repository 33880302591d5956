"""Glyphs whose answers are known: what reads them otherwise is not ready, however right its files are."""

from __future__ import annotations

from typing import Final

import numpy as np

from app.bundle import BundleError, GoldenEntry
from app.framing import Glyph, pack, unpack
from app.recognizer import Recognizer

_TOLERANCE: Final = 0.02
"""In confidence: runtimes and processors round otherwise, wrong weights do not come so near."""


def prove(recognizer: Recognizer) -> None:
    """Read the manifest's golden glyphs.

    Raises:
        BundleError: one is not read as it was when the artifacts were made.
    """
    golden = recognizer.manifest.golden
    if not golden:
        return
    glyphs = np.stack([unpack(entry.glyph) for entry in golden])
    for entry, found in zip(golden, recognizer.recognize(glyphs, [entry.family for entry in golden]), strict=True):
        right = found.best.entry.class_id == entry.class_id
        if not right or abs(found.best.confidence - entry.confidence) > _TOLERANCE:
            raise BundleError(
                f"self-test: a golden glyph of {entry.family} is read as class {found.best.entry.class_id} with "
                f"confidence {found.best.confidence:.3f}, not as {entry.class_id} with {entry.confidence:.3f}; the "
                f"runtime {recognizer.extractor.name} or a library computes wrongly: install the versions of the lock."
            )


def entries(recognizer: Recognizer, glyphs: dict[str, list[Glyph]]) -> list[GoldenEntry]:
    """Golden entries of glyphs by family, with what a recognizer says of them."""
    found = []
    for family, drawn in glyphs.items():
        for glyph in drawn:
            text = pack(glyph)
            (recognition,) = recognizer.recognize(unpack(text)[None], [family])
            best = recognition.best
            found.append(
                GoldenEntry(
                    family=family, class_id=best.entry.class_id, confidence=round(best.confidence, 6), glyph=text
                )
            )
    return found
