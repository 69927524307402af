"""The folder in which a data set is built: one process at a time, and each file in one step.

Files on the way lie in the data set's own folder::

    SiftFlowDataset/.siftflow/lock       lets one process in at a time
                             /download/  holds archives, whole or in part: a later call goes on from them
                             /new/       holds Images/ and SemanticLabels/ until they are complete
                             /tmp/       holds single files until they are complete

Each file appears in one step (rename), checked. A new set appears in three, `SemanticLabels` last, and before that
nothing takes the folder for a data set. In a set that is already there, only missing and damaged files are replaced.
"""

import contextlib
import errno
import os
import shutil
from pathlib import Path

import filelock

from helpers.fetch import manifest, verify
from helpers.fetch.layout import FOLDER, IMAGES, LABELS, TEST_LIST, SiftFlowError


class Workplace:
    """One process's hold on one data set's folder, from the lock to the last rename.

    Attributes:
        place: the data set's folder.
        work: the hidden folder in it, for files on the way.
    """

    def __init__(self, place, say):
        self.place, self.say = place, say
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

    def folders(self):
        """Where images and labels are, or are gathered: in the folder itself if it has them already."""
        return {
            kind: self.place / kind if (self.place / kind).is_dir() else self.work / "new" / kind
            for kind in (IMAGES, LABELS)
        }

    def survey(self):
        """`verify.survey` of what is there and what has been gathered."""
        return verify.survey(self.place, self.folders())

    def write(self, file, content):
        """Puts `content` into `file` in one step."""
        part = self.work / "tmp" / f"{file.name}.part"
        part.write_bytes(content)
        file.parent.mkdir(parents=True, exist_ok=True)
        os.replace(part, file)

    def commit(self):
        """Makes a data set of what has been gathered: strangers aside, the test list, one more check, the renames.

        Raises:
            SiftFlowError: the disk does not hold what was written.
        """
        report, _ = self.survey()
        self._set_aside(report.extra)
        if TEST_LIST in (*report.missing, *report.damaged):
            lines = "".join(f"{FOLDER}\\{name}.jpg\n" for name in manifest.test_names())
            self.write(self.place / TEST_LIST, lines.encode())
        report, _ = self.survey()  # what is on the disk now, read again
        if not report.whole:
            raise SiftFlowError(f"{report}, although it was when it was written: check the disk, and call again.")
        for kind in (IMAGES, LABELS):  # the labels last: without them nothing takes the folder for a data set
            if not (self.place / kind).is_dir():
                os.rename(self.work / "new" / kind, self.place / kind)
        shutil.rmtree(self.work / "download", ignore_errors=True)

    def _set_aside(self, extra):
        for path in extra:
            kind, _, rest = path.partition("/")
            aside = self.place / "not-in-siftflow" / Path(path).name  # flat, so that it is no data set of its own
            aside.parent.mkdir(parents=True, exist_ok=True)
            while aside.exists():
                aside = aside.with_name(f"_{aside.name}")
            os.replace(self.folders()[kind] / rest, aside)
            self.say(f"{path} is not SiftFlow's: moved to {aside}.")
