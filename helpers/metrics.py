"""This file counts one confusion matrix, and reads the field's four scores off it.

Definitions as in Long, Shelhamer and Darrell, "Fully Convolutional Networks" (CVPR 2015), section 5, with n[i, j] the
number of pixels of true class i predicted as j. Void pixels are not counted anywhere.
"""

import keras
import numpy as np
from keras import ops

from helpers.classes import VOID


@keras.saving.register_keras_serializable(package="per_pixel")
class ConfusionMatrix(keras.metrics.Metric):
    """Counts pixels by true class (rows) and predicted class (columns): int64 (class, class).

    Updated with labels (batch, row, col) of 0 … n_classes-1 or 255 for void, and logits or probabilities
    (batch, row, col, class). A pixel's prediction is its argmax. Counts are exact, however many pixels there are.
    """

    def __init__(self, n_classes, name="confusion", **kwargs):
        super().__init__(name=name, dtype="int64", **kwargs)
        self.n_classes = n_classes
        self.matrix = self.add_weight(shape=(n_classes, n_classes), initializer="zeros", dtype="int64", name="matrix")

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Counts the pixels of a batch."""
        if sample_weight is not None:
            raise ValueError("A confusion matrix counts pixels: leave a pixel out by labelling it void, 255.")
        n = self.n_classes
        if y_pred.shape[-1] != n:
            raise ValueError(f"Logits for {y_pred.shape[-1]} classes, but this metric was made for {n}.")
        pixels = y_true.shape[:-1] if len(y_true.shape) == len(y_pred.shape) and y_true.shape[-1] == 1 else y_true.shape
        if len(pixels) != len(y_pred.shape) - 1 or any(
            a != b for a, b in zip(pixels, y_pred.shape, strict=False) if None not in (a, b)
        ):
            raise ValueError(f"Labels {tuple(y_true.shape)} and logits {tuple(y_pred.shape)} cover different pixels.")
        truth = ops.reshape(ops.cast(y_true, "int32"), (-1,))
        prediction = ops.reshape(_argmax(y_pred), (-1,))
        # Pixel (i, j) belongs in bin i * n + j; void goes to one bin more, which is then dropped. There are eight sets
        # of bins, used in turn and then added up: three times as fast as one. A label that is no class has no bin in
        # any set: TensorFlow on a CPU then stops with an error.
        sets = ops.arange(ops.size(truth), dtype="int32") % 8
        bins = ops.where((truth >= 0) & (truth < n), truth * n + prediction, 8 * (n * n + 1))
        bins = ops.where(truth == VOID, n * n, bins) + sets * (n * n + 1)
        counts = ops.segment_sum(ops.ones_like(bins), bins, num_segments=8 * (n * n + 1))
        counts = ops.sum(ops.reshape(counts, (8, n * n + 1)), axis=0)
        self.matrix.assign_add(ops.cast(ops.reshape(counts[: n * n], (n, n)), "int64"))

    def result(self):
        """The matrix so far."""
        return ops.convert_to_tensor(self.matrix)

    def get_config(self):
        """The settings, from which Keras can make the metric anew."""
        return {"n_classes": self.n_classes, "name": self.name}


@keras.saving.register_keras_serializable(package="per_pixel")
class Scores(ConfusionMatrix):
    """A `ConfusionMatrix` whose result is its four scores: what `fit` logs and plots, epoch by epoch."""

    def __init__(self, n_classes, name="scores", **kwargs):
        super().__init__(n_classes, name=name, **kwargs)

    def result(self):
        """The scores so far."""
        return {name: ops.cast(value, "float32") for name, value in _scores(self.matrix, ops).items()}


def confusion(truth, prediction, n_classes):
    """The confusion matrix of label maps already at hand: int64 (n_classes, n_classes), rows = truth.

    Args:
        truth: integers of any shape, 0 … n_classes-1 or 255 for void.
        prediction: integers of the same shape, 0 … n_classes-1.
    """
    truth, prediction = np.asarray(truth), np.asarray(prediction)
    if truth.shape != prediction.shape or not 0 <= prediction.min(initial=0) <= prediction.max(initial=0) < n_classes:
        raise ValueError(f"A prediction is 0 to {n_classes - 1} for each pixel of the truth, {truth.shape}.")
    valid = truth != VOID
    pairs = truth[valid].astype("int64") * n_classes + prediction[valid]
    return np.bincount(pairs, minlength=n_classes**2).reshape(n_classes, n_classes)


def scores(matrix):
    """The four scores of a confusion matrix (rows = truth), as fractions; classes absent from the truth are left out.

    Returns:
        A dict of floats. ``pixel_accuracy``: right pixels / pixels. ``mean_accuracy``: the share found
        of each class, averaged. ``mean_iou``: the intersection over union of truth and prediction of each class,
        averaged. ``frequency_weighted_iou``: the same, each class weighted by its share of the pixels.
        All are 0.0 for a matrix without a single pixel.
    """
    return {name: float(value) for name, value in _scores(_counts(matrix), np).items()}


def iou_per_class(matrix):
    """Intersection over union of each class: float64 (class,), NaN for a class absent from the truth."""
    matrix = _counts(matrix)
    true_positives, truth, predicted = np.diag(matrix), matrix.sum(axis=1), matrix.sum(axis=0)
    return np.where(truth > 0, true_positives / np.maximum(truth + predicted - true_positives, 1), np.nan)


def _argmax(values):
    """The class of the largest value, of equal ones the first: int32, one axis fewer."""
    # XLA's argmax is fast, and `fit` uses XLA, save for TensorFlow without a GPU. There, top_k is faster.
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        if not tf.config.list_physical_devices("GPU"):
            return ops.squeeze(ops.top_k(values, 1)[1], axis=-1)
    return ops.cast(ops.argmax(values, axis=-1), "int32")


def _counts(matrix):
    matrix = np.asarray(matrix, dtype="float64")
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
        raise ValueError(f"A confusion matrix is square; this has shape {matrix.shape}.")
    return matrix


def _scores(matrix, xp):
    """The formulas, once, for NumPy arrays and for tensors (`xp` is numpy or keras.ops)."""
    matrix = matrix if xp is np else ops.cast(matrix, "float64" if keras.backend.backend() != "jax" else "float32")
    true_positives, truth, predicted = xp.diagonal(matrix), xp.sum(matrix, axis=1), xp.sum(matrix, axis=0)
    pixels = xp.maximum(xp.sum(truth), 1)
    present = truth > 0
    n_present = xp.maximum(xp.sum(xp.where(present, xp.ones_like(truth), xp.zeros_like(truth))), 1)
    recall = true_positives / xp.maximum(truth, 1)
    iou = true_positives / xp.maximum(truth + predicted - true_positives, 1)
    iou = xp.where(present, iou, xp.zeros_like(iou))  # a class that is only ever predicted has a union, but no truth
    return {
        "pixel_accuracy": xp.sum(true_positives) / pixels,
        "mean_accuracy": xp.sum(recall) / n_present,
        "mean_iou": xp.sum(iou) / n_present,
        "frequency_weighted_iou": xp.sum(truth * iou) / pixels,
    }
