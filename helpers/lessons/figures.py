"""Draws the figures of the small experiments in notebooks 03 to 05."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.patches import Patch
from matplotlib.ticker import LogLocator, NullLocator

from helpers.classes import VOID
from helpers.lessons.experiments import CLASSES, RARE, STREET
from helpers.viz import curves, draw
from helpers.viz.style import BLACK, BLUE, CLASS_COLOURS, LINES, VOID_COLOUR


def coloured(mask):
    """Colours a mask of the four classes, or more: uint8 (row, col) -> uint8 (row, col, RGB); void is black."""
    table = np.tile(np.array(VOID_COLOUR, np.uint8), (256, 1))
    table[: len(CLASS_COLOURS)] = [np.round(255 * np.array(to_rgb(colour))) for colour in CLASS_COLOURS]
    return table[mask]


def compare(task, runs, scores, columns=3):
    """Draws several runs side by side: scores epoch by epoch at the left, masks of held-out scenes at the right.

    Args:
        runs: {name: Run}.
        scores: {axis label: a function of a Run that returns (seed, 1 + epoch)}. The line is the mean over the seeds,
            the band goes from the lowest to the highest.
        columns: how many scenes to show: the street, and of the others those with most *things* in them.
    """
    if len(runs) > len(LINES):
        raise ValueError(f"There are lines for {len(LINES)} runs, and these are {len(runs)}: draw two figures.")
    most = np.argsort(-(task.held_out_labels == RARE).sum(axis=(1, 2)), kind="stable")[::2]
    shown = [STREET, *[i for i in most if i != STREET][: columns - 1]]
    height = 0.3 + 1.05 * (2 + len(runs)) + 0.5
    figure = plt.figure(figsize=(4.6 + 1.05 * columns + 1.5, height))
    width = figure.get_figwidth()
    panels = figure.add_gridspec(
        len(scores), 1, left=0.65 / width, right=4.5 / width, top=1 - 0.3 / height, bottom=0.75 / height, hspace=0.14
    )
    for i, (label, score) in enumerate(scores.items()):
        axis = figure.add_subplot(panels[i])
        _draw_score(axis, runs, score, label)
        axis.tick_params(labelbottom=i == len(scores) - 1)
        if i == 0:
            axis.legend(fontsize=8.5, framealpha=0.8)
    axis.set_xlabel("epoch")
    pictures = {"image": task.held_out_images[shown], "truth": [coloured(m) for m in task.held_out_labels[shown]]}
    pictures.update({name: [coloured(m) for m in run.masks[0][shown]] for name, run in runs.items()})
    grid = figure.add_gridspec(
        len(pictures), columns, left=6.0 / width, right=1 - 0.05 / width, top=1 - 0.1 / height, bottom=0.55 / height,
        wspace=0.04, hspace=0.04,
    )  # fmt: skip
    for i, (name, row) in enumerate(pictures.items()):
        for j, picture in enumerate(row):
            axis = draw.plain(figure.add_subplot(grid[i, j]))
            axis.imshow(picture, interpolation="nearest")
            if j == 0:
                axis.set_ylabel(name, rotation=0, ha="right", va="center", fontsize=9)
    _legend(figure, (5.6 / width + 1) / 2, 0.45 / height)
    return figure


def street(task, masks):
    """Draws the street scene, its labels, and masks of it.

    Args:
        masks: {title: uint8 (image, row, col)}, the masks of all held-out scenes.
    """
    pictures = {"image": task.held_out_images[STREET], "truth": coloured(task.held_out_labels[STREET])}
    pictures |= {title: coloured(each[STREET]) for title, each in masks.items()}
    figure, axes = plt.subplots(1, len(pictures), figsize=(1.75 * len(pictures), 2.25))
    figure.subplots_adjust(left=0.005, right=0.995, top=0.9, bottom=0.14, wspace=0.05)
    for axis, (title, picture) in zip(axes, pictures.items(), strict=True):
        draw.plain(axis).imshow(picture, interpolation="nearest")
        axis.set_title(title, fontsize=10)
    _legend(figure, 0.5, 0.13)
    return figure


def spread(weights, whole_set):
    """Draws how far the weights of the classes move from batch to batch.

    Args:
        weights: float (batch, 4), NaN where a class is absent. whole_set: (4,), those of the whole set.
    """
    figure, axis = plt.subplots(figsize=(7.2, 2.4), layout="constrained")
    beside = np.random.RandomState(0).uniform(-0.28, 0.28, weights.shape)  # dots of one class do not hide each other
    for c, colour in enumerate(CLASS_COLOURS[: len(CLASSES)]):
        axis.plot(weights[:, c], c + beside[:, c], "o", color=colour, markersize=4, alpha=0.6, markeredgewidth=0)
        axis.plot([whole_set[c]] * 2, [c - 0.38, c + 0.38], color=BLACK, linewidth=3, solid_capstyle="butt")
        absent = np.isnan(weights[:, c]).sum()
        if absent:
            axis.annotate(f"absent from {absent}", (1, c), (6, 0), ("axes fraction", "data"), "offset points",
                          va="center", fontsize=9)  # fmt: skip
    axis.set(xscale="log", xlabel="weight", ylim=(len(CLASSES) - 0.5, -0.5))
    axis.set_yticks(range(len(CLASSES)), CLASSES)
    axis.spines[["top", "right"]].set_visible(False)
    axis.grid(axis="x", alpha=0.25)
    axis.plot([], [], "o", color="0.5", markersize=4, label="from one batch")
    axis.plot([], [], color=BLACK, linewidth=3, label="from the whole set")
    axis.legend(loc="lower center", bbox_to_anchor=(0.45, 1), ncols=2, frameon=False, fontsize=9)
    return figure


def discs(p, truth, shifts, losses, shift):
    """Draws two discs, and losses against how far they are apart.

    Args:
        p: float (row, col), the prediction. truth: bool (row, col).
        shifts: (n,), of which `shift` is marked. losses: {name: (n,)}.
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=(9.5, 2.6), layout="constrained", width_ratios=(1, 1.5))
    left.imshow(p, cmap="Oranges", vmin=0, vmax=1.6)
    left.contour(truth, [0.5], colors=BLUE, linewidths=2.5)
    draw.plain(left).set_title("orange: predicted, blue line: truth", fontsize=10)
    for (name, values), (colour, dash, _) in zip(losses.items(), curves.STYLES, strict=False):
        right.plot(shifts, values, color=colour, linestyle=dash, linewidth=2, label=f"{name} {values[shift]:.2f}")
    right.axvline(shift, color="0.5", linewidth=1)
    right.set(xlabel="pixels apart", ylabel="loss", ylim=(0, 1), xlim=(shifts[0], shifts[-1]))
    right.legend(fontsize=9, loc="upper left", bbox_to_anchor=(1, 1), frameon=False)
    return figure


