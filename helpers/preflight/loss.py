"""Asks the loss what it says to a perfect, an undecided, a constant and a wrong answer."""

import dataclasses

import keras
import numpy as np

from .report import LIKELY, POSSIBLE, Cause, Result, Stop, fine, first, problem
from .slopes import counts_void, void_in_one_hot, without_slope
from .tools import loss_config, short


@dataclasses.dataclass(frozen=True)
class Said:
    """The loss of answers that were made up for the labels of the case.

    Attributes:
        wants: "logits" or "probabilities", whichever the loss takes.
        perfect, wrong: of the right classes, and of wrong ones everywhere.
        undecided: of equal shares for all classes. constant: of the labels' own shares, the same at every pixel.
        present, counts: the classes that occur in the labels, and at how many pixels.
        slopes: how much it changes with the logits of each pixel, float32, like the labels.
        suspicious: whether a problem was found in what the loss says.
    """

    wants: str
    perfect: float
    wrong: float
    undecided: float
    constant: float
    present: np.ndarray
    counts: np.ndarray
    slopes: np.ndarray
    suspicious: bool = False

    @property
    def bounded(self):
        """Whether this is a Dice or IoU, or minus one, which are there to count classes, not pixels."""
        wrong, undecided = self.above(self.wrong), self.above(self.undecided)
        return wrong < 1.05 and undecided < 1 and wrong < 5 * undecided  # of a cross-entropy 20 times, however small

    def above(self, loss):
        """How far a loss lies above that of a perfect answer: float. So losses below 0 are judged like others."""
        return loss - self.perfect


def check_loss(case, gives):
    """Asks the loss about answers that are known to be right or wrong: -> `Said`. The first suspicion is told."""
    _insist_on_a_number(case)
    said = _ask(case, gives)
    found = first(_SUSPECTS, case, gives, said)
    if found:
        return Result([found], facts=dataclasses.replace(said, suspicious=True))
    text = f"Wants {said.wants}, and gets them; perfect {said.perfect:.3g}, undecided {said.undecided:.3g}."
    void = " What stands at void pixels does not matter." * bool((~case.valid).any())
    return Result([fine(text + void)], facts=said)


def _ask(case, gives):
    form = _wanted(case)
    present, counts = np.unique(case.labels[case.valid], return_counts=True)
    other = np.arange(case.n)
    other[present] = np.roll(present, 1) if len(present) > 1 else (present + 1) % case.n
    right = case.answer(case.filled(), form, 1.0)
    sures = (30.0, 10.0, 4.0, 2.0) if form == "logits" else (1.0, 0.97, 0.9)  # smoothed labels punish being too sure
    perfect = [case.loss(sure * right + (0 if form == "logits" else (1 - sure) / case.n)) for sure in sures]
    return Said(
        wants=form,
        perfect=min(perfect) if np.isfinite(perfect).all() else np.nan,
        wrong=case.loss(case.answer(other[case.filled(present[0])], form)),
        undecided=case.loss(case.everywhere(np.ones(case.n), form)),
        constant=case.loss(case.everywhere(np.bincount(case.labels[case.valid], minlength=case.n), form)),
        present=present,
        counts=counts,
        slopes=case.slopes(gives),
    )


def _wanted(case):
    """Whether the loss takes a prediction for logits or for probabilities."""
    z = np.random.RandomState(0).normal(size=case.shape).astype("float32")
    if case.shape[-1] > 1 and np.isclose(case.loss(z), case.loss(z + 3), rtol=1e-3, atol=1e-6):
        return "logits"  # softmax cannot tell z from z + 3
    p = case.answer(case.filled(), "probabilities")  # and a sigmoid finds logits far from 0 better than 0 and 1
    as_p = min(case.loss(np.clip(p, low, 1 - low)) for low in (0.0, 0.05))
    as_z = min(case.loss(sure * (2 * p - 1)) for sure in (3.0, 10.0))
    return "logits" if -1e-6 <= as_z < 0.7 * as_p - 1e-4 else "probabilities"


# ---- is it a number at all? -----------------------------------------------------------------------------------------

KNOWS_NO_VOID = Cause(
    cause="Label {void} is taken for a class: an error on a CPU, NaN on a GPU.",
    cure="ignore_class={void} in the loss, or helpers.losses.",
)
OTHER_FORM = Cause(
    cause="Labels are {kind}, and the loss wants the other form; sample weights of another shape; or 0/0 or log(0).",
    cure="Sparse... losses take whole numbers; Categorical... and keras.losses.Dice take one-hot.",
    confidence=POSSIBLE,
)


