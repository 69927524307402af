"""helpers.scenes: sets in SiftFlow's layout, the same everywhere, and nothing overwritten or left half made."""

import json
import time

import numpy as np
import pytest
import scipy.io

from helpers import scenes
from helpers.siftflow import CLASS_NAMES, N_CLASSES, SCENES_MARKER, SiftFlow, SiftFlowError


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    root = tmp_path_factory.mktemp("scenes") / "set"
    return scenes.make(root, train=9, test=3, size=48, seed=5)


def test_opens_as_siftflow(small):
    assert isinstance(small, SiftFlow) and small.stand_in and small.size == 48
    assert (len(small.names("train")), len(small.names("test"))) == (9, 3)
    assert {name.split("_")[0] for name in small.names("train")} == set(scenes.KINDS)
    lines = (small.root / "TestSet1.txt").read_text().splitlines()
    assert lines[0] == f"{scenes.FOLDER}\\{small.names('test')[0]}.jpg"
    images, labels = small.load("test")
    assert images.shape == (3, 48, 48, 3) and labels.shape == (3, 48, 48)


def test_files_hold_what_was_drawn(small):
    for split, number in (("train", 0), ("test", 1)):
        for name in small.names(split):
            kind, i = name.split("_")[0], int(name[-4:])
            image, label = scenes.draw(kind, [5, number, i], 48)
            assert np.array_equal(small.label(name), label)
            assert np.abs(small.image(name).astype(int) - image).mean() < 8  # JPEG
    mat = scipy.io.loadmat(next((small.root / "SemanticLabels").glob("*/*.mat")))
    assert mat["S"].min() >= 0 and mat["S"].max() <= N_CLASSES
    assert [str(np.squeeze(n)) for n in np.squeeze(mat["names"])] == list(CLASS_NAMES)


def test_a_scene_does_not_depend_on_the_counts(small, tmp_path):
    more = scenes.make(tmp_path / "more", train=20, test=1, size=48, seed=5)
    for name in small.names("train"):
        assert np.array_equal(small.label(name), more.label(name))
        assert np.array_equal(small.image(name), more.image(name))


def test_made_once_then_opened(tmp_path, monkeypatch):
    root = tmp_path / "deep" / "set"
    scenes.make(root, train=2, test=1, size=32)
    with monkeypatch.context() as patch:
        patch.setattr(scenes, "draw", lambda *_: pytest.fail("drawn again"))
        scenes.make(root, train=2, test=1, size=32)
    assert len(scenes.make(root, train=3, test=1, size=32).names("train")) == 3  # other arguments: made anew
    marker = json.loads((root / SCENES_MARKER).read_text())
    assert marker == {"version": scenes.VERSION, "seed": 0, "size": 32, "train": 3, "test": 1}
    assert [p.name for p in root.parent.iterdir()] == ["set"]


def test_an_empty_folder_will_do_and_a_damaged_marker_is_remade(tmp_path):
    (tmp_path / "set").mkdir()
    scenes.make(tmp_path / "set", train=1, test=0, size=32)
    (tmp_path / "set" / SCENES_MARKER).write_text("{")
    assert len(scenes.make(tmp_path / "set", train=1, test=0, size=32).names("train")) == 1


def test_other_data_is_left_alone(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    (tmp_path / "file").write_text("a file")
    for root in (tmp_path / "mine", tmp_path / "file"):
        with pytest.raises(SiftFlowError, match=f"{root.name}.* another"):
            scenes.make(root, train=1, test=1, size=32)
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "years of work"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "mine"]


@pytest.mark.parametrize("before", [False, True])
def test_interrupted_make_leaves_no_half(tmp_path, monkeypatch, before):
    root, draw, left = tmp_path / "set", scenes.draw, [3]
    if before:
        scenes.make(root, train=2, test=1, size=32)

    def interrupted(*args):
        left[0] -= 1
        if left[0] == 0:
            raise KeyboardInterrupt
        return draw(*args)

    monkeypatch.setattr(scenes, "draw", interrupted)
    with pytest.raises(KeyboardInterrupt):
        scenes.make(root, train=4, test=1, size=32)
    if before:  # what was there still is
        assert len(SiftFlow(root).names("train")) == 2
    else:
        assert not root.exists() and not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "bad", [{"size": 100}, {"size": 16}, {"size": 64.0}, {"train": -1}, {"test": -1}, {"seed": -1}, {"test": "5"}]
)
def test_bad_arguments_are_named(tmp_path, bad):
    (name, value), *_ = bad.items()
    with pytest.raises(ValueError, match=f"^{name} is {value!r}; it must be .*[.]$"):
        scenes.make(tmp_path / "set", **bad)
    assert not (tmp_path / "set").exists()


def test_no_scenes_at_all_is_refused(tmp_path):
    with pytest.raises(ValueError, match="^test is 0; it must be a whole number, at least 1[.]$"):
        scenes.make(tmp_path / "set", train=0, test=0)


def test_unknown_kind_is_named():
    with pytest.raises(ValueError, match="kind is 'beach'; it is one of coast, "):
        scenes.draw("beach", 0)


def test_speed(tmp_path):
    start = time.process_time()
    scenes.make(tmp_path / "set", train=40, test=8)
    assert (time.process_time() - start) / 48 < 0.1  # seconds a scene: 200 in 20 s; about 0.03 on an idle core


def test_a_set_in_the_layout_of_an_earlier_version_is_made_anew(tmp_path):
    root = tmp_path / "set"
    made = scenes.make(root, train=2, test=1, size=32)
    for kind in ("Images", "SemanticLabels"):
        (root / kind / scenes.FOLDER).rename(root / kind / "procedural_scenes")
    marker = json.loads((root / SCENES_MARKER).read_text())
    (root / SCENES_MARKER).write_text(json.dumps(marker | {"version": 1}))
    again = scenes.make(root, train=2, test=1, size=32)
    assert again.names("train") == made.names("train") and len(again.load("train")[0]) == 2
    assert [p.name for kind in ("Images", "SemanticLabels") for p in (root / kind).iterdir()] == [scenes.FOLDER] * 2
