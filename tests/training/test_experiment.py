"""Trainings by the protocols and the baselines, on a real slice, shrunk to seconds."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from training import recipe, runs
from training.__main__ import main
from training.data import Dataset
from training.protocols import PROTOCOLS, Task
from training.recipe import FIRST, RECIPES, Search
from training.sources import sample

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning"),
]

TINY = replace(FIRST, channels=(4, 6, 8), epochs=2, batch=64, search=Search(c=(10.0,), gamma=(1.0,)))
TOLERANCE = 0.01
"""Of accuracy: what one seed may give on one machine in two trainings, one of them interrupted."""


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(RECIPES, "quick", TINY)
    monkeypatch.setattr(recipe, "LEAST_STEPS", 1)


@pytest.fixture(scope="module")
def task(nhcd: Dataset) -> Task:
    """Of every class 8 images to learn, 3 to validate and 2 to test."""
    parts = PROTOCOLS["published"].task(nhcd, None, "1")
    return Task(sample(parts.train, 8, 1), sample(parts.validation, 3, 1), sample(parts.test, 2, 1))


@pytest.mark.usefixtures("tiny")
def test_a_protocol_is_trained_scored_and_kept(nhcd_zip: Path, tmp_path: Path) -> None:
    command = ["evaluate", "--data", str(nhcd_zip), "--protocol", "writers", "--parts", "2", "--per-class", "12"]
    command += ["--results", str(tmp_path / "results"), "--work", str(tmp_path / "work"), "--json"]
    first = CliRunner().invoke(main, command)
    assert first.exit_code == 0, first.output
    scores = json.loads(first.stdout.splitlines()[-1])["writers"]
    assert list(scores) == ["numerals", "vowels", "consonants", "joint"]
    run = runs.load(tmp_path / "results" / "writers-2-quick-12.json")
    assert scores["numerals"]["n"] == len(run.answers["numerals"].truth)
    assert scores["joint"]["n"] == sum(len(answers.truth) for answers in run.answers.values())
    assert run.recipe["per_class"] == 12
    assert run.data["train"]["images"] == 58 * 10
    assert len(run.history) == 2
    assert {name.partition("/")[0] for name in run.answers["vowels"].name} == {"vowels"}
    # Even this little has learnt something: chance is one in ten.
    assert scores["numerals"]["accuracy"] > 0.3
    # What is there is not trained again.
    (tmp_path / "work").rename(tmp_path / "elsewhere")
    again = CliRunner().invoke(main, command)
    assert again.stdout == json.dumps({"writers": scores}) + "\n"
    assert not (tmp_path / "work").exists()


def test_a_part_that_a_protocol_has_not_is_refused(tmp_path: Path) -> None:
    run = CliRunner().invoke(main, ["evaluate", "--data", "x", "--protocol", "hcr-net", "--parts", "1,7"])
    assert run.exit_code == 2
    assert "hcr-net has no part 7; there are 1." in run.stderr


@pytest.mark.usefixtures("tiny")
def test_cross_needs_the_other_data_set(nhcd_zip: Path, tmp_path: Path) -> None:
    options = ["--protocol", "cross", "--dhcd", str(tmp_path / "dhcd.zip"), "--results", str(tmp_path)]
    run = CliRunner().invoke(main, ["evaluate", "--data", str(nhcd_zip), *options])
    assert run.exit_code == 2
    assert "dhcd.zip: no such file" in run.stderr


# Keras's log is left open by the interruption, as by a kill.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")
def test_one_seed_gives_one_score_even_when_killed(task: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from training import experiment, extractor

    def accuracy(work: Path) -> float:
        run = experiment.train_and_answer("published", "1", "quick", task, small, None, work, verbose=0)
        return float(run.scores["joint"]["accuracy"])

    small = replace(TINY, epochs=4)
    monkeypatch.setattr(recipe, "LEAST_STEPS", 1)
    whole = accuracy(tmp_path / "whole")
    assert accuracy(tmp_path / "again") == pytest.approx(whole, abs=TOLERANCE)

    real = extractor.AugmentedBatches.start_epoch

    def killed(self: Any, epoch: int) -> None:
        if epoch == 2:
            raise KeyboardInterrupt
        real(self, epoch)

    monkeypatch.setattr(extractor.AugmentedBatches, "start_epoch", killed)
    with pytest.raises(KeyboardInterrupt):
        accuracy(tmp_path / "killed")
    monkeypatch.setattr(extractor.AugmentedBatches, "start_epoch", real)
    resumed = accuracy(tmp_path / "killed")
    assert resumed == pytest.approx(whole, abs=5 * TOLERANCE)


def test_few_images_get_more_epochs() -> None:
    assert recipe.for_few_images(RECIPES["quick"], 9042) == RECIPES["quick"]
    few = recipe.for_few_images(RECIPES["quick"], 480)
    assert few.epochs * (480 // few.batch) >= recipe.LEAST_STEPS
    assert recipe.for_few_images(RECIPES["quick"], 1).epochs == recipe.LEAST_STEPS


def test_every_baseline_answers_the_same_images(task: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from training import baselines

    monkeypatch.setattr(baselines, "FIRST", TINY)
    monkeypatch.setattr(baselines, "GRID_C", (10.0,))
    monkeypatch.setattr(baselines, "GRID_GAMMA", (0.01, 0.1))
    numerals = replace(
        task,
        train=task.train[task.train.family == "numerals"],
        validation=task.validation[task.validation.family == "numerals"],
        test=task.test[task.test.family == "numerals"],
    )
    made = [
        *baselines.pca_svc(task, tmp_path / "pca", verbose=0),
        *baselines.cnn_per_family(numerals, tmp_path / "family", verbose=0),
        *baselines.published_network(task, tmp_path / "published", verbose=0, epochs=1, grid=TINY.search),
        *baselines.bottleneck(task, tmp_path / "bottleneck", verbose=0),
    ]
    assert [run.method for run in made] == [
        "pca-svc",
        "cnn-per-family",
        "published-network",
        "bottleneck",
        "bottleneck-vowels",
    ]
    for run in made:
        for family, answers in run.answers.items():
            expected = task.test.name[task.test.family == family]
            np.testing.assert_array_equal(answers.name, expected)
            assert set(answers.answer) <= set(task.test.class_id[task.test.family == family])
    pca, _, published, plane, vowels = made
    assert pca.scores["numerals"]["accuracy"] > 0.3
    assert published.answers["vowels"].logits.shape == (24, 58)
    assert published.recipe["epochs"] == 1
    assert np.shape(plane.details["plane"]) == (116, 2)
    assert np.shape(vowels.details["plane"]) == (24, 2)


def test_the_published_network_is_the_articles() -> None:
    from training.baselines import build_published

    network = build_published()
    # 3x3 convolutions to 128, 64 and 32; from 12x12x32 to 512, to 512, to 58.
    weights = 128 * 10 + 64 * (9 * 128 + 1) + 32 * (9 * 64 + 1)
    assert network.count_params() == weights + 512 * (12 * 12 * 32 + 1) + 512 * 513 + 58 * 513


@pytest.mark.usefixtures("tiny")
def test_vowels_are_learnt_by_an_extractor_that_never_saw_them(task: Task, tmp_path: Path) -> None:
    from training.fewshot import without_vowels

    (run,) = without_vowels(task, tmp_path, verbose=0, recipe=TINY, shots=(3, 8), draws=2)
    assert [(row["images"], row["draw"]) for row in run.details["curve"]] == [(3, 1), (3, 2), (8, 1), (8, 2)]
    assert run.data["train"]["images"] == 46 * 8
    assert run.scores["vowels"]["n"] == 24
    most = run.details["curve"][2]
    assert most["svc"] == run.scores["vowels"]["correct"]
    assert max(most["svc"], most["softmax"]) > 4  # Chance is two.
