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

_POINTS = {  # the least and the most that a kind of shape has
    "polygon": (3, math.inf), "oriented_rectangle": (4, 4), "rectangle": (2, 2), "circle": (2, 2), "line": (2, 2),
    "linestrip": (2, math.inf), "point": (1, 1),
}  # fmt: skip
_LINE, _POINT = 10, 5  # pixels: a line's width, and a point's radius
_WIDEST = 100_000  # pixels: the largest radius of a circle, since Pillow takes very long for one of a million


def without_photo(content):
    """The content of a JSON file without labelme's own copy of the photo: all files together may not fit in memory."""
    if not isinstance(content, dict):
        return content
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
        listed, file = tables.names_by_number(folder) if reader.classes is None else (None, None)
        reader.number_classes(reader._in_order(found, listed, file), folder.path(next(iter(files))))
        reader.why.append(
            f"{len(files)} JSON files have shapes and an imagePath. A pixel that an outline touches is in it."
        )
        return reader

    def _in_order(self, found, listed, file):
        """The classes in the order of the folder's list, if there is one; it must have them all."""
        if listed is None:
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
    if kind not in _POINTS:
        raise MasksError(f"{where} is of the kind {kind!r}, which is not read here: draw it as a polygon in labelme.")
    least, most = _POINTS[kind]
    points = filling.points(shape.get("points") or [], where, least)
    if len(points) > most and not (kind == "rectangle" and _is_upright(points)):
        raise MasksError(
            f"{where} is a {kind} of {len(points)} points, and it must have {most}: draw it anew in labelme."
        )
    if kind in ("polygon", "oriented_rectangle"):
        return filling.with_border(points, size)
    area = Image.new("1", size[::-1])
    draw = ImageDraw.Draw(area)
    (x, y), (x1, y1) = points[0], points[len(points) // 2]  # of four corners, the opposite one
    if kind == "rectangle":
        draw.rectangle([min(x, x1), min(y, y1), max(x, x1), max(y, y1)], fill=1, outline=1)
    elif kind in ("line", "linestrip"):
        draw.line(points, fill=1, width=_LINE)
    else:
        radius = _POINT if kind == "point" else math.hypot(x1 - x, y1 - y)
        if radius > _WIDEST:
            raise MasksError(f"{where} is a circle that is wider than any picture: correct or remove that shape.")
        draw.ellipse([x - radius, y - radius, x + radius, y + radius], fill=1, outline=1)
    return np.array(area)


def _is_upright(points):
    """Whether points are the four corners of a rectangle, one after another, as X-AnyLabeling writes them."""
    sides = [(a[0] == b[0], a[1] == b[1]) for a, b in zip(points, points[1:] + points[:1], strict=True)]
    return len(points) == 4 and sides[:2] == sides[2:] and sorted(sides[:2]) == [(False, True), (True, False)]


def _small_mask(shape, where):
    """The corner (top, left) and the pixels of a shape that labelme keeps as a small PNG."""
    (left, top), _ = filling.points(shape.get("points") or [], where, 2)[:2]
    try:
        data = base64.b64decode(shape.get("mask") or "", validate=True)
    except (TypeError, ValueError) as error:
        raise MasksError(f"{where} has a mask that is damaged: draw it again in labelme.") from error
    with pictures.opened(where, data) as picture:
        return (int(top), int(left)), np.asarray(picture.convert("L")) > 0
