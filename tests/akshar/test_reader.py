import io
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from akshar import BundleError, ImageError, Reader
from akshar.model.loading import ARTIFACTS
from akshar.prediction import Explanation, Prediction
from tests.drawing import draw, encode

PA = draw("pa")
LEVELS = np.asarray(PA)


@pytest.fixture(scope="module")
def reader() -> Reader:
    return Reader(runtime="onnxruntime", max_pixels=1_000_000)


SOURCES: dict[str, Callable[[Path], Any]] = {
    "path": lambda file: file,
    "text": str,
    "bytes": lambda file: file.read_bytes(),
    "bytearray": lambda file: bytearray(file.read_bytes()),
    "image": lambda _: PA.copy(),
    "opened image": Image.open,
    "float image": lambda _: Image.fromarray(LEVELS.astype(np.float32)),
    "uint8": lambda _: LEVELS,
    "int64": lambda _: LEVELS.astype(np.int64),
    "uint16": lambda _: LEVELS.astype(np.uint16) * 257,
    "floats in 0 to 1": lambda _: LEVELS / 255,
    "floats in 0 to 255": lambda _: LEVELS.astype(float),
    "float16": lambda _: (LEVELS / 255).astype(np.float16),
    "RGB": lambda _: np.repeat(LEVELS[..., None], 3, axis=2),
    "RGBA of floats": lambda _: np.dstack([LEVELS / 255] * 3 + [np.ones(LEVELS.shape)]),
}


@pytest.mark.parametrize("kind", SOURCES)
def test_an_image_is_read_in_any_form(reader: Reader, tmp_path: Path, kind: str) -> None:
    file = tmp_path / "pa.png"
    file.write_bytes(encode(PA))
    prediction = reader.read(SOURCES[kind](file), family="consonants")
    expected = reader.read(file, family="consonants")
    assert (prediction.character, prediction.decision) == ("प", "accepted")
    assert prediction.confidence == pytest.approx(expected.confidence, abs=1e-3)


def test_a_boolean_array_is_an_image(reader: Reader) -> None:
    assert reader.read(LEVELS > 127, "consonants").character == "प"
    assert reader.read(LEVELS <= 127, "consonants").character == "प"


def test_the_callers_image_stays_as_it_is(reader: Reader) -> None:
    image = Image.fromarray(np.rot90(LEVELS, 1))
    exif = image.getexif()
    exif[0x0112] = 6
    turned = Image.open(io.BytesIO(encode(image, exif=exif)))
    assert reader.read(turned, "consonants", explain=True).explanation.turned  # type: ignore[union-attr]
    assert turned.getexif()[0x0112] == 6


BAD_ARRAYS: dict[str, Any] = {
    "one dimension": np.zeros(9),
    "empty": np.zeros((0, 5)),
    "two channels": np.zeros((9, 9, 2)),
    "not a number": np.full((9, 9), np.nan),
    "negative": np.full((9, 9), -0.1),
    "too large": np.full((9, 9), 256),
    "complex": np.zeros((9, 9), complex),
    "objects": np.full((9, 9), None),
    "text": np.full((9, 9), "x"),
    "colours of 16 bits": np.full((9, 9, 3), 1000, np.uint16),
}


@pytest.mark.parametrize("kind", BAD_ARRAYS)
def test_an_array_that_is_no_image_is_refused(reader: Reader, kind: str) -> None:
    with pytest.raises(ImageError) as caught:
        reader.read(BAD_ARRAYS[kind])
    assert caught.value.code == "unsupported_image"


@pytest.mark.parametrize("source", [Image.new("L", (1001, 1000)), np.zeros((1001, 1000), np.uint8)])
def test_too_many_pixels_are_refused_in_any_form(reader: Reader, source: Any) -> None:
    for each in (source, encode(Image.fromarray(np.asarray(source)))):
        with pytest.raises(ImageError) as caught:
            reader.read(each)
        assert caught.value.code == "too_many_pixels"


def test_a_prediction_has_the_fields_of_its_schema(reader: Reader) -> None:
    fields = reader.read(PA, "vowels", coverage=0.99, explain=True).model_fields_set
    assert fields == set(Prediction.model_fields)
    assert set(reader.read(PA, "vowels", explain=True).explanation.model_fields_set) == set(  # type: ignore[union-attr]
        Explanation.model_fields
    )
    assert {"prediction_set", "explanation"}.isdisjoint(reader.read(PA, "vowels").model_fields_set)


def test_min_confidence_decides(reader: Reader) -> None:
    assert reader.read(PA, "consonants", min_confidence=1).reasons == ["low_confidence"]


def test_without_a_family_all_compete(reader: Reader) -> None:
    assert reader.read(PA).family == "consonants"
    assert reader.families == ("numerals", "vowels", "consonants")


@pytest.mark.parametrize("options", [{"family": "digits"}, {"coverage": 0}, {"coverage": 1}, {"coverage": 2.5}])
def test_impossible_options_are_value_errors(reader: Reader, options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"family|coverage"):
        reader.read(PA, **options)


def test_a_missing_file_is_an_os_error(reader: Reader, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        reader.read(tmp_path / "none.png")


def test_missing_artifacts_name_the_variable(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="AKSHAR_ARTIFACTS"):
        Reader(tmp_path)


def test_the_variable_names_the_artifacts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AKSHAR_ARTIFACTS", str(tmp_path))
    with pytest.raises(BundleError, match=str(tmp_path)):
        Reader()
    monkeypatch.setenv("AKSHAR_ARTIFACTS", str(ARTIFACTS))
    assert Reader().read(PA, "consonants").character == "प"


def test_the_reader_needs_neither_the_service_nor_the_training() -> None:
    code = (
        "import sys; from akshar import Reader; Reader(runtime='onnxruntime');"
        "print([name for name in ('fastapi', 'starlette', 'uvicorn', 'pydantic_settings', 'structlog', 'app', "
        "'training', 'tensorflow') if name in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
