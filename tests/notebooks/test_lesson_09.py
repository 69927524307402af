"""What notebook 09 claims: held against its own run, and against what can be counted by hand."""

import re

import keras
import numpy as np
import pytest

from helpers import losses, masks
from helpers.classes import VOID
from helpers.lessons import check_masks, own_masks
from support import running
from support.answers import from_colours

pytestmark = pytest.mark.slow

NAME = "09_your_own_masks"


def lists(text):
    return [[float(n) for n in part.split()] for part in re.findall(r"\[([^]]*)\]", text)]


# ---- what is in the file?


def test_one_of_fifteen_results_holds_the_numbers(lesson):
    v = lesson[0]
    results = {(way, f.name): np.asarray(read(f)) for way, read in v["readers"].items() for f in v["three"]}
    right = [
        key
        for key, found in results.items()
        if found.shape[:2] == (60, 90) and set(np.unique(found)) == {0, 1, 15, 255}
    ]
    assert len(results) == 15 and right == [("np.array(Image.open(f))", "a.png")]
    for way in ('Image.open(f).convert("L")', "keras load_img, grayscale", "tf.io.decode_png, channels=1"):
        assert set(np.unique(results[way, "a.png"])) == {0, 38, 147, 220}
    jpeg = [len(np.unique(found)) for (_, file), found in results.items() if file == "c.jpg"]
    assert min(jpeg) > 20 and len(set(jpeg)) > 2, "more numbers than were painted, and not the same ones for all"


# ---- four mistakes


def test_pairs_of_sorted_lists(lesson):
    v, printed = lesson
    assert "6 of 30" in printed["order"]
    found = sorted(f"img_{i}_mask.png" for i in range(1, 31))
    right = [
        v["number"](photo)
        for photo, own in zip(v["photos"], found, strict=True)
        if v["number"](photo) == v["number"](own)
    ]
    assert right == [4, 5, 6, 7, 8, 9]
    assert "mixed up" in printed["preflight"] and "paired by number: nothing is wrong" in printed["preflight"]


def test_the_phones_photo(lesson):
    v = lesson[0]
    image, label = own_masks.draw(21, 96, 64)
    assert v["stored"].shape[:2] == label.shape[::-1] and v["upright"].shape[:2] == label.shape
    assert (
        np.abs(v["upright"].astype(int) - image).mean()
        < 4
        < np.abs(v["square"](v["stored"]).astype(int) - v["square"](image)).mean()
    )


def test_bilinear_makes_classes_that_are_not_there(lesson):
    v = lesson[0]
    assert set(np.unique(v["stones"])) == set(np.unique(v["large"]["nearest"])) == {0, 3}
    assert set(np.unique(v["large"]["bilinear"])) == {0, 1, 2, 3}


def test_resizing_is_bilinear_unless_told_otherwise():
    import inspect

    for callable_ in (keras.layers.Resizing, keras.utils.image_dataset_from_directory):
        assert inspect.signature(callable_).parameters["interpolation"].default == "bilinear"


def test_augmented_apart_and_together(said):
    rows = {line.partition("  ")[0]: line for line in said["apart-figure"].splitlines()}
    together = {way: int(re.search(r"(\d+) of 30", line)[1]) for way, line in rows.items()}
    *apart, all_of_them = together.values()
    assert all_of_them == 30 and all(8 < n < 22 for n in apart)
    assert [("augmented apart" in line) for line in rows.values()] == [True, True, False]


# ---- a set of one's own


def test_three_tools_one_mask(said):
    assert re.findall(r"(\d+) photos, (\d+) masks", said["set"]) == [("96", "96")] * 3
    assert "9 pixels" in said["border"] and "4 pixels" in said["border"]
    assert "(finds_3)" in said["report"] and "95 sizes" in said["report"]


def test_one_sigmoid_is_two_logits_one_of_which_is_0(lesson):
    v, random = lesson[0], np.random.RandomState(5)
    truth = random.choice([0, 1, VOID], (2, 6, 7)).astype("uint8")
    z = random.normal(size=(2, 6, 7, 1)).astype("float32")
    by_hand = np.where(truth == 1, np.log1p(np.exp(-z[..., 0])), np.log1p(np.exp(z[..., 0])))[truth != VOID].mean()
    two = losses.CrossEntropy()(truth, np.concatenate([0 * z, z], axis=-1))
    assert float(v["one_sigmoid"](truth, z)) == pytest.approx(by_hand, rel=1e-5)
    assert float(two) == pytest.approx(by_hand, rel=1e-5)


def test_kerass_loss_takes_void_for_a_label(lesson):
    _, same, built_in = (float(n) for n in re.findall(r"\d\.\d{4}", lesson[1]["sigmoid"]))
    assert abs(built_in - same) > 0.5


def test_neither_way_is_ahead_by_more_than_its_seeds_differ(said):
    one, two = map(np.array, lists(said["train-figure"]))
    assert len(one) == len(two) == 3
    assert abs(one.mean() - two.mean()) < max(np.ptp(one), np.ptp(two))


def test_the_network_beats_the_rule_and_masks_come_back(said):
    found = dict(re.findall(r"^(network|class 0 everywhere) +mean IoU (\d\.\d+)", said["scores"], re.M))
    assert float(found["network"]) > 0.7 > 3 * float(found["class 0 everywhere"])
    ious = dict(re.findall(r"^(\w+) +IoU (\d\.\d\d)$", said["scores"], re.M))
    assert abs(float(ious["coin"]) - float(ious["stone"])) < 0.1, "neither is clearly worse"
    assert re.findall(r"(\d+) masks opened again, (\d+) pixels", said["save"]) == [("19", "0"), ("19", "0")]


# ---- a reader's own folder, and the exercise


def test_a_readers_own_folder_goes_the_whole_way(lesson, tmp_path):
    """With FOLDER, every cell after it takes the reader's classes and photos."""
    import nbformat

    own_masks.greys(tmp_path / "mine", count=12)
    cells = {c.id: c.source for c in nbformat.read(running.NOTEBOOKS / f"{NAME}.ipynb", as_version=4).cells}
    given = f'FOLDER, CLASSES, OBJECT = {str(tmp_path / "mine")!r}, {own_masks.GREYS!r}, "stone"'
    cells["set"] = given + "\n" + cells["set"].partition("\n")[2]
    v = dict(lesson[0], PACE="fast")
    for cell in (
        "set",
        "report",
        "binary",
        "sigmoid",
        "train",
        "train-figure",
        "several",
        "scores",
        "predictions",
        "save",
    ):
        exec(compile(cells[cell], cell, "exec"), v)
    assert v["data"].class_names == list(own_masks.GREYS.values()) and len(v["predicted"]) == len(
        v["data"].names("test")
    )


def test_the_exercises_folder_opens_with_the_answer(lesson, capsys):
    v = lesson[0]
    data = masks.open(v["greys"], classes=own_masks.GREYS)
    assert set(data.class_names) == set(own_masks.CLASSES)
    check_masks.numbers(own_masks.GREYS)
    assert "Right" in capsys.readouterr().out
    table = {"background": (0, 0, 0), "aeroplane": (128, 0, 0), "person": (192, 128, 128)}
    read = from_colours(np.array(v["colours"]), table)
    assert np.array_equal(read, np.where(v["mask"] == 15, 2, v["mask"]))
