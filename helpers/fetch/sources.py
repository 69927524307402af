"""Where SiftFlow comes from: the sources, the content that every copy is compared with, and how a copy is filled.

What decides is content. `helpers/siftflow.tsv` has a hash of every photograph's bytes and of every label map's
*decoded* array, so a copy from a MATLAB archive, from Octave text or from a teacher's disk is the same set, or is
mended until it is.

Files on the way, all in the data set's own folder::

    SiftFlowDataset/.siftflow/lock       one process at a time
                             /download/  archives, whole or in part: a later call goes on from them
                             /new/       Images/ and SemanticLabels/ until they are complete
                             /tmp/       single files until they are

Each file appears in one step (rename), checked. A new set appears in three, `SemanticLabels` last, and before that
nothing takes the folder for a data set. In a set that is already there, only missing and damaged files are replaced.
"""

import argparse
import contextlib
import errno
import functools
import hashlib
import os
import re
import shutil
import sys
import zlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import filelock
import numpy as np

from helpers import siftflow
from helpers.engine.session import DRIVE
from helpers.fetch import archives, labelmaps
from helpers.fetch.archives import ArchiveError
from helpers.fetch.download import DownloadError, download, progress_bar
from helpers.siftflow import CLASS_NAMES, SCENES_MARKER, SiftFlow, SiftFlowError

FOLDER = "spatial_envelope_256x256_static_8outdoorcategories"  # as the authors named it
IMAGES, LABELS, TEST_LIST = "Images", "SemanticLabels", "TestSet1.txt"
MANIFEST = Path(__file__).with_name("siftflow.tsv")

_MAX_ARCHIVE_BYTES = 1 << 30  # the known ones have some 140 MB
_PIECE_BYTES = 27 << 10  # an image or a label on disk, on average
_ARCHIVE_NAME = re.compile(r"(sift.?flow|rbmtoolbox|aml_cnn).*\.zip$", re.IGNORECASE)  # authors', GitHub's
_FEW = 100  # up to here, single files cost less than an archive
_GNORK = "Gnork/rbmtoolbox", "93cfb8672e808fbd2f0265987925a574c46cae73"
_AML = "AlbertLlebaria/AML_CNN_for_Scene_Labeling", "3ea4eb3a20e0f6eb0654d6e65156dd621ad0b920"


class Source(NamedTuple):
    """A place on the net."""

    name: str
    archive: str  # the address of a zip archive that holds, among other things, the data set
    images: tuple[str, ...] = ()  # addresses of a single image, to try in turn; {} stands for its name
    labels: tuple[str, ...] = ()  # likewise of a single label map


def _on_github(repository, commit, images, labels):
    raw = f"https://raw.githubusercontent.com/{repository}/{commit}/"
    return Source(
        f"{repository} on GitHub",
        f"https://github.com/{repository}/archive/{commit}.zip",
        tuple(raw + path for path in images),
        tuple(raw + path for path in labels),
    )


SOURCES = (
    Source("the authors' page", "http://www.cs.unc.edu/~jtighe/Papers/ECCV10/siftflow/SiftFlowDataset.zip"),
    _on_github(
        *_GNORK,
        [f"Data/SiftFlowDataset/Images/{FOLDER}/{{}}.jpg"],
        ["Data/SiftFlowDataset/SemanticLabels/labels/{}.mat"],
    ),
    _on_github(  # its train and test are not the standard split
        *_AML,
        [f"sift_dataset/{part}/images/{{}}.jpg" for part in ("train", "test")],
        [f"sift_dataset/{part}/labels/{{}}.regions.txt" for part in ("train", "test")],
    ),
)


class Piece(NamedTuple):
    """An image or a label map."""

    kind: str  # IMAGES or LABELS
    name: str

    @property
    def path(self):
        return f"{self.kind}/{FOLDER}/{self.name}.{'jpg' if self.kind == IMAGES else 'mat'}"


