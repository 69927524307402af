"""Label Studio's JSON export: strokes of its brush, and polygons and rectangles in per cent of the photo's size.

A pixel is painted where the brush's opacity is at least half. Outlines are filled by pixel centres. A later result lies
on top. Its export to COCO leaves brush strokes out, and its PNG files have no photo's name, so this JSON is read.
"""

import math
import re
from pathlib import PurePosixPath
from urllib.parse import parse_qs, unquote, urlparse

from helpers.formats import filling, pairing, runs
from helpers.formats.folder import PICTURES, MasksError, composed
from helpers.formats.reader import Annotations

_KINDS = ("brushlabels", "polygonlabels", "rectanglelabels")
_UNLABELLED = ("brush", "polygon", "rectangle", "ellipse", "keypoint", "bitmask", "vector")  # areas without a label


def is_label_studio(content):
    """Whether the content of a JSON file is an export of Label Studio."""
    return (
        isinstance(content, list)
        and bool(content)
        and all(
            isinstance(task, dict) and "data" in task and ("annotations" in task or "completions" in task)
            for task in content
        )
    )


class LabelStudio(Annotations):
    """Photos, and one or more JSON exports of Label Studio."""

    format = "Label Studio JSON"

    @classmethod
    def of(cls, folder, files, **options):
        """Reads a folder in which these files are Label Studio's: {JSON file: its content}.

        Raises:
            MasksError: a task's photo is missing, a task has several annotations, or a photo has no task.
        """
        reader = cls(folder, **options)
        sources, found = {}, set()
        for file, tasks in files.items():
            for task in tasks:
                where = f"{folder.path(file)}, task {task.get('id')},"
                photo = reader._photo(task, file, where)
                if photo in sources:
                    raise MasksError(f"{where} is of the photo {photo}, as another task is: remove one.")
                results = _results(task, where)
                sources[photo] = (file, where, results)
                found |= {label for one in results for label in _labels(one, where)}
        photos = {file: file for file in folder.with_suffix(*PICTURES)}
        reader.pairs = pairing.matched(folder, photos, sources, what="task")
        reader.split = pairing.splits(reader.pairs)
        reader.number_classes(sorted(found), folder.path(next(iter(files))))
        reader.why.append(
            f"{len(files)} JSON files are lists of tasks with annotations. Classes are in the alphabet's order."
        )
        return reader

    def _photo(self, task, file, where):
        """The photo of a task; Label Studio puts eight signs before the name of an uploaded one."""
        data = task["data"] if isinstance(task["data"], dict) else {}
        texts = [v for v in data.values() if isinstance(v, str) and PurePosixPath(_name(v)).suffix.lower() in PICTURES]
        if len(texts) != 1:
            raise MasksError(
                f"{where} names {len(texts)} pictures, and it must be one: export tasks with one photo each."
            )
        name = _name(texts[0])
        if name not in self.folder.by_name:
            name = re.sub(r"^[0-9a-f]{8}-", "", name)
        return self.folder.inside(name, file, file.rpartition("/")[0], "images", "")

    def path(self, name):
        """The path of the JSON file that has a photo's task."""
        return self.folder.path(self.pairs[name].source[0])

    def read(self, name, shape):
        """Paints the results of a photo, the later on top."""
        _, where, results = self.pairs[name].source
        canvas = self.canvas(shape)
        for one in results:
            said = (one.get("original_height"), one.get("original_width"))
            self.check_size(name, said, shape, where)
            if one.get("image_rotation"):
                raise MasksError(
                    f"{where} was drawn on a photo that was turned in Label Studio: turn it back there, or turn the "
                    "photo itself, and annotate it anew."
                )
            canvas.paint(_area(one, shape, where), self.number(_labels(one, where)[0]))
        return canvas.mask()


def _name(text):
    """The file's name in an address such as /data/upload/3/1b2c3d4e-cat.jpg or /data/local-files/?d=photos/cat.jpg."""
    address = urlparse(text)
    path = parse_qs(address.query).get("d", [address.path])[0]
    return composed(unquote(path).replace("\\", "/").rsplit("/", 1)[-1])


def _results(task, where):
    done = task.get("annotations", task.get("completions"))
    if not isinstance(done, list) or not all(isinstance(one, dict) for one in done):
        raise MasksError(f"{where} has no list of annotations: export the project again.")
    done = [one for one in done if not one.get("was_cancelled")]
    if len(done) != 1:
        raise MasksError(f"{where} has {len(done)} annotations, and it must be one: keep one of them in Label Studio.")
    results = done[0].get("result") or []
    if not isinstance(results, list) or not all(isinstance(one, dict) for one in results):
        raise MasksError(f"{where} has no list of results: export the project again.")
    return [one for one in results if str(one.get("type", "")).endswith("labels") or one.get("type") in _UNLABELLED]


def _labels(one, where):
    kind, value = one.get("type"), one.get("value")
    labels = value.get(kind) if isinstance(value, dict) else None
    if kind not in _KINDS or not isinstance(labels, list) or list(map(type, labels)) != [str]:
        raise MasksError(
            f"{where} has a result of the kind {kind!r}, or without one label: annotate with brush or polygon."
        )
    return labels


def _area(one, shape, where):
    value, (rows, cols) = one["value"], shape
    if one["type"] == "brushlabels":
        if value.get("format") != "rle":
            raise MasksError(f"{where} has brush strokes that are no run lengths: export the project as JSON.")
        return runs.label_studio(value.get("rle"), shape, where) >= 128
    if one["type"] == "rectanglelabels":
        try:
            x, y, wide, high = (float(value[key]) for key in ("x", "y", "width", "height"))
            angle = math.radians(float(value.get("rotation") or 0))
        except (KeyError, TypeError, ValueError) as error:
            raise MasksError(f"{where} has a rectangle without place or size: export the project again.") from error
        x, y, wide, high = x * cols / 100, y * rows / 100, wide * cols / 100, high * rows / 100
        right, down = (math.cos(angle), math.sin(angle)), (-math.sin(angle), math.cos(angle))
        steps = ((0, 0), (wide, 0), (wide, high), (0, high))
        outline = [(x + a * right[0] + b * down[0], y + a * right[1] + b * down[1]) for a, b in steps]
        return filling.by_centres(filling.points(outline, where), shape)
    outline = filling.points(value.get("points") or [], where)
    return filling.by_centres([(x * cols / 100, y * rows / 100) for x, y in outline], shape)
