from pathlib import Path

import numpy as np
import pytest

from akshar.imaging.glyph import from_png
from akshar.model.bundle import Bundle
from akshar.model.recognizer import Recognizer
from training import REPOSITORY
from training.data.dataset import Dataset
from training.data.sources import sample
from training.evaluation import ood
from training.evaluation.runs import load, save

FONTS = REPOSITORY / "fonts" / "node_modules"


def test_each_kind_is_drawn_as_different_glyphs() -> None:
    inputs = ood.draw_ood_inputs(4, FONTS, seed=1)
    from_fonts = {kind for kind, drawing in ood.KINDS.items() if drawing not in ood.WITHOUT_FONTS}
    assert set(inputs) == set(ood.KINDS) - (set() if FONTS.exists() else from_fonts)
    for glyphs in inputs.values():
        assert glyphs.shape == (4, 32, 32)
        assert glyphs.max() == pytest.approx(1)
        assert len(np.unique(glyphs.reshape(4, -1), axis=0)) == 4


def test_a_seed_gives_the_same_inputs_and_no_fonts_are_needed_for_drawings(tmp_path: Path) -> None:
    one, other = (ood.draw_ood_inputs(3, tmp_path, seed=2) for _ in range(2))
    assert list(one) == ["scribbles", "noise", "shapes", "textures"]
    for kind, glyphs in one.items():
        np.testing.assert_array_equal(glyphs, other[kind])


def test_ood_inputs_are_less_typical_than_characters(
    recognizer: Recognizer, bundle: Bundle, nhcd: Dataset, tmp_path: Path
) -> None:
    characters = sample(nhcd, 2, seed=1)
    inputs = ood.draw_ood_inputs(12, tmp_path, seed=3)
    run = ood.measure_ood_detection(recognizer, bundle.manifest, characters, inputs)
    assert run.file == "published-1-ood.json"
    assert load(save(run, tmp_path)).details == run.details
    rows = {row["kind"]: row for row in run.details["ood"]}
    assert list(rows) == ["scribbles", "noise", "shapes", "textures"]
    assert run.details["characters"]["n"] == 116
    assert run.details["characters"]["not_a_character"] <= 6
    for kind, row in rows.items():
        assert row["n"] == 12
        assert row["auroc"] > 0.8
        assert 0 <= row["not_a_character"] <= row["abstained"] <= 12
        np.testing.assert_allclose(from_png(row["shown"][0]["glyph"]), inputs[kind][0], atol=0.5 / 255)
    assert run.details["auroc"] == pytest.approx(np.mean([row["auroc"] for row in rows.values()]))
