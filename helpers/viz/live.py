"""Shows a network learn: curves and argmax masks that move while it trains, and an epoch scrubber afterwards."""

import sys
import time

import keras
import matplotlib.pyplot as plt
import numpy as np
from IPython import get_ipython
from keras import ops

from helpers.classes import CLASS_NAMES
from helpers.viz import curves, draw
from helpers.viz.controls import in_turn
from helpers.viz.style import BLUE, GREEN, ORANGE

SHOWN = ("loss", "val_loss", "val_mean_iou", "val_pixel_accuracy")  # of what Keras logs after each epoch


class View(keras.callbacks.Callback):
    """A Keras callback that shows the run in one figure: loss within the epoch, validation scores, and rows of
    image | truth | this epoch's argmax for a few validation images.

    In a notebook the figure is updated in place, which never takes more than a fiftieth of the time, apart from the
    first drawing, which loads fonts. In a terminal it draws nothing, and Keras shows its progress bar. Either way it
    keeps the masks of every epoch, for `film_strip` and `scrubber`.

    Args:
        images: uint8 (k, row, col, RGB); labels: uint8 (k, row, col). The same few images are shown at every epoch.
        batch: images per step, to count images per second.
        class_names: in label order.

    Attributes:
        masks: a list of uint8 (k, row, col), one per epoch; masks[0] is from before training.
    """

    def __init__(self, images, labels, batch, class_names=CLASS_NAMES):
        super().__init__()
        self.images, self.labels, self.batch = np.asarray(images), np.asarray(labels), batch
        self.class_names = class_names
        self.replaces_progress_bar = getattr(get_ipython(), "kernel", None) is not None
        self.masks, self._kept = [], None

    # ---- what a checkpoint keeps ------------------------------------------------------------------------------

    def state(self):
        """Returns masks and curves up to now: a dict of arrays."""
        so_far = [time.perf_counter() - self.started, self.training_seconds, self.seen]
        curves = {"steps": self.steps, "losses": self.losses, **self.epochs}
        return {"masks": np.stack(self.masks), "so_far": so_far, **curves}

    def restore(self, state):
        """Takes up where `state` was taken: the next training goes on from its masks and curves."""
        self._kept = state

    # ---- what Keras calls -------------------------------------------------------------------------------------

    def on_train_begin(self, logs=None):
        """Begins the curves, or takes up those that `restore` was given, and draws the view before training."""
        kept, self._kept = self._kept or {}, None
        self.masks = list(kept["masks"]) if kept else [self._predict()]
        self.steps, self.losses = list(kept.get("steps", [])), list(kept.get("losses", []))
        self.epochs = {name: list(kept.get(name, [])) for name in SHOWN}
        so_far, self.training_seconds, self.seen = kept.get("so_far", (0.0, 0.0, 0))
        self.started, self.epoch = time.perf_counter() - so_far, len(self.epochs["loss"])
        self.handle, self.drawn, self.next_draw, self.finished = None, False, 0.0, False
        self._draw()

    def on_epoch_begin(self, epoch, logs=None):
        """Begins the epoch's mean loss and the clock of its first step."""
        self.epoch, self.mean_before, self.batch_before = epoch, 0.0, 0
        self.step_started = time.perf_counter()

    def on_train_batch_end(self, batch, logs=None):
        """Keeps the batch's own loss and the time it took, and draws when it is time to."""
        now = time.perf_counter()
        self.training_seconds += now - self.step_started
        self.step_started = now
        self.seen += self.batch
        # Keras logs the mean since the epoch began; this batch's own loss is what moved it.
        mean = logs["loss"]
        self.losses.append(mean * (batch + 1) - self.mean_before * self.batch_before)
        self.steps.append(self.epoch + (batch + 1) / self.params["steps"])
        self.mean_before, self.batch_before = mean, batch + 1
        self._draw_if_due()
        self.step_started = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        """Keeps the epoch's scores and masks, and draws when it is time to."""
        if not np.isfinite([logs.get("loss", 0.0), logs.get("val_loss", 0.0)]).all():
            return  # such an epoch is not kept: see `helpers.training.fit`
        for name, values in self.epochs.items():
            values.append(float(logs.get(name, np.nan)))
        self.masks.append(self._predict())
        self._draw_if_due()

    def on_train_end(self, logs=None):
        """Draws the finished run."""
        self.finished = True
        self._draw()

    # ---- the figure -------------------------------------------------------------------------------------------

    def _predict(self):
        """Returns the argmax map of each watched image, at the image's own size: uint8 (k, row, col)."""
        images = ops.cast(self.images, "float32")
        logits = self.model(ops.image.resize(images, self.model.input_shape[1:3]), training=False)
        logits = ops.image.resize(logits, self.images.shape[1:3])
        return ops.convert_to_numpy(ops.argmax(logits, axis=-1)).astype("uint8")

    def _draw_if_due(self):
        if time.perf_counter() > self.next_draw:
            self._draw()

    def _draw(self):
        if not self.replaces_progress_bar or not self.masks:
            return
        from IPython.display import display

        start = time.perf_counter()
        # Only the last picture stays in the notebook, so only that is made small.
        picture = draw.picture(draw.png(self.figure(), crop=False, small=self.finished), self.headline())
        first, self.drawn = not self.drawn, True
        if self.handle is None:  # outside IPython it stays so
            self.handle = display(picture, display_id=True)
        else:
            self.handle.update(picture)
        sys.stdout.flush()
        now = time.perf_counter()
        # How long the first one took says nothing of the next.
        self.next_draw = now + (1.0 if first else max(1.0, 50 * (now - start)))

    def headline(self):
        """Says in one line where the run stands."""
        n, steps = self.params["epochs"], self.params["steps"]
        rate = self.seen / self.training_seconds if self.training_seconds else 0
        done = len(self.epochs["loss"])
        if self.finished:
            minutes = (time.perf_counter() - self.started) / 60
            return f"{done} of {n} epochs in {minutes:.1f} min · {rate:.0f} images/s"
        if not self.steps:
            return f"before training · {n} epochs of {steps} steps to come"
        left = (n - self.steps[-1]) / (self.steps[-1] - int(self.steps[0])) * (time.perf_counter() - self.started)
        return f"epoch {min(self.epoch + 1, n)} of {n} · {rate:.0f} images/s · {left / 60:.1f} min left"

    def figure(self):
        """Draws the whole view, as a new Matplotlib figure."""
        k, masks = len(self.images), self.masks[-1]
        # Places set by hand: a layout engine would take longer than the drawing, at every update.
        height = 1.75 * k + 1.15  # in inches, of which the lowest 0.6 are the legend's
        figure = plt.figure(figsize=(11, height))
        figure.text(0.01, 1 - 0.15 / height, self.headline(), va="top", fontsize=11)
        rows = {"top": 1 - 0.55 / height, "bottom": 0.6 / height}
        panels = figure.add_gridspec(2, 1, left=0.05, right=0.5, top=rows["top"], bottom=1.0 / height, hspace=0.12)
        self._plot_loss(figure.add_subplot(panels[0]))
        self._plot_scores(figure.add_subplot(panels[1]))
        # All pictures as one: axes for each would take longer than all the rest.
        coloured = [[draw.colours(mask, self.class_names) for mask in column] for column in (self.labels, masks)]
        montage, middles = _montage([self.images, *coloured])
        axis = draw.plain(figure.add_axes([0.53, rows["bottom"], 0.465, rows["top"] - rows["bottom"]]))
        axis.imshow(montage, interpolation="nearest")
        axis.set_anchor("N")
        axis.spines[:].set_visible(False)
        title = "before training" if len(self.masks) == 1 else f"argmax, epoch {len(self.masks) - 1}"
        for middle, text in zip(middles, ("image", "truth", title), strict=True):
            axis.annotate(text, (middle, 1), xytext=(0, 4), xycoords=("data", "axes fraction"),
                          textcoords="offset points", ha="center", fontsize=10)  # fmt: skip
        at = (0.5, 0.5 / height)
        options = {"columns": 8, "most": 15, "room": (11, 2), "class_names": self.class_names}
        draw.legend(figure, [*self.labels, *masks], at=at, **options)
        return figure

    def _plot_loss(self, axis):
        axis.tick_params(labelbottom=False)
        if self.steps:
            axis.plot(self.steps, self.losses, color=BLUE, alpha=0.25, linewidth=0.8)
            axis.plot(
                self.steps, curves.smooth(self.losses), color=BLUE, linewidth=1.6, label="training, batch by batch"
            )
        ends = np.arange(1, len(self.epochs["val_loss"]) + 1)
        axis.plot(ends, self.epochs["val_loss"], "o-", color=ORANGE, markersize=3.5, label="validation")
        axis.set_xlim(0, self.params["epochs"])
        axis.set_ylim(bottom=0)
        axis.set_ylabel("loss")
        curves.tidy(axis, "upper right")

    def _plot_scores(self, axis):
        ends = np.arange(1, len(self.epochs["val_loss"]) + 1)
        for name, colour, marker in (("val_pixel_accuracy", GREEN, "s-"), ("val_mean_iou", ORANGE, "o-")):
            values = self.epochs[name]
            last = f" {values[-1]:.1%}" if values else ""
            label = name.removeprefix("val_").replace("_", " ").replace("iou", "IoU") + last
            axis.plot(ends, values, marker, color=colour, markersize=3.5, label=label)
        axis.set_xlim(0, self.params["epochs"])
        axis.set_ylim(0, 1)
        axis.set_xlabel("epoch")
        axis.set_ylabel("validation score")
        curves.tidy(axis, "upper left")


