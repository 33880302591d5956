"""TIFF, AVIF and HEIC give the glyph that the same drawing gives as a PNG; any other file is called by its name."""

import io
import zipfile
from collections.abc import Callable
from functools import partial

import numpy as np
import pillow_heif
import pytest
from PIL import Image, ImageOps

from akshar.imaging.errors import ImageError
from akshar.imaging.reader import open_image, read, read_glyph
from tests.akshar.imaging.pictures import reading, similarity, turned
from tests.containers import Item, box, coded, grey_tiff, heic, size_property, tiled_heic
from tests.drawing import coloured, draw, encode, sixteen_bit, transparent

INK, PAPER = (20, 40, 150), (250, 240, 220)
DRAWN = draw("pa", 200)
BILEVEL = DRAWN.point(lambda level: 255 * (level > 128)).convert("1")
COLOUR = coloured(DRAWN, INK, PAPER)
tif = partial(encode, kind="TIFF")

LOSSLESS: dict[str, tuple[Image.Image, Callable[[Image.Image], bytes]]] = {
    "CCITT G4": (BILEVEL, partial(tif, compression="group4")),
    "CCITT G3": (BILEVEL, partial(tif, compression="group3")),
    "CCITT Huffman": (BILEVEL, partial(tif, compression="tiff_ccitt")),
    "LZW": (COLOUR, partial(tif, compression="tiff_lzw")),
    "Deflate": (COLOUR, partial(tif, compression="tiff_adobe_deflate")),
    "PackBits": (DRAWN, partial(tif, compression="packbits")),
    "raw": (COLOUR, tif),
    "palette": (COLOUR.quantize(16), tif),
    "alpha": (transparent(DRAWN, INK), tif),
    "grey with alpha": (DRAWN.convert("LA"), tif),
    "16 bits": (sixteen_bit(DRAWN), tif),
    "BigTIFF": (DRAWN, partial(tif, big_tiff=True)),
    "tiles": (DRAWN, partial(grey_tiff, tile=48)),
    "big-endian": (DRAWN, partial(grey_tiff, order=">")),
    "big-endian tiles": (DRAWN, partial(grey_tiff, order=">", tile=64)),
    "white is 0": (ImageOps.invert(DRAWN), lambda image: grey_tiff(ImageOps.invert(image), t262=[0])),
    "first page": (DRAWN, partial(tif, save_all=True, append_images=[draw("tta", 300)])),
    "first page of G4": (
        BILEVEL,
        partial(tif, compression="group4", save_all=True, append_images=[BILEVEL.rotate(90)]),
    ),
}
CLOSE: dict[str, Callable[[], bytes]] = {
    "CMYK TIFF": lambda: tif(COLOUR.convert("CMYK")),
    "JPEG in TIFF": lambda: tif(COLOUR, compression="jpeg"),
    "AVIF": lambda: encode(COLOUR, "AVIF"),
    "AVIF with alpha": lambda: encode(transparent(DRAWN, INK), "AVIF"),
    "animated AVIF": lambda: encode(DRAWN, "AVIF", save_all=True, append_images=[draw("tta", 200)]),
    "HEIC": lambda: encode(COLOUR, "HEIF"),
    "HEIC with alpha": lambda: encode(transparent(DRAWN, INK), "HEIF"),
    "grey HEIC": lambda: encode(DRAWN, "HEIF"),
    "HEIC with a thumbnail": lambda: encode(COLOUR, "HEIF", thumbnails=[64]),
    "HEIC with more images": lambda: encode(COLOUR, "HEIF", append_images=list(pillow_heif.from_pillow(draw("tta")))),
    "10-bit HEIC": lambda: _deep("RGB;16", np.repeat(_levels()[..., None], 3, 2)),
    "grey 10-bit HEIC": lambda: _deep("L;16", _levels()),
    "HEIC of tiles": lambda: _in_tiles(),
    "reduced HEIC": lambda: encode(COLOUR.resize((1700, 1500)), "HEIF"),
    "reduced grey 10-bit HEIC": lambda: _deep("L;16", np.kron(_levels(), np.ones((6, 6), np.uint16))),
}


def _levels() -> np.ndarray:
    return np.asarray(DRAWN, np.uint16) * 257


def _deep(mode: str, levels: np.ndarray) -> bytes:
    file = io.BytesIO()
    size = levels.shape[1], levels.shape[0]
    pillow_heif.from_bytes(mode, size, np.ascontiguousarray(levels).tobytes()).save(file)
    return file.getvalue()


def _in_tiles() -> bytes:
    page = DRAWN.resize((256, 256)).convert("RGB")
    tiles = [page.crop((x, y, x + 128, y + 128)) for y in (0, 128) for x in (0, 128)]
    return tiled_heic(tiles, range(4), 2)


@pytest.mark.parametrize("variant", LOSSLESS)
def test_a_tiff_gives_the_glyph_of_the_png(variant: str) -> None:
    image, encoded = LOSSLESS[variant]
    expected = read_glyph(encode(DRAWN if variant == "white is 0" else image))
    sent = DRAWN if variant == "white is 0" else image
    assert np.array_equal(read_glyph(encoded(sent)), expected)