@dataclass(frozen=True)
class Report:
    """How a copy differs from the published data set. Paths are relative to `root`."""

    root: Path
    missing: tuple[str, ...]
    damaged: dict[str, str]  # path: what is wrong with it
    extra: tuple[str, ...]  # images and label maps that SiftFlow does not have, which would be taken for its own

    @property
    def whole(self):
        return not (self.missing or self.damaged or self.extra)

    def __str__(self):
        if self.whole:
            return f"SiftFlow in {self.root} is whole: {len(published())} images and label maps, each as published"
        parts = [f"{len(self.missing)} missing (first: {self.missing[0]})"] if self.missing else []
        if self.damaged:
            path, reason = next(iter(self.damaged.items()))
            parts.append(f"{len(self.damaged)} damaged (first: {path} {reason})")
        if self.extra:
            parts.append(f"{len(self.extra)} not SiftFlow's (first: {self.extra[0]})")
        return f"SiftFlow in {self.root} is not as published: of its files, {', '.join(parts)}"


@functools.lru_cache(maxsize=4)
def _read_manifest(path):
    lines = [line.split("\t") for line in path.read_text().splitlines() if not line.startswith("#")]
    return {name: (split, {IMAGES: image, LABELS: label}) for name, split, image, label in lines}


def published():
    """The data set as published: {name: ("train" or "test", {IMAGES: hash, LABELS: hash})}."""
    return _read_manifest(MANIFEST)


def hash_of(data):
    """The first 32 digits of the SHA-256 of an image's bytes, or of a decoded label's (uint8, row after row)."""
    return hashlib.sha256(data).hexdigest()[:32]


def verify(root=None):
    """See `helpers.siftflow.verify`."""
    place = _locate(root) if root is not None else _named_or_nearest()
    if place is None:
        raise SiftFlowError(f"No SiftFlow data in {root or 'or above this project'}: {_HOW_TO_GET}.")
    return _survey(place, {IMAGES: place / IMAGES, LABELS: place / LABELS})[0]


def get(root=None, source=None, progress=True):
    """See `helpers.siftflow.get`."""
    say = print if progress else lambda *_: None
    if root is None:
        if os.environ.get("SIFTFLOW_DIR"):
            report = verify()
            if not report.whole:
                named = os.environ["SIFTFLOW_DIR"]
                raise SiftFlowError(
                    f"{report}: mend it with python -m helpers.siftflow get {named}, or unset SIFTFLOW_DIR."
                )
            say(f"{report}.")
            return SiftFlow(report.root)
        for found in siftflow.places():
            report = verify(found)
            if report.whole:
                say(f"{report}.")
                return SiftFlow(found)
        root = siftflow.data_folder()
    root = _path(root)
    place = _locate(root) or (root if root.name == "SiftFlowDataset" else root / "SiftFlowDataset")
    found = ""
    try:
        if (place / IMAGES).is_dir() and (place / LABELS).is_dir():
            report = verify(place)
            if report.whole:  # also where the folder cannot be written to
                say(f"{report}.")
                return SiftFlow(place)
            found = f"{report}. "
            say(found)
        with _Filling(place, say, progress) as filling:
            filling.fill(source)
    except OSError as error:
        raise SiftFlowError(found + _explain(error, place)) from error
    say(f"SiftFlow is whole, in {place}.")
    return SiftFlow(place)


_HOW_TO_GET = "let python -m helpers.siftflow get (in Python: siftflow.get()) fetch it"


def _locate(root):
    """Like `siftflow.locate`, but drawn scenes in `root` itself are refused, and in a folder inside it passed over."""
    place = siftflow.locate(root)
    if place is None or not (place / SCENES_MARKER).exists():
        return place
    if place == Path(os.path.expanduser(root)):
        raise SiftFlowError(f"{place} holds drawn scenes, not SiftFlow's photographs: name another folder.")
    return None


def _path(text):
    path = Path(os.path.expanduser(text))
    if str(path).startswith("~"):
        raise SiftFlowError(f"{text} cannot be found, for there is no such user here: name another folder or file.")
    return path


