"""These losses compare logits with the class of every pixel, and leave void pixels out.

All take labels (batch, row, col) of whole numbers, 0 … C-1 or 255 for void, and logits (batch, row, col, C): no one-hot
masks, no softmax in the model. A void pixel (of finite logits) adds nothing to the value and gets a gradient of exactly
0; a batch of nothing but void has loss 0. Arithmetic is in float32, whatever precision the network computes in.

A loss is averaged over the valid pixels of the whole batch, also where several devices share it. Labels that are no
class are refused in words; see `helpers.engine.pixels`, which does the checking and the counting.
"""

import keras
import numpy as np
from keras import ops

from helpers.engine.pixels import Pixels, over_replicas


class _PixelLoss(keras.losses.Loss):
    """A loss of the `Pixels` of a batch: its method ``of`` returns one number, the same on every replica."""

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
        """The loss of a batch: float32 (1, 1, 1)."""
        return ops.reshape(self.of(Pixels(y_true, y_pred)), (1, 1, 1))  # Keras shares only arrays among replicas


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
        """The loss of these `Pixels`: a float32 scalar."""
        per_pixel = pixels.cross_entropy
        if self.class_weights is not None:
            if len(self.class_weights) != pixels.n_classes:
                raise ValueError(f"{len(self.class_weights)} class weights for {pixels.n_classes} classes of logits.")
            per_pixel = per_pixel * ops.take(self.class_weights, pixels.classes)
        total, n = ops.unstack(over_replicas(ops.stack([ops.sum(per_pixel * pixels.valid), ops.sum(pixels.valid)])))
        return total / ops.maximum(n, 1.0)

    def get_config(self):
        """The settings, from which Keras can make the loss anew."""
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
        """The loss of these `Pixels`: a float32 scalar."""
        truth, probability, overlap = ops.unstack(pixels.by_class())
        present = ops.where(truth == 0, 0.0, 1.0)
        # 1 for an absent class: without smoothing its value would be 0/0, and its slope NaN even when multiplied by 0.
        size = ops.where(truth == 0, 1.0, probability + truth + self.smooth)
        loss = 1.0 - (2.0 * overlap + self.smooth) / size
        return ops.sum(loss * present) / ops.maximum(ops.sum(present), 1.0)

    def get_config(self):
        """The settings, from which Keras can make the loss anew."""
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
        """The loss of these `Pixels`: a float32 scalar."""
        return sum(loss.of(pixels) for loss in self.losses)

    def get_config(self):
        """The settings, from which Keras can make the loss anew."""
        losses = [keras.saving.serialize_keras_object(loss) for loss in self.losses]
        return {"losses": losses, "name": self.name, "reduction": self.reduction}

    @classmethod
    def from_config(cls, config):
        """Makes the loss from its settings."""
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
        raise ValueError(f"Pixel counts are one number >= 0 per class, not all 0 (all is void); got {counts}.")
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
