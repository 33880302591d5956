from dataclasses import replace

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.neighbors import NearestCentroid
from starlette.testclient import TestClient

from akshar.model.bundle import Bundle
from akshar.model.classes import CATALOGUE
from akshar.model.extractor import Extractor, load_extractor
from akshar.model.manifest import BundleError
from akshar.model.recognizer import Recognizer
from akshar.model.self_test import make_self_test, self_test
from app.main import create_app
from app.settings import Settings
from training.data.drawings import SELF_TEST, self_test_glyphs

CHARACTERS = {"zero": "०", "four": "४", "u": "उ", "tta": "ट", "pa": "प"}


def test_the_committed_artifacts_pass_their_self_test(recognizer: Recognizer, bundle: Bundle) -> None:
    entries = bundle.manifest.self_test
    self_test(recognizer, entries)
    names = [name for family in SELF_TEST.values() for name in family]
    for name, entry in zip(names, entries, strict=True):
        character = next(c.character for c in CATALOGUE[entry.family] if c.class_id == entry.class_id)
        assert character == CHARACTERS[name]
        assert entry.confidence > 0.5


class Broken:
    """A runtime that computes wrongly."""

    def __init__(self, extractor: Extractor) -> None:
        self._extractor = extractor
        self.name, self.device = extractor.name, extractor.device

    def __call__(self, glyphs: np.ndarray) -> np.ndarray:
        return np.roll(self._extractor(glyphs), 1, axis=1)


def test_a_runtime_that_computes_wrongly_does_not_serve(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    monkeypatch.setattr("akshar.model.loading.load_extractor", lambda *args: Broken(load_extractor(*args)))
    app = create_app(settings)
    with pytest.raises(BundleError, match="self-test: a glyph of numerals"), TestClient(app):
        pass
    assert TestClient(app).get("/readyz").status_code == 503


def test_other_weights_do_not_serve(bundle: Bundle, recognizer: Recognizer) -> None:
    families = dict(bundle.model.families)
    vowels = families["vowels"]
    families["vowels"] = replace(vowels, svc=clone(vowels.svc).fit(*_shuffled(vowels.class_means)))
    wrong = Recognizer(replace(bundle.model, families=families), recognizer.extractor)
    with pytest.raises(BundleError, match="self-test: a glyph of vowels"):
        self_test(wrong, bundle.manifest.self_test)


def _shuffled(means: NearestCentroid) -> tuple[np.ndarray, np.ndarray]:
    """Features of each class under the label of the next."""
    return np.repeat(means.centroids_, 2, axis=0), np.repeat(np.roll(means.classes_, 1), 2)


def test_entries_are_what_the_recognizer_says(bundle: Bundle, recognizer: Recognizer) -> None:
    assert make_self_test(recognizer, self_test_glyphs()) == bundle.manifest.self_test
