"""The places that the data set is taken from, and the folders that it is put into."""

import errno
import os
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest

from helpers import siftflow
from helpers.fetch import filling
from helpers.fetch.layout import FOLDER, SCENES_MARKER, SiftFlowError
from support.copies import COAST, NAMES, aml, authors, gnork, sentence, tree, untouched, zipped
from support.plays import changed


@pytest.mark.parametrize("form", [authors, gnork, aml])
@pytest.mark.parametrize("unpacked", [False, True], ids=["zip", "folder"])
def test_every_form_ends_as_the_same_files(world, tmp_path, form, unpacked):
    source = tmp_path / "given.zip"
    source.write_bytes(zipped(world.made.files(form)))
    if unpacked:
        with zipfile.ZipFile(source) as archive:
            archive.extractall(tmp_path / "given")
        source = tmp_path / "given"
    assert world.get(source=source) is None
    world.whole()
    assert not world.server.log
    dataset = siftflow.find()
    assert all(np.array_equal(dataset.label(name), world.made.labels[name] - np.uint8(1)) for name in NAMES)


def test_a_named_folder_that_is_whole_is_returned_and_nothing_written(world, tmp_path, monkeypatch):
    place = world.made.write(tmp_path / "shared" / "photographs")
    before = untouched(place)
    for named in (place, place.parent):
        monkeypatch.setenv("SIFTFLOW_DIR", str(named))
        assert siftflow.get(progress=False).root == place
    assert untouched(place) == before and not world.data.exists() and not world.server.log


@pytest.mark.parametrize("what", ["nothing", "damaged", "scenes"])
def test_a_named_folder_that_cannot_be_used(world, tmp_path, monkeypatch, what):
    """It is not silently passed over: the one who named it wanted it."""
    place = tmp_path / "shared"
    if what != "nothing":
        world.made.write(place)
        (place / COAST).unlink()
    if what == "scenes":
        (place / SCENES_MARKER).write_text('{"size": 256}')
    monkeypatch.setenv("SIFTFLOW_DIR", str(place))
    for call in (world.get, lambda: world.get(None, "set.zip")):
        sentence(
            call(), place, *(["SIFTFLOW_DIR"] if what != "scenes" else []), *([COAST] if what == "damaged" else [])
        )
    assert not world.server.log and not world.data.exists()


def test_scenes_are_not_filled_with_photographs(world, tmp_path):
    place = world.made.write(tmp_path / "drawn")
    (place / SCENES_MARKER).write_text('{"size": 256}')
    before = untouched(place)
    for call in (world.get, lambda root: world.get(root, source=tmp_path)):
        sentence(call(place), place, "scenes")
    with pytest.raises(SiftFlowError, match="scenes"):
        siftflow.verify(place)
    assert untouched(place) == before


def test_scenes_in_the_data_folder_do_not_stand_in_the_way(world):
    world.made.write(world.data / "scenes")
    (world.data / "scenes" / SCENES_MARKER).write_text('{"size": 256}')
    assert world.get() is None
    world.whole()


def test_nothing_anywhere(world):
    with pytest.raises(SiftFlowError) as error:
        siftflow.verify()
    sentence(str(error.value), "No SiftFlow data")


@pytest.mark.parametrize(
    "name", ["SiftFlowDataset.zip", "siftflow (1).zip", "rbmtoolbox-master.zip", "AML_CNN_for_Scene_Labeling-main.zip"]
)
@pytest.mark.parametrize("where", ["data", "drive"])
def test_an_archive_that_lies_near_is_taken_without_a_network(world, tmp_path, where, name):
    folder = world.data if where == "data" else tmp_path / "drive"
    folder.mkdir(parents=True)
    form = gnork if name.startswith("rbm") else aml if name.startswith("AML") else authors
    (folder / name).write_bytes(zipped(world.made.files(form)))
    (folder / "a_siftflow.txt").write_text("not an archive")
    assert world.get() is None
    world.whole()
    assert not world.server.log and (folder / name).exists()


def test_a_copy_on_the_drive_is_copied(world, tmp_path):
    place = world.made.write(tmp_path / "drive" / "SiftFlowDataset")
    before = untouched(place)
    assert world.get() is None
    world.whole()
    assert not world.server.log and untouched(place) == before


