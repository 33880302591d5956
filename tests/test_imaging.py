import io
import zipfile
import zlib
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from app.imaging import FORMATS, ImageError, Reading, open_image, read, read_glyph
from tests.drawing import coloured, draw, encode, sixteen_bit, transparent
from training.drawings import GLYPHS


def likeness(a: np.ndarray, b: np.ndarray) -> float:
    """Correlation of two glyphs, at most 1."""
    return float(np.corrcoef(a.ravel(), b.ravel())[0, 1])


def code(data: bytes, **limits: int) -> str:
    with pytest.raises(ImageError) as caught:
        read_glyph(data, **limits)
    return caught.value.code


@pytest.mark.parametrize("name", GLYPHS)
def test_a_glyph_is_32_by_32_ink_1_paper_0_filling_its_frame(name: str) -> None:
    glyph = read_glyph(encode(draw(name)))
    assert glyph.shape == (32, 32)
    assert glyph.dtype == np.float32
    assert glyph.min() == 0
    assert glyph.max() == 1
    rows, columns = np.flatnonzero(glyph.max(1) > 0.3), np.flatnonzero(glyph.max(0) > 0.3)
    assert (rows[0], rows[-1], columns[0], columns[-1]) == (2, 29, 2, 29)


INK, PAPER = (20, 40, 150), (250, 240, 220)
_TURNED_XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'

VARIANTS: dict[str, Callable[[Image.Image], bytes]] = {
    **{kind: partial(encode, kind=kind) for kind in FORMATS},
    "palette": lambda drawn: encode(drawn.convert("P")),
    "one bit": lambda drawn: encode(drawn.point(lambda level: 255 * (level > 128)).convert("1")),
    "light on dark": lambda drawn: encode(Image.eval(drawn, lambda level: 255 - level)),
    "16 bit": lambda drawn: encode(sixteen_bit(drawn)),
    "12 of 16 bit": lambda drawn: encode(sixteen_bit(drawn, 4095)),
    "16 bit light on dark": lambda drawn: encode(sixteen_bit(Image.eval(drawn, lambda level: 255 - level))),
    "colour": lambda drawn: encode(coloured(drawn, INK, PAPER)),
    "colour light on dark": lambda drawn: encode(coloured(drawn, PAPER, INK)),
    "CMYK": lambda drawn: encode(coloured(drawn, INK, PAPER).convert("CMYK"), "JPEG", quality=95),
    "grey on grey": lambda drawn: encode(coloured(drawn, (90, 90, 90), (140, 140, 140))),
    "opaque alpha": lambda drawn: encode(coloured(drawn, INK, PAPER).convert("RGBA")),
    "grey with alpha": lambda drawn: encode(drawn.convert("LA")),
    "black ink on transparent": lambda drawn: encode(transparent(drawn, (0, 0, 0))),
    "white ink on transparent": lambda drawn: encode(transparent(drawn, (255, 255, 255))),
    "blue ink on transparent WebP": lambda drawn: encode(transparent(drawn, INK), "WEBP", lossless=True),
    "transparent palette": lambda drawn: encode(transparent(drawn, (0, 0, 0)).quantize(16)),
    "transparent grey level": lambda drawn: encode(drawn, transparency=255),
    "animated": lambda drawn: encode(drawn, "GIF", save_all=True, append_images=[Image.new("L", drawn.size, 255)]),
    "larger": lambda drawn: encode(drawn.resize((600, 600), Image.Resampling.BICUBIC)),
    "off centre": lambda drawn: encode(_on_page(drawn)),
    "upright by EXIF": lambda drawn: encode(drawn.rotate(90, expand=True), "JPEG", quality=95, exif=_turned()),
    "PNG upright by EXIF": lambda drawn: encode(drawn.rotate(90, expand=True), exif=_turned()),
    "upright by XMP": lambda drawn: encode(drawn.rotate(90, expand=True), "JPEG", quality=95, xmp=_TURNED_XMP),
}


def _on_page(drawn: Image.Image) -> Image.Image:
    page = Image.new("L", (300, 200), 255)
    page.paste(drawn, (200, 20))
    return page


