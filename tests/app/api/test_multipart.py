import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.api.multipart import MAX_FIELDS, MultipartError, TooManyFilesError, parse_form
from app.api.uploads import _is_multipart

TYPE = "multipart/form-data; boundary=b"


def part(name: str, content: bytes, filename: str | None = None) -> bytes:
    file = f'; filename="{filename}"' if filename is not None else ""
    return f'--b\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n'.encode() + content + b"\r\n"


def test_parts_come_in_order_with_names_and_contents() -> None:
    body = part("file", b"\x00\r\n--\xff", "a.png") + part("page", b"3") + part("file", b"", "अ.png") + b"--b--\r\n"
    first, field, second = parse_form(body, TYPE, 2)
    assert (first.name, first.filename, first.content) == ("file", "a.png", b"\x00\r\n--\xff")
    assert (field.name, field.filename, field.content) == ("page", None, b"3")
    assert (second.name, second.filename, second.content) == ("file", "अ.png", b"")


@given(contents=st.lists(st.binary(max_size=200), max_size=5), cut=st.integers(1, 50))
def test_what_was_sent_is_what_is_read_and_a_cut_form_is_none(contents: list[bytes], cut: int) -> None:
    body = b"".join(part("file", content, "x") for content in contents) + b"--b--"
    if not any(b"\r\n--b" in content for content in contents):
        assert [read.content for read in parse_form(body, TYPE, 5)] == contents
        with pytest.raises(MultipartError):
            parse_form(body[: -min(cut, len(body))], TYPE, 5)


@given(st.binary(max_size=300))
def test_any_bytes_are_a_form_or_an_error(body: bytes) -> None:
    try:
        parse_form(b"--b" + body, TYPE, 1)
    except (MultipartError, TooManyFilesError):
        return


def test_too_many_files() -> None:
    with pytest.raises(TooManyFilesError):
        parse_form(2 * part("file", b"x", "a") + b"--b--", TYPE, 1)


def test_too_many_fields() -> None:
    parse_form(MAX_FIELDS * part("page", b"x") + b"--b--", TYPE, 1)
    with pytest.raises(MultipartError, match="fields"):
        parse_form((MAX_FIELDS + 2) * part("page", b"x") + b"--b--", TYPE, 1)


def test_no_boundary() -> None:
    with pytest.raises(MultipartError, match="boundary"):
        parse_form(b"--b--", "multipart/form-data", 1)


@pytest.mark.parametrize("content_type", ["multipart/form-data; boundary=x", "Multipart/Form-Data"])
def test_a_form_is_known_by_its_content_type(content_type: str) -> None:
    assert _is_multipart(content_type)
    assert not _is_multipart("image/png")