def _insist_on_a_number(case):
    """Stops unless the loss is a number for what the network gives now."""
    config, void = loss_config(case.model), (~case.valid).mean()
    if void and not case.form.hot and "ignore_class" in config and config["ignore_class"] is None:
        value = "ignore_class is None"
    else:
        value = _loss_or_error(case)
        if _is_a_number(value):
            return
    if void and not case.form.hot:
        without = case.with_labels(np.where(case.data.y == case.void, 0, case.data.y))
        if _is_a_number(_loss_or_error(without)):
            symptom = f"{void:.1%} of the labels are void ({case.void}), and the loss does not know it: {value}."
            raise Stop(problem(KNOWS_NO_VOID, symptom, void=case.void))
    symptom = f"For what the network gives, the loss is no number: {value}."
    raise Stop(problem(OTHER_FORM, symptom, kind="one-hot" if case.form.hot else "whole numbers"))


def _loss_or_error(case):
    try:
        return case.loss(case.output)
    except Exception as error:
        return short(error)


def _is_a_number(value):
    return isinstance(value, float) and np.isfinite(value)


# ---- what it may be suspected of, the most fundamental first --------------------------------------------------------

RELU_LOGITS = Cause(
    cause="ReLU on the logits: the loss takes the output for logits, and none is below 0, so that {consequence}. Where "
    "ReLU gives 0 there is no gradient either.",
    cure="No activation in the last layer: activation=None.",
)


def _relu(case, gives, said):
    """A last layer with ReLU suits neither a loss of logits nor one of probabilities."""
    if gives.ends_with != "relu":
        return None
    zero = (case.output == 0).mean()
    what = "no probability can be below 0.5" if case.shape[-1] == 1 else "no class can be ruled out"
    symptom = (
        f"The last layer ends in ReLU: {zero:.1%} of its outputs are 0, and the largest is {case.output.max():.2g}."
    )
    return problem(RELU_LOGITS, symptom, consequence=what)


DOUBLE_SOFTMAX = Cause(
    cause="Double softmax: one in the model, one in the loss (from_logits=True). Keras corrects that only where "
    "softmax is the very last layer.",
    cure="No softmax in the model; or from_logits=False. Not both.",
)
NO_SOFTMAX = Cause(
    cause="No softmax at the end of the model, and a loss with from_logits=False, which is Keras' default.",
    cure="from_logits=True in the loss; or a softmax at the end of the model. Not both.",
)


def _softmax(case, gives, said):
    """Exactly one of network and loss should apply the softmax."""
    if gives.form == said.wants:
        return None
    if said.wants == "logits":
        reached = case.loss(case.answer(case.filled(), "probabilities"))
        symptom = "The network gives probabilities, and the loss takes them for logits: a perfect answer still costs"
        return problem(DOUBLE_SOFTMAX, f"{symptom} {reached:.3f}.")
    low, high = case.output.min(), case.output.max()
    symptom = f"The network gives logits ({low:.2g} to {high:.2g}), and the loss takes them for probabilities."
    return problem(NO_SOFTMAX, symptom)


NAN_WHEN_CERTAIN = Cause(
    cause="0/0 or log(0){precision}: a class that is neither in the labels nor predicted leaves nothing below the "
    "line.",
    cure="Average over the classes present, smooth, and take the log of softmax from logits{cast}.",
    confidence=LIKELY,
)
LOG_OF_0 = Cause(
    cause="log(0): a loss of your own takes the log of a probability, and what is certain has probability "
    "0{precision}.",
    cure="The log of softmax from logits, as Keras' cross-entropies do; or ops.clip(p, 1e-7, 1) in float32{cast}.",
)


def _nan_when_certain(case, gives, said):
    """An answer that is certain, right or wrong, should have a finite loss."""
    if np.isfinite([said.perfect, said.wrong]).all():
        return None
    half = case.model.compute_dtype == "float16"
    output = keras.backend.standardize_dtype(case.model(case.x[:1], training=False).dtype)
    precision = " in float16, whose smallest number is 6e-8 and whose sums overflow at 65504" * (output == "float16")
    cast = ', with the last layer in float32: Softmax(dtype="float32")' * half
    symptom = f"Of an answer that is certain the loss is no number: right {said.perfect:g}, wrong {said.wrong:g}."
    symptom += f" The network gives {output}." * half
    absent = case.n > len(said.present)
    return problem(NAN_WHEN_CERTAIN if absent and not half else LOG_OF_0, symptom, precision=precision, cast=cast)


