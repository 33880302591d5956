import math

import numpy as np
import pytest

from training.evaluation import metrics


def test_the_interval_is_that_of_wilson() -> None:
    # Wilson (1927) by hand, z = 1.959964: centre and half-width of 81 of 100.
    z, n, p = 1.959964, 100, 0.81
    centre = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    assert metrics.wilson_interval(81, 100) == pytest.approx((centre - half, centre + half), abs=1e-6)
    low, high = metrics.wilson_interval(430, 430)
    assert 0.99 < low < high == 1


def test_a_score_counts_and_averages_over_classes() -> None:
    truth, predicted = np.array([1, 1, 1, 2]), np.array([1, 1, 2, 2])
    score = metrics.score(truth, predicted)
    assert (score["correct"], score["n"], score["accuracy"]) == (3, 4, 0.75)
    # F1 of class 1 is 2 * 1 * 2/3 / (5/3) = 0.8; of class 2, 2 * 1/2 * 1 / (3/2) = 2/3.
    assert score["macro_f1"] == pytest.approx((0.8 + 2 / 3) / 2)


def test_a_missing_prediction_is_an_error_but_no_class_of_its_own() -> None:
    score = metrics.score(np.array([1, 2]), np.array([1, -1]))
    assert score["accuracy"] == 0.5
    assert score["macro_f1"] == 0.5


def test_parts_are_averaged_and_pooled() -> None:
    parts = [
        {"vowels": metrics.score(np.array([1, 2]), np.array([1, 2]))},
        {"vowels": metrics.score(np.array([1, 2, 1, 2]), np.array([1, 2, 2, 1]))},
    ]
    pooled = metrics.summarize(parts)["vowels"]
    assert pooled["accuracy"] == 0.75
    assert pooled["range"] == [0.5, 1.0]
    assert (pooled["correct"], pooled["n"]) == (4, 6)
    assert pooled["interval"] == list(metrics.wilson_interval(4, 6))


def test_worst_classes_and_confusions_come_worst_first() -> None:
    truth, predicted = np.array([1, 1, 2, 2, 2, 3, 3]), np.array([1, 2, 3, 3, 2, 3, 3])
    assert metrics.worst_classes(truth, predicted) == [(2, 1, 3), (1, 1, 2)]
    assert metrics.confusions(truth, predicted) == [(2, 3, 2), (1, 2, 1)]
    assert metrics.confusions(truth, predicted, count=1) == [(2, 3, 2)]


def test_a_masked_argmax_stays_within_its_family() -> None:
    logits = np.zeros((2, 58))
    logits[0, 57] = 9  # ज्ञ, a consonant
    logits[:, 10 + 4] = [1, 2]  # the vowel 5
    assert metrics.masked_argmax(logits, "vowels", np.arange(1, 13)).tolist() == [5, 5]
    assert metrics.masked_argmax(logits, "consonants", np.arange(1, 37)).tolist() == [36, 1]


def test_a_calibrated_confidence_has_no_calibration_error() -> None:
    rng = np.random.default_rng(0)
    confidence = rng.uniform(0.3, 1, 60_000)
    correct = rng.random(60_000) < confidence
    assert metrics.expected_calibration_error(confidence, correct) < 0.01
    assert metrics.expected_calibration_error(np.minimum(confidence + 0.1, 1), correct) == pytest.approx(0.09, abs=0.02)


def test_bins_hold_equally_many_images() -> None:
    confidence = np.linspace(0, 1, 31)
    bins = metrics.reliability_bins(confidence, confidence > 0.5, bins=3)
    assert [n for _, _, n in bins] == [11, 10, 10]
    assert [accuracy for _, accuracy, _ in bins] == pytest.approx([0, 0.5, 1])
    assert bins[0][0] == pytest.approx(confidence[:11].mean())


def test_risk_falls_if_uncertain_images_are_left_out() -> None:
    correct = np.array([True, True, False, True])
    score = np.array([0.9, 0.8, 0.1, 0.7])
    coverages, risks = metrics.risk_coverage(score, correct)
    assert coverages.tolist() == [0.25, 0.5, 0.75, 1]
    assert risks.tolist() == [0, 0, 0, 0.25]
    assert metrics.selective_risk(score, correct, 0.75) == 0
    assert metrics.selective_risk(score, correct, 0.76) == 0.25
    assert metrics.auroc(score, correct) == 1
    assert math.isnan(metrics.auroc(score, np.ones(4, bool)))


def test_the_true_positive_rate_at_a_false_positive_rate() -> None:
    negatives = np.linspace(0, 1, 1001)
    assert metrics.true_positive_rate_at(negatives, np.array([0.5, 0.995, 2.0]), 0.01) == pytest.approx(2 / 3)
