"""preflight.labels, preflight.borders: values that are no class, void among the classes, labels that were turned."""

import itertools
import types

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from helpers.preflight import pairs
from support.preflight_models import (
    CLASSES,
    SparseCE,
    assert_found,
    assert_healthy,
    batch,
    compiled,
    examine,
    filled,
    hot,
    one_output,
    pictures,
    relabelled,
    shifted,
    small,
    thing_or_not,
)


def resized(y, method):
    """Labels that were made half as large and come back."""
    coarse = tf.constant(y[:, ::2, ::2, None].astype("float32"))
    return tf.image.resize(coarse, y.shape[1:], method).numpy()[..., 0]


def many(change):
    """A pipeline of larger pictures, in several batches."""
    x, y = pictures(24, 48)
    return tf.data.Dataset.from_tensor_slices((x, change(y))).batch(8)


def any_size(n):
    return compiled(keras.Sequential([keras.Input((None, None, 3)), layers.Rescaling(1 / 255), layers.Conv2D(n, 1)]))


def alone(how):
    return small(), how


SICK = {  # what the labels suffer from: (words, the sick, its cured twin, arguments for both)
    "labels off by one": ("labels - 1; and where the file says 0", lambda: alone(shifted(1)), None, {}),
    "void as -1": ("np.where(labels < 0, 255, labels)", lambda: alone(shifted(0, void=-1)), None, {}),
    "another number for void": (
        "another number than 255 for void",
        lambda: alone(shifted(0, void=200)),
        lambda: (small(loss=ignores_200), shifted(0, void=200)),
        dict(void=200),
    ),
    "void blended with classes": (
        "or of a class and void",
        lambda: alone(relabelled(lambda y: np.round(resized(y, "bilinear")))),
        lambda: alone(relabelled(lambda y: resized(y, "nearest"))),
        {},
    ),
    "labels with fractions": (
        "are fractions, such as",
        lambda: alone(relabelled(lambda y: resized(y, "bilinear"), filled)),
        lambda: alone(relabelled(lambda y: resized(y, "nearest"), filled)),
        {},
    ),
    "labels with fractions, rounded": (
        "halfway between classes 0 and 2 lies 1",
        lambda: (any_size(4), relabelled(lambda y: np.round(resized(y, "bilinear")), mosaic)),
        lambda: (any_size(4), relabelled(lambda y: resized(y, "nearest"), mosaic)),
        {},
    ),
    "one-hot labels with fractions": (
        "are fractions, such as",
        lambda: (categorical(), relabelled(lambda y: y * 0.8 + 0.2 * np.roll(y, 1, axis=2), hot)),
        lambda: (categorical(), relabelled(lambda y: y * 0.8 + 0.05, hot)),
        {},
    ),
    "two classes for a pixel": (
        "neither 0 to 3 nor void",
        lambda: (categorical(), relabelled(lambda y: np.maximum(y, np.roll(y, 1, axis=2)), hot)),
        lambda: (categorical(), hot()),
        {},
    ),
    "void as the first of five classes": (
        "void is trained as a class",
        lambda: (small(n=5), shifted(1, void=0)),
        None,
        dict(class_names=CLASSES),
    ),
    "void as the first of five classes without names": (
        "in thin seams around the others",
        lambda: (any_size(5), many(lambda y: np.where(y == 255, 0, y + 1))),
        lambda: (any_size(4), many(lambda y: y)),
        {},
    ),
    "void everywhere": ("Every label is void", lambda: alone(relabelled(lambda y: np.full_like(y, 255))), None, {}),
    "one class everywhere": (
        "Every label is class 2",
        lambda: alone(relabelled(lambda y: np.full_like(y, 2))),
        None,
        {},
    ),
    "white masks": (
        "255 is a brightness",
        lambda: (binary(), relabelled(lambda y: 255 * y, thing_or_not)),
        lambda: (binary(), thing_or_not()),
        {},
    ),
}


def mosaic():
    """Squares of four classes in any order, so that every class borders on every other."""
    numbers = np.random.RandomState(0)
    y = numbers.randint(0, 4, (8, 5, 5)).repeat(8, axis=1).repeat(8, axis=2).astype("uint8")
    return (60 * y[..., None] + numbers.randint(0, 30, (*y.shape, 3))).astype("uint8"), y


def ignores_200(labels, logits):
    return keras.losses.sparse_categorical_crossentropy(labels, logits, from_logits=True, ignore_class=200)


