"""The files in a zip archive or a folder that somebody else made, listed and read without trusting either.

Nothing is ever unpacked to where an archive says. The caller asks for the bytes of the members it knows, and writes
them where it wants. An archive that tries is refused all the same: what else it holds cannot be trusted either.

Needs nothing but Python.
"""

import contextlib
import os
import re
import stat
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

MAX_FILES = 50_000  # the largest of the known copies, a whole repository, has 7,649
MAX_BYTES = 4 << 30  # unpacked, all together; the largest of the known copies has 0.8e9
MAX_FILE_BYTES = 2 << 20  # of one file that is read; the largest label map as text has 262,267
_MAX_DIRECTORY_BYTES = 16 << 20  # of a zip's list of members, which is read into memory at once


class ArchiveError(ValueError):
    """An archive or folder that cannot, or must not, be read. The message is a clause without its name."""


class File(NamedTuple):
    """A file on offer."""

    path: str  # below the folder or in the archive, with forward slashes
    read: Callable[[], bytes]  # its bytes, at most MAX_FILE_BYTES; raises ArchiveError


@contextlib.contextmanager
def opened(path):
    """The files of the zip archive or folder `path`: a list of `File`, readable until the context ends.

    Reading from several threads at once is fine.

    Raises:
        ArchiveError: unreadable; no zip archive; members that lead outside it (``..``, an absolute path), or are links,
            devices or encrypted; too many, or too large unpacked.
    """
    path = Path(path)
    if path.is_dir():
        yield _in_folder(path)
        return
    if not path.is_file():  # a pipe would be waited for
        raise ArchiveError("is neither a zip archive nor a folder")
    with contextlib.ExitStack() as stack:
        try:
            _check_directory(path)
            archive = stack.enter_context(zipfile.ZipFile(path))
            files = _in_zip(archive)
        except ArchiveError:
            raise
        except OSError as error:
            raise ArchiveError(f"cannot be read ({error.strerror or error})") from error
        except Exception as error:  # zipfile raises half a dozen types on damaged files
            raise ArchiveError(f"is a damaged zip archive ({type(error).__name__})") from error
        yield files


def _in_folder(folder):
    files = []
    for place, _, names in os.walk(folder):  # links to folders are not followed
        for name in names:
            file = Path(place, name)
            files.append(File(file.relative_to(folder).as_posix(), lambda file=file: read_file(file)))
            if len(files) > MAX_FILES:
                raise ArchiveError(f"holds more than {MAX_FILES:,} files: name the data set's own folder")
    return files


def read_file(file):
    """The bytes of a regular file; ArchiveError if it is no such, unreadable, or above MAX_FILE_BYTES."""
    try:
        with open(file, "rb", opener=lambda name, flags: os.open(name, flags | getattr(os, "O_NONBLOCK", 0))) as stream:
            if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):  # a pipe or a device would never end
                raise ArchiveError("is not a regular file")
            data = stream.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise ArchiveError(f"cannot be read ({error.strerror})") from error
    if len(data) > MAX_FILE_BYTES:
        raise ArchiveError(f"is larger than {MAX_FILE_BYTES / 1e6:.0f} MB")
    return data


def _check_directory(path):
    """Looks at a zip's last record, before `zipfile` reads the list that it announces into memory."""
    with open(path, "rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(0)
        start = file.read(4)
        file.seek(max(0, size - 65_557))
        tail = file.read()
    end = tail.rfind(b"PK\5\6")
    if end < 0 or len(tail) < end + 22:
        known = start in (b"PK\3\4", b"PK\5\6")
        raise ArchiveError("is a zip archive cut off before its end" if known else "is not a zip archive")
    members, directory_bytes = struct.unpack("<HL", tail[end + 10 : end + 16])
    large = tail[max(0, end - 20) : end].startswith(b"PK\6\7")  # the form for more than 65,535 members or 4 GB
    if large or members > MAX_FILES or directory_bytes > _MAX_DIRECTORY_BYTES:
        raise ArchiveError(f"lists more than {MAX_FILES:,} members, or 4 GB: this is not the data set")


def _in_zip(archive):
    members = archive.infolist()
    for member in members:
        _refuse_unsafe(member)
    if len(members) > MAX_FILES:
        raise ArchiveError(f"lists more than {MAX_FILES:,} members: this is not the data set")
    total = sum(member.file_size for member in members)
    if total > MAX_BYTES:
        raise ArchiveError(f"would unpack to {total / 1e9:,.0f} GB: this is not the data set")
    return [
        File(member.filename.replace("\\", "/"), lambda member=member: _read_member(archive, member))
        for member in members
        if not member.is_dir()
    ]


def _refuse_unsafe(member):
    # zipfile cuts a name at its first zero byte; orig_filename is what stands in the archive.
    name = member.orig_filename
    steps = re.split(r"[/\\]", name)
    if not name or ".." in steps or name[:1] in ("/", "\\") or re.match(r"[A-Za-z]:", name) or "\0" in name:
        raise ArchiveError(f"has a member that leads outside it, {name[:80]!r}: it was not made in good faith")
    kind = stat.S_IFMT(member.external_attr >> 16)  # 0 where the archive was not made on Unix
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        what = "a link" if kind == stat.S_IFLNK else "a device"
        raise ArchiveError(f"has a member that is {what}, {name[:80]!r}: it was not made in good faith")
    if member.flag_bits & 1:
        raise ArchiveError(f"is encrypted ({name[:80]!r})")


def _read_member(archive, member):
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):  # others may ask for gigabytes to start
        raise ArchiveError("is packed in an unusual way")
    if member.file_size > MAX_FILE_BYTES:
        raise ArchiveError(f"is larger than {MAX_FILE_BYTES / 1e6:.0f} MB")
    try:
        with archive.open(member) as file:
            return file.read(member.file_size + 1)  # with no number it would unpack all before it cuts off the excess
    except Exception as error:  # zlib.error and zipfile's own have no better base in common
        raise ArchiveError(f"is damaged in the archive ({type(error).__name__})") from error
