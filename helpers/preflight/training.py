"""Does it learn? Some steps of training on the few images, which are undone afterwards."""

import dataclasses
import time

import keras
import numpy as np

from .report import Cause, Result, fine, note, problem
from .tools import array

_STEPS = 40  # of training, with each optimizer
_RATES = (1e-2, 1e-3, 1e-4)  # of Adam, until one overfits the batch


@dataclasses.dataclass(frozen=True)
class Trained:
    """How training on the few images went.

    Attributes:
        losses: before each step, and after the last.
        step: how far one step moves a kernel, as a share of its length: the median.
        right: the share of the labelled pixels that are right at the end, in training mode.
    """

    losses: list
    step: float
    right: float

    @property
    def n(self):
        """How many steps were made."""
        return len(self.losses) - 1

    @property
    def last(self):
        """The last loss, infinite if it is NaN."""
        return self.losses[-1] if np.isfinite(self.losses[-1]) else np.inf

    def __str__(self):
        return f"loss {self.losses[0]:.3f} -> {self.losses[-1]:.3f} in {self.n} steps"


@dataclasses.dataclass(frozen=True)
class Trainer:
    """Holds all that training takes, whichever the optimizer is.

    Attributes:
        gives: "logits" or "probabilities", whichever the network gives.
        gradients: a function of nothing -> loss, gradients.
        unchanged: puts back what training changes.
        end: when everything should be over, by `time.perf_counter`.
    """

    case: object
    gives: str
    gradients: object
    unchanged: object
    end: float

    def train(self, optimizer, share):
        """Makes some steps in this share of the time that is left, and undoes them: -> `Trained`."""
        end = time.perf_counter() + share * max(0.0, self.end - time.perf_counter())
        variables = self.case.model.trainable_variables
        kernels = [(variable, array(variable)) for variable in variables if len(variable.shape) > 1]
        optimizer.build(variables)
        try:
            losses = self._steps(optimizer, variables, end)
            moved = [np.linalg.norm(array(v) - was) / (np.linalg.norm(was) + 1e-12) for v, was in kernels]
            step = float(np.median(moved)) / max(1, len(losses) - 1) if moved else 0.0
            return Trained(losses, step, self._right())
        finally:
            self.unchanged.restore()

    def _steps(self, optimizer, variables, end):
        """Trains until it is time, or a loss is no number: -> the losses."""
        import tensorflow as tf

        @tf.function(autograph=False)
        def apply(slopes):
            optimizer.apply(slopes, variables)

        losses = []
        while True:
            loss, slopes = self.gradients()
            losses.append(float(loss))
            if len(losses) > _STEPS or not np.isfinite(losses[-1]) or time.perf_counter() > end:
                return losses
            apply([tf.zeros(v.shape) if g is None else g for v, g in zip(variables, slopes, strict=True)])

    def _right(self):
        output = array(self.case.model(self.case.x, training=True))
        p, valid = self.case.probabilities(output, self.gives), self.case.valid
        return float((p.argmax(axis=-1) == self.case.labels)[valid].mean())


LEARNS_NOTHING = Cause(
    cause="What it learns from does not tell it the labels: features that are constant, frozen or dead, images paired "
    "with other images' labels, or a network too small.",
    cure="Look at image and label side by side; unfreeze; try the same data on a network that is known to work.",
)


def check_overfit(trainer, said, explained):
    """Can it learn the few images by heart, at any rate? -> the `Trained` that got furthest with Adam.

    Args:
        said: what the loss `Said`.
        explained: whether a problem was found that keeps it from learning.
    """
    tried = {}
    for rate in _RATES:
        tried[rate] = trained = trainer.train(keras.optimizers.Adam(rate), share=0.45)
        if trained.last < 0.9 * said.constant or trained.n < 10:
            break
    rate = min(tried, key=lambda rate: tried[rate].last)
    best, rates = tried[rate], " or ".join(f"{rate:g}" for rate in tried)
    right = f"{best.right:.0%} of the pixels right"
    text = f"Adam {rate:g}: {best}, {right}; same shares everywhere {said.constant:.3f}."
    if best.n < 10:
        found = note(f"Not told: no time for more. {text}")
    elif best.last < 0.9 * said.constant:
        found = fine(text)
    elif explained:
        found = note(f"It cannot learn these images by heart, for what is said above. {text}")
    elif _still_falls(best):
        found = note(f"Not told: the loss was still falling. {text}")
    else:
        symptom = f"It cannot even learn {len(trainer.case.x)} images by heart, at {rates}. {text}"
        found = problem(LEARNS_NOTHING, symptom)
    return Result([found], facts=best)


def _still_falls(best):
    """Whether the loss fell, and did so in the last quarter of the steps."""
    return best.last < 0.95 * best.losses[0] and (best.n < 30 or best.last < 0.97 * best.losses[-best.n // 4])


SMALL_STEPS = Cause(
    cause="The optimizer's steps are too small: rate {rate:.3g} is far too low for {optimizer}.",
    cure="Adam 1e-3; Adadelta needs a rate near 1.0, as in its paper.",
)
LARGE_STEPS = Cause(
    cause="The optimizer's steps are too large: rate {rate:.3g}.",
    cure="A tenth of it, and again, until the loss falls.",
)


def check_optimizer(trainer, said, best):
    """Does one of its own steps, at the highest rate of its schedule, move the weights?

    Args:
        said: what the loss `Said`.
        best: what was `Trained` with Adam, as a comparison.
    """
    own = trainer.case.model.optimizer
    own = getattr(own, "inner_optimizer", own)  # without the scaling for float16
    name, rate = type(own).__name__, _highest_rate(own)
    trained = trainer.train(type(own).from_config({**own.get_config(), "learning_rate": rate}), share=0.9)
    text = f"{name}, rate {rate:.3g}: a step moves the weights by {trained.step:.0e} of their size; {trained}"
    gain, possible = trained.losses[0] - trained.last, max(best.losses[0] - best.last, 0.1 * best.losses[0])
    if trained.n < 3:
        return Result([note(f"Not told: no time for more. {text}.")])
    if trained.step < 2e-5 and gain < 0.05 * possible:
        return Result([problem(SMALL_STEPS, f"{text} (Adam: {best.last:.3f}).", rate=rate, optimizer=name)])
    if trained.last > 1.5 * max(trained.losses[0], said.undecided) and best.last < 0.9 * best.losses[0]:
        return Result([problem(LARGE_STEPS, f"{text} (Adam: {best.last:.3f}).", rate=rate)])
    return Result([fine(f"{text}.")])


def _highest_rate(optimizer):
    """The optimizer's learning rate, or the highest of its schedule in a million steps: float."""
    schedule = getattr(optimizer, "_learning_rate", None)
    if isinstance(schedule, keras.optimizers.schedules.LearningRateSchedule):
        return max(float(array(schedule(step))) for step in np.unique(np.geomspace(1, 1e6, 300).astype(int)))
    return float(array(optimizer.learning_rate))
