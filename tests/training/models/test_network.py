from pathlib import Path
from typing import Any

import numpy as np
import pytest

from training.data.augment import Augmentation
from training.data.sources import Source

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning"),
]


def small_recipe(**changes: Any) -> Any:
    from training.recipe import Recipe

    return Recipe(**{"channels": (4, 6, 8), "epochs": 2, "batch": 32, **changes})


def patterns(n: int = 128) -> tuple[np.ndarray, np.ndarray]:
    """Four easy classes: a bar in one of four places."""
    labels = np.arange(n) % 4
    glyphs = np.random.default_rng(0).uniform(0, 0.2, (n, 32, 32)).astype(np.float32)
    for row, label in enumerate(labels):
        glyphs[row, 4 + 6 * label : 8 + 6 * label, 4:28] = 1
    return glyphs, labels.astype(np.int64)


@pytest.mark.parametrize(("name", "parameters"), [("first", 628_554), ("full", 1_261_984)])
def test_a_network_has_the_expected_number_of_parameters(name: Any, parameters: int) -> None:
    from training.models.network import build
    from training.recipe import RECIPES

    classifier = build(RECIPES[name])
    assert classifier.count_params() == parameters <= 1_500_000
    assert classifier.output_shape == (None, 58)


def test_freezing_leaves_512_features_and_no_trainable_weights() -> None:
    from training.models.network import build, freeze

    extractor = freeze(build(small_recipe()))
    assert extractor.output_shape == (None, 512)
    assert not extractor.trainable_weights


def test_batches_depend_only_on_seed_epoch_and_index() -> None:
    from training.models.network import AugmentedBatches

    a, b = (AugmentedBatches([Source(*patterns())], Augmentation(), batch=32, seed=3) for _ in range(2))
    a.start_epoch(5)
    b[0]
    b.start_epoch(5)
    np.testing.assert_array_equal(a[2][0], b[2][0])
    first = a[0][1].tolist()
    a.start_epoch(6)
    assert a[0][1].tolist() != first
    assert np.concatenate([a[i][1] for i in range(len(a))]).sum(0)[:4].tolist() == [32] * 4


# Keras's log is left open by the interruption, as by a kill.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")
def test_an_interrupted_training_resumes_and_learns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import keras

    from training.models import network

    recipe = small_recipe(
        network="plain", cosine=0.0, epochs=6, batch=16, augmentation=Augmentation(shift=1, elastic=0)
    )
    epochs: list[int] = []

    class InterruptionError(Exception):
        pass

    real = network.AugmentedBatches.start_epoch

    def counted(self: Any, epoch: int) -> None:
        if hasattr(self, "_order"):  # Called by the training, not by the constructor.
            epochs.append(epoch)
            if epochs == [0, 1, 2, 3]:
                raise InterruptionError
        real(self, epoch)

    monkeypatch.setattr(network.AugmentedBatches, "start_epoch", counted)

    def run() -> Any:
        return network.train([Source(*patterns(512))], patterns(64), recipe, 1, tmp_path, verbose=0)

    with pytest.raises(InterruptionError):
        run()
    classifier = run()
    assert epochs == [0, 1, 2, 3, 3, 4, 5]
    lines = (tmp_path / "history.csv").read_text().splitlines()
    assert [line.partition(",")[0] for line in lines] == ["epoch", "0", "1", "2", "3", "4", "5"]

    glyphs, labels = patterns(64)
    logits = keras.ops.convert_to_numpy(classifier(glyphs[..., None], training=False))
    assert (logits.argmax(1) == labels).mean() > 0.9

    with pytest.raises(ValueError, match="another recipe or seed"):
        network.train([Source(*patterns())], patterns(64), recipe, 2, tmp_path, verbose=0)
