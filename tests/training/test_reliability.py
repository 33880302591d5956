import math

import numpy as np
import pytest

from training.reliability import calibration_error, noticed, reliability, risk_at, risk_coverage, tells_apart


def test_who_is_right_as_often_as_said_has_no_error() -> None:
    rng = np.random.default_rng(0)
    confidence = rng.uniform(0.3, 1, 60_000)
    right = rng.random(60_000) < confidence
    assert calibration_error(confidence, right) < 0.01
    assert calibration_error(np.minimum(confidence + 0.1, 1), right) == pytest.approx(0.09, abs=0.02)


def test_bins_hold_as_many_images_each() -> None:
    confidence = np.linspace(0, 1, 31)
    bins = reliability(confidence, confidence > 0.5, bins=3)
    assert [n for _, _, n in bins] == [11, 10, 10]
    assert [accuracy for _, accuracy, _ in bins] == pytest.approx([0, 0.5, 1])
    assert bins[0][0] == pytest.approx(confidence[:11].mean())


def test_risk_falls_where_the_unsure_are_left_out() -> None:
    right = np.array([True, True, False, True])
    score = np.array([0.9, 0.8, 0.1, 0.7])
    shares, risks = risk_coverage(score, right)
    assert shares.tolist() == [0.25, 0.5, 0.75, 1]
    assert risks.tolist() == [0, 0, 0, 0.25]
    assert risk_at(score, right, 0.75) == 0
    assert risk_at(score, right, 0.76) == 0.25
    assert tells_apart(score, right) == 1
    assert math.isnan(tells_apart(score, np.ones(4, bool)))


def test_what_is_noticed_at_a_share_of_false_alarms() -> None:
    own = np.linspace(0, 1, 1001)
    assert noticed(own, np.array([0.5, 0.995, 2.0]), 0.01) == pytest.approx(2 / 3)
