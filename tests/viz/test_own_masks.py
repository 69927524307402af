"""The pictures of notebook 09."""

import matplotlib.pyplot as plt
import numpy as np

from helpers.viz import own_masks, style

MASK = np.zeros((20, 30), "uint8")
MASK[5:15, 5:15], MASK[:, 28:] = 2, 255
PHOTO = np.full((20, 30, 3), 77, "uint8")
CLASSES = ["ground", "coin", "leaf"]


def test_photos_masks_and_both_with_a_legend_of_what_is_there():
    figure = own_masks.row({"photo": PHOTO, "mask": MASK, "both": (PHOTO, MASK)}, CLASSES)
    leaf = style.palette(CLASSES)[2]
    shown = {axis.get_title(): axis.images[0].get_array() for axis in figure.axes}
    assert np.array_equal(shown["photo"], PHOTO)
    assert (shown["mask"][8, 8] == leaf).all() and (shown["mask"][3, 29] == 0).all()
    assert (shown["both"][10, 10] == 77).all() and (shown["both"][5, 10] == leaf).all()
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["ground", "leaf", "void (unlabelled)"]
    plt.close(figure)


def test_two_rows_and_no_legend():
    figure = own_masks.row({str(i): PHOTO for i in range(3)}, across=2)
    assert len(figure.axes) == 4 and not figure.axes[3].images and not figure.legends
    plt.close(figure)


def test_a_mark_for_each_seed():
    figure = own_masks.seeds({"one": [0.5, 0.6, 0.7], "two": [0.1, 0.2, 0.3]}, "IoU")
    axis = figure.axes[0]
    marks = [line.get_xdata().tolist() for line in axis.lines if line.get_linestyle() == "None"]
    assert marks == [[0.5, 0.6, 0.7], [0.1, 0.2, 0.3]]
    assert [label.get_text() for label in axis.get_yticklabels()] == ["one", "two"]
    plt.close(figure)
