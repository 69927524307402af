"""Masks that are pictures: class numbers or colours, also in the codings of Cityscapes and of ADE20K.

A picture's pixels are taken as they are, so there is no question of what belongs to a border.
"""

import functools
import re
from pathlib import PurePosixPath

import numpy as np

from helpers.classes import VOID
from helpers.formats import coding, colours, pairing, pictures, tables
from helpers.formats.folder import PICTURES, MasksError, composed, some
from helpers.formats.reader import Reader

_CITYSCAPES = re.compile(r"_gt(?:Fine|Coarse)_(labelIds|labelTrainIds|instanceIds|color)\.png$")
_ADE_FULL = re.compile(r"^ADE_(train|val)_\d+_(seg|parts_\d+)\.png$", re.I)
_ADE_SCENES = re.compile(r"^ADE_(train|val)_\d+$")


class Raster(Reader):
    """Index masks and colour masks in picture files of any lossless kind."""

    format = "masks as pictures"

    @classmethod
    def of(cls, folder, **options):
        """Reads a folder of photos and mask pictures.

        Raises:
            MasksError: photos and masks cannot be told apart, or one has no partner.
        """
        reader = cls(folder, **options)
        files = reader.pictures(folder.with_suffix(*PICTURES))
        if not files:
            raise MasksError(f"{folder.root} holds no picture: copy the photos and their masks into it.")
        photos, masks = pairing.photos_and_masks(folder, files)
        listed = _voc_lists(folder)
        reader.pairs = pairing.matched(folder, photos, masks, strict=not listed)
        paired = {pair.photo for pair in reader.pairs.values()}
        left = [photo for photo in photos.values() if photo not in paired]
        if lacking := [photo for photo in left if _entry(listed, photo)]:
            raise MasksError(
                f"ImageSets/ lists {some(lacking)}, and there is no mask for them in {folder.root}: add the masks, or "
                "correct the lists."
            )
        entries = {name: _entry(listed, pair.photo) for name, pair in reader.pairs.items()}
        reader.split = {name: listed[entry] for name, entry in entries.items() if entry and listed[entry]}
        if gone := sorted(listed.keys() - entries.values()):
            reader.warnings.append(f"ImageSets/ lists {len(gone)} photos that are not there: {some(gone)}.")
        if left:
            reader.why.append(
                f"{len(left)} photos without masks are left out, since ImageSets/ lists those that have one."
            )
        reader.split = reader.split or pairing.splits(reader.pairs)
        return reader

    def pictures(self, files):
        """Those of the folder's pictures that are photos or masks."""
        return files

    def read(self, name, shape):
        """The numbers or colours in the mask of a photo; see `Reader.read`."""
        mask = pictures.mask(self.path(name))
        if mask.palette and self._by_colour:
            raw, last = np.zeros(256, np.int32), int(mask.raw.max())
            if last >= len(mask.palette) // 3:
                raise MasksError(
                    f"{self.path(name)} has the number {last}, and its palette no such colour: export it anew."
                )
            for index in range(len(mask.palette) // 3):
                raw[index] = pictures.packed(pictures.colour_of(mask.palette, index))
            return mask._replace(raw=raw[mask.raw], kind="colour", palette=[])
        return mask

    @functools.cached_property
    def _by_colour(self):
        """Whether palette masks are read by colour, since there is a table of colours."""
        return self.colours is not None or bool(self.folder.named("labelmap.txt", "class_dict.csv", "label_colors.txt"))

    def coding(self, facts):
        """How numbers or colours become labels."""
        kinds = {fact.kind: name for name, fact in facts.items()}
        if len(kinds) > 1:
            raise MasksError(
                f"{self.path(kinds['index'])} holds numbers, and {self.path(kinds['colour'])} colours: keep the "
                "masks of one kind, and move the others out of the folder."
            )
        counts, example = {}, {}
        for name, fact in facts.items():
            for value, (pixels, _) in fact.values.items():
                counts[value] = counts.get(value, 0) + pixels
                example.setdefault(value, name)

        def path(value):
            return self.path(example[value])

        modes = sorted({fact.mode for fact in facts.values()})
        self.why.append(f"The masks are pictures of mode {', '.join(modes)}.")
        if "colour" in kinds:
            self._name("colour")
            return colours.of_colours(counts, self.classes, self.colours, self.void, self.folder, path)
        if self.colours is not None:
            raise MasksError(
                f"{self.path(kinds['index'])} holds numbers, not colours: pass classes= in place of colours=."
            )
        self._name("index")
        self._check_palettes(facts)
        palettes = [fact.palette for fact in facts.values()]
        palettes = palettes if all(palettes) else []  # beside palette pictures, numbers without one may be greys
        return self.of_indices(counts, palettes, path)

    def _name(self, kind):
        if self.format == Raster.format:
            self.format = f"{kind} {self.format}"

    def of_indices(self, counts, palettes, path):
        """How numbers become labels."""
        return coding.of_indices(counts, self.classes, self.void, self.folder, palettes, path)

    def _check_palettes(self, facts):
        """Refuses palettes in which one number has two colours: such numbers were given to each file anew."""
        seen = {}
        for name, fact in facts.items():
            for index, colour in fact.palette.items():
                other, first = seen.setdefault(index, (colour, name))
                if other != colour:
                    raise MasksError(
                        f"{self.path(name)} and {self.path(first)} have different palettes ({index} is {colour} and "
                        f"{other}), so their numbers do not mean the same: pass colours=, and they are read by colour."
                    )


class Cityscapes(Raster):
    """Cityscapes' files by their own names: the 19 classes that are trained on; all others are void."""

    format = "Cityscapes"

    def pictures(self, files):
        """Photos, and of each kind of mask the best that there is."""
        kinds = {kind: [f for f in files if f.endswith(f"_{kind}.png")] for kind in _KINDS}
        self.kind = next(kind for kind in _KINDS if kinds[kind])
        tables_there = self.folder.named("label_colors.txt", "labelmap.txt")
        if self.kind == "color" and not tables_there:
            self.colours = self.colours or "cityscapes"
        elif tables_there and self.classes is None and self.colours is None:
            raise MasksError(
                f"{self.folder.path(tables_there[0])} says that another tool wrote these files, and such a tool gives "
                'numbers of its own, not Cityscapes\': say which is which, as in classes={0: "background", 1: "sky"}.'
            )
        masks = {file for found in kinds.values() for file in found}
        self.why.append(f"Masks are those that end in {self.kind}, by their names.")
        return [file for file in files if file not in masks or file in kinds[self.kind]]

    def read(self, name, shape):
        """The numbers in a mask; instanceIds become labelIds."""
        mask = super().read(name, shape)
        if self.kind != "instanceIds":
            return mask
        raw = mask.raw.astype(np.int32)
        return mask._replace(raw=np.where(raw >= 1000, raw // 1000, raw))

    def of_indices(self, counts, palettes, path):
        """How labelIds or trainIds become labels, unless `classes` says otherwise."""
        if self.classes is not None:
            return super().of_indices(counts, palettes, path)
        names = list(tables.CITYSCAPES_NAMES)
        if self.kind == "labelTrainIds":
            labels = {i: i for i in range(len(names))}
            why = "trainIds are the labels; 255 is void."
        else:
            labels = {number: train for number, train, _ in tables.CITYSCAPES.values()}
            why = "labelIds became the 19 trainIds; the classes that Cityscapes leaves out are void."
        labels[VOID] = VOID  # a licence plate's number is -1, which is 255 in a file
        if wrong := [value for value in counts if value not in labels]:
            raise MasksError(
                f"{path(wrong[0])} has the number {wrong[0]}, which is none of Cityscapes': name the numbers, as in "
                'classes={7: "road", …}.'
            )
        return coding.Coding(names, labels, [why])


_KINDS = ("labelIds", "labelTrainIds", "instanceIds", "color")


class Ade(Raster):
    """ADE20K's full masks, ``*_seg.png``: the class is R / 10 x 256 + G, and B tells instances apart."""

    format = "ADE20K"

    def pictures(self, files):
        """Photos and masks without the masks of parts."""
        return [file for file in files if not re.search(r"_parts_\d+\.png$", file)]

    def read(self, name, shape):
        """ADE20K's class numbers in a mask."""
        mask = pictures.mask(self.path(name))
        if mask.kind != "colour":
            raise MasksError(f"{self.path(name)} is no mask in ADE20K's colours: export it again, or rename it.")
        return mask._replace(raw=mask.raw // 65536 // 10 * 256 + (mask.raw >> 8 & 255), kind="index")

    def of_indices(self, counts, palettes, path):
        """The classes that occur, in the order of their numbers; 0 is void. There are 3,000, and a label has 8 bits."""
        self.why.append("The class is R / 10 x 256 + G; 0, which nobody labelled, is void.")
        if isinstance(self.classes, dict):  # of 3,000 classes, a learner names some
            left = dict.fromkeys(counts.keys() - self.classes.keys(), VOID)
            named = {value: pixels for value, pixels in counts.items() if value not in left}
            made = super().of_indices(named, palettes, path)
            made.labels |= left
            made.why.append(f"{len(left)} numbers that classes does not name are void.")
            return made
        if self.classes is not None or self.void is not None:
            return super().of_indices(counts, palettes, path)
        used = sorted(value for value in counts if value)
        if not used or len(used) > 255:
            raise MasksError(
                f"{self.folder.root} has {len(used)} of ADE20K's classes: name up to 255, as in classes={{…}}."
            )
        labels = {value: i for i, value in enumerate(used)} | {0: VOID}
        return coding.Coding([f"ADE20K {value}" for value in used], labels, ["No list names the classes' numbers."])


def reader(folder, files, **options):
    """The reader of a folder of pictures, chosen by the names that Cityscapes and ADE20K give."""
    names = [file.rsplit("/", 1)[-1] for file in files]
    if any(_CITYSCAPES.search(name) for name in names):
        return Cityscapes.of(folder, **options)
    table = options.get("colours")
    if (isinstance(table, str) and table == "ade20k") or any(_ADE_FULL.match(name) for name in names):
        return Ade.of(folder, **options | {"colours": None})
    found = Raster.of(folder, **options)
    if all(_ADE_SCENES.match(name) for name in found.pairs) and options.get("void") is None:
        found.warnings.append("Files named ADE_… have number 0 where nobody labelled: pass void=0 to leave it out.")
    if any(file.rsplit("/", 1)[-1].lower() == "_classes.csv" for file in folder.files):
        found.format = "Roboflow masks"
        found.why.append("Names are from Roboflow's _classes.csv, and photos and masks share a folder.")
    return found


def _voc_lists(folder):
    """The split of VOC's ImageSets/Segmentation/*.txt: {name, in CVAT's with its folders: split}, or {}."""
    split = {}
    for file in folder.with_suffix(".txt"):
        parts = file.split("/")
        if len(parts) < 3 or parts[-3].lower() != "imagesets" or parts[-2].lower() != "segmentation":
            continue
        kind = {"train": "train", "val": "validation", "test": "test"}.get(parts[-1][:-4].lower(), "")
        for name in filter(None, map(str.strip, folder.text(file).splitlines())):
            split[composed(name)] = kind or split.get(composed(name), "")
    return split


def _entry(listed, photo):
    """The entry of a list that names a photo, with all of its folders, or some, or none; or None."""
    parts = PurePosixPath(composed(photo)).with_suffix("").parts
    return next((name for i in range(len(parts)) if (name := "/".join(parts[i:])) in listed), None)
