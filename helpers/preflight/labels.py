"""Is every label a class, and does more than one class occur?"""

import numpy as np

from .borders import VOID_AS_A_CLASS, rounded, seams
from .case import Case
from .model import OTHER_NUMBER
from .report import Cause, Result, Stop, fine, problem
from .tools import loss_config


def check_labels(model, data, output, form, void, class_names):
    """Reads the labels as classes, and looks for values that are none, and for void among the classes: -> `Case`."""
    ignored = loss_config(model).get("ignore_class")
    void = void if ignored is None else ignored
    given = np.concatenate([labels for _, labels, _ in data.batches])
    _insist_on_no_picture(given, output, void)
    maps, fractions, others = _classes(given, data, output, form, void)
    wrong = [*_fractions(fractions, maps), *_others(others, maps, form, void)]
    if wrong:
        raise Stop(*wrong)
    case = Case(model, data, output, form, void, maps, class_names)
    shares = np.bincount(maps[maps >= 0], minlength=form.n) / maps.size
    _insist_on_two_classes(case, shares)
    problems = _names(case)
    if maps.ndim == 3:
        problems += rounded(case)
        problems += [] if problems else seams(case, shares)
    return Result(problems or [fine(_said(case, shares))], facts=case)


def _said(case, shares):
    order = [c for c in np.argsort(-shares, kind="stable") if shares[c]]
    most = ", ".join(f"{case.name(c)}: {shares[c]:.1%}" for c in order[:4]) + ", ..." * (len(order) > 4)
    return f"Void {np.mean(case.maps < 0):.1%}; {most}; {len(order)} of {case.n} classes occur."


# ---- from labels as given to classes --------------------------------------------------------------------------------


def _classes(given, data, output, form, void):
    """Labels as given -> int (image, row, col), -1 for void; and the values that are fractions, or no class."""
    classes, fractions, others = (_from_one_hot if form.hot else _from_numbers)(given, output, form, void)
    rows, cols = data.x.shape[1:3]
    if classes.ndim == 2 and classes.shape[1] == rows * cols:
        classes = classes.reshape(-1, rows, cols)
    return classes, fractions, others


def _from_one_hot(given, _, __, void):
    values = np.asarray(given, "float64")
    if np.ptp(values.max(axis=-1)) < 1e-6 and values.max() < 1 and np.abs(values.sum(axis=-1) - 1).max() < 1e-4:
        values = np.round(values / values.max())  # label smoothing
    nothing = (values == void).any(axis=-1) | (values == 0).all(axis=-1)
    between = (values != np.floor(values)).any(axis=-1) & ~nothing
    other = ((values.sum(axis=-1) != 1) | (values.max(axis=-1) != 1)) & ~between & ~nothing
    classes = np.where(nothing | between | other, -1, values.argmax(axis=-1)).astype("int32")
    return classes, values[between].max(axis=-1), values[other].max(axis=-1)


def _from_numbers(given, output, form, void):
    values = np.asarray(given, "float64")
    values = values.reshape(values.shape[: output.ndim - 1])
    nothing = values == void
    between = values != np.floor(values)
    other = ((values < 0) | (values >= form.n)) & ~nothing & ~between
    classes = np.where(nothing | between | other, -1, values).astype("int32")
    return classes, values[between], values[other]


# ---- values that are no class ---------------------------------------------------------------------------------------

PICTURE_OF_A_MASK = Cause(
    cause="Masks saved as pictures, white for the object: 255 is a brightness, not a class.",
    cure="labels = labels > 127",
)


def _insist_on_no_picture(given, output, void):
    if output.shape[-1] == 1 and set(np.unique(given)) == {0, void}:
        raise Stop(problem(PICTURE_OF_A_MASK, f"The labels are 0 and {void}, for one output per pixel."))


INTERPOLATED = Cause(
    cause="Label maps that were resized, rotated or augmented with bilinear interpolation: a mean of class numbers, or "
    "of a class and void, is no class.",
    cure='Interpolate labels by the nearest pixel: method="nearest".',
)


def _fractions(values, maps):
    if not values.size:
        return []
    share = values.size / maps.size
    return [problem(INTERPOLATED, f"{share:.1%} of the labels are fractions, such as {values[0]:g}.")]


FROM_1 = Cause(
    cause="Labels off by one: they count from 1 to {n}, and 0 probably means unlabelled.",
    cure="labels - 1; and where the file says 0, the void label {void}.",
)
VOID_AS_MINUS_1 = Cause(
    cause="Void as -1 (0 - 1, of labels that count from 1). to_categorical makes it the last class.",
    cure="np.where(labels < 0, {void}, labels), before anything else is done to them.",
)
NO_CLASS = Cause(
    cause="Values that are no class, or another number than {void} for void.",
    cure="Map them to 0, 1, ... C - 1, or tell which is void: void= here, ignore_class= in the loss.",
)


def _others(found, maps, form, void):
    if not found.size:
        return []
    values = np.unique(found)
    cause = INTERPOLATED if len(values) > 2 and values.max() < void else NO_CLASS
    cause = FROM_1 if (values == form.n).all() else VOID_AS_MINUS_1 if (values == -1).all() else cause
    some = ", ".join(f"{value:g}" for value in values[:5]) + ", ..." * (len(values) > 5)
    share = found.size / maps.size
    symptom = f"{share:.1%} of the labels are neither 0 to {form.n - 1} nor void ({void}): {some}."
    return [problem(cause, symptom, n=form.n, void=void)]


# ---- classes that do not occur, or should not -----------------------------------------------------------------------

ONE_LABEL = Cause(
    cause="Label files that were not read, were divided by 255, or belong to other images; or a batch without objects.",
    cure="np.unique(labels) of some files, and one beside its image.",
)


def _insist_on_two_classes(case, shares):
    void_only = not case.valid.any()
    if (shares > 0).sum() < 2 or void_only:
        only = "void" if void_only else f"class {case.name(shares.argmax())}, or void"
        raise Stop(problem(ONE_LABEL, f"Every label is {only}."))


def _names(case):
    """The class names given should be as many as the network's outputs; one more output suggests void as a class."""
    if not case.class_names or len(case.class_names) == case.n:
        return []
    one_more = case.n == len(case.class_names) + 1 and case.shape[-1] > 1
    symptom = f"{len(case.class_names)} class names, and {case.n} outputs per pixel."
    return [problem(VOID_AS_A_CLASS if one_more else OTHER_NUMBER, symptom, void=case.void)]
