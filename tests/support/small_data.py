"""Small data sets in SiftFlow's layout, for tests."""

import json

import numpy as np
import scipy.io
from PIL import Image

from helpers.siftflow import N_CLASSES, SCENES_MARKER

FOLDER = "spatial_envelope_256x256_static_8outdoorcategories"
TRAIN, TEST = ("coast_a1", "forest_b2", "street_c3"), ("coast_t1", "forest_t2")


def write_set(root, train=TRAIN, test=TEST, size=256, stand_in=False, seed=0):
    """Writes a small set in SiftFlow's layout, of coarse random pictures, and returns {name: file labels 0-33}."""
    random, files = np.random.RandomState(seed), {}
    images, labels = root / "Images" / FOLDER, root / "SemanticLabels" / FOLDER
    images.mkdir(parents=True)
    labels.mkdir(parents=True)
    for name in (*train, *test):
        pixels = random.randint(0, 256, (16, 16, 3)).astype("uint8").repeat(size // 16, 0).repeat(size // 16, 1)
        files[name] = random.randint(0, N_CLASSES + 1, (size // 8, size // 8)).repeat(8, 0).repeat(8, 1)
        Image.fromarray(pixels).save(images / f"{name}.jpg", quality=95)
        scipy.io.savemat(labels / f"{name}.mat", {"S": files[name].astype("uint16")})
    (root / "TestSet1.txt").write_text("".join(f"{FOLDER}\\{name}.jpg\n" for name in test))
    if stand_in:
        (root / SCENES_MARKER).write_text(json.dumps({"size": size}))
    return files
