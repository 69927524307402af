"""The patients and cases of notebook 05 whose code is hidden: small training runs that fail, each for a reason.

    patient = clinic.patient(2, donor)
    sick = experiments.train(patient.task, **patient.options)

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

PATIENTS = (2, 3, 4, 5, 6)
CASES = ("A", "B", "C", "D", "E")


class Patient(NamedTuple):
    """A training run that fails: the `experiments.Task`, and what `experiments.train` is given besides."""

    task: experiments.Task
    options: dict


def patient(number, donor, m=0.999):
    """One of the patients.

    Args:
        number: one of `PATIENTS`.
        donor: a trained model of `experiments.train`, whose features some patients get.
        m: the setting of patient 3, 0 to 1.

    Raises:
        ValueError: there is no such patient.
    """
    if number not in PATIENTS:
        raise ValueError(f"There is no patient {number!r} here: they are {', '.join(map(str, PATIENTS))}.")
    task, loss = experiments.task(), losses.CrossEntropy()
    new_head = {"loss": loss, "epochs": 6, "seeds": (1,)}  # another seed: only the features are the donor's
    return {
        2: Patient(task, {**new_head, "prepare": lambda model: transplant(model, donor, statistics=False)}),
        3: Patient(task, {"loss": loss, "epochs": 4, "prepare": lambda model: with_momentum(model, m)}),
        4: Patient(task, {"loss": loss, "head": double_softmax()}),
        5: Patient(task, {**new_head, "prepare": lambda model: without_scaling(model, donor)}),
        6: Patient(as_in_the_files(task), {"loss": loss, "outputs": 5}),
    }[number]


def transplant(model, donor, statistics=True, frozen=True):
    """Puts the donor's weights under the model's own head, and freezes them: only the head is to learn.

    Args:
        statistics: whether the moving statistics of batch normalisation come along.
        frozen: whether batch normalisation is frozen, too.
    """
    for layer, source in zip(model.layers, donor.layers, strict=True):
        if layer.name == "logits":  # the head
            continue
        weights, normalises = source.get_weights(), isinstance(layer, layers.BatchNormalization)
        if normalises and not statistics:
            weights[2:] = layer.get_weights()[2:]  # gamma and beta come; the mean stays 0 and the variance 1
        layer.set_weights(weights)
        layer.trainable = normalises and not frozen


def with_momentum(model, m):
    """Sets how slowly the moving statistics of batch normalisation follow those of the batches."""
    for layer in model.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.momentum = m


def double_softmax(n_classes=4):
    """What stands on top of the logits, before a loss that takes a softmax itself.

    Where softmax is the very last layer, Keras' own losses notice, warn and correct it. Behind a Reshape they do not.
    """
    return keras.Sequential([layers.Softmax(), layers.Reshape((experiments.SIZE, experiments.SIZE, n_classes))])


def without_scaling(model, donor):
    """Transplants everything, but images reach the donor's features as 0 to 255 and not as -1 to 1."""
    transplant(model, donor)
    scaling = model.get_layer("to_plus_minus_1")
    scaling.scale, scaling.offset = 1.0, 0.0


def as_in_the_files(task):
    """The task with labels as SiftFlow's files have them: 0 is unlabelled, and the classes begin at 1."""
    labels = np.where(task.labels == VOID, 0, task.labels + 1)
    return task._replace(labels=labels.astype("uint8"))


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
