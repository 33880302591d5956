"""The 58 characters of the Nepali Handwritten Character Dataset, in families.

Class numbers, labels and romanisations are those of the data set's own ``labels.csv``, with one correction: there the
label ``dha`` names both ढ and भ, so भ is ``bha`` here. Everything keys on family and class number, never on a label.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class CharacterClass:
    """One class of a family.

    Attributes:
        class_id: the class number within its family, as in ``labels.csv``.
        character: what a person reads: one grapheme cluster, of one to three code points.
        romanization: the data set's phonetics (ISO 15919 for vowels and consonants, the Nepali word for numerals).
        label: a short ASCII name, unique within its family.
    """

    class_id: int
    character: str
    romanization: str
    label: str

    @property
    def codepoints(self) -> list[str]:
        """The code points of ``character``, such as ``["U+0905", "U+0902"]`` for अं."""
        return [f"U+{ord(point):04X}" for point in self.character]


def _family(first: int, rows: str) -> tuple[CharacterClass, ...]:
    """Read ``character label romanization`` rows, numbered from ``first``."""
    classes = []
    for class_id, row in enumerate(rows.strip().splitlines(), start=first):
        character, label, romanization = row.split()
        classes.append(CharacterClass(class_id, character, romanization, label))
    return tuple(classes)


CATALOGUE: Final[dict[str, tuple[CharacterClass, ...]]] = {
    "numerals": _family(
        0,
        """
        ० 0 śūn'ya
        १ 1 ēka
        २ 2 du'ī
        ३ 3 tīna
        ४ 4 cāra
        ५ 5 pām̐ca
        ६ 6 cha
        ७ 7 sāta
        ८ 8 āṭha
        ९ 9 nau
        """,
    ),
    "vowels": _family(
        1,
        """
        अ a a
        आ aa ā
        इ i i
        ई ee ī
        उ u u
        ऊ oo ū
        ए ae ē
        ऐ ai ai
        ओ o ō
        औ au au
        अं an aṁ
        अः ah aḥ
        """,
    ),
    "consonants": _family(
        1,
        """
        क ka ka
        ख kha kha
        ग ga ga
        घ gha gha
        ङ kna ṅa
        च cha ca
        छ chha cha
        ज ja ja
        झ jha jha
        ञ yna ña
        ट ta ṭa
        ठ tha ṭha
        ड da ḍa
        ढ dha ḍha
        ण ana ṇa
        त taa ta
        थ thaa tha
        द daa da
        ध dhaa dha
        न na na
        प pa pa
        फ pha pha
        ब ba ba
        भ bha bha
        म ma ma
        य ya ya
        र ra ra
        ल la la
        व va va
        श motosaw śa
        ष petchiryosaw ṣa
        स patalosaw sa
        ह ha ha
        क्ष ksha kṣa
        त्र tra tra
        ज्ञ gya jña
        """,
    ),
}
"""The families in joint order: joint indices 0-9, 10-21 and 22-57 run through them."""

HOMOGLYPHS: Final = ("०ठ", "५र", "३इ")
"""Pairs of characters of two families that differ by at most a headline, which many people leave out."""

JOINT_CLASSES: Final = sum(len(classes) for classes in CATALOGUE.values())

_JOINT: Final[dict[tuple[str, int], int]] = {
    key: index
    for index, key in enumerate((family, c.class_id) for family, classes in CATALOGUE.items() for c in classes)
}


def joint_index(family: str, class_id: int) -> int:
    """The column (0 to 57) of a class in the joint 58-way output.

    The published encoding subtracted one from each class number, which folded numeral zero into ज्ञ; here every
    class has a column of its own.

    Raises:
        KeyError: there is no such family or class.
    """
    return _JOINT[family, class_id]
