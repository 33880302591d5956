import asyncio
import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.api.multipart import (
    _WINDOW,
    MAX_FIELDS,
    MAX_HEADER_BYTES,
    MAX_HEADERS,
    MAX_PREAMBLE,
    MultipartError,
    Part,
    TooManyFilesError,
    parse_form,
)
from app.api.uploads import _is_multipart
from benchmarks.hostile_forms import SLOW_FORMS, Form, almost_boundaries, costly_headers

TYPE = "multipart/form-data; boundary=b"


def parse(body: bytes | bytearray | memoryview, content_type: str = TYPE, max_files: int = 1) -> list[Part]:
    return asyncio.run(parse_form(body, content_type, max_files))


def part(name: str, content: bytes, filename: str | None = None) -> bytes:
    file = f'; filename="{filename}"' if filename is not None else ""
    return f'--b\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n'.encode() + content + b"\r\n"


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_parts_come_in_order_with_names_and_contents(kind: Callable[[bytes], bytes]) -> None:
    body = part("file", b"\x00\r\n--\xff", "a.png") + part("page", b"3") + part("file", b"", "अ.png") + b"--b--\r\n"
    first, field, second = parse(kind(body), TYPE, 2)
    assert (first.name, first.filename, first.content) == ("file", "a.png", b"\x00\r\n--\xff")
    assert (field.name, field.filename, field.content) == ("page", None, b"3")
    assert (second.name, second.filename, second.content) == ("file", "अ.png", b"")


@given(contents=st.lists(st.binary(max_size=200), max_size=5), cut=st.integers(1, 50))
def test_what_was_sent_is_what_is_read_and_a_cut_form_is_none(contents: list[bytes], cut: int) -> None:
    body = b"".join(part("file", content, "x") for content in contents) + b"--b--"
    if not any(b"\r\n--b" in content for content in contents):
        assert [read.content for read in parse(body, max_files=5)] == contents
        with pytest.raises(MultipartError):
            parse(body[: -min(cut, len(body))], max_files=5)


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_a_boundary_on_the_edge_of_a_search_is_found(kind: Callable[[bytes], bytes]) -> None:
    boundary = "c" * 70
    for size in range(_WINDOW - 80, _WINDOW + 10):
        body = (part("file", bytes(size), "x") + b"--b--").replace(b"--b", b"--" + boundary.encode())
        (file,) = parse(kind(body), f"multipart/form-data; boundary={boundary}")
        assert file.content == bytes(size)


def test_contents_are_not_copied() -> None:
    body = part("file", b"abc", "x") + b"--b--"
    (file,) = parse(body)
    assert isinstance(file.content, memoryview)
    assert file.content.obj is body


@given(st.binary(max_size=300))
def test_any_bytes_are_a_form_or_an_error(body: bytes) -> None:
    try:
        parse(b"--b" + body)
    except (MultipartError, TooManyFilesError):
        return


FILE = part("file", b"x", "a")
END = b"--b--"


@pytest.mark.parametrize(
    "body",
    [
        b"a preamble\r\n" + FILE + END,
        b"\r\n" + FILE + END,
        b"p" * MAX_PREAMBLE + b"\r\n" + FILE + END,
        FILE + END + b"\r\nan epilogue\r\n--b\r\nand more",
        FILE.replace(b"--b", b"--b \t ") + END,
        FILE + END + b" \t",
        FILE.replace(b"\r\n\r\n", b"\r\n" + b"A: b\r\n" * (MAX_HEADERS - 1) + b"\r\n") + END,
        FILE.replace(b"Content-Disposition: ", b"CONTENT-disposition:\t") + END,
        FILE.replace(b"filename=", b"filename*=UTF-8''b; filename=") + END,
    ],
)
def test_what_rfc_2046_allows_is_read(body: bytes) -> None:
    (file,) = parse(body)
    assert (file.name, file.filename, file.content) == ("file", "a", b"x")


def test_a_form_without_parts_is_empty() -> None:
    assert parse(END) == []


