"""The exercise cards of notebook 05, small training runs that fail, each for a reason to be found; and its last page.

    card = ward.card("A")
    preflight(card.model, card.batch, class_names=experiments.CLASSES)

The code below gives the reasons away: read it when you have made up your mind.
"""

from typing import NamedTuple

import keras
import matplotlib.pyplot as plt
import numpy as np
from keras import layers, ops
from matplotlib.patches import FancyBboxPatch

from helpers import losses, metrics
from helpers.classes import VOID
from helpers.lessons import experiments

CARDS = ("A", "B", "C", "D", "E")


class Card(NamedTuple):
    """A patient.

    Attributes:
        model: untrained, compiled. batch: (images uint8, labels), 24 of each, as its training gets them.
        run: what became of it in training. complaint: what its owner says.
    """

    model: keras.Model
    batch: tuple
    run: experiments.Run
    complaint: str


def card(name, cured=False, epochs=8):
    """The patient of one card, trained on the scenes of `trials.task`; or its cured twin.

    Raises:
        ValueError: there is no such card.
    """
    if name not in CARDS:
        raise ValueError(f"There is no card {name!r}: the cards are {', '.join(CARDS)}.")
    task, options, scores = {"A": _a, "B": _b, "C": _c, "D": _d, "E": _e}[name](not cured)
    model = experiments.model(task, epochs=epochs, scores=scores, **options)
    run = experiments.train(task, epochs=epochs, **options)
    return Card(model, (task.images[:24], task.labels[:24]), run, _complaint(name, task, options["loss"], run))


def _complaint(name, task, loss, run):
    last, matrix = run.losses[0, -1], run.matrices[0, -1]
    if name == "A":
        return f"The loss falls to {last:.2f}, but masks come out in stripes."
    if name == "B":
        return "Between sky and trees it sees a strip of buildings, in almost every picture."
    if name == "C":
        return (
            "A Dice loss, chosen for the rare class. An answer that is right everywhere, but calls every thing a "
            f"building, costs {_cost_of_missing_things(task, loss):.3f}."
        )
    if name == "D":
        counted = np.trace(matrix) / task.held_out_labels.size
        return f"The log says accuracy {counted:.3f}; the confusion matrix says {np.trace(matrix) / matrix.sum():.3f}."
    never = ": it was never a number, whatever the rate" if np.isnan(run.losses[0]).all() else ""
    return f"The loss of the last epoch is {last:.2f}{never}."


def _cost_of_missing_things(task, loss):
    labels = experiments.task().labels
    answer = np.where(labels == experiments.RARE, experiments.CLASSES.index("built"), np.where(labels < 4, labels, 0))
    return float(loss(task.labels, 30 * np.eye(4, dtype="float32")[answer]))


def _a(sick):
    to_map = layers.Reshape((experiments.SIZE, experiments.SIZE, 4))
    as_answered = [layers.Reshape((4, experiments.SIZE**2)), layers.Permute((2, 1)), to_map]
    head = keras.Sequential(as_answered if sick else [layers.Reshape((experiments.SIZE**2, 4)), to_map])
    return experiments.task(), {"loss": losses.CrossEntropy(), "head": head}, [metrics.Scores(4)]


def _b(sick):
    def enlarged(labels):  # kept at an eighth of the size, and enlarged as Keras does unless told otherwise
        small = labels[:, ::8, ::8, None].astype("float32")
        large = ops.image.resize(
            small, (experiments.SIZE, experiments.SIZE), interpolation="bilinear" if sick else "nearest"
        )
        return np.round(ops.convert_to_numpy(large))[..., 0]

    task = experiments.task(enlarged)
    task = task._replace(labels=(task.labels[..., None] == np.arange(4)).astype("float32"))  # 255, or 127: in no class
    return task, {"loss": keras.losses.CategoricalCrossentropy(from_logits=True)}, []


def _c(sick):
    task = experiments.task()
    if not sick:
        return task, {"loss": losses.Dice()}, [metrics.Scores(4)]
    own = keras.losses.Dice()
    hot = task._replace(labels=(task.labels[..., None] == np.arange(4)).astype("float32"))
    return hot, {"loss": lambda y, z: own(y, ops.softmax(z) * ops.sum(y, axis=-1, keepdims=True))}, []


def _d(sick):
    scores = [keras.metrics.SparseCategoricalAccuracy(name="accuracy")] if sick else [metrics.Scores(4)]
    return experiments.task(), {"loss": losses.CrossEntropy()}, scores


