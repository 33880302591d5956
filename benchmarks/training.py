"""Images a second that a training learns, by how its network is built: ``python -m benchmarks.training``.

Rows take turns of a few seconds; on a busy machine read them as ratios.
"""

from __future__ import annotations

from collections.abc import Callable

import keras
import numpy as np

from app.catalogue import JOINT_CLASSES
from app.framing import SIZE
from benchmarks.timing import seconds_per_call
from training import extractor, fast
from training.recipe import RECIPES


def _step(precision: str | None, jit_compile: bool) -> Callable[[], object]:
    """A step of the quick recipe's network, plain where no precision is given."""
    recipe = RECIPES["quick"]
    if precision:
        with fast.layers(precision):
            network = extractor.build(recipe)
    else:
        network = extractor.build(recipe)
    loss = keras.losses.CategoricalCrossentropy(from_logits=True)
    network.compile(extractor.one_cycle(recipe, 100), loss, jit_compile=jit_compile)
    rng = np.random.default_rng(1)
    glyphs = rng.random((recipe.batch, SIZE, SIZE, 1), np.float32)
    truth = extractor.one_hot(rng.integers(0, JOINT_CLASSES, recipe.batch))
    return lambda: network.train_on_batch(glyphs, truth)


if __name__ == "__main__":
    kinds = {
        "plain, XLA": (None, True),
        "plain": (None, False),
        "fused": ("float32", False),
        "fused, bfloat16": ("mixed_bfloat16", False),
    }
    steps = {name: _step(*how) for name, how in kinds.items()}
    batch = RECIPES["quick"].batch
    for name, seconds in seconds_per_call(steps, rounds=3, seconds=4).items():
        print(f"{name}: {batch / seconds:,.0f} images/s")