def _named_or_nearest():
    named = os.environ.get("SIFTFLOW_DIR")
    if not named:
        return next(siftflow.places(), None)
    place = _locate(named)
    if place is None:
        raise SiftFlowError(
            f"SIFTFLOW_DIR names {named}, which holds no SiftFlow data: correct it, unset it, or fill that folder with "
            f"python -m helpers.siftflow get {named}."
        )
    return place


# ---- content --------------------------------------------------------------------------------------------------------


def _decoded(piece, data):
    """What `data`, a file's bytes in any of the known formats, holds for `piece`. ValueError if it is not as published.

    Returns:
        The bytes themselves for an image, the array uint8 (row, col) for a label map.
    """
    wanted = published()[piece.name][1][piece.kind]
    if piece.kind == IMAGES:
        if hash_of(data) != wanted:
            raise ValueError("is not the published image")
        return data
    label = siftflow.decode_label(data)
    if hash_of(label.tobytes()) != wanted:
        raise ValueError("is not the published label map")
    return label


def _piece_of(path):
    """The piece that a file's path promises, or None."""
    *folders, file = path.split("/")
    if "GeoLabels" in folders:  # the authors' second labelling: the same names, other classes
        return None
    for ending, kind in ((".jpg", IMAGES), (".mat", LABELS), (".regions.txt", LABELS)):
        name = file.removesuffix(ending)
        if name != file and name in published():
            return Piece(kind, name)
    return None


def _survey(root, folders):
    """Compares everything in `folders`, {kind: folder}, with what is published.

    Returns:
        The report, and {piece: (its file, what is wrong with it or None)} for what is there.
    """
    files, extra = {}, []
    for kind, ending in ((IMAGES, ".jpg"), (LABELS, ".mat")):
        for file in sorted(folders[kind].glob(f"*/*{ending}"), key=lambda file: (file.parent.name != FOLDER, file)):
            piece = Piece(kind, file.stem)
            if file.stem in published() and piece not in files:
                files[piece] = file
            else:
                extra.append(f"{kind}/{file.relative_to(folders[kind]).as_posix()}")

    def fault(piece):
        try:
            _decoded(piece, archives.read_file(files[piece]))
        except ValueError as error:
            return str(error)

    with ThreadPoolExecutor(4) as pool:
        files = dict(zip(files, zip(files.values(), pool.map(fault, files), strict=True), strict=True))
    damaged = {
        f"{piece.kind}/{file.relative_to(folders[piece.kind]).as_posix()}": text
        for piece, (file, text) in files.items()
        if text
    }
    missing = [piece.path for piece in _pieces() if piece not in files]
    try:
        if siftflow.read_test_list(root / TEST_LIST) != set(_test_names()):
            damaged[TEST_LIST] = "does not list the standard test images"
    except FileNotFoundError:
        missing.append(TEST_LIST)
    except OSError as error:
        damaged[TEST_LIST] = f"cannot be read ({error.strerror})"
    return Report(root, tuple(missing), damaged, tuple(extra)), files


def _pieces():
    return [Piece(kind, name) for kind in (IMAGES, LABELS) for name in published()]


def _test_names():
    return [name for name, (split, _) in published().items() if split == "test"]


# ---- filling a folder -----------------------------------------------------------------------------------------------


