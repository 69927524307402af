"""Losses for per-pixel classification, from logits, blind to void.

All take labels (batch, row, col) of whole numbers, 0 … C-1 or 255 for void, and logits (batch, row, col, C): no one-hot
masks, no softmax in the model. A void pixel (of finite logits) adds nothing to the value and gets a gradient of exactly
0; a batch of nothing but void has loss 0. Arithmetic is in float32, whatever precision the network computes in.

A loss is averaged over the valid pixels of the whole batch. Under `tf.distribute.MirroredStrategy` each replica sees a
share of it; what is counted is then added up over the replicas, so that two devices give the loss and the gradient of
one, however the void, and the classes, are spread over them.

Labels that are no class are refused with a `ValueError` where values are known, and end a running graph with an
error. A graph compiled by XLA (what `fit` does on a GPU) drops every assertion: there the loss becomes NaN, never a
number that looks like a loss. `helpers.training.fit` checks labels on their way in, and says it in words there too.
"""

import keras
import numpy as np
from keras import ops

from helpers.classes import VOID


class _Pixels:
    """One batch, checked, and what several losses need of it, computed once.

    Attributes:
        logits: float32 (batch, row, col, class). classes: int32 (batch, row, col), 0 where void.
        valid: float32 (batch, row, col), 1 or 0 for void; NaN where a label is no class, or the shapes differ.
        cross_entropy: float32 (batch, row, col), -log of the probability of `classes`.
    """

    def __init__(self, labels, logits):
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
        if logits.shape[-1] > VOID:
            raise ValueError(f"{logits.shape[-1]} classes, but label {VOID} means void: there can be {VOID} at most.")
        self.logits, self.n_classes = logits, logits.shape[-1]
        void = labels == VOID
        wrong = check_labels(labels, self.n_classes)
        self.classes = ops.cast(ops.where(void | wrong, ops.zeros_like(labels), labels), "int32")
        self.valid = ops.where(wrong, np.float32("nan"), ops.cast(ops.logical_not(void), "float32"))
        if None in (*labels.shape, *logits.shape[:3]):  # what is not known before the graph runs, XLA does not compare
            shapes = (ops.stack(ops.shape(labels)), ops.stack(ops.shape(logits)[:3]))
            self.valid = ops.where(ops.all(ops.equal(*shapes)), self.valid, np.float32("nan"))
        self.cross_entropy = ops.sparse_categorical_crossentropy(self.classes, logits, from_logits=True)
        self._by_class = None

    def by_class(self):
        """Of each class, over the valid pixels: how many there are, the sum of its probability p, and the sum of p over
        the pixels whose true class it is. (3, class)."""
        if self._by_class is None:
            p = ops.softmax(self.logits, axis=-1)
            of_true = ops.exp(-self.cross_entropy) * self.valid  # the true class's p, without a one-hot
            predicted = ops.sum(ops.matmul(ops.expand_dims(self.valid, 2), p), axis=(0, 1, 2))
            self._by_class = _over_replicas(
                ops.stack([self._sum_by_class(self.valid), predicted, self._sum_by_class(of_true)])
            )
        return self._by_class

    def _sum_by_class(self, values):
        """Adds (batch, row, col) up by true class: (class,).

        Row by row, and then the rows: float32 forgets the small one when a long sum meets it.
        """
        batch, rows, _ = ops.shape(self.classes)
        row = ops.reshape(ops.arange(batch * rows, dtype="int32"), (batch, rows, 1))
        bins = ops.reshape(row * self.n_classes + self.classes, (-1,))
        sums = ops.segment_sum(ops.reshape(values, (-1,)), bins, num_segments=batch * rows * self.n_classes)
        return ops.sum(ops.reshape(sums, (batch, rows, self.n_classes)), axis=(0, 1))


class _PixelLoss(keras.losses.Loss):
    """A loss of `_Pixels`: `of` returns it, one number, the same on every replica."""

    def __init__(self, name, **kwargs):
        super().__init__(name=name, dtype="float32", **kwargs)

    def __call__(self, y_true, y_pred, sample_weight=None):
        if sample_weight is not None:
            raise ValueError(
                "These losses take no sample_weight, and so no class_weight in fit: give CrossEntropy its "
                "class_weights, and leave a pixel out by labelling it void, 255."
            )
        return super().__call__(y_true, y_pred)

    def call(self, y_true, y_pred):
        return ops.reshape(self.of(_Pixels(y_true, y_pred)), (1, 1, 1))  # Keras shares only arrays out among replicas


