"""tools/rescore.py: a score by three conventions, with one look and with four, and how far other images move it."""

import json
import os
import re
from pathlib import Path

import keras
import numpy as np
import pytest

import rescore
from helpers import metrics, predict, runs
from test_runs import data  # noqa: F401

ROOT = Path(__file__).resolve().parents[2]
RECORD = json.loads(rescore.OUT.read_text())

# Rows are the truth: classes 0 and 1 occur, 2 is only predicted, 3 is in neither.
MATRIX = np.array([[6, 2, 0, 0], [1, 5, 2, 0], [0, 0, 0, 0], [0, 0, 0, 0]])


def test_three_conventions_by_hand():
    first, second = 6 / 9, 5 / 10
    assert rescore.conventions(MATRIX) == pytest.approx(
        {
            "classes of the truth": (first + second) / 2,
            "classes of truth or prediction": (first + second) / 3,
            "all classes": (first + second) / 4,
        }
    )
    assert rescore.conventions(MATRIX)["classes of the truth"] == pytest.approx(metrics.scores(MATRIX)["mean_iou"])


def test_the_second_convention_is_that_of_keras():
    truth, prediction = (index.ravel().repeat(MATRIX.ravel()) for index in np.indices(MATRIX.shape))
    mean_iou = keras.metrics.MeanIoU(4)
    mean_iou.update_state(truth, prediction)
    assert rescore.conventions(MATRIX)["classes of truth or prediction"] == pytest.approx(float(mean_iou.result()))


def test_an_interval_holds_what_equal_images_have_and_grows_with_their_differences():
    same = np.stack([MATRIX] * 20)
    assert all(low == high == metrics.scores(MATRIX)[name] for name, (low, high) in rescore.intervals(same, 50).items())
    right = np.random.RandomState(0).binomial(100, 0.7, 400)
    each = np.array([[[r, 100 - r], [0, 0]] for r in right])
    low, high = rescore.intervals(each)["pixel_accuracy"]
    half = 1.96 * right.std() / 100 / np.sqrt(400)  # of a mean of independent numbers
    assert [low, high] == pytest.approx([right.mean() / 100 - half, right.mean() / 100 + half], abs=0.1 * half)
    low, high = rescore.intervals(each[:100])["pixel_accuracy"]
    assert high - low == pytest.approx(4 * half, rel=0.25)


def test_a_difference_is_taken_on_the_same_draws():
    """The images differ by far more than the two ways to predict them do, so only pairs tell the ways apart."""
    right = np.random.RandomState(0).randint(10, 90, 200)
    each, other = (np.array([[[r, 100 - r], [0, 0]] for r in right + more]) for more in (0, 1))
    found = rescore.difference(each, other, 500)["pixel_accuracy"]
    assert found["points"] == pytest.approx(1) and found["interval"] == pytest.approx([1, 1])
    low, high = rescore.intervals(each, 500)["pixel_accuracy"]
    assert high - low > 0.05, "by their own intervals the two overlap"
    back = rescore.difference(other, each, 500)["pixel_accuracy"]
    assert back["points"] == pytest.approx(-1) and back["interval"] == pytest.approx([-1, -1])
    some = np.where(np.arange(200) < 20, 10, 0)  # the same mean, from a tenth of the images
    other = np.array([[[r, 100 - r], [0, 0]] for r in right + some])
    low, high = rescore.difference(each, other, 2000)["pixel_accuracy"]["interval"]
    half = 1.96 * some.std() / np.sqrt(200)
    assert [low, high] == pytest.approx([1 - half, 1 + half], abs=0.15 * half)


def test_a_file_is_named_as_it_is_typed_in_the_project(tmp_path):
    assert rescore.typed_file(os.path.relpath(ROOT / "build" / "a.keras")) == "build/a.keras"
    assert rescore.typed_file(tmp_path / "a.keras") == "a.keras"
    assert rescore.typed_out(Path(os.path.relpath(rescore.OUT)), rescore.OUT) == []
    assert rescore.typed_out(ROOT / "results" / "b.json", rescore.OUT) == ["--out", "results/b.json"]


def test_the_matrices_of_the_images_add_up():
    model = keras.Sequential([keras.Input((16, 16, 3)), keras.layers.Conv2D(5, 3, padding="same")])
    random = np.random.RandomState(0)
    images, labels = random.randint(0, 256, (3, 16, 16, 3), "uint8"), random.randint(0, 5, (3, 16, 16)).astype("uint8")
    labels[0, :4] = 255
    each = rescore.matrices(model, images, labels, flip=False, scales=(1.0,))
    assert each.shape == (3, 5, 5) and each.sum(axis=(1, 2)).tolist() == [192, 256, 256]
    np.testing.assert_array_equal(each.sum(axis=0), predict.evaluate(model, images, labels, flip=False, scales=(1.0,)))


