"""Small tensors drawn cell by cell: what is in each pixel (`maps`), and in which order memory holds it (`tensors`).

The series' picture language: **colour is the class, a whole number is the pixel**; channels that are not classes are
grey. All functions take plain arrays, return Matplotlib figures, and refuse what would be too small to read.
"""

import io

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.patches import Patch, Rectangle
from PIL import Image

from helpers.classes import VOID
from helpers.viz import draw
from helpers.viz.style import CLASS_COLOURS

BASE = 100  # in `tensors`, a cell's value is BASE * class + pixel
_MOST = 150  # cells of one panel that a reader can still tell apart
_GAP = 0.45  # between the planes of a tensor, in cells


def tagged(classes, rows, cols, channels_last=False):
    """An array whose numbers say where they belong: ``100 * class + pixel``, with pixels counted row by row.

    Returns:
        int (class, row, col), or (row, col, class) with `channels_last`; laid out in memory in that order.
    """
    tags = BASE * np.arange(classes)[:, None] + np.arange(rows * cols)
    return np.ascontiguousarray(tags.T).reshape(rows, cols, classes) if channels_last else tags.reshape(-1, rows, cols)


# ---- what is in each pixel ----------------------------------------------------------------------------------------


def maps(panels, mark=None):
    """Maps of pixels side by side, every number written out.

    Args:
        panels: (title, array) or (title, array, "classes") each. The array is one of

            - int (row, col): labels, each pixel in its class's colour; 255, void, black;
            - float (row, col): a number for each pixel;
            - float (row, col, channel): all of a pixel's numbers side by side, darker for larger ones: grey, or with
              "classes" each in its class's colour.
        mark: (row, col) of a pixel to frame in every panel.

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
    for axis, (title, array, classes) in zip(axes[0], panels, strict=True):
        _draw_map(axis, array, classes, mark)
        axis.set_title(title, fontsize=10, loc="left")
    return figure


def _checked_map(title, array, *kind):
    array = np.asarray(array)
    if array.ndim not in (2, 3) or array.size == 0:
        raise ValueError(f"{title}: a map is (row, col) or (row, col, channel); this has shape {array.shape}.")
    if array.size > _MOST:
        raise ValueError(f"{title}: {array.size} numbers cannot be read in one picture; show at most {_MOST}, a crop.")
    if not np.isfinite(array).all():
        raise ValueError(
            f"{title}: there are NaNs or infinities in it, which have no shade: look where they come from."
        )
    labels = array.ndim == 2 and array.dtype.kind in "iub"
    known = array[array != VOID] if labels else array
    classes = int(known.max(initial=0)) + 1 if labels else array.shape[2] if kind and array.ndim == 3 else 1
    if classes > len(CLASS_COLOURS) or (labels and array.min() < 0):
        raise ValueError(f"{title}: there are colours for classes 0 to {len(CLASS_COLOURS) - 1} only.")
    return array


def _pixel_width(array):
    """In units of a pixel's height."""
    return 1.05 if array.ndim == 2 and array.dtype.kind in "iub" else 1.25 if array.ndim == 2 else array.shape[2]


def _draw_map(axis, array, classes, mark):
    wide, labels = _pixel_width(array), array.ndim == 2 and array.dtype.kind in "iub"
    low, high = float(array.min()), float(array.max())
    strips = array[:, :, None] if array.ndim == 2 else array
    cell, form = wide / strips.shape[2], "{:.0f}" if (array == np.round(array)).all() else "{:.2f}"
    for (r, c, k), value in np.ndenumerate(strips):
        if labels:
            colour, text = ((0, 0, 0), "void") if value == VOID else (to_rgb(CLASS_COLOURS[value]), str(value))
        else:
            share = (value - low) / (high - low) if high - low > 0.005 else 0.3
            full = to_rgb(CLASS_COLOURS[k]) if classes else (0.35, 0.35, 0.35)
            colour = tuple(1 - (0.12 + 0.88 * share) * (1 - part) for part in full)
            text = form.format(value).replace("-0.00", "0.00")
        _cell(axis, c * wide + k * cell, r, cell, colour, text, 8 if len(text) > 2 else 11)
    for r, c in np.ndindex(array.shape[:2]):
        axis.add_patch(Rectangle((c * wide, r), wide, 1, fill=False, edgecolor="white", linewidth=4, zorder=2))
    if mark is not None:
        frame = {"fill": False, "edgecolor": "black", "linewidth": 2.2, "zorder": 3}
        axis.add_patch(Rectangle((mark[1] * wide + 0.02, mark[0] + 0.02), wide - 0.04, 0.96, **frame))
    axis.set_xlim(-0.1, array.shape[1] * wide + 0.1)
    axis.set_ylim(array.shape[0] + 0.1, -0.1)
    axis.set_aspect("equal", anchor="NW")
    axis.axis("off")


def _cell(axis, x, y, width, colour, text, size, faded=False):
    axis.add_patch(
        Rectangle((x, y), width, 1, facecolor=colour, edgecolor="white", linewidth=1, alpha=0.18 if faded else 1)
    )
    dark = np.dot(colour, (0.299, 0.587, 0.114)) < 0.56 and not faded
    axis.text(
        x + width / 2, y + 0.52, text, ha="center", va="center", fontsize=size, alpha=0.45 if faded else 1,
        color="white" if dark else "black", fontweight="bold" if size > 9 else None,
    )  # fmt: skip


# ---- in which order memory holds it -------------------------------------------------------------------------------


