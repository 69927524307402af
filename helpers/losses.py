"""Losses for per-pixel classification, from logits, blind to void.

All take labels (batch, row, col) of whole numbers, 0 … C-1 or 255 for void, and logits (batch, row, col, C): no one-hot
masks, no softmax in the model. A void pixel adds nothing to the value and gets a gradient of exactly 0; a batch of
nothing but void has loss 0. Arithmetic is in float32, whatever precision the network computes in.

A loss is averaged over the valid pixels of the batch it is given. Under `tf.distribute.MirroredStrategy` that is each
replica's own share: the average of the replicas equals one device's loss when their void counts are equal.
"""

import keras
import numpy as np
from keras import ops

from helpers.siftflow import VOID


class _PixelLoss(keras.losses.Loss):
    """What the losses share: the checks, and the split of labels into classes and a validity mask."""

    def __init__(self, name, **kwargs):
        super().__init__(name=name, dtype="float32", **kwargs)

    def _classes_and_mask(self, labels, logits):
        """labels -> class int32 (batch, row, col) with void set to 0, valid float32 (batch, row, col)."""
        if len(labels.shape) == 4 and labels.shape[-1] == 1:
            labels = ops.squeeze(labels, axis=-1)
        if len(logits.shape) != 4 or len(labels.shape) != 3:
            raise ValueError(
                "Wanted labels (batch, row, col) of whole numbers and logits (batch, row, col, class); got "
                f"{tuple(labels.shape)} and {tuple(logits.shape)}. One-hot masks: take their argmax first."
            )
        pairs = zip(labels.shape, logits.shape[:3], strict=True)
        if any(a is not None and b is not None and a != b for a, b in pairs):
            raise ValueError(
                f"Labels {tuple(labels.shape)} and logits {tuple(logits.shape)} cover different pixels: "
                "resize the labels (nearest) to the network's output, or the logits (bilinear) to the labels."
            )
        valid = labels != VOID
        _check_range(labels, valid, n_classes=logits.shape[-1])
        classes = ops.cast(ops.where(valid, labels, ops.zeros_like(labels)), "int32")
        return classes, ops.cast(valid, "float32")


@keras.saving.register_keras_serializable(package="per_pixel")
class CrossEntropy(_PixelLoss):
    """Minus the log of the probability given to each pixel's true class, averaged over the valid pixels.

    Args:
        class_weights: one non-negative number per class, or None for all 1; see `class_weights`. A weighted sum is
            divided by the number of valid pixels, not by the sum of their weights, so that a rare class keeps its
            weight in a batch where it fills the image.
    """

    def __init__(self, class_weights=None, name="cross_entropy", **kwargs):
        super().__init__(name=name, **kwargs)
        if class_weights is not None:
            class_weights = np.asarray(class_weights, "float32")
            if class_weights.ndim != 1 or not np.isfinite(class_weights).all() or (class_weights < 0).any():
                raise ValueError(f"Class weights are one finite number >= 0 per class; got {class_weights}.")
        self.class_weights = class_weights

    def call(self, y_true, y_pred):
        classes, valid = self._classes_and_mask(y_true, y_pred)
        per_pixel = ops.sparse_categorical_crossentropy(classes, y_pred, from_logits=True)
        if self.class_weights is not None:
            if len(self.class_weights) != y_pred.shape[-1]:
                raise ValueError(f"{len(self.class_weights)} class weights for {y_pred.shape[-1]} classes of logits.")
            per_pixel = per_pixel * ops.take(self.class_weights, classes)
        # Keras averages what a loss returns over *all* pixels; the factor makes it the average over the valid ones.
        all_pixels = ops.cast(ops.size(valid), "float32")
        return per_pixel * valid * (all_pixels / ops.maximum(ops.sum(valid), 1.0))

    def get_config(self):
        weights = None if self.class_weights is None else self.class_weights.tolist()
        return {"class_weights": weights, "name": self.name, "reduction": self.reduction}


