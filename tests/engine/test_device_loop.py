"""helpers.engine.device_loop: many steps a call give what Keras' fit gives, one step at a time, with few host reads."""

import gc
import math

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.framework import ops as tf_ops

from helpers import metrics, pipeline, training
from helpers.engine import device_loop
from helpers.engine.building import build_optimizer
from helpers.losses import CrossEntropy
from helpers.recipe import Recipe
from helpers.viz import live
from support.small_runs import BATCH, CLASSES, IMAGES, LABELS, SIDE, STEPS, At, compiled, equal, interrupt

RANDOM = np.random.RandomState(3)


def feed(epochs, images=IMAGES, labels=LABELS, batch=BATCH, **settings):
    return pipeline.Feed(images, labels, batch=batch, size=SIDE, epochs=epochs, seed=1, **settings)


def on_device(optimizer=None, seed=0):
    """The small network, to be trained many steps a call."""
    model = compiled(optimizer, seed)
    model.compile(model.optimizer, model.loss, metrics=[metrics.Scores(CLASSES)], jit_compile=True)
    return model


def validation(n=4):
    return pipeline.evaluation_batches(IMAGES[:n], LABELS[:n], batch=BATCH, size=SIDE)


def fitted(model, epochs, train=None, **options):
    return training.fit(model, train or feed(epochs), validation(), epochs=epochs, steps=STEPS, **options)


class EachStep(keras.callbacks.Callback):
    """Keeps the mean loss that callbacks are told after each step."""

    def on_train_begin(self, logs=None):
        self.losses = []

    def on_train_batch_end(self, batch, logs=None):
        self.losses.append((batch, logs["loss"]))


# ---- the batches ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [20, 48, 64])
def test_batches_are_those_of_the_feed(size):
    """Cropped, mirrored and lit as on the CPU: each label the same, each image to a hundredth of a grey level."""
    images = RANDOM.randint(0, 256, (9, 48, 48, 3)).astype("uint8")
    labels = RANDOM.randint(0, CLASSES, (9, 48, 48)).astype("uint8")
    labels[RANDOM.random_sample(labels.shape) < 0.1] = 255
    made = pipeline.Feed(images, labels, batch=4, size=size, epochs=5, seed=2, scale=1.7, light=0.3)
    mirrored = []
    for crops, (x, y) in zip(made.crops().batch(4), made(), strict=True):
        image, label = device_loop.augmented(tf.constant(images), tf.constant(labels), crops, size)
        np.testing.assert_allclose(image, x, atol=0.01)
        np.testing.assert_array_equal(label, y)
        mirrored.extend(crops.mirrored.numpy())
    assert 0 < sum(mirrored) < len(mirrored) == 40


def test_what_crosses_the_bus_is_small_and_what_lies_there_are_bytes():
    model = on_device()
    build_optimizer(model)
    program = device_loop.Program(model, feed(1), validation())
    assert program.images.dtype == program.labels.dtype == "uint8"
    assert [part.dtype.name for part in program.batches] == ["uint8", "uint8"]
    sent = sum(values.nbytes for values in next(feed(1).crops().batch(BATCH).as_numpy_iterator()))
    assert sent <= 25 * BATCH < 0.01 * 4 * 3 * SIDE * SIDE * BATCH  # the bytes of float32 images


# ---- the same as Keras' fit -----------------------------------------------------------------------------------------


def smooth(n, side=32):
    """Pictures in which two classes meet along a line, with void between them and a picture that is all void."""
    row, col = np.mgrid[:side, :side] / side
    edges = RANDOM.uniform(0.2, 0.8, (n, 1, 1)) + RANDOM.uniform(-0.3, 0.3, (n, 1, 1)) * row
    labels = np.where(col < edges, 0, 1 + (row > 0.5)).astype("uint8")
    labels[np.abs(col - edges) < 0.05] = 255
    images = np.stack([255 * col * (labels == 0), 200 * row * (labels == 1), 90 + 100 * row * col + 0 * edges], axis=-1)
    return images.clip(0, 255).astype("uint8"), labels


