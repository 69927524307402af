"""helpers.runs: whole runs by command, their records, and networks to hand on."""

import argparse
import dataclasses
import functools
import io
import json
import shlex
import shutil
import sys

import keras
import numpy as np
import pytest

from helpers import masks, metrics, predict, runs, siftflow
from helpers.engine import callbacks
from helpers.fetch import layout
from helpers.recipe import Recipe
from support import mask_folders
from support.processes import python
from support.small_data import write_set
from support.small_runs import (
    RANDOM,
    interrupt,
)

pytestmark = pytest.mark.slow

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
    runs.export(path, model, ABOUT)
    again, about = runs.pretrained(path)
    kept = {"recipe": ABOUT["recipe"], "test": ABOUT["test"]}  # the log is in the record
    names = list(siftflow.CLASS_NAMES)  # a file that names none is of SiftFlow's, as those from before names were kept
    assert about == {**kept, "temperature": 1.0, "class_names": names}  # nobody has calibrated it
    images = RANDOM.randint(0, 256, (2, 16, 16, 3)).astype("float32")
    np.testing.assert_allclose(model(images), again(images), rtol=0.02, atol=0.02)
    assert path.stat().st_size < 2.5 * model.count_params() + 5000
    assert [file.name for file in path.parent.iterdir()] == ["network.npz"]


def test_the_network_of_the_series_is_the_one_of_the_record():
    model, about = runs.pretrained("siftflow_cpu")
    record = runs.recorded("siftflow_cpu.json")
    assert about["test"] == record["test"] and model.count_params() == record["weights"]
    assert model.output_shape == (None, record["recipe"]["size"], record["recipe"]["size"], siftflow.N_CLASSES)


def test_an_exported_network_that_is_missing_or_damaged_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="no_such.*data/checkpoints"):
        runs.pretrained("no_such")
    path = tmp_path / "network.npz"
    runs.export(path, Recipe(**ABOUT["recipe"]).network(siftflow.N_CLASSES), ABOUT)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ValueError, match="network.npz is damaged"):
        runs.pretrained(path)


def test_a_network_without_names_has_numbers_for_them_and_another_file_is_refused(tmp_path):
    recipe = Recipe(**ABOUT["recipe"])
    runs.export(tmp_path / "own.npz", recipe.network(3), ABOUT)
    model, about = runs.pretrained(tmp_path / "own.npz")
    assert model.output_shape[-1] == 3 and about["class_names"] == ["class 0", "class 1", "class 2"]
    np.savez(tmp_path / "arrays.npz", a=np.zeros(3))
    runs.export(tmp_path / "bare.npz", recipe.network(3), {"class_names": ["a", "b", "c"]})
    for name in ("arrays.npz", "bare.npz"):
        with pytest.raises(ValueError, match=f"{name} is no network"):
            runs.pretrained(tmp_path / name)


# ---- a whole run ----------------------------------------------------------------------------------------------------


