import hashlib

import numpy as np
import pytest

from app.bundle import Bundle
from training.data import Dataset
from training.protocols import names_digest, published


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_published_split_has_the_sizes_of_58_separate_classes(nhcd: Dataset, seed: int) -> None:
    split = published(nhcd, seed)
    counts = {family: int((nhcd.family[split.test] == family).sum()) for family in ("numerals", "vowels", "consonants")}
    assert counts == {"numerals": 430, "vowels": 396, "consonants": 1111}


def test_no_image_and_no_copy_of_one_is_on_two_sides(nhcd: Dataset) -> None:
    split = published(nhcd)
    for part in (split.train, split.validation):
        assert not np.isin(part, split.test).any()
        assert not np.isin(nhcd.content[part], nhcd.content[split.test]).any()
    assert not np.isin(split.train, split.validation).any()
    used = len(split.train) + len(split.validation) + len(split.test)
    # At most the two copies that NHCD holds are left out.
    assert len(nhcd) - 2 <= used <= len(nhcd)


def test_a_seed_gives_its_own_split_every_time(nhcd: Dataset) -> None:
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
