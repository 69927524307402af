"""The set that notebook 09 draws: the same in three layouts, and what preflight says about its pairs."""

import json

import numpy as np
import pytest
from PIL import Image, ImageOps

from helpers import masks
from helpers.formats import filling
from helpers.lessons import own_masks

pytestmark = pytest.mark.usefixtures("own_data_folder")


@pytest.fixture
def sets():
    place = own_masks.make(5)
    return place, {tool: masks.open(place / tool, own_masks.CLASSES) for tool in ("voc", "labelme", "coco")}


def test_a_drawing_is_the_same_each_time_and_holds_every_class():
    image, label = own_masks.draw(3)
    again, own = own_masks.draw(3)
    assert np.array_equal(image, again) and np.array_equal(label, own)
    assert image.shape == (*label.shape, 3) and image.dtype == label.dtype == np.uint8
    assert set(np.unique(label)) == {0, 1, 2, 3}
    assert own_masks.draw(3, 64, 48)[1].shape == (64, 48)
    assert not np.array_equal(own_masks.draw(4)[1].shape, label.shape), "sizes differ"


def test_three_layouts_hold_what_was_drawn(sets):
    for tool, data in sets[1].items():
        assert data.class_names == list(own_masks.CLASSES)
        names = data.names("train") + data.names("test")
        assert len(names) == 5
        for name in names:
            image, label = own_masks.draw(int(name.partition("_")[2]))
            assert np.array_equal(data.label(name), label), (tool, name)
            assert np.abs(data.image(name).astype(int) - image).mean() < 4, "JPEG changes a photo little"


def test_one_photo_lies_on_its_side(sets):
    stored = Image.open(sets[0] / "voc" / "JPEGImages" / f"finds_{own_masks.TURNED}.jpg")
    label = own_masks.draw(own_masks.TURNED)[1]
    assert stored.size == label.shape and ImageOps.exif_transpose(stored).size == label.shape[::-1]
    assert f"(finds_{own_masks.TURNED})" in sets[1]["voc"].report()


def test_the_set_is_made_once_and_anew_for_another_version(monkeypatch):
    place = own_masks.make(2)
    before = (place / "version.txt").stat().st_mtime_ns
    assert own_masks.make(2) == place and (place / "version.txt").stat().st_mtime_ns == before
    (place / "left.txt").write_text("of an older version")
    monkeypatch.setattr(own_masks, "VERSION", own_masks.VERSION + 1)
    assert own_masks.make(2) == place and not (place / "left.txt").exists()


def test_cocos_categories_are_the_classes(sets):
    content = json.loads((sets[0] / "coco" / "annotations.json").read_text())
    assert {one["id"]: one["name"] for one in content["categories"]} == dict(enumerate(own_masks.CLASSES))


@pytest.mark.parametrize("seed", range(8))
def test_an_outline_along_the_edges_gives_its_area_back(seed):
    """Also of areas whose pixels touch at corners: grown from one pixel, holes filled."""
    random, area = np.random.RandomState(seed), np.zeros((9, 12), bool)
    area[4, 5] = True
    for _ in range(60):
        beside = np.zeros_like(area)
        beside[1:] |= area[:-1]
        beside[:-1] |= area[1:]
        beside[:, 1:] |= area[:, :-1]
        beside[:, :-1] |= area[:, 1:]
        area |= beside & (random.uniform(size=area.shape) < 0.12)
    outside = np.zeros((11, 14), bool)
    outside[0], free = True, np.pad(~area, 1, constant_values=True)
    for _ in range(60):
        outside |= free & (
            np.roll(outside, 1, 0) | np.roll(outside, -1, 0) | np.roll(outside, 1, 1) | np.roll(outside, -1, 1)
        )
    area = ~outside[1:-1, 1:-1]
    flat = own_masks.edges(area)
    points = list(zip(flat[::2], flat[1::2], strict=True))
    assert np.array_equal(filling.as_coco(points, area.shape), area)


def test_nobody_can_read_the_greys_who_is_not_told(tmp_path):
    truth = own_masks.greys(tmp_path / "greys")
    with pytest.raises(masks.MasksError, match="hold the numbers 40, 90, 150, 210, 255"):
        masks.open(tmp_path / "greys")
    data = masks.open(tmp_path / "greys", classes=own_masks.GREYS)
    for name, label in truth.items():
        names = np.array([*own_masks.CLASSES, *[""] * 252])
        read = np.array([*data.class_names, *[""] * 252])
        assert np.array_equal(read[data.label(name)], names[label]) and (label[0] == 255).all()


def test_a_place_is_empty():
    (own_masks.place("here") / "old.txt").write_text("old")
    assert list(own_masks.place("here").iterdir()) == []


def test_preflight_tells_right_pairs_from_wrong_ones():
    images, labels = (np.stack(part) for part in zip(*[own_masks.draw(i, 64, 64) for i in range(1, 31)], strict=True))

    def causes(own):
        return [p.cause for p in own_masks.problems(images, own, seconds=1) if p.check == "alignment"]

    assert causes(labels) == []
    assert any("mixed up" in cause or "do not belong" in cause for cause in causes(np.roll(labels, 1, axis=0)))
