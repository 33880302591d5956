"""Characters in print and forms to write in, for the tests of imaging."""

from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from pathlib import Path

from PIL import Image, ImageChops, ImageDraw, ImageFont

from akshar.model.classes import CATALOGUE
from training import REPOSITORY

KALAM = Path(str(files("fontpkg_kalam"))) / "files"
WEIGHTS = ("Light", "Regular", "Bold")
_FETCHED = REPOSITORY / "fonts" / "node_modules" / "@fontsource"
FONTS: dict[str, dict[str, Path]] = {
    "kalam": {weight: KALAM / f"Kalam-{weight}.ttf" for weight in WEIGHTS},
    **{
        name: {
            weight: _FETCHED / name / "files" / f"{name}-devanagari-{weight}-normal.woff"
            for weight in ("100", "400", "900")
        }
        for name in ("noto-sans-devanagari", "noto-serif-devanagari")
        if (_FETCHED / name).exists()
    },
}
"""The files of each font by its weights: those that `make fonts` fetches are there only then."""
CHARACTERS = [(family, entry.class_id, entry.character) for family, classes in CATALOGUE.items() for entry in classes]
"""Family, class number and character of all 58 classes."""


_MEASURED = 200
"""The size of a font, in pixels, at which characters are measured."""


@cache
def _font(font: str, weight: str, size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(FONTS[font][weight]), size, layout_engine=ImageFont.Layout.RAQM)


def crop(image: Image.Image) -> Image.Image:
    """The image cut to its ink, dark on white."""
    return image.crop(ImageChops.invert(image).getbbox())


def printed(character: str, weight: str, height: int, bilevel: bool = False, font: str = "kalam") -> Image.Image:
    """A character in print, cut to its ink: dark on white, so many pixels high."""
    left, top, right, bottom = _font(font, weight, _MEASURED).getbbox(character)
    drawn = _font(font, weight, round(height * _MEASURED / (bottom - top)))
    left, top, right, bottom = (round(at) for at in drawn.getbbox(character))
    page = Image.new("L", (right - left + 2, bottom - top + 2), 255)
    ImageDraw.Draw(page).text((1 - left, 1 - top), character, 0, drawn)
    return crop(page.point(lambda level: 255 * (level > 127)) if bilevel else page)


def with_margins(drawn: Image.Image, left: float, top: float, right: float, bottom: float) -> Image.Image:
    """A crop with paper around it, on each side so many times its longer side."""
    longest = max(drawn.size)
    before, above, after, below = (round(share * longest) for share in (left, top, right, bottom))
    page = Image.new("L", (drawn.width + before + after, drawn.height + above + below), 255)
    page.paste(drawn, (before, above))
    return page


def box(side: int, line: int, inset: int = 0, level: int = 60, degrees: float = 0) -> Image.Image:
    """An empty box of a form, so many pixels from the edge of a square image, turned a little."""
    fine = 4 if degrees else 1
    page = Image.new("L", (fine * side, fine * side), 255)
    end = fine * (side - inset) - 1
    ImageDraw.Draw(page).rectangle((fine * inset, fine * inset, end, end), None, level, fine * line)
    return page.rotate(degrees, Image.Resampling.BICUBIC, fillcolor=255).reduce(fine) if degrees else page


def write(page: Image.Image, drawn: Image.Image, at: tuple[int, int]) -> Image.Image:
    """The page with a crop drawn on it, its upper left corner at a place."""
    written = page.copy()
    written.paste(ImageChops.darker(page.crop((*at, at[0] + drawn.width, at[1] + drawn.height)), drawn), at)
    return written


def row_of_boxes(digits: list[Image.Image], side: int) -> Iterator[Image.Image]:
    """A row of boxes with a digit in each, cut into its boxes, of which each keeps its lines."""
    line = max(1, side // 25)
    page = Image.new("L", (side * len(digits) + line, side + line), 255)
    pen = ImageDraw.Draw(page)
    for at in range(len(digits) + 1):
        pen.rectangle((at * side, 0, at * side + line - 1, page.height), 60)
    pen.rectangle((0, 0, page.width, line - 1), 60)
    pen.rectangle((0, side, page.width, page.height), 60)
    for at, digit in enumerate(digits):
        page = write(page, digit, (at * side + (side - digit.width) // 2, (side - digit.height) // 2))
    for at in range(len(digits)):
        yield page.crop((at * side, 0, (at + 1) * side + line, page.height))
