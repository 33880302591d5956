import json
from pathlib import Path

import numpy as np
import pytest

from akshar.model.bundle import Bundle
from training import REPOSITORY
from training.data.splits import Task
from training.evaluation import runs
from training.evaluation.runs import Predictions, Run, describe_data

RESULTS = REPOSITORY / "docs" / "results"


def a_run() -> Run:
    rng = np.random.default_rng(0)
    predictions = Predictions(
        name=np.array(["vowels/1/001_01.jpg", "vowels/2/001_02.jpg", "vowels/12/002_01.jpg"]),
        truth=np.array([1, 2, 12]),
        predicted=np.array([1, 2, 11]),
        class_ids=np.arange(1, 13),
        margins=rng.normal(0, 2, (2, 66)),
        kept=np.array([0, 2]),
        joint=np.array([10, 11, 57]),
        logits=rng.normal(0, 9, (3, 58)),
        vote_margin=rng.random(3),
        confidence=rng.random(3),
        set_sizes=np.array([[1, 1, 2], [1, 1, 1], [1, 2, 12]]),
        covered=np.array([[True, True, True], [True, True, True], [False, False, True]]),
        lookalike_gaps=rng.normal(0, 0.1, (3, 1)),
    )
    return Run("published", "1", "quick", 1, {"epochs": 1}, {"test": {"images": 3}}, {"vowels": predictions})


def test_a_saved_run_is_loaded_to_a_hundredth(tmp_path: Path) -> None:
    run = a_run()
    path = runs.save(run, tmp_path)
    assert path.name == "published-1-quick.json"
    again = runs.load(path)
    for name, value in vars(run.predictions["vowels"]).items():
        stored = getattr(again.predictions["vowels"], name)
        if value.dtype.kind == "f":
            np.testing.assert_allclose(stored, value, atol=0.00501)
        else:
            np.testing.assert_array_equal(stored, value)
    assert again.scores == run.scores
    assert again.versions == run.versions
    assert [path.name for path in tmp_path.iterdir()] == ["published-1-quick.json"]


def test_scores_are_by_family_and_joint_if_all_families_have_competed() -> None:
    run = a_run()
    assert run.scores["vowels"]["correct"] == run.predictions["vowels"].correct.sum() == 2
    assert run.scores["joint"]["correct"] == 2
    plain = Predictions(*(vars(run.predictions["vowels"])[name] for name in ("name", "truth", "predicted")))
    assert list(Run("published", "1", "tesseract", 1, {}, {}, {"vowels": plain}).scores) == ["vowels"]


def test_data_are_described_by_size_and_digest(small_task: Task) -> None:
    described = describe_data(Task(small_task.train, small_task.validation, small_task.test, {"dhcd": small_task.test}))
    assert {part: entry["images"] for part, entry in described.items()} == {
        "train": 58 * 8,
        "validation": 58 * 3,
        "test": 58 * 2,
        "dhcd": 58 * 2,
    }
    assert described["dhcd"] == described["test"] != described["train"]


@pytest.mark.parametrize("path", sorted(RESULTS.glob("*.json")), ids=lambda path: path.stem)
def test_a_committed_run_is_complete(path: Path) -> None:
    run = runs.load(path)
    assert run.file == path.name
    assert json.loads(path.read_text())["scores"] == json.loads(json.dumps(run.scores))
    assert {"python", "numpy", "scikit-learn"} <= set(run.versions)
    for p in run.predictions.values():
        assert len(p.name) == len(p.truth) == len(p.predicted)
        k = len(p.class_ids)
        assert p.margins.shape == (len(p.kept), k * (k - 1) // 2 if k else 0)


def test_the_shipped_run_is_of_the_shipped_models(bundle: Bundle) -> None:
    run = runs.load(RESULTS / "published-1-full.json")
    assert run.details["model_version"] == bundle.manifest.model_version
    for family, score in bundle.manifest.scores["published"].items():
        assert (run.scores[family]["correct"], run.scores[family]["n"]) == (score.correct, score.n)
