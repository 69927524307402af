"""Draws masks in the classes' colours, legends, rows of image | truth | prediction, bars, the network as a U.

All take plain arrays; a mask is uint8 (row, col) of classes and 255 for void, which is drawn black. The classes are
SiftFlow's 33 unless `class_names`, in label order, names others.
"""

import base64
import html
import io

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patches import Patch
from matplotlib.ticker import LogLocator
from PIL import Image

from helpers.classes import CLASS_NAMES, VOID
from helpers.viz import style
from helpers.viz.style import PALETTE, VOID_COLOUR

DPI = 80


def show(figure, alt):
    """Displays a figure in the notebook, once, as a PNG with a text for those who cannot see it."""
    from IPython import display

    display.display(picture(png(figure), alt))


def picture(data, alt):
    """Makes the bytes of a PNG into what a notebook displays, with a text for those who cannot see it."""
    from IPython import display

    return display.Image(data, format="png", metadata={"alt": alt})  # Colab's IPython 7 has no argument alt


def movie(gif, alt):
    """Displays an animation, the bytes of a GIF, in the notebook and in every page that is saved from it."""
    from IPython import display

    # As HTML, because nbconvert leaves a picture of type image/gif out of its pages.
    source = base64.b64encode(gif).decode()
    display.display(display.HTML(f'<img alt="{html.escape(alt)}" src="data:image/gif;base64,{source}">'))


def png(figure, crop=True, small=True):
    """Returns the bytes of a figure as PNG, and closes it.

    Nothing displays a closed figure a second time. `crop` fits the picture to what is drawn, which
    takes as long again. `small` makes it 256 colours, a third of the size, to the same eye; the classes' are exact.
    Where a hundred and more of a data set's many classes are seen, it keeps all colours.
    """
    full, reduced = io.BytesIO(), io.BytesIO()
    figure.savefig(full, format="png", dpi=DPI, bbox_inches="tight" if crop else None, facecolor="white")
    plt.close(figure)
    if not small:
        return full.getvalue()
    picture = Image.open(full).convert("RGB")
    further = _further_colours(np.asarray(picture))
    if len(further) > 100:
        return full.getvalue()
    exact = np.vstack([PALETTE, style.FEW, VOID_COLOUR, (255, 255, 255), further])
    others = np.reshape(picture.quantize(256 - len(exact)).getpalette(), (-1, 3))
    apart = np.abs(others[:, None] - exact).max(axis=2).min(axis=1) > 8  # nothing that could stand in for an exact one
    table = Image.new("P", (1, 1))
    table.putpalette(np.vstack([exact, others[apart]]).astype("uint8").tobytes())
    picture.quantize(palette=table).save(reduced, format="png")
    return reduced.getvalue()


def _further_colours(pixels, least=50):
    """The colours of the 40th and later classes that a picture, uint8 (row, col, RGB), has often: uint8 (n, RGB)."""
    colours_ = style.palette(range(255))[len(style.FEW) + len(PALETTE) :]
    wanted, packed = (x.astype(np.int32) @ (65536, 256, 1) for x in (colours_, pixels))
    counts = np.bincount(np.searchsorted(np.sort(wanted), packed[np.isin(packed, wanted)]), minlength=len(wanted))
    return colours_[np.argsort(wanted)[counts >= least]]


def colours(mask, class_names=CLASS_NAMES):
    """Colours a mask, uint8 (row, col) -> uint8 (row, col, RGB); raises ValueError where a value is no class."""
    mask, n = np.asarray(mask), len(class_names)
    known = ((mask >= 0) & (mask < n) & (mask == np.floor(mask))) | (mask == VOID)
    if mask.ndim != 2 or not known.all():
        found = f"the value {mask[~known].flat[0]}" if mask.ndim == 2 else f"an array of shape {mask.shape}"
        raise ValueError(f"A mask is (row, col) of classes 0-{n - 1} and {VOID} for void; this has {found}.")
    table = np.tile(np.array(VOID_COLOUR, "uint8"), (256, 1))
    table[:n] = style.palette(class_names)
    return table[mask.astype("uint8")]


def columns_of(names, inches):
    """How many columns of a legend with these names fit side by side."""
    return max(1, int(inches / (0.4 + 0.065 * max(map(len, names), default=0))))


