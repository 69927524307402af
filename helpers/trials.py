"""Small experiments that change one thing: the same few scenes, the same small U-Net, another loss.

The task has four classes, as in the question that notebook 03 answers: sky, built, nature, and *things* (cars, people,
signs, poles ...), which are 2 % of the pixels. A run takes some ten seconds on a CPU, so a lesson can afford several.

    task = trials.task()
    runs = {"plain": trials.train(task, losses.CrossEntropy()), "Dice": trials.train(task, losses.Dice())}
    trials.figure(task, runs)
"""

import os
from typing import NamedTuple

import keras
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.patches import Patch

from helpers import cells, draw, metrics, scenes, siftflow
from helpers.siftflow import CLASS_NAMES, VOID
from helpers.unet import unet

CLASSES = ("sky", "built", "nature", "things")
RARE = CLASSES.index("things")
SIZE = 32  # pixels, high and wide
BATCH = 6
_COLOURS = cells.CLASS_COLOURS[: len(CLASSES)]
_LINES = ("#000000", "#d55e00", "#0072b2", "#009e73")
_MADE_OF = {
    "sky": "sky sun moon",
    "built": "building window door balcony awning bridge road sidewalk crosswalk staircase fence",
    "things": "car bus boat person sign pole streetlight bird cow",
}


class Task(NamedTuple):
    """Images uint8 (n, 32, 32, RGB) and labels uint8 (n, 32, 32), 0-3 or 255 for void: to learn from, and held out."""

    images: np.ndarray
    labels: np.ndarray
    held_out_images: np.ndarray
    held_out_labels: np.ndarray

    @property
    def pixel_counts(self):
        """How many training pixels each class has: int64 (4,)."""
        return np.bincount(self.labels.ravel(), minlength=256)[: len(CLASSES)]


def task():
    """The drawn scenes of notebook 02 in four classes, every fourth of them held out."""
    data = scenes.make(siftflow.data_folder() / "scenes" / "small", train=240, test=24, size=64)
    images, labels = (array[:, ::2, ::2] for array in data.load("train"))  # every second pixel: labels do not mix
    to_four = np.full(256, CLASSES.index("nature"), "uint8")
    to_four[VOID] = VOID
    for name, parts in _MADE_OF.items():
        to_four[[CLASS_NAMES.index(part) for part in parts.split()]] = CLASSES.index(name)
    labels, held_out = to_four[labels], np.arange(len(images)) % 4 == 0
    return Task(images[~held_out], labels[~held_out], images[held_out], labels[held_out])


class Run(NamedTuple):
    """What training left, for each seed.

    Attributes:
        losses: float (seed, epoch), the mean training loss.
        matrices: int64 (seed, 1 + epoch, 4, 4), the confusion matrix (rows = truth) of the held-out scenes, before
            training and after each epoch.
        masks: uint8 (seed, image, row, col), the argmax at the end, on the held-out scenes.
    """

    losses: np.ndarray
    matrices: np.ndarray
    masks: np.ndarray

    def recall(self, c=RARE):
        """The share of class c's pixels that was found: (seed, 1 + epoch)."""
        return self.matrices[..., c, c] / self.matrices[..., c, :].sum(axis=-1)

    def precision(self, c=RARE):
        """The share of right ones among the pixels given to class c, NaN where there are none: (seed, 1 + epoch)."""
        with np.errstate(invalid="ignore"):
            return self.matrices[..., c, c] / self.matrices[..., :, c].sum(axis=-1)

    def false_alarms(self, c=RARE):
        """The share of all pixels that were given to class c and are of another: (seed, 1 + epoch)."""
        return (self.matrices[..., :, c].sum(axis=-1) - self.matrices[..., c, c]) / self.matrices.sum(axis=(-2, -1))

    def iou(self, c=RARE):
        """The intersection over union of class c: (seed, 1 + epoch)."""
        return self._each(lambda matrix: metrics.iou_per_class(matrix)[c])

    def mean_iou(self):
        """The mean IoU: (seed, 1 + epoch)."""
        return self._each(lambda matrix: metrics.scores(matrix)["mean_iou"])

    def given(self):
        """The share of the held-out pixels given to each class at the end, by the first seed's run: (4,)."""
        return self.matrices[0, -1].sum(axis=0) / self.matrices[0, -1].sum()

    def _each(self, score):
        return np.array([[score(matrix) for matrix in seed] for seed in self.matrices])


