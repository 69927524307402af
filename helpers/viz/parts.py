"""Draws what a part of a network does: influences, scores seed by seed, patterns of upsampling, masks with seams."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patches import Rectangle

from helpers.viz import draw
from helpers.viz.style import BLACK, BLUE, GREEN, LINES, ORANGE, PINK

MARKERS = "os^"  # of seeds 0, 1 and 2


def influence(image, heat, row, col, width):
    """Draws a photo with a cross at one pixel, and how strongly each of its pixels moves the logits there.

    Args:
        image: uint8 (row, col, RGB). heat: float (row, col), drawn on a logarithmic scale. width: of the dashed square.
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=(7.2, 3.3), layout="constrained")
    draw.plain(left).imshow(image)
    left.set_title("the output pixel +, and its square", fontsize=10)
    share = np.log10(np.maximum(heat / heat.max(), 1e-4))
    shown = draw.plain(right).imshow(share, cmap="viridis", vmin=-4, vmax=0)
    right.set_title("influence of each input pixel", fontsize=10)
    for axis in (left, right):
        axis.plot(col, row, "+", color="white", markersize=11, markeredgewidth=2.5)
        axis.plot(col, row, "+", color=BLACK, markersize=9, markeredgewidth=1)
        square(axis, row, col, width, "white", "--")
    bar = figure.colorbar(shown, ax=right, shrink=0.85, ticks=[-4, -2, 0])
    bar.ax.set_yticklabels(["1/10,000", "1/100", "the most"], fontsize=9)
    return figure


def square(axis, row, col, width, colour, line="-"):
    """Draws a square of so many pixels around a pixel."""
    corner = (col - width / 2, row - width / 2)
    axis.add_patch(Rectangle(corner, width, width, fill=False, edgecolor=colour, linestyle=line, linewidth=1.8))


def depths(maps, windows, widths, scores):
    """Draws for each depth the influence on the middle pixel, the window that can count, and the scores.

    Args:
        maps: float (row, col), one a depth. windows: (first, last) row that can count. widths: of the measured square.
        scores: float (depth, seed).
    """
    figure = plt.figure(figsize=(9.6, 4.8), layout="constrained")
    grid = figure.add_gridspec(2, len(maps), height_ratios=(1.25, 1))
    for depth, (heat, (first, last), width) in enumerate(zip(maps, windows, widths, strict=True)):
        axis = draw.plain(figure.add_subplot(grid[0, depth]))
        n, middle = len(heat), len(heat) // 2
        share = np.log10(np.maximum(heat / heat.max(), 1e-4))
        axis.imshow(share, cmap="viridis", vmin=-4, vmax=0, interpolation="nearest")
        low, high = max(first, 0) - 0.5, min(last, n - 1) + 0.5
        axis.add_patch(Rectangle((low, low), high - low, high - low, fill=False, edgecolor=ORANGE, linewidth=2.5))
        square(axis, middle, middle, width, "white", "--")
        axis.set(xlim=(-1, n), ylim=(n, -1))
        axis.set_title(f"depth {depth}\ncan {last - first + 1}, does {width}", fontsize=10)
    below = figure.add_subplot(grid[1, :])
    for seed, values in enumerate(np.transpose(scores)):
        below.plot(range(len(maps)), values, MARKERS[seed], color=LINES[seed], label=f"seed {seed}", markersize=7,
                   alpha=0.85)  # fmt: skip
    below.set(xlim=(-0.5, len(maps) - 0.5), ylim=(0, 0.75), ylabel="mean IoU, held out")
    below.set_xticks(range(len(maps)), [f"depth {depth}" for depth in range(len(maps))])
    below.grid(axis="y", alpha=0.25)
    below.spines[["top", "right"]].set_visible(False)
    below.plot([], [], color=ORANGE, linewidth=2.5, label="can count, cut at the edge")
    below.plot([], [], color="0.5", linestyle="--", label="white, dashed: 90 % of it")
    figure.legend(*below.get_legend_handles_labels(), loc="outside lower center", ncols=5, fontsize=9, frameon=False)
    return figure


