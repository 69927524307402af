"""Does the network give finite numbers, and are they logits or probabilities?"""

import keras
import numpy as np

from .report import Cause, Result, Stop, problem
from .tools import array, watch

NOT_FINITE = Cause(
    cause="Numbers too large for the precision, or a division by zero in a layer.",
    cure="Scale the images, compute in float32, and look at that layer.",
)
SOFTMAX_OF_SOFTMAX = Cause(
    cause="Double softmax: two of them in the model.",
    cure="Take one out.",
)


def check_output(case):
    """Looks for NaN, and for a second softmax: -> "logits" or "probabilities", whichever the network gives."""
    output, (broken, twice) = case.output, _look(case)
    if not np.isfinite(output).all():
        first = f", first in {broken[0]}" if broken else ""
        raise Stop(problem(NOT_FINITE, f"The network gives NaN or infinity{first}."))
    unit = output.min() >= 0 and 0 < output.max() <= 1  # sigmoids
    gives = "probabilities" if unit or (output.shape[-1] > 1 and _sums_to_one(output)) else "logits"
    if not twice:
        return Result([], facts=gives)
    most = np.e / (np.e + case.n - 1)
    symptom = f"{twice[0]} takes the softmax of probabilities: no class can get more than {most:.2f}."
    return Result([problem(SOFTMAX_OF_SOFTMAX, symptom)], facts=gives)


def _look(case):
    """The names of the first layer that gives NaN or infinity, and of those that take a softmax of probabilities."""
    broken, twice = [], []

    def see(operation, given, result):
        if not broken and not np.isfinite(array(result)).all():
            broken.append(operation.name)
        softmax = getattr(operation, "activation", None) is keras.activations.softmax
        softmax |= type(operation).__name__ == "Softmax"  # the layer, or the operation behind keras.ops.softmax
        if softmax and given.shape[-1] == case.shape[-1] > 1 and _sums_to_one(array(given)):
            twice.append(operation.name)

    with watch(see):
        case.model(case.x[:1], training=False)
    return broken, twice


def _sums_to_one(values):
    return values.min() >= -1e-5 and np.abs(values.sum(axis=-1) - 1).max() < 0.02
