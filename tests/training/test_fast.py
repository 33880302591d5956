"""A network that learns fast is the plain one: the same weights, the same answers, the same statistics."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning"),
]


def test_its_weights_give_the_plain_network_its_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.training.test_extractor import small_recipe
    from training import extractor, fast

    monkeypatch.setattr(fast, "precision", lambda: "float32")
    with fast.layers():
        learner = extractor.build(small_recipe())
    plain = extractor.build(small_recipe())
    glyphs = np.random.default_rng(1).random((8, 32, 32, 1), np.float32)
    for _ in range(3):  # Statistics that move tell one normalisation from another.
        learner(glyphs, training=True)
    assert not np.allclose(learner(glyphs), plain(glyphs))
    plain.set_weights(learner.get_weights())
    np.testing.assert_allclose(learner(glyphs), plain(glyphs), atol=1e-5)
    assert {type(layer).__name__ for layer in plain.layers} & {"FusedNormalization"} == set()


def test_the_fused_normalisation_is_keras_own_but_for_the_kernel() -> None:
    import keras

    from training import fast

    values = np.random.default_rng(1).normal(3, 2, (64, 4, 4, 5)).astype(np.float32)
    ours, theirs = fast.FusedNormalization(momentum=0.5), keras.layers.BatchNormalization(momentum=0.5)
    for training in (True, True, False):
        found, expected = (np.asarray(layer(values, training=training)) for layer in (ours, theirs))
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3)  # Its variance divides by n - 1.
    for a, b in zip(ours.weights, theirs.weights, strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=2e-3, atol=1e-5)


@pytest.mark.parametrize(
    ("flags", "expected"), [("fpu avx512_bf16", "mixed_bfloat16"), ("amx_bf16", "mixed_bfloat16"), ("avx2", "float32")]
)
def test_precision_is_what_the_processor_multiplies(
    flags: str, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import keras

    from training import fast

    cpu = tmp_path / "cpuinfo"
    cpu.write_text(f"flags\t: {flags}\n")
    monkeypatch.setattr(fast, "_CPU", cpu)
    assert fast.precision() == expected
    before: Any = keras.config.dtype_policy()
    with fast.layers():
        assert keras.config.dtype_policy().name == expected
    assert keras.config.dtype_policy().name == before.name
    monkeypatch.setattr(fast, "_CPU", tmp_path / "absent")
    assert fast.precision() == "float32"
