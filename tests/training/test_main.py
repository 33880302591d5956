"""The commands that evaluate the committed artifacts, and what all commands print on errors."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from akshar.model.bundle import Bundle
from tests.drawing import draw, encode
from training.__main__ import main
from training.data.dataset import Dataset

MIN_SCORES = {"numerals": 0.997, "vowels": 0.997, "consonants": 0.97}
MIN_SCORES_ON_DHCD = {"numerals": 0.995, "consonants": 0.99}


def test_the_committed_artifacts_reach_their_scores(nhcd_zip: Path, bundle: Bundle) -> None:
    run = CliRunner().invoke(main, ["evaluate", "--data", str(nhcd_zip), "--others", "not there", "--json"])
    assert run.exit_code == 0, run.output
    published = json.loads(run.stdout)["published"]
    assert {family: score["n"] for family, score in published.items()} == {
        "numerals": 430,
        "vowels": 396,
        "consonants": 1111,
        "joint": 1937,
    }
    assert published["joint"]["accuracy"] >= 0.975
    for family, minimum in MIN_SCORES.items():
        assert published[family]["accuracy"] == published[family]["correct"] / published[family]["n"]
        assert published[family]["accuracy"] >= minimum
    # Reading DHCD's zip takes half a minute; what the training scored there is in the manifest.
    for family, minimum in MIN_SCORES_ON_DHCD.items():
        assert bundle.manifest.scores["dhcd"][family].accuracy >= minimum


def test_scores_are_printed_as_a_table(nhcd: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.__main__.read", lambda _: nhcd)
    run = CliRunner().invoke(main, ["evaluate", "--data", "nhcd.zip", "--others", "not there"])
    assert run.exit_code == 0
    assert "consonants" in run.stdout
    assert "1,111" in run.stdout


def test_other_test_images_cause_a_warning(slice_of_nhcd: Path) -> None:
    run = CliRunner().invoke(main, ["evaluate", "--data", str(slice_of_nhcd)])
    assert run.exit_code == 0
    assert "not those that the training held out" in run.stderr


def test_data_without_a_family_are_an_error(tmp_path: Path) -> None:
    for number in range(10):
        folder = tmp_path / f"digit_{number}"
        folder.mkdir()
        (folder / "1.png").write_bytes(encode(draw("zero")))
    run = CliRunner().invoke(main, ["train", "--data", str(tmp_path)])
    assert run.exit_code == 2
    assert "has no vowels and no consonants" in run.stderr


@pytest.mark.parametrize("command", ["train", "evaluate"])
def test_a_wrong_path_is_one_line_without_a_traceback(command: str, tmp_path: Path) -> None:
    run = CliRunner().invoke(main, [command, "--data", str(tmp_path / "absent.zip")])
    assert run.exit_code == 2
    assert "no such file or folder" in run.stderr
    assert "Traceback" not in run.output


def test_artifacts_of_the_current_schema_are_not_converted(nhcd: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.__main__.read", lambda _: nhcd)
    run = CliRunner().invoke(main, ["convert", "--data", "nhcd.zip"])
    assert run.exit_code == 2
    assert "has schema version 4, not 3" in run.stderr


def test_a_missing_library_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(module: str) -> None:
        raise ModuleNotFoundError(f"No module named {module}", name="keras")

    monkeypatch.setattr("training.__main__.import_optional", missing)
    run = CliRunner().invoke(main, ["baseline", "pca-svc", "--data", "x"])
    assert run.exit_code == 2
    assert "keras is not installed; this needs more than serving" in run.stderr
