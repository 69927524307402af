"""helpers.check: each exercise takes right answers in any style, and names the mistake in wrong ones."""

import keras
import numpy as np
import pytest
import scipy.special
import tensorflow as tf

from helpers import cells, check


@pytest.fixture
def said(capsys):
    def ask(exercise, *arguments, **options):
        assert exercise(*arguments, **options) is None
        out = capsys.readouterr()
        assert out.out.count("\n") == 1 and out.err == "", "one sentence, and no warning"
        return out.out.strip()

    return ask


# ---- softmax


def by_hand(z, axis=-1):
    z = np.asarray(z)
    powers = np.exp(z - z.max(axis=axis, keepdims=True))
    return powers / powers.sum(axis=axis, keepdims=True)


def in_a_loop(z):
    result = np.empty(z.shape)
    for index in np.ndindex(z.shape[:-1]):
        row = z[index] - max(z[index])
        result[index] = [np.e**v / sum(np.e**row) for v in row]
    return result


RIGHT_SOFTMAX = {
    "numpy": by_hand,
    "loop": in_a_loop,
    "keras": keras.ops.softmax,
    "tensorflow": tf.nn.softmax,
    "scipy": lambda z: scipy.special.softmax(z, axis=-1),
    "logsumexp": lambda z: np.exp(z - scipy.special.logsumexp(z, axis=-1, keepdims=True)),
    "a layer": keras.layers.Softmax(),
}


@pytest.mark.parametrize("style", RIGHT_SOFTMAX)
def test_softmax_in_any_style(said, style):
    assert said(check.softmax, RIGHT_SOFTMAX[style]).startswith("Right")


def changing(z):
    z -= z.max(axis=-1, keepdims=True)
    return np.exp(z) / np.exp(z).sum(-1, keepdims=True)


WRONG_SOFTMAX = {
    "Not answered": lambda z: None,
    "write it with def": 3,
    "first axis": lambda z: by_hand(z, 0),
    "middle axis": lambda z: by_hand(z, 1),
    "All numbers together": lambda z: np.exp(z) / np.exp(z).sum(),
    "those are the powers": np.exp,
    "divides the logits": lambda z: z / z.sum(-1, keepdims=True),
    "logarithm": lambda z: np.log(by_hand(z)),
    "sigmoid": lambda z: 1 / (1 + np.exp(-z)),
    "hard choice": lambda z: np.eye(z.shape[-1])[z.argmax(-1)],
    "minus the logits": lambda z: by_hand(-z),
    "overflow": lambda z: np.exp(z) / np.exp(z).sum(-1, keepdims=True),
    "own largest": lambda z: np.exp(z - z.max()) / np.exp(z - z.max()).sum(-1, keepdims=True),
    "count the axis from the end": lambda z: by_hand(z, 2 if z.ndim == 3 else 0),
    "changes the array": changing,
    "has shape (2, 3)": lambda z: z.sum(-1),
    "stops with NameError": lambda z: np.exp(logits),  # noqa: F821
    "not an array of numbers": lambda z: "softmax",
    "axis=-1": lambda z: np.zeros_like(z),
}


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

TAGS = cells.tagged(3, 2, 2)


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

RIGHT_HEAD = {
    "reshape, transpose": lambda s: s.reshape(*s.shape[:2], -1).transpose(0, 2, 1),
    "transpose, reshape": lambda s: s.transpose(0, 2, 3, 1).reshape(len(s), -1, s.shape[1]),
    "moveaxis": lambda s: np.moveaxis(s, 1, -1).reshape(2, 6, 4),
    "einsum": lambda s: np.einsum("bchw->bhwc", s).reshape(2, 6, 4),
    "keras.ops": lambda s: keras.ops.reshape(keras.ops.transpose(s, (0, 2, 3, 1)), (2, 6, 4)),
    "layers": lambda s: keras.layers.Permute((2, 1))(keras.layers.Reshape((4, 6))(s)),
    "a model": keras.Sequential([keras.Input((4, 2, 3)), keras.layers.Reshape((4, 6)), keras.layers.Permute((2, 1))]),
}


@pytest.mark.parametrize("style", RIGHT_HEAD)
def test_head_in_any_style(said, style):
    assert said(check.pixel_rows, RIGHT_HEAD[style]).startswith("Right")


WRONG_HEAD = {
    "Not answered": lambda s: None,
    "plain reshape": lambda s: s.reshape(2, 6, 4),
    "halfway": lambda s: s.reshape(2, 4, 6),
    "down the columns": lambda s: s.transpose(0, 3, 2, 1).reshape(2, 6, 4),
    "mixed": lambda s: s.transpose(2, 3, 0, 1).reshape(2, 6, 4),
    "another order": lambda s: s[::-1].transpose(0, 2, 3, 1).reshape(2, 6, 4),
    "in reverse": lambda s: s[:, ::-1].transpose(0, 2, 3, 1).reshape(2, 6, 4),
    "has shape (12, 4)": lambda s: s.transpose(0, 2, 3, 1).reshape(-1, 4),
    "write it with def": np.zeros((2, 6, 4)),
    "stops with ValueError": lambda s: s.reshape(5, 5),
    "all its classes": lambda s: np.zeros((2, 6, 4)),
}


@pytest.mark.parametrize("hint", WRONG_HEAD)
def test_each_wrong_head_gets_its_hint(said, hint):
    sentence = said(check.pixel_rows, WRONG_HEAD[hint])
    assert hint.lower() in sentence.lower()
    assert not sentence.startswith("Right")


# ---- weighted cross-entropy


