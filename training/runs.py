"""What a training or a baseline leaves behind: one JSON file, from which all tables and plots are made.

``docs/results/<protocol>-<part>-<method>.json`` holds recipe, seed, versions, scores and history as text, and per image
the name, the truth, the answer and the one-against-one margins, compressed: an ``.npz`` in xz in base64.
"""

from __future__ import annotations

import base64
import csv
import io
import json
import lzma
import platform
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from app.catalogue import joint_index
from training import scoring

Ints = npt.NDArray[np.int64]

KEPT_PER_CLASS = 100
"""Images of a class whose margins and logits are kept, from the first; all protocols but ``cross`` test fewer."""
HISTORY = "history.csv"
"""What a training writes: a line of loss and accuracy for each epoch."""
COVERAGES = (0.9, 0.95, 0.99)
_STEP = 0.01
_LIBRARIES = ("akshar", "numpy", "scikit-learn", "pillow", "keras", "tensorflow", "torch", "jax", "onnxruntime")


class RunError(ValueError):
    """A run that cannot be made; the text says why."""


@dataclass(frozen=True)
class Answers:
    """What was answered for the n test images of one family.

    Attributes:
        name: names of the images, as in `training.data.Dataset`.
        truth: class numbers, shape (n,).
        answer: class numbers, -1 for none, shape (n,).
        class_ids: the classes of the head, ascending, shape (k,); empty where no head has answered.
        joint: the joint index that was answered with no family given, shape (n,) or (0,).
        kept: rows of the m images of which margins and logits are, shape (m,).
        margins: one-against-one decision values in libsvm's order of pairs, (m, k (k - 1) / 2), to 0.01.
        logits: the network's own for the joint classes, shape (m, 58) or (0, 58), to 0.01.
        vote: by how much the SVC's decision value of the answer is above the next, shape (n,).
        confidence: probability of the answer, shape (n,).
        likely: sizes of the sets that hold the truth as often as `COVERAGES` say, shape (n, 3).
        held: whether they held it, shape (n, 3).
        gaps: by how much another family's class is more alike, as a cosine, than the best of the family asked for, had
            each of the run's families been asked for, in their order: shape (n, families).

    What nothing was calibrated for is empty.
    """

    name: npt.NDArray[np.str_]
    truth: Ints
    answer: Ints
    class_ids: Ints = field(default_factory=lambda: np.zeros(0, np.int64))
    joint: Ints = field(default_factory=lambda: np.zeros(0, np.int64))
    kept: Ints = field(default_factory=lambda: np.zeros(0, np.int64))
    margins: npt.NDArray[np.floating] = field(default_factory=lambda: np.zeros((0, 0)))
    logits: npt.NDArray[np.floating] = field(default_factory=lambda: np.zeros((0, 58)))
    vote: npt.NDArray[np.floating] = field(default_factory=lambda: np.zeros(0))
    confidence: npt.NDArray[np.floating] = field(default_factory=lambda: np.zeros(0))
    likely: Ints = field(default_factory=lambda: np.zeros((0, 3), np.int64))
    held: npt.NDArray[np.bool_] = field(default_factory=lambda: np.zeros((0, 3), np.bool_))
    gaps: npt.NDArray[np.floating] = field(default_factory=lambda: np.zeros((0, 0)))


