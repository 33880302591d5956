"""Reads handwritten Devanagari characters: ``from akshar import Reader``."""

from akshar.imaging.reader import ImageError
from akshar.model.manifest import BundleError
from akshar.prediction import Prediction
from akshar.reader import Reader

__all__ = ["BundleError", "ImageError", "Prediction", "Reader"]
