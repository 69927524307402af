"""helpers.preflight: nothing against healthy models, a sentence for each patient, nothing once cured, no trace."""

import contextlib
import dataclasses
import functools
import io
import os
import pickle
import random
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers, ops

from helpers import losses, metrics, preflight, scenes, siftflow
from helpers.lessons import experiments
from helpers.training import Recipe
from helpers.unet import unet

ROOT = Path(__file__).resolve().parents[2]
SparseCE = functools.partial(keras.losses.SparseCategoricalCrossentropy, ignore_class=255)


@pytest.fixture(autouse=True)
def same_numbers_in_any_order():
    keras.utils.set_random_seed(0)


# ---- what models and data are made of -------------------------------------------------------------------------------


@functools.cache
def task():
    return experiments.task()


@functools.cache
def batch():
    """Eight scenes of all kinds: images uint8 (8, 32, 32, 3), labels uint8 (8, 32, 32)."""
    return task().images[::24], task().labels[::24]


def filled():
    """The batch with nature where its labels are void."""
    x, y = batch()
    return x, np.where(y == 255, 2, y)


def hot():
    x, y = filled()
    return x, np.eye(4, dtype="float32")[y]


def binary_dice(y, z):
    p, y = keras.ops.sigmoid(z), keras.ops.cast(y, "float32")
    return 1 - 2 * keras.ops.sum(p * y) / (keras.ops.sum(p) + keras.ops.sum(y))


def from_zero():
    return keras.Sequential([normalised(8), layers.ReLU(), layers.Conv2D(4, 1, kernel_initializer="zeros")])


def grey():
    image = keras.Input((32, 32, 1))
    return keras.Model(image, normalised(4)(layers.Concatenate()([image, image, image])))


def compiled(model, loss=None, optimizer=None, scores=()):
    model.compile(optimizer or keras.optimizers.Adam(1e-3), loss or losses.CrossEntropy(), metrics=list(scores))
    return model


def small(*head, n=4, of=None, momentum=0.9, **how):
    """A network that takes a second to trace, or another, with layers on top of its logits, compiled."""
    model = of or normalised(n)
    for layer in norms(model):
        layer.momentum = momentum
    return compiled(keras.Sequential([model, *head]) if head else model, **how)


def normalised(n):
    """Three convolutions, each with batch normalisation, and logits."""
    look = [
        layer
        for _ in "abc"
        for layer in (layers.Conv2D(12, 3, padding="same"), layers.BatchNormalization(momentum=0.9), layers.ReLU())
    ]
    return keras.Sequential([keras.Input((32, 32, 3)), to_unit(), *look, layers.Conv2D(n, 1)])


def standard():
    return unet((32, 32, 3), 4, filters=8, depth=2)


def norms(model):
    return [layer for layer in model._flatten_layers() if isinstance(layer, layers.BatchNormalization)]


@functools.cache
def fitted(momentum, rate=1e-2):
    """The weights of the U-Net after really training it: {steps: weights}."""
    keras.utils.set_random_seed(1)
    model = small(of=standard(), momentum=momentum, optimizer=keras.optimizers.Adam(rate))
    order, found = np.random.RandomState(0).randint(0, len(task().images), (120, experiments.BATCH)), {}
    for start, end in ((0, 40), (40, 120))[: 2 if momentum == 0.9 else 1]:
        steps = order[start:end].ravel()
        model.fit(task().images[steps], task().labels[steps], batch_size=experiments.BATCH, shuffle=False, verbose=0)
        found[end] = model.get_weights()
    return found


def trained(steps=120, momentum=0.9, rate=1e-2):
    """The U-Net as it is after so many steps of training, not compiled."""
    model = standard()
    model.set_weights(fitted(momentum, rate)[steps])
    return model


def after_40_steps(momentum, rate=1e-2):
    model = small(of=trained(40, momentum, rate), momentum=momentum, optimizer=keras.optimizers.Adam(rate))
    model.optimizer.iterations.assign(40)
    return model


def frozen(model, which=None):
    for layer in which or model.layers:
        layer.trainable = False
    return model


def convolutions(*first, out=4, activation="relu", **last):
    """A network without normalisation."""
    three = [layers.Conv2D(16, 3, padding="same", activation=activation, kernel_initializer="he_normal") for _ in "abc"]
    return keras.Sequential([keras.Input((32, 32, 3)), *first, *three, layers.Conv2D(out, 1, **last)])


def to_unit():
    return layers.Rescaling(1 / 127.5, offset=-1)


def examine(model, given, **how):
    """The problems, and what was printed, in which they all are told."""
    with contextlib.redirect_stdout(io.StringIO()) as out:
        problems = preflight.preflight(model, given, **how)
    text = out.getvalue()
    assert isinstance(problems, list) and all(isinstance(problem, preflight.Problem) for problem in problems)
    assert max(map(len, text.splitlines())) <= 120
    flat = " ".join(text.split())
    for problem in problems:
        for part in (f"{problem.check} PROBLEM {problem.symptom}", f"cause: {problem.cause}", f"cure: {problem.cure}"):
            assert " ".join(part.split()) in flat
    assert text.count("PROBLEM") == len(problems) and ("No problem found." in text) == (not problems)
    return problems, text


