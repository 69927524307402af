"""Do the moving statistics of batch normalisation fit what it meets, and will they settle in time?"""

import dataclasses

import numpy as np

from .report import LIKELY, Cause, Result, fine, first, note, problem
from .tools import array, trained_steps


class Memory:
    """One layer of batch normalisation: what it remembers, the moving mean and variance, against what it meets.

    Attributes:
        fresh: whether it still has its initial statistics. frozen: whether it is in inference mode for good.
        times: how many times as spread the values are that it meets; away: how many deviations their mean is off.
        strange: both in one number, 0 for what it knows.
    """

    def __init__(self, layer, given):
        axes = tuple(axis for axis in range(given.ndim) if axis != layer.axis % given.ndim)
        mean, variance = array(layer.moving_mean), array(layer.moving_variance)
        deviation = np.sqrt(variance + layer.epsilon)
        self.name, self.momentum, self.frozen = layer.name, layer.momentum, not layer.trainable
        self.fresh = not mean.any() and (variance == 1).all()
        self.times = float(np.median(np.sqrt(given.var(axis=axes) + layer.epsilon) / deviation))
        self.away = float(np.median(np.abs(given.mean(axis=axes) - mean) / deviation))
        self.strange = abs(np.log(self.times)) + min(self.away, 10.0) / 3


@dataclasses.dataclass(frozen=True)
class _Norms:
    """All layers of batch normalisation, and what bears on them.

    Attributes:
        memories: a `Memory` for each.
        training, inference: the loss by the batch's and by the moving statistics; `far` is how much the second may be.
        slowest: the highest momentum; `settles` is after how many steps.
        trained, planned: how many steps were trained, and are to be, or None.
        explained: whether another range of inputs was found, which would explain strange values.
        batch: how many images a batch of the pipeline has, or None where there is only one batch.
    """

    memories: list
    training: float
    inference: float
    undecided: float
    trained: int
    planned: int | None
    explained: bool
    batch: int | None

    @property
    def slowest(self):
        return max(memory.momentum for memory in self.memories)

    @property
    def settles(self):
        return int(np.ceil(np.log(0.05) / np.log(self.slowest))) if self.slowest > 0 else 1

    @property
    def settled(self):
        return not self.trained or self.slowest**self.trained < 0.05

    @property
    def fresh(self):
        return all(memory.fresh for memory in self.memories)

    @property
    def lags(self):
        far = 1.5 * self.training + 0.1 * self.undecided if self.settled else 1.15 * self.training
        return not self.fresh and self.inference > far

    def __str__(self):
        by_batch = f"Loss {self.training:.3f} by the batch's statistics (training)"
        return f"{by_batch}, {self.inference:.3f} by the moving ones (inference)"


def check_batch_norm(case, said, start, memories, steps, explained):
    """Compares the loss in training mode with that in inference mode, and what each layer remembers with what it meets.

    Args:
        said, start, memories: what the checks of loss, initial loss and input range returned.
        steps: how many training steps are planned, or None.
        explained: whether the images were found to have another range.
    """
    if not memories:
        return Result([note("There is none.")])
    inference, trained = case.loss(case.output), trained_steps(case.model)
    sizes = [len(images) for images, _, _ in case.data.batches]
    batch = max(sizes) if len(sizes) > 1 else None
    norms = _Norms(memories, start.loss, inference, said.undecided, trained, steps, explained, batch)
    found = first(_SUSPECTS, norms)
    return Result([found or fine(f"{norms}; momentum {norms.slowest:g} settles in {norms.settles} steps.")])


FROZEN_WITHOUT_STATISTICS = Cause(
    cause="Frozen batch normalisation (trainable=False means inference mode) that has never seen data, or lost its "
    "statistics when weights were copied: it does not normalise.",
    cure="Load the moving mean and variance too; or keep these layers trainable until they have settled, then freeze.",
)


def _frozen_without_statistics(norms):
    unread = [memory for memory in norms.memories if memory.frozen and memory.fresh]
    if not unread:
        return None
    part = f"{len(unread)} of {len(norms.memories)} layers are frozen with mean 0 and variance 1, their initial values"
    symptom = f"{part}; {unread[-1].name} meets values {unread[-1].times:.3g} times as spread."
    return problem(FROZEN_WITHOUT_STATISTICS, symptom)


FROZEN_ON_OTHER_IMAGES = Cause(
    cause="Frozen batch normalisation that remembers other images, or another preprocessing, than these.",
    cure="Prepare the images as its training did; or keep these layers trainable.",
)


def _frozen_on_other_images(norms):
    frozen = [memory for memory in norms.memories if memory.frozen]
    strange = max(frozen, key=lambda memory: memory.strange, default=None)
    if not strange or not strange.strange > 2 or norms.explained:
        return None
    met = f"meets values {strange.times:.3g} times as spread as it remembers, {strange.away:.2g} deviations away"
    return problem(FROZEN_ON_OTHER_IMAGES, f"Frozen {strange.name} {met}.")


STATISTICS_LAG = Cause(
    cause="The moving statistics lag behind: momentum {momentum:g} takes {settles} steps to settle. So training "
    "improves, and validation stays bad.",
    cure="momentum=0.9 on a short run, or more steps.",
)


def _statistics_lag(norms):
    """They lag now; that is no problem where enough steps are still to come."""
    if not norms.lags:
        return None
    if not norms.settled and norms.planned is not None and norms.planned >= norms.settles:
        return note(f"{norms}; not settled yet, after {norms.trained} of {norms.settles} steps.")
    if norms.explained:
        return None
    return problem(STATISTICS_LAG, f"{norms}.", momentum=norms.slowest, settles=norms.settles)


def _will_lag(norms):
    """They will lag at the end of the steps that are planned."""
    if not norms.fresh or norms.planned is None or norms.planned >= norms.settles:
        return None
    symptom = f"Momentum {norms.slowest:g} takes {norms.settles} steps to settle, and {norms.planned} are planned."
    return problem(STATISTICS_LAG, symptom, momentum=norms.slowest, settles=norms.settles)


BATCH_OF_ONE = Cause(
    cause="Batches of one image under batch normalisation: in training each image is normalised by itself, in "
    "inference by what all had in common. So training improves, and validation stays bad or jumps.",
    cure="Batches of 8 or more; or GroupNormalization, which does not look at the batch; or this layer frozen with "
    "statistics that were learned elsewhere.",
    confidence=LIKELY,
)


def _batches_of_one(norms):
    if norms.batch != 1 or all(memory.frozen for memory in norms.memories):
        return None
    learning = sum(not memory.frozen for memory in norms.memories)
    symptom = f"Every batch has one image, and {learning} layers of batch normalisation learn their statistics from it."
    return problem(BATCH_OF_ONE, symptom)


_SUSPECTS = (
    _frozen_without_statistics, _frozen_on_other_images, _batches_of_one, _statistics_lag, _will_lag,
)  # fmt: skip
