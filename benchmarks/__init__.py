"""Measurements of the service and of its peers, under load from wrk."""

from typing import Final

FAMILY: Final = "consonants"
"""The family that all is measured with: the one whose head has most to do."""
