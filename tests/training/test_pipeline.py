import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from typer.testing import CliRunner

from app.bundle import Bundle, load_bundle
from tests.drawing import draw, encode
from training.__main__ import main

SCORES_TO_REACH = {"numerals": 0.997, "vowels": 0.997, "consonants": 0.97}
SCORES_ON_DHCD = {"numerals": 0.995, "consonants": 0.99}


@pytest.fixture(scope="module")
def slice_of_nhcd(nhcd_zip: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve real images of every class."""
    folder = tmp_path_factory.mktemp("slice")
    with zipfile.ZipFile(nhcd_zip) as archive:
        kept: dict[str, list[str]] = {}
        for name in archive.namelist():
            if name.endswith(".jpg"):
                kept.setdefault(name.rpartition("/")[0], []).append(name)
        for names in kept.values():
            for name in names[:12]:
                archive.extract(name, folder)
    return folder


@pytest.mark.slow
def test_a_whole_training_on_a_real_slice(slice_of_nhcd: Path, tmp_path: Path) -> None:
    """Data to artifacts, as `make train` runs it, in seconds; then the artifacts are loaded and scored."""
    out, work = tmp_path / "artifacts", tmp_path / "work"
    options = [
        "--recipe",
        "first",
        "--epochs",
        "1",
        "--data",
        str(slice_of_nhcd),
        "--out",
        str(out),
        "--work",
        str(work),
        "--fonts",
        str(tmp_path / "none"),
    ]
    trained = subprocess.run(
        [sys.executable, "-m", "training", "train", *options],
        capture_output=True,
        text=True,
        check=False,
    )
    assert trained.returncode == 0, trained.stderr
    manifest = load_bundle(out).manifest
    assert manifest.features == 512
    assert sorted(manifest.files) == [
        "extractor.keras",
        "extractor.onnx",
        "heads/consonants.joblib",
        "heads/numerals.joblib",
        "heads/vowels.joblib",
        "prototypes/consonants.joblib",
        "prototypes/numerals.joblib",
        "prototypes/vowels.joblib",
        "whitening.joblib",
    ]
    assert [entry.family for entry in manifest.golden] == ["numerals", "numerals", "vowels", "consonants", "consonants"]
    for entry in manifest.families.values():
        assert len(entry.calibration.nonconformity) > 0
    assert manifest.data.images == 58 * 12
    assert manifest.split.sizes["test"] == sum(score.n for score in manifest.scores["published"].values()) == 105
    assert {"keras", "scikit-learn", "numpy", "python"} <= set(manifest.versions)
    assert manifest.recipe["epochs"] == 1
    assert not list(work.iterdir())

    run = CliRunner().invoke(main, ["evaluate", "--data", str(slice_of_nhcd), "--artifacts", str(out), "--json"])
    published = json.loads(run.stdout)["published"]
    assert list(published) == [*manifest.scores["published"], "joint"]
    for family, score in manifest.scores["published"].items():
        assert score.model_dump().items() <= published[family].items()


def test_the_committed_artifacts_reach_their_scores(nhcd_zip: Path, bundle: Bundle) -> None:
    run = CliRunner().invoke(main, ["evaluate", "--data", str(nhcd_zip), "--dhcd", "not there", "--json"])
    assert run.exit_code == 0, run.output
    published = json.loads(run.stdout)["published"]
    assert {family: score["n"] for family, score in published.items()} == {
        "numerals": 430,
        "vowels": 396,
        "consonants": 1111,
        "joint": 1937,
    }
    assert published["joint"]["accuracy"] >= 0.975
    for family, least in SCORES_TO_REACH.items():
        assert published[family]["accuracy"] == published[family]["correct"] / published[family]["n"]
        assert published[family]["accuracy"] >= least
    # Reading DHCD's zip takes half a minute; what the training scored there is in the manifest.
    for family, least in SCORES_ON_DHCD.items():
        assert bundle.manifest.scores["dhcd"][family].accuracy >= least


def test_the_table_says_the_same(nhcd_zip: Path) -> None:
    run = CliRunner().invoke(main, ["evaluate", "--data", str(nhcd_zip), "--dhcd", "not there"])
    assert run.exit_code == 0
    assert "consonants" in run.stdout
    assert "1,111" in run.stdout


def test_other_data_are_told(slice_of_nhcd: Path) -> None:
    run = CliRunner().invoke(main, ["evaluate", "--data", str(slice_of_nhcd)])
    assert run.exit_code == 0
    assert "not those that the training held out" in run.stderr


def test_data_without_a_family_are_refused(tmp_path: Path) -> None:
    for number in range(10):
        folder = tmp_path / f"digit_{number}"
        folder.mkdir()
        (folder / "1.png").write_bytes(encode(draw("zero")))
    run = CliRunner().invoke(main, ["train", "--data", str(tmp_path)])
    assert run.exit_code == 2
    assert "has no vowels and no consonants" in run.stderr


@pytest.mark.parametrize("command", ["train", "evaluate"])
def test_a_wrong_path_is_one_line_and_no_traceback(command: str, tmp_path: Path) -> None:
    run = CliRunner().invoke(main, [command, "--data", str(tmp_path / "absent.zip")])
    assert run.exit_code == 2
    assert "no such file or folder" in run.stderr
    assert "Traceback" not in run.output
