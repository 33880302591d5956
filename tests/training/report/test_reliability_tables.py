from dataclasses import replace

import numpy as np
import pytest

from training.evaluation import corruption_run, ood
from training.evaluation.corruptions import CORRUPTIONS
from training.evaluation.runs import Predictions, Run
from training.report import reliability_tables


def predictions(predicted: list[int], confidence: list[float]) -> Predictions:
    n = len(predicted)
    return Predictions(
        name=np.array([f"{row}.png" for row in range(n)]),
        truth=np.ones(n, np.int64),
        predicted=np.array(predicted),
        vote_margin=np.array(confidence) / 2,
        confidence=np.array(confidence),
        set_sizes=np.tile([1, 1, 2], (n, 1)),
        covered=np.tile([True, False, True], (n, 1)),
        lookalike_gaps=np.tile([[-0.5, 0.4]], (n, 1)),
    )


@pytest.fixture
def run() -> Run:
    by_family = {"numerals": predictions([1, 1, 2], [0.9, 0.8, 0.3]), "vowels": predictions([1], [1.0])}
    swapped = replace(by_family["vowels"], lookalike_gaps=np.array([[0.4, -0.5]]))
    return Run("published", "1", "quick", 1, {}, {}, {**by_family, "vowels": swapped})


def test_reliability_is_pooled_over_families_and_runs(run: Run) -> None:
    pooled = reliability_tables.pool_reliability([run, run])
    assert pooled
    assert pooled.correct.tolist() == 2 * [True, True, False, True]
    # Each family's own column apart from the others'.
    assert set(pooled.own_gaps) == {-0.5}
    assert set(pooled.other_gaps) == {0.4}


def test_runs_without_confidences_are_left_out(run: Run) -> None:
    bare = {family: replace(p, confidence=np.zeros(0)) for family, p in run.predictions.items()}
    assert reliability_tables.pool_reliability([run, replace(run, predictions=bare)]) is None
    assert reliability_tables.confidence([replace(run, predictions=bare)]).rows == []


def test_the_table_of_confidence(run: Run) -> None:
    table = reliability_tables.confidence([run])
    (row,) = table.rows
    assert len(row) == len(table.header)
    assert row[:3] == ("published", "quick", "4")
    assert row[4:6] == ("1.0000", "1.0000")  # Both rank the one error last.
    assert row[8:11] == ("100.00 (size 1.00)", "0.00 (size 1.00)", "100.00 (size 2.00)")
    assert row[11] == "100.00"


def test_corrupted_images_have_a_row_for_each_kind(all_runs: list[Run]) -> None:
    (run,) = [run for run in all_runs if run.method == corruption_run.METHOD]
    rows = reliability_tables.corrupted_images(run).rows
    assert [row[0] for row in rows] == ["clean", *CORRUPTIONS]
    assert all(len(row) == 5 for row in rows)
    first = run.details["corruptions"][0]
    assert rows[1][2] == f"{100 * first['right'] / first['n']:.2f}"


def test_ood_inputs_have_a_row_for_each_kind_and_for_characters(all_runs: list[Run]) -> None:
    (run,) = [run for run in all_runs if run.method == ood.METHOD]
    rows = reliability_tables.ood_inputs(run).rows
    assert [row[0] for row in rows] == [*ood.KINDS, "all kinds", "held-out characters"]
    assert rows[-2][1] == f"{run.details['auroc']:.4f}"
    # A few of the characters are rejected, too.
    assert 0 < float(rows[-1][2]) < 2
