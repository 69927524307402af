"""preflight.scores: metrics that tell a right answer from a wrong one, that count void, or that stop."""

import keras
import pytest
from keras import layers, ops

from support.preflight_models import assert_found, assert_healthy, batch, filled, hot, small


class Bad(keras.metrics.Metric):
    """A score that stops in one of its methods."""

    def __init__(self, method):
        super().__init__(name="bad")
        self.method = method

    def _maybe(self, method):
        if self.method == method:
            raise ValueError("This score stops.")

    def update_state(self, *_, **__):
        self._maybe("update_state")

    def result(self):
        self._maybe("result")
        return ops.zeros(())

    def reset_state(self):
        self._maybe("reset_state")


def mean_iou():
    return keras.metrics.MeanIoU(4, ignore_class=255, sparse_y_pred=False)


def categorical():
    return keras.losses.CategoricalCrossentropy()


SOUND = {
    "accuracy without void": (lambda: (small(scores=["accuracy"]), filled()), "wrong one: accuracy."),
    "Keras' mean IoU without void": (lambda: (small(scores=[mean_iou()]), batch()), "wrong one: mean_io_u"),
    "area under the curve": (
        lambda: (small(layers.Softmax(), loss=categorical(), scores=[keras.metrics.AUC()]), hot()),
        "wrong one: auc",
    ),
    "none": (lambda: (small(), batch()), "scores       -        No metric is compiled"),
}


@pytest.mark.parametrize("name", SOUND)
def test_nothing_is_said_against_a_sound_score(name):
    made, words = SOUND[name]
    assert words in " ".join(assert_healthy(*made(), seconds=0).split("\n")) + " "


def test_our_own_scores_are_sound(sound):
    assert "1 for a perfect answer, low for a wrong one: pixel_accuracy, mean_accuracy, mean_iou," in sound[1]


SICK = {  # what the score suffers from: (words, the sick)
    "accuracy with void": ("counts void", lambda: (small(scores=["accuracy"]), batch())),
    "sparse accuracy with void": (
        "counts void",
        lambda: (small(scores=[keras.metrics.SparseCategoricalAccuracy()]), batch()),
    ),
    "an accuracy of single numbers": (
        "Set its flags",
        lambda: (small(layers.Softmax(), loss=categorical(), scores=[keras.metrics.BinaryAccuracy()]), hot()),
    ),
    "a score that stops": ("A metric stops: ValueError: This score stops", lambda: bad("update_state")),
    "a score without a result": ("A metric stops: ValueError: This score stops", lambda: bad("result")),
    "a score that does not start again": ("A metric stops: ValueError: This score stops", lambda: bad("reset_state")),
}


def bad(method):
    return small(scores=[Bad(method)]), batch()


@pytest.mark.parametrize("name", SICK)
def test_a_sick_score_is_found(name):
    words, sick = SICK[name]
    assert_found("scores", words, *sick())
