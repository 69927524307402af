"""Getting SiftFlow: whatever goes wrong, one sentence says so, nothing is left half done, and the next call ends with
the same files. A server on this machine plays the faults; a table of them stands at the end of the session."""

import contextlib
import errno
import functools
import gzip
import hashlib
import io
import json
import os
import pickle
import random
import re
import shutil
import signal
import socket
import stat
import struct
import subprocess
import sys
import tempfile
import time
import tracemalloc
import zipfile
import zlib
from concurrent.futures import ThreadPoolExecutor
from email.utils import formatdate
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np
import pytest
import scipy.io
from PIL import Image

import manifest
from helpers import siftflow
from helpers.fetch import archives, download, labelmaps, sources
from helpers.fetch.archives import ArchiveError
from helpers.fetch.sources import FOLDER, Source
from helpers.siftflow import CLASS_NAMES, SCENES_MARKER, SiftFlow, SiftFlowError
from support.faulty_server import FaultyServer, Play

NAMES = [f"{kind}_{i}" for kind in ("coast", "forest", "street") for i in range(4)]
TEST = ["coast_1", "forest_3", "street_0", "street_2"]
ZIP = "/SiftFlowDataset.zip"
COAST, LABEL = f"Images/{FOLDER}/coast_2.jpg", f"SemanticLabels/{FOLDER}/street_1.mat"
HTML = b"<!doctype html><title>Sign in to the campus network</title>"

# The faults that getting the data was made for; the table must have a row for each.
MADE_FOR = (
    "404", "500, then fine", "a cut at 30 %", "a stalled socket", "wrong length", "right length, wrong bytes",
    "HTML instead of a zip", "redirect", "a corrupt zip", "a zip with ../ members", "a zip with a symlink", "a bomb",
    "one image missing", "one label altered by a single pixel", "an Octave file truncated", "no write permission",
    "a full disk", "SIGKILL during download", "SIGKILL during unpacking",
)  # fmt: skip


# ---- a small data set, in every form in which SiftFlow is handed round ----------------------------------------------


def octave(label):
    """A label map as Gnork's repository has it."""
    cells = np.array([[*b" %d\n" % n] + [0] * (n < 10) for n in range(34)], np.uint8)
    text = cells[label.ravel("F")].ravel()
    head = b"# Created by Octave 3.6.4, Wed May 14 13:50:44 2014 CEST <x@y>\n# name: S\n# type: uint16 matrix\n"
    return head + b"# ndims: 2\n %d %d\n" % label.shape + text[text > 0].tobytes() + b"\n\n"


def plain(label, end=b" \n"):
    """A label map as AML_CNN_for_Scene_Labeling has it."""
    cells = np.array([[*b"%d " % n] + [0] * (n < 10) for n in range(34)], np.uint8)
    text = np.pad(cells[label].reshape(len(label), -1), ((0, 0), (0, 1)), constant_values=ord("\n")).ravel()
    return text[text > 0].tobytes().replace(b" \n", end)


def matlab(label, **others):
    """A label map as the authors have it."""
    buffer = io.BytesIO()
    scipy.io.savemat(buffer, {"S": label, **others}, do_compression=True)
    return buffer.getvalue()


GEO = matlab(np.full((256, 256), 3, "uint16"))


def authors(image, label, name):
    """The files of one image in the authors' archive, where GeoLabels are another labelling under the same names."""
    yield f"SiftFlowDataset/GeoLabels/{FOLDER}/{name}.mat", GEO
    yield f"SiftFlowDataset/Images/{FOLDER}/{name}.jpg", image
    yield f"SiftFlowDataset/SemanticLabels/{FOLDER}/{name}.mat", matlab(label.astype("uint16"), names=np.zeros(3))


def gnork(image, label, name):
    """… in Gnork/rbmtoolbox …"""
    yield f"rbmtoolbox-93c/Data/SiftFlowDataset/Images/{FOLDER}/{name}.jpg", image
    yield f"rbmtoolbox-93c/Data/SiftFlowDataset/SemanticLabels/labels/{name}.mat", octave(label)


def aml(image, label, name):
    """… and in AML_CNN_for_Scene_Labeling, whose split is another."""
    part = "train" if zlib.crc32(name.encode()) % 3 else "test"
    yield f"AML_CNN-3ea/sift_dataset/{part}/images/{name}.jpg", image
    yield f"AML_CNN-3ea/sift_dataset/{part}/labels/{name}.regions.txt", plain(label, b"\n" if name < "d" else b" \n")


NOISE = {
    authors: {"SiftFlowDataset/TestSet1.txt": b"coast_0.jpg\r\n", "SiftFlowDataset/Readme.txt": b"hello"},
    gnork: {"rbmtoolbox-93c/Data/SiftFlowDataset/SemanticLabels/classes.mat": b"# Created by Octave"},
    aml: {"AML_CNN-3ea/train.py": b"import caffe"},
}


def zipped(files):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


class Made:
    """A small data set: what is published of it, what a copy of it must hold, and how others hand it round."""

    def __init__(self, folder, names=NAMES, seed=0):
        random = np.random.RandomState(seed)
        self.names, self.manifest, self.images, self.labels = names, folder / f"{len(names)}-{seed}.tsv", {}, {}
        lines = []
        for name in names:
            buffer, pixels = io.BytesIO(), random.randint(0, 256, (64, 64, 3)).astype("uint8")
            Image.fromarray(pixels.repeat(4, 0).repeat(4, 1)).save(buffer, "jpeg", quality=90)
            self.images[name] = buffer.getvalue()
            self.labels[name] = random.randint(0, 34, (32, 32)).astype("uint8").repeat(8, 0).repeat(8, 1)
            hashes = [hashlib.sha256(data).hexdigest()[:32] for data in (buffer.getvalue(), self.labels[name] - 1)]
            lines.append("\t".join([name, "test" if name in TEST else "train", *hashes]))
        self.manifest.write_text("# a comment\n" + "\n".join(lines) + "\n")
        tests = "".join(f"{FOLDER}\\{name}.jpg\n" for name in names if name in TEST)
        self.archive = zipped(self.files())
        self.tree = {"TestSet1.txt": tests.encode()}
        self.tree |= {f"Images/{FOLDER}/{name}.jpg": self.images[name] for name in names}
        for name in names:
            self.tree[f"SemanticLabels/{FOLDER}/{name}.mat"] = labelmaps.write_matlab(self.labels[name], CLASS_NAMES)

    def files(self, form=authors):
        """An archive's members, {path: bytes}."""
        return NOISE[form] | dict(
            file for name in self.names for file in form(self.images[name], self.labels[name], name)
        )

    def write(self, place):
        """A copy as `get` leaves it."""
        for path, data in self.tree.items():
            (place / path).parent.mkdir(parents=True, exist_ok=True)
            (place / path).write_bytes(data)
        return place


def tree(place):
    """What is in a folder, but for `.siftflow`: {path: bytes}."""
    files = (path for path in place.rglob("*") if path.is_file() and ".siftflow" not in path.parts)
    return {path.relative_to(place).as_posix(): path.read_bytes() for path in files}


def untouched(place):
    """What a file keeps as long as nobody writes it: {path: (inode, time)}."""
    return {path: ((place / path).stat().st_ino, (place / path).stat().st_mtime_ns) for path in tree(place)}


def sentence(message, *parts):
    """The message is one line that has all these parts and says what to do."""
    assert message is not None, "it was not refused"
    assert "\n" not in message and "Traceback" not in message and message.endswith("."), message
    assert all(str(part) in message for part in parts), message
    cures = ("call again", "call later", "name ", "free ", "put ", "unset", "mend ", "correct ", "get (in Python")
    assert any(cure in message for cure in cures), message


# ---- this machine, without anything of SiftFlow on it ---------------------------------------------------------------

PREAMBLE = """
import hashlib, json, os, shutil, signal, sys, time
from pathlib import Path
from helpers import siftflow
from helpers.fetch import download, sources
signal.signal(signal.SIGINT, signal.default_int_handler)
told = json.loads(sys.argv.pop(1))
sources.MANIFEST, sources.DRIVE = Path(told["manifest"]), Path(told["drive"])
sources.SOURCES = tuple(sources.Source(*source) for source in told["sources"])
siftflow.data_folder = lambda: Path(told["data"])
download.TIMEOUT, download.PAUSE = told["timeout"], told["pause"]

def tree(place):
    files = (path for path in place.rglob("*") if path.is_file() and ".siftflow" not in path.parts)
    return {path.relative_to(place).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
"""