@keras.saving.register_keras_serializable(package="per_pixel")
class CrossEntropy(_PixelLoss):
    """Minus the log of the probability given to each pixel's true class, averaged over the valid pixels.

    0 when every pixel is certain and right; ln(C) for uniform probabilities; without bound for the certain and wrong.

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

    def of(self, pixels):
        per_pixel = pixels.cross_entropy
        if self.class_weights is not None:
            if len(self.class_weights) != pixels.n_classes:
                raise ValueError(f"{len(self.class_weights)} class weights for {pixels.n_classes} classes of logits.")
            per_pixel = per_pixel * ops.take(self.class_weights, pixels.classes)
        total, n = ops.unstack(_over_replicas(ops.stack([ops.sum(per_pixel * pixels.valid), ops.sum(pixels.valid)])))
        return total / ops.maximum(n, 1.0)

    def get_config(self):
        weights = None if self.class_weights is None else self.class_weights.tolist()
        return {"class_weights": weights, "name": self.name, "reduction": self.reduction}


@keras.saving.register_keras_serializable(package="per_pixel")
class Dice(_PixelLoss):
    """Soft Dice (Milletari, Navab, Ahmadi, "V-Net", 3DV 2016), averaged over the classes present in the batch's truth.

    For class c, with p the softmax probability of c and g its 0/1 truth, sums running over the batch's valid pixels::

        loss_c = 1 - (2 * sum(p * g) + smooth) / (sum(p) + sum(g) + smooth)

    A class nobody labelled in this batch has no overlap to measure, so it is left out of the average. 0 when every
    pixel is certain and right. When every pixel is certain and wrong, a class of n pixels, given to m others, costs
    1 - smooth / (n + m + smooth): 1 but for the smoothing.

    Args:
        smooth: a number >= 0, in pixels. It keeps the slope finite for a class of few pixels.
    """

    def __init__(self, smooth=1.0, name="dice", **kwargs):
        super().__init__(name=name, **kwargs)
        if not 0 <= smooth < float("inf"):
            raise ValueError(f"smooth is a finite number >= 0; got {smooth}.")
        self.smooth = smooth

    def of(self, pixels):
        truth, probability, overlap = ops.unstack(pixels.by_class())
        present = ops.where(truth == 0, 0.0, 1.0)
        # 1 for an absent class: without smoothing its value would be 0/0, and its slope NaN even when multiplied by 0.
        size = ops.where(truth == 0, 1.0, probability + truth + self.smooth)
        loss = 1.0 - (2.0 * overlap + self.smooth) / size
        return ops.sum(loss * present) / ops.maximum(ops.sum(present), 1.0)

    def get_config(self):
        return {"smooth": self.smooth, "name": self.name, "reduction": self.reduction}


@keras.saving.register_keras_serializable(package="per_pixel")
class Sum(_PixelLoss):
    """The sum of several losses of this module, such as ``Sum([CrossEntropy(), Dice()])``.

    Cheaper than adding them up outside: what they share is computed once.
    """

    def __init__(self, losses, name="sum", **kwargs):
        super().__init__(name=name, **kwargs)
        self.losses = list(losses)
        others = [loss for loss in self.losses if not isinstance(loss, _PixelLoss)]
        if others or not self.losses:
            what = f"{others[0]!r} is none" if others else "the list is empty"
            raise ValueError(f"Sum takes a list of losses of helpers.losses, and {what}.")

    def of(self, pixels):
        return sum(loss.of(pixels) for loss in self.losses)

    def get_config(self):
        losses = [keras.saving.serialize_keras_object(loss) for loss in self.losses]
        return {"losses": losses, "name": self.name, "reduction": self.reduction}

    @classmethod
    def from_config(cls, config):
        losses = [keras.saving.deserialize_keras_object(loss) for loss in config["losses"]]
        return cls(**{**config, "losses": losses})


def class_weights(pixel_counts, scheme):
    """A weight per class from the pixel counts of the whole training set: float32 (C,), for `CrossEntropy`.

    Args:
        pixel_counts: pixels of each class, (C,), as `SiftFlow.pixel_counts` gives them.
        scheme: ``"inverse"``: pixels / (n * pixels of this class), n being how many classes occur, so that each of
            them has the same say in total. ``"median"``: median frequency / frequency (Eigen and Fergus, ICCV 2015;
            here from total counts). ``"effective"``: (1 - b) / (1 - b**pixels), b = 1 - 1e-6, scaled to sum to n (Cui
            et al., CVPR 2019): like inverse for a class of fewer than a million pixels, level above.

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


def check_labels(labels, n_classes):
    """Refuses labels that are neither a class nor void: at once where values are known, else when the graph runs.

    Args:
        labels: numbers of any shape and type.

    Returns:
        Where they are wrong, bool, the same shape: nowhere, unless the graph drops the check.

    Raises:
        ValueError, or in a TensorFlow graph InvalidArgumentError.
    """
    labels = ops.cast(labels, "float32")
    wrong = (labels != VOID) & ((labels < 0) | (labels >= n_classes) | (labels != ops.floor(labels)))
    message = f"Labels must be whole numbers, 0 to {n_classes - 1} for this model's {n_classes} classes or 255 for void"
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        if not tf.executing_eagerly():
            tf.debugging.assert_equal(tf.reduce_any(wrong), False, message=message)
            return wrong
    elif "Tracer" in type(wrong).__name__:  # a JAX function being traced: no values yet
        return wrong
    if bool(ops.any(wrong)):
        bad = np.asarray(ops.convert_to_numpy(labels))[np.asarray(ops.convert_to_numpy(wrong))]
        raise ValueError(f"{message}; found {bad[0]:g} at {bad.size} pixels.")
    return wrong


def _replicas():
    """How many replicas of a `tf.distribute` strategy compute this step together; 1 without one."""
    if keras.backend.backend() != "tensorflow":
        return 1
    import tensorflow as tf

    replica = tf.distribute.get_replica_context()
    return replica.num_replicas_in_sync if replica else 1


def _over_replicas(sums):
    """Adds up over the replicas of a `tf.distribute` strategy, value and gradient; elsewhere returns its argument."""
    if _replicas() == 1:
        return sums
    import tensorflow as tf

    return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, sums)
