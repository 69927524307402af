"""The picture of photos with the outlines of their masks."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from helpers.viz import pairs, style


class Data:
    class_names = ["background", "cat"]

    def names(self, split):
        return [f"img_{i}" for i in range(20)] if split == "train" else []

    def image(self, name):
        return np.full((30, 40, 3), 77, "uint8")

    def label(self, name):
        label = np.zeros((30, 40), "uint8")
        label[10:20, 10:30] = 1
        label[:, 35:] = 255
        return label


def test_six_photos_of_twenty_and_a_legend():
    figure = pairs.figure(Data())
    shown = [axis for axis in figure.axes if axis.images]
    assert [axis.get_title() for axis in shown][::5] == ["img_0", "img_19"] and len(shown) == 6
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["background", "cat", "void (unlabelled)"]
    plt.close(figure)


@pytest.mark.filterwarnings("error")
def test_names_are_shown_as_they_are(tmp_path):
    data = Data()
    data.class_names = ["_background_", "$x_{$"]
    data.names = lambda split: ["a$b_$c", r"x$\frac$"]
    figure = pairs.figure(data)
    figure.savefig(tmp_path / "a.png")
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["_background_", "$x_{$", "void (unlabelled)"]
    plt.close(figure)


def test_outlines_lie_on_borders_and_the_rest_is_the_photo():
    data = Data()
    drawn, label = pairs.outlined(data.image(""), data.label(""), data.class_names), data.label("")
    background, cat = style.palette(data.class_names)
    assert (drawn[14, 20] == 77).all() and (drawn[2, 2] == 77).all(), "inside an area, the photo is as it was"
    assert (drawn[10, 20] == cat).all() and (drawn[9, 20] == background).all()
    assert (drawn[5, 35] == 0).all() and label[5, 35] == 255
