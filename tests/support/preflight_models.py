"""Small pictures and networks, sound and sick, on which preflight is tried; and what tests expect of an examination."""

import contextlib
import functools
import io

import keras
import numpy as np
from keras import layers

from helpers import losses, preflight

CLASSES = ("sky", "ground", "wall", "sign")
SparseCE = functools.partial(keras.losses.SparseCategoricalCrossentropy, ignore_class=255)


# ---- pictures -------------------------------------------------------------------------------------------------------

_COLOURS = np.array([[170, 190, 225], [90, 130, 60], [190, 90, 70], [235, 220, 40]])


@functools.cache
def pictures(n=8, size=24, seed=0):
    """Sky, ground, a wall and a small sign, with void at the borders: uint8 (n, size, size, 3), (n, size, size)."""
    numbers = np.random.RandomState(seed)
    y = np.zeros((n, size, size), "uint8")
    for labels in y:
        horizon, left = numbers.randint(size // 2, 3 * size // 4), numbers.randint(1, size // 3)
        labels[horizon:] = 1
        labels[horizon - size // 3 : horizon + 3, left : left + size // 2] = 2
        if numbers.rand() < 0.7:
            row, col = horizon + 3, numbers.randint(0, size - size // 5)
            labels[row : row + size // 5, col : col + size // 5] = 3
    x = _COLOURS[y] + numbers.randint(-20, 20, (n, 1, 1, 3)) + numbers.normal(0, 12, (*y.shape, 3))
    border = np.zeros(y.shape, bool)
    border[:, 1:] |= y[:, 1:] != y[:, :-1]
    border[:, :, 1:] |= y[:, :, 1:] != y[:, :, :-1]
    return np.clip(x, 0, 255).astype("uint8"), np.where(border, 255, y).astype("uint8")


def batch():
    """Eight pictures and their labels, with void."""
    return pictures()


def filled():
    """The batch without void: the border belongs to the ground."""
    x, y = batch()
    return x, np.where(y == 255, 1, y)


def hot():
    """The batch without void, one-hot: float32 (8, row, col, 4)."""
    x, y = filled()
    return x, np.eye(4, dtype="float32")[y]


def thing_or_not():
    """Wall or not, with an axis for the one channel: float32 (8, row, col, 1)."""
    x, y = filled()
    return x, (y == 2).astype("float32")[..., None]


def large():
    """The batch at twice the size."""
    return tuple(part.repeat(2, axis=1).repeat(2, axis=2) for part in batch())


def relabelled(change, of=batch):
    """The batch with other labels."""
    x, y = of()
    return x, change(y)


def shifted(by, void=255):
    """The batch with a number added to its labels."""
    return relabelled(lambda y: np.where(y == 255, void, y.astype(int) + by))


# ---- networks -------------------------------------------------------------------------------------------------------


def network(n=4, size=24, momentum=0.9, filters=10, scale=True):
    """Two convolutions, each with batch normalisation, and logits."""
    features = [
        layer
        for _ in "ab"
        for layer in (
            layers.Conv2D(filters, 3, padding="same"),
            layers.BatchNormalization(momentum=momentum),
            layers.ReLU(),
        )
    ]
    scaling = layers.Rescaling(1 / 127.5, offset=-1) if scale else layers.Identity()
    return keras.Sequential([keras.Input((size, size, 3)), scaling, *features, layers.Conv2D(n, 1, name="logits")])


def convolutions(*first, out=4, **last):
    """A network without normalisation."""
    two = [layers.Conv2D(16, 3, padding="same", activation="relu", kernel_initializer="he_normal") for _ in "ab"]
    return keras.Sequential([keras.Input((24, 24, 3)), *first, *two, layers.Conv2D(out, 1, **last)])


def to_unit():
    """A layer that scales 0..255 to -1..1."""
    return layers.Rescaling(1 / 127.5, offset=-1)


def compiled(model, loss=None, optimizer=None, scores=()):
    """The same model, compiled; with our cross-entropy and Adam unless told otherwise."""
    model.compile(optimizer or keras.optimizers.Adam(1e-3), loss or losses.CrossEntropy(), metrics=list(scores))
    return model


def small(*head, n=4, momentum=0.9, **how):
    """The network, with layers on top of its logits, compiled."""
    model = network(n, momentum=momentum)
    return compiled(keras.Sequential([model, *head]) if head else model, **how)


def one_output(**last):
    """A network with one channel, which means two classes."""
    return keras.Sequential([network(8), layers.Conv2D(1, 1, **last)])


def norms(model):
    """The model's layers of batch normalisation."""
    return [layer for layer in model._flatten_layers() if isinstance(layer, layers.BatchNormalization)]


def frozen(model, which=None):
    """The same model, with these layers or all not trainable."""
    for layer in which or model.layers:
        layer.trainable = False
    return model


@functools.cache
def _weights(momentum, rate, steps, settle):
    keras.utils.set_random_seed(1)
    model = compiled(network(momentum=momentum), optimizer=keras.optimizers.Adam(rate))
    x, y = pictures(40, seed=1)
    order = np.random.RandomState(0).randint(0, len(x), 8 * (steps + settle))
    for first, last in ((0, 8 * steps), (8 * steps, 8 * (steps + settle))):
        here = order[first:last]
        if last > first:
            model.fit(x[here], y[here], batch_size=8, shuffle=False, verbose=0)
        model.optimizer.learning_rate = rate / 20
    return model.get_weights()


def trained():
    """The network after it was really trained, until its statistics have settled; not compiled."""
    model = network()
    model.set_weights(_weights(0.9, 1e-2, 60, 40))
    return model


def after_40_steps(momentum, rate=1e-2):
    """The network after 40 steps, compiled."""
    model = network(momentum=momentum)
    model.set_weights(_weights(momentum, rate, 40, 0))
    compiled(model, optimizer=keras.optimizers.Adam(rate)).optimizer.iterations.assign(40)
    return model


def two_outputs():
    """A network with two named outputs, compiled."""
    model = network()
    return compiled(keras.Model(model.inputs[0], {"a": model.outputs[0], "b": layers.Softmax()(model.outputs[0])}))


# ---- examinations ---------------------------------------------------------------------------------------------------


def examine(model, given, **how):
    """The problems, and what was printed, in which they all are told."""
    with contextlib.redirect_stdout(io.StringIO()) as out:
        problems = preflight.preflight(model, given, **how)
    text = out.getvalue()
    assert isinstance(problems, list) and all(isinstance(problem, preflight.Problem) for problem in problems)
    assert max(map(len, text.splitlines())) <= 120
    flat = " ".join(text.split())
    for problem in problems:
        sure = "" if problem.confidence == "measured" else f"({problem.confidence}) "
        cause = f"cause: {sure}{problem.cause}"
        for part in (f"{problem.check} PROBLEM {problem.symptom}", cause, f"cure: {problem.cure}"):
            assert " ".join(part.split()) in flat
    assert text.count("PROBLEM") == len(problems) and ("No problem found." in text) == (not problems)
    return problems, text


def assert_healthy(model, given, **how):
    """Nothing is found, and every check could be made."""
    problems, text = examine(model, given, **how)
    assert problems == [], text
    assert "could not be measured" not in text, text
    return text


def assert_found(check, words, model, given, **how):
    """This check finds a problem that these words describe; no time is spent on training unless it is asked for."""
    problems, text = examine(model, given, **{"seconds": 0, **how})
    told = [repr(problem).lower() for problem in problems if problem.check == check]
    assert any(words.lower() in problem for problem in told), text
    assert all(min(map(len, (problem.symptom, problem.cause, problem.cure))) > 3 for problem in problems)
    return problems