class _Filling:
    """One process's work on one data set's folder, from the lock to the last rename."""

    def __init__(self, place, say, progress):
        self.place, self.say, self.progress = place, say, progress
        self.work = place / ".siftflow"
        self.lock = filelock.FileLock(self.work / "lock")
        self.turn = False  # the folder is this process's to change

    def __enter__(self):
        self.made = [folder for folder in (self.place, *self.place.parents) if not folder.exists()]
        for kind in (IMAGES, LABELS):
            if (self.place / kind).exists() and not (self.place / kind).is_dir():
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(self.place / kind))
        try:
            self._wait_for_turn()
            shutil.rmtree(self.work / "tmp", ignore_errors=True)
            for folder in ("tmp", "download", "new"):
                (self.work / folder).mkdir(parents=True, exist_ok=True)
        except BaseException:
            self.__exit__()
            raise
        return self

    def _wait_for_turn(self):
        timeout = 0
        while not self.turn:
            # Who had the lock may take the folder away when done, and with it the lock: then for another round.
            with contextlib.suppress(FileNotFoundError):
                self.work.mkdir(parents=True, exist_ok=True)
                try:
                    self.lock.acquire(timeout=timeout)
                    self.turn = (self.work / "lock").exists()
                    if not self.turn:
                        self.lock.release()
                except filelock.Timeout:
                    self.say(f"Another process is filling {self.place}: waiting for it.")
                    timeout = -1
                except NotImplementedError:  # a file system without locks: go without
                    self.turn = True

    def __exit__(self, *_):
        if self.turn:
            shutil.rmtree(self.work / "tmp", ignore_errors=True)
            kept = [path for top in ("download", "new") for path in (self.work / top).rglob("*") if path.is_file()]
            if not kept:
                self._tidy()
        self.lock.release()
        with contextlib.suppress(OSError):  # the first that is not empty: something has arrived
            for folder in self.made:
                folder.rmdir()

    def _tidy(self):
        for folder in ("tmp", "download", "new"):
            shutil.rmtree(self.work / folder, ignore_errors=True)
        with contextlib.suppress(OSError):  # without its lock another process may begin here: only what is empty goes
            (self.work / "lock").unlink()
            self.work.rmdir()

    def fill(self, source=None):
        """Makes the folder whole, from `source` or from wherever it can."""
        report, self.files = self._survey()
        self.need = {p for p in _pieces() if p not in self.files or self.files[p][1]}
        reasons = {}  # what went wrong: with which sources
        attempts = iter(self._named(source) if source else self._everywhere())
        while self.need and (attempt := next(attempts, None)):
            name, take = attempt
            try:
                reason = take()
            except (ArchiveError, DownloadError) as error:
                reason = str(error)
            if self.need:
                self.say(f"{name}: {reason}.")
                reasons.setdefault(reason, []).append(name)
        if self.need:
            tried = "; ".join(f"{', '.join(names)}: {reason}" for reason, names in reasons.items())
            raise SiftFlowError(
                f"SiftFlow is not complete: {len(self.need):,} of {len(_pieces()):,} files could not be had, "
                f"{min(self.need).path} for one ({tried}); {self._cure(source)}."
            )
        self._commit()

    def _cure(self, source):
        if source:
            return "name a complete copy as the source, or none (what is good is kept, and the net then gives the rest)"
        return (
            "call again later (it goes on from what has arrived), or put a zip archive of the data set into "
            f"{self.place.parent}, or name one, siftflow.get(source=...)"
        )

    # -- sources: each attempt is (name, function that takes what it can, and returns why that was not all)

    def _named(self, source):
        if re.match("https?://", str(source), re.IGNORECASE):
            self.say(siftflow.ABOUT)
            return [(str(source), lambda: self._take_archive(str(source)))]
        path = _path(source)
        if not path.exists():
            raise SiftFlowError(f"{path} does not exist: name a zip archive, a folder or an http address.")
        paths = [path, *sorted(path.glob("*.zip"))] if path.is_dir() else [path]
        return [(str(path), lambda path=path: self._take_from(path)) for path in paths]

    def _everywhere(self):
        for path in self._on_this_machine():
            yield str(path), lambda path=path: self._take_from(path)
        few = f"{len(self.need)} files are to be fetched: {min(self.need).path}" if len(self.need) <= _FEW else ""
        self.say(few or siftflow.ABOUT)
        singles = [source for source in SOURCES if source.images]

        def file_by_file():
            while singles and len(self.need) <= _FEW:
                source = singles.pop(0)
                yield f"{source.name} (file by file)", lambda source=source: self._take_files(source)

        for source in sorted(SOURCES, key=lambda source: not self._archive(source.archive).exists()):
            yield from file_by_file()
            yield source.name, lambda source=source: self._take_archive(source.archive)
        yield from file_by_file()

    def _on_this_machine(self):
        """Copies of the data set elsewhere, and archives of it where a reader would put them."""
        named = os.environ.get("SIFTFLOW_DIR")
        copies = [siftflow.locate(named) if named else None, *siftflow.places(), siftflow.locate(DRIVE)]
        copies.append(siftflow.locate(self.place))  # a folder in a folder of its name, as some unpackers make
        copies = [path for path in copies if path and not (path / SCENES_MARKER).exists()]
        for folder in dict.fromkeys([self.place.parent, siftflow.data_folder(), DRIVE]):
            with contextlib.suppress(OSError):
                copies += sorted(path for path in folder.iterdir() if _ARCHIVE_NAME.search(path.name))
        return [path for path in dict.fromkeys(copies) if path.resolve() != self.place.resolve()]

    def _archive(self, address):
        name = re.sub(r"\W", "", address.rsplit("/", 1)[-1].removesuffix(".zip"))[:40]
        return self.work / "download" / f"{name}-{zlib.crc32(address.encode()):08x}.zip"

    def _take_archive(self, address):
        path = self._archive(address)
        if not path.exists():
            self.say(f"Downloading {address}")
            room = len(self.need) * _PIECE_BYTES
            download(address, path, _MAX_ARCHIVE_BYTES, magic=b"PK", room=room, progress=self.progress)
        try:
            reason = self._take_from(path)
        except ArchiveError:
            path.unlink()
            raise
        self._keep_in_drive(path)
        path.unlink()
        return reason

    def _keep_in_drive(self, path):
        """A Colab session's disk ends with it; an archive in a connected Drive spares the next one the download."""
        if not DRIVE.is_dir() or any(_ARCHIVE_NAME.search(file.name) for file in DRIVE.iterdir()):
            return
        kept, part = DRIVE / "SiftFlowDataset.zip", DRIVE / "SiftFlowDataset.zip.part"
        try:
            shutil.copyfile(path, part)
            part.replace(kept)
            self.say(f"Kept for the next session: {kept}")
        except OSError as error:
            with contextlib.suppress(OSError):
                part.unlink()
            self.say(f"The archive could not be kept in Google Drive ({error.strerror}); this session has the data.")

    def _take_files(self, source):
        reasons = []
        path = self.work / "tmp" / "single"
        for piece in progress_bar(sorted(self.need), "Single files", self.progress):
            for address in source.images if piece.kind == IMAGES else source.labels:
                try:
                    download(address.format(piece.name), path, archives.MAX_FILE_BYTES, progress=False)
                except DownloadError as error:
                    if error.status != 404:
                        raise
                    reason = f"lacks {piece.name}"
                    continue
                reason = self._offer(piece, path.read_bytes(), piece.path)
                break
            reasons += [reason] if reason else []
        return _summary(reasons)

    def _take_from(self, path):
        with archives.opened(path) as files:
            offers = {}
            for file in files:
                piece = _piece_of(file.path)
                if piece in self.need:
                    offers.setdefault(piece, []).append(file)

            def take(piece):
                for file in offers[piece]:
                    try:
                        data = file.read()
                    except ArchiveError as error:
                        reason = f"{file.path} {error}"
                        continue
                    reason = self._offer(piece, data, file.path)
                    if reason is None:
                        return None
                return reason

            with ThreadPoolExecutor(4) as pool:
                try:
                    results = pool.map(take, offers)
                    reasons = [r for r in progress_bar(results, "Unpacking", self.progress, len(offers)) if r]
                except BaseException:
                    pool.shutdown(cancel_futures=True)
                    raise
        if not offers:
            return "holds nothing of SiftFlow" if len(self.need) == len(_pieces()) else "holds nothing that is missing"
        return _summary(reasons) or "is not complete"

    def _offer(self, piece, data, path):
        """Keeps `data`, a file's bytes, if it is `piece`; else returns why it is not."""
        try:
            content = _decoded(piece, data)
        except ValueError as error:
            return f"{path} {error}"
        if piece.kind == LABELS:
            content = labelmaps.write_matlab(content + np.uint8(1), CLASS_NAMES)  # 255, void, wraps round to 0
        file, _ = self.files.get(piece, (None, None))
        if file is None:
            file = self._folders()[piece.kind] / Path(piece.path).relative_to(piece.kind)
        self._write(file, content)
        self.need.discard(piece)
        return None

    # -- the folder

    def _folders(self):
        """Where images and labels are, or are gathered: in the folder itself if it has them already."""
        return {
            kind: self.place / kind if (self.place / kind).is_dir() else self.work / "new" / kind
            for kind in (IMAGES, LABELS)
        }

    def _survey(self):
        return _survey(self.place, self._folders())

    def _write(self, file, content):
        part = self.work / "tmp" / f"{file.name}.part"
        part.write_bytes(content)
        file.parent.mkdir(parents=True, exist_ok=True)
        os.replace(part, file)

    def _commit(self):
        report, _ = self._survey()
        for path in report.extra:
            kind, _, rest = path.partition("/")
            aside = self.place / "not-in-siftflow" / Path(path).name  # flat, so that it is no data set of its own
            aside.parent.mkdir(parents=True, exist_ok=True)
            while aside.exists():
                aside = aside.with_name(f"_{aside.name}")
            os.replace(self._folders()[kind] / rest, aside)
            self.say(f"{path} is not SiftFlow's: moved to {aside}.")
        if TEST_LIST in (*report.missing, *report.damaged):
            lines = "".join(f"{FOLDER}\\{name}.jpg\n" for name in _test_names())
            self._write(self.place / TEST_LIST, lines.encode())
        report, _ = self._survey()  # what is on the disk now, read again
        if not report.whole:
            raise SiftFlowError(f"{report}, although it was when it was written: check the disk, and call again.")
        for kind in (IMAGES, LABELS):  # the labels last: without them nothing takes the folder for a data set
            if not (self.place / kind).is_dir():
                os.rename(self.work / "new" / kind, self.place / kind)
        shutil.rmtree(self.work / "download", ignore_errors=True)


