"""Compares the form parser with the streaming one of python-multipart."""

import asyncio
import re
from collections.abc import Callable
from typing import Any

import httpx2
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from app.api.multipart import MultipartError, parse_form

Parts = list[tuple[str, str | None, bytes]]
TYPE = "multipart/form-data; boundary=b"
FIRST = b"--b\r\n"  # python-multipart knows neither a preamble nor white space after the first boundary.

STRICTER = {
    "does not end after it": rb"\r\n--b(?!\r\n|--)",
    "malformed header": rb"(?<!\r)\n|\0",
    "two Content-Disposition": rb"(?is)content-disposition.*content-disposition",
}
"""Why a form is refused that python-multipart reads, and what such a form contains.

It takes a line that begins with the boundary and goes on for content, allows a line feed or NUL in the value of a
header, and mixes several Content-Disposition headers.
"""


def parsed(body: bytes, content_type: str = TYPE) -> Parts:
    parts = asyncio.run(parse_form(body, content_type, 100))
    return [(part.name, part.filename, bytes(part.content)) for part in parts]


def oracle(body: bytes, content_type: str = TYPE) -> Parts:
    """The parts by python-multipart, fed from memory in one piece."""
    parts: list[dict[str, Any]] = []
    header, ended = b"", False

    def begin() -> None:
        parts.append({"name": "", "filename": None, "content": b""})

    def end() -> None:
        nonlocal ended
        ended = True

    def field(data: bytes, start: int, stop: int) -> None:
        nonlocal header
        header = data[start:stop].lower()

    def value(data: bytes, start: int, stop: int) -> None:
        if header == b"content-disposition":
            for name, option in parse_options_header(data[start:stop])[1].items():
                if name in (b"name", b"filename"):
                    parts[-1][name.decode()] = option.decode("utf-8", "replace")

    def content(data: bytes, start: int, stop: int) -> None:
        parts[-1]["content"] += data[start:stop]

    callbacks: Any = {
        "on_part_begin": begin,
        "on_end": end,
        "on_header_field": field,
        "on_header_value": value,
        "on_part_data": content,
    }
    try:
        MultipartParser(parse_options_header(content_type)[1][b"boundary"], callbacks).write(body)
    except FormParserError as error:
        raise MultipartError(str(error)) from None
    if not ended:
        raise MultipartError("it has no end")
    return [(part["name"], part["filename"], part["content"]) for part in parts]


names = st.text("aZ.कé🙂 ;=%:'/*-\t", max_size=20).map(str.encode)
tokens = st.text("abcXYZ-0_", min_size=1, max_size=10).map(str.encode)
headers = st.lists(
    st.tuples(tokens, st.binary(max_size=20).map(lambda value: value.translate(None, b"\r\n\0"))), max_size=3
)
contents = st.one_of(
    st.binary(max_size=100),
    st.lists(st.sampled_from([b"\r", b"\n", b"-", b"--", b"b", b"\r\n", b"\r\n--", b"a"]), max_size=12).map(b"".join),
)
mutations = st.lists(
    st.tuples(
        st.floats(0, 1, exclude_max=True),
        st.integers(0, 6),
        st.sampled_from([b"", b"\r", b"\n", b"-", b"b", b":", b";", b'"', b" ", b"\t", b"\0", b"\r\n", b"\r\n--b"]),
    ),
    max_size=3,
)


@st.composite
def forms(draw: st.DrawFn) -> bytes:
    body = b""
    for _ in range(draw(st.integers(1, 4))):
        options = b'form-data; name="' + draw(names) + b'"'
        if draw(st.booleans()):
            options += b'; filename="' + draw(names) + b'"'
        lines = [(b"Content-Disposition", options), *draw(headers)]
        body += b"--b" + (draw(st.sampled_from([b"", b"", b" \t"])) if body else b"") + b"\r\n"
        body += b"".join(name + b": " + value + b"\r\n" for name, value in lines) + b"\r\n" + draw(contents) + b"\r\n"
    return body + b"--b--" + draw(st.sampled_from([b"", b"\r\n", b"\r\nepilogue\r\n--b\r\n"]))


def mutated(body: bytes, changes: list[tuple[float, int, bytes]]) -> bytes:
    """Each change replaces so many bytes at this share of the length, after the first line."""
    for share, count, new in changes:
        start = len(FIRST) + int(share * (len(body) - len(FIRST)))
        body = body[:start] + new + body[start + count :]
    return body


@settings(max_examples=1000, deadline=None)
@given(body=forms(), changes=mutations)
def test_forms_whole_and_mutated_are_read_as_python_multipart_reads_them(
    body: bytes, changes: list[tuple[float, int, bytes]]
) -> None:
    body = mutated(body, changes)
    try:
        parts: Parts | None = parsed(body)
    except MultipartError as error:
        event(str(error))
        if any(reason in str(error) and re.search(what, body) for reason, what in STRICTER.items()):
            return
        parts = None
    try:
        expected: Parts | None = oracle(body)
    except MultipartError:
        expected = None
    assert parts == expected


