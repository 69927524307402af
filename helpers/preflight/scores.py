"""Asks the compiled metrics what they say to a perfect, a nearly perfect, a less sure and a wrong answer."""

import numpy as np
from keras import ops

from .report import LIKELY, POSSIBLE, Cause, Result, fine, first, note, problem
from .tools import short

_CALLED = ("accuracy", "acc", "iou", "io_u", "jaccard", "dice", "f1", "f_score", "fscore", "precision", "recall")


def check_scores(case, gives, explained):
    """Asks every compiled metric about answers that are known to be right or wrong.

    Args:
        gives: what the network `Gives`.
        explained: whether a problem was found in the loss, which for one-hot labels is that of rows without a class.
    """
    right = case.filled()
    answers = {
        "perfect": case.answer(right, gives.form),
        "other": case.answer(case.filled(case.n - 1), gives.form),
        "wrong": case.answer((right + 1) % case.n, gives.form),
        "mostly": case.answer(_mostly(right, case.n), gives.form),
        "less sure": _less_sure(case, right, gives),
    }
    said = {}
    for answer, prediction in answers.items():
        said[answer] = _ask(case, prediction)
        if isinstance(said[answer], str):
            return Result([problem(METRIC_STOPS, f"A metric stops: {said[answer]}.")])
    if case.form.soft:
        return Result([note("Not told: labels are shares of a class, and what is perfect depends on the score.")])
    names = [name for name in said["perfect"] if name != "loss"]
    tell = [name for name in names if said["perfect"][name] > said["wrong"][name] + 0.05]
    problems = []
    for name in names:
        values = {answer: said[answer][name] for answer in answers}
        found = first(_SUSPECTS if name in tell else [_always_the_same], case, name, values)
        problems += [found] if found else []
    if explained and case.form.hot:
        problems = [found for found in problems if found.cause != COUNTS_VOID.cause]
    if problems:
        return Result(problems)
    if not tell:
        return Result([note("No metric is compiled that tells a perfect answer from a wrong one.")])
    return Result([fine(f"1 for a perfect answer, low for a wrong one: {', '.join(tell)}.")])


def _mostly(right, n):
    """The classes (image, row, col), with every twentieth pixel of another class."""
    classes = right.copy()
    classes.reshape(-1)[::20] = (classes.reshape(-1)[::20] + 1) % n
    return classes


def _less_sure(case, right, gives):
    """The right answer, given at a probability of 0.9."""
    if gives.form == "logits":
        return case.answer(right, "logits", np.log(9 * max(1, case.n - 1)) / 2)
    p = case.answer(right, "probabilities")
    rest = 0.1 / max(1, case.n - 1)
    return np.where(p > 0.5, 0.9, rest).astype("float32")


METRIC_STOPS = Cause(
    cause="It does not know the void label, or wants labels of another form (one-hot or whole numbers).",
    cure="helpers.metrics.Scores; or ignore_class and the right sparse_ flags.",
    confidence=LIKELY,
)


def _ask(case, prediction):
    """The metrics of a prediction: {name: float}; or an error in words."""
    try:
        case.model.reset_metrics()
        results = case.model.compute_metrics(
            *(None if part is None else ops.convert_to_tensor(part) for part in (case.x, case.data.y, prediction)),
            None if case.data.weight is None else ops.convert_to_tensor(case.data.weight),
        )
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


# ---- what a score may be suspected of -------------------------------------------------------------------------------

ALWAYS_THE_SAME = Cause(
    cause="It does not look at the answer: an argmax over one channel, which is always 0; labels and output of other "
    "forms (one-hot or whole numbers, logits or probabilities); or probabilities cut to whole numbers.",
    cure="For one output, output > 0.5 (BinaryIoU, threshold=); else its flags (sparse_y_true, sparse_y_pred), or "
    "helpers.metrics.Scores.",
    confidence=POSSIBLE,
)


