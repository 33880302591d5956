import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from akshar.imaging.reader import read_glyph
from akshar.model.classes import CATALOGUE
from tests.drawing import draw, encode
from training.data.dataset import Dataset, DatasetError, read_dataset

JPEG = encode(draw("pa", 28), "JPEG")
PNG = encode(draw("pa", 32))


def nhcd_tree(per_class: int = 2) -> dict[str, bytes]:
    """The layout of NHCD with drawn images."""
    return {
        f"nhcd/{family}/{entry.class_id}/{writer:03d}_01.jpg": JPEG
        for family, classes in CATALOGUE.items()
        for entry in classes
        for writer in range(1, per_class + 1)
    }


def dhcd_tree(suffix: str = "") -> dict[str, bytes]:
    root = "DevanagariHandwrittenCharacterDataset/Train"
    return {
        **{f"{root}/character_{i}{suffix}/{i}00.png": PNG for i in range(1, 37)},
        **{f"{root}/digit_{i}/{i}01.png": PNG for i in range(10)},
    }


def zipped(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def extracted(path: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(data)
    return path


def test_a_zip_and_its_folder_are_the_same_data_set(tmp_path: Path) -> None:
    files = nhcd_tree()
    a, b = read_dataset(zipped(tmp_path / "a.zip", files)), read_dataset(extracted(tmp_path / "b", files))
    assert len(a) == len(b) == 116
    assert a.digest == b.digest
    np.testing.assert_array_equal(a.name, b.name)


def test_a_layout_may_begin_at_any_depth(tmp_path: Path) -> None:
    files = nhcd_tree()
    inside = {name.removeprefix("nhcd/"): data for name, data in files.items()}
    deeper = {f"archive/{name}": data for name, data in files.items()}
    digests = {
        read_dataset(zipped(tmp_path / f"{i}.zip", tree)).digest for i, tree in enumerate((files, inside, deeper))
    }
    assert len(digests) == 1


def test_every_image_keeps_family_class_writer_and_name(tmp_path: Path) -> None:
    dataset = read_dataset(zipped(tmp_path / "a.zip", nhcd_tree()))
    row = int(np.flatnonzero(dataset.name == "vowels/12/002_01.jpg")[0])
    assert (dataset.family[row], dataset.class_id[row], dataset.writer[row]) == ("vowels", 12, "002")
    assert dataset.joint[row] == 21


def test_rows_are_ordered_by_family_class_number_and_file_name(tmp_path: Path) -> None:
    files = dict(reversed(list(nhcd_tree().items())))
    dataset = read_dataset(zipped(tmp_path / "a.zip", files))
    assert dataset.joint.tolist() == sorted(dataset.joint.tolist())
    assert dataset.name[:2].tolist() == ["numerals/0/001_01.jpg", "numerals/0/002_01.jpg"]
    # Class numbers, not their spelling: 10 comes after 9.
    assert [int(i) for i in dict.fromkeys(dataset.class_id[dataset.family == "consonants"])] == list(range(1, 37))


@pytest.mark.parametrize("suffix", ["", "_ka"])
def test_dhcd_is_read(tmp_path: Path, suffix: str) -> None:
    dataset = read_dataset(zipped(tmp_path / "d.zip", dhcd_tree(suffix)))
    assert len(dataset) == 46
    assert set(dataset.family) == {"numerals", "consonants"}
    assert set(dataset.writer) == {""}
    assert dataset.name[0] == "Train/digit_0/001.png"


def test_a_headline_along_the_edge_is_kept(tmp_path: Path) -> None:
    page = Image.new("L", (120, 110), 255)
    page.paste(draw("zero", 90), (15, 20))
    page.paste(0, (0, 0, 120, 6))
    assert read_glyph(encode(page))[2, 2:-2].min() == 0  # It could be a form's line.
    dataset = read_dataset(zipped(tmp_path / "a.zip", {**nhcd_tree(1), "vowels/1/002_01.png": encode(page)}))
    glyph = dataset.glyphs[dataset.name == "vowels/1/002_01.png"][0]
    assert glyph[2, 2:-2].min() > 0.9
    assert glyph[8:].max() > 0.9


def test_hidden_files_and_other_files_are_ignored(tmp_path: Path) -> None:
    extra = {"__MACOSX/nhcd/numerals/0/._001_01.jpg": b"x", "labels.csv": b"x", "nhcd/numerals/0/notes.txt": b"x"}
    assert len(read_dataset(zipped(tmp_path / "a.zip", {**nhcd_tree(), **extra}))) == 116


def wrong(path: Path) -> str:
    with pytest.raises(DatasetError) as caught:
        read_dataset(path)
    assert str(path) in str(caught.value)
    return str(caught.value)


def test_errors_state_what_is_wrong(tmp_path: Path) -> None:
    assert "no such file" in wrong(tmp_path / "absent.zip")
    text = tmp_path / "text.zip"
    text.write_text("hello")
    assert "neither a folder nor a readable zip" in wrong(text)
    assert "Expected NHCD" in wrong(extracted(tmp_path / "other", {"cats/1.jpg": JPEG}))


def test_a_missing_class_is_named(tmp_path: Path) -> None:
    files = {name: data for name, data in nhcd_tree().items() if "/vowels/7/" not in name}
    assert "vowels lacks the classes [7]" in wrong(zipped(tmp_path / "a.zip", files))


def test_an_impossible_class_is_named(tmp_path: Path) -> None:
    assert "vowels has no class 13" in wrong(zipped(tmp_path / "a.zip", {**nhcd_tree(), "vowels/13/001_01.jpg": JPEG}))


def test_a_broken_image_is_named(tmp_path: Path) -> None:
    files = {**nhcd_tree(), "nhcd/vowels/3/001_01.jpg": JPEG[:200]}
    assert "vowels/3/001_01.jpg: The image is truncated" in wrong(zipped(tmp_path / "a.zip", files))


def test_a_truncated_zip_is_refused(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", nhcd_tree())
    path.write_bytes(path.read_bytes()[:-50])
    wrong(path)


def test_a_zip_with_damaged_contents_is_refused(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", nhcd_tree())
    data = bytearray(path.read_bytes())
    middle = bytes(data).index(JPEG) + len(JPEG) // 2
    data[middle] ^= 0xFF
    path.write_bytes(data)
    wrong(path)


def test_the_real_data_sets_have_the_published_sizes(nhcd: Dataset, dhcd_zip: Path, tmp_path: Path) -> None:
    counts = {family: int((nhcd.family == family).sum()) for family in CATALOGUE}
    assert counts == {"numerals": 2880, "vowels": 2652, "consonants": 7380}
    writers = {family: len(set(nhcd.writer[nhcd.family == family])) for family in CATALOGUE}
    assert writers == {"numerals": 42, "vowels": 40, "consonants": 41}
    with zipfile.ZipFile(dhcd_zip) as archive:
        some = {name: archive.read(name) for name in archive.namelist() if name.endswith("10.png")}
    dhcd = read_dataset(zipped(tmp_path / "some.zip", some))
    assert len(dhcd) == len(some) > 500
