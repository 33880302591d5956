"""Corrupted images: what they are made of, what the service makes of them, and that no training sees them."""

import io

import numpy as np
import pytest
from PIL import Image

from akshar.imaging.reader import open_image, read, read_glyph
from tests.drawing import draw, encode
from training import REPOSITORY
from training.evaluation.corruptions import CORRUPTIONS, MEDIUM, STRENGTHS, corrupt


@pytest.mark.parametrize("kind", CORRUPTIONS)
def test_each_corruption_is_a_reproducible_image_that_gets_worse_with_strength(kind: str) -> None:
    glyph = read_glyph(encode(draw("pa")))
    correlations = []
    for strength in STRENGTHS:
        file = corrupt(glyph, kind, strength, "name")
        assert file == corrupt(glyph, kind, strength, "name")  # Whatever was drawn before it.
        assert min(Image.open(io.BytesIO(file)).size) >= 16
        # The model chooses between glyphs with a form's lines and without.
        seen = [np.corrcoef(other.ravel(), glyph.ravel())[0, 1] for other in read(open_image(file)).glyphs]
        correlations.append(float(max(seen)))
    assert correlations[MEDIUM - 1] > 0.4
    assert correlations[2] <= correlations[0] + 0.1


def test_no_module_that_trains_imports_corruptions() -> None:
    folder = REPOSITORY / "training"
    modules = [*(folder / "data").glob("*.py"), *(folder / "models").glob("*.py"), folder / "recipe.py"]
    modules += [folder / "train.py", folder / "evaluation" / "baselines.py", folder / "evaluation" / "protocol.py"]
    assert len(modules) > 20
    for module in modules:
        assert "corruption" not in module.read_text(encoding="utf-8")