@dataclass(frozen=True)
class Run:
    """One training or baseline, scored on one part of a protocol.

    Attributes:
        protocol, part: see `training.protocols`.
        method: the recipe's name, or the baseline's.
        seed: of the training.
        recipe: all that decides it.
        data: names, digests and sizes of what was learnt and tested.
        answers: by family.
        details: what else is worth keeping: parameters, chosen hyperparameters, seconds, points of a plot.
        history: a row for each epoch.
        versions: of the libraries that made it.
        scores: by family, and ``joint`` for all classes at once; made from the answers.
    """

    protocol: str
    part: str
    method: str
    seed: int
    recipe: dict[str, Any]
    data: dict[str, Any]
    answers: dict[str, Answers]
    details: dict[str, Any] = field(default_factory=dict)
    history: list[dict[str, float]] = field(default_factory=list)
    versions: dict[str, str] = field(default_factory=lambda: installed())

    @property
    def file(self) -> str:
        """The name of its file."""
        return file_name(self.protocol, self.part, self.method)

    @property
    def scores(self) -> dict[str, dict[str, Any]]:
        scores = {family: scoring.score(a.truth, a.answer) for family, a in self.answers.items()}
        if self.answers and all(len(a.joint) for a in self.answers.values()):
            scores["joint"] = scoring.score(*joint_answers(self))
        return scores


def file_name(protocol: str, part: str, method: str) -> str:
    """The name of the file of such a run."""
    return f"{protocol}-{part}-{method}.json"


def joint_answers(run: Run) -> tuple[Ints, Ints]:
    """Truth and answer over all classes at once, as joint indices."""
    truth = [joint_index(family, int(c)) for family, a in run.answers.items() for c in a.truth]
    return np.array(truth, np.int64), np.concatenate([a.joint for a in run.answers.values()])


def save(run: Run, folder: Path) -> Path:
    """Write a run's file, whole or not at all, and return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    fields = {name: getattr(run, name) for name in run.__dataclass_fields__ if name != "answers"}
    text = json.dumps(
        {**fields, "scores": run.scores, "images": {f: _pack(a) for f, a in run.answers.items()}},
        indent=1,
        ensure_ascii=False,
    )
    path = folder / run.file
    partial = path.with_suffix(".partial")
    partial.write_text(text + "\n", encoding="utf-8")
    partial.replace(path)
    return path


def load(path: Path) -> Run:
    """Read a run's file."""
    fields = json.loads(path.read_text(encoding="utf-8"))
    del fields["scores"]
    answers = {family: _unpack(text) for family, text in fields.pop("images").items()}
    return Run(**fields, answers=answers)


def load_all(folder: Path) -> list[Run]:
    """All runs of a folder, by name."""
    return [load(path) for path in sorted(folder.glob("*.json"))]


def load_trials(folder: Path) -> list[dict[str, Any]]:
    """What `training.trial` left in a folder, by name."""
    return [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))]


def read_history(path: Path) -> list[dict[str, float]]:
    """The rows of a training's `HISTORY`; none where there is no such file."""
    if not path.exists():
        return []
    with path.open(newline="") as lines:
        return [{key: float(value) for key, value in row.items()} for row in csv.DictReader(lines)]


def installed() -> dict[str, str]:
    """Versions of Python and of the libraries that decide a score."""
    versions = {"python": platform.python_version()}
    for library in _LIBRARIES:
        try:
            versions[library] = version(library)
        except PackageNotFoundError:
            continue
    return versions


def _pack(answers: Answers) -> str:
    arrays = {name: value for name, value in vars(answers).items() if value.size}
    for name in ("margins", "logits"):
        if name in arrays:
            arrays[name] = np.clip(np.rint(arrays[name] / _STEP), -32768, 32767).astype(np.int16)
    for name in ("truth", "answer", "class_ids", "kept", "joint", "likely"):
        if name in arrays:
            arrays[name] = arrays[name].astype(np.int32)
    for name in ("vote", "confidence", "gaps"):
        if name in arrays:
            arrays[name] = arrays[name].astype(np.float32)
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    return base64.b64encode(lzma.compress(buffer.getvalue(), preset=9)).decode()


def _unpack(text: str) -> Answers:
    with np.load(io.BytesIO(lzma.decompress(base64.b64decode(text))), allow_pickle=False) as stored:
        arrays = {name: stored[name] for name in stored.files}
    for name, value in arrays.items():
        if value.dtype == np.int16:
            arrays[name] = value * _STEP
        elif value.dtype == np.int32:
            arrays[name] = value.astype(np.int64)
    return Answers(**arrays)
