"""Training speed in images per second, by how the network is built: ``python -m benchmarks.training``.

The variants take turns of a few seconds; on a busy machine compare them as ratios.
"""

from __future__ import annotations

from collections.abc import Callable

import keras
import numpy as np

from akshar.imaging.glyph import SIZE
from akshar.model.classes import JOINT_CLASSES
from benchmarks.timing import seconds_per_call
from training.models.network import build, one_cycle, one_hot
from training.recipe import RECIPES


def _step(fused: bool, dtype: str, jit_compile: bool) -> Callable[[], object]:
    """One step of training the network of the quick recipe; see `build`. ``jit_compile`` is for XLA."""
    recipe = RECIPES["quick"]
    network = build(recipe, fused=fused, dtype=dtype)
    loss = keras.losses.CategoricalCrossentropy(from_logits=True)
    network.compile(one_cycle(recipe, 100), loss, jit_compile=jit_compile)
    rng = np.random.default_rng(1)
    glyphs = rng.random((recipe.batch, SIZE, SIZE, 1), np.float32)
    targets = one_hot(rng.integers(0, JOINT_CLASSES, recipe.batch))
    return lambda: network.train_on_batch(glyphs, targets)


if __name__ == "__main__":
    variants = {
        "plain, XLA": (False, "float32", True),
        "plain": (False, "float32", False),
        "fused": (True, "float32", False),
        "fused, bfloat16": (True, "mixed_bfloat16", False),
    }
    steps = {name: _step(*variant) for name, variant in variants.items()}
    batch = RECIPES["quick"].batch
    for name, seconds in seconds_per_call(steps, rounds=3, seconds=4).items():
        print(f"{name}: {batch / seconds:,.0f} images/s")
