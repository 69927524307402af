"""Does the network begin undecided, and do the images have the range that it was made for?"""

import dataclasses

import keras
import numpy as np

from .batch_norm import Memory
from .report import LIKELY, Cause, Result, fine, first, note, problem
from .tools import array, watch


@dataclasses.dataclass(frozen=True)
class Start:
    """The loss of the network as it is, in training mode, and whether that is far too high (`wild`)."""

    loss: float
    wild: bool


def check_initial_loss(case, said, unchanged):
    """Takes the loss in training mode, as the first step will see it: -> `Start`. `said` is what the loss `Said`."""
    output = case.model(case.x, training=True)
    unchanged.restore()
    start = case.loss(output)
    log = f" = ln {case.n}" if np.isclose(said.undecided, np.log(case.n), rtol=1e-3) else ""
    text = f"{start:.4g}; undecided {said.undecided:.3f}{log}; the same shares at every pixel {said.constant:.3f}."
    if not said.above(start) <= 2.5 * said.above(said.undecided):
        return Result([note(f"{text} Far too high.")], facts=Start(start, wild=True))
    return Result([fine(text)], facts=Start(start, wild=False))


SURE_AND_WRONG = Cause(
    cause="It is sure, and wrong, before it has learned these classes: weights or inputs too large, no normalisation; "
    "or, for a trained network, labels in another order than it was trained on.",
    cure="Images of about -1 to 1, he_normal, normalisation; for a trained network compare the lists of classes.",
    confidence=LIKELY,
)


# ---- the range of the images ----------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class _Reached:
    """The values that reach the first layer with weights, and a `Memory` for each batch normalisation."""

    layer: str
    values: np.ndarray
    norms: list

    @property
    def size(self):
        return np.sqrt(np.mean(self.values**2))


def check_input_range(case, gives, said, start):
    """Compares what reaches the first layers with what they were made for: -> a `Memory` for each batch normalisation.

    `gives` is what the network `Gives`, `said` what the loss `Said`, `start` the initial loss.
    """
    reached = _look(case, case.x)
    found = first((_other_range, _better_otherwise, _scaled_twice), case, said, start, reached)
    text = f"{_range_of(case)} reach {reached.layer} as values of about {reached.size:.2g}."
    return Result([found or fine(text)], facts=reached.norms)


def _range_of(case):
    return f"Images of {case.x.min():.3g} to {case.x.max():.3g}"


OTHER_RANGE = Cause(
    cause="The network was trained on another range of inputs.",
    cure="Scale the images as its training did: {how}.",
)

_SCALES = {
    "images / 127.5 - 1": lambda x: x / 127.5 - 1,
    "images / 255": lambda x: x / 255,
    "images * 255": lambda x: x * 255,
    "(images + 1) * 127.5": lambda x: (x + 1) * 127.5,
}


def _other_range(case, said, start, reached):
    """Does the first batch normalisation that has learned meet strange values, and known ones at another scale?"""
    learned = next((i for i, memory in enumerate(reached.norms) if not memory.fresh), None)
    if learned is None or not reached.norms[learned].strange > 2:
        return None
    memory = reached.norms[learned]
    tried = {how: _look(case, change(case.x.astype("float32"))).norms[learned] for how, change in _SCALES.items()}
    how = min(tried, key=lambda how: tried[how].strange)
    if not tried[how].strange < min(1.5, 0.5 * memory.strange):
        return None
    met = f"{memory.name} meets values {memory.times:.3g} times as spread as it remembers"
    symptom = f"{_range_of(case)}: {met}; with {how}, {tried[how].times:.2g} times."
    return problem(OTHER_RANGE, symptom, how=how)


SCALED_TWICE = Cause(
    cause="The images are scaled twice, by you and inside the model.",
    cure="Give it the range it expects: a model that scales by itself takes 0 to 255.",
)


def _scaled_twice(case, said, start, reached):
    """The images vary, and what reaches the first layer hardly does."""
    size, spread = reached.size, reached.values.std()
    if not (spread < 0.02 * size and case.x.std() > 0.05 * np.abs(case.x).mean()):
        return None
    met = f"what reaches {reached.layer} is about {size:.2g} everywhere, and varies by only {spread:.2g}"
    return problem(SCALED_TWICE, f"{_range_of(case)}: {met}.")


BETTER_OTHERWISE = Cause(
    cause="The network was trained on images that were prepared in another way.",
    cure="Prepare them as its training did: {how}.",
)

_CHANGES = {**_SCALES, "images[..., ::-1] (blue, green, red)": lambda x: x[..., ::-1]}


def _better_otherwise(case, said, start, reached):
    """A network that was trained answers far better for images that are scaled, or have their channels exchanged."""
    if said.suspicious or (reached.norms and all(memory.fresh for memory in reached.norms)):
        return None  # an untrained network answers nothing well
    here = said.above(case.loss(case.output))
    constant = said.above(said.constant)
    tried = {how: change(case.x.astype("float32")) for how, change in _CHANGES.items()}
    if case.x.shape[-1] != 3:
        tried.popitem()
    costs = {how: said.above(case.loss(case.model(x, training=False))) for how, x in tried.items()}
    how = min(costs, key=costs.get)
    if not 0 < costs[how] < min(0.6 * constant, 0.5 * here):
        return None
    symptom = f"{_range_of(case)}: the loss is {here:.3g}, and {costs[how]:.3g} with {how}; constant {constant:.3g}."
    return problem(BETTER_OTHERWISE, symptom, how=how)


UNSCALED = Cause(
    cause="The input range: the network is made for about -1 to 1, and nothing scales the images.",
    cure="keras.layers.Rescaling(1 / 127.5, offset=-1) as its first layer.",
)


def check_unscaled(case, start, trainer, said, explained):
    """Large values reach the first layer, and the initial loss is far too high: does training get over it?

    Args:
        start: the initial loss. trainer: trains some steps. said: what the loss `Said`.
        explained: whether another problem explains it.
    """
    if not start.wild or explained or trainer.came_down(trainer.own()):
        return Result([])
    reached = _look(case, case.x)
    if not reached.size > 10:
        return Result([])
    met = f"{_range_of(case)} reach {reached.layer} as values of about {reached.size:.0f}"
    loss = f"the initial loss is {start.loss:.3g}; undecided would be {said.undecided:.3f}"
    return Result([problem(UNSCALED, f"{met}; {loss}.")])


def check_confidence(start, trainer, said, explained):
    """An initial loss that is far too high is a problem, unless training gets over it, or it is `explained`."""
    if not start.wild or explained or trainer.came_down(trainer.own()):
        return Result([])
    symptom = f"The initial loss is {start.loss:.3g}, where an undecided network would have {said.undecided:.3f}."
    return Result([problem(SURE_AND_WRONG, symptom)])


def _look(case, x):
    """Runs the network on x in inference mode: -> `_Reached`."""
    found, norms = [], []

    def see(operation, given, _):
        if isinstance(operation, keras.layers.BatchNormalization):
            norms.append(Memory(operation, array(given)))
        elif not found and any(len(weight.shape) > 1 for weight in getattr(operation, "weights", [])):
            found.append((operation.name, array(given)))

    with watch(see):
        case.model(x, training=False)
    return _Reached(*(found[0] if found else ("the network", array(x))), norms)