def _draw_score(axis, runs, score, label):
    """Draws one score of several runs, epoch by epoch: the mean over the seeds, in a band from lowest to highest."""
    for (name, run), colour, style in zip(runs.items(), LINES, ("-", "--", "-.", ":"), strict=False):
        values = np.ma.masked_invalid(score(run))  # NaN: a gap in the line
        axis.plot(values.mean(axis=0), style, color=colour, linewidth=2, label=name)
        if len(values) > 1:
            low, high = values.min(axis=0), values.max(axis=0)
            axis.fill_between(range(values.shape[1]), low, high, color=colour, alpha=0.15)
    axis.set(xlim=(0, values.shape[1] - 1), ylabel=label)
    axis.set_ylim(0, max(0.1, 1.1 * max(np.nanmax(score(run), initial=0) for run in runs.values())))
    axis.grid(alpha=0.25)
    axis.spines[["top", "right"]].set_visible(False)


def chart(task, runs, image=None, n_frames=4):
    """Draws the chart of each run: its curves, the classes it gives, epoch by epoch, and its masks.

    Args:
        runs: {name: Run}, a row each.
        image: which of the held-out scenes; unless given, one with many classes.
        n_frames: masks to show, from before training to the end.
    """
    if image is None:
        image = max(range(len(task.held_out_labels)), key=lambda i: _variety(task.held_out_labels[i]))
    width, height = 11.5, 1.6 * len(runs) + 0.75
    figure = plt.figure(figsize=(width, height))
    place = {"top": 1 - 0.3 / height, "bottom": 0.72 / height, "hspace": 0.22}
    plots = figure.add_gridspec(len(runs), 3, left=0.8 / width, right=5.4 / width, wspace=0.32, **place)
    strip = figure.add_gridspec(
        len(runs), 1 + n_frames, left=5.65 / width, right=1 - 0.05 / width, wspace=0.06, **place
    )
    seen = np.concatenate([run.losses[0][np.isfinite(run.losses[0])] for run in runs.values()])
    seen = seen if len(seen) else np.array([0.1])
    limits = (0, 1.08 * seen.max()) if seen.max() <= 4 else (0.8 * seen.min(), 1.25 * seen.max())
    for i, (name, run) in enumerate(runs.items()):
        last = i == len(runs) - 1
        panels = [figure.add_subplot(plots[i, j]) for j in range(3)]
        _draw_curves(panels, name, run, limits, last)
        frames = np.unique(np.linspace(0, len(run.film) - 1, n_frames).round().astype(int))
        pictures = [task.held_out_labels[image], *run.film[frames, image]]
        axes = [draw.plain(figure.add_subplot(strip[i, j])) for j in range(len(pictures))]
        for axis, picture in zip(axes, pictures, strict=True):
            axis.imshow(coloured(picture), interpolation="nearest")
        if i == 0:
            heads = ["training loss", "mean IoU, held out", "classes given", "truth", *(f"epoch {f}" for f in frames)]
            for axis, title in zip([*panels, *axes], heads, strict=True):
                axis.set_title(title, fontsize=9, pad=3)
    outputs = max(run.matrices.shape[-1] for run in runs.values())
    _legend(figure, 0.7, 0.5 / height, more=range(len(CLASSES), outputs))
    return figure


