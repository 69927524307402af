"""SiftFlow as published: the name, the split and the hashes of every image and label map.

Content decides. `siftflow.tsv` has a hash of every photograph's bytes and of every label map's *decoded* array, so a
copy from a MATLAB archive, from Octave text or from a teacher's disk is the same set, or is mended until it is.
"""

import functools
import hashlib
from pathlib import Path
from typing import NamedTuple

from helpers.fetch.labelmaps import decode_label
from helpers.fetch.layout import FOLDER, IMAGES, LABELS

MANIFEST = Path(__file__).with_name("siftflow.tsv")


class Piece(NamedTuple):
    """An image or a label map."""

    kind: str  # IMAGES or LABELS
    name: str

    @property
    def path(self):
        """Its file's path in the data set."""
        return f"{self.kind}/{FOLDER}/{self.name}.{'jpg' if self.kind == IMAGES else 'mat'}"


@functools.lru_cache(maxsize=4)
def _read_manifest(path):
    lines = [line.split("\t") for line in path.read_text().splitlines() if not line.startswith("#")]
    return {name: (split, {IMAGES: image, LABELS: label}) for name, split, image, label in lines}


def published():
    """The data set as published: {name: ("train" or "test", {IMAGES: hash, LABELS: hash})}."""
    return _read_manifest(MANIFEST)


def pieces():
    """Every image and label map that was published: a list of `Piece`."""
    return [Piece(kind, name) for kind in (IMAGES, LABELS) for name in published()]


def test_names():
    """The names of the standard test images, in the manifest's order."""
    return [name for name, (split, _) in published().items() if split == "test"]


def piece_at(path):
    """The piece that a file's path promises, or None."""
    *folders, file = path.split("/")
    if "GeoLabels" in folders:  # the authors' second labelling: the same names, other classes
        return None
    for ending, kind in ((".jpg", IMAGES), (".mat", LABELS), (".regions.txt", LABELS)):
        name = file.removesuffix(ending)
        if name != file and name in published():
            return Piece(kind, name)
    return None


def hash_of(data):
    """The first 32 digits of the SHA-256 of an image's bytes, or of a decoded label's (uint8, row after row)."""
    return hashlib.sha256(data).hexdigest()[:32]


def decoded(piece, data):
    """Decodes `data`, a file's bytes in any of the known formats, and compares it with what was published of `piece`.

    Returns:
        The bytes themselves for an image, the array uint8 (row, col) for a label map.

    Raises:
        ValueError: it is not as published; the message is a clause without the file's name.
    """
    wanted = published()[piece.name][1][piece.kind]
    if piece.kind == IMAGES:
        if hash_of(data) != wanted:
            raise ValueError("is not the published image")
        return data
    label = decode_label(data)
    if hash_of(label.tobytes()) != wanted:
        raise ValueError("is not the published label map")
    return label
