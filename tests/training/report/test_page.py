import re

import numpy as np

from training.data.dataset import Dataset
from training.data.label_errors import LabelError
from training.evaluation import corruption_run, ood
from training.evaluation.runs import Run
from training.report import gallery
from training.report.page import label_errors, page


def run_by(runs: list[Run], method: str) -> Run:
    (run,) = [run for run in runs if run.method == method]
    return run


def test_the_page_needs_no_other_file_and_shows_every_error(all_runs: list[Run], shipped: Run, nhcd: Dataset) -> None:
    html = page(all_runs, None, nhcd)
    wrong = [name for p in shipped.predictions.values() for name in p.name[~p.correct]]
    assert len(re.findall(r'<img src="data:image/png;base64,[^"]+" alt="\S+ read as \S+">', html)) == len(wrong) > 0
    assert all(name in html for name in wrong)
    for row in run_by(all_runs, ood.METHOD).details["ood"]:
        assert html.count(f'alt="{row["kind"]}">') == len(row["shown"])
    corrupted = run_by(all_runs, corruption_run.METHOD).details["corruptions"]
    assert html.count('alt="the image sent"') == sum(len(row["shown"]) for row in corrupted)
    assert not re.search(r"""(src|href)=["']?(https?:)?//|@import|url\((?!["']?#)""", html)
    ids = re.findall(r'<h2 id="([^"]+)"', html)
    assert {"published", "protocols", "classes", "confusions", "errors", "confidence", "ood", "corrupted"} <= set(ids)
    assert {"few-shot", "planes", "images", "learning"} <= set(ids)
    assert re.findall(r"<nav>.*?</nav>", html)[0].count("href=") == len(ids)


def test_suspected_labels_are_shown_with_what_was_given_and_suggested(nhcd: Dataset) -> None:
    error = LabelError("nhcd", str(nhcd.name[0]), 0, 7, "dropped")
    html = label_errors(nhcd[:5], [error])
    assert html.count("<img") == 1
    assert 'alt="० read as ७"' in html
    assert error.name in html
    assert "runner-up" not in html


def test_without_a_data_set_the_page_has_no_images_of_it(shipped: Run) -> None:
    html = page([shipped], None, None)
    assert "<img" not in html
    assert 'id="confusions"' in html
    assert 'id="errors"' not in html


def test_a_runner_up_is_another_class_that_the_margins_rank_second(shipped: Run, nhcd: Dataset) -> None:
    errors = gallery.misread_images(shipped, nhcd)
    for error in errors:
        assert error.runner_up
        assert error.runner_up != error.predicted != error.truth
    # Most errors are near misses.
    assert np.mean([error.runner_up == error.truth for error in errors]) > 0.5


def test_corrupted_images_are_shown_with_what_was_predicted(all_runs: list[Run], nhcd: Dataset) -> None:
    run = run_by(all_runs, corruption_run.METHOD)
    images = gallery.corrupted_images(run, nhcd)
    rows = run.details["corruptions"]
    assert [image.kind for image in images[:: len(rows[0]["shown"])]] == [f"{r['kind']} {r['strength']}" for r in rows]
    # The images that are sent are the same in every run, so what was predicted then is still right now.
    assert np.mean([image.predicted == image.truth for image in images]) > 0.9
    assert all(image.sent and image.glyph for image in images)
