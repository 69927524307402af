"""Makes batches of a data set: holds out validation images, shuffles, crops, resizes, mirrors and jitters the light.

Images and labels stay uint8 until they are put into a batch. The random numbers of every crop, mirror and jitter
depend only on the seed and on the image's place in the stream: the same seed gives the same batches, from any epoch on.
"""

import dataclasses
import functools
from typing import NamedTuple

import numpy as np

VALIDATION_SHARE = 248 / 2486  # of the training images: 248 of SiftFlow's


class Part(NamedTuple):
    """Some images of a data set, loaded.

    Attributes:
        names: a sorted list of n names.
        images: uint8 (n, row, col, RGB). labels: uint8 (n, row, col), classes or 255 for void.
    """

    names: list
    images: np.ndarray
    labels: np.ndarray


def load(dataset, seed=0):
    """Loads the training images, each of them once, and holds some out; the test images are not touched.

    Returns:
        Two `Part`s: the images to learn from, and those to validate on, 2,238 and 248 for SiftFlow; see `held_out`.

    Raises:
        ValueError: there is one training image, or all are nearly the same.
    """
    names = dataset.names("train")
    images, labels = dataset.load(names)
    out = held_out(names, images, seed, getattr(dataset, "alike", None))
    if not out.any():
        raise ValueError(
            f"{dataset} has one training photo, or all are nearly the same, so that none can be held out to validate "
            "on: add photos of other places."
        )
    validation = Part([n for n, is_out in zip(names, out, strict=True) if is_out], images[out], labels[out])
    kept = np.flatnonzero(~out)
    for at, i in enumerate(kept):  # in place: a second copy of SiftFlow would take 600 MB more
        images[at], labels[at] = images[i], labels[i]
    return Part([names[i] for i in kept], images[: len(kept)], labels[: len(kept)]), validation


def held_out(names, images, seed=0, alike=None):
    """Chooses the images to validate on: bool (n,), true for a tenth of them.

    Each kind of scene (the name before the underscore) gives its share; names of which fewer than five have a kind in
    common, such as the numbers that cameras give, count as one kind. Photographs that are nearly the same, such as
    two frames of one scene, stay on one side; otherwise a network could score well by remembering. `alike`, {name: the
    group of the photos that it nearly equals}, says which they are; by default, the images are compared.
    """
    first, groups = {}, _near_duplicate_groups(images) if alike is None else [alike[name] for name in names]
    group = np.array([first.setdefault(g, i) for i, g in enumerate(groups)], int)
    kind = [names[g].split("_")[0] for g in group]  # a group counts under its first image's kind
    kind = [k if kind.count(k) >= 5 else "" for k in kind]
    kinds = sorted(set(kind))
    wanted = np.array([kind.count(k) for k in kinds]) * VALIDATION_SHARE
    quota = np.floor(wanted).astype(int)
    short = max(min(1, len(names) - 1), round(len(names) * VALIDATION_SHARE)) - quota.sum()
    quota[np.argsort(quota - wanted, kind="stable")[:short]] += 1  # the largest remainders are rounded up
    left = dict(zip(kinds, quota, strict=True))
    out = np.zeros(len(names), bool)
    for g in np.random.RandomState(seed).permutation(np.unique(group)):
        members = group == g
        if left[kind[g]] >= members.sum():
            left[kind[g]] -= members.sum()
            out |= members
    if not out.any() and len(np.unique(group)) > 1:  # every group is larger than its share
        out = group == min(np.unique(group), key=list(group).count)
    return out


class Crop(NamedTuple):
    """How a training image is changed: one number each, or arrays with one number for every image of a batch.

    Attributes:
        index: which image. top, left, side: the square that is cut out of it, in pixels.
        mirrored: whether left and right change places.
        contrast, brightness: a factor for the distance to the mean, and what is added, on the scale 0-255.
    """

    index: object
    top: object
    left: object
    side: object
    mirrored: object
    contrast: object
    brightness: object