def assert_healthy(model, given, measured=True, **how):
    problems, text = examine(model, given, **how)
    assert problems == [], text
    assert not measured or "could not be measured" not in text, text


def assert_found(check, words, model, given, **how):
    problems, text = examine(model, given, **{"seconds": 1.5, **how})
    assert check in [problem.check for problem in problems], text
    assert any(words.lower() in repr(problem).lower() for problem in problems), text
    return problems


# ---- the healthy ----------------------------------------------------------------------------------------------------


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.scale, self.drop, self.head = to_unit(), layers.Dropout(0.2), layers.Conv2D(4, 1)
        self.look = [layers.Conv2D(16, 3, padding="same", kernel_initializer="he_normal") for _ in "abc"]
        self.norm = [layers.BatchNormalization(momentum=0.9) for _ in "abc"]

    def call(self, x, training=False):
        x = self.scale(x)
        for look, norm in zip(self.look, self.norm, strict=True):
            x = ops.relu(norm(look(x), training=training))
        return self.head(self.drop(x, training=training))


def with_policy(name):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        return small(of=unet((32, 32, 3), 4, filters=8, depth=1))
    finally:
        keras.config.set_dtype_policy(before)


def warm_up(rate=3e-3):
    return keras.optimizers.schedules.CosineDecay(0.0, 500, warmup_target=rate, warmup_steps=100)


def one_output(**last):
    return keras.Sequential([normalised(8), layers.Conv2D(1, 1, **last)])


def thing_or_not(axis=True):
    x, y = filled()
    return x, (y == 0).astype("float32")[..., None] if axis else (y == 0).astype("uint8")


def flat_labels():
    x, y = batch()
    return x, y.reshape(len(y), -1)


def binary_crossentropy(logits):
    return keras.losses.BinaryCrossentropy(from_logits=logits)


HEALTHY = {
    "cross-entropy and scores": lambda: (small(of=standard(), scores=[metrics.Scores(4)]), batch()),
    "softmax and Keras' cross-entropy": lambda: (small(layers.Softmax(), loss=SparseCE()), batch()),
    "logits and Keras' cross-entropy": lambda: (small(loss=SparseCE(from_logits=True)), batch()),
    "Keras' mean IoU without void": lambda: (
        small(scores=[keras.metrics.MeanIoU(4, ignore_class=255, sparse_y_pred=False)]),
        batch(),
    ),
    "Dice": lambda: (small(loss=losses.Dice()), batch()),
    "a sum of losses": lambda: (small(loss=losses.Sum([losses.CrossEntropy(), losses.Dice()])), batch()),
    "class weights": lambda: (
        small(loss=losses.CrossEntropy(losses.class_weights(task().pixel_counts, "median"))),
        batch(),
    ),
    "sigmoid": lambda: (
        compiled(one_output(activation="sigmoid"), binary_crossentropy(False), scores=["accuracy"]),
        thing_or_not(),
    ),
    "one logit": lambda: (compiled(one_output(), binary_crossentropy(True)), thing_or_not()),
    "one-hot": lambda: (
        small(loss=keras.losses.CategoricalCrossentropy(from_logits=True), scores=["accuracy"]),
        hot(),
    ),
    "focal loss": lambda: (small(loss=keras.losses.CategoricalFocalCrossentropy(from_logits=True)), hot()),
    "label smoothing": lambda: (
        small(loss=keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.1)),
        hot(),
    ),
    "sigmoids of several classes": lambda: (
        small(layers.Activation("sigmoid"), loss=keras.losses.BinaryCrossentropy()),
        hot(),
    ),
    "logits of several classes, each its own": lambda: (
        small(loss=keras.losses.BinaryCrossentropy(from_logits=True)),
        hot(),
    ),
    "one logit and Dice": lambda: (compiled(one_output(), binary_dice), thing_or_not()),
    "one sigmoid and focal loss": lambda: (
        compiled(one_output(activation="sigmoid"), keras.losses.BinaryFocalCrossentropy()),
        thing_or_not(),
    ),
    "a loss in a list": lambda: (small(loss=[SparseCE(from_logits=True)]), batch()),
    "label smoothing in a function": lambda: (
        small(
            layers.Softmax(),
            loss=lambda y, p: keras.losses.categorical_crossentropy(y, p, label_smoothing=0.1),
        ),
        hot(),
    ),
    "smoothed labels": lambda: (
        small(loss=keras.losses.CategoricalCrossentropy(from_logits=True)),
        (hot()[0], 0.9 * hot()[1] + 0.025),
    ),
    "area under the curve": lambda: (
        small(layers.Softmax(), loss=keras.losses.CategoricalCrossentropy(), scores=[keras.metrics.AUC()]),
        hot(),
    ),
    "logits that begin at zero": lambda: (compiled(from_zero()), batch()),
    "grey images without a channel": lambda: (compiled(grey()), (batch()[0][..., 0], batch()[1])),
    "little contrast": lambda: (small(), (176 + batch()[0] / 16, batch()[1])),
    "a list of pixels": lambda: (
        small(layers.Reshape((32 * 32, 4)), loss=SparseCE(from_logits=True)),
        flat_labels(),
    ),
    "labels with an axis for their one channel": lambda: (small(), (batch()[0], batch()[1][..., None])),
    "not built, with Dropout": lambda: (compiled(Subclassed()), batch()),
    "names in place of objects": lambda: (
        small(layers.Softmax(), loss="sparse_categorical_crossentropy", optimizer="adam", scores=["accuracy"]),
        filled(),
    ),
    "sample weights": lambda: (
        small(loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True)),
        (*filled(), (batch()[1] != 255).astype("float32")),
    ),
    "a penalty on the weights": lambda: (
        compiled(convolutions(to_unit(), kernel_regularizer=keras.regularizers.L2(1e-2))),
        batch(),
    ),
    "one image": lambda: (small(), tuple(part[-1:] for part in batch())),
    "images scaled before": lambda: (
        small(of=convolutions()),
        (batch()[0] / 127.5 - 1, batch()[1]),
    ),
    "mixed bfloat16": lambda: (with_policy("mixed_bfloat16"), batch()),
    "mixed float16": lambda: (with_policy("mixed_float16"), batch()),
    "SGD": lambda: (small(optimizer=keras.optimizers.SGD(1e-2)), batch()),
    "slow Adam": lambda: (small(optimizer=keras.optimizers.Adam(1e-4)), batch()),
    "AdamW": lambda: (small(optimizer=keras.optimizers.AdamW(1e-3)), batch()),
    "a rate that starts from 0": lambda: (small(optimizer=keras.optimizers.Adam(warm_up())), batch()),
    "trained": lambda: (small(of=trained(), scores=[metrics.Scores(4)]), batch()),
}


