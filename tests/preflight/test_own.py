"""preflight and the series' own scenes, network, losses, scores and recipe: nothing is said against them."""

import pytest

from helpers import metrics, scenes, siftflow
from helpers.lessons import experiments
from helpers.preflight import training
from helpers.recipe import Recipe
from helpers.unet import unet
from support.preflight_models import assert_healthy, compiled

pytestmark = pytest.mark.slow


def test_nothing_is_said_against_the_series_own_network_and_scenes():
    x, y = experiments.task().images[::24], experiments.task().labels[::24]
    model = compiled(unet((32, 32, 3), 4, filters=8, depth=2), scores=[metrics.Scores(4)])
    assert_healthy(model, (x, y), class_names=experiments.CLASSES)


def test_nothing_is_said_against_the_big_sister(monkeypatch):
    """Its images are larger, of 33 classes few occur, it has four levels, and the optimizer of a long run."""
    monkeypatch.setattr(training, "_STEPS", 20)
    data = scenes.make(siftflow.data_folder() / "scenes" / "small", train=240, test=24, size=64)
    x, y = (array[::40] for array in data.load("train"))
    model = compiled(unet((64, 64, 3), 33, filters=8), optimizer=Recipe().optimizer(4000), scores=[metrics.Scores(33)])
    text = assert_healthy(model, (x, y), class_names=siftflow.CLASS_NAMES)
    assert "overfit      ok" in text
