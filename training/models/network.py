"""The network: trained on all 58 classes at once, then cut off before its last layers and frozen into 512 features.

Written against Keras 3 alone: ``KERAS_BACKEND`` chooses TensorFlow, JAX or PyTorch.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import keras
import numpy as np
import numpy.typing as npt
from keras import layers

from akshar.imaging.glyph import SIZE
from akshar.model.classes import JOINT_CLASSES
from training.data.augment import Augmentation, Batch
from training.data.outliers import OUTLIER_CLASSES
from training.data.sources import Labels, Source
from training.models.history import HISTORY, RunError, read_history
from training.models.layers import Layers, training_dtype
from training.recipe import Recipe

Targets = npt.NDArray[np.float32]
"""Shares of the 58 classes in each image, shape (n, 58)."""
FEATURES: Final = 512
FEATURE_LAYER: Final = "features"
_NECK: Final = 64
"""Channels to which a residual network is narrowed, so that the dense layer does not hold most of its weights."""


def build(recipe: Recipe, outputs: int = JOINT_CLASSES, *, fused: bool = False, dtype: str = "float32") -> keras.Model:
    """The classifier: glyphs (n, 32, 32, 1) to logits (n, outputs), after three stages of convolutions.

    Args:
        recipe: see `Recipe`.
        outputs: the 58 classes, and those of outliers while it is trained.
        fused: see `Layers`.
        dtype: of all but the last layers, which compute in single precision: the loss compares close cosines.
    """
    make = Layers(fused, dtype)
    glyph = keras.Input((SIZE, SIZE, 1), name="glyph")
    x = _plain(glyph, recipe, make) if recipe.network == "plain" else _residual(glyph, recipe, make)
    x = layers.Flatten(dtype=dtype)(x)
    x = layers.Dense(FEATURES, use_bias=False, dtype=dtype)(x)
    x = make.relu(make.normalization(x), name=FEATURE_LAYER)
    x = layers.Dropout(recipe.dropout, dtype=dtype)(x)
    if recipe.cosine:
        unit = keras.constraints.UnitNorm(axis=0)
        x = layers.UnitNormalization(dtype="float32")(x)
        x = layers.Dense(outputs, use_bias=False, kernel_constraint=unit, dtype="float32")(x)
        return keras.Model(glyph, layers.Rescaling(recipe.cosine, dtype="float32", name="logits")(x), name="akshar")
    return keras.Model(glyph, layers.Dense(outputs, dtype="float32", name="logits")(x), name="akshar")


def _plain(x: keras.KerasTensor, recipe: Recipe, make: Layers) -> keras.KerasTensor:
    for channels in recipe.channels:  # 32 -> 16 -> 8 -> 4 pixels a side
        for _ in range(2):
            x = make.relu(make.convolution(x, channels))
        x = layers.MaxPooling2D(dtype=make.dtype)(x)
    return x


def _residual(x: keras.KerasTensor, recipe: Recipe, make: Layers) -> keras.KerasTensor:
    """Three stages at 16, 8 and 4 pixels a side: a stroke is wider than the stem's stride."""
    x = make.relu(make.convolution(x, recipe.channels[0], 5, strides=2))
    for stage, channels in enumerate(recipe.channels):
        for block in range(recipe.blocks):
            strides = 2 if stage and not block else 1
            residual = make.relu(make.convolution(x, channels, strides=strides))
            residual = make.convolution(residual, channels)
            if strides > 1:
                x = layers.AveragePooling2D(2, dtype=make.dtype)(x)
            if x.shape[-1] != channels:
                x = make.convolution(x, channels, 1)
            x = make.relu(layers.Add(dtype=make.dtype)([x, residual]))
    return make.relu(make.convolution(x, _NECK, 1))


def freeze(classifier: keras.Model) -> keras.Model:
    """The extractor: the classifier without its last layers, weights shared and frozen. (n, 32, 32, 1) to (n, 512).

    If the classifier uses only the direction of its features, they are scaled to length 1: an SVC would take the short
    features of a doubtful glyph for those of the class with the shortest features.
    """
    features = classifier.get_layer(FEATURE_LAYER).output
    if any(isinstance(layer, layers.UnitNormalization) for layer in classifier.layers):
        features = layers.UnitNormalization()(features)
    extractor = keras.Model(classifier.input, features, name="akshar_extractor")
    extractor.trainable = False
    return extractor