def test_a_downloads_archive_is_kept_on_the_drive_for_the_next_session(world, tmp_path, capsys):
    drive = tmp_path / "drive"
    drive.mkdir()
    siftflow.get()
    assert f"Kept for the next session: {drive / 'SiftFlowDataset.zip'}" in capsys.readouterr().out
    assert [path.name for path in drive.iterdir()] == ["SiftFlowDataset.zip"]
    asked = len(world.server.log)
    shutil.rmtree(world.data)  # as the end of a session does
    assert world.get() is None
    world.whole()
    assert len(world.server.log) == asked


@pytest.mark.parametrize("name", [None, "rbmtoolbox-master.zip"])
def test_nothing_is_put_on_a_drive_that_is_not_there_or_has_one(world, tmp_path, name):
    if name:
        (tmp_path / "drive").mkdir()
        (tmp_path / "drive" / name).write_bytes(b"damaged")
    assert world.get() is None
    world.whole()
    assert [path.name for path in tmp_path.glob("drive/*")] == ([name] if name else [])


def test_a_full_drive_costs_nothing_but_the_copy(world, tmp_path, capsys, monkeypatch):
    (tmp_path / "drive").mkdir()

    def full(source, target):
        Path(target).write_bytes(b"a part of it")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(filling.shutil, "copyfile", full)
    siftflow.get()
    world.whole()
    assert "could not be kept in Google Drive (No space left on device)" in capsys.readouterr().out
    assert not list((tmp_path / "drive").iterdir())


def test_a_bad_archive_that_lies_near_is_passed_over_and_kept(world, capsys):
    world.data.mkdir(parents=True)
    (world.data / "SiftFlowDataset.zip").write_bytes(world.archive[:-300])
    siftflow.get()
    world.whole()
    assert (world.data / "SiftFlowDataset.zip").read_bytes() == world.archive[:-300]
    out = capsys.readouterr().out
    assert out.count(f"{world.data / 'SiftFlowDataset.zip'}: is a zip archive cut off before its end.") == 1


def test_a_copy_above_is_used_where_it_lies_but_copied_where_a_folder_is_named(world, tmp_path):
    place = world.made.write(tmp_path / "course" / "SiftFlowDataset")
    before = untouched(place)
    assert siftflow.get(progress=False).root == place and not world.data.exists()
    assert siftflow.get(tmp_path / "mine", progress=False).root == tmp_path / "mine" / "SiftFlowDataset"
    assert tree(tmp_path / "mine" / "SiftFlowDataset") == world.made.tree
    assert untouched(place) == before and not world.server.log


def test_a_damaged_copy_above_gives_what_is_good_of_it(world, tmp_path):
    place = world.made.write(tmp_path / "course" / "SiftFlowDataset")
    (place / COAST).unlink()
    before = untouched(place)
    world.single_files()
    assert world.get() is None
    world.whole()
    assert {asked.path for asked in world.server.log} == {"/elsewhere/coast_2.jpg", "/" + COAST}
    assert untouched(place) == before


@pytest.mark.parametrize(
    ("root", "place"),
    [
        ("new", "new/SiftFlowDataset"),
        ("SiftFlowDataset", "SiftFlowDataset"),
        ("there", "there/photographs"),
        ("there/photographs",) * 2,
    ],
)
def test_where_a_named_folder_is_filled(world, tmp_path, root, place):
    world.made.write(tmp_path / "there" / "photographs")
    (tmp_path / "there" / "photographs" / COAST).unlink()
    assert siftflow.get(tmp_path / root, progress=False).root == tmp_path / place
    assert tree(tmp_path / place) == world.made.tree


def test_an_address_given_as_the_source_is_the_only_one_asked(world):
    address = world.serve("/mine.zip", changed(world.made, COAST, None))
    sentence(world.get(source=address), address, "1 of 24", COAST)
    assert {asked.path for asked in world.server.log} == {"/mine.zip"}
    world.nothing_half()
    world.serve("/mine.zip", world.archive)
    assert world.get(source=address) is None
    world.whole()


