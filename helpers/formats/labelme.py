"""labelme's JSON files, one beside each photo: outlines, rectangles, circles, lines, points and small masks.

As in labelme, a pixel that an outline touches belongs to it, a later shape lies on top, a line is 10 pixels wide, and a
point is a disc. Class numbers are the same in all files, where labelme 5's own export numbers each file anew.
"""

import base64
import math

import numpy as np
from PIL import Image, ImageDraw

from helpers.formats import filling, pairing, pictures, tables
from helpers.formats.folder import PICTURES, MasksError
from helpers.formats.reader import Annotations

_LINE, _POINT = 10, 5  # pixels: a line's width, and a point's radius


def without_photo(content):
    """The content of a JSON file without labelme's own copy of the photo, which may be large."""
    return {key: value for key, value in content.items() if key != "imageData"}


class Labelme(Annotations):
    """A folder of photos and labelme's JSON files."""

    format = "labelme JSON"

    @classmethod
    def of(cls, folder, files, **options):
        """Reads a folder in which these files are labelme's.

        Args:
            folder: the `Folder`.
            files: {JSON file: its content}.
            options: classes, colours and void, as in `helpers.masks.open`.

        Raises:
            MasksError: a JSON file without photo or the reverse; a shape without class.
        """
        reader = cls(folder, **options)
        reader.files = files
        photos = {file: file for file in folder.with_suffix(*PICTURES)}
        used = {}
        for file, content in files.items():
            base = file.rpartition("/")[0]
            photo = folder.inside(content.get("imagePath") or "", file, base, "")
            if photo in used:
                raise MasksError(f"{folder.path(file)} and {used[photo]} are both of the photo {photo}: remove one.")
            used[photo] = file
        reader.pairs = pairing.matched(folder, photos, used, what="JSON file")
        reader.split = pairing.splits(reader.pairs)
        found = sorted({reader._class_of(file, shape) for file in files for shape in reader._shapes(file)})
        listed, file = tables.names_by_number(folder)
        reader.number_classes(reader._in_order(found, listed, file), folder.path(next(iter(files))))
        reader.why.append(
            f"{len(files)} JSON files have shapes and an imagePath. A pixel that an outline touches is in it."
        )
        return reader

    def _in_order(self, found, listed, file):
        """The classes in the order of the folder's list, if there is one; it must have them all."""
        if listed is None or self.classes is not None:
            return found
        if missing := [name for name in found if name not in listed.values() and name not in tables.VOID_NAMES]:
            raise MasksError(
                f"{self.folder.path(file)} lacks the class {missing[0]!r} of the annotations: add it there."
            )
        self.why.append(f"The order of classes is from {file}.")
        return [*listed.values(), *(name for name in found if name in tables.VOID_NAMES)]

    def _shapes(self, file):
        shapes = self.files[file].get("shapes")
        if not isinstance(shapes, list) or not all(isinstance(shape, dict) for shape in shapes):
            raise MasksError(f"{self.folder.path(file)} has no list of shapes: save it again in labelme.")
        return shapes

    def _class_of(self, file, shape):
        name = shape.get("label")
        if not isinstance(name, str) or not name.strip():
            raise MasksError(f"{self.folder.path(file)} has a shape without a label: name its class in labelme.")
        return name

    def read(self, name, shape):
        """Paints the shapes of a photo, the later on top."""
        file = self.pairs[name].source
        content = self.files[file]
        self.check_size(name, (content.get("imageHeight"), content.get("imageWidth")), shape, self.folder.path(file))
        canvas = self.canvas(shape)
        for one in self._shapes(file):
            where = f"{self.folder.path(file)}, shape {one['label']!r},"
            number = self.number(one["label"])
            if one.get("shape_type") == "mask":
                corner, area = _small_mask(one, where)
                canvas.paint(area, number, *corner)
            else:
                canvas.paint(drawn(one, shape, where), number)
        return canvas.mask()


def drawn(shape, size, where):
    """The pixels of one of labelme's shapes other than a mask: bool (row, col) of `size`."""
    kind = str(shape.get("shape_type") or "polygon")
    least = {"polygon": 3, "rectangle": 2, "circle": 2, "line": 2, "linestrip": 2, "point": 1}.get(kind)
    least = 4 if kind == "oriented_rectangle" else least
    if least is None:
        raise MasksError(f"{where} is of the kind {kind!r}, which is not read here: draw it as a polygon in labelme.")
    points = filling.points(shape.get("points") or [], where, least)
    if kind in ("polygon", "oriented_rectangle"):
        return filling.with_border(points, size)
    area = Image.new("1", size[::-1])
    draw = ImageDraw.Draw(area)
    (x, y), (x1, y1) = points[0], points[min(1, len(points) - 1)]
    if kind == "rectangle":
        draw.rectangle([min(x, x1), min(y, y1), max(x, x1), max(y, y1)], fill=1, outline=1)
    elif kind in ("line", "linestrip"):
        draw.line(points, fill=1, width=_LINE)
    else:
        radius = _POINT if kind == "point" else math.hypot(x1 - x, y1 - y)
        draw.ellipse([x - radius, y - radius, x + radius, y + radius], fill=1, outline=1)
    return np.array(area)


def _small_mask(shape, where):
    """The corner (top, left) and the pixels of a shape that labelme keeps as a small PNG."""
    (left, top), _ = filling.points(shape.get("points") or [], where, 2)[:2]
    try:
        data = base64.b64decode(shape.get("mask") or "", validate=True)
    except (TypeError, ValueError) as error:
        raise MasksError(f"{where} has a mask that is damaged: draw it again in labelme.") from error
    with pictures.opened(where, data) as picture:
        return (int(top), int(left)), np.asarray(picture.convert("L")) > 0
