from pathlib import Path

import numpy as np
import pytest

from app.settings import REPOSITORY
from training import strangers

FONTS = REPOSITORY / "fonts" / "node_modules"


def test_what_tunes_does_not_measure() -> None:
    assert not set(strangers.TUNED_ON) & set(strangers.MEASURED_ON)


@pytest.mark.parametrize("kinds", [strangers.TUNED_ON, strangers.MEASURED_ON])
def test_each_kind_is_drawn_as_glyphs_that_differ(kinds: dict[str, strangers.Drawing]) -> None:
    found = strangers.draw(kinds, 4, FONTS, seed=1)
    written = {kind for kind, drawing in kinds.items() if drawing not in strangers.WITHOUT_FONTS}
    assert set(found) == set(kinds) - (set() if FONTS.exists() else written)
    for glyphs in found.values():
        assert glyphs.shape == (4, 32, 32)
        assert glyphs.max() == pytest.approx(1)
        assert len(np.unique(glyphs.reshape(4, -1), axis=0)) == 4


def test_a_seed_gives_the_same_and_no_fonts_leave_what_is_drawn(tmp_path: Path) -> None:
    one, other = (strangers.draw(strangers.TUNED_ON, 3, tmp_path, seed=2) for _ in range(2))
    assert list(one) == ["scribbles", "noise"]
    for kind, glyphs in one.items():
        np.testing.assert_array_equal(glyphs, other[kind])
