"""Multipart forms that make a careless parser slow, each with its Content-Type."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

Form = tuple[bytes, str]

_HEADERS: Final = b'Content-Disposition: form-data; name="file"; filename="a.png"\r\n\r\n'


def _form(start: bytes, repeated: bytes, megabytes: float, boundary: bytes) -> Form:
    """``repeated`` again and again after ``start``, at most so many megabytes (of 2**20 bytes) in all."""
    count = (int(megabytes * 2**20) - len(start)) // len(repeated)
    return start + repeated * count, f"multipart/form-data; boundary={boundary.decode()}"


def boundary_soup(megabytes: float) -> Form:
    """A file in which every line begins with the boundary and goes on: each may be the end of the part."""
    return _form(b"--x\r\n" + _HEADERS, b"\r\n--xy", megabytes, b"x")


def almost_boundaries(megabytes: float) -> Form:
    """A file in which every line is the boundary but for its last character."""
    return _form(b"--xyz\r\n" + _HEADERS, b"\r\n--xy", megabytes, b"xyz")


def long_almost_boundaries(megabytes: float) -> Form:
    """The same with the longest boundary, whose last two characters are those that every line ends with."""
    boundary = b"y" * 67 + b"xyy"
    return _form(b"--" + boundary + b"\r\n" + _HEADERS, b"\r\n--" + b"y" * 67 + b"zyy", megabytes, boundary)


def line_breaks(megabytes: float) -> Form:
    """A file of nothing but line breaks."""
    return _form(b"--x\r\n" + _HEADERS, b"\r\n", megabytes, b"x")


def many_fields(megabytes: float) -> Form:
    """Empty parts without a header, each a field."""
    return _form(b"", b"\r\n--x\r\n\r\n", megabytes, b"x")


def many_files(megabytes: float) -> Form:
    """Empty files."""
    return _form(b"", b"\r\n--x\r\n" + _HEADERS, megabytes, b"x")


def long_preamble(megabytes: float) -> Form:
    """Line breaks where the first boundary should be."""
    return _form(b"", b"\r\n", megabytes, b"x")


def endless_header(megabytes: float) -> Form:
    """One header that never ends."""
    return _form(b"--x\r\nContent-Disposition: form-data; name=", b"a", megabytes, b"x")


def many_headers(megabytes: float) -> Form:
    """One part with nothing but headers."""
    return _form(b"--x\r\n", b"a: b\r\n", megabytes, b"x")


def costly_headers(megabytes: float) -> Form:
    """Empty files whose names are semicolons, which split the options of a header."""
    header = b'Content-Disposition: form-data; name="file"; filename="' + b";" * 4000 + b'"'
    return _form(b"", b"\r\n--x\r\n" + header + b"\r\n\r\n", megabytes, b"x")


def padded_boundary(megabytes: float) -> Form:
    """White space after a boundary, without an end."""
    return _form(b"--x", b" \t", megabytes, b"x")


SLOW_FORMS: Final[tuple[Callable[[float], Form], ...]] = (
    boundary_soup,
    almost_boundaries,
    long_almost_boundaries,
    line_breaks,
    many_fields,
    many_files,
    long_preamble,
    endless_header,
    many_headers,
    costly_headers,
    padded_boundary,
)
"""All of them. None is a complete form: each gets a 4xx."""
