"""Several networks' answers learnt by one: what an ensemble knows, for the cost of a single extractor.

Hinton, Vinyals and Dean, "Distilling the knowledge in a neural network", 2015. Teachers see the very glyph that the
student sees (Beyer et al., "Knowledge distillation: a good teacher is patient and consistent", 2022): they stand in
the graph beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import keras
from keras import layers, ops

TAUGHT = 0.7
"""Weight of the teachers' answer; the rest is the label's."""


def taught_by(student: keras.Model, teachers: Sequence[keras.Model]) -> keras.Model:
    """The student and its frozen teachers on one glyph.

    (n, 32, 32, 1) to the student's logits and the teachers' probabilities, side by side: (n, 2 x classes).
    """
    glyph = keras.Input(student.input_shape[1:])
    answers = []
    for number, teacher in enumerate(teachers, 1):
        teacher.name, teacher.trainable = f"teacher_{number}", False
        answers.append(layers.Softmax()(teacher(glyph, training=False)))
    answer = layers.Average()(answers) if len(answers) > 1 else answers[0]
    return keras.Model(glyph, layers.Concatenate()([student(glyph), answer]), name="lesson")


def distilled(crossentropy: Callable[..., keras.KerasTensor]) -> Callable[..., keras.KerasTensor]:
    """A loss of labels (n, classes) and the outputs of `taught_by`."""

    def loss(truth: keras.KerasTensor, outputs: keras.KerasTensor) -> keras.KerasTensor:
        logits, answer = ops.split(outputs, 2, axis=-1)
        learnt = ops.categorical_crossentropy(answer, logits, from_logits=True)
        return (1 - TAUGHT) * crossentropy(truth, logits) + TAUGHT * ops.mean(learnt)

    return loss


def accuracy(truth: keras.KerasTensor, outputs: keras.KerasTensor) -> keras.KerasTensor:
    """Share of images that the student reads right."""
    return keras.metrics.categorical_accuracy(truth, ops.split(outputs, 2, axis=-1)[0])
