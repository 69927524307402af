"""One batch of labels and logits, checked, and the sums that the losses of `helpers.losses` are made of.

Under `tf.distribute.MirroredStrategy` each replica sees a share of the batch. What is counted here is added up over the
replicas, so that two devices give the loss and the gradient of one, however void and classes are spread over them.

Labels that are no class are refused with a `ValueError` where values are known, and end a running graph with an error.
A graph compiled by XLA drops every assertion: there the sums become NaN, never a number that looks like a loss.
"""

import keras
import numpy as np
from keras import ops

from helpers.classes import VOID


class Pixels:
    """One batch, checked, and what several losses need of it, computed once.

    Attributes:
        logits: float32 (batch, row, col, class). classes: int32 (batch, row, col), 0 where void.
        valid: float32 (batch, row, col), 1 or 0 for void; NaN where a label is no class, or the shapes differ.
        cross_entropy: float32 (batch, row, col), -log of the probability of `classes`.
    """

    def __init__(self, labels, logits):
        if len(labels.shape) == 4 and labels.shape[-1] == 1:
            labels = ops.squeeze(labels, axis=-1)
        _check_shapes(labels, logits)
        self.logits, self.n_classes = logits, logits.shape[-1]
        void = labels == VOID
        wrong = check_labels(labels, self.n_classes)
        self.classes = ops.cast(ops.where(void | wrong, ops.zeros_like(labels), labels), "int32")
        self.valid = ops.where(wrong, np.float32("nan"), ops.cast(ops.logical_not(void), "float32"))
        if None in (*labels.shape, *logits.shape[:3]):  # known only when the graph runs, where XLA compares nothing
            shapes = (ops.stack(ops.shape(labels)), ops.stack(ops.shape(logits)[:3]))
            self.valid = ops.where(ops.all(ops.equal(*shapes)), self.valid, np.float32("nan"))
        self.cross_entropy = ops.sparse_categorical_crossentropy(self.classes, logits, from_logits=True)
        self._by_class = None

    def by_class(self):
        """Three sums for each class over the valid pixels, (3, class): of its pixels, of its probability p, and of p
        over the pixels whose true class it is."""
        if self._by_class is None:
            p = ops.softmax(self.logits, axis=-1)
            of_true = ops.exp(-self.cross_entropy) * self.valid  # the true class's p, without a one-hot
            predicted = ops.sum(ops.matmul(ops.expand_dims(self.valid, 2), p), axis=(0, 1, 2))
            self._by_class = over_replicas(
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


def over_replicas(sums):
    """Adds up over the replicas of a `tf.distribute` strategy, value and gradient; elsewhere returns its argument."""
    if keras.backend.backend() != "tensorflow":
        return sums
    import tensorflow as tf

    replica = tf.distribute.get_replica_context()
    if replica is None or replica.num_replicas_in_sync == 1:
        return sums
    return replica.all_reduce(tf.distribute.ReduceOp.SUM, sums)


def _check_shapes(labels, logits):
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