@pytest.mark.parametrize(
    "optimizer",
    [lambda recipe: keras.optimizers.SGD(1e-4, momentum=0.9), lambda recipe: recipe.optimizer(20)],
    ids=["SGD", "Muon"],
)
def test_twenty_steps_are_those_of_the_plain_step(optimizer):
    """float32, void, weights for the classes, scores, a batch of nothing but void: losses and weights to 1e-5.

    At small rates: at the recipe's, rounding grows within twenty steps, whatever rounds.
    """
    recipe = Recipe(size=32, filters=4, depth=2, stem=1, batch=4, epochs=4, learning_rate=1e-4, light=0.1)
    images, labels = smooth(20)
    made = recipe.feed(images, labels)
    dark = [crop.index.numpy() for crop in made.crops()][20:24]  # the second epoch's first batch
    labels[dark] = 255
    ends = {}
    for jit_compile in (False, True):
        keras.utils.set_random_seed(5)
        model = recipe.network(3)
        loss = CrossEntropy([1.0, 2.5, 0.5])
        model.compile(optimizer(recipe), loss, metrics=[metrics.Scores(3)], jit_compile=jit_compile)
        steps = EachStep()
        held_out = pipeline.evaluation_batches(images[:6], labels[:6], batch=4, size=32)
        history = training.fit(model, made, held_out, epochs=4, steps=5, callbacks=[steps])
        ends[jit_compile] = history, steps.losses, model.get_weights()
    (history, losses, weights), (history_, losses_, weights_) = ends[False], ends[True]
    assert len(losses) == 20 and [step for step, _ in losses] == [step for step, _ in losses_]
    assert losses[5][1] == losses_[5][1] == 0  # nothing but void
    np.testing.assert_allclose([loss for _, loss in losses], [loss for _, loss in losses_], atol=1e-5)
    assert max(np.abs(a - b).max() for a, b in zip(weights, weights_, strict=True)) < 1e-5
    assert set(history) == set(history_)
    for name in set(history) - {"seconds"}:
        np.testing.assert_allclose(history[name], history_[name], atol=1e-3 if "loss" not in name else 1e-5)


@pytest.mark.parametrize("n", [3, 4, 11])
def test_validation_is_the_mean_over_images_whatever_is_left_for_the_last_batch(n):
    model = compiled()
    model.compile("sgd", CrossEntropy(), metrics=[metrics.Scores(CLASSES), "accuracy"])  # the last one counts void
    build_optimizer(model)
    expected = model.evaluate(validation(n), return_dict=True, verbose=0)
    assert device_loop.Program(model, feed(1), validation(n)).validate() == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_it_learns_in_sixteen_bits(policy):
    """float16 with a loss scale, which Keras puts around the optimizer."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        history = fitted(on_device(keras.optimizers.Adam(0.05)), 6)
    finally:
        keras.config.set_dtype_policy(before)
    assert all(map(math.isfinite, history["loss"])) and history["loss"][-1] < 0.8 * history["loss"][0]


def test_averaged_weights_are_put_in_at_the_end():
    ends = []
    for make in (compiled, on_device):
        model = make(keras.optimizers.SGD(1e-3, use_ema=True, ema_momentum=0.9))
        fitted(model, 2)
        ends.append(model.get_weights())
    assert max(np.abs(a - b).max() for a, b in zip(*ends, strict=True)) < 1e-5


def test_dropout_is_another_at_every_step():
    """Its random state goes on within a call, and across calls."""
    kept = []
    for steps in (1, 2, 3):
        keras.utils.set_random_seed(0)
        dropout = keras.layers.Dropout(0.5, seed=3)
        model = keras.Sequential([keras.Input((SIDE, SIDE, 3)), dropout, keras.layers.Conv2D(CLASSES, 1)])
        model.compile("sgd", CrossEntropy(), jit_compile=True)
        training.fit(model, feed(1), validation(), epochs=1, steps=steps)
        kept.append(tuple(keras.ops.convert_to_numpy(dropout.seed_generator.state)))
    assert len(set(kept)) == 3


def test_a_plain_stream_is_trained_as_before():
    """Without a `Feed` there is nothing to crop on the device."""
    assert len(fitted(on_device(), 2, lambda first_epoch: feed(2)(first_epoch))["loss"]) == 2


# ---- reads of the host ----------------------------------------------------------------------------------------------


class Reads(keras.callbacks.Callback):
    """How often the host reads a tensor between an epoch's begin and its last step."""

    def __init__(self, monkeypatch):
        super().__init__()
        self.n, self.counting, self.each = 0, False, []
        read = tf_ops._EagerTensorBase._numpy

        def counted(tensor):
            self.n += self.counting
            return read(tensor)

        monkeypatch.setattr(tf_ops._EagerTensorBase, "_numpy", counted)

    def on_epoch_begin(self, epoch, logs=None):
        self.n, self.counting = 0, True

    def on_train_batch_end(self, batch, logs=None):
        if batch == self.params["steps"] - 1:
            self.counting = False
            self.each.append(self.n)


def test_the_host_reads_at_most_once_in_ten_steps(monkeypatch):
    n = 100
    made = feed(2, np.resize(IMAGES, (n, *IMAGES.shape[1:])), np.resize(LABELS, (n, *LABELS.shape[1:])), batch=1)
    reads = {}
    for model in (compiled(), on_device()):
        watch = Reads(monkeypatch)
        training.fit(model, made, validation(), epochs=2, steps=n, callbacks=[watch])
        reads[model.jit_compile] = watch.each
        monkeypatch.undo()
    assert max(reads[True]) - len(pipeline.Crop._fields) <= n / 10  # the crops are made on the host, once an epoch
    assert min(reads[False]) >= n  # that is what is counted


# ---- however it ends ------------------------------------------------------------------------------------------------


