"""helpers.viz.curves: several curves over one axis, told apart without colour."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from helpers.viz import curves

X = np.linspace(1, 10, 20)


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def test_each_curve_has_its_numbers_and_its_own_dash_and_colour():
    given = {f"curve {k}": k * X for k in range(5)}
    axis = curves.lines(X, given, "x", "y").axes[0]
    assert [line.get_label() for line in axis.lines] == list(given)
    for line, y in zip(axis.lines, given.values(), strict=True):
        assert np.array_equal(line.get_xdata(), X) and np.array_equal(line.get_ydata(), y)
    assert len({line.get_color() for line in axis.lines}) == len({str(line._dash_pattern) for line in axis.lines}) == 5
    assert [text.get_text() for text in axis.get_legend().get_texts()] == list(given)
    assert (axis.get_xlabel(), axis.get_ylabel()) == ("x", "y")


def test_curves_may_have_an_x_each_and_axes_may_be_logarithmic():
    at = {"short": [1, 2], "long": [1, 2, 3]}
    axis = curves.lines(at, {"short": [5, 6], "long": [7, 8, 9]}, "x", "y", log="xy", markers=True).axes[0]
    assert [len(line.get_xdata()) for line in axis.lines] == [2, 3]
    assert axis.get_xscale() == axis.get_yscale() == "log"
    assert len({line.get_marker() for line in axis.lines}) == 2


def test_levels_lie_across_and_carry_their_names():
    axis = curves.lines(X, {"a": X}, "x", "y", levels={"the lowest": 2.5}, ylim=(0, 12)).axes[0]
    assert axis.lines[1].get_ydata() == [2.5, 2.5] and axis.get_ylim() == (0, 12)
    assert [text.get_text() for text in axis.texts] == ["the lowest"]


def test_the_legend_is_inside_the_picture():
    figure = curves.lines(X, {"a curve with quite a long name, longer than most": X, "b": X}, "x", "y")
    figure.canvas.draw()
    assert figure.axes[0].get_legend().get_window_extent().x1 <= figure.bbox.x1


def test_too_many_curves_are_refused():
    with pytest.raises(ValueError, match="5 curves, and these are 6"):
        curves.lines(X, {str(k): X for k in range(6)}, "x", "y")