TINY = ["--size", "16", "--filters", "2", "--depth", "1", "--batch", "4", "--precision", "float32"]
PRECISION = TINY[-2:]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A made-up data set of 20 training and 3 test images of 32x32; its cache stays beside it."""
    folder, kinds = tmp_path_factory.mktemp("data"), ("coast", "street")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(layout, "data_folder", lambda: folder / "data")
        training, test = [f"{kinds[i % 2]}_{i:02}" for i in range(20)], [f"coast_t{i}" for i in range(3)]
        write_set(folder / "set", training, test, 32, stand_in=True)
        yield folder / "set"


@pytest.fixture(scope="module")
def finished(data, tmp_path_factory):
    """The arguments of a run of two epochs, its record and its checkpoint, which a command can go on from."""
    folder = tmp_path_factory.mktemp("finished")
    out, checkpoint, arguments = folder / "deep" / "run.json", folder / "run.keras", ["--epochs", "2", *TINY]
    arguments = ["--data", str(data), *arguments]
    runs.main([*arguments, "--out", str(out), "--checkpoint", str(checkpoint)])
    return arguments, out, checkpoint


@pytest.fixture
def again(finished, tmp_path, monkeypatch):
    """The arguments of the same command with a copy of its checkpoint, from where no step is left to train."""
    arguments, _, checkpoint = finished
    monkeypatch.setattr(keras.Model, "fit", lambda *_, **__: pytest.fail("trained again"))
    return [*arguments, "--checkpoint", shutil.copy(checkpoint, tmp_path)]


def test_command_writes_a_complete_record(data, finished):
    record = json.loads(finished[1].read_text(), parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
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
    present, true_positives = truth > 0, np.diag(matrix)
    iou = (true_positives / np.maximum(truth + matrix.sum(axis=0) - true_positives, 1))[present]
    assert record["test"]["mean_iou"] == pytest.approx(iou.mean(), abs=1e-6)
    assert record["test"]["pixel_accuracy"] == pytest.approx(true_positives.sum() / matrix.sum(), abs=1e-6)
    assert record["test"]["mean_accuracy"] == pytest.approx(
        (true_positives / np.maximum(truth, 1))[present].mean(), abs=1e-6
    )
    assert record["test"]["frequency_weighted_iou"] == pytest.approx(
        (iou * truth[present]).sum() / truth.sum(), abs=1e-6
    )
    absent = {name for name, n in zip(siftflow.CLASS_NAMES, truth, strict=True) if n == 0}
    assert {name for name, v in record["test_iou_per_class"].items() if v is None} == absent


def test_command_exports_the_network_and_scores_what_it_wrote(data, tmp_path):
    out, exported = tmp_path / "run.json", tmp_path / "network.npz"
    runs.main(["--data", str(data), "--out", str(out), "--epochs", "1", "--export", str(exported), *TINY])
    record = json.loads(out.read_text())
    assert record["exported"]["bytes"] == exported.stat().st_size
    model, about = runs.pretrained(exported)
    assert about["test"] == record["test"] and about["recipe"] == record["recipe"]
    scores = metrics.scores(predict.evaluate(model, *siftflow.SiftFlow(data).load("test")))
    assert record["exported"]["test"] == pytest.approx(scores, abs=1e-6)
    assert scores["pixel_accuracy"] == pytest.approx(record["test"]["pixel_accuracy"], abs=0.02)


def test_command_trains_on_a_folder_of_photos_and_masks(tmp_path, monkeypatch, capsys):
    """The photos have two shapes, and neither is a square."""
    monkeypatch.setattr(layout, "data_folder", lambda: tmp_path / "data")
    for i in range(24):
        rows, cols = ((24, 40), (36, 28))[i % 2]
        mask_folders.photo(tmp_path / f"own/images/img_{i}.jpg", rows, cols, seed=i)
        values = mask_folders.areas([0, 1, 255, 2], rows, cols, seed=i)
        mask_folders.index(tmp_path / f"own/masks/img_{i}.png", values)
    out, exported = tmp_path / "run.json", tmp_path / "network.npz"
    command = ["--data", str(tmp_path / "own"), "--out", str(out), "--epochs", "1", "--export", str(exported), *TINY]
    runs.main([*command, "--classes", "ground, leaf, stone"])
    assert "24 photos" in capsys.readouterr().out, "the report is printed before it trains"
    record = json.loads(out.read_text())
    assert record["class_names"] == list(record["test_iou_per_class"]) == ["ground", "leaf", "stone"]
    matrix, data = np.array(record["confusion"]), masks.open(tmp_path / "own", ["ground", "leaf", "stone"]).at(32)
    labels = data.load("test")[1]
    assert matrix.shape == (3, 3) and np.array_equal(
        matrix.sum(axis=1), np.bincount(labels[labels != siftflow.VOID], minlength=3)
    )
    model, about = runs.pretrained(exported)
    assert about["class_names"] == ["ground", "leaf", "stone"] and model.output_shape == (None, 16, 16, 3)


def test_command_takes_what_the_masks_ask_for(tmp_path, monkeypatch, capsys):
    """Three greys: two are classes, one stands for no class, and the message asks which is which."""
    monkeypatch.setattr(layout, "data_folder", lambda: tmp_path / "data")
    mask_folders.pairs(tmp_path / "own", [40, 90, 210], n=12)
    command = ["--data", str(tmp_path / "own"), "--out", str(tmp_path / "run.json"), "--epochs", "1", *TINY]
    asked = {
        (): 'In this command, classes= is --classes "soil, leaf", or --classes "40=soil, 90=leaf" with numbers; void=',
        ("--classes", "40=soil, 90=leaf"): 'In this command, void= is --void 210, or --void "0, 0, 0" for a colour.',
        ("--classes", "40=soil, 90=leaf", "--void", "grey"): "it is a number, such as 255",
        ("--classes", ""): "a number before each",
    }
    for words, said in asked.items():
        with pytest.raises(SystemExit):
            runs.main([*command, *words])
        assert said in capsys.readouterr().err
    runs.main([*command, "--classes", "40=soil, 90=leaf", "--void", "210"])
    record = json.loads((tmp_path / "run.json").read_text())
    assert record["class_names"] == ["soil", "leaf"] and np.array(record["confusion"]).shape == (2, 2)
    tested = masks.open(tmp_path / "own", {40: "soil", 90: "leaf"}, void=210).at(32).load("test")[1]
    assert np.array_equal(np.sum(record["confusion"], axis=1), [(tested == 0).sum(), (tested == 1).sum()])
    assert (tested == siftflow.VOID).any()


def test_siftflow_keeps_its_classes_and_its_split(data, tmp_path, capsys):
    with pytest.raises(SystemExit):
        runs.main(["--data", str(data), "--void", "255", "--out", str(tmp_path / "run.json"), *TINY])
    assert "leave --void out" in capsys.readouterr().err


@pytest.mark.parametrize("void", [0, 1], ids=["no test photos", "a test photo that is void everywhere"])
def test_where_no_pixel_is_tested_there_are_no_test_scores(tmp_path, monkeypatch, void):
    """The split is the folder's own."""
    monkeypatch.setattr(layout, "data_folder", lambda: tmp_path / "data")
    mask_folders.pairs(tmp_path / "own", [0, 1], n=6 + void)
    for i in range(6, 6 + void):
        mask_folders.index(tmp_path / f"own/masks/img_{i}.png", mask_folders.areas([255]))
    sides = [f"img_{i},{'test' if i > 5 else 'train'}\n" for i in range(6 + void)]
    (tmp_path / "own" / "split.csv").write_text("name,split\n" + "".join(sides))
    out, exported = tmp_path / "run.json", tmp_path / "network.npz"
    runs.main(["--data", str(tmp_path / "own"), "--out", str(out), "--export", str(exported), "--epochs", "1", *TINY])
    record = json.loads(out.read_text())
    assert record["images"] == {"train": 5, "validation": 1, "test": void} and list(record["exported"]) == ["bytes"]
    assert "test" not in record and "test" not in runs.pretrained(exported)[1], "0 % of no pixels is no score"


