"""A run goes on from its checkpoint to the same bits, whatever stopped it; a bad file costs a sentence, not the run."""

import json
import os
import signal
import subprocess
import sys
import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest

from helpers import pipeline
from helpers.engine import checkpoints, hardware
from helpers.losses import CrossEntropy
from helpers.recipe import Recipe
from helpers.viz import live
from support.small_runs import (
    BATCH,
    CLASSES,
    IMAGES,
    LABELS,
    SIDE,
    STEPS,
    At,
    compiled,
    equal,
    fitted,
    interrupt,
    stream,
)

EPOCHS = 4


def optimizer():
    return Recipe(warm_up=0.25).optimizer(EPOCHS * STEPS)


def network(seed=0):
    """A network that holds whatever a checkpoint has to keep, and is quick to compile.

    Batch normalisation has moving statistics, dropout has random numbers that go on where they were, and the recipe's
    optimizer has two rules: Muon for the inner kernel, Adam for the rest.
    """
    keras.utils.set_random_seed(seed)
    layers = [
        keras.layers.Rescaling(1 / 127.5, offset=-1),
        keras.layers.Conv2D(4, 3, padding="same", activation="tanh"),
        keras.layers.BatchNormalization(momentum=0.9),
        keras.layers.SpatialDropout2D(0.3, seed=seed),
        keras.layers.Conv2D(CLASSES, 1, name="logits"),
    ]
    model = keras.Sequential([keras.Input((SIDE, SIDE, 3)), *layers])
    model.compile(optimizer(), CrossEntropy(), jit_compile=False)
    return model


def view():
    return live.View(IMAGES[:2], LABELS[:2], batch=BATCH)


def everything(model):
    return [v.numpy() for v in (*model.variables, *model.optimizer.variables)]


@pytest.fixture(scope="module")
def uninterrupted():
    model, watch = network(), view()
    return model, fitted(model, EPOCHS, callbacks=[watch]), watch


def stopped_run(path, epoch=2, make=network, **options):
    return fitted(
        make(), EPOCHS, checkpoint=path, callbacks=[view(), At(epoch=epoch, batch=1, do=interrupt)], **options
    )


# ---- going on -------------------------------------------------------------------------------------------------------


def test_it_ends_with_the_same_bits_and_the_whole_history(uninterrupted, tmp_path, capsys):
    path = tmp_path / "deep" / "run.keras"
    stopped_run(path)
    assert "run this one again to train on from the end of epoch 2" in capsys.readouterr().out
    model, watch = network(seed=9), view()  # another start: everything must come from the file
    history = fitted(model, EPOCHS, checkpoint=path, callbacks=[watch])
    whole, curves, whole_watch = uninterrupted
    assert "Going on after epoch 2 of 4" in capsys.readouterr().out
    assert equal(everything(model), everything(whole))
    for name in set(curves) - {"seconds"}:
        assert history[name] == curves[name]
    assert len(history["seconds"]) == EPOCHS
    # The view, too: it shows every mask and every step of the run, not only the last part's.
    assert watch.losses == pytest.approx(whole_watch.losses, abs=1e-5) and watch.steps == whole_watch.steps
    assert equal(watch.masks, whole_watch.masks)
    assert "4 of 4 epochs" in watch.headline()


@pytest.mark.slow
@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_in_half_precision_too(policy, tmp_path):
    """float16 has a loss scale besides, which belongs to the optimizer's state."""
    with hardware.Profile("CPU", policy, "").scope():
        whole, model = network(), network(seed=9)
        fitted(whole, EPOCHS)
        stopped_run(tmp_path / "run.keras")
        fitted(model, EPOCHS, checkpoint=tmp_path / "run.keras")
        fitted(model, EPOCHS, checkpoint=tmp_path / "run.keras")  # the cell once more, with the same model
    assert equal(everything(model), everything(whole))


