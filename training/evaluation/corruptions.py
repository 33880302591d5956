"""Corrupts held-out glyphs as real images are corrupted: photographed, scanned, drawn on screens. Never for training.

Each kind takes the shape of a real glyph, draws it at the size typical of the medium, corrupts it with strength 1 to 3,
and encodes a file as a client would. Augmentation uses none of this, so no network is trained on what is measured here.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter
from scipy import ndimage
from skimage.morphology import skeletonize

from akshar.imaging.glyph import BORDER

Ink = npt.NDArray[np.float64]
"""Ink strength of a page, shape (height, width), 0 paper to 1 ink."""
STRENGTHS: Final = (1, 2, 3)
MEDIUM: Final = 2


@dataclass(frozen=True)
class Corruption:
    """One kind: what it stands for, and how a glyph of shape (32, 32) becomes a file at a strength."""

    description: str
    apply: Callable[[Ink, int, np.random.Generator], bytes]


def enlarge(glyph: npt.NDArray[np.floating], side: int) -> Ink:
    """The glyph redrawn with crisp edges on ``side`` x ``side`` pixels, without its border."""
    inner = np.asarray(glyph[BORDER:-BORDER, BORDER:-BORDER], np.float32)
    grown = Image.fromarray(inner).resize((side, side), Image.Resampling.BICUBIC)
    smooth = ndimage.gaussian_filter(np.asarray(grown, np.float64), side / 80)
    crisp: Ink = np.clip((smooth - 0.5) * side / 14 + 0.5, 0, 1)
    return crisp


def page(ink: Ink, height: int, width: int, top: int, left: int) -> Ink:
    """Place ink on a larger page of paper."""
    sheet = np.zeros((height, width))
    sheet[top : top + ink.shape[0], left : left + ink.shape[1]] = ink
    return sheet


def on_paper(ink: Ink, paper: float = 245, pen: float = 25) -> npt.NDArray[np.float64]:
    """Luminance, 0 to 255, of ink on paper."""
    return paper + (pen - paper) * ink


def encode(luminance: npt.NDArray[np.floating], kind: str = "PNG", **options: Any) -> bytes:
    """A greyscale (height, width) or coloured (height, width, 3 or 4) image of levels 0 to 255 as a file."""
    buffer = io.BytesIO()
    Image.fromarray(np.uint8(np.rint(np.clip(luminance, 0, 255)))).save(buffer, kind, **options)
    return buffer.getvalue()


def _placed(glyph: Ink, rng: np.random.Generator, side: int, room: float) -> Ink:
    """The glyph somewhere on a page that is ``room`` times as wide and high."""
    whole = round(side * room)
    top, left = rng.integers(0, whole - side + 1, 2)
    return page(enlarge(glyph, side), whole, whole, int(top), int(left))


def _slope(shape: tuple[int, int], rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """-1 to 1, falling across the page in a random direction."""
    angle = rng.uniform(0, 2 * np.pi)
    rows, columns = np.mgrid[-1 : 1 : shape[0] * 1j, -1 : 1 : shape[1] * 1j]
    slope: npt.NDArray[np.float64] = (np.cos(angle) * rows + np.sin(angle) * columns) / np.sqrt(2)
    return slope


def _photo(glyph: Ink, strength: int, rng: np.random.Generator) -> bytes:
    ink = _placed(glyph, rng, side=300, room=1.5 + 0.5 * strength)
    light = 1 + 0.15 * strength * _slope(ink.shape, rng)
    blurred = ndimage.gaussian_filter(on_paper(ink, 175, 70) * light, 1.0 * strength)
    noisy = blurred + rng.normal(0, 2 + 3 * strength, blurred.shape)
    metadata = Image.Exif()
    quarter = int(rng.integers(0, 4))
    metadata[0x0112] = (1, 6, 3, 8)[quarter]  # The camera was turned by this many quarters, as the file says.
    return encode(np.rot90(noisy, quarter), "JPEG", quality=90 - 20 * strength, exif=metadata)


def _shadow(glyph: Ink, strength: int, rng: np.random.Generator) -> bytes:
    ink = _placed(glyph, rng, side=240, room=1.5)
    edge = ndimage.gaussian_filter((_slope(ink.shape, rng) > rng.uniform(-0.2, 0.2)).astype(float), 12)
    return encode(on_paper(ink, 215, 50) * (1 - (0.15 + 0.13 * strength) * edge), "JPEG", quality=80)


def _speckle(glyph: Ink, strength: int, rng: np.random.Generator) -> bytes:
    ink = _placed(glyph, rng, side=120, room=1.4)
    for _ in range(6 * strength):
        row, column = rng.integers(0, ink.shape[0] - 3, 2)
        size = int(rng.integers(1, 2 + strength))
        ink[row : row + size, column : column + size] = 1
    pepper = rng.random(ink.shape) < 0.002 * strength
    return encode(on_paper(np.where(pepper, 1 - ink, ink), 250, 10))


def _form_box(glyph: Ink, strength: int, rng: np.random.Generator) -> bytes:
    ink = _placed(glyph, rng, side=120, room=1.5)
    width = int(rng.integers(2, 5))
    for side in rng.permutation(4)[:strength]:  # The crop includes one to three sides of the form's box.
        turned = np.rot90(ink, side)
        inset = int(rng.integers(0, 5))
        turned[inset : inset + width] = 0.8
    return encode(on_paper(ink))


def _in_box(glyph: Ink, line: int, gaps: tuple[int, int, int, int], rng: np.random.Generator) -> bytes:
    """The glyph in a form's box whose sides, in random order, leave these gaps; below 0 the glyph crosses it."""
    ink = page(enlarge(glyph, 120), 200, 200, 40, 40)
    above, right, below, left = (40 - line - int(gap) for gap in rng.permutation(gaps))
    box = np.zeros_like(ink)
    box[above : 200 - below, left : 200 - right] = 0.8
    box[above + line : 200 - below - line, left + line : 200 - right - line] = 0
    cut = min(above, right, below, left) - int(rng.integers(0, 9))
    return encode(on_paper(np.maximum(ink, box)[cut : 200 - cut, cut : 200 - cut]))