WRONG_WAY_ROUND = Cause(
    cause="A sign, a score in place of 1 - score, or one-hot labels where whole numbers are wanted, or the reverse.",
    cure="Try the loss by hand on four pixels.",
    confidence=POSSIBLE,
)


def _wrong_way_round(case, gives, said):
    """A wrong answer should cost more than the right one."""
    if said.wrong > said.perfect:
        return None
    symptom = f"The loss prefers a wrong answer ({said.wrong:.3g}) to the right one ({said.perfect:.3g})."
    return problem(WRONG_WAY_ROUND, symptom)


PERFECT_COSTS_MORE = Cause(
    cause="A perfect answer costs more than an undecided one: the loss is mean to certainty. Its labels are not what "
    "it takes them for (255 for 1, rows that do not sum to 1), a sum runs over another axis than the classes, or a "
    "term of it has the wrong sign.",
    cure="Try the loss by hand on four pixels, term by term.",
    confidence=LIKELY,
)


def _perfect_costs_more(case, gives, said):
    """A perfect answer should cost less than an undecided one."""
    if said.perfect < said.undecided:
        return None
    symptom = f"A perfect answer costs {said.perfect:.3g}, an undecided one {said.undecided:.3g}."
    return problem(PERFECT_COSTS_MORE, symptom)


VOID_PICTURE = Cause(
    cause="0/0: it divides by the number of labelled pixels, picture for picture, and in a picture of nothing but void "
    "that is 0. One NaN makes every weight NaN.",
    cure="Divide by ops.maximum(count, 1), or leave such pictures out (SiftFlow has two).",
)


def _void_picture(case, gives, said):
    """A picture that nobody labelled should leave the loss finite."""
    if case.valid.all() or len(case.labels) == 1:
        return None
    y = np.array(case.data.y)
    y[0] = 0 if case.form.hot else case.void
    if np.isfinite(case.with_labels(y).loss(case.output)):
        return None
    return problem(VOID_PICTURE, "With a picture of nothing but void in the batch, the loss is no number.")


ABSENT_CLASSES = Cause(
    cause="{absent} of {n} classes are not in this batch; a loss that counts each of them as missed cannot be 0.",
    cure="Average over the classes present in the batch.",
)


def _absent_classes(case, gives, said):
    """A perfect answer should cost next to nothing, even where some classes do not occur."""
    absent = case.n - len(said.present)
    if not (said.perfect > 0.2 * said.undecided > 0 and absent > 0):
        return None
    symptom = f"Even a perfect answer costs {said.perfect:.3f} (undecided: {said.undecided:.3f})."
    return problem(ABSENT_CLASSES, symptom, absent=absent, n=case.n)


RARE_CLASS = Cause(
    cause="This Dice ignores rare classes: it adds up all classes at once (axis=None in keras.losses.Dice), and so is "
    "1 - mean p.",
    cure="A Dice per class, averaged over the classes present: helpers.losses.Dice().",
)


def _rare_class(case, gives, said):
    """A Dice or IoU should be much the worse for a rare class that is missed altogether."""
    share = said.counts.min() / said.counts.sum()
    rarest, most = said.present[said.counts.argmin()], said.present[said.counts.argmax()]
    without = np.where(case.labels == rarest, most, case.filled())
    missed = case.loss(case.answer(without, said.wants)) - said.perfect
    rare = said.bounded and len(said.present) > 1 and share < 0.1
    if not (rare and missed < 3 * share * (said.wrong - said.perfect) and said.slopes.any()):
        return None
    symptom = f"Missing class {case.name(rarest)} altogether costs {missed:.4f}; it is {share:.2%} of the pixels."
    return problem(RARE_CLASS, symptom)


_SUSPECTS = (
    _relu, _softmax, _nan_when_certain, void_in_one_hot, _wrong_way_round, _perfect_costs_more, _void_picture,
    counts_void, without_slope, _absent_classes, _rare_class,
)  # fmt: skip
