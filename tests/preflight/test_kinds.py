"""preflight: kinds of failure that public reports tell of, beside those of docs/preflight.md, and their sound twins."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers, ops

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
    network,
    one_output,
    pictures,
    relabelled,
    small,
    thing_or_not,
    to_unit,
    trained,
)

CategoricalCE = keras.losses.CategoricalCrossentropy


class AlwaysDrops(layers.Dropout):
    """Dropout that does not ask whether it trains."""

    def call(self, x, training=False):
        return super().call(x, training=True)


def sliced(x, y, size=8):
    return tf.data.Dataset.from_tensor_slices((x, y)).batch(size)


def as_bgr():
    x, y = batch()
    return x[..., ::-1].copy(), y


def dead_layer():
    """Nine of ten channels of the first layer are 0 everywhere."""
    model = network()
    bias = model.layers[1].bias.numpy()
    bias[1:] = -1e3
    model.layers[1].bias.assign(bias)
    model.layers[2].trainable = False
    model.layers[2].moving_mean.assign([1e-3] * 10)  # its statistics are not those of a fresh layer
    return compiled(model)


def one_by_one(momentum=0.9):
    return small(momentum=momentum), sliced(*batch(), size=1)


def cropping():
    """Three convolutions without padding: 48 pixels become 36."""
    body = [layers.Conv2D(8, 5, activation="relu", kernel_initializer="he_normal") for _ in range(3)]
    return compiled(keras.Sequential([keras.Input((48, 48, 3)), to_unit(), *body, layers.Conv2D(4, 1)]))


def halving():
    """A network whose output has half the size of its images."""
    body = [layers.Conv2D(8, 3, strides=2, padding="same", activation="relu"), layers.Conv2D(4, 1)]
    return compiled(keras.Sequential([keras.Input((48, 48, 3)), to_unit(), *body]))


def wide():
    """Larger pictures."""
    return pictures(8, 48)


def cut(size):
    """A function that cuts the middle out of label maps."""
    return lambda y: y[:, (48 - size) // 2 : (48 + size) // 2, (48 - size) // 2 : (48 + size) // 2]


def resized(size):
    """A function that resizes label maps by the nearest pixel."""
    at = np.round((np.arange(size) + 0.5) * 48 / size - 0.5).astype(int)
    return lambda y: y[:, at][:, :, at]


def masked(y, z):
    """A cross-entropy of one-hot rows to which a row of zeros adds nothing."""
    return -ops.mean(ops.sum(y * ops.log_softmax(z), axis=-1))


def without_the_first_row(y, z):
    """It means to leave out class 0, and leaves out row 0."""
    return keras.losses.sparse_categorical_crossentropy(y[:, 1:], z[:, 1:], from_logits=True)


def rows_right(y, z):
    """The share of rows that are right from end to end."""
    right = ops.cast(ops.argmax(z, axis=-1), "int32") == ops.cast(y, "int32")
    return ops.mean(ops.cast(ops.all(right, axis=-1), "float32"))


def pixels_right(y, z):
    return ops.mean(ops.cast(ops.cast(ops.argmax(z, axis=-1), "int32") == ops.cast(y, "int32"), "float32"))


def argmax_iou(y, p):
    """An IoU of the object, from the argmax over its one channel."""
    given = ops.cast(ops.argmax(p, axis=-1), "float32")[..., None]
    both, either = ops.sum(y * given), ops.sum(ops.maximum(y, given))
    return both / (either + 1e-6)


def threshold_iou(y, p):
    given = ops.cast(p > 0.5, "float32")
    return ops.sum(y * given) / (ops.sum(ops.maximum(y, given)) + 1e-6)


def mean_to_certainty(y, z):
    return masked(y, z) + 20 * ops.mean(ops.max(ops.softmax(z), axis=-1))


def void_rows(value):
    x, y = batch()
    rows = np.eye(4, dtype="float32")[np.where(y == 255, 0, y)]
    rows[y == 255] = value
    return x, rows


def overlapping():
    """The object, and its upper half besides: two masks."""
    x, y = thing_or_not()
    upper = y * (np.arange(24) < 14)[:, None, None]
    return x, np.concatenate([y, upper], axis=-1)


def two_sigmoids():
    return compiled(one_output_of(2), keras.losses.BinaryCrossentropy())


def one_output_of(n):
    return keras.Sequential([network(8), layers.Conv2D(n, 1, activation="sigmoid")])


def sigmoid():
    return compiled(one_output(activation="sigmoid"), "binary_crossentropy")


def brightness(y):
    return y * np.random.RandomState(0).uniform(0.4, 2.0, (8, 1, 1, 1)).astype("float32")


def averaged(y):
    """Masks made half as large by averaging, and enlarged again: soft edges."""
    small = y.reshape(8, 12, 2, 12, 2, 1).mean(axis=(2, 4))
    return small.repeat(2, axis=1).repeat(2, axis=2)


def unrelated():
    """Twenty-four pictures, and the masks of others."""
    return sliced(pictures(24, 24)[0], pictures(24, 24, seed=7)[1])


def two_images():
    one, other = keras.Input((24, 24, 3)), keras.Input((24, 24, 3))
    return compiled(keras.Model([one, other], network()(layers.Average()([one, other]))))


class Distilled(keras.Model):
    """It keeps its loss in an attribute, for a train_step of its own."""

    def __init__(self):
        super().__init__()
        self.body = network()

    def call(self, x):
        return self.body(x)

    def train_step(self, data):
        raise NotImplementedError


def distilled():
    model = Distilled()
    model.compile(optimizer="adam")
    model.own_loss = SparseCE()
    return model


KINDS = {  # what is wrong: (check, words, the sick, its sound twin or None)
    "dropout in inference": (
        "model",
        "called with training=True",
        lambda: (small(AlwaysDrops(0.5)), batch()),
        lambda: (small(layers.Dropout(0.5)), batch()),
    ),
    "two inputs": ("model", "The model takes 2 inputs", lambda: (two_images(), batch()), None),
    "a loss of its own": ("model", "keeps one of its own", lambda: (distilled(), batch()), None),
    "labels for several outputs": (
        "data",
        "The labels of a batch are a tuple: 2 of them",
        lambda: (small(), tf.data.Dataset.from_tensor_slices((batch()[0], (batch()[1], batch()[1]))).batch(4)),
        None,
    ),
    "whole-number division": (
        "data",
        "divided as whole numbers",
        lambda: (compiled(convolutions()), ((batch()[0] // 160).astype("float32"), batch()[1])),
        lambda: (compiled(convolutions()), ((batch()[0] / 160).astype("float32"), batch()[1])),
    ),
    "masks with edges between 0 and 255": (
        "labels",
        "never divided by 255",
        lambda: (sigmoid(), relabelled(lambda y: 255 * averaged(y), thing_or_not)),
        lambda: (sigmoid(), relabelled(averaged, thing_or_not)),
    ),
    "more classes than outputs": (
        "labels",
        "more classes in the labels than the network has outputs for: 4 of them",
        lambda: (sigmoid(), relabelled(lambda y: y[..., None], filled)),
        None,
    ),
    "codes with gaps": (
        "labels",
        "np.searchsorted([0, 11, 26, 240], labels)",
        lambda: (small(), relabelled(lambda y: np.array([0, 11, 26, 240])[y], filled)),
        None,
    ),
    "brightness on masks": (
        "labels",
        "a change of brightness or contrast",
        lambda: (sigmoid(), relabelled(lambda y: 255 * brightness(y), thing_or_not)),
        lambda: (sigmoid(), thing_or_not()),
    ),
    "masks that overlap": ("labels", "yes or no of its own", lambda: (two_sigmoids(), overlapping()), None),
    "labels of other images": (
        "alignment",
        "The labels do not belong to these images",
        lambda: (small(), unrelated()),
        lambda: (small(), sliced(*pictures(24, 24))),
    ),
    "softmax over rows": (
        "output",
        "Softmax over axis 1 of the output",
        lambda: (small(layers.Softmax(axis=1), loss=SparseCE()), batch()),
        lambda: (small(layers.Softmax(axis=-1), loss=SparseCE()), batch()),
    ),
    "void as rows of zeros": (
        "loss",
        "its gradient is not",
        lambda: (small(loss=CategoricalCE(from_logits=True)), void_rows(0)),
        lambda: (small(loss=masked), void_rows(0)),
    ),
    "void as rows of 255": (
        "loss",
        "the loss takes it for a weight",
        lambda: (small(loss=CategoricalCE(from_logits=True)), void_rows(255)),
        None,
    ),
    "the first row ignored": (
        "loss",
        "no slope in 1 of 24 rows: 0.",
        lambda: (small(loss=without_the_first_row), filled()),
        None,
    ),
    "certainty costs": (
        "loss",
        "A perfect answer costs more than an undecided one",
        lambda: (small(loss=mean_to_certainty), hot()),
        lambda: (small(loss=masked), hot()),
    ),
    "right rows counted": (
        "scores",
        "counts rows, columns or whole pictures",
        lambda: (small(scores=[rows_right]), filled()),
        lambda: (small(scores=[pixels_right]), filled()),
    ),
    "argmax over one channel": (
        "scores",
        "an argmax over one channel",
        lambda: (
            compiled(one_output(activation="sigmoid"), "binary_crossentropy", scores=[argmax_iou]),
            thing_or_not(),
        ),
        lambda: (
            compiled(one_output(activation="sigmoid"), "binary_crossentropy", scores=[threshold_iou]),
            thing_or_not(),
        ),
    ),
    "channels of another order": (
        "input range",
        "images[..., ::-1]",
        lambda: (compiled(trained()), as_bgr()),
        lambda: (compiled(trained()), batch()),
    ),
    "dead units": ("gradient", "of the channels are 0 at every pixel", lambda: (dead_layer(), batch()), None),
    "batches of one": ("batch norm", "Batches of one image", one_by_one, lambda: (small(), sliced(*batch(), size=4))),
    "resized for cropped": (
        "axes",
        "Crop the labels alike: labels[:, 6:42, 6:42]",
        lambda: (cropping(), relabelled(resized(36), wide)),
        lambda: (cropping(), relabelled(cut(36), wide)),
    ),
    "cropped for resized": (
        "axes",
        "Resize the labels by the nearest pixel",
        lambda: (halving(), relabelled(cut(24), wide)),
        lambda: (halving(), relabelled(resized(24), wide)),
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_of_failure_is_named(kind):
    check, words, sick, _ = KINDS[kind]
    assert_found(check, words, *sick())


@pytest.mark.parametrize("kind", [kind for kind, (*_, sound) in KINDS.items() if sound])
def test_nothing_is_said_against_its_sound_twin(kind):
    assert_healthy(*KINDS[kind][-1](), seconds=0)


def flipped(cached):
    """A pipeline that flips at random, each pass anew unless it is cached."""
    pairs = tf.data.Dataset.from_tensor_slices(batch())

    def flip(x, y):
        both = tf.image.random_flip_left_right(tf.concat([x, y[..., None]], axis=-1))
        return both[..., :3], both[..., 3]

    pairs = pairs.map(flip)
    return (pairs.cache() if cached else pairs).batch(8)


def test_augmentation_that_is_kept_from_pass_to_pass_is_noted():
    _, text = examine(small(), flipped(cached=True), seconds=0)
    assert "cache() keeps what was drawn first" in " ".join(text.split()) and "No problem found." in text
    _, text = examine(small(), flipped(cached=False), seconds=0)  # seeded once for all: each pass draws alike
    assert "Its seed begins anew with each pass" in " ".join(text.split())


def test_a_shuffle_that_is_the_same_in_each_pass_is_noted():
    pairs = tf.data.Dataset.from_tensor_slices(batch())
    _, text = examine(small(), pairs.shuffle(8, seed=1, reshuffle_each_iteration=False).batch(4), seconds=0)
    assert "reshuffle_each_iteration=True" in text and "No problem found." in text


def test_a_rare_object_in_a_loss_of_pixels_is_likely_to_be_missed():
    """Told only where training did not find it, and of no Dice."""
    numbers = np.random.RandomState(0)
    x, y = numbers.normal(0.5, 0.2, (16, 32, 32, 3)).astype("float32"), np.zeros((16, 32, 32, 1), "float32")
    y[::2, 10:13, 10:13] = 1
    x += 0.1 * y

    def model(loss):
        layer = layers.Conv2D(8, 3, padding="same", activation="relu")
        return compiled(
            keras.Sequential([keras.Input((32, 32, 3)), layer, layers.Conv2D(1, 1, activation="sigmoid")]), loss
        )

    (problem,), _ = examine(model("binary_crossentropy"), (x, y))
    assert problem.check == "overfit" and problem.confidence == "likely" and "Add a Dice" in problem.cure

    def with_dice(y, p):
        dice = 1 - (2 * ops.sum(y * p) + 1) / (ops.sum(y) + ops.sum(p) + 1)
        return dice + ops.mean(keras.losses.binary_crossentropy(y, p))

    assert_healthy(model(with_dice), (x, y))
