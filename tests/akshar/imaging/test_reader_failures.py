"""What a caller is left with when an image cannot be read: the right error, nothing kept alive, no warnings."""

import gc
import io
import subprocess
import sys
import warnings
import weakref
import zlib
from collections.abc import Iterator
from typing import Any

import pytest
from PIL import Image, ImageOps
from PIL.ImageFile import ImageFile

from akshar.imaging.errors import ImageError
from akshar.imaging.formats import FORMATS
from akshar.imaging.reader import open_image, read, read_glyph
from benchmarks import hostile as attacks
from tests.akshar.imaging.pictures import turned
from tests.drawing import draw, encode

BROKEN_EXIF = b"Exif\0\0II*\0" + bytes(range(40))
MALFORMED_MPO = b"\xff\xe2" + (2 + 4 + 8).to_bytes(2, "big") + b"MPF\0" + b"XX*\0\0\0\0\x08"


@pytest.fixture
def no_garbage_collection() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("no_garbage_collection")
@pytest.mark.parametrize("kind", FORMATS)
def test_an_error_without_its_traceback_keeps_no_image(kind: str) -> None:
    whole = encode(Image.effect_noise((100, 100), 50), kind)
    image = open_image(whole[: len(whole) // 2]) if kind in ("PNG", "JPEG", "BMP", "GIF") else _with_broken_pixels(kind)
    kept = weakref.ref(image)
    with pytest.raises(ImageError) as caught:
        read(image)
    error: ImageError | None = caught.value.with_traceback(None)
    assert error is not None
    assert (error.code, error.__cause__, error.__context__) == ("truncated_image", None, None)
    del caught, image
    assert kept() is None


def _with_broken_pixels(kind: str) -> Image.Image:
    """These are opened only if they are complete."""
    options: dict[str, dict[str, Any]] = {"WEBP": {"lossless": True}, "TIFF": {"compression": "tiff_adobe_deflate"}}
    data = bytearray(encode(Image.effect_noise((100, 100), 50), kind, **options.get(kind, {})))
    start = {"WEBP": 30, "TIFF": 8}.get(kind, data.find(b"mdat") + 4)
    data[start : start + 170] = bytes(170)
    return open_image(bytes(data))


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"GET / HTTP/1.1", "unsupported_image"),
        (encode(draw("pa"), "WEBP")[:60], "truncated_image"),
        (encode(draw("pa"), "JPEG")[:40], "truncated_image"),
        (attacks.white_webp(5000), "too_many_pixels"),
    ],
)
def test_an_error_on_opening_has_no_context(data: bytes, code: str) -> None:
    with pytest.raises(ImageError) as caught:
        open_image(data)
    assert (caught.value.code, caught.value.__cause__, caught.value.__context__) == (code, None, None)


@pytest.mark.parametrize(("owner", "function"), [(Image, "open"), (ImageFile, "load"), (ImageOps, "exif_transpose")])
def test_want_of_memory_is_not_taken_for_damage(owner: Any, function: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise MemoryError

    data = encode(draw("pa"), "PNG", exif=turned())
    monkeypatch.setattr(owner, function, fail)
    with pytest.raises(MemoryError):
        read_glyph(data)


_SHORT_OF_MEMORY = """
import resource, sys
from akshar.imaging.errors import ImageError
from akshar.imaging.reader import read_glyph
data = sys.stdin.buffer.read()
kind, size = sys.argv[1], int(sys.argv[2])
from tests.drawing import draw, encode
read_glyph(encode(draw("pa"), kind))  # What is loaded at the first image takes memory, too.
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + size, resource.RLIM_INFINITY))
try:
    read_glyph(data)
except MemoryError:
    print("MemoryError")
except ImageError as error:
    print(error.code)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the limit on address space is Linux's")
@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("WEBP", {}),
        ("WEBP", {"lossless": True}),
        ("JPEG", {"progressive": True}),
        ("PNG", {}),
        ("TIFF", {"compression": "tiff_lzw"}),
        ("AVIF", {"speed": 10}),
        ("HEIF", {}),
    ],
)
def test_a_decoder_without_memory_does_not_blame_the_image(kind: str, options: dict[str, Any]) -> None:
    """libwebp, libjpeg, libavif and libheif report it as damage."""
    whole = encode(Image.new("RGB", (3900, 3900), (250, 240, 220)), kind, **options)
    assert _read_with(whole, kind, 2**20) == "MemoryError"


@pytest.mark.skipif(sys.platform != "linux", reason="the limit on address space is Linux's")
@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "PNG", "TIFF", "AVIF", "HEIF"])
def test_a_truncated_image_is_told_from_want_of_memory(kind: str) -> None:
    whole = encode(Image.effect_noise((1500, 1500), 50), kind)
    assert _read_with(whole[: len(whole) // 2], kind, 200 * 2**20) == "truncated_image"


def _read_with(data: bytes, kind: str, size: int) -> str:
    """What becomes of an image in a process that may take this many bytes more than it has."""
    command = [sys.executable, "-c", _SHORT_OF_MEMORY, kind, str(size)]
    return subprocess.run(command, input=data, capture_output=True, check=True).stdout.decode().strip()


def _png_with(kind: bytes, content: bytes) -> bytes:
    png = encode(draw("pa"))
    chunk = len(content).to_bytes(4, "big") + kind + content + zlib.crc32(kind + content).to_bytes(4, "big")
    return png[:33] + chunk + png[33:]


@pytest.mark.parametrize(
    "data",
    [
        encode(draw("pa"), "JPEG", exif=BROKEN_EXIF),
        encode(draw("pa"), "WEBP", exif=BROKEN_EXIF),
        encode(draw("pa"), exif=BROKEN_EXIF),
        _png_with(b"tEXt", b"Raw profile type exif\0\nexif\n      46\n" + BROKEN_EXIF.hex().encode()),
        _png_with(b"acTL", bytes(8)),
        encode(draw("pa"), "JPEG").replace(b"\xff\xdb", MALFORMED_MPO + b"\xff\xdb", 1),
    ],
    ids=["JPEG", "WebP", "PNG", "raw profile", "APNG", "MPO"],
)
def test_pillow_warns_nobody_about_broken_metadata(data: bytes) -> None:
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        read_glyph(data)
    assert warned == []
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(UserWarning), Image.open(io.BytesIO(data)) as image:  # Left alone, it does.
            ImageOps.exif_transpose(image)


def test_pillow_warns_nobody_about_pixels_that_were_allowed() -> None:
    data = encode(Image.new("1", (10_000, 10_000), 1))
    assert open_image(data, max_pixels=200_000_000).size == (10_000, 10_000)
