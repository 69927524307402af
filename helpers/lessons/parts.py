"""Measures what a part of the network does: how far a pixel sees, scores near borders, seams, a borrowed encoder.

Notebook 07 builds the networks; what it measures them by is here. Every network takes images (batch, row, col, RGB)
that range over 0-255 and gives logits (batch, row, col, class).
"""

import time

import keras
import numpy as np
from keras import layers

from helpers import losses, metrics, scenes
from helpers.classes import VOID
from helpers.engine.building import build_optimizer
from helpers.lessons import experiments
from helpers.unet import two_convolutions, unet

BATCH = 10  # pictures in a step of `learner`: the smallest number of labelled pictures that notebook 07 tries


def reach(influence, row, col, share=0.9):
    """The width in pixels of the smallest square around a pixel that holds this share of an influence.

    Args:
        influence: numbers (row, col), none below 0. row, col: of the pixel. share: above 0, at most 1.

    Raises:
        ValueError: there is no influence at all.
    """
    influence = np.asarray(influence, float)
    if not influence.sum() > 0:
        raise ValueError("No pixel has an influence: is the network's output constant?")
    rows, cols = np.indices(influence.shape)
    distance = np.maximum(abs(rows - row), abs(cols - col))
    held = np.cumsum(np.bincount(distance.ravel(), influence.ravel())) / influence.sum()
    return 2 * int(np.argmax(held >= min(share, held[-1]))) + 1


def near_borders(labels, within=3):
    """Which pixels have another class at most so many rows and columns away: bool, of the labels' shape.

    Args:
        labels: integers (image, row, col). Void counts as a class here, so its own border is one, too.
    """
    rows, cols = labels.shape[1:]
    wide = np.pad(labels, ((0, 0), (within, within), (within, within)), mode="edge")
    near = np.zeros(labels.shape, bool)
    for down in range(2 * within + 1):
        for right in range(2 * within + 1):
            near |= wide[:, down : down + rows, right : right + cols] != labels
    return near


def mean_iou(masks, labels, where=None):
    """The mean IoU of each seed's masks in four classes, over the pixels that count: float (seed,).

    Args:
        masks: integers (seed, image, row, col). labels: (image, row, col), 255 for void. where: bool (image, row, col).
    """
    truth = labels if where is None else np.where(where, labels, VOID)
    matrices = [metrics.confusion(truth, each, len(experiments.CLASSES)) for each in masks]
    return np.array([metrics.scores(matrix)["mean_iou"] for matrix in matrices])


def pattern(flat, real):
    """How strong a pattern of logits is where there should be none, beside how much they differ on real pictures.

    Args:
        flat: float (row, col, class), of a picture that is the same everywhere, far from its edges.
        real: float (image, row, col, class), of real pictures.

    Returns:
        The standard deviation of the first over that of the second, both as root mean square over the classes.
    """
    at_flat, at_real = (np.sqrt(np.var(x, axis=tuple(range(x.ndim - 1))).mean()) for x in (flat, real))
    return at_flat / at_real


def seams(mask, every):
    """In %, how often two neighbours differ in class, across the borders of tiles and everywhere else.

    Args:
        mask: integers (row, col). every: pixels from one border to the next.
    """
    down, right = mask[1:] != mask[:-1], mask[:, 1:] != mask[:, :-1]
    between_rows, between_cols = (np.arange(1, n) % every == 0 for n in mask.shape)
    across = np.r_[down[between_rows].ravel(), right[:, between_cols].ravel()]
    elsewhere = np.r_[down[~between_rows].ravel(), right[:, ~between_cols].ravel()]
    return 100 * across.mean(), 100 * elsewhere.mean()


def wide_scenes(n):
    """Draws scenes four times as wide as those of `experiments.task`, and not square, as photographs mostly are.

    Returns:
        images, uint8 (n, 86, 128, RGB), and labels, uint8 (n, 86, 128): the four classes of the task, 255 for void.
    """
    drawn = [scenes.draw(scenes.KINDS[i % len(scenes.KINDS)], [7, i], 128) for i in range(n)]
    images, labels = (np.stack([part[21:107] for part in parts]) for parts in zip(*drawn, strict=True))
    return images, experiments.in_four(labels)


def twice_as_large():
    """The images of `experiments.task` before every second pixel was taken: uint8 (n, 64, 64, RGB), to learn from, and
    held out."""
    images, _, held_out = experiments.pictures()
    return images[~held_out], images[held_out]


def encoder(about, donor=None, size=64):
    """The way down of a network that `helpers.runs.pretrained` returned: all that it computes before the way up.

    Args:
        about: the dict about it. donor: the network itself, whose weights are copied; None for new, random weights.
        size: pixels of the images, high and wide.

    Returns:
        A `keras.Model` from images (batch, size, size, RGB), 0-255, to a list of maps, finest first.
    """
    recipe = about["recipe"]
    whole = unet((size, size, 3), 33, recipe["filters"], recipe["depth"], recipe["stem"])
    if donor is not None:
        whole.set_weights(donor.get_weights())
    names = [*(f"down{level}b" for level in range(recipe["depth"])), "bottomb"]
    return keras.Model(whole.input, [whole.get_layer(name).output for name in names], name="encoder")


def decoder(shapes, filters=16, outputs=4):
    """A new way up: from an encoder's maps to logits at the size of the finest.

    Args:
        shapes: of the maps, (row, col, channel) each, finest first. filters: at the finest; each coarser level has
            twice as many.
    """
    maps = [keras.Input(shape) for shape in shapes]
    x = maps[-1]
    for level in reversed(range(len(maps) - 1)):
        x = layers.Conv2DTranspose(filters * 2**level, 2, strides=2)(x)
        x = layers.Concatenate()([maps[level], x])
        x = two_convolutions(x, filters * 2**level, name=f"new{level}")
    return keras.Model(maps, layers.Conv2D(outputs, 1, dtype="float32")(x), name="decoder")


def learner(model, rate, steps):
    """Compiles a model once, to be trained as often as needed, each time from the weights that it then has.

    Args:
        rate: of Adam, falling to 0 along a cosine. steps: how many.

    Returns:
        A function of (inputs, labels, seed) that trains the model on them, `BATCH` pictures a step in the seed's order,
        and returns the seconds that it took: steps x the median of a step, so that compiling does not count. Inputs are
        an array, or a list of arrays, (n, ...); labels are integers (n, row, col).
    """
    model.compile(keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(rate, steps)), losses.CrossEntropy())
    build_optimizer(model)
    at_rest = [keras.ops.convert_to_numpy(variable) for variable in model.optimizer.variables]

    def train(inputs, labels, seed):
        for variable, value in zip(model.optimizer.variables, at_rest, strict=True):
            variable.assign(value)
        random, order, times = np.random.RandomState(seed), [], []
        for _ in range(steps):
            while len(order) < BATCH:
                order.extend(random.permutation(len(labels)))
            some, order = order[:BATCH], order[BATCH:]
            start = time.perf_counter()
            model.train_on_batch(pick(inputs, some), labels[some])
            times.append(time.perf_counter() - start)
        return steps * float(np.median(times))

    return train


def pick(inputs, some):
    """Some pictures of an array (n, ...), or of each array in a list, as float32."""
    if isinstance(inputs, (list, tuple)):
        return [np.asarray(each[some], "float32") for each in inputs]
    return np.asarray(inputs[some], "float32")


def megabytes(*, weights=0, trained=0):
    """The memory of so many float32 weights; those that are trained have a gradient and Adam's two averages besides."""
    return 4 * (weights + 3 * trained) / 1e6
