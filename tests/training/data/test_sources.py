"""Extra sources: which share of them is used, and how they are read."""

import itertools
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

from training.data.dataset import Dataset, DatasetError
from training.data.sources import (
    Share,
    Shares,
    Source,
    head_images,
    network_sources,
    read_extra_sources,
    sample,
    split_dhcd,
)

KALAM = Path(str(files("fontpkg_kalam"))) / "files"


def labelled(counts: dict[int, int], family: str = "consonants") -> Dataset:
    classes = np.repeat(np.array(list(counts), np.int64), list(counts.values()))
    names = np.array([f"{family}/{c}/{i}" for i, c in enumerate(classes)])
    glyphs = np.zeros((len(classes), 32, 32), np.float32)
    return Dataset(glyphs, np.full(len(classes), family), classes, np.full(len(classes), ""), names, names)


def test_each_epoch_draws_the_same_number_of_each_class_but_different_images() -> None:
    source = Source.of(labelled({1: 10, 2: 4}), per_epoch=6)
    rng = np.random.default_rng(1)
    draws = [source.draw(rng) for _ in range(3)]
    for rows in draws:
        assert np.bincount(source.joint[rows])[np.unique(source.joint)].tolist() == [6, 6]
        of_second_class = rows[rows >= 10]
        assert set(of_second_class) == {10, 11, 12, 13}  # All four images, two of them twice.
        assert len(set(rows[rows < 10])) == 6
    assert any(set(a) != set(b) for a, b in itertools.pairwise(draws))
    assert Source.of(labelled({1: 3})).draw(rng).tolist() == [0, 1, 2]


def test_a_share_of_every_available_source_is_used() -> None:
    own, other = labelled({1: 5}), labelled({1: 50, 2: 50})
    shares: Shares = {"dhcd": Share(per_epoch=20, in_heads=3), "fonts": Share(per_epoch=4)}
    assert [len(s.draw(np.random.default_rng(0))) for s in network_sources(own, {"dhcd": other}, shares)] == [5, 40]
    assert len(network_sources(own, {"dhcd": other}, {})) == 1
    heads = head_images(own, {"dhcd": other, "fonts": other}, shares, seed=1)
    assert len(heads) == 5 + 2 * 3
    assert heads.name[:5].tolist() == own.name.tolist()
    assert head_images(own, {}, shares, seed=1).name.tolist() == own.name.tolist()


def test_a_sample_has_a_number_of_images_of_each_class_in_their_order() -> None:
    dataset = labelled({1: 10, 2: 2})
    drawn = sample(dataset, 3, seed=1)
    assert np.bincount(drawn.class_id).tolist() == [0, 3, 2]
    assert drawn.name.tolist() == sample(dataset, 3, seed=1).name.tolist() != sample(dataset, 3, seed=2).name.tolist()


def test_a_tenth_of_dhcd_is_held_out() -> None:
    train, held_out = split_dhcd(labelled({1: 40, 2: 20}))
    assert np.bincount(held_out.class_id).tolist() == [0, 4, 2]
    assert not set(train.name) & set(held_out.name)
    assert len(train) == 54


def test_only_named_sources_are_read(tmp_path: Path) -> None:
    dhcd = labelled({1: 20, 2: 20})
    sources, held_out = read_extra_sources(["dhcd", "fonts", "pens"], tmp_path, KALAM, lambda _: dhcd)
    assert list(sources) == ["dhcd", "fonts", "pens"]
    assert held_out is not None
    assert len(sources["dhcd"]) + len(held_out) == 40
    assert len(sources["pens"]) == 2 * len(sources["fonts"])
    assert read_extra_sources([], tmp_path, tmp_path, lambda _: dhcd) == ({}, None)
    assert read_extra_sources(["dhcd"], None, tmp_path, lambda _: dhcd) == ({}, None)
    with pytest.raises(DatasetError, match="make fonts"):
        read_extra_sources(["fonts"], None, tmp_path)
