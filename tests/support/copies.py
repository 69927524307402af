"""A small data set like SiftFlow, in every form in which SiftFlow is handed round."""

import hashlib
import io
import zipfile
import zlib

import numpy as np
import scipy.io
from PIL import Image

from helpers.classes import CLASS_NAMES
from helpers.fetch import labelmaps
from helpers.fetch.layout import FOLDER

NAMES = [f"{kind}_{i}" for kind in ("coast", "forest", "street") for i in range(4)]
TEST = ["coast_1", "forest_3", "street_0", "street_2"]
ZIP = "/SiftFlowDataset.zip"
COAST, LABEL = f"Images/{FOLDER}/coast_2.jpg", f"SemanticLabels/{FOLDER}/street_1.mat"
HTML = b"<!doctype html><title>Sign in to the campus network</title>"


def octave(label):
    """A label map as Gnork's repository has it."""
    cells = np.array([[*b" %d\n" % n] + [0] * (n < 10) for n in range(34)], np.uint8)
    text = cells[label.ravel("F")].ravel()
    head = b"# Created by Octave 3.6.4, Wed May 14 13:50:44 2014 CEST <x@y>\n# name: S\n# type: uint16 matrix\n"
    return head + b"# ndims: 2\n %d %d\n" % label.shape + text[text > 0].tobytes() + b"\n\n"


def plain(label, end=b" \n"):
    """A label map as AML_CNN_for_Scene_Labeling has it."""
    cells = np.array([[*b"%d " % n] + [0] * (n < 10) for n in range(34)], np.uint8)
    text = np.pad(cells[label].reshape(len(label), -1), ((0, 0), (0, 1)), constant_values=ord("\n")).ravel()
    return text[text > 0].tobytes().replace(b" \n", end)


def matlab(label, **others):
    """A label map as the authors have it."""
    buffer = io.BytesIO()
    scipy.io.savemat(buffer, {"S": label, **others}, do_compression=True)
    return buffer.getvalue()


GEO = matlab(np.full((256, 256), 3, "uint16"))


def authors(image, label, name):
    """The files of one image in the authors' archive, where GeoLabels are another labelling under the same names."""
    yield f"SiftFlowDataset/GeoLabels/{FOLDER}/{name}.mat", GEO
    yield f"SiftFlowDataset/Images/{FOLDER}/{name}.jpg", image
    yield f"SiftFlowDataset/SemanticLabels/{FOLDER}/{name}.mat", matlab(label.astype("uint16"), names=np.zeros(3))


def gnork(image, label, name):
    """… in Gnork/rbmtoolbox …"""
    yield f"rbmtoolbox-93c/Data/SiftFlowDataset/Images/{FOLDER}/{name}.jpg", image
    yield f"rbmtoolbox-93c/Data/SiftFlowDataset/SemanticLabels/labels/{name}.mat", octave(label)


def aml(image, label, name):
    """… and in AML_CNN_for_Scene_Labeling, whose split is another."""
    part = "train" if zlib.crc32(name.encode()) % 3 else "test"
    yield f"AML_CNN-3ea/sift_dataset/{part}/images/{name}.jpg", image
    yield f"AML_CNN-3ea/sift_dataset/{part}/labels/{name}.regions.txt", plain(label, b"\n" if name < "d" else b" \n")


NOISE = {
    authors: {"SiftFlowDataset/TestSet1.txt": b"coast_0.jpg\r\n", "SiftFlowDataset/Readme.txt": b"hello"},
    gnork: {"rbmtoolbox-93c/Data/SiftFlowDataset/SemanticLabels/classes.mat": b"# Created by Octave"},
    aml: {"AML_CNN-3ea/train.py": b"import caffe"},
}


def zipped(files):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


class Made:
    """A small data set: what is published of it, what a copy of it must hold, and how others hand it round."""

    def __init__(self, folder, names=NAMES, seed=0):
        random = np.random.RandomState(seed)
        self.names, self.manifest, self.images, self.labels = names, folder / f"{len(names)}-{seed}.tsv", {}, {}
        lines = []
        for name in names:
            buffer, pixels = io.BytesIO(), random.randint(0, 256, (64, 64, 3)).astype("uint8")
            Image.fromarray(pixels.repeat(4, 0).repeat(4, 1)).save(buffer, "jpeg", quality=90)
            self.images[name] = buffer.getvalue()
            self.labels[name] = random.randint(0, 34, (32, 32)).astype("uint8").repeat(8, 0).repeat(8, 1)
            hashes = [hashlib.sha256(data).hexdigest()[:32] for data in (buffer.getvalue(), self.labels[name] - 1)]
            lines.append("\t".join([name, "test" if name in TEST else "train", *hashes]))
        self.manifest.write_text("# a comment\n" + "\n".join(lines) + "\n")
        tests = "".join(f"{FOLDER}\\{name}.jpg\n" for name in names if name in TEST)
        self.archive = zipped(self.files())
        self.tree = {"TestSet1.txt": tests.encode()}
        self.tree |= {f"Images/{FOLDER}/{name}.jpg": self.images[name] for name in names}
        for name in names:
            self.tree[f"SemanticLabels/{FOLDER}/{name}.mat"] = labelmaps.write_matlab(self.labels[name], CLASS_NAMES)

    def files(self, form=authors):
        """An archive's members, {path: bytes}."""
        return NOISE[form] | dict(
            file for name in self.names for file in form(self.images[name], self.labels[name], name)
        )

    def write(self, place):
        """A copy as `get` leaves it."""
        for path, data in self.tree.items():
            (place / path).parent.mkdir(parents=True, exist_ok=True)
            (place / path).write_bytes(data)
        return place


def tree(place):
    """What is in a folder, but for `.siftflow`: {path: bytes}."""
    files = (path for path in place.rglob("*") if path.is_file() and ".siftflow" not in path.parts)
    return {path.relative_to(place).as_posix(): path.read_bytes() for path in files}


def untouched(place):
    """What a file keeps as long as nobody writes it: {path: (inode, time)}."""
    return {path: ((place / path).stat().st_ino, (place / path).stat().st_mtime_ns) for path in tree(place)}


def sentence(message, *parts):
    """The message is one line that has all these parts and says what to do."""
    assert message is not None, "it was not refused"
    assert "\n" not in message and "Traceback" not in message and message.endswith("."), message
    assert all(str(part) in message for part in parts), message
    cures = ("call again", "call later", "name ", "free ", "put ", "unset", "mend ", "correct ", "get (in Python")
    assert any(cure in message for cure in cures), message
