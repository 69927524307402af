"""What notebook 07 claims: held against its own run, and against networks that are taken apart here."""

import re

import keras
import numpy as np
import pytest
import tensorflow as tf

from support.answers import window_width

pytestmark = pytest.mark.slow

NAME = "07_what_does_each_part_do"
WITHOUT = (
    "join-masks", "norm", "shape", "truth-runs", "truth-figure",
    "head", "head-learners", "head-note", "head-runs", "head-figure", "head-table",
)  # fmt: skip


def seeds(line):
    return np.array([[float(n) for n in part.split()] for part in re.findall(r"\[([^]]*)\]", line)])


def rows(text, names):
    """{name: the seeds of the line that begins with it}."""
    return {name: seeds(next(line for line in text.splitlines() if line.startswith(name))) for name in names}


@pytest.mark.parametrize("depth", [0, 1, 2])
def test_the_window_is_what_a_gradient_reaches(lesson, depth):
    """In a network without negative numbers nothing cancels: every row of the window moves the output, and no other."""
    v = lesson[0]
    network = v["network"](depth=depth, norm="none", size=96)
    network.set_weights([np.full_like(w, 0.05) for w in network.get_weights()])
    x = tf.constant(np.random.RandomState(0).uniform(130, 255, (64, 96, 96, 3)), "float32")  # a maximum is anywhere
    with tf.GradientTape() as tape:
        tape.watch(x)
        value = tf.reduce_sum(network(x)[:, 48, 48])
    moved = np.flatnonzero(np.abs(tape.gradient(value, x)).sum(axis=(0, 2, 3)))
    first, last = v["window"](48, depth)
    assert first <= moved.min() <= first + 1 and last - 1 <= moved.max() <= last


def test_the_parts_are_those_of_the_series(lesson):
    from helpers.unet import unet

    v = lesson[0]
    ours, series = v["network"](), unet((32, 32, 3), 4, filters=8, depth=2)
    biases = sum(layer.filters for layer in ours.layers if type(layer) is keras.layers.Conv2D) - 4
    assert ours.count_params() - biases == series.count_params()
    assert {tuple(v["network"](**{part: name}).output.shape) for part in ("join", "up", "norm")
            for name in v[part.upper()]} == {(None, 32, 32, 4)}  # fmt: skip


def test_without_a_skip_nothing_is_carried_across(lesson):
    v = lesson[0]
    model = v["network"](join="none")
    assert not [layer for layer in model.layers if isinstance(layer, (keras.layers.Add, keras.layers.Concatenate))]


def test_fixed_upsampling_leaves_grey_grey(lesson, said):
    v = lesson[0]
    for up in v["UP"]:
        model = v["network"](up=up)
        flat = v["on_grey"](model.get_weights(), up)
        assert (np.ptp(flat, axis=(0, 1)).max() < 1e-5) == ("+" in up), up
    for line in said["up-figure"].splitlines():
        values = seeds(line)
        assert (values[:2] > 0).all() and (values[2:] == 0).all()


def test_tiles_that_do_not_overlap_are_the_tiles(lesson):
    v = lesson[0]
    image = np.random.RandomState(0).randint(0, 255, (64, 96, 3)).astype("uint8")
    model = v["loaded"](v["base"].after[0])
    found = v["tiled"](model, image, 32, 32)
    alone = np.array(model(image[None, 32:, 64:].astype("float32"), training=False))[0]
    assert found.shape == (64, 96, 4) and np.allclose(found[32:, 64:], alone, atol=1e-4)
    assert (
        v["tiled"](model, image[:50, :70], 32, 16).shape == v["padded"](model, image[:50, :70], 4).shape == (50, 70, 4)
    )


def test_an_exact_fit_needs_no_padding(lesson):
    v = lesson[0]
    image = np.random.RandomState(0).randint(0, 255, (32, 32, 3)).astype("uint8")
    model = v["loaded"](v["base"].after[0])
    plain = v["whole"](model, image[None])[0]
    assert np.allclose(v["padded"](model, image, 4), plain)
    assert np.allclose(v["resized"](model, image, (32, 32)), plain, atol=1e-3)


def test_every_score_has_three_seeds(said):
    for cell in ("depth-figure", "join", "up-figure", "up-table", "norm", "shape", "truth-figure", "head-table"):
        found = [part.split() for part in re.findall(r"\[([^]]*)\]", said[cell])]
        assert found and {len(part) for part in found} == {3}, cell


def test_the_head_start(said):
    found = rows(said["head-table"], ["from scratch", "frozen  ", "frozen, then", "frozen, fed"])
    scratch, frozen, tuned, dim = found.values()
    assert (frozen > scratch).all() and (tuned > scratch).all(), "with every number of pictures, and every seed"
    assert (dim < frozen - 0.1).all()


def test_the_exercise(lesson):
    v = lesson[0]
    assert lesson[1]["exercise"].startswith("Not answered yet") and lesson[1]["chains"] == ""
    widths = [window_width(chain) for chain in v["chains"].values()]
    assert widths == [136, 19, 63]
