"""Draws how far scores and confidences can be believed: spreads, reliability, confident mistakes, confusions."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.patches import Patch

from helpers.classes import CLASS_NAMES, VOID
from helpers.viz import draw
from helpers.viz.style import BAD, BLACK, BLUE, CLASS_COLOURS, ORANGE, PALE_BLUE


def conventions(values, title, published=None):
    """Draws one score by several conventions, as a bar each.

    Args:
        values: {convention: fraction}; the first is drawn darker. published: (name, fraction), a line across.
    """
    figure, axis = plt.subplots(figsize=(7.5, 0.32 * len(values) + 1), layout="constrained")
    names = list(values)
    if published is not None:
        axis.axvline(
            100 * published[1], color=ORANGE, linestyle="--", label=f"{published[0]}: {100 * published[1]:.1f}"
        )
        axis.legend(loc="lower right", frameon=False, fontsize=9)
    bars = axis.barh(names, [100 * values[name] for name in names], color=[BLUE, *["0.7"] * (len(names) - 1)])
    for bar, value in zip(bars, values.values(), strict=True):  # inside, at the left: the line crosses the right ends
        ink = "white" if bar is bars[0] else "black"
        axis.text(1, bar.get_y() + bar.get_height() / 2, f"{100 * value:.1f}", va="center", color=ink)
    axis.invert_yaxis()
    axis.set(xlabel="%", title=title, xlim=(0, 1.2 * 100 * max(values.values())))
    axis.spines[["top", "right"]].set_visible(False)
    return figure


def toy(pairs):
    """Draws label maps of a few pixels, each number in its pixel; void is black.

    Args:
        pairs: {title: integers (row, col)}.
    """
    figure, axes = plt.subplots(1, len(pairs), figsize=(2.3 * len(pairs), 1.5), layout="constrained")
    shades = {0: "0.92", 1: PALE_BLUE, 2: ORANGE, 3: "0.6", VOID: BLACK}
    for axis, (title, classes) in zip(axes, pairs.items(), strict=True):
        rows, cols = classes.shape
        draw.plain(axis).set(xlim=(-0.5, cols - 0.5), ylim=(rows - 0.5, -0.5), aspect="equal")
        axis.set_title(title, fontsize=10)
        for (row, col), c in np.ndenumerate(classes):
            axis.add_patch(plt.Rectangle((col - 0.5, row - 0.5), 1, 1, facecolor=shades[int(c)], edgecolor="0.4"))
            axis.text(col, row, "void" if c == VOID else c, ha="center", va="center", fontsize=9,
                      color="white" if c == VOID else "black")  # fmt: skip
    return figure


def spreads(panels, lead):
    """Draws how many points each source moves a score, beside a lead over another network.

    Args:
        panels: {score: {source: points}}. lead: {score: points}, a dashed line in its panel.
    """
    figure, axes = plt.subplots(1, len(panels), figsize=(10, 2.5), sharey=True, layout="constrained")
    for axis, (score, points) in zip(axes, panels.items(), strict=True):
        for y, value in enumerate(points.values()):
            axis.plot([0.01, value], [y, y], color="0.75", linewidth=1.5)
            axis.plot(value, y, "o", color=BLUE, markersize=7)
            axis.annotate(f"{value:.2f}" if value < 1 else f"{value:.1f}", (value, y), (8, 0), va="center",
                          textcoords="offset points",
                          bbox={"facecolor": "white", "edgecolor": "none", "pad": 1})  # fmt: skip
        axis.axvline(lead[score], color=ORANGE, linestyle="--", zorder=0, label=f"FCN-16s is {lead[score]:.1f} behind")
        axis.set(xlabel="points, each mark ten times the last", xscale="log", xlim=(0.02, 300))
        axis.set_yticks(range(len(points)), list(points))
        axis.legend(loc="lower right", bbox_to_anchor=(1.02, 0.98), fontsize=9, frameon=False, borderaxespad=0)
        axis.set_title(score, loc="left")
        axis.spines[["top", "right"]].set_visible(False)
    axes[0].set_ylim(len(points) - 0.5, -0.5)
    return figure


def reliability(bins, title):
    """Draws a reliability diagram: accuracy against confidence, and below it how many pixels each bin has.

    Args:
        bins: with ``pixels``, ``right`` and ``confidence`` (bin,), as `helpers.lessons.trust.Reliability`.
    """
    figure, (upper, lower) = plt.subplots(
        2, 1, figsize=(4.6, 4.9), sharex=True, height_ratios=(3, 1), layout="constrained"
    )
    n, edges = len(bins.pixels), np.linspace(0, 1, len(bins.pixels) + 1)
    middle, some = (edges[1:] + edges[:-1]) / 2, np.asarray(bins.pixels) > 0
    accuracy = np.where(some, bins.right / np.maximum(bins.pixels, 1), np.nan)
    confidence = np.where(some, bins.confidence / np.maximum(bins.pixels, 1), np.nan)
    upper.bar(middle, accuracy, 0.9 / n, color=BLUE, label="share that is right")
    gaps = {"x": middle[some], "width": 0.9 / n, "bottom": np.minimum(accuracy, confidence)[some]}
    upper.bar(height=np.abs(confidence - accuracy)[some], color="none", edgecolor=BAD, hatch="////", linewidth=0.8,
              label="distance to the confidence", **gaps)  # fmt: skip
    upper.plot([0, 1], [0, 1], color=BLACK, linestyle="--", linewidth=1, label="calibrated")
    upper.set(ylim=(0, 1), xlim=(0, 1), ylabel="right")
    upper.set_title(title, fontsize=10.5)
    upper.legend(loc="upper left", fontsize=8.5, frameon=False)
    lower.bar(middle, 100 * np.asarray(bins.pixels) / np.sum(bins.pixels), 0.9 / n, color="0.6")
    lower.set(xlabel="confidence", ylabel="% of pixels", ylim=(0, 100))
    for axis in (upper, lower):
        axis.spines[["top", "right"]].set_visible(False)
    return figure


def by_distance_and_size(distances, sizes):
    """Draws the share of right pixels against the distance to a border, and against the size of an object.

    Args:
        distances: (n,), the shares at 1 … n pixels. sizes: {pixels: share}.
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 2.8), sharey=True, layout="constrained")
    left.plot(range(1, len(distances) + 1), 100 * np.asarray(distances), "o-", color=BLUE, markersize=4)
    left.axvspan(0.5, 3.5, color=PALE_BLUE, zorder=0)
    left.annotate("the band", (3.7, 4), fontsize=9)
    left.set(xlabel="pixels to the next class", ylabel="% right", ylim=(0, 100), xlim=(0.5, len(distances) + 0.5))
    right.plot(list(sizes), 100 * np.array(list(sizes.values())), "s-", color=ORANGE, markersize=5)
    right.set(xscale="log", xlabel="pixels of the object")
    for axis in (left, right):
        axis.grid(alpha=0.25)
        axis.spines[["top", "right"]].set_visible(False)
    return figure


