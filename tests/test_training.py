"""helpers.training: however a run ends, nothing learned is lost."""

import json
import math
import zipfile

import keras
import numpy as np
import pytest
import tensorflow as tf

from helpers.engine import checkpoints
from helpers.losses import CrossEntropy
from support.small_runs import CLASSES, STEPS, At, compiled, equal, fitted, interrupt, stream


def test_fit_returns_the_curves_and_prints_nothing_of_its_own(capsys):
    history = fitted(compiled(), 2)
    assert {"loss", "val_loss", "val_mean_iou", "val_pixel_accuracy", "seconds"} <= set(history)
    assert all(len(values) == 2 for values in history.values())
    assert all(type(v) is float and math.isfinite(v) for values in history.values() for v in values)
    assert min(history["seconds"]) > 0
    printed = capsys.readouterr().out
    assert "Interrupted" not in printed and "became" not in printed


@pytest.mark.parametrize("jit_compile", [False, True], ids=["graph", "XLA"])
@pytest.mark.parametrize("bad", [CLASSES, 254])
def test_a_label_that_is_no_class_ends_the_first_batch_in_words(jit_compile, bad):
    """Also where XLA, which drops assertions, compiles the loss, as `fit` does on a GPU."""
    images, labels = (np.stack(part) for part in zip(*stream(1).as_numpy_iterator(), strict=True))
    labels[0, 0, 4, 4] = bad
    model = compiled()
    model.compile(keras.optimizers.SGD(0.1), CrossEntropy(), jit_compile=jit_compile)
    with pytest.raises(tf.errors.InvalidArgumentError, match=f"Labels must be whole numbers, 0 to {CLASSES - 1} "):
        fitted(model, 1, tf.data.Dataset.from_tensor_slices((images, labels)))


def poisoned(epoch, batch, epochs=4):
    """The training stream with a NaN in one image of one batch."""
    images, labels = (np.stack(part) for part in zip(*stream(epochs).as_numpy_iterator(), strict=True))
    images[epoch * STEPS + batch, 0, 0, 0, 0] = np.nan
    return tf.data.Dataset.from_tensor_slices((images, labels))


def test_nan_in_the_images_goes_back_to_the_last_epochs_weights(capsys):
    model, watch = compiled(), At()
    history = fitted(model, 4, poisoned(epoch=1, batch=1), callbacks=[watch])
    assert equal(model.get_weights(), watch.weights[0])
    assert all(np.isfinite(w).all() for w in model.get_weights())
    assert len(history["loss"]) <= 2 and math.isfinite(history["loss"][0])
    (line,) = [line for line in capsys.readouterr().out.splitlines() if "The loss became" in line]
    assert "step 2 of epoch 2" in line and "the end of epoch 1" in line and "learning rate" in line


def test_a_rate_far_too_high_goes_back_to_the_start(capsys):
    model = compiled(keras.optimizers.SGD(1e30))
    before = model.get_weights()
    fitted(model, 2)
    assert equal(model.get_weights(), before)
    assert (
        "of epoch 1. Training has stopped, and the network is back at its weights of the start"
        in capsys.readouterr().out
    )


def spoil(model):
    """As a step with an infinite gradient would: the loss was finite, the weights no longer are."""
    model.get_layer("logits").kernel.assign(model.get_layer("logits").kernel * np.nan)


@pytest.mark.parametrize("epochs", [2, 4])
def test_weights_spoilt_by_an_epochs_last_step_are_not_taken_for_good(epochs, capsys):
    model, watch = compiled(), At(epoch=1, batch=STEPS - 1, do=spoil)
    fitted(model, epochs, callbacks=[watch])
    assert equal(model.get_weights(), watch.weights[0])
    assert "Training has stopped" in capsys.readouterr().out


def test_nan_does_not_overwrite_the_checkpoint(tmp_path):
    path, watch, model = tmp_path / "run.keras", At(), compiled(seed=9)
    fitted(compiled(), 4, lambda first_epoch: poisoned(epoch=1, batch=1), callbacks=[watch], checkpoint=path)
    whole = At(epoch=1, batch=0, do=interrupt)
    history = fitted(model, 4, lambda first_epoch: stream(4, first_epoch), checkpoint=path, callbacks=[whole])
    assert len(history["loss"]) == 1 and math.isfinite(history["loss"][0])
    state = checkpoints.load(path, model, json.loads(zipfile.ZipFile(path).read("run.json")))
    assert state.epochs == 1 and equal(model.get_weights(), watch.weights[0])
    assert all(np.isfinite(v.numpy()).all() for v in model.optimizer.variables)


def test_interrupted_it_keeps_weights_and_curves(capsys):
    model, watch = compiled(), At(epoch=1, batch=1, do=interrupt)
    history = fitted(model, 4, callbacks=[watch])
    assert equal(model.get_weights(), interrupt.weights) and not equal(model.get_weights(), watch.weights[0])
    assert len(history["loss"]) == len(history["seconds"]) == len(history["val_mean_iou"]) == 1
    (line,) = [line for line in capsys.readouterr().out.splitlines() if "Interrupted" in line]
    assert "in epoch 2 of 4" in line and "keeps all it has learned" in line
    assert watch.ended == 1


def test_interrupted_in_the_first_epoch_the_curves_are_empty():
    assert fitted(compiled(), 2, callbacks=[At(epoch=0, batch=0, do=interrupt)]) == {}