def categorical():
    return small(loss=keras.losses.CategoricalCrossentropy(from_logits=True))


def binary():
    return compiled(one_output(), keras.losses.BinaryCrossentropy(from_logits=True))


@pytest.mark.parametrize("name", SICK)
def test_sick_labels_are_found(name):
    words, sick, _, how = SICK[name]
    assert_found("labels", words, *sick(), **{**how, "void": 255})


@pytest.mark.parametrize("name", [name for name, (*_, cured, _) in SICK.items() if cured])
def test_nothing_is_said_against_cured_labels(name):
    _, _, cured, how = SICK[name]
    assert_healthy(*cured(), **{"seconds": 0, **how})


def test_a_wrong_number_of_class_names_is_found(sound):
    assert sound[0] == []  # with as many names as classes
    problems = assert_found("labels", "2 class names, and 4 outputs", small(), batch(), class_names=["a", "b"])
    assert len(problems) == 1


def test_the_losses_ignore_class_is_void_whatever_is_said():
    given = shifted(0, void=77)
    assert_healthy(small(loss=SparseCE(ignore_class=77, from_logits=True)), given, seconds=0, void=255)


def test_labels_that_are_all_thin_hide_no_void():
    """They cannot be learned; but it is not said of each class that it is void."""
    noise = np.random.RandomState(0).randint(0, 4, (8, 24, 24))
    problems, _ = examine(small(), (batch()[0], noise), seconds=0)
    assert "labels" not in [problem.check for problem in problems]


def striped():
    """Four classes in bands, with a line of class 0 above each: no class touches another to its left or right."""
    y = np.zeros((2, 36, 36), "uint8")
    for c in range(4):
        y[:, 9 * c + 1 : 9 * c + 9] = c + 1
    return (50 * y[..., None] + np.random.RandomState(0).randint(0, 30, (*y.shape, 3))).astype("uint8"), y


@pytest.mark.parametrize("across", [False, True], ids=["lying", "standing"])
def test_seams_are_found_in_both_directions(across):
    x, y = (part.swapaxes(1, 2) if across else part for part in striped())
    assert_found("labels", "Class 0 is in nearly every image, in thin seams around the others", any_size(5), (x, y))


TURNED = {  # how the labels got lost: (what is said, the change)
    "transposed": ("transposed, rows for columns", lambda y: y.swapaxes(1, 2)),
    "upside down": ("upside down", lambda y: y[:, ::-1]),
    "mirrored": ("mirrored", lambda y: y[:, :, ::-1]),
    "by 180 degrees": ("turned by 180 degrees", lambda y: y[:, ::-1, ::-1]),
    "by 90 degrees": ("turned by 90 degrees", lambda y: np.rot90(y, 1, axes=(1, 2))),
    "by 270 degrees": ("turned by 270 degrees", lambda y: np.rot90(y, -1, axes=(1, 2))),
}


@pytest.mark.parametrize("name", TURNED)
def test_turned_labels_are_found_and_how_they_should_be(name):
    """The cure is the way back: labels that were turned by 90 degrees should be turned by 270."""
    words, change = TURNED[name]
    back = {"by 90 degrees": "by 270 degrees", "by 270 degrees": "by 90 degrees"}.get(name, name)
    words = f"labels should be {TURNED[back][0] if back != name else words}."
    problems = assert_found("alignment", words, small(), relabelled(lambda y: change(y).copy()))
    assert [problem.check for problem in problems][0] == "alignment"


@pytest.mark.parametrize("shuffled", [False, True])
@pytest.mark.parametrize("half", [1, 2, 3])
def test_outlines_have_their_borders_beside_the_objects(half, shuffled):
    """As in the masks of Oxford-IIIT Pet, or with void around objects: no border of the labels is one of the image."""
    x, y = pictures(16, 48)
    y = np.where(y == 255, 0, y).astype(int)
    outline = np.zeros(y.shape, bool)
    for i, j in itertools.product(range(-half, half + 1), repeat=2):
        outline |= np.roll(y, (i, j), (1, 2)) != y
    y = np.where(outline, 4, y)[np.roll(np.arange(16), 3 if shuffled else 0)]
    data = types.SimpleNamespace(batches=[(x, y, None)])
    (found,) = pairs.check_alignment(types.SimpleNamespace(x=x, maps=y, data=data), explained=False).findings
    assert (getattr(found, "cause", None) == pairs.UNRELATED.cause) == shuffled