def confident_mistakes(image, truth, mask, confidence, names, above=0.9):
    """Draws a scene, its truth, a mask, the confidence, and where the mask is wrong and the confidence is high.

    Args:
        image: uint8 (row, col, RGB); truth, mask: (row, col), a few classes or VOID; confidence: float (row, col).
        names: of the classes.
    """
    table = np.zeros((256, 3), "uint8")  # void is black
    table[: len(names)] = [np.round(255 * np.array(to_rgb(colour))) for colour in CLASS_COLOURS[: len(names)]]
    wrong = (mask != truth) & (truth != VOID)
    errors = np.full((*truth.shape, 3), 255, "uint8")
    errors[wrong] = [round(255 * part) for part in to_rgb("0.75")]
    errors[wrong & (confidence > above)] = [round(255 * part) for part in to_rgb(BAD)]
    pictures = {"image": image, "truth": table[truth], "argmax": table[mask], "confidence": confidence, "wrong": errors}
    figure, axes = plt.subplots(1, 5, figsize=(10, 2.5))
    figure.subplots_adjust(left=0.005, right=0.995, top=0.9, bottom=0.18, wspace=0.06)
    for axis, (title, picture) in zip(axes, pictures.items(), strict=True):
        shown = draw.plain(axis).imshow(picture, interpolation="nearest", cmap="viridis", vmin=0, vmax=1)
        axis.set_title(title, fontsize=10)
        if title == "confidence":
            bar = figure.colorbar(shown, cax=axis.inset_axes([0.1, -0.1, 0.8, 0.05]), orientation="horizontal")
            bar.ax.tick_params(labelsize=8)
    axes[4].spines[:].set_visible(True)
    handles = [Patch(color=colour, label=name) for name, colour in zip(names, CLASS_COLOURS, strict=False)]
    handles.append(Patch(color=BLACK, label="void"))
    text = {"loc": "upper center", "frameon": False, "fontsize": 9, "handlelength": 1.2, "columnspacing": 1.0}
    figure.legend(handles=handles, bbox_to_anchor=(0.3, 0.15), ncols=len(handles), **text)
    kinds = [Patch(color=BAD, label=f"above {above}"), Patch(color="0.75", label="less sure")]
    figure.legend(handles=kinds, bbox_to_anchor=(0.9, 0.15), ncols=2, **text)
    return figure


