"""helpers.viz.memory: the ribbon shows the numbers as they lie in memory, the arrows how an array reads them."""

import io

import numpy as np
import pytest
from matplotlib.patches import Rectangle
from PIL import Image

from helpers.viz import memory, tensors
from support.figures import texts


def ribbon_of(array):
    """(pixels as written along the ribbon, x of the framed elements, the arrows' (from, to))."""
    _, ribbon = memory.ribbon([("a", array)]).axes
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
    table, _ = memory.ribbon([("a", SCORES.reshape(6, 4))]).axes
    assert [int(t) for t in texts(table) if t.isdigit()] == [int(v) % 100 for v in SCORES.ravel()]
    assert [t for t in texts(table) if not t.isdigit()] == [f"[{i}]" for i in range(6)]


def test_reading_frames_the_current_element():
    table, ribbon = memory.ribbon([("a", SCORES.reshape(4, 6).T)], read=7).axes
    thick = [p for p in table.patches if p.get_linewidth() == 3]
    assert [p.get_xy() for p in thick] == [(2, 1)]  # the seventh: row 1, column 2
    framed = sorted(p.get_x() for p in ribbon.patches if not p.get_fill())
    assert framed == [1, 7, 13]


@pytest.mark.parametrize(
    ("array", "said"),
    [
        (np.zeros((2, 2, 2, 2), int), "one to three axes"),
        (np.zeros((20, 20), int), "400 numbers"),
        (np.array([[0, 699]]), "100 \\* class"),
        (np.array([[0.5, 1]]), "100 \\* class"),
        (np.array([[-1, 1]]), "100 \\* class"),
        (np.broadcast_to(np.arange(3), (2, 3)), "broadcast"),
        (np.zeros((0, 2), int), r"\(0, 2\)"),
    ],
)
def test_a_ribbon_says_what_it_cannot_draw(array, said):
    with pytest.raises(ValueError, match=f"mine: .*{said}"):
        memory.ribbon([("mine", array)])


def test_frames_are_one_per_element_and_differ():
    small = tensors.tagged(2, 1, 3)
    movie = Image.open(io.BytesIO(memory.frames([("a", small), ("b", small.reshape(3, 2))])))
    assert movie.format == "GIF" and movie.n_frames == 6
    seen = set()
    for i in range(movie.n_frames):
        movie.seek(i)
        seen.add(movie.convert("RGB").tobytes())
    assert len(seen) == 6
    assert movie.info["duration"] >= 2000  # rests at the end
