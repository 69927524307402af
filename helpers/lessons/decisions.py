"""Draws the decision chart that closes notebook 05."""

import matplotlib.pyplot as plt
from matplotlib.patches import FancyBboxPatch

from helpers.viz.style import PALE_BLUE, PALE_GREEN, PALE_YELLOW

_CHART = (
    (
        "initial loss is not ln C",
        "the loss of a perfect answer;\nwhat reaches the first convolution",
        "logits taken for probabilities; input range;\nunnormalised features; another class list",
    ),
    (
        "loss flat, masks never change",
        "how far does one step move\na weight, as a share of it?",
        "below 1e-5: a rate too small for this optimizer\n1e-3 to 1e-1: look further down",
    ),
    (
        "flat at every rate",
        "overfit one batch,\nAdam 1e-2 to 1e-4",
        "cannot: unnormalised features, no gradient\ncan: your optimizer; try its paper's rate",
    ),
    (
        "training improves,\nvalidation stays bad",
        "one training batch: its loss with\ntraining=True and with training=False",
        "far apart: moving statistics (momentum, frozen)\nalike: overfitting; more data, augmentation",
    ),
    (
        "loss stops far above 0, or is\nsmall and the masks are useless",
        "the loss of a perfect\nand of an undecided answer",
        "not 0: double softmax, void, absent classes\nboth small: a loss that cannot tell",
    ),
    (
        "one class everywhere",
        "classes given, epoch by epoch;\nthe cost of missing the rarest class",
        "from the start: imbalance, a Dice over all at once,\nlagging statistics; suddenly: a wild step, NaN",
    ),
    (
        "right shapes, wrong names",
        "np.unique(labels), the class list,\na label beside its image",
        "labels from 1, void as a class,\nanother order of classes",
    ),
    (
        "patchy masks, seams",
        "change one patch of the image; count seams\nnumbered between the classes beside them",
        "moves elsewhere: reshape for permute\nmany between: labels resized bilinearly",
    ),
    (
        "NaN",
        "np.isfinite: images, weights, outputs,\nloss, in this order",
        "0/0 or log 0; label 255 on a GPU;\na rate too high; float16",
    ),
    (
        "accuracy and masks disagree",
        "the score of a perfect\nand of a wrong answer",
        "not 1 and 0: void counted, one-hot or logits\ntaken for something else",
    ),
)  # what you see, what to measure, what that tells


def chart():
    """Draws one page, for A4 landscape: from what you see, to what to measure, to what that tells."""
    figure = plt.figure(figsize=(10.5, 7.2))
    axis = figure.add_axes((0, 0, 1, 1))
    axis.set(xlim=(-0.5, 100.5), ylim=(-len(_CHART) - 0.05, 1.55))
    axis.axis("off")
    columns = ((0, 26, PALE_BLUE, "you see"), (31.5, 29, PALE_YELLOW, "measure"), (66, 34, PALE_GREEN, "it tells"))
    axis.text(
        50, 1.3, "Before anything else: print the initial loss (ln C), overfit one batch, run preflight.",
        ha="center", va="center", fontsize=11.5, weight="bold",
    )  # fmt: skip
    for x, width, _, title in columns:
        axis.text(x + width / 2, 0.6, title, ha="center", va="center", fontsize=12, style="italic")
    for i, texts in enumerate(_CHART):
        for (x, width, colour, _), text in zip(columns, texts, strict=True):
            box = FancyBboxPatch(
                (x, -i - 0.62), width, 0.8, boxstyle="round,pad=0,rounding_size=0.8", mutation_aspect=0.1,
                facecolor=colour, edgecolor="0.45", linewidth=0.8,
            )  # fmt: skip
            axis.add_patch(box)
            axis.text(x + width / 2, -i - 0.22, text, ha="center", va="center", fontsize=9, linespacing=1.15)
        for x in (26.3, 60.8):
            axis.annotate("", (x + 4.9, -i - 0.22), (x, -i - 0.22), arrowprops={"arrowstyle": "-|>", "color": "0.25"})
    return figure
