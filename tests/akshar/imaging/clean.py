"""Clean pictures of single characters, of every kind that people send: the cases of the property tests."""

import random
from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from PIL import Image, ImageChops
from scipy import ndimage
from skimage.morphology import skeletonize

from tests.akshar.imaging.printing import CHARACTERS, FONTS, crop, printed, with_margins
from tests.drawing import PARTS, draw, encode
from training.data.drawings import GLYPHS

SIZES = 24, 400
"""The least and the greatest height of a character, in pixels."""
PENS = 0.004, 1 / 3
"""The least and the greatest width of a pen, as shares of the height."""
HAIRLINE = 1.0, 1.5
"""The least width of a pen in pixels, antialiased and bilevel: thinner lines would break."""
KINDS: dict[str, dict[str, Any]] = {"PNG": {}, "JPEG": {"quality": 90}, "WEBP": {"quality": 90}}
# How a picture was turned that is upright after what EXIF's orientation asks for.
_TURNED = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}
_DRAWN = {
    **dict.fromkeys(("zero", "four"), "numerals"),
    **dict.fromkeys(("u", "ah", "am"), "vowels"),
    **dict.fromkeys(("tta", "pa", "nga"), "consonants"),
}
_SKELETON = 200
"""The height, in pixels, of the forms whose skeletons pens follow."""


class Case(NamedTuple):
    """A clean picture of a character: what is drawn, how, and how it is sent.

    Attributes:
        source: a font of `FONTS`, "pen: " and a font for a pen that follows its skeleton, or "drawn".
        family, character: what it shows; for a drawing, the drawing's name.
        weight: of the font.
        height: of the character in pixels.
        pen: its width as a share of the height; None if it is the font's own.
        margins: paper at left, top, right and bottom, as shares of the longer side of the character.
        bilevel, light: whether it is black and white alone, and light ink on dark paper.
        orientation: EXIF's, 1 to 8.
        kind: the format, by Pillow's name.
    """

    source: str
    family: str
    character: str
    weight: str
    height: int
    pen: float | None
    margins: tuple[float, float, float, float]
    bilevel: bool
    light: bool
    orientation: int
    kind: str

    def drawn(self) -> Image.Image:
        """The character, dark on white and cut to its ink."""
        if self.pen is None:
            image = printed(self.character, self.weight, self.height, font=self.source)
        elif self.source == "drawn":
            # The drawing fills three fifths of its page, so that no pen leaves it.
            image = draw(self.character, round(self.height / 0.6), 0.6 * self.pen, 0.2)
        else:
            image = _written(self.source.removeprefix("pen: "), self.weight, self.character, self.height, self.pen)
        return crop(image.point(lambda level: 255 * (level > 127)) if self.bilevel else image)

    def page(self, drawn: Image.Image) -> Image.Image:
        """A crop with the margins and the polarity of this case."""
        page = with_margins(drawn, *self.margins)
        return ImageChops.invert(page) if self.light else page

    def file(self) -> bytes:
        """The picture as it is sent."""
        page = self.page(self.drawn())
        if self.orientation > 1:
            page = page.transpose(_TURNED[self.orientation])
        if self.bilevel and self.kind == "PNG":
            page = page.convert("1")
        exif = Image.Exif()
        exif[0x0112] = self.orientation
        return encode(page, self.kind, **KINDS[self.kind], exif=exif)


def cases(times: int, seed: int) -> Iterator[Case]:
    """Each class so many times, and drawings between them; always the same for the same seed."""
    draws = random.Random(seed)
    for _ in range(times):
        for family, _, character in CHARACTERS:
            font = draws.choice(list(FONTS))
            source = draws.choice((font, font, f"pen: {font}", f"pen: {font}", "drawn"))
            if source == "drawn":
                character = draws.choice(list(_DRAWN))
                family = _DRAWN[character]
            height = round(_between(draws, *SIZES))
            bilevel = draws.random() < 0.5
            yield Case(
                source,
                family,
                character,
                draws.choice(list(FONTS[font])),
                height,
                max(_between(draws, *PENS), HAIRLINE[bilevel] / height) if source not in FONTS else None,
                (_margin(draws), _margin(draws), _margin(draws), _margin(draws)),
                bilevel,
                draws.random() < 0.4,
                draws.randint(1, 8),
                draws.choice(list(KINDS)),
            )


def _between(draws: random.Random, low: float, high: float) -> float:
    return float(low * (high / low) ** draws.random())


def _margin(draws: random.Random) -> float:
    return draws.choice((0, 0, draws.random() / 10, draws.random()))


def _written(font: str, weight: str, character: str, height: int, pen: float) -> Image.Image:
    """A form as a pen writes it that follows its skeleton."""
    away = _from_skeleton(font, weight, character)
    size = (round(away.width * height / _SKELETON), round(away.height * height / _SKELETON))
    distance = np.asarray(away.resize(size, Image.Resampling.BILINEAR), np.float64) * height / _SKELETON
    return Image.fromarray(np.uint8(255 * np.clip(distance - pen * height / 2 + 0.5, 0, 1)))


@cache
def _from_skeleton(font: str, weight: str, character: str) -> Image.Image:
    form = np.asarray(printed(character, weight, _SKELETON, font=font)) < 128
    line = np.asarray(skeletonize(np.pad(form, round(PENS[1] * _SKELETON))))  # type: ignore[no-untyped-call]
    return Image.fromarray(ndimage.distance_transform_edt(~line).astype(np.float32))


assert set(_DRAWN) == {*GLYPHS, *PARTS}