@pytest.fixture(autouse=True)
def alone(tmp_path, monkeypatch):
    """No data set, no archive and no net; short pauses."""
    here = tmp_path / "course" / "week" / "one"
    here.mkdir(parents=True)
    monkeypatch.chdir(here)
    for name in ("SIFTFLOW_DIR", *(name for name in os.environ if name.lower().endswith("_proxy"))):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(siftflow, "data_folder", lambda: tmp_path / "project" / "data")
    monkeypatch.setattr(sources, "DRIVE", tmp_path / "drive")
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


class World:
    """A project's data folder, a small data set as the published one, and a server that has it."""

    def __init__(self, tmp_path, monkeypatch, made, server):
        self.patch, self.made, self.server = monkeypatch, made, server
        self.data = tmp_path / "project" / "data"
        self.place, self.work = self.data / "SiftFlowDataset", self.data / "SiftFlowDataset" / ".siftflow"
        monkeypatch.setattr(sources, "MANIFEST", made.manifest)
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
            "manifest": str(sources.MANIFEST), "drive": str(sources.DRIVE), "sources": sources.SOURCES,
            "data": str(siftflow.data_folder()), "timeout": download.TIMEOUT, "pause": download.PAUSE,
            "tree": {path: hashlib.sha256(data).hexdigest() for path, data in self.made.tree.items()},
        }  # fmt: skip

    def start(self, *arguments, code="sources.main(sys.argv[1:])", wrap=(), **told):
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


@pytest.fixture
def world(tmp_path, monkeypatch, made, server):
    return World(tmp_path, monkeypatch, made, server)


def short(message, world):
    """A message in the table: the reason, where a sentence with its cure goes round it."""
    message = message.replace(f"{world.place}", "…/SiftFlowDataset").replace(f"/{FOLDER}/", "/…/")
    reason = re.search(r" could not be had, .*? for one \((.*)\); ", message)
    return f"… ({reason[1]}); …" if reason else message


# ---- faults of the net and of what it sends -------------------------------------------------------------------------


class Fault(NamedTuple):
    """What happens to the first call. Later ones find everything as it should be."""

    plays: object = None  # of the data set: how the requests are answered
    said: tuple = ()  # what the sentence has; empty: the call succeeds all the same
    again: float | None = 0  # the part of the file that may be sent twice; None: any
    address: str = ""  # where, if not at the server's


def instead(body, *said):
    """Something else comes instead of the archive, whole; it is of no use, so all is sent once more."""
    return Fault(lambda made: [Play(body=body(made))] * 9, said, again=1)


