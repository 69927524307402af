"""Draws photos beside their masks, whole or as outlines, for notebook 09."""

import matplotlib.pyplot as plt

from helpers.viz import draw, pairs
from helpers.viz.style import BLACK, BLUE, ORANGE


def row(panels, class_names=(), across=None, height=2.3):
    """Draws pictures side by side, with a legend of the classes that they have.

    Args:
        panels: {title: a picture}. A picture is a photo, uint8 (row, col, RGB); a mask, uint8 (row, col), drawn in
            colours; or both, (photo, mask), drawn as the photo with the mask's outlines.
        class_names: of the masks, in label order; photos alone need none.
        across: how many side by side; all of them by default.
        height: of a panel, in inches.
    """
    across = across or len(panels)
    down = -(-len(panels) // across)
    shapes = [(p[1] if isinstance(p, tuple) else p).shape for p in panels.values()]
    wide = height * max(shape[1] / shape[0] for shape in shapes)
    figure, axes = plt.subplots(
        down, across, figsize=(wide * across, (height + 0.3) * down), squeeze=False, layout="constrained"
    )
    masks = []
    for axis in axes.ravel():
        axis.axis("off")
    for axis, (title, panel) in zip(axes.ravel(), panels.items(), strict=False):
        if isinstance(panel, tuple):
            masks.append(panel[1])
            panel = pairs.outlined(*panel, class_names)
        elif panel.ndim == 2:
            masks.append(panel)
            panel = draw.colours(panel, class_names)
        draw.plain(axis).imshow(panel, interpolation="nearest")
        axis.axis("on")
        axis.spines[:].set(visible=True, color="0.6", linewidth=0.6)  # a photo may be white where it ends
        axis.set_title(title, fontsize=10, parse_math=False)
    if masks:
        draw.legend(figure, masks, class_names=class_names)
    return figure


def seeds(scores, xlabel):
    """Draws a score of each seed as a mark, one line for each way.

    Args:
        scores: {way: (seed,)}, three ways at most.
    """
    figure, axis = plt.subplots(figsize=(6, 0.45 * len(scores) + 0.8), layout="constrained")
    looks = zip((BLUE, ORANGE, BLACK), "osD", strict=True)
    for y, (values, (colour, marker)) in enumerate(zip(scores.values(), looks, strict=False)):
        axis.plot([min(values), max(values)], [y, y], color=colour, linewidth=1.5, alpha=0.5)
        axis.plot(values, [y] * len(values), marker, color=colour, markersize=8, alpha=0.8)
    axis.set(xlabel=xlabel, ylim=(len(scores) - 0.4, -0.6), xlim=(0, 1))
    axis.set_yticks(range(len(scores)), list(scores))
    axis.grid(alpha=0.25, axis="x")
    axis.spines[["top", "right"]].set_visible(False)
    return figure