def _boxed(glyph: Ink, strength: int, rng: np.random.Generator) -> bytes:
    gap = 16 - 4 * strength
    return _in_box(glyph, 1 + strength, (gap, gap, gap, gap), rng)


def _touching_box(glyph: Ink, strength: int, rng: np.random.Generator) -> bytes:
    first, second, third = (0 if strength > sides else 10 for sides in range(3))
    return _in_box(glyph, 3, (first, second, third, 10), rng)


def _crossing_box(glyph: Ink, strength: int, rng: np.random.Generator) -> bytes:
    return _in_box(glyph, 3, (-6 * strength, 10, 10, 10), rng)


def _neighbour(glyph: Ink, strength: int, rng: np.random.Generator) -> bytes:
    ink = page(enlarge(glyph, 120), 168, 168, 24, 24)
    neighbour = enlarge(glyph[::-1, ::-1], 120)[:, : 4 * strength]
    ink[24:144, -neighbour.shape[1] :] = neighbour
    return encode(on_paper(ink))


def _thin_stroke(glyph: Ink, strength: int, rng: np.random.Generator) -> bytes:
    line = np.asarray(skeletonize(enlarge(glyph, 220) > 0.5))  # type: ignore[no-untyped-call]
    drawn = ndimage.binary_dilation(line, iterations=1) if strength == 1 else line
    ink = page(drawn.astype(float), 320, 320, *(int(at) for at in rng.integers(0, 101, 2)))
    if strength == 2:
        ink = np.maximum(ink, np.roll(ink, 1, axis=1))  # Two pixels wide; one at strength 3.
    return encode(on_paper(ink, 255, 0))


def _marker(glyph: Ink, strength: int, rng: np.random.Generator) -> bytes:
    ink = _placed(glyph, rng, side=200, room=1.4)
    wide = ndimage.grey_dilation(ink, footprint=_disc(2 * strength + 1))
    return encode(on_paper(ndimage.gaussian_filter(wide, 1.5), 235, 40), "JPEG", quality=80)


def _disc(radius: int) -> npt.NDArray[np.bool_]:
    rows, columns = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    disc: npt.NDArray[np.bool_] = rows**2 + columns**2 <= radius**2
    return disc


def _transparent(glyph: Ink, strength: int, rng: np.random.Generator) -> bytes:
    ink = _placed(glyph, rng, side=180, room=1.6)
    rgba = np.zeros((*ink.shape, 4))
    rgba[..., :3] = rng.integers(0, 60 * strength, 3)
    rgba[..., 3] = 255 * ink * (1.1 - 0.2 * strength)
    return encode(rgba)


def _light_on_dark(glyph: Ink, strength: int, rng: np.random.Generator) -> bytes:
    ink = _placed(glyph, rng, side=120, room=1.3)
    noise = rng.normal(0, 4 * strength, ink.shape)
    return encode(on_paper(ink, 15 + 25 * strength, 250 - 40 * strength) + noise)


def _coloured(glyph: Ink, strength: int, rng: np.random.Generator) -> bytes:
    ink = _placed(glyph, rng, side=140, room=1.4)[..., None]
    pen = np.array([(30, 60, 170), (60, 90, 190), (110, 130, 210)][strength - 1])
    if rng.random() < 0.5:
        pen = pen[::-1]  # Blue becomes red.
    paper = np.array([(250, 245, 225), (240, 235, 190), (225, 220, 160)][strength - 1])
    return encode(paper + (pen - paper) * ink, "JPEG", quality=85)


