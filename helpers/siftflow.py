"""Opens the SiftFlow data set: its standard split, its images, and their label maps.

SiftFlow (Liu, Yuen, Torralba, "Nonparametric Scene Parsing", CVPR 2009; also "SIFT Flow" or "LMO") is 2,688
outdoor photographs of 256x256 pixels, each with a class for most of its pixels. On disk, as its authors publish it::

    Images/<folder>/<name>.jpg           256x256 RGB photograph
    SemanticLabels/<folder>/<name>.mat   MATLAB file, variable S: 256x256 integers, 0 = unlabelled, 1-33 = class
    TestSet1.txt                         the 200 test images, one ``<folder>\\<name>.jpg`` a line; the rest train

In memory a label is ``uint8 (row, col)``: 0-32 (the file's number minus one), or 255, `VOID`, where unlabelled.
This file needs NumPy and Pillow; neither Keras nor TensorFlow.
"""

import io
import json
import os
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

from helpers.classes import CLASS_NAMES, N_CLASSES, TRAIN_PIXELS, VOID  # noqa: F401
from helpers.fetch import cache, layout
from helpers.fetch.images import decode_image
from helpers.fetch.labelmaps import decode_label
from helpers.fetch.layout import FULLY_VOID, SCENES_MARKER, SiftFlowError, data_folder, locate  # noqa: F401


class SiftFlow:
    """A data set in SiftFlow's layout, opened from `root` or from one of its direct children.

    Opening lists the files and pairs images with labels; pixels are read, and checked, on demand.

    Attributes:
        root: the folder that holds ``Images/``.
        class_names: `CLASS_NAMES`, in label order.
        stand_in: True for the synthetic scenes of `helpers.scenes`, False for photographs.
        size: pixels per side: 256, or what the stand-in was drawn at.

    Raises:
        SiftFlowError: nothing to open here, an image without label or the reverse, no or a wrong ``TestSet1.txt``.
    """

    class_names = CLASS_NAMES

    def __init__(self, root):
        self.root = locate(root)
        if self.root is None:
            raise SiftFlowError(
                f"No SiftFlow data in {root}: neither it nor a folder directly inside holds Images/ and "
                "SemanticLabels/. Point SIFTFLOW_DIR at the unpacked data set, or use helpers.scenes.make()."
            )
        marker = self.root / SCENES_MARKER
        self.stand_in = marker.exists()
        try:
            self.size = json.loads(marker.read_text())["size"] if self.stand_in else 256
        except (ValueError, KeyError) as error:
            raise SiftFlowError(f"{marker} is damaged: remove {self.root}, and make the scenes again.") from error
        self._images, self._labels = layout.pairs(self.root)
        self._test = layout.test_names(self.root, self._images, self._cure)

    def __repr__(self):
        kind = "synthetic scenes" if self.stand_in else "SiftFlow"
        return f"<{kind}: {len(self.names('train'))} train, {len(self.names('test'))} test, in {self.root}>"

    def names(self, split):
        """The sorted names of the "train" or "test" images; the two fully void training images are left out."""
        if split not in ("train", "test"):
            raise ValueError(f'split is {split!r}; it is "train" or "test". (Validation: helpers.pipeline.load.)')
        is_test = split == "test"
        return [n for n in sorted(self._images) if (n in self._test) == is_test and n not in FULLY_VOID]

    def image(self, name):
        """The photograph `name`: uint8 (row, col, RGB)."""
        return self._decode_image(self._path(self._images, name).read_bytes(), self._images[name])

    def label(self, name):
        """The class of every pixel of `name`: uint8 (row, col), 0-32, or 255 where unlabelled."""
        path = self._path(self._labels, name)
        try:
            return decode_label(path.read_bytes(), self.size)
        except OSError as error:
            raise SiftFlowError(f"{path} cannot be read ({error.strerror}): {self._cure}.") from error
        except ValueError as error:
            raise SiftFlowError(f"{path} {error}: {self._cure}.") from error

    def load(self, split):
        """All of a split, or of a list of names, at once.

        Returns:
            images uint8 (n, row, col, RGB) and labels uint8 (n, row, col). All of SiftFlow's training set is 650 MB.
        """
        names = self.names(split) if isinstance(split, str) else list(split)
        paths = [self._path(self._images, name) for name in names]
        images = np.empty((len(names), self.size, self.size, 3), np.uint8)
        labels = np.empty((len(names), self.size, self.size), np.uint8)
        with zipfile.ZipFile(self._archive()) as archive, ThreadPoolExecutor(4) as pool:

            def read(i):
                images[i] = self._decode_image(archive.read(names[i] + ".jpg"), paths[i])
                labels[i] = np.asarray(Image.open(io.BytesIO(archive.read(names[i] + ".png"))))

            list(pool.map(read, range(len(names))))
        return images, labels

    def pixel_counts(self, split):
        """How many pixels of each class a split has: int64 (33,). Void pixels are not counted."""
        counts = np.zeros(256, np.int64)
        with zipfile.ZipFile(self._archive()) as archive:
            for name in self.names(split):
                label = np.asarray(Image.open(io.BytesIO(archive.read(name + ".png"))))
                counts += np.bincount(label.ravel(), minlength=256)
        return counts[:N_CLASSES]

    @property
    def _cure(self):
        if self.stand_in:
            return f"remove {self.root}, and make the scenes again"
        return f"replace this file by the one from the data set, or run python -m helpers.siftflow get {self.root}"

    def _path(self, paths, name):
        if name not in paths:
            raise SiftFlowError(f"No image called {name!r} in {self.root}: names('train') and names('test') list all.")
        return paths[name]

    def _decode_image(self, jpeg, path):
        try:
            return decode_image(jpeg, self.size)
        except ValueError as error:
            raise SiftFlowError(f"{path} {error}: {self._cure}.") from error

    def _archive(self):
        return cache.archive_of(self.root, self._images, self._labels, self.label)


