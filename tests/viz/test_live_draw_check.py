"""helpers.live, draw and check: the view of a run, pictures that colour-blind eyes can read, hints that never raise."""

import io
import types

import IPython.display
import ipywidgets
import keras
import matplotlib.pyplot as plt
import numpy as np
import pytest
from PIL import Image

from helpers.classes import CLASS_NAMES, N_CLASSES
from helpers.lessons import check
from helpers.losses import CrossEntropy
from helpers.metrics import Scores
from helpers.viz import draw, live
from helpers.viz.style import PALETTE, VOID_COLOUR

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture(autouse=True)
def closed_figures():
    """No test leaves a figure open."""
    plt.switch_backend("agg")
    plt.close("all")
    yield
    plt.close("all")


@pytest.fixture
def displayed(monkeypatch):
    """What would appear in a notebook: the objects displayed and the updates of their handles."""
    shown = []

    class Handle:
        update = staticmethod(shown.append)

    def display(thing, display_id=None):
        shown.append(thing)
        return Handle() if display_id else None

    monkeypatch.setattr(IPython.display, "display", display)
    return shown


# ---- the live view --------------------------------------------------------------------------------------------------

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
    """Fits a tiny network, which sees 8x8 images, with the view on; 2 steps an epoch."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Rescaling(1 / 255), keras.layers.Conv2D(3, 1)])
    model.compile("adam", CrossEntropy(), metrics=[Scores(3)])
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
    assert displayed[-1].alt == view.headline() and not plt.get_fignums()


def test_in_a_notebook_it_takes_a_fiftieth_of_the_time_at_most(displayed, monkeypatch):
    monkeypatch.setattr(live, "get_ipython", lambda: types.SimpleNamespace(kernel=object()))
    trained(live.View(IMAGES[:1], LABELS[:1], batch=4), epochs=4)  # a second's work: no time for more than two
    assert 2 <= len(displayed) <= 3


def test_a_race_returns_every_steps_own_loss_and_the_last_masks(displayed):
    """And trains each model just as it would be trained alone."""
    images = np.random.RandomState(0).randint(0, 256, (6, 4, 4, 3)).astype("uint8")
    labels = np.random.RandomState(1).randint(0, 3, (6, 4, 4)).astype("uint8")

    def model():
        keras.utils.set_random_seed(0)
        scale, head = keras.layers.Rescaling(1 / 255), keras.layers.Conv2D(3, 1)
        model = keras.Sequential([keras.Input((4, 4, 3)), scale, head, keras.layers.Reshape((16, 3))])
        model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        return model

    batches = [(images[i : i + 2].astype("float32"), labels[i : i + 2].reshape(2, 16)) for i in (0, 2, 4)]
    raced = model()
    losses, masks = live.race({"a": raced, "b": model()}, batches, images[:2], labels[:2], steps=3)
    alone = model()
    own = [float(alone.evaluate(x, y, verbose=0)) for x, y in batches[:1]]
    for x, y in batches:
        alone.reset_metrics()
        alone.train_on_batch(x, y)
    assert losses["a"][0] == pytest.approx(own[0], rel=1e-5)
    assert losses["a"] == pytest.approx(losses["b"]) and len(losses["a"]) == 3
    assert all(np.allclose(a, b, atol=1e-6) for a, b in zip(raced.get_weights(), alone.get_weights(), strict=True))
    assert masks["a"].shape == (2, 4, 4) and masks["a"].dtype == "uint8"
    logits = np.array(raced(images[:2].astype("float32")))
    assert np.array_equal(masks["a"], logits.argmax(-1).reshape(2, 4, 4))


def test_film_strip(run):
    for epochs, columns in ((None, 6), ([0, 3], 4)):
        figure = live.film_strip(run[0], epochs)
        titles = [axis.get_title() for axis in figure.axes if axis.get_title()]
        assert titles[:2] == ["image", "untrained"] and titles[-1] == "truth" and "epoch 3" in titles
        assert len(titles) == columns and len(figure.axes) == 2 * columns
        assert draw.png(figure).startswith(PNG)


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


# ---- pictures -------------------------------------------------------------------------------------------------------


def test_colours_are_the_palettes_and_void_is_black():
    mask = np.array([[*range(33), 255]], "uint8")
    assert np.array_equal(draw.colours(mask)[0], [*PALETTE, VOID_COLOUR]) and VOID_COLOUR == (0, 0, 0)
    assert draw.colours(mask).dtype == np.uint8 and draw.colours(mask.astype("int64")).shape == (1, 34, 3)


@pytest.mark.parametrize(("bad", "said"), [(33, "33"), (254, "254"), (256, "256"), (-1, "-1"), (1.5, "1.5")])
def test_colours_refuses_values_that_are_no_class(bad, said):
    with pytest.raises(ValueError, match="A mask is") as error:
        draw.colours(np.array([[0, bad]]))
    assert f"the value {said}" in str(error.value)


@pytest.mark.parametrize("shape", [(4,), (1, 4, 4), (4, 4, 3)])
def test_colours_refuses_other_shapes(shape):
    with pytest.raises(ValueError, match=r"A mask is \(row, col\).*shape"):
        draw.colours(np.zeros(shape, "uint8"))


def test_show_displays_one_png_with_its_text(displayed):
    figure, _ = plt.subplots()
    draw.show(figure, alt="two curves that cross")
    (picture,) = displayed
    assert picture.data.startswith(PNG)
    assert picture._repr_mimebundle_()[1]["image/png"]["alt"] == "two curves that cross" or picture.alt
    assert picture.alt == "two curves that cross" and not plt.get_fignums()


def test_legend_lists_the_classes_by_size_and_void_last():
    mask = np.array([[27, 27, 27, 5, 5, 255]], "uint8")
    figure = plt.figure()
    texts = [text.get_text() for text in draw.legend(figure, [mask]).get_texts()]
    assert texts == ["sky", "building", "void (unlabelled)"]


def test_rows_and_bars_and_u_shape_draw():
    from helpers.unet import unet

    assert draw.png(draw.rows([list(IMAGES[:2]), list(LABELS[:2])], ["image", "truth"], ["a", "b"])).startswith(PNG)
    values = np.full(33, np.nan)
    values[[5, 27, 31]] = 20, 27, 12
    figure = draw.bars(values, "share", against=("test", values + 1))
    assert [t.get_text() for t in figure.axes[0].get_yticklabels()] == ["tree", "building", "sky"]
    assert draw.png(figure).startswith(PNG)
    figure = draw.u_shape(unet((32, 32, 3), 33, filters=2, depth=2))
    texts = " ".join(t.get_text() for t in figure.axes[0].texts)
    assert "32×32\n×2" in texts and "8×8\n×8" in texts and "33 logits" in texts


# ---- the palette ----------------------------------------------------------------------------------------------------

EYES = {  # Machado, Oliveira, Fernandes 2009, severity 1.0, on linear RGB
    "normal": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}  # fmt: skip
NEIGHBOURS = [
    "sky/sea", "sky/building", "sky/mountain", "sky/tree", "tree/grass", "tree/field", "tree/mountain",
    "tree/building", "grass/field", "road/sidewalk", "road/car", "building/window", "sea/sand", "river/sea",
]  # fmt: skip


def lab(rgb, eyes):
    """sRGB 0-255 as these eyes see it, in CIE Lab (D65)."""
    c = np.asarray(rgb, float) / 255
    linear = np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)
    linear = np.clip(linear @ np.transpose(EYES[eyes]), 0, 1)
    to_xyz = [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
    t = linear @ np.transpose(to_xyz) / (0.95047, 1.0, 1.08883)
    f = np.where(t > (6 / 29) ** 3, np.cbrt(t), t / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.stack([116 * f[..., 1] - 16, 500 * (f[..., 0] - f[..., 1]), 200 * (f[..., 1] - f[..., 2])], axis=-1)


def test_lab_of_known_colours():
    known = [
        ((255, 255, 255), (100, 0, 0)),
        ((255, 0, 0), (53.24, 80.09, 67.20)),
        ((0, 0, 255), (32.30, 79.19, -107.86)),
    ]
    for rgb, wanted in known:
        np.testing.assert_allclose(lab(rgb, "normal"), wanted, atol=0.05)


def test_palette_has_33_colours_none_black():
    assert PALETTE.shape == (N_CLASSES, 3) and PALETTE.dtype == np.uint8
    assert len(np.unique([*PALETTE, VOID_COLOUR], axis=0)) == N_CLASSES + 1


@pytest.mark.parametrize("eyes", EYES)
@pytest.mark.parametrize("pair", NEIGHBOURS)
def test_classes_that_meet_stay_apart(pair, eyes):
    a, b = (lab(PALETTE[CLASS_NAMES.index(name)], eyes) for name in pair.split("/"))
    assert np.linalg.norm(a - b) >= 20


# ---- the exercise's check -------------------------------------------------------------------------------------------

# Five classes: the last but one is absent from the truth, the last from both.
MATRIX = np.array([[50, 3, 2, 5, 0], [9, 20, 1, 0, 0], [0, 4, 6, 7, 0], [0, 0, 0, 0, 0], [0, 0, 0, 0, 0]])
H, T, G = np.diag(MATRIX)[:3].astype(float), MATRIX.sum(1)[:3].astype(float), MATRIX.sum(0)[:3].astype(float)
RIGHT = (H / (T + G - H)).mean()


def said(answer, matrix=MATRIX):
    """What the check prints."""
    import contextlib
    import io

    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        assert check.mean_iou(answer, matrix) is None
    return out.getvalue()


@pytest.mark.parametrize(
    "style", [float, np.float32, np.float64, np.array, keras.ops.convert_to_tensor], ids=lambda style: style.__name__
)
def test_the_right_answer_in_any_style(style):
    assert said(style(RIGHT)).startswith("Right")


@pytest.mark.parametrize("matrix", [MATRIX.tolist(), MATRIX.astype("float32"), MATRIX.astype("int32")], ids=type)
def test_the_matrix_in_any_style(matrix):
    assert said(round(RIGHT, 4), matrix).startswith("Right")


MISTAKES = {
    "divides by the number of all classes": (H / (T + G - H)).sum() / 5,
    "mean accuracy": (H / T).mean(),
    "precision": (H / G).mean(),
    "pixel accuracy": H.sum() / MATRIX.sum(),
    "hits twice": (H / (T + G)).mean(),
    "percentage": 100 * RIGHT,
    "Not a number": float("nan"),
    "average at the end": H / (T + G - H),
    "Not answered yet": None,
}


def test_the_mistakes_are_told_apart():
    numbers = [RIGHT, *(v for v in MISTAKES.values() if isinstance(v, float) and not np.isnan(v))]
    assert np.abs(np.subtract.outer(numbers, numbers) + np.eye(len(numbers))).min() > 2e-3


@pytest.mark.parametrize("hint", MISTAKES)
def test_each_mistake_gets_its_own_hint(hint):
    printed = said(MISTAKES[hint])
    assert not printed.startswith("Right") and printed.count("\n") == 1
    assert [h for h in MISTAKES if h in printed] == [hint]


ABSURD = {
    "text": "a third", "empty text": "", "array": np.zeros((3, 3)), "empty array": np.array([]), "list": [0.1, 0.2],
    "ragged list": [[1, 2], [3]], "dict": {"mean_iou": 0.5}, "infinity": float("inf"), "minus infinity": -np.inf,
    "complex": 1j, "huge": 10**400, "function": len, "class": float, "object": object(), "bytes": b"\xff",
    "one in a list": np.array([0.123]), "zero": 0, "negative": -3, "true": True,
}  # fmt: skip


@pytest.mark.parametrize("name", ABSURD)
def test_absurd_answers_get_a_sentence(name):
    printed = said(ABSURD[name])
    assert printed.strip() and not printed.startswith("Right")


def test_a_matrix_without_pixels_does_not_raise():
    assert said(0.5, np.zeros((3, 3))).startswith("Not yet")


def test_a_small_png_keeps_the_classes_colours():
    rich = np.random.RandomState(0).randint(0, 256, (64, 64, 3)).astype("uint8")
    picture = Image.open(io.BytesIO(draw.png(draw.rows([[rich], [np.arange(33, dtype="uint8")[None]]], ["a", "b"]))))
    shown = set(map(tuple, np.asarray(picture.convert("RGB")).reshape(-1, 3).tolist()))
    assert {tuple(colour) for colour in PALETTE.tolist()} <= shown
    assert picture.convert("RGB").getpixel((0, 0)) == (255, 255, 255)


def test_a_picture_carries_its_text_with_what_colabs_ipython_knows(monkeypatch):
    class Image7(IPython.display.Image):
        """With the arguments of IPython 7.34, which Colab has."""

        def __init__(self, data=None, url=None, filename=None, format=None, embed=None, width=None, height=None,
                     retina=False, unconfined=False, metadata=None):  # fmt: skip
            super().__init__(data, url, filename, format, embed, width, height, retina, unconfined, metadata)

    monkeypatch.setattr(IPython.display, "Image", Image7)
    shown = draw.picture(draw.png(plt.figure(figsize=(1, 1)), crop=False), "two curves that cross")
    bundle, metadata = shown._repr_mimebundle_()
    assert set(bundle) == {"image/png"} and metadata["image/png"]["alt"] == "two curves that cross"
