"""A trial: a small training, scored on what may be chosen by."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from training import protocols
from training.data import Dataset
from training.degradations import DEGRADATIONS
from training.recipe import FIRST, Search, Share
from training.sources import sample

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning"),
]


def test_a_trial_is_scored_without_the_test_part(
    nhcd: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from training import trial

    monkeypatch.setattr(trial, "DEGRADATIONS", {kind: DEGRADATIONS[kind] for kind in ("photo", "marker")})
    own = sample(nhcd, 14, seed=1)
    # A test part that nothing may look at: whoever does gets other answers.
    test = protocols.published(own, trial.SEED).test
    own.glyphs[test] = np.nan
    other = replace(own, glyphs=np.nan_to_num(own.glyphs, nan=0.5))[own.family != "vowels"]
    recipe = replace(
        FIRST,
        channels=(4, 6, 8),
        epochs=1,
        batch=64,
        search=Search((10.0,), (1.0,)),
        more={"dhcd": Share(per_epoch=2, in_heads=1)},
    )
    result = trial.try_out(own, other, {"dhcd": other}, recipe, tmp_path / "work", lambda _: None, verbose=0)
    scores = result["scores"]
    assert list(scores) == ["known writers", "new writers", "DHCD", "made worse"]
    assert list(scores["DHCD"]) == ["numerals", "consonants"]
    right, of = np.sum([counts for name in ("known writers", "new writers") for counts in scores[name].values()], 0)
    assert 0 < right < of < len(own)
    trial.save("name", "a change", result, tmp_path)
    kept = json.loads((tmp_path / "name.json").read_text())
    assert kept["recipe"]["more"]["dhcd"]["per_epoch"] == 2
    assert kept["change"] == "a change"
