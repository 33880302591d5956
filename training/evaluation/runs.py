"""What a training or a baseline leaves behind: one JSON file, from which all tables and plots are made.

``docs/results/<protocol>-<part>-<method>.json`` holds recipe, seed, versions, scores and history as text. The arrays of
each family's `Predictions` are compressed: an ``.npz`` in xz in base64.
"""

from __future__ import annotations

import base64
import io
import json
import lzma
import platform
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from akshar.model.classes import JOINT_CLASSES, joint_index
from training.data.splits import Task
from training.evaluation import metrics

Ints = npt.NDArray[np.int64]
Reals = npt.NDArray[np.floating]

KEPT_PER_CLASS: Final = 100
"""Images of a class whose margins and logits are kept, from the first; all protocols but ``cross`` test fewer."""
COVERAGES: Final = (0.9, 0.95, 0.99)
"""The coverages of the prediction sets whose sizes are kept."""
_STEP: Final = 0.01
_LIBRARIES: Final = ("akshar", "numpy", "scikit-learn", "pillow", "keras", "tensorflow", "torch", "jax", "onnxruntime")
_ROUNDED: Final = ("margins", "logits")
_INTS: Final = ("truth", "predicted", "class_ids", "kept", "joint", "set_sizes")
_FLOATS: Final = ("vote_margin", "confidence", "lookalike_gaps")


def _empty(*shape: int, dtype: npt.DTypeLike = np.float64) -> Callable[[], npt.NDArray[Any]]:
    return lambda: np.zeros(shape, dtype)


@dataclass(frozen=True)
class Predictions:
    """What was predicted for the n test images of one family. Arrays that a method cannot provide are empty.

    Attributes:
        name: names of the images, as in `training.data.dataset.Dataset`.
        truth: class numbers, shape (n,).
        predicted: class numbers, -1 for none, shape (n,).
        class_ids: the classes of the head, ascending, shape (k,).
        joint: the joint index predicted where all families compete; -1 for a class of a family added later; (n,).
        kept: rows of the m images of which margins and logits are kept, shape (m,).
        margins: one-against-one decision values in libsvm's order of pairs, (m, k (k - 1) / 2), to 0.01.
        logits: the network's own for the joint classes, shape (m, 58), to 0.01.
        vote_margin: how far the SVC's highest decision value is above the next, shape (n,).
        confidence: probability of the predicted class, shape (n,).
        set_sizes: sizes of the prediction sets of each of `COVERAGES`, shape (n, 3).
        covered: whether these sets hold the true class, shape (n, 3).
        lookalike_gaps: for each of the run's families, in their order, the greatest cosine with a class of another
            family less the greatest with a class of that family, shape (n, families of the run).
    """

    name: npt.NDArray[np.str_]
    truth: Ints
    predicted: Ints
    class_ids: Ints = field(default_factory=_empty(0, dtype=np.int64))
    joint: Ints = field(default_factory=_empty(0, dtype=np.int64))
    kept: Ints = field(default_factory=_empty(0, dtype=np.int64))
    margins: Reals = field(default_factory=_empty(0, 0))
    logits: Reals = field(default_factory=_empty(0, JOINT_CLASSES))
    vote_margin: Reals = field(default_factory=_empty(0))
    confidence: Reals = field(default_factory=_empty(0))
    set_sizes: Ints = field(default_factory=_empty(0, len(COVERAGES), dtype=np.int64))
    covered: npt.NDArray[np.bool_] = field(default_factory=_empty(0, len(COVERAGES), dtype=np.bool_))
    lookalike_gaps: Reals = field(default_factory=_empty(0, 0))

    @property
    def correct(self) -> npt.NDArray[np.bool_]:
        """Whether each prediction is right, shape (n,)."""
        correct: npt.NDArray[np.bool_] = self.predicted == self.truth
        return correct


