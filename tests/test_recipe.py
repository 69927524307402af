"""helpers.recipe: the optimizer's rate, and the weights of the classes."""

import numpy as np
import pytest

from helpers.recipe import Recipe


def test_rate_climbs_then_falls_as_a_cosine():
    adamw = Recipe(learning_rate=0.002, warm_up=0.1, weight_decay=0.03).optimizer(200)
    rate = np.array([float(adamw._learning_rate(step)) for step in range(201)])
    np.testing.assert_allclose(rate[:21], 0.002 * np.arange(21) / 20, atol=1e-8)
    np.testing.assert_allclose(rate[20:], 0.001 * (1 + np.cos(np.pi * np.arange(181) / 180)), atol=1e-8)
    assert adamw.weight_decay == 0.03


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_even_the_shortest_run_has_an_optimizer(steps):
    assert float(Recipe().optimizer(steps)._learning_rate(0)) >= 0


@pytest.mark.parametrize("balance", [0.0, 0.5, 1.0])
def test_balance_weighs_classes_by_a_power_of_their_pixels(balance):
    counts = np.array([1000, 100, 10, 0])
    weights = Recipe(balance=balance).loss(counts).class_weights
    if not balance:
        assert weights is None
        return
    assert weights[1] / weights[0] == pytest.approx(10**balance, rel=1e-5)
    assert weights[2] / weights[0] == pytest.approx(100**balance, rel=1e-5)
    assert np.sum(weights * counts) == pytest.approx(counts.sum(), rel=1e-5) and np.isfinite(weights).all()
