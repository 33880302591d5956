"""The network: learns all 58 classes at once, then loses its last layers and freezes into 512 features.

Written against Keras 3 alone: ``KERAS_BACKEND`` chooses TensorFlow, JAX or PyTorch.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
from keras import layers

from app.catalogue import JOINT_CLASSES
from app.framing import SIZE
from training import fast
from training.augment import Augmentation, Batch
from training.recipe import Recipe
from training.runs import HISTORY, RunError, read_history
from training.sources import Labels, Source

Truth = npt.NDArray[np.float32]
"""Shares of the 58 classes in each image, shape (n, 58)."""
FEATURES = 512
FEATURE_LAYER = "features"
_NECK = 64
"""Channels to which a residual network is narrowed, so that the dense layer does not hold most of its weights."""


def build(recipe: Recipe) -> keras.Model:
    """The classifier: glyphs (n, 32, 32, 1) to logits (n, 58), after three stages of convolutions.

    Its last layers compute in single precision whatever the rest does: the loss compares close cosines.
    """
    glyph = keras.Input((SIZE, SIZE, 1), name="glyph")
    x = _plain(glyph, recipe) if recipe.network == "plain" else _residual(glyph, recipe)
    x = layers.Flatten()(x)
    x = layers.Dense(FEATURES, use_bias=False)(x)
    x = fast.normalised(x)
    x = layers.ReLU(name=FEATURE_LAYER)(x)
    x = layers.Dropout(recipe.dropout)(x)
    if recipe.cosine:
        unit = keras.constraints.UnitNorm(axis=0)
        x = layers.UnitNormalization(dtype="float32")(x)
        x = layers.Dense(JOINT_CLASSES, use_bias=False, kernel_constraint=unit, dtype="float32")(x)
        return keras.Model(glyph, layers.Rescaling(recipe.cosine, dtype="float32", name="logits")(x), name="akshar")
    return keras.Model(glyph, layers.Dense(JOINT_CLASSES, dtype="float32", name="logits")(x), name="akshar")


def _plain(x: keras.KerasTensor, recipe: Recipe) -> keras.KerasTensor:
    for channels in recipe.channels:  # 32 -> 16 -> 8 -> 4 pixels a side
        for _ in range(2):
            x = layers.ReLU()(_convolved(x, channels))
        x = layers.MaxPooling2D()(x)
    return x


def _residual(x: keras.KerasTensor, recipe: Recipe) -> keras.KerasTensor:
    """The same places at 16, 8 and 4 pixels a side: a stroke is wider than the stem's stride."""
    x = layers.ReLU()(_convolved(x, recipe.channels[0], 5, strides=2))
    for stage, channels in enumerate(recipe.channels):
        for block in range(recipe.blocks):
            strides = 2 if stage and not block else 1
            changed = layers.ReLU()(_convolved(x, channels, strides=strides))
            changed = _convolved(changed, channels)
            if strides > 1:
                x = layers.AveragePooling2D(2)(x)
            if x.shape[-1] != channels:
                x = _convolved(x, channels, 1)
            x = layers.ReLU()(layers.Add()([x, changed]))
    return layers.ReLU()(_convolved(x, _NECK, 1))


def _convolved(x: keras.KerasTensor, channels: int, size: int = 3, strides: int = 1) -> keras.KerasTensor:
    x = layers.Conv2D(channels, size, strides=strides, padding="same", use_bias=False)(x)
    return fast.normalised(x)


def freeze(classifier: keras.Model) -> keras.Model:
    """The extractor: the classifier without its last layers, weights shared and frozen. (n, 32, 32, 1) to (n, 512).

    Where the classifier looks at the direction of its features alone, they are brought to length 1: an SVC would take
    the short features of a doubtful glyph for those of the class whose features are shortest.
    """
    features = classifier.get_layer(FEATURE_LAYER).output
    if any(isinstance(layer, layers.UnitNormalization) for layer in classifier.layers):
        features = layers.UnitNormalization()(features)
    extractor = keras.Model(classifier.input, features, name="akshar_extractor")
    extractor.trainable = False
    return extractor


