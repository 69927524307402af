"""helpers.siftflow: the real data's known facts, where it is looked for, and one clear sentence for damaged data."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import scipy.io
from PIL import Image

from helpers import siftflow
from helpers.fetch import layout
from helpers.siftflow import CLASS_NAMES, FULLY_VOID, N_CLASSES, SCENES_MARKER, VOID, SiftFlow, SiftFlowError
from support.small_data import FOLDER, TEST, TRAIN, write_set

ROOT = Path(__file__).resolve().parent.parent

# Per cent of the labelled pixels, train and test, as first measured (crosswalk, rock: rounded twice).
FREQUENCIES = {
    "awning": (".089", ".113"), "balcony": (".111", ".027"), "bird": (".0015", ".0004"), "boat": (".036", ".061"),
    "bridge": (".210", ".360"), "building": ("20.08", "20.17"), "bus": (".021", ".034"), "car": ("1.24", "1.64"),
    "cow": (".0043", "0"), "crosswalk": (".091", ".052"), "desert": (".424", "0"), "door": (".401", ".257"),
    "fence": (".164", ".241"), "field": ("2.91", "3.64"), "grass": ("2.07", "1.22"), "moon": (".0007", "0"),
    "mountain": ("12.83", "12.44"), "person": (".177", ".233"), "plant": ("1.59", "1.33"), "pole": (".026", ".036"),
    "river": ("1.62", "1.37"), "road": ("7.59", "6.93"), "rock": ("1.01", ".846"), "sand": ("1.14", "1.41"),
    "sea": ("5.66", "5.60"), "sidewalk": (".954", ".887"), "sign": (".068", ".109"), "sky": ("26.66", "27.07"),
    "staircase": (".087", ".181"), "streetlight": (".051", ".024"), "sun": (".0090", ".0103"),
    "tree": ("11.83", "12.64"), "window": (".857", "1.07"),
}  # fmt: skip


@pytest.fixture(autouse=True)
def own_data_folder(request, tmp_path, monkeypatch):
    """Keeps the caches of made-up sets out of the project; tests of the real data use the project's."""
    monkeypatch.delenv("SIFTFLOW_DIR", raising=False)
    if "real" not in request.fixturenames and "siftflow_root" not in request.fixturenames:
        monkeypatch.setattr(layout, "data_folder", lambda: tmp_path / "project" / "data")


@pytest.fixture
def root(tmp_path):
    write_set(tmp_path / "sets" / "SiftFlowDataset")
    return tmp_path / "sets" / "SiftFlowDataset"


@pytest.fixture(scope="module")
def real(siftflow_root):
    """The real data set, opened, with both splits loaded: (dataset, {split: (images, labels)})."""
    dataset = SiftFlow(siftflow_root)
    return dataset, {split: dataset.load(split) for split in ("train", "test")}


def one_sentence(error, *parts):
    """The refusal is a SiftFlowError of one line that has all these parts and says what to do."""
    message = str(error.value)
    assert isinstance(error.value, SiftFlowError) and isinstance(error.value, ValueError)
    assert "\n" not in message and "Traceback" not in message
    assert all(str(part) in message for part in parts), message
    assert any(cure in message for cure in ("copy", "replace", "remove", "Point", "unpack", "names(")), message
    return message


# ---- the real data --------------------------------------------------------------------------------------------------


def test_classes_and_void():
    assert len(CLASS_NAMES) == N_CLASSES == 33 and VOID == 255
    assert list(CLASS_NAMES) == sorted(FREQUENCIES)


def test_real_splits_have_the_known_sizes(real):
    dataset, loaded = real
    assert (len(dataset.names("train")), len(dataset.names("test"))) == (2486, 200)
    assert not set(dataset.names("train")) & set(dataset.names("test"))
    assert dataset.names("train") == sorted(dataset.names("train"))
    assert loaded["train"][0].shape == (2486, 256, 256, 3) and loaded["train"][0].dtype == np.uint8
    assert loaded["test"][1].shape == (200, 256, 256) and loaded["test"][1].dtype == np.uint8
    assert not dataset.stand_in and dataset.size == 256


