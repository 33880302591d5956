from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from PIL import Image
from starlette.testclient import TestClient

from akshar.model.classes import CATALOGUE
from app.api.problems import CODES
from tests.app.api.problems import assert_problem
from tests.drawing import draw, encode

PNG = encode(draw("pa"))
_FORM = (
    b'--b\r\nContent-Disposition: form-data; name="file"; filename="x.png"\r\n'
    b"Content-Type: image/png\r\n\r\n" + PNG + b"\r\n--b--\r\n"
)

BAD: dict[str, tuple[str, str, Callable[[TestClient, str], object]]] = {
    "unknown family": ("unknown_family", "digits", lambda c, url: c.post(url, files={"file": PNG})),
    "no body": ("missing_file", "vowels", lambda c, url: c.post(url)),
    "form without the field": ("missing_file", "vowels", lambda c, url: c.post(url, files={"image": PNG})),
    "field that is no file": ("missing_file", "vowels", lambda c, url: c.post(url, files={"file": (None, b"x")})),
    "empty file": ("empty_file", "vowels", lambda c, url: c.post(url, files={"file": ("x.png", b"")})),
    "empty raw body": ("empty_file", "vowels", lambda c, url: c.post(url, headers={"content-type": "image/png"})),
    "truncated": ("truncated_image", "vowels", lambda c, url: c.post(url, files={"file": PNG[: len(PNG) // 2]})),
    "blank": ("blank_image", "vowels", lambda c, url: c.post(url, files={"file": encode(Image.new("L", (32, 32)))})),
    "text": ("unsupported_image", "vowels", lambda c, url: c.post(url, files={"file": b"not an image"})),
    "JSON": ("unsupported_image", "vowels", lambda c, url: c.post(url, json={"image": "..."})),
    "PDF": ("unsupported_image", "vowels", lambda c, url: c.post(url, files={"file": b"%PDF-1.7" + bytes(9000)})),
    "too many bytes": ("too_many_bytes", "vowels", lambda c, url: c.post(url, files={"file": bytes(200_001)})),
    "too many bytes without Content-Length": (
        "too_many_bytes",
        "vowels",
        lambda c, url: c.post(url, content=(bytes(50_000) for _ in range(5)), headers={"content-type": "image/png"}),
    ),
    "too many pixels": (
        "too_many_pixels",
        "vowels",
        lambda c, url: c.post(url, files={"file": encode(Image.new("L", (1001, 1000)))}),
    ),
    "two files": (
        "too_many_files",
        "vowels",
        lambda c, url: c.post(url, files=[("file", PNG), ("file", PNG)]),
    ),
    "multipart without boundary": (
        "malformed_multipart",
        "vowels",
        lambda c, url: c.post(url, content=b"x", headers={"content-type": "multipart/form-data"}),
    ),
    "broken multipart": (
        "malformed_multipart",
        "vowels",
        lambda c, url: c.post(url, content=b"--b\r\nbad", headers={"content-type": "multipart/form-data; boundary=a"}),
    ),
    "form cut short": (
        "malformed_multipart",
        "vowels",
        lambda c, url: c.post(url, content=_FORM[:-8], headers={"content-type": "multipart/form-data; boundary=b"}),
    ),
    "deadline that is no number": (
        "invalid_request",
        "vowels",
        lambda c, url: c.post(url, files={"file": PNG}, headers={"x-timeout-ms": "soon"}),
    ),
    "deadline of zero": (
        "invalid_request",
        "vowels",
        lambda c, url: c.post(url, files={"file": PNG}, headers={"x-timeout-ms": "0"}),
    ),
    "wrong method": ("method_not_allowed", "vowels", lambda c, url: c.get(url)),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_a_problem_with_its_code(client: TestClient, case: str) -> None:
    code, family, send = BAD[case]
    assert_problem(send(client, f"/predict/{family}"), code)


@hypothesis_settings(max_examples=150, deadline=None)
@given(st.data())
def test_any_body_gets_a_prediction_or_a_problem(client: TestClient, data: st.DataObject) -> None:
    """Forms and images, cut short and with bytes changed anywhere."""
    body = bytearray(data.draw(st.sampled_from([_FORM, PNG])))
    for _ in range(data.draw(st.integers(0, 6))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(body)))
    content_type = data.draw(st.sampled_from(["multipart/form-data; boundary=b", "multipart/form-data", "image/png"]))
    response = client.post("/predict/consonants", content=bytes(body[:cut]), headers={"content-type": content_type})
    if response.status_code != 200:
        assert response.status_code < 500
        assert_problem(response, response.json()["code"])


def test_statuses_are_the_documented_ones() -> None:
    expected = {
        "unknown_family": 404,
        "missing_file": 422,
        "empty_file": 422,
        "truncated_image": 422,
        "blank_image": 422,
        "unsupported_image": 415,
        "too_many_bytes": 413,
        "too_many_pixels": 413,
        "overloaded": 429,
        "deadline_exceeded": 504,
    }
    assert {code: CODES[code][0] for code in expected} == expected


def test_the_error_of_an_unknown_family_lists_the_known_ones(client: TestClient) -> None:
    detail = client.post("/predict/digits", files={"file": PNG}).json()["detail"]
    assert all(family in detail for family in CATALOGUE)
