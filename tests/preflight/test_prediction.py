"""preflight.gradient, preflight.axes, preflight.prediction: what the loss reaches, and where and what is predicted."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from support.preflight_models import (
    assert_found,
    assert_healthy,
    batch,
    compiled,
    convolutions,
    examine,
    filled,
    frozen,
    network,
    one_output,
    relabelled,
    small,
    thing_or_not,
    to_unit,
    trained,
)


def dead():
    last = layers.Conv2D(4, 1, activation="relu", bias_initializer=keras.initializers.Constant(-100))
    return compiled(keras.Sequential([network(8), last]))


def zeros():
    model = small()
    for variable in model.trainable_variables:
        variable.assign(ops.zeros(variable.shape))
    return model


def dead_branch():
    """Half of what it computes never reaches the output."""
    image = keras.Input((24, 24, 3))
    x = to_unit()(image)
    lost = ops.relu(layers.Conv2D(4, 3, padding="same", name="lost")(x) - 1e4)
    return compiled(keras.Model(image, layers.Conv2D(4, 1)(layers.Concatenate()([x, lost]))))


def exploding():
    """Its last kernel is tiny, and what it takes is huge."""
    small_kernel = keras.initializers.RandomNormal(stddev=1e-6)
    return compiled(keras.Sequential([convolutions(to_unit(), out=8), layers.Rescaling(1e4), last(small_kernel)]))


class CutOff(layers.Layer):
    def call(self, x):
        return ops.stop_gradient(x)


def last(initializer):
    return layers.Conv2D(4, 1, kernel_initializer=initializer)


def by_argmax(labels, logits):
    labels = ops.cast(labels, "float32")
    wrong = ops.cast(ops.argmax(logits, axis=-1), "float32") != labels
    return ops.mean(ops.cast(wrong, "float32") * ops.cast(labels != 255, "float32"))


def one_class():
    model = network()
    model.get_layer("logits").bias.assign([0, 0, 50, 0])
    return as_if_trained(compiled(model))


def as_if_trained(model):
    model.optimizer.iterations.assign(100)
    return model


SICK = {  # what it suffers from: (check, words, the sick, its cured twin or None)
    "everything frozen": ("gradient", "every layer is frozen", lambda: (compiled(frozen(trained())), batch()), None),
    "a dead ReLU": ("gradient", "No gradient reaches any kernel", lambda: (dead(), batch()), None),
    "weights of 0": (
        "gradient",
        "3 of 3 are 0 throughout. With random numbers",
        lambda: (zeros(), batch()),
        None,
    ),
    "a loss with argmax": (
        "gradient",
        "the loss stays the same whatever is predicted",
        lambda: (small(loss=by_argmax), batch()),
        None,
    ),
    "a cut graph": ("gradient", "though the loss changes", lambda: (small(CutOff()), batch()), None),
    "a dead branch": ("gradient", "No gradient reaches 1 of 2 kernels: lost", lambda: (dead_branch(), batch()), None),
    "a huge gradient": ("gradient", "times as large as the weights", lambda: (exploding(), batch()), None),
    "scrambled by Reshape": (
        "axes",
        "scrambled as by Reshape((C, H * W)) and Permute((2, 1))",
        lambda: (small(layers.Reshape((4, 576)), layers.Permute((2, 1)), layers.Reshape((24, 24, 4))), batch()),
        lambda: (small(layers.Reshape((576, 4)), layers.Reshape((24, 24, 4))), batch()),
    ),
    "scrambled by Permute": (
        "axes",
        "scrambled as by Permute((3, 1, 2)) and Reshape((H, W, C))",
        lambda: (small(layers.Permute((3, 1, 2)), layers.Reshape((24, 24, 4))), batch()),
        lambda: (small(layers.Permute((3, 1, 2)), layers.Permute((2, 3, 1))), batch()),
    ),
    "scrambled in another way": ("axes", "in no order that is known here", lambda: (small(rolled()), batch()), None),
    "a transposed output": (
        "axes",
        "are not the image's: transposed, rows for columns",
        lambda: (small(layers.Permute((2, 1, 3))), batch()),
        None,
    ),
    "a mirrored output": (
        "axes",
        "are not the image's: mirrored.",
        lambda: (small(layers.Lambda(lambda z: z[:, :, ::-1])), batch()),
        None,
    ),
    "one class everywhere": ("prediction", "collapse into one class", lambda: (one_class(), batch()), None),
    "trained on labels off by one": (
        "prediction",
        "labels off by one (-1) better",
        lambda: (compiled(trained()), relabelled(lambda y: np.where(y == 255, 255, (y + 1) % 4))),
        None,
    ),
    "trained on mirrored labels": (
        "prediction",
        "labels mirrored better",
        lambda: (compiled(trained()), relabelled(lambda y: y[:, :, ::-1].copy())),
        None,
    ),
}


def rolled():
    """What belongs at the top left is in the middle, and the other way round."""
    return layers.Lambda(lambda z: ops.roll(z, (12, 12), axis=(1, 2)))


@pytest.mark.parametrize("name", SICK)
def test_a_sick_gradient_or_prediction_is_found(name):
    check, words, sick, _ = SICK[name]
    assert_found(check, words, *sick())


def test_images_that_are_not_scaled_are_no_collapse():
    """An untrained network is sure of one class, because what it is fed is huge: that is told, and once."""
    model = keras.Sequential([keras.Input((24, 24, 3)), layers.Conv2D(8, 3, padding="same", activation="relu")])
    model.add(layers.Conv2D(4, 1, bias_initializer=keras.initializers.Constant([4e3, 0, 0, 0])))
    problems, text = examine(compiled(model), batch())
    assert "prediction" not in [problem.check for problem in problems], text


def test_batch_normalisation_that_saw_nothing_is_no_collapse():
    """Before training it passes on values of 0 to 255 as they are, so that one class wins everywhere."""
    keras.utils.set_random_seed(0)
    positive = layers.Conv2D(8, 3, padding="same", kernel_initializer=keras.initializers.RandomUniform(0, 0.3))
    model = keras.Sequential([keras.Input((24, 24, 3)), positive, layers.BatchNormalization(momentum=0.9)])
    model.add(layers.Conv2D(4, 1))
    problems, text = examine(compiled(model), batch())
    assert not problems and "batch normalisation has seen no image yet" in " ".join(text.split()), text


@pytest.mark.parametrize("name", [name for name, (*_, cured) in SICK.items() if cured])
def test_nothing_is_said_against_a_cured_network(name):
    text = assert_healthy(*SICK[name][-1]())
    assert "overfit      ok" in text


@pytest.mark.parametrize(("words", "how"), [("argmax", {"loss": by_argmax}), ("cut graph", {"head": CutOff()})])
def test_a_last_layer_that_begins_at_zero_is_not_blamed_for_what_is_behind_it(words, how):
    last_layer = layers.Conv2D(4, 1, kernel_initializer="zeros")
    model = keras.Sequential([network(8), last_layer, *([how["head"]] if "head" in how else [])])
    (problem,) = examine(compiled(model, how.get("loss")), filled(), seconds=0)[0]
    assert problem.check == "gradient" and words in problem.cause


def test_a_sigmoid_that_is_0_everywhere_gives_probabilities():
    never = one_output(activation="sigmoid", bias_initializer=keras.initializers.Constant(-200))
    _, text = examine(compiled(never, keras.losses.BinaryCrossentropy()), thing_or_not(), seconds=0)
    assert "logits" not in text.split("gradient")[0].replace("\n", " ").replace("Wants logits", "")


def test_a_last_layer_that_begins_at_zero_is_sound():
    model = keras.Sequential([network(8), layers.ReLU(), layers.Conv2D(4, 1, kernel_initializer="zeros")])
    assert "gradient     ok" in assert_healthy(compiled(model), batch())


def test_answers_coarser_than_the_image_are_not_told_for_scrambled():
    model = keras.Sequential([network(8), layers.AveragePooling2D(24), layers.Conv2D(4, 1), layers.UpSampling2D(24)])
    _, text = examine(compiled(model), batch(), seconds=0)
    assert "axes         -        Not told: the answers are coarser than the image" in text


def test_frozen_weights_are_counted():
    model = network()
    frozen(model, model.layers[1:2])
    text = assert_healthy(compiled(model), batch(), seconds=0)
    share = 3 * 3 * 3 * 10 / (3 * 3 * 3 * 10 + 3 * 3 * 10 * 10 + 10 * 4)
    assert "all 2 kernels" in text and f"{share:.1%} of the weights are frozen" in " ".join(text.split())


def test_a_sigmoid_that_is_1_everywhere_is_no_softmax():
    """As after training on masks of 255."""
    stuck = one_output(activation="sigmoid", bias_initializer=keras.initializers.Constant(200))
    model = as_if_trained(compiled(stuck, keras.losses.BinaryCrossentropy()))
    problems, text = examine(model, thing_or_not())
    assert {problem.check for problem in problems} == {"prediction", "initial loss"}, text
    assert "softmax" not in text.lower()