def cut(made, **options):
    return Play(**{"stop": 3 * len(made.archive) // 10} | options)


def flipped(data, at):
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def dated(seconds):
    return {"Last-Modified": formatdate(seconds, usegmt=True)}


def spoilt(made, name):
    """The archive with a wrong bit in one image, which lies in the first 30 % if it is coast_0."""
    return made.archive.replace(made.images[name], flipped(made.images[name], 999))


def changed(made, path, data, form=authors):
    """The archive with one file changed, or, for None, left out."""
    files = made.files(form)
    (old,) = (name for name in files if name.endswith(path))
    files[old] = data
    return zipped({name: data for name, data in files.items() if data is not None})


def one_pixel(label):
    label = label.copy()
    label[200, 100] = (label[200, 100] + 1) % 34
    return label


def with_member(made, name, mode=0o100644):
    """The archive with a member more."""
    member = zipfile.ZipInfo(name)
    member.create_system, member.external_attr = 3, mode << 16
    buffer = io.BytesIO(made.archive)
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.writestr(member, b"../../../etc/passwd")
    return buffer.getvalue()


DOWN = [Play(503)] * 9
PAGE = {"headers": {"Content-Type": "text/html; charset=utf-8"}, "body": HTML}
FAULTS = {
    "404": Fault(lambda _: [Play(404)] * 9, ("404 Not Found",)),
    "403 and a page": Fault(lambda _: [Play(403, **PAGE)] * 9, ("403 Forbidden",)),
    "500, then fine": Fault(lambda _: [Play(500)]),
    "500, and again": Fault(lambda _: [Play(500)] * 9, ("500 Internal Server Error",)),
    "429 with Retry-After, then fine": Fault(lambda _: [Play(429, {"Retry-After": "1"})]),
    "503 until tomorrow": Fault(lambda _: [Play(503, {"Retry-After": "86400"})] * 9, ("503",)),
    "a cut at 30 %": Fault(lambda m: [cut(m)]),
    "a cut at 30 %, then nothing": Fault(lambda m: [cut(m), *DOWN], ("503",)),
    "a cut at 30 %, chunked, then nothing": Fault(lambda m: [cut(m, chunked=True), *DOWN], ("503",)),
    "a cut at 30 %, then a web page": Fault(lambda m: [cut(m), Play(ranges=False, **PAGE)], ("a web page",)),
    "a cut every 30 %": Fault(lambda m: [cut(m)] * 9),
    "a cut, then parts smaller than asked for": Fault(lambda m: [cut(m), *[Play(most=150_000)] * 9]),
    "a cut, no length announced": Fault(lambda m: [cut(m, length=None)] * 9, ("cut off before its end",), 0.3),
    "a cut, Range ignored": Fault(lambda m: [cut(m), Play(ranges=False)], again=0.3),
    "a cut, then another part": Fault(lambda m: [cut(m), Play(206, {"Content-Range": "bytes 5-9/10"})], again=2),
    "a cut, another version (ETag)": Fault(lambda m: [cut(m, body=spoilt(m, "coast_0"), etag='"0"')], again=0.3),
    "a cut, another version (date)": Fault(
        lambda m: [cut(m, body=spoilt(m, "coast_0"), etag=None, headers=dated(1)), Play(etag=None, headers=dated(2))],
        again=0.3),
    "a cut, the same version (date)": Fault(
        lambda m: [cut(m, etag=None, headers=dated(1)), Play(etag=None, headers=dated(1))]),
    "a cut, the same version (weak ETag)": Fault(lambda m: [cut(m, etag='W/"1"'), Play(etag='W/"1"')]),
    "a cut, another length": Fault(lambda m: [cut(m, body=spoilt(m, "coast_0") + b"x", etag=None)], again=1),
    "a cut, then shorter": Fault(lambda m: [cut(m, body=m.archive * 2, stop=len(m.archive) + 99, etag=None)], again=1),
    "a cut, another version in secret": Fault(
        lambda m: [cut(m, body=b"PK\3\4" + m.archive[:3:-1], etag=None)], ("damaged in the archive",), None),
    "a part unasked": Fault(lambda _: [Play(206, {"Content-Range": "bytes 0-9/99"})] * 9, ("another part",), 1),
    "a stalled socket, before a word": Fault(lambda _: [Play(mute=True)] * 2 + DOWN, ("503",)),
    "a stalled socket, at 30 %": Fault(lambda m: [cut(m, then="stall"), *DOWN], ("503",)),
    "a stalled socket, always": Fault(lambda _: [Play(mute=True)] * 9, ("said nothing for",)),
    "wrong length, too long": Fault(
        lambda m: [Play(length=len(m.archive) + 1000, ranges=False)] * 9, ("closed the connection",), None),
    "wrong length, too short": Fault(
        lambda m: [Play(length=len(m.archive) // 2, stop=len(m.archive) // 2)] * 9, ("cut off before its end",), 0.5),
    "wrong length, 2 TB": Fault(lambda _: [Play(length=2 << 40, stop=99999)] * 9, ("cannot be the right one",), 1),
    "wrong length, endless": Fault(
        lambda m: [Play(length=None, body=m.archive + bytes(1 << 20))] * 9, ("cannot be the right file",), None),
    "no length, but all of it": Fault(lambda _: [Play(length=None)]),
    "chunked": Fault(lambda _: [Play(chunked=True)]),
    "compressed on the way": Fault(
        lambda m: [Play(body=gzip.compress(m.archive, 1), headers={"Content-Encoding": "gzip"})] * 9,
        ("instead of the file",), 1),
    "right length, wrong bytes": instead(
        lambda m: m.archive[:99] + random.Random(1).randbytes(len(m.archive) - 99), "cut off before its end"),
    "right length, wrong bytes from the start": instead(lambda m: bytes(len(m.archive)), "instead of the file"),
    "right length, one wrong byte": instead(
        lambda m: spoilt(m, "coast_2"), "1 of 24", COAST, "damaged in the archive"),
    "HTML instead of a zip": Fault(lambda _: [Play(**PAGE)] * 9, ("a web page",)),
    "nothing instead of a zip": instead(lambda _: b"", "is not a zip archive"),
    "redirect": Fault(lambda _: [Play(302, {"Location": "/moved.zip"})]),
    "redirect in a circle": Fault(lambda _: [Play(302, {"Location": ZIP})] * 99, ("not an address that works",)),
    "redirect to a local file": Fault(
        lambda _: [Play(302, {"Location": "file:///etc/passwd"})] * 9, ("not an address that works",)),
    "a connection refused": Fault(address="http://127.0.0.1:{closed}" + ZIP, said=("refused the connection",)),
    "no such host": Fault(address="http://host.invalid" + ZIP, said=("could not be found",)),
    "https where http is spoken": Fault(address="https://127.0.0.1:{port}" + ZIP, said=("does not speak https",)),
    "not HTTP at all": Fault(lambda _: [Play(noise=b"SSH-2.0-OpenSSH_9.6\r\n")] * 9, ("closed the connection",)),
    "a corrupt zip": instead(lambda m: m.archive.replace(b"PK\1\2", b"PK??"), "damaged zip archive"),
    "a zip cut off where it lies": instead(lambda m: m.archive[:-400], "cut off before its end"),
    "a zip of something else": instead(lambda _: zipped({"a.txt": b"a"}), "holds nothing of SiftFlow"),
    "a zip with nothing in it": instead(lambda _: zipped({}), "holds nothing of SiftFlow"),
    "a zip with ../ members": instead(lambda m: with_member(m, "../x.jpg"), "'../x.jpg'"),
    "a zip with a symlink": instead(
        lambda m: with_member(m, "Images/x.jpg", stat.S_IFLNK | 0o777), "a link, 'Images/x.jpg'"),
    "a bomb": instead(lambda _: bomb(), "would unpack to 5 GB"),
    "one image missing": instead(lambda m: changed(m, COAST, None), "1 of 24", COAST, "is not complete"),
    "one label altered by a single pixel": instead(
        lambda m: changed(m, LABEL, matlab(one_pixel(m.labels["street_1"]))),
        "1 of 24", LABEL, "not the published label map"),
    "an Octave file truncated": instead(
        lambda m: changed(m, "labels/street_1.mat", octave(m.labels["street_1"])[:99999], gnork),
        "1 of 24", LABEL, "Octave label map cut off"),
}  # fmt: skip


def play(world, name):
    """Makes the fault happen to the first call."""
    fault = FAULTS[name]
    if fault.plays:
        world.server.script(ZIP, *fault.plays(world.made))
    world.serve("/moved.zip", world.archive)
    if fault.address:
        with socket.create_server(("127.0.0.1", 0)) as free:
            closed = free.getsockname()[1]
        world.sources(Source("the test server", fault.address.format(closed=closed, port=world.server.server_port)))
    if "stalled" in name:
        world.patch.setattr(download, "TIMEOUT", 0.5)
    if "endless" in name:
        world.patch.setattr(sources, "_MAX_ARCHIVE_BYTES", len(world.archive) + (1 << 19))  # a limit within sight


@pytest.mark.parametrize("name", FAULTS)
def test_fault_on_the_net(world, faults, name):
    """One sentence, nothing half done, and the next call ends with the same files, asking for no more than it must."""
    fault = FAULTS[name]
    play(world, name)
    start = time.monotonic()
    message = world.get()
    assert time.monotonic() - start < 10
    if fault.said:
        sentence(message, "the test server", *fault.said)
        world.nothing_half()
    else:
        assert message is None
        world.whole()
    before, partly = len(world.server.log), world.left()
    world.server.heal()
    world.sources(Source("the test server", world.server.url(ZIP)))
    world.patch.setattr(download, "TIMEOUT", 20)
    assert world.get() is None
    world.whole()
    assert len(world.server.log) - before == bool(fault.said)
    again = world.server.sent_again(ZIP)
    assert fault.again is None or again <= fault.again * len(world.archive) + (2000 if fault.again else 100)
    fetched = sum(asked.sent for asked in world.server.log[before:])
    faults[name] = (
        short(message, world) if message else "(goes on by itself)",
        f"{again:,} of {len(world.archive):,}",
        f"whole, {f'{fetched:,} bytes' if fault.said else 'from the disk'}{', goes on' if partly else ''}",
    )


@pytest.mark.parametrize(
    "name",
    ["404", "a connection refused", "HTML instead of a zip", "a zip with ../ members", "a stalled socket, always"],
)
def test_the_next_source_is_taken_and_a_line_says_why(world, capsys, name):
    play(world, name)
    second = Source("the second", world.serve("/two.zip", zipped(world.made.files(aml))))
    world.sources(*sources.SOURCES, second)
    siftflow.get()
    world.whole()
    (line,) = (line for line in capsys.readouterr().out.splitlines() if line.startswith("the test server"))
    sentence(line + " call again.", *FAULTS[name].said)


def test_sources_fill_each_others_gaps(world):
    world.serve(ZIP, changed(world.made, LABEL, None))
    world.sources(
        *sources.SOURCES, Source("the second", world.serve("/two.zip", changed(world.made, "coast_2.jpg", None, gnork)))
    )
    assert world.get() is None
    world.whole()


# ---- downloading ----------------------------------------------------------------------------------------------------


@pytest.fixture
def pauses(monkeypatch):
    """How long it waits between attempts, without waiting."""
    pauses = []
    monkeypatch.setattr(download, "PAUSE", 1.0)
    monkeypatch.setattr(download, "LONGEST_PAUSE", 60)
    clock = SimpleNamespace(sleep=pauses.append, monotonic=time.monotonic, time=time.time)
    monkeypatch.setattr(download, "time", clock)
    return pauses


@pytest.mark.parametrize(
    ("header", "wanted"),
    [
        ({}, [1, 2, 4]),
        ({"Retry-After": "3"}, [3, 3, 4]),
        ({"Retry-After": "86400"}, [60, 60, 60]),
        ({"Retry-After": "soon"}, [1, 2, 4]),
        ({"Retry-After": "date"}, [30, 30, 30]),
        ({"Retry-After": formatdate(0, usegmt=True)}, [1, 2, 4]),
    ],
)
def test_it_backs_off_and_heeds_retry_after(world, pauses, header, wanted):
    if header == {"Retry-After": "date"}:
        header = {"Retry-After": formatdate(time.time() + 30.5, usegmt=True)}
    world.server.script(ZIP, then=Play(429, header))
    sentence(world.get(), "429 Too Many Requests")
    assert len(world.server.log) == download.TRIES
    assert pauses == pytest.approx(wanted, abs=2 if wanted == [30] * 3 else 0)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 451])
def test_it_does_not_repeat_what_cannot_help(world, status):
    world.server.script(ZIP, then=Play(status))
    sentence(world.get(), f"answered {status} ")
    assert len(world.server.log) == 1


def test_what_has_arrived_is_asked_for_by_no_one_again(world):
    """The second call names the first byte it lacks, and the version it has the others of."""
    world.server.script(ZIP, cut(world.made), *DOWN)
    world.get()
    (part,) = world.work.rglob("*.part")
    assert part.read_bytes() == world.archive[: 3 * len(world.archive) // 10]
    world.server.heal()
    world.server.log.clear()
    assert world.get() is None
    assert [asked.range for asked in world.server.log] == [f"bytes={3 * len(world.archive) // 10}-"]


def test_many_cuts_are_no_reason_to_give_up_while_bytes_arrive(world, pauses):
    step = download.PROGRESS + (1 << 14)
    world.server.script(ZIP, then=Play(stop=step))
    assert len(world.archive) / step > download.TRIES + 1
    assert world.get() is None
    world.whole()
    assert world.server.sent_again(ZIP) == 0 and max(pauses) <= 2


@pytest.mark.parametrize(
    "rest",
    [Play(416, {"Content-Range": "bytes */7"}), Play(416), Play(206, {"Content-Range": "bytes 0-9/10"}), Play(206)],
    ids=lambda play: f"{play.status} {play.headers.get('Content-Range', '')}",
)
def test_a_server_that_cuts_and_then_refuses_the_rest_does_not_keep_it_busy_for_ever(world, pauses, rest):
    world.server.script(ZIP, *[cut(world.made, stop=150_000), rest] * 20, then=Play(404))
    sentence(world.get())
    assert len(world.server.log) <= 2 * download.TRIES
    world.nothing_half()


def test_a_download_stopped_before_its_last_step_needs_no_byte_more(world, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(download, "_finish", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            world.get()
    world.nothing_half()
    assert world.get() is None
    world.whole()
    assert [asked.range for asked in world.server.log] == [None, f"bytes={len(world.archive)}-"]
    assert world.server.sent_again(ZIP) == 0


def test_an_archive_damaged_after_it_came_is_fetched_anew(world, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(sources._Filling, "_take_from", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            world.get()
    (archive,) = world.work.glob("download/*.zip")
    os.truncate(archive, 99_999)
    sentence(world.get(), "the test server", "cut off before its end")
    world.nothing_half()
    assert world.get() is None
    world.whole()


def test_a_trickle_counts_as_a_dead_line(world, monkeypatch):
    """20 bytes a second: less than a byte in every time-out, so to say, though the socket never sleeps."""
    monkeypatch.setattr(download, "TIMEOUT", 0.5)
    world.server.script(ZIP, cut(world.made, then="trickle"), then=Play(404))
    sentence(world.get())
    deadline = time.monotonic() + 10
    while (gone := world.server.log[0].gone) is None and time.monotonic() < deadline:
        time.sleep(0.01)
    assert gone < 3


def test_a_file_too_large_is_refused_unread(world, monkeypatch):
    world.server.script(ZIP, then=Play(length=2 << 40, stop=1 << 20, body=bytes(1 << 20)))
    monkeypatch.setattr(download, "_receive", lambda *_: pytest.fail("read the body"))
    sentence(world.get(), "the test server", "2,199,023 MB")
    assert len(world.server.log) == 1


@pytest.mark.parametrize("note", [b"", b"{", b"[]", b"null", b'{"url": 1}', None], ids=str)
def test_a_damaged_note_beside_the_part_means_starting_anew(world, note):
    world.server.script(ZIP, cut(world.made), *DOWN)
    world.get()
    (path,) = world.work.rglob("*.part.json")
    path.write_bytes(note) if note is not None else path.unlink()
    world.server.heal()
    world.server.log.clear()
    assert world.get() is None
    world.whole()
    assert [asked.range for asked in world.server.log] == [None]


def test_parts_of_two_sources_are_kept_apart(world):
    """Both files have the same name, the first another content; the part of the first is not finished by the second."""
    world.serve("/two" + ZIP, zipped(world.made.files(aml)))
    world.sources(*(Source(name, world.server.url(path)) for name, path in (("a", ZIP), ("b", "/two" + ZIP))))
    world.server.script(ZIP, cut(world.made), *DOWN)
    assert world.get() is None
    world.whole()
    assert [asked.range for asked in world.server.asked("/two" + ZIP)] == [None]


@pytest.mark.parametrize(
    "address",
    [
        "http://",
        "http:///x.zip",
        "http://[::1",
        "http://exa mple/x.zip",
        "http://127.0.0.1:99999/x.zip",
        "http://\x00/",
    ],
)
def test_an_address_that_is_none(world, address):
    sentence(world.get(source=address), address[:7])
    world.nothing_half()


# ---- archives that mean harm ----------------------------------------------------------------------------------------


@functools.cache
def zeros():
    """100 MB of them, packed."""
    return zlib.compress(bytes(100 << 20), wbits=-15)


def bomb():
    return raw_zip(*[member(f"{i}.jpg", packed=zeros(), size=100 << 20) for i in range(50)])


def member(name, data=b"x", packed=None, size=None, method=None, flags=0, mode=0o100644):
    """A member of `raw_zip`, whose headers say what they are told to."""
    name = name if isinstance(name, bytes) else name.encode()
    method = (0 if packed is None else zipfile.ZIP_DEFLATED) if method is None else method
    packed, size = data if packed is None else packed, len(data) if size is None else size
    head = struct.pack("<5H3L2H", 20, flags, method, 0, 33, zlib.crc32(data), len(packed), size, len(name), 0)
    return name, head, packed, mode


def raw_zip(*members, count=None, zip64=False, directory_bytes=None):
    body, directory = [], []
    offset = 0
    for name, head, packed, mode in members:
        central = b"PK\1\2" + struct.pack("<H", 3 << 8 | 20) + head + struct.pack("<3HLL", 0, 0, 0, mode << 16, offset)
        directory.append(central + name)
        body.append(b"PK\3\4" + head + name + packed)
        offset += len(body[-1])
    directory = b"".join(directory)
    size, count = directory_bytes or len(directory), len(members) if count is None else count
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, count, count, size, offset, 0)
    if zip64:  # a second list of sizes, which counts where it stands; the first then says little
        end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 1, 1, 47, 0, 0)
        at = offset + len(directory)
        end = struct.pack("<4sLQL", b"PK\6\7", 0, at, 1) + end
        end = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, len(members), len(members), size, offset) + end
    return b"".join(body) + directory + end


UNSAFE = {
    "..": (member("../x.jpg"), "leads outside"),
    ".. inside": (member("Images/../../x.jpg"), "leads outside"),
    ".. at the end": (member("Images/.."), "leads outside"),
    "absolute": (member("/etc/x.jpg"), "leads outside"),
    "a drive": (member("C:\\x.jpg"), "leads outside"),
    "a drive's own folder": (member("c:x.jpg"), "leads outside"),
    "backslashes": (member("..\\x.jpg"), "leads outside"),
    "a share": (member("\\\\server\\share\\x.jpg"), "leads outside"),
    "a zero byte": (member("a.jpg\0/../../x"), "leads outside"),
    "a zero byte after ..": (member("..\0.jpg"), "leads outside"),
    "a link": (member("x.jpg", b"/etc/passwd", mode=stat.S_IFLNK | 0o777), "a link"),
    "a link that calls itself a folder": (member("x/", b"/etc", mode=stat.S_IFLNK | 0o777), "a link"),
    "a disk": (member("x.jpg", mode=stat.S_IFBLK | 0o666), "a device"),
    "a terminal": (member("x.jpg", mode=stat.S_IFCHR | 0o666), "a device"),
    "a pipe": (member("x.jpg", mode=stat.S_IFIFO | 0o666), "a device"),
    "a socket": (member("x.jpg", mode=stat.S_IFSOCK | 0o666), "a device"),
    "a password": (member("x.jpg", flags=1), "encrypted"),
    "a name that is no text": (member(b"\xff\xfe.jpg", flags=0x800), "damaged"),
    "no name": (member(""), ""),
}


def refusal(path):
    """Why an archive is refused, or None."""
    try:
        with archives.opened(path) as files:
            return None if files is not None else ""
    except ArchiveError as error:
        return str(error)


@pytest.mark.parametrize("name", UNSAFE)
def test_an_unsafe_member_makes_the_archive_unsafe(world, tmp_path, name):
    """The rest of it is not taken either, and the next call succeeds."""
    unsafe, said = UNSAFE[name]
    path = tmp_path / "unsafe.zip"
    good = [member(path, data) for path, data in world.made.files().items()]
    path.write_bytes(raw_zip(*good, unsafe))
    message = world.get(source=path)
    if said:
        sentence(message, path, said)
        world.nothing_half()
    outside = [file for file in tmp_path.rglob("x*") if file.suffix in ("", ".jpg")]
    assert not outside
    assert world.get() is None
    world.whole()


@pytest.mark.parametrize(
    "options", [{}, {"zip64": True}, {"count": 60_000, "n": 1}, {"directory_bytes": 1 << 31, "n": 1}], ids=str
)
def test_a_list_too_long_is_refused_before_it_is_read(tmp_path, monkeypatch, options):
    n = options.pop("n", 50_001)
    (tmp_path / "long.zip").write_bytes(raw_zip(*[member(str(i)) for i in range(n)], **options))
    monkeypatch.setattr(zipfile, "ZipFile", lambda *_: pytest.fail("read the list"))
    assert "50,000 members" in refusal(tmp_path / "long.zip")


def test_a_list_longer_than_it_says_is_refused(tmp_path):
    (tmp_path / "long.zip").write_bytes(raw_zip(*[member(str(i)) for i in range(50_001)], count=1))
    assert "50,000 members" in refusal(tmp_path / "long.zip")


@contextlib.contextmanager
def little_memory():
    """What happens inside may hold 30 MB."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < 30 << 20
    finally:
        tracemalloc.stop()


def test_a_bomb_stops_early(tmp_path):
    (tmp_path / "bomb.zip").write_bytes(bomb())
    start = time.monotonic()
    with little_memory():
        assert "would unpack to 5 GB" in refusal(tmp_path / "bomb.zip")
    assert time.monotonic() - start < 2


WANTED = {  # a member that has the name of an image
    "large": (lambda name: member(name, packed=zeros(), size=100 << 20), "larger than 2 MB"),
    "larger than it says": (lambda name: member(name, packed=zeros(), size=1000), "damaged in the archive"),
    "a little longer than it says": (lambda name: member(name, b"x" * 99, size=9), "damaged in the archive"),
    "bzip2": (lambda name: member(name, method=zipfile.ZIP_BZIP2), "unusual way"),
    "lzma": (lambda name: member(name, method=zipfile.ZIP_LZMA), "unusual way"),
    "of an unknown kind": (lambda name: member(name, method=99), "unusual way"),
    "not deflated": (lambda name: member(name, packed=b"not deflated", size=99), "damaged in the archive"),
    "empty": (lambda name: member(name, b""), "not the published"),
}


@pytest.mark.parametrize("kind", WANTED)
def test_a_wanted_member_that_cannot_be_had_spares_the_others(world, tmp_path, kind):
    """It costs little to find out; and where another member has the same name, that one is taken."""
    bad, said = WANTED[kind]
    files = world.made.files()
    (name,) = (name for name in files if name.endswith(COAST))
    others = [member(path, data) for path, data in files.items() if path != name]
    (tmp_path / "bad.zip").write_bytes(raw_zip(bad(name), *others))
    with little_memory():
        sentence(world.get(source=tmp_path / "bad.zip"), "1 of 24", COAST, said)
    world.nothing_half()
    (tmp_path / "both.zip").write_bytes(raw_zip(bad(name), *others, member("again/coast_2.jpg", files[name])))
    assert world.get(source=tmp_path / "both.zip") is None
    world.whole()


def test_no_damage_to_a_zip_escapes_as_another_error(tmp_path):
    """Some thousand archives with a few wrong bytes each."""
    dice = random.Random(0)
    good = zipped({f"a/é{i}.jpg": dice.randbytes(30) for i in range(3)})
    for _ in range(3000):
        bad = bytearray(good)
        for _ in range(dice.choice([1, 1, 2, 4])):
            bad[dice.randrange(len(bad))] = dice.choice([0, 255, dice.randrange(256)])
        (tmp_path / "bad.zip").write_bytes(bad)
        with contextlib.suppress(ArchiveError), archives.opened(tmp_path / "bad.zip") as files:
            for file in files:
                with contextlib.suppress(ArchiveError):
                    file.read()


def test_a_folder_is_read_no_further_than_it_may_be(tmp_path):
    """Links to folders are not followed; a pipe does not make it wait, a huge file is not read."""
    (tmp_path / "folder" / "inside").mkdir(parents=True)
    (tmp_path / "folder" / "loop").symlink_to(tmp_path / "folder")
    os.mkfifo(tmp_path / "folder" / "pipe.jpg")
    (tmp_path / "folder" / "gone.jpg").symlink_to(tmp_path / "nowhere")
    with open(tmp_path / "folder" / "inside" / "huge.jpg", "wb") as file:
        file.truncate(1 << 40)
    with archives.opened(tmp_path / "folder") as files:
        reads = {file.path: file.read for file in files}
    refused = {"pipe.jpg": "not a regular file", "gone.jpg": "cannot be read", "inside/huge.jpg": "larger than 2 MB"}
    assert set(reads) == set(refused)
    for path, said in refused.items():
        with pytest.raises(ArchiveError, match=said):
            reads[path]()


def test_a_folder_of_too_many_files_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "MAX_FILES", 3)
    for i in range(4):
        (tmp_path / str(i)).touch()
    assert "more than 3 files: name " in refusal(tmp_path)


# ---- label maps -----------------------------------------------------------------------------------------------------

SMALL = np.arange(34 * 34, dtype="uint8").reshape(34, 34) % 34


@pytest.mark.parametrize(
    "data",
    [octave(SMALL), plain(SMALL), plain(SMALL, b"\n"), plain(SMALL, b"\r\n"), matlab(SMALL.astype("uint16")),
     matlab(SMALL.astype("float64")), matlab(SMALL.astype("uint8"), other=np.zeros(9), T="text"),
     octave(SMALL).replace(b"uint16", b"uint8"), octave(SMALL).rstrip(), labelmaps.write_matlab(SMALL, CLASS_NAMES)],
    ids=["Octave", "text", "text, no space at the end", "text, from Windows", "MATLAB", "MATLAB, float", "MATLAB, more",
         "Octave, uint8", "Octave, no blank lines", "ours"],
)  # fmt: skip
def test_every_form_of_a_label_map_gives_the_same_numbers(data):
    assert np.array_equal(labelmaps.read(data, 34), SMALL)


def test_rows_and_columns_are_not_mixed_up():
    label = np.tril(np.full((34, 34), 7, "uint8"))
    for form in (octave, plain, lambda label: labelmaps.write_matlab(label, CLASS_NAMES)):
        assert np.array_equal(labelmaps.read(form(label), 34), label)


def test_what_is_written_is_the_same_each_time_and_opens_elsewhere():
    data = labelmaps.write_matlab(SMALL, CLASS_NAMES)
    time.sleep(1.1)  # SciPy would write the time, to the second
    assert labelmaps.write_matlab(SMALL.copy(), list(CLASS_NAMES)) == data
    opened = scipy.io.loadmat(io.BytesIO(data))
    assert np.array_equal(opened["S"], SMALL) and opened["S"].dtype == "uint16"
    assert [str(name.item()) for name in opened["names"].ravel()] == list(CLASS_NAMES)
    assert data[:20] == b"MATLAB 5.0 MAT-file;"


def test_what_several_threads_write_at_once_is_the_same_too():
    labels = [np.full((34, 34), i % 34, "uint8") for i in range(400)]
    wanted = [labelmaps.write_matlab(label, CLASS_NAMES) for label in labels[:34]]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)  # a turn each, as often as can be
    try:
        with ThreadPoolExecutor(4) as pool:
            written = list(pool.map(lambda label: labelmaps.write_matlab(label, CLASS_NAMES), labels))
    finally:
        sys.setswitchinterval(interval)
    assert [i for i, data in enumerate(written) if data != wanted[i % 34]] == []


def mat(shape, stored=None, packed=True, first=b"", order="<"):
    """A MATLAB file by hand: S of a shape, and how many bytes of zeros are stored for it."""
    stored = shape[0] * shape[1] if stored is None else stored
    head = struct.pack(order + "8L", 6, 8, 9, 0, 5, 8, *shape) + struct.pack(order + "2L8s", 1, 1, b"S")
    head = struct.pack(order + "2L", 14, len(head) + 8 + stored) + head + struct.pack(order + "2L", 2, stored)
    if packed:
        packer = zlib.compressobj(9)
        head = packer.compress(head) + b"".join(packer.compress(bytes(1 << 20)) for _ in range(stored >> 20))
        head += packer.compress(bytes(stored % (1 << 20))) + packer.flush()
        head = struct.pack(order + "2L", 15, len(head)) + head
    else:
        head += bytes(stored)
    return b"MATLAB 5.0 MAT-file by hand".ljust(124) + struct.pack(order + "2H", 0x100, 0x4D49) + first + head


@pytest.mark.parametrize("order", ["<", ">"], ids=["little end first", "big end first"])
@pytest.mark.parametrize("packed", [True, False])
def test_the_file_by_hand_is_one(order, packed):
    data = mat((256, 256), packed=packed, order=order)
    assert not labelmaps.read(data).any() and scipy.io.loadmat(io.BytesIO(data))["S"].shape == (256, 256)


BAD_LABELS = {
    "empty": b"",
    "HTML": HTML,
    "binary": bytes(999),
    "Octave, cut off": octave(SMALL)[:-400],
    "Octave, cut off in its header": octave(SMALL)[:90],
    "Octave, header only": octave(SMALL)[: octave(SMALL).index(b"34 34\n") + 6],
    "Octave, a number too many": octave(SMALL) + b" 1\n",
    "Octave, a letter": octave(SMALL).replace(b" 33\n", b" a3\n", 1),
    "Octave, a fraction": octave(SMALL).replace(b" 33\n", b" 3.5\n", 1),
    "Octave, a huge number": octave(SMALL).replace(b" 33\n", b" 99999999999999999999\n", 1),
    "Octave, another variable": octave(SMALL).replace(b"name: S", b"name: T"),
    "Octave, a cell": octave(SMALL).replace(b"uint16 matrix", b"cell"),
    "Octave, another shape": octave(SMALL).replace(b" 34 34\n", b" 17 68\n"),
    "Octave, a huge shape": octave(SMALL).replace(b" 34 34\n", b" 99999999999 99999999999\n"),
    "text, ragged": plain(SMALL).replace(b"33 \n", b"\n", 1),
    "text, a row short": plain(SMALL).split(b"\n", 1)[1],
    "text, a letter": plain(SMALL).replace(b"33", b"3x", 1),
    "text, a fraction": plain(SMALL).replace(b"33", b"3.0", 1),
    "text, not a number": plain(SMALL).replace(b"33", b"nan", 1),
    "text, a single number": b"7",
    "MATLAB, cut off": matlab(SMALL)[:-20],
    "MATLAB, cut off in its header": matlab(SMALL)[:100],
    "MATLAB, header only": matlab(SMALL)[:128],
    "MATLAB, another variable": mat((34, 34), packed=False).replace(b"S\0", b"T\0"),
    "MATLAB, another shape": matlab(SMALL[:33]),
    "MATLAB, three axes": matlab(np.zeros((34, 34, 2))),
    "MATLAB, a struct": matlab({"a": SMALL}),
    "MATLAB, a cell": matlab(np.array([[1, "a"]], object)),
    "MATLAB, text": matlab(np.array(["x" * 34] * 34)),
    "MATLAB, sparse": matlab(scipy.sparse.eye(34, format="csc")),
    "MATLAB, complex": matlab(SMALL * 1j),
    "MATLAB 7.3": b"MATLAB 7.3 MAT-file, Platform: GLNXA64, HDF5".ljust(512) + b"\x89HDF\r\n\x1a\n" + bytes(999),
    "a pickle": pickle.dumps(SMALL),
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", BAD_LABELS)
def test_a_bad_label_map_is_refused_in_words(name):
    with pytest.raises(ValueError) as error:
        labelmaps.read(BAD_LABELS[name], 34)
    assert type(error.value) is ValueError and re.match("(is|holds) ", str(error.value)) and len(str(error.value)) < 200
    assert "\n" not in str(error.value)


class Payload:
    def __reduce__(self):
        return Path.touch, (Path("unpickled"),)


def test_no_pickle_is_ever_loaded(world, tmp_path):
    """Neither bare, nor as NumPy keeps it, nor instead of an image."""
    array = io.BytesIO()
    np.save(array, np.array([Payload()], object), allow_pickle=True)
    harm = [pickle.dumps(Payload()), pickle.dumps(Payload(), 0), array.getvalue()]
    pickle.loads(harm[0])
    Path("unpickled").unlink()  # it does mean harm
    files = world.made.files()
    for i, path in enumerate(sorted(files)):
        files[path] = harm[i % 3]
    (tmp_path / "harm.zip").write_bytes(zipped(files))
    sentence(world.get(source=tmp_path / "harm.zip"), "24 of 24", tmp_path / "harm.zip")
    for data in harm:
        with pytest.raises(ValueError):
            labelmaps.read(data)
    assert not list(tmp_path.rglob("unpickled"))


@pytest.mark.parametrize("kind", ["a huge shape", "more bytes than the shape has", "a huge first S before a good one"])
def test_a_small_label_file_does_not_become_large_in_memory(kind):
    shape = (1 << 15, 1 << 13) if kind == "a huge shape" else (256, 256)
    first = mat((1 << 14, 1 << 14))[128:] if "first" in kind else b""
    data = mat(shape, stored=1 << 28 if "more" in kind else None, first=first)
    assert len(data) < archives.MAX_FILE_BYTES
    with little_memory(), contextlib.suppress(ValueError):
        labelmaps.read(data)


def test_no_wrong_byte_in_a_label_file_brings_python_down(tmp_path):
    """Each byte of a file's header, changed in some ways: another answer or a ValueError, in a process of its own."""
    code = """
import sys
from helpers.fetch import labelmaps
for path in sys.argv[1:]:
    good = open(path, "rb").read()
    for at in range(124, min(len(good), 330)):
        for value in {0, 20, 255, good[at] ^ 1, good[at] ^ 16, good[at] ^ 128}:
            try:
                labelmaps.read(good[:at] + bytes([value]) + good[at + 1:])
            except ValueError:
                pass
"""
    buffer = io.BytesIO()
    scipy.io.savemat(buffer, {"S": np.ones((256, 256), "uint16")})
    ones = np.ones((256, 256), int)
    forms = [buffer.getvalue(), mat((256, 256), packed=False), matlab(ones), octave(ones)]
    for i, data in enumerate(forms):
        (tmp_path / f"{i}.mat").write_bytes(data)
    ran = subprocess.run([sys.executable, "-c", code, *sorted(tmp_path.glob("*.mat"))], capture_output=True, text=True)
    assert ran.returncode == 0, (ran.returncode, ran.stderr[-500:])


# ---- full, read-only and foreign disks ------------------------------------------------------------------------------


MOUNT = ["unshare", "-m" if os.geteuid() == 0 else "-rm", "sh", "-c", 'mount -t tmpfs -o size=4m x "$0" && exec "$@"']


@functools.cache
def can_mount():
    return shutil.which("unshare") and not subprocess.run([*MOUNT, "/mnt", "true"], capture_output=True).returncode


@pytest.fixture
def mounting(tmp_path):
    """A command's first words, after which it has a disk of 4 MB at `disk`, for itself alone; and `disk`."""
    if not can_mount():
        pytest.skip("needs the right to mount a small disk")
    (tmp_path / "disk").mkdir()
    return [*MOUNT, str(tmp_path / "disk")], tmp_path / "disk"


FULL = """
disk = Path(told["disk"])
place = disk / "SiftFlowDataset"
results = []
for free in told["free"]:
    if told["start"]:
        shutil.copytree(told["start"], place)
    before, found = tree(disk), siftflow.locate(disk)
    room = os.statvfs(disk)
    (disk / "ballast").write_bytes(bytes(room.f_bavail * room.f_frsize - free))
    try:
        siftflow.get(disk, told["source"], progress=False)
        message = None
    except siftflow.SiftFlowError as error:
        message = str(error)
    (disk / "ballast").unlink()
    same = tree(disk) == before and siftflow.locate(disk) == found
    part = sum(path.stat().st_size for path in disk.rglob("*.part"))
    siftflow.get(disk, told["source"], progress=False)
    results.append([message, same, part, tree(place) == told["tree"]])
    shutil.rmtree(place)
print(json.dumps(results))
"""


@pytest.mark.parametrize("when", ["while downloading", "told in advance", "while unpacking", "while repairing"])
def test_a_full_disk(world, mounting, faults, tmp_path, when):
    """At whichever byte: one sentence, nothing half there, and with room again it goes on from what has arrived."""
    mount, disk = mounting
    source, start, free = None, None, [*range(0, 600_000, 80_000)]
    if when == "while downloading":  # the server does not say how long the file is
        world.server.script(ZIP, then=Play(length=None))
    if when in ("while unpacking", "while repairing"):
        source, free = str(tmp_path / "set.zip"), [*range(0, 700_000, 60_000), 2_000_000]
        Path(source).write_bytes(world.archive)
    if when == "while repairing":
        start, free = world.made.write(tmp_path / "start"), [0, 20_000, 40_000, 60_000]
        (start / COAST).write_bytes(b"damaged")
    given = {"disk": str(disk), "free": free, "source": source, "start": start and str(start)}
    code, out, err = world.run(code=FULL, wrap=mount, **given)
    assert code == 0, err
    results = json.loads(out.splitlines()[-1])
    for room, (message, same, part, whole) in zip(free, results, strict=True):
        assert whole and same == bool(message) and (message or room > (50_000 if start else 600_000)), room
        if message:
            sentence(message, disk / "SiftFlowDataset", "full", "free ")
        assert part <= room if when == "while downloading" else part == 0
    again = 0
    if when == "while downloading":
        parts = [part for _, _, part, _ in results]
        assert max(parts) > 500_000
        starts = [asked.start for asked in world.server.log]
        assert starts[::2] == [0] * len(free) and starts[1::2] == parts
        again = sum(part - start for part, start in zip(parts, starts[1::2], strict=True))
    told = results[1][0].replace(str(disk), "…")
    faults[f"a full disk {when}, {len(free)} times"] = (told, f"{again} of what is stored", "whole, goes on")


def test_a_disk_that_is_read_only(world, mounting, tmp_path):
    mount, disk = mounting
    mount = [word.replace("size=4m", "size=4m,ro") for word in mount]
    code, out, err = world.run("get", disk, "--quiet", wrap=mount)
    assert (code, out) == (1, "") and err.count("\n") == 1
    sentence(err.strip(), disk / "SiftFlowDataset", "cannot be written to", "name ")
    assert not world.server.log


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


@pytest.fixture
def public(monkeypatch, made):
    """A folder that anybody may look into, but not write to."""
    folder = Path(tempfile.mkdtemp(prefix="public-"))
    folder.chmod(0o755)
    (folder / "here").mkdir(mode=0o755)
    monkeypatch.chdir(folder / "here")
    monkeypatch.setattr(siftflow, "data_folder", lambda: folder / "project" / "data")
    yield folder
    for path in [folder, *folder.rglob("*")]:
        if not path.is_symlink():
            path.chmod(0o755)
    shutil.rmtree(folder)


def test_no_write_permission(world, public, faults):
    archive = public / "set.zip"
    archive.write_bytes(world.archive)
    sources.published()  # the small one lies where nobody may read
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
    sources.published()
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
    sources.published()
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
    sources.published()
    if how == "unreadable":
        (place / path).chmod(0o000)
    else:
        (place / path).unlink()
        (place / path).mkdir()
    with plain_user():
        report = siftflow.verify(place)
        assert list(report.damaged) == [path] and not report.missing and not report.extra
        sentence(world.get(place), path, place)


# ---- killed ---------------------------------------------------------------------------------------------------------


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


@pytest.mark.parametrize("share", [0.05, 0.3, 0.95])
def test_sigkill_during_download(world, faults, share):
    stop = int(share * len(world.archive))
    world.server.script(ZIP, Play(stop=stop, then="stall"))
    process = world.start("get")
    until(lambda: world.server.stalled.is_set() and arrived(world) > stop - (1 << 14))
    process.kill()
    process.communicate()
    world.nothing_half()
    part = arrived(world)
    assert world.get() is None
    world.whole()
    assert [asked.range for asked in world.server.log] == [None, f"bytes={part}-" if part else None]
    faults[f"SIGKILL during download, at {share:.0%}"] = (
        "(nothing: it is dead)",
        f"0 of {part:,} on the disk",
        f"whole, {len(world.archive) - part:,} bytes, goes on",
    )


KILLED = """
import requests, tqdm.auto  # once, not in each child

def kill_before_change(n):
    left = [n]
    writes = os.O_WRONLY | os.O_RDWR | os.O_CREAT
    def hook(event, args):
        if event in ("os.mkdir", "os.rename", "os.remove", "os.rmdir") or (event == "open" and args[2] & writes):
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)
    sys.addaudithook(hook)

def call(n):
    pid = os.fork()
    if pid == 0:
        try:
            kill_before_change(n)
            siftflow.get(room, told["source"], progress=False)
            os._exit(0)
        finally:
            os._exit(1)
    status = os.waitpid(pid, 0)[1]
    assert status in (0, signal.SIGKILL), status
    return status == 0

room, start = Path(told["room"]), Path(told["start"])
place, survived, n = room / "SiftFlowDataset", False, 0
while not survived:
    n += 1
    shutil.rmtree(room, ignore_errors=True)
    shutil.copytree(start, room)
    before, inodes = tree(place), {path: (place / path).stat().st_ino for path in tree(place)}
    survived = call(n)
    now = tree(place)
    good = [path for path in before if before[path] == told["tree"].get(path)]
    assert all(now.get(path) == before[path] and (place / path).stat().st_ino == inodes[path] for path in good), n
    assert (siftflow.locate(room) is not None) == ((place / "SemanticLabels").is_dir() and (place / "Images").is_dir())
    if siftflow.locate(room) and not before:
        assert now == told["tree"], (n, "a half set")
    kept = {path: digest for path, digest in now.items() if not path.startswith("not-in-siftflow/")}
    assert all(digest in (told["tree"].get(path), before.get(path)) for path, digest in kept.items()), n
    arrived = {path.name: path.stat().st_ino for path in room.rglob("*.[jm][pa][gt]")}
    assert call(0)
    now = tree(place)
    extra = {path for path in now if path.startswith("not-in-siftflow/")}
    assert {path: digest for path, digest in now.items() if path not in extra} == told["tree"], n
    assert [now[path] for path in extra] == [before[path] for path in before if path not in told["tree"]], (n, extra)
    again = {path.name: path.stat().st_ino for path in room.rglob("*.[jm][pa][gt]")}
    assert all(again[name] == inode for name, inode in arrived.items() if not before), (n, "fetched again")
print(n)
"""


@pytest.mark.parametrize("state", ["unpacking", "repair"])
def test_sigkill_before_each_change_to_the_disk(tmp_path, monkeypatch, three, server, faults, state):
    """Whichever step is the last: the old state or the new, what has arrived stays, and the next call goes on."""
    world = World(tmp_path, monkeypatch, three, server)
    start, archive = tmp_path / "start", tmp_path / "set.zip"
    start.mkdir()
    archive.write_bytes(world.archive)
    if state == "repair":
        place = three.write(start / "SiftFlowDataset")
        (place / f"Images/{FOLDER}/coast_0.jpg").write_bytes(b"damaged")
        (place / f"SemanticLabels/{FOLDER}/street_0.mat").unlink()
        (place / f"Images/{FOLDER}/another.jpg").write_bytes(b"extra")
        (place / "TestSet1.txt").write_text("forest_0.jpg\n")
    given = {"room": str(tmp_path / "room"), "start": str(start), "source": str(archive)}
    code, out, err = world.run(code=KILLED, **given)
    assert code == 0, err[-2000:]
    moments = int(out)
    assert moments > 15
    faults[f"SIGKILL during {state}, at each of {moments} steps"] = ("(nothing: it is dead)", "0", "whole, goes on")


# ---- several at once ------------------------------------------------------------------------------------------------


def test_three_at_once_download_once(world):
    world.server.script(ZIP, then=Play(pause=0.05))
    processes = [world.start("get", "--quiet") for _ in range(3)]
    for process in processes:
        assert process.communicate(timeout=60) == ("", "") and process.returncode == 0
    world.whole()
    assert len(world.server.log) == 1


def test_three_threads_at_once(world):
    world.server.script(ZIP, then=Play(pause=0.01))
    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(lambda _: world.get(), range(3))) == [None] * 3
    world.whole()
    assert len(world.server.log) == 1


def test_one_that_waits_takes_over_from_one_that_is_killed(world):
    world.server.script(ZIP, cut(world.made, then="stall"))
    first = world.start("get")
    until(lambda: arrived(world) > len(world.archive) // 4)
    second = world.start("get")
    line = second.stdout.readline()
    sentence(line.strip() + " call again.", "Another process", world.place)
    first.kill()
    first.communicate()
    part = arrived(world)
    second.communicate(timeout=60)
    assert second.returncode == 0
    world.whole()
    assert [asked.range for asked in world.server.log] == [None, f"bytes={part}-"]


def test_one_that_is_killed_while_it_waits_disturbs_no_one(world):
    world.server.script(ZIP, then=Play(pause=0.05))
    first = world.start("get")
    until(lambda: arrived(world))
    second = world.start("get")
    assert "Another process" in second.stdout.readline()
    second.kill()
    second.communicate()
    first.communicate(timeout=60)
    assert first.returncode == 0
    world.whole()
    assert len(world.server.log) == 1


# ---- verify and repair ----------------------------------------------------------------------------------------------


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
    monkeypatch.setattr(sources, "_FEW", 23)
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


# ---- where it is taken from -----------------------------------------------------------------------------------------


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

    monkeypatch.setattr(sources.shutil, "copyfile", full)
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


# ---- what is shown, and the command line ----------------------------------------------------------------------------


def test_progress_shows_bytes_rate_and_time_left(world, capfd, monkeypatch):
    monkeypatch.setattr(sources, "_FEW", 3)
    world.server.script(ZIP, then=Play(pause=0.005))
    siftflow.get()
    out, err = capfd.readouterr()
    assert re.search(r"\d+%.*\d+k/\d+k \[\d\d:\d\d<\d\d:\d\d, [\d.]+[kM]B/s\]", err) and "24/24" in err
    assert siftflow.ABOUT in out and f"Downloading {world.server.url(ZIP)}" in out and f"whole, in {world.place}" in out


def test_without_progress_nothing_is_printed(world, capfd):
    world.server.script(ZIP, Play(500))
    assert world.get() is None
    assert capfd.readouterr() == ("", "")


def test_the_command_line_gets_and_verifies(world, monkeypatch):
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")  # as some terminals and log files have it
    code, out, err = world.run("verify", world.place)
    assert (code, out) == (1, "") and err.count("\n") == 1
    sentence(err.strip(), world.place)
    code, out, err = world.run("get")
    assert code == 0 and out.endswith(f"SiftFlow is whole, in {world.place}.\n"), err
    world.whole()
    assert world.run("get", "--quiet") == (0, "", "")
    code, out, err = world.run("verify")
    assert (code, err) == (0, "") and f"{world.place} is whole" in out
    (world.place / COAST).unlink()
    os.truncate(world.place / LABEL, 0)
    (world.place / "Images" / FOLDER / "mine.jpg").write_bytes(b"")
    code, out, err = world.run("verify")
    assert (code, err) == (1, "")
    extra = f"Images/{FOLDER}/mine.jpg"
    assert out.splitlines()[1:] == [f"missing  {COAST}", f"damaged  {LABEL} is empty", f"extra    {extra}"]


@pytest.mark.parametrize(
    "arguments", [("get",), ("get", "--source", "gone.zip"), ("get", "{data}/file"), ("verify", "{data}")]
)
def test_the_command_line_refuses_in_one_sentence(world, arguments):
    world.data.mkdir(parents=True)
    (world.data / "file").touch()
    world.server.script(ZIP, then=Play(404))
    quiet = ["--quiet"] * (arguments[0] == "get")
    code, out, err = world.run(*(text.format(data=world.data) for text in arguments), *quiet)
    assert (code, out) == (1, "") and err.count("\n") == 1
    sentence(err.strip())


@pytest.mark.parametrize("when", ["downloading", "unpacking", "waiting"])
def test_ctrl_c_stops_in_one_sentence_and_keeps_what_has_arrived(world, tmp_path, when):
    world.server.script(ZIP, Play(stop=len(world.archive) // 2, then="stall") if when != "unpacking" else Play())
    slow = """
write = sources._Filling._write
sources._Filling._write = lambda *args: (time.sleep(0.2), write(*args))
"""
    code = "sources.main(sys.argv[1:])"
    first = world.start("get", "--quiet", code=(slow if when == "unpacking" else "") + code)
    until(lambda: list(world.work.rglob("*.jpg")) if when == "unpacking" else arrived(world) > 200_000)
    process = world.start("get", code=code) if when == "waiting" else first
    if when == "waiting":
        assert "Another process" in process.stdout.readline()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert len(err.strip().splitlines()) == 1 and "kept" in err and "Traceback" not in err
    if when == "waiting":
        first.kill()
        first.communicate()
    world.nothing_half()
    part = arrived(world)
    assert world.get() is None
    world.whole()
    assert [asked.range for asked in world.server.log] == [None, f"bytes={part}-"][: 1 if when == "unpacking" else 2]


@pytest.mark.parametrize(
    "arguments", [["--help"], ["get", "--help"], ["verify", "--help"], ["verify", "."], ["get", "--source", "gone"], []]
)
def test_python_m_helpers_siftflow(tmp_path, arguments):
    command = [sys.executable, "-W", "error", "-m", "helpers.siftflow", *arguments]
    ran = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert ran.returncode == (0 if "--help" in arguments else 1 if arguments else 2), ran.stderr
    if "--help" in arguments:
        assert "python -m helpers.siftflow" in ran.stdout and ran.stderr == ""
    elif arguments:
        assert ran.stderr.count("\n") == 1
        sentence(ran.stderr.strip())
    else:
        assert "Traceback" not in ran.stderr


# ---- the real data set ----------------------------------------------------------------------------------------------


def test_the_committed_hashes_are_those_of_the_real_data(siftflow_root):
    lines = [line for line in sources.MANIFEST.read_text().splitlines() if not line.startswith("#")]
    assert lines == [line.rstrip("\n") for line in manifest.lines(siftflow_root)]
    assert len(lines) == 2688 and sum("\ttest\t" in line for line in lines) == 200


@pytest.fixture(scope="module")
def real(siftflow_root):
    """What is in the real data set's files: {name: (the image's path, the numbers of the label)}."""
    labels = sorted((siftflow_root / "SemanticLabels").glob("*/*.mat"))
    return {
        path.stem: (siftflow_root / "Images" / FOLDER / f"{path.stem}.jpg", scipy.io.loadmat(path)["S"].astype("uint8"))
        for path in labels
    }


@pytest.mark.slow
@pytest.mark.parametrize("form", [authors, gnork, aml])
def test_every_form_of_the_real_data_ends_as_the_same_files(siftflow_root, real, tmp_path, form):
    """All of SiftFlow, handed round in this form: 2,688 images, their labels and the standard split, byte for byte."""
    place = tmp_path / "SiftFlowDataset"
    with zipfile.ZipFile(tmp_path / "set.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, (image, label) in real.items():
            for path, data in form(image.read_bytes(), label, name):
                archive.writestr(path, data, zipfile.ZIP_DEFLATED if data[:1] == b"#" or data[:1].isdigit() else 0)
        for path, data in NOISE[form].items():
            archive.writestr(path, data)
    try:
        dataset = siftflow.get(place, source=tmp_path / "set.zip", progress=False)
        assert siftflow.verify(place).whole
        assert (len(dataset.names("train")), len(dataset.names("test"))) == (2486, 200)
        assert dataset.names("test") == SiftFlow(siftflow_root).names("test")
        assert sum(path.is_file() for path in place.rglob("*")) == 2 * 2688 + 1
        for name, (image, label) in real.items():
            assert (place / f"Images/{FOLDER}/{name}.jpg").read_bytes() == image.read_bytes()
            written = (place / f"SemanticLabels/{FOLDER}/{name}.mat").read_bytes()
            assert written == labelmaps.write_matlab(label, CLASS_NAMES), name
            assert np.array_equal(dataset.label(name), label - np.uint8(1)), name
        tests = "".join(f"{FOLDER}\\{name}.jpg\n" for name in dataset.names("test"))
        assert (place / "TestSet1.txt").read_text() == tests
    finally:
        shutil.rmtree(place, ignore_errors=True)
        (tmp_path / "set.zip").unlink()


# ---- the table ------------------------------------------------------------------------------------------------------


def test_the_table_has_every_fault(request, faults):
    if request.config.option.keyword or any("::" in argument for argument in request.config.args):
        pytest.skip("looks at the rows that the other tests of this file made, and only some of them ran")
    lacking = {fault for fault in MADE_FOR if not any(row.startswith(fault) for row in faults)}
    assert lacking <= (set() if can_mount() else {"a full disk"})
