"""Tesseract as a baseline: the usual open-source OCR engine.

Needs Debian's ``tesseract-ocr`` and ``tesseract-ocr-script-deva``. Each glyph is enlarged, black on white with a
margin, as Tesseract's authors advise, and read as a single character. A text that names no class of the family counts
as no prediction.
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

from akshar.model.classes import CATALOGUE
from training.data.dataset import Dataset
from training.data.splits import Task
from training.evaluation.runs import Predictions, Run, describe_data
from training.models.history import RunError

MODEL = "Devanagari"
HEIGHT, MARGIN = 64, 24
"""Pixels. 32 would be close to Tesseract's limit on small text; the margin keeps it from cutting the glyph off."""
_CHUNK = 100


def tesseract(task: Task, work: Path, log: Callable[[str], None] = print, verbose: int = 1) -> list[Run]:
    """Read a task's test part with Tesseract.

    Raises:
        RunError: Tesseract is not installed or failed.
    """
    if shutil.which("tesseract") is None:
        raise RunError("install Debian's tesseract-ocr and tesseract-ocr-script-deva first")
    test, texts = task.test, []
    for start in range(0, len(test), _CHUNK):
        texts += _read(test[np.arange(start, min(start + _CHUNK, len(test)))])
        log(f"{len(texts):,} of {len(test):,} read")
    text = np.array(texts)
    predictions = {}
    for family in test.families:
        rows = np.flatnonzero(test.family == family)
        named = {unicodedata.normalize("NFC", c.character): c.class_id for c in CATALOGUE[family]}
        predicted = np.array([named.get(text[row], -1) for row in rows], np.int64)
        predictions[family] = Predictions(test.name[rows], test.class_id[rows], predicted)
    recipe = {"model": MODEL, "page_segmentation": 10, "height": HEIGHT, "margin": MARGIN, "version": _version()}
    details = {"empty": int((text == "").sum())}
    return [Run("published", "1", "tesseract", 1, recipe, describe_data(task), predictions, details)]


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
        raise RunError(f"tesseract read {len(pages)} of {len(paths)} pages: {done.stderr.strip()[-500:]}")
    return [unicodedata.normalize("NFC", re.sub(r"\s", "", page)) for page in pages]


def _version() -> str:
    printed = subprocess.run(["tesseract", "--version"], capture_output=True, text=True, check=True)
    return printed.stdout.splitlines()[0]
