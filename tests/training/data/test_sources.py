"""Extra sources: which share of them is used, and how they are read."""

import itertools
from dataclasses import replace
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
    read_data_sets,
    read_drawn,
    sample,
    split_dhcd,
    split_dongre_mankar,
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


def test_a_tenth_of_dhcd_is_held_out_and_some_of_the_rest_validates() -> None:
    parts = split_dhcd(labelled({1: 400, 2: 200}))
    assert [np.bincount(part.class_id).tolist() for part in (parts.train, parts.validation, parts.test)] == [
        [0, 320, 140],
        [0, 40, 40],
        [0, 40, 20],
    ]
    assert len({*parts.train.name, *parts.validation.name, *parts.test.name}) == 600


def numbered(counts: dict[int, int]) -> Dataset:
    """A data set with the file names of Dongre and Mankar."""
    dataset = labelled(counts)
    number = np.concatenate([np.arange(1, count + 1) for count in counts.values()])
    names = [f"consonants/{c}/{n}.png" for c, n in zip(dataset.class_id, number, strict=True)]
    return replace(dataset, name=np.array(names))


def test_blocks_of_numbers_stay_together() -> None:
    dataset = numbered({1: 499, 5: 49})
    parts = split_dongre_mankar(dataset)
    blocks = [
        {(name.split("/")[1], int(name.rpartition("/")[2][:-4]) // 25) for name in part.name.tolist()}
        for part in (parts.train, parts.validation, parts.test)
    ]
    assert sum(map(len, blocks)) == len(set.union(*blocks)) == 22
    assert [len(part) for part in (parts.train, parts.validation, parts.test)] == [14 * 25 - 1 + 24, 50, 100 + 25]


def test_only_named_sources_are_read(tmp_path: Path) -> None:
    read: list[str] = []

    def reading(path: Path) -> Dataset:
        read.append(path.relative_to(tmp_path).as_posix())
        return numbered({1: 100, 2: 100})

    sets = read_data_sets(["fonts", "dhcd", "dongre-mankar"], tmp_path, reading)
    assert list(sets) == ["dhcd", "dongre-mankar"]
    assert read == ["dhcd-train.zip", "dongre-mankar.zip"]
    assert read_data_sets(["fonts"], tmp_path) == {}
    drawn = read_drawn(["dhcd", "fonts", "pens"], KALAM)
    assert list(drawn) == ["fonts", "pens"]
    assert len(drawn["pens"]) == 2 * len(drawn["fonts"])
    assert read_drawn(["dhcd"], tmp_path) == {}
    with pytest.raises(DatasetError, match="make fonts"):
        read_drawn(["fonts"], tmp_path)


def test_the_split_of_dongre_and_mankar_stays_as_it_is(dongre_mankar: Dataset) -> None:
    parts = split_dongre_mankar(dongre_mankar)
    assert [len(part) for part in (parts.train, parts.validation, parts.test)] == [11869, 2821, 5404]
    for part in (parts.train, parts.test):
        assert len(np.unique(part.joint)) == 58
