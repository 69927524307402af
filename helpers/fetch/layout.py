"""The data set's layout on disk, and the folders in which it is looked for.

This is the one file that knows where the project lies: `project_folder` climbs from here to its root.
"""

import os
import tempfile
from pathlib import Path

FOLDER = "spatial_envelope_256x256_static_8outdoorcategories"  # as the authors named it
IMAGES, LABELS, TEST_LIST = "Images", "SemanticLabels", "TestSet1.txt"

# Two training images of the published data set have not a single labelled pixel: there is nothing to learn from them.
FULLY_VOID = ("highway_bost181", "street_urb506")

SCENES_MARKER = "scenes.json"  # `helpers.scenes` writes it into the stand-in that it makes

HOW_TO_GET = "let python -m helpers.siftflow get (in Python: siftflow.get()) fetch it"


class SiftFlowError(ValueError):
    """Data that cannot be used. The message names the file and what to do about it."""


def project_folder():
    """The folder that holds `helpers`: the project's root, or wherever `helpers` was copied to."""
    return Path(__file__).resolve().parents[2]


def data_folder():
    """The folder for data: the ``data/`` beside `helpers`, or, where none lies there, that of the working directory."""
    beside = project_folder() / "data"
    return beside if (beside / "README.md").exists() else Path.cwd() / "data"


def writable_folder(name):
    """The folder data/`name`, made if it is missing; where the project is read-only, one in the system's temporary
    folder; None if neither can be written to."""
    for folder in (data_folder() / name, Path(tempfile.gettempdir()) / "per-pixel-notebooks" / name):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                return folder
        except OSError:
            continue
    return None


def locate(root):
    """The folder with Images/ and SemanticLabels/: `root` or a direct child, photographs before a stand-in. Or None."""
    root = Path(os.path.expanduser(root))
    try:
        children = sorted(p for p in root.iterdir() if os.path.isdir(p))
    except OSError:  # not there, not a folder, not ours to read
        return None
    # os.path's isdir says no, where Path's may stop, when a folder is not ours to look into.
    found = [p for p in [root, *children] if all(os.path.isdir(p / half) for half in (IMAGES, LABELS))]
    return min(found, key=lambda p: (p / SCENES_MARKER).exists(), default=None)


def locate_photographs(root):
    """`locate`, but it refuses scenes in `root` itself, and passes over scenes in a folder inside it.

    Raises:
        SiftFlowError: `root` holds scenes.
    """
    place = locate(root)
    if place is None or not (place / SCENES_MARKER).exists():
        return place
    if place == Path(os.path.expanduser(root)):
        raise SiftFlowError(f"{place} holds synthetic scenes, not SiftFlow's photographs: name another folder.")
    return None


def places():
    """Yields the roots of real data sets in and above this project and the working directory, nearest first."""
    here = Path.cwd()
    for place in dict.fromkeys([data_folder(), here / "data", here, *here.parents]):
        root = locate(place)
        if root is not None and not (root / SCENES_MARKER).exists():
            yield root


def named_or_nearest():
    """The data set that SIFTFLOW_DIR names, or, where it is not set, the first of `places`. Or None.

    Raises:
        SiftFlowError: SIFTFLOW_DIR names a folder without the data set.
    """
    named = os.environ.get("SIFTFLOW_DIR")
    if not named:
        return next(places(), None)
    place = locate_photographs(named)
    if place is None:
        raise SiftFlowError(
            f"SIFTFLOW_DIR names {named}, which holds no SiftFlow data: correct it, unset it, or fill that folder with "
            f"python -m helpers.siftflow get {named}."
        )
    return place


def expanded(text):
    """A path from what a reader typed, with ``~`` replaced by the home folder.

    Raises:
        SiftFlowError: there is no user of that name.
    """
    path = Path(os.path.expanduser(text))
    if str(path).startswith("~"):
        raise SiftFlowError(f"{text} cannot be found, for there is no such user here: name another folder or file.")
    return path


def read_test_list(path):
    """The set of names in a ``TestSet1.txt``. The published one was made on Windows: its lines have backslashes."""
    lines = [line.strip().replace("\\", "/") for line in path.read_text(errors="replace").splitlines()]
    return {line.rsplit("/", 1)[-1].removesuffix(".jpg") for line in lines if line}


def pairs(root):
    """Lists the images and the label maps of a data set: two dicts {name: path}, of the same names.

    Raises:
        SiftFlowError: there is no image, or one without label, or the reverse.
    """
    images = {path.stem: path for path in (root / "Images").glob("*/*.jpg")}
    labels = {path.stem: path for path in (root / "SemanticLabels").glob("*/*.mat")}
    if not images:
        raise SiftFlowError(f"{root / 'Images'} has no folder with .jpg files: copy the data set again.")
    for name in sorted(images.keys() ^ labels.keys()):
        have, lack = (images, "label") if name in images else (labels, "image")
        raise SiftFlowError(f"{have[name]} has no {lack}: copy the missing file, or remove this one.")
    return images, labels


def test_names(root, images, cure):
    """The set of the test images' names, all of which are among `images`.

    Raises:
        SiftFlowError: no list, one that cannot be read (`cure` says what to do), or one of other images.
    """
    path = root / "TestSet1.txt"
    if not path.exists():
        raise SiftFlowError(f"{path} is missing, and with it the standard split: copy it from the data set.")
    try:
        names = read_test_list(path)
    except OSError as error:
        raise SiftFlowError(f"{path} cannot be read ({error.strerror}): {cure}.") from error
    unknown = sorted(names - images.keys())
    if unknown:
        raise SiftFlowError(
            f"{path} lists {unknown[0]} ({len(unknown)} such), which is not in Images/: copy the data set again."
        )
    return names
