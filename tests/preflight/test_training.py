"""preflight.training and preflight.optimizer: does it learn the batch, and do its own steps have a size that suits?"""

import types

import keras
import numpy as np
import pytest
from keras import layers, ops

from helpers import losses
from helpers.preflight import training
from support.preflight_models import (
    assert_found,
    assert_healthy,
    batch,
    compiled,
    convolutions,
    examine,
    frozen,
    network,
    one_output,
    pictures,
    small,
    thing_or_not,
    to_unit,
    trained,
)


def with_policy(name):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        return compiled(network(filters=4))
    finally:
        keras.config.set_dtype_policy(before)


def warm_up(rate=3e-3):
    return keras.optimizers.schedules.CosineDecay(0.0, 500, warmup_target=rate, warmup_steps=100)


def with_optimizer(name, *rate):
    return small(optimizer=getattr(keras.optimizers, name)(*rate)), batch()


SOUND = {
    "SGD": ("SGD, rate 0.01:", lambda: with_optimizer("SGD", 1e-2)),
    "slow Adam": ("Adam, rate 0.0001:", lambda: with_optimizer("Adam", 1e-4)),
    "AdamW": ("AdamW, rate 0.001:", lambda: with_optimizer("AdamW", 1e-3)),
    "a rate that starts from 0": ("Adam, rate 0.003:", lambda: with_optimizer("Adam", warm_up())),
    "Adadelta": ("Adadelta, rate 1:", lambda: with_optimizer("Adadelta", 1.0)),
    "fast SGD": ("SGD, rate 0.1:", lambda: with_optimizer("SGD", 0.1)),
    "mixed bfloat16": ("Adam, rate 0.001:", lambda: (with_policy("mixed_bfloat16"), batch())),
    "mixed float16": ("Adam, rate 0.001:", lambda: (with_policy("mixed_float16"), few())),
}


def few():
    """Two pictures: half precision is slow where there is no hardware for it."""
    return tuple(part[:2] for part in pictures())


@pytest.mark.parametrize("name", SOUND)
def test_nothing_is_said_against_a_sound_optimizer(name):
    words, made = SOUND[name]
    text = assert_healthy(*made())
    assert "overfit      ok" in text
    assert f"optimizer    ok       {words}" in text or f"optimizer    -        {words}" in text  # "-": only slow
    assert ("cannot tell" in " ".join(text.split())) == (f"optimizer    -        {words}" in text)


def without_norm(name, rate):
    """Three layers with ReLU, which one step that is too large can kill."""
    model = keras.Sequential([to_unit(), *(layers.Conv2D(8, 3, padding="same", activation="relu") for _ in range(3))])
    model.add(layers.Conv2D(4, 1))
    return compiled(model, optimizer=getattr(keras.optimizers, name)(rate))


def learns_nothing():
    """A network whose features are all the same, and whose last layer alone learns."""
    model = keras.Sequential([convolutions(to_unit(), out=8), layers.Conv2D(4, 1)])
    frozen(model, model.layers[:1])
    for variable in model.layers[0].variables:
        variable.assign(np.full(variable.shape, float(len(variable.shape) == 1)))
    return compiled(model), batch()


def saturated():
    """A sigmoid so sure that its gradient is next to nothing, and a Dice, which has no logits to look at."""
    last = {"activation": "sigmoid", "bias_initializer": keras.initializers.Constant(-12)}
    return compiled(one_output(**last), soft_dice, keras.optimizers.SGD(0.01)), thing_or_not()


def soft_dice(y, p):
    return 1 - (2 * ops.sum(y * p) + 1e-6) / (ops.sum(y) + ops.sum(p) + 1e-6)


SICK = {  # what it suffers from: (check, words, the sick)
    "Adadelta at 1e-5": ("optimizer", "far too low for Adadelta", lambda: with_optimizer("Adadelta", 1e-5)),
    "SGD at 1e4": ("optimizer", "steps are too large: rate 1e+04", lambda: with_optimizer("SGD", 1e4)),
    "SGD at 1e9, infinite after a step": (
        "optimizer",
        "too large: rate 1e+09",
        lambda: (without_norm("SGD", 1e9), batch()),
    ),
    "Adam at 0.5": ("optimizer", "no longer looks at the images", lambda: (without_norm("Adam", 0.5), batch())),
    "clipnorm 1e-5": (
        "optimizer",
        "clipnorm=1e-05 cuts every gradient down",
        lambda: (small(optimizer=keras.optimizers.SGD(0.1, clipnorm=1e-5)), batch()),
    ),
    "a gradient of next to nothing": ("optimizer", "the gradient is next to nothing", saturated),
    "constant features": (
        "overfit",
        "It cannot even learn 8 images by heart, at 0.01 or 0.001 or 0.0001",
        learns_nothing,
    ),
}


@pytest.mark.parametrize("name", SICK)
def test_what_does_not_learn_is_found(name):
    check, words, sick = SICK[name]
    assert_found(check, words, *sick(), seconds=45)


def test_what_has_learned_may_go_on_slowly():
    """A trained network, tuned at a low rate."""
    assert "optimizer    ok" in assert_healthy(compiled(trained(), optimizer=keras.optimizers.Adam(1e-6)), batch())


def test_other_rates_are_tried_without_the_clipping():
    """So that the optimizer is blamed, not the data."""
    optimizer = keras.optimizers.Adam(1e-3, clipvalue=1e-9)
    problems, text = examine(small(optimizer=optimizer), batch())
    assert [problem.check for problem in problems] == ["optimizer"] and "clipvalue=1e-09" in problems[0].cause, text


def test_a_small_cross_entropy_is_no_dice():
    small_loss = losses.CrossEntropy()
    _, text = examine(small(loss=lambda y, z: 1e-3 * small_loss(y, z)), batch(), seconds=0)
    assert "Dice" not in text


def test_little_time_is_no_problem():
    """Too few steps to tell are told as such."""
    for seconds in (0, 0.7):
        _, text = examine(small(), batch(), seconds=seconds)
        assert "No problem found." in text
        assert seconds or text.count("Not told: no time for more.") == 2


def test_it_does_not_train_for_longer_than_it_should(monkeypatch):
    monkeypatch.setattr(training, "_STEPS", 7)
    _, text = examine(small(), batch())
    assert " ".join(text.split()).count("in 7 steps") == 2


@pytest.mark.parametrize(("right", "looks"), [(0.80, True), (0.72, False), (0.10, False)])
def test_more_right_pixels_than_the_most_frequent_class_has(right, looks):
    """No constant answer gets there, so that something was learned, whatever the loss says."""
    said = types.SimpleNamespace(counts=np.array([70, 20, 10]))
    assert training.looks(said, training.Trained([0.8, 0.74], 1e-3, 1e-3, right)) == looks