def _ruled(glyph: Ink, strength: int, rng: np.random.Generator) -> bytes:
    ink = _placed(glyph, rng, side=150, room=1.5)
    for row in range(int(rng.integers(0, 70)), ink.shape[0], 70):
        ink[row : row + 2] = np.maximum(ink[row : row + 2], 0.12 * strength)
    return encode(on_paper(ink, 240, 30), "JPEG", quality=85)


def _sixteen_bit(glyph: Ink, strength: int, rng: np.random.Generator) -> bytes:
    ink = _placed(glyph, rng, side=120, room=1.3)
    paper, pen = 65535 * 0.6, 65535 * (0.6 - 0.5 / 2**strength)
    levels = paper + (pen - paper) * ink + rng.normal(0, 300, ink.shape)
    buffer = io.BytesIO()
    Image.fromarray(levels.astype(np.uint16)).save(buffer, "PNG")
    return buffer.getvalue()


def _low_quality(glyph: Ink, strength: int, rng: np.random.Generator) -> bytes:
    side = 64 - 16 * strength
    ink = _placed(glyph, rng, side=side, room=1.25)
    return encode(on_paper(ink), "JPEG", quality=50 - 13 * strength)


def _out_of_focus(glyph: Ink, strength: int, rng: np.random.Generator) -> bytes:
    ink = _placed(glyph, rng, side=200, room=1.5)
    return encode(on_paper(ndimage.gaussian_filter(ink, 3.0 * strength)), "JPEG", quality=85)


def _tilted(glyph: Ink, strength: int, rng: np.random.Generator) -> bytes:
    ink = page(enlarge(glyph, 160), 260, 260, 50, 50)
    angle = 5 * strength * (1 if rng.random() < 0.5 else -1)
    return encode(on_paper(np.clip(ndimage.rotate(ink, angle, reshape=False, order=1), 0, 1)))


def _torn(glyph: Ink, strength: int, rng: np.random.Generator) -> bytes:
    """Breaks in the strokes: a pen that runs dry."""
    ink = Image.fromarray(np.uint8(255 * _placed(glyph, rng, side=160, room=1.3)))
    pen = ImageDraw.Draw(ink)
    for _ in range(3 * strength):
        x, y = (int(at) for at in rng.integers(0, ink.width, 2))
        pen.line([x, y, x + int(rng.integers(-30, 31)), y + int(rng.integers(-30, 31))], 0, 4)
    return encode(on_paper(np.asarray(ink.filter(ImageFilter.GaussianBlur(0.7))) / 255))


CORRUPTIONS: Final[dict[str, Corruption]] = {
    "photo": Corruption("a phone's photo: grey on grey, uneven light, noise, small, off-centre, turned", _photo),
    "shadow": Corruption("the edge of a shadow across the page", _shadow),
    "speckle": Corruption("a scan with dust and pepper", _speckle),
    "form box": Corruption("one to three sides of the form's box in the crop", _form_box),
    "box around": Corruption("a form's whole box, 12 to 4 pixels around a character of 120", _boxed),
    "box touching": Corruption("the same, touching the character at one to three sides", _touching_box),
    "box crossing": Corruption(
        "the same, crossed by the character at one side: 5, 10, 15 % of it are outside", _crossing_box
    ),
    "neighbour": Corruption("the edge of a neighbouring character in the crop", _neighbour),
    "thin stroke": Corruption("a drawing on a screen, strokes of 3, 2 and 1 pixels at 320x320", _thin_stroke),
    "marker": Corruption("a thick marker", _marker),
    "transparent": Corruption("a transparent canvas with fainter ink at each strength", _transparent),
    "light on dark": Corruption("a blackboard", _light_on_dark),
    "coloured": Corruption("blue or red ink on yellowed paper", _coloured),
    "ruled": Corruption("ruled paper", _ruled),
    "16 bit": Corruption("a 16-bit scan of low contrast", _sixteen_bit),
    "low quality": Corruption("48 to 16 pixels a side, as a JPEG of quality 37 to 11", _low_quality),
    "out of focus": Corruption("a camera that did not focus", _out_of_focus),
    "tilted": Corruption("written at 5, 10, 15 degrees", _tilted),
    "torn": Corruption("breaks in the strokes", _torn),
}


def corrupt(glyph: npt.NDArray[np.floating], kind: str, strength: int, name: str) -> bytes:
    """An image file of a glyph of shape (32, 32), corrupted by kind and strength; always the same for the same name."""
    rng = np.random.default_rng([zlib.crc32(f"{kind} {name}".encode()), strength])
    return CORRUPTIONS[kind].apply(np.asarray(glyph, np.float64), strength, rng)