def test_labels_that_are_all_thin_hide_no_void():
    """They cannot be learned, and that is said; but not of each class that it is void."""
    problems, _ = examine(small(), (batch()[0], np.random.RandomState(0).randint(0, 4, (8, 32, 32))), seconds=3)
    assert "labels" not in [problem.check for problem in problems]


@pytest.mark.parametrize("name", HEALTHY)
def test_nothing_is_said_against_a_healthy_model(name):
    assert_healthy(*HEALTHY[name]())


def test_nothing_is_said_against_the_big_sister():
    """Other images, 33 classes, of which few occur, four floors, and the optimizer of a long run."""
    data = scenes.make(siftflow.data_folder() / "scenes" / "small", train=240, test=24, size=64)
    x, y = (array[::40] for array in data.load("train"))
    model = compiled(unet((64, 64, 3), 33, filters=8), optimizer=Recipe().optimizer(4000), scores=[metrics.Scores(33)])
    assert_healthy(model, (x, y), class_names=siftflow.CLASS_NAMES)


def mobile():
    """An encoder of keras.applications without its weights, and a head whose answers are coarser than the image."""
    encoder = keras.applications.MobileNetV2((64, 64, 3), alpha=0.35, include_top=False, weights=None)
    encoder = keras.Model(encoder.input, encoder.get_layer("block_6_expand_relu").output)
    for layer in norms(encoder):
        layer.momentum = 0.9
    return keras.Sequential([keras.Input((64, 64, 3)), to_unit(), encoder, layers.Conv2D(4, 1), layers.UpSampling2D(8)])


def large():
    return tuple(part.repeat(2, axis=1).repeat(2, axis=2) for part in batch())


def test_an_encoder_of_keras_is_healthy_and_a_patient_when_frozen_without_its_weights():
    model = mobile()
    assert_healthy(compiled(model), large())
    assert_found("batch norm", "frozen", compiled(frozen(model, model.layers[1:2])), large())


class Pairs(keras.utils.PyDataset):
    def __init__(self, x, y):
        super().__init__()
        self.x, self.y = x, y

    def __len__(self):
        return len(self.x) // 4

    def __getitem__(self, i):
        return self.x[4 * i : 4 * i + 4], self.y[4 * i : 4 * i + 4]


def pairs(x, y):
    yield from zip(np.split(x, 2), np.split(y, 2), strict=True)


@pytest.mark.parametrize(
    "pipeline",
    [
        lambda *xy: tf.data.Dataset.from_tensor_slices(xy).batch(4),
        lambda *xy: tf.data.Dataset.from_tensor_slices(xy).shuffle(8).repeat().batch(8).prefetch(1),
        Pairs,
        pairs,
        lambda *xy: list(xy),
        lambda *xy: tuple(tf.constant(part) for part in xy),
    ],
    ids=["tf.data", "endless tf.data", "PyDataset", "generator", "list", "tensors"],
)
def test_data_may_come_in_any_form(pipeline):
    problems, text = examine(small(), pipeline(*batch()), seconds=5)
    assert problems == [] and "classes occur" in text, text


def test_little_time_is_no_problem():
    """Too few steps to tell are told as such."""
    for seconds in (0, 1, 2):
        assert_healthy(small(), batch(), seconds=seconds)


# ---- patients, each with its cured twin -----------------------------------------------------------------------------


def shifted(by, void=255):
    """Labels with a number added."""
    x, y = batch()
    return x, np.where(y == 255, void, y.astype(int) + by)


