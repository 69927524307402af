"""Figures of notebook 08: each shows the numbers it was given."""

import numpy as np
import pytest

from helpers.lessons.trust import Reliability
from helpers.viz import draw, trust
from support.figures import texts


def test_conventions_print_their_numbers():
    figure = trust.conventions({"a": 0.401, "b": 0.376}, "title", ("other", 0.395))
    (axis,) = figure.axes
    assert texts(axis) == ["40.1", "37.6"] and [bar.get_width() for bar in axis.patches] == pytest.approx([40.1, 37.6])
    draw.png(figure)


def test_a_toy_shows_every_pixel():
    figure = trust.toy({"truth": np.array([[0, 1], [2, 255]]), "given": np.array([[0, 1], [2, 3]])})
    assert [texts(axis) for axis in figure.axes] == [["0", "1", "2", "void"], ["0", "1", "2", "3"]]
    draw.png(figure)


def test_spreads():
    figure = trust.spreads({"mean IoU": {"x": 7.4, "y": 0.04}, "accuracy": {"x": 4.2, "y": 0.45}},
                           {"mean IoU": 0.6, "accuracy": 0.1})  # fmt: skip
    assert [texts(axis) for axis in figure.axes] == [["7.4", "0.04"], ["4.2", "0.45"]]
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["x", "y"]
    draw.png(figure)


def test_reliability_leaves_empty_bins_out():
    bins = Reliability(np.array([0, 10, 30]), np.array([0, 4, 27]), np.array([0, 5.0, 24.0]), 0.3)
    assert bins.error == pytest.approx((1 + 3) / 40)
    figure = trust.reliability(bins, "title")
    upper = figure.axes[0]
    heights = [bar.get_height() for bar in upper.patches]
    assert heights[1:3] == pytest.approx([0.4, 0.9]) and np.isnan(heights[0])
    assert heights[3:] == pytest.approx([0.1, 0.1]), "the distances to the confidence, of the bins that have pixels"
    draw.png(figure)


def test_confident_mistakes_are_marked_and_void_is_none():
    truth = np.array([[0, 0, 255], [1, 1, 0]], "uint8")
    mask = np.array([[0, 1, 1], [0, 1, 0]], "uint8")
    confidence = np.array([[0.99, 0.95, 0.99], [0.5, 0.9, 0.9]])
    figure = trust.confident_mistakes(np.zeros((2, 3, 3), "uint8"), truth, mask, confidence, ("a", "b"))
    shown = figure.axes[4].images[0].get_array()
    kinds = [[tuple(int(v) for v in pixel) for pixel in row] for row in shown]
    white, sure, unsure = (255, 255, 255), kinds[0][1], kinds[1][0]
    assert len({white, sure, unsure}) == 3
    assert kinds == [[white, sure, white], [unsure, white, white]]
    draw.png(figure)


def test_the_largest_confusions_are_drawn():
    matrix = np.zeros((33, 33), int)
    matrix[0, 0], matrix[1, 2], matrix[3, 4], matrix[5, 6] = 99, 30, 20, 1
    figure = trust.confusions(matrix, most=2)
    lines = figure.axes[0].get_lines()
    assert [line.get_linewidth() for line in lines] == pytest.approx([160 * 30 / 51, 160 * 20 / 51])
    assert len(texts(figure.axes[0])) == 4 + 2
    draw.png(figure)


def test_the_others():
    curve = trust.by_distance_and_size([0.5, 0.6, 0.7], {10: 0.2, 100: 0.4})
    assert curve.axes[1].get_lines()[0].get_ydata() == pytest.approx([20, 40])
    draw.png(curve)
    draw.png(trust.recall_precision(np.random.RandomState(0).uniform(0, 0.5, (4, 2, 3)), np.full((2, 3), 0.3)))
    one = (np.zeros((4, 6, 3), "uint8"), np.zeros((4, 6), "uint8"), np.full((4, 6), 0.5))
    draw.png(trust.others({"a": one, "b": one}))
