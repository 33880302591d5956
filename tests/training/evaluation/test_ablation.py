import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from training.data import splits
from training.data.dataset import Dataset
from training.data.sources import Parts, Share, SourceName, sample
from training.evaluation.corruptions import CORRUPTIONS
from training.recipe import Recipe

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning"),
]


@pytest.mark.parametrize(
    ("left_out", "expected"),
    [(None, ["DHCD", "Dongre-Mankar"]), ("dhcd", ["Dongre-Mankar", "DHCD left out"])],
)
def test_an_ablation_is_scored_without_the_test_part(
    left_out: SourceName | None,
    expected: list[str],
    nhcd: Dataset,
    tiny_recipe: Recipe,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from training.evaluation import ablation

    monkeypatch.setattr(ablation, "CORRUPTIONS", {kind: CORRUPTIONS[kind] for kind in ("marker", "low quality")})
    own = sample(nhcd, 14, seed=1)
    # Any use of the test part would spread its NaNs.
    test = splits.published(own, ablation.SEED).test
    own.glyphs[test] = np.nan
    clean = replace(own, glyphs=np.nan_to_num(own.glyphs, nan=0.5))
    even, dhcd = np.arange(len(clean)) % 2 == 0, clean.family != "vowels"
    sets: splits.Others = {
        "dhcd": Parts(clean[even & dhcd], clean[~even & dhcd], own[test]),
        "dongre-mankar": Parts(clean[even], clean[~even], own[test]),
    }
    recipe = replace(
        tiny_recipe,
        epochs=1,
        extra_sources={"dhcd": Share(per_epoch=2, in_heads=1), "dongre-mankar": Share(per_epoch=2)},
    )
    result = ablation.run_ablation(own, sets, {}, recipe, left_out, tmp_path / "work", lambda _: None, verbose=0)
    scores = result["scores"]
    assert list(scores) == ["known writers", "new writers", *expected, "corrupted"]
    for name in expected:
        assert len(scores[name]) == (2 if name.startswith("DHCD") else 3)
    writers = ("known writers", "new writers")
    correct, n = np.sum([counts for name in writers for counts in scores[name].values()], axis=0)
    assert 0 < correct < n < len(own)
    assert result["recipe"]["search"] == {"c": (10.0,), "gamma": (1.0,)}
    assert set(result["support_vectors"]) == {"numerals", "vowels", "consonants"}
    ablation.save("name", "a change", result, tmp_path)
    saved = json.loads((tmp_path / "name.json").read_text())
    assert saved["recipe"]["extra_sources"]["dhcd"]["per_epoch"] == 2
    assert saved["change"] == "a change"
