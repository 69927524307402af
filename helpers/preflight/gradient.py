"""Does the loss reach every weight with a gradient, neither zero nor far too large?"""

import numpy as np

from .report import Cause, Result, Stop, fine, first, problem
from .tools import array

ALL_FROZEN = Cause(
    cause="Every layer is frozen: trainable=False.",
    cure="trainable = True for the layers that should learn; then compile again.",
)


def gradients_of(case):
    """A function of nothing that runs the network in training mode: -> loss without penalties, gradients (or None)."""
    import tensorflow as tf

    model, variables = case.model, case.model.trainable_variables
    x, y, weight = (None if part is None else tf.constant(part) for part in (case.x, case.data.y, case.data.weight))
    scale = 1024.0 if model.compute_dtype == "float16" else 1.0  # as training does there: small ones would become 0

    @tf.function(autograph=False)
    def gradients():
        with tf.GradientTape() as tape:
            loss = tf.cast(model.compute_loss(x, y, model(x, training=True), weight), "float32")
            scaled = loss * scale
            penalties = sum(tf.cast(tf.reduce_sum(penalty), "float32") for penalty in model.losses)
        slopes = tape.gradient(scaled, [variable.value for variable in variables])
        return loss - penalties, [None if slope is None else tf.convert_to_tensor(slope) / scale for slope in slopes]

    return gradients


def check_trainable(model):
    """Stops unless there is a weight to train."""
    if not model.trainable_variables:
        raise Stop(problem(ALL_FROZEN, "There is no trainable weight."))
    return Result([])


def check_gradient(case, gradients, unchanged):
    """Compares each kernel's gradient with the kernel. `gradients` is the function of `gradients_of`."""
    model, slopes = case.model, gradients()[1]
    unchanged.restore()
    sizes, from_zero = _sizes(model.trainable_variables, slopes)
    found = first((_none, _dead, _exploding), sizes, from_zero)
    return Result([found or fine(_said(model, sizes))])


def _sizes(variables, slopes):
    """The kernels' gradients as shares of the kernels, {path: size}; and whether one that learns begins at zero."""
    import tensorflow as tf

    sizes, from_zero = {}, False
    for variable, slope in zip(variables, slopes, strict=True):
        if len(variable.shape) > 1:
            size = 0.0 if slope is None else float(tf.norm(slope))
            length = float(np.linalg.norm(array(variable)))
            from_zero |= length == 0 < size  # on purpose: what lies before it gets a gradient one step later
            sizes[variable.path] = size / length if length else size
    return sizes, from_zero


def _said(model, sizes):
    low, high = (f"{size:.0e}" for size in (min(sizes.values(), default=0), max(sizes.values(), default=0)))
    reached = f"all {len(sizes)} kernels, {low} to {high}" if len(sizes) > 1 else f"the one kernel that learns, {low}"
    frozen, learns = (
        sum(np.prod(variable.shape) for variable in variables if len(variable.shape) > 1)
        for variables in (model.non_trainable_variables, model.trainable_variables)
    )
    part = f" {frozen / (frozen + learns + 1e-12):.1%} of the weights are frozen." if frozen else ""
    return f"Reaches {reached} of the weights' size.{part}"


NO_GRADIENT = Cause(
    cause="The loss does not follow the weights smoothly (argmax, round, a comparison), the graph is cut (NumPy, "
    "stop_gradient), or the last layer is always 0 (a dead ReLU).",
    cure="A loss of logits or probabilities, in keras.ops from end to end; a last layer without ReLU.",
)


def _none(sizes, from_zero):
    if from_zero or not sizes or any(size != 0 for size in sizes.values()):
        return None
    return problem(NO_GRADIENT, "No gradient reaches any weight.")


DEAD_LAYERS = Cause(
    cause="Units that are always 0 (dead ReLU), or layers that do not lead to the output.",
    cure="A lower rate, he_normal and normalisation; or leave these layers out.",
)


def _dead(sizes, from_zero):
    dead = [path for path, size in sizes.items() if size == 0]
    if from_zero or not dead:
        return None
    symptom = f"No gradient reaches {len(dead)} of {len(sizes)} kernels: {', '.join(dead[:3])}."
    return problem(DEAD_LAYERS, symptom)


EXPLODING_GRADIENT = Cause(
    cause="Inputs or weights too large, and no normalisation.",
    cure="Scale the images, normalise, clipnorm=1.0.",
)


def _exploding(sizes, from_zero):
    wild = [path for path, size in sizes.items() if not size < 1e4]
    if not wild:
        return None
    symptom = f"In {wild[0]} the gradient is {sizes[wild[0]]:.2g} times as large as the weights."
    return problem(EXPLODING_GRADIENT, symptom)