def legend(figure, masks, columns=6, most=23, at=(0.5, 0.01), class_names=CLASS_NAMES, room=None):
    """Draws a legend, its top at a point of the figure, of the classes in these masks, those with most pixels first.

    Args:
        columns, most: of names, at the most.
        room: (inches across, rows), where there is no more: long names stand in fewer columns, and those of few pixels
            are left out.
    """
    palette = style.palette(class_names)
    counts = np.bincount(np.concatenate([np.asarray(mask).ravel() for mask in masks]), minlength=256)
    order = np.argsort(-counts[: len(class_names)], kind="stable")
    shown = [c for c in order[:most] if counts[c]]
    if room:
        columns = min(columns, columns_of([class_names[c] for c in shown], room[0]))
        shown = shown[: room[1] * columns - bool(counts[VOID])]
    names, handles = [class_names[c] for c in shown], [Patch(color=palette[c] / 255) for c in shown]
    if counts[VOID]:
        names.append("void (unlabelled)")
        handles.append(Patch(color=np.array(VOID_COLOUR) / 255))
    drawn = figure.legend(
        handles, ["class"] * len(handles), loc="upper center", bbox_to_anchor=at, ncols=columns, frameon=False,
        fontsize=9, handlelength=1.2, columnspacing=1.2,
    )  # fmt: skip
    for text, name in zip(drawn.get_texts(), names, strict=True):  # set here, a name may hold $ or begin with _
        text.set(text=name, parse_math=False)
    return drawn


def rows(columns, titles, notes=None, width=2.2, class_names=CLASS_NAMES):
    """Draws a grid of pictures with a legend: column by column, each column a list of images or masks.

    Args:
        columns: lists of equal length of images uint8 (row, col, RGB) and masks uint8 (row, col).
        titles: one per column.
        notes: one text per row, written at its left.
    """
    n_rows, n_columns = len(columns[0]), len(columns)
    figure, axes = plt.subplots(
        n_rows, n_columns, figsize=(width * n_columns, width * n_rows), squeeze=False, layout="constrained"
    )
    for j, column in enumerate(columns):
        axes[0, j].set_title(titles[j], fontsize=11)
        for i, picture in enumerate(column):
            drawn = picture if np.ndim(picture) == 3 else colours(picture, class_names)
            plain(axes[i, j]).imshow(drawn, interpolation="nearest")
    for axis, note in zip(axes[:, 0], notes or [], strict=False):
        axis.set_ylabel(note, fontsize=9)
    masks = [picture for column in columns for picture in column if np.ndim(picture) == 2]
    legend(figure, masks, columns=max(3, 2 * n_columns), class_names=class_names)
    return figure


def plain(axis):
    """Takes ticks and frame off an axis, for a picture; returns the axis."""
    axis.set_xticks([])
    axis.set_yticks([])
    axis.spines[:].set_visible(False)
    return axis


def bars(values, title, unit="%", log=False, against=None, class_names=CLASS_NAMES):
    """Draws one horizontal bar per class in the class's colour, largest on top; classes with NaN are left out.

    Args:
        values: (class,), in `unit`.
        against: a second (class,) series, drawn beside it as dots on a logarithmic scale, as (title, values).
    """
    values, palette = np.asarray(values, float), style.palette(class_names)
    order = [c for c in np.argsort(values, kind="stable") if np.isfinite(values[c])]
    figure, axes = plt.subplots(
        1, 1 + (against is not None), figsize=(7.5, 0.21 * len(order) + 0.9), sharey=True, squeeze=False,
        width_ratios=(5, 3)[: 1 + (against is not None)], layout="constrained",
    )  # fmt: skip
    axis = axes[0, 0]
    axis.barh(range(len(order)), values[order], color=palette[order] / 255, edgecolor="0.4", linewidth=0.5)
    axis.set_yticks(range(len(order)), [class_names[c] for c in order], fontsize=9, parse_math=False)
    axis.set(ylim=(-0.6, len(order) - 0.4), xscale="log" if log else "linear", xlabel=unit)
    axis.set_title(title, loc="left", fontsize=11)
    if against is not None:
        other = np.asarray(against[1], float)[order]
        axes[0, 1].scatter(other, range(len(order)), color=palette[order] / 255, edgecolor="0.2", zorder=2)
        axes[0, 1].set(xscale="log", xlabel=f"{unit}, each mark ten times the last")
        axes[0, 1].set_title(against[0], loc="left", fontsize=11)
    for axis in axes.flat:
        axis.grid(axis="y", color="0.92") if against is not None else None
        axis.spines[["top", "right"]].set_visible(False)
    return figure


