"""Fonts drawn as if they were writers."""

from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

from akshar.model.classes import CATALOGUE
from training.data.dataset import DatasetError
from training.data.fonts import read_fonts


def test_a_font_draws_every_character_and_each_form_once() -> None:
    kalam = read_fonts(Path(str(files("fontpkg_kalam"))) / "files")
    assert set(kalam.writer) == {"Kalam-Bold", "Kalam-Light", "Kalam-Regular"}
    for family, classes in CATALOGUE.items():
        of_family = kalam.class_id[kalam.family == family]
        assert set(of_family) == {entry.class_id for entry in classes}
    # Kalam draws each character the same in all languages.
    assert np.bincount(kalam.joint).tolist() == [3] * 58
    np.testing.assert_allclose(kalam.glyphs.max((1, 2)), 1)
    assert len(set(kalam.content)) == len(kalam)


def test_a_folder_without_devanagari_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no font with Devanagari"):
        read_fonts(tmp_path)
