"""helpers/lessons/trust.py: probabilities, reliability, recall and precision are those by hand."""

import numpy as np
import pytest

import calibrate
from helpers import metrics
from helpers.lessons import experiments, trust
from helpers.viz.photo_file import PhotoError

RANDOM = np.random.RandomState(0)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
def test_reliability_is_that_of_the_tool(temperature):
    logits = RANDOM.normal(0, 3, (2, 20, 30, 5)).astype("float32")
    labels = RANDOM.randint(0, 5, (2, 20, 30)).astype("uint8")
    labels[0, :4] = 255
    counted = calibrate.Reliability(temperature)
    counted.update(logits.reshape(-1, 5), labels.ravel())
    wanted, found = counted.result(), trust.reliability(logits, labels, temperature)
    assert found.error == pytest.approx(wanted["expected_calibration_error"], abs=1e-5)
    assert found.cross_entropy == pytest.approx(wanted["negative_log_likelihood"], abs=1e-4)
    assert found.pixels.tolist() == wanted["bins"]["pixels"] and found.right.tolist() == wanted["bins"]["right"]


def test_recall_and_precision_are_those_of_the_matrices():
    labels = RANDOM.randint(0, 4, (5, 8, 8)).astype("uint8")
    labels[0, :3] = 255
    logits = RANDOM.normal(size=(3, 5, 8, 8, 4))
    logits[2, ..., experiments.RARE] = -9  # never given
    masks = logits.argmax(axis=-1)
    matrices = np.array([[metrics.confusion(labels, mask, 4)] for mask in masks])
    run = experiments.Run(None, matrices, None, None)
    found = trust.recall_precision(logits, labels)
    np.testing.assert_allclose(found, [run.recall()[:, 0], run.precision()[:, 0]])
    assert np.isnan(found[1, 2])


def test_the_toys_come_as_arrays():
    truth, given = trust.library_scores()["toys"]["toy"]
    assert truth.shape == given.shape == (2, 2, 4) and (truth == 255).sum() == 2


def test_the_photographs_are_there():
    assert trust.another_photo("coffee").shape == (320, 480, 3)
    with pytest.raises(PhotoError):
        trust.another_photo("tea")
