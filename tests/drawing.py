"""Glyphs drawn by us, from strokes: no image of a data set is kept in this repository."""

import io
from typing import Any, cast

import numpy as np
from PIL import Image, ImageDraw

# Strokes in a unit square, each a polyline of x, y.
GLYPHS: dict[str, list[list[tuple[float, float]]]] = {
    "zero": [[(0.5 + 0.4 * np.cos(t), 0.5 + 0.45 * np.sin(t)) for t in np.linspace(0, 2 * np.pi, 40)]],
    # The letter ट: a headline, a short stem, and a bowl open to the right.
    "tta": [
        [(0.05, 0.08), (0.95, 0.08)],
        [(0.5, 0.08), (0.5, 0.25)],
        [(0.5 + 0.35 * np.cos(t), 0.55 - 0.3 * np.sin(t)) for t in np.linspace(1.4, 5.6, 40)],
    ],
    # The letter प: a headline, a stem, and a hook that joins it.
    "pa": [
        [(0.05, 0.08), (0.95, 0.08)],
        [(0.72, 0.08), (0.72, 0.95)],
        [(0.25, 0.08), (0.25, 0.4), (0.32, 0.55), (0.45, 0.6), (0.72, 0.52)],
    ],
}

# Characters of several parts: ङ with its dot, अः and अं (their अ a mere bowl and stem).
_BOWL_AND_STEM = [
    [(0.05, 0.25), (0.75, 0.25)],
    [(0.7, 0.25), (0.7, 0.95)],
    [(0.1, 0.4), (0.35, 0.35), (0.4, 0.55), (0.2, 0.6), (0.45, 0.7), (0.35, 0.92), (0.08, 0.85)],
    [(0.4, 0.62), (0.7, 0.6)],
]
PARTS: dict[str, list[list[tuple[float, float]]]] = {
    "nga": [
        [(0.05, 0.08), (0.75, 0.08)],
        [(0.4, 0.08), (0.4, 0.25), (0.15, 0.4), (0.45, 0.55), (0.5, 0.8), (0.2, 0.9)],
        [(0.85, 0.45), (0.86, 0.45)],
    ],
    "ah": [*_BOWL_AND_STEM, [(0.9, 0.45), (0.91, 0.45)], [(0.9, 0.75), (0.91, 0.75)]],
    "am": [*_BOWL_AND_STEM, [(0.5, 0.06), (0.51, 0.06)]],
}

# Marks that are no character of any family of ours.
MARKS: dict[str, list[list[tuple[float, float]]]] = {
    "danda": [[(0.5, 0.05), (0.5, 0.95)]],
    "double danda": [[(0.3, 0.05), (0.3, 0.95)], [(0.7, 0.05), (0.7, 0.95)]],
    "plus": [[(0.5, 0.05), (0.5, 0.95)], [(0.05, 0.5), (0.95, 0.5)]],
}


def draw(name: str, size: int = 64, stroke: float = 0.09, margin: float = 0.1) -> Image.Image:
    """Dark ink on white paper: a square greyscale image of ``size`` pixels."""
    fine = 4 * size
    image = Image.new("L", (fine, fine), 255)
    pen = ImageDraw.Draw(image)
    width = max(1, round(stroke * fine))
    for polyline in {**GLYPHS, **PARTS, **MARKS}[name]:
        points = [(fine * (margin + x * (1 - 2 * margin)), fine * (margin + y * (1 - 2 * margin))) for x, y in polyline]
        pen.line(points, 0, width, joint="curve")
        for x, y in (points[0], points[-1]):
            pen.ellipse([x - width / 2, y - width / 2, x + width / 2, y + width / 2], 0)
    return image.resize((size, size), Image.Resampling.BOX)


def encode(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
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