class AugmentedBatches(keras.utils.PyDataset):  # type: ignore[misc]
    """Shuffled, augmented batches that depend only on seed, epoch and index, so that a resumed run repeats them."""

    def __init__(self, sources: Sequence[Source], augmentation: Augmentation, batch: int, seed: int) -> None:
        super().__init__(workers=1)
        self._sources, self._augmentation = sources, augmentation
        self._batch, self._seed = batch, seed
        self._glyphs = np.concatenate([source.glyphs for source in sources])
        has_outliers = any(source.outlier_targets is not None for source in sources)
        self.outputs = JOINT_CLASSES + has_outliers * OUTLIER_CLASSES
        # Hundreds of numbers for each image, halves and ones.
        self._targets = np.concatenate([_targets(source, self.outputs).astype(np.float16) for source in sources])
        self.start_epoch(0)

    def start_epoch(self, epoch: int) -> None:
        """Draw and shuffle again; called before each epoch's first batch."""
        self._epoch = epoch
        rng = np.random.default_rng([self._seed, epoch])
        firsts = np.cumsum([0, *(len(source.joint) for source in self._sources)])
        rows = [first + source.draw(rng) for first, source in zip(firsts, self._sources, strict=False)]
        self._order = rng.permutation(np.concatenate(rows))

    def __len__(self) -> int:
        # A short last batch would disturb batch normalization; the next epoch's shuffle includes its images.
        return max(1, len(self._order) // self._batch)

    def __getitem__(self, index: int) -> tuple[npt.NDArray[np.float32], Targets]:
        rows = self._order[index * self._batch : (index + 1) * self._batch]
        rng = np.random.default_rng([self._seed, self._epoch, index])
        return self._augmentation(self._glyphs[rows], rng)[..., None], self._targets[rows].astype(np.float32)


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
        training: the images of each epoch.
        validation: glyphs (n, 32, 32) and joint indices (n,), never augmented; they choose the epoch that is kept.
        recipe: see `Recipe`.
        seed: of the weights, the order of the images and their augmentation.
        folder: see `fit`.
        verbose: Keras's: 1 for a bar, 2 for a line per epoch, 0 for silence.
    """
    ensure_run_dir(folder, {"recipe": asdict(recipe), "seed": seed})
    keras.utils.set_random_seed(seed)
    batches = AugmentedBatches(training, recipe.augmentation, recipe.batch, seed)
    # The same weights in faster layers; what is returned is the plain network.
    learner = build(recipe, batches.outputs, fused=True, dtype=training_dtype())
    learner.compile(
        optimizer=one_cycle(recipe, len(batches)),
        loss=keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=recipe.label_smoothing),
        metrics=["accuracy"],
    )
    fit(learner, batches, validation, recipe.epochs, folder, verbose)
    classifier = build(recipe)
    # Only the last layer is wider, by the classes of outliers.
    pairs = zip(learner.get_weights(), classifier.get_weights(), strict=True)
    classifier.set_weights([learnt[..., : own.shape[-1]] for learnt, own in pairs])
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

    Each epoch leaves its state in ``folder``, and a line of loss and accuracy in its `HISTORY`. Called again with the
    same arguments after an interruption, training resumes after the last whole epoch.
    """
    history, best = folder / HISTORY, folder / "best.weights.h5"
    classifier.fit(
        batches,
        validation_data=(validation[0][..., None], one_hot(validation[1], batches.outputs)),
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
                initial_value_threshold=_min_loss(history),
            ),
            # Last, so that a state is only kept after the epoch's line and best weights.
            keras.callbacks.BackupAndRestore(str(folder / "state"), delete_checkpoint=False),
        ],
    )
    classifier.load_weights(best)


def ensure_run_dir(folder: Path, settings: dict[str, Any]) -> None:
    """Make a folder for the checkpoints of a training, or check that those in it belong to this training.

    Raises:
        RunError: they belong to another recipe or seed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    plain = json.loads(json.dumps(settings))
    record = folder / "recipe.json"
    if not record.exists():
        record.write_text(json.dumps(plain, indent=2))
    elif json.loads(record.read_text()) != plain:
        raise RunError(f"{folder} holds the training of another recipe or seed; remove it or name another folder.")


def one_cycle(recipe: Recipe, steps_per_epoch: int) -> keras.optimizers.Optimizer:
    """AdamW with a rate that rises for two epochs and then falls along a cosine."""
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


def one_hot(joint: Labels, outputs: int = JOINT_CLASSES) -> Targets:
    """Joint indices (n,) as targets (n, outputs)."""
    return np.eye(JOINT_CLASSES, outputs, dtype=np.float32)[joint]


def _targets(source: Source, outputs: int) -> Targets:
    """What a network with so many outputs shall say of a source's images, shape (n, outputs)."""
    if source.outlier_targets is None:
        return one_hot(source.joint, outputs)
    return np.pad(source.outlier_targets, ((0, 0), (JOINT_CLASSES, 0)))


def _min_loss(history: Path) -> float | None:
    """The lowest validation loss so far, so that a resumed run replaces the best weights only by better ones."""
    return min((row["val_loss"] for row in read_history(history)), default=None)
