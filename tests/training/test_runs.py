import json
from pathlib import Path

import numpy as np
import pytest

from app.bundle import Bundle
from app.settings import REPOSITORY
from training import report, runs
from training.runs import Answers, Run

RESULTS = REPOSITORY / "docs" / "results"


def a_run() -> Run:
    rng = np.random.default_rng(0)
    answers = Answers(
        name=np.array(["vowels/1/001_01.jpg", "vowels/2/001_02.jpg", "vowels/12/002_01.jpg"]),
        truth=np.array([1, 2, 12]),
        answer=np.array([1, 2, 11]),
        class_ids=np.arange(1, 13),
        margins=rng.normal(0, 2, (2, 66)),
        kept=np.array([0, 2]),
        joint=np.array([10, 11, 57]),
        logits=rng.normal(0, 9, (3, 58)),
    )
    return Run("published", "1", "quick", 1, {"epochs": 1}, {"test": {"images": 3}}, {"vowels": answers})


def test_a_run_is_what_was_saved_to_a_hundredth(tmp_path: Path) -> None:
    run = a_run()
    path = runs.save(run, tmp_path)
    assert path.name == "published-1-quick.json"
    again = runs.load(path)
    for name, value in vars(run.answers["vowels"]).items():
        stored = getattr(again.answers["vowels"], name)
        if value.dtype.kind == "f":
            np.testing.assert_allclose(stored, value, atol=0.00501)
        else:
            np.testing.assert_array_equal(stored, value)
    assert again.scores == run.scores
    assert again.versions == run.versions
    assert [path.name for path in tmp_path.iterdir()] == ["published-1-quick.json"]


def test_scores_are_by_family_and_joint_where_a_head_over_all_has_answered() -> None:
    run = a_run()
    assert run.scores["vowels"]["correct"] == 2
    assert run.scores["joint"]["correct"] == 2
    plain = Answers(*(vars(run.answers["vowels"])[name] for name in ("name", "truth", "answer")))
    assert list(Run("published", "1", "tesseract", 1, {}, {}, {"vowels": plain}).scores) == ["vowels"]


@pytest.mark.parametrize("path", sorted(RESULTS.glob("*.json")), ids=lambda path: path.stem)
def test_a_committed_run_is_whole(path: Path) -> None:
    run = runs.load(path)
    assert run.file == path.name
    assert json.loads(path.read_text())["scores"] == json.loads(json.dumps(run.scores))
    assert {"python", "numpy", "scikit-learn"} <= set(run.versions)
    for answers in run.answers.values():
        assert len(answers.name) == len(answers.truth) == len(answers.answer)
        k = len(answers.class_ids)
        assert answers.margins.shape == (len(answers.kept), k * (k - 1) // 2 if k else 0)


def test_the_documents_are_those_of_the_runs(bundle: Bundle) -> None:
    """`make report` was run after the last run and the last training."""
    found = runs.load_all(RESULTS)
    assert (RESULTS / "README.md").read_text(encoding="utf-8") == report.results_page(found)
    readme = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    assert readme == report.readme(readme, found)
    experiments = (REPOSITORY / "docs" / "experiments.md").read_text(encoding="utf-8")
    assert experiments == report.experiments(experiments, runs.load_trials(REPOSITORY / "docs" / "experiments"))
    assert all(readme.count(mark) == 1 for mark in report.MARKS)
    card = REPOSITORY / "artifacts" / "MODEL_CARD.md"
    assert card.read_text(encoding="utf-8") == report.model_card(found, bundle.manifest)


def test_the_shipped_run_is_of_the_shipped_models(bundle: Bundle) -> None:
    run = runs.load(RESULTS / "published-1-full.json")
    assert run.details["model_version"] == bundle.manifest.model_version
    for family, score in bundle.manifest.scores["published"].items():
        assert (run.scores[family]["correct"], run.scores[family]["n"]) == (score.correct, score.n)
