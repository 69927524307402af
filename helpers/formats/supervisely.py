"""Supervisely's projects: meta.json with the classes, and for each photo ``img/NAME`` and ``ann/NAME.json``.

A bitmap is base64 of zlib of a small PNG with its origin. A polygon holds the pixels that its outline touches, where a
sloping border may differ by a pixel from Supervisely's own; its interiors are holes. A later object lies on top.
"""

import base64
import zlib

import numpy as np

from helpers.formats import filling, pairing, pictures
from helpers.formats.folder import PICTURES, MasksError
from helpers.formats.reader import Annotations

_MOST = 64 << 20  # bytes of one bitmap's PNG


class Supervisely(Annotations):
    """A Supervisely project, or one of its data sets beside its meta.json."""

    format = "Supervisely"

    @classmethod
    def of(cls, folder, meta, files, **options):
        """Reads a project.

        Args:
            folder: the `Folder`.
            meta: the path of meta.json, and its content.
            files: {JSON file of a photo: its content}.
            options: as in `helpers.masks.open`.

        Raises:
            MasksError: a photo without annotation or the reverse; an object of no known class.
        """
        reader = cls(folder, **options)
        reader.files = files
        places = {file: _photo_place(file) for file in files}
        photos = {file: file for file in folder.with_suffix(*PICTURES) if "/masks_" not in f"/{file}"}
        sources = {place: file for file, place in places.items()}
        reader.pairs = pairing.matched(folder, photos, sources, what="annotation")
        reader.split = pairing.splits(reader.pairs)
        try:
            names = [one["title"] for one in meta[1]["classes"]]
        except (KeyError, TypeError) as error:
            raise MasksError(
                f"{folder.path(meta[0])} has a class without title: download the project again."
            ) from error
        for file in files:
            for one in reader._objects(file):
                if one.get("classTitle") not in names:
                    raise MasksError(
                        f"{folder.path(file)} has an object of the class {one.get('classTitle')!r}, which meta.json "
                        "lacks."
                    )
        reader.number_classes(names, folder.path(meta[0]))
        reader.why.append(f"{meta[0]} lists classes, and {len(files)} files in ann/ have objects.")
        return reader

    def _objects(self, file):
        objects = self.files[file].get("objects")
        if not isinstance(objects, list) or not all(isinstance(one, dict) for one in objects):
            raise MasksError(f"{self.folder.path(file)} has no list of objects: download the project again.")
        return objects

    def read(self, name, shape):
        """Paints the objects of a photo, the later on top."""
        file = self.pairs[name].source
        size = self.files[file].get("size")
        size = size if isinstance(size, dict) else {}
        self.check_size(name, (size.get("height"), size.get("width")), shape, self.folder.path(file))
        canvas = self.canvas(shape)
        for one in self._objects(file):
            where = f"{self.folder.path(file)}, object {one['classTitle']!r},"
            corner, area = _area(one, shape, where)
            canvas.paint(area, self.number(one["classTitle"]), *corner)
        return canvas.mask()


def _photo_place(file):
    """Where the photo of ``…/ann/NAME.jpg.json`` lies: ``…/img/NAME.jpg``."""
    parts = file.removesuffix(".json").split("/")
    return "/".join([*parts[:-2], "img", parts[-1]])


def _area(one, shape, where):
    """The corner (top, left) and the pixels of an object."""
    kind = one.get("geometryType")
    if kind == "bitmap":
        try:
            left, top = one["bitmap"]["origin"]
            return (int(top), int(left)), bitmap(one["bitmap"]["data"], where)
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            if isinstance(error, MasksError):
                raise
            raise MasksError(f"{where} has a bitmap without origin or data: download the project again.") from error
    given = one.get("points")
    given = given if isinstance(given, dict) else {}
    if kind == "polygon":
        area = filling.with_border(filling.points(given.get("exterior") or [], where), shape)
        holes = given.get("interior") or []
        for hole in holes if isinstance(holes, list) else [holes]:
            area &= ~filling.with_border(filling.points(hole, where), shape)
        return (0, 0), area
    if kind == "rectangle":
        (x0, y0), (x1, y1) = filling.points(given.get("exterior") or [], where, 2)[:2]
        return (0, 0), filling.with_border([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], shape)
    raise MasksError(f"{where} is of the kind {kind!r}, which is not read here: turn it into a bitmap in Supervisely.")


def bitmap(text, where):
    """The pixels of a bitmap's text: bool (row, col).

    Raises:
        MasksError: it is damaged, or excessively large.
    """
    try:
        packed = base64.b64decode(text, validate=True)
        stream = zlib.decompressobj()
        data = stream.decompress(packed, _MOST)
    except (ValueError, TypeError, zlib.error) as error:
        raise MasksError(f"{where} has a bitmap that is damaged ({error}): download the project again.") from error
    if stream.unconsumed_tail:
        raise MasksError(f"{where} has a bitmap of more than {_MOST / 1e6:.0f} MB: download the project again.")
    with pictures.opened(where, data) as picture:
        if picture.mode in ("1", "L", "P"):
            return np.asarray(picture) > 0
        return np.asarray(picture.convert("RGBA"))[..., 3] > 0
