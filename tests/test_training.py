"""helpers.training: however a run ends nothing learned is lost, resuming is exact, scoring is what it says it is."""

import argparse
import dataclasses
import json
import math
import os
import shlex
import zipfile

import keras
import numpy as np
import pytest
import tensorflow as tf

from helpers import pipeline, siftflow, training
from helpers.engine import checkpoints
from helpers.losses import CrossEntropy
from helpers.metrics import Scores
from helpers.training import Profile, Recipe
from test_siftflow import write_set

SIDE, CLASSES, BATCH = 16, 3, 4
RANDOM = np.random.RandomState(0)
LABELS = RANDOM.randint(0, CLASSES, (12, 4, 4)).repeat(4, 1).repeat(4, 2).astype("uint8")
IMAGES = (90 * LABELS[..., None] + RANDOM.randint(0, 30, (*LABELS.shape, 3))).astype("uint8")
LABELS[:, :2] = 255
STEPS = len(IMAGES) // BATCH


def compiled(optimizer=None, seed=0):
    """A small network with batch normalisation, quick to trace; tanh, as ReLU may turn NaN into 0."""
    keras.utils.set_random_seed(seed)
    layers = [
        keras.layers.Rescaling(1 / 127.5, offset=-1),
        keras.layers.Conv2D(2, 3, padding="same", activation="tanh"),
        keras.layers.BatchNormalization(momentum=0.9),
        keras.layers.Conv2D(CLASSES, 1, name="logits"),
    ]
    model = keras.Sequential([keras.Input((SIDE, SIDE, 3)), *layers])
    model.compile(
        optimizer or keras.optimizers.Adam(0.01), CrossEntropy(), metrics=[Scores(CLASSES)], jit_compile=False
    )
    return model


def stream(epochs, first_epoch=0):
    return pipeline.training_batches(
        IMAGES, LABELS, batch=BATCH, size=SIDE, epochs=epochs, first_epoch=first_epoch, seed=1
    )


def fitted(model, epochs, train=None, **options):
    validation = pipeline.evaluation_batches(IMAGES[:4], LABELS[:4], batch=4, size=SIDE)
    train = (lambda first_epoch: stream(epochs, first_epoch)) if train is None else train
    return training.fit(model, train, validation, epochs=epochs, steps=STEPS, **options)


class At(keras.callbacks.Callback):
    """Does something at a batch of an epoch, and remembers the weights at each epoch's end."""

    def __init__(self, epoch=None, batch=None, do=lambda model: None):
        super().__init__()
        self.where, self.do, self.weights, self.ended = (epoch, batch), do, [], 0

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if (self.epoch, batch) == self.where:
            self.do(self.model)

    def on_epoch_end(self, epoch, logs=None):
        self.weights.append(self.model.get_weights())

    def on_train_end(self, logs=None):
        self.ended += 1


def equal(some, others):
    return all(np.array_equal(a, b) for a, b in zip(some, others, strict=True))


# ---- fit ------------------------------------------------------------------------------------------------------------


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


def interrupt(model):
    interrupt.weights = model.get_weights()
    raise KeyboardInterrupt


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


# ---- a trained network to hand on -----------------------------------------------------------------------------------

ABOUT = {
    "recipe": {"size": 16, "filters": 16, "depth": 2, "stem": 2},
    "test": {"mean_iou": 0.25},
    "log": {"loss": [1.0]},
}


def test_an_exported_network_comes_back_smaller_and_nearly_the_same(tmp_path):
    model = Recipe(**ABOUT["recipe"]).network(siftflow.N_CLASSES)
    for weight in model.weights:  # moving statistics, too, that are not those of a new network
        weight.assign(weight + 0.01 * np.random.RandomState(0).normal(size=weight.shape))
    path = tmp_path / "deep" / "network.npz"
    training.export(path, model, ABOUT)
    again, about = training.pretrained(path)
    assert about == {"recipe": ABOUT["recipe"], "test": ABOUT["test"]}  # the log is in the record
    images = RANDOM.randint(0, 256, (2, 16, 16, 3)).astype("float32")
    np.testing.assert_allclose(model(images), again(images), rtol=0.02, atol=0.02)
    assert path.stat().st_size < 2.5 * model.count_params() + 5000
    assert [file.name for file in path.parent.iterdir()] == ["network.npz"]


