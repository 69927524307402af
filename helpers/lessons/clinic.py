"""The exercise cases of notebook 05: small training runs that fail, each for a reason to be found.

    case = clinic.case("A")
    preflight(case.model, case.batch, class_names=experiments.CLASSES)

The code below gives the reasons away: read it when you have made up your mind.
"""

from typing import NamedTuple

import keras
import numpy as np
from keras import layers, ops

from helpers import losses, metrics
from helpers.classes import VOID
from helpers.lessons import experiments

CASES = ("A", "B", "C", "D", "E")


class Case(NamedTuple):
    """A small training run that fails, for a reason to be found.

    Attributes:
        model: untrained, compiled. batch: (images uint8, labels), 24 of each, as its training gets them.
        run: its training. complaint: a sentence by its owner.
    """

    model: keras.Model
    batch: tuple
    run: experiments.Run
    complaint: str


def case(name, cured=False, epochs=8):
    """Trains one of the cases on the scenes of `experiments.task`, or its cured twin.

    Raises:
        ValueError: there is no such case.
    """
    if name not in CASES:
        raise ValueError(f"There is no case {name!r}: the cases are {', '.join(CASES)}.")
    task, options, scores = {"A": _a, "B": _b, "C": _c, "D": _d, "E": _e}[name](not cured)
    model = experiments.model(task, epochs=epochs, scores=scores, **options)
    run = experiments.train(task, epochs=epochs, **options)
    return Case(model, (task.images[:24], task.labels[:24]), run, _complaint(name, task, run))


def seventh_loss():
    """The loss of the patient of whom only measurements are told: a Keras loss of labels and logits."""
    return losses.CrossEntropy([0.0, 1.0, 1.0, 1.0])  # the background counts for nothing


def _complaint(name, task, run):
    last, right = run.losses[0, -1], np.trace(run.matrices[0, -1])
    return {
        "A": f"The loss falls to {last:.2f}, and the masks are no use.",
        "B": "It sees buildings where I see none, in almost every picture.",
        "C": "I chose a Dice loss for the things, which are rare. It never finds one.",
        "D": f"The log says accuracy {right / task.held_out_labels.size:.3f}, though the masks look better than that.",
        "E": f"The loss is {last:.2f}, whatever the rate.",
    }[name]


def _a(sick):
    to_map = layers.Reshape((experiments.SIZE, experiments.SIZE, 4))
    as_answered = [layers.Reshape((4, experiments.SIZE**2)), layers.Permute((2, 1)), to_map]
    head = keras.Sequential(as_answered if sick else [layers.Reshape((experiments.SIZE**2, 4)), to_map])
    return experiments.task(), {"loss": losses.CrossEntropy(), "head": head}, [metrics.Scores(4)]


def _b(sick):
    def enlarged(labels):  # kept at an eighth of the size, and enlarged as Keras does unless told otherwise
        small = labels[:, ::8, ::8, None].astype("float32")
        large = ops.image.resize(
            small, (experiments.SIZE, experiments.SIZE), interpolation="bilinear" if sick else "nearest"
        )
        return np.round(ops.convert_to_numpy(large))[..., 0]

    task = experiments.task(enlarged)
    task = task._replace(labels=(task.labels[..., None] == np.arange(4)).astype("float32"))  # 255, or 127: in no class
    return task, {"loss": lambda y, z: -ops.mean(ops.sum(y * ops.log_softmax(z), axis=-1))}, []  # which cost nothing


def _c(sick):
    task = experiments.task()
    if not sick:
        return task, {"loss": losses.Dice()}, [metrics.Scores(4)]
    own = keras.losses.Dice()
    hot = task._replace(labels=(task.labels[..., None] == np.arange(4)).astype("float32"))
    return hot, {"loss": lambda y, z: own(y, ops.softmax(z) * ops.sum(y, axis=-1, keepdims=True))}, []


def _d(sick):
    scores = [keras.metrics.SparseCategoricalAccuracy(name="accuracy")] if sick else [metrics.Scores(4)]
    return experiments.task(), {"loss": losses.CrossEntropy()}, scores


def _e(sick):
    task = experiments.task()
    labels = task.labels.copy()
    labels[17] = VOID  # a picture that nobody labelled, as there are two in SiftFlow

    def picture_by_picture(labels, logits):  # each counts the same, however much of it is labelled
        valid = ops.cast(labels != VOID, "float32")
        truth = ops.one_hot(ops.where(labels == VOID, 0, ops.cast(labels, "int32")), 4)
        loss = -ops.sum(truth * ops.log_softmax(logits), axis=-1) * valid
        count = ops.sum(valid, axis=(1, 2))
        return ops.mean(ops.sum(loss, axis=(1, 2)) / (count if sick else ops.maximum(count, 1)))

    return task._replace(labels=labels), {"loss": picture_by_picture}, [metrics.Scores(4)]