def test_it_goes_on_with_the_same_bits(tmp_path):
    whole = on_device()
    history = fitted(whole, 4)
    path = tmp_path / "run.keras"
    fitted(on_device(), 4, checkpoint=path, callbacks=[At(epoch=2, batch=1, do=interrupt)])
    again = on_device(seed=9)
    resumed = fitted(again, 4, checkpoint=path)
    assert equal(whole.get_weights(), again.get_weights())
    assert all(history[name] == resumed[name] for name in history if name != "seconds")


def test_the_guard_says_and_does_the_same_some_steps_late(capsys):
    """A rate that jumps in the third step of the second epoch: the loss is NaN in the one after it or so."""
    images, labels = np.repeat(IMAGES, 4, 0), np.repeat(LABELS, 4, 0)
    steps, said = len(images) // BATCH, []
    for make in (compiled, on_device):
        rate = keras.optimizers.schedules.PiecewiseConstantDecay([steps + 3], [0.01, 1e38])
        model, watch = make(keras.optimizers.SGD(rate)), At()
        made = feed(4, images, labels)
        history = training.fit(model, made, validation(), epochs=4, steps=steps, callbacks=[watch])
        assert len(history["loss"]) == 1
        assert equal(model.get_weights(), watch.weights[0])
        said.append([line for line in capsys.readouterr().out.splitlines() if "became" in line])
    assert said[0] == said[1] and "of epoch 2. Training has stopped" in said[0][0]


def test_interrupted_it_keeps_what_it_learned(capsys):
    model, watch = on_device(), At(epoch=1, batch=1, do=interrupt)
    history = fitted(model, 4, callbacks=[watch])
    assert len(history["loss"]) == 1 and not equal(model.get_weights(), watch.weights[0])
    assert "Interrupted in epoch 2 of 4" in capsys.readouterr().out and watch.ended == 1


def test_the_live_view_has_each_step():
    seen = []
    for make in (compiled, on_device):
        view = live.View(IMAGES[:2], LABELS[:2], batch=BATCH)
        fitted(make(), 2, callbacks=[view])
        seen.append(view)
    assert np.allclose(seen[0].steps, seen[1].steps) and len(seen[0].steps) == 2 * STEPS
    np.testing.assert_allclose(seen[0].losses, seen[1].losses, atol=1e-4)
    assert len(seen[1].masks) == 3


def test_a_label_that_is_no_class_is_refused_before_the_first_step():
    labels = LABELS.copy()
    labels[7, 8, 8] = CLASSES
    with pytest.raises(ValueError, match=f"Labels must be whole numbers, 0 to {CLASSES - 1} .*found {CLASSES} at 1 "):
        fitted(on_device(), 1, feed(1, IMAGES, labels))


def test_more_epochs_than_the_feed_has_are_refused():
    with pytest.raises(ValueError, match="The feed has 1 epochs, and fit is asked for 2"):
        fitted(on_device(), 2, feed(1))


def test_without_a_stream_to_validate_on_keras_trains():
    model = on_device()
    history = training.fit(model, feed(2), None, epochs=2, steps=STEPS)
    assert len(history["loss"]) == 2 and "val_loss" not in history


def test_the_images_do_not_stay_on_the_device():
    """TensorFlow keeps what a compiled loop captures, for good: so images must not be captured."""

    def alive():
        gc.collect()
        return sum(isinstance(o, tf_ops.EagerTensor) and o.shape == IMAGES.shape for o in gc.get_objects())

    model, before = on_device(), alive()
    for _ in range(2):
        training.fit(model, feed(1), validation(), epochs=1, steps=STEPS)
    assert alive() == before


@pytest.mark.parametrize("shape", [(48, 30), (30, 48)])
def test_pictures_that_are_not_square_are_cut_alike(shape):
    images = RANDOM.randint(0, 256, (5, *shape, 3)).astype("uint8")
    labels = RANDOM.randint(0, CLASSES, (5, *shape)).astype("uint8")
    made = pipeline.Feed(images, labels, batch=5, size=16, epochs=6, seed=2)
    ends = []
    for crops, (x, y) in zip(made.crops().batch(5), made(), strict=True):
        image, label = device_loop.augmented(tf.constant(images), tf.constant(labels), crops, 16)
        np.testing.assert_allclose(image, x, atol=0.01)
        np.testing.assert_array_equal(label, y)
        for start, side, most in ((crops.top, crops.side, shape[0]), (crops.left, crops.side, shape[1])):
            assert (start + side <= most).numpy().all()
        ends.extend(np.stack([crops.top + crops.side, crops.left + crops.side], axis=1).tolist())
    assert np.max(ends, axis=0)[np.argmax(shape)] > 30  # the longer side is used beyond the first square


def test_more_steps_than_batches_are_refused():
    with pytest.raises(ValueError, match=f"make {STEPS} batches of {BATCH} an epoch, not {STEPS + 1}: give fit steps="):
        training.fit(on_device(), feed(1), validation(), epochs=1, steps=STEPS + 1)
