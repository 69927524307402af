"""Opens a folder of photos and masks, from whatever tool they come, as a data set like `helpers.siftflow.SiftFlow`.

    data = masks.open("my_photos")    # photos and masks, or photos and a tool's annotations
    print(data.report())              # what was found, why it was read so, and what looks wrong

What cannot be decided is asked for: a `MasksError` names the file and the cure, and nothing is guessed in silence. In
memory a label is ``uint8 (row, col)``: 0 … n-1, the classes in the order of `class_names`, or 255, void. A photo is
turned upright as its EXIF orientation says, and its mask must have that size.

`helpers.formats` has a reader for each format. This file needs NumPy and Pillow; neither Keras nor TensorFlow.
"""

import copy
import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from PIL import Image

from helpers.classes import VOID
from helpers.formats import checks, find, pictures, split, survey
from helpers.formats.folder import Folder, MasksError  # noqa: F401


def open(root, classes=None, colours=None, void=None):
    """Opens a folder of photos and their masks or annotations; each is looked at once, and nothing in it is changed.

    It reads index masks (PNG of all modes, BMP, GIF, TIFF), colour masks with a table, Cityscapes, ADE20K, one mask
    file per class, labelme, COCO, Supervisely and Label Studio JSON, Roboflow's and Kaggle's CSV, and MATLAB files.
    A photo and its mask are a pair by their names, in folders such as images/ and masks/, or with an ending such as
    ``_mask``.

    Args:
        root: the folder.
        classes: the class names in label order. For masks that hold numbers, the first is number 0, or 1 where 0 never
            occurs; {number: name} says which is which. For annotations, "background" is put before them if it is not
            among them.
        colours: for colour masks {class name: (R, G, B)}, a list in the order of `classes`, or the name of a table:
            "voc", "camvid", "cityscapes" or "ade20k". By default, a labelmap.txt or class_dict.csv in the folder.
        void: what stands for void: a number (by default 255), a colour, "transparent", or an annotation's class.

    Returns:
        A `Masks`.

    Raises:
        MasksError: it cannot be decided which mask is whose or which class is which, or a file is damaged.
    """
    folder = Folder(root)
    reader = find.reader(folder, classes=classes, colours=colours, void=void)
    facts, cache = survey.of(folder, reader, repr((classes, colours, void)))
    return Masks(folder, reader, facts, cache)


