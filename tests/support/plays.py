"""The faults of the net, as `FaultyServer` plays them, and archives made by hand that mean harm."""

import contextlib
import functools
import gzip
import io
import random
import socket
import stat
import struct
import tracemalloc
import zipfile
import zlib
from email.utils import formatdate
from typing import NamedTuple

from helpers.fetch import download, filling
from helpers.fetch.sources import Source
from support.copies import COAST, HTML, LABEL, ZIP, authors, gnork, matlab, octave, zipped
from support.faulty_server import Play


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
        world.patch.setattr(filling, "_MAX_ARCHIVE_BYTES", len(world.archive) + (1 << 19))  # a limit within sight


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


@contextlib.contextmanager
def little_memory():
    """What happens inside may hold 30 MB."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < 30 << 20
    finally:
        tracemalloc.stop()
