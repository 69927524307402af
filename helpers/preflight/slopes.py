"""At which pixels does the loss change with what is predicted there? At those with a class, and at no others.

The slope is taken through the network's last activation, as in training: a loss of Keras looks past a final softmax to
the logits, and TensorFlow's gradient of a row of zeros is not zero there.
"""

import numpy as np

from .report import LIKELY, Cause, problem
from .tools import loss_config

LOSS_OF_VOID = Cause(
    cause="Void pixels are trained as if they had a class, or {void} enters a product.",
    cure="ignore_class={void}, or helpers.losses; in a loss of your own, multiply by (labels != {void}).",
)
VOID_IN_ONE_HOT = Cause(
    cause="{void}, the label of void, stands within one-hot rows, and the loss takes it for a weight: such a pixel "
    "pulls {void} times as much as any other.",
    cure="Make one-hot rows of labels with a class only, and weight the others 0: sample_weight=(labels != {void}); or "
    "a sparse loss with ignore_class={void}.",
)
NO_CHANNEL = Cause(
    cause="A class has no channel: {which}. A row of zeros is not left out: its gradient is that of a pixel which "
    "should be none of the classes, and a softmax cannot answer that.",
    cure="As many channels as classes, the background one of them: keras.utils.to_categorical(labels, C), and C "
    "outputs.",
)
ROWS_OF_ZEROS = Cause(
    cause="Rows of zeros, meant for void, are not left out: the loss is 0 there, its gradient is not (it comes from "
    "the logits, softmax minus 0).",
    cure="A sample weight of 0 there: sample_weight=labels.any(axis=-1); or a sparse loss with ignore_class={void}.",
)


def void_in_one_hot(case, gives, said):
    """A row of one-hot labels that holds the void label should be left out."""
    if not case.form.hot or case.valid.all():
        return None
    rows = (np.asarray(case.data.y) == case.void).any(axis=-1).reshape(case.valid.shape) & ~case.valid
    steep = _steepness(case, said, rows) if rows.any() else 0
    if not steep > 1e-3:
        return None
    symptom = f"{rows.mean():.1%} of the one-hot rows hold {case.void}, and the loss is {_times(steep)}."
    return problem(VOID_IN_ONE_HOT, symptom, void=case.void)


def counts_void(case, gives, said):
    """The loss should have no slope at pixels without a class."""
    void = ~case.valid
    if not void.any() or gives.form != said.wants:
        return None
    steep, share = _steepness(case, said, void), void.mean()
    if not steep > 1e-3:
        return None
    times = _times(steep)
    if not case.form.hot:
        symptom = f"The loss changes with what is predicted at void pixels, {share:.1%} of all: it is {times}."
        return problem(LOSS_OF_VOID, symptom, void=case.void)
    zeros = (np.asarray(case.data.y) == 0).all(axis=-1).reshape(void.shape)
    symptom = f"{share:.1%} of the one-hot rows are zeros, and the loss is {times}."
    if share > 0.05 and _solid(zeros):
        background = zeros.ndim == 3 and np.mean([edge.mean() for edge in (zeros[:, 0], zeros[:, :, 0])]) > 0.6
        which = (
            "that of the background was taken away"
            if background
            else f"the labels were made one-hot with {case.n} channels, and have more classes"
        )
        return problem(NO_CHANNEL, symptom, which=which)
    return problem(ROWS_OF_ZEROS, symptom, void=case.void)


def _steepness(case, said, pixels):
    """The mean slope of the loss at these pixels, over its median at labelled ones: float."""
    return said.slopes[pixels].mean() / (np.median(said.slopes[case.valid]) + 1e-30)


def _times(steep):
    return f"{steep:.2g} times as steep there as at a labelled pixel"


def _solid(maps):
    """Whether most of the pixels lie within regions, not in thin lines: bool, of bool (image, row, col)."""
    if maps.ndim != 3:
        return True
    inner = maps[:, 1:-1, 1:-1] & maps[:, 2:, 1:-1] & maps[:, :-2, 1:-1] & maps[:, 1:-1, 2:] & maps[:, 1:-1, :-2]
    return inner.sum() > 0.5 * maps.sum()


IGNORED_CLASS = Cause(
    cause="The loss ignores class {c}{how}: whatever is predicted there costs nothing, so that the other classes are "
    "painted over it. (If {c} means unlabelled, all is well; then tell preflight: void={c}.)",
    cure="Count every class; void has a label of its own, 255.",
    confidence=LIKELY,
)
SOME_LINES = Cause(
    cause="The loss sees only some of the {lines}: it cuts the labels or the output along another axis than the "
    "classes (y[:, 1:] in place of y[..., 1:]), or takes {lines} for classes.",
    cure="Keep the axes apart: (image, row, col, class); index classes with [..., c].",
)


def without_slope(case, gives, said):
    """The loss should have a slope at every labelled pixel."""
    if gives.form != said.wants or not np.isfinite(case.loss(case.output)):
        return None
    slopes, labels = said.slopes, case.labels
    if not slopes.max() > 0:
        return None  # no slope anywhere: the check of gradients tells
    weight = case.data.weight
    flat = (slopes <= 1e-6 * slopes.max()) & case.valid
    if weight is not None and np.size(weight) == labels.size:
        flat &= np.reshape(weight, labels.shape) != 0
    if flat.mean() < 1e-3:
        return None
    for axis, lines in ((0, "images"), (1, "rows"), (2, "columns")):
        if axis >= labels.ndim:
            break
        others = tuple(i for i in range(labels.ndim) if i != axis)
        valid = case.valid.sum(axis=others)
        unseen = (flat.sum(axis=others) == valid) & (valid > 0)
        if unseen.any() and not unseen.all() and flat.sum() == flat.compress(unseen, axis=axis).sum():
            where = ", ".join(map(str, np.flatnonzero(unseen)[:5])) + ", ..." * bool(unseen.sum() > 5)
            symptom = f"The loss has no slope in {unseen.sum()} of {len(unseen)} {lines}: {where}."
            return problem(SOME_LINES, symptom, lines=lines)
    for c in said.present:
        here = labels == c
        if flat[here].mean() > 0.99:
            ignored = loss_config(case.model).get("ignore_class")
            how = f", with ignore_class={ignored}" if ignored == c else ""
            symptom = f"At pixels of class {case.name(c)}, {here.mean():.1%} of all, the loss has no slope."
            return problem(IGNORED_CLASS, symptom, c=c, how=how)
    return None