class AugmentedBatches(keras.utils.PyDataset):
    """Shuffled, augmented batches, each decided by seed, epoch and index alone, so that a resumed run repeats them."""

    def __init__(self, sources: Sequence[Source], augmentation: Augmentation, batch: int, seed: int) -> None:
        super().__init__(workers=1)
        self._sources, self._augmentation = sources, augmentation
        self._batch, self._seed = batch, seed
        self._glyphs = np.concatenate([source.glyphs for source in sources])
        self._truth = one_hot(np.concatenate([source.joint for source in sources]))
        self.start_epoch(0)

    def start_epoch(self, epoch: int) -> None:
        """Draw and shuffle anew; called before each epoch's first batch."""
        self._epoch = epoch
        rng = np.random.default_rng([self._seed, epoch])
        firsts = np.cumsum([0, *(len(source.joint) for source in self._sources)])
        drawn = [first + source.draw(rng) for first, source in zip(firsts, self._sources, strict=False)]
        self._order = rng.permutation(np.concatenate(drawn))

    def __len__(self) -> int:
        # A short last batch would unsettle batch normalisation; the next epoch's shuffle brings its images in.
        return max(1, len(self._order) // self._batch)

    def __getitem__(self, index: int) -> tuple[npt.NDArray[np.float32], Truth]:
        rows = self._order[index * self._batch : (index + 1) * self._batch]
        rng = np.random.default_rng([self._seed, self._epoch, index])
        return self._augmentation(self._glyphs[rows], rng)[..., None], self._truth[rows]


def train(
    training: Sequence[Source],
    validation: tuple[Batch, Labels],
    recipe: Recipe,
    seed: int,
    folder: Path,
    verbose: int = 1,
) -> keras.Model:
    """Train the classifier of a recipe; see `fit`.

    Args:
        training: what is learnt in each epoch.
        validation: glyphs (n, 32, 32) and joint indices (n,), never augmented; they choose the epoch that is kept.
        recipe: see `Recipe`.
        seed: of the weights, the order of the images and their augmentation.
        folder: see `fit`.
        verbose: Keras's: 1 for a bar, 2 for a line an epoch, 0 for silence.
    """
    claim(folder, {"recipe": asdict(recipe), "seed": seed})
    keras.utils.set_random_seed(seed)
    batches = AugmentedBatches(training, recipe.augmentation, recipe.batch, seed)
    with fast.layers():
        learner = build(recipe)
    learner.compile(
        optimizer=one_cycle(recipe, len(batches)),
        loss=keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=recipe.label_smoothing),
        metrics=["accuracy"],
    )
    fit(learner, batches, validation, recipe.epochs, folder, verbose)
    classifier = build(recipe)
    classifier.set_weights(learner.get_weights())
    return classifier


def fit(
    classifier: keras.Model,
    batches: AugmentedBatches,
    validation: tuple[Batch, Labels],
    epochs: int,
    folder: Path,
    verbose: int = 1,
) -> None:
    """Train a compiled classifier and leave it with the weights of its best validation loss.

    Each epoch leaves its state in ``folder``, and a line of loss and accuracy in its `HISTORY`; called again
    with the same arguments after an interruption, training goes on from the last whole epoch. Progress is Keras's bar
    (``verbose=1``) or a line per epoch (2).
    """
    history, best = folder / HISTORY, folder / "best.weights.h5"
    classifier.fit(
        batches,
        validation_data=(validation[0][..., None], one_hot(validation[1])),
        validation_batch_size=512,
        epochs=epochs,
        verbose=verbose,
        callbacks=[
            keras.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: batches.start_epoch(epoch)),
            keras.callbacks.CSVLogger(str(history), append=True),
            keras.callbacks.ModelCheckpoint(
                str(best),
                monitor="val_loss",
                save_best_only=True,
                save_weights_only=True,
                initial_value_threshold=_least_loss(history),
            ),
            # Last, so that a state is only kept once the epoch's line and best weights are.
            keras.callbacks.BackupAndRestore(str(folder / "state"), delete_checkpoint=False),
        ],
    )
    classifier.load_weights(best)


def claim(folder: Path, training: dict[str, Any]) -> None:
    """Make a folder for the states of a training, or see that those in it are of this one.

    Raises:
        RunError: they are of another recipe or seed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    ours = json.loads(json.dumps(training))
    record = folder / "recipe.json"
    if not record.exists():
        record.write_text(json.dumps(ours, indent=2))
    elif json.loads(record.read_text()) != ours:
        raise RunError(f"{folder} holds the training of another recipe or seed; remove it or name another folder.")


def one_cycle(recipe: Recipe, steps_per_epoch: int) -> keras.optimizers.Optimizer:
    """AdamW whose rate rises for two epochs and falls along a cosine."""
    steps, warmup = recipe.epochs * steps_per_epoch, 2 * steps_per_epoch
    schedule = keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=0.0,
        decay_steps=max(1, steps - warmup),
        warmup_target=recipe.learning_rate,
        warmup_steps=warmup,
    )
    optimizer = keras.optimizers.AdamW(schedule, weight_decay=recipe.weight_decay)
    optimizer.exclude_from_weight_decay(var_names=["gamma", "beta", "bias"])
    return optimizer


def one_hot(joint: Labels) -> Truth:
    """Joint indices (n,) as shares of the classes (n, 58)."""
    return np.eye(JOINT_CLASSES, dtype=np.float32)[joint]


def _least_loss(history: Path) -> float | None:
    """The least validation loss so far, so that a resumed run keeps better weights than it makes anew."""
    return min((row["val_loss"] for row in read_history(history)), default=None)
