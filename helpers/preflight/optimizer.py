"""Do the optimizer's own steps have a size that suits: do they move the weights, and downhill?"""

import numpy as np

from .report import LIKELY, Cause, Result, fine, note, problem
from .training import looks

_LONG = 240  # steps, where fewer cannot tell slow from stuck
_NOTHING = 2e-5  # of the weights: a step that moves nothing
_TINY = 1e-4  # of the weights: a gradient that is next to nothing
_SMALL = 2e-4  # of the weights: steps that get nowhere in a short run

SMALL_STEPS = Cause(
    cause="The optimizer's steps are too small: rate {rate:.3g} is far too low for {optimizer}.",
    cure="Adam 1e-3; Adadelta needs a rate near 1.0, as in its paper.",
)
CLIPPED = Cause(
    cause="The optimizer's steps are too small: {clip} cuts every gradient down to almost nothing.",
    cure="clipnorm=1.0, or no clipping.",
)
TINY_GRADIENT = Cause(
    cause="The gradient is next to nothing, so that the steps of {optimizer}, which are in proportion to it, move "
    "nothing: a last activation that is saturated (logits far from 0), many sigmoids in a row, or a scaled loss.",
    cure="Scale the images, he_normal and normalisation; no activation in the last layer, and a loss from logits.",
    confidence=LIKELY,
)
STUCK = Cause(
    cause="It stands where every pixel gets the same answer, and the steps of {optimizer} at rate {rate:.3g} are too "
    "small to leave: the gradient is small there, and so is a step in proportion to it.",
    cure="Adam 1e-3, whose steps do not shrink with the gradient; or {ten:.3g} and momentum 0.9; and normalisation.",
    confidence=LIKELY,
)
LARGE_STEPS = Cause(
    cause="The optimizer's steps are too large: rate {rate:.3g}.",
    cure="A tenth of it, and again, until the loss falls.",
)
WRECKED = Cause(
    cause="The optimizer's steps are too large: rate {rate:.3g}. The first ones throw the weights so far that the "
    "network no longer looks at the images.",
    cure="A tenth of it, and again, until the loss falls; Adam 1e-3 is where most begin.",
    confidence=LIKELY,
)


def check_optimizer(trainer, learned, explained):
    """Does one of its own steps, at the highest rate of its schedule, move the weights, and downhill?

    Args:
        learned: what `check_overfit` found.
        explained: whether a problem was found in the loss or the labels, which may make any step a wild one.
    """
    trained, best = trainer.own(), learned.best
    text = f"{trainer.name}, rate {trainer.rate:.3g}: a step moves the weights by {trained.step:.0e} of their size"
    text = f"{text}; {trained}"
    if trained.short:
        return Result([note(f"Not told: no time for more. {text}.")])
    against = f"{text} (at best {best.last:.3f})."
    if trainer.learned(trained):
        return Result([fine(f"{text}.")])
    if _hardly_moves(trained, learned):
        return Result([_small(trainer, learned, against)])
    if _goes_uphill(trainer, trained, best):
        if explained:
            return Result([note(f"{text}: for what is said above.")])
        return Result([problem(LARGE_STEPS, against, rate=trainer.rate)])
    found = None
    if trainer.learned(best) and not explained:
        found = _wrecked(trainer, trained, against) or (None if learned.rare else _stuck(trainer, trained, best))
    return Result(
        [found or note(f"{text}: not yet below what a constant answer costs; slow or stuck, these steps cannot tell.")]
    )


def _hardly_moves(trained, learned):
    """Whether the weights stay where they are, and the loss too, though it could fall."""
    best, worth = learned.best, 0.1 * abs(learned.best.losses[0])
    gain, possible = trained.losses[0] - trained.last, best.losses[0] - best.last
    if learned.tried > 1 and possible < worth:
        return False  # nor did others get anywhere: it is not the steps
    return trained.step < _NOTHING and gain < 0.05 * max(possible, worth)


def _small(trainer, learned, against):
    """Steps that move nothing: does clipping make them so small, the gradient, or the rate?"""
    if trainer.clip and not _hardly_moves(trainer.unclipped(), learned):
        return problem(CLIPPED, against, clip=trainer.clip)
    steepest = trainer.steepest()
    if steepest < _TINY:
        symptom = f"No gradient of a kernel is above {steepest:.0e} of the kernel. {against}"
        return problem(TINY_GRADIENT, symptom, optimizer=trainer.name)
    return problem(SMALL_STEPS, against, rate=trainer.rate, optimizer=trainer.name)


def _goes_uphill(trainer, trained, best):
    """Whether the loss rises, though it could fall."""
    start = max(trainer.said.above(trained.losses[0]), trainer.said.above(trainer.said.undecided))
    falls = best.last < trained.losses[0] - 0.1 * abs(trained.losses[0])
    return trainer.said.above(trained.last) > 1.5 * start and falls


def _wrecked(trainer, trained, against):
    """The weights moved by more than their own length, and the answer is a constant one."""
    if trained.step * trained.n < 1 or looks(trainer.said, trained):
        return None
    return problem(WRECKED, against, rate=trainer.rate)


def _stuck(trainer, trained, best):
    """The loss came down to that of a constant answer, and stays there with steps that hardly move a weight."""
    if trained.late >= _SMALL:
        return None
    longer, constant = trainer.own(_LONG), trainer.constant
    if longer.n < 0.8 * _LONG or not np.isfinite(longer.losses).all() or longer.late >= _SMALL:
        return None
    third = longer.n // 3
    fell = [np.mean(longer.losses[i : i + 5]) for i in (0, third, longer.n - third, longer.n - 5)]
    still_falls = fell[2] - fell[3] >= 0.2 * (fell[0] - fell[1])
    if still_falls or trainer.said.above(longer.last) >= 1.15 * constant:
        return None
    symptom = (
        f"{trainer.name}, rate {trainer.rate:.3g}: {longer}, where the same shares everywhere cost "
        f"{trainer.said.constant:.3f}; its last steps move the weights by {longer.late:.0e} of their size (at best "
        f"{best.last:.3f})."
    )
    return problem(STUCK, symptom, optimizer=trainer.name, rate=trainer.rate, ten=10 * trainer.rate)
