"""Trains several networks side by side on the same batches, and shows their losses and masks in one figure."""

import time

import matplotlib.pyplot as plt
import numpy as np
from IPython import get_ipython
from keras import ops

from helpers.viz import curves, draw
from helpers.viz.style import BLUE, GREEN, ORANGE


def run(models, batches, images, labels, steps):
    """Trains several compiled networks on the same batches, step by step, in one live figure: losses and masks.

    In a notebook the figure is updated in place, at most a tenth of the time; elsewhere it is drawn once, at the end.

    Args:
        models: {name: compiled model}, all of which take (batch, row, col, RGB) and end in (batch, pixel, class).
        batches: yields (images, labels) for each step, as the models' losses want them; at least `steps` of them.
        images: uint8 (k, row, col, RGB); labels: uint8 (k, row, col). The same few are shown at every update.

    Returns:
        {name: the loss of every step}, and {name: masks uint8 (k, row, col)} after the last.
    """
    from IPython.display import display

    for model in models.values():
        if not model.optimizer.built:  # else TensorFlow traces the first step twice
            model.optimizer.build(model.trainable_variables)
    losses = {name: [] for name in models}
    live = getattr(get_ipython(), "kernel", None) is not None
    handle, due = None, 0.0
    for step, (x, y) in zip(range(1, steps + 1), batches, strict=False):
        for name, model in models.items():
            losses[name].append(float(model.train_on_batch(x, y)))
            model.reset_metrics()  # else Keras returns the mean over all steps so far
        if step == steps or (live and time.perf_counter() > due):
            start = time.perf_counter()
            masks = {name: _masks_of_pixels(model, images, labels.shape) for name, model in models.items()}
            alt = f"Step {step} of {steps}. Loss: " + ", ".join(
                f"{n} {np.mean(v[-20:]):.2f}" for n, v in losses.items()
            )
            picture = draw.picture(draw.png(_figure(losses, masks, images, labels, steps), crop=False), alt)
            if handle is None:
                handle = display(picture, display_id=True)
            else:
                handle.update(picture)
            due = time.perf_counter() + max(1.0, 10 * (time.perf_counter() - start))
    return losses, masks


def _masks_of_pixels(model, images, shape):
    logits = ops.convert_to_numpy(model(ops.cast(images, "float32"), training=False))
    return logits.argmax(axis=-1).reshape(shape).astype("uint8")


def _figure(losses, masks, images, labels, steps):
    k, n = len(images), len(masks)
    height = 1.6 * k + 1.2
    figure = plt.figure(figsize=(4.4 + 1.7 * (n + 2), height))
    right = 4.4 / (4.4 + 1.7 * (n + 2))
    axis = figure.add_axes([0.055, 1.05 / height, right - 0.09, 1 - 1.45 / height])
    for (name, values), colour, style in zip(losses.items(), (BLUE, ORANGE, GREEN), ("-", "--", ":"), strict=False):
        axis.plot(np.arange(1, len(values) + 1), curves.smooth(values), style, color=colour, linewidth=2, label=name)
    axis.set(xlim=(0, steps), ylim=(0, None), xlabel="step", ylabel="training loss")
    curves.tidy(axis, "lower left")
    grid = figure.add_gridspec(
        k, n + 2, left=right, right=0.995, top=1 - 0.35 / height, bottom=0.75 / height, wspace=0.04, hspace=0.04
    )
    for i in range(k):
        pictures = [images[i], draw.colours(labels[i]), *(draw.colours(mask[i]) for mask in masks.values())]
        for j, (picture, title) in enumerate(zip(pictures, ["image", "truth", *masks], strict=True)):
            axis = draw.plain(figure.add_subplot(grid[i, j]))
            axis.imshow(picture, interpolation="nearest")
            if i == 0:
                axis.set_title(title, fontsize=10)
    draw.legend(
        figure, [*labels, *(m for mask in masks.values() for m in mask)], columns=8, most=15, at=(0.5, 0.6 / height)
    )
    return figure