def test_a_damaged_copy_does_not_mend_itself(world):
    place = world.made.write(world.place)
    (place / COAST).write_bytes(b"damaged")
    before = untouched(place)
    sentence(world.get(place, source=place), place, COAST)
    assert untouched(place) == before and not world.left()


@pytest.mark.parametrize("source", ["gone.zip", "~nobody-of-that-name/set.zip", "ftp://host/set.zip", "a\0b.zip"])
def test_a_source_that_is_not_there(world, source):
    sentence(world.get(source=source), source.removeprefix("ftp:/"), "name ")
    assert not tree(world.data) and not world.left() and not world.server.log


def test_a_source_that_is_no_archive(world, tmp_path):
    (tmp_path / "photo.jpg").write_bytes(world.made.images["coast_0"])
    (tmp_path / "empty").mkdir()
    sentence(world.get(source=tmp_path / "photo.jpg"), tmp_path / "photo.jpg", "is not a zip archive")
    sentence(world.get(source=tmp_path / "empty"), tmp_path / "empty", "holds nothing of SiftFlow")
    assert not tree(world.data) and not world.left()


@pytest.mark.parametrize("what", ["a pipe as the source", "a pipe as an image", "a huge image"])
def test_nothing_is_read_that_has_no_end(world, what):
    place = world.made.write(world.place)
    (place / COAST).unlink()
    os.mkfifo(place / COAST)
    if what == "a huge image":
        (place / COAST).unlink()
        with open(place / COAST, "wb") as file:
            file.truncate(1 << 42)
    command = ["get", "there", "--quiet", "--source", place / COAST] if "source" in what else ["verify"]
    process = world.start(*command)
    try:
        out, err = process.communicate(timeout=10)
    finally:
        process.kill()
    assert process.returncode == 1 and "Traceback" not in err, err
    assert COAST in (err if "source" in what else out)


def test_an_incomplete_source_is_kept_and_the_net_gives_the_rest(world, tmp_path):
    files = world.made.files()
    lacking = {"coast_0", "forest_3"}
    (tmp_path / "set.zip").write_bytes(zipped({p: data for p, data in files.items() if Path(p).stem not in lacking}))
    sentence(world.get(source=tmp_path / "set.zip"), "4 of 24", tmp_path / "set.zip", "is not complete")
    world.nothing_half()
    assert not world.server.log
    world.single_files()
    assert world.get() is None
    world.whole()
    asked = {asked.path for asked in world.server.log if not asked.path.startswith("/elsewhere/")}
    assert asked == {f"/Images/{FOLDER}/{n}.jpg" for n in lacking} | {
        f"/SemanticLabels/{FOLDER}/{n}.mat" for n in lacking
    }


@pytest.mark.parametrize("name", ["SiftFlowDataset", "SiftFlowDataset/.siftflow", "SiftFlowDataset/Images"])
def test_a_file_stands_where_a_folder_must_be(world, name):
    """It is somebody's: it stays."""
    (world.data / name).parent.mkdir(parents=True)
    (world.data / name).write_text("mine")
    sentence(world.get(), world.data / name, "cannot be used", "name another folder")
    assert (world.data / name).read_text() == "mine" and set(tree(world.data)) <= {name, "SiftFlowDataset/TestSet1.txt"}
    (world.data / name).unlink()
    assert world.get() is None
    world.whole()


def test_the_folder_is_a_file(world, tmp_path):
    (tmp_path / "file").write_text("mine")
    sentence(world.get(tmp_path / "file"), tmp_path / "file", "name another folder")
    sentence(world.get(tmp_path / "file" / "SiftFlowDataset"), tmp_path / "file", "name another folder")
    assert (tmp_path / "file").read_text() == "mine"


def test_a_folder_unpacked_into_one_of_its_name_is_used(world):
    """As some unpackers do: data/SiftFlowDataset/SiftFlowDataset/."""
    world.made.write(world.place / "SiftFlowDataset")
    assert world.get() is None
    assert siftflow.verify(world.place).whole and not world.server.log


def test_the_home_folder_is_understood(world, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert siftflow.get("~/set", progress=False).root == tmp_path / "home" / "set" / "SiftFlowDataset"
    sentence(world.get("~nobody-of-that-name/set"), "~nobody-of-that-name")
