"""Draws the decision chart that closes notebook 05."""

import matplotlib.pyplot as plt
from matplotlib.patches import FancyBboxPatch

from helpers.viz.style import PALE_BLUE, PALE_GREEN, PALE_YELLOW

_QUESTIONS = (
    (
        "Is the loss a number?\nnp.isfinite of images, weights, outputs, loss",
        "a division 0/0, or log 0 (a picture that is all void) · a label outside the classes, on a GPU\n"
        "a rate too high · float16 without a loss scale",
    ),
    (
        "Is the first loss ln C?\n(of a cross-entropy without class weights)",
        "above: logits taken for probabilities, or the other way round · the input's range\n"
        "frozen batch normalisation without its statistics · another number of classes",
    ),
    (
        "Is a perfect answer's loss 0, and a wrong\none's far above? Leave out each class in turn",
        "above 0: softmax twice · void counts · a Dice over absent classes\n"
        "a class costs nothing: it is ignored, or drowned in a Dice over all classes at once",
    ),
    (
        "Are the labels right? np.unique(labels),\nand a label drawn over its image",
        "counted from 1, or void is a class · another order of classes · pictures and labels paired wrongly\n"
        "thin seams of a class that lies between two others by number: resized bilinearly",
    ),
    (
        "Does a patch of the image move the output\nthere, and hardly elsewhere?",
        "reshape where a permute belongs: notebook 02",
    ),
    (
        "Does it learn one batch by heart?\n40 steps, Adam 1e-2 to 1e-4",
        "a gradient does not reach every layer: frozen, cut off, dead · features far too large or small",
    ),
    (
        "Is one step of your own optimizer 1e-3 to\n1e-1 of the weights' size?",
        "below 1e-5: far too small for this optimizer · 1e-5 to 1e-3: slow, so try ten times the rate\n"
        "above 1e-1: it may jump into one class, and stay there",
    ),
    (
        "On one batch: the same loss with\ntraining=True and training=False?",
        "moving statistics that lag behind: a large momentum, and few steps",
    ),
    (
        "Does a perfect prediction score 1,\nand a wrong one 0?",
        "the score counts void · takes logits for classes, or one-hot for numbers · averages absent classes",
    ),
)  # a question with its measurement, and what a "no" tells
_AT_THE_END = "Then it learns. What is missing? Print the classes given, epoch by epoch."
_THE_REST = (
    "training far better than validation: overfitting; more pictures, augmentation, fewer epochs\n"
    "a rare class missing: class weights, or a Dice class by class (notebooks 03 and 04) · else: train longer"
)


def chart():
    """Draws one page, for A4 landscape: questions to go down at "yes"; at "no" the causes are to the right."""
    figure = plt.figure(figsize=(11.5, 7.6))
    axis = figure.add_axes((0, 0, 1, 1))
    n = len(_QUESTIONS)
    axis.set(xlim=(-0.5, 100.5), ylim=(-n - 0.6, 0.95))
    axis.axis("off")
    axis.text(18, 0.65, "ask, in this order", ha="center", fontsize=12, style="italic")
    axis.text(70.5, 0.65, "the cause is one of these", ha="center", fontsize=12, style="italic")

    def box(x, y, width, colour, text, **options):
        shape = FancyBboxPatch(
            (x, y - 0.34), width, 0.68, boxstyle="round,pad=0,rounding_size=0.8", mutation_aspect=0.1,
            facecolor=colour, edgecolor="0.45", linewidth=0.8,
        )  # fmt: skip
        axis.add_patch(shape)
        axis.text(x + width / 2, y, text, ha="center", va="center", fontsize=9, linespacing=1.25, **options)

    def arrow(start, end, text, at):
        axis.annotate("", end, start, arrowprops={"arrowstyle": "-|>", "color": "0.25"})
        axis.text(*at, text, ha="center", va="center", fontsize=8.5, weight="bold", color="0.25")

    for i, (question, causes) in enumerate(_QUESTIONS):
        y = 0.15 - i
        box(0, y, 36, PALE_BLUE, f"{i + 1}. {question}")
        box(42, y, 58, PALE_YELLOW, causes)
        arrow((36.2, y), (41.8, y), "no", (38.7, y + 0.17))
        arrow((18, y - 0.35), (18, y - 0.65), "yes", (20.2, y - 0.47))
    box(0, 0.15 - n, 36, PALE_GREEN, _AT_THE_END.replace("? ", "?\n"))
    box(42, 0.15 - n, 58, PALE_GREEN, _THE_REST)
    arrow((36.2, 0.15 - n), (41.8, 0.15 - n), "", (0, 0))
    return figure
