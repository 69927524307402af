"""preflight.output, preflight.loss: sound losses of every kind, softmax twice or never, void, rare classes."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from helpers import losses
from helpers.preflight import training
from support.preflight_models import (
    SparseCE,
    assert_found,
    assert_healthy,
    batch,
    compiled,
    convolutions,
    examine,
    filled,
    hot,
    one_output,
    small,
    thing_or_not,
    to_unit,
)

CategoricalCE = keras.losses.CategoricalCrossentropy
PLAIN = keras.losses.SparseCategoricalCrossentropy


def binary_crossentropy(logits):
    return keras.losses.BinaryCrossentropy(from_logits=logits)


def binary_dice(y, z):
    p, y = ops.sigmoid(z), ops.cast(y, "float32")
    return 1 - 2 * ops.sum(p * y) / (ops.sum(p) + ops.sum(y))


def smoothing(y, p):
    return keras.losses.categorical_crossentropy(y, p, label_smoothing=0.1)


def sigmoids():
    return layers.Activation("sigmoid")


def penalised():
    return convolutions(to_unit(), kernel_regularizer=keras.regularizers.L2(1e-2))


def counts():
    return np.bincount(filled()[1].ravel(), minlength=4)


SOUND = {
    "softmax and Keras' cross-entropy": lambda: (small(layers.Softmax(), loss=SparseCE()), batch()),
    "logits and Keras' cross-entropy": lambda: (small(loss=SparseCE(from_logits=True)), batch()),
    "Dice": lambda: (small(loss=losses.Dice()), batch()),
    "a sum of losses": lambda: (small(loss=losses.Sum([losses.CrossEntropy(), losses.Dice()])), batch()),
    "class weights": lambda: (small(loss=losses.CrossEntropy(losses.class_weights(counts(), "median"))), batch()),
    "sigmoid": lambda: (
        compiled(one_output(activation="sigmoid"), binary_crossentropy(False), scores=["accuracy"]),
        thing_or_not(),
    ),
    "one logit": lambda: (compiled(one_output(), binary_crossentropy(True)), thing_or_not()),
    "one logit and Dice": lambda: (compiled(one_output(), binary_dice), thing_or_not()),
    "one sigmoid and focal loss": lambda: (
        compiled(one_output(activation="sigmoid"), keras.losses.BinaryFocalCrossentropy()),
        thing_or_not(),
    ),
    "one-hot": lambda: (small(loss=CategoricalCE(from_logits=True), scores=["accuracy"]), hot()),
    "focal loss": lambda: (small(loss=keras.losses.CategoricalFocalCrossentropy(from_logits=True)), hot()),
    "label smoothing": lambda: (small(loss=CategoricalCE(from_logits=True, label_smoothing=0.1)), hot()),
    "label smoothing in a function": lambda: (small(layers.Softmax(), loss=smoothing), hot()),
    "smoothed labels": lambda: (small(loss=CategoricalCE(from_logits=True)), (hot()[0], 0.9 * hot()[1] + 0.025)),
    "sigmoids of several classes": lambda: (small(sigmoids(), loss=binary_crossentropy(False)), hot()),
    "logits of several classes, each its own": lambda: (small(loss=binary_crossentropy(True)), hot()),
    "a loss in a list": lambda: (small(loss=[SparseCE(from_logits=True)]), batch()),
    "names in place of objects": lambda: (
        small(layers.Softmax(), loss="sparse_categorical_crossentropy", optimizer="adam", scores=["accuracy"]),
        filled(),
    ),
    "sample weights": lambda: (
        small(loss=PLAIN(from_logits=True)),
        (*filled(), (batch()[1] != 255).astype("float32")),
    ),
    "a penalty on the weights": lambda: (compiled(penalised()), batch()),
}


@pytest.mark.parametrize("name", SOUND)
def test_nothing_is_said_against_a_sound_loss(name, monkeypatch):
    monkeypatch.setattr(training, "_STEPS", 20)  # are enough to learn these pictures by heart
    text = assert_healthy(*SOUND[name]())
    assert "overfit      ok" in text
    assert "optimizer    ok" in text or "slow or stuck, these steps cannot tell" in " ".join(text.split())


# ---- and what is found ----------------------------------------------------------------------------------------------


def by_argmax(labels, logits):
    labels = ops.cast(labels, "float32")
    wrong = ops.cast(ops.argmax(logits, axis=-1), "float32") != labels
    return ops.mean(ops.cast(wrong, "float32") * ops.cast(labels != 255, "float32"))


def picture_by_picture(least):
    """A cross-entropy in which each picture counts the same; the number of its labelled pixels is at least so many."""

    def loss(labels, logits):
        valid = ops.cast(labels != 255, "float32")
        truth = ops.one_hot(ops.where(labels == 255, 0, ops.cast(labels, "int32")), 4)
        total = ops.sum(-ops.sum(truth * ops.log_softmax(logits), axis=-1) * valid, axis=(1, 2))
        return ops.mean(total / ops.maximum(ops.sum(valid, axis=(1, 2)), least))

    return loss


def upside_down(labels, logits):
    return 2 - losses.Dice()(labels, logits)


def void_as_sky(labels, logits):
    return PLAIN(from_logits=True)(ops.where(labels == 255, 0, labels), logits)


def dice_of_each_class(labels, p):
    """A Dice that counts a class which does not occur as missed."""
    both, sizes = ops.sum(labels * p, axis=(0, 1, 2)), ops.sum(labels + p, axis=(0, 1, 2))
    return 1 - ops.mean(2 * both / (sizes + 1e-6))


def without_smoothing(labels, p):
    """A Dice of each class that is 0/0 for a class which is neither in the labels nor predicted."""
    both, sizes = ops.sum(labels * p, axis=(0, 1, 2)), ops.sum(labels + p, axis=(0, 1, 2))
    return 1 - ops.mean(2 * both / sizes)


def without_signs():
    x, y = filled()
    return x, np.eye(4, dtype="float32")[np.where(y == 3, 1, y)]


def mapped(*head):
    """It ends in a softmax that Keras does not look past."""
    return layers.Softmax(), layers.Reshape((24, 24, 4)), *head


def stops(labels, logits):
    raise ValueError("This loss stops.")


SICK = {  # what it suffers from: (check, words, the sick, its cured twin or None)
    "softmax in the model and in the loss": (
        "loss",
        "double softmax: one in the model, one in the loss",
        lambda: (small(*mapped()), batch()),
        None,
    ),
    "softmax in the model and in Keras' loss": (
        "loss",
        "double softmax: one in the model, one in the loss",
        lambda: (small(*mapped(), loss=SparseCE(from_logits=True)), batch()),
        lambda: (small(*mapped(), loss=SparseCE()), batch()),
    ),
    "softmax twice in the model": (
        "output",
        "double softmax: two of them in the model",
        lambda: (small(layers.Softmax(), layers.Softmax(), loss=SparseCE()), batch()),
        None,
    ),
    "logits for a loss of probabilities": (
        "loss",
        "no softmax at the end of the model",
        lambda: (small(loss=SparseCE()), batch()),
        None,
    ),
    "one logit for a loss of probabilities": (
        "loss",
        "no softmax at the end of the model",
        lambda: (compiled(one_output(), binary_crossentropy(False)), thing_or_not()),
        None,
    ),
    "sigmoid twice": (
        "loss",
        "takes them for logits",
        lambda: (compiled(one_output(activation="sigmoid"), binary_crossentropy(True)), thing_or_not()),
        None,
    ),
    "a loss that divides by a picture's valid pixels": (
        "loss",
        "nothing but void",
        lambda: (small(loss=picture_by_picture(0)), batch()),
        lambda: (small(loss=picture_by_picture(1)), batch()),
    ),
    "a Dice that ignores rare classes": (
        "loss",
        "this Dice ignores rare classes",
        lambda: (small(layers.Softmax(), loss=keras.losses.Dice()), hot()),
        lambda: (small(layers.Softmax(), loss=keras.losses.Dice(axis=(0, 1, 2))), hot()),
    ),
    "a Dice that misses absent classes": (
        "loss",
        "1 of 4 classes are not in this batch",
        lambda: (small(layers.Softmax(), loss=dice_of_each_class), without_signs()),
        lambda: (small(layers.Softmax(), loss=dice_of_each_class), hot()),
    ),
    "a Dice that divides by nothing": (
        "loss",
        "leaves nothing below the line",
        lambda: (small(layers.Softmax(), loss=without_smoothing), without_signs()),
        None,
    ),
    "a loss with its sign reversed": (
        "loss",
        "prefers a wrong answer",
        lambda: (small(loss=upside_down), batch()),
        None,
    ),
    "void trained as a class": (
        "loss",
        "multiply by (labels != 255)",
        lambda: (small(loss=void_as_sky), batch()),
        None,
    ),
    "a loss that does not know void": (
        "loss",
        "ignore_class=255 in the loss",
        lambda: (small(loss=SparseCE(from_logits=True, ignore_class=None)), batch()),
        None,
    ),
    "a loss of other labels": ("loss", "wants the other form", lambda: (small(loss=CategoricalCE()), batch()), None),
    "a loss that stops": ("loss", "ValueError: This loss stops", lambda: (small(loss=stops), batch()), None),
    "a layer that divides by 0": (
        "output",
        "first in divided",
        lambda: (small(layers.Lambda(lambda z: z / (0 * z), name="divided")), batch()),
        None,
    ),
}


@pytest.mark.parametrize("name", SICK)
def test_a_sick_loss_or_output_is_found(name):
    check, words, sick, _ = SICK[name]
    assert_found(check, words, *sick())


@pytest.mark.parametrize("name", [name for name, (*_, cured) in SICK.items() if cured])
def test_nothing_is_said_against_a_cured_loss(name):
    assert_healthy(*SICK[name][-1](), seconds=0)


def test_what_the_loss_says_is_told(sound):
    assert "Wants logits, and gets them; perfect 0, undecided 1.39. What stands at void" in " ".join(sound[1].split())
    _, text = examine(small(layers.Softmax(), loss=CategoricalCE()), hot(), seconds=0)
    assert "Wants probabilities, and gets them;" in text and "at void pixels" not in text
