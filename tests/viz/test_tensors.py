"""helpers.cells and helpers.play: pictures of small tensors, and pictures that follow sliders."""

import base64
import io
import re

import ipywidgets
import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.patches import Rectangle
from PIL import Image

from helpers.viz import controls, draw, tensors


@pytest.fixture(autouse=True)
def closed_figures():
    yield
    plt.close("all")


def texts(axis):
    return [text.get_text() for text in axis.texts]


# ---- tagged


def test_tags_say_where_a_number_belongs():
    first, last = tensors.tagged(3, 2, 4), tensors.tagged(3, 2, 4, channels_last=True)
    assert first.shape == (3, 2, 4) and last.shape == (2, 4, 3)
    assert first[2, 1, 3] == last[1, 3, 2] == 207
    assert np.array_equal(np.moveaxis(first, 0, -1), last)
    assert first.flags.c_contiguous and last.flags.c_contiguous


# ---- maps


def test_maps_write_every_number():
    x = np.random.RandomState(0).uniform(size=(2, 3, 4))
    numbers, strips, labels = tensors.maps([("n", x[..., 0]), ("s", x), ("l", x.argmax(-1))]).axes
    assert texts(numbers) == [f"{v:.2f}" for v in x[..., 0].ravel()]
    assert texts(strips) == [f"{v:.2f}" for v in x.ravel()]
    assert texts(labels) == [str(v) for v in x.argmax(-1).ravel()]


def test_maps_give_classes_their_colours():
    figure = tensors.maps([("labels", np.array([[0, 3]])), ("scores", np.array([[[0.0, 1.0]]]), "classes")])
    labels, scores = ([p.get_facecolor()[:3] for p in axis.patches if p.get_fill()] for axis in figure.axes)
    assert np.allclose(labels, [plt.matplotlib.colors.to_rgb(tensors.CLASS_COLOURS[c]) for c in (0, 3)])
    assert np.allclose(scores[1], plt.matplotlib.colors.to_rgb(tensors.CLASS_COLOURS[1]))  # the largest: in full


def test_maps_draw_void_black_and_say_so():
    axis = tensors.maps([("labels", np.array([[0, 255]]))]).axes[0]
    assert [text.get_text() for text in axis.texts] == ["0", "void"]
    assert axis.patches[1].get_facecolor() == (0, 0, 0, 1)
    only = tensors.maps([("labels", np.array([[255, 255]]))]).axes[0]
    assert [text.get_text() for text in only.texts] == ["void", "void"]


def test_maps_have_no_minus_zero():
    axis = tensors.maps([("slopes", np.array([[-0.001, 0.4]]))]).axes[0]
    assert axis.texts[0].get_text() == "0.00"


def test_maps_frame_the_marked_pixel():
    figure = tensors.maps([("a", np.zeros((3, 3))), ("b", np.zeros((3, 3, 2)))], mark=(1, 2))
    for axis, wide in zip(figure.axes, (1.25, 2), strict=True):
        (frame,) = [p for p in axis.patches if p.get_edgecolor()[:3] == (0, 0, 0)]
        assert frame.get_xy() == pytest.approx((2 * wide, 1), abs=0.05)


def test_maps_of_equal_numbers_do_not_exaggerate():
    """Rounding errors around 1.00 do not look like large differences."""
    (axis,) = tensors.maps([("sums", 1 + 1e-7 * np.arange(4.0).reshape(2, 2))]).axes
    assert len({p.get_facecolor() for p in axis.patches if p.get_fill()}) == 1


@pytest.mark.parametrize(
    ("array", "said"),
    [
        (np.zeros(3), r"\(3,\)"),
        (np.zeros((1, 2, 2, 2)), r"\(1, 2, 2, 2\)"),
        (np.zeros((0, 3)), r"\(0, 3\)"),
        (np.zeros((20, 20)), "400 numbers"),
        (np.full((2, 2), np.nan), "NaN"),
        (np.full((2, 2), np.inf), "NaN"),
        (np.array([[0, 6]]), "classes 0 to 5"),
        (np.array([[0, -1]]), "classes 0 to 5"),
    ],
)
def test_maps_say_what_they_cannot_draw(array, said):
    with pytest.raises(ValueError, match=f"mine: .*{said}"):
        tensors.maps([("mine", array)])


def test_maps_refuse_more_classes_than_colours():
    with pytest.raises(ValueError, match="classes 0 to 5"):
        tensors.maps([("mine", np.zeros((2, 2, 7)), "classes")])
    tensors.maps([("mine", np.zeros((2, 2, 7)))])  # as channels they are grey


# ---- tensors


def ribbon_of(array):
    """(pixels as written along the ribbon, x of the framed cells, the arrows' (from, to))."""
    _, ribbon = tensors.tensors([("a", array)]).axes
    framed = sorted(p.get_x() for p in ribbon.patches if isinstance(p, Rectangle) and not p.get_fill())
    numbers = [int(t) for t in texts(ribbon) if t.isdigit()]
    arrows = [
        (line.get_xdata()[0] - 0.5, line.get_xdata()[-1] - 0.5) for line in ribbon.lines if len(line.get_xdata()) == 30
    ]
    return numbers, framed, arrows


SCORES = tensors.tagged(4, 2, 3)


