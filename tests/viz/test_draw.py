"""helpers.viz.draw: masks in the classes' colours, legends, grids and bars, and what a notebook displays of them."""

import base64
import io
import re

import IPython.display
import matplotlib.pyplot as plt
import numpy as np
import pytest
from PIL import Image

from helpers.viz import draw, memory, tensors
from helpers.viz.style import PALETTE, VOID_COLOUR

PNG = b"\x89PNG\r\n\x1a\n"
RANDOM = np.random.RandomState(0)
IMAGES = RANDOM.randint(0, 256, (2, 16, 16, 3)).astype("uint8")
LABELS = RANDOM.choice([0, 1, 2, 255], (2, 16, 16)).astype("uint8")


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


OWN = ["background", "leaf"]  # classes of a data set of one's own


def test_masks_of_other_classes_have_their_names_and_colours():
    mask = np.array([[0, 1, 1, 255]], "uint8")
    assert draw.colours(mask, OWN).tolist() == [[[0, 114, 178], [230, 159, 0], [230, 159, 0], [0, 0, 0]]]
    with pytest.raises(ValueError, match=r"classes 0-1 and 255.*the value 2"):
        draw.colours(np.array([[0, 2]]), OWN)
    figure = draw.rows([[IMAGES[0]], [mask]], ["image", "mask"], class_names=OWN)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["leaf", "background", "void (unlabelled)"]
    shown = np.array(Image.open(io.BytesIO(draw.png(figure))).convert("RGB")).reshape(-1, 3)
    assert {(0, 114, 178), (230, 159, 0)} <= set(map(tuple, shown.tolist())), "a small png keeps these colours, too"
    figure = draw.bars(np.array([30.0, 70.0]), "share", class_names=OWN)
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == OWN
    plt.close("all")


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

    assert draw.png(draw.rows([list(IMAGES), list(LABELS)], ["image", "truth"], ["a", "b"])).startswith(PNG)
    values = np.full(33, np.nan)
    values[[5, 27, 31]] = 20, 27, 12
    figure = draw.bars(values, "share", against=("test", values + 1))
    assert [t.get_text() for t in figure.axes[0].get_yticklabels()] == ["tree", "building", "sky"]
    assert draw.png(figure).startswith(PNG)
    (shares,) = [axis for axis in figure.axes if axis.get_xscale() == "log"]
    assert np.allclose(np.sort(shares.collections[0].get_offsets()[:, 0]), [13, 21, 28])
    figure = draw.u_shape(unet((32, 32, 3), 33, filters=2, depth=2), IMAGES[0], LABELS[0])
    assert len(figure.axes[0].images) == 2
    texts = " ".join(t.get_text() for t in figure.axes[0].texts)
    assert "32×32\n×2" in texts and "8×8\n×8" in texts and "33 logits" in texts


def test_a_small_png_keeps_the_classes_colours():
    rich = np.random.RandomState(0).randint(0, 256, (64, 64, 3)).astype("uint8")
    picture = Image.open(io.BytesIO(draw.png(draw.rows([[rich], [np.arange(33, dtype="uint8")[None]]], ["a", "b"]))))
    shown = set(map(tuple, np.asarray(picture.convert("RGB")).reshape(-1, 3).tolist()))
    assert {tuple(colour) for colour in PALETTE.tolist()} <= shown
    assert picture.convert("RGB").getpixel((0, 0)) == (255, 255, 255)


@pytest.mark.parametrize("n", [60, 150, 255])
def test_a_small_png_keeps_the_colours_of_many_classes(n):
    names = [f"class {i}" for i in range(n)]
    mask = np.arange(256).reshape(16, 16).clip(max=n - 1).repeat(16, 0).repeat(16, 1).astype("uint8")
    figure = plt.figure(figsize=(6.4, 3.2))
    for i, picture in enumerate((draw.colours(mask, names), RANDOM.randint(0, 256, (256, 256, 3)).astype("uint8"))):
        draw.plain(figure.add_axes([i / 2, 0, 0.5, 1])).imshow(picture, interpolation="nearest")
    drawn = np.asarray(Image.open(io.BytesIO(draw.png(figure, crop=False))).convert("RGB"))
    assert np.array_equal(drawn[8::16, 8:248:16], draw.colours(mask, names)[8::16, 8:248:16])


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


def test_a_movie_is_in_the_page_itself(monkeypatch):
    """As HTML: nbconvert would leave an output of type image/gif out."""
    shown = []
    monkeypatch.setattr("IPython.display.display", shown.append)
    gif = memory.frames([("a", tensors.tagged(2, 1, 2))])
    draw.movie(gif, 'a "quoted" <alt>')
    assert base64.b64decode(re.search(r'src="data:image/gif;base64,(.*?)"', shown[0].data)[1]) == gif
    assert 'alt="a &quot;quoted&quot; &lt;alt&gt;"' in shown[0].data


def test_bars_beside_each_other_are_in_the_order_of_the_first_panel():
    counts = np.random.RandomState(1).permutation(33) + 1.0
    figure = draw.bars_beside({"count": counts, "weight": 1 / counts})
    first, second = ([patch.get_width() for patch in axis.patches] for axis in figure.axes)
    assert first == sorted(first) and np.allclose(second, 1 / np.array(first))
    assert [axis.get_xscale() for axis in figure.axes] == ["log", "log"]
    plt.close(figure)
