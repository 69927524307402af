"""Does the network give finite numbers, are they logits or probabilities, and of which axis?"""

import dataclasses

import keras
import numpy as np

from .report import LIKELY, Cause, Result, Stop, problem
from .tools import array, watch

NOT_FINITE = Cause(
    cause="Numbers too large for the precision, or a division by zero in a layer.",
    cure="Scale the images, compute in float32, and look at that layer.",
    confidence=LIKELY,
)
SOFTMAX_OF_SOFTMAX = Cause(
    cause="Double softmax: two of them in the model.",
    cure="Take one out.",
)
SOFTMAX_OF_ONE = Cause(
    cause="Softmax over one channel: e^z / e^z is 1, whatever z is. (A loss of Keras looks past a final softmax, to z, "
    "so that the loss may fall while every mask stays white.)",
    cure='activation="sigmoid" for one output; or two outputs, a softmax and labels 0 and 1.',
)
SOFTMAX_OF_ANOTHER_AXIS = Cause(
    cause="Softmax over axis {axis} of the output, not over its classes, the last axis: pixels compete, not classes.",
    cure="keras.layers.Softmax(axis=-1).",
)


@dataclasses.dataclass(frozen=True)
class Gives:
    """What the network gives.

    Attributes:
        form: "logits" or "probabilities".
        ends_with: the name of the activation at the very end, such as "softmax", "relu" or "linear".
        marked: whether the output carries its logits along, which a loss of Keras then takes in its place.
    """

    form: str
    ends_with: str
    marked: bool

    def last(self, logits):
        """The output that belongs to these logits, a tensor: marked like the network's own."""
        functions = keras.activations if self.marked else keras.ops
        return getattr(functions, self.ends_with)(logits) if self.ends_with in ("softmax", "sigmoid") else logits


def check_output(case):
    """Looks for NaN, and for a softmax that is one too many or of another axis: -> `Gives`."""
    output, (broken, twice, end) = case.output, _look(case.model, case.x, case.shape[-1])
    if not np.isfinite(output).all():
        first = f", first in {broken[0]}" if broken else ""
        raise Stop(problem(NOT_FINITE, f"The network gives NaN or infinity{first}."))
    name, before, marked = end
    one_hot_sum = output.shape[-1] > 1 and _sums_to_one(output)
    unit = output.min() >= 0 and 0 < output.max() <= 1 and name != "relu"
    certain = name in ("softmax", "sigmoid")  # also where it is so sure that every output is 0
    gives = Gives("probabilities" if certain or unit or one_hot_sum else "logits", name, marked)
    if output.shape[-1] == 1 and name != "sigmoid" and np.abs(output - 1).max() < 1e-6:
        symptom = f"The one output is 1 at every pixel, whatever the images are; before it stand {_range(before)}."
        raise Stop(problem(SOFTMAX_OF_ONE, symptom))
    axis = _other_axis(output) if output.shape[-1] > 1 and not one_hot_sum else None
    if axis:
        symptom = f"The outputs sum to 1 along axis {axis}, and to {output.sum(axis=-1).mean():.2g} over the classes."
        return Result([problem(SOFTMAX_OF_ANOTHER_AXIS, symptom, axis=axis)], facts=gives)
    if not twice:
        return Result([], facts=gives)
    most = np.e / (np.e + case.n - 1)
    symptom = f"{twice[0]} takes the softmax of probabilities: no class can get more than {most:.2f}."
    return Result([problem(SOFTMAX_OF_SOFTMAX, symptom)], facts=gives)


def logits_of(model, x, gives):
    """The output for images x before its last activation, in inference mode: float32 (image, row, col, class)."""
    if gives.ends_with not in ("softmax", "sigmoid"):
        return array(model(x, training=False))
    *_, (_, before, _) = _look(model, x, None)
    return before


def _range(values):
    return f"numbers from {values.min():.2g} to {values.max():.2g}"


def _other_axis(output):
    """The axis other than images and classes along which the outputs sum to 1, or None."""
    if output.min() < 0:
        return None
    for axis in range(1, output.ndim - 1):
        if np.abs(output.sum(axis=axis) - 1).max() < 0.02:
            return axis
    return None


def _look(model, x, classes):
    """What is seen in the layers while the network runs on images x.

    Returns:
        The names of the first layer that gives NaN or infinity, and of those that take a softmax of probabilities;
        and of the last activation its name, what it takes, and whether the output carries that along.
    """
    broken, twice, ends = [], [], []

    def see(operation, given, result):
        if not broken and not np.isfinite(array(result)).all():
            broken.append(operation.name)
        activation = _activation(operation)
        if activation == "softmax" and classes and given.shape[-1] == classes > 1 and _sums_to_one(array(given)):
            twice.append(operation.name)
        if not ends or ends[0][-1] is not result:  # whatever holds the last layer gives the same, and comes later
            ends[:] = [(activation, operation, given, result)]

    with watch(see):
        result = model(x, training=False)
    activation, operation, given, _ = ends[0] if ends else ("linear", None, None, None)
    before = array(result)
    if activation in ("softmax", "sigmoid"):
        before = _before(operation, given, result, before)
    return broken, twice, (activation, before, hasattr(result, "_keras_logits"))


def _activation(operation):
    """The name of the activation that ends an operation: str."""
    kind = type(operation).__name__.lower()
    if kind in ("softmax", "sigmoid", "relu"):  # a layer, or the operation behind keras.ops
        return kind
    return getattr(getattr(operation, "activation", None), "__name__", "linear")


def _before(operation, given, result, output):
    """What the last softmax or sigmoid takes: (image, row, col, class)."""
    marked = getattr(result, "_keras_logits", None)  # TensorFlow's tensors carry it along
    if marked is not None and tuple(marked.shape) == output.shape:
        return array(marked)
    activation = getattr(operation, "activation", None)
    if activation is not None and hasattr(operation, "kernel"):
        operation.activation = keras.activations.linear
        try:
            return array(operation(given))
        finally:
            operation.activation = activation
    if tuple(given.shape) == output.shape:
        return array(given)
    p = np.clip(output, 1e-7, 1 - 1e-7)
    return np.log(p) if output.shape[-1] > 1 else np.log(p / (1 - p))


def _sums_to_one(values):
    return values.min() >= -1e-5 and np.abs(values.sum(axis=-1) - 1).max() < 0.02
