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
        products: ``"single"``, ``"stacked"`` or None, which takes `fitting_products`: how directions are computed, see
            `orthogonalized` and `orthogonalized_together`. Both are the same but for rounding.
    """

    def __init__(self, learning_rate=0.001, *, momentum=0.95, products=None, **kwargs):
        super().__init__(learning_rate, **kwargs)
        if products not in (None, "single", "stacked"):
            raise ValueError(f'products is {products!r}; it is "single", "stacked" or None.')
        self.momentum, self.products = momentum, products
        self._directions = {}

    def add_variable_from_reference(self, reference_variable, name=None, **kwargs):
        """Makes AdamW's state for a weight, without what Muon has no use for."""
        if name == "velocity" and _is_kernel(reference_variable):
            return None  # AdamW's mean of squares
        return super().add_variable_from_reference(reference_variable, name=name, **kwargs)

    def _backend_update_step(self, grads, trainable_variables, learning_rate):
        """Makes one step of all weights, which Keras calls; the directions of all kernels are found together."""
        replicas = getattr(getattr(self, "_distribution_strategy", None), "num_replicas_in_sync", 1)
        if self._stacked() and replicas == 1:  # several add up their gradients only later
            kernels = [pair for pair in zip(grads, trainable_variables, strict=True) if _is_kernel(pair[1])]
            directions = orthogonalized_together([self._smoothed(*pair) for pair in kernels])
            self._directions = {self._get_variable_index(v): d for (_, v), d in zip(kernels, directions, strict=True)}
        super()._backend_update_step(grads, trainable_variables, learning_rate)
        self._directions = {}

    def update_step(self, gradient, variable, learning_rate):
        """Makes one step of one weight."""
        if not _is_kernel(variable):
            return super().update_step(gradient, variable, learning_rate)
        direction = self._directions.get(self._get_variable_index(variable))
        if direction is None:
            smoothed = self._smoothed(gradient, variable)
            direction = orthogonalized_together([smoothed])[0] if self._stacked() else orthogonalized(smoothed)
        # Its entries are about 1 / sqrt(the longer side) in size; those of AdamW's steps are about 0.2.
        length = 0.2 * max(direction.shape) ** 0.5
        step = ops.cast(learning_rate, variable.dtype) * length * direction
        self.assign_sub(variable, ops.reshape(step, variable.shape))

    def _stacked(self):
        return (self.products or fitting_products()) == "stacked"

    def _smoothed(self, gradient, variable):
        """The gradient with Nesterov's momentum, as a matrix: float32 (row, col)."""
        average = self._momentums[self._get_variable_index(variable)]
        gradient = ops.cast(gradient, variable.dtype)
        mean = average * self.momentum + gradient
        self.assign(average, mean)
        return ops.reshape(gradient + mean * self.momentum, (-1, variable.shape[-1]))

    def get_config(self):
        """The settings, from which Keras can make the optimizer anew."""
        chosen = {"products": self.products} if self.products else {}  # older checkpoints have none
        return {**super().get_config(), "momentum": self.momentum, **chosen}


def kernels_of(variables):
    """Those that step by Muon."""
    return [variable for variable in variables if _is_kernel(variable)]


def _is_kernel(variable):
    """Whether it is a kernel of Conv2D or Conv2DTranspose over more than one pixel. A depthwise one is no matrix."""
    shape = variable.shape
    return len(shape) == 4 and tuple(shape[:2]) != (1, 1) and shape[-1] > 1


def fitting_products():
    """How this machine computes directions fastest: ``"stacked"`` on a GPU that has TF32, else ``"single"``.

    TF32 rounds the factors of a float32 product to 10 bits, which `orthogonalized` does not stand.
    """
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        found = [tf.config.experimental.get_device_details(gpu) for gpu in tf.config.list_physical_devices("GPU")]
        return "stacked" if any(gpu.get("compute_capability", (0, 0)) >= (8, 0) for gpu in found) else "single"
    if keras.backend.backend() == "jax":
        import jax

        return "stacked" if jax.devices()[0].platform == "gpu" else "single"
    return "single"


def orthogonalized(matrix, turns=5):
    """The matrix with its singular values brought near 1; float32 (row, col).

    Values of at least a hundredth of its norm (the root of the sum of their squares) end between 0.6 and 1.3; smaller
    ones grow a few hundred times. Newton and Schulz' iteration does it, with nothing but products of matrices.

    Each turn takes x to (A + B g + C g g) x, where g is x times its transpose. The factors before x, which are as small
    as its shorter side, are multiplied with each other first, and with x once: half the time.
    """
    x = _lying(matrix)
    x = x / (ops.norm(x) + 1e-7)  # no singular value is above 1 now
    gram, whole = ops.matmul(x, ops.transpose(x)), None
    for turn in range(turns):
        factor = A * ops.eye(gram.shape[0]) + B * gram + C * ops.matmul(gram, gram)
        whole = ops.matmul(factor, whole) if turn else factor
        if turn < turns - 1:
            gram = ops.matmul(factor, ops.matmul(factor, gram))
    x = ops.matmul(whole, x)
    return x if x.shape == matrix.shape else ops.transpose(x)


def orthogonalized_together(matrices, turns=5):
    """`orthogonalized` of many matrices with few products, for a GPU that would wait for each: a list of float32.

    Matrices with the same shorter side are one stack, the longer side filled up with zeros, which change nothing. Each
    turn multiplies x, so that the rounding of one turn is not multiplied in the next. Its authors use bfloat16;
    float32, which such a GPU rounds to TF32 by itself, keeps three bits more.
    """
    stacks, found = {}, [None] * len(matrices)
    for place, matrix in enumerate(matrices):
        stacks.setdefault(min(matrix.shape), []).append(place)
    for places in stacks.values():
        lying = [_lying(matrices[place]) for place in places]
        longest = max(matrix.shape[1] for matrix in lying)
        x = ops.stack([ops.pad(matrix, [[0, 0], [0, longest - matrix.shape[1]]]) for matrix in lying])
        x = x / (ops.norm(x, axis=(1, 2), keepdims=True) + 1e-7)
        for _ in range(turns):
            gram = ops.matmul(x, ops.transpose(x, (0, 2, 1)))
            x = A * x + ops.matmul(B * gram + C * ops.matmul(gram, gram), x)
        for place, matrix, whole in zip(places, lying, ops.unstack(x), strict=True):
            part = whole[:, : matrix.shape[1]]
            found[place] = part if part.shape == matrices[place].shape else ops.transpose(part)
    return found


def _lying(matrix):
    """The matrix, turned so that it has no more rows than columns."""
    return ops.transpose(matrix) if matrix.shape[0] > matrix.shape[1] else matrix
