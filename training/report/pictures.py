"""Draws the README's pictures with the shipped models: overview.svg and reach.svg, and pa.png, the example's upload.

``.venv/bin/python -m training.report.pictures`` writes them to ``docs/images/``. It needs the extra ``report``.
"""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image, ImageOps

from akshar.imaging.glyph import Glyph
from akshar.imaging.modes import to_plain_mode
from akshar.imaging.reader import read, read_glyph
from akshar.model.loading import load_recognizer
from akshar.model.recognition import Recognition
from akshar.model.recognizer import Recognizer
from training.data.drawings import GLYPHS, draw
from training.evaluation.corruptions import MEDIUM, corrupt

IMAGES: Final = Path(__file__).resolve().parents[2] / "docs" / "images"
DRAWINGS: Final = (("pa", "consonants", -8.0), ("tta", "consonants", 6.0), ("zero", "numerals", 3.0))
"""Names, families and tilts, in degrees, of the drawings in overview.svg."""
KINDS: Final = ("photo", "shadow", "speckle", "form box", "thin stroke", "marker", "light on dark", "coloured")
"""The corruptions in reach.svg."""
ROW: Final = 118
CELL: Final = 96
STYLE: Final = """
text { font-family: ui-sans-serif, system-ui, 'Noto Sans', sans-serif; fill: #1f2430 }
.small { font-size: 13px; fill: #5b6472 } .mono { font-family: ui-monospace, Menlo, monospace; font-size: 14px }
.character { font-size: 54px; font-family: 'Noto Sans Devanagari', 'Kohinoor Devanagari', Mangal, sans-serif }
.card { fill: #fff; stroke: #d5dae3 }
.ink { fill: none; stroke: #24408e; stroke-linecap: round; stroke-linejoin: round }
.bar { fill: #e8ecf4 } .full { fill: #2f7d5b }
"""


def main() -> None:
    """Write the pictures."""
    recognizer = load_recognizer(runtime="onnxruntime").recognizer
    (IMAGES / "overview.svg").write_text(overview(recognizer), encoding="utf-8")
    (IMAGES / "reach.svg").write_text(reach(recognizer), encoding="utf-8")
    draw(GLYPHS["pa"], 160).save(IMAGES / "pa.png")


def overview(recognizer: Recognizer) -> str:
    """Drawings, the glyphs that the model sees, and its predictions, as SVG."""
    glyphs = np.stack([read(draw(GLYPHS[name]).rotate(-tilt, fillcolor=255)).glyph for name, _, tilt in DRAWINGS])
    recognitions = recognizer.recognize(glyphs, [family for _, family, _ in DRAWINGS]).recognitions
    rows = "".join(
        _overview_row(44 + ROW * index, *drawing, glyph, recognition)
        for index, (drawing, glyph, recognition) in enumerate(zip(DRAWINGS, glyphs, recognitions, strict=True))
    )
    heads = ((20, "what was written"), (360, "what the model sees"), (522, "prediction"), (700, "alternatives"))
    headline = "".join(f'<text class="small" x="{x}" y="26">{text}</text>' for x, text in heads)
    title = "Handwritten characters, the 32x32 glyphs that the model sees, and its predictions"
    return _svg(44 + ROW * len(DRAWINGS), title, headline + rows)


def reach(recognizer: Recognizer) -> str:
    """Corrupted images, the glyphs that the model sees, and its predictions, as SVG."""
    columns = "".join(_reach_column(recognizer, index, kind) for index, kind in enumerate(KINDS))
    return _svg(324, "Images as people send them, the glyphs that the model sees, and its predictions", columns)


def _svg(height: int, title: str, content: str) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 920 {height}" width="920" height="{height}">'
        f"<title>{title}</title><style>{STYLE}</style>"
        f'<rect width="920" height="{height}" rx="10" fill="#f6f7fa"/>{content}</svg>\n'
    )


def _overview_row(top: int, name: str, family: str, tilt: float, glyph: Glyph, recognition: Recognition) -> str:
    best = recognition.best
    bars = "".join(
        f'<text class="small" x="700" y="{22 + 19 * i}">{c.entry.character} {c.entry.romanization}</text>'
        f'<rect class="bar" x="790" y="{12 + 19 * i}" width="110" height="11" rx="3"/>'
        f'<rect class="full" x="790" y="{12 + 19 * i}" width="{110 * c.confidence:.1f}" height="11" rx="3"/>'
        for i, c in enumerate(recognition.candidates)
    )
    return (
        f'<g transform="translate(0 {top})">'
        f'<rect class="card" x="20" width="{CELL + 20}" height="{CELL}" rx="6"/>{_strokes(name, tilt)}'
        f'<text class="mono" x="152" y="44">POST /predict/{family}</text>'
        f'<text class="small" x="152" y="64">any size, dark or light ink →</text>'
        f'<rect class="card" x="384" width="{CELL}" height="{CELL}"/>'
        f'<g transform="translate(384 0)">{_pixels(glyph)}</g>'
        f'<text x="494" y="54" class="small">→</text>'
        f'<text class="character" x="522" y="64">{best.entry.character}</text>'
        f'<text class="mono" x="590" y="44">{best.entry.label}</text>'
        f'<text class="small" x="590" y="64">{" ".join(best.entry.codepoints)}</text>{bars}</g>'
    )


def _reach_column(recognizer: Recognizer, index: int, kind: str) -> str:
    name, family, _ = DRAWINGS[index % 2]
    file = corrupt(read(draw(GLYPHS[name], 200)).glyph, kind, MEDIUM, kind)
    glyph = read_glyph(file)
    (recognition,) = recognizer.recognize(glyph[None], [family]).recognitions
    upload = ImageOps.exif_transpose(to_plain_mode(Image.open(io.BytesIO(file))))
    upload.thumbnail((2 * CELL, 2 * CELL))
    character = recognition.best.entry.character
    return (
        f'<g transform="translate({16 + 113 * index} 40)"><text class="small" x="{CELL / 2}" y="-10" '
        f'text-anchor="middle">{kind}</text><rect class="card" width="{CELL}" height="{CELL}"/>'
        f'<image width="{CELL}" height="{CELL}" href="{_data_url(upload)}"/>'
        f'<rect class="card" y="108" width="{CELL}" height="{CELL}"/>'
        f'<g transform="translate(0 108)">{_pixels(glyph)}</g>'
        f'<text class="character" x="{CELL / 2}" y="262" text-anchor="middle">{character}</text></g>'
    )


def _strokes(name: str, tilt: float) -> str:
    """The drawing as someone wrote it on a form: in blue ink, slightly tilted."""
    paths = (" ".join(f"{8 + 80 * x:.1f},{8 + 80 * y:.1f}" for x, y in stroke) for stroke in GLYPHS[name])
    lines = "".join(f'<polyline class="ink" stroke-width="8" points="{path}"/>' for path in paths)
    return f'<g transform="translate(20 10) scale(.7) rotate({tilt} 48 48)">{lines}</g>'


def _pixels(glyph: Glyph) -> str:
    """The glyph, 3 units per pixel."""
    return "".join(
        f'<rect x="{3 * x}" y="{3 * y}" width="3" height="3" opacity="{glyph[y, x]:.2f}"/>'
        for y, x in zip(*np.nonzero(glyph > 0.05), strict=True)
    )


def _data_url(image: Image.Image) -> str:
    file = io.BytesIO()
    image.save(file, "PNG")
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"


if __name__ == "__main__":
    main()
