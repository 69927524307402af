"""Muon, an optimizer for kernels: each step goes as far in the rare directions of the gradient as in the frequent ones.

A kernel is a matrix: it maps what a position sees to that position's features. Its gradient is mostly about a few
frequent patterns, so that Adam's steps are, too. Muon (Jordan et al., kellerjordan.github.io/posts/muon, 2024) makes
the singular values of each step about equal, and what is rare is learned in the same time. On SiftFlow, after 12 epochs
of the same U-Net, mean IoU is 25.2 % instead of AdamW's 17.8 % (results/experiments.csv).

Keras has a `Muon` of its own, but it leaves the kernels of convolutions to AdamW, and its settings changed with 3.13.
"""

import keras
from keras import ops

# These are the coefficients of the polynomial in `orthogonalized`, as published.
A, B, C = 3.4445, -4.7750, 2.0315


@keras.saving.register_keras_serializable(package="per_pixel")
class Muon(keras.optimizers.AdamW):
    """AdamW, but for the kernels of Conv2D and Conv2DTranspose that look at more than one pixel, which step by Muon.

    A step is made as long as one of AdamW's would be, as Liu et al. do ("Muon is scalable for LLM training", 2025,
    arXiv 2502.16982): both kinds of weights share learning rate and weight decay, and those that suit AdamW will do.

    Args:
        learning_rate, weight_decay, and more: as for `keras.optimizers.AdamW`.
        momentum: of a kernel's gradient, 0 to 1 (Nesterov's).
    """

    def __init__(self, learning_rate=0.001, *, momentum=0.95, **kwargs):
        super().__init__(learning_rate, **kwargs)
        self.momentum = momentum

    def add_variable_from_reference(self, reference_variable, name=None, **kwargs):
        """Makes AdamW's state for a weight, without what Muon has no use for."""
        if name == "velocity" and _is_kernel(reference_variable):
            return None  # AdamW's mean of squares
        return super().add_variable_from_reference(reference_variable, name=name, **kwargs)

    def update_step(self, gradient, variable, learning_rate):
        """Makes one step of one weight."""
        if not _is_kernel(variable):
            return super().update_step(gradient, variable, learning_rate)
        average = self._momentums[self._get_variable_index(variable)]
        gradient = ops.cast(gradient, variable.dtype)
        mean = average * self.momentum + gradient
        self.assign(average, mean)
        direction = orthogonalized(ops.reshape(gradient + mean * self.momentum, (-1, variable.shape[-1])))
        # Its entries are about 1 / sqrt(the longer side) in size; those of AdamW's steps are about 0.2.
        length = 0.2 * max(direction.shape) ** 0.5
        step = ops.cast(learning_rate, variable.dtype) * length * direction
        self.assign_sub(variable, ops.reshape(step, variable.shape))

    def get_config(self):
        """The settings, from which Keras can make the optimizer anew."""
        return {**super().get_config(), "momentum": self.momentum}


def _is_kernel(variable):
    """Whether it is a kernel of Conv2D or Conv2DTranspose over more than one pixel. A depthwise one is no matrix."""
    shape = variable.shape
    return len(shape) == 4 and tuple(shape[:2]) != (1, 1) and shape[-1] > 1


def orthogonalized(matrix, turns=5):
    """The matrix with its singular values brought near 1; float (row, col).

    Values of at least a hundredth of its norm (the root of the sum of their squares) end between 0.6 and 1.3; smaller
    ones grow a few hundred times. Newton and Schulz' iteration does it, with nothing but products of matrices.
    """
    rows, cols = matrix.shape
    x = ops.transpose(matrix) if rows > cols else matrix
    x = x / (ops.norm(x) + 1e-7)  # no singular value is above 1 now
    for _ in range(turns):
        gram = ops.matmul(x, ops.transpose(x))
        x = A * x + ops.matmul(B * gram + C * ops.matmul(gram, gram), x)
    return ops.transpose(x) if rows > cols else x
