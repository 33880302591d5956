"""The loss and accuracy of each epoch of a training, in a CSV file among its checkpoints."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Final

HISTORY: Final = "history.csv"
"""The file: a line of loss and accuracy for each epoch."""


class RunError(ValueError):
    """A training or a run that cannot be made; the text says why."""


def read_history(path: Path) -> list[dict[str, float]]:
    """The rows of a `HISTORY` file; none if there is no such file."""
    if not path.exists():
        return []
    with path.open(newline="") as lines:
        return [{key: float(value) for key, value in row.items()} for row in csv.DictReader(lines)]
