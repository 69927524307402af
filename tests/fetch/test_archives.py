"""Archives and folders that others made are read without trust."""

import contextlib
import os
import random
import stat
import time
import zipfile

import pytest

from helpers.fetch import archives
from helpers.fetch.archives import ArchiveError
from support.copies import COAST, sentence, zipped
from support.plays import bomb, little_memory, member, raw_zip, zeros

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


@pytest.mark.alone
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
