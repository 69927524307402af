"""Does it learn? Some steps of training on the few images, which are undone afterwards.

The model's own optimizer comes first. Only if the loss does not fall below that of a constant answer, Adam is tried,
too: is it the optimizer, or what it learns from?
"""

import dataclasses
import time

import keras
import numpy as np

from . import backend
from .report import LIKELY, POSSIBLE, Cause, Result, fine, note, problem
from .tools import array

_STEPS = 40  # of training, with each optimizer
_CLIPS = ("clipnorm", "global_clipnorm", "clipvalue")  # how an optimizer cuts gradients
_RATES = (1e-2, 1e-3, 1e-4)  # of Adam, until one overfits the batch
_LEARNED = 0.9  # of what a constant answer costs above a perfect one: below it, images were looked at
_ENOUGH = 0.5  # of the same: there is nothing more to see


@dataclasses.dataclass(frozen=True)
class Trained:
    """How training on the few images went.

    Attributes:
        losses: before each step, and after the last.
        step: how far one step moves a kernel, as a share of its length: the median. late: the same of the last steps.
        right: the share of the labelled pixels that are right at the end, in training mode.
    """

    losses: list
    step: float
    late: float
    right: float

    @property
    def n(self):
        """How many steps were made."""
        return len(self.losses) - 1

    @property
    def short(self):
        """Whether time was up before anything could be told; a loss that is no number any more tells enough."""
        return self.n < 3 and np.isfinite(self.losses[-1])

    @property
    def last(self):
        """The last loss, infinite if it is NaN: the mean of the last three, as dropout and batches make it jump."""
        last = np.mean(self.losses[-3:]) if self.n > 9 else self.losses[-1]
        return float(last) if np.isfinite(last) else np.inf

    def __str__(self):
        return f"loss {self.losses[0]:.3f} -> {self.losses[-1]:.3f} in {self.n} steps"


