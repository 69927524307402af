"""Figures of notebook 07: each shows the numbers it was given."""

import numpy as np
import pytest

from helpers.viz import draw, parts
from support.figures import texts


def test_an_influence_has_its_square():
    figure = parts.influence(np.zeros((8, 8, 3), "uint8"), np.ones((8, 8)), 3, 4, 5)
    for axis in figure.axes[:2]:
        (box,) = axis.patches
        assert (*box.get_xy(), box.get_width(), box.get_height()) == (1.5, 0.5, 5, 5), "from pixel 2 to 6, and 1 to 5"
    draw.png(figure)


def test_depths_cut_a_window_at_the_edge_of_the_picture():
    scores = np.array([[0.1, 0.2, 0.3], [0.4, 0.5, 0.6]])
    figure = parts.depths([np.ones((8, 8))] * 2, [(2, 6), (-9, 20)], [3, 7], scores)
    first, second, below = figure.axes
    assert [box.get_width() for box in first.patches] == [5, 3]
    assert [box.get_width() for box in second.patches] == [8, 7]
    assert second.get_title() == "depth 1\ncan 30, does 7"
    assert [list(line.get_ydata()) for line in below.get_lines()[:3]] == scores.T.tolist()
    draw.png(figure)


def test_scores_by_seed():
    panels = {"whole": {"a": [0.5, 0.6, 0.4], "b": [0.1, 0.2, 0.3]}, "band": {"a": [0.2] * 3, "b": [0.3] * 3}}
    figure = parts.by_seed(panels)
    axis = figure.axes[0]
    marks = [float(line.get_xdata()[0]) for line in axis.get_lines() if len(line.get_xdata()) == 1]
    assert marks == [0.5, 0.6, 0.4, 0.1, 0.2, 0.3]
    assert [label.get_text() for label in axis.get_yticklabels()] == ["a", "b"]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["seed 0", "seed 1", "seed 2"]
    draw.png(figure)


def test_patterns_share_one_scale():
    flat, chequer = np.ones((4, 4)), np.indices((4, 4)).sum(axis=0) % 2 * 2.0
    figure = parts.patterns(
        {"untrained": {"x": (flat, 0.0), "y": (chequer, 0.5)}, "trained": {"x": (flat, 0.0), "y": (flat, 0.25)}}
    )
    shown = [axis.images[0] for axis in figure.axes[:4]]
    assert {image.get_clim() for image in shown} == {(-1.0, 1.0)}
    assert [axis.get_xlabel() for axis in figure.axes[:4]] == ["0.000", "0.500", "0.000", "0.250"]
    draw.png(figure)


def test_ticks_where_tiles_meet():
    figure = parts.sizes(
        np.zeros((10, 14, 3), "uint8"), {"a": np.zeros((10, 14), "uint8"), "b": np.ones((10, 14), "uint8")}, 4
    )
    for axis in figure.axes[:3]:
        assert list(axis.get_xticks()) == [3.5, 7.5, 11.5] and list(axis.get_yticks()) == [3.5, 7.5]
    assert not figure.axes[3].get_visible()
    draw.png(figure)


def test_a_head_start_draws_mean_and_seeds():
    values = np.array([[0.1, 0.2, 0.3], [0.4, 0.5, 0.6]])
    figure = parts.head_start((10, 40), {"frozen": values})
    line, *marks = figure.axes[0].get_lines()
    assert line.get_ydata() == pytest.approx([0.2, 0.5])
    assert [list(mark.get_ydata()) for mark in marks] == values.T.tolist()
    assert texts(figure.axes[0]) == []
    draw.png(figure)
