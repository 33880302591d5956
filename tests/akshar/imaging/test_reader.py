import io
import zipfile
import zlib
from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from akshar.imaging.errors import ImageError
from akshar.imaging.formats import FORMATS
from akshar.imaging.reader import open_image, read, read_glyph
from tests.akshar.imaging.pictures import reading, similarity, turned
from tests.drawing import coloured, draw, encode, sixteen_bit, transparent
from training.data.drawings import GLYPHS


def code(data: bytes, **limits: int) -> str:
    with pytest.raises(ImageError) as caught:
        read_glyph(data, **limits)
    return caught.value.code


@pytest.mark.parametrize("name", GLYPHS)
def test_a_glyph_is_32_by_32_and_fills_its_frame(name: str) -> None:
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
    "upright by EXIF": lambda drawn: encode(drawn.rotate(90, expand=True), "JPEG", quality=95, exif=turned()),
    "PNG upright by EXIF": lambda drawn: encode(drawn.rotate(90, expand=True), exif=turned()),
    "upright by XMP": lambda drawn: encode(drawn.rotate(90, expand=True), "JPEG", quality=95, xmp=_TURNED_XMP),
}


def _on_page(drawn: Image.Image) -> Image.Image:
    page = Image.new("L", (300, 200), 255)
    page.paste(drawn, (200, 20))
    return page


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("name", GLYPHS)
def test_the_glyph_does_not_depend_on_the_encoding(name: str, variant: str) -> None:
    drawn = draw(name)
    assert similarity(read_glyph(VARIANTS[variant](drawn)), read_glyph(encode(drawn))) > 0.97


def test_broken_metadata_are_ignored() -> None:
    broken = encode(draw("pa"), "JPEG", exif=b"Exif\0\0II*\0" + bytes(range(40)))
    assert similarity(read_glyph(broken), read_glyph(encode(draw("pa")))) > 0.97


@pytest.mark.parametrize("size", [28, 32, 100, 320, 1000])
def test_thin_strokes_survive_at_any_size(size: int) -> None:
    thin = read_glyph(encode(draw("pa", size, stroke=1.5 / size)))
    assert similarity(thin, read_glyph(encode(draw("pa")))) > 0.7
    assert thin.mean() > 0.07


def test_a_bar_stays_a_bar() -> None:
    bar = Image.new("L", (60, 60), 255)
    bar.paste(0, (28, 5, 33, 55))
    assert read_glyph(encode(bar)).mean() < 0.35


@pytest.mark.parametrize(
    ("ink", "paper"),
    [((255, 230, 0), (255, 255, 255)), ((200, 40, 40), (70, 105, 70)), ((0, 200, 255), (255, 255, 255))],
)
def test_colours_of_equal_brightness_are_distinguished(ink: tuple[int, int, int], paper: tuple[int, int, int]) -> None:
    for size in (32, 300):
        seen = read_glyph(encode(coloured(draw("pa", size), ink, paper)))
        assert similarity(seen, read_glyph(encode(draw("pa", size)))) > 0.97


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
def test_a_truncated_image_has_its_own_code(kind: str) -> None:
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


def test_files_that_are_no_image_are_refused() -> None:
    assert code(b"") == "empty_file"
    assert code(b"GET / HTTP/1.1") == "unsupported_image"
    assert code(b"<svg xmlns='http://www.w3.org/2000/svg'/>") == "unsupported_image"


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
def test_damaged_files_give_a_glyph_or_an_image_error(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(list(FORMATS)))
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


def test_images_of_the_data_set_are_read_in_their_polarity(nhcd_files: zipfile.ZipFile) -> None:
    """NHCD is dark on light and fills its frame, so that its border is no sure sign of paper."""
    names = [name for name in nhcd_files.namelist() if name.endswith(".jpg")][::40]
    for name in names:
        data = nhcd_files.read(name)
        raw = 255 - np.asarray(Image.open(io.BytesIO(data)), np.float32)
        assert similarity(read_glyph(data)[2:-2, 2:-2], raw) > 0.6, name
