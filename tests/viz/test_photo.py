"""helpers.viz.photo: the figure of a photo's mask and confidence, its sentence, and the upload button."""

import io
from datetime import datetime, timezone

import ipywidgets
import matplotlib.pyplot as plt
import numpy as np
import pytest
import traitlets
from PIL import Image

from helpers import predict
from helpers.classes import CLASS_NAMES, N_CLASSES
from helpers.viz import draw, photo
from helpers.viz.style import PALETTE
from support.photos import network, noise, saved

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture(autouse=True)
def closed_figures():
    """No test leaves a figure open."""
    plt.switch_backend("agg")
    plt.close("all")
    yield
    assert not plt.get_fignums()


@pytest.fixture(scope="module")
def model():
    return network()


def boxes(artists, renderer):
    return [artist.get_window_extent(renderer) for artist in artists]


@pytest.mark.parametrize("n_classes", [1, 5, N_CLASSES])
@pytest.mark.parametrize("shape", [(100, 100), (100, 150), (100, 240), (100, 260), (40, 1024), (150, 100), (1024, 32)])
def test_nothing_is_clipped_or_overlaps(shape, n_classes):
    mask = np.zeros(shape, "uint8")
    mask.flat[:n_classes] = range(n_classes)  # "streetlight < 1 %" takes more room than "streetlight 3 %"
    figure = photo.figure(noise(*shape), mask, np.linspace(0.1, 1, mask.size).reshape(shape))
    figure.canvas.draw()
    renderer = figure.canvas.get_renderer()
    *panels, bar = figure.axes
    (legend,) = figure.legends
    titles = [axis.title for axis in panels]
    assert [t.get_text() for t in titles] == ["photo", "class of each pixel", "confidence"]
    assert bar.get_xlabel() == "probability of the chosen class"
    ticks = [label for label in bar.get_xticklabels() if label.get_text()]
    texts = boxes([*titles, *ticks, bar.xaxis.label, *legend.get_texts()], renderer)
    apart = [*texts, *(axis.get_window_extent(renderer) for axis in figure.axes)]
    assert len(legend.get_texts()) == n_classes
    for box in [*texts, legend.get_window_extent(renderer)]:
        assert box.x0 >= 0 and box.y0 >= 0 and box.x1 <= figure.bbox.x1 and box.y1 <= figure.bbox.y1
    for i, a in enumerate(apart):
        assert not any(a.overlaps(b) for b in apart[i + 1 :])
    assert not any(
        legend.get_window_extent(renderer).overlaps(axis.get_window_extent(renderer)) for axis in figure.axes
    )
    pictures = [axis.get_images()[0] for axis in panels]
    assert all(axis.get_aspect() == 1 for axis in panels) and pictures[2].get_clim() == (0, 1)
    assert pictures[1].get_interpolation() == "nearest"  # else colours of no class at the borders
    shown = panels[0].get_window_extent(renderer)
    assert max(shown.width, shown.height) > (9.9 if shape[1] > 2.5 * shape[0] else 3.5) * figure.dpi
    assert figure.get_figwidth() <= 12 and figure.get_figheight() <= 15
    plt.close(figure)


@pytest.mark.parametrize("shape", [(100, 100), (150, 100), (100, 260)])
def test_long_names_keep_clear_of_the_bar_of_confidence(shape):
    names = [f"a plant that has a very long name, number {i}" for i in range(8)]
    mask = np.resize(np.arange(8, dtype="uint8"), shape)
    figure = photo.figure(noise(*shape), mask, np.ones(shape), names)
    figure.canvas.draw()
    (legend,) = figure.legends
    box = legend.get_window_extent()
    assert len(legend.get_texts()) == 8 and box.x0 >= 0 and box.y0 >= 0
    assert not any(box.overlaps(axis.get_window_extent()) for axis in figure.axes)
    plt.close(figure)


MASK = np.full((20, 50), CLASS_NAMES.index("sky"), "uint8")
MASK[10:, :] = CLASS_NAMES.index("tree")
MASK[18:, 30:] = CLASS_NAMES.index("sea")
MASK[0, :4] = CLASS_NAMES.index("bird")
CONFIDENCE = np.where(np.arange(50) < 31, 0.95, 0.5) * np.ones((20, 1))


