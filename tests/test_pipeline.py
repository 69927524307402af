"""helpers.pipeline: an honest split, and batches whose image and mask go through the same crop and mirror."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from helpers import pipeline
from helpers.siftflow import SiftFlow

TWINS = [("mountain_sclos4", "mountain_sharp59"), ("insidecity_urb992", "tallbuilding_urb992")]  # byte for byte


# ---- the split ------------------------------------------------------------------------------------------------------


class Loaded:
    """A data set whose images were read beforehand."""

    def __init__(self, train, images, labels=None, test=()):
        self._names, self.images, self.labels = {"train": list(train), "test": list(test)}, images, labels
        self.loaded = []

    def names(self, split):
        return self._names[split]

    def load(self, names):
        assert names in ("train", self._names["train"]), "the split must not look at test images"
        self.loaded.extend(self._names["train"])
        return self.images.copy(), self.labels.copy()


def split(data, seed):
    """The names to train on, and those to validate on."""
    names = data.names("train")
    out = pipeline.held_out(names, data.images, seed)
    return [n for n, o in zip(names, out, strict=True) if not o], [n for n, o in zip(names, out, strict=True) if o]


@pytest.fixture(scope="module")
def real(siftflow_root):
    dataset = SiftFlow(siftflow_root)
    return Loaded(dataset.names("train"), *dataset.load("train"), dataset.names("test"))


@pytest.fixture(scope="module")
def real_splits(real):
    return {seed: split(real, seed) for seed in range(3)}


def made_up(n=200, twins=((3, 4), (10, 51), (51, 120))):
    """Noise images of four kinds, of which some are nearly the same."""
    random = np.random.RandomState(0)
    images = random.randint(0, 256, (n, 32, 32, 3)).astype("uint8")
    for a, b in twins:
        images[b] = np.clip(images[a].astype(int) + random.randint(-2, 3, images[a].shape), 0, 255)
    kinds = np.repeat(["coast", "forest", "street", "tallbuilding"], [n // 2, n // 4, n // 8, n - 7 * (n // 8)])
    return Loaded([f"{kind}_{i:04}" for i, kind in enumerate(kinds)], images)


@pytest.mark.parametrize("seed", range(3))
def test_real_split_is_2238_and_248_of_the_training_images(real, real_splits, seed):
    train, validation = real_splits[seed]
    assert (len(train), len(validation)) == (2238, 248)
    assert sorted(train + validation) == real.names("train")
    assert not set(train + validation) & set(real.names("test"))
    assert train == sorted(train) and validation == sorted(validation)


@pytest.mark.parametrize("seed", range(3))
def test_real_split_is_stratified_by_kind(real, real_splits, seed):
    everywhere, held_out = (
        [name.split("_")[0] for name in names] for names in (real.names("train"), real_splits[seed][1])
    )
    assert len(set(everywhere)) == 8
    for kind in set(everywhere):
        assert abs(held_out.count(kind) - everywhere.count(kind) * 248 / 2486) <= 1, kind


@pytest.mark.parametrize("seed", range(3))
def test_real_twins_stay_together(real, real_splits, seed):
    for a, b in TWINS:
        images = [real.images[real.names("train").index(name)] for name in (a, b)]
        assert np.array_equal(*images)
        assert (a in real_splits[seed][1]) == (b in real_splits[seed][1])


def test_real_split_depends_on_the_seed(real, real_splits):
    assert split(real, 0) == real_splits[0] != real_splits[1] != real_splits[2]


def test_split_of_made_up_images():
    data = made_up()
    splits = [split(data, seed) for seed in range(12)]
    for train, validation in splits:
        assert sorted(train + validation) == data.names("train") and len(validation) == round(200 * 248 / 2486)
        for family in (("coast_0003", "coast_0004"), ("coast_0010", "coast_0051", "forest_0120")):
            assert len({name in validation for name in family}) == 1  # a chain of near-duplicates, too
    assert split(data, 0) == splits[0]
    assert len({tuple(validation) for _, validation in splits}) == 12
    assert any("coast_0004" in validation for _, validation in splits)


def test_each_image_is_loaded_once_and_stays_with_its_name_and_label():
    data = made_up()
    data.labels = np.arange(len(data.images), dtype="uint8")[:, None, None] * np.ones((1, 32, 32), "uint8")
    parts = pipeline.load(data, seed=1)
    assert data.loaded == data.names("train"), "nothing is decoded twice"
    assert tuple(part.names for part in parts) == split(data, 1)
    for part in parts:
        at = [data.names("train").index(name) for name in part.names]
        assert np.array_equal(part.images, data.images[at]) and np.array_equal(part.labels, data.labels[at])


# ---- training batches -----------------------------------------------------------------------------------------------

SIZE = 32
CODE = {**{c: 7 * c for c in range(33)}, 255: 250}  # the red that stands for each label


def coded(n=12, side=64, seed=0, block=16):
    """Images whose red is their label's code and whose green is their number; blocky labels, some void."""
    random = np.random.RandomState(seed)
    labels = random.choice([*range(33), *[255] * 8], (n, side // block, side // block)).astype("uint8")
    labels = labels.repeat(block, 1).repeat(block, 2)
    images = np.zeros((n, side, side, 3), "uint8")
    images[..., 0] = np.vectorize(CODE.get)(labels)
    images[..., 1] = (np.arange(n) * (250 // n))[:, None, None]
    return images, labels


def batches(images, labels, **options):
    options = {"batch": 4, "size": SIZE, "epochs": 2, **options}
    return [(x.numpy(), y.numpy()) for x, y in pipeline.training_batches(images, labels, **options)]


def same(some, others):
    return len(some) == len(others) and all(
        np.array_equal(x, a) and np.array_equal(y, b) for (x, y), (a, b) in zip(some, others, strict=True)
    )


def inside(label, reach=2):
    """Where a pixel and all within `reach` of it have one label: away from borders."""
    around = [np.roll(label, (i, j), (0, 1)) for i in range(-reach, reach + 1) for j in range(-reach, reach + 1)]
    constant = np.all([a == label for a in around], axis=0)
    constant[:reach], constant[-reach:], constant[:, :reach], constant[:, -reach:] = False, False, False, False
    return constant


def test_batches_have_the_promised_types_and_ranges():
    images, labels = coded(10)
    stream = batches(images, labels, light=0.9)
    assert len(stream) == 2 * (10 // 4)
    for x, y in stream:
        assert x.shape == (4, SIZE, SIZE, 3) and x.dtype == np.float32 and x.min() >= 0 and x.max() <= 255
        assert y.shape == (4, SIZE, SIZE) and y.dtype == np.int32
    spec = pipeline.training_batches(images, labels, batch=4, size=SIZE, epochs=1).element_spec
    assert tuple(spec[0].shape) == (4, SIZE, SIZE, 3) and tuple(spec[1].shape) == (4, SIZE, SIZE)


def test_sources_stay_as_they_were():
    images, labels = coded(4)
    before = images.copy(), labels.copy()
    batches(images, labels)
    assert np.array_equal(images, before[0]) and np.array_equal(labels, before[1])


@pytest.mark.parametrize(("size", "scale"), [(32, 1.6), (48, 3.0), (64, 1.0), (96, 2.0)])
def test_image_and_mask_get_the_same_crop_and_mirror(size, scale):
    images, labels = coded(side=64)
    checked = 0
    for x, y in batches(images, labels, size=size, scale=scale, light=0, epochs=4):
        for image, label in zip(x, y, strict=True):
            where = inside(label)
            code = np.vectorize(CODE.get)(label)
            assert np.abs(image[..., 0] - code)[where].max(initial=0) < 0.5
            checked += where.sum()
    assert checked > 0.2 * 48 * size**2


def test_void_stays_void_and_no_class_is_invented():
    images, labels = coded()
    numbers = (np.arange(12) * (250 // 12)).tolist()
    for x, y in batches(images, labels, light=0, epochs=3):
        for image, label in zip(x, y, strict=True):
            source = labels[numbers.index(round(float(image[0, 0, 1])))]
            assert set(np.unique(label)) <= set(np.unique(source))
    ys = np.concatenate([y for _, y in batches(images, labels, epochs=8)])
    assert abs((ys == 255).mean() - (labels == 255).mean()) < 0.05


def test_every_image_draws_its_own_crop_mirror_and_light():
    images = np.tile(np.random.RandomState(0).randint(60, 190, (1, 64, 64, 3)).astype("uint8"), (8, 1, 1, 1))
    ((x, _),) = batches(images, np.zeros((8, 64, 64), "uint8"), batch=8, epochs=1)
    distance = np.abs(x[:, None] - x[None]).mean(axis=(2, 3, 4)) + 99 * np.eye(8)
    assert distance.min() > 1
    assert np.ptp(x.mean(axis=(1, 2, 3))) > 5  # brightness


def test_mirrored_about_half_the_time_and_otherwise_untouched():
    images, labels = coded(8, side=32)
    random = np.random.RandomState(1)
    images = random.randint(0, 256, images.shape).astype("uint8")
    labels = random.randint(0, 33, labels.shape).astype("uint8")
    mirrored = []
    for x, y in batches(images, labels, size=32, scale=1.0, light=0, epochs=10):
        for image, label in zip(x, y, strict=True):
            plain = [np.array_equal(label, one) for one in labels]
            turned = [np.array_equal(label, one[:, ::-1]) for one in labels]
            source = images[np.flatnonzero(np.logical_or(plain, turned))[0]]
            mirrored.append(any(turned))
            np.testing.assert_allclose(image, source[:, ::-1] if mirrored[-1] else source, atol=0.01)
    assert 25 < sum(mirrored) < 55


def test_crops_are_between_one_and_scale_and_stay_inside():
    ramp = np.tile(np.arange(64, dtype="uint8")[None, :, None], (64, 1, 3))
    images = np.stack([ramp] * 16)
    widths = []
    for x, _ in batches(images, np.zeros((16, 64, 64), "uint8"), size=64, scale=2.0, light=0, epochs=5, batch=16):
        assert x.min() >= 0 and x.max() <= 63.01
        widths += list(x.max(axis=(1, 2, 3)) - x.min(axis=(1, 2, 3)) + 1)
    assert 31 <= min(widths) < 40 and 56 < max(widths) <= 64.1


def test_light_stays_within_its_share():
    images = np.random.RandomState(0).randint(100, 150, (16, 32, 32, 3)).astype("uint8")
    brightness, contrast = [], []
    for x, _ in batches(images, np.zeros((16, 32, 32), "uint8"), scale=1.0, light=0.2, epochs=5, batch=16):
        brightness += list(x.mean(axis=(1, 2, 3)) - images.mean())
        contrast += list(x.std(axis=(1, 2, 3)) / images.std())
    assert 15 < np.abs(brightness).max() < 0.1 * 255 + 1
    assert 0.78 < min(contrast) < 0.9 and 1.1 < max(contrast) < 1.22


def test_same_seed_same_batches_other_seed_others():
    images, labels = coded()
    first = batches(images, labels, seed=3)
    assert same(first, batches(images, labels, seed=3))
    assert not same(first, batches(images, labels, seed=4))


@pytest.mark.parametrize("first_epoch", [1, 2, 3])
def test_from_a_later_epoch_the_batches_are_those_of_the_full_stream(first_epoch):
    images, labels = coded(11)
    full = batches(images, labels, epochs=4, seed=5)
    assert same(full[first_epoch * (11 // 4) :], batches(images, labels, epochs=4, seed=5, first_epoch=first_epoch))


def test_an_epoch_uses_each_image_at_most_once_and_orders_differ():
    images, labels = coded(10)
    stream = batches(images, labels, light=0, epochs=6)
    seen = [np.round(np.concatenate([x[:, 0, 0, 1] for x, _ in stream[2 * e : 2 * e + 2]])) for e in range(6)]
    assert all(len(set(epoch)) == 8 for epoch in seen)
    assert len({tuple(epoch) for epoch in seen}) == 6
    assert len(set(np.concatenate(seen))) == 10  # what one epoch leaves out another takes


def test_fewer_images_than_a_batch_is_refused():
    images, labels = coded(3)
    with pytest.raises(ValueError, match="3 training images do not fill one batch of 4: take a smaller batch"):
        pipeline.training_batches(images, labels, batch=4, size=SIZE, epochs=1)


# ---- evaluation batches ---------------------------------------------------------------------------------------------


def test_evaluation_batches_are_complete_and_in_order():
    images, labels = coded(10, side=64)
    stream = [(x.numpy(), y.numpy()) for x, y in pipeline.evaluation_batches(images, labels, batch=4, size=64)]
    assert [len(x) for x, _ in stream] == [4, 4, 2]
    x, y = (np.concatenate(part) for part in zip(*stream, strict=True))
    assert x.dtype == np.float32 and y.dtype == np.int32
    assert np.array_equal(x, images) and np.array_equal(y, labels)


def test_evaluation_batches_resize_image_and_label_alike():
    images, labels = coded(5, side=64)
    for x, y in pipeline.evaluation_batches(images, labels, batch=5, size=32):
        assert x.shape == (5, 32, 32, 3) and y.shape == (5, 32, 32)
        np.testing.assert_allclose(x, images.reshape(5, 32, 2, 32, 2, 3).mean(axis=(2, 4)), atol=0.01)
        assert np.array_equal(y, labels.reshape(5, 32, 2, 32, 2)[:, :, 0, :, 0])  # blocks of 16: any pixel will do


# ---- memory ---------------------------------------------------------------------------------------------------------

GROWTH = """
import numpy as np
from helpers import pipeline

def anonymous():  # bytes that this process holds, without what it reads from files
    with open("/proc/self/status") as status:
        return 1024 * next(int(line.split()[1]) for line in status if line.startswith("RssAnon"))

def feed_of(n):
    images, labels = np.ones((n, 128, 128, 3), "uint8"), np.ones((n, 128, 128), "uint8")
    return images.nbytes + labels.nbytes, pipeline.Feed(images, labels, batch=8, size=16, epochs=1)

next(iter(feed_of(16)[1]()))  # what TensorFlow takes, whatever the size
size, feed = feed_of(4000)  # 260 MB
before = anonymous()
for _ in zip(range(3), feed()):
    pass
print((anonymous() - before) / size)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_images_are_copied_once_for_the_stream():
    root = Path(pipeline.__file__).parents[1]
    ran = subprocess.run([sys.executable, "-c", GROWTH], cwd=root, capture_output=True, text=True, check=True)
    assert 0.9 < float(ran.stdout) < 1.5