def test_masks_that_are_void_wherever_they_train_are_named(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(layout, "data_folder", lambda: tmp_path / "data")
    mask_folders.pairs(tmp_path / "own", [255], n=6)
    mask_folders.index(tmp_path / "own/masks/img_0.png", mask_folders.areas([0, 1]))
    (tmp_path / "own" / "split.csv").write_text(
        "name,split\nimg_0,test\n" + "".join(f"img_{i},train\n" for i in range(1, 6))
    )
    with pytest.raises(SystemExit):
        runs.main(["--data", str(tmp_path / "own"), "--classes", "a,b", "--out", str(tmp_path / "run.json"), *TINY])
    assert "all is void" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--classes", "a,b"], "add --data"), (["--void", "0"], "add --data"), (["--batch", "0"], "are 1 or more"),
        (["--epochs", "0"], "are 1 or more"), (["--stem", "0"], "are 1 or more"),
    ],
)  # fmt: skip
def test_options_without_sense_are_refused_before_anything_is_read(monkeypatch, tmp_path, capsys, words, said):
    monkeypatch.setattr(runs, "_opened", lambda *_: pytest.fail("opened"))
    with pytest.raises(SystemExit):
        runs.main(["--out", str(tmp_path / "run.json"), *words])
    assert said in capsys.readouterr().err


