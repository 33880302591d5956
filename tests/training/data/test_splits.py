import hashlib
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from akshar.model.bundle import Bundle
from akshar.model.classes import CATALOGUE
from training.data.dataset import Dataset, concatenate
from training.data.sources import Parts, split_dhcd
from training.data.splits import (
    PROTOCOLS,
    WRITER_FOLDS,
    Others,
    Split,
    hcr_net,
    names_digest,
    near_copies,
    published,
    with_few_images,
    without_copies,
    writers,
)


def counts(dataset: Dataset) -> dict[str, int]:
    return {family: int((dataset.family == family).sum()) for family in dataset.families}


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_published_split_has_the_sizes_of_58_separate_classes(nhcd: Dataset, seed: int) -> None:
    assert counts(nhcd[published(nhcd, seed).test]) == {"numerals": 430, "vowels": 396, "consonants": 1111}


@pytest.mark.parametrize("split", [published, hcr_net, writers])
def test_no_image_and_no_copy_of_one_is_on_two_sides(nhcd: Dataset, split: Callable[[Dataset], Split]) -> None:
    parts = split(nhcd)
    for part in (parts.train, parts.validation):
        assert not np.isin(part, parts.test).any()
        assert not np.isin(nhcd.content[part], nhcd.content[parts.test]).any()
    assert not np.isin(parts.train, parts.validation).any()
    used = len(parts.train) + len(parts.validation) + len(parts.test)
    # At most the two copies that NHCD holds are left out.
    assert len(nhcd) - 2 <= used <= len(nhcd)


def test_no_near_copy_of_a_published_test_image_is_trained_on(nhcd: Dataset) -> None:
    split = published(nhcd)
    train, test = nhcd[np.concatenate([split.train, split.validation])], nhcd[split.test]
    assert not near_copies(train, test).any()
    assert near_copies(test, test).all()


def test_extra_sources_are_used_without_copies_of_test_images(nhcd: Dataset) -> None:
    first, second = nhcd[:40], nhcd[40:100]
    faded = replace(second, glyphs=second.glyphs * np.float32(0.8))
    kept = without_copies({"fonts": concatenate([first, faded])}, second)
    assert kept["fonts"].name.tolist() == first.name.tolist()


def test_hcr_net_holds_out_the_first_fifth_of_the_names(nhcd: Dataset) -> None:
    split = hcr_net(nhcd)
    assert counts(nhcd[split.test]) == {"numerals": 570, "vowels": 528, "consonants": 1476}
    for joint in range(58):
        last_test_name = max(nhcd[split.test].name[nhcd[split.test].joint == joint])
        assert last_test_name < min(nhcd[split.train].name[nhcd[split.train].joint == joint])


def test_no_writer_is_on_two_sides_and_each_is_tested_once(nhcd: Dataset) -> None:
    tested = []
    for fold in range(1, WRITER_FOLDS + 1):
        split = writers(nhcd, fold)
        sides = [set(nhcd.writer[rows]) for rows in (split.train, split.validation, split.test)]
        assert not sides[0] & sides[1]
        assert not sides[0] & sides[2]
        assert not sides[1] & sides[2]
        assert len(np.unique(nhcd.joint[split.train])) == 58
        tested += split.test.tolist()
    assert sorted(tested) == list(range(len(nhcd)))


def test_a_seed_always_gives_the_same_split(nhcd: Dataset) -> None:
    digests = [names_digest(nhcd, published(nhcd, seed).test) for seed in (1, 1, 2)]
    assert digests[0] == digests[1] != digests[2]


def test_the_digest_is_of_sorted_names(nhcd: Dataset) -> None:
    rows = np.array([30, 10, 20])
    text = "".join(f"{name}\n" for name in sorted(nhcd.name[rows].tolist()))
    assert names_digest(nhcd, rows) == hashlib.sha256(text.encode()).hexdigest()


def test_the_shipped_models_held_out_the_test_part_of_seed_1(nhcd: Dataset, bundle: Bundle) -> None:
    split = bundle.manifest.split
    assert (split.protocol, split.seed) == ("published", 1)
    assert split.test_names == names_digest(nhcd, published(nhcd, 1).test)
    assert bundle.manifest.data.digest == nhcd.digest