def _turned() -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = 6  # The camera was turned: show it rotated by 90 degrees clockwise.
    return exif


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("name", GLYPHS)
def test_whatever_the_encoding_the_glyph_is_the_same(name: str, variant: str) -> None:
    drawn = draw(name)
    assert likeness(read_glyph(VARIANTS[variant](drawn)), read_glyph(encode(drawn))) > 0.97


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data:UserWarning")
def test_broken_metadata_do_not_matter() -> None:
    broken = encode(draw("pa"), "JPEG", exif=b"Exif\0\0II*\0" + bytes(range(40)))
    assert likeness(read_glyph(broken), read_glyph(encode(draw("pa")))) > 0.97


@pytest.mark.parametrize("size", [28, 32, 100, 320, 1000])
def test_thin_strokes_survive_at_any_size(size: int) -> None:
    thin = read_glyph(encode(draw("pa", size, stroke=1.5 / size)))
    assert likeness(thin, read_glyph(encode(draw("pa")))) > 0.7
    assert thin.mean() > 0.07


def test_a_bar_stays_a_bar() -> None:
    bar = Image.new("L", (60, 60), 255)
    bar.paste(0, (28, 5, 33, 55))
    assert read_glyph(encode(bar)).mean() < 0.35


def reading(image: Image.Image, kind: str = "PNG", **options: Any) -> Reading:
    return read(open_image(encode(image, kind, **options)))


def photographed(drawn: Image.Image, light: np.ndarray, noise: float = 4) -> Image.Image:
    """Grey ink on grey paper, in uneven light (a factor for each pixel), as a noisy sensor sees it."""
    levels = (70 + np.asarray(drawn) * 0.4) * light + np.random.default_rng(0).normal(0, noise, light.shape)
    return Image.fromarray(levels.clip(0, 255).astype(np.uint8))


def set_on_page(drawn: Image.Image, size: tuple[int, int], at: tuple[int, int]) -> Image.Image:
    page = Image.new("L", size, 255)
    page.paste(drawn, at)
    return page


def ramp(size: int, dark: float) -> np.ndarray:
    return np.linspace(1, dark, size)[:, None] * np.linspace(1, dark, size)[None]


def shadow(size: int, dark: float) -> np.ndarray:
    rows, columns = np.mgrid[:size, :size]
    return np.where(2 * rows + columns > 1.6 * size, dark, 1.0)


@pytest.mark.parametrize("name", GLYPHS)
@pytest.mark.parametrize("light", [ramp(600, 0.6), shadow(600, 0.6)], ids=["ramp", "shadow"])
def test_uneven_light_leaves_the_glyph(name: str, light: np.ndarray) -> None:
    page = set_on_page(draw(name, 200), (600, 600), (330, 60))
    seen = reading(photographed(page, light), "JPEG", quality=60)
    assert likeness(seen.glyph, read_glyph(encode(draw(name)))) > 0.93
    assert not seen.light
    left, top, right, bottom = seen.box
    assert 330 <= left < right <= 530
    assert 60 <= top < bottom <= 260


