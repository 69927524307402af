"""Draws curves: several over one axis, in a style of their own each; and helps the panels of others."""

import matplotlib.pyplot as plt

from helpers.viz.style import BLACK, BLUE, GREEN, ORANGE, PINK

STYLES = ((BLUE, "-", "o"), (ORANGE, "--", "s"), (BLACK, ":", "^"), (GREEN, "-.", "D"), (PINK, (0, (5, 1, 1, 1)), "v"))


def lines(x, curves, xlabel, ylabel, *, levels=None, log="", markers=False, ylim=None, size=(6.2, 2.8)):
    """Draws curves over one axis, each in its own colour and dash, with the legend beside them.

    Args:
        x: (n,), shared by all, or {name: (n,)}.
        curves: {name: (n,)}, five at most.
        levels: {name: value}: thin grey lines across, with their names on them.
        log: "x", "y" or "xy": the axes that are logarithmic.
        markers: whether to mark each point.
        size: of the panel, in inches, without the legend.

    Returns:
        The Matplotlib figure; its one axis is ``figure.axes[0]``.

    Raises:
        ValueError: more than five curves.
    """
    if len(curves) > len(STYLES):
        raise ValueError(f"There are styles for {len(STYLES)} curves, and these are {len(curves)}: draw two figures.")
    figure, axis = plt.subplots(figsize=(size[0] + 0.075 * max(map(len, curves)) + 0.6, size[1]), layout="constrained")
    for (name, y), (colour, dash, marker) in zip(curves.items(), STYLES, strict=False):
        at = x[name] if isinstance(x, dict) else x
        axis.plot(at, y, color=colour, linestyle=dash, marker=marker * markers, markersize=5, linewidth=2, label=name)
    for name, value in (levels or {}).items():
        axis.axhline(value, color="0.4", linewidth=1)
        axis.annotate(name, (1, value), (-3, 2), ("axes fraction", "data"), "offset points", ha="right", fontsize=9)
    axis.set(xlabel=xlabel, ylabel=ylabel, ylim=ylim)
    axis.set_xscale("log" if "x" in log else "linear")
    axis.set_yscale("log" if "y" in log else "linear")
    axis.grid(alpha=0.25)
    axis.spines[["top", "right"]].set_visible(False)
    axis.legend(loc="upper left", bbox_to_anchor=(1, 1), fontsize=9, frameon=False)
    return figure


def smooth(values, keep=0.9):
    """Returns the moving averages of numbers, unbiased from the start; `keep` is the share of the mean before."""
    smoothed, mean, weight = [], 0.0, 0.0
    for value in values:
        mean, weight = keep * mean + (1 - keep) * value, keep * weight + (1 - keep)
        smoothed.append(mean / weight)
    return smoothed


def tidy(axis, where):
    """Gives an axis a faint grid and a legend at `where`, a name of Matplotlib's, and no frame on top and right."""
    axis.grid(alpha=0.25)
    axis.spines[["top", "right"]].set_visible(False)
    axis.legend(loc=where, fontsize=9, framealpha=0.8)