def train(task, loss, *, optimizer=None, seeds=(0,), head=None, prepare=None, epochs=14):
    """Trains the small U-Net once for each seed, of its weights and of the order of the images.

    Args:
        loss: a Keras loss or a function of (labels (batch, row, col), the model's output).
        optimizer: Adam, 5e-3 falling to 0 along a cosine, unless given.
        head: a layer on top of the logits, such as a softmax; None for logits.
        epochs: how many; at the fast pace (``SERIES_PACE=fast``) never more than 2.
        prepare: a function of the new model, called before training, to start it elsewhere.
    """
    import tensorflow as tf

    epochs = min(epochs, 2) if os.environ.get("SERIES_PACE") == "fast" else epochs

    def network(seed):
        keras.utils.set_random_seed(seed)
        model = unet((SIZE, SIZE, 3), len(CLASSES), filters=8, depth=2)
        return model if head is None else keras.Model(model.input, head(model.output))

    model, steps = network(seeds[0]), len(task.images) // BATCH
    if optimizer is None:
        optimizer = keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(5e-3, epochs * steps))
    # One call into TensorFlow per epoch: for a network this small, Python between the steps takes as long as they do.
    model.compile(optimizer, loss, steps_per_execution=steps)
    optimizer.build(model.trainable_variables)
    at_rest = [keras.ops.convert_to_numpy(variable) for variable in optimizer.variables]
    examples = tf.data.Dataset.from_tensor_slices((task.images, task.labels)).cache()
    losses, matrices, masks = [], [], []
    for seed in seeds:  # the compiled step serves all: compiling takes as long as five epochs
        model.set_weights(network(seed).get_weights())
        for variable, value in zip(optimizer.variables, at_rest, strict=True):
            variable.assign(value)
        if prepare is not None:
            prepare(model)
        batches = examples.shuffle(len(task.images), seed=seed).batch(BATCH, drop_remainder=True)
        losses.append([])
        guesses = [_argmax(model, task)]
        for _ in range(epochs):
            losses[-1].append(model.fit(batches, shuffle=False, verbose=0).history["loss"][0])
            guesses.append(_argmax(model, task))
        matrices.append([metrics.confusion(task.held_out_labels, guess, len(CLASSES)) for guess in guesses])
        masks.append(guesses[-1])
    return Run(np.array(losses), np.array(matrices), np.array(masks))


def _argmax(model, task):
    return model.predict_on_batch(task.held_out_images.astype("float32")).argmax(axis=-1).astype("uint8")


# ---- pictures -----------------------------------------------------------------------------------------------------


def coloured(mask):
    """A mask of the four classes in their colours: uint8 (row, col) -> uint8 (row, col, RGB); void is black."""
    table = np.zeros((256, 3), np.uint8)
    table[: len(CLASSES)] = [np.round(255 * np.array(to_rgb(colour))) for colour in _COLOURS]
    return table[mask]