def _always_the_same(case, name, said):
    """A score by its name, and it says the same of a perfect and a wrong answer."""
    if not any(word in name.lower() for word in _CALLED):
        return None
    if np.isfinite([said["perfect"], said["wrong"]]).all() and said["perfect"] - said["wrong"] > 0.05:
        return None
    symptom = f"{name} is {said['perfect']:.3f} for a perfect prediction, and {said['wrong']:.3f} for a wrong one."
    return problem(ALWAYS_THE_SAME, symptom)


COUNTS_VOID = Cause(
    cause="This accuracy counts void pixels, for which no answer is right.",
    cure="A score that leaves them out: helpers.metrics.Scores.",
)


def _counts_void(case, name, said):
    void, perfect, other = (~case.valid).mean(), said["perfect"], said["other"]
    if not (void and (abs(perfect - other) > 1e-3 or perfect < 0.999)):
        return None
    symptom = f"{name} is {perfect:.3f} for a perfect prediction, and {other:.3f} with another class at the void pixels"
    return problem(COUNTS_VOID, f"{symptom}, {void:.1%} of all.")


OTHER_FORM = Cause(
    cause="It was made for labels or outputs of another form: one-hot or whole numbers, logits or probabilities.",
    cure="Set its flags (sparse_y_true, sparse_y_pred); or helpers.metrics.Scores.",
    confidence=LIKELY,
)


def _other_form(case, name, said):
    perfect, wrong = said["perfect"], said["wrong"]
    if not (perfect <= 1.001 and (perfect < 0.999 or wrong >= 0.4)):
        return None
    symptom = f"{name} is {perfect:.3f} for a perfect prediction, and {wrong:.3f} for one that is wrong at every pixel."
    return problem(OTHER_FORM, symptom)


CUT_TO_WHOLE = Cause(
    cause="It cuts probabilities to whole numbers, so that only a probability of exactly 1 counts: 0.9 becomes 0. "
    "MeanIoU does so unless told that labels and outputs are one-hot.",
    cure="keras.metrics.MeanIoU(n, sparse_y_true=False, sparse_y_pred=False) for one-hot labels, "
    "BinaryIoU(threshold=0.5) for one output; or helpers.metrics.Scores.",
)


def _cuts_probabilities(case, name, said):
    """The right answer at a probability of 0.9 should be as right as at 1, for a score that counts classes."""
    perfect, less, wrong = said["perfect"], said["less sure"], said["wrong"]
    if not less < perfect - 0.6 * (perfect - wrong):
        return None
    symptom = f"{name} is {perfect:.3f} for right answers given at a probability of 1, and {less:.3f} at 0.9."
    return problem(CUT_TO_WHOLE, symptom)


COUNTS_LINES = Cause(
    cause="It counts rows, columns or whole pictures as right or wrong, not pixels: a comparison or a sum runs over "
    "the wrong axis.",
    cure="Compare pixel by pixel, then sum over images, rows and columns; or helpers.metrics.Scores.",
    confidence=LIKELY,
)


def _counts_lines(case, name, said):
    """An answer that is wrong at every twentieth pixel should be worth more than half."""
    perfect, mostly, wrong = said["perfect"], said["mostly"], said["wrong"]
    lowest = _lowest_iou(case.labels, _mostly(case.filled(), case.n), case.n)
    if not mostly < wrong + 0.5 * lowest * (perfect - wrong):
        return None
    symptom = (
        f"{name} is {mostly:.3f} for an answer that is wrong at 5% of the pixels (no class has an IoU "
        f"below {lowest:.2f}), and {perfect:.3f} for a perfect one."
    )
    return problem(COUNTS_LINES, symptom)


def _lowest_iou(labels, answer, n):
    """The lowest IoU of a class that occurs: float. Pixel accuracy, mean IoU and Dice are no lower."""
    valid = labels >= 0
    matrix = np.bincount(n * labels[valid] + answer[valid], minlength=n * n).reshape(n, n)
    truth = matrix.sum(axis=1)
    union = truth + matrix.sum(axis=0) - np.diag(matrix)
    return (np.diag(matrix)[truth > 0] / union[truth > 0]).min()


_SUSPECTS = (_counts_void, _other_form, _cuts_probabilities, _counts_lines)
