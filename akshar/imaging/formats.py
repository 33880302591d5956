"""The image formats that are read, and what is said of any other file."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from akshar.imaging.errors import ImageError

FORMATS: Final = {
    "PNG": (".png",),
    "JPEG": (".jpg", ".jpeg"),
    "WEBP": (".webp",),
    "BMP": (".bmp",),
    "GIF": (".gif",),
    "TIFF": (".tif", ".tiff"),
    "AVIF": (".avif",),
    "HEIF": (".heic", ".heif", ".hif"),
}
"""The formats that are read, by Pillow's names, and the file endings of each. Everything else derives from this."""
SUFFIXES: Final = tuple(suffix for suffixes in FORMATS.values() for suffix in suffixes)
MEDIA_TYPES: Final = (*(f"image/{name.lower()}" for name in FORMATS), "image/heic")
MAX_PIXELS: Final = 16_000_000

_CALLED: Final = {"WEBP": "WebP", "HEIF": "HEIC"}
_NAMES: Final = ", ".join(_CALLED.get(name, name) for name in FORMATS)
_TEXT_BYTES: Final = 1024
"""How much of a file is looked at to tell whether it is text, and which."""

_BINARY: Final[tuple[tuple[int, bytes, str], ...]] = (
    (0, b"8BPS", "a Photoshop document"),
    (0, b"\0\0\0\x0cjP  \r\n\x87\n", "a JPEG 2000 image"),
    (0, b"\xff\x4f\xff\x51", "a JPEG 2000 image"),
    (0, b"\0\0\0\x0cJXL \r\n\x87\n", "a JPEG XL image"),
    (0, b"\xff\x0a", "a JPEG XL image"),
    (0, b"\0\0\1\0", "an icon"),
    (0, b"\0\0\2\0", "a cursor"),
    (0, b"FUJIFILMCCD-RAW", "a camera raw file"),
    (0, b"IIU\0", "a camera raw file"),
    (0, b"IIRO", "a camera raw file"),
    (0, b"IIRS", "a camera raw file"),
    (4, b"ftypcrx ", "a camera raw file"),
    (0, b"MM\0\x2b", "a BigTIFF of big-endian order"),
    (0, b"AT&TFORM", "a DjVu document"),
    (0, b"\xd0\xcf\x11\xe0", "an Office document"),
    (0, b"Rar!", "an archive"),
    (0, b"7z\xbc\xaf", "an archive"),
    (0, b"\x1f\x8b", "an archive"),
    (257, b"ustar", "an archive"),
    (0, b"\x1a\x45\xdf\xa3", "a video"),
    (8, b"AVI ", "a video"),
    (4, b"ftyp", "a video"),
    (4, b"moov", "a video"),
    (8, b"WAVE", "a sound file"),
    (0, b"OggS", "a sound file"),
    (0, b"ID3", "a sound file"),
    (0, b"\x7fELF", "a program"),
    (0, b"MZ", "a program"),
    (128, b"DICM", "a DICOM image"),
)
"""Other files that people send: where the magic number is, what it is, and what the file is called."""
_TEXTS: Final[tuple[tuple[Callable[[bytes], bool], str], ...]] = (
    (lambda text: text.startswith(b"data:image/"), "an image as a data URL: text, not bytes"),
    (
        lambda text: text.startswith((b"iVBORw0KGgo", b"/9j/", b"UklGR", b"R0lGOD")),
        "an image in Base64: text, not bytes",
    ),
    (lambda text: text.startswith(b"%!PS"), "a PostScript document"),
    (lambda text: b"<svg" in text, "an SVG drawing"),
    (lambda text: text.startswith((b"<!doctype html", b"<html")), "an HTML page"),
    (lambda text: text.startswith(b"<"), "an XML document"),
    (lambda text: text.startswith((b"{", b"[")), "JSON"),
    (lambda text: text[:1] == b"P" and text[1:2] in b"1234567" and text[2:3].isspace(), "a Netpbm image"),
    (lambda text: bool(text), "text"),
)


def unsupported(data: bytes) -> ImageError:
    """The error for a file in none of `FORMATS`: what it is recognised as, and what to send.

    Args:
        data: the file, or its beginning.
    """
    what = recognise(data)
    if what is None:
        return ImageError("unsupported_image", f"The file is not an image in one of the formats {_NAMES}.")
    return unsupported_kind(what)


def unsupported_kind(what: str) -> ImageError:
    """The error for a file that is known to be ``what``."""
    return ImageError("unsupported_image", f"The file is {what}. Send one of {_NAMES}.")


def recognise(data: bytes) -> str | None:
    """What a file is that is none of `FORMATS`, with an article; None if it is not known."""
    if b"%PDF-" in data[:_TEXT_BYTES]:  # Readers accept it anywhere there.
        return "a PDF document"
    if data.startswith(b"PK\3\4"):
        return "an Office document" if b"[Content_Types].xml" in data[:_TEXT_BYTES] else "a ZIP archive"
    for offset, magic, what in _BINARY:
        if data.startswith(magic, offset):
            return what
    text = data[:_TEXT_BYTES].removeprefix(b"\xef\xbb\xbf").lstrip()
    if not _is_text(text):
        return None
    lowered = text.lower()
    return next((what for matches, what in _TEXTS if matches(lowered if text[:1] == b"<" else text)), None)


def _is_text(data: bytes) -> bool:
    """Whether bytes are printable UTF-8, which may end in the middle of a character."""
    for end in range(len(data), max(0, len(data) - 4), -1):
        try:
            text = data[:end].decode()
        except UnicodeDecodeError:
            continue
        return all(char.isprintable() or char.isspace() for char in text)
    return False
