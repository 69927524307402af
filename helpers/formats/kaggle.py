"""Kaggle's CSV files of run lengths: one line a photo, or one line a photo and class.

Lengths count down the columns, from 1. A photo whose lines are all empty is background. Names are text, so 0012 stays.
"""

from pathlib import PurePosixPath

from helpers.formats import pairing, runs
from helpers.formats.folder import PICTURES, MasksError, composed
from helpers.formats.reader import Annotations

_RUNS = ("encodedpixels", "rle", "rle_mask", "encoded_pixels", "segmentation", "rle_encoding", "annotation")
_PHOTO = ("imageid", "image_id", "id", "image", "img", "filename", "file_name", "imageid_classid", "image_label")
_CLASS = ("classid", "class_id", "class", "label", "category")


def columns(header):
    """The columns of photo, class (or None) and run lengths in a CSV file's header, or None where it has none."""
    low = {name.lower(): name for name in header if name}
    found = [next((low[name] for name in names if name in low), None) for names in (_PHOTO, _CLASS, _RUNS)]
    return found if found[0] and found[2] else None


def is_kaggle(text):
    """Whether the text of a CSV file begins with such a header."""
    header = text[:1000].splitlines()[:1] or [""]
    return columns([name.strip().strip('"') for name in header[0].split(",")]) is not None


class Kaggle(Annotations):
    """A folder of photos and one CSV file of run lengths."""

    format = "Kaggle run lengths (CSV)"

    @classmethod
    def of(cls, folder, file, **options):
        """Reads a folder with such a file.

        Raises:
            MasksError: a line without photo, a photo without line, a damaged line.
        """
        reader = cls(folder, **options)
        rows = folder.rows(file)
        names = columns(rows[0]) if rows else None
        if names is None:
            raise MasksError(f"{folder.path(file)} has a header and no line: export it again.")
        reader.file = file
        sources, joined = {}, names[1] is None and names[0].lower() in ("imageid_classid", "image_label")
        for number, row in enumerate(rows, 2):
            photo, kind, text = row[names[0]], row[names[1]] if names[1] else "class 1", row[names[2]]
            if joined:
                photo, _, kind = photo.rpartition("_")
            where = f"{folder.path(file)}, line {number},"
            if not photo or (text and not kind):
                raise MasksError(f"{where} names no photo or no class: correct it.")
            sources.setdefault(reader._photo(photo, where), []).append((kind, text, where))
        photos = {photo: photo for photo in folder.with_suffix(*PICTURES)}
        reader.pairs = pairing.matched(folder, photos, sources, what="line of run lengths")
        reader.split = pairing.splits(reader.pairs)
        kinds = {kind for lines in sources.values() for kind, text, _ in lines if text or joined}
        reader.number_classes(sorted(kinds, key=_in_order), folder.path(file))
        reader.why.append(f"{file} has the columns {names[0]} and {names[2]}. Run lengths go down the columns, from 1.")
        return reader

    def _photo(self, text, where):
        if "." in text and PurePosixPath(text).suffix.lower() in PICTURES:
            return self.folder.inside(text, self.file, "", "images", "train")
        files = self.folder.pictures_by_stem.get(composed(text), [])
        if len(files) != 1:
            raise MasksError(
                f"{where} names {text!r}, and {len(files)} photos have that name: copy or rename the photo."
            )
        return files[0]

    def path(self, name):
        """The path of the CSV file."""
        return self.folder.path(self.file)

    def read(self, name, shape):
        """Paints the lines of a photo, the later on top."""
        canvas = self.canvas(shape)
        for kind, text, where in self.pairs[name].source:
            if text and text != "-1":
                canvas.paint(runs.kaggle(text, shape, where), self.number(kind))
        return canvas.mask()


def _in_order(kind):
    return (0, int(kind), "") if kind.isdigit() else (1, 0, kind)
