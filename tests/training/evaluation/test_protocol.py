"""Trainings by the protocols, on a real slice, in seconds."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from typer.testing import CliRunner

from training import recipe
from training.__main__ import main
from training.data.dataset import Dataset, read_dataset
from training.data.splits import Task
from training.evaluation import runs
from training.evaluation.predictions import evaluate
from training.evaluation.protocol import train_and_evaluate, with_logits
from training.recipe import RECIPES, Recipe

if TYPE_CHECKING:
    from training.models.fit import FittedModel

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning"),
]

TOLERANCE = 0.01
"""Of accuracy, between two trainings of one seed on one machine."""


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch, tiny_recipe: Recipe) -> None:
    monkeypatch.setitem(RECIPES, "quick", tiny_recipe)
    monkeypatch.setattr(recipe, "MIN_STEPS", 1)


@pytest.mark.usefixtures("tiny")
def test_a_protocol_is_trained_scored_and_saved(nhcd: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.__main__.read", lambda _: nhcd)
    command = ["evaluate", "--data", "nhcd.zip", "--protocol", "writers", "--parts", "2", "--per-class", "12"]
    command += ["--results", str(tmp_path / "results"), "--work", str(tmp_path / "work"), "--json"]
    first = CliRunner().invoke(main, command)
    assert first.exit_code == 0, first.output
    scores = json.loads(first.stdout.splitlines()[-1])["writers"]
    assert list(scores) == ["numerals", "vowels", "consonants", "joint"]
    run = runs.load(tmp_path / "results" / "writers-2-quick-12.json")
    assert scores["numerals"]["n"] == len(run.predictions["numerals"].truth)
    assert scores["joint"]["n"] == sum(len(p.truth) for p in run.predictions.values())
    assert run.recipe["per_class"] == 12
    assert run.data["train"]["images"] == 58 * 10
    assert len(run.history) == 2
    assert {name.partition("/")[0] for name in run.predictions["vowels"].name} == {"vowels"}
    # Even this little training is better than chance, one in ten.
    assert scores["numerals"]["accuracy"] > 0.3
    # Existing runs are not trained again.
    (tmp_path / "work").rename(tmp_path / "elsewhere")
    again = CliRunner().invoke(main, command)
    assert again.stdout == json.dumps({"writers": scores}) + "\n"
    assert not (tmp_path / "work").exists()


def test_an_unknown_part_of_a_protocol_is_an_error() -> None:
    run = CliRunner().invoke(main, ["evaluate", "--data", "x", "--protocol", "hcr-net", "--parts", "1,7"])
    assert run.exit_code == 2
    assert "hcr-net has no part 7; there are 1." in run.stderr


@pytest.mark.usefixtures("tiny")
def test_cross_needs_the_other_data_set(nhcd: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.__main__.read", lambda path: nhcd if path.name == "nhcd.zip" else read_dataset(path))
    options = ["--protocol", "cross", "--others", str(tmp_path), "--results", str(tmp_path)]
    run = CliRunner().invoke(main, ["evaluate", "--data", "nhcd.zip", *options])
    assert run.exit_code == 2
    assert "dhcd-train.zip: no such file" in run.stderr


# Keras's log is left open by the interruption, as by a kill.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")
def test_one_seed_gives_one_score_even_after_an_interruption(
    fitted_model: "FittedModel",
    small_task: Task,
    longer_recipe: Recipe,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from training.models import network

    def accuracy(work: Path) -> float:
        run = train_and_evaluate(
            "published", "1", "quick", small_task, longer_recipe, None, work, lambda _: None, verbose=0
        )
        return float(run.scores["joint"]["accuracy"])

    monkeypatch.setattr(recipe, "MIN_STEPS", 1)
    test = small_task.test
    predictions = evaluate(fitted_model.recognizer(), test)
    correct = [p.joint == test[test.family == family].joint for family, p in predictions.items()]
    first = float(np.mean(np.concatenate(correct)))
    assert accuracy(tmp_path / "again") == pytest.approx(first, abs=TOLERANCE)

    real = network.AugmentedBatches.start_epoch

    def killed(self: Any, epoch: int) -> None:
        if epoch == 4:
            raise KeyboardInterrupt
        real(self, epoch)

    monkeypatch.setattr(network.AugmentedBatches, "start_epoch", killed)
    with pytest.raises(KeyboardInterrupt):
        accuracy(tmp_path / "killed")
    monkeypatch.setattr(network.AugmentedBatches, "start_epoch", real)
    resumed = accuracy(tmp_path / "killed")
    assert resumed == pytest.approx(first, abs=5 * TOLERANCE)


def test_logits_are_those_of_the_whole_network(fitted_model: "FittedModel", small_task: Task) -> None:
    predictions = with_logits(
        evaluate(fitted_model.recognizer(), small_task.test), fitted_model.classifier, small_task.test
    )
    logits = np.concatenate([p.logits for p in predictions.values()])
    assert logits.shape == (116, 58)
    truth = np.concatenate([small_task.test[small_task.test.family == family].joint for family in predictions])
    assert (logits.argmax(axis=1) == truth).mean() > 0.05  # Chance is one in 58.