def resized(y, method):
    """Labels that were made half as large and come back."""
    coarse = tf.constant(y[:, ::2, ::2, None].astype("float32"))
    return tf.image.resize(coarse, y.shape[1:], method).numpy()[..., 0]


def relabelled(change, of=batch):
    x, y = of()
    return x, change(y)


def unscaled(model):
    layer = model.get_layer("to_plus_minus_1")
    layer.scale, layer.offset = 1.0, 0.0
    return model


def scaled(data):
    return data[0] / np.float32(127.5) - 1, data[1]


def picture_by_picture(least):
    """A cross-entropy in which each picture counts the same; the number of its labelled pixels is at least so many."""

    def loss(labels, logits):
        valid = ops.cast(labels != 255, "float32")
        truth = ops.one_hot(ops.where(labels == 255, 0, ops.cast(labels, "int32")), 4)
        total = ops.sum(-ops.sum(truth * ops.log_softmax(logits), axis=-1) * valid, axis=(1, 2))
        return ops.mean(total / ops.maximum(ops.sum(valid, axis=(1, 2)), least))

    return loss


def biased(model, bias):
    model.get_layer("logits").bias.assign(bias)
    return model


def with_nan(model):
    model.get_layer("logits").bias.assign([0, np.nan, 0, 0])
    return model


def by_argmax(labels, logits):
    labels = ops.cast(labels, "float32")
    wrong = ops.cast(ops.argmax(logits, axis=-1), "float32") != labels
    return ops.mean(ops.cast(wrong, "float32") * ops.cast(labels != 255, "float32"))


def dead():
    last = layers.Conv2D(4, 1, activation="relu", bias_initializer=keras.initializers.Constant(-100))
    return keras.Sequential([normalised(8), last])


def one_answer():
    top = [layers.GlobalAveragePooling2D(), layers.Dense(4)]
    return keras.Sequential([keras.Input((32, 32, 3)), to_unit(), layers.Conv2D(8, 3, activation="relu"), *top])


def many(labels):
    return tf.data.Dataset.from_tensor_slices((task().images, labels)).shuffle(180, seed=0).batch(8)


NAMES = experiments.CLASSES

