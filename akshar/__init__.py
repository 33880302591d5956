"""Reads handwritten Devanagari characters: ``from akshar import Reader``."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from akshar.imaging.errors import ImageError
    from akshar.model.manifest import BundleError
    from akshar.prediction import Prediction
    from akshar.reader import Reader

__all__ = ["BundleError", "ImageError", "Prediction", "Reader"]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used: a process that only makes glyphs needs none of the model's libraries.

    Raises:
        AttributeError: there is no such name.
    """
    modules = {
        "BundleError": "akshar.model.manifest",
        "ImageError": "akshar.imaging.errors",
        "Prediction": "akshar.prediction",
        "Reader": "akshar.reader",
    }
    if name not in modules:
        raise AttributeError(f"module 'akshar' has no attribute {name!r}")
    return getattr(import_module(modules[name]), name)
