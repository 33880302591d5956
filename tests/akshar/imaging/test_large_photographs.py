"""Photographs of 48 and 50 megapixels are read, in the memory that one image may take."""

import subprocess
import sys
from collections.abc import Callable
from functools import partial

import pytest
from PIL import Image

from akshar.imaging.errors import ImageError
from akshar.imaging.formats import MAX_PIXELS
from akshar.imaging.opening import look_at
from akshar.imaging.reader import open_image, read, read_glyph
from tests.akshar.imaging.pictures import similarity, turned
from tests.containers import box, tiled_heic
from tests.drawing import draw, encode

MAX_MEGABYTES = 250
SIDE = 512
_PEAK = """
import sys
import cv2
from pathlib import Path
from akshar.imaging.errors import ImageError
from akshar.imaging.reader import open_image, read
cv2.setNumThreads(1)
small, data = (sys.stdin.buffer.read(int(size)) for size in sys.argv[1:])
read(open_image(small))  # What is loaded at the first image of a format.

def megabytes(name):
    return int(Path("/proc/self/status").read_text().split(name + ":")[1].split()[0]) // 1024

rest = megabytes("VmRSS")
Path("/proc/self/clear_refs").write_text("5")
reading = read(open_image(data))
print(megabytes("VmHWM") - rest, *reading.size)
"""


def photograph(width: int, height: int) -> Image.Image:
    """Grey paper with a character in the middle."""
    page = Image.new("RGB", (width, height), (200, 195, 180))
    drawn = draw("pa", 400).resize((height // 2, height // 2)).convert("RGB")
    page.paste(drawn, ((width - drawn.width) // 2, (height - drawn.height) // 2))
    return page


def photograph_in_tiles(*properties: bytes) -> bytes:
    """50 megapixels in 3 kB: all tiles but four are one."""
    paper = Image.new("RGB", (SIDE, SIDE), (255, 255, 255))
    drawn = draw("pa", 2 * SIDE).convert("RGB")
    quarters = [drawn.crop((x, y, x + SIDE, y + SIDE)) for y in (0, SIDE) for x in (0, SIDE)]
    places = [0] * (16 * 12)
    for at, quarter in ((87, 1), (88, 2), (103, 3), (104, 4)):
        places[at] = quarter
    return tiled_heic([paper, *quarters], places, 16, *properties)


jpeg = partial(encode, kind="JPEG", quality=85)
PHOTOGRAPHS: dict[str, tuple[Callable[[], bytes], tuple[int, int]]] = {
    "48-megapixel JPEG": (lambda: jpeg(photograph(8064, 6048)), (8064, 6048)),
    "50-megapixel JPEG 4:4:4": (lambda: jpeg(photograph(8192, 6144), subsampling="4:4:4"), (8192, 6144)),
    "50-megapixel progressive JPEG": (lambda: jpeg(photograph(8192, 6144), progressive=True), (8192, 6144)),
    "108-megapixel JPEG": (lambda: jpeg(photograph(12000, 9000)), (12000, 9000)),
    "50-megapixel HEIC": (photograph_in_tiles, (8192, 6144)),
    "50-megapixel HEIC, turned": (lambda: photograph_in_tiles(box(b"irot", b"\1")), (6144, 8192)),
    "16-megapixel TIFF": (lambda: encode(photograph(4000, 4000), "TIFF", compression="tiff_lzw"), (4000, 4000)),
    "16-megapixel AVIF": (lambda: encode(photograph(4000, 4000), "AVIF", speed=10), (4000, 4000)),
}


@pytest.mark.skipif(sys.platform != "linux", reason="the peak of memory is Linux's to tell")
@pytest.mark.parametrize("name", PHOTOGRAPHS)
def test_the_largest_photographs_are_read_in_little_memory(name: str) -> None:
    make, size = PHOTOGRAPHS[name]
    data = make()
    kind = look_at(data).format
    assert kind
    small = encode(draw("pa", 64), kind)
    command = [sys.executable, "-c", _PEAK, str(len(small)), str(len(data))]
    done = subprocess.run(command, input=small + data, capture_output=True, check=True)
    megabytes, *seen = map(int, done.stdout.split())
    assert tuple(seen) == size
    assert megabytes < MAX_MEGABYTES


@pytest.mark.parametrize("make", [lambda: jpeg(photograph(8192, 6144)), photograph_in_tiles])
def test_a_large_photograph_gives_the_glyph_of_a_small_one(make: Callable[[], bytes]) -> None:
    data = make()
    seen = look_at(data)
    assert seen.width * seen.height > 3 * MAX_PIXELS > 3 * seen.pixels
    assert similarity(read_glyph(data), read_glyph(encode(draw("pa", 400)))) > 0.97


def test_a_large_photograph_is_turned_upright() -> None:
    data = encode(photograph(6048, 4536).rotate(90, expand=True), "JPEG", exif=turned())
    seen = read(open_image(data))
    assert (seen.size, seen.turned) == ((6048, 4536), True)
    left, top, right, bottom = seen.box
    assert (left + right) / 2 == pytest.approx(3024, abs=100)
    assert (top + bottom) / 2 == pytest.approx(2268, abs=100)


def _claiming(data: bytes, width: int, height: int) -> bytes:
    """A JPEG that declares another size."""
    at = next(i for i in range(len(data)) if data[i : i + 2] in (b"\xff\xc0", b"\xff\xc2"))
    return data[: at + 5] + height.to_bytes(2, "big") + width.to_bytes(2, "big") + data[at + 9 :]


SMALL = photograph(64, 64)


@pytest.mark.parametrize(
    "data",
    [
        _claiming(encode(SMALL, "JPEG"), 65_500, 65_500),
        _claiming(encode(SMALL, "JPEG"), 16_000, 16_000),  # More than Pillow opens.
        _claiming(encode(SMALL, "JPEG"), 65_500, 479),  # Too narrow to be decoded at a fraction.
        _claiming(encode(SMALL, "JPEG", progressive=True, subsampling="4:4:4"), 8192, 6144),
        encode(Image.new("1", (8192, 6144), 1)),
    ],
    ids=["65,500 x 65,500", "256 megapixels", "a strip", "progressive 4:4:4", "PNG"],
)
def test_what_takes_too_much_memory_is_refused(data: bytes) -> None:
    with pytest.raises(ImageError) as refused:
        read_glyph(data)
    assert refused.value.code == "too_many_pixels"