@dataclass(frozen=True)
class Run:
    """One training or baseline, scored on one part of a protocol.

    Attributes:
        protocol, part: see `training.data.splits`.
        method: name of the recipe or the baseline.
        seed: of the training.
        recipe: all settings of the training.
        data: names, digests and sizes of the data that was trained and tested on.
        predictions: by family.
        details: whatever else is worth keeping: parameters, chosen hyperparameters, seconds, points of a plot.
        history: a row for each epoch.
        versions: of the libraries that made it.
        scores: by family, and ``joint`` where all families compete; computed from the predictions.
    """

    protocol: str
    part: str
    method: str
    seed: int
    recipe: dict[str, Any]
    data: dict[str, Any]
    predictions: dict[str, Predictions]
    details: dict[str, Any] = field(default_factory=dict)
    history: list[dict[str, float]] = field(default_factory=list)
    versions: dict[str, str] = field(default_factory=lambda: installed())

    @property
    def file(self) -> str:
        """The name of its file."""
        return file_name(self.protocol, self.part, self.method)

    @property
    def scores(self) -> dict[str, dict[str, Any]]:
        scores = {family: metrics.score(p.truth, p.predicted) for family, p in self.predictions.items()}
        if self.predictions and all(len(p.joint) for p in self.predictions.values()):
            scores["joint"] = metrics.score(*joint_predictions(self))
        return scores


def file_name(protocol: str, part: str, method: str) -> str:
    """The file name of such a run."""
    return f"{protocol}-{part}-{method}.json"


def joint_predictions(run: Run) -> tuple[Ints, Ints]:
    """Truth and prediction where all families compete, as joint indices."""
    truth = [joint_index(family, int(c)) for family, p in run.predictions.items() for c in p.truth]
    return np.array(truth, np.int64), np.concatenate([p.joint for p in run.predictions.values()])


def describe_data(task: Task) -> dict[str, Any]:
    """Sizes and digests of a task's parts, as `Run.data` keeps them."""
    parts = [("train", task.train), ("validation", task.validation), ("test", task.test), *task.extra_sources.items()]
    return {part: {"images": len(dataset), "digest": dataset.digest} for part, dataset in parts}


def save(run: Run, folder: Path) -> Path:
    """Write a run's file, whole or not at all, and return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    text_fields = {entry.name: getattr(run, entry.name) for entry in fields(run) if entry.name != "predictions"}
    images = {family: _pack(predictions) for family, predictions in run.predictions.items()}
    text = json.dumps({**text_fields, "scores": run.scores, "images": images}, indent=1, ensure_ascii=False)
    path = folder / run.file
    partial = path.with_suffix(".partial")
    partial.write_text(text + "\n", encoding="utf-8")
    partial.replace(path)
    return path


def load(path: Path) -> Run:
    """Read a run's file."""
    stored = json.loads(path.read_text(encoding="utf-8"))
    del stored["scores"]
    predictions = {family: _unpack(text) for family, text in stored.pop("images").items()}
    return Run(**stored, predictions=predictions)


def load_all(folder: Path) -> list[Run]:
    """All runs of a folder, by name."""
    return [load(path) for path in sorted(folder.glob("*.json"))]


def load_ablations(folder: Path) -> list[dict[str, Any]]:
    """All results that `training.evaluation.ablation` left in a folder, by name."""
    return [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))]


def installed() -> dict[str, str]:
    """Versions of Python and of the libraries that affect a score."""
    versions = {"python": platform.python_version()}
    for library in _LIBRARIES:
        try:
            versions[library] = version(library)
        except PackageNotFoundError:
            continue
    return versions


def _pack(predictions: Predictions) -> str:
    arrays = {name: value for name, value in vars(predictions).items() if value.size}
    for name, value in arrays.items():
        if name in _ROUNDED:
            arrays[name] = np.clip(np.rint(value / _STEP), -32768, 32767).astype(np.int16)
        elif name in _INTS:
            arrays[name] = value.astype(np.int32)
        elif name in _FLOATS:
            arrays[name] = value.astype(np.float32)
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    return base64.b64encode(lzma.compress(buffer.getvalue(), preset=9)).decode()


def _unpack(text: str) -> Predictions:
    with np.load(io.BytesIO(lzma.decompress(base64.b64decode(text))), allow_pickle=False) as stored:
        arrays = {name: stored[name] for name in stored.files}
    for name, value in arrays.items():
        if name in _ROUNDED:
            arrays[name] = value * _STEP
        elif name in _INTS:
            arrays[name] = value.astype(np.int64)
    return Predictions(**arrays)
