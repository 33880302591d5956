"""Glyphs whose recognitions are known: artifacts that read them differently are not served, whatever their digests."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import numpy as np

from akshar.imaging.glyph import Glyph, from_png, to_png
from akshar.model.manifest import BundleError, SelfTestEntry
from akshar.model.recognizer import Recognizer

_TOLERANCE: Final = 0.02
"""In confidence: runtimes and processors round differently, but wrong weights do not come this close."""


def self_test(recognizer: Recognizer, entries: Sequence[SelfTestEntry]) -> None:
    """Read the glyphs of the manifest's self-test.

    Raises:
        BundleError: one is not read as it was when the artifacts were made.
    """
    if not entries:
        return
    glyphs = np.stack([from_png(entry.glyph) for entry in entries])
    batch = recognizer.recognize(glyphs, [entry.family for entry in entries])
    for entry, recognition in zip(entries, batch.recognitions, strict=True):
        best = recognition.best
        if best.entry.class_id != entry.class_id or abs(best.confidence - entry.confidence) > _TOLERANCE:
            raise BundleError(
                f"self-test: a glyph of {entry.family} is read as class {best.entry.class_id} with confidence "
                f"{best.confidence:.3f}, not as {entry.class_id} with {entry.confidence:.3f}; the runtime "
                f"{recognizer.extractor.name} or a library computes wrongly: install the versions of the lock file."
            )


def make_self_test(recognizer: Recognizer, glyphs: Mapping[str, Iterable[Glyph]]) -> list[SelfTestEntry]:
    """Self-test entries of glyphs by family, with what the recognizer says of them."""
    entries = []
    for family, drawn in glyphs.items():
        for glyph in drawn:
            png = to_png(glyph)
            best = recognizer.recognize(from_png(png)[None], [family]).recognitions[0].best
            confidence = round(best.confidence, 6)
            entries.append(SelfTestEntry(family=family, class_id=best.entry.class_id, confidence=confidence, glyph=png))
    return entries
