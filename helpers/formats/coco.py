"""COCO's JSON: polygons and run lengths, several files for several splits.

COCO's pixels are counted by their centres, so the square (1, 1)-(3, 3) has 4; every pixel is as pycocotools has it. A
polygon inside another of the same annotation is filled, too, since COCO's polygons have no holes.
"""

import numpy as np

from helpers.formats import filling, pairing, runs
from helpers.formats.folder import PICTURES, MasksError, own_split
from helpers.formats.reader import Annotations


def is_coco(content):
    """Whether the content of a JSON file is COCO's."""
    return isinstance(content, dict) and {"images", "annotations", "categories"} <= content.keys()


class Coco(Annotations):
    """A folder of photos and COCO JSON files."""

    format = "COCO JSON"

    @classmethod
    def of(cls, folder, files, **options):
        """Reads a folder in which these files are COCO's: {JSON file: its content}.

        Raises:
            MasksError: a photo is missing or not listed, two files number classes differently, something is damaged.
        """
        reader = cls(folder, **options)
        reader.files, reader.annotations = files, {}
        photos, sources, categories = {}, {}, {}
        for file, content in files.items():
            reader._read_categories(file, content, categories)
            reader._read_images(file, content, photos, sources)
        on_disk = {file: file for file in folder.with_suffix(*PICTURES)}
        reader.pairs = pairing.matched(folder, on_disk, sources, what="entry in COCO's images")
        reader.split = {n: split for n, pair in reader.pairs.items() if (split := photos[pair.photo])}
        reader.categories = categories
        used = {annotation["category_id"] for of_one in reader.annotations.values() for annotation in of_one}
        names = [name for number, name in sorted(categories.items()) if number in used or not _is_group(number, files)]
        reader.number_classes(names, folder.path(next(iter(files))))
        reader.why.append(
            f"{len(files)} JSON files have images, annotations and categories. Pixels are as pycocotools has them."
        )
        reader._look_for_holes()
        return reader

    def _read_categories(self, file, content, categories):
        path = self.folder.path(file)
        try:
            found = [(one["id"], one["name"]) for one in content["categories"]]
            if not all(isinstance(number, int) and isinstance(name, str) for number, name in found):
                raise TypeError("id or name")
        except (KeyError, TypeError, ValueError) as error:
            raise MasksError(f"{path} has a category without id and name: export it again.") from error
        for number, name in found:
            if categories.setdefault(number, name) != name:
                raise MasksError(
                    f"{path} calls category {number} {name!r}, and before, it was called {categories[number]!r}: give "
                    "each category a number of its own, and export all at once."
                )

    def _read_images(self, file, content, photos, sources):
        """Finds the photo of each image entry, and the annotations of each photo."""
        path, base, by_id = self.folder.path(file), file.rpartition("/")[0], {}
        whole = file.rpartition("/")[2].removesuffix(".json").replace("instances_", "")
        stem = whole.rstrip("0123456789")
        try:
            for image in content["images"]:
                places = (
                    base,
                    f"{base}/images".strip("/"),
                    f"{base}/data".strip("/"),
                    "images",
                    "",
                    *(f"{place}{name}" for name in (whole, stem) for place in ("", "images/")),
                )
                photo = self.folder.inside(image["file_name"], file, *places)
                if photo in sources:
                    other = self.folder.path(sources[photo][0])
                    raise MasksError(f"{path} lists {photo}, which {other} lists, too: remove one of the entries.")
                if image["id"] in by_id:
                    raise MasksError(
                        f"{path} gives {by_id[image['id']]} and {photo} one id, {image['id']}: give each photo and "
                        "its annotations an id of their own."
                    )
                by_id[image["id"]] = photo
                photos[photo] = own_split(photo) or own_split(f"{stem}/x")
                sources[photo] = (file, image.get("height"), image.get("width"))
                self.annotations[photo] = []
            for annotation in content["annotations"]:
                if annotation["image_id"] not in by_id or annotation["category_id"] not in self._ids(content):
                    raise MasksError(
                        f"{path} has an annotation of an image or a category that it does not list: export it again."
                    )
                self.annotations[by_id[annotation["image_id"]]].append(annotation)
        except (KeyError, TypeError) as error:
            raise MasksError(f"{path} has an entry without {error}: export it again.") from error

    @staticmethod
    def _ids(content):
        if "_ids" not in content:
            content["_ids"] = {one["id"] for one in content["categories"]}
        return content["_ids"]

    def path(self, name):
        """The path of the JSON file that has a photo's annotations."""
        return self.folder.path(self.pairs[name].source[0])

    def read(self, name, shape):
        """Paints the annotations of a photo, the later in the file on top."""
        file, rows, cols = self.pairs[name].source
        self.check_size(name, (rows, cols), shape, f"{self.folder.path(file)}, image {self.pairs[name].photo!r},")
        canvas = self.canvas(shape)
        for annotation in self.annotations[self.pairs[name].photo]:
            where = f"{self.folder.path(file)}, annotation {annotation.get('id')},"
            area = _area(annotation.get("segmentation"), shape, where)
            canvas.paint(area, self.number(self.categories[annotation["category_id"]]))
        return canvas.mask()

    def _look_for_holes(self):
        """Warns of polygons that lie within another of the same annotation, whose hole COCO cannot tell."""
        found = sum(
            _has_hole(annotation.get("segmentation")) for one in self.annotations.values() for annotation in one
        )
        if found:
            self.warnings.append(
                f"{found} annotations have a polygon inside another: COCO fills both, so a hole is lost. "
                "Export run lengths (RLE), or annotate the hole as what it is."
            )


def _has_hole(outlines):
    """Whether the box around one polygon lies within that around another."""
    if not isinstance(outlines, list) or len(outlines) < 2:
        return False
    try:
        boxes = [(min(o[::2]), min(o[1::2]), max(o[::2]), max(o[1::2])) for o in outlines]
        return any(
            a is not b and a[0] <= b[0] and a[1] <= b[1] and a[2] >= b[2] and a[3] >= b[3] for a in boxes for b in boxes
        )
    except (TypeError, ValueError, KeyError):  # `_area` will say what is wrong
        return False


def _is_group(number, files):
    """Whether a category is only the group of others, as Roboflow adds one."""
    for content in files.values():
        mine = [one for one in content["categories"] if one["id"] == number]
        if mine and any(
            one.get("supercategory") == mine[0]["name"] for one in content["categories"] if one is not mine[0]
        ):
            return True
    return False


def _area(segmentation, shape, where):
    """The pixels of a segmentation: bool (row, col)."""
    if isinstance(segmentation, dict):
        if segmentation.get("size") != list(shape):
            raise MasksError(f"{where} has run lengths for another size than the photo's: export it again.")
        return runs.coco(segmentation.get("counts"), shape, where)
    if not isinstance(segmentation, list) or not segmentation:
        raise MasksError(f"{where} has no outline, only a box perhaps: annotate areas, or export them.")
    area = np.zeros(shape, bool)
    for flat in segmentation:
        if not isinstance(flat, list) or len(flat) % 2:
            raise MasksError(f"{where} has an outline that is no list of x, y, x, y …: export it again.")
        outline = filling.points(zip(flat[::2], flat[1::2], strict=True), where)
        try:
            area |= filling.as_coco(outline, shape)
        except ValueError as error:
            raise MasksError(f"{where} {error}: correct or remove it.") from error
    return area
