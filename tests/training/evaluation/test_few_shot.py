from pathlib import Path

import pytest

from training.data.splits import Task
from training.recipe import Recipe

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning"),
]


def test_vowels_are_fitted_on_a_network_that_was_not_trained_on_them(
    small_task: Task, tiny_recipe: Recipe, tmp_path: Path
) -> None:
    from training.evaluation.few_shot import without_vowels

    (run,) = without_vowels(small_task, tmp_path, verbose=0, recipe=tiny_recipe, shots=(3, 8), draws=2)
    assert [(row["images"], row["draw"]) for row in run.details["curve"]] == [(3, 1), (3, 2), (8, 1), (8, 2)]
    assert run.data["train"]["images"] == 46 * 8
    assert run.scores["vowels"]["n"] == 24
    most_images = run.details["curve"][2]
    assert most_images["svc"] == run.scores["vowels"]["correct"]
    assert max(most_images["svc"], most_images["softmax"]) > 4  # Chance is two.