PATIENTS = {  # what it suffers from: (the check, words, the patient, its cured twin, arguments for both)
    "a loss that divides by a picture's valid pixels": (
        "loss",
        "nothing but void",
        lambda: (small(loss=picture_by_picture(0)), batch()),
        lambda: (small(loss=picture_by_picture(1)), batch()),
        dict(seconds=45),
    ),
    "Adadelta at 1e-5": (
        "optimizer",
        "far too low for Adadelta",
        lambda: (small(optimizer=keras.optimizers.Adadelta(1e-5)), batch()),
        lambda: (small(optimizer=keras.optimizers.Adadelta(1.0)), batch()),
        dict(seconds=45),
    ),
    "SGD at 1e4": (
        "optimizer",
        "too large",
        lambda: (small(optimizer=keras.optimizers.SGD(1e4)), batch()),
        lambda: (small(optimizer=keras.optimizers.SGD(0.1)), batch()),
        dict(seconds=45),
    ),
    "frozen, fresh batch normalisation": (
        "batch norm",
        "frozen",
        lambda: (compiled(frozen(model := standard(), norms(model))), batch()),
        lambda: (compiled(frozen(model := trained(), norms(model))), batch()),
        {},
    ),
    "few steps for momentum 0.99": (
        "batch norm",
        "0.99",
        lambda: (small(momentum=0.99), batch()),
        "cross-entropy and scores",
        dict(steps=120),
    ),
    "momentum 0.99 after 40 steps": (
        "batch norm",
        "momentum=0.9",
        lambda: (after_40_steps(0.99), batch()),
        lambda: (after_40_steps(0.9), batch()),
        {},
    ),
    "momentum 0.99 after 40 smaller steps": (
        "batch norm",
        "momentum=0.9",
        lambda: (after_40_steps(0.99, 5e-3), batch()),
        "cross-entropy and scores",
        {},
    ),
    "softmax in the model and in the loss": (
        "loss",
        "double softmax",
        lambda: (small(layers.Softmax(), layers.Reshape((32, 32, 4))), batch()),
        "cross-entropy and scores",
        {},
    ),
    "softmax in the model and in Keras' loss": (
        "loss",
        "double softmax",
        lambda: (small(layers.Softmax(), layers.Reshape((32, 32, 4)), loss=SparseCE(from_logits=True)), batch()),
        lambda: (small(layers.Softmax(), layers.Reshape((32, 32, 4)), loss=SparseCE()), batch()),
        {},
    ),
    "softmax twice in the model": (
        "output",
        "double softmax",
        lambda: (small(layers.Softmax(), layers.Softmax(), loss=SparseCE()), batch()),
        "softmax and Keras' cross-entropy",
        {},
    ),
    "logits for a loss of probabilities": (
        "loss",
        "from_logits=True",
        lambda: (small(loss=SparseCE()), batch()),
        "logits and Keras' cross-entropy",
        {},
    ),
    "one logit for a loss of probabilities": (
        "loss",
        "from_logits=True",
        lambda: (compiled(one_output(), binary_crossentropy(False)), thing_or_not()),
        "one logit",
        {},
    ),
    "sigmoid twice": (
        "loss",
        "takes them for logits",
        lambda: (compiled(one_output(activation="sigmoid"), binary_crossentropy(True)), thing_or_not()),
        "sigmoid",
        {},
    ),
    "labels off by one": ("labels", "off by one", lambda: (small(), shifted(1)), "cross-entropy and scores", {}),
    "void as the first of five classes": (
        "labels",
        "void is trained as a class",
        lambda: (small(n=5), shifted(1, void=0)),
        "cross-entropy and scores",
        dict(class_names=NAMES),
    ),
    "void as the first of five classes without names": (
        "labels",
        "void is trained as a class",
        lambda: (small(n=5), many(np.where(task().labels == 255, 0, task().labels + 1))),
        lambda: (small(), many(task().labels)),
        {},
    ),
    "void as -1": ("labels", "void as -1", lambda: (small(), shifted(0, void=-1)), "cross-entropy and scores", {}),
    "void blended with classes": (
        "labels",
        "bilinear",
        lambda: (small(), relabelled(lambda y: np.round(resized(y, "bilinear")))),
        lambda: (small(), relabelled(lambda y: resized(y, "nearest"))),
        {},
    ),
    "labels with fractions": (
        "labels",
        "bilinear",
        lambda: (small(), relabelled(lambda y: resized(y, "bilinear"), filled)),
        lambda: (small(), relabelled(lambda y: resized(y, "nearest"), filled)),
        {},
    ),
    "labels with fractions, rounded": (
        "labels",
        "bilinear",
        lambda: (small(), relabelled(lambda y: np.round(resized(y, "bilinear")), filled)),
        lambda: (small(), relabelled(lambda y: resized(y, "nearest"), filled)),
        {},
    ),
    "0 to 255 for what was trained on -1 to 1": (
        "input range",
        "images / 127.5 - 1",
        lambda: (compiled(unscaled(trained())), batch()),
        lambda: (compiled(unscaled(trained())), scaled(batch())),
        {},
    ),
    "0 to 255 without normalisation": (
        "input range",
        "Rescaling",
        lambda: (compiled(convolutions()), batch()),
        lambda: (compiled(convolutions(to_unit())), batch()),
        {},
    ),
    "scaled twice": ("input range", "scaled twice", lambda: (small(), scaled(batch())), "cross-entropy and scores", {}),
    "scrambled by Reshape": (
        "axes",
        "scrambled",
        lambda: (small(layers.Reshape((4, 1024)), layers.Permute((2, 1)), layers.Reshape((32, 32, 4))), batch()),
        lambda: (small(layers.Reshape((1024, 4)), layers.Reshape((32, 32, 4))), batch()),
        {},
    ),
    "scrambled by Permute": (
        "axes",
        "scrambled",
        lambda: (small(layers.Permute((3, 1, 2)), layers.Reshape((32, 32, 4))), batch()),
        lambda: (small(layers.Permute((3, 1, 2)), layers.Permute((2, 3, 1))), batch()),
        {},
    ),
    "a transposed output": (
        "axes",
        "transposed",
        lambda: (small(layers.Permute((2, 1, 3))), batch()),
        "cross-entropy and scores",
        {},
    ),
    "transposed labels": (
        "alignment",
        "transposed",
        lambda: (small(), relabelled(lambda y: y.swapaxes(1, 2))),
        "cross-entropy and scores",
        {},
    ),
    "a Dice that ignores rare classes": (
        "loss",
        "rare classes",
        lambda: (small(layers.Softmax(), loss=keras.losses.Dice()), hot()),
        lambda: (small(layers.Softmax(), loss=keras.losses.Dice(axis=(0, 1, 2))), hot()),
        {},
    ),
    "accuracy with void": (
        "scores",
        "counts void",
        lambda: (small(scores=["accuracy"]), batch()),
        lambda: (small(scores=["accuracy"]), filled()),
        {},
    ),
    "sparse accuracy with void": (
        "scores",
        "counts void",
        lambda: (small(scores=[keras.metrics.SparseCategoricalAccuracy()]), batch()),
        "cross-entropy and scores",
        {},
    ),
    "a loss that does not know void": (
        "loss",
        "ignore_class=255",
        lambda: (small(loss=SparseCE(from_logits=True, ignore_class=None)), batch()),
        "logits and Keras' cross-entropy",
        {},
    ),
    "everything frozen": (
        "gradient",
        "frozen",
        lambda: (compiled(frozen(trained())), batch()),
        "trained",
        {},
    ),
    "a dead ReLU": ("gradient", "dead ReLU", lambda: (compiled(dead()), batch()), "cross-entropy and scores", {}),
    "a loss with argmax": (
        "gradient",
        "argmax",
        lambda: (small(loss=by_argmax), batch()),
        "cross-entropy and scores",
        {},
    ),
    "one class everywhere": (
        "prediction",
        "collapse",
        lambda: (small(of=biased(standard(), [0, 50, 0, 0])), batch()),
        "cross-entropy and scores",
        {},
    ),
    "one answer for the image": (
        "shapes",
        "one answer per image",
        lambda: (compiled(one_answer()), batch()),
        "cross-entropy and scores",
        {},
    ),
    "NaN in a weight": (
        "model",
        "diverged",
        lambda: (compiled(with_nan(standard())), batch()),
        "cross-entropy and scores",
        {},
    ),
    "trained on labels off by one": (
        "prediction",
        "off by one",
        lambda: (compiled(trained()), relabelled(lambda y: np.where(y == 255, 255, (y + 1) % 4))),
        "trained",
        {},
    ),
}


