"""Draws small tensors number by number: `maps` shows what is in each pixel.

In the series' pictures **colour is the class**; channels that are not classes are grey. `maps` takes plain arrays,
returns a Matplotlib figure, and refuses what would be too small to read. `memory` shows in which order numbers lie.
"""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.patches import Rectangle

from helpers.classes import VOID
from helpers.viz.style import CLASS_COLOURS, VOID_COLOUR

BASE = 100  # the values of `tagged` are BASE * class + pixel
MOST = 150  # numbers in one panel that a reader can still tell apart


def tagged(classes, rows, cols, channels_last=False):
    """Makes an array whose numbers say where they belong: ``100 * class + pixel``, with pixels counted row by row.

    Returns:
        int (class, row, col), or (row, col, class) with `channels_last`; laid out in memory in that order.
    """
    tags = BASE * np.arange(classes)[:, None] + np.arange(rows * cols)
    return np.ascontiguousarray(tags.T).reshape(rows, cols, classes) if channels_last else tags.reshape(-1, rows, cols)


def maps(panels, mark=None):
    """Draws maps of pixels side by side, with every number written out.

    Args:
        panels: (title, array) or (title, array, "classes") each. The array is one of

            - int (row, col): labels, each pixel in its class's colour; 255, void, black;
            - float (row, col): a number for each pixel;
            - float (row, col, channel): all of a pixel's numbers side by side, darker for larger ones: grey, or with
              "classes" each in its class's colour. Where some are negative, 0 is white, and darker is further from 0.

            A pixel that a NumPy masked array masks is void.
        mark: (row, col) of a pixel to frame in every panel; or one bool (row, col) array a panel, true where to frame.

    Raises:
        ValueError: another rank, NaN, more than 150 numbers, or more classes than there are colours.
    """
    panels = [(title, _checked_map(title, array, *kind), bool(kind)) for title, array, *kind in panels]
    widths = [max(array.shape[1] * _pixel_width(array), 0.185 * len(title)) + 0.5 for title, array, _ in panels]
    height = max(len(array) for _, array, _ in panels)
    figure, axes = plt.subplots(
        1, len(panels), squeeze=False, layout="constrained", width_ratios=widths,
        figsize=(0.45 * sum(widths) + 0.2, 0.45 * height + 0.55),
    )  # fmt: skip
    if mark is None:
        framed = [()] * len(panels)
    else:
        framed = [np.argwhere(each) for each in mark] if np.ndim(mark[0]) else [[mark]] * len(panels)
    for axis, (title, array, classes), places in zip(axes[0], panels, framed, strict=True):
        _draw_map(axis, array, classes, places)
        axis.set_title(title, fontsize=10, loc="left")
    return figure


def _checked_map(title, array, *kind):
    array = np.ma.asarray(array)
    if array.ndim not in (2, 3) or array.size == 0:
        raise ValueError(f"{title}: a map is (row, col) or (row, col, channel); this has shape {array.shape}.")
    if array.size > MOST:
        raise ValueError(f"{title}: {array.size} numbers cannot be read in one picture; show at most {MOST}, a crop.")
    if not np.isfinite(array).all():
        raise ValueError(
            f"{title}: there are NaNs or infinities in it, which have no shade: find out where they come from."
        )
    labels = array.ndim == 2 and array.dtype.kind in "iub"
    known = np.asarray(array[array != VOID]) if labels else array
    classes = int(known.max(initial=0)) + 1 if labels else array.shape[2] if kind and array.ndim == 3 else 1
    if classes > len(CLASS_COLOURS) or (labels and array.min() < 0):
        raise ValueError(f"{title}: there are colours for classes 0 to {len(CLASS_COLOURS) - 1} only.")
    return array


def _pixel_width(array):
    """Returns how wide a pixel is drawn, in units of its height."""
    return 1.05 if array.ndim == 2 and array.dtype.kind in "iub" else 1.25 if array.ndim == 2 else array.shape[2]


def _draw_map(axis, array, classes, framed):
    wide, labels = _pixel_width(array), array.ndim == 2 and array.dtype.kind in "iub"
    low, high = float(array.min()), float(array.max())
    signed = low < 0 and not labels
    strips = array[:, :, None] if array.ndim == 2 else array
    width, form = wide / strips.shape[2], "{:.0f}" if (array == np.round(array)).all() else "{:.2f}"
    for (r, c, k), value in np.ma.ndenumerate(strips, compressed=False):
        if value is np.ma.masked or (labels and value == VOID):
            colour, text = VOID_COLOUR, "void"
        elif labels:
            colour, text = to_rgb(CLASS_COLOURS[value]), str(value)
        else:
            if signed:
                dark = abs(value) / max(high, -low)
            else:
                dark = 0.12 + 0.88 * (value - low) / (high - low) if high - low > 0.005 else 0.38
            full = to_rgb(CLASS_COLOURS[k]) if classes else (0.35, 0.35, 0.35)
            colour = tuple(1 - dark * (1 - part) for part in full)
            text = form.format(value).replace("-0.00", "0.00")
        draw_number(axis, (c * wide + k * width, r), width, colour, text, 8 if len(text) > 2 else 11)
    for r, c in np.ndindex(array.shape[:2]):
        axis.add_patch(Rectangle((c * wide, r), wide, 1, fill=False, edgecolor="white", linewidth=4, zorder=2))
    frame = {"fill": False, "edgecolor": "black", "linewidth": 2.2, "zorder": 3}
    for r, c in framed:
        axis.add_patch(Rectangle((c * wide + 0.02, r + 0.02), wide - 0.04, 0.96, **frame))
    axis.set_xlim(-0.1, array.shape[1] * wide + 0.1)
    axis.set_ylim(array.shape[0] + 0.1, -0.1)
    axis.set_aspect("equal", anchor="NW")
    axis.axis("off")


def draw_number(axis, at, width, colour, text, size, faded=False):
    """Draws one number in its box.

    Args:
        axis: where to draw, in a scale on which a box is 1 high.
        at: (x, y) of the box's upper left corner.
        colour: (red, green, blue), 0-1; the text is white on a dark one, and else black.
        size: of the text, in points.
    """
    x, y = at
    axis.add_patch(
        Rectangle((x, y), width, 1, facecolor=colour, edgecolor="white", linewidth=1, alpha=0.18 if faded else 1)
    )
    dark = np.dot(colour, (0.299, 0.587, 0.114)) < 0.56 and not faded
    axis.text(
        x + width / 2, y + 0.52, text, ha="center", va="center", fontsize=size, alpha=0.45 if faded else 1,
        color="white" if dark else "black", fontweight="bold" if size > 9 else None,
    )  # fmt: skip