@pytest.mark.parametrize("size", [300, 1500, 3900])
def test_photographs_of_any_size_and_side_give_the_same_glyph(size: int) -> None:
    drawn = draw("pa", size // 5)
    page = set_on_page(drawn, (size, size), (size // 2, size // 5))
    seen = reading(photographed(page, ramp(size, 0.8)).rotate(90), "JPEG", quality=75, exif=_turned())
    assert likeness(seen.glyph, read_glyph(encode(draw("pa")))) > 0.93
    assert seen.turned
    assert seen.size == (size, size)
    assert np.abs(np.array(seen.box[:2]) / size - (0.52, 0.225)).max() < 0.02


def test_dust_is_left_out_and_a_dot_of_the_pen_is_not() -> None:
    drawn = draw("nga", 300)
    assert reading(drawn).specks == 0
    dusty = np.asarray(drawn).copy()
    for row, column in [(5, 5), (10, 280), (200, 20), (290, 150)]:
        dusty[row : row + 4, column : column + 4] = 0
    seen = reading(Image.fromarray(dusty))
    assert seen.specks == 4
    assert likeness(seen.glyph, read_glyph(encode(drawn))) > 0.99


@pytest.mark.parametrize("size", [48, 64, 128, 320, 1000])
@pytest.mark.parametrize("name", ["nga", "ah", "am"])
def test_no_part_of_a_character_is_lost(name: str, size: int) -> None:
    seen = reading(draw(name, size))
    assert (seen.specks, seen.edges) == (0, 0)
    assert likeness(seen.glyph, read_glyph(encode(draw(name, 40)))) > 0.9


@pytest.mark.parametrize("sides", [(0,), (0, 1), (0, 1, 2, 3)])
def test_the_lines_of_a_forms_box_are_left_out(sides: tuple[int, ...]) -> None:
    drawn = set_on_page(draw("pa", 160), (200, 200), (20, 0))  # Its headline is 16 pixels below the edge.
    boxed = np.asarray(drawn).copy()
    for side in sides:
        np.rot90(boxed, side)[8:12] = 60
    seen = reading(Image.fromarray(boxed))
    assert seen.edges > 0
    assert likeness(seen.glyph, read_glyph(encode(draw("pa", 160)))) > 0.9


def test_a_headline_cut_by_a_tight_crop_is_no_forms_line() -> None:
    drawn = draw("pa", 200, margin=0.0).crop((18, 4, 182, 195))
    seen = reading(drawn)
    assert seen.edges == 0
    assert likeness(seen.glyph, read_glyph(encode(drawn.resize((40, 40))))) > 0.9


def test_what_a_neighbour_left_at_the_edge_is_left_out() -> None:
    page = set_on_page(draw("pa", 160), (220, 200), (10, 20))
    page.paste(0, (205, 60, 220, 90))
    seen = reading(page)
    assert seen.edges == 1
    assert likeness(seen.glyph, read_glyph(encode(draw("pa", 160)))) > 0.97


@pytest.mark.parametrize(
    ("ink", "paper"),
    [((255, 230, 0), (255, 255, 255)), ((200, 40, 40), (70, 105, 70)), ((0, 200, 255), (255, 255, 255))],
)
def test_colours_of_one_brightness_are_told_apart(ink: tuple[int, int, int], paper: tuple[int, int, int]) -> None:
    for size in (32, 300):
        seen = read_glyph(encode(coloured(draw("pa", size), ink, paper)))
        assert likeness(seen, read_glyph(encode(draw("pa", size)))) > 0.97


def test_a_reading_says_what_was_done() -> None:
    seen = reading(Image.eval(draw("pa", 320, stroke=1.5 / 320), lambda level: 255 - level))
    assert seen.light
    assert seen.widened > 1
    assert (seen.turned, seen.specks, seen.edges) == (False, 0, 0)
    assert seen.size == (320, 320)
    plain = reading(draw("pa", 32))
    assert (plain.light, plain.turned, plain.widened, plain.size) == (False, False, 0, (32, 32))
    assert plain.box == pytest.approx((4, 4, 29, 28), abs=2)


@pytest.mark.parametrize("kind", FORMATS)
def test_a_truncated_image_is_told_apart(kind: str) -> None:
    whole = encode(draw("pa", 200), kind)
    assert code(whole[: len(whole) * 2 // 3]) == "truncated_image"


def _specks() -> Image.Image:
    """Ink in two opposite corners, so small that none is left when the whole is brought to the size of a glyph."""
    page = Image.new("L", (3000, 3000), 255)
    page.putpixel((0, 0), 0)
    page.putpixel((2999, 2999), 0)
    return page


@pytest.mark.parametrize(
    "blank",
    [
        Image.new("L", (32, 32), 255),
        Image.new("L", (32, 32), 0),
        Image.new("RGB", (40, 20), (120, 60, 60)),
        Image.new("RGBA", (32, 32), (0, 0, 0, 0)),
        Image.new("L", (1, 1), 7),
        Image.fromarray(np.random.default_rng(0).integers(240, 250, (64, 64), np.uint8)),
        Image.fromarray(np.full((32, 32), 40_000, np.uint16)),
        _specks(),
    ],
    ids=["white", "black", "colour", "transparent", "one pixel", "faint noise", "16 bit", "lost specks"],
)
def test_a_blank_image_is_refused(blank: Image.Image) -> None:
    assert code(encode(blank)) == "blank_image"


def test_what_is_no_image_is_refused() -> None:
    assert code(b"") == "empty_file"
    assert code(b"GET / HTTP/1.1") == "unsupported_image"
    assert code(b"<svg xmlns='http://www.w3.org/2000/svg'/>") == "unsupported_image"
    assert code(encode(draw("pa"), "TIFF")) == "unsupported_image"


def test_the_size_is_known_before_a_pixel_is_decoded() -> None:
    whole = encode(draw("pa", 200))
    image = open_image(whole[: len(whole) // 2])
    assert image.size == (200, 200)
    with pytest.raises(ImageError, match="truncated"):
        read(image)


def test_too_many_pixels_are_refused_before_they_are_decoded() -> None:
    assert code(encode(draw("pa", 64)), max_pixels=64 * 64 - 1) == "too_many_pixels"
    assert code(_claiming(12_000, 12_000)) == "too_many_pixels"
    assert code(_claiming(2**30, 2**30)) == "too_many_pixels"


def _claiming(width: int, height: int) -> bytes:
    """A tiny PNG whose header claims a huge image."""
    header = b"IHDR" + width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes([8, 0, 0, 0, 0])
    chunk = (13).to_bytes(4, "big") + header + zlib.crc32(header).to_bytes(4, "big")
    png = encode(Image.new("L", (1, 1)))
    return png[:8] + chunk + png[33:]


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_damaged_files_give_a_glyph_or_an_error_never_a_crash(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(FORMATS))
    damaged = bytearray(_ENCODED[kind])
    for _ in range(data.draw(st.integers(1, 8))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    try:
        glyph = read_glyph(bytes(damaged[: data.draw(st.integers(1, len(damaged)))]), max_pixels=100_000)
    except ImageError:
        return
    assert glyph.shape == (32, 32)
    assert np.isfinite(glyph).all()


@settings(max_examples=200, deadline=None)
@given(st.integers(1, 400), st.integers(1, 400), st.sampled_from(["L", "LA", "RGB", "RGBA", "P", "1"]), st.data())
def test_any_picture_gives_a_glyph_or_is_blank(width: int, height: int, mode: str, data: st.DataObject) -> None:
    page = Image.new("RGB", (width, height), data.draw(st.tuples(*3 * [st.integers(0, 255)])))
    for _ in range(data.draw(st.integers(0, 6))):
        x, y = (
            sorted(data.draw(st.tuples(*2 * [st.integers(0, width)]))),
            sorted(data.draw(st.tuples(*2 * [st.integers(0, height)]))),
        )
        page.paste(data.draw(st.tuples(*3 * [st.integers(0, 255)])), (x[0], y[0], x[1], y[1]))
    try:
        seen = reading(page.convert(mode))
    except ImageError as error:
        if error.code != "blank_image":
            raise
        return
    assert seen.glyph.shape == (32, 32)
    assert seen.glyph.max() == 1
    left, top, right, bottom = seen.box
    assert 0 <= left < right <= width
    assert 0 <= top < bottom <= height


_ENCODED = {kind: encode(coloured(draw("tta", 32), INK, PAPER), kind) for kind in FORMATS}


def test_data_set_images_are_read_in_their_own_polarity(nhcd_files: zipfile.ZipFile) -> None:
    """NHCD is dark on light and fills its frame, so that its border is no sure sign of paper."""
    names = [name for name in nhcd_files.namelist() if name.endswith(".jpg")][::40]
    for name in names:
        data = nhcd_files.read(name)
        raw = 255 - np.asarray(Image.open(io.BytesIO(data)), np.float32)
        assert likeness(read_glyph(data)[2:-2, 2:-2], raw) > 0.6, name


@pytest.mark.parametrize("name", ["pa", "ah", "am", "nga"])
def test_dust_around_a_thumbnail_does_not_shrink_its_glyph(name: str) -> None:
    clean = set_on_page(draw(name, 28, margin=0.0), (40, 40), (6, 6))
    dusty = np.asarray(clean).copy()
    dusty[1, 1] = dusty[38, 20] = dusty[0, 39] = 0
    seen, expected = reading(Image.fromarray(dusty)), reading(clean)
    assert (seen.specks, expected.specks) == (3, 0)
    assert seen.box == expected.box
    np.testing.assert_array_equal(seen.glyph, expected.glyph)


def test_a_dot_of_a_thin_pen_is_no_dust() -> None:
    thin = np.full((32, 32), 255, np.uint8)
    thin[8, 2:30] = thin[8:30, 20] = thin[2, 24] = 0
    seen = reading(Image.fromarray(thin))
    assert seen.specks == 0
    assert seen.box == (2, 2, 30, 30)
