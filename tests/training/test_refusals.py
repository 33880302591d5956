from pathlib import Path

import numpy as np
import pytest

from app.framing import unpack
from app.recognizer import Recognizer
from training import refusals, strangers, tables
from training.data import Dataset
from training.runs import load, save
from training.sources import sample


def test_characters_are_told_from_what_is_none(recognizer: Recognizer, nhcd: Dataset, tmp_path: Path) -> None:
    images = sample(nhcd, 2, seed=1)
    drawn = strangers.draw(12, tmp_path, seed=3)
    run = refusals.measure(recognizer, images, drawn)
    assert load(save(run, tmp_path)).details == run.details
    rows = {row["kind"]: row for row in run.details["refusals"]}
    assert list(rows) == ["scribbles", "noise", "shapes", "textures"]
    assert run.details["characters"]["n"] == 116
    assert run.details["characters"]["not_a_character"] <= 6
    for kind, row in rows.items():
        assert row["n"] == 12
        assert row["area"] > 0.8
        assert 0 <= row["not_a_character"] <= row["abstained"] <= 12
        np.testing.assert_allclose(unpack(row["shown"][0]["glyph"]), drawn[kind][0], atol=0.5 / 255)
    assert run.details["area"] == pytest.approx(np.mean([row["area"] for row in rows.values()]))
    assert [line[0] for line in tables.refusals(run).rows[:4]] == list(rows)
