"""Folders and files that may not be read or written."""

import pytest

from helpers import siftflow
from helpers.fetch import manifest
from helpers.fetch.layout import SiftFlowError
from support.copies import COAST, LABEL, ZIP, sentence, tree, untouched
from support.world import plain_user


def test_no_write_permission(world, public, faults):
    archive = public / "set.zip"
    archive.write_bytes(world.archive)
    manifest.published()  # the small one lies where nobody may read
    (public / "project").mkdir()
    (public / "project").chmod(0o555)
    with plain_user():
        message = world.get(source=archive)
    sentence(message, public / "project" / "data", "cannot be written to", "name ")
    assert not list((public / "project").iterdir())
    faults["no write permission"] = (message.replace(str(public), "…"), "—", "whole, in another folder")
    (public / "mine").mkdir()
    (public / "mine").chmod(0o777)
    with plain_user():
        assert world.get(public / "mine", source=archive) is None
    assert tree(public / "mine" / "SiftFlowDataset") == world.made.tree


@pytest.mark.parametrize("how", ["named", "SIFTFLOW_DIR", "SIFTFLOW_DIR, its parent", "in a folder above"])
def test_one_copy_for_a_class_on_a_read_only_disk(world, public, monkeypatch, how):
    place = world.made.write(public / "SiftFlowDataset")
    for path in [place, *place.rglob("*")]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    manifest.published()
    before = untouched(public)
    if how.startswith("SIFTFLOW_DIR"):
        monkeypatch.setenv("SIFTFLOW_DIR", str(public if "parent" in how else place))
    with plain_user():
        dataset = siftflow.get(*[public] * (how == "named"), progress=False)
        assert dataset.root == place and siftflow.verify(place).whole
    assert untouched(public) == before and sorted(path.name for path in public.iterdir()) == ["SiftFlowDataset", "here"]


def test_a_damaged_copy_on_a_read_only_disk(world, public, faults):
    place = world.made.write(public / "SiftFlowDataset")
    (place / COAST).write_bytes(b"")
    (place / LABEL).unlink()
    for path in [place, *place.rglob("*")]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    manifest.published()
    before = untouched(public)
    with plain_user():
        message = world.get(place)
    sentence(message, place, COAST, LABEL, "cannot be written to", "name ")
    assert untouched(public) == before and not (place / ".siftflow").exists()
    told = message.replace(str(public), "…")
    faults["no write permission, and the copy is damaged"] = told, "—", "whole, in another folder"
    sentence(world.get(public / "mine", source=place), "2 of 24", place)
    world.single_files()
    assert world.get(public / "mine") is None
    assert tree(public / "mine" / "SiftFlowDataset") == world.made.tree
    assert len(world.server.log) == 3 and not world.server.asked(ZIP)


def test_folders_of_others_do_not_stop_the_search(world, public):
    """Beside the working directory and above it there are folders that one may not look into."""
    (public / "private").mkdir(mode=0o700)
    (public / "here" / "private").mkdir(mode=0o700)
    for folder in (public / "private", public / "here" / "private"):
        folder.chmod(0o000)
    with plain_user():
        with pytest.raises(SiftFlowError, match="not found"):
            siftflow.find()
        assert siftflow.locate(public) is None


@pytest.mark.parametrize("path", ["TestSet1.txt", COAST, LABEL])
@pytest.mark.parametrize("how", ["unreadable", "a folder"])
def test_a_file_that_cannot_be_read_is_a_damaged_one(world, public, how, path):
    place = world.made.write(public / "SiftFlowDataset")
    manifest.published()
    if how == "unreadable":
        (place / path).chmod(0o000)
    else:
        (place / path).unlink()
        (place / path).mkdir()
    with plain_user():
        report = siftflow.verify(place)
        assert list(report.damaged) == [path] and not report.missing and not report.extra
        sentence(world.get(place), path, place)
