"""helpers.viz.controls: a picture follows its sliders and buttons."""

import io

import ipywidgets
import matplotlib.pyplot as plt
import pytest
from PIL import Image

from helpers.viz import controls, draw


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
    """All are in ipywidgets 7.7, too, and answer the keyboard."""
    for control in (controls.whole(0, 1, 0), controls.number(0, 1, 0), controls.choice("a")):
        assert type(control).__module__.startswith("ipywidgets.") and isinstance(control, ipywidgets.ValueWidget)


def test_a_broken_figure_says_so():
    with pytest.raises(ZeroDivisionError):
        controls.explore(lambda n: draw.png(1 / n), n=controls.whole(0, 1, 0))