@pytest.mark.parametrize("name", PATIENTS)
def test_a_patient_is_found(name):
    check, words, sick, _, how = PATIENTS[name]
    assert_found(check, words, *sick(), **how)


@pytest.mark.parametrize(
    "name", [name for name, (*_, twin, how) in PATIENTS.items() if how or not isinstance(twin, str)]
)
def test_nothing_is_said_against_a_cured_patient(name):
    *_, twin, how = PATIENTS[name]
    assert_healthy(*(HEALTHY[twin] if isinstance(twin, str) else twin)(), **{"seconds": 2.5, **how})


def test_the_other_twins_are_among_the_healthy():
    assert {twin for *_, twin, _ in PATIENTS.values() if isinstance(twin, str)} <= set(HEALTHY)


# ---- no trace -------------------------------------------------------------------------------------------------------


def state(model):
    """All that preflight could change, bit by bit."""
    variables = [*model.variables, *model.optimizer.variables, *model.metrics_variables]
    return {
        **{f"{i} {v.path}": ops.convert_to_numpy(v).tobytes() for i, v in enumerate(variables)},
        "trainable": [layer.trainable for layer in model._flatten_layers()],
        "Python's numbers": random.getstate(),
        "NumPy's numbers": pickle.dumps(np.random.get_state()),  # noqa: NPY002 (that of others is what matters)
        "operations": keras.Operation.__call__,
        "policy": keras.config.dtype_policy().name,
    }


def with_dropout(**how):
    """A network in whose variables there is everything that changes: Adam's moments, statistics, seeds, scores."""
    x, y = batch()
    top = [layers.Dropout(0.3), layers.SpatialDropout2D(0.1), layers.Conv2D(4, 1)]
    model = small(*top, n=8, scores=[metrics.Scores(4)], **how)
    frozen(model, norms(model)[:1])
    return compiled(model, scores=[metrics.Scores(4)], **how), x, y


def assert_same(before, after):
    assert before.keys() == after.keys()
    assert [name for name in before if before[name] != after[name]] == []


def test_nothing_is_changed_before_training():
    model, x, y = with_dropout()
    model.optimizer.build(model.trainable_variables)
    model.compute_metrics(x, y, ops.zeros((8, 32, 32, 4)))  # builds them
    before = state(model)
    examine(model, (x, y), seconds=10)
    assert_same(before, state(model))


def test_nothing_is_changed_after_some_steps():
    model, x, y = with_dropout()
    model.fit(x, y, batch_size=4, epochs=2, verbose=0)
    before, images = state(model), x.tobytes() + y.tobytes()
    assert sum("momentum" in name for name in before) > 10 and sum("seed" in name for name in before) == 2
    examine(model, (x, y), seconds=10)
    assert_same(before, state(model))
    assert images == x.tobytes() + y.tobytes()


class Stops(keras.optimizers.SGD):
    """It stops in the middle: after a step's gradient, in which batch normalisation has moved."""

    error = None

    def apply(self, *_, **__):
        raise self.error


def stopping(error, at):
    """A cross-entropy that stops at that call."""
    calls = iter([None] * (at - 1))

    def loss(labels, logits):
        if next(calls, error):
            raise error
        return losses.CrossEntropy()(labels, logits)

    return loss


@pytest.mark.parametrize("error", [KeyboardInterrupt(), ValueError("This loss stops.")], ids=lambda e: type(e).__name__)
@pytest.mark.parametrize("at", [1, 5, 16, "optimizer"])
def test_nothing_is_changed_when_it_stops_in_the_middle(error, at, monkeypatch):
    monkeypatch.setattr(Stops, "error", error)
    how = dict(optimizer=Stops(0.1)) if at == "optimizer" else dict(loss=stopping(error, at))
    model, x, y = with_dropout(**how)
    before = state(model)
    if isinstance(error, KeyboardInterrupt):
        with pytest.raises(KeyboardInterrupt):
            examine(model, (x, y), seconds=3)
    else:
        problems, text = examine(model, (x, y), seconds=3)
        assert "This loss stops" in text or at == "optimizer"
    after = state(model)
    assert_same(before, {name: after[name] for name in before})


def drawn():
    of_numpy = np.random.random_sample(3)  # noqa: NPY002
    return [np.array(keras.random.normal((3,))), np.array(tf.random.normal((3,))), of_numpy, random.random()]


def augmented():
    """A pipeline that draws numbers of all kinds."""
    drawn()
    yield batch()


def test_random_numbers_go_on_as_if_nothing_had_been():
    model = small()
    for first in (lambda: None, drawn):  # the generators exist only once they were used
        keras.utils.set_random_seed(0)
        first()
        wanted = drawn()
        keras.utils.set_random_seed(0)
        first()
        examine(model, augmented(), seconds=1)
        for a, b in zip(wanted, drawn(), strict=True):
            assert np.array_equal(a, b)


