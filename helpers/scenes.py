"""Synthetic outdoor scenes stand in for SiftFlow, in its own files and its 33 classes.

They are for readers without the photographs: `make` writes a small data set of coasts, forests, streets ..., which
`helpers.siftflow.SiftFlow` opens like the real one. Colour alone does not give the classes away (a grey pixel may be
sky, sea, road, wall or rock, and light and season change from scene to scene); texture, shape and surroundings do.

    image, label = draw("coast", seed=3)    # uint8 (row, col, RGB) and uint8 (row, col): 0-32, or 255 for void

`helpers.synthetic` paints them. The same seed gives the same pixels on every machine. `draw` needs
NumPy; `make` also needs Pillow.
"""

import json
import os
import tempfile
from pathlib import Path

import numpy as np

from helpers.fetch import labelmaps
from helpers.siftflow import CLASS_NAMES, SCENES_MARKER, SiftFlow, SiftFlowError
from helpers.synthetic.canvas import Canvas
from helpers.synthetic.landscapes import SCENES

VERSION = 2  # raise it when a pixel or a file's place changes, so that older sets are made anew
FOLDER = "synthetic_scenes"  # within Images/ and SemanticLabels/
KINDS = tuple(SCENES)


def draw(kind, seed, size=128):
    """Paints one synthetic scene.

    Args:
        kind: one of `KINDS`.
        seed: a whole number, or a list of them; the same seed gives the same scene.
        size: pixels per side.

    Returns:
        The image, uint8 (size, size, RGB), and the label, uint8 (size, size), 0-32 or 255 for void.

    Raises:
        ValueError: there is no such kind.
    """
    if kind not in SCENES:
        raise ValueError(f"kind is {kind!r}; it is one of {', '.join(KINDS)}.")
    canvas = Canvas(seed, size)
    SCENES[kind](canvas)
    return canvas.finish()


def make(root, train=480, test=80, size=128, seed=0):
    """Writes the stand-in into `root`, a folder of its own, unless it is there already; returns it as a `SiftFlow`.

    The kinds of scene take turns in `train` as in `test`; scene number i is the same whatever the counts. `size` is the
    pixels per side, a multiple of 16. A stand-in made with other arguments is replaced.

    Raises:
        ValueError: an argument makes no sense.
        SiftFlowError: `root` holds something else, which is left alone.
    """
    some = 0 if train else 1  # scenes at the least
    for name, value, least in (("train", train, 0), ("test", test, some), ("size", size, 32), ("seed", seed, 0)):
        if not isinstance(value, (int, np.integer)) or value < least or (name == "size" and value % 16):
            what = "a multiple of 16" if name == "size" else "a whole number"
            raise ValueError(f"{name} is {value!r}; it must be {what}, at least {least}.")
    recipe = dict(version=VERSION, seed=int(seed), size=int(size), train=int(train), test=int(test))
    root = Path(root).expanduser().absolute()
    if _is_made(root, recipe):
        return SiftFlow(root)
    if root.is_file() or (root.is_dir() and any(root.iterdir()) and not (root / SCENES_MARKER).is_file()):
        raise SiftFlowError(
            f"{root} holds something other than synthetic scenes: name another folder, or move it away."
        )
    root.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=root.parent, prefix=f".{root.name}-") as part:
        new = Path(part) / "making" / "set"  # two levels down, where nobody opens it
        _write(new, recipe)
        if not _is_made(root, recipe):  # by somebody else, meanwhile
            if root.exists():
                os.replace(root, Path(part) / "old")
            os.replace(new, root)
    return SiftFlow(root)


def _is_made(root, recipe):
    marker = root / SCENES_MARKER
    return marker.is_file() and marker.read_text() == json.dumps(recipe)


def _write(folder, recipe):
    from PIL import Image

    images, labels, tests = folder / "Images" / FOLDER, folder / "SemanticLabels" / FOLDER, []
    images.mkdir(parents=True)
    labels.mkdir(parents=True)
    for number, split in enumerate(("train", "test")):
        for i in range(recipe[split]):
            kind = KINDS[i % len(KINDS)]
            name = f"{kind}_{split}{i:04d}"
            image, label = draw(kind, [recipe["seed"], number, i], recipe["size"])
            Image.fromarray(image).save(images / f"{name}.jpg", quality=92)
            # 255, void, wraps round to 0
            (labels / f"{name}.mat").write_bytes(labelmaps.write_matlab(label + np.uint8(1), CLASS_NAMES))
            tests += [f"{FOLDER}\\{name}.jpg\n"] * number
    (folder / "TestSet1.txt").write_text("".join(tests))
    (folder / SCENES_MARKER).write_text(json.dumps(recipe))
