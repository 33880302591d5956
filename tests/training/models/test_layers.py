"""A network in faster layers is the plain one: the same weights, predictions and statistics."""

from pathlib import Path

import numpy as np
import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning"),
]


def test_weights_of_a_fused_network_give_the_plain_network_the_same_logits() -> None:
    from training.models.network import build
    from training.recipe import Recipe

    recipe = Recipe(channels=(4, 6, 8))
    learner, plain = build(recipe, fused=True), build(recipe)
    glyphs = np.random.default_rng(1).random((8, 32, 32, 1), np.float32)
    for _ in range(3):  # Moving statistics distinguish one normalization from another.
        learner(glyphs, training=True)
    assert not np.allclose(learner(glyphs), plain(glyphs))
    plain.set_weights(learner.get_weights())
    np.testing.assert_allclose(learner(glyphs), plain(glyphs), atol=1e-5)
    assert "FusedNormalization" in {type(layer).__name__ for layer in learner.layers}
    assert "FusedNormalization" not in {type(layer).__name__ for layer in plain.layers}


@pytest.mark.parametrize("network", ["plain", "residual"])
def test_only_the_last_layers_compute_in_single_precision(network: str) -> None:
    from training.models.network import build
    from training.recipe import Recipe

    model = build(Recipe(channels=(4, 6, 8), network=network), fused=True, dtype="mixed_bfloat16")  # type: ignore[arg-type]
    computed = [layer.compute_dtype for layer in model.layers[1:]]
    assert computed == sorted(computed)  # bfloat16, then float32.
    assert computed.count("float32") == 3
    assert {weight.dtype for weight in model.weights} == {"float32"}


def test_fused_normalization_is_that_of_keras() -> None:
    import keras

    from training.models.layers import FusedNormalization

    values = np.random.default_rng(1).normal(3, 2, (64, 4, 4, 5)).astype(np.float32)
    fused, plain = FusedNormalization(momentum=0.5), keras.layers.BatchNormalization(momentum=0.5)
    for training in (True, True, False):
        normalized, expected = (np.asarray(layer(values, training=training)) for layer in (fused, plain))
        np.testing.assert_allclose(normalized, expected, rtol=1e-3, atol=1e-3)  # Its variance divides by n - 1.
    for a, b in zip(fused.weights, plain.weights, strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=2e-3, atol=1e-5)


@pytest.mark.parametrize(
    ("flags", "expected"), [("fpu avx512_bf16", "mixed_bfloat16"), ("amx_bf16", "mixed_bfloat16"), ("avx2", "float32")]
)
def test_precision_depends_on_what_the_processor_multiplies(
    flags: str, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from training.models import layers

    cpu = tmp_path / "cpuinfo"
    cpu.write_text(f"flags\t: {flags}\n")
    monkeypatch.setattr(layers, "_CPU", cpu)
    assert layers.training_dtype() == expected
    monkeypatch.setattr(layers, "_CPU", tmp_path / "absent")
    assert layers.training_dtype() == "float32"
