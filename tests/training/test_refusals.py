from pathlib import Path

import numpy as np

from app.framing import unpack
from app.recognizer import Recognizer
from training import refusals, strangers, tables
from training.data import Dataset
from training.runs import load, save
from training.sources import sample


def test_characters_are_told_from_what_is_none(recognizer: Recognizer, nhcd: Dataset, tmp_path: Path) -> None:
    images = sample(nhcd, 2, seed=1)
    drawn = {
        use: strangers.draw(of_use, 12, tmp_path, seed=3)
        for use, of_use in (("tuned", strangers.TUNED_ON), ("measured", strangers.MEASURED_ON))
    }
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
        glyphs = drawn[row["use"]][kind]
        np.testing.assert_allclose(unpack(row["shown"][0]["glyph"]), glyphs[0], atol=0.5 / 255)
    # The area over all kinds that were not tuned on lies between theirs.
    assert rows["shapes"]["area"] <= run.details["area"] <= rows["textures"]["area"] or (
        rows["textures"]["area"] <= run.details["area"] <= rows["shapes"]["area"]
    )
    assert [line[0] for line in tables.refusals(run).rows[:4]] == list(rows)