def by_seed(panels, xlabel="mean IoU, held out", shared=False):
    """Draws scores as one mark for each seed, a row for each network, panel beside panel.

    Args:
        panels: {title: {network: float (seed,)}}; all have the same networks. shared: one scale for all panels.
    """
    rows = len(next(iter(panels.values())))
    figure, axes = plt.subplots(
        1, len(panels), figsize=(2.2 + 2.7 * len(panels), 0.42 * rows + 1.3), sharey=True, sharex=shared, squeeze=False,
        layout="constrained",
    )  # fmt: skip
    for axis, (title, networks) in zip(axes[0], panels.items(), strict=True):
        for y, values in enumerate(networks.values()):
            axis.plot([min(values), max(values)], [y, y], color="0.8", linewidth=5, solid_capstyle="round", zorder=1)
            for seed, value in enumerate(values):
                axis.plot(value, y + 0.16 * (seed - 1), MARKERS[seed], color=LINES[seed], markersize=7,
                          label=f"seed {seed}" if y == 0 else None)  # fmt: skip
        axis.set_yticks(range(rows), list(networks))
        axis.set_ylim(rows - 0.5, -0.5)
        axis.margins(x=0.12)
        axis.locator_params(axis="x", nbins=5)
        axis.set_xlabel(xlabel, fontsize=9)
        axis.set_title(title, fontsize=10.5)
        axis.grid(axis="x", alpha=0.25)
        axis.spines[["top", "right"]].set_visible(False)
    handles, names = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=len(names), frameon=False, fontsize=9)
    return figure


def patterns(rows):
    """Draws what networks make of a picture that is grey all over: logits less their mean, one scale for all.

    Args:
        rows: {title of a row: {title of a column: (float (row, col), the number below it)}}.
    """
    columns = list(next(iter(rows.values())))
    figure, axes = plt.subplots(
        len(rows), len(columns), figsize=(2.1 * len(columns) + 0.8, 2.35 * len(rows)), layout="constrained"
    )
    limit = max(np.abs(x - x.mean()).max() for row in rows.values() for x, _ in row.values())
    for i, (name, row) in enumerate(rows.items()):
        axes[i, 0].set_ylabel(name, fontsize=10)
        for axis, (title, (logits, number)) in zip(axes[i], row.items(), strict=True):
            draw.plain(axis).spines[:].set_visible(True)
            shown = axis.imshow(logits - logits.mean(), cmap="PuOr", vmin=-limit, vmax=limit, interpolation="nearest")
            axis.set_xlabel(f"{number:.3f}", fontsize=10)
            if i == 0:
                axis.set_title(title, fontsize=10)
    figure.colorbar(shown, ax=axes, shrink=0.6, label="logit − its mean")
    return figure


def sizes(photo, masks, every):
    """Draws a photo and masks of it; ticks at its edges say where tiles would meet.

    Args:
        photo: uint8 (row, col, RGB). masks: {title: uint8 (row, col)}, of the 33 classes. every: pixels of a tile.
    """
    n = len(masks) + 1
    figure, axes = plt.subplots(2, -(-n // 2), figsize=(3.5 * -(-n // 2), 5.4), layout="constrained")
    figure.get_layout_engine().set(h_pad=0.14)  # inches: the ticks of one row and the titles of the next
    for axis, (title, picture) in zip(axes.flat, {"photo": photo, **masks}.items(), strict=False):
        axis.imshow(picture if picture.ndim == 3 else draw.colours(picture), interpolation="nearest")
        axis.set_title(title, fontsize=10.5, pad=10)
        axis.set_xticks(np.arange(every, picture.shape[1], every) - 0.5, [])
        axis.set_yticks(np.arange(every, picture.shape[0], every) - 0.5, [])
        axis.tick_params(length=7, width=1.5, top=True, right=True)
        axis.spines[:].set_visible(False)
    for axis in axes.flat[n:]:
        axis.set_visible(False)
    draw.legend(figure, list(masks.values()), columns=7, at=(0.5, 0.0), most=14)
    return figure


def head_start(pictures, scores):
    """Draws scores against the number of labelled pictures: a line through the seeds' mean, a mark for each seed.

    Args:
        pictures: (n,), how many were labelled. scores: {name: float (n, seed)}.
    """
    figure, axis = plt.subplots(figsize=(7.4, 3.2), layout="constrained")
    looks = zip((BLACK, ORANGE, BLUE, GREEN, PINK), ("-", "--", "-.", ":", "-"), strict=True)
    for k, ((name, values), (colour, line)) in enumerate(zip(scores.items(), looks, strict=False)):
        x = np.array(pictures) * 1.06 ** (k - 1)
        axis.plot(x, values.mean(axis=1), line, color=colour, linewidth=2, label=name)
        for seed in range(values.shape[1]):
            axis.plot(x, values[:, seed], MARKERS[seed], color=colour, markersize=6)
    axis.set(xscale="log", xlabel="labelled pictures", ylabel="mean IoU, held out", ylim=(0, 0.8))
    axis.set_xticks(pictures, [str(n) for n in pictures])
    axis.minorticks_off()
    axis.grid(alpha=0.25)
    axis.spines[["top", "right"]].set_visible(False)
    axis.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False, fontsize=9)
    return figure