def test_training_starts_as_if_nothing_had_been():
    def first_epoch(look):
        keras.utils.set_random_seed(0)
        model, x, y = with_dropout()
        if look:
            examine(model, (x, y), seconds=5)
        return model.fit(task().images[:60], task().labels[:60], batch_size=experiments.BATCH, verbose=0).history[
            "loss"
        ]

    assert first_epoch(True) == pytest.approx(first_epoch(False), rel=1e-4)


# ---- what it cannot work with ---------------------------------------------------------------------------------------


def empty(*_):
    yield from ()


def spoiled(part, value):
    x, y = (array.astype("float32") for array in batch())
    (x if part == "x" else y)[3, 5, 7] = value
    return x, y


def failing():
    yield batch()[0][:0], batch()[1][:0]
    raise OSError("No such file")


def broken_files():
    raise OSError("The disk is gone.")
    yield


class NoLength(Pairs):
    def __len__(self):
        raise OSError("The disk is gone.")


class Bad(keras.metrics.Metric):
    """A score that stops in one of its methods."""

    def __init__(self, method):
        super().__init__(name="bad")
        self.method = method

    def _maybe(self, method):
        if self.method == method:
            raise ValueError("This score stops.")

    def update_state(self, *_, **__):
        self._maybe("update_state")

    def result(self):
        self._maybe("result")
        return ops.zeros(())

    def reset_state(self):
        self._maybe("reset_state")


def uncompiled(loss=None):
    model = normalised(4)
    if loss is not False:
        model.compile("adam", loss)
    return model


def two_outputs():
    model = standard()
    return compiled(keras.Model(model.input, {"a": model.output, "b": layers.Softmax()(model.output)}))


def alone(*head, **how):
    return small(*head, **how), batch()


BROKEN = {  # what is broken: (the check, words, model and data)
    "an empty tf.data": (
        "data",
        "empty",
        lambda: (small(), tf.data.Dataset.from_tensor_slices(batch()).batch(4).take(0)),
    ),
    "empty arrays": ("data", "empty", lambda: (small(), tuple(part[:0] for part in batch()))),
    "an exhausted generator": ("data", "empty", lambda: (small(), empty())),
    "an empty list": ("data", "", lambda: (small(), [])),
    "a data set that raises": ("data", "The disk is gone", lambda: (small(), broken_files())),
    "an empty batch, and then an error": ("data", "", lambda: (small(), failing())),
    "a PyDataset that raises": ("data", "The disk is gone", lambda: (small(), NoLength(*batch()))),
    "NaN in an image": ("data", "images are NaN", lambda: (small(), spoiled("x", np.nan))),
    "infinity in an image": ("data", "infinite", lambda: (small(), spoiled("x", np.inf))),
    "NaN in a label": ("data", "labels are NaN", lambda: (small(), spoiled("y", np.nan))),
    "NaN in an image of the second batch": ("data", "NaN", lambda: (small(), iter([batch(), spoiled("x", np.nan)]))),
    "NaN in a label of the second batch": ("data", "NaN", lambda: (small(), iter([batch(), spoiled("y", np.nan)]))),
    "constant images": ("data", "every value", lambda: (small(), (np.zeros_like(batch()[0]), batch()[1]))),
    "a model that is not compiled": ("model", "not compiled", lambda: (uncompiled(False), batch())),
    "a model without a loss": ("model", "not compiled", lambda: (uncompiled(), batch())),
    "a lone array": ("data", "without labels", lambda: (small(), batch()[0])),
    "a tuple of images only": ("data", "without labels", lambda: (small(), batch()[:1])),
    "a data set of images only": (
        "data",
        "labels are missing",
        lambda: (small(), tf.data.Dataset.from_tensor_slices(batch()[0]).batch(4)),
    ),
    "labels that are None": ("data", "labels are missing", lambda: (small(), (batch()[0], None))),
    "nothing": ("data", "NoneType", lambda: (small(), None)),
    "a number": ("data", "", lambda: (small(), 3)),
    "a dictionary": ("data", "dict", lambda: (small(), dict(image=batch()[0], label=batch()[1]))),
    "a data set of dictionaries": (
        "data",
        "labels are missing",
        lambda: (small(), tf.data.Dataset.from_tensors(dict(image=batch()[0], label=batch()[1]))),
    ),
    "too few labels": ("data", "8 images, but 7 labels", lambda: (small(), (batch()[0], batch()[1][:7]))),
    "an image without a batch": ("data", "batch(8)", lambda: (small(), (batch()[0][0], batch()[1][0]))),
    "a data set without batches": (
        "data",
        "batch(8)",
        lambda: (small(), tf.data.Dataset.from_tensor_slices(batch())),
    ),
    "images without channels": ("model", "does not take", lambda: (small(), (batch()[0][..., 0], batch()[1]))),
    "grey images": ("model", "does not take images", lambda: (small(), (batch()[0][..., :1], batch()[1]))),
    "images of another size": ("model", "does not take images", lambda: (compiled(standard()), large())),
    "label maps of another size": ("shapes", "different pixels", lambda: (small(), (batch()[0], large()[1]))),
    "one-hot labels of other classes": (
        "shapes",
        "as many outputs as classes",
        lambda: (small(), (batch()[0], np.eye(5)[filled()[1]])),
    ),
    "one-hot labels, class first": ("shapes", "class axis first", lambda: (small(), relabelled_hot())),
    "an output, class first": ("shapes", "class axis first", lambda: alone(layers.Permute((3, 1, 2)))),
    "a list of pixels, a map of labels": ("shapes", "list of pixels", lambda: alone(layers.Reshape((1024, 4)))),
    "names of files": ("data", "not numbers", lambda: (small(), (np.array(["a", "b"]), np.array(["c", "d"])))),
    "tensors of names": ("data", "not numbers", lambda: (small(), (tf.constant(["a"]), tf.constant(["b"])))),
    "the name of a folder": ("data", "str", lambda: (small(), "images")),
    "objects": ("data", "", lambda: (small(), (object(), object()))),
    "lists of images of several sizes": (
        "data",
        "",
        lambda: (small(), ([np.zeros((2, 2, 3)), np.zeros((3, 3, 3))],) * 2),
    ),
    "no model": ("model", "not a keras.Model", lambda: (None, batch())),
    "a layer for a model": ("model", "not a keras.Model", lambda: (layers.Conv2D(4, 1), batch())),
    "the model's class": ("model", "not a keras.Model", lambda: (keras.Model, batch())),
    "data first": ("model", "not a keras.Model", lambda: batch()),
    "void everywhere": ("labels", "void", lambda: (small(), relabelled(lambda y: np.full_like(y, 255)))),
    "one class everywhere": ("labels", "class 2", lambda: (small(), relabelled(lambda y: np.full_like(y, 2)))),
    "white masks": (
        "labels",
        "255 is a brightness",
        lambda: (compiled(one_output(), binary_crossentropy(True)), relabelled_white()),
    ),
    "two outputs": ("model", "several outputs", lambda: (two_outputs(), batch())),
    "a score that stops": ("scores", "This score stops", lambda: alone(scores=[Bad("update_state")])),
    "a score without a result": ("scores", "This score stops", lambda: alone(scores=[Bad("result")])),
    "a score that does not start again": ("scores", "This score stops", lambda: alone(scores=[Bad("reset_state")])),
    "a loss that stops": ("loss", "This loss stops", lambda: alone(loss=stopping(ValueError("This loss stops."), 1))),
    "a loss of other labels": ("loss", "one-hot", lambda: alone(loss=keras.losses.CategoricalCrossentropy())),
    "wrong number of class names": ("labels", "2 class names", lambda: alone()),
}