def _draw_curves(panels, name, run, limits, last):
    """Draws the three panels of one run: its loss, its mean IoU, and the classes it gives.

    Losses are drawn within `limits`; where these leave 0 out, on a logarithmic scale.
    The last row of a chart also has the ticks and the name of the epochs' axis.
    """
    loss, score, share = panels
    epochs = np.arange(len(run.film))
    loss.plot(epochs[1:], run.losses[0], color=BLACK, linewidth=2)
    if limits[0] > 0:
        loss.set_yscale("log")
        loss.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        loss.yaxis.set_major_formatter("{x:g}")
        loss.yaxis.set_minor_locator(NullLocator())
    loss.set_ylim(limits)
    if not np.isfinite(run.losses[0]).any():
        loss.text(0.5, 0.5, "NaN", transform=loss.transAxes, ha="center", va="center", fontsize=14)
    label = {"transform": loss.transAxes, "ha": "center", "va": "center", "rotation": 90}
    loss.text(-0.33, 0.5, name, fontsize=10, weight="bold", **label)
    score.plot(epochs, run.mean_iou()[0], color=BLUE, linewidth=2)
    score.set_ylim(0, max(0.7, 1.05 * run.mean_iou()[0].max()))
    given = run.matrices[0].sum(axis=1) / run.matrices[0].sum(axis=(1, 2))[0]
    share.stackplot(epochs, *given.T, colors=CLASS_COLOURS)
    share.set_ylim(0, 1)
    share.set_yticks([])
    for panel in panels:
        panel.set_xlim(0, max(1, epochs[-1]))
        panel.tick_params(labelsize=8, labelbottom=last, pad=1)
        panel.spines[["top", "right"]].set_visible(False)
        if last:
            panel.set_xlabel("epoch", fontsize=9, labelpad=1)


def _variety(labels):
    """Returns a number that is large for a scene with much of each of the frequent classes, and few things."""
    counts = np.bincount(labels[labels != VOID], minlength=len(CLASSES))
    return counts[:RARE].min() - counts[RARE]


def shares(rows):
    """Draws stacked bars: to which classes the held-out pixels went.

    Args:
        rows: {name: (pixels or shares (4,), a note written at the right)}, from top to bottom.
    """
    height = 0.27 * len(rows) + 0.45
    figure, axis = plt.subplots(figsize=(8.6, height))
    for y, (values, note) in enumerate(rows.values()):
        left = 0.0
        for value, colour in zip(np.asarray(values) / np.sum(values), CLASS_COLOURS, strict=False):
            axis.barh(y, value, 0.78, left=left, color=colour, edgecolor="white", linewidth=0.8)
            left += value
        axis.text(1.015, y, note, va="center", fontsize=9)
    axis.set_yticks(range(len(rows)), rows, fontsize=9)
    axis.set_ylim(len(rows) - 0.5, -0.5)
    axis.set_xlim(0, 1)
    axis.set_xticks([])
    axis.spines[:].set_visible(False)
    axis.tick_params(length=0)
    figure.subplots_adjust(top=1 - 0.05 / height, bottom=0.4 / height)
    _legend(figure, 0.5, 0.38 / height, void=False)
    return figure


def _legend(figure, x, y, void=True, more=()):
    names = [*CLASSES, *(f"output {c}" for c in more)]
    handles = [Patch(color=colour, label=name) for name, colour in zip(names, CLASS_COLOURS, strict=False)]
    handles += [Patch(color=np.array(VOID_COLOUR) / 255, label="void")] if void else []
    figure.legend(
        handles=handles, loc="upper center", bbox_to_anchor=(x, y), ncols=6, frameon=False, fontsize=9,
        handlelength=1.2, columnspacing=1.2,
    )  # fmt: skip
