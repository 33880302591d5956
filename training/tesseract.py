"""Tesseract as a baseline: the reader that people would reach for.

Needs Debian's ``tesseract-ocr`` and ``tesseract-ocr-script-deva``. Each glyph is enlarged, black on white
with a margin, as Tesseract's authors advise, and read as a single character; an answer that names no class of the
family counts as none.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
import unicodedata
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from app.catalogue import CATALOGUE
from training.data import Dataset
from training.experiment import describe
from training.protocols import Task
from training.runs import Answers, Run, RunError

MODEL = "Devanagari"
HEIGHT, MARGIN = 64, 24
"""Pixels. At 32 Tesseract's own limit on small text is near; white around the glyph keeps it from being cut off."""
_CHUNK = 100


def tesseract(task: Task, work: Path, say: Callable[[str], None] = print, verbose: int = 1) -> list[Run]:
    """Answer a task's test part by Tesseract.

    Raises:
        RunError: it is not installed or has failed.
    """
    if shutil.which("tesseract") is None:
        raise RunError("install Debian's tesseract-ocr and tesseract-ocr-script-deva first")
    test, texts = task.test, []
    for start in range(0, len(test), _CHUNK):
        texts += _read(test[np.arange(start, min(start + _CHUNK, len(test)))])
        say(f"{len(texts):,} of {len(test):,} read")
    text = np.array(texts)
    answers = {}
    for family in test.families:
        rows = np.flatnonzero(test.family == family)
        named = {unicodedata.normalize("NFC", c.character): c.class_id for c in CATALOGUE[family]}
        answer = np.array([named.get(text[row], -1) for row in rows], np.int64)
        answers[family] = Answers(test.name[rows], test.class_id[rows], answer)
    recipe = {"model": MODEL, "page_segmentation": 10, "height": HEIGHT, "margin": MARGIN, "version": _version()}
    details = {"empty": int((text == "").sum())}
    return [Run("published", "1", "tesseract", 1, recipe, describe(task), answers, details)]


def _read(part: Dataset) -> list[str]:
    """The text that Tesseract finds in each glyph, without white space."""
    with tempfile.TemporaryDirectory() as folder:
        paths = []
        for number, glyph in enumerate(part.glyphs):
            ink = Image.fromarray(np.uint8(255 - 255 * glyph)).resize((HEIGHT, HEIGHT), Image.Resampling.BICUBIC)
            paths.append(Path(folder) / f"{number}.png")
            ImageOps.expand(ink, MARGIN, 255).save(paths[-1], dpi=(300, 300))
        names = Path(folder) / "list.txt"
        names.write_text("".join(f"{path}\n" for path in paths))
        # 10: treat the image as a single character.
        done = subprocess.run(
            ["tesseract", names, "stdout", "-l", MODEL, "--psm", "10"], capture_output=True, text=True, check=False
        )
    pages = done.stdout.split("\f")[: len(paths)]
    if done.returncode or len(pages) != len(paths):
        raise RunError(f"tesseract answered {len(pages)} of {len(paths)} pages: {done.stderr.strip()[-500:]}")
    return [unicodedata.normalize("NFC", re.sub(r"\s", "", page)) for page in pages]


def _version() -> str:
    shown = subprocess.run(["tesseract", "--version"], capture_output=True, text=True, check=True)
    return shown.stdout.splitlines()[0]