def test_the_report_of_a_folder_is_printed_also_where_its_letters_cannot_be(monkeypatch, tmp_path):
    mask_folders.pairs(tmp_path / "own", [0, 1])
    monkeypatch.setattr(layout, "data_folder", lambda: tmp_path / "data")
    monkeypatch.setattr(runs, "run", functools.wraps(runs.run)(lambda *_, **__: {"validation": {}}))
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(io.BytesIO(), encoding="latin-1"))
    runs.main(["--data", str(tmp_path / "own"), "--classes", "天空,Straße", "--out", str(tmp_path / "run.json")])
    sys.stdout.flush()
    said = sys.stdout.buffer.getvalue().decode("latin-1")
    assert "\\u5929\\u7a7a" in said and "Straße" in said and "run.json" in said


def test_command_asks_for_what_a_folder_does_not_say(tmp_path, capsys):
    with pytest.raises(SystemExit):
        runs.main(["--data", str(tmp_path), "--out", str(tmp_path / "run.json"), *TINY])
    assert str(tmp_path) in (said := capsys.readouterr().err) and "Traceback" not in said


def test_a_network_that_cannot_be_exported_leaves_the_record(data, again, tmp_path, capsys):
    out, exported = tmp_path / "run.json", data / "TestSet1.txt" / "network.npz"
    runs.main([*again, "--out", str(out), "--export", str(exported)])
    assert f"could not be written to {exported}" in capsys.readouterr().out
    assert json.loads(out.read_text())["test"]["pixel_accuracy"] > 0


@pytest.mark.parametrize("jit_compile", [False, True], ids=["plain", "XLA"])
def test_deterministic_runs_end_with_the_same_bits_also_when_one_was_killed(data, tmp_path, jit_compile):
    """In a process of its own: TensorFlow stays deterministic to its end."""
    python(
        """
import dataclasses, sys
import keras
from helpers import runs
from helpers.engine import callbacks, hardware
from helpers.siftflow import layout
from pathlib import Path
folder, jit_compile, arguments = Path(sys.argv[1]), sys.argv[2] == "True", sys.argv[3:]
layout.data_folder = lambda: Path(arguments[1]).parent / "data"
choose = hardware.choose_profile
hardware.choose_profile = lambda *a, **k: dataclasses.replace(choose(*a, **k), jit_compile=jit_compile)
log = callbacks.Log.on_epoch_end
def dying(self, epoch, logs=None):
    log(self, epoch, logs)
    if epoch == 1:
        self.model.stop_training = True
def command(name, *more):
    keras.utils.clear_session()
    out = ["--out", f"{folder}/{name}.json", "--export", f"{folder}/{name}.npz"]
    runs.main([*arguments, "--deterministic", *out, *more])
command("a")
command("b")
callbacks.Log.on_epoch_end = dying
try:
    command("c", "--checkpoint", f"{folder}/c.keras")
    sys.exit("not stopped")
except SystemExit as stopped:
    assert stopped.code == 1
callbacks.Log.on_epoch_end = log
command("c", "--checkpoint", f"{folder}/c.keras")
""",
        tmp_path, jit_compile, "--data", data, "--epochs", "3", *[word for word in TINY if word not in PRECISION],
    )  # fmt: skip
    records = [json.loads((tmp_path / f"{name}.json").read_text()) for name in "abc"]
    networks = [np.load(tmp_path / f"{name}.npz") for name in "abc"]
    for record, network in zip(records[1:], networks[1:], strict=True):
        assert record["validation"] == records[0]["validation"] and record["confusion"] == records[0]["confusion"]
        assert all(np.array_equal(network[name], networks[0][name]) for name in network.files if name != "about")
    assert records[0]["profile"]["precision"] == "float32"