def digits_and_letters(per_class: int) -> Dataset:
    """A data set without vowels, as DHCD is, its glyphs empty."""
    rows = [
        (family, c.class_id, number)
        for family in ("numerals", "consonants")
        for c in CATALOGUE[family]
        for number in range(per_class)
    ]
    names = np.array([f"{family}/{class_id}/{number:04}.png" for family, class_id, number in rows])
    return Dataset(
        glyphs=np.zeros((len(rows), 32, 32), np.float32),
        family=np.array([family for family, _, _ in rows]),
        class_id=np.array([class_id for _, class_id, _ in rows], np.int64),
        writer=np.full(len(rows), ""),
        name=names,
        content=names,
    )


def test_cross_trains_on_one_data_set_and_tests_on_the_other(nhcd: Dataset) -> None:
    dhcd = digits_and_letters(per_class=310)
    others: Others = {"dhcd": split_dhcd(dhcd)}
    there = PROTOCOLS["cross"].task(nhcd, others, "nhcd-dhcd")
    assert len(there.train) + len(there.validation) == len(nhcd)
    assert sorted(there.test.name) == sorted(dhcd.name)
    back = PROTOCOLS["cross"].task(nhcd, others, "dhcd-nhcd")
    assert len(back.train) + len(back.validation) == 46 * 300
    assert set(np.concatenate([back.train.name, back.validation.name])) <= set(dhcd.name)
    assert counts(back.test) == {"numerals": 2880, "consonants": 7380}


@pytest.mark.parametrize("part", ["dongre-mankar", "dhcd", "nhcd"])
def test_a_data_set_that_is_left_out_is_tested_but_not_trained_on(nhcd: Dataset, part: str) -> None:
    dhcd, third = digits_and_letters(per_class=60), renamed(nhcd, "other")
    others: Others = {"dhcd": split_dhcd(dhcd), "dongre-mankar": third_parts(third)}
    tests: dict[str, Dataset] = {"nhcd": nhcd[published(nhcd).test]}
    tests |= {name: parts.test for name, parts in others.items()}
    images_of = {"nhcd": nhcd, "dhcd": dhcd, "dongre-mankar": third}
    task = PROTOCOLS["left-out"].task(nhcd, others, part)
    assert task.test.name.tolist() == tests[part].name.tolist()
    trained = [task.train, task.validation, *task.extra_sources.values()]
    names = np.concatenate([images.name for images in trained])
    assert not np.isin(names, images_of[part].name).any()
    for other in images_of.keys() - {part}:
        assert np.isin(names, images_of[other].name).any()
        assert not np.isin(names, tests[other].name).any()


def renamed(dataset: Dataset, prefix: str) -> Dataset:
    return replace(dataset, name=np.array([f"{prefix}/{name}" for name in dataset.name]))


def third_parts(dataset: Dataset) -> Parts:
    rows = np.arange(len(dataset)) % 10
    return Parts(dataset[rows > 2], dataset[rows == 2], dataset[rows < 2])


def test_other_data_sets_are_trained_and_validated_on(nhcd: Dataset) -> None:
    dhcd = split_dhcd(digits_and_letters(per_class=60))
    rows = published(nhcd)
    others: Others = {"dhcd": dhcd}
    task = PROTOCOLS["published"].task(nhcd, others, "1")
    assert task.extra_sources == {"dhcd": dhcd.train}
    assert task.train.name.tolist() == nhcd.name[rows.train].tolist()
    assert set(task.validation.name) == {*nhcd.name[rows.validation], *dhcd.validation.name}
    assert task.test.name.tolist() == nhcd.name[rows.test].tolist()


def test_few_images_are_split_into_training_and_validation(nhcd: Dataset) -> None:
    task = PROTOCOLS["published"].task(nhcd, {}, "1")
    few = with_few_images(task, 10)
    assert (len(few.train), len(few.validation)) == (58 * 8, 58 * 2)
    assert few.test is task.test
