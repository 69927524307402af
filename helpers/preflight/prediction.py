"""Which classes does the network give now, and would they fit other labels better?"""

import numpy as np

from .report import LIKELY, Cause, Result, fine, note, problem
from .tools import trained_steps, turned

COLLAPSE = Cause(
    cause="Collapse into one class: a loss that rewards the majority, a step that was too wild, labels or void that "
    "pull everything to it, or nothing but the bias learns.",
    cure="What else is found here; then a lower rate, class weights or a Dice per class.",
    confidence=LIKELY,
)


def check_prediction(case, gives, start, norms, explained):
    """Looks for one class everywhere, and for labels in another order.

    Args:
        gives: what the network `Gives`. start: its initial loss.
        norms: a `batch_norm.Memory` for each batch normalisation, or None.
        explained: whether a problem was found that makes a network give one class.
    """
    p, valid = case.probabilities(case.output, gives.form), case.valid
    given = np.bincount(p.argmax(axis=-1)[valid], minlength=case.n) / valid.sum()
    truth = np.bincount(case.labels[valid], minlength=case.n) / valid.sum()
    c, trained = given.argmax(), trained_steps(case.model)
    said = f"Class {case.name(c)} at {given[c]:.1%} of the pixels; in the labels at {truth[c]:.1%}."
    if given[c] > 0.995 and truth[c] < 0.8 and (trained or p[..., c].mean() > 0.95):
        if explained or (start.wild and not trained):
            return Result([note(f"{said} For what is said above.")])
        if norms and not trained and all(memory.fresh for memory in norms):
            return Result([note(f"{said} It tells nothing: batch normalisation has seen no image yet.")])
        return Result([problem(COLLAPSE, said + f" So far {trained} steps were trained." * bool(trained))])
    return Result([_other_labels(case, p, truth) or fine(said)])


OTHER_LABELS_FIT = Cause(
    cause="The network learned from labels in another order: axes exchanged, or class numbers off by one.",
    cure="Bring these labels into the form of its training; look at one beside its image.",
)


def _other_labels(case, p, truth):
    """Do probabilities p fit labels that are turned or off by one better? `truth` has the classes' shares."""
    others = {f"off by one ({shift:+d})": np.where(case.valid, case.labels + shift, -1) for shift in (1, -1)}
    others.update(turned(case.labels) if case.labels.ndim == 3 else {})
    costs = {how: _cost(p, labels) for how, labels in others.items()}
    how, here = min(costs, key=costs.get), _cost(p, case.labels)
    entropy = -np.sum(truth[truth > 0] * np.log(truth[truth > 0]))  # what the same shares everywhere would cost
    if not costs[how] < min(0.7 * entropy, 0.5 * here):
        return None
    fit = f"The prediction fits labels {how} better (cross-entropy {costs[how]:.3f}) than those given ({here:.3f})."
    return problem(OTHER_LABELS_FIT, fit)


def _cost(p, labels):
    """The cross-entropy of probabilities (image, row, col, class) against labels, over those that are classes.

    Infinite where fewer than two classes are left: an answer that gives one class everywhere would fit them.
    """
    known = (labels >= 0) & (labels < p.shape[-1])
    if len(np.unique(labels[known])) < 2:
        return np.inf
    of_true = np.take_along_axis(p, np.where(known, labels, 0)[..., None], axis=-1)[..., 0]
    return -np.log(of_true[known] + 1e-9).mean()
