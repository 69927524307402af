"""helpers.synthetic: every scene is the same on every machine, and shows what SiftFlow's photographs show."""

import hashlib

import numpy as np
import pytest

from helpers import scenes
from helpers.classes import CLASS_NAMES, N_CLASSES, VOID

# A change to any pixel changes these hashes of images and labels: one scene of each kind, and five small ones of each,
# which between them take nearly every turn that a scene can take. Whoever changes them raises scenes.VERSION.
PINNED = "ffee26300b5535e8bb931d42991f6f23a785ba75e67e0e01f10e568b311d00b0"
PINNED_MORE = "17c997f1d6270e0cacb2d25677783c084694099f05fe7b3cb7cb8102938354e3"


def fingerprint(size, seeds):
    digest = hashlib.sha256()
    for kind in scenes.KINDS:
        for seed in seeds:
            for array in scenes.draw(kind, seed, size):
                digest.update(array.tobytes())
    return digest.hexdigest()


@pytest.fixture(scope="module")
def labels():
    """The label maps of 240 scenes, as `make` draws them, and what kind each is."""
    kinds = [scenes.KINDS[i % len(scenes.KINDS)] for i in range(240)]
    return np.stack([scenes.draw(kind, [0, 0, i])[1] for i, kind in enumerate(kinds)]), np.array(kinds)


def test_pixels_are_pinned():
    assert fingerprint(128, [1]) == PINNED
    assert fingerprint(64, range(5)) == PINNED_MORE


@pytest.mark.parametrize("kind", scenes.KINDS)
@pytest.mark.parametrize("size", [32, 128, 256])
def test_draw_shapes_and_ranges(kind, size):
    image, label = scenes.draw(kind, 7, size)
    assert image.shape == (size, size, 3) and image.dtype == np.uint8
    assert label.shape == (size, size) and label.dtype == np.uint8
    assert ((label < N_CLASSES) | (label == VOID)).all()
    assert image.std() > 10  # a picture, not a blank


def test_draw_repeats_and_does_not_depend_on_what_was_drawn_before():
    first = scenes.draw("street", 3)
    scenes.draw("coast", 4)
    again, other = scenes.draw("street", 3), scenes.draw("street", 5)
    assert np.array_equal(first[0], again[0]) and np.array_equal(first[1], again[1])
    assert not np.array_equal(first[0], other[0])


def test_every_class_occurs(labels):
    present = set(np.unique(labels[0])) - {VOID}
    assert present == set(range(N_CLASSES)), [CLASS_NAMES[i] for i in set(range(N_CLASSES)) - present]


def test_class_frequencies_are_like_those_of_photographs(labels):
    counts = np.bincount(labels[0].ravel(), minlength=256)
    void, share = counts[VOID] / counts.sum(), counts[:N_CLASSES] / counts[:N_CLASSES].sum()
    assert 0.04 < void < 0.10
    common = {"sky": (0.2, 0.35), "building": (0.12, 0.25), "tree": (0.08, 0.18), "mountain": (0.05, 0.18)}
    rare = dict.fromkeys(("bird", "moon", "sun", "cow"), (0, 0.002))
    for name, (low, high) in (common | rare).items():
        assert low < share[CLASS_NAMES.index(name)] < high, name
    assert 12 <= (share > 0.005).sum() <= 18


@pytest.mark.parametrize(
    ("kind", "typical"),
    [("coast", "sea"), ("forest", "tree"), ("highway", "road"), ("insidecity", "window"), ("mountain", "mountain"),
     ("opencountry", "field"), ("street", "road"), ("tallbuilding", "building")],
)  # fmt: skip
def test_a_kind_shows_what_its_name_says(labels, kind, typical):
    its = labels[0][labels[1] == kind]
    assert (its == CLASS_NAMES.index(typical)).mean() > 0.08