def test_after_nan_it_does_not_say_to_run_the_same_again(data, tmp_path, capsys):
    with pytest.raises(SystemExit):
        runs.main(
            ["--data", str(data), "--out", str(tmp_path / "run.json"), "--checkpoint", str(tmp_path / "run.keras"),
             "--epochs", "2", *TINY, "--learning-rate", "nan"]
        )  # fmt: skip
    said = capsys.readouterr()
    assert "became nan" in said.out
    assert "another learning rate and another checkpoint" in said.err and "the same command" not in said.err


def test_a_record_that_cannot_be_written_is_printed(data, again, capsys):
    with pytest.raises(SystemExit):
        runs.main([*again, "--out", str(data / "TestSet1.txt" / "run.json")])
    said = capsys.readouterr()
    assert "save it from here" in said.err
    assert json.loads(said.out.strip().splitlines()[-1])["test"]["pixel_accuracy"] > 0


def test_command_can_leave_the_test_images_alone_and_resume(finished, again, tmp_path):
    out, first = tmp_path / "run.json", json.loads(finished[1].read_text())
    runs.main([*again, "--out", str(out), "--no-test"])
    record = json.loads(out.read_text())
    assert "test" not in record and "confusion" not in record
    assert record["log"] == first["log"] and record["validation"] == first["validation"]


@pytest.mark.parametrize("epoch", [0, 1])
def test_an_interrupted_command_does_not_spend_the_test_images(data, tmp_path, monkeypatch, epoch):
    log = callbacks.Log.on_epoch_end
    interrupted = lambda self, e, logs=None: interrupt(self.model) if e == epoch else log(self, e, logs)  # noqa: E731
    monkeypatch.setattr(callbacks.Log, "on_epoch_end", interrupted)
    out, path = tmp_path / "run.json", tmp_path / "run.keras"
    with pytest.raises((SystemExit, KeyboardInterrupt)):
        runs.main(["--data", str(data), "--out", str(out), "--epochs", "3", "--checkpoint", str(path), *TINY])
    assert not out.exists()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (["--data", "nowhere"], "nowhere"),
        (["--batch", "1000"], "batch"),
        (["--size", "18"], "multiples of 4"),
        (["--precision", "float99"], "float99"),
        (["--export", "network"], "--export takes a .npz file, and network is none"),
    ],
)
def test_command_refuses_in_one_sentence(data, tmp_path, capsys, change, said):
    out = tmp_path / "run.json"
    with pytest.raises(SystemExit) as stopped:
        runs.main(["--data", str(data), "--out", str(out), "--epochs", "1", *TINY, *change])
    error = capsys.readouterr().err
    assert stopped.value.code in (1, 2) and not out.exists()
    assert said in error.strip().splitlines()[-1] and "Traceback" not in error


def test_command_refuses_damaged_data_in_one_sentence(data, tmp_path, capsys):
    damaged = shutil.copytree(data, tmp_path / "set")
    label = next((damaged / "SemanticLabels").glob("*/*.mat"))
    label.write_bytes(b"")
    with pytest.raises(SystemExit) as stopped:
        runs.main(["--data", str(damaged), "--out", str(tmp_path / "run.json"), "--epochs", "1", *TINY])
    error = capsys.readouterr().err
    assert stopped.value.code == 1 and label.name in error and error.count("\n") == 1


def test_a_record_that_is_not_there_is_named():
    with pytest.raises(FileNotFoundError, match="gone.json"):
        runs.recorded("gone.json")
