"""A page for people: images, all glyphs that were made of each, which of them was chosen, and what was read.

``python -m benchmarks.gallery build/gallery.html`` shows drawings, clean and as forms, photographs and scans have them;
``--data nhcd.zip`` shows corrupted images of a data set instead, which must not get into the repository.
"""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Final, NamedTuple

import numpy as np
import typer
from PIL import Image

from akshar.imaging.errors import ImageError
from akshar.imaging.glyph import Glyph
from akshar.imaging.modes import to_plain_mode
from akshar.imaging.reader import open_image, read
from akshar.model.choice import recognize
from akshar.model.loading import ARTIFACTS, load_recognizer
from akshar.model.recognizer import Recognizer
from benchmarks.images import encode
from training.data.dataset import read_dataset
from training.data.drawings import GLYPHS, SELF_TEST, draw
from training.data.sources import sample
from training.evaluation.corruptions import CORRUPTIONS, STRENGTHS, corrupt

_SHOWN: Final = 96
"""The side, in pixels, at which images and glyphs are shown."""
_STYLE: Final = """body { font: 15px sans-serif } td { padding: 4px 8px } img { image-rendering: pixelated; border: 2px
solid #ccc; margin-right: 4px } img.chosen { border-color: #06c } td.read { font-size: 40px }"""


class Picture(NamedTuple):
    """An image file, what it is, and the family to read it as."""

    title: str
    family: str
    file: bytes


def drawings() -> Iterator[Picture]:
    """Drawings by us: cropped tight, with paper on some sides, by wide and thin pens, and corrupted."""
    for family, names in SELF_TEST.items():
        for name in names:
            for what, size, stroke, margin in (
                ("tight", 60, 0.1, 0.05),
                ("wide pen", 40, 0.2, 0.1),
                ("thin", 300, 0.01, 0.2),
            ):
                yield Picture(f"{name}, {what}", family, encode(draw(GLYPHS[name], size, stroke, margin)))
            glyph = read(draw(GLYPHS[name], 200)).glyph
            yield from _corrupted(name, family, glyph)


def of_data(path: Path) -> Iterator[Picture]:
    """A character of each family of a data set, corrupted."""
    characters = sample(read_dataset(path), 1, seed=1)
    for family in np.unique(characters.family).tolist():
        row = int(np.flatnonzero(characters.family == family)[0])
        yield from _corrupted(str(characters.name[row]), family, characters.glyphs[row])


def _corrupted(name: str, family: str, glyph: Glyph) -> Iterator[Picture]:
    for kind in CORRUPTIONS:
        for strength in STRENGTHS:
            yield Picture(f"{name}, {kind} {strength}", family, corrupt(glyph, kind, strength, name))


def row(recognizer: Recognizer, picture: Picture) -> str:
    """A row of the page."""
    image = to_plain_mode(Image.open(io.BytesIO(picture.file)))
    image.thumbnail((_SHOWN, _SHOWN))
    try:
        reading = read(open_image(picture.file))
    except ImageError as error:
        return _cells(picture.title, _shown(image), html.escape(error.detail), "")
    recognition, chosen = recognize(recognizer, [reading], [picture.family])[0]
    glyphs = [
        _shown(Image.fromarray(np.uint8(np.rint(255 * (1 - glyph)))), "chosen" if glyph is chosen.glyph else "")
        for glyph in reading.glyphs
    ]
    return _cells(picture.title, _shown(image), "".join(glyphs), recognition.best.entry.character)


def _cells(title: str, image: str, glyphs: str, answer: str) -> str:
    return f'<tr><td>{html.escape(title)}<td>{image}<td>{glyphs}<td class="read">{answer}'


def _shown(image: Image.Image, of_class: str = "") -> str:
    png = base64.b64encode(encode(image)).decode()
    return f'<img class="{of_class}" height="{_SHOWN}" src="data:image/png;base64,{png}">'


def main(
    out: Annotated[Path, typer.Argument(help="The HTML page to write.")],
    data: Annotated[Path | None, typer.Option(help="A data set; by default drawings are shown.")] = None,
) -> None:
    """Show images, their glyphs, the choice among them and what is read."""
    recognizer, _ = load_recognizer(ARTIFACTS)
    rows = [row(recognizer, picture) for picture in (of_data(data) if data else drawings())]
    head = "<tr><th>image<th><th>its glyphs, the chosen one framed in blue<th>read"
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(
        f'<!doctype html><meta charset="utf-8"><title>Glyphs</title><style>{_STYLE}</style>'
        f"<table>{head}{''.join(rows)}</table>",
        encoding="utf-8",
    )


if __name__ == "__main__":
    typer.run(main)
