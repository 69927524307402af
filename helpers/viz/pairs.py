"""Shows photos with the outlines of their masks drawn on them, since eyes find what numbers miss."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patches import Patch

from helpers.classes import VOID
from helpers.viz.style import CLASS_COLOURS, PALETTE, VOID_COLOUR

MOST = 12  # classes in the legend


def figure(data, count=6, across=3):
    """Draws some photos of a data set, each with the outlines of its mask in the classes' colours.

    The photos are spread over the training names. An outline is black where it is void's.

    Args:
        data: a data set with `class_names`, `names`, `image` and `label`, such as `helpers.masks.open` returns.
        count: how many photos, at most. across: how many side by side.
    """
    names = data.names("train") or data.names("test")
    names = [names[i] for i in np.unique(np.linspace(0, len(names) - 1, count).round().astype(int))]
    down, across = -(-len(names) // across), min(across, len(names))
    result, axes = plt.subplots(down, across, figsize=(3.4 * across, 2.9 * down + 0.6), squeeze=False)
    seen = set()
    for axis in axes.ravel():
        axis.axis("off")
    for axis, name in zip(axes.ravel(), names, strict=False):
        label = data.label(name)
        axis.imshow(outlined(data.image(name), label), interpolation="nearest")
        axis.set_title(name, fontsize=9, parse_math=False)  # a name may hold $
        seen |= set(np.unique(label).tolist())
    shown = sorted(seen)[:MOST]
    handles = [Patch(color=colour(number) / 255) for number in shown]
    legend = result.legend(handles, ["class"] * len(shown), loc="lower center", ncols=6, fontsize=9, frameon=False)
    for text, number in zip(legend.get_texts(), shown, strict=True):  # a label given at once must not begin with "_"
        text.set(text="void" if number == VOID else data.class_names[number], parse_math=False)
    result.subplots_adjust(left=0.01, right=0.99, top=0.93, bottom=0.6 / (2.9 * down + 0.6), wspace=0.03, hspace=0.15)
    return result


def outlined(image, label):
    """A photo on which the borders of a mask are drawn, two pixels wide or more, in the class's colour.

    Args:
        image: uint8 (row, col, RGB). label: uint8 (row, col), classes or 255 for void.

    Returns:
        uint8 (row, col, RGB): pixels that are not near a border are the photo's.
    """
    wide = max(1, round(min(label.shape) / 150))
    edge = np.zeros(label.shape, bool)
    for step in range(1, wide + 1):
        edge[step:] |= label[step:] != label[:-step]
        edge[:-step] |= label[step:] != label[:-step]
        edge[:, step:] |= label[:, step:] != label[:, :-step]
        edge[:, :-step] |= label[:, step:] != label[:, :-step]
    drawn = image.copy()
    for number in np.unique(label[edge]):
        drawn[edge & (label == number)] = colour(number)
    return drawn


def colour(number):
    """The colour of a class number, RGB: those of a small example first, then the series' palette; void is black."""
    if number == VOID:
        return np.array(VOID_COLOUR)
    if number < len(CLASS_COLOURS):
        text = CLASS_COLOURS[number].lstrip("#")
        return np.array([int(text[i : i + 2], 16) for i in (0, 2, 4)])
    return PALETTE[number % len(PALETTE)]
