"""The files of a reader's folder: listed once, read with limits, and never looked for outside the folder."""

import codecs
import csv
import functools
import hashlib
import io
import json
import os
import re
import stat
import unicodedata
from pathlib import Path, PurePosixPath

MOST_FILES = 200_000
MOST_TEXT = 512 << 20  # bytes of one JSON or CSV file; COCO's own largest has 469 MB
PICTURES = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp"}
_SPLITS = {
    "train": "train", "training": "train", "val": "validation", "valid": "validation", "validation": "validation",
    "test": "test", "testing": "test",
}  # fmt: skip


class MasksError(ValueError):
    """Pictures and masks that cannot be used as they are. The message names the file and the cure."""


class Folder:
    """All files below a folder.

    Attributes:
        root: its path.
        files: the paths of its files relative to it, sorted, with forward slashes. Hidden ones are left out.

    Raises:
        MasksError: there is no such folder, it cannot be read, or it holds no file or far too many.
    """

    def __init__(self, root):
        self.root = Path(os.path.expanduser(root)).absolute()
        try:
            kind = self.root.stat().st_mode
        except (OSError, ValueError) as error:
            missing = isinstance(error, FileNotFoundError)
            why = "" if missing else f" that can be opened ({getattr(error, 'strerror', error)})"
            raise MasksError(
                f"There is no folder {self.root}{why}: check the spelling; paths start in {Path.cwd()}."
            ) from error
        if not stat.S_ISDIR(kind):
            cure = "unpack it" if self.root.suffix in (".zip", ".tar", ".gz", ".tgz") else "name the folder it lies in"
            raise MasksError(f"{self.root} is a file, not a folder: {cure}.")
        self.stats = {}
        self._list()
        self.files = sorted(self.stats)
        if not self.files:
            raise MasksError(f"{self.root} holds no file: copy the photos and their masks into it.")

    def _list(self):
        def stop(error):
            raise MasksError(f"{error.filename} cannot be read ({error.strerror}): copy it elsewhere.") from error

        for place, folders, names in os.walk(self.root, onerror=stop):
            folders[:] = [name for name in folders if not name.startswith((".", "__MACOSX", "@eaDir"))]
            if links := [name for name in folders if os.path.islink(os.path.join(place, name))]:
                raise MasksError(
                    f"{Path(place, links[0])} is a link to a folder, and such links are not followed: put the folder "
                    "itself there, or remove the link."
                )
            for name in names:
                if name.startswith(".") or name in ("Thumbs.db", "desktop.ini"):
                    continue
                path = Path(place, name)
                if any("\ud800" <= sign <= "\udfff" for sign in str(path.relative_to(self.root))):
                    raise MasksError(f"{ascii(str(path))} has a name that is not in UTF-8: rename that file.")
                try:
                    found = path.stat()
                except OSError as error:
                    raise MasksError(f"{path} leads nowhere ({error.strerror}): remove this link.") from error
                if not stat.S_ISREG(found.st_mode):
                    raise MasksError(f"{path} is a pipe or a device, and no file: remove it.")
                self.stats[path.relative_to(self.root).as_posix()] = (found.st_size, found.st_mtime_ns)
                if len(self.stats) > MOST_FILES:
                    raise MasksError(f"{self.root} holds more than {MOST_FILES:,} files: name the data set's folder.")

    def with_suffix(self, *suffixes):
        """Lists the files whose names end so, in whatever case."""
        return [file for file in self.files if PurePosixPath(file).suffix.lower() in suffixes]

    def named(self, *names):
        """Lists the files with one of these names, in whatever case, those nearest to the root first."""
        found = [file for file in self.files if PurePosixPath(file).name.lower() in names]
        return sorted(found, key=lambda file: (file.count("/"), file))

    @functools.cached_property
    def _by_path(self):
        """The files by their paths in composed letters."""
        return {composed(file): file for file in self.files}

    @functools.cached_property
    def by_name(self):
        """The files of each name, {name: [file, …]}, as many as there are folders that have it."""
        found = {}
        for file in self.files:
            found.setdefault(composed(file.rsplit("/", 1)[-1]), []).append(file)
        return found

    @functools.cached_property
    def pictures_by_stem(self):
        """The pictures of each name without its ending: {stem: [file, …]}."""
        found = {}
        for file in self.with_suffix(*PICTURES):
            found.setdefault(composed(PurePosixPath(file).stem), []).append(file)
        return found

    def path(self, file):
        """The path of one of the files, to be opened or to be named in a message."""
        return self.root / file

    def inside(self, text, said_by, *bases):
        """The file of this folder that another file names.

        Args:
            text: what stands in the other file, a path or a bare name.
            said_by: the other file, for the message.
            bases: folders relative to the root, in which to look first; "" is the root.

        Raises:
            MasksError: the path leads out of the folder, no such file is there, or several have the name.
        """
        text = composed(str(text).replace("\\", "/"))
        said = f"{self.path(said_by)} names the picture {text[:200]!r}"
        steps = PurePosixPath(text).parts
        drive = len(text) > 1 and text[1] == ":"
        if not steps or "\0" in text:
            raise MasksError(f"{said}, which is no file name: correct that entry.")
        for base in bases:
            whole = composed(os.path.normpath(os.path.join(base, text)).replace("\\", "/"))
            if not (drive or text.startswith("/") or whole.startswith("..")) and whole in self._by_path:
                return self._by_path[whole]
        if drive or text.startswith("/") or ".." in steps:
            raise MasksError(
                f"{said}, which leads out of {self.root}: put the picture inside, and its bare name there."
            )
        same = self.by_name.get(steps[-1], [])
        same = [file for file in same if f"/{composed(file)}".endswith(f"/{text}")] or same
        if len(same) == 1:
            return same[0]
        if same:
            raise MasksError(
                f"{said}, and {len(same)} files have that name, such as {same[0]}: give their folders, too."
            )
        raise MasksError(f"{said}, which is not there: copy the picture into {self.root}, or remove that entry.")

    def bytes(self, file, most=MOST_TEXT):
        """The content of a file, unless it is larger than `most` bytes."""
        path = self.path(file)
        if self.stats[file][0] > most:
            raise MasksError(f"{path} is larger than {most / 1e6:,.0f} MB: split it into several files.")
        try:
            return path.read_bytes()
        except OSError as error:
            raise MasksError(f"{path} cannot be read ({error.strerror}): copy it again.") from error

    def text(self, file):
        """The content of a text file in UTF-8, with or without its mark, in UTF-16 with it, or else in Latin-1."""
        data = self.bytes(file)
        try:
            return data.decode("utf-16" if data[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else "utf-8-sig")
        except UnicodeDecodeError:
            return data.decode("latin-1")

    def json(self, file):
        """The content of a JSON file.

        Raises:
            MasksError: it is damaged, or nested without end.
        """
        try:
            return json.loads(self.text(file))
        except (ValueError, RecursionError) as error:
            raise MasksError(f"{self.path(file)} is not readable JSON ({error}): export it again.") from error

    def rows(self, file):
        """The rows of a CSV file: a list of dicts by the header's words, both without spaces around them."""
        csv.field_size_limit(1 << 24)
        try:
            rows = list(csv.DictReader(io.StringIO(self.text(file)), skipinitialspace=True))
        except csv.Error as error:
            raise MasksError(f"{self.path(file)} is not a readable CSV file ({error}): export it again.") from error
        return [{(key or "").strip(): (value or "").strip() for key, value in row.items() if key} for row in rows]

    def fingerprint(self, *more):
        """A short text that changes when a file's name, size or time does, or any of `more`."""
        listing = repr([str(self.root), sorted(self.stats.items()), *more])
        return hashlib.sha256(listing.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def own_split(file):
    """The split that a file's folders name: "train", "validation", "test", or None."""
    named = (split_word(part) for part in reversed(PurePosixPath(file).parts[:-1]))
    return next((_SPLITS[word] for word in named if word), None)


def split_word(name):
    """The word by which a folder's name says a split, such as "val" in ``val_images`` and ``val2017``, or None."""
    words = [word for word in re.split(r"[^a-z]+", name.lower()) if word in _SPLITS]
    return words[0] if len(words) == 1 else None


def composed(text):
    """The text with each letter and its accent as one sign, since macOS writes names with two."""
    return unicodedata.normalize("NFC", text)


def some(items, most=3):
    """A few of many, as text: "a, b, c and 7 more"."""
    items = [str(item) for item in items]
    more = f" and {len(items) - most} more" if len(items) > most else ""
    return ", ".join(items[:most]) + more
