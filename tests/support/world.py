"""A project without data, a small data set as the published one, and a server that has it: what `get` does there."""

import contextlib
import functools
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time

import pytest

from helpers import siftflow
from helpers.fetch import download, filling, layout, manifest, sources
from helpers.fetch.layout import FOLDER, SiftFlowError
from helpers.fetch.sources import Source
from support.copies import TEST, ZIP, tree

PREAMBLE = """
import hashlib, json, os, shutil, signal, sys, time
from pathlib import Path
from helpers import siftflow
from helpers.fetch import command, download, filling, layout, manifest, sources, workplace
signal.signal(signal.SIGINT, signal.default_int_handler)
told = json.loads(sys.argv.pop(1))
manifest.MANIFEST, filling.DRIVE = Path(told["manifest"]), Path(told["drive"])
sources.SOURCES = tuple(sources.Source(*source) for source in told["sources"])
layout.data_folder = lambda: Path(told["data"])
download.TIMEOUT, download.PAUSE = told["timeout"], told["pause"]

def tree(place):
    files = (path for path in place.rglob("*") if path.is_file() and ".siftflow" not in path.parts)
    return {path.relative_to(place).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
"""


class World:
    """A project's data folder, a small data set as the published one, and a server that has it."""

    def __init__(self, tmp_path, monkeypatch, made, server):
        self.patch, self.made, self.server = monkeypatch, made, server
        self.data = tmp_path / "project" / "data"
        self.place, self.work = self.data / "SiftFlowDataset", self.data / "SiftFlowDataset" / ".siftflow"
        monkeypatch.setattr(manifest, "MANIFEST", made.manifest)
        self.archive = made.archive
        self.serve(ZIP, self.archive)
        self.sources(Source("the test server", server.url(ZIP)))

    def sources(self, *given):
        self.patch.setattr(sources, "SOURCES", given)

    def serve(self, path, data):
        self.server.files[path] = data
        return self.server.url(path)

    def single_files(self):
        """The server offers each file alone, too, an image at the second of two addresses."""
        for path, data in self.made.tree.items():
            self.serve("/" + path, data)
        images = (self.server.url("/elsewhere/{}.jpg"), self.server.url(f"/Images/{FOLDER}/{{}}.jpg"))
        labels = (self.server.url(f"/SemanticLabels/{FOLDER}/{{}}.mat"),)
        self.sources(Source("the test server", self.server.url(ZIP), images, labels))

    def get(self, *args, **kwargs):
        """What `get` says when it refuses, or None when it ends with a data set."""
        try:
            dataset = siftflow.get(*args, progress=False, **kwargs)
        except SiftFlowError as error:
            return str(error)
        assert not dataset.stand_in and set(dataset.names("test")) == set(TEST) & set(self.made.names)
        return None

    def told(self):
        return {
            "manifest": str(manifest.MANIFEST), "drive": str(filling.DRIVE), "sources": sources.SOURCES,
            "data": str(layout.data_folder()), "timeout": download.TIMEOUT, "pause": download.PAUSE,
            "tree": {path: hashlib.sha256(data).hexdigest() for path, data in self.made.tree.items()},
        }  # fmt: skip

    def start(self, *arguments, code="command.main(sys.argv[1:])", wrap=(), **told):
        """Another process: by default, the command line."""
        command = [*wrap, sys.executable, "-uc", PREAMBLE + code, json.dumps(self.told() | told), *map(str, arguments)]
        pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        return subprocess.Popen(command, **pipes)

    def run(self, *arguments, **options):
        """Its status, standard output and standard error."""
        process = self.start(*arguments, **options)
        out, err = process.communicate(timeout=120)
        return process.returncode, out, err

    def nothing_half(self):
        """Nothing but the hidden folder of what has arrived, and nothing that could be taken for a data set."""
        assert siftflow.locate(self.data) is None and siftflow.locate(self.place) is None
        assert not tree(self.data)
        with pytest.raises(SiftFlowError):
            siftflow.find()

    def left(self):
        """What of the hidden folder takes room, or would be gone on from."""
        return [path for path in self.work.rglob("*") if path.is_file() and path.name != "lock"]

    def whole(self):
        assert tree(self.place) == self.made.tree
        report = siftflow.verify(self.place)
        assert report.whole and (report.missing, report.damaged, report.extra) == ((), {}, ())
        assert not self.left()


def short(message, world):
    """A message in the table: the reason, where a sentence with its cure goes round it."""
    message = message.replace(f"{world.place}", "…/SiftFlowDataset").replace(f"/{FOLDER}/", "/…/")
    reason = re.search(r" could not be had, .*? for one \((.*)\); ", message)
    return f"… ({reason[1]}); …" if reason else message


def until(holds, seconds=30):
    deadline = time.monotonic() + seconds
    while not (value := holds()):
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.01)
    return value


def arrived(world):
    with contextlib.suppress(FileNotFoundError):  # it has just got its final name
        return sum(path.stat().st_size for path in world.work.glob("download/*.part"))
    return 0


@contextlib.contextmanager
def plain_user():
    """For root, rights are no obstacle: so as nobody."""
    if os.geteuid():
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


MOUNT = ["unshare", "-m" if os.geteuid() == 0 else "-rm", "sh", "-c", 'mount -t tmpfs -o size=4m x "$0" && exec "$@"']


@functools.cache
def can_mount():
    return shutil.which("unshare") and not subprocess.run([*MOUNT, "/mnt", "true"], capture_output=True).returncode