def tensors(panels, notes=None, read=None):
    """Arrays side by side as NumPy prints them, each over its memory ribbon: the numbers as they lie in memory.

    One row is framed, and arrows on the ribbon show the steps in which it is read: to the neighbour after a reshape,
    which only cuts the ribbon elsewhere; by longer hops after a transpose, which walks it in strides.

    Args:
        panels: (title, array) each; arrays int of up to three axes, with the values of `tagged`.
        notes: for each panel (whether all is well, a text), written under it.
        read: how many elements have been read so far, in reading order; None for all, with the first row framed.

    Raises:
        ValueError: more than three axes or 150 cells, other values, or elements that share memory (a broadcast).
    """
    panels = [(title, _checked_tensor(title, array)) for title, array in panels]
    tallest = max(_height(cells.shape) for _, cells in panels)
    inches = 0.32 * tallest + 1.9
    figure = plt.figure(figsize=(3.3 * len(panels), inches))
    for i, (title, cells) in enumerate(panels):
        left, wide = (i + 0.02) / len(panels), 0.95 / len(panels)
        table = figure.add_axes([left, 1.6 / inches, wide, 1 - 1.9 / inches])
        ribbon = figure.add_axes([left, 0.62 / inches, wide, 0.95 / inches])
        table.set_title(title, fontsize=11, family="monospace", loc="left")
        _draw_table(table, cells, read, tallest)
        _draw_ribbon(ribbon, cells, read)
        if notes:
            good, text = notes[i]
            colour = "#00664b" if good else "#a03000"
            figure.text(left, 0.45 / inches, ("✓ " if good else "✗ ") + text, fontsize=9.5, color=colour, va="center")
    classes = sorted({int(c) for _, cells in panels for c in np.unique(cells // BASE)})
    figure.text(0.02 / len(panels), 0.13 / inches, "colour = class, number = pixel:", fontsize=9, va="center")
    figure.legend(
        handles=[Patch(color=CLASS_COLOURS[c], label=f"class {c}") for c in classes], loc="center left", frameon=False,
        ncols=len(classes), fontsize=9, handlelength=1.2, columnspacing=1.2, borderpad=0,
        bbox_to_anchor=(2.35 / (3.3 * len(panels)), 0.13 / inches),
    )  # fmt: skip
    return figure


def frames(panels, notes=None):
    """`tensors` read element by element, as an animation that needs neither a kernel nor a script.

    Args:
        panels, notes: as in `tensors`; arrays of the same size. `notes` may be a function of how many have been read.

    Returns:
        The bytes of a GIF that starts again for ever, and rests on the whole at each end. See `draw.movie`.
    """
    pictures = []
    for read in range(1, panels[0][1].size + 1):
        figure, page = tensors(panels, notes(read) if callable(notes) else notes, read), io.BytesIO()
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


def _checked_tensor(title, array):
    cells = np.asarray(array)
    if cells.ndim not in (1, 2, 3) or cells.size == 0:
        raise ValueError(f"{title}: only arrays of one to three axes are drawn; this has shape {cells.shape}.")
    if cells.size > _MOST:
        raise ValueError(f"{title}: {cells.size} cells cannot be read in one picture; show at most {_MOST}.")
    tags = cells.dtype.kind in "iu" and cells.min() >= 0 and cells.max() < BASE * len(CLASS_COLOURS)
    if not tags:
        raise ValueError(
            f"{title}: the values must be {BASE} * class + pixel, whole numbers, of classes 0 to "
            f"{len(CLASS_COLOURS) - 1}: see tagged."
        )
    if 0 in [step for step, n in zip(cells.strides, cells.shape, strict=True) if n > 1]:
        raise ValueError(f"{title}: some elements share one place in memory (a broadcast): copy the array first.")
    return cells


def _height(shape):
    planes = shape[0] if len(shape) == 3 else 1
    return planes * (shape[-2] if len(shape) > 1 else 1) + _GAP * (planes - 1)


def _positions(cells):
    """Where in memory each element lies, counted in elements: the same shape, values 0 to size - 1."""
    outer_first = np.argsort([-abs(step) for step in cells.strides], kind="stable")
    lying = np.arange(cells.size).reshape([cells.shape[axis] for axis in outer_first])
    backwards = tuple(slice(None, None, -1 if cells.strides[axis] < 0 else 1) for axis in range(cells.ndim))
    return lying.transpose(np.argsort(outer_first))[backwards]


def _draw_table(axis, cells, read, tallest):
    planes = cells.reshape(-1, *((1, 1) + cells.shape)[-2:])
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


def _draw_ribbon(axis, cells, read):
    position, cols = _positions(cells).ravel(), cells.shape[-1]
    memory = np.empty(cells.size, int)
    memory[position] = cells.ravel()
    for i, value in enumerate(memory):
        _tag(axis, i, 0, value, 7.5 if cells.size <= 24 else 5)
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
    if (position == np.arange(cells.size)).all():
        for start in range(0, cells.size, cols):
            x = np.array([start + 0.12, start + 0.12, start + cols - 0.12, start + cols - 0.12])
            axis.plot(x, [1.2, 1.5, 1.5, 1.2], color="0.35", linewidth=1)
        text = "memory: each row is one piece of it"
    else:
        text = "memory: each row hops through it"
    axis.text(0, 2.15, text, fontsize=8, color="0.35", va="center")
    axis.set_xlim(-0.1, max(cells.size, 18) + 0.1)
    axis.set_ylim(2.5, -2.2)
    axis.axis("off")


def _tag(axis, x, y, value, size, faded=False):
    c, pixel = divmod(int(value), BASE)
    _cell(axis, x, y, 1, to_rgb(CLASS_COLOURS[c]), str(pixel), size, faded)
