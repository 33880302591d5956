import subprocess
import sys

import numpy as np
import pytest

from app.bundle import Bundle
from app.extractor import TensorFlowExtractor, load_extractor, padded_size, padded_sizes
from app.imaging import read_glyph
from app.recognizer import Recognizer, UnknownFamilyError
from tests.drawing import draw, encode
from training.data import Dataset


def drawn() -> np.ndarray:
    return np.stack([read_glyph(encode(draw(name))) for name in ("zero", "tta", "pa")])


def test_each_glyph_is_read_by_the_head_of_its_family(recognizer: Recognizer) -> None:
    answers = recognizer.recognize(drawn(), ["numerals", "consonants", "consonants"])
    assert [(a.asked, a.best.entry.character) for a in answers] == [
        ("numerals", "०"),
        ("consonants", "ट"),
        ("consonants", "प"),
    ]


def test_an_unknown_family_is_refused(recognizer: Recognizer) -> None:
    with pytest.raises(UnknownFamilyError):
        recognizer.recognize(drawn()[:1], ["digits"])


def test_features_are_512_finite_numbers(recognizer: Recognizer) -> None:
    features = recognizer.extractor(drawn())
    assert features.shape == (3, 512)
    assert features.dtype == np.float32
    assert np.isfinite(features).all()


def test_serving_imports_neither_tensorflow_nor_training() -> None:
    code = (
        "import sys, app.cli; from app.main import load_recognizer; from app.settings import Settings;"
        "load_recognizer(Settings(runtime='onnxruntime'));"
        "print([name for name in ('tensorflow', 'keras', 'training') if name in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_tensorflow_and_onnx_runtime_agree(bundle: Bundle, nhcd: Dataset) -> None:
    """On real images of every class: the same features to 1e-5, the same labels."""
    part = nhcd[np.arange(0, len(nhcd), 20)]
    runtimes = [Recognizer(bundle, load_extractor(bundle, runtime)) for runtime in ("onnxruntime", "tensorflow")]
    on_cpu, on_tensorflow = (runtime.extractor(part.glyphs) for runtime in runtimes)
    np.testing.assert_allclose(on_cpu, on_tensorflow, atol=1e-5)
    labels = [
        [answer.best.entry.class_id for answer in runtime.recognize(part.glyphs, part.family.tolist())]
        for runtime in runtimes
    ]
    assert labels[0] == labels[1]


def test_padded_sizes_are_all_that_padding_makes() -> None:
    for most in (1, 2, 3, 48, 64):
        assert padded_sizes(most) == sorted({padded_size(size) for size in range(1, most + 1)})


@pytest.mark.slow
def test_padding_changes_no_answer(bundle: Bundle) -> None:
    """As on a GPU, where every batch size would be prepared for anew."""
    extractor = load_extractor(bundle, "tensorflow")
    assert isinstance(extractor, TensorFlowExtractor)
    plain = extractor(drawn())
    extractor.pads = True
    padded = extractor(drawn())
    assert padded.shape == (3, 512)
    np.testing.assert_allclose(padded, plain, atol=1e-5)