def figure(task, runs, scores, columns=3):
    """What became of several runs: scores epoch by epoch at the left, masks of held-out scenes at the right.

    Args:
        runs: {name: Run}.
        scores: {axis label: a function of a Run that returns (seed, 1 + epoch)}. The line is the mean over the seeds,
            the band goes from the lowest to the highest.
        columns: how many scenes to show, of those with most *things* in them.
    """
    if len(runs) > len(_LINES):
        raise ValueError(f"There are lines for {len(_LINES)} runs, and these are {len(runs)}: draw two figures.")
    shown = np.argsort(-(task.held_out_labels == RARE).sum(axis=(1, 2)), kind="stable")[: 2 * columns : 2]
    height = 0.3 + 1.05 * (2 + len(runs)) + 0.5
    figure = plt.figure(figsize=(4.6 + 1.05 * columns + 1.5, height))
    width = figure.get_figwidth()
    curves = figure.add_gridspec(
        len(scores), 1, left=0.65 / width, right=4.5 / width, top=1 - 0.3 / height, bottom=0.75 / height, hspace=0.14
    )
    for i, (label, score) in enumerate(scores.items()):
        axis = figure.add_subplot(curves[i])
        for (name, run), colour, style in zip(runs.items(), _LINES, ("-", "--", "-.", ":"), strict=False):
            values = np.ma.masked_invalid(score(run))  # NaN: a gap in the line
            axis.plot(values.mean(axis=0), style, color=colour, linewidth=2, label=name)
            if len(values) > 1:
                axis.fill_between(
                    range(values.shape[1]), values.min(axis=0), values.max(axis=0), color=colour, alpha=0.15
                )
        axis.set(xlim=(0, values.shape[1] - 1), ylabel=label)
        axis.set_ylim(0, max(0.1, 1.1 * max(np.nanmax(score(run), initial=0) for run in runs.values())))
        axis.grid(alpha=0.25)
        axis.spines[["top", "right"]].set_visible(False)
        axis.tick_params(labelbottom=i == len(scores) - 1)
        if i == 0:
            axis.legend(fontsize=8.5, framealpha=0.8)
    axis.set_xlabel("epoch")
    pictures = {"image": task.held_out_images[shown], "truth": [coloured(m) for m in task.held_out_labels[shown]]}
    pictures.update({name: [coloured(m) for m in run.masks[0][shown]] for name, run in runs.items()})
    grid = figure.add_gridspec(
        len(pictures), columns, left=6.0 / width, right=1 - 0.05 / width, top=1 - 0.1 / height, bottom=0.55 / height,
        wspace=0.04, hspace=0.04,
    )  # fmt: skip
    for i, (name, row) in enumerate(pictures.items()):
        for j, picture in enumerate(row):
            axis = draw.plain(figure.add_subplot(grid[i, j]))
            axis.imshow(picture, interpolation="nearest")
            if j == 0:
                axis.set_ylabel(name, rotation=0, ha="right", va="center", fontsize=9)
    _legend(figure, (5.6 / width + 1) / 2, 0.45 / height)
    return figure


def shares(rows):
    """Stacked bars: to which classes the held-out pixels went.

    Args:
        rows: {name: (shares (4,), a note written at the right)}, from top to bottom.
    """
    figure, axis = plt.subplots(figsize=(8.6, 0.34 * len(rows) + 0.5))
    for y, (values, note) in enumerate(rows.values()):
        left = 0.0
        for value, colour in zip(values, _COLOURS, strict=True):
            axis.barh(y, value, 0.78, left=left, color=colour, edgecolor="white", linewidth=0.8)
            left += value
        axis.text(1.015, y, note, va="center", fontsize=9)
    axis.set_yticks(range(len(rows)), rows, fontsize=9)
    axis.set_ylim(len(rows) - 0.5, -0.5)
    axis.set_xlim(0, 1)
    axis.set_xticks([])
    axis.spines[:].set_visible(False)
    axis.tick_params(length=0)
    _legend(figure, 0.5, 0.1, void=False)
    return figure


def _legend(figure, x, y, void=True):
    handles = [Patch(color=colour, label=name) for name, colour in zip(CLASSES, _COLOURS, strict=True)]
    handles += [Patch(color="black", label="void")] if void else []
    figure.legend(
        handles=handles, loc="upper center", bbox_to_anchor=(x, y), ncols=5, frameon=False, fontsize=9,
        handlelength=1.2, columnspacing=1.2,
    )  # fmt: skip
