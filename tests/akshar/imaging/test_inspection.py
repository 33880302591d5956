import io
import random
import sys
import zipfile
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from akshar.imaging import boxes, inspection, look, tiff
from akshar.imaging.errors import ImageError
from akshar.imaging.formats import FORMATS, SUFFIXES
from akshar.imaging.inspection import inspect
from akshar.imaging.look import Inspection
from akshar.imaging.reader import read_glyph
from benchmarks import hostile as attacks
from tests.conftest import DATA
from tests.drawing import draw, encode

KINDS = list(FORMATS)
EXIF = Image.Exif()
EXIF[0x0112] = 6  # Orientation.
NEVER_SIMPLE = {"TIFF", "AVIF", "HEIF"}
LOOKING = {module.__file__ for module in (boxes, inspection, look, tiff)}
MAX_LINES = 40_000
"""Of Python that one inspection may run, a few milliseconds: one of all blocks of an attack would run millions."""

ATTACKS: list[tuple[Callable[[], bytes], str]] = [
    (lambda: attacks.many_scans(101), "too_many_scans"),
    (lambda: attacks.many_scans(335_031), "too_many_scans"),
    (lambda: attacks.exif_segments(300), "too_much_metadata"),
    (lambda: attacks.exif_segments(524_000), "too_much_metadata"),
    (lambda: attacks.junk_between_segments(9_000_000), "too_much_metadata"),
    (lambda: attacks.tables(2_000_000), "too_much_metadata"),
    (lambda: attacks.text_chunks(9), "too_much_metadata"),
    (lambda: attacks.text_chunks(60), "too_much_metadata"),
    (lambda: attacks.text_chunks(60, behind=True), "too_much_metadata"),
    (lambda: attacks.palettes(500_000), "too_much_metadata"),
    (lambda: attacks.pixel_chunks(500_000), "too_much_metadata"),
    (lambda: attacks.frames(1001), "too_many_frames"),
    (lambda: attacks.comments(300), "too_much_metadata"),
    (lambda: attacks.comments(500_000), "too_much_metadata"),
    (lambda: attacks.sub_blocks(3_000_000), "too_much_metadata"),
]


def result(data: bytes) -> Inspection | str:
    try:
        return inspect(data)
    except ImageError as error:
        return error.code


def lines_run(data: bytes) -> int:
    """How many lines of the module ran: a measure of time that no busy machine changes."""
    lines = 0

    def in_frame(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal lines
        lines += event == "line"
        return in_frame

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        return in_frame if frame.f_code.co_filename in LOOKING else None

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        result(data)
    finally:
        sys.settrace(before)
    return lines


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("mode", ["L", "RGB", "P"])
@pytest.mark.parametrize("size", [(32, 32), (41, 300), (1, 7)])
def test_an_ordinary_image_is_simple_and_has_its_size(kind: str, mode: str, size: tuple[int, int]) -> None:
    image = Image.new(mode, size)
    data = encode(image.convert("L") if kind == "JPEG" and mode == "P" else image, kind)
    assert inspect(data)[:4] == (kind, *size, kind not in NEVER_SIMPLE)
    assert lines_run(data) < 400


@pytest.mark.parametrize(
    ("kind", "options", "simple"),
    [
        ("JPEG", {"progressive": True}, True),
        ("JPEG", {"comment": "x", "icc_profile": bytes(3000)}, True),
        ("JPEG", {"exif": EXIF}, False),
        ("JPEG", {"icc_profile": bytes(900_000)}, False),
        ("PNG", {"dpi": (300, 300)}, True),
        ("PNG", {"exif": EXIF}, False),
        ("PNG", {"icc_profile": bytes(3000)}, False),
        ("WEBP", {"quality": 80}, True),
        ("WEBP", {"lossless": True}, True),
        ("WEBP", {"exif": EXIF}, False),
        ("GIF", {"comment": 5000 * b"x"}, True),
    ],
)
def test_what_cameras_and_programs_add_is_accepted(kind: str, options: dict[str, Any], simple: bool) -> None:
    data = encode(draw("pa", 64).convert("RGB"), kind, **options)
    assert inspect(data) == Inspection(kind, 64, 64, simple)
    read_glyph(data)


def test_captions_in_many_languages_are_accepted_unless_they_are_compressed() -> None:
    plain, packed = PngImagePlugin.PngInfo(), PngImagePlugin.PngInfo()
    for i in range(20):
        plain.add_itxt(f"Title{i}", "शीर्षक", lang="hi")
        packed.add_itxt(f"Title{i}", "शीर्षक", lang="hi", zip=True)
    assert inspect(encode(draw("pa"), pnginfo=plain)).format == "PNG"
    assert result(encode(draw("pa"), pnginfo=packed)) == "too_much_metadata"


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "GIF"])
def test_an_animation_is_read_by_its_first_frame(kind: str) -> None:
    first = draw("pa", 64).convert("L")
    data = encode(first, kind, save_all=True, append_images=[draw("tta", 64).convert("L")])
    seen = inspect(data)
    assert (seen.width, seen.height, seen.simple) == (64, 64, kind == "GIF")  # Pillow reads no further in a GIF.
    read_glyph(data)