def _montage(columns, gap=0.04):
    """Joins pictures of one size, column by column; returns one (row, col, RGB), and each column's middle, [col]."""
    rows, cols, _ = np.shape(columns[0][0])
    gap = max(1, round(gap * cols))
    whole = np.full((len(columns[0]) * (rows + gap) - gap, len(columns) * (cols + gap) - gap, 3), 255, "uint8")
    for j, column in enumerate(columns):
        for i, picture in enumerate(column):
            whole[i * (rows + gap) :, j * (cols + gap) :][:rows, :cols] = picture
    return whole, [j * (cols + gap) + (cols - 1) / 2 for j in range(len(columns))]


def film_strip(view, epochs=None):
    """Draws the watched images' masks at a few epochs, side by side.

    Args:
        epochs: which; None for the start, the end and a few between, closer together early on, where most happens.
    """
    last = len(view.masks) - 1
    if epochs is None:
        epochs = sorted({0, min(1, last), *(round(last * share) for share in (1 / 6, 1 / 3, 2 / 3, 1))})
    titles = ["untrained" if e == 0 else f"epoch {e}" for e in epochs]
    columns = [list(view.images), *(list(view.masks[e]) for e in epochs), list(view.labels)]
    return draw.rows(columns, ["image", *titles, "truth"], width=1.35, class_names=view.class_names)


def scrubber(view):
    """Makes an ipywidget: a slider and a play button over the epochs of a run, for a live notebook."""
    import ipywidgets as widgets

    last = len(view.masks) - 1
    play = widgets.Play(min=0, max=last, value=last, interval=600, description="play the epochs")
    slider = widgets.IntSlider(min=0, max=last, value=last, description="epoch", continuous_update=True)
    picture = widgets.Image(format="png", layout=widgets.Layout(max_width="100%", align_self="flex-start"))
    widgets.jslink((play, "value"), (slider, "value"))
    frames = {}

    def turn_to(change):
        epoch = change["new"]
        if epoch not in frames:
            columns = [list(view.images), list(view.labels), list(view.masks[epoch])]
            title = "untrained" if epoch == 0 else f"epoch {epoch}"
            figure = draw.rows(columns, ["image", "truth", title], width=1.9, class_names=view.class_names)
            frames[epoch] = draw.png(figure)
        picture.value = frames[epoch]

    slider.observe(in_turn(turn_to), "value")
    turn_to({"new": last})
    return widgets.VBox([widgets.HBox([play, slider]), picture])