def _summary(reasons):
    if not reasons:
        return None
    more = f" ({len(reasons) - 1:,} more like it)" if len(reasons) > 1 else ""
    return f"has something else instead: {reasons[0]}{more}"


def _explain(error, place):
    cure = "name another folder, siftflow.get('folder')"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return (
            f"The disk is full at {place}: free 300 MB there, or {cure}. "
            "What has arrived is kept, and the next call goes on from it."
        )
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"{place} cannot be written to: {cure}."
    return f"{error.filename or place} cannot be used ({error.strerror or error}): {cure}."


# ---- command line ---------------------------------------------------------------------------------------------------


def main(arguments=None):
    """``python -m helpers.siftflow get [folder] [--source ...]`` and ``verify [folder]``. Ends the process."""
    parser = argparse.ArgumentParser("python -m helpers.siftflow", description=siftflow.ABOUT)
    commands = parser.add_subparsers(dest="command", required=True)
    getting = commands.add_parser("get", help="find, copy or download the data set, and make it whole")
    getting.add_argument("folder", nargs="?", help="where to put it (default: data/)")
    getting.add_argument("--source", help="take it from this zip archive, folder or http address, nothing else")
    getting.add_argument("--quiet", action="store_true", help="say nothing unless something is wrong")
    verifying = commands.add_parser("verify", help="compare every file with the published data set")
    verifying.add_argument("folder", nargs="?", help="the data set's folder (default: the one that is found)")
    given = parser.parse_args(arguments)
    for stream in (sys.stdout, sys.stderr):  # a name that the terminal cannot show stops nothing
        with contextlib.suppress(AttributeError):
            stream.reconfigure(errors="backslashreplace")
    try:
        if given.command == "get":
            get(given.folder, given.source, progress=not given.quiet)
        else:
            report = verify(given.folder)
            print(f"{report}.")
            for path in report.missing:
                print(f"missing  {path}")
            for path, reason in report.damaged.items():
                print(f"damaged  {path} {reason}")
            for path in report.extra:
                print(f"extra    {path}")
            sys.exit(0 if report.whole else 1)
    except SiftFlowError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        print("\nStopped. What has arrived is kept: the same command goes on from there.", file=sys.stderr)
        sys.exit(130)
