import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from training.data import splits
from training.data.dataset import Dataset
from training.data.sources import Share, sample
from training.evaluation.corruptions import CORRUPTIONS
from training.recipe import Recipe

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning"),
]


def test_an_ablation_is_scored_without_the_test_part(
    nhcd: Dataset, tiny_recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from training.evaluation import ablation

    monkeypatch.setattr(ablation, "CORRUPTIONS", {kind: CORRUPTIONS[kind] for kind in ("marker", "low quality")})
    own = sample(nhcd, 14, seed=1)
    # Any use of the test part would spread its NaNs.
    test = splits.published(own, ablation.SEED).test
    own.glyphs[test] = np.nan
    other = replace(own, glyphs=np.nan_to_num(own.glyphs, nan=0.5))[own.family != "vowels"]
    recipe = replace(tiny_recipe, epochs=1, extra_sources={"dhcd": Share(per_epoch=2, in_heads=1)})
    result = ablation.run_ablation(own, other, {"dhcd": other}, recipe, tmp_path / "work", lambda _: None, verbose=0)
    scores = result["scores"]
    assert list(scores) == ["known writers", "new writers", "DHCD", "corrupted"]
    assert list(scores["DHCD"]) == ["numerals", "consonants"]
    sets = ("known writers", "new writers")
    correct, n = np.sum([counts for name in sets for counts in scores[name].values()], axis=0)
    assert 0 < correct < n < len(own)
    assert result["recipe"]["search"] == {"c": (10.0,), "gamma": (1.0,)}
    assert set(result["support_vectors"]) == {"numerals", "vowels", "consonants"}
    ablation.save("name", "a change", result, tmp_path)
    saved = json.loads((tmp_path / "name.json").read_text())
    assert saved["recipe"]["extra_sources"]["dhcd"]["per_epoch"] == 2
    assert saved["change"] == "a change"