def test_a_finished_run_is_shown_not_trained(tmp_path, capsys, monkeypatch):
    path = tmp_path / "run.keras"
    model, first = network(), view()
    history = fitted(model, EPOCHS, checkpoint=path, callbacks=[first])
    monkeypatch.setattr(keras.Model, "fit", lambda *_, **__: pytest.fail("trained again"))
    again, watch = network(seed=9), view()
    assert fitted(again, EPOCHS, checkpoint=path, callbacks=[watch]) == history
    assert equal(again.get_weights(), model.get_weights())
    assert equal(watch.masks, first.masks) and watch.finished
    said = capsys.readouterr().out
    assert "This run is finished" in said and str(path) in said and "delete that file" in said


def test_without_a_checkpoint_it_starts_anew(tmp_path):
    model = compiled()
    assert checkpoints.load(tmp_path / "none.keras", model, {}) is None
    assert checkpoints.latest(tmp_path / "none.keras") is None


@pytest.mark.parametrize("change", ["epochs", "optimizer", "loss", "weights", "first batch"])
def test_another_runs_checkpoint_is_refused_and_kept(change, tmp_path):
    path = tmp_path / "run.keras"
    fitted(compiled(), 1, checkpoint=path)
    before, train, epochs, model = path.read_bytes(), None, 1, compiled(seed=9)
    if change == "epochs":
        epochs = 2
    elif change == "optimizer":
        model = compiled(keras.optimizers.Adam(0.02))
    elif change == "loss":
        model.compile(keras.optimizers.Adam(0.01), CrossEntropy([1, 2, 3]), jit_compile=False)
    elif change == "weights":
        model = network()
    else:
        train = lambda first_epoch: pipeline.training_batches(  # noqa: E731
            IMAGES, LABELS, batch=BATCH, size=SIDE, epochs=1, seed=2
        )
    weights = model.get_weights()
    with pytest.raises(ValueError, match="checkpoint of another run.*" + change):
        fitted(model, epochs, train, checkpoint=path)
    assert path.read_bytes() == before and equal(model.get_weights(), weights)


def test_the_checkpoint_of_another_recipe_is_refused(tmp_path):
    """Also where the recipes differ in nothing that labels, network or optimizer show."""
    path, recipe = tmp_path / "run.keras", Recipe(light=0.1)
    fitted(compiled(), 1, checkpoint=path, recipe=recipe)
    assert len(fitted(compiled(), 1, checkpoint=path, recipe=recipe)["loss"]) == 1
    with pytest.raises(ValueError, match=r"checkpoint of another run.* light \(0.1, not 0.2\)"):
        fitted(compiled(), 1, checkpoint=path, recipe=Recipe(light=0.2))


def test_the_state_of_another_kind_of_optimizer_is_refused(tmp_path):
    """Keras would warn, leave the optimizer without its state, and train on."""
    path, model = tmp_path / "run.keras", compiled(keras.optimizers.SGD(0.1))
    fitted(model, 1)
    checkpoints.save(path, model, {"loss": [1.0]}, {})
    with pytest.raises(ValueError, match="run.keras holds the state of another kind of optimizer"):
        checkpoints.load(path, compiled(keras.optimizers.Adam(0.1)), {})


def test_a_header_that_asks_for_another_program_is_damage(tmp_path, capsys):
    path, model = tmp_path / "run.keras", compiled()
    fitted(model, 2, checkpoint=path)
    bytes_ = bytearray(path.read_bytes())
    bytes_[bytes_.rindex(b"PK\x01\x02") + 6] = 84  # the version of zip that this member needs: 8.4
    path.write_bytes(bytes_)
    assert checkpoints.peek(path) == checkpoints.peek(checkpoints.before(path))
    history = fitted(compiled(), 2, checkpoint=path)
    assert "is damaged" in capsys.readouterr().out and len(history["loss"]) == 2


