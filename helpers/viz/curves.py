"""Helps the panels of curves: a smoothed line, and an axis with a grid and a legend."""


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