def test_the_network_of_the_series_is_the_one_of_the_record():
    model, about = training.pretrained("siftflow_cpu")
    record = training.recorded("siftflow_cpu.json")
    assert about["test"] == record["test"] and model.count_params() == record["weights"]
    assert model.output_shape == (None, record["recipe"]["size"], record["recipe"]["size"], siftflow.N_CLASSES)


def test_an_exported_network_that_is_missing_or_damaged_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="no_such.*data/checkpoints"):
        training.pretrained("no_such")
    path = tmp_path / "network.npz"
    training.export(path, Recipe(**ABOUT["recipe"]).network(siftflow.N_CLASSES), ABOUT)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ValueError, match="network.npz is damaged"):
        training.pretrained(path)


# ---- optimizer and profile ------------------------------------------------------------------------------------------


def test_rate_climbs_then_falls_as_a_cosine():
    adamw = Recipe(learning_rate=0.002, warm_up=0.1, weight_decay=0.03).optimizer(200)
    rate = np.array([float(adamw._learning_rate(step)) for step in range(201)])
    np.testing.assert_allclose(rate[:21], 0.002 * np.arange(21) / 20, atol=1e-8)
    np.testing.assert_allclose(rate[20:], 0.001 * (1 + np.cos(np.pi * np.arange(181) / 180)), atol=1e-8)
    assert adamw.weight_decay == 0.03


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_even_the_shortest_run_has_an_optimizer(steps):
    assert float(Recipe().optimizer(steps)._learning_rate(0)) >= 0


@pytest.fixture
def cpu_only(monkeypatch):
    listed = tf.config.list_physical_devices
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind=None: [] if kind == "GPU" else listed(kind))


@pytest.mark.parametrize(("float32", "bfloat16", "best"), [(31, 44, "mixed_bfloat16"), (31, 22, "float32")])
def test_on_a_cpu_the_faster_precision_is_chosen_and_both_speeds_stated(cpu_only, monkeypatch, float32, bfloat16, best):
    speeds = {"float32": float32, "mixed_bfloat16": bfloat16}
    monkeypatch.setattr(training, "_images_per_second", lambda profile, *_: speeds[profile.precision])
    profile = training.choose_profile(Recipe(), 33)
    assert profile.precision == best and profile.device.startswith("CPU")
    assert f"float32 {float32}" in str(profile) and f"mixed_bfloat16 {bfloat16}" in str(profile)


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="this system does not say which cores are allowed")
@pytest.mark.parametrize(("allowed", "device"), [({1}, "CPU, 1 core"), ({0, 2, 5}, "CPU, 3 cores")])
def test_the_cores_named_are_those_this_process_may_use(cpu_only, monkeypatch, allowed, device):
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: allowed)
    assert training.choose_profile(Recipe(), 3, "float32").device == device


def test_a_run_that_goes_on_keeps_its_precision(cpu_only, tmp_path, monkeypatch):
    path = tmp_path / "run.keras"
    with Profile("CPU", "mixed_bfloat16", "").scope():
        fitted(compiled(), 1, checkpoint=path)
    monkeypatch.setattr(training, "_images_per_second", lambda profile, *_: {"float32": 9}.get(profile.precision, 1))
    assert training.choose_profile(Recipe(), 3).precision == "float32"
    profile = training.choose_profile(Recipe(), 3, checkpoint=path)
    assert profile.precision == "mixed_bfloat16" and "run.keras" in str(profile)