def _e(sick):
    task = experiments.task()
    labels = task.labels.copy()
    labels[17] = VOID  # a picture that nobody labelled, as there are two in SiftFlow

    def picture_by_picture(labels, logits):  # each counts the same, however much of it is labelled
        valid = ops.cast(labels != VOID, "float32")
        truth = ops.one_hot(ops.where(labels == VOID, 0, ops.cast(labels, "int32")), 4)
        loss = -ops.sum(truth * ops.log_softmax(logits), axis=-1) * valid
        count = ops.sum(valid, axis=(1, 2))
        return ops.mean(ops.sum(loss, axis=(1, 2)) / (count if sick else ops.maximum(count, 1)))

    return task._replace(labels=labels), {"loss": picture_by_picture}, [metrics.Scores(4)]


# ---- the last page ------------------------------------------------------------------------------------------------

_CHART = (
    (
        "initial loss is not ln C",
        "the loss of a perfect answer;\nwhat reaches the first convolution",
        "logits taken for probabilities; input range;\nunnormalised features; another class list",
    ),
    (
        "loss flat, masks never change",
        "how far does one step move\na weight, as a share of it?",
        "below 1e-5: a rate too small for this optimizer\n1e-3 to 1e-1: look further down",
    ),
    (
        "flat at every rate",
        "overfit one batch,\nAdam 1e-2 to 1e-4",
        "cannot: unnormalised features, no gradient\ncan: your optimizer; try its paper's rate",
    ),
    (
        "training improves,\nvalidation stays bad",
        "one training batch: its loss with\ntraining=True and with training=False",
        "far apart: moving statistics (momentum, frozen)\nalike: overfitting; more data, augmentation",
    ),
    (
        "loss stops far above 0, or is\nsmall and the masks are useless",
        "the loss of a perfect\nand of an undecided answer",
        "not 0: double softmax, void, absent classes\nboth small: a loss that cannot tell",
    ),
    (
        "one class everywhere",
        "classes given, epoch by epoch;\nthe cost of missing the rarest class",
        "from the start: imbalance, a Dice over all at once,\nlagging statistics; suddenly: a wild step, NaN",
    ),
    (
        "right shapes, wrong names",
        "np.unique(labels), the class list,\na label beside its image",
        "labels from 1, void as a class,\nanother order of classes",
    ),
    (
        "patchy masks, seams",
        "change one patch of the image; count seams\nnumbered between the classes beside them",
        "moves elsewhere: reshape for permute\nmany between: labels resized bilinearly",
    ),
    (
        "NaN",
        "np.isfinite: images, weights, outputs,\nloss, in this order",
        "0/0 or log 0; label 255 on a GPU;\na rate too high; float16",
    ),
    (
        "accuracy and masks disagree",
        "the score of a perfect\nand of a wrong answer",
        "not 1 and 0: void counted, one-hot or logits\ntaken for something else",
    ),
)  # what you see, what to measure, what that tells


def decision_chart():
    """One page: from what you see, to what to measure, to what that tells. For A4, landscape."""
    figure = plt.figure(figsize=(10.5, 7.2))
    axis = figure.add_axes((0, 0, 1, 1))
    axis.set(xlim=(-0.5, 100.5), ylim=(-len(_CHART) - 0.05, 1.55))
    axis.axis("off")
    columns = ((0, 26, "#cde3f2", "you see"), (31.5, 29, "#fff0cc", "measure"), (66, 34, "#cfe9df", "it tells"))
    axis.text(
        50, 1.3, "Before anything else: print the initial loss (ln C), overfit one batch, run preflight.",
        ha="center", va="center", fontsize=11.5, weight="bold",
    )  # fmt: skip
    for x, width, _, title in columns:
        axis.text(x + width / 2, 0.6, title, ha="center", va="center", fontsize=12, style="italic")
    for i, texts in enumerate(_CHART):
        for (x, width, colour, _), text in zip(columns, texts, strict=True):
            box = FancyBboxPatch(
                (x, -i - 0.62), width, 0.8, boxstyle="round,pad=0,rounding_size=0.8", mutation_aspect=0.1,
                facecolor=colour, edgecolor="0.45", linewidth=0.8,
            )  # fmt: skip
            axis.add_patch(box)
            axis.text(x + width / 2, -i - 0.22, text, ha="center", va="center", fontsize=9, linespacing=1.15)
        for x in (26.3, 60.8):
            axis.annotate("", (x + 4.9, -i - 0.22), (x, -i - 0.22), arrowprops={"arrowstyle": "-|>", "color": "0.25"})
    return figure