def find():
    """The real data set, from the first place that has it.

    Looks in the environment variable ``SIFTFLOW_DIR``; in ``data/`` of this project and of the working directory; then
    in the working directory and every folder above it. Passes over the stand-in scenes, unless SIFTFLOW_DIR names them.

    Raises:
        SiftFlowError: it is nowhere; or it is found, but damaged.
    """
    if named := os.environ.get("SIFTFLOW_DIR"):
        return SiftFlow(named)
    for root in layout.places():
        return SiftFlow(root)
    raise SiftFlowError(
        f"SiftFlow was not found: not in SIFTFLOW_DIR (not set), {layout.data_folder()}, {Path.cwd()} or the folders "
        f"above. L{layout.HOW_TO_GET[1:]}, unpack it into data/, or set SIFTFLOW_DIR to its folder."
    )


def get(root=None, source=None, progress=True):
    """The real data set, whole: found, else copied or downloaded, every image and label compared with the published.

    Without arguments it takes what `find` finds, if that is whole; else it fills ``data/``: from a zip archive lying
    there or in a mounted Google Drive, else from the net (`helpers.fetch.sources.SOURCES`, in this order). Only what is
    missing or damaged is fetched. Whatever interrupts it, the next call goes on from there.

    Args:
        root: the folder to fill, if not ``data/``. The set goes into a folder ``SiftFlowDataset`` in it, unless `root`
            has that name or holds a data set already. Nothing outside is written.
        source: where from, and from nowhere else: a zip archive or folder on this machine, or a zip's http address.
            The authors' layout and those of the two GitHub copies are understood.
        progress: print what happens, and show bytes, rate and time left.

    Returns:
        `SiftFlow`, of 2,688 images with the standard split, the same files whatever the source.

    Raises:
        SiftFlowError: it cannot be had, or not kept; names what is missing and what to do.
    """
    from helpers.fetch import getting  # only here: it brings the downloader along

    return SiftFlow(getting.get(root, source, progress))


def verify(root=None):
    """Compares every image and label in `root` (default: where `find` looks) with the published data set.

    Returns:
        `helpers.fetch.verify.Report`: what is missing, damaged and extra; ``.whole`` if nothing is. Takes some seconds.

    Raises:
        SiftFlowError: `root` holds scenes, or nothing at all.
    """
    from helpers.fetch import verify

    return verify.verify(root)


if __name__ == "__main__":  # python -m helpers.siftflow get
    from helpers.fetch.command import main

    main()