def test_the_legend_has_the_shares_and_the_mask_its_colours():
    figure = photo.figure(noise(20, 50), MASK, CONFIDENCE)
    texts = [text.get_text() for text in figure.legends[0].get_texts()]
    assert texts == ["sky 50 %", "tree 46 %", "sea 4 %", "bird < 1 %"]
    patches = [
        tuple(np.rint(255 * np.array(p.get_facecolor()[:3])).astype(int)) for p in figure.legends[0].get_patches()
    ]
    assert patches == [tuple(PALETTE[CLASS_NAMES.index(name)]) for name in ("sky", "tree", "sea", "bird")]
    shown = np.array(Image.open(io.BytesIO(draw.png(figure))).convert("RGB")).reshape(-1, 3)
    counts = [(shown == PALETTE[CLASS_NAMES.index(name)]).all(axis=1).sum() for name in ("sky", "tree", "sea")]
    assert counts[1] / counts[0] == pytest.approx(0.46 / 0.496, abs=0.06)


def test_the_sentence():
    said = "sky 50 %, tree 46 %, sea 4 %, traces of 1 more; the network is sure (over 0.9) of 62 % of the pixels."
    assert photo.describe(MASK, CONFIDENCE) == said
    assert photo.describe(np.zeros((2, 2), "uint8"), np.full((2, 2), 0.9)).startswith("awning 100 %; the network is ")
    assert photo.describe(np.zeros((2, 2), "uint8"), np.full((2, 2), 0.9)).endswith(" of 0 % of the pixels.")


def test_show_displays_one_picture_with_its_text(model, displayed, tmp_path, capsys):
    path = tmp_path / "garden.png"
    path.write_bytes(saved(noise(40, 60), "PNG"))
    photo.show(model, path)
    (picture,) = displayed
    mask, confidence = predict.segment(model, noise(40, 60))
    assert picture.data.startswith(PNG) and not capsys.readouterr().out
    assert picture._repr_mimebundle_()[1]["image/png"]["alt"].endswith(": " + photo.describe(mask, confidence))


def test_a_temperature_reaches_the_picture(model, displayed, tmp_path, monkeypatch):
    (tmp_path / "garden.png").write_bytes(data := saved(noise(40, 60), "PNG"))
    mask, confidence = predict.segment(model, noise(40, 60), 0.001)
    assert photo.describe(mask, confidence) != photo.describe(*predict.segment(model, noise(40, 60)))
    photo.show(model, tmp_path / "garden.png", 0.001)
    assert displayed[0]._repr_mimebundle_()[1]["image/png"]["alt"].endswith(": " + photo.describe(mask, confidence))
    monkeypatch.setattr(ipywidgets, "FileUpload", FileUpload7)
    button, _, said, _ = photo.uploader(model, 0.001).children
    button.set_trait("value", {"a.png": {"metadata": {"name": "a.png"}, "content": data}})
    assert said.value == f"a.png: {photo.describe(mask, confidence)}".replace("<", "&lt;")


OWN = ["background", "leaf", "stone"]


def test_a_network_for_other_classes_has_their_names(displayed, tmp_path):
    (tmp_path / "garden.png").write_bytes(saved(noise(40, 60), "PNG"))
    own = network(n_classes=3)
    photo.show(own, tmp_path / "garden.png", class_names=OWN)
    said = displayed[0]._repr_mimebundle_()[1]["image/png"]["alt"]
    assert said.endswith(": " + photo.describe(*predict.segment(own, noise(40, 60)), OWN))
    assert any(name in said for name in OWN) and not any(name in said.split(": ")[1] for name in CLASS_NAMES)
    figure = photo.figure(noise(2, 3), np.array([[0, 0, 1], [2, 2, 2]], "uint8"), np.full((2, 3), 0.5), OWN)
    names = [text.get_text().rsplit(maxsplit=2)[0] for text in figure.legends[0].get_texts()]
    assert names == ["stone", "background", "leaf"]
    plt.close(figure)


@pytest.mark.parametrize("asked", [photo.show, lambda model, path, **names: photo.uploader(model, **names)])
def test_names_of_another_number_of_classes_are_refused(model, asked):
    with pytest.raises(ValueError, match="The network has 33 classes, and 3 are named: pass class_names=data.class_n"):
        asked(model, "garden.png", class_names=OWN)


def test_show_prints_what_is_wrong_and_goes_on(model, displayed, tmp_path, capsys):
    photo.show(model, tmp_path / "none.jpg")
    assert capsys.readouterr().out.startswith(f"There is no file {tmp_path / 'none.jpg'}: check") and not displayed