def test_a_name_that_keras_cannot_save_to_is_refused_before_training(tmp_path, monkeypatch):
    monkeypatch.setattr(keras.Model, "fit", lambda *_, **__: pytest.fail("trained"))
    with pytest.raises(ValueError, match=r"ends in \.keras, and .*run\.h5 does not"):
        fitted(compiled(), 2, checkpoint=tmp_path / "run.h5")


def test_batches_that_cannot_start_in_the_middle_are_refused(tmp_path):
    with pytest.raises(TypeError, match="first_epoch"):
        fitted(compiled(), 2, stream(2), checkpoint=tmp_path / "run.keras")


# ---- damage ---------------------------------------------------------------------------------------------------------


def truncated(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def empty(path):
    path.write_bytes(b"")


def flipped(path):
    with zipfile.ZipFile(path) as archive:
        weights = archive.getinfo("model.weights.h5")
    content = bytearray(path.read_bytes())
    content[weights.header_offset + weights.file_size // 2] ^= 1
    path.write_bytes(bytes(content))


def without_history(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", "{}")


DAMAGES = [truncated, empty, flipped, without_history]


@pytest.mark.slow
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_checkpoint_falls_back_to_the_one_before(damage, uninterrupted, tmp_path, capsys):
    path = tmp_path / "run.keras"
    stopped_run(path, epoch=3)
    damage(path)
    damaged = path.read_bytes()
    model, watch = network(seed=9), view()
    history = fitted(model, EPOCHS, checkpoint=path, callbacks=[watch])
    said = capsys.readouterr().out
    assert "run.keras is damaged" in said and "going on from the one before it, of 2 epochs" in said
    assert path.with_suffix(".damaged").read_bytes() == damaged  # for whoever wants to look
    assert equal(everything(model), everything(uninterrupted[0])) and len(history["loss"]) == EPOCHS


def test_with_both_damaged_it_starts_anew_and_says_so(uninterrupted, tmp_path, capsys):
    path = tmp_path / "run.keras"
    stopped_run(path, epoch=3)
    truncated(path)
    flipped(checkpoints.before(path))
    model = network()
    fitted(model, EPOCHS, checkpoint=path)
    said = capsys.readouterr().out
    assert "run.keras is damaged" in said and "run.before.keras is damaged" in said and "starts anew" in said
    assert equal(model.get_weights(), uninterrupted[0].get_weights())


@pytest.mark.slow
@pytest.mark.parametrize("size", [0, 2000, 20000])
def test_a_full_disk_costs_the_checkpoint_not_the_run(size, uninterrupted, tmp_path, capsys):
    """Files can only grow to `size` bytes while the third epoch is saved: Python and HDF5 fail as on a full disk."""
    resource = pytest.importorskip("resource")
    path, limit = tmp_path / "run.keras", resource.getrlimit(resource.RLIMIT_FSIZE)

    def fill(model):
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, limit[1]))

    class Fill(At):
        def on_epoch_begin(self, epoch, logs=None):
            super().on_epoch_begin(epoch)
            resource.setrlimit(resource.RLIMIT_FSIZE, limit)
            self.files = sorted(file.name for file in tmp_path.iterdir())

    model, watch = network(), Fill(epoch=2, batch=STEPS - 1, do=fill)
    try:
        history = fitted(model, EPOCHS, checkpoint=path, callbacks=[watch])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert equal(model.get_weights(), uninterrupted[0].get_weights()) and len(history["loss"]) == EPOCHS
    (line,) = [line for line in capsys.readouterr().out.splitlines() if "could not be saved" in line]
    assert "Epoch 3 " in line and "run.keras is whole" in line and "make room" in line
    assert watch.files == ["run.before.keras", "run.keras"]  # no part of a file was left lying about
    assert checkpoints.load(path, network(), json.loads(zipfile.ZipFile(path).read("run.json"))).epochs == EPOCHS


# ---- kill -9 --------------------------------------------------------------------------------------------------------

WORKER = """
import os, signal, sys
from pathlib import Path
import numpy as np
sys.path[:0] = sys.argv[2:]
from test_checkpoints import EPOCHS, At, fitted, network, view
from helpers.engine import checkpoints

path = Path(sys.argv[1])
die = lambda *_: os.kill(os.getpid(), signal.SIGKILL)

def train(where):
    callbacks = [view()]
    if where[0].isdigit():
        callbacks.append(At(*map(int, where.split(",")), do=die))
    elif where == "writing":
        checkpoints.os.fsync = die
    elif where == "moving":  # the old file has made place, and the new one has not taken it yet
        replace = os.replace
        checkpoints.os.replace = lambda old, new: (replace(old, new), die())
    model = network()
    fitted(model, EPOCHS, checkpoint=path, callbacks=callbacks)
    np.savez(path.with_name("end.npz"), *[v.numpy() for v in (*model.variables, *model.optimizer.variables)])

for where in sys.stdin.read().split():  # each in a process of its own, which need not import TensorFlow anew
    child = os.fork()
    if child == 0:
        train(where)
        os._exit(0)
    print("ended", where, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


@pytest.mark.slow
def test_killed_at_any_point_it_ends_with_the_same_bits(uninterrupted, tmp_path):
    path, here = tmp_path / "run.keras", Path(__file__).resolve().parent
    points = ["0,1", "1,0", "writing", "moving", f"3,{STEPS - 1}"]
    ran = subprocess.run(
        [sys.executable, "-c", WORKER, path, here, here.parent],
        input=" ".join([*points, "nowhere"]), capture_output=True, text=True, timeout=500,
    )  # fmt: skip
    ends = [line for line in ran.stdout.splitlines() if line.startswith("ended")]
    assert ends == [*[f"ended {point} {-signal.SIGKILL}" for point in points], "ended nowhere 0"], ran.stderr
    with np.load(tmp_path / "end.npz") as end:
        assert equal(end.values(), everything(uninterrupted[0]))
    assert sorted(os.listdir(tmp_path)) == ["end.npz", "run.before.keras", "run.keras"]


# ---- several devices ------------------------------------------------------------------------------------------------

REPLICAS = """
import sys
from pathlib import Path
import numpy as np, tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
sys.path[:0] = sys.argv[2:]
import keras
from test_checkpoints import *

def make(seed=0):
    keras.utils.set_random_seed(seed)
    layers = [keras.Input((SIDE, SIDE, 3)), keras.layers.Conv2D(8, 3, padding="same", activation="relu"),
              keras.layers.Conv2D(3, 1)]
    model = keras.Sequential(layers)
    model.compile(keras.optimizers.SGD(1e-4, momentum=0.9), CrossEntropy(), jit_compile=False)
    return model

path, two = Path(sys.argv[1]), hardware.Profile("2 x CPU", "float32", "", n_devices=2)
one = make()
curves = fitted(one, EPOCHS)
with two.scope():
    assert tf.distribute.get_strategy().num_replicas_in_sync == 2
    whole, model = make(), make(seed=9)
assert np.allclose(fitted(whole, EPOCHS)["loss"], curves["loss"], atol=1e-4)
assert curves["loss"][-1] < curves["loss"][0] - 0.1
with two.scope():
    stopped_run(path, make=make)
history = fitted(model, EPOCHS, checkpoint=path)
assert len(history["loss"]) == EPOCHS
for a, b, c in zip(one.get_weights(), whole.get_weights(), model.get_weights(), strict=True):
    assert np.allclose(a, b, atol=1e-5) and np.array_equal(b, c)
print("well")
"""


@pytest.mark.slow
def test_two_replicas_train_as_one_device_and_go_on_from_a_checkpoint(tmp_path):
    here = Path(__file__).resolve().parent
    command = [sys.executable, "-c", REPLICAS, tmp_path / "run.keras", here, here.parent]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert ended.returncode == 0 and ended.stdout.strip().endswith("well"), ended.stdout + ended.stderr[-3000:]