def others(pictures):
    """Draws photographs above a network's masks and confidences, one column for each.

    Args:
        pictures: {title: (image, mask, confidence)}.
    """
    figure, axes = plt.subplots(3, len(pictures), figsize=(3.2 * len(pictures), 6.6), layout="constrained")
    for column, (title, (image, mask, confidence)) in zip(axes.T, pictures.items(), strict=True):
        column[0].set_title(title, fontsize=11)
        for axis, picture in zip(column, (image, draw.colours(mask), confidence), strict=True):
            shown = draw.plain(axis).imshow(picture, interpolation="nearest", cmap="viridis", vmin=0, vmax=1)
    for axis, name in zip(axes[:, 0], ("photo", "class", "confidence"), strict=True):
        axis.set_ylabel(name)
    figure.colorbar(shown, ax=axes[2, :], location="right", shrink=0.8, pad=0.01)
    draw.legend(figure, [mask for _, mask, _ in pictures.values()], columns=6, at=(0.5, 0.0))
    return figure


def confusions(matrix, most=12):
    """Draws the largest confusions as lines from the true class to the class given; thicker lines are more pixels.

    Args:
        matrix: (class, class), rows = truth.
    """
    wrong = np.array(matrix)
    np.fill_diagonal(wrong, 0)
    order = np.argsort(-wrong, axis=None, kind="stable")[:most]
    pairs = [(*divmod(int(k), len(wrong)), wrong.ravel()[k] / wrong.sum()) for k in order]
    sides = [sorted({pair[side] for pair in pairs}, key=lambda c: -sum(p[2] for p in pairs if p[side] == c))
             for side in (0, 1)]  # fmt: skip
    figure, axis = plt.subplots(figsize=(7, 0.42 * max(map(len, sides)) + 0.9), layout="constrained")
    places = [{c: i * (max(map(len, sides)) - 1) / max(len(side) - 1, 1) for i, c in enumerate(side)} for side in sides]
    for truth, given, share in pairs:
        axis.plot([0, 1], [places[0][truth], places[1][given]], color=draw.PALETTE[truth] / 300, alpha=0.85,
                  linewidth=160 * share, solid_capstyle="butt")  # fmt: skip
    for x, place, align in ((-0.02, places[0], "right"), (1.02, places[1], "left")):
        for c, y in place.items():
            axis.text(x, y, CLASS_NAMES[c], ha=align, va="center", fontsize=10)
    axis.set(xlim=(-0.35, 1.35), ylim=(max(map(len, sides)) - 0.4, -1.3))
    axis.text(-0.02, -1, "is", ha="right", style="italic")
    axis.text(1.02, -1, "is called", ha="left", style="italic")
    axis.axis("off")
    return figure


def recall_precision(adjusted, weights):
    """Draws precision against recall, a colour for each seed: lines over the strengths, and a mark for class weights.

    Args:
        adjusted: float (strength, 2, seed), recall and precision. weights: float (2, seed).
    """
    figure, axis = plt.subplots(figsize=(6.2, 3), layout="constrained")
    for k, (colour, marker) in enumerate(zip((BLUE, ORANGE, BLACK), "os^", strict=True)):
        axis.plot(adjusted[:, 0, k], adjusted[:, 1, k], marker=marker, markersize=4, color=colour, linewidth=1,
                  label=f"logit adjustment, seed {k}")  # fmt: skip
        axis.plot(weights[0, k], weights[1, k], marker=marker, markersize=13, color=colour, linestyle="none",
                  markerfacecolor="none", markeredgewidth=2, label=f"class weights, seed {k}")  # fmt: skip
    axis.set(xlabel="recall of things", ylabel="precision of things", xlim=(-0.02, 1), ylim=(0, 0.6))
    axis.grid(alpha=0.25)
    axis.spines[["top", "right"]].set_visible(False)
    axis.legend(loc="upper left", bbox_to_anchor=(1, 1), fontsize=9, frameon=False, labelspacing=0.8)
    return figure
