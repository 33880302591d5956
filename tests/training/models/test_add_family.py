import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from akshar.model.abstention import Reason
from akshar.model.bundle import load_bundle
from akshar.model.loading import ARTIFACTS
from akshar.model.manifest import read_manifest
from akshar.reader import Reader
from tests.drawing import draw, encode
from training.__main__ import main
from training.evaluation.metrics import wilson_interval
from training.models.add_family import SCORES

MARKS = {"।": "danda", "॥": "double danda", "+": "plus"}


def write_marks(folder: Path, images: int = 6, marks: dict[str, str] = MARKS) -> Path:
    rng = np.random.default_rng(1)
    for character, name in marks.items():
        (folder / character).mkdir(parents=True)
        for number in range(images):
            image = draw(name, size=int(rng.integers(48, 96)), stroke=rng.uniform(0.06, 0.12), margin=0.15)
            tilted = image.rotate(rng.uniform(-10, 10), fillcolor=255)
            (folder / character / f"{number}.png").write_bytes(encode(tilted))
    return folder


def artifacts_copy(folder: Path) -> Path:
    return Path(shutil.copytree(ARTIFACTS, folder / "artifacts"))


def add_family(artifacts: Path, data: Path, *options: str, name: str = "punctuation") -> tuple[int, str]:
    command = ["add-family", "--name", name, "--data", str(data), "--artifacts", str(artifacts), *options]
    run = CliRunner().invoke(main, command)
    assert "Traceback" not in run.output
    return run.exit_code, " ".join(run.output.split())


def test_an_added_family_is_recognized(tmp_path: Path) -> None:
    artifacts, data = artifacts_copy(tmp_path), write_marks(tmp_path / "marks")
    before = read_manifest(artifacts)
    code, output = add_family(artifacts, data)
    assert code == 0, output
    assert "punctuation: 3 classes from 18 images" in output

    after = load_bundle(artifacts).manifest
    assert set(after.families) == {*before.families, "punctuation"}
    assert after.model_version != before.model_version
    assert {file: after.files[file] for file in before.files} == before.files
    score = after.scores[SCORES]["punctuation"]
    low, high = wilson_interval(score.correct, score.n)
    assert f"cross-validated accuracy {score.accuracy:.1%} (95 % interval {low:.1%} to {high:.1%})" in output
    assert score.n == 18
    assert score.accuracy > 0.8

    entry = after.families["punctuation"]
    assert not entry.in_network
    assert entry.calibration.distances == sorted(entry.calibration.distances)
    assert len(entry.calibration.distances) == len(entry.calibration.nonconformity) == 18

    reader = Reader(artifacts, runtime="onnxruntime")
    for character, name in MARKS.items():
        prediction = reader.read(draw(name, size=80), "punctuation")
        assert (prediction.family, prediction.character) == ("punctuation", character)
        assert Reason.NOT_A_CHARACTER not in prediction.reasons
    assert prediction.codepoints == ["U+002B"]
    for coverage in (0.9, 0.99):  # 18 images guarantee 94 %; beyond it the set holds all classes.
        prediction_set = reader.read(draw("plus", size=80), "punctuation", coverage=coverage).prediction_set
        assert prediction_set
        assert prediction_set[0].character == "+"
        assert (len(prediction_set) == 3) == (coverage > 18 / 19)
    assert reader.read(draw("pa"), "consonants").character == "प"


def test_images_can_be_limited_and_a_family_replaced(tmp_path: Path) -> None:
    artifacts, data = artifacts_copy(tmp_path), write_marks(tmp_path / "marks")
    assert add_family(artifacts, data, "--per-class", "4")[0] == 0
    first = read_manifest(artifacts)
    assert first.scores[SCORES]["punctuation"].n == 12
    code, output = add_family(artifacts, data)
    assert code == 2
    assert "punctuation exists already; pass --replace" in output
    assert add_family(artifacts, data, "--replace")[0] == 0
    second = read_manifest(artifacts)
    assert second.scores[SCORES]["punctuation"].n == 18
    heads = {path.name for path in (artifacts / "heads").iterdir()}
    assert heads == {Path(family.head).name for family in second.families.values()}
    load_bundle(artifacts)


@pytest.mark.parametrize("name", ["Punctuation", "a b", "9to5", "-a", "a--b", "a/b", "", "x" * 33, "अ"])
def test_a_name_that_does_not_fit_a_url_is_an_error(tmp_path: Path, name: str) -> None:
    code, output = add_family(ARTIFACTS, tmp_path, name=name)
    assert code == 2
    assert "cannot name a family" in output


@pytest.mark.parametrize("name", ["numerals", "auto"])
def test_akshars_own_names_are_reserved(tmp_path: Path, name: str) -> None:
    assert add_family(ARTIFACTS, tmp_path, "--replace", name=name) == (
        2,
        f"{name} is a name that Akshar uses itself; choose another.",
    )


def test_errors_are_named_and_nothing_is_written(tmp_path: Path) -> None:
    before = json.loads((ARTIFACTS / "manifest.json").read_text())
    assert "no such folder" in add_family(ARTIFACTS, tmp_path / "absent")[1]
    one = write_marks(tmp_path / "one", marks={"।": "danda"})
    assert "holds 1 folders of images; a family needs two classes" in add_family(ARTIFACTS, one)[1]
    few = write_marks(tmp_path / "few", images=2)
    assert "2 images; each class needs 3" in add_family(ARTIFACTS, few)[1]
    broken = write_marks(tmp_path / "broken")
    (broken / "।" / "3.png").write_bytes(b"\x89PNG\r\n\x1a\nthis is no picture")
    code, output = add_family(ARTIFACTS, broken)
    assert code == 2
    assert "3.png" in output.replace(" ", "")
    assert json.loads((ARTIFACTS / "manifest.json").read_text()) == before
