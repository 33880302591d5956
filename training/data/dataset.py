"""Reads the data sets from the zip files or folders that people download.

Three layouts are known, at any depth of the zip or folder:

* NHCD: ``<family>/<class>/<writer>_<n>.jpg`` with the families ``numerals``, ``vowels`` and ``consonants``;
* Dongre and Mankar: ``<family>/<class>/<n>.png``, with the same families and class numbers;
* DHCD: ``character_<1-36>/*.png`` and ``digit_<0-9>/*.png``, with or without a name after the number
  (``character_1_ka``), under ``Train`` or ``Test`` or neither.
"""

from __future__ import annotations

import hashlib
import re
import zipfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from akshar.imaging.errors import ImageError
from akshar.imaging.formats import SUFFIXES
from akshar.imaging.glyph import SIZE, Glyph
from akshar.imaging.reader import open_image, read
from akshar.model.classes import CATALOGUE, joint_index

_BY_FAMILY = re.compile(r"(?:^|/)(numerals|vowels|consonants)/(\d+)/([^/]+)$")
_DHCD = re.compile(r"(?:^|/)(?:(?:Train|Test)/)?(character|digit)_(\d+)(?:_[^/]*)?/([^/]+)$")
_DHCD_FAMILY = {"character": "consonants", "digit": "numerals"}


class DatasetError(Exception):
    """A path without a readable data set; the text says what is wrong and what was expected."""


@dataclass(frozen=True)
class Dataset:
    """Glyphs and what is known about each, ordered by family, class number and file name.

    Attributes:
        glyphs: canonical glyphs, shape (n, 32, 32), float32, ink 1 and paper 0.
        family: family of each, shape (n,).
        class_id: class number within the family, shape (n,).
        writer: the writer's number if the file name begins with it (NHCD), else "", shape (n,).
        name: ``<family>/<class>/<file>``, or the path within the archive (DHCD), shape (n,).
        content: sha256 of each image file, hexadecimal, shape (n,).
    """

    glyphs: npt.NDArray[np.float32]
    family: npt.NDArray[np.str_]
    class_id: npt.NDArray[np.int64]
    writer: npt.NDArray[np.str_]
    name: npt.NDArray[np.str_]
    content: npt.NDArray[np.str_]

    def __len__(self) -> int:
        return len(self.name)

    def __getitem__(self, rows: npt.NDArray[np.intp] | npt.NDArray[np.bool_] | slice) -> Dataset:
        return Dataset(**{field: getattr(self, field)[rows] for field in self.__dataclass_fields__})

    @property
    def joint(self) -> npt.NDArray[np.int64]:
        """Joint index (0 to 57) of each image, shape (n,)."""
        return np.array([joint_index(f, int(c)) for f, c in zip(self.family, self.class_id, strict=True)], np.int64)

    @property
    def families(self) -> list[str]:
        """The families that occur, in the catalogue's order."""
        return [family for family in CATALOGUE if family in self.family]

    @property
    def digest(self) -> str:
        """One sha256 over names and contents: the same images give the same digest, zipped or extracted."""
        lines = sorted(f"{c}  {n}\n" for n, c in zip(self.name, self.content, strict=True))
        return hashlib.sha256("".join(lines).encode()).hexdigest()


def concatenate(datasets: Sequence[Dataset]) -> Dataset:
    """The images of several data sets, one after another."""
    fields = Dataset.__dataclass_fields__
    return Dataset(**{field: np.concatenate([getattr(dataset, field) for dataset in datasets]) for field in fields})


@dataclass(frozen=True)
class _Entry:
    """Where one image belongs."""

    family: str
    class_id: int
    file: str
    name: str
    path: str

    @property
    def rank(self) -> tuple[int, str, str, str]:
        """Orders the rows of a data set: by family, class number, file name."""
        return joint_index(self.family, self.class_id), self.file, self.name, self.path

    @property
    def writer(self) -> str:
        match = re.match(r"(\d{3})_", self.file)
        return match[1] if match else ""


