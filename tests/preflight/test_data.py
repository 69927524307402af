"""preflight.data: data come in any form, and what is no picture with labels gets a sentence."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from support.preflight_models import (
    SparseCE,
    assert_found,
    assert_healthy,
    batch,
    compiled,
    network,
    small,
)


class Pairs(keras.utils.PyDataset):
    def __init__(self, x, y):
        super().__init__()
        self.x, self.y = x, y

    def __len__(self):
        return len(self.x) // 4

    def __getitem__(self, i):
        return self.x[4 * i : 4 * i + 4], self.y[4 * i : 4 * i + 4]


class NoLength(Pairs):
    def __len__(self):
        raise OSError("The disk is gone.")


def pairs(x, y):
    yield from zip(np.split(x, 2), np.split(y, 2), strict=True)


@pytest.mark.parametrize(
    ("pipeline", "read"),
    [
        (lambda *xy: tf.data.Dataset.from_tensor_slices(xy).batch(4), 2),
        (lambda *xy: tf.data.Dataset.from_tensor_slices(xy).shuffle(8).repeat().batch(8).prefetch(1), 8),
        (Pairs, 2),
        (pairs, 2),
        (lambda *xy: list(xy), 1),
        (lambda *xy: tuple(tf.constant(part) for part in xy), 1),
    ],
    ids=["tf.data", "endless tf.data", "PyDataset", "generator", "list", "tensors"],
)
def test_data_may_come_in_any_form(pipeline, read):
    text = assert_healthy(small(), pipeline(*batch()), seconds=0)
    assert "classes occur" in text and f"{read} batch{'es' * (read > 1)} read" in text


def grey():
    image = keras.Input((24, 24, 1))
    return keras.Model(image, network(4)(layers.Concatenate()([image, image, image])))


FORMS = {
    "grey images without a channel": lambda: (compiled(grey()), (batch()[0][..., 0], batch()[1])),
    "one image": lambda: (small(), tuple(part[-1:] for part in batch())),
    "a list of pixels": lambda: (
        small(layers.Reshape((24 * 24, 4)), loss=SparseCE(from_logits=True)),
        (batch()[0], batch()[1].reshape(8, -1)),
    ),
    "labels with an axis for their one channel": lambda: (small(), (batch()[0], batch()[1][..., None])),
}


@pytest.mark.parametrize("name", FORMS)
def test_nothing_is_said_against_data_of_this_form(name):
    assert_healthy(*FORMS[name]())


def test_pixels_may_stand_in_any_order_that_is_not_a_map():
    """Neither the labels' borders nor the output's places can be looked at, and no more is said."""
    x, y = (part[:, :20] for part in batch())
    model = keras.Sequential([network(4, size=24), layers.Reshape((24 * 24, 4)), layers.Lambda(lambda z: z[:, :480])])
    given = batch()[0], np.ascontiguousarray(y).reshape(8, -1)
    text = assert_healthy(compiled(model, SparseCE(from_logits=True)), given, seconds=0)
    assert "Not told: the map is too small" in text and "alignment" not in text and x.shape[1] == 20


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


def sliced(*parts):
    return tf.data.Dataset.from_tensor_slices(parts if len(parts) > 1 else parts[0])


def named(of=lambda data: data):
    return of(dict(image=batch()[0], label=batch()[1]))


BROKEN = {  # what is broken: (words, data)
    "an empty tf.data": ("wrong path or pattern", lambda: sliced(*batch()).batch(4).take(0)),
    "empty arrays": ("is empty", lambda: tuple(part[:0] for part in batch())),
    "an exhausted generator": ("is empty", empty),
    "an empty list": ("of type list", list),
    "a data set that raises": ("The disk is gone", broken_files),
    "an empty batch, and then an error": ("No such file", failing),
    "a PyDataset that raises": ("The disk is gone", lambda: NoLength(*batch())),
    "NaN in an image": ("images are NaN or infinite (batch 1, number 3)", lambda: spoiled("x", np.nan)),
    "infinity in an image": ("np.isfinite(images)", lambda: spoiled("x", np.inf)),
    "NaN in a label": ("np.isfinite(labels)", lambda: spoiled("y", np.nan)),
    "NaN in an image of the second batch": ("(batch 2, number 3)", lambda: iter([batch(), spoiled("x", np.nan)])),
    "NaN in a label of the second batch": ("labels are NaN", lambda: iter([batch(), spoiled("y", np.nan)])),
    "constant images": ("divided by 255 and cast back", lambda: (np.zeros_like(batch()[0]), batch()[1])),
    "a lone array": ("images without labels", lambda: batch()[0]),
    "a tuple of images only": ("images without labels", lambda: batch()[:1]),
    "a data set of images only": ("labels are missing", lambda: sliced(batch()[0]).batch(4)),
    "labels that are None": ("labels are missing", lambda: (batch()[0], None)),
    "nothing": ("NoneType", lambda: None),
    "a number": ("'int' object is not iterable", lambda: 3),
    "a dictionary": ("of type dict", named),
    "a data set of dictionaries": ("labels are missing", lambda: named(tf.data.Dataset.from_tensors)),
    "too few labels": ("8 images, but 7 labels", lambda: (batch()[0], batch()[1][:7])),
    "an image without a batch": ("dataset.batch(8)", lambda: (batch()[0][0], batch()[1][0])),
    "a data set without batches": ("dataset.batch(8)", lambda: sliced(*batch())),
    "names of files": ("not numbers", lambda: (np.array(["a", "b"]), np.array(["c", "d"]))),
    "tensors of names": ("not numbers", lambda: (tf.constant(["a"]), tf.constant(["b"]))),
    "the name of a folder": ("of type str", lambda: "images"),
    "objects": ("not numbers", lambda: (object(), object())),
    "lists of images of several sizes": ("of type tuple", lambda: ([np.zeros((2, 2, 3)), np.zeros((3, 3, 3))],) * 2),
}


@pytest.mark.parametrize("name", BROKEN)
def test_data_that_it_cannot_work_with_get_a_sentence(name):
    words, made = BROKEN[name]
    assert len(assert_found("data", words, small(), made())) == 1
