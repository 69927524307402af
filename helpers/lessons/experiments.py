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

from helpers import metrics, scenes, siftflow
from helpers.classes import CLASS_NAMES, VOID
from helpers.unet import unet
from helpers.viz import draw, tensors

CLASSES = ("sky", "built", "nature", "things")
RARE = CLASSES.index("things")
SIZE = 32  # pixels, high and wide
BATCH = 6
_COLOURS = tensors.CLASS_COLOURS
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


def task(shrink=None):
    """The drawn scenes of notebook 02 in four classes, every fourth of them held out.

    Args:
        shrink: how labels get from 64x64 pixels to 32x32, a function of uint8 (n, row, col), 0-3 or 255: every second
            pixel unless given, so that labels do not mix. Those of the held-out scenes always get there that way.
    """
    data = scenes.make(siftflow.data_folder() / "scenes" / "small", train=240, test=24, size=64)
    images, labels = data.load("train")
    to_four = np.full(256, CLASSES.index("nature"), "uint8")
    to_four[VOID] = VOID
    for name, parts in _MADE_OF.items():
        to_four[[CLASS_NAMES.index(part) for part in parts.split()]] = CLASSES.index(name)
    images, labels = images[:, ::2, ::2], to_four[labels]
    held_out, apart = np.arange(len(images)) % 4 == 0, labels[:, ::2, ::2]
    learned = apart if shrink is None else shrink(labels)
    return Task(images[~held_out], learned[~held_out], images[held_out], apart[held_out])


class Run(NamedTuple):
    """What training left, for each seed.

    Attributes:
        losses: float (seed, epoch), the mean training loss.
        matrices: int64 (seed, 1 + epoch, 4, 4), the confusion matrix (rows = truth) of the held-out scenes, before
            training and after each epoch.
        masks: uint8 (seed, image, row, col), the argmax at the end, on the held-out scenes.
        film: uint8 (1 + epoch, image, row, col), the same before training and after each epoch, of the first seed.
    """

    losses: np.ndarray
    matrices: np.ndarray
    masks: np.ndarray
    film: np.ndarray

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


def model(task, loss, *, optimizer=None, seeds=(0,), head=None, prepare=None, outputs=4, epochs=14, scores=()):
    """The small U-Net as `train` starts with it, compiled, with Keras metrics besides. Arguments as there."""
    network, _ = _compiled(task, loss, optimizer, head, outputs, epochs, seeds[0], metrics=list(scores))
    if prepare is not None:
        prepare(network)
    return network


def train(
    task, loss, *, optimizer=None, seeds=(0,), head=None, prepare=None, outputs=4, epochs=14, finish=None
):  # fmt: skip
    """Trains the small U-Net once for each seed, of its weights and of the order of the images.

    Args:
        loss: a Keras loss or a function of (labels (batch, row, col), the model's output).
        optimizer: Adam, 5e-3 falling to 0 along a cosine, unless given.
        head: a layer without weights on top of the logits, such as a softmax; None for logits.
        prepare, finish: functions of the model, called before training, to start it elsewhere, and after it.
        outputs: how many numbers the network gives per pixel.
        epochs: how many; at the fast pace (``SERIES_PACE=fast``) never more than 2.
    """
    import tensorflow as tf

    # One call into TensorFlow per epoch: for a network this small, Python between the steps takes as long as they do.
    steps = len(task.images) // BATCH
    model, epochs = _compiled(task, loss, optimizer, head, outputs, epochs, seeds[0], steps_per_execution=steps)
    model.optimizer.build(model.trainable_variables)
    at_rest = [keras.ops.convert_to_numpy(variable) for variable in model.optimizer.variables]
    examples = tf.data.Dataset.from_tensor_slices((task.images, task.labels)).cache()
    losses, matrices, masks, film = [], [], [], None
    for seed in seeds:  # the compiled step serves all: compiling takes as long as five epochs
        model.set_weights(_network(seed, head, outputs).get_weights())
        for variable, value in zip(model.optimizer.variables, at_rest, strict=True):
            variable.assign(value)
        if prepare is not None:
            prepare(model)
        batches = examples.shuffle(len(task.images), seed=seed).batch(BATCH, drop_remainder=True)
        losses.append([])
        guesses = [_argmax(model, task)]
        for _ in range(epochs):
            losses[-1].append(model.fit(batches, shuffle=False, verbose=0).history["loss"][0])
            guesses.append(_argmax(model, task))
        matrices.append([metrics.confusion(task.held_out_labels, guess, outputs) for guess in guesses])
        masks.append(guesses[-1])
        film = np.stack(guesses) if film is None else film
        if finish is not None:
            finish(model)
    return Run(np.array(losses), np.array(matrices), np.array(masks), film)


def _network(seed, head, outputs):
    keras.utils.set_random_seed(seed)
    network = unet((SIZE, SIZE, 3), outputs, filters=8, depth=2)
    return network if head is None else keras.Model(network.input, head(network.output))


