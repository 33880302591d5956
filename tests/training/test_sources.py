"""Other writers: how much of them is learnt, and fonts drawn as if they were some."""

import itertools
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

from app.catalogue import CATALOGUE
from training.data import Dataset, DatasetError
from training.fonts import read_fonts
from training.protocols import of_dhcd
from training.recipe import FIRST, Recipe, Share, changed
from training.sources import Source, for_heads, sample, to_learn


@pytest.fixture(scope="module")
def kalam() -> Dataset:
    return read_fonts(Path(str(files("fontpkg_kalam"))) / "files")


def labelled(counts: dict[int, int], family: str = "consonants") -> Dataset:
    classes = np.repeat(np.array(list(counts), np.int64), list(counts.values()))
    names = np.array([f"{family}/{c}/{i}" for i, c in enumerate(classes)])
    glyphs = np.zeros((len(classes), 32, 32), np.float32)
    return Dataset(glyphs, np.full(len(classes), family), classes, np.full(len(classes), ""), names, names)


def test_each_epoch_draws_so_many_of_each_class_others_than_the_last() -> None:
    source = Source.of(labelled({1: 10, 2: 4}), per_epoch=6)
    rng = np.random.default_rng(1)
    draws = [source.draw(rng) for _ in range(3)]
    for rows in draws:
        assert np.bincount(source.joint[rows])[np.unique(source.joint)].tolist() == [6, 6]
        few = rows[rows >= 10]
        assert set(few) == {10, 11, 12, 13}  # All four of them, two of them twice.
        assert len(set(rows[rows < 10])) == 6
    assert any(set(a) != set(b) for a, b in itertools.pairwise(draws))
    assert Source.of(labelled({1: 3})).draw(rng).tolist() == [0, 1, 2]


def test_a_recipe_takes_its_share_of_what_is_at_hand() -> None:
    own, other = labelled({1: 5}), labelled({1: 50, 2: 50})
    recipe = Recipe(more={"dhcd": Share(per_epoch=20, in_heads=3), "fonts": Share(per_epoch=4)})
    assert [len(s.draw(np.random.default_rng(0))) for s in to_learn(own, {"dhcd": other}, recipe)] == [5, 40]
    assert len(to_learn(own, {"dhcd": other}, FIRST)) == 1
    heads = for_heads(own, {"dhcd": other, "fonts": other}, recipe, seed=1)
    assert len(heads) == 5 + 2 * 3
    assert heads.name[:5].tolist() == own.name.tolist()
    assert for_heads(own, {}, recipe, seed=1).name.tolist() == own.name.tolist()


def test_a_sample_has_so_many_of_each_class_in_their_order() -> None:
    dataset = labelled({1: 10, 2: 2})
    drawn = sample(dataset, 3, seed=1)
    assert np.bincount(drawn.class_id).tolist() == [0, 3, 2]
    assert drawn.name.tolist() == sample(dataset, 3, seed=1).name.tolist() != sample(dataset, 3, seed=2).name.tolist()


def test_a_tenth_of_dhcd_is_never_learnt() -> None:
    learnt, held = of_dhcd(labelled({1: 40, 2: 20}))
    assert np.bincount(held.class_id).tolist() == [0, 4, 2]
    assert not set(learnt.name) & set(held.name)
    assert len(learnt) == 54


def test_a_font_writes_every_character_and_forms_that_languages_share_once(kalam: Dataset) -> None:
    assert set(kalam.writer) == {"Kalam-Bold", "Kalam-Light", "Kalam-Regular"}
    for family, classes in CATALOGUE.items():
        of_family = kalam.class_id[kalam.family == family]
        assert set(of_family) == {entry.class_id for entry in classes}
    assert np.bincount(kalam.joint).tolist() == [3] * 58
    np.testing.assert_allclose(kalam.glyphs.max((1, 2)), 1)
    assert len(set(kalam.content)) == len(kalam)


def test_a_folder_without_devanagari_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no font with Devanagari"):
        read_fonts(tmp_path)


def test_recipes_change_by_dotted_names() -> None:
    tried = changed(FIRST, {"epochs": 3, "augmentation.grow": 1.5, "more.dhcd.per_epoch": 40, "channels": [8, 8, 8]})
    assert (tried.epochs, tried.augmentation.grow, tried.channels) == (3, 1.5, (8, 8, 8))
    assert tried.more == {"dhcd": Share(40)}
    for wrong in ({"epoch": 3}, {"epochs": "many"}, {"more.others.per_epoch": 1}, {"augmentation.shrunk": 1}):
        with pytest.raises(ValueError, match=r"no epoch|epochs|others|shrunk"):
            changed(FIRST, wrong)