class FileUpload7(ipywidgets.DOMWidget):
    """ipywidgets 7.7's widget, which Colab has: what the browser sends ends in a read-only dict by name."""

    accept, description = traitlets.Unicode(), traitlets.Unicode()
    multiple = traitlets.Bool()
    metadata, data = traitlets.List(traitlets.Dict()), traitlets.List(traitlets.Bytes())
    value = traitlets.Dict({}, read_only=True)
    _counter = traitlets.Int()

    @traitlets.observe("_counter")
    def on_incr_counter(self, change):
        files = zip(self.metadata, self.data, strict=True)
        self.set_trait("value", {about["name"]: {"metadata": about, "content": data} for about, data in files})


@pytest.fixture(params=["installed", "7.7"])
def upload(request, monkeypatch, model):
    """An uploader, with the installed ipywidgets and with 7.7's button: (choose a file, button, sentence, picture)."""
    if request.param == "7.7":
        monkeypatch.setattr(ipywidgets, "FileUpload", FileUpload7)
    box = photo.uploader(model)
    button, hint, said, picture = box.children
    assert "10 MB" in hint.value and not said.value

    def choose(name, data):
        about = {"name": name, "type": "image/png", "size": len(data)}
        if button.has_trait("_counter"):
            with button.hold_trait_notifications():
                button.metadata, button.data = [{**about, "lastModified": 1600000000000}], [data]
                button._counter += 1
        else:
            when = datetime(2020, 1, 1, tzinfo=timezone.utc)
            button.value = ({**about, "last_modified": when, "content": memoryview(data)},)

    return choose, button, said, picture


def test_the_button_takes_one_picture(upload):
    _, button, said, picture = upload
    assert isinstance(button, ipywidgets.FileUpload) and isinstance(said, ipywidgets.HTML)
    assert isinstance(picture, ipywidgets.Image) and button.accept == "image/*" and not button.multiple
    assert picture.layout.display == "none"  # no sign of a picture that is not there


def test_one_photo_after_another(upload, model):
    choose, _, said, picture = upload
    heard, pictures = [], []
    said.observe(lambda change: heard.append((change["new"], bytes(picture.value))), "value")
    for seed, name in enumerate(("a.png", "b.png")):
        heard.clear()
        image = noise(40, 60, seed)
        choose(name, saved(image, "PNG"))
        pictures.append(bytes(picture.value))
        assert heard[0] == (f"Looking at {name} …", pictures[0] if seed else b"")
        result = f"{name}: {photo.describe(*predict.segment(model, image))}".replace("<", "&lt;")
        assert heard[1:] == [(result, pictures[-1])]
        assert picture.layout.display is None
    assert all(p.startswith(PNG) for p in pictures) and pictures[0] != pictures[1]


def test_the_same_file_again(upload, monkeypatch):
    choose, *_ = upload
    seen, segment = [], predict.segment
    monkeypatch.setattr(predict, "segment", lambda *given: seen.append(given) or segment(*given))
    for n in (1, 2, 3):
        choose("same.png", saved(noise(40, 60), "PNG"))
        assert len(seen) == n


def test_a_bad_file_leaves_the_picture(upload):
    choose, _, said, picture = upload
    heard = []
    said.observe(lambda change: heard.append(change["new"]), "value")
    choose("<b>.png", b"nothing")
    assert len(heard) == 2 and "<" not in "".join(heard)
    assert said.value.startswith("&lt;b&gt;.png is not a picture of a known kind") and not picture.value
    choose("good.png", saved(noise(40, 60), "PNG"))
    kept = bytes(picture.value)
    choose("bad.svg", b"<svg>")
    assert said.value == "bad.svg is an SVG drawing, which has no pixels: export it as PNG."
    assert bytes(picture.value) == kept and kept.startswith(PNG) and picture.layout.display is None


def test_what_nobody_expects_is_said_too(upload, monkeypatch):
    choose, _, said, picture = upload

    def fail(*_):
        raise RuntimeError("out of <memory>")

    monkeypatch.setattr(predict, "segment", fail)
    choose("a.png", saved(noise(40, 60), "PNG"))
    sentence = "a.png could not be shown (RuntimeError: out of &lt;memory&gt;): try another photo."
    assert said.value == sentence and not picture.value
    monkeypatch.undo()
    choose("a.png", saved(noise(40, 60), "PNG"))
    assert said.value.startswith("a.png: ") and picture.value
