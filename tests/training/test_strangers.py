from pathlib import Path

import numpy as np
import pytest

from app.settings import REPOSITORY
from training import strangers

FONTS = REPOSITORY / "fonts" / "node_modules"


def test_each_kind_is_drawn_as_glyphs_that_differ() -> None:
    found = strangers.draw(4, FONTS, seed=1)
    written = {kind for kind, drawing in strangers.KINDS.items() if drawing not in strangers.WITHOUT_FONTS}
    assert set(found) == set(strangers.KINDS) - (set() if FONTS.exists() else written)
    for glyphs in found.values():
        assert glyphs.shape == (4, 32, 32)
        assert glyphs.max() == pytest.approx(1)
        assert len(np.unique(glyphs.reshape(4, -1), axis=0)) == 4


def test_a_seed_gives_the_same_and_no_fonts_leave_what_is_drawn(tmp_path: Path) -> None:
    one, other = (strangers.draw(3, tmp_path, seed=2) for _ in range(2))
    assert list(one) == ["scribbles", "noise", "shapes", "textures"]
    for kind, glyphs in one.items():
        np.testing.assert_array_equal(glyphs, other[kind])