# As curl 7.88, requests 2.34, Firefox and Chromium send them.
SENT: dict[str, tuple[bytes, str, Parts]] = {
    "curl": (
        (
            b"--------------------------f09111baf5866b52\r\n"
            b'Content-Disposition: form-data; name="file"; filename="a%22b\\c.png"\r\n'
            b"Content-Type: image/png\r\n\r\n\x89PNG\r\n\r\n"
            b"--------------------------f09111baf5866b52\r\n"
            b'Content-Disposition: form-data; name="page"\r\n\r\n3\r\n'
            b"--------------------------f09111baf5866b52--\r\n"
        ),
        "multipart/form-data; boundary=------------------------f09111baf5866b52",
        [("file", "a%22b\\c.png", b"\x89PNG\r\n"), ("page", None, b"3")],
    ),
    "curl --form-escape": (
        (
            b"--------------------------f20738a592ad3831\r\n"
            b'Content-Disposition: form-data; name="file"; filename="a\\"b\\\\c.png"\r\n'
            b"Content-Type: image/png\r\n\r\n\x89PNG\r\n\r\n"
            b"--------------------------f20738a592ad3831--\r\n"
        ),
        "multipart/form-data; boundary=------------------------f20738a592ad3831",
        [("file", 'a"b\\c.png', b"\x89PNG\r\n")],
    ),
    "requests": (
        (
            b'--ea9d760f0f8b9147c65ff8fe80f0c691\r\nContent-Disposition: form-data; name="page"\r\n\r\n3\r\n'
            b"--ea9d760f0f8b9147c65ff8fe80f0c691\r\n"
            b'Content-Disposition: form-data; name="file"; filename="\xe0\xa4\x95.png"\r\n\r\n\x89PNG\r\n'
            b"--ea9d760f0f8b9147c65ff8fe80f0c691--\r\n"
        ),
        "multipart/form-data; boundary=ea9d760f0f8b9147c65ff8fe80f0c691",
        [("page", None, b"3"), ("file", "क.png", b"\x89PNG")],
    ),
    "Firefox": (
        (
            b"-----------------------------9051914041544843365972754266\r\n"
            b'Content-Disposition: form-data; name="file"; filename="\xe0\xa4\x95 1.png"\r\n'
            b"Content-Type: image/png\r\n\r\n\x89PNG\r\n"
            b"-----------------------------9051914041544843365972754266\r\n"
            b'Content-Disposition: form-data; name="file"; filename=""\r\n'
            b"Content-Type: application/octet-stream\r\n\r\n\r\n"
            b"-----------------------------9051914041544843365972754266--\r\n"
        ),
        "multipart/form-data; boundary=---------------------------9051914041544843365972754266",
        [("file", "क 1.png", b"\x89PNG"), ("file", "", b"")],
    ),
    "Chromium": (
        (
            b"------WebKitFormBoundary7MA4YWxkTrZu0gW\r\n"
            b'Content-Disposition: form-data; name="file"; filename="a%22b.png"\r\n'
            b"Content-Type: image/png\r\n\r\n\x89PNG\r\n--\r\n"
            b"------WebKitFormBoundary7MA4YWxkTrZu0gW--\r\n"
        ),
        "multipart/form-data; boundary=----WebKitFormBoundary7MA4YWxkTrZu0gW",
        [("file", "a%22b.png", b"\x89PNG\r\n--")],
    ),
    "a quoted boundary": (
        b'--a b:c\r\nContent-Disposition: form-data; name=file; filename="a;b.png"\r\n\r\n\x89PNG\r\n--a b:c--',
        'multipart/form-data; charset=utf-8; boundary="a b:c"',
        [("file", "a;b.png", b"\x89PNG")],
    ),
}


@pytest.mark.parametrize("client", SENT)
@pytest.mark.parametrize("parser", [parsed, oracle])
def test_what_clients_send_is_read(client: str, parser: Callable[[bytes, str], Parts]) -> None:
    body, content_type, parts = SENT[client]
    assert parser(body, content_type) == parts


def test_what_httpx2_sends_is_read() -> None:
    files = [("file", ('a"b.png', b"\x89PNG\r\n")), ("file", ("क.png", b""))]
    request = httpx2.Request("POST", "http://test", files=files, data={"page": "3"})
    expected = [("page", None, b"3"), ("file", "a%22b.png", b"\x89PNG\r\n"), ("file", "क.png", b"")]
    assert parsed(request.read(), request.headers["content-type"]) == expected
