"""What TIFF and HEIC files declare, and what is refused before a decoder sees it."""

import math
import struct
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from akshar.imaging import heif
from akshar.imaging.errors import ImageError
from akshar.imaging.inspection import inspect
from akshar.imaging.look import Inspection
from akshar.imaging.opening import look_at_head
from akshar.imaging.reader import open_image, read, read_glyph
from tests.akshar.imaging.test_inspection import MAX_LINES, lines_run
from tests.containers import LONG, RATIONAL, SHORT, Item, box, coded, full_box, grey_tiff, heic, size_property, tiff
from tests.drawing import draw, encode

GREY = Image.new("RGB", (64, 64), (200, 200, 200))
HEVC, DATA = coded(GREY)
SIDES = [(256, LONG, [64]), (257, LONG, [64])]


def photograph(*properties: bytes, **more: Any) -> bytes:
    return heic([Item(b"hvc1", DATA, [size_property(64, 64), HEVC, *properties])], **more)


def grid(side: int, parts: list[int], *items: Item) -> bytes:
    """A grid of ``side`` by ``side`` tiles of 64 pixels."""
    whole = struct.pack(">BBBBHH", 0, 0, side - 1, side - 1, 64 * side, 64 * side)
    size = [size_property(64 * side, 64 * side)]
    return heic([Item(b"grid", whole, size, parts), *items, Item(b"hvc1", DATA, [size_property(64, 64), HEVC])])


def with_items(count: int) -> bytes:
    return heic([Item(b"hvc1", DATA, [size_property(64, 64), HEVC]), *([Item(b"mime", b"", [])] * count)])


def with_pieces(count: int) -> bytes:
    return heic([Item(b"hvc1", DATA, [size_property(64, 64), HEVC], extents=[(0, len(DATA))] * count)])


ATTACKS: dict[str, tuple[Callable[[], bytes], str]] = {
    "half a million boxes": (lambda: photograph(before=box(b"free") * 500_000), "too_much_metadata"),
    "5,000 items": (lambda: with_items(5000), "too_much_metadata"),
    "a thousand times the file": (lambda: with_pieces(1000), "too_much_metadata"),
    "50,000 pieces": (lambda: with_pieces(50_000), "too_much_metadata"),
    "HEIC of 60,000 x 60,000": (
        lambda: photograph().replace(struct.pack(">II", 64, 64), b"\0\0\xea\x60" * 2),
        "too_many_pixels",
    ),
    "60,000 fields": (lambda: tiff([(tag, SHORT, [1]) for tag in range(1, 60_000)]), "too_much_metadata"),
    "half a million fractions": (lambda: tiff([*SIDES, (282, RATIONAL, bytes(8 * 500_000))]), "too_much_metadata"),
    "a comment of 5 MB": (lambda: tiff([*SIDES, (270, 2, bytes(5 * 10**6))]), "too_much_metadata"),
    "a million strips": (lambda: grey_tiff(GREY.convert("L"), t273=[8] * 10**6), "too_much_metadata"),
    "a huge tile": (lambda: grey_tiff(GREY.convert("L"), tile=16, t322=[60_000], t323=[60_000]), "too_many_pixels"),
    "strips one upon the other": (
        lambda: grey_tiff(Image.new("L", (2000, 2000)), t278=[1999], t273=[8] * 10_000),
        "too_many_pixels",
    ),
    "TIFF of 60,000 x 60,000": (lambda: grey_tiff(GREY.convert("L"), t256=[60_000], t257=[60_000]), "too_many_pixels"),
}

