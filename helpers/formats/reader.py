"""What every reader of a format hands over, and how its labels get their numbers."""

import numpy as np

from helpers.classes import VOID
from helpers.formats import pictures
from helpers.formats.coding import Coding, class_list
from helpers.formats.folder import MasksError, some
from helpers.formats.tables import BACKGROUND, VOID_NAMES, check_names


class Reader:
    """A folder as one format understands it. A format is a subclass.

    Attributes:
        folder: the `Folder`.
        format: the format's name, for the report.
        why: sentences about why the folder was read so.
        pairs: {name: `helpers.formats.pairing.Pair`}.
        split: {name: "train", "validation" or "test"}, as far as the data set says itself.
        warnings: sentences about what looks wrong already when the folder is listed.
    """

    format = ""

    def __init__(self, folder, classes=None, colours=None, void=None):
        self.folder, self.classes, self.colours, self.void = folder, classes, colours, void
        self.why, self.pairs, self.split, self.warnings = [], {}, {}, []

    def read(self, name, shape):
        """The labels of a photo of that shape (row, col), as they stand in the file: a `pictures.Mask`."""
        raise NotImplementedError

    def coding(self, facts):
        """How what `read` gives becomes labels: a `Coding`."""
        raise NotImplementedError

    def path(self, name):
        """The path of the file that holds the labels of a photo, for messages."""
        return self.folder.path(self.pairs[name].source)


class Canvas:
    """A label on which areas are painted one after another: the later one lies on top, and what it hides is counted."""

    def __init__(self, label):
        self.label, self.touched, self.overlap = label, np.zeros(label.shape, bool), 0

    def paint(self, area, number, top=0, left=0):
        """Gives the pixels of a bool (row, col) with its corner at (top, left) a number; what is outside is cut off."""
        area = np.asarray(area, bool)[max(0, -top) :, max(0, -left) :]
        top, left = max(0, top), max(0, left)
        label, touched = (part[top:, left:][: area.shape[0], : area.shape[1]] for part in (self.label, self.touched))
        area = area[: label.shape[0], : label.shape[1]]
        self.overlap += int((area & touched & (label != number)).sum())
        label[area], touched[area] = number, True

    def mask(self):
        """What was painted, as a `pictures.Mask`."""
        return pictures.Mask(self.label, "index", "annotations", [], self.overlap)


class Annotations(Reader):
    """A format whose annotations name their classes; a pixel that no annotation covers is background, class 0.

    What is called "ignore" or "void" is void, unless the given classes have that name; ``__ignore__`` always is.

    A subclass calls `number_classes` with the names that occur, and paints with `number`.
    """

    def number_classes(self, found, where):
        """Gives every class name a label: those of `classes`, else of the data set, in its own order."""
        if self.colours is not None:
            raise MasksError(
                f"colours= is of no use for {self.format}, whose annotations name their classes: leave it out."
            )
        found = list(dict.fromkeys(found))
        if self.void is not None and self.void not in found:
            raise MasksError(f"void is {self.void!r}; for {self.format} it is the name of a class: {some(found, 30)}.")
        given = class_list(self.classes) if self.classes is not None else []
        said = [name for name in VOID_NAMES if name not in given or name == VOID_NAMES[0]]
        voids = {name for name in found if name == self.void or name in said}
        names = [name for name in found if name not in voids]
        if given:
            self._check_given(names, given, where)
            names = given
        ground = next((name for name in names if name.casefold() in BACKGROUND), None)
        if ground is None:
            if len(names) == 255:
                raise MasksError(
                    f"{where} and the others have 255 classes, and background is one more than a label can tell apart: "
                    'leave a class out, or name one of them "background".'
                )
            names = ["background", *names]
        elif self.classes is None:
            names = [ground, *(name for name in names if name != ground)]
        check_names(names, where)
        self.why.append("A pixel that no annotation covers is background.")
        if voids:
            self.why.append(f"Void is what is annotated as {some(sorted(voids))}.")
        self.class_names = names
        self.background = names.index(ground or "background")
        self._labels = {name: i for i, name in enumerate(names)} | dict.fromkeys(voids, VOID)

    def _check_given(self, named, names, where):
        for name in named:
            if name not in names:
                alike = [other for other in names if other.casefold() == name.casefold()]
                cure = f"write it as in the annotations, not {alike[0]!r}" if alike else "add it to classes"
                raise MasksError(f"{where} has the class {name!r}, which is not in classes, {some(names, 30)}: {cure}.")

    def number(self, name):
        """The label of a class name."""
        return self._labels[name]

    def canvas(self, shape):
        """A `Canvas` of that shape (row, col), with background everywhere."""
        return Canvas(np.full(shape, self.background, np.uint8))

    def coding(self, facts):
        """The labels are as they were painted."""
        labels = {i: i for i in range(len(self.class_names))} | {VOID: VOID}
        return Coding(self.class_names, labels, [])

    def check_size(self, name, said, shape, where):
        """Refuses annotations that were drawn on a picture of another size (row, col) than the photo's, upright."""
        if None in said or tuple(said) == tuple(shape):
            return
        turned = tuple(said)[::-1] == tuple(shape)
        why = (
            "since the tool did not turn the photo as its EXIF orientation says: turn the photo itself, and annotate "
            "it anew"
            if turned
            else "since the photo was resized or exchanged: put back the photo that was annotated"
        )
        raise MasksError(
            f"{where} was drawn on a picture of {said[1]}x{said[0]} pixels, and {self.pairs[name].photo} has "
            f"{shape[1]}x{shape[0]} upright, {why}."
        )
