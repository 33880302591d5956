from dataclasses import replace

import numpy as np
import pytest
from starlette.testclient import TestClient

from app.bundle import Bundle, BundleError
from app.catalogue import CATALOGUE
from app.extractor import Extractor, load_extractor
from app.framing import pack, unpack
from app.golden import prove
from app.main import create_app
from app.recognizer import Recognizer
from app.settings import Settings
from training.drawings import GOLDEN

CHARACTERS = {"zero": "०", "four": "४", "u": "उ", "tta": "ट", "pa": "प"}


def test_a_glyph_is_packed_and_unpacked() -> None:
    glyph = np.random.default_rng(0).random((32, 32)).astype(np.float32)
    np.testing.assert_allclose(unpack(pack(glyph)), glyph, atol=0.5 / 255)


def test_the_committed_artifacts_read_their_golden_glyphs_right(recognizer: Recognizer, bundle: Bundle) -> None:
    prove(recognizer)
    names = [name for family in GOLDEN.values() for name in family]
    assert len(bundle.manifest.golden) == len(names)
    for name, entry in zip(names, bundle.manifest.golden, strict=True):
        character = next(c.character for c in CATALOGUE[entry.family] if c.class_id == entry.class_id)
        assert character == CHARACTERS[name]
        assert entry.confidence > 0.5


class Broken:
    """A runtime that computes a little wrongly."""

    def __init__(self, extractor: Extractor) -> None:
        self._extractor = extractor
        self.name, self.device = extractor.name, extractor.device

    def __call__(self, glyphs: np.ndarray) -> np.ndarray:
        return np.roll(self._extractor(glyphs), 1, axis=1)


def test_a_runtime_that_computes_wrongly_never_serves(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    monkeypatch.setattr("app.main.load_extractor", lambda *given: Broken(load_extractor(*given)))
    app = create_app(settings)
    with pytest.raises(BundleError, match="self-test: a golden glyph of numerals"), TestClient(app):
        pass
    assert TestClient(app).get("/readyz").status_code == 503


def test_other_weights_never_serve(bundle: Bundle, recognizer: Recognizer) -> None:
    other = dict(bundle.heads, vowels=bundle.heads["numerals"])
    wrong = replace(bundle, heads={**other, "numerals": bundle.heads["numerals"]})
    with pytest.raises((BundleError, ValueError, KeyError, IndexError)):
        prove(Recognizer(wrong, recognizer.extractor))
