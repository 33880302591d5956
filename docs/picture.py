"""Draws the README's pictures: overview.svg and reach.svg, glyphs through the real service, and pa.png, which it sends.

``.venv/bin/python -m docs.picture`` (the drawings are the tests' own; what the picture shows is what it answers).
"""

from __future__ import annotations

import base64
import io

import numpy as np
from PIL import Image, ImageOps

from app.framing import Glyph
from app.imaging import read_glyph
from app.luminance import plain
from app.main import load_recognizer
from app.recognizer import Recognition, Recognizer
from app.settings import REPOSITORY, Settings
from tests.drawing import GLYPHS, draw, encode
from training.degradations import MEDIUM, degrade

SHOWN = [("pa", "consonants", -8.0), ("tta", "consonants", 6.0), ("zero", "numerals", 3.0)]
SENT = ("photo", "shadow", "speckle", "form box", "thin stroke", "marker", "light on dark", "coloured")
ROW, CELL = 118, 96
STYLE = """
text { font-family: ui-sans-serif, system-ui, 'Noto Sans', sans-serif; fill: #1f2430 }
.small { font-size: 13px; fill: #5b6472 } .mono { font-family: ui-monospace, Menlo, monospace; font-size: 14px }
.answer { font-size: 54px; font-family: 'Noto Sans Devanagari', 'Kohinoor Devanagari', Mangal, sans-serif }
.card { fill: #fff; stroke: #d5dae3 }
.ink { fill: none; stroke: #24408e; stroke-linecap: round; stroke-linejoin: round }
.bar { fill: #e8ecf4 } .full { fill: #2f7d5b }
"""


def strokes(name: str, tilt: float) -> str:
    """The drawing as someone wrote it on a form: blue ink, a little aslant."""
    paths = (" ".join(f"{8 + 80 * x:.1f},{8 + 80 * y:.1f}" for x, y in stroke) for stroke in GLYPHS[name])
    lines = "".join(f'<polyline class="ink" stroke-width="8" points="{path}"/>' for path in paths)
    return f'<g transform="translate(20 10) scale(.7) rotate({tilt} 48 48)">{lines}</g>'


def pixels(glyph: Glyph) -> str:
    """The canonical 32x32 glyph, 3 units a pixel."""
    return "".join(
        f'<rect x="{3 * x}" y="{3 * y}" width="3" height="3" opacity="{glyph[y, x]:.2f}"/>'
        for y, x in zip(*np.nonzero(glyph > 0.05), strict=True)
    )


def row(top: int, name: str, family: str, tilt: float, glyph: Glyph, answer: Recognition) -> str:
    """One line of the picture: what was written, what the model sees, what it answers."""
    best = answer.best
    rivals = "".join(
        f'<text class="small" x="700" y="{22 + 19 * i}">{c.entry.character} {c.entry.romanization}</text>'
        f'<rect class="bar" x="790" y="{12 + 19 * i}" width="110" height="11" rx="3"/>'
        f'<rect class="full" x="790" y="{12 + 19 * i}" width="{110 * c.confidence:.1f}" height="11" rx="3"/>'
        for i, c in enumerate(answer.candidates)
    )
    return (
        f'<g transform="translate(0 {top})">'
        f'<rect class="card" x="20" width="{CELL + 20}" height="{CELL}" rx="6"/>{strokes(name, tilt)}'
        f'<text class="mono" x="152" y="44">POST /predict/{family}</text>'
        f'<text class="small" x="152" y="64">any size, ink or paper →</text>'
        f'<rect class="card" x="384" width="{CELL}" height="{CELL}"/>'
        f'<g transform="translate(384 0)">{pixels(glyph)}</g>'
        f'<text x="494" y="54" class="small">→</text>'
        f'<text class="answer" x="522" y="64">{best.entry.character}</text>'
        f'<text class="mono" x="590" y="44">{best.entry.label}</text>'
        f'<text class="small" x="590" y="64">{" ".join(best.entry.codepoints)}</text>{rivals}</g>'
    )


def inlined(image: Image.Image) -> str:
    """An image as the address of itself, for SVG."""
    file = io.BytesIO()
    image.save(file, "PNG")
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"


def sent(recognizer: Recognizer, index: int, kind: str) -> str:
    """One column of reach.svg: a drawing made worse, what the model sees of it, what it answers."""
    name, family, _ = SHOWN[index % 2]
    file = degrade(read_glyph(encode(draw(name, 200))), kind, MEDIUM, kind)
    glyph = read_glyph(file)
    (answer,) = recognizer.recognize(glyph[None], [family])
    upload = ImageOps.exif_transpose(plain(Image.open(io.BytesIO(file))))
    upload.thumbnail((2 * CELL, 2 * CELL))
    return (
        f'<g transform="translate({16 + 113 * index} 40)"><text class="small" x="{CELL / 2}" y="-10" '
        f'text-anchor="middle">{kind}</text><rect class="card" width="{CELL}" height="{CELL}"/>'
        f'<image width="{CELL}" height="{CELL}" href="{inlined(upload)}"/>'
        f'<rect class="card" y="108" width="{CELL}" height="{CELL}"/>'
        f'<g transform="translate(0 108)">{pixels(glyph)}</g>'
        f'<text class="answer" x="{CELL / 2}" y="262" text-anchor="middle">{answer.best.entry.character}</text></g>'
    )


def reach(recognizer: Recognizer) -> None:
    """Write reach.svg."""
    columns = "".join(sent(recognizer, index, kind) for index, kind in enumerate(SENT))
    (REPOSITORY / "docs/images/reach.svg").write_text(
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 920 324" width="920" height="324">'
        f"<title>Images as people send them, the glyphs the model sees, and its answers</title><style>{STYLE}</style>"
        f'<rect width="920" height="324" rx="10" fill="#f6f7fa"/>{columns}</svg>\n',
        encoding="utf-8",
    )


def main() -> None:
    """Read the drawings and write the pictures."""
    recognizer = load_recognizer(Settings(runtime="onnxruntime"))
    reach(recognizer)
    glyphs = np.stack([read_glyph(encode(draw(name).rotate(-tilt, fillcolor=255))) for name, _, tilt in SHOWN])
    answers = recognizer.recognize(glyphs, [family for _, family, _ in SHOWN])
    rows = [
        row(44 + ROW * i, *shown, glyph, answer)
        for i, (shown, glyph, answer) in enumerate(zip(SHOWN, glyphs, answers, strict=True))
    ]
    draw("pa", 160).save(REPOSITORY / "docs/images/pa.png")
    heads = [(20, "what was written"), (360, "what the model sees"), (522, "the answer"), (700, "and its rivals")]
    titles = "".join(f'<text class="small" x="{x}" y="26">{text}</text>' for x, text in heads)
    height = 44 + ROW * len(SHOWN)
    (REPOSITORY / "docs/images/overview.svg").write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 920 {height}" width="920" height="{height}">'
        f"<title>Handwritten characters, the 32x32 glyphs the model sees, and its answers</title><style>{STYLE}</style>"
        f'<rect width="920" height="{height}" rx="10" fill="#f6f7fa"/>{titles}{"".join(rows)}</svg>\n',
        encoding="utf-8",
    )


if __name__ == "__main__":
    main()
