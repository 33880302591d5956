import numpy as np
import pytest

from akshar.model.bundle import Bundle
from akshar.model.recognizer import AUTO, Recognizer
from akshar.model.svm import one_vs_rest
from training.data.dataset import Dataset
from training.data.sources import sample
from training.evaluation.predictions import evaluate, evaluate_artifacts, labels_only, recognize_all
from training.evaluation.runs import COVERAGES, KEPT_PER_CLASS


@pytest.fixture(scope="module")
def images(nhcd: Dataset) -> Dataset:
    """More of the vowels than one batch holds, and more of the first class than are kept."""
    first = np.flatnonzero((nhcd.family == "vowels") & (nhcd.class_id == 1))[: KEPT_PER_CLASS + 1]
    drawn = sample(nhcd[nhcd.class_id > 1], 20, seed=1)
    names = np.concatenate([nhcd.name[first], drawn.name])
    return nhcd[np.isin(nhcd.name, names)]


def test_predictions_are_those_of_the_recognizer(recognizer: Recognizer, images: Dataset) -> None:
    predictions = evaluate(recognizer, images)
    assert list(predictions) == images.families
    for family, p in predictions.items():
        own = images[images.family == family]
        recognitions = recognize_all(recognizer, own.glyphs, [family] * len(own))
        assert p.name.tolist() == own.name.tolist()
        assert p.predicted.tolist() == [recognition.best.entry.class_id for recognition in recognitions]
        np.testing.assert_allclose(
            p.confidence, [recognition.best.confidence for recognition in recognitions], atol=1e-4
        )
        sets = [[recognition.prediction_set(coverage) for coverage in COVERAGES] for recognition in recognitions]
        assert p.set_sizes.tolist() == [[len(s) for s in row] for row in sets]
        covered = [[t in {c.entry.class_id for c in s} for s in row] for t, row in zip(p.truth, sets, strict=True)]
        assert p.covered.tolist() == covered
        joint = [recognition.best for recognition in recognize_all(recognizer, own.glyphs, [AUTO] * len(own))]
        right = [(best.family, best.entry.class_id) == (family, t) for best, t in zip(joint, p.truth, strict=True)]
        assert (p.joint == own.joint).tolist() == right
        assert p.lookalike_gaps.shape == (len(own), 3)


def test_margins_and_gaps_agree_with_the_predictions(recognizer: Recognizer, images: Dataset) -> None:
    for index, (family, p) in enumerate(evaluate(recognizer, images).items()):
        assert (np.bincount(p.truth[p.kept])[p.class_ids] <= KEPT_PER_CLASS).all()
        assert len(p.kept) == len(p.truth) - (family == "vowels")
        votes = one_vs_rest(p.margins)
        assert (p.class_ids[votes.argmax(axis=1)] == p.predicted[p.kept]).all()
        ordered = np.sort(votes, axis=1)
        np.testing.assert_allclose(p.vote_margin[p.kept], ordered[:, -1] - ordered[:, -2], atol=1e-3)
        # Nearly all images look more like their own family than like another one.
        assert (p.lookalike_gaps[:, index] < 0).mean() > 0.9


def test_the_run_of_artifacts_names_their_version(recognizer: Recognizer, bundle: Bundle, images: Dataset) -> None:
    run = evaluate_artifacts(recognizer, bundle.manifest, images[images.family == "numerals"], "dhcd")
    assert run.file == "dhcd-1-full.json"
    assert run.details["model_version"] == bundle.manifest.model_version
    assert list(run.details["heads"]) == ["numerals"]
    assert run.data["dataset"]["digest"] == bundle.manifest.data.digest
    plain = labels_only(run.predictions)["numerals"]
    assert plain.predicted.tolist() == run.predictions["numerals"].predicted.tolist()
    assert not len(plain.margins)
