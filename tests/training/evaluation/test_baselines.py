"""The baselines on a real slice, in seconds."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from training.data.splits import Task
from training.recipe import Recipe

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning"),
]


def test_every_baseline_predicts_the_same_images(
    small_task: Task, tiny_recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from training.evaluation import baselines

    monkeypatch.setattr(baselines, "FIRST", tiny_recipe)
    monkeypatch.setattr(baselines, "GRID_C", (10.0,))
    monkeypatch.setattr(baselines, "GRID_GAMMA", (0.01, 0.1))
    numerals = replace(
        small_task,
        train=small_task.train[small_task.train.family == "numerals"],
        validation=small_task.validation[small_task.validation.family == "numerals"],
        test=small_task.test[small_task.test.family == "numerals"],
    )
    runs = [
        *baselines.pca_svc(small_task, tmp_path / "pca", verbose=0),
        *baselines.cnn_per_family(numerals, tmp_path / "family", verbose=0),
        *baselines.published_network(small_task, tmp_path / "published", verbose=0, epochs=1, grid=tiny_recipe.search),
        *baselines.bottleneck(small_task, tmp_path / "bottleneck", verbose=0),
    ]
    assert [run.method for run in runs] == [
        "pca-svc",
        "cnn-per-family",
        "published-network",
        "bottleneck",
        "bottleneck-vowels",
    ]
    for run in runs:
        for family, predictions in run.predictions.items():
            own = small_task.test[small_task.test.family == family]
            np.testing.assert_array_equal(predictions.name, own.name)
            assert set(predictions.predicted) <= set(own.class_id)
    pca, _, published, plane, vowels = runs
    assert pca.scores["numerals"]["accuracy"] > 0.3
    assert published.predictions["vowels"].logits.shape == (24, 58)
    assert published.predictions["vowels"].set_sizes.shape == (24, 3)
    assert published.recipe["epochs"] == 1
    assert "joint" in published.scores
    assert np.shape(plane.details["plane"]) == (116, 2)
    assert np.shape(vowels.details["plane"]) == (24, 2)


def test_the_published_network_is_that_of_the_articles() -> None:
    from training.evaluation.baselines import build_published

    # 3x3 convolutions to 128, 64 and 32; from 12x12x32 to 512, to 512, to 58.
    weights = 128 * 10 + 64 * (9 * 128 + 1) + 32 * (9 * 64 + 1)
    assert build_published().count_params() == weights + 512 * (12 * 12 * 32 + 1) + 512 * 513 + 58 * 513