def bars_beside(panels):
    """Draws numbers of the 33 classes as bars, panel beside panel on logarithmic scales; classes in the order of the
    first panel, the largest on top.

    Args:
        panels: {title: positive numbers (class,)}.
    """
    order = np.argsort(next(iter(panels.values())))
    figure, axes = plt.subplots(1, len(panels), figsize=(2.75 * len(panels), 5.6), sharey=True, layout="constrained")
    for axis, (title, values) in zip(axes, panels.items(), strict=True):
        axis.barh(range(len(order)), values[order], color=PALETTE[order] / 255, edgecolor="0.4", linewidth=0.5)
        axis.set(title=title, xscale="log", xlim=(0.6 * values.min(), 2 * values.max()), ylim=(-0.7, len(order) - 0.3))
        axis.xaxis.set_major_locator(LogLocator(numticks=9))
        axis.grid(axis="x", alpha=0.4)
    axes[0].set_yticks(range(len(order)), [CLASS_NAMES[c] for c in order], fontsize=8.5)
    return figure


def u_shape(model, image=None, mask=None, class_names=CLASS_NAMES):
    """Draws the network as its paper does: a block per level, as high as the map is, as wide as it has channels.

    Reads the blocks `down0` … `bottom` … `up0` of a model that `helpers.unet` made.

    Args:
        image, mask: uint8 (row, col, RGB) and (row, col), to stand at both ends as what goes in and what comes out.
    """
    names = [layer.name for layer in model.layers]
    depth = sum(name.startswith("down") and name.endswith("halve") for name in names)
    blocks = [f"down{f}" for f in range(depth)] + ["bottom"] + [f"up{f}" for f in reversed(range(depth))]
    shapes = [model.get_layer(block + "b").output.shape[1:] for block in blocks]
    figure, axis = plt.subplots(figsize=(11, 4.6), layout="constrained")
    lift, last = 0.95, len(shapes) - 1
    places = [(i, lift * abs(i - depth), 1.1 * shape[0] / shapes[0][0] + 0.12) for i, shape in enumerate(shapes)]

    def arrow(start, end, **style_):
        axis.annotate("", end, start, arrowprops={"arrowstyle": "-|>", "color": "0.35", **style_})

    for i, (x, y, height) in enumerate(places):
        width = 0.12 + 0.4 * shapes[i][2] / shapes[depth][2]
        colour = style.BOTTOM if i == depth else style.DOWN if i < depth else style.UP
        axis.bar(x, height, width, bottom=y - height / 2, color=colour)
        axis.text(x, y - height / 2 - 0.08, "{}×{}\n×{}".format(*shapes[i]), ha="center", va="top", fontsize=9)
        if i < last:  # from one block to the next
            next_x, next_y, _ = places[i + 1]
            arrow((x + 0.27, y + (0.12 if i >= depth else -0.12)), (next_x - 0.27, next_y), color=colour)
        if i < depth:
            arrow((x + 0.3, y + 0.2), (last - x - 0.3, y + 0.2), linestyle="--", color="0.5")
    axis.text(
        last / 2, lift * depth + 0.26, "skip: the sharp map, as it was on the way down", ha="center", fontsize=9.5
    )
    axis.text(0.75, 0.05, "down: halve the map,\ndouble the channels", ha="center", color=style.DOWN, fontsize=10)
    axis.text(last - 0.75, 0.05, "up: double the map,\nrecall the sharp one", ha="center", color=style.UP, fontsize=10)

    top = lift * depth
    stem = model.output_shape[1] // shapes[0][0]
    if stem > 1:
        axis.text(-0.65, top - 0.85, f"{stem}×{stem} pixels\nbecome one", ha="center", va="center", fontsize=9)
    rows_, cols, classes = model.output_shape[1:]
    head = f"1×1 convolution\nand enlarged {stem}×" if stem > 1 else "1×1 convolution"
    axis.text(last + 1.05, top + 0.1, head, ha="center", va="bottom", fontsize=9)
    axis.text(last + 1.05, top - 0.1, f"{rows_}×{cols}\n×{classes} logits", ha="center", va="top", fontsize=9)
    ends = [(-1.45, image, "image", -0.9, -0.27), (last + 2.4, mask, "argmax: a mask", last + 0.27, last + 1.85)]
    for x, shown, title, start, end in ends:
        arrow((start, top), (end, top))
        if shown is not None:
            picture_ = colours(shown, class_names) if np.ndim(shown) == 2 else shown
            axis.imshow(picture_, extent=(x - 0.5, x + 0.5, top - 0.55, top + 0.55), aspect="auto", zorder=3)
            axis.text(x, top - 0.62, title, ha="center", va="top", fontsize=9)
    axis.set(xlim=(-2.05, last + 3.0), ylim=(-0.75, top + 1.0))
    axis.axis("off")
    return figure