def read_dataset(path: Path | str, track: Callable[[list[_Entry]], Iterable[_Entry]] = iter) -> Dataset:
    """Read a data set from a zip file or an extracted folder.

    Args:
        path: of the zip file or the folder.
        track: iterates over the images and may show progress, as rich's ``track`` does.

    Raises:
        DatasetError: the path does not exist, is neither a zip nor a folder, holds no known layout, has an unknown
            class number or an unreadable image, or lacks a class of a family that it has.
    """
    path = Path(path)
    if not path.exists():
        raise DatasetError(f"{path}: no such file or folder.")
    if path.is_dir():
        names = [p.relative_to(path).as_posix() for p in path.rglob("*") if p.is_file()]
        return _assemble(path, names, lambda name: (path / name).read_bytes(), track)
    try:
        with zipfile.ZipFile(path) as archive:
            return _assemble(path, archive.namelist(), archive.read, track)
    except zipfile.BadZipFile as error:
        raise DatasetError(f"{path}: neither a folder nor a readable zip file ({error}).") from None


def _assemble(
    source: Path,
    names: list[str],
    read: Callable[[str], bytes],
    track: Callable[[list[_Entry]], Iterable[_Entry]],
) -> Dataset:
    entries = sorted((entry for name in names if (entry := _locate(source, name))), key=lambda entry: entry.rank)
    if not entries:
        raise DatasetError(
            f"{source}: no images in a known layout among {len(names)} files. Expected NHCD or Dongre and Mankar "
            "(numerals/0/*, vowels/1/*, consonants/1/*) or DHCD (character_1/*.png, digit_0/*.png)."
        )
    _check_complete(source, entries)
    glyphs = np.empty((len(entries), SIZE, SIZE), np.float32)
    content = []
    for row, entry in enumerate(track(entries)):
        data = read(entry.path)
        content.append(hashlib.sha256(data).hexdigest())
        try:
            glyphs[row] = _whole_glyph(data)
        except ImageError as error:
            raise DatasetError(f"{source}: {entry.path}: {error.detail}") from None
    return Dataset(
        glyphs=glyphs,
        family=np.array([e.family for e in entries]),
        class_id=np.array([e.class_id for e in entries], np.int64),
        writer=np.array([e.writer for e in entries]),
        name=np.array([e.name for e in entries]),
        content=np.array(content),
    )


def _whole_glyph(data: bytes) -> Glyph:
    """The glyph of all ink in an image: data sets hold crops of one character, in which nothing is a form's."""
    reading = read(open_image(data))
    same_ink = [other for other in reading.alternatives if other.light == reading.light]
    return min((reading, *same_ink), key=lambda alternative: alternative.edges).glyph


def _locate(source: Path, path: str) -> _Entry | None:
    """The family and class of a file by its path, or None if it is no image of a known layout."""
    if not path.lower().endswith(SUFFIXES) or path.rpartition("/")[2].startswith("."):
        return None
    if match := _BY_FAMILY.search(path):
        family, number, file = match.groups()
        name = f"{family}/{number}/{file}"
    elif match := _DHCD.search(path):
        kind, number, file = match.groups()
        family, name = _DHCD_FAMILY[kind], match[0].removeprefix("/")
    else:
        return None
    try:
        joint_index(family, int(number))
    except KeyError:
        raise DatasetError(f"{source}: {path}: {family} has no class {int(number)}.") from None
    return _Entry(family, int(number), file, name, path)


def _check_complete(source: Path, entries: list[_Entry]) -> None:
    found = {(e.family, e.class_id) for e in entries}
    for family in {e.family for e in entries}:
        missing = [c.class_id for c in CATALOGUE[family] if (family, c.class_id) not in found]
        if missing:
            raise DatasetError(f"{source}: {family} lacks the classes {missing}; is the copy complete?")
