import json
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from akshar.cli import main
from akshar.model.classes import CATALOGUE
from akshar.prediction import Prediction
from tests.drawing import draw, encode

runner = CliRunner()


@pytest.fixture
def pa(tmp_path: Path) -> str:
    file = tmp_path / "pa.png"
    file.write_bytes(encode(draw("pa")))
    return str(file)


def test_files_are_read_in_order_one_json_per_line(pa: str, tmp_path: Path) -> None:
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"x")
    result = runner.invoke(main, ["predict", "consonants", pa, str(bad), pa])
    first, second, third = map(json.loads, result.stdout.splitlines())
    assert first.pop("file") == pa
    Prediction.model_validate(first)
    assert (first["character"], third["character"]) == ("प", "प")
    assert second == {"file": str(bad), "code": "unsupported_image", "detail": second["detail"]}
    assert result.exit_code == 1


def test_options_add_a_set_and_an_explanation(pa: str) -> None:
    plain = json.loads(runner.invoke(main, ["predict", "consonants", pa]).stdout)
    assert {"prediction_set", "explanation"}.isdisjoint(plain)
    options = ["--coverage", "0.99", "--explain", "--min-confidence", "1"]
    result = runner.invoke(main, ["predict", "consonants", pa, *options])
    full = json.loads(result.stdout)
    assert full["prediction_set"][0]["character"] == "प"
    assert full["explanation"]["width"] == 64
    assert full["reasons"] == ["low_confidence"]
    assert result.exit_code == 0


def test_the_environment_sets_options(pa: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AKSHAR_MAX_PIXELS", "100")
    assert json.loads(runner.invoke(main, ["predict", "consonants", pa]).stdout)["code"] == "too_many_pixels"


def test_an_unknown_family_lists_the_known_ones(pa: str) -> None:
    result = runner.invoke(main, ["predict", "digits", pa])
    assert result.exit_code == 2
    assert all(family in result.stderr for family in CATALOGUE)


def test_unusable_artifacts_end_it_with_3_and_one_line(pa: str, tmp_path: Path) -> None:
    result = runner.invoke(main, ["predict", "vowels", pa, "--artifacts", str(tmp_path)])
    assert result.exit_code == 3
    assert result.stderr.count("\n") == 1
    assert "AKSHAR_ARTIFACTS" in result.stderr


def test_serving_without_the_service_says_where_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "app.server", None)
    result = runner.invoke(main, ["serve"])
    assert result.exit_code == 2
    assert "make serve" in result.stderr
