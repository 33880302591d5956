import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from starlette.testclient import TestClient
from typer.testing import CliRunner

from app.bundle import load_bundle, read_manifest
from app.main import create_app
from app.settings import Settings
from tests.conftest import ARTIFACTS
from tests.drawing import draw, encode
from training.__main__ import main
from training.scoring import interval

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


def specialise(artifacts: Path, data: Path, *more: str, name: str = "punctuation") -> tuple[int, str]:
    command = ["specialise", "--name", name, "--data", str(data), "--artifacts", str(artifacts), *more]
    run = CliRunner().invoke(main, command)
    assert "Traceback" not in run.output
    return run.exit_code, " ".join(run.output.split())


def test_a_new_family_answers_after_a_restart(tmp_path: Path) -> None:
    artifacts, data = artifacts_copy(tmp_path), write_marks(tmp_path / "marks")
    before = read_manifest(artifacts)
    code, told = specialise(artifacts, data)
    assert code == 0, told
    assert "punctuation: 3 classes from 18 images" in told

    after = load_bundle(artifacts).manifest
    assert set(after.families) == {*before.families, "punctuation"}
    assert after.model_version != before.model_version
    assert {file: after.files[file] for file in before.files} == before.files
    score = after.scores["specialised"]["punctuation"]
    low, high = interval(score.correct, score.n)
    assert f"cross-validated accuracy {score.accuracy:.1%} (95 % interval {low:.1%} to {high:.1%})" in told
    assert score.n == 18
    assert score.accuracy > 0.8

    with TestClient(create_app(Settings(artifacts=artifacts, runtime="onnxruntime"))) as client:
        for character, name in MARKS.items():
            answer = client.post("/predict/punctuation", files={"file": encode(draw(name, size=80))}).json()
            assert (answer["family"], answer["character"]) == ("punctuation", character)
            assert "not_a_character" not in answer["reasons"]
        assert answer["codepoints"] == ["U+002B"]
        family = client.get("/families").json()["families"]["punctuation"]
        assert family["calibrated_on"] == 18
        for coverage in (0.9, 0.99):  # 18 images vouch for 94 %: beyond it any class may be the one.
            path = f"/predict/punctuation?coverage={coverage}"
            likely = client.post(path, files={"file": encode(draw("plus", size=80))}).json()["likely"]
            assert likely[0]["character"] == "+"
            assert (len(likely) == 3) == (coverage > family["most_coverage"])
        assert client.post("/predict/consonants", files={"file": encode(draw("pa"))}).json()["character"] == "प"


def test_a_few_of_each_class_can_be_drawn_and_a_family_learnt_anew(tmp_path: Path) -> None:
    artifacts, data = artifacts_copy(tmp_path), write_marks(tmp_path / "marks")
    assert specialise(artifacts, data, "--per-class", "4")[0] == 0
    first = read_manifest(artifacts)
    assert first.scores["specialised"]["punctuation"].n == 12
    code, told = specialise(artifacts, data)
    assert code == 2
    assert "punctuation is there already; pass --replace" in told
    assert specialise(artifacts, data, "--replace")[0] == 0
    second = read_manifest(artifacts)
    assert second.scores["specialised"]["punctuation"].n == 18
    heads = {path.name for path in (artifacts / "heads").iterdir()}
    assert heads == {Path(family.head).name for family in second.families.values()}
    load_bundle(artifacts)


@pytest.mark.parametrize("name", ["Punctuation", "a b", "9to5", "-a", "a--b", "a/b", "", "x" * 33, "अ"])
def test_a_name_that_no_url_likes_is_refused(tmp_path: Path, name: str) -> None:
    code, told = specialise(ARTIFACTS, tmp_path, name=name)
    assert code == 2
    assert "cannot name a family" in told


@pytest.mark.parametrize("name", ["numerals", "auto"])
def test_akshars_own_names_are_kept(tmp_path: Path, name: str) -> None:
    assert specialise(ARTIFACTS, tmp_path, "--replace", name=name) == (
        2,
        f"{name} is a name of Akshar's own; choose another.",
    )


def test_what_cannot_be_learnt_is_told_and_nothing_is_written(tmp_path: Path) -> None:
    before = json.loads((ARTIFACTS / "manifest.json").read_text())
    assert "no such folder" in specialise(ARTIFACTS, tmp_path / "absent")[1]
    one = write_marks(tmp_path / "one", marks={"।": "danda"})
    assert "holds 1 folders of images; a family needs two classes" in specialise(ARTIFACTS, one)[1]
    few = write_marks(tmp_path / "few", images=2)
    assert "2 images; each class needs 3" in specialise(ARTIFACTS, few)[1]
    broken = write_marks(tmp_path / "broken")
    (broken / "।" / "3.png").write_bytes(b"\x89PNG\r\n\x1a\nthis is no picture")
    code, told = specialise(ARTIFACTS, broken)
    assert code == 2
    assert "3.png" in told.replace(" ", "")
    assert json.loads((ARTIFACTS / "manifest.json").read_text()) == before
