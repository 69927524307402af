"""What notebook 06 claims of its own run on the synthetic scenes, checked on that run."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import nbformat
import numpy as np
import pytest
from scipy import spatial, stats

import helpers
from helpers import masks, metrics, scenes, siftflow
from helpers.fetch.layout import FOLDER
from helpers.lessons import own_masks

pytestmark = pytest.mark.slow

NAME = "06_unet_on_siftflow"
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def table(said):
    """The printed scores in %: row -> pixel and mean accuracy, mean IoU, f.w. IoU, mean IoU of the frequent classes."""
    rows = re.findall(r"^(\S.*?)" + 5 * r"\s+([\d.]+)" + "$", said["scores"], re.M)
    return {name: tuple(map(float, numbers)) for name, *numbers in rows}


def test_the_network_is_right_about_unseen_scenes(table):
    pixel_accuracy, *_, iou_of_frequent_classes = table["U-Net"]
    assert pixel_accuracy >= 85
    assert iou_of_frequent_classes >= 50


def test_frequency_is_not_all(said):
    """Crosswalks are rarer than poles, and found far more often."""
    found = re.findall(r"^(\w+) +([\d.]+) % of the pixels, IoU (\d+) %$", said["per-class"], re.M)
    (_, rarer, well), (_, commoner, badly) = ((name, float(share), int(iou)) for name, share, iou in found)
    assert [name for name, *_ in found] == ["crosswalk", "pole"]
    assert rarer < commoner and well > badly + 30


def test_every_floor_is_far_below(table):
    baselines = [numbers for name, numbers in table.items() if name != "U-Net"]
    assert len(baselines) == 3
    for baseline in baselines:
        assert table["U-Net"][2] >= baseline[2] + 15
        assert table["U-Net"][4] >= baseline[4] + 15


def test_colour_and_row_do_not_solve_the_scenes(table):
    """The vote of a pixel's neighbours in red, green, blue and row stays 15 points behind.

    They are the 61 nearest of 300,000 pixels of training images.
    """
    data = scenes.make(siftflow.data_folder() / "scenes" / "full", train=480, test=80)

    def features(split, every):
        images, labels = data.load(split)
        row = np.broadcast_to(np.arange(data.size, dtype="uint8")[:, None, None], (*labels.shape, 1))
        x = np.concatenate([images, row], axis=-1)[:, ::every, ::every]
        return x.reshape(-1, 4), labels[:, ::every, ::every].ravel()

    x, y = features("train", every=1)
    some = np.random.RandomState(0).permutation(np.flatnonzero(y != siftflow.VOID))[:300_000]
    known, classes = spatial.KDTree(x[some]), y[some]
    x, y = features("test", every=4)  # one pixel in sixteen: 82,000 of them
    votes = classes[known.query(x, k=61)[1]]
    matrix = metrics.confusion(y, stats.mode(votes, axis=1).mode, siftflow.N_CLASSES)
    counts = data.pixel_counts("train")
    frequent = counts > 0.005 * counts.sum()
    assert table["U-Net"][2] >= 100 * metrics.scores(matrix)["mean_iou"] + 15
    assert table["U-Net"][4] >= 100 * np.nanmean(metrics.iou_per_class(matrix)[frequent]) + 15


@pytest.fixture
def data_cell(monkeypatch, tmp_path, capsys):
    """Runs the cell that chooses the data, with no data set on this machine: what it called, and what it printed."""
    nb = nbformat.read(ROOT / "notebooks" / f"{NAME}.ipynb", as_version=4)
    source = {cell.id: cell.source for cell in nb.cells}["data"]
    called = []
    photographs = SimpleNamespace(stand_in=False, size=256, class_names=siftflow.CLASS_NAMES)

    def run(net=True, pace="full"):
        def get():
            called.append("get")
            if not net:
                raise siftflow.SiftFlowError("No network: ask your teacher.")
            return photographs

        def make(*_, **__):
            called.append("scenes")
            return SimpleNamespace(stand_in=True, size=128, class_names=siftflow.CLASS_NAMES)

        monkeypatch.setattr(siftflow, "get", get)
        monkeypatch.setattr(scenes, "make", make)
        known = {"helpers": helpers, "masks": masks, "os": os, "scenes": scenes, "siftflow": siftflow}
        exec(source, {"PACE": pace, **known})
        return called, capsys.readouterr().out

    monkeypatch.setattr(siftflow.layout, "data_folder", lambda: tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SIFTFLOW_DIR", raising=False)
    monkeypatch.delenv("SERIES_DATA", raising=False)
    monkeypatch.setattr(helpers, "on_colab", lambda: False)
    monkeypatch.setattr(helpers, "has_gpu", lambda: False)
    return run


@pytest.mark.parametrize("sign", ["on_colab", "has_gpu"])
def test_it_fetches_the_photographs_on_colab_and_on_a_gpu(data_cell, monkeypatch, sign):
    monkeypatch.setattr(helpers, sign, lambda: True)
    assert data_cell() == (["get"], "The data: SiftFlow of 256×256 pixels\n")


def test_it_fetches_them_elsewhere_when_told_to(data_cell, monkeypatch):
    monkeypatch.setenv("SERIES_DATA", "photographs")
    assert data_cell()[0] == ["get"]


def test_it_says_why_it_falls_back_to_scenes(data_cell, monkeypatch):
    monkeypatch.setattr(helpers, "on_colab", lambda: True)
    called, said = data_cell(net=False)
    assert called == ["get", "scenes"]
    assert "No network" in said and "draws scenes" in said and "synthetic scenes" in said


def test_without_a_gpu_it_does_not_touch_the_net(data_cell):
    called, said = data_cell()
    assert called == ["scenes"]
    assert "siftflow.get()" in said and "draws scenes" in said


@pytest.fixture
def some_photographs(siftflow_root, tmp_path):
    """A hundred of the real training photographs and eight of the test ones: their folder.

    A run at the fast pace takes no more of them for training, and need not read, compare and score the others.
    """
    folder, data = tmp_path / "SiftFlowDataset", siftflow.SiftFlow(siftflow_root)
    tests = data.names("test")[::25]
    for name in data.names("train")[::24] + tests:
        for path in (f"Images/{FOLDER}/{name}.jpg", f"SemanticLabels/{FOLDER}/{name}.mat"):
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(siftflow_root / path, folder / path)  # with its time, by which the cache knows it again
    (folder / "TestSet1.txt").write_text("".join(f"{FOLDER}\\{name}.jpg\n" for name in tests))
    return folder


def texts(build, **environment):
    """Runs the notebook at the fast pace: {cell id: what it printed}."""
    env = {**os.environ, "SERIES_PACE": "fast", **environment}
    command = [sys.executable, "tools/notebooks.py", "run", "--only", "06", "--build", str(build)]
    process = subprocess.run(command, cwd=ROOT, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert process.returncode == 0, process.stdout + process.stderr
    nb = nbformat.read(build / "notebooks" / f"{NAME}.ipynb", as_version=4)
    return {cell.id: "".join(output.get("text", "") for output in cell.get("outputs", [])) for cell in nb.cells}


def test_it_takes_the_photographs_where_they_are(some_photographs, tmp_path):
    said = texts(tmp_path, SERIES_DATA="auto", SIFTFLOW_DIR=str(some_photographs))
    assert said["data"] == "The data: SiftFlow of 256×256 pixels\n"


def test_it_takes_a_folder_of_ones_own(tmp_path):
    """Photos of several sizes, and four classes, from the report to the scores of each class."""
    own_masks.write(tmp_path / "own", 24)
    said = texts(tmp_path, SERIES_DATA=str(tmp_path / "own" / "labelme"))
    assert "labelme" in said["data"] and "24 photos" in said["data"]
    assert "logits (None, 128, 128, 4)" in said["network"] and "logits (8, 256, 256, 4)" in said["fifteen"]
    assert re.match(r"background \d+%, leaf \d+%;", said["tail"])
    assert "crosswalk" not in said["per-class"]
