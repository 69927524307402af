"""Is every label a class, and does more than one class occur?"""

import dataclasses

import numpy as np

from . import foreign
from .borders import VOID_AS_A_CLASS, rounded, seams
from .case import Case
from .model import OTHER_NUMBER
from .report import LIKELY, POSSIBLE, Cause, Result, Stop, fine, note, problem
from .tools import loss_config


def check_labels(model, data, output, form, void, class_names):
    """Reads the labels as classes, and looks for values that are none, and for void among the classes: -> `Case`."""
    ignored = loss_config(model).get("ignore_class")
    if ignored is not None and not 0 <= ignored < form.n:  # one of the classes that is ignored is not void
        void = ignored
    given = np.concatenate([labels for _, labels, _ in data.batches])
    read = _from_one_hot if form.hot else _from_numbers
    maps, findings = read(given, data, output, form, void)
    form = dataclasses.replace(form, soft=bool(findings))
    case = Case(model, data, output, form, void, maps, class_names)
    shares = np.bincount(maps[maps >= 0], minlength=form.n) / maps.size
    _insist_on_two_classes(case, shares)
    problems = [found for found in findings if found.verdict == "PROBLEM"] + _names(case)
    if maps.ndim == 3:
        problems += rounded(case)
        problems += [] if problems else seams(case, shares)
    notes = [found for found in findings if found.verdict != "PROBLEM"]
    return Result(problems or [fine(_said(case, shares)), *notes], facts=case)


def _said(case, shares):
    order = [c for c in np.argsort(-shares, kind="stable") if shares[c]]
    most = ", ".join(f"{case.name(c)}: {shares[c]:.1%}" for c in order[:4]) + ", ..." * (len(order) > 4)
    return f"Void {np.mean(case.maps < 0):.1%}; {most}; {len(order)} of {case.n} classes occur."


# ---- whole numbers, or one number per pixel -------------------------------------------------------------------------


def _from_numbers(given, data, output, form, void):
    """Labels as given -> int (image, row, col), -1 for void; and findings, where these do no harm.

    Raises:
        Stop: where values are no class, and leave no meaning to what follows.
    """
    values = np.asarray(given, "float64")
    values = _as_maps(values.reshape(values.shape[: output.ndim - 1]), data)
    nothing = values == void
    strange = ((values < 0) | (values >= form.n) | (values != np.floor(values))) & ~nothing
    looked_at = foreign.Values(values, strange, form.n, output.shape[-1], void)
    findings = foreign.why(looked_at)
    if findings and not looked_at.soft:
        raise Stop(*findings)
    values = np.where(values > 0.5, 1, 0) if findings else values
    return np.where(nothing, -1, values).astype("int32"), findings


def _as_maps(values, data):
    """A list of pixels (image, pixel, ...) as a map (image, row, col, ...), where it is one."""
    rows, cols = data.x.shape[1:3]
    if values.shape[1] == rows * cols:
        return values.reshape(len(values), rows, cols, *values.shape[2:])
    return values


# ---- one-hot --------------------------------------------------------------------------------------------------------

EACH_ITS_OWN = Cause(
    cause="Each output is a yes or no of its own (sigmoids), for masks that may overlap or leave a pixel without any; "
    "preflight examines one class per pixel. This says nothing against your model.",
    cure="Examine one mask at a time: keras.Model(model.input, model.output[..., k:k + 1]), compiled with the same "
    "loss, and labels[..., k:k + 1].",
)
OVERLAP = Cause(
    cause="Masks that overlap, or were put together wrongly: a softmax gives every pixel one class.",
    cure="Decide which mask wins; or, if they may overlap, a sigmoid for each output and a binary cross-entropy.",
    confidence=LIKELY,
)
SCALED_ONE_HOT = Cause(
    cause="One-hot labels went through what is meant for images: a change of brightness, or * 255. A row that should "
    "hold a 1 holds another number, and the loss takes it for a weight.",
    cure="Of the augmentation, give masks only what moves pixels (flip, crop, rotate); no brightness, no scaling.",
)


def _from_one_hot(given, data, output, form, void):
    """As `_from_numbers`, for labels (image, row, col, class) or (image, pixel, class)."""
    values = np.asarray(given, "float64")
    if np.ptp(values.max(axis=-1)) < 1e-6 and values.max() < 1 and np.abs(values.sum(axis=-1) - 1).max() < 1e-4:
        values = np.round(values / values.max())  # label smoothing
    total, top, filled = values.sum(axis=-1), values.max(axis=-1), (values != 0).sum(axis=-1)
    proper, zero = (filled == 1) & (top == 1), filled == 0
    void_row = (values == void).any(axis=-1) & (filled != 1)
    fractions = (values != np.floor(values)).any(axis=-1)
    _insist_on_ones(values, proper, zero | void_row, filled == 1, top)
    several = (filled > 1) & ~void_row & ~fractions
    if several.any() or zero.any():
        _insist_on_one_class(output, several, zero)
    shares = fractions & (np.abs(total - 1) < 1e-2)
    findings = []
    if shares.mean() > 0.5 and shares.sum() == fractions.sum():
        text = f"{shares.mean():.1%} of the rows are shares of classes that sum to 1; checks take the largest."
        findings = [note(text)]
        fractions = np.zeros_like(fractions)
    if fractions.any():
        symptom = f"{fractions.mean():.1%} of the labels are fractions, such as {top[fractions][0]:g}"
        raise Stop(problem(foreign.INTERPOLATED, f"{symptom}."))
    classes = np.where(zero | void_row, -1, values.argmax(axis=-1)).astype("int32")
    return _as_maps(classes, data), findings


def _insist_on_ones(values, proper, nothing, single, top):
    """Stops where rows hold one number, and it is another than 1: few numbers in each picture."""
    strange = single & ~proper & ~nothing
    if strange.mean() < 0.2:
        return
    each = [np.unique(image[here]) for image, here in zip(top, strange, strict=True) if here.any()]
    if np.mean([len(numbers) <= 2 for numbers in each]) > 0.9:
        some = ", ".join(f"{numbers[-1]:.4g}" for numbers in each[:5]) + ", ..." * (len(each) > 5)
        symptom = f"{strange.mean():.1%} of the one-hot rows hold another number than 1; picture by picture: {some}."
        raise Stop(problem(SCALED_ONE_HOT, symptom))


def _insist_on_one_class(output, several, zero):
    """Stops where a pixel has several classes, or none, and the outputs are yes or no, each for itself."""
    own = output.min() >= 0 and output.max() <= 1 and np.abs(output.sum(axis=-1) - 1).max() > 0.02
    if own:
        symptom = f"{several.mean():.1%} of the pixels have several classes, {zero.mean():.1%} have none"
        raise Stop(problem(EACH_ITS_OWN, f"{symptom}; the outputs do not sum to 1."))
    if several.any():
        symptom = (
            f"{several.mean():.1%} of the labels are neither 0 to {output.shape[-1] - 1} nor void: several classes"
        )
        raise Stop(problem(OVERLAP, f"{symptom} at one pixel."))


# ---- classes that do not occur, or should not -----------------------------------------------------------------------

ONE_LABEL = Cause(
    cause="Label files that were not read, were divided by 255, or belong to other images; or a batch without objects.",
    cure="np.unique(labels) of some files, and one beside its image.",
    confidence=POSSIBLE,
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
