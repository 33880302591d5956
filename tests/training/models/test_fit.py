from typing import TYPE_CHECKING

import numpy as np
import pytest

from training.data.splits import Task
from training.evaluation.predictions import evaluate

if TYPE_CHECKING:
    from training.models.fit import FittedModel

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning"),
]


def test_every_family_of_the_training_part_has_a_head_on_both_parts(
    fitted_model: "FittedModel", small_task: Task
) -> None:
    assert list(fitted_model.model.families) == ["numerals", "vowels", "consonants"]
    for family, entry in fitted_model.model.families.items():
        train, validation = (int((p.family == family).sum()) for p in (small_task.train, small_task.validation))
        held_out = fitted_model.held_out_svcs[family]
        assert entry.svc.shape_fit_ == (train + validation, 512)
        assert held_out.shape_fit_ == (train, 512)
        assert entry.svc.break_ties
        assert held_out.break_ties
        assert entry.in_network
        assert len(entry.calibration.distances) == validation
        assert fitted_model.describe_heads()[family]["C"] == 10
        assert fitted_model.validation_accuracies[family] > 0.2


def test_a_held_out_recognizer_does_not_know_the_validation_images(
    fitted_model: "FittedModel", small_task: Task
) -> None:
    def correct(held_out: bool) -> float:
        predictions = evaluate(fitted_model.recognizer(held_out), small_task.validation)
        return float(np.mean(np.concatenate([p.correct for p in predictions.values()])))

    assert correct(held_out=False) > correct(held_out=True) > 0.3
