"""Shows photos with the outlines of their masks drawn on them, since eyes find what numbers miss."""

import matplotlib.pyplot as plt
import numpy as np

from helpers.classes import CLASS_NAMES
from helpers.viz import draw

MOST = 12  # classes in the legend
SIDE = 800  # pixels of a photo's longer side from which on only every second one is drawn, then every third, …


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
    height = 2.9 * down + 0.6
    result, axes = plt.subplots(down, across, figsize=(3.4 * across, height), squeeze=False)
    labels = []
    for axis in axes.ravel():
        axis.axis("off")
    for axis, name in zip(axes.ravel(), names, strict=False):
        image, label = data.image(name), data.label(name)
        every = max(1, max(label.shape) // SIDE)
        labels.append(label[::every, ::every])
        axis.imshow(outlined(image[::every, ::every], labels[-1], data.class_names), interpolation="nearest")
        axis.set_title(name, fontsize=9, parse_math=False)  # a name may hold $
    at, room = (0.5, 0.55 / height), (3.4 * across, MOST + 1)
    draw.legend(result, labels, most=MOST, at=at, class_names=data.class_names, room=room)
    result.subplots_adjust(left=0.01, right=0.99, top=0.93, bottom=0.6 / height, wspace=0.03, hspace=0.15)
    return result


def outlined(image, label, class_names=CLASS_NAMES):
    """A photo on which the borders of a mask are drawn, two pixels wide or more, in the class's colour.

    Args:
        image: uint8 (row, col, RGB). label: uint8 (row, col), classes or 255 for void.
        class_names: in label order; they decide the colours.

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
    return np.where(edge[..., None], draw.colours(label, class_names), image)
