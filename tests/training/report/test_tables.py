from dataclasses import replace

import numpy as np
import pytest

from training.evaluation import metrics
from training.evaluation.runs import Run
from training.recipe import RECIPES
from training.report import tables
from training.report.tables import DASH, FAMILIES, JOINT, NOT_STORED


def without_joint(run: Run) -> Run:
    predictions = {family: replace(p, joint=np.zeros(0, np.int64)) for family, p in run.predictions.items()}
    return replace(run, predictions=predictions)


def cells(table: tables.Table, *start: str) -> tuple[str, ...]:
    """The only row that starts with these cells."""
    (row,) = [row for row in table.rows if row[: len(start)] == start]
    return row[len(start) :]


def test_markdown_has_a_line_for_each_row() -> None:
    table = tables.Table(("a", "b"), [("1", "2"), ("3", "")])
    assert table.markdown() == "| a | b |\n| --- | --- |\n| 1 | 2 |\n| 3 |  |\n"


def test_accuracies_are_those_of_the_run(shipped: Run) -> None:
    score = shipped.scores["consonants"]
    assert tables.percent(score["accuracy"]) in cells(tables.protocol_summary([shipped]), "`published`", "full")
    accuracy, _, correct, *_ = cells(tables.protocols([shipped]), "published", "full", "1", "consonants")
    assert accuracy == f"{100 * score['correct'] / score['n']:.2f}"
    assert correct == f"{score['correct']:,} of {score['n']:,}"


def test_several_parts_are_summarized(all_runs: list[Run]) -> None:
    members = [run for run in all_runs if (run.protocol, run.method) == ("writers", "quick")]
    score = metrics.summarize([run.scores for run in members])["vowels"]
    row = cells(tables.protocols(members), "writers", "quick", "1, 2, 3, 4, 5", "vowels")
    assert row[0] == tables.percent(score["accuracy"])
    assert row[2] == f"{sum(run.scores['vowels']['correct'] for run in members):,} of {score['n']:,}"


def test_joint_accuracy_is_shown_only_where_it_was_stored(shipped: Run) -> None:
    """Joint means what POST /predict/auto predicts; nothing else stands in for it."""
    for run, joint in (
        (shipped, tables.percent(shipped.scores[JOINT]["accuracy"])),
        (without_joint(shipped), NOT_STORED),
    ):
        assert cells(tables.protocol_summary([run]), "`published`", "full")[-1] == joint
        assert cells(tables.protocols([run]), "published", "full", "1", "joint")[0] == joint


def test_a_group_with_one_run_without_joint_accuracy_has_none(shipped: Run) -> None:
    other = without_joint(replace(shipped, part="2"))
    assert JOINT in tables.summarize_group([shipped, shipped])
    assert JOINT not in tables.summarize_group([shipped, other])
    assert tables.summarize_group([shipped, other])["vowels"]["n"] == 2 * shipped.scores["vowels"]["n"]


def test_older_runs_say_why_they_have_no_joint_accuracy(all_runs: list[Run]) -> None:
    for run in all_runs:
        if run.method in RECIPES:
            assert (JOINT in run.scores) != str(run.details.get("joint", "")).startswith("not recomputable"), run.file


def test_the_readmes_four_rows(all_runs: list[Run], shipped: Run) -> None:
    table = tables.accuracy(all_runs)
    assert table.header == ("test", *FAMILIES, "all 58")
    published, writers, other_data, hold_out = (row[1:] for row in table.rows)
    assert published == tuple(tables.percent(shipped.scores[key]["accuracy"]) for key in (*FAMILIES, JOINT))
    summary = tables.protocol_summary(all_runs)
    assert writers[:3] == cells(summary, "`writers`", "quick")[:3]
    assert other_data[:3] == cells(summary, "`cross nhcd-dhcd`", "full")[:3]
    assert other_data[1] == DASH  # DHCD has no vowels.
    ours = cells(summary, "`hcr-net`", "full")
    assert hold_out[:3] == tuple(f"{a:.2f} / {b}" for a, b in zip(tables.HCR_NET, ours[:3], strict=True))


def test_a_missing_run_is_a_dash(shipped: Run) -> None:
    rows = tables.accuracy([shipped]).rows
    assert rows[0][1] != DASH
    assert rows[1][1:] == (DASH,) * 4


def test_every_reader_has_a_row_with_the_published_figures(all_runs: list[Run]) -> None:
    table = tables.published_and_ours(all_runs)
    assert [row[0] for row in table.rows] == list(tables.READERS.values())
    assert {row[-1] for row in table.rows} == {"", "96.9 / 87.9 / 75.0", "97.9 / 93.5 / 85.9", "99.7 / 99.5 / 94.9"}
    # All on the same images.
    assert all("of 430;" in row[1] and "of 396;" in row[2] and "of 1,111;" in row[3] for row in table.rows)


def test_errors_are_pooled_over_the_parts(all_runs: list[Run]) -> None:
    members = [run for run in all_runs if (run.protocol, run.method) == ("published", "quick")]
    truth, predicted = tables.pool(members)["numerals"]
    assert len(truth) == len(predicted) == 3 * 430
    (confusion,) = metrics.confusions(truth, predicted)
    worst, confusions = cells(tables.errors(members), "published", "quick", "numerals")
    wrong, as_what, times = (tables.CHARACTERS["numerals", c] for c in confusion[:2]), " as ", confusion[2]
    assert confusions == f"{as_what.join(wrong)} {times}x"
    assert worst.startswith(tables.CHARACTERS["numerals", confusion[0]])


def test_few_shot_draws_give_mean_and_range() -> None:
    curve = [{"images": 5, "draw": d, "svc": svc, "softmax": 50, "n": 100} for d, svc in ((1, 80), (2, 90))]
    run = Run("published", "1", "without-vowels", 1, {}, {}, {}, details={"curve": curve})
    assert tables.few_shot([run]).rows == [("5", "85.00 (80.00 to 90.00)", "50.00 (50.00 to 50.00)")]


def test_the_first_recipe_has_accuracies_by_images_per_class(all_runs: list[Run]) -> None:
    scores = tables.scores_by_training_images(all_runs)
    assert list(scores) == [10, 25, 50, 100, 189]
    assert scores[10]["consonants"]["accuracy"] < scores[189]["consonants"]["accuracy"]


@pytest.mark.parametrize("results", [[], [{"name": "a", "change": "b", "minutes": 5.4, "parameters": 628_554}]])
def test_an_ablation_has_its_cost_and_accuracies(results: list[dict[str, object]]) -> None:
    for result in results:
        result["scores"] = {"new writers": {"numerals": [9, 10], "vowels": [1, 2]}}
    table = tables.ablations(results)
    assert table.rows == [("a", "b", "5 min, 0.63 M", "90.00 / 50.00")][: len(results)]
