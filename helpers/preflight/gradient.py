"""Does the loss reach every weight with a gradient, neither zero nor far too large?"""

import numpy as np

from .report import LIKELY, Cause, Result, Stop, fine, first, note, problem
from .tools import array, watch

ALL_FROZEN = Cause(
    cause="Every layer is frozen: trainable=False.",
    cure="trainable = True for the layers that should learn; then compile again.",
)


def check_trainable(model):
    """Stops unless there is a weight to train."""
    if not model.trainable_variables:
        raise Stop(problem(ALL_FROZEN, "There is no trainable weight."))
    return Result([])


def check_gradient(case, said, gradients, unchanged, explained):
    """Compares each kernel's gradient with the kernel.

    Args:
        said: what the loss `Said`.
        gradients: the function of `backend.gradients_of`.
        explained: whether a problem was found that makes gradients huge, or no numbers.
    """
    model, slopes = case.model, gradients()[1]
    unchanged.restore()
    sizes, zero = _sizes(model.trainable_variables, slopes)
    if sizes and not any(sizes.values()):
        awake = bool(zero) and _with_random(model.trainable_variables, gradients, unchanged)
        raise Stop(_nothing(sizes, zero, said, awake))
    from_zero = any(sizes[path] for path in zero)  # on purpose: what lies before it gets a gradient one step later
    found = first((_dead, _exploding), sizes, from_zero) or _dead_units(case)
    if found and explained and found.cause == EXPLODING_GRADIENT.cause:
        return Result([note(f"{found.measured} For what is said above.")])
    return Result([found or fine(_said(model, sizes))])


def _sizes(variables, slopes):
    """The kernels' gradients as shares of the kernels, {path: size}; and the paths of those that are zero."""
    sizes, zero = {}, []
    for variable, slope in zip(variables, slopes, strict=True):
        if len(variable.shape) > 1:
            size = 0.0 if slope is None else float(np.linalg.norm(array(slope)))
            length = float(np.linalg.norm(array(variable)))
            zero += [variable.path] * (length == 0)
            sizes[variable.path] = size / length if length else size
    return sizes, zero


def _with_random(variables, gradients, unchanged):
    """Whether a kernel gets a gradient when what is zero throughout is filled with random numbers."""
    numbers = np.random.RandomState(0)
    for variable in variables:
        if not array(variable).any():
            variable.assign(numbers.normal(0, 0.1, variable.shape))
    sizes, _ = _sizes(variables, gradients()[1])
    unchanged.restore()
    return any(sizes.values())


def _said(model, sizes):
    low, high = (f"{size:.0e}" for size in (min(sizes.values(), default=0), max(sizes.values(), default=0)))
    reached = f"all {len(sizes)} kernels, {low} to {high}" if len(sizes) > 1 else f"the one kernel that learns, {low}"
    frozen, learns = (
        sum(np.prod(variable.shape) for variable in variables if len(variable.shape) > 1)
        for variables in (model.non_trainable_variables, model.trainable_variables)
    )
    part = f" {frozen / (frozen + learns + 1e-12):.1%} of the weights are frozen." if frozen else ""
    return f"Reaches {reached} of the weights' size.{part}"


ZERO_WEIGHTS = Cause(
    cause="Weights begin at 0: with ReLU behind them every unit is 0, and gets no gradient.",
    cure="The initializers of Keras, or he_normal, for kernels; zeros are for biases.",
)
FLAT_LOSS = Cause(
    cause="The loss does not change with what is predicted: argmax, round, a comparison or NumPy within it.",
    cure="A loss of logits or probabilities, in keras.ops from end to end.",
)
NO_GRADIENT = Cause(
    cause="The network does not pass the gradient on: a last layer that is always 0 (a dead ReLU) or saturated, or a "
    "cut graph (NumPy, argmax, round, stop_gradient in a layer).",
    cure="A last layer without activation, and a loss from logits; keras.ops in layers of your own.",
    confidence=LIKELY,
)


def _nothing(sizes, zero, said, awake):
    """No kernel gets a gradient: is it the weights, the loss, or what lies between?"""
    symptom = "No gradient reaches any kernel"
    if not np.any(said.slopes):
        return problem(FLAT_LOSS, f"{symptom}, and the loss stays the same whatever is predicted.")
    if awake:
        symptom = f"{symptom}: {len(zero)} of {len(sizes)} are 0 throughout. With random numbers there, one does."
        return problem(ZERO_WEIGHTS, symptom)
    return problem(NO_GRADIENT, f"{symptom}, though the loss changes with what is predicted.")


DEAD_LAYERS = Cause(
    cause="Units that are always 0 (dead ReLU), layers that do not lead to the output, or a cut graph (stop_gradient).",
    cure="A lower rate, he_normal and normalisation; or leave these layers out.",
    confidence=LIKELY,
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
    confidence=LIKELY,
)


def _exploding(sizes, from_zero):
    wild = [path for path, size in sizes.items() if not size < 1e4]
    if not wild:
        return None
    symptom = f"In {wild[0]} the gradient is {sizes[wild[0]]:.2g} times as large as the weights."
    return problem(EXPLODING_GRADIENT, symptom)


DEAD_UNITS = Cause(
    cause="Dead units: behind ReLU they are 0 at every pixel of every image, and get no gradient any more. A step that "
    "was too large, or a bias far below 0, does that.",
    cure="Build the network anew, with a tenth of the rate; he_normal and normalisation; LeakyReLU.",
    confidence=LIKELY,
)


def _dead_units(case):
    """Of a layer with ReLU, most channels should not be 0 everywhere."""
    found = []

    def see(operation, _, result):
        relu = type(operation).__name__ in ("ReLU", "Relu") or getattr(
            getattr(operation, "activation", None), "__name__", ""
        ) in ("relu", "relu6")
        if relu and len(result.shape) == 4 and result.shape[-1] >= 4:
            values = array(result)
            found.append((operation.name, float((values.max(axis=(0, 1, 2)) == 0).mean())))

    with watch(see):
        case.model(case.x, training=False)
    name, share = max(found, key=lambda layer: layer[1], default=("", 0.0))
    if share < 0.75:
        return None
    return problem(DEAD_UNITS, f"In {name}, {share:.0%} of the channels are 0 at every pixel of every image.")
