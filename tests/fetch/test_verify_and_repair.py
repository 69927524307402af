"""`verify` names what is wrong with a copy, and `get` mends just that."""

import os
import shutil
from pathlib import Path

import pytest

from helpers import siftflow
from helpers.fetch import filling
from helpers.fetch.layout import FOLDER
from support.copies import COAST, HTML, LABEL, ZIP, matlab, octave, sentence, tree, untouched
from support.plays import changed, flipped, one_pixel


def change_pixel(path, made):
    path.write_bytes(matlab(one_pixel(made.labels[path.stem]).astype("uint16")))


DAMAGE = {  # what is done to the copy; what the report lists as missing, damaged and extra
    "one image missing": (lambda p, _: (p / COAST).unlink(), [COAST], {}, []),
    "one label missing": (lambda p, _: (p / LABEL).unlink(), [LABEL], {}, []),
    "one label altered by a single pixel": (
        lambda p, m: change_pixel(p / LABEL, m), [], {LABEL: "not the published label map"}, []),
    "one image altered by a single bit": (
        lambda p, m: (p / COAST).write_bytes(flipped(m.tree[COAST], 9999)), [], {COAST: "published"}, []),
    "one image cut off": (lambda p, _: os.truncate(p / COAST, 5000), [], {COAST: "published"}, []),
    "one label empty": (lambda p, _: os.truncate(p / LABEL, 0), [], {LABEL: "is empty"}, []),
    "one label a web page": (lambda p, _: (p / LABEL).write_bytes(HTML), [], {LABEL: "not a label map"}, []),
    "an Octave file truncated": (
        lambda p, m: (p / LABEL).write_bytes(octave(m.labels["street_1"])[:9999]), [], {LABEL: "cut off"}, []),
    "one image in place of another": (
        lambda p, m: (p / COAST).write_bytes(m.images["coast_3"]), [], {COAST: "published"}, []),
    "a pair too many": (
        lambda p, m: [(p / path.replace(name, "coast_mine")).write_bytes(m.tree[path])
                      for path, name in ((COAST, "coast_2"), (LABEL, "street_1"))],
        [], {}, [COAST.replace("coast_2", "coast_mine"), LABEL.replace("street_1", "coast_mine")]),
    "a pair twice": (
        lambda p, _: [shutil.copytree(p / kind / FOLDER, p / kind / "copy",
                                      ignore=lambda _, names: [n for n in names if "forest_0" not in n])
                      for kind in ("Images", "SemanticLabels")],
        [], {}, ["Images/copy/forest_0.jpg", "SemanticLabels/copy/forest_0.mat"]),
    "TestSet1.txt missing": (lambda p, _: (p / "TestSet1.txt").unlink(), ["TestSet1.txt"], {}, []),
    "TestSet1.txt with a name less": (
        lambda p, m: (p / "TestSet1.txt").write_bytes(m.tree["TestSet1.txt"].split(b"\n", 1)[1]),
        [], {"TestSet1.txt": "standard"}, []),
    "TestSet1.txt with a name more": (
        lambda p, m: (p / "TestSet1.txt").write_bytes(m.tree["TestSet1.txt"] + b"coast_0.jpg\n"),
        [], {"TestSet1.txt": "standard"}, []),
    "several things": (
        lambda p, _: [(p / COAST).unlink(), os.truncate(p / LABEL, 50), (p / "TestSet1.txt").unlink(),
                      (p / COAST.replace("coast_2", "mine")).write_bytes(b"mine")],
        [COAST, "TestSet1.txt"], {LABEL: "MATLAB"}, [COAST.replace("coast_2", "mine")]),
}  # fmt: skip