def test_real_fully_void_images_exist_but_are_left_out(real):
    dataset, _ = real
    assert set(FULLY_VOID) == {"highway_bost181", "street_urb506"}
    for name in FULLY_VOID:
        assert (dataset.label(name) == VOID).all() and dataset.image(name).shape == (256, 256, 3)
        assert name not in dataset.names("train") + dataset.names("test")


def test_real_void_shares(real):
    _, loaded = real
    train, test = (np.mean(loaded[split][1] == VOID, dtype="float64") for split in ("train", "test"))
    assert round(100 * train, 2) == 8.35
    assert round(100 * (train * 2486 + 2) / 2488, 2) == 8.42  # with the two fully void images
    assert round(100 * test, 2) == 6.68


def test_real_mean_colour_of_training_images(real):
    total = sum(image.sum(axis=(0, 1), dtype="float64") for image in real[1]["train"][0])
    assert np.allclose(total / (2486 * 256 * 256), (108.354, 115.293, 114.587), rtol=0, atol=0.01)


@pytest.mark.slow
def test_the_committed_frequencies_are_the_photographs(real):
    from helpers import siftflow

    assert np.array_equal(real[0].pixel_counts("train"), siftflow.TRAIN_PIXELS)


@pytest.mark.parametrize("split", ["train", "test"])
def test_real_class_frequencies(real, split):
    dataset, loaded = real
    counts = dataset.pixel_counts(split)
    assert counts.dtype == np.int64 and counts.shape == (33,)
    independent = sum(np.bincount(label.ravel(), minlength=256) for label in loaded[split][1])
    assert np.array_equal(counts, independent[:33])
    for name, share in zip(CLASS_NAMES, 100 * counts / counts.sum(), strict=True):
        printed = FREQUENCIES[name][split == "test"]
        decimals = len(printed.partition(".")[2])
        assert abs(share - float(printed)) <= 0.51 * 10**-decimals, f"{name}: {share:.5f}, not {printed}"


def test_real_absent_test_classes(real):
    counts = real[0].pixel_counts("test")
    assert [name for name, n in zip(CLASS_NAMES, counts, strict=True) if n == 0] == ["cow", "desert", "moon"]
    assert (real[0].pixel_counts("train") > 0).all()


def test_real_image_and_label_equal_load(real):
    dataset, loaded = real
    for split, step in (("train", 199), ("test", 33)):
        for i in range(0, len(loaded[split][0]), step):
            name = dataset.names(split)[i]
            assert np.array_equal(dataset.image(name), loaded[split][0][i]), name
            assert np.array_equal(dataset.label(name), loaded[split][1][i]), name


def test_real_label_is_the_file_minus_one(real):
    dataset, _ = real
    name = "coast_arnat59"
    raw = scipy.io.loadmat(dataset.root / "SemanticLabels" / FOLDER / f"{name}.mat")["S"].astype(int)
    assert np.array_equal(dataset.label(name), np.where(raw == 0, 255, raw - 1))


def test_real_opens_from_folder_or_parent_only(siftflow_root, tmp_path):
    assert SiftFlow(siftflow_root).root == siftflow_root
    (tmp_path / "sets").mkdir()
    (tmp_path / "sets" / "SiftFlowDataset").symlink_to(siftflow_root)
    assert len(SiftFlow(tmp_path / "sets").names("test")) == 200
    with pytest.raises(SiftFlowError):
        SiftFlow(tmp_path)


