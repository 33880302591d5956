"""Which of the glyphs that an image may show is the character: the one that looks more like one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np

from akshar.imaging.reader import Reading
from akshar.model.recognition import Recognition
from akshar.model.recognizer import Recognizer

_CLEARLY: Final = 16.0
"""By how much closer to a class than the likeliest glyph another must be. Held-out characters are 10 to 60 away."""
_MIN_TYPICALITY: Final = 0.05
"""What a glyph of ink taken for paper must have besides: few of them are characters."""


def choose(reading: Reading, recognitions: Sequence[Recognition]) -> tuple[Recognition, Reading]:
    """Choose the glyph that is closest to a class of the requested family.

    Args:
        reading: of an image.
        recognitions: of its glyphs, in order: the likeliest counts unless another is clearly closer.

    Returns:
        The recognition that counts, and the reading with its glyph.
    """
    index, least = 0, recognitions[0].distance - _CLEARLY
    for at, other in enumerate(recognitions[1:], 1):
        inverted = reading.alternatives[at - 1].light != reading.light
        if other.distance < least and not (inverted and other.typicality < _MIN_TYPICALITY):
            index, least = at, other.distance
    return recognitions[index], reading.chosen(index) if index else reading


def choose_each(readings: Sequence[Reading], recognitions: Iterable[Recognition]) -> list[tuple[Recognition, Reading]]:
    """`choose` for each of several images, whose glyphs were recognized in order."""
    remaining = iter(recognitions)
    return [choose(reading, [next(remaining) for _ in reading.glyphs]) for reading in readings]


def recognize(
    recognizer: Recognizer, readings: Sequence[Reading], families: Sequence[str]
) -> list[tuple[Recognition, Reading]]:
    """Recognize all glyphs of images in one batch, and choose among those of each.

    Args:
        recognizer: reads the glyphs.
        readings: of n images, at least one.
        families: to read each as: n names, or `akshar.model.recognizer.AUTO`.

    Raises:
        UnknownFamilyError: a family has no head.
    """
    glyphs = np.stack([glyph for reading in readings for glyph in reading.glyphs])
    names = [family for reading, family in zip(readings, families, strict=True) for _ in reading.glyphs]
    return choose_each(readings, recognizer.recognize(glyphs, names).recognitions)