@pytest.mark.parametrize("balance", [0.0, 0.5, 1.0])
def test_balance_weighs_classes_by_a_power_of_their_pixels(balance):
    counts = np.array([1000, 100, 10, 0])
    weights = Recipe(balance=balance).loss(counts).class_weights
    if not balance:
        assert weights is None
        return
    assert weights[1] / weights[0] == pytest.approx(10**balance, rel=1e-5)
    assert weights[2] / weights[0] == pytest.approx(100**balance, rel=1e-5)
    assert np.sum(weights * counts) == pytest.approx(counts.sum(), rel=1e-5) and np.isfinite(weights).all()


def test_on_a_cpu_it_really_times(cpu_only):
    profile = training.choose_profile(Recipe(size=16, filters=2, depth=2, batch=2), 3)
    assert profile.precision in ("float32", "mixed_bfloat16") and "images/s" in profile.why
    assert keras.config.dtype_policy().name == "float32"


def test_a_precision_asked_for_is_taken(cpu_only):
    assert training.choose_profile(Recipe(), 3, "mixed_float16").precision == "mixed_float16"


def test_scope_sets_the_precision_and_puts_it_back():
    with pytest.raises(RuntimeError), Profile("CPU", "mixed_bfloat16", "").scope():
        assert keras.config.dtype_policy().name == "mixed_bfloat16"
        raise RuntimeError
    assert keras.config.dtype_policy().name == "float32"


# ---- scoring --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def scored():
    """A tiny network that sees 16x16, images of 32x32, their labels."""
    model = compiled()
    model.fit(IMAGES.astype("float32"), LABELS, verbose=0)
    images = RANDOM.randint(0, 256, (11, 32, 32, 3)).astype("uint8")
    labels = RANDOM.choice([0, 1, 255], images.shape[:3]).astype("uint8")
    return model, images, labels


def independent(model, images, flip):
    small = tf.image.resize(tf.cast(images, "float32"), (16, 16))
    logits = model(small, training=False)
    if flip:
        logits = (logits + model(small[:, :, ::-1], training=False)[:, :, ::-1]) / 2
    return tf.image.resize(logits, (32, 32)).numpy()


@pytest.mark.parametrize("flip", [True, False])
def test_evaluate_and_predict_equal_an_independent_computation(scored, flip):
    model, images, labels = scored
    logits = independent(model, images, flip)
    two = np.sort(logits, axis=-1)
    clear = (two[..., -1] - two[..., -2]) > 1e-4  # where rounding cannot change the argmax
    guess = training.predict(model, images, flip=flip, scales=(1,), batch=4)
    assert guess.shape == (11, 32, 32) and guess.dtype == np.uint8
    assert np.array_equal(guess[clear], logits.argmax(-1)[clear]) and clear.mean() > 0.99
    known = np.where(clear, labels, 255).astype("uint8")
    matrix = training.evaluate(model, images, known, flip=flip, scales=(1,), batch=4)
    counted = np.zeros((3, 3), np.int64)
    np.add.at(counted, (labels[clear & (labels != 255)], logits.argmax(-1)[clear & (labels != 255)]), 1)
    assert matrix.dtype == np.int64 and np.array_equal(matrix, counted)


def test_two_sizes_are_averaged(scored):
    model, images, _ = scored
    (logits,) = training.logits_of(model, images[:2], flip=False, scales=(1, 1.5))
    expected = 0
    for side in (model.input_shape[1], round(1.5 * model.input_shape[1])):
        x = tf.image.resize(images[:2].astype("float32"), (side, side))
        expected += tf.image.resize(model.call(x, training=False), images.shape[1:3]) / 2
    np.testing.assert_allclose(logits, expected, atol=1e-4)
    assert np.abs(logits - next(training.logits_of(model, images[:2], flip=False, scales=(1,)))).max() > 1e-3


def test_flip_averaging_makes_the_prediction_symmetric(scored):
    model, images, _ = scored
    (logits,) = training.logits_of(model, images[:2])
    (turned,) = training.logits_of(model, images[:2, :, ::-1])
    np.testing.assert_allclose(logits, turned[:, :, ::-1], atol=1e-4)


