"""preflight.model: a model that cannot be examined, or does not fit its images and labels, gets a sentence."""

from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers, ops

from support.preflight_models import (
    assert_found,
    assert_healthy,
    batch,
    compiled,
    convolutions,
    examine,
    filled,
    hot,
    large,
    network,
    relabelled,
    small,
    to_unit,
    two_outputs,
)

ROOT = Path(__file__).resolve().parents[2]


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.scale, self.drop, self.head = to_unit(), layers.Dropout(0.2), layers.Conv2D(4, 1)
        self.convolutions = [layers.Conv2D(12, 3, padding="same", kernel_initializer="he_normal") for _ in "ab"]
        self.norms = [layers.BatchNormalization(momentum=0.9) for _ in "ab"]

    def call(self, x, training=False):
        x = self.scale(x)
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            x = ops.relu(norm(convolution(x), training=training))
        return self.head(self.drop(x, training=training))


def test_a_model_that_is_not_built_yet_with_dropout_is_healthy():
    assert_healthy(compiled(Subclassed()), batch())


def with_nan():
    model = network()
    model.get_layer("logits").bias.assign([0, np.nan, 0, 0])
    return compiled(model)


def uncompiled(loss=None):
    model = network()
    if loss is not False:
        model.compile("adam", loss)
    return model


def one_answer():
    top = [layers.GlobalAveragePooling2D(), layers.Dense(4)]
    return compiled(keras.Sequential([keras.Input((24, 24, 3)), to_unit(), layers.Conv2D(8, 3), *top]))


class NotOfWholeNumbers(keras.Model):
    """It multiplies its images with numbers that are float32, without looking at the images' type."""

    def call(self, x):
        return tf.tensordot(x, tf.ones((3, 4)), 1)


BROKEN = {  # what is broken: (check, words, model and data)
    "a model that is not compiled": ("model", "not compiled", lambda: (uncompiled(False), batch())),
    "a model without a loss": ("model", "compile was not called, or without", lambda: (uncompiled(), batch())),
    "no model": ("model", "NoneType, not a keras.Model", lambda: (None, batch())),
    "a layer for a model": ("model", "not a keras.Model", lambda: (layers.Conv2D(4, 1), batch())),
    "the model's class": ("model", "not a keras.Model", lambda: (keras.Model, batch())),
    "data first": ("model", "the compiled model first", batch),
    "two outputs": ("model", "The model gives 2 outputs", lambda: (two_outputs(), batch())),
    "NaN in a weight": ("model", "already diverged", lambda: (with_nan(), batch())),
    "images without channels": ("model", "does not take", lambda: (small(), (batch()[0][..., 0], batch()[1]))),
    "grey images": ("model", "built for (24, 24, 3)", lambda: (small(), (batch()[0][..., :1], batch()[1]))),
    "images of another size": ("model", "Resize the images", lambda: (small(layers.Reshape((24, 24, 4))), large())),
    "whole numbers": ("model", 'images.astype("float32")', lambda: (compiled(NotOfWholeNumbers()), batch())),
    "one answer for the image": ("shapes", "one answer per image", lambda: (one_answer(), batch())),
    "label maps of another size": ("shapes", "different pixels", lambda: (small(), (batch()[0], large()[1]))),
    "one-hot labels of other classes": (
        "shapes",
        "as many outputs as classes",
        lambda: (small(), (batch()[0], np.eye(5)[filled()[1]])),
    ),
    "one-hot labels, class first": (
        "shapes",
        "One-hot labels with their class axis first",
        lambda: (small(), relabelled(lambda y: np.moveaxis(y, -1, 1), hot)),
    ),
    "an output, class first": (
        "shapes",
        "The output has its class axis first",
        lambda: (small(layers.Permute((3, 1, 2))), batch()),
    ),
    "a list of pixels, a map of labels": (
        "shapes",
        "list of pixels",
        lambda: (small(layers.Reshape((576, 4))), batch()),
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_model_that_it_cannot_work_with_gets_a_sentence(name):
    check, words, made = BROKEN[name]
    assert len(assert_found(check, words, *made())) == 1


def test_a_slow_model_is_tried_on_fewer_images(monkeypatch):
    """The clock jumps by ten seconds at each look at it."""
    from helpers.preflight import model as module

    ticks = iter(range(0, 1000, 10))
    monkeypatch.setattr(module.time, "perf_counter", lambda: next(ticks))
    text = assert_healthy(compiled(convolutions(to_unit())), batch(), seconds=0)
    assert "Output (2, 24, 24, 4), labels (2, 24, 24)" in text and "images (8, 24, 24, 3)" in text


def test_another_backend_gets_a_sentence(monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "openvino")
    (problem,), _ = examine(small(), batch())
    assert problem.check == "model" and "openvino" in problem.symptom and "KERAS_BACKEND=tensorflow" in problem.cure