class Masks:
    """Photos and their labels, opened by `open`.

    Attributes:
        root: the folder.
        class_names: a list of n names, in label order.
        size: (rows, cols) that all pictures have, or None where sizes differ.
        alike: {name: the first name of its group of near-duplicates}, of the photos as they are, without void around.
        stand_in: False; the synthetic scenes have True here.
    """

    stand_in = False

    def __init__(self, folder, reader, facts, cache):
        self.root, self._reader, self._facts, self._padded = folder.root, reader, facts, None
        self._coding = reader.coding(facts)
        self.class_names = self._coding.class_names
        self._counts = {name: self._labels_of(fact) for name, fact in facts.items()}
        present = {name: set(counts) - {VOID} for name, counts in self._counts.items()}
        self._sides, self._how, self.alike, self._kept_in = split.decide(folder, facts, present, reader.split)
        sizes = {(fact.rows, fact.cols) for fact in facts.values()}
        self.size = sizes.pop() if len(sizes) == 1 else None
        if cache and not cache.exists():
            survey.keep(cache, facts)

    def __repr__(self):
        counts = f"{len(self.names('train'))} train, {len(self.names('test'))} test"
        return f"<{self._reader.format}: {len(self.class_names)} classes, {counts}, in {self.root}>"

    def names(self, split):
        """The sorted names of the "train" or "test" photos."""
        if split not in ("train", "test"):
            raise ValueError(f'split is {split!r}; it is "train" or "test". (Validation: helpers.pipeline.load.)')
        return sorted(name for name, side in self._sides.items() if side == split)

    def image(self, name):
        """The photo `name`, upright: uint8 (row, col, RGB)."""
        self._known(name)
        image = self._as_opened(name, pictures.photo(path := self.root / self._reader.pairs[name].photo), path)
        return image if self._padded is None else pictures.fitted(image, self._padded, Image.Resampling.BILINEAR, 0)

    def label(self, name):
        """The class of every pixel of `name`: uint8 (row, col), 0 … n-1, or 255 for void.

        Raises:
            MasksError: the file has changed since the folder was opened, and cannot be read any more.
        """
        self._known(name)
        path, fact = self._reader.path(name), self._facts[name]
        mask = self._reader.read(name, (fact.rows, fact.cols))
        label = self._as_opened(name, self._coding.apply(mask.raw, path), path)
        return label if self._padded is None else pictures.fitted(label, self._padded, Image.Resampling.NEAREST, VOID)

    def load(self, split):
        """All of a split, or of a list of names, at once.

        Returns:
            images uint8 (n, row, col, RGB) and labels uint8 (n, row, col).

        Raises:
            MasksError: the pictures have several sizes; see `at`.
        """
        names = self.names(split) if isinstance(split, str) else list(split)
        for name in names:
            self._known(name)
        size = self._padded or self._one_size(names)
        images, labels = np.empty((len(names), *size, 3), np.uint8), np.empty((len(names), *size), np.uint8)
        with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:

            def read(i):
                images[i], labels[i] = self.image(names[i]), self.label(names[i])

            list(pool.map(read, range(len(names))))
        return images, labels

    def at(self, size):
        """The same data set with all pictures in one size, for `helpers.pipeline.load`, nothing cut off or distorted.

        A photo is made smaller or larger, bilinearly, until it fits, and its label by the nearest pixel; what is left
        over below or to the right is black and void.

        Args:
            size: rows and columns, one number for both or a pair, each 16 or more.
        """
        pair = [size, size] if np.ndim(size) == 0 else list(size)
        if len(pair) != 2 or not all(isinstance(side, (int, np.integer)) and side >= 16 for side in pair):
            raise ValueError(f"size is {size!r}; rows and columns must be whole numbers, 16 or more.")
        resized = copy.copy(self)
        resized.size = resized._padded = (int(pair[0]), int(pair[1]))
        return resized

    def pixel_counts(self, split):
        """How many pixels of each class a split has in its files, as they are: int64 (n,). Void is not counted."""
        total = np.zeros(len(self.class_names), np.int64)
        for name in self.names(split):
            for label, (pixels, _) in self._counts[name].items():
                if label != VOID:
                    total[label] += pixels
        return total

    def report(self):
        """What was found, why it was read so, classes and their shares, and what looks wrong: a text of some lines."""
        total = checks.totals(self._counts)
        pixels = sum(count for count, _ in total.values())
        labelled = max(1, pixels - total.get(VOID, (0, 0))[0])
        why = [*self._reader.why, *self._coding.why]
        lines = [f"Format: {self._reader.format}, in {self.root}.", *(f"  {sentence}" for sentence in why)]
        lines += [f"Pairs: {len(self._facts)} photos, each with its labels. {self._sizes()}"]
        lines += [f"Split: {len(self.names('train'))} train, {len(self.names('test'))} test. {self._how}"]
        lines += [f"  It is written down in {self._kept_in}."] if self._kept_in else []
        lines += ["Classes, with their share of the labelled pixels, and in how many photos:"]
        for label, name in enumerate(self.class_names):
            count, photos = total.get(label, (0, 0))[0], sum(label in counts for counts in self._counts.values())
            lines.append(f"  {label:3d}  {name:24s} {100 * count / labelled:6.2f} %  {photos:6d}")
        lines += [f"Void: {100 * total.get(VOID, (0, 0))[0] / max(1, pixels):.2f} % of all pixels."]
        found = checks.suspicions(self._facts, self._coding, self._counts, self._sides, self.alike)
        wrong = self._reader.warnings + found
        return "\n".join(
            [*lines, *(["What looks wrong:"] if wrong else ["Nothing looks wrong."]), *(f"  - {w}" for w in wrong)]
        )

    def _sizes(self):
        if self.size:
            return f"All {'are resized to' if self._padded else 'have'} {self.size[1]}x{self.size[0]} pixels."
        rows, cols = zip(*((fact.rows, fact.cols) for fact in self._facts.values()), strict=True)
        return f"They have {min(cols)}x{min(rows)} to {max(cols)}x{max(rows)} pixels."

    def _labels_of(self, fact):
        """The pixels of each label in a mask, and those inside areas: {label: (pixels, inside)}."""
        counts = {}
        for value, (pixels, inner) in fact.values.items():
            before = counts.get(label := self._coding.labels[value], (0, 0))
            counts[label] = (before[0] + pixels, before[1] + inner)
        return counts

    def _known(self, name):
        if name not in self._facts:
            raise MasksError(f"No photo called {name!r} in {self.root}: names('train') and names('test') list all.")

    def _as_opened(self, name, picture, path):
        """The picture itself, if it has the size that the photo had when the folder was opened."""
        if picture.shape[:2] != (self._facts[name].rows, self._facts[name].cols):
            raise MasksError(f"{path} has changed its size since the folder was opened: open it anew.")
        return picture

    def _one_size(self, names):
        sizes = {(self._facts[name].rows, self._facts[name].cols): name for name in names}
        if len(sizes) > 1:
            (first, one), (second, other) = list(sizes.items())[:2]
            raise MasksError(
                f"{one} has {first[1]}x{first[0]} pixels and {other} {second[1]}x{second[0]}, and an array holds "
                "pictures of one size: load from data.at(256), which gives all of them 256x256 with void around."
            )
        return next(iter(sizes), (0, 0))