def test_the_record_is_of_the_shipped_network():
    exported = runs.recorded("siftflow_cpu.json")["exported"]["test"]
    assert RECORD["looks"]["four"]["test"] == pytest.approx(exported, abs=5e-4)
    for found in RECORD["looks"].values():
        assert found["mean_iou_over"]["classes of the truth"] == pytest.approx(found["test"]["mean_iou"])
        for name, (low, high) in found["interval"].items():
            assert low < found["test"][name] < high


def test_the_readme_says_what_the_record_says():
    text = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    one, four = RECORD["looks"]["one"], RECORD["looks"]["four"]
    percent = [
        *list(four["mean_iou_over"].values())[1:],
        one["test"]["pixel_accuracy"],
        one["test"]["mean_iou"],
    ]
    passage = text[text.index("**Read 40.1 as level") : text.index("tools/rescore.py")]
    seeds = [runs.recorded(f"siftflow_cpu{end}.json")["test"] for end in ("", "_seed1", "_seed2")]
    spread = [
        value
        for score in ("pixel_accuracy", "mean_iou")
        for value in (np.mean([seed[score] for seed in seeds]), np.std([seed[score] for seed in seeds], ddof=1))
    ]
    assert re.findall(r"\d+\.\d", passage) == [
        "40.1",
        *(f"{100 * value:.1f}" for value in [*spread, four["test"]["mean_iou"], *four["interval"]["mean_iou"]]),
        "41.2",
        *(f"{100 * value:.1f}" for value in [four["test"]["pixel_accuracy"], *four["interval"]["pixel_accuracy"]]),
        "88.1",
        *(f"{100 * value:.1f}" for value in percent),
    ]


def test_notebook_06_says_what_the_record_says():
    cells = json.loads((ROOT / "notebooks" / "06_unet_on_siftflow.ipynb").read_text(encoding="utf-8"))["cells"]
    (text,) = ["".join(cell["source"]) for cell in cells if cell["id"] == "published-why"]
    one, four = RECORD["looks"]["one"], RECORD["looks"]["four"]
    seeds = [runs.recorded(f"siftflow_cpu{end}.json")["test"]["mean_iou"] for end in ("", "_seed1", "_seed2")]
    wanted = [
        *four["interval"]["mean_iou"],
        *(np.mean(seeds), np.std(seeds, ddof=1)),
        four["interval"]["pixel_accuracy"][1],
        one["test"]["mean_iou"],
    ]
    assert re.findall(r"\d+\.\d", text) == [f"{100 * value:.1f}" for value in wanted]
    low, high = four["interval"]["mean_iou"]
    assert low < 0.395 < 0.412 < high and four["interval"]["pixel_accuracy"][1] < 0.881, "level, level, ahead"


@pytest.mark.slow
def test_other_sizes_go_to_a_file_of_their_own(data, tmp_path, capsys):  # noqa: F811
    given = ["--data", str(data), "--scales", "1", "1.6"]
    for words in ([], ["--out", os.path.relpath(rescore.OUT)]):
        with pytest.raises(SystemExit):
            rescore.main([*given, *words])
        assert "name another file" in capsys.readouterr().err
    for scale in ("0", "-1", "nan", "inf", "large"):
        with pytest.raises(SystemExit):
            rescore.main(["--data", str(data), "--scales", "1", scale, "--out", str(tmp_path / "sizes.json")])
        assert "is no size" in capsys.readouterr().err
    rescore.main([*given, "--out", str(tmp_path / "sizes.json")])
    record = json.loads((tmp_path / "sizes.json").read_text())
    assert record["command"] == "python tools/rescore.py --scales 1 1.6 --out sizes.json"
    four, other = record["looks"]["four"]["test"], record["looks"]["other four"]
    assert other["scales"] == [1.0, 1.6] and other["test"] != four
    printed = capsys.readouterr().out
    for name, ahead in other["ahead_of_four"].items():
        assert ahead["points"] == pytest.approx(100 * (other["test"][name] - four[name]))
        assert f"ahead in {name}" in printed


@pytest.mark.slow
def test_one_look_at_the_photographs_again(siftflow_root):
    """Of the shipped network and the first 20 test images: the same masks count, and four looks are no worse."""
    from helpers import siftflow

    dataset = siftflow.SiftFlow(siftflow_root)
    images, labels = dataset.load(dataset.names("test")[:20])
    looks = rescore.rescored(runs.pretrained(rescore.NETWORK)[0], images, labels)
    assert looks["one"]["test"]["pixel_accuracy"] > 0.7
    assert looks["four"]["test"]["pixel_accuracy"] > looks["one"]["test"]["pixel_accuracy"] - 0.01