def test_the_scans_of_a_baseline_jpeg_end_with_the_first() -> None:
    """What follows, such as the film of a moving photograph, is not searched for scans."""
    film = random.Random(0).randbytes(1000) + 200 * b"\xff\xda"
    assert inspect(encode(draw("pa"), "JPEG") + film) == Inspection("JPEG", 64, 64, simple=True)
    assert result(encode(draw("pa"), "JPEG", progressive=True) + film) == "too_many_scans"


@pytest.mark.parametrize(("attack", "code"), ATTACKS)
def test_what_asks_too_much_of_a_decoder_is_refused_before_one_sees_it(
    attack: Callable[[], bytes], code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = attack()
    assert lines_run(data) < MAX_LINES
    monkeypatch.setattr(Image, "open", lambda *_, **__: pytest.fail("a decoder saw it"))
    with pytest.raises(ImageError) as refused:
        read_glyph(data)
    assert refused.value.code == code


@pytest.mark.parametrize(
    "data",
    [
        attacks.many_scans(20),
        attacks.exif_segments(30),
        attacks.text_chunks(1),
        attacks.text_chunks(1, behind=True),
        attacks.pixel_chunks(2000),
        attacks.frames(2),
        attacks.comments(20),
    ],
)
def test_what_takes_more_time_than_its_pixels_is_not_simple(data: bytes) -> None:
    seen = inspect(data)
    assert seen.width
    assert not seen.simple


def test_pixels_are_counted_before_a_decoder_sees_them(monkeypatch: pytest.MonkeyPatch) -> None:
    assert inspect(attacks.white_webp(4000)) == Inspection("WEBP", 4000, 4000, simple=True)
    assert inspect(attacks.truncated_png(4000)) == Inspection("PNG", 4000, 4000, simple=False)
    monkeypatch.setattr(Image, "open", lambda *_, **__: pytest.fail("a decoder saw it"))
    for data in (attacks.white_webp(4001), attacks.truncated_png(4001)):
        with pytest.raises(ImageError) as refused:
            read_glyph(data)
        assert refused.value.code == "too_many_pixels"


@pytest.mark.parametrize("kind", sorted({*KINDS} - {"TIFF"}))
def test_the_beginning_of_a_file_tells_its_size(kind: str) -> None:
    image = Image.effect_noise((500, 400), 80)
    assert inspect(encode(image, kind)[:1000])[:3] == (kind, 500, 400)


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(sorted({*KINDS} - NEVER_SIMPLE)), st.integers(0, 2**32), st.integers(1, 30), st.booleans())
def test_damaged_files_are_inspected_or_refused(kind: str, seed: int, changes: int, animated: bool) -> None:
    """And what Pillow opens has the size that was seen: a smaller one would pass the limit of pixels."""
    rng = random.Random(seed)
    options: dict[str, Any] = {"save_all": True, "append_images": [draw("tta", 32)]} if animated else {}
    data = bytearray(encode(draw("pa", 32), kind, **({} if kind in ("JPEG", "BMP") else options)))
    for _ in range(changes):
        data[rng.randrange(min(len(data), 100))] = rng.randrange(256)
    assert lines_run(bytes(data)) < MAX_LINES
    seen = result(bytes(data))
    if isinstance(seen, str):
        return
    try:
        with Image.open(io.BytesIO(data), formats=(kind,)) as image:
            size = image.size
    except Exception:  # What it raises about broken files is the concern of `read_glyph`.
        return
    assert size == (seen.width, seen.height)


@pytest.mark.parametrize(("name", "step"), [("nhcd.zip", 10), ("dhcd-train.zip", 60), ("dongre-mankar.zip", 10)])
def test_images_of_the_data_sets_are_simple(name: str, step: int) -> None:
    if not (DATA / name).exists():
        pytest.skip(f"{name} is not there: the data sets are not part of the repository")
    with zipfile.ZipFile(DATA / name) as archive:
        names = [entry for entry in archive.namelist() if entry.lower().endswith(SUFFIXES)][::step]
        assert len(names) > 500
        for entry in names:
            data = archive.read(entry)
            with Image.open(io.BytesIO(data)) as image:
                assert inspect(data) == Inspection(image.format, *image.size, simple=True), entry
