"""Measurements of the cases of notebook 05: three for each, then the reader has to decide.

measure = Measurements(cases)
measure("A", "patch")
"""

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from helpers.classes import VOID
from helpers.lessons import experiments

SURE = 30.0  # a logit: its class has a probability of 1, for float32


class Measurements:
    """Takes measurements of untrained cases, as `helpers.lessons.clinic.case` makes them, and counts them.

    Args:
        cases: {name: Case}. each: how many measurements there are for a case.

    Attributes:
        left: {name: how many are left}.
    """

    def __init__(self, cases, each=3):
        self.cases, self.each, self.left, self._told = cases, each, dict.fromkeys(cases, each), {}

    def __call__(self, name, what):
        """Prints a measurement, and how many are left. The same one again is free; a misspelt one is told."""
        if name not in self.cases:
            return print(f"There is no case {name!r}: the cases are {', '.join(self.cases)}.")
        if what not in KINDS:
            return print(f"There is no measurement {what!r}: there are {', '.join(KINDS)}.")
        if (name, what) not in self._told:
            if not self.left[name]:
                return print(f"{name}: all {self.each} measurements are taken. What is your diagnosis?")
            self._told[name, what] = KINDS[what](self.cases[name])
            self.left[name] -= 1
        print(f"{name}, {what}: {self._told[name, what]}\n({self.left[name]} left for {name})")


def _classes(labels):
    """The class of every pixel, or VOID, from numbers or from one-hot labels in which void is no class."""
    if labels.ndim == 3:
        return labels
    return np.where(labels.sum(axis=-1) > 0, labels.argmax(axis=-1), VOID)


def _labels(case):
    classes, n = _classes(case.batch[1]), len(experiments.CLASSES)
    share = np.bincount(classes.ravel(), minlength=256) / classes.size
    named = [f"{name} {share[c]:.0%}" for c, name in enumerate(experiments.CLASSES)]
    return f"of the pixels are {', '.join(named)}, void {share[VOID]:.0%}, anything else {share[n:VOID].sum():.0%}"


def _seams(case):
    def touching(classes):
        """Which pixels of each picture have sky and nature among their eight neighbours, and are built."""
        shifted = [np.roll(classes, (row, col), (1, 2)) for row in (-1, 0, 1) for col in (-1, 0, 1)]
        sky, built, nature = (experiments.CLASSES.index(name) for name in ("sky", "built", "nature"))
        both = np.any([each == sky for each in shifted], axis=0) & np.any([each == nature for each in shifted], axis=0)
        return (both & (classes == built)).sum() / max(1, (classes == built).sum())

    drawn = experiments.task().labels[: len(case.batch[1])]
    return (
        f"{touching(_classes(case.batch[1])):.1%} of the pixels of built lie between sky and nature; as these pictures "
        f"were labelled, {touching(drawn):.1%} did"
    )


def _patch(case):
    images = case.batch[0][:8].astype("float32")
    changed, side = images.copy(), slice(4, 12)
    changed[:, side, side] = 255 - changed[:, side, side]
    before, after = (ops.convert_to_numpy(case.model(each, training=False)) for each in (images, changed))
    moved = np.abs(after - before).sum(axis=-1)
    near = moved[:, :16, :16].sum() / moved.sum()
    rows = moved.sum(axis=(0, 2)) > 0.05 * moved.sum(axis=(0, 2)).max()
    return (
        f"a patch in rows 4 to 11 and columns 4 to 11 was inverted; {near:.0%} of the change of the outputs is in rows "
        f"and columns 0 to 15; rows {np.flatnonzero(rows)[0]} to {np.flatnonzero(rows)[-1]} change"
    )


def _perfect(case):
    labels = case.batch[1]
    classes = _classes(labels)
    logits = SURE * np.eye(len(experiments.CLASSES), dtype="float32")

    def cost(answer):
        return float(case.model.loss(labels, tf.constant(answer))) + 0.0  # -0 becomes 0

    right = np.where(classes == VOID, 0, classes)
    built = np.where(right == experiments.RARE, experiments.CLASSES.index("built"), right)
    each = [float(case.model.loss(labels[i : i + 1], logits[right[i : i + 1]])) for i in range(len(labels))]
    return (
        f"a perfect answer costs {cost(logits[right]):.3f}, an undecided one {cost(0 * logits[right]):.3f}, and one "
        f"that calls every thing built {cost(logits[built]):.3f}; picture by picture, {np.isfinite(each).sum()} of "
        f"{len(each)} costs are numbers"
    )


def _gradient(case):
    images, labels = (each[:8] for each in case.batch)
    kernels = [v for v in case.model.trainable_variables if len(v.shape) == 4]
    before = case.model.get_weights()
    with tf.GradientTape() as tape:
        loss = case.model.loss(labels, case.model(images, training=True))
    slopes = tape.gradient(loss, [v.value for v in kernels])
    sizes = [np.linalg.norm(slope) / np.linalg.norm(v) for slope, v in zip(slopes, kernels, strict=True)]
    case.model.set_weights(before)  # training mode moves the moving statistics
    return (
        f"on 8 pictures the gradients of {len(kernels)} kernels are {min(sizes):.0e} to {max(sizes):.0e} "
        "of the kernels' size"
    )


def _score(case):
    labels = case.batch[1]
    classes = _classes(labels)
    answer = SURE * np.eye(len(experiments.CLASSES), dtype="float32")[np.where(classes == VOID, 0, classes)]
    case.model.reset_metrics()
    case.model.compute_metrics(None, tf.constant(labels), tf.constant(answer))
    told = {}
    for name, value in case.model.get_metrics_result().items():
        told |= value if isinstance(value, dict) else {name: value}
    case.model.reset_metrics()
    told = [f"{name} {float(value):.3f}" for name, value in told.items() if name != "loss"]
    return f"to a perfect answer the log says {', '.join(told)}" if told else "the log holds the loss alone"


def _range(case):
    first = next(layer for layer in case.model.layers if isinstance(layer, keras.layers.Conv2D))
    images = case.batch[0]
    values = keras.Model(case.model.input, first.input)(images, training=False)
    return (
        f"images range from {images.min()} to {images.max()}; the first convolution gets "
        f"{float(ops.min(values)):.2f} to {float(ops.max(values)):.2f}"
    )


KINDS = {
    "labels": _labels,
    "seams": _seams,
    "patch": _patch,
    "perfect": _perfect,
    "gradient": _gradient,
    "score": _score,
    "range": _range,
}