@dataclasses.dataclass(frozen=True, eq=False)
class Feed:
    """Training images, and how batches are made of them: what `helpers.training.fit` takes as `train`.

    Attributes:
        images, labels: uint8 (n, row, col, RGB) and (n, row, col), as `SiftFlow.load` gives them.
        batch: images per step. size: rows and columns of the images that come out.
        epochs: passes over the images, all in one stream: ``fit(..., steps=len(images) // batch)``.
        scale: each image is cropped to a square, a random 1/scale … 1 of its shorter side, and resized: enlarged up to
            `scale`.
        light: the jitter of the light: contrast changes by up to this share, brightness by up to half of it.
    """

    images: np.ndarray
    labels: np.ndarray
    batch: int
    size: int
    epochs: int
    seed: int = 0
    scale: float = 1.6
    light: float = 0.2

    def __call__(self, first_epoch=0):
        """Makes the stream of augmented batches from an epoch on; a run that goes on gets those it would have had.

        Returns:
            A `tf.data.Dataset` of images float32 (batch, size, size, RGB), 0-255, and labels int32 (batch, size, size).
        """
        images, labels = self._tensors
        stream = self._stream(first_epoch, lambda crop: augmented(images, labels, crop, self.size))
        return stream.batch(self.batch, drop_remainder=True).prefetch(2)

    def crops(self, first_epoch=0):
        """Says how each image of the same stream is changed: a `tf.data.Dataset` of `Crop`s."""
        return self._stream(first_epoch, lambda crop: crop)

    @functools.cached_property
    def _tensors(self):
        """Images and labels, once, on the CPU: it makes the batches, whatever they train."""
        import tensorflow as tf  # here, so that `load` works without it

        with tf.device("CPU"):  # variables, since constants would be copied into the graph of `map`, too
            return [tf.Variable(array, trainable=False) for array in (self.images, self.labels)]

    def _stream(self, first_epoch, make):
        """Draws a `Crop` for every place in the stream from an epoch on, and maps it by `make`."""
        import tensorflow as tf

        n, rows, cols = self.images.shape[:3]
        if n < self.batch:
            raise ValueError(f"{n} training images do not fill one batch of {self.batch}: take a smaller batch.")
        whole = n // self.batch * self.batch  # images that do not fill a batch are left out; others each epoch
        order = [np.random.RandomState((self.seed, e)).permutation(n)[:whole] for e in range(first_epoch, self.epochs)]
        place = np.arange(first_epoch * whole, self.epochs * whole)

        def drawn(i, place):
            draw = tf.random.stateless_uniform([6], seed=[self.seed, place])
            side = tf.cast(min(rows, cols) / (1 + draw[0] * (self.scale - 1)), tf.int32)
            top = tf.cast(draw[1] * tf.cast(rows - side + 1, tf.float32), tf.int32)
            left = tf.cast(draw[2] * tf.cast(cols - side + 1, tf.float32), tf.int32)
            contrast, brightness = 1 + self.light * (2 * draw[4] - 1), self.light / 2 * 255 * (2 * draw[5] - 1)
            return make(Crop(i, top, left, side, draw[3] < 0.5, contrast, brightness))

        stream = tf.data.Dataset.from_tensor_slices((np.ravel(order).astype("int32"), place))
        return stream.map(drawn, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)


def augmented(images, labels, crop, size):
    """Cuts one image and its label out, resizes and mirrors both, and changes the image's light."""
    import tensorflow as tf

    rows, cols = (slice(start, start + crop.side) for start in (crop.top, crop.left))
    image, label = resized(images[crop.index, rows, cols], labels[crop.index, rows, cols], size)
    image = tf.where(crop.mirrored, image[:, ::-1], image)
    label = tf.where(crop.mirrored, label[:, ::-1], label)
    mean = tf.reduce_mean(image)
    return tf.clip_by_value((image - mean) * crop.contrast + mean + crop.brightness, 0, 255), label


def training_batches(images, labels, *, first_epoch=0, **settings):
    """Makes the stream of augmented batches of a `Feed` with these settings, from an epoch on."""
    return Feed(images, labels, **settings)(first_epoch)


def evaluation_batches(images, labels, *, batch, size):
    """Every image once, in order, only resized: a `tf.data.Dataset` of batches like those of a `Feed`."""
    import tensorflow as tf

    stream = tf.data.Dataset.from_tensor_slices((images, labels))
    stream = stream.map(lambda image, label: resized(image, label, size), num_parallel_calls=tf.data.AUTOTUNE)
    return stream.batch(batch).prefetch(2)


def resized(image, label, size):
    """One image, bilinearly, and its label, by the nearest pixel: a mean of class numbers is no class."""
    import tensorflow as tf

    image = tf.image.resize(image, (size, size))
    label = tf.image.resize(label[..., None], (size, size), method="nearest")[..., 0]
    return tf.ensure_shape(image, (size, size, 3)), tf.cast(label, tf.int32)


def _near_duplicate_groups(images, threshold=0.985):
    """The index of the first image that each one nearly equals (itself, for most): int (n,).

    Nearly equal: 16x16 grey thumbnails, mean removed, correlate above the threshold.
    """
    n, rows, cols, _ = images.shape
    high, wide = rows // 16, cols // 16  # of a thumbnail's pixel; what is left over is not looked at
    cells = (image[: 16 * high, : 16 * wide].reshape(16, high, 16, wide, 3) for image in images)
    grey = np.stack([cell.mean(axis=(1, 3, 4), dtype="float32").ravel() for cell in cells])
    grey -= grey.mean(axis=1, keepdims=True)
    grey /= np.maximum(np.linalg.norm(grey, axis=1, keepdims=True), 1e-6)
    group = np.arange(n)
    for i, j in np.argwhere(np.triu(grey @ grey.T, k=1) > threshold):
        group[group == group[j]] = group[i]
    return group
