"""helpers.lessons.check: each exercise takes right answers in any style, and names the mistake in wrong ones."""

import contextlib
import io

import keras
import numpy as np
import pytest
import tensorflow as tf

from helpers.lessons import check
from helpers.viz import tensors
from support.answers import (
    RIGHT_HEAD,
    RIGHT_SOFTMAX,
    RIGHT_SURE,
    WRONG_DICE,
    WRONG_HEAD,
    WRONG_SOFTMAX,
    WRONG_SURE,
    dice_in_keras,
    dice_loss,
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


# ---- Dice


@pytest.mark.parametrize("answer", [dice_loss(), dice_in_keras], ids=["numpy", "keras"])
def test_dice_in_any_style(said, answer):
    assert said(check.dice, answer).startswith("Right")


@pytest.mark.parametrize("mistake", WRONG_DICE)
def test_dice_names_the_mistake(said, mistake):
    sentence = said(check.dice, WRONG_DICE[mistake])
    assert not sentence.startswith("Right") and mistake.lower() in sentence.lower()


# ---- sure and wrong


@pytest.mark.parametrize("style", RIGHT_SURE)
def test_sure_and_wrong_in_any_style(said, style):
    assert said(check.sure_and_wrong, RIGHT_SURE[style]).startswith("Right")


@pytest.mark.parametrize("mistake", WRONG_SURE)
def test_sure_and_wrong_names_the_mistake(said, mistake):
    sentence = said(check.sure_and_wrong, WRONG_SURE[mistake])
    assert not sentence.startswith("Right") and mistake.lower() in sentence.lower()


# ---- mean IoU

# Five classes: the last but one is absent from the truth, the last from both.
MATRIX = np.array([[50, 3, 2, 5, 0], [9, 20, 1, 0, 0], [0, 4, 6, 7, 0], [0, 0, 0, 0, 0], [0, 0, 0, 0, 0]])
H, T, G = np.diag(MATRIX)[:3].astype(float), MATRIX.sum(1)[:3].astype(float), MATRIX.sum(0)[:3].astype(float)
RIGHT = (H / (T + G - H)).mean()


def judged(answer, matrix=MATRIX):
    """Returns what the check of a mean IoU prints."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        assert check.mean_iou(answer, matrix) is None
    return out.getvalue()


STYLES = [float, np.float32, np.float64, np.array, keras.ops.convert_to_tensor]


@pytest.mark.parametrize("style", STYLES, ids=lambda style: style.__name__)
def test_the_right_answer_in_any_style(style):
    assert judged(style(RIGHT)).startswith("Right")


@pytest.mark.parametrize("matrix", [MATRIX.tolist(), MATRIX.astype("float32"), MATRIX.astype("int32")], ids=type)
def test_the_matrix_in_any_style(matrix):
    assert judged(round(RIGHT, 4), matrix).startswith("Right")


MISTAKES = {
    "divides by the number of all classes": (H / (T + G - H)).sum() / 5,
    "mean accuracy": (H / T).mean(),
    "precision": (H / G).mean(),
    "pixel accuracy": H.sum() / MATRIX.sum(),
    "true positives twice": (H / (T + G)).mean(),
    "percentage": 100 * RIGHT,
    "Not a number": float("nan"),
    "average at the end": H / (T + G - H),
    "Not answered yet": None,
}


def test_the_mistakes_are_told_apart():
    numbers = [RIGHT, *(v for v in MISTAKES.values() if isinstance(v, float) and not np.isnan(v))]
    assert np.abs(np.subtract.outer(numbers, numbers) + np.eye(len(numbers))).min() > 2e-3


@pytest.mark.parametrize("hint", MISTAKES)
def test_each_mistake_gets_its_own_hint(hint):
    printed = judged(MISTAKES[hint])
    assert not printed.startswith("Right") and printed.count("\n") == 1
    assert [h for h in MISTAKES if h in printed] == [hint]


ABSURD = {
    "text": "a third", "empty text": "", "array": np.zeros((3, 3)), "empty array": np.array([]), "list": [0.1, 0.2],
    "ragged list": [[1, 2], [3]], "dict": {"mean_iou": 0.5}, "infinity": float("inf"), "minus infinity": -np.inf,
    "complex": 1j, "huge": 10**400, "function": len, "class": float, "object": object(), "bytes": b"\xff",
    "one in a list": np.array([0.123]), "zero": 0, "negative": -3, "true": True,
}  # fmt: skip


@pytest.mark.parametrize("name", ABSURD)
def test_absurd_answers_get_a_sentence(name):
    printed = judged(ABSURD[name])
    assert printed.strip() and not printed.startswith("Right")


def test_a_matrix_without_pixels_does_not_raise():
    assert judged(0.5, np.zeros((3, 3))).startswith("Not yet")