@pytest.mark.parametrize("name", DAMAGE)
def test_verify_names_it_and_get_mends_just_that(world, capsys, faults, name):
    """With so few files to fetch, each is asked for alone; the good ones are not written, and nothing is deleted."""
    damage, missing, damaged, extra = DAMAGE[name]
    place = world.made.write(world.place)
    damage(place, world.made)
    before, kept = untouched(place), tree(place)

    report = siftflow.verify()
    assert [list(report.missing), list(report.damaged), list(report.extra)] == [missing, list(damaged), extra]
    assert all(text in report.damaged[path] for path, text in damaged.items())
    assert not report.whole and report.root == place
    for path in (*missing[:1], *list(damaged)[:1], *extra[:1]):
        assert path in str(report) and "\n" not in str(report)
    assert untouched(place) == before

    world.single_files()
    siftflow.get()
    said = capsys.readouterr().out
    assert {path: data for path, data in tree(place).items() if not path.startswith("not-in")} == world.made.tree
    assert siftflow.verify(place).whole and not world.left()
    now = untouched(place)
    good = set(before) - set(damaged) - set(extra)
    assert {path: now[path] for path in good} == {path: before[path] for path in good}
    aside = {path: tree(place)[f"not-in-siftflow/{Path(path).name}"] for path in extra}
    assert aside == {path: kept[path] for path in extra}
    assert all(path in said for path in extra)
    wanted = {"/" + path for path in (*missing, *damaged)} - {"/TestSet1.txt"}
    assert {asked.path for asked in world.server.log if not asked.path.startswith("/elsewhere/")} == wanted
    told = str(report).replace(f"{place}", "…/SiftFlowDataset").replace(f"/{FOLDER}/", "/…/")
    faults[f"{name}, in a copy"] = (told, "0", f"whole, {sum(asked.sent for asked in world.server.log):,} bytes")


def test_without_single_files_the_archive_mends_just_that(world):
    place = world.made.write(world.place)
    (place / COAST).write_bytes(b"")
    before = untouched(place)
    assert world.get() is None
    world.whole()
    assert {path for path, value in untouched(place).items() if value != before[path]} == {COAST}


def test_many_files_are_worth_the_archive(world, monkeypatch):
    world.single_files()
    monkeypatch.setattr(filling, "_FEW", 23)
    assert world.get() is None
    world.whole()
    assert {asked.path for asked in world.server.log} == {ZIP}


def test_single_files_that_are_not_there_or_wrong_fall_through_to_the_archive(world):
    place = world.made.write(world.place)
    (place / COAST).unlink()
    (place / LABEL).unlink()
    world.single_files()
    world.serve("/" + LABEL, HTML)
    del world.server.files["/" + COAST]
    assert world.get() is None
    world.whole()
    assert len(world.server.asked(ZIP)) == 1


def test_a_second_extra_of_the_same_name_does_not_replace_the_first(world):
    place = world.made.write(world.place)
    for content in (b"first", b"second"):
        (place / COAST.replace("coast_2", "mine")).write_bytes(content)
        assert world.get() is None
    assert sorted(path.read_bytes() for path in (place / "not-in-siftflow").rglob("*.jpg")) == [b"first", b"second"]


def test_what_was_moved_aside_is_not_taken_for_the_data_set(world):
    place = world.made.write(world.place)
    for path in (COAST, LABEL):
        (place / path).with_stem("mine").write_bytes(b"mine")
    assert world.get() is None
    shutil.rmtree(place / "Images")
    assert siftflow.locate(place) is None
    assert world.get(place) is None
    assert {path for path in tree(place) if not path.startswith("not-in-")} == set(world.made.tree)


def test_a_stranger_in_the_copy_is_no_reason_for_the_net(world):
    place = world.made.write(world.place)
    (place / "Images" / FOLDER / "._coast_2.jpg").write_bytes(b"what macOS leaves behind")
    (place / "notes.txt").write_text("mine")
    assert world.get() is None
    assert not world.server.log and (place / "notes.txt").read_text() == "mine"


def test_geolabels_are_not_taken_for_labels(world, tmp_path):
    """They have the labels' names; where one is all there is, the label is missing."""
    (tmp_path / "set.zip").write_bytes(changed(world.made, f"SiftFlowDataset/{LABEL}", None))
    sentence(world.get(source=tmp_path / "set.zip"), "1 of 24", LABEL)
    assert "GeoLabels" not in world.get(source=tmp_path / "set.zip")
