"""Offline training: from the data sets to the artifacts that `akshar` reads with."""

from pathlib import Path
from typing import Final

REPOSITORY: Final = Path(__file__).resolve().parent.parent
"""The checkout: training is not installed, it runs from there."""
