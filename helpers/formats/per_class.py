"""One mask file for each class: ``masks/cat/img_1.png``, ``masks/img_1/cat.png``, or ``img_1_cat.png``.

In each file 0 is not the class, and one other number is. A pixel that no file claims is background. One that two files
claim is refused, unless `classes` says by its order which lies on top.
"""

import re
from pathlib import PurePosixPath

import numpy as np

from helpers.formats import pairing, pictures
from helpers.formats.folder import MasksError, some
from helpers.formats.reader import Annotations

_LOSSY = (".jpg", ".jpeg")


def found_in(files):
    """The masks of each photo, {photo: {class: mask}}, where a folder is of this kind; else None."""
    roles = {file: pairing.role(file) for file in files}
    roles = {file: role for file, role in roles.items() if role.role != "ignored"}
    masks = [file for file, role in roles.items() if role.role == "mask"]
    photos = {role.key: file for file, role in roles.items() if role.role != "mask"}
    if not masks:  # all in one folder: a lossless file whose name goes on after a photo's is a mask
        masks = [f for f, role in roles.items() if not f.lower().endswith(_LOSSY) and _split(role.key, photos)]
        photos = {key: file for key, file in photos.items() if file not in set(masks)}
    sets = {}
    for mask in masks:
        key = roles[mask].key if roles[mask].key not in photos else None
        parsed = key and (_split(key, photos) or _split(_whole_key(mask), photos))
        if not parsed:
            return None
        photo, kind = photos[parsed[0]], parsed[1]
        if kind in sets.setdefault(photo, {}):
            return None
        sets[photo][kind] = mask
    return sets if any(len(one) > 1 for one in sets.values()) else None


def _whole_key(file):
    """The key of a mask with the last part of its name, which `pairing.role` may have taken for a word."""
    path = PurePosixPath(file)
    return pairing.key_of(path, path.stem)


def _split(key, photos):
    """The key of the photo, and the class, from the key of a mask; or None."""
    parts = key.split("/")
    for i, part in enumerate(parts):
        if len(parts) > 1 and "/".join(parts[:i] + parts[i + 1 :]) in photos and not part.isdigit():
            return "/".join(parts[:i] + parts[i + 1 :]), part
    for cut in reversed(list(re.finditer(r"[-_.]", parts[-1]))):
        photo, kind = "/".join([*parts[:-1], parts[-1][: cut.start()]]), parts[-1][cut.end() :]
        if photo in photos and kind and not kind.isdigit():
            return photo, kind
    return None


class PerClass(Annotations):
    """A folder of photos, and of a mask file for each class of a photo."""

    format = "one mask file per class"

    @classmethod
    def of(cls, folder, files, sets, **options):
        """Reads a folder of which `found_in(files)` gave `sets`.

        Raises:
            MasksError: a photo has no mask.
        """
        reader = cls(folder, **options)
        used = {mask for one in sets.values() for mask in one.values()}
        photos = {file: file for file in files if file not in used and pairing.role(file).role != "ignored"}
        reader.pairs = pairing.matched(folder, photos, sets)
        reader.split = pairing.splits(reader.pairs)
        kinds = sorted({kind for one in sets.values() for kind in one})
        reader.number_classes(kinds, folder.root)
        for kind in kinds:
            if without := [name for name, pair in reader.pairs.items() if kind not in pair.source]:
                reader.warnings.append(f"{len(without)} photos have no mask file for {kind!r}: {some(without)}.")
        reader.why.append(f"{len(used)} masks have a photo's name and a class's. Classes are in the alphabet's order.")
        return reader

    def path(self, name):
        """The path of a photo's first mask."""
        return self.folder.path(next(iter(self.pairs[name].source.values())))

    def read(self, name, shape):
        """Paints the classes of a photo; of two that overlap, the later in `classes` lies on top."""
        canvas, source = self.canvas(shape), self.pairs[name].source
        for kind in sorted(source, key=self.number):
            path = self.folder.path(source[kind])
            raw = pictures.mask(path).raw
            values = np.unique(raw)
            if len(values) > 2 or (len(values) == 2 and values[0] != 0):
                raise MasksError(
                    f"{path} is the mask of one class and holds {len(values)} numbers: keep 0 and one other."
                )
            if raw.shape != tuple(shape):
                raise MasksError(
                    f"{path} is {raw.shape[1]}x{raw.shape[0]} pixels, and its photo {self.pairs[name].photo} is "
                    f"{shape[1]}x{shape[0]} upright: export the mask again at the photo's size."
                )
            before = canvas.overlap
            canvas.paint(raw != 0, self.number(kind))
            if canvas.overlap > before and self.classes is None:
                raise MasksError(
                    f"{path} claims {canvas.overlap - before} pixels that another class claims, too: pass classes= "
                    "in the order in which they shall lie on top of one another, the topmost last."
                )
        return canvas.mask()
