"""helpers.viz.live: the view of a run, while it trains and afterwards."""

import re
import types

import ipywidgets
import keras
import matplotlib.pyplot as plt
import numpy as np
import pytest

from helpers.losses import CrossEntropy
from helpers.metrics import Scores
from helpers.viz import draw, live

PNG = b"\x89PNG\r\n\x1a\n"


DATA = np.random.RandomState(0)
IMAGES = DATA.randint(0, 256, (8, 16, 16, 3)).astype("uint8")
LABELS = DATA.choice([0, 1, 2, 255], (8, 16, 16)).astype("uint8")


class Watch(keras.callbacks.Callback):
    """Calls `look` at the start, after each batch and after each epoch."""

    def __init__(self, look):
        super().__init__()
        self.look = look

    def on_train_begin(self, logs=None):
        self.look("begin")

    def on_train_batch_end(self, batch, logs=None):
        self.look("batch")

    def on_epoch_end(self, epoch, logs=None):
        self.look("epoch")


def trained(view, epochs=3, look=lambda when: None):
    """Fits a tiny network, which sees 8x8 images, with the view on; 2 steps an epoch, each of which changes masks."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Rescaling(1 / 255), keras.layers.Conv2D(3, 1)])
    model.compile(keras.optimizers.Adam(0.3), CrossEntropy(), metrics=[Scores(3)])
    x, y = IMAGES[:, ::2, ::2].astype("float32"), LABELS[:, ::2, ::2]
    model.fit(x, y, batch_size=4, epochs=epochs, validation_data=(x, y), callbacks=[view, Watch(look)], verbose=0)
    return model


@pytest.fixture(scope="module")
def run():
    """A finished run outside a notebook: (view, model)."""
    view = live.View(IMAGES[:2], LABELS[:2], batch=4)
    return view, trained(view)


def test_outside_a_notebook_it_keeps_masks_and_draws_nothing(displayed):
    view = live.View(IMAGES[:2], LABELS[:2], batch=4)
    trained(view)
    masks = np.asarray(view.masks)
    assert masks.shape == (4, 2, 16, 16) and masks.dtype == np.uint8
    assert not view.replaces_progress_bar and not displayed and not plt.get_fignums()


def test_masks_are_the_networks_argmax(run):
    view, model = run
    resized = keras.ops.image.resize(model(IMAGES[:2, ::2, ::2] * 0 + _halved(IMAGES[:2])), (16, 16))
    assert (np.asarray(view.masks[-1]) == keras.ops.convert_to_numpy(resized).argmax(-1)).mean() > 0.99
    assert set(np.unique(view.masks)) <= {0, 1, 2}
    assert all((a != b).mean() > 0.02 for a, b in zip(view.masks, view.masks[1:], strict=False)), "or the test is blind"


def _halved(images):
    """Bilinear resizing to half the size: the mean of 2x2 pixels."""
    n, rows, cols, _ = images.shape
    return images.reshape(n, rows // 2, 2, cols // 2, 2, 3).astype("float32").mean(axis=(2, 4))


def test_it_does_not_disturb_training(run):
    plain = live.View(IMAGES[:2], LABELS[:2], batch=4)
    for a, b in zip(run[1].get_weights(), trained(plain).get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


def test_batch_losses_average_to_the_epochs(run):
    view, _ = run
    assert len(view.losses) == len(view.steps) == 6 and view.steps == pytest.approx([0.5, 1, 1.5, 2, 2.5, 3])
    assert np.reshape(view.losses, (3, 2)).mean(axis=1) == pytest.approx(view.epochs["loss"], rel=1e-5)
    assert all(len(values) == 3 and np.isfinite(values).all() for values in view.epochs.values())


def test_figure_and_headline_before_during_and_after():
    view, heads = live.View(IMAGES[:2], LABELS[:2], batch=4), {}

    def look(when):
        heads.setdefault(when, []).append(view.headline())
        if when != "batch" or len(heads["batch"]) == 1:
            assert draw.png(view.figure()).startswith(PNG)

    trained(view, epochs=2, look=look)
    assert heads["begin"] == ["before training · 2 epochs of 2 steps to come"]
    assert heads["batch"][0].startswith("epoch 1 of 2 · ") and heads["batch"][-1].startswith("epoch 2 of 2 · ")
    assert all("images/s" in head and "min left" in head for head in heads["batch"])
    assert view.headline().startswith("2 of 2 epochs in ")
    assert draw.png(view.figure()).startswith(PNG)


def test_the_figure_shows_the_masks_of_the_latest_epoch(run, monkeypatch):
    """Beside each image and its truth, as the columns' titles say, and not those of the epoch before."""
    view, _ = run
    masks = [np.full((2, 16, 16), epoch, "uint8") for epoch in range(4)]
    for shown, title in ((1, "before training"), (4, "argmax, epoch 3")):
        monkeypatch.setattr(view, "masks", masks[:shown])
        figure = view.figure()
        (axis,) = [axis for axis in figure.axes if axis.images]
        (montage,) = (image.get_array() for image in axis.images)
        assert np.array_equal(montage[:16, :16], view.images[0])
        assert np.array_equal(montage[:16, 17:33], draw.colours(view.labels[0]))
        assert np.array_equal(montage[17:33, 17:33], draw.colours(view.labels[1]))
        for rows in (slice(0, 16), slice(17, 33)):
            assert np.array_equal(montage[rows, 34:50], draw.colours(masks[shown - 1][0]))
        assert [text.get_text() for text in axis.texts] == ["image", "truth", title]