@pytest.mark.parametrize("variant", CLOSE)
def test_another_file_gives_almost_the_glyph_of_the_png(variant: str) -> None:
    assert similarity(read_glyph(CLOSE[variant]()), read_glyph(encode(DRAWN))) > 0.98


@pytest.mark.parametrize("kind", ["TIFF", "AVIF", "HEIF"])
def test_an_image_that_was_turned_is_turned_back_once(kind: str) -> None:
    lying = DRAWN.resize((200, 160)).rotate(90, expand=True)
    options = {"tiffinfo": {0x0112: 6}} if kind == "TIFF" else {"exif": turned()}
    seen, upright = reading(lying, kind, **options), reading(DRAWN.resize((200, 160)))
    assert (seen.turned, seen.size) == (True, (200, 160))
    assert similarity(seen.glyph, upright.glyph) > 0.98
    assert not reading(lying, kind).turned


def test_a_heic_is_turned_by_its_property_and_not_by_its_exif() -> None:
    described, data = coded(DRAWN.resize((128, 128)).convert("RGB").rotate(90))
    exif = b"\0\0\0\6Exif\0\0" + turned().tobytes().removeprefix(b"Exif\0\0")
    for turn, share in ((box(b"irot", b"\3"), 0.98), (b"", -1)):
        image = Item(b"hvc1", data, [size_property(128, 128), described, *([turn] if turn else [])])
        file = heic([image, Item(b"Exif", exif, [])])
        seen = read(open_image(file))
        assert seen.turned == bool(turn)
        assert (similarity(seen.glyph, read_glyph(encode(DRAWN))) > 0.98) == (share > 0)


def test_reading_heic_leaves_pillow_as_it_is() -> None:
    read_glyph(encode(DRAWN, "HEIF"))
    assert "HEIF" not in Image.OPEN


def _archive(name: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(name, "x")
    return file.getvalue()


OTHERS: dict[str, bytes] = {
    "a PDF document": b"%PDF-1.7\n%\xe2\xe3\xcf\xd3",
    "an SVG drawing": b"<?xml version='1.0'?>\n<svg xmlns='http://www.w3.org/2000/svg'/>",
    "an HTML page": b"\n<!DOCTYPE html><html><body>404</body></html>",
    "an XML document": b"<?xml version='1.0'?><a/>",
    "JSON": b'{"image": "..."}',
    "text": "एक पंक्ति".encode() * 60,
    "an image as a data URL: text, not bytes": b"data:image/png;base64,iVBORw0KGgo=",
    "an image in Base64: text, not bytes": b"iVBORw0KGgoAAAANSUhEUgAA",
    "a JPEG 2000 image": encode(DRAWN, "JPEG2000"),
    "a JPEG XL image": b"\xff\x0a\xfa\x1f\x40",
    "a Photoshop document": b"8BPS\0\1" + bytes(20),
    "an icon": encode(DRAWN.resize((32, 32)), "ICO"),
    "a Netpbm image": encode(DRAWN, "PPM").split(b"\n255")[0],
    "a PostScript document": b"%!PS-Adobe-3.0 EPSF-3.0\n",
    "a ZIP archive": _archive("a.png"),
    "an Office document": _archive("[Content_Types].xml"),
    "a video": b"\0\0\0\x20ftypisom\0\0\2\0isomiso2avc1mp41",
    "a sound file": b"ID3\4" + bytes(20),
    "an archive": b"\x1f\x8b\x08\0" + bytes(20),
    "a DICOM image": bytes(128) + b"DICM",
    "a camera raw file": grey_tiff(DRAWN, t50706=[1]),
    "a TIFF of the rare compression 50001": grey_tiff(DRAWN, t259=[50001]),
    "a TIFF of more than 16 bits": encode(DRAWN.convert("F"), "TIFF"),
    "a TIFF of CIE L*a*b* colours": grey_tiff(DRAWN, t262=[8]),
    "a BigTIFF of big-endian order": b"MM\0\x2b\0\x08\0\0" + bytes(20),
    "a HEIF image that is not coded as HEVC": heic([Item(b"jpeg", encode(DRAWN, "JPEG"), [size_property(200, 200)])]),
    "a HEIF image that is not coded as AV1": heic([Item(b"hvc1", b"", [size_property(200, 200)])], brand=b"avif"),
}


@pytest.mark.parametrize("what", OTHERS)
def test_other_files_are_called_by_their_name(what: str) -> None:
    with pytest.raises(ImageError) as refused:
        read_glyph(OTHERS[what])
    assert refused.value.code == "unsupported_image"
    assert refused.value.detail == f"The file is {what}. Send one of PNG, JPEG, WebP, BMP, GIF, TIFF, AVIF, HEIC."


@pytest.mark.parametrize("data", [b"\0\1\2\3" * 50, b"\xff\xd8", b"RIFF1234WEBX", b"BM", b"II*"])
def test_a_file_that_nobody_knows_has_no_name(data: bytes) -> None:
    with pytest.raises(ImageError) as refused:
        read_glyph(data)
    assert refused.value.code == "unsupported_image"
    assert not refused.value.detail.startswith("The file is a")
