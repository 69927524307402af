"""Filling a data set's folder: every place that may have what is missing is tried, until nothing is.

Each attempt is a name and a function. The function takes what it can, and returns why that was not all.
"""

import contextlib
import os
import re
import shutil
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from helpers.classes import CLASS_NAMES
from helpers.engine.session import DRIVE
from helpers.fetch import archives, labelmaps, layout, manifest, sources
from helpers.fetch.archives import ArchiveError
from helpers.fetch.download import DownloadError, download, progress_bar
from helpers.fetch.layout import IMAGES, LABELS, SCENES_MARKER, SiftFlowError

_MAX_ARCHIVE_BYTES = 1 << 30  # the known ones have some 140 MB
_PIECE_BYTES = 27 << 10  # an image or a label on disk, on average
_ARCHIVE_NAME = re.compile(r"(sift.?flow|rbmtoolbox|aml_cnn).*\.zip$", re.IGNORECASE)  # authors', GitHub's
_FEW = 100  # up to here, single files cost less than an archive


class Filling:
    """One search for what a `Workplace` lacks.

    Attributes:
        need: the pieces that are still missing or damaged.
    """

    def __init__(self, workplace, say, progress):
        self.workplace, self.place, self.work = workplace, workplace.place, workplace.work
        self.say, self.progress = say, progress

    def fill(self, source=None):
        """Makes the folder whole, from `source` or from wherever it can."""
        _, self.files = self.workplace.survey()
        self.need = {p for p in manifest.pieces() if p not in self.files or self.files[p][1]}
        reasons = {}  # {what went wrong: the sources with which it did}
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
                f"SiftFlow is not complete: {len(self.need):,} of {len(manifest.pieces()):,} files could not be had, "
                f"{min(self.need).path} for one ({tried}); {self._cure(source)}."
            )
        self.workplace.commit()

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
            self.say(sources.ABOUT)
            return [(str(source), lambda: self._take_archive(str(source)))]
        path = layout.expanded(source)
        if not path.exists():
            raise SiftFlowError(f"{path} does not exist: name a zip archive, a folder or an http address.")
        paths = [path, *sorted(path.glob("*.zip"))] if path.is_dir() else [path]
        return [(str(path), lambda path=path: self._take_from(path)) for path in paths]

    def _everywhere(self):
        for path in self._on_this_machine():
            yield str(path), lambda path=path: self._take_from(path)
        few = f"{len(self.need)} files are to be fetched: {min(self.need).path}" if len(self.need) <= _FEW else ""
        self.say(few or sources.ABOUT)
        singles = [source for source in sources.SOURCES if source.images]

        def file_by_file():
            while singles and len(self.need) <= _FEW:
                source = singles.pop(0)
                yield f"{source.name} (file by file)", lambda source=source: self._take_files(source)

        for source in sorted(sources.SOURCES, key=lambda source: not self._archive(source.archive).exists()):
            yield from file_by_file()
            yield source.name, lambda source=source: self._take_archive(source.archive)
        yield from file_by_file()

    def _on_this_machine(self):
        """Copies of the data set elsewhere, and archives of it where a reader would put them."""
        named = os.environ.get("SIFTFLOW_DIR")
        copies = [layout.locate(named) if named else None, *layout.places(), layout.locate(DRIVE)]
        copies.append(layout.locate(self.place))  # a folder in a folder of its name, as some unpackers make
        copies = [path for path in copies if path and not (path / SCENES_MARKER).exists()]
        for folder in dict.fromkeys([self.place.parent, layout.data_folder(), DRIVE]):
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
                piece = manifest.piece_at(file.path)
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
            return (
                "holds nothing of SiftFlow"
                if len(self.need) == len(manifest.pieces())
                else "holds nothing that is missing"
            )
        return _summary(reasons) or "is not complete"

    def _offer(self, piece, data, path):
        """Keeps `data`, a file's bytes, if it is `piece`; else returns why it is not."""
        try:
            content = manifest.decoded(piece, data)
        except ValueError as error:
            return f"{path} {error}"
        if piece.kind == LABELS:
            content = labelmaps.write_matlab(content + np.uint8(1), CLASS_NAMES)  # 255, void, wraps round to 0
        file, _ = self.files.get(piece, (None, None))
        if file is None:
            file = self.workplace.folders()[piece.kind] / Path(piece.path).relative_to(piece.kind)
        self.workplace.write(file, content)
        self.need.discard(piece)
        return None


def _summary(reasons):
    if not reasons:
        return None
    more = f" ({len(reasons) - 1:,} more like it)" if len(reasons) > 1 else ""
    return f"has something else instead: {reasons[0]}{more}"
