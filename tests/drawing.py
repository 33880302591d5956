"""Glyphs drawn by us, from strokes: no image of a data set is kept in this repository."""

import io
from typing import Any, cast

import numpy as np
import pillow_heif
from PIL import Image

from training.data import drawings
from training.data.drawings import GLYPHS, Strokes

# Characters of several parts: ङ with its dot, अः and अं (their अ a mere bowl and stem).
_BOWL_AND_STEM = [
    [(0.05, 0.25), (0.75, 0.25)],
    [(0.7, 0.25), (0.7, 0.95)],
    [(0.1, 0.4), (0.35, 0.35), (0.4, 0.55), (0.2, 0.6), (0.45, 0.7), (0.35, 0.92), (0.08, 0.85)],
    [(0.4, 0.62), (0.7, 0.6)],
]
PARTS: dict[str, Strokes] = {
    "nga": [
        [(0.05, 0.08), (0.75, 0.08)],
        [(0.4, 0.08), (0.4, 0.25), (0.15, 0.4), (0.45, 0.55), (0.5, 0.8), (0.2, 0.9)],
        [(0.85, 0.45), (0.86, 0.45)],
    ],
    "ah": [*_BOWL_AND_STEM, [(0.9, 0.45), (0.91, 0.45)], [(0.9, 0.75), (0.91, 0.75)]],
    "am": [*_BOWL_AND_STEM, [(0.5, 0.06), (0.51, 0.06)]],
}

# Marks that are no character of any family of ours.
MARKS: dict[str, Strokes] = {
    "danda": [[(0.5, 0.05), (0.5, 0.95)]],
    "double danda": [[(0.3, 0.05), (0.3, 0.95)], [(0.7, 0.05), (0.7, 0.95)]],
    "plus": [[(0.5, 0.05), (0.5, 0.95)], [(0.05, 0.5), (0.95, 0.5)]],
}


def draw(name: str, size: int = 64, stroke: float = 0.09, margin: float = 0.1) -> Image.Image:
    """Dark ink on white paper: a square greyscale image of ``size`` pixels."""
    return drawings.draw({**GLYPHS, **PARTS, **MARKS}[name], size, stroke, margin)


def encode(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    if kind == "HEIF":  # Not registered with Pillow: reading must not need it.
        exif = {"exif": options.pop("exif").tobytes()} if "exif" in options else {}
        pillow_heif.from_pillow(image).save(buffer, **options, **exif)
    else:
        image.save(buffer, kind, **options)
    return buffer.getvalue()


def transparent(image: Image.Image, ink: tuple[int, int, int]) -> Image.Image:
    """The drawing as a canvas exports it: ink of one colour, paper transparent."""
    canvas = Image.new("RGBA", image.size, (*ink, 0))
    canvas.putalpha(Image.fromarray(255 - np.asarray(image)))
    return canvas


def sixteen_bit(image: Image.Image, top: int = 65535) -> Image.Image:
    return Image.fromarray((np.asarray(image, np.float64) / 255 * top).astype(np.uint16))


def coloured(image: Image.Image, ink: tuple[int, int, int], paper: tuple[int, int, int]) -> Image.Image:
    share = np.asarray(image, np.float64)[..., None] / 255
    blended = share * np.array(paper) + (1 - share) * np.array(ink)
    return Image.fromarray(cast(Any, blended.astype(np.uint8)))