HARMLESS: dict[str, tuple[Callable[[], bytes], str]] = {
    "a grid of itself": (lambda: grid(1, [1]), "truncated_image"),
    "two grids of each other": (
        lambda: grid(1, [2], Item(b"grid", bytes(8), [size_property(64, 64)], [1])),
        "truncated_image",
    ),
    "a grid of one tile": (lambda: grid(30, [2] * 900), "blank_image"),
    "a grid of too few tiles": (lambda: grid(30, [2] * 899), "truncated_image"),
    "a grid of tiles that are not there": (lambda: grid(1, [77]), "truncated_image"),
    "fewer pixels than declared": (
        lambda: photograph().replace(struct.pack(">II", 64, 64), struct.pack(">II", 999, 999)),
        "truncated_image",
    ),
    "a piece beyond the end": (
        lambda: heic([Item(b"hvc1", DATA, [size_property(64, 64), HEVC], extents=[(0, 2**32 - 1)])]),
        "truncated_image",
    ),
    "a box of the largest size": (lambda: photograph(before=box(b"free", b"\xff" * 8, size=1)), "truncated_image"),
    "a box up to the end": (lambda: photograph(before=box(b"free", size=0)), "truncated_image"),
    "a box smaller than its header": (lambda: photograph(before=box(b"free", size=7)), "truncated_image"),
    "a page that follows itself": (lambda: tiff(SIDES, pages=0), "truncated_image"),
    "a thousand pages": (lambda: tiff(SIDES, pages=1000), "truncated_image"),
    "a field of 16 GB": (
        lambda: tiff([*SIDES, (282, RATIONAL, b"")]).replace(
            struct.pack("<HHI", 282, 5, 0), struct.pack("<HHI", 282, 5, 2**31)
        ),
        "truncated_image",
    ),
    "an infinite side": (lambda: tiff([(256, 11, struct.pack("<f", math.inf)), SIDES[1]]), "truncated_image"),
    "a negative side": (lambda: tiff([(256, 9, struct.pack("<i", -64)), SIDES[1]]), "truncated_image"),
    "a TIFF without pages": (lambda: b"II*\0\0\0\0\0", "truncated_image"),
    "a page beyond all addresses": (lambda: b"II+\0\x08\0\0\0" + b"\xff" * 16, "truncated_image"),
    "a page beyond the end": (lambda: b"II*\0\xff\xff\xff\xff", "truncated_image"),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_what_asks_too_much_is_refused_before_a_decoder_sees_it(attack: str, monkeypatch: pytest.MonkeyPatch) -> None:
    make, code = ATTACKS[attack]
    data = make()
    assert lines_run(data) < MAX_LINES
    monkeypatch.setattr(Image, "open", lambda *_, **__: pytest.fail("a decoder saw it"))
    monkeypatch.setattr(heif, "HeifImage", lambda *_: pytest.fail("a decoder saw it"))
    with pytest.raises(ImageError) as refused:
        read_glyph(data)
    assert refused.value.code == code


@pytest.mark.parametrize("file", HARMLESS)
def test_what_is_wrong_with_a_file_is_its_own_fault(file: str) -> None:
    make, code = HARMLESS[file]
    data = make()
    assert lines_run(data) < MAX_LINES
    with pytest.raises(ImageError) as refused:
        read_glyph(data)
    assert refused.value.code == code


def test_the_size_is_that_of_the_image_as_shown() -> None:
    wide = heic([Item(b"hvc1", DATA, [size_property(64, 32), HEVC])])
    lying = heic([Item(b"hvc1", DATA, [size_property(64, 32), HEVC, box(b"irot", b"\1")])])
    cropped = struct.pack(">8I", 50, 1, 20, 1, 0, 1, 0, 1)
    for data, size in (
        (wide, (64, 32)),
        (lying, (32, 64)),
        (photograph(box(b"clap", cropped)), (50, 20)),
        (photograph(box(b"clap", cropped), box(b"irot", b"\3")), (20, 50)),
        (grey_tiff(Image.new("L", (64, 32))), (64, 32)),
        (grey_tiff(Image.new("L", (64, 32)), t274=[8]), (32, 64)),
    ):
        seen = inspect(data)
        assert (seen.width, seen.height, seen.simple) == (*size, False)
    assert inspect(photograph(box(b"clap", cropped))).pixels == 64 * 64


def test_parts_of_a_tiff_count_if_they_are_larger_or_more_than_the_image_needs() -> None:
    page = Image.new("L", (100, 70))
    assert inspect(grey_tiff(page)).pixels == 7000
    assert inspect(grey_tiff(page, tile=32)).pixels == 7000
    assert inspect(grey_tiff(page, tile=128)).pixels == 128 * 128
    assert inspect(grey_tiff(page, t278=[64], t273=[8, 8])).pixels == 7000
    assert inspect(grey_tiff(page, t278=[64], t273=[8] * 9)).pixels == 9 * 6400
    assert inspect(grey_tiff(page, t278=[64], t273=[8] * 6, t277=[3], t284=[2])).pixels == 7000


def test_large_boxes_may_stand_in_front() -> None:
    data = photograph(before=box(b"free", struct.pack(">Q", 24), bytes(8), size=1))
    assert inspect(data).width == 64
    with pytest.raises(ImageError, match="blank"):
        read_glyph(data)


def test_the_size_is_found_at_the_end_of_a_file() -> None:
    page = grey_tiff(Image.effect_noise((400, 400), 50))
    assert inspect(page[: 2**16]) == Inspection("TIFF", 0, 0, simple=False)
    assert look_at_head(page)[:3] == ("TIFF", 400, 400)
    late = photograph(before=box(b"free", bytes(2**17)))
    assert look_at_head(bytearray(late))[:3] == ("HEIF", 64, 64)


@pytest.mark.parametrize("brand", [b"heic", b"heix", b"hevc"])
def test_heic_is_known_by_its_brands(brand: bytes) -> None:
    assert inspect(photograph(brand=brand)).format == "HEIF"


def test_a_general_brand_leaves_it_to_the_others() -> None:
    named = box(b"ftyp", b"mif1", bytes(4), b"mif1", b"avif")
    assert inspect(named).format == "AVIF"
    assert inspect(named.replace(b"avif", b"heic")).format == "HEIF"
    assert inspect(named.replace(b"ftypmif1", b"ftypisom")).format is None


def test_pixels_of_more_bytes_count_more() -> None:
    """Decoders keep up to 15 bytes of a pixel of 10 bits in full colour, and 4.5 of one that a phone stores."""
    described = bytearray(HEVC)
    assert described[8 + 16] & 3 == 1
    plain, full, deep = bytes(described), bytearray(described), bytearray(described)
    full[8 + 16] |= 3
    deep[8 + 17] |= 2

    def pixels(own: bytes, *more: bytes) -> int:
        data = heic([Item(b"hvc1", DATA, [size_property(4000, 4000), own, *more])])
        return inspect(data).pixels

    assert pixels(plain) == 4_750_000
    assert pixels(bytes(full)) == 9_250_000
    assert pixels(bytes(deep)) == 7_750_000
    assert pixels(plain, full_box(b"auxC", b"urn:mpeg:hevc:2015:auxid:1\0")) == 16_000_000
    assert pixels(bytes(full), full_box(b"auxC", b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha\0")) == 16_000_000
    full[8 + 17] |= 2
    assert pixels(bytes(full)) == 15_250_000
    assert pixels(bytes(full), full_box(b"auxC", b"urn:mpeg:hevc:2015:auxid:1\0")) == 20_000_000


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(["TIFF", "AVIF", "HEIF"]), st.data())
def test_no_damaged_file_opens_with_more_pixels_than_allowed(kind: str, data: st.DataObject) -> None:
    file = bytearray(_DRAWN[kind])
    for _ in range(data.draw(st.integers(1, 6))):
        file[data.draw(st.integers(0, len(file) - 1))] = data.draw(st.integers(0, 255))
    assert lines_run(bytes(file)) < MAX_LINES
    try:
        image = open_image(bytes(file), max_pixels=5000)
        assert image.width * image.height <= 5000
        read(image)
    except ImageError:
        return


_DRAWN = {kind: encode(draw("pa", 64), kind) for kind in ("TIFF", "AVIF", "HEIF")}