class Trainer:
    """Holds all that training takes, whichever the optimizer is.

    Args:
        gives: what the network `Gives`. said: what the loss `Said`.
        gradients: a function of nothing -> loss, gradients.
        unchanged: puts back what training changes.
        end: when everything should be over, by `time.perf_counter`.

    Attributes:
        constant: what a constant answer, the labels' own shares everywhere, costs above a perfect one.
    """

    def __init__(self, case, gives, said, gradients, unchanged, end):
        self.case, self.gives, self.said, self.gradients = case, gives, said, gradients
        self.unchanged, self.end = unchanged, end
        self.constant = said.above(said.constant)
        self._kept, self._ready = {}, {}
        given = _without_scaling(case.model.optimizer)
        self.name, self.rate = type(given).__name__, highest_rate(given)
        self._config = {**given.get_config(), "learning_rate": self.rate}
        self._own = type(given).from_config(self._config)
        plain = type(given) is keras.optimizers.Adam and not self.clip
        self._adam = self._own if plain else keras.optimizers.Adam()

    def learned(self, trained):
        """Whether it came below what a constant answer costs."""
        return self.said.above(trained.last) < _LEARNED * self.constant

    def came_down(self, trained):
        """Whether it got over a wild beginning: it costs less than an undecided answer."""
        return self.said.above(trained.last) < self.said.above(self.said.undecided)

    def own(self, steps=None):
        """`Trained` with the model's own optimizer, at the highest rate of its schedule."""
        steps = steps or _STEPS
        if steps not in self._kept:
            self._kept[steps] = self._train(self._own, self.rate, 0.5, steps)
        return self._kept[steps]

    @property
    def clip(self):
        """How the model's own optimizer cuts gradients, such as "clipnorm=1.0", or "": str."""
        return ", ".join(f"{name}={self._config[name]:g}" for name in _CLIPS if self._config.get(name))

    def unclipped(self):
        """`Trained` with the model's own optimizer, but for its clipping."""
        whole = type(self._own).from_config({**self._config, **dict.fromkeys(_CLIPS)})
        return self._train(whole, self.rate, 0.5, _STEPS)

    def steepest(self):
        """The largest gradient of a kernel, as a share of the kernel: float."""
        slopes = self.gradients()[1]
        self.unchanged.restore()
        pairs = zip(self.case.model.trainable_variables, slopes, strict=True)
        sizes = [
            np.linalg.norm(array(slope)) / (np.linalg.norm(array(variable)) + 1e-12)
            for variable, slope in pairs
            if slope is not None and len(variable.shape) > 1
        ]
        return float(max(sizes, default=0.0))

    def adam(self, rate):
        """`Trained` with Adam at this rate."""
        return self._train(self._adam, rate, 0.45, _STEPS)

    def _train(self, optimizer, rate, share, steps):
        """Makes some steps in this share of the time that is left, and undoes them: -> `Trained`."""
        end = time.perf_counter() + share * max(0.0, self.end - time.perf_counter())
        variables = self.case.model.trainable_variables
        kernels = [(variable, array(variable)) for variable in variables if len(variable.shape) > 1]
        if not optimizer.built:
            optimizer.build(variables)
            at_rest = [array(variable) for variable in optimizer.variables]
            self._ready[optimizer] = at_rest, backend.steps_of(optimizer, variables)
        at_rest, step_of = self._ready[optimizer]
        for variable, value in zip(optimizer.variables, at_rest, strict=True):
            variable.assign(value.astype(variable.dtype))
        optimizer.learning_rate = rate
        try:
            losses, before = self._steps(step_of, kernels, end, steps)
            made = max(1, len(losses) - 1)
            step, late = (_moved(kernels, was) for was in ([was for _, was in kernels], before))
            return Trained(losses, step / made, late / max(1, made // 3), self._right())
        finally:
            self.unchanged.restore()

    def _steps(self, step, kernels, end, most):
        """Trains until it is time, it has learned enough, or a loss is no number.

        Returns:
            The losses, and the kernels when a third of the steps was still to come.
        """
        losses, before = [], [was for _, was in kernels]
        while True:
            loss, slopes = self.gradients()
            losses.append(float(array(loss)))
            enough = len(losses) > 10 and self.said.above(np.mean(losses[-3:])) < _ENOUGH * self.constant
            if len(losses) > most or enough or not np.isfinite(losses[-1]) or time.perf_counter() > end:
                return losses, before
            step(slopes)
            if len(losses) == most - most // 3:
                before = [array(variable) for variable, _ in kernels]

    def _right(self):
        output = array(self.case.model(self.case.x, training=True))
        p, valid = self.case.probabilities(output, self.gives.form), self.case.valid
        return float((p.argmax(axis=-1) == self.case.labels)[valid].mean())


def _moved(kernels, before):
    """How far the kernels lie from where they were, as a share of their length: the median."""
    moved = [
        np.linalg.norm(array(v) - was) / (np.linalg.norm(was) + 1e-12)
        for (v, _), was in zip(kernels, before, strict=True)
    ]
    return float(np.median(moved)) if moved else 0.0


def _without_scaling(optimizer):
    """The optimizer itself, without the scaling for float16."""
    return getattr(optimizer, "inner_optimizer", optimizer)


def highest_rate(optimizer):
    """The optimizer's learning rate, or the highest of its schedule in a million steps: float."""
    schedule = getattr(optimizer, "_learning_rate", None)
    if isinstance(schedule, keras.optimizers.schedules.LearningRateSchedule):
        return max(float(array(schedule(step))) for step in np.unique(np.geomspace(1, 1e6, 300).astype(int) - 1))
    return float(array(optimizer.learning_rate))


# ---- can it learn at all? -------------------------------------------------------------------------------------------

LEARNS_NOTHING = Cause(
    cause="What it learns from does not tell it the labels: features that are constant, frozen or dead, images paired "
    "with other images' labels, or a network too small.",
    cure="Look at image and label side by side; unfreeze; try the same data on a network that is known to work.",
    confidence=POSSIBLE,
)
RARE_IN_CROSS_ENTROPY = Cause(
    cause="The object is rare, and the loss counts pixels: masks without any object cost hardly more than right ones, "
    "so that empty masks are learned first, and may stay.",
    cure="Add a Dice (loss = cross-entropy + Dice), or weight the class; show crops in which objects are; then Adam "
    "1e-3.",
    confidence=LIKELY,
)


@dataclasses.dataclass(frozen=True)
class Learned:
    """Training in all: with the optimizer's own steps, and with Adam where that was not enough.

    Attributes:
        best: the `Trained` that got furthest. tried: how many there are.
        rare: whether one class is so rare that a constant answer costs next to nothing, and few steps tell nothing.
    """

    best: Trained
    tried: int
    rare: bool


def check_overfit(trainer, start, explained):
    """Can it learn the few images by heart, with its own optimizer or with Adam at any rate? -> `Learned`.

    Args:
        start: the initial loss.
        explained: whether a problem was found that keeps it from learning.
    """
    own, said = trainer.own(), trainer.said
    explained = explained or (start.wild and not trainer.came_down(own))
    tried = {f"{trainer.name} {trainer.rate:.3g}": own}
    if not (trainer.learned(own) or explained or own.short):
        for rate in _RATES:
            tried[f"Adam {rate:g}"] = trained = trainer.adam(rate)
            if trainer.learned(trained) or trained.n < 10:
                break
    name = min(tried, key=lambda name: tried[name].last)
    best = tried[name]
    counts = np.sort(said.counts)[::-1]
    rare = counts[1:].sum() < 0.02 * counts.sum()
    text = f"{name}: {best}, {best.right:.0%} of the pixels right; same shares everywhere {said.constant:.3f}."
    if best.n < 10 and not trainer.learned(best):
        found = note(f"Not told: no time for more. {text}")
    elif rare and not said.bounded and not trainer.learned(own) and not explained and _costs_nothing(trainer, counts):
        least = (
            f"{counts[1:].sum() / counts.sum():.2%} of the pixels are not of class {said.present[said.counts.argmax()]}"
        )
        symptom = (
            f"{least}: the same shares everywhere cost {said.constant:.3f}, undecided {said.undecided:.3f}. {text}"
        )
        found = problem(RARE_IN_CROSS_ENTROPY, symptom)
    elif trainer.learned(best):
        found = fine(text)
    elif explained:
        found = note(f"It cannot learn these images by heart, for what is said above. {text}")
    elif _still_falls(best) or rare or looks(said, best):
        found = note(f"Not told: not yet below what a constant answer costs, and {best.n} steps cannot tell. {text}")
    else:
        rates = " or ".join(f"{rate:g}" for rate in _RATES)
        symptom = f"It cannot even learn {len(trainer.case.x)} images by heart, at {rates}. {text}"
        found = problem(LEARNS_NOTHING, symptom)
    return Result([found], facts=Learned(best, len(tried), rare))


def _costs_nothing(trainer, counts):
    """Whether a mask without objects costs next to nothing, in comparison with an undecided one."""
    return (
        trainer.constant < 0.1 * trainer.said.above(trainer.said.undecided) and counts[1:].sum() < 0.01 * counts.sum()
    )


def looks(said, trained):
    """Whether more pixels are right than a constant answer could have: those of the most frequent class."""
    most = said.counts.max() / said.counts.sum()
    return trained.right - most > 0.15 * (1 - most)


def _still_falls(best):
    """Whether the loss fell, and did so in the last quarter of the steps."""
    first, last = best.losses[0], best.last
    before = best.losses[-best.n // 4] if best.n else first
    return first - last > 0.05 * abs(first) and (best.n < 30 or before - last > 0.03 * abs(before))