def test_a_part_without_headers_has_no_name() -> None:
    (field,) = parse(b"--b\r\n\r\nx\r\n" + END)
    assert (field.name, field.filename, field.content) == ("", None, b"x")


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "begin"),
        (b"--a--", "begin"),
        (b"p" * (MAX_PREAMBLE + 1) + b"\r\n" + FILE + END, "begin"),
        (FILE, "ends before"),
        (FILE + b"--b", "does not end after it"),
        (FILE + b"--bc" + END, "does not end after it"),
        (part("file", b"\r\n--bc", "a") + END, "does not end after it"),
        (FILE.replace(b"--b", b"--b" + b" " * MAX_PREAMBLE) + END, "does not end after it"),
        (FILE.replace(b": ", b" ") + END, "malformed header"),
        (FILE.replace(b": ", b" : ") + END, "malformed header"),
        (FILE.replace(b"; name", b";\r\n name") + END, "malformed header"),
        (FILE.replace(b"; name", b";\n name") + END, "malformed header"),
        (FILE.replace(b"; name", b";\0 name") + END, "malformed header"),
        (FILE.replace(b"--b\r\n", b"--b\r\ncontent-disposition: form-data\r\n") + END, "two Content-Disposition"),
        (FILE.replace(b"\r\n\r\n", b"\r\n" + b"A: b\r\n" * MAX_HEADERS + b"\r\n") + END, "16 headers"),
        (FILE.replace(b"filename=", b"a=" + b"a" * MAX_HEADER_BYTES) + END, "4096 bytes"),
        (FILE.replace(b"\r\n\r\n", b"\r\n") + END, "4096 bytes"),
    ],
)
def test_a_malformed_form_is_an_error_that_says_why(body: bytes, reason: str) -> None:
    with pytest.raises(MultipartError, match=reason):
        parse(body)


def test_too_many_files() -> None:
    with pytest.raises(TooManyFilesError):
        parse(2 * FILE + END)


def test_too_many_fields() -> None:
    assert len(parse(MAX_FIELDS * part("page", b"x") + FILE + END)) == MAX_FIELDS + 1
    with pytest.raises(MultipartError, match="fields"):
        parse((MAX_FIELDS + 1) * part("page", b"x") + END)


@pytest.mark.parametrize(
    "options", ["", "; boundary=", "; boundary=" + "b" * 71, "; a=" + "a" * 1024 + "; boundary=b", ";" * 8000]
)
def test_no_boundary(options: str) -> None:
    with pytest.raises(MultipartError, match="boundary"):
        parse(b"--b--", "multipart/form-data" + options)


@pytest.mark.parametrize("content_type", ["multipart/form-data; boundary=x", "Multipart/Form-Data"])
def test_a_form_is_known_by_its_content_type(content_type: str) -> None:
    assert _is_multipart(content_type)
    assert not _is_multipart("image/png")


async def longest_step(form: Form) -> tuple[int, float]:
    """How often another task ran while a form was parsed, and the longest CPU time in seconds between two turns."""
    task = asyncio.create_task(parse_form(*form, 1000))
    turns, longest = 0, 0.0
    while not task.done():
        started = time.thread_time()
        await asyncio.sleep(0)
        turns, longest = turns + 1, max(longest, time.thread_time() - started)
    with pytest.raises((MultipartError, TooManyFilesError)):
        await task
    return turns, longest


@pytest.mark.parametrize("attack", SLOW_FORMS)
def test_no_form_keeps_other_tasks_waiting(attack: Callable[[float], Form]) -> None:
    """The bound is ten times what it should be: a busy machine must not fail it, and a parse in one go takes longer."""
    _, longest = asyncio.run(longest_step(attack(32)))
    assert longest < 0.05


def test_a_search_lets_others_run() -> None:
    assert asyncio.run(longest_step(almost_boundaries(32)))[0] > 32


def test_headers_let_others_run() -> None:
    assert asyncio.run(longest_step(costly_headers(4)))[0] > 900
