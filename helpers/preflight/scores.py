"""Asks the compiled metrics what they say to a perfect and to a wrong answer."""

import numpy as np
from keras import ops

from .report import Cause, Result, fine, note, problem
from .tools import short


def check_scores(case, gives):
    """Asks every compiled metric about answers that are known to be right or wrong."""
    answers = {"perfect": case.filled(), "other": case.filled(case.n - 1), "wrong": (case.filled() + 1) % case.n}
    said = {}
    for answer, classes in answers.items():
        said[answer] = _ask(case, case.answer(classes, gives))
        if isinstance(said[answer], str):
            return Result([problem(METRIC_STOPS, f"A metric stops: {said[answer]}.")])
    names = [name for name in said["perfect"] if name != "loss" and said["perfect"][name] > said["wrong"][name] + 0.05]
    if not names:
        return Result([note("No metric is compiled that tells a perfect answer from a wrong one.")])
    problems = [found for name in names if (found := _suspect(case, name, *(said[answer][name] for answer in answers)))]
    return Result(problems or [fine(f"1 for a perfect answer, low for a wrong one: {', '.join(names)}.")])


METRIC_STOPS = Cause(
    cause="It does not know the void label, or wants labels of another form (one-hot or whole numbers).",
    cure="helpers.metrics.Scores; or ignore_class and the right sparse_ flags.",
)


def _ask(case, prediction):
    """The metrics of a prediction: {name: float}; or an error in words."""
    try:
        case.model.reset_metrics()
        results = case.model.compute_metrics(case.x, case.data.y, ops.convert_to_tensor(prediction), case.data.weight)
        return dict(_numbers(results))
    except Exception as error:
        return short(error)


def _numbers(results):
    """The single numbers among the results of metrics, also those within dictionaries: (name, float)."""
    for name, value in results.items():
        if isinstance(value, dict):
            yield from _numbers(value)
        elif np.ndim(value) == 0:
            yield name, float(value)


COUNTS_VOID = Cause(
    cause="This accuracy counts void pixels, for which no answer is right.",
    cure="A score that leaves them out: helpers.metrics.Scores.",
)
OTHER_FORM = Cause(
    cause="It was made for labels or outputs of another form: one-hot or whole numbers, logits or probabilities.",
    cure="Set its flags (sparse_y_true, sparse_y_pred); or helpers.metrics.Scores.",
)


def _suspect(case, name, perfect, other, wrong):
    """A problem, or None, of the score `name`; `other` is its value for another class at the void pixels."""
    void = (~case.valid).mean()
    said = f"{name} is {perfect:.3f} for a perfect prediction, and"
    if void and (abs(perfect - other) > 1e-3 or perfect < 0.999):
        symptom = f"{said} {other:.3f} with another class at the void pixels, {void:.1%} of all."
        return problem(COUNTS_VOID, symptom)
    if perfect <= 1.001 and (perfect < 0.999 or wrong >= 0.4):
        return problem(OTHER_FORM, f"{said} {wrong:.3f} for one that is wrong at every pixel.")
    return None
