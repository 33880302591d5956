import shutil
import stat
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from training.data.dataset import Dataset
from training.data.splits import Task, published
from training.evaluation.tesseract import tesseract
from training.models.history import RunError


@pytest.fixture
def task(nhcd: Dataset) -> Task:
    test = nhcd[published(nhcd).test]
    first = np.sort(np.concatenate([np.flatnonzero(test.family == family)[:3] for family in test.families]))
    return Task(nhcd[:0], nhcd[:0], test[first])


def install(folder: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program with the name and the output format of Tesseract."""
    program = folder / "tesseract"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(program.stat().st_mode | stat.S_IEXEC)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")


def test_a_text_counts_if_it_names_a_class_of_the_family(
    task: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(
        tmp_path,
        f"""[ "$1" = --version ] && {{ echo tesseract 9; exit; }}
cp $(sed -n 1p "$1") {tmp_path}/sent.png
while read -r image; do printf ' क \\n\\f'; done < "$1" """,
        monkeypatch,
    )
    (run,) = tesseract(task, tmp_path)
    assert run.recipe["version"] == "tesseract 9"
    assert set(run.predictions["consonants"].predicted) == {1}
    assert set(run.predictions["numerals"].predicted) == set(run.predictions["vowels"].predicted) == {-1}
    with Image.open(tmp_path / "sent.png") as sent:
        assert sent.size == (112, 112)
        pixels = np.asarray(sent)
    assert (pixels[:24] == 255).all()
    assert pixels.min() < 60


def test_a_failure_is_an_error_with_its_message(task: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, "echo no such model >&2; exit 1", monkeypatch)
    with pytest.raises(RunError, match="no such model"):
        tesseract(task, tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    with pytest.raises(RunError, match="install Debian's tesseract-ocr"):
        tesseract(task, tmp_path)


def test_the_real_tesseract_reads(task: Task, tmp_path: Path) -> None:
    if shutil.which("tesseract") is None:
        pytest.skip("tesseract is not installed")
    listed = subprocess.run(["tesseract", "--list-langs"], capture_output=True, text=True, check=True)
    if "Devanagari" not in listed.stdout:
        pytest.skip("Tesseract's Devanagari model is not installed")
    (run,) = tesseract(task, tmp_path)
    assert sum(len(p.predicted) for p in run.predictions.values()) == 9
