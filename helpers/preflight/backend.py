"""Three things differ between TensorFlow, JAX and PyTorch: slopes, steps of an optimizer, and random numbers.

Nothing else of this folder knows which of them Keras runs on.
"""

import random

import keras
import numpy as np
from keras import ops

BACKENDS = ("tensorflow", "jax", "torch")


def gradients_of(model, x, y, weight):
    """A function of nothing that runs the network in training mode: -> loss without penalties, gradients (or None).

    Moving statistics and random numbers go on with each call, as they do in training.
    """
    scale = 1024.0 if model.compute_dtype == "float16" else 1.0  # as training does there: small ones would become 0
    return {"tensorflow": _by_tensorflow, "jax": _by_jax, "torch": _by_torch}[_name()](model, x, y, weight, scale)


def steps_of(optimizer, variables):
    """A function that makes one step of the optimizer with the gradients (or None) of these variables."""
    return {"tensorflow": _step_of_tensorflow, "jax": _step_of_jax, "torch": _step_of_torch}[_name()](
        optimizer, variables
    )


def slope(function, at):
    """The derivative of a function of one tensor, a single number, at an array: float32, of the array's shape."""
    at = np.asarray(at, "float32")
    if _name() == "tensorflow":
        import tensorflow as tf

        at = tf.constant(at)
        with tf.GradientTape() as tape:
            tape.watch(at)
            value = function(at)
        result = tape.gradient(value, at)
    elif _name() == "jax":
        import jax

        result = jax.grad(lambda at: ops.cast(function(at), "float32"))(at)
    else:
        import torch

        at = torch.tensor(at, requires_grad=True)
        value = function(at)
        result = torch.autograd.grad(value, [at], allow_unused=True)[0] if value.requires_grad else None
    return np.zeros(at.shape, "float32") if result is None else np.array(ops.convert_to_numpy(result), "float32")


def random_state():
    """Saves the state of the backend's own random numbers; returns a function that puts it back."""
    if _name() == "torch":
        import torch

        state = torch.random.get_rng_state()
        return lambda: torch.random.set_rng_state(state)
    if _name() == "tensorflow":
        from tensorflow.python.eager import context

        eager = context.context()
        numbers = getattr(eager, "_rng", None)  # once tf.random.set_seed was called, it seeds each operation
        if numbers is not None:  # TensorFlow keeps a state for each seed that was used, so these are others meanwhile
            eager._rng = random.Random("preflight")
            return lambda: setattr(eager, "_rng", numbers)
    return lambda: None  # JAX has none: whoever draws a number brings the state along


def _name():
    return keras.backend.backend()


def _penalties(model):
    return sum(ops.sum(ops.cast(penalty, "float32")) for penalty in model.losses)


# ---- TensorFlow -----------------------------------------------------------------------------------------------------


def _by_tensorflow(model, x, y, weight, scale):
    import tensorflow as tf

    x, y, weight = (None if part is None else tf.constant(part) for part in (x, y, weight))
    variables = model.trainable_variables

    @tf.function(autograph=False)
    def gradients():
        with tf.GradientTape() as tape:
            loss = tf.cast(model.compute_loss(x, y, model(x, training=True), weight), "float32")
            scaled = loss * scale
            penalties = _penalties(model)
        slopes = tape.gradient(scaled, [variable.value for variable in variables])
        return loss - penalties, [None if slope is None else tf.convert_to_tensor(slope) / scale for slope in slopes]

    return gradients


def _step_of_tensorflow(optimizer, variables):
    import tensorflow as tf

    @tf.function(autograph=False)
    def apply(slopes):
        optimizer.apply(slopes, variables)

    return lambda slopes: apply(
        [
            tf.zeros(variable.shape) if slope is None else slope
            for variable, slope in zip(variables, slopes, strict=True)
        ]
    )


# ---- JAX ------------------------------------------------------------------------------------------------------------


def _by_jax(model, x, y, weight, scale):
    import jax

    variables = model.trainable_variables
    others = [*model.non_trainable_variables, *model.metrics_variables]

    def loss_of(values, other_values):
        now = [*zip(variables, values, strict=True), *zip(others, other_values, strict=True)]
        with keras.StatelessScope(state_mapping=now) as scope:
            loss = ops.cast(model.compute_loss(x, y, model(x, training=True), weight), "float32")
            loss_without = loss - _penalties(model)
        after = [scope.get_current_value(variable) for variable in others]
        return loss * scale, (loss_without, after)

    both = jax.jit(jax.grad(loss_of, has_aux=True))

    def gradients():
        slopes, (loss, after) = both([v.value for v in variables], [v.value for v in others])
        for variable, value in zip(others, after, strict=True):
            variable.assign(value)
        return loss, [slope / scale for slope in slopes]

    return gradients


def _step_of_jax(optimizer, variables):
    import jax

    apply = jax.jit(optimizer.stateless_apply)

    def step(slopes):
        state = optimizer.variables
        new, new_state = apply([v.value for v in state], slopes, [v.value for v in variables])
        for variable, value in zip([*variables, *state], [*new, *new_state], strict=True):
            variable.assign(value)

    return step


# ---- PyTorch --------------------------------------------------------------------------------------------------------


def _by_torch(model, x, y, weight, scale):
    import torch

    variables = model.trainable_variables
    x, y, weight = (None if part is None else ops.convert_to_tensor(part) for part in (x, y, weight))

    def gradients():
        loss = ops.cast(model.compute_loss(x, y, model(x, training=True), weight), "float32")
        if not loss.requires_grad:
            return loss, [None] * len(variables)
        slopes = torch.autograd.grad(loss * scale, [v.value for v in variables], allow_unused=True)
        with torch.no_grad():
            return loss - _penalties(model), [None if slope is None else slope / scale for slope in slopes]

    return gradients


def _step_of_torch(optimizer, variables):
    import torch

    def step(slopes):
        with torch.no_grad():
            full = [torch.zeros_like(v.value) if s is None else s for v, s in zip(variables, slopes, strict=True)]
            optimizer.apply(full, variables)

    return step