@keras.saving.register_keras_serializable(package="per_pixel")
class Dice(_PixelLoss):
    """Soft Dice (Milletari, Navab, Ahmadi, "V-Net", 3DV 2016), averaged over the classes present in the batch's truth.

    For class c, with p the softmax probability of c and g its 0/1 truth, sums running over the batch's valid pixels::

        loss_c = 1 - (2 * sum(p * g) + smooth) / (sum(p) + sum(g) + smooth)

    A class nobody labelled in this batch has no overlap to measure, so it is left out of the average. 0 when every
    pixel is certain and right; near 1 when every pixel is certain and wrong.
    """

    def __init__(self, smooth=1.0, name="dice", **kwargs):
        super().__init__(name=name, **kwargs)
        self.smooth = smooth

    def call(self, y_true, y_pred):
        classes, valid = self._classes_and_mask(y_true, y_pred)
        valid = ops.expand_dims(valid, axis=-1)
        truth = ops.one_hot(classes, y_pred.shape[-1], dtype="float32") * valid
        probability = ops.softmax(y_pred, axis=-1) * valid
        pixels = (0, 1, 2)  # batch, row, col: what is left is one number per class
        overlap = ops.sum(probability * truth, axis=pixels)
        size_of_truth = ops.sum(truth, axis=pixels)
        size_of_both = ops.sum(probability, axis=pixels) + size_of_truth
        loss = 1.0 - (2.0 * overlap + self.smooth) / (size_of_both + self.smooth)
        present = ops.cast(size_of_truth > 0, "float32")
        mean = ops.sum(loss * present) / ops.maximum(ops.sum(present), 1.0)
        return ops.reshape(mean, (1, 1, 1))  # not a scalar: Keras shares only arrays out among replicas

    def get_config(self):
        return {"smooth": self.smooth, "name": self.name, "reduction": self.reduction}


@keras.saving.register_keras_serializable(package="per_pixel")
class Sum(keras.losses.Loss):
    """The sum of several losses of this module, such as ``Sum([CrossEntropy(), Dice()])``."""

    def __init__(self, losses, name="sum", **kwargs):
        super().__init__(name=name, dtype="float32", **kwargs)
        self.losses = list(losses)

    def call(self, y_true, y_pred):
        return sum(loss.call(y_true, y_pred) for loss in self.losses)

    def get_config(self):
        losses = [keras.saving.serialize_keras_object(loss) for loss in self.losses]
        return {"losses": losses, "name": self.name, "reduction": self.reduction}

    @classmethod
    def from_config(cls, config):
        losses = [keras.saving.deserialize_keras_object(loss) for loss in config.pop("losses")]
        return cls(losses, **config)


def class_weights(pixel_counts, scheme):
    """A weight per class from the pixel counts of the whole training set: float32 (C,), for `CrossEntropy`.

    Args:
        pixel_counts: pixels of each class, (C,), as `SiftFlow.pixel_counts` gives them.
        scheme: ``"inverse"``: pixels / (classes * pixels of this class), so that every class has the same say in
            total. ``"median"``: median frequency / frequency (Eigen and Fergus, ICCV 2015; here from total counts).
            ``"effective"``: (1 - b) / (1 - b**n), b = 1 - 1e-6, scaled to sum to the number of classes (Cui et al.,
            CVPR 2019): like inverse for a class of fewer than a million pixels, level above.

    A class without a pixel gets weight 1: it adds nothing to a loss on these data, and must not be NaN.
    """
    counts = np.asarray(pixel_counts, "float64")
    if counts.ndim != 1 or not np.isfinite(counts).all() or (counts < 0).any() or not counts.any():
        raise ValueError(f"Pixel counts are one number >= 0 per class, not all 0; got {counts}.")
    seen = counts > 0
    n = np.where(seen, counts, 1.0)
    if scheme == "inverse":
        weights = counts.sum() / (seen.sum() * n)
    elif scheme == "median":
        weights = np.median(counts[seen]) / n
    elif scheme == "effective":
        weights = 1e-6 / -np.expm1(n * np.log1p(-1e-6))
        weights *= seen.sum() / weights[seen].sum()
    else:
        raise ValueError(f'scheme is {scheme!r}; it is "inverse", "median" or "effective".')
    return np.where(seen, weights, 1.0).astype("float32")


def _check_range(labels, valid, n_classes):
    """Refuses labels that are no class: at once where values are known, else when the graph runs.

    A graph compiled by XLA drops the check, as it drops every assertion.
    """
    message = f"Labels must be whole numbers, 0 to {n_classes - 1} for this model's {n_classes} classes or 255 for void"
    wrong = ops.logical_and(valid, (labels < 0) | (labels >= n_classes) | (labels != ops.floor(labels)))
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        if not tf.executing_eagerly():
            tf.debugging.assert_equal(tf.reduce_any(wrong), False, message=message)
            return
    elif "Tracer" in type(labels).__name__:  # a JAX function being traced: no values yet
        return
    if bool(ops.any(wrong)):
        bad = np.asarray(ops.convert_to_numpy(labels))[np.asarray(ops.convert_to_numpy(wrong))]
        raise ValueError(f"{message}; found {bad[0]:g} at {bad.size} pixels.")