# ---- a whole run ----------------------------------------------------------------------------------------------------

TINY = ["--size", "16", "--filters", "2", "--depth", "2", "--batch", "4", "--precision", "float32"]


@pytest.fixture
def data(tmp_path, monkeypatch):
    """A made-up data set of 20 training and 3 test images of 32x32; its cache stays in the test's folder."""
    monkeypatch.setattr(siftflow, "data_folder", lambda: tmp_path / "data")
    kinds = ("coast", "street")
    root = tmp_path / "set"
    write_set(root, [f"{kinds[i % 2]}_{i:02}" for i in range(20)], [f"coast_t{i}" for i in range(3)], 32, stand_in=True)
    return root


def test_command_writes_a_complete_record(data, tmp_path):
    out = tmp_path / "deep" / "run.json"
    training.main(["--data", str(data), "--out", str(out), "--epochs", "2", *TINY])
    record = json.loads(out.read_text(), parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    words = shlex.split(record["command"])
    assert words[:3] == ["python", "-m", "helpers.training"] and words.count("--epochs") == 1
    parser = argparse.ArgumentParser()
    Recipe.add_arguments(parser)
    assert dataclasses.asdict(Recipe.from_arguments(parser.parse_known_args(words)[0])) == record["recipe"]
    assert all("--" + name.replace("_", "-") in words for name in record["recipe"])  # whatever the defaults become
    assert record["recipe"]["epochs"] == 2 and record["recipe"]["seed"] == 0
    assert {"python", "keras", "tensorflow", "numpy"} <= set(record["versions"])
    assert record["images"] == {"train": 18, "validation": 2, "test": 3}
    assert len(record["log"]["loss"]) == len(record["log"]["val_mean_iou"]) == 2
    assert record["minutes"] >= 0 and record["profile"]["precision"] == "float32"
    assert 0.1 < record["peak_memory_gb"] < 100
    matrix = np.array(record["confusion"])
    dataset = siftflow.SiftFlow(data)
    assert np.array_equal(matrix.sum(axis=1), dataset.pixel_counts("test"))
    truth = matrix.sum(axis=1)
    present, hits = truth > 0, np.diag(matrix)
    iou = (hits / np.maximum(truth + matrix.sum(axis=0) - hits, 1))[present]
    assert record["test"]["mean_iou"] == pytest.approx(iou.mean(), abs=1e-6)
    assert record["test"]["pixel_accuracy"] == pytest.approx(hits.sum() / matrix.sum(), abs=1e-6)
    assert record["test"]["mean_accuracy"] == pytest.approx((hits / np.maximum(truth, 1))[present].mean(), abs=1e-6)
    assert record["test"]["frequency_weighted_iou"] == pytest.approx(
        (iou * truth[present]).sum() / truth.sum(), abs=1e-6
    )
    absent = {name for name, n in zip(siftflow.CLASS_NAMES, truth, strict=True) if n == 0}
    assert {name for name, v in record["test_iou_per_class"].items() if v is None} == absent


def test_command_exports_the_network_and_scores_what_it_wrote(data, tmp_path):
    out, exported = tmp_path / "run.json", tmp_path / "network.npz"
    training.main(["--data", str(data), "--out", str(out), "--epochs", "1", "--export", str(exported), *TINY])
    record = json.loads(out.read_text())
    assert record["exported"]["bytes"] == exported.stat().st_size
    model, about = training.pretrained(exported)
    assert about["test"] == record["test"] and about["recipe"] == record["recipe"]
    scores = training.metrics.scores(training.evaluate(model, *siftflow.SiftFlow(data).load("test")))
    assert record["exported"]["test"] == pytest.approx(scores, abs=1e-6)
    assert scores["pixel_accuracy"] == pytest.approx(record["test"]["pixel_accuracy"], abs=0.02)


def test_a_network_that_cannot_be_exported_leaves_the_record(data, tmp_path, capsys):
    out, exported = tmp_path / "run.json", data / "TestSet1.txt" / "network.npz"
    training.main(["--data", str(data), "--out", str(out), "--epochs", "1", "--export", str(exported), *TINY])
    assert f"could not be written to {exported}" in capsys.readouterr().out
    assert json.loads(out.read_text())["test"]["pixel_accuracy"] > 0


def test_after_nan_it_does_not_say_to_run_the_same_again(data, tmp_path, capsys):
    with pytest.raises(SystemExit):
        training.main(
            ["--data", str(data), "--out", str(tmp_path / "run.json"), "--checkpoint", str(tmp_path / "run.keras"),
             "--epochs", "2", *TINY, "--learning-rate", "nan"]
        )  # fmt: skip
    said = capsys.readouterr()
    assert "became nan" in said.out
    assert "another learning rate and another checkpoint" in said.err and "the same command" not in said.err


def test_a_record_that_cannot_be_written_is_printed(data, tmp_path, capsys):
    with pytest.raises(SystemExit):
        training.main(["--data", str(data), "--out", str(data / "TestSet1.txt" / "run.json"), "--epochs", "1", *TINY])
    said = capsys.readouterr()
    assert "save it from here" in said.err
    assert json.loads(said.out.strip().splitlines()[-1])["test"]["pixel_accuracy"] > 0


def test_command_can_leave_the_test_images_alone_and_resume(data, tmp_path, monkeypatch):
    out, path = tmp_path / "run.json", tmp_path / "run.keras"
    arguments = ["--data", str(data), "--out", str(out), "--epochs", "2", "--no-test", "--checkpoint", str(path), *TINY]
    training.main(arguments)
    first = json.loads(out.read_text())
    assert "test" not in first and "confusion" not in first
    monkeypatch.setattr(keras.Model, "fit", lambda *_, **__: pytest.fail("trained again"))
    training.main(arguments)
    assert json.loads(out.read_text())["log"] == first["log"]
    assert json.loads(out.read_text())["validation"] == first["validation"]


@pytest.mark.parametrize("epoch", [0, 1])
def test_an_interrupted_command_does_not_spend_the_test_images(data, tmp_path, monkeypatch, epoch):
    log = training._Log.on_epoch_end
    interrupted = lambda self, e, logs=None: interrupt(self.model) if e == epoch else log(self, e, logs)  # noqa: E731
    monkeypatch.setattr(training._Log, "on_epoch_end", interrupted)
    out, path = tmp_path / "run.json", tmp_path / "run.keras"
    with pytest.raises((SystemExit, KeyboardInterrupt)):
        training.main(["--data", str(data), "--out", str(out), "--epochs", "3", "--checkpoint", str(path), *TINY])
    assert not out.exists()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (["--data", "nowhere"], "nowhere"),
        (["--batch", "1000"], "batch"),
        (["--size", "18"], "multiples of 8"),
        (["--precision", "float99"], "float99"),
        (["--export", "network"], "--export takes a .npz file, and network is none"),
    ],
)
def test_command_refuses_in_one_sentence(data, tmp_path, capsys, change, said):
    out = tmp_path / "run.json"
    with pytest.raises(SystemExit) as stopped:
        training.main(["--data", str(data), "--out", str(out), "--epochs", "1", *TINY, *change])
    error = capsys.readouterr().err
    assert stopped.value.code in (1, 2) and not out.exists()
    assert said in error.strip().splitlines()[-1] and "Traceback" not in error


def test_command_refuses_damaged_data_in_one_sentence(data, tmp_path, capsys):
    label = next((data / "SemanticLabels").glob("*/*.mat"))
    label.write_bytes(b"")
    with pytest.raises(SystemExit) as stopped:
        training.main(["--data", str(data), "--out", str(tmp_path / "run.json"), "--epochs", "1", *TINY])
    error = capsys.readouterr().err
    assert stopped.value.code == 1 and label.name in error and error.count("\n") == 1


def test_a_record_that_is_not_there_is_named():
    with pytest.raises(FileNotFoundError, match="gone.json"):
        training.recorded("gone.json")
