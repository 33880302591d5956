"""Measurements of the service and of its peers under load, and comparisons of two checkouts."""

from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
FAMILY: Final = "consonants"
"""The family that everything is measured with: its head has the most work."""
