"""helpers.check: each exercise takes right answers in any style, and names the mistake in wrong ones."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from helpers.lessons import check
from helpers.viz import tensors
from support.answers import (
    RIGHT_HEAD,
    RIGHT_SOFTMAX,
    WRONG_DICE,
    WRONG_HEAD,
    WRONG_SOFTMAX,
    WRONG_WEIGHTED,
    dice_in_keras,
    dice_loss,
    in_numpy,
    spoiling,
    weighted_loss,
)


@pytest.fixture
def said(capsys):
    def ask(exercise, *arguments, **options):
        assert exercise(*arguments, **options) is None
        out = capsys.readouterr()
        assert out.out.count("\n") == 1 and out.err == "", "one sentence, and no warning"
        return out.out.strip()

    return ask


# ---- softmax


@pytest.mark.parametrize("style", RIGHT_SOFTMAX)
def test_softmax_in_any_style(said, style):
    assert said(check.softmax, RIGHT_SOFTMAX[style]).startswith("Right")


@pytest.mark.parametrize("hint", WRONG_SOFTMAX)
def test_each_wrong_softmax_gets_its_hint(said, hint):
    sentence = said(check.softmax, WRONG_SOFTMAX[hint])
    assert hint.lower() in sentence.lower()
    assert not sentence.startswith("Right")


# ---- the axis of the classes


@pytest.mark.parametrize("axis", [1, -3, 1.0, np.int64(1), np.array(1)])
def test_class_axis_right(said, axis):
    assert said(check.class_axis, axis).startswith("Right")


@pytest.mark.parametrize(
    ("axis", "hint"),
    [
        (None, "Not answered"), (0, "batch"), (-4, "batch"), (2, "row"), (-2, "row"), (3, "column"), (-1, "column"),
        (4, "whole number"), (1.5, "whole number"), ("class", "whole number"), (True, "whole number"),
        (float("nan"), "whole number"), (float("inf"), "whole number"), ([1, 2], "whole number"), ((), "whole number"),
    ],
)  # fmt: skip
def test_class_axis_wrong(said, axis, hint):
    sentence = said(check.class_axis, axis)
    assert hint in sentence and not sentence.startswith("Right")


# ---- a row of a reshape

TAGS = tensors.tagged(3, 2, 2)


def row(said, answer):
    return said(check.reshaped_row, answer, TAGS, (4, 3), row=1)


@pytest.mark.parametrize(
    "answer", [[3, 100, 101], (3, 100, 101), np.array([3.0, 100, 101]), tf.constant([3, 100, 101])]
)
def test_row_right(said, answer):
    assert row(said, answer).startswith("Right")


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (None, "Not answered"), ([1, 101, 201], "transpose"), ([0, 1, 2], "row 0"), ([3, 100], "3 numbers"),
        (3, "3 numbers"), ([3, 100, 102], "ribbon"), ([[3, 100, 101]], "3 numbers"),
        ("3 100 101", "list of whole numbers"),
        ([1, [2], 3], "list of whole numbers"), ([float("nan")] * 3, "ribbon"), ({}, "list of whole numbers"),
    ],
)  # fmt: skip
def test_row_wrong(said, answer, hint):
    sentence = row(said, answer)
    assert hint in sentence and not sentence.startswith("Right")


# ---- the repaired head


@pytest.mark.parametrize("style", RIGHT_HEAD)
def test_head_in_any_style(said, style):
    assert said(check.pixel_rows, RIGHT_HEAD[style]).startswith("Right")


@pytest.mark.parametrize("hint", WRONG_HEAD)
def test_each_wrong_head_gets_its_hint(said, hint):
    sentence = said(check.pixel_rows, WRONG_HEAD[hint])
    assert hint.lower() in sentence.lower()
    assert not sentence.startswith("Right")


# ---- weighted cross-entropy


@pytest.mark.parametrize("answer", [weighted_loss(), in_numpy, spoiling], ids=["keras", "numpy", "in place"])
def test_weighted_loss_in_any_style(said, answer):
    assert said(check.weighted_loss, answer).startswith("Right")


def test_weighted_loss_of_the_notebooks_solution(said):
    def solution(labels, logits, weights):
        p = keras.ops.softmax(logits)
        truth = keras.ops.one_hot(labels, 4)
        cross_entropy = -keras.ops.sum(truth * keras.ops.log(p), axis=-1)
        weight = keras.ops.sum(weights * truth, axis=-1)
        return keras.ops.sum(weight * cross_entropy) / keras.ops.sum(truth)

    assert said(check.weighted_loss, solution).startswith("Right")


@pytest.mark.parametrize("mistake", WRONG_WEIGHTED)
def test_weighted_loss_names_the_mistake(said, mistake):
    sentence = said(check.weighted_loss, WRONG_WEIGHTED[mistake])
    assert not sentence.startswith("Right") and mistake.lower() in sentence.lower()


# ---- Dice


@pytest.mark.parametrize("answer", [dice_loss(), dice_in_keras], ids=["numpy", "keras"])
def test_dice_in_any_style(said, answer):
    assert said(check.dice, answer).startswith("Right")


@pytest.mark.parametrize("mistake", WRONG_DICE)
def test_dice_names_the_mistake(said, mistake):
    sentence = said(check.dice, WRONG_DICE[mistake])
    assert not sentence.startswith("Right") and mistake.lower() in sentence.lower()