@pytest.mark.parametrize(
    ("array", "framed"),
    [
        (SCORES, [0, 1, 2]),
        (SCORES.reshape(6, 4), [0, 1, 2, 3]),
        (SCORES.reshape(4, 6).T, [0, 6, 12, 18]),
        (SCORES.transpose(1, 2, 0), [0, 6, 12, 18]),
        (SCORES.transpose(2, 0, 1), [0, 3]),
        (SCORES.ravel(), list(range(24))),
    ],
)
def test_the_ribbon_is_memory_and_the_arrows_the_reading(array, framed):
    numbers, boxes, arrows = ribbon_of(array)
    assert numbers == list(range(6)) * 4  # nothing has moved
    assert boxes == pytest.approx(framed)
    assert np.allclose(arrows, list(zip(framed[:-1], framed[1:], strict=True)))


def test_a_copy_has_another_ribbon():
    numbers, boxes, _ = ribbon_of(np.ascontiguousarray(SCORES.reshape(4, 6).T))
    assert numbers == [pixel for pixel in range(6) for _ in range(4)]
    assert boxes == pytest.approx([0, 1, 2, 3])


@pytest.mark.parametrize("array", [SCORES[::-1], SCORES[:, ::-1, ::-1], SCORES.T[::-1]])
def test_the_ribbon_of_a_flipped_view(array):
    numbers, boxes, _ = ribbon_of(array)
    memory = array
    while memory.base is not None:
        memory = memory.base
    assert numbers == [int(v) % 100 for v in memory.ravel()[-24:]]
    first_row = array.reshape(-1, array.shape[-1])[0]
    assert [int(v) % 100 for v in first_row] == [numbers[int(x)] for x in sorted(boxes, reverse=array.strides[-1] < 0)]


def test_a_table_prints_as_numpy_does():
    table, _ = tensors.tensors([("a", SCORES.reshape(6, 4))]).axes
    assert [int(t) for t in texts(table) if t.isdigit()] == [int(v) % 100 for v in SCORES.ravel()]
    assert [t for t in texts(table) if not t.isdigit()] == [f"[{i}]" for i in range(6)]


def test_reading_frames_the_current_element():
    table, ribbon = tensors.tensors([("a", SCORES.reshape(4, 6).T)], read=7).axes
    thick = [p for p in table.patches if p.get_linewidth() == 3]
    assert [p.get_xy() for p in thick] == [(2, 1)]  # the seventh: row 1, column 2
    framed = sorted(p.get_x() for p in ribbon.patches if not p.get_fill())
    assert framed == [1, 7, 13]


@pytest.mark.parametrize(
    ("array", "said"),
    [
        (np.zeros((2, 2, 2, 2), int), "one to three axes"),
        (np.zeros((20, 20), int), "400 cells"),
        (np.array([[0, 699]]), "100 \\* class"),
        (np.array([[0.5, 1]]), "100 \\* class"),
        (np.array([[-1, 1]]), "100 \\* class"),
        (np.broadcast_to(np.arange(3), (2, 3)), "broadcast"),
        (np.zeros((0, 2), int), r"\(0, 2\)"),
    ],
)
def test_tensors_say_what_they_cannot_draw(array, said):
    with pytest.raises(ValueError, match=f"mine: .*{said}"):
        tensors.tensors([("mine", array)])


def test_frames_are_one_per_element_and_differ():
    small = tensors.tagged(2, 1, 3)
    movie = Image.open(io.BytesIO(tensors.frames([("a", small), ("b", small.reshape(3, 2))])))
    assert movie.format == "GIF" and movie.n_frames == 6
    seen = set()
    for i in range(movie.n_frames):
        movie.seek(i)
        seen.add(movie.convert("RGB").tobytes())
    assert len(seen) == 6
    assert movie.info["duration"] >= 2000  # rests at the end


def test_a_movie_is_in_the_page_itself(monkeypatch):
    """As HTML: nbconvert would leave an output of type image/gif out."""
    shown = []
    monkeypatch.setattr("IPython.display.display", shown.append)
    gif = tensors.frames([("a", tensors.tagged(2, 1, 2))])
    draw.movie(gif, 'a "quoted" <alt>')
    assert base64.b64decode(re.search(r'src="data:image/gif;base64,(.*?)"', shown[0].data)[1]) == gif
    assert 'alt="a &quot;quoted&quot; &lt;alt&gt;"' in shown[0].data


# ---- play


def test_a_picture_follows_its_controls():
    asked = []

    def figure_of(**values):
        asked.append(values)
        figure, axis = plt.subplots(figsize=(1, 1))
        axis.plot([0, values["height"]])
        axis.set_title(values["kind"])
        return figure

    box = controls.explore(
        figure_of, height=controls.whole(0, 5, 2), size_now=controls.number(0, 1, 0.5), kind=controls.choice("a", "b")
    )
    *_, picture = box.children
    height, size, kind = box.children[0].children
    assert asked == [{"height": 2, "size_now": 0.5, "kind": "a"}]
    assert [height.description, size.description] == ["height", "size now"]
    pictures = [picture.value]
    for control, value in ((height, 3), (size, 0.75), (kind, "b")):
        control.value = value
        pictures.append(picture.value)
    assert asked[-1] == {"height": 3, "size_now": 0.75, "kind": "b"}
    assert pictures[0] != pictures[1] and pictures[2] != pictures[3]
    assert all(Image.open(io.BytesIO(page)).format == "PNG" for page in pictures)
    kind.value = "a"
    assert len(asked) == 4  # drawn before, and kept


def test_only_core_widgets():
    """Those that ipywidgets 7.7 has, too, and that answer the keyboard."""
    for control in (controls.whole(0, 1, 0), controls.number(0, 1, 0), controls.choice("a")):
        assert type(control).__module__.startswith("ipywidgets.") and isinstance(control, ipywidgets.ValueWidget)


def test_a_broken_figure_says_so():
    with pytest.raises(ZeroDivisionError):
        controls.explore(lambda n: draw.png(1 / n), n=controls.whole(0, 1, 0))
