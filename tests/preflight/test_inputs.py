"""preflight.inputs, preflight.batch_norm: the range of the images, and what batch normalisation remembers of it."""

import keras
import numpy as np
import pytest
from keras import layers

from support.preflight_models import (
    CLASSES,
    after_40_steps,
    assert_found,
    assert_healthy,
    batch,
    compiled,
    convolutions,
    examine,
    frozen,
    large,
    network,
    norms,
    small,
    to_unit,
    trained,
)


def scaled(data):
    return data[0] / np.float32(127.5) - 1, data[1]


def unscaled_but_trained():
    """It was trained on -1 to 1, and no longer scales by itself."""
    model = trained()
    model.layers[0].scale, model.layers[0].offset = 1.0, 0.0
    return model


def biased(bias):
    model = network()
    model.get_layer("logits").bias.assign(bias)
    return model


def mobile():
    """An encoder of keras.applications without its weights, and a head whose answers are coarser than the image."""
    encoder = keras.applications.MobileNetV2((48, 48, 3), alpha=0.35, include_top=False, weights=None)
    encoder = keras.Model(encoder.input, encoder.get_layer("block_3_expand_relu").output)
    for layer in norms(encoder):
        layer.momentum = 0.9
    return keras.Sequential([keras.Input((48, 48, 3)), to_unit(), encoder, layers.Conv2D(4, 1), layers.UpSampling2D(4)])


def remembers_other_images():
    model = trained()
    norms(model)[0].moving_mean.assign(norms(model)[0].moving_mean + 8)
    return compiled(frozen(model, norms(model)))


SICK = {  # what it suffers from: (check, words, the sick, its cured twin or None, arguments for both)
    "0 to 255 for what was trained on -1 to 1": (
        "input range",
        "images / 127.5 - 1",
        lambda: (compiled(unscaled_but_trained()), batch()),
        lambda: (compiled(unscaled_but_trained()), scaled(batch())),
        {},
    ),
    "0 to 255 without normalisation": (
        "input range",
        "Rescaling(1 / 127.5, offset=-1) as its first layer",
        lambda: (compiled(convolutions()), batch()),
        lambda: (compiled(convolutions(to_unit())), batch()),
        {},
    ),
    "scaled twice": ("input range", "scaled twice", lambda: (small(), scaled(batch())), None, {}),
    "sure and wrong from the beginning": (
        "initial loss",
        "before it has learned these classes",
        lambda: (compiled(biased([0, 0, 0, 50])), batch()),
        None,
        {},
    ),
    "frozen, fresh batch normalisation": (
        "batch norm",
        "that has never seen data",
        lambda: (compiled(frozen(model := network(), norms(model))), batch()),
        lambda: (compiled(frozen(model := trained(), norms(model))), batch()),
        {},
    ),
    "batch normalisation, frozen on other images": (
        "batch norm",
        "remembers other images",
        lambda: (remembers_other_images(), batch()),
        None,
        {},
    ),
    "few steps for momentum 0.99": (
        "batch norm",
        "momentum 0.99 takes 299 steps to settle",
        lambda: (small(momentum=0.99), batch()),
        lambda: (small(momentum=0.9), batch()),
        dict(steps=120),
    ),
    "momentum 0.99 after 40 steps": (
        "batch norm",
        "momentum=0.9 on a short run",
        lambda: (after_40_steps(0.99), batch()),
        lambda: (after_40_steps(0.9), batch()),
        {},
    ),
    "momentum 0.99 after 40 smaller steps": (
        "batch norm",
        "momentum=0.9 on a short run",
        lambda: (after_40_steps(0.99, 5e-3), batch()),
        None,
        {},
    ),
}


@pytest.mark.parametrize("name", SICK)
def test_sick_inputs_or_statistics_are_found(name):
    check, words, sick, _, how = SICK[name]
    assert_found(check, words, *sick(), **how)


@pytest.mark.parametrize("name", [name for name, (*_, cured, _) in SICK.items() if cured])
def test_nothing_is_said_against_cured_inputs_or_statistics(name):
    *_, cured, how = SICK[name]
    assert_healthy(*cured(), **{"seconds": 0, **how})


def test_statistics_that_will_settle_are_noted():
    _, text = examine(after_40_steps(0.99, 5e-3), batch(), steps=1000, seconds=0)
    assert "not settled yet, after 40 of 299 steps" in " ".join(text.split()) and "No problem found" in text


def test_nothing_is_said_against_images_of_another_range():
    assert_healthy(small(), (176 + batch()[0] / 16, batch()[1]), seconds=0)  # of little contrast
    assert_healthy(compiled(convolutions()), scaled(batch()), seconds=0)


def test_a_trained_network_is_sound():
    text = assert_healthy(compiled(trained()), batch(), class_names=CLASSES)
    assert "overfit      ok" in text and "momentum 0.9 settles in 29 steps" in " ".join(text.split())


def test_an_encoder_of_keras_is_sound_and_sick_when_frozen_without_its_weights():
    model = mobile()
    assert_healthy(compiled(model), large(), seconds=0)
    assert_found("batch norm", "frozen", compiled(frozen(model, model.layers[1:2])), large())