def relabelled_hot():
    x, y = hot()
    return x, np.moveaxis(y, -1, 1)


def relabelled_white():
    x, y = thing_or_not()
    return x, 255 * y


@pytest.mark.parametrize("name", BROKEN)
def test_what_it_cannot_work_with_gets_a_sentence(name):
    check, words, made = BROKEN[name]
    how = dict(class_names=["a", "b"]) if "names" in name and "class" in name else {}
    for problem in assert_found(check, words, *made(), **how):
        assert min(map(len, dataclasses.astuple(problem))) > 3


def test_another_backend_gets_a_sentence():
    code = """
import keras, numpy
from helpers.preflight import preflight
model = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(2, 1)])
model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
problem, = preflight(model, (numpy.random.rand(2, 8, 8, 3), numpy.eye(8, dtype=int)[None].repeat(2, 0)))
assert problem.check == "model" and "jax" in problem.symptom and "KERAS_BACKEND=tensorflow" in problem.cure, problem
"""
    env = {**os.environ, "KERAS_BACKEND": "jax"}
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


# ---- what is returned -----------------------------------------------------------------------------------------------


def test_a_problem_is_frozen_and_tells_all():
    problem = preflight.Problem("labels", "They are wrong.", "A mistake.", "Mend it.")
    with pytest.raises(dataclasses.FrozenInstanceError):
        problem.check = "loss"
    assert all(text in repr(problem) for text in ("labels", "They are wrong.", "A mistake.", "Mend it."))
    assert problem == preflight.Problem("labels", "They are wrong.", "A mistake.", "Mend it.")


def test_the_table_has_a_row_for_each_check():
    _, text = examine(small(scores=[metrics.Scores(4)]), batch(), class_names=experiments.CLASSES, seconds=2)
    rows = [line.split() for line in text.splitlines() if not line.startswith(" ")]
    verdicts = [word for row in rows for word in row if word in ("ok", "-", "PROBLEM")]
    assert len(verdicts) >= len(rows) - 1 and "nature" in text


def test_several_problems_are_told_the_most_fundamental_first():
    model = small(optimizer=keras.optimizers.Adadelta(1e-5), scores=["accuracy"])
    problems, text = examine(model, relabelled(lambda y: y.swapaxes(1, 2)))
    checks = [problem.check for problem in problems]
    assert checks[0] == "alignment" and {"scores", "optimizer"} < set(checks)
    assert f"{len(problems)} problems; begin with the first." in text
