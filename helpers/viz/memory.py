"""Draws in which order memory holds the numbers of a small tensor: still (`ribbon`), or read one by one (`frames`).

In these pictures **colour is the class, a whole number is the pixel**: the arrays are those of `tensors.tagged`.
"""

import io

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.patches import Patch, Rectangle
from PIL import Image

from helpers.viz import draw
from helpers.viz.style import BAD, CLASS_COLOURS, GOOD
from helpers.viz.tensors import BASE, MOST, draw_number

_GAP = 0.45  # between the planes of a tensor, in rows


def ribbon(panels, notes=None, read=None):
    """Draws arrays side by side as NumPy prints them, each over its ribbon: the numbers as they lie in memory.

    One row is framed, and arrows on the ribbon show the steps in which it is read: to the neighbour after a reshape,
    which only cuts the ribbon elsewhere; by longer hops after a transpose, which walks it in strides.

    Args:
        panels: (title, array) each; arrays int of up to three axes, with the values of `tensors.tagged`.
        notes: for each panel (whether all is well, a text), written under it.
        read: how many elements have been read so far, in reading order; None for all, with the first row framed.

    Raises:
        ValueError: more than three axes or 150 numbers, other values, or elements that share memory (a broadcast).
    """
    panels = [(title, _checked(title, array)) for title, array in panels]
    tallest = max(_height(array.shape) for _, array in panels)
    inches = 0.32 * tallest + 1.9
    figure = plt.figure(figsize=(3.3 * len(panels), inches))
    for i, (title, array) in enumerate(panels):
        left, wide = (i + 0.02) / len(panels), 0.95 / len(panels)
        table = figure.add_axes([left, 1.6 / inches, wide, 1 - 1.9 / inches])
        below = figure.add_axes([left, 0.62 / inches, wide, 0.95 / inches])
        table.set_title(title, fontsize=11, family="monospace", loc="left")
        _draw_table(table, array, read, tallest)
        _draw_ribbon(below, array, read)
        if notes:
            good, text = notes[i]
            colour = GOOD if good else BAD
            figure.text(left, 0.45 / inches, ("✓ " if good else "✗ ") + text, fontsize=9.5, color=colour, va="center")
    classes = sorted({int(c) for _, array in panels for c in np.unique(array // BASE)})
    figure.text(0.02 / len(panels), 0.13 / inches, "colour = class, number = pixel:", fontsize=9, va="center")
    figure.legend(
        handles=[Patch(color=CLASS_COLOURS[c], label=f"class {c}") for c in classes], loc="center left", frameon=False,
        ncols=len(classes), fontsize=9, handlelength=1.2, columnspacing=1.2, borderpad=0,
        bbox_to_anchor=(2.35 / (3.3 * len(panels)), 0.13 / inches),
    )  # fmt: skip
    return figure


def frames(panels, notes=None):
    """Draws `ribbon` read element by element, as an animation that needs neither a kernel nor a script.

    Args:
        panels, notes: as in `ribbon`; arrays of the same size. `notes` may be a function of how many have been read.

    Returns:
        The bytes of a GIF that starts again for ever, and rests on the whole at each end. See `draw.movie`.
    """
    pictures = []
    for read in range(1, panels[0][1].size + 1):
        figure, page = ribbon(panels, notes(read) if callable(notes) else notes, read), io.BytesIO()
        figure.savefig(page, format="png", dpi=draw.DPI)
        plt.close(figure)
        pictures.append(Image.open(page).convert("RGB"))
    table = pictures[len(pictures) // 2].quantize(64)  # has both faded and full colours
    pictures = [picture.quantize(palette=table, dither=Image.Dither.NONE) for picture in pictures]
    file, last = io.BytesIO(), len(pictures) - 1
    pictures[0].save(
        file, format="gif", save_all=True, append_images=pictures[1:], loop=0, duration=[600] * last + [3000]
    )
    return file.getvalue()


def _checked(title, array):
    array = np.asarray(array)
    if array.ndim not in (1, 2, 3) or array.size == 0:
        raise ValueError(f"{title}: only arrays of one to three axes are drawn; this has shape {array.shape}.")
    if array.size > MOST:
        raise ValueError(f"{title}: {array.size} numbers cannot be read in one picture; show at most {MOST}.")
    tags = array.dtype.kind in "iu" and array.min() >= 0 and array.max() < BASE * len(CLASS_COLOURS)
    if not tags:
        raise ValueError(
            f"{title}: the values must be {BASE} * class + pixel, whole numbers, of classes 0 to "
            f"{len(CLASS_COLOURS) - 1}: see tagged."
        )
    if 0 in [step for step, n in zip(array.strides, array.shape, strict=True) if n > 1]:
        raise ValueError(f"{title}: some elements share one place in memory (a broadcast): copy the array first.")
    return array


def _height(shape):
    """Returns how high a table of this shape is, in rows."""
    planes = shape[0] if len(shape) == 3 else 1
    return planes * (shape[-2] if len(shape) > 1 else 1) + _GAP * (planes - 1)


def _positions(array):
    """Returns where in memory each element lies, counted in elements: the same shape, values 0 to size - 1."""
    outer_first = np.argsort([-abs(step) for step in array.strides], kind="stable")
    lying = np.arange(array.size).reshape([array.shape[axis] for axis in outer_first])
    backwards = tuple(slice(None, None, -1 if array.strides[axis] < 0 else 1) for axis in range(array.ndim))
    return lying.transpose(np.argsort(outer_first))[backwards]


def _draw_table(axis, array, read, tallest):
    """Draws an array as NumPy prints it: plane below plane, row below row."""
    planes = array.reshape(-1, *((1, 1) + array.shape)[-2:])
    n, rows, cols = planes.shape
    current = 0 if read is None else read - 1
    for index, value in enumerate(planes.ravel()):
        plane, rest = divmod(index, rows * cols)
        row, col = divmod(rest, cols)
        y = plane * (rows + _GAP) + row
        _tag(axis, col, y, value, 10, faded=read is not None and index > current)
        if col == 0 and (n == 1 or row == 0):
            where = f"[{plane}]" if n > 1 else f"[{row}]"
            axis.text(-0.2, y + (rows / 2 if n > 1 else 0.5), where, ha="right", va="center", fontsize=9, color="0.35")
        if col == 0 and index // cols == current // cols:
            axis.add_patch(Rectangle((0, y), cols, 1, fill=False, edgecolor="black", linewidth=1.6, zorder=3))
        if index == current and read is not None:
            axis.add_patch(Rectangle((col, y), 1, 1, fill=False, edgecolor="black", linewidth=3, zorder=4))
    axis.set_xlim(-1.0, max(cols, 6) + 0.3)
    axis.set_ylim(tallest + 0.1, -0.1)
    axis.set_aspect("equal", anchor="NW")
    axis.axis("off")


def _draw_ribbon(axis, array, read):
    """Draws the numbers as they lie in memory, and arrows along one row of the array."""
    position, cols = _positions(array).ravel(), array.shape[-1]
    memory = np.empty(array.size, int)
    memory[position] = array.ravel()
    for i, value in enumerate(memory):
        _tag(axis, i, 0, value, 7.5 if array.size <= 24 else 5)
    current = cols - 1 if read is None else read - 1
    run = position[current // cols * cols : current + 1]
    for at in run:
        axis.add_patch(Rectangle((at, 0), 1, 1, fill=False, edgecolor="black", linewidth=1.6, zorder=3))
    for a, b in zip(run[:-1], run[1:], strict=True):
        turn = np.linspace(0, np.pi, 30)
        x = (a + b + 1) / 2 - (b - a) / 2 * np.cos(turn)
        y = -0.12 - (0.55 + min(1.3, 0.17 * abs(b - a))) * np.sin(turn)
        axis.plot(x, y, color="black", linewidth=1.1)
        head = {"arrowstyle": "-|>", "color": "black", "lw": 0, "mutation_scale": 9}
        axis.annotate("", (x[-1], y[-1]), (x[-4], y[-4]), arrowprops=head)
    if (position == np.arange(array.size)).all():
        for start in range(0, array.size, cols):
            x = np.array([start + 0.12, start + 0.12, start + cols - 0.12, start + cols - 0.12])
            axis.plot(x, [1.2, 1.5, 1.5, 1.2], color="0.35", linewidth=1)
        text = "memory: each row is one piece of it"
    else:
        text = "memory: each row hops through it"
    axis.text(0, 2.15, text, fontsize=8, color="0.35", va="center")
    axis.set_xlim(-0.1, max(array.size, 18) + 0.1)
    axis.set_ylim(2.5, -2.2)
    axis.axis("off")


def _tag(axis, x, y, value, size, faded=False):
    """Draws a value of `tensors.tagged`: its class as a colour, its pixel as a number."""
    c, pixel = divmod(int(value), BASE)
    draw_number(axis, (x, y), 1, to_rgb(CLASS_COLOURS[c]), str(pixel), size, faded)
