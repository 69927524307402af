"""What the tests of this room share: a machine without SiftFlow, a small data set, and a server on it."""

import os
import shutil
import tempfile
from pathlib import Path

import pytest

from helpers.fetch import download, filling, layout, sources
from support.copies import NAMES, Made
from support.faulty_server import FaultyServer
from support.world import MOUNT, World, can_mount


@pytest.fixture(autouse=True)
def machine_without_siftflow(tmp_path, monkeypatch):
    """No data set, no archive and no net; short pauses."""
    here = tmp_path / "course" / "week" / "one"
    here.mkdir(parents=True)
    monkeypatch.chdir(here)
    for name in ("SIFTFLOW_DIR", *(name for name in os.environ if name.lower().endswith("_proxy"))):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(layout, "data_folder", lambda: tmp_path / "project" / "data")
    monkeypatch.setattr(filling, "DRIVE", tmp_path / "drive")
    monkeypatch.setattr(sources, "SOURCES", ())
    monkeypatch.setattr(download, "TIMEOUT", 20)
    monkeypatch.setattr(download, "PAUSE", 0.01)
    monkeypatch.setattr(download, "LONGEST_PAUSE", 0.2)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return Made(tmp_path_factory.mktemp("made"))


@pytest.fixture(scope="module")
def three(tmp_path_factory):
    """A still smaller one."""
    return Made(tmp_path_factory.mktemp("three"), NAMES[::4], seed=1)


@pytest.fixture
def server():
    with FaultyServer() as server:
        yield server
        server.shutdown()


@pytest.fixture
def world(tmp_path, monkeypatch, made, server):
    return World(tmp_path, monkeypatch, made, server)


@pytest.fixture
def mounting(tmp_path):
    """A command's first words, after which it has a disk of 4 MB at `disk`, for itself alone; and `disk`."""
    if not can_mount():
        pytest.skip("needs the right to mount a small disk")
    (tmp_path / "disk").mkdir()
    return [*MOUNT, str(tmp_path / "disk")], tmp_path / "disk"


@pytest.fixture
def public(monkeypatch, made):
    """A folder that anybody may look into, but not write to."""
    folder = Path(tempfile.mkdtemp(prefix="public-"))
    folder.chmod(0o755)
    (folder / "here").mkdir(mode=0o755)
    monkeypatch.chdir(folder / "here")
    monkeypatch.setattr(layout, "data_folder", lambda: folder / "project" / "data")
    yield folder
    for path in [folder, *folder.rglob("*")]:
        if not path.is_symlink():
            path.chmod(0o755)
    shutil.rmtree(folder)