def test_figure_of_one_watched_image_and_of_a_run_without_validation():
    view = live.View(IMAGES[:1], LABELS[:1], batch=4)
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((16, 16, 3)), keras.layers.Conv2D(3, 1)])
    model.compile("sgd", CrossEntropy())
    model.fit(IMAGES.astype("float32"), LABELS, epochs=1, callbacks=[view], verbose=0)
    assert draw.png(view.figure()).startswith(PNG)


def test_in_a_notebook_one_picture_is_updated(displayed, monkeypatch):
    monkeypatch.setattr(live, "get_ipython", lambda: types.SimpleNamespace(kernel=object()))
    monkeypatch.setattr(live.View, "next_draw", property(lambda self: 0.0, lambda self, when: None), raising=False)
    view = live.View(IMAGES[:1], LABELS[:1], batch=4)
    trained(view, epochs=2)
    assert view.replaces_progress_bar and len(displayed) >= 4  # begin, two epochs, end
    assert all(picture.data.startswith(PNG) for picture in displayed)
    said, now = (re.sub(r"[\d.]+ min", "", text) for text in (displayed[-1].alt, view.headline()))  # time goes on
    assert said == now and not plt.get_fignums()


@pytest.mark.parametrize("in_ipython", [True, False])
@pytest.mark.parametrize(("slow", "pictures"), [("before training", 5), ("epoch 1 of 1", 3)])
def test_a_slow_first_drawing_does_not_put_off_the_next(displayed, monkeypatch, slow, pictures, in_ipython):
    """By a clock that goes on by two seconds with each batch, and by a minute while one of the views is drawn.

    A slow one after the first does: then there are only the first, that one, and the last.
    """
    clock, png = [0.0], draw.png

    def goes_on(_):
        clock[0] += 2.0

    def drawn(figure, **options):
        clock[0] += 60 * any(slow in text.get_text() for text in figure.texts)
        return png(figure, **options)

    monkeypatch.setattr(live, "get_ipython", lambda: types.SimpleNamespace(kernel=object()))
    monkeypatch.setattr(live, "time", types.SimpleNamespace(perf_counter=lambda: clock[0]))
    monkeypatch.setattr(draw, "png", drawn)
    if not in_ipython:  # where IPython's display gives back nothing to update
        monkeypatch.setattr("IPython.display.display", lambda picture, **_: displayed.append(picture))
    trained(live.View(IMAGES[:1], LABELS[:1], batch=4), epochs=1, look=goes_on)
    assert len(displayed) == pictures, [picture.alt for picture in displayed]


@pytest.mark.alone
def test_in_a_notebook_it_takes_a_fiftieth_of_the_time_at_most(displayed, monkeypatch):
    monkeypatch.setattr(live, "get_ipython", lambda: types.SimpleNamespace(kernel=object()))
    trained(live.View(IMAGES[:1], LABELS[:1], batch=4), epochs=4)  # a second's work: no time for more than two
    assert 2 <= len(displayed) <= 3


def test_film_strip(run):
    for epochs, columns in ((None, 6), ([0, 3], 4)):
        figure = live.film_strip(run[0], epochs)
        titles = [axis.get_title() for axis in figure.axes if axis.get_title()]
        assert titles[:2] == ["image", "untrained"] and titles[-1] == "truth" and "epoch 3" in titles
        assert len(titles) == columns and len(figure.axes) == 2 * columns
        assert draw.png(figure).startswith(PNG)


def test_other_classes_have_their_names():
    view = live.View(IMAGES[:2], LABELS[:2], batch=4, class_names=["background", "leaf", "stone"])
    trained(view, epochs=1)
    for figure in (view.figure(), live.film_strip(view)):
        names = {text.get_text() for text in figure.legends[0].get_texts()}
        assert names <= {"background", "leaf", "stone", "void (unlabelled)"} and "background" in names
        plt.close(figure)


def test_long_names_stand_in_fewer_columns_and_none_is_cut():
    names = [f"a plant that has a very long name, number {i}" for i in range(8)]
    labels = np.arange(256, dtype="uint8").reshape(1, 16, 16) // 32
    view = live.View(np.zeros((1, 16, 16, 3), "uint8"), labels, 4, names)
    view.params, view.masks, view.finished = {"epochs": 1, "steps": 1}, [labels], False
    view.epochs, view.steps, view.seen, view.training_seconds = {name: [] for name in live.SHOWN}, [], 0, 0
    figure = view.figure()
    figure.canvas.draw()
    texts = [text.get_window_extent() for text in figure.legends[0].get_texts()]
    assert len(texts) >= 4 and all(box.x0 >= 0 and box.x1 <= figure.bbox.x1 and box.y0 >= 0 for box in texts)
    plt.close(figure)


def test_scrubber_turns_the_picture(run):
    box = live.scrubber(run[0])
    controls, picture = box.children
    slider = next(w for w in controls.children if isinstance(w, ipywidgets.IntSlider))
    assert (slider.min, slider.max, slider.value) == (0, 3, 3)
    last = bytes(picture.value)
    slider.value = 0
    first = bytes(picture.value)
    assert last.startswith(PNG) and first.startswith(PNG) and first != last
    slider.value = 3
    assert bytes(picture.value) == last and not plt.get_fignums()