@pytest.mark.alone
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads the peak from Linux' /proc")
def test_real_load_is_fast_and_small(real):
    code = """
import re, sys, time
from helpers.siftflow import SiftFlow
dataset, seconds = SiftFlow(sys.argv[1]), []
for _ in range(3):
    start = time.perf_counter()
    images, labels = dataset.load("train")
    seconds.append(time.perf_counter() - start)
    if min(seconds) < 5:
        break
    del images, labels
# Not getrusage: its peak would count what the process that started this one held.
print(min(seconds), re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())[1])
"""
    ran = subprocess.run(
        [sys.executable, "-c", code, str(real[0].root)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    seconds, kilobytes = map(float, ran.stdout.split())
    assert seconds < 5
    assert kilobytes * 1024 < 2e9


def test_real_cache_is_not_in_the_data_set(real):
    outside = {path.name for path in real[0].root.iterdir()}
    assert outside == {"Images", "SemanticLabels", "TestSet1.txt"}
    assert not [path for path in real[0].root.rglob("*") if path.suffix not in {".jpg", ".mat", ".txt", ""}]


# ---- small sets, whole ----------------------------------------------------------------------------------------------


def test_labels_round_trip_and_split(root):
    files = write_set(root.parent / "again", seed=7)
    dataset = SiftFlow(root.parent / "again")
    assert dataset.names("train") == sorted(TRAIN) and dataset.names("test") == sorted(TEST)
    images, labels = dataset.load("train")
    for i, name in enumerate(dataset.names("train")):
        wanted = np.where(files[name] == 0, 255, files[name] - 1)
        assert np.array_equal(dataset.label(name), wanted) and np.array_equal(labels[i], wanted)
        assert np.array_equal(dataset.image(name), images[i])
        assert dataset.label(name).dtype == dataset.image(name).dtype == np.uint8
    wanted = np.bincount(np.concatenate([files[n].ravel() for n in TEST]), minlength=34)[1:]
    assert np.array_equal(dataset.pixel_counts("test"), wanted)


def test_load_takes_a_list_of_names_in_its_order(root):
    dataset = SiftFlow(root)
    images, labels = dataset.load([TEST[1], TRAIN[0]])
    assert np.array_equal(images[0], dataset.image(TEST[1])) and np.array_equal(labels[1], dataset.label(TRAIN[0]))


def test_cache_is_beside_the_project_not_in_the_data(root, tmp_path):
    before = sorted(root.rglob("*"))
    SiftFlow(root).load("train")
    assert sorted(root.rglob("*")) == before
    assert len(list((tmp_path / "project" / "data" / "cache").iterdir())) == 1


def test_unknown_split_is_refused(root):
    with pytest.raises(ValueError, match='\'validation\'; it is "train" or "test"'):
        SiftFlow(root).names("validation")


# ---- where it is looked for -----------------------------------------------------------------------------------------


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """A working directory two folders down, with nothing in sight."""
    folder = tmp_path / "course" / "week" / "one"
    folder.mkdir(parents=True)
    monkeypatch.chdir(folder)
    return folder


def test_find_in_the_named_folder(root, elsewhere, monkeypatch):
    for named in (root, root.parent):
        monkeypatch.setenv("SIFTFLOW_DIR", str(named))
        assert siftflow.find().root == root


def test_find_in_data_of_the_working_directory_and_of_the_project(elsewhere, tmp_path):
    write_set(elsewhere / "data" / "SiftFlowDataset", TRAIN[:1], TEST[:1])
    assert siftflow.find().root == elsewhere / "data" / "SiftFlowDataset"
    write_set(tmp_path / "project" / "data" / "SiftFlowDataset", TRAIN[:1], TEST[:1])
    assert siftflow.find().root == tmp_path / "project" / "data" / "SiftFlowDataset"


def test_find_in_folders_above(elsewhere):
    write_set(elsewhere.parents[1] / "SiftFlowDataset", TRAIN[:1], TEST[:1])
    assert siftflow.find().root == elsewhere.parents[1] / "SiftFlowDataset"


def test_find_passes_over_a_stand_in_unless_it_is_named(elsewhere, monkeypatch):
    write_set(elsewhere / "data" / "a_drawn", TRAIN[:1], TEST[:1], size=32, stand_in=True)
    with pytest.raises(SiftFlowError):
        siftflow.find()
    write_set(elsewhere / "data" / "photographs", TRAIN[:1], TEST[:1])
    assert siftflow.find().root.name == "photographs"
    monkeypatch.setenv("SIFTFLOW_DIR", str(elsewhere / "data" / "a_drawn"))
    assert siftflow.find().stand_in and siftflow.find().size == 32


def test_find_nothing_says_so(elsewhere, monkeypatch):
    with pytest.raises(SiftFlowError) as error:
        siftflow.find()
    one_sentence(error, "SIFTFLOW_DIR", elsewhere)
    monkeypatch.setenv("SIFTFLOW_DIR", str(elsewhere / "gone"))
    with pytest.raises(SiftFlowError) as error:
        siftflow.find()
    one_sentence(error, elsewhere / "gone", "SIFTFLOW_DIR")


def test_find_does_not_hide_a_damaged_set(elsewhere):
    write_set(elsewhere / "data" / "SiftFlowDataset", TRAIN[:1], TEST[:1])
    (elsewhere / "data" / "SiftFlowDataset" / "TestSet1.txt").unlink()
    with pytest.raises(SiftFlowError, match="TestSet1.txt is missing"):
        siftflow.find()


# ---- damaged data: one sentence each --------------------------------------------------------------------------------


def image_file(root, name):
    return root / "Images" / FOLDER / f"{name}.jpg"


def label_file(root, name):
    return root / "SemanticLabels" / FOLDER / f"{name}.mat"


def test_no_data_here(tmp_path):
    for nothing in (tmp_path, tmp_path / "gone"):
        with pytest.raises(SiftFlowError) as error:
            SiftFlow(nothing)
        one_sentence(error, nothing, "Point SIFTFLOW_DIR at")


def test_no_images_in_the_folders(root):
    shutil.rmtree(root / "Images" / FOLDER)
    with pytest.raises(SiftFlowError) as error:
        SiftFlow(root)
    one_sentence(error, root / "Images", ".jpg", "copy the data set again")


def test_image_without_label_and_the_reverse(root):
    label_file(root, "street_c3").rename(root / "aside.mat")
    with pytest.raises(SiftFlowError) as error:
        SiftFlow(root)
    one_sentence(error, image_file(root, "street_c3"), "no label", "copy the missing file")
    (root / "aside.mat").rename(label_file(root, "street_c3"))
    image_file(root, "forest_b2").unlink()
    with pytest.raises(SiftFlowError) as error:
        SiftFlow(root)
    one_sentence(error, label_file(root, "forest_b2"), "no image", "copy the missing file")


def test_missing_test_list(root):
    (root / "TestSet1.txt").unlink()
    with pytest.raises(SiftFlowError) as error:
        SiftFlow(root)
    one_sentence(error, root / "TestSet1.txt", "missing", "copy it from the data set")


def test_test_list_with_an_unknown_image(root):
    with (root / "TestSet1.txt").open("a") as file:
        file.write(f"{FOLDER}\\coast_nowhere.jpg\n")
    with pytest.raises(SiftFlowError) as error:
        SiftFlow(root)
    one_sentence(error, root / "TestSet1.txt", "coast_nowhere", "copy the data set again")


def test_unknown_image_name(root):
    dataset = SiftFlow(root)
    for read in (dataset.image, dataset.label):
        with pytest.raises(SiftFlowError) as error:
            read("coast_nowhere")
        one_sentence(error, "'coast_nowhere'", root)
    dataset.load("train")
    with pytest.raises(SiftFlowError) as error:
        dataset.load(["coast_nowhere"])
    one_sentence(error, "'coast_nowhere'", root)


@pytest.mark.parametrize("damaged", ["{", "{}"])
def test_damaged_marker_of_a_stand_in(root, damaged):
    (root / SCENES_MARKER).write_text(damaged)
    with pytest.raises(SiftFlowError) as error:
        SiftFlow(root)
    assert SCENES_MARKER in str(error.value) and "\n" not in str(error.value)


def save_label(value):
    return lambda path: scipy.io.savemat(path, {"S": value})


def labels_with(value, dtype):
    label = np.ones((256, 256), dtype)
    label[17, 5] = value
    return label


LABEL_DAMAGE = {
    "shape": (save_label(np.ones((255, 256), "uint16")), "(255, 256)"),
    "one-hot": (save_label(np.ones((256, 256, 3), "uint16")), "(256, 256, 3)"),
    "above": (save_label(labels_with(34, "uint16")), "34"),
    "far above": (save_label(labels_with(256, "uint16")), "256"),
    "negative": (save_label(labels_with(-1, "int16")), "-1"),
    "fractional": (save_label(labels_with(1.5, "float64")), "whole numbers"),
    "nan": (save_label(labels_with(np.nan, "float64")), "whole numbers"),
    "text": (lambda path: path.write_text("# Created by Octave\n# name: S\n"), "variable S"),
    "empty": (lambda path: path.write_bytes(b""), "is empty"),
    "truncated": (lambda path: path.write_bytes(path.read_bytes()[:300]), "variable S"),
    "no S": (lambda path: scipy.io.savemat(path, {"T": np.ones((256, 256))}), "variable S"),
}


@pytest.mark.parametrize("kind", LABEL_DAMAGE)
def test_damaged_label_is_refused_by_label_and_load(root, kind):
    damage, said = LABEL_DAMAGE[kind]
    path = label_file(root, "street_c3")
    damage(path)
    dataset = SiftFlow(root)
    for read in (lambda: dataset.label("street_c3"), lambda: dataset.load("train")):
        with pytest.raises(SiftFlowError) as error:
            read()
        one_sentence(error, path, said, "replace this file by the one from the data set")


def test_a_refusal_leaves_no_half_cache(root, tmp_path):
    label_file(root, "street_c3").write_bytes(b"")
    with pytest.raises(SiftFlowError):
        SiftFlow(root).pixel_counts("train")
    assert not list((tmp_path / "project" / "data" / "cache").iterdir())


IMAGE_DAMAGE = {
    "truncated": (lambda path: path.write_bytes(path.read_bytes()[:2000]), "not a readable JPEG"),
    "text": (lambda path: path.write_text("404 Not Found"), "not a readable JPEG"),
    "empty": (lambda path: path.write_bytes(b""), "not a readable JPEG"),
    "size": (lambda path: Image.new("RGB", (320, 240)).save(path), "320x240"),
}


@pytest.mark.parametrize("kind", IMAGE_DAMAGE)
def test_damaged_image_is_refused_by_image_and_load(root, kind):
    damage, said = IMAGE_DAMAGE[kind]
    path = image_file(root, "street_c3")
    damage(path)
    dataset = SiftFlow(root)
    for read in (lambda: dataset.image("street_c3"), lambda: dataset.load("train")):
        with pytest.raises(SiftFlowError) as error:
            read()
        one_sentence(error, path, said, "replace this file by the one from the data set")
    assert dataset.load("test")[0].shape == (2, 256, 256, 3)  # the others can still be used


def test_opening_reads_no_pixels(root):
    for path in [*root.glob("Images/*/*"), *root.glob("SemanticLabels/*/*")]:
        os.truncate(path, 0)
    assert len(SiftFlow(root).names("train")) == 3


# ---- the command, and what an import takes in -----------------------------------------------------------------------


@pytest.mark.parametrize("module", ["getting", "command", "filling", "verify", "cache", "labelmaps"])
def test_fetch_never_imports_the_shelf_file(module):
    code = f"import sys, helpers.fetch.{module}; print('helpers.siftflow' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "False"
