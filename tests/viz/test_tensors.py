"""helpers.viz.tensors: every number of a small tensor, in its class's colour."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from helpers.viz import style, tensors
from support.figures import texts


def test_tags_say_where_a_number_belongs():
    first, last = tensors.tagged(3, 2, 4), tensors.tagged(3, 2, 4, channels_last=True)
    assert first.shape == (3, 2, 4) and last.shape == (2, 4, 3)
    assert first[2, 1, 3] == last[1, 3, 2] == 207
    assert np.array_equal(np.moveaxis(first, 0, -1), last)
    assert first.flags.c_contiguous and last.flags.c_contiguous


def test_maps_write_every_number():
    x = np.random.RandomState(0).uniform(size=(2, 3, 4))
    numbers, strips, labels = tensors.maps([("n", x[..., 0]), ("s", x), ("l", x.argmax(-1))]).axes
    assert texts(numbers) == [f"{v:.2f}" for v in x[..., 0].ravel()]
    assert texts(strips) == [f"{v:.2f}" for v in x.ravel()]
    assert texts(labels) == [str(v) for v in x.argmax(-1).ravel()]


def test_maps_give_classes_their_colours():
    figure = tensors.maps([("labels", np.array([[0, 3]])), ("scores", np.array([[[0.0, 1.0]]]), "classes")])
    labels, scores = ([p.get_facecolor()[:3] for p in axis.patches if p.get_fill()] for axis in figure.axes)
    assert np.allclose(labels, [plt.matplotlib.colors.to_rgb(style.CLASS_COLOURS[c]) for c in (0, 3)])
    assert np.allclose(scores[1], plt.matplotlib.colors.to_rgb(style.CLASS_COLOURS[1]))  # the largest: in full


def test_where_numbers_are_negative_0_is_white():
    """Both signs are the darker, the further they are from 0."""
    axis = tensors.maps([("gradient", np.array([[[-0.5, 0.5], [0.0, 0.25]]]), "classes")]).axes[0]
    drawn = np.array([patch.get_facecolor()[:3] for patch in axis.patches if patch.get_fill()])
    full = np.array([plt.matplotlib.colors.to_rgb(colour) for colour in style.CLASS_COLOURS[:2]])
    assert np.allclose(drawn, [full[0], full[1], (1, 1, 1), (1 + full[1]) / 2])


def test_what_is_masked_is_void():
    axis = tensors.maps([("loss", np.ma.masked_array([[0.5, 9.0]], mask=[[False, True]]))]).axes[0]
    assert [text.get_text() for text in axis.texts] == ["0.50", "void"]
    assert axis.patches[1].get_facecolor() == (0, 0, 0, 1)


def test_maps_draw_void_black_and_say_so():
    axis = tensors.maps([("labels", np.array([[0, 255]]))]).axes[0]
    assert [text.get_text() for text in axis.texts] == ["0", "void"]
    assert axis.patches[1].get_facecolor() == (0, 0, 0, 1)
    only = tensors.maps([("labels", np.array([[255, 255]]))]).axes[0]
    assert [text.get_text() for text in only.texts] == ["void", "void"]


def test_maps_have_no_minus_zero():
    axis = tensors.maps([("slopes", np.array([[-0.001, 0.4]]))]).axes[0]
    assert axis.texts[0].get_text() == "0.00"


def test_maps_frame_the_marked_pixel():
    figure = tensors.maps([("a", np.zeros((3, 3))), ("b", np.zeros((3, 3, 2)))], mark=(1, 2))
    for axis, wide in zip(figure.axes, (1.25, 2), strict=True):
        (frame,) = [p for p in axis.patches if p.get_edgecolor()[:3] == (0, 0, 0)]
        assert frame.get_xy() == pytest.approx((2 * wide, 1), abs=0.05)


def test_maps_frame_the_marked_pixels_of_each_panel():
    marks = [np.zeros((3, 3), bool), np.eye(3, dtype=bool)]
    figure = tensors.maps([("a", np.zeros((3, 3))), ("b", np.zeros((3, 3)))], mark=marks)
    frames = [[p for p in axis.patches if p.get_edgecolor()[:3] == (0, 0, 0)] for axis in figure.axes]
    assert [len(each) for each in frames] == [0, 3] and frames[1][2].get_xy() == pytest.approx((2.5, 2), abs=0.05)


def test_maps_of_equal_numbers_do_not_exaggerate():
    """Rounding errors around 1.00 do not look like large differences."""
    (axis,) = tensors.maps([("sums", 1 + 1e-7 * np.arange(4.0).reshape(2, 2))]).axes
    assert len({p.get_facecolor() for p in axis.patches if p.get_fill()}) == 1


@pytest.mark.parametrize(
    ("array", "said"),
    [
        (np.zeros(3), r"\(3,\)"),
        (np.zeros((1, 2, 2, 2)), r"\(1, 2, 2, 2\)"),
        (np.zeros((0, 3)), r"\(0, 3\)"),
        (np.zeros((20, 20)), "400 numbers"),
        (np.full((2, 2), np.nan), "NaN"),
        (np.full((2, 2), np.inf), "NaN"),
        (np.array([[0, 6]]), "classes 0 to 5"),
        (np.array([[0, -1]]), "classes 0 to 5"),
    ],
)
def test_maps_say_what_they_cannot_draw(array, said):
    with pytest.raises(ValueError, match=f"mine: .*{said}"):
        tensors.maps([("mine", array)])


def test_maps_refuse_more_classes_than_colours():
    with pytest.raises(ValueError, match="classes 0 to 5"):
        tensors.maps([("mine", np.zeros((2, 2, 7)), "classes")])
    tensors.maps([("mine", np.zeros((2, 2, 7)))])  # as channels they are grey