def weighted_loss(weight_from="truth", divide="valid", void="out", power=1):
    """The exercise of notebook 03, right or with a mistake built in."""

    def loss(labels, logits, weights):
        p = keras.ops.softmax(logits)
        classes = np.where(labels == 255, 0, labels)
        truth = np.eye(4, dtype="float32")[classes]
        truth = truth * (labels != 255)[..., None] if void == "out" else truth
        cross_entropy = -keras.ops.sum(truth * keras.ops.log(p), axis=-1)
        share = {"truth": truth, "p": p, "nothing": truth}[weight_from]
        weight = keras.ops.sum((1 if weight_from == "nothing" else weights) * share, axis=-1) ** power
        below = {
            "valid": float((labels != 255).sum()), "all": labels.size, "one": 1, "weights": keras.ops.sum(weight),
        }[divide]  # fmt: skip
        return keras.ops.sum(weight * cross_entropy) / below

    return loss


def in_numpy(labels, logits, weights):
    p, valid = by_hand(logits), labels != 255
    classes = labels[valid]
    return (weights[classes] * -np.log(p[valid][np.arange(len(classes)), classes])).sum() / max(len(classes), 1)


def spoiling(labels, logits, weights):
    valid = labels != 255
    labels[~valid] = 0  # in place
    return in_numpy(np.where(valid, labels, 255), logits, weights)


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


WRONG_WEIGHTED = {
    "Not answered": lambda labels, logits, weights: None,
    "write it with def": 3,
    "has shape (2, 4, 5)": lambda labels, logits, weights: np.zeros(labels.shape),
    "still comes from the prediction, p: a": weighted_loss("p"),
    "and nothing is divided": weighted_loss("p", divide="one"),
    "right weights, but a sum": weighted_loss(divide="one"),
    "divides by all pixels": weighted_loss(divide="all"),
    "divides by the sum of the weights": weighted_loss(divide="weights"),
    "no weight in it": weighted_loss("nothing"),
    "void counts as class 0: leave": weighted_loss(divide="all", void="in"),
    "void counts as class 0 above": weighted_loss(void="in"),
    "void counts as class 0": lambda labels, *rest: labels.__setitem__(labels == 255, 0) or in_numpy(labels, *rest),
    "minus the loss": lambda *a: -in_numpy(*a),
    "multiplies once": weighted_loss(power=2),
    "NaN": lambda *a: np.nan,
    "sum weight x cross-entropy": lambda *a: 17.0,
    "stops with KeyError": lambda *a: {}["x"],
}


@pytest.mark.parametrize("mistake", WRONG_WEIGHTED)
def test_weighted_loss_names_the_mistake(said, mistake):
    sentence = said(check.weighted_loss, WRONG_WEIGHTED[mistake])
    assert not sentence.startswith("Right") and mistake.lower() in sentence.lower()


# ---- Dice


def dice_loss(absent="out", void="out", twice=2, axes=(0, 1, 2), score=False, total=False, smooth=0):
    """The exercise of notebook 04, right or with a mistake built in."""

    def loss(labels, p):
        g = (labels[..., None] == np.arange(p.shape[-1])).astype("float32")
        if void == "out":
            p = p * (labels != 255)[..., None]
        value = 1 - (twice * (p * g).sum(axes) + smooth) / np.maximum((p + g).sum(axes) + smooth, 1e-9)
        value = value[..., g.sum((0, 1, 2)) > 0] if absent == "out" else value
        value = value.sum() if total else value.mean()
        return 1 - value if score else value

    return loss


def dice_in_keras(labels, p):
    valid = keras.ops.cast(labels != 255, "float32")[..., None]
    g = keras.ops.one_hot(np.where(labels == 255, 0, labels), 3) * valid
    overlap, both = (keras.ops.sum(t, axis=(0, 1, 2)) for t in (p * valid * g, p * valid + g))
    present = keras.ops.cast(keras.ops.sum(g, axis=(0, 1, 2)) > 0, "float32")
    return keras.ops.sum(present * (1 - 2 * overlap / both)) / keras.ops.sum(present)


@pytest.mark.parametrize("answer", [dice_loss(), dice_in_keras], ids=["numpy", "keras"])
def test_dice_in_any_style(said, answer):
    assert said(check.dice, answer).startswith("Right")


def iou_loss(labels, p):
    g, p = (labels[..., None] == np.arange(3)).astype(float), p * (labels != 255)[..., None]
    overlap, both = (p * g).sum((0, 1, 2)), (p + g).sum((0, 1, 2))
    return (1 - overlap / (both - overlap))[[0, 2]].mean()


WRONG_DICE = {
    "Not answered": lambda labels, p: None,
    "write it with def": "dice",
    "has shape (3,)": lambda labels, p: np.zeros(3),
    "class 1 is absent": dice_loss(absent="in"),
    "smoothing by 1": dice_loss(smooth=1),
    "void pixels' probabilities": dice_loss(void="in"),
    "void is counted, and the absent": dice_loss(absent="in", void="in"),
    "that is the score": dice_loss(score=True),
    "loss of IoU": iou_loss,
    "overlap counts twice": dice_loss(twice=1),
    "Keep the class axis": dice_loss(axes=None, absent="in"),
    "One Dice per image": dice_loss(axes=(1, 2)),
    "a sum over the classes": dice_loss(total=True),
    "NaN": lambda labels, p: np.nan,
    "for each class": lambda labels, p: 17.0,
}


@pytest.mark.parametrize("mistake", WRONG_DICE)
def test_dice_names_the_mistake(said, mistake):
    sentence = said(check.dice, WRONG_DICE[mistake])
    assert not sentence.startswith("Right") and mistake.lower() in sentence.lower()
