import subprocess
import sys

import numpy as np
import pytest

from akshar.imaging.reader import read_glyph
from akshar.model.bundle import Bundle
from akshar.model.extractor import TensorFlowExtractor, load_extractor, padded_size, padded_sizes
from akshar.model.recognizer import Recognizer, UnknownFamilyError
from tests.drawing import draw, encode
from training.data.dataset import Dataset


def drawn() -> np.ndarray:
    return np.stack([read_glyph(encode(draw(name))) for name in ("zero", "tta", "pa")])


def test_each_glyph_is_read_by_the_head_of_its_family(recognizer: Recognizer) -> None:
    batch = recognizer.recognize(drawn(), ["numerals", "consonants", "consonants"])
    assert batch.extractor_seconds > 0
    assert batch.head_seconds > 0
    assert [(each.requested, each.best.entry.character) for each in batch.recognitions] == [
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
        "import sys, akshar.cli; from app.settings import Settings;"
        "from app.main import load_service, make_decode_pool;"
        "settings = Settings(runtime='onnxruntime');"
        "load_service(settings, make_decode_pool(settings), lambda: None);"
        "print([name for name in ('tensorflow', 'keras', 'training') if name in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_tensorflow_and_onnx_runtime_agree(bundle: Bundle, nhcd: Dataset) -> None:
    """On real images of every class: the same features to 1e-5, the same labels."""
    part = nhcd[np.arange(0, len(nhcd), 20)]
    runtimes = [Recognizer(bundle.model, load_extractor(bundle, runtime)) for runtime in ("onnxruntime", "tensorflow")]
    on_cpu, on_tensorflow = (runtime.extractor(part.glyphs) for runtime in runtimes)
    np.testing.assert_allclose(on_cpu, on_tensorflow, atol=1e-5)
    labels = [
        [each.best.entry.class_id for each in runtime.recognize(part.glyphs, part.family.tolist()).recognitions]
        for runtime in runtimes
    ]
    assert labels[0] == labels[1]


def test_padded_sizes_are_all_values_of_padded_size() -> None:
    for largest in (1, 2, 3, 48, 64):
        assert padded_sizes(largest) == sorted({padded_size(size) for size in range(1, largest + 1)})


@pytest.mark.slow
def test_padding_does_not_change_features(bundle: Bundle) -> None:
    """Padding is for GPUs, which prepare for each new batch size."""
    extractor = load_extractor(bundle, "tensorflow")
    assert isinstance(extractor, TensorFlowExtractor)
    plain = extractor(drawn())
    extractor.pads = True
    padded = extractor(drawn())
    assert padded.shape == (3, 512)
    np.testing.assert_allclose(padded, plain, atol=1e-5)