def _compiled(task, loss, optimizer, head, outputs, epochs, seed, **options):
    """-> the model, and how many epochs it is to be trained at this pace."""
    epochs = min(epochs, 2) if os.environ.get("SERIES_PACE") == "fast" else epochs
    network = _network(seed, head, outputs)
    if optimizer is None:
        optimizer = keras.optimizers.Adam(
            keras.optimizers.schedules.CosineDecay(5e-3, epochs * (len(task.images) // BATCH))
        )
    network.compile(optimizer, loss, **options)
    return network, epochs


def _argmax(model, task):
    return model.predict_on_batch(task.held_out_images.astype("float32")).argmax(axis=-1).astype("uint8")


# ---- pictures -----------------------------------------------------------------------------------------------------


def coloured(mask):
    """A mask of the four classes, or more, in colours: uint8 (row, col) -> uint8 (row, col, RGB); void is black."""
    table = np.zeros((256, 3), np.uint8)
    table[: len(_COLOURS)] = [np.round(255 * np.array(to_rgb(colour))) for colour in _COLOURS]
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


def chart(task, runs, image=None, n_frames=4):
    """What hangs at the foot of the bed: for each run its curves, the classes it gives, epoch by epoch, and its masks.

    Args:
        runs: {name: Run}, a row each.
        image: which of the held-out scenes; unless given, one with many classes.
        n_frames: masks to show, from before training to the end.
    """
    if image is None:
        image = max(range(len(task.held_out_labels)), key=lambda i: _variety(task.held_out_labels[i]))
    width, height = 11.5, 1.6 * len(runs) + 0.75
    figure = plt.figure(figsize=(width, height))
    place = {"top": 1 - 0.3 / height, "bottom": 0.72 / height, "hspace": 0.22}
    curves = figure.add_gridspec(len(runs), 3, left=0.8 / width, right=5.4 / width, wspace=0.32, **place)
    strip = figure.add_gridspec(
        len(runs), 1 + n_frames, left=5.65 / width, right=1 - 0.05 / width, wspace=0.06, **place
    )
    most = min(4.0, 1.08 * max(np.nanmax(run.losses[0], initial=0.1) for run in runs.values()))
    for i, (name, run) in enumerate(runs.items()):
        epochs, last = np.arange(len(run.film)), i == len(runs) - 1
        axis = figure.add_subplot(curves[i, 0])
        axis.plot(epochs[1:], run.losses[0], color=_LINES[0], linewidth=2)
        axis.set_ylim(0, most)
        if not np.isfinite(run.losses[0]).any():
            axis.text(0.5, 0.5, "NaN", transform=axis.transAxes, ha="center", va="center", fontsize=14)
        elif run.losses[0, 0] > most:  # it begins above the panel, and perhaps it stays there
            first, end = run.losses[0, [0, -1]]
            above = f"from {first:.0f}" + f"\nto {end:.1f}, above" * bool(np.nanmin(run.losses[0]) > most)
            axis.text(0.97, 0.9, above, transform=axis.transAxes, ha="right", va="top", fontsize=8)
        label = {"transform": axis.transAxes, "ha": "center", "va": "center", "rotation": 90}
        axis.text(-0.33, 0.5, name, fontsize=10, weight="bold", **label)
        score = figure.add_subplot(curves[i, 1])
        score.plot(epochs, run.mean_iou()[0], color=_LINES[2], linewidth=2)
        score.set_ylim(0, max(0.7, 1.05 * run.mean_iou()[0].max()))
        share = figure.add_subplot(curves[i, 2])
        given = run.matrices[0].sum(axis=1) / run.matrices[0].sum(axis=(1, 2))[0]
        share.stackplot(epochs, *given.T, colors=_COLOURS)
        share.set_ylim(0, 1)
        share.set_yticks([])
        for curve in (axis, score, share):
            curve.set_xlim(0, max(1, epochs[-1]))
            curve.tick_params(labelsize=8, labelbottom=last, pad=1)
            curve.spines[["top", "right"]].set_visible(False)
            if last:
                curve.set_xlabel("epoch", fontsize=9, labelpad=1)
        frames = np.unique(np.linspace(0, len(run.film) - 1, n_frames).round().astype(int))
        titles = ["truth", *[f"epoch {frame}" for frame in frames]]
        pictures = [task.held_out_labels[image], *run.film[frames, image]]
        axes = [draw.plain(figure.add_subplot(strip[i, j])) for j in range(len(pictures))]
        for panel, picture in zip(axes, pictures, strict=True):
            panel.imshow(coloured(picture), interpolation="nearest")
        heads = [(axis, "training loss"), (score, "mean IoU, held out"), (share, "classes given")]
        for panel, title in [*(heads if i == 0 else []), *zip(axes, titles, strict=True)]:
            if i == 0 or last:
                panel.set_title(title if i == 0 else "", fontsize=9, pad=3)
    outputs = max(run.matrices.shape[-1] for run in runs.values())
    _legend(figure, 0.7, 0.5 / height, more=range(len(CLASSES), outputs))
    return figure


def _variety(labels):
    """Large for a scene with much of each of the frequent classes, and few things."""
    counts = np.bincount(labels[labels != VOID], minlength=len(CLASSES))
    return counts[:RARE].min() - counts[RARE]


def shares(rows):
    """Stacked bars: to which classes the held-out pixels went.

    Args:
        rows: {name: (shares (4,), a note written at the right)}, from top to bottom.
    """
    figure, axis = plt.subplots(figsize=(8.6, 0.34 * len(rows) + 0.5))
    for y, (values, note) in enumerate(rows.values()):
        left = 0.0
        for value, colour in zip(values, _COLOURS, strict=False):
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


def _legend(figure, x, y, void=True, more=()):
    names = [*CLASSES, *(f"output {c}" for c in more)]
    handles = [Patch(color=colour, label=name) for name, colour in zip(names, _COLOURS, strict=False)]
    handles += [Patch(color="black", label="void")] if void else []
    figure.legend(
        handles=handles, loc="upper center", bbox_to_anchor=(x, y), ncols=6, frameon=False, fontsize=9,
        handlelength=1.2, columnspacing=1.2,
    )  # fmt: skip
