"""Predictions out, and in again: no pixel changes."""

import json

import numpy as np
import pytest
from PIL import Image

from helpers import masks
from helpers.formats import outlines, writing
from helpers.masks import MasksError
from support.mask_folders import areas, photo

pytestmark = pytest.mark.usefixtures("own_data_folder")


def random_mask(seed, rows=24, cols=32, values=(0, 1, 2, 255), coarse=1):
    """A mask of random pixels, or of random squares: with holes, single pixels and areas that touch at corners."""
    cells = np.random.RandomState(seed).choice(values, (rows // coarse, cols // coarse)).astype("uint8")
    return cells.repeat(coarse, 0).repeat(coarse, 1)


def painted(mask, ground):
    canvas = np.full(mask.shape, 99 if ground is None else ground, "uint8")
    from helpers.formats import filling

    for number, points in outlines.painted(mask, ground):
        canvas[filling.with_border(points, mask.shape)] = number
    return canvas


@pytest.mark.parametrize("ground", [0, None])
@pytest.mark.parametrize("coarse", [1, 2, 4])
@pytest.mark.parametrize("seed", range(6))
def test_outlines_painted_over_one_another_give_the_mask(seed, coarse, ground):
    mask = random_mask(seed, coarse=coarse)
    assert np.array_equal(painted(mask, ground), mask)


def test_rings_in_rings_and_thin_lines():
    y, x = np.mgrid[:41, :41]
    rings = ((np.hypot(y - 20, x - 20) // 3) % 2).astype("uint8")
    assert np.array_equal(painted(rings, 0), rings)
    lines = np.zeros((20, 20), "uint8")
    lines[3], lines[:, 7] = 1, 2
    lines[np.arange(20), np.arange(20)] = 3
    assert np.array_equal(painted(lines, 0), lines)
    assert len(outlines.painted(np.zeros((5, 5), "uint8"), 0)) == 0


@pytest.mark.parametrize("write", ["png", "json"])
def test_written_and_opened_again_no_pixel_changes(tmp_path, write):
    names = ["background", "cat", "dog"]
    written = {}
    for i in range(4):
        photo(tmp_path / "set" / "images" / f"img_{i}.png", seed=i)
        mask = written[f"img_{i}"] = random_mask(i, coarse=2**i)
        if write == "png":
            (tmp_path / "set" / "masks").mkdir(exist_ok=True)
            writing.index_png(tmp_path / "set" / "masks" / f"img_{i}.png", mask)
        else:
            writing.labelme_json(tmp_path / "set" / "images" / f"img_{i}.json", mask, names, f"img_{i}.png")
    data = masks.open(tmp_path / "set", classes=names)
    for name, mask in written.items():
        assert np.array_equal(data.label(name), mask), name
    assert data.class_names == names


@pytest.mark.parametrize("write", ["png", "json"])
@pytest.mark.parametrize(
    "names",
    [["a$b", "x_y", "100 %", "A & B", "<b>", '"q"', "Straße", "天空", "_x"], ["sky", "Background", "tree"]]
    + [["background", "void", "ignore"], ["background"], ["background", *(f"c{i}" for i in range(254))]],
    ids=["signs", "background second", "classes called void", "one", "255"],
)
def test_names_of_all_kinds_come_back_with_their_pixels(tmp_path, write, names):
    lacking = write == "json" and names[0] == "a$b"  # background comes before them
    values = np.r_[np.arange(len(names)), 255]
    expected = {}
    for i in range(3):
        photo(tmp_path / "set" / f"img_{i}.jpg", cols=len(values), seed=i)
        mask = areas(values, cols=len(values), seed=i).astype("uint8")
        expected[f"img_{i}"] = np.where((mask == 255) | (not lacking), mask, mask + np.uint8(1))
        if write == "png":
            writing.index_png(tmp_path / "set" / f"img_{i}.png", mask)
        else:
            writing.labelme_json(tmp_path / "set" / f"img_{i}.json", mask, names, f"img_{i}.jpg")
    data = masks.open(tmp_path / "set", classes=names)
    assert data.class_names == (["background"] if lacking else []) + names
    for name, mask in expected.items():
        assert np.array_equal(data.label(name), mask), name


def test_void_beside_the_first_of_two_classes_stays_void(tmp_path):
    """In masks without VOC's palette 0 and 255 alone are two classes."""
    photo(tmp_path / "set" / "a.jpg")
    mask = areas([0, 255]).astype("uint8")
    writing.index_png(tmp_path / "set" / "a.png", mask, colours=[(1, 2, 3), (4, 5, 6)])
    assert np.array_equal(masks.open(tmp_path / "set", classes=["ground", "cat"]).label("a"), mask)


def test_255_classes_without_background_are_one_too_many_for_json(tmp_path):
    names = [f"c{i}" for i in range(255)]
    photo(tmp_path / "set" / "a.jpg")
    writing.labelme_json(tmp_path / "set" / "a.json", areas([0, 1]).astype("uint8"), names, "a.jpg")
    with pytest.raises(MasksError, match="a.json .*255 classes, and background is one more"):
        masks.open(tmp_path / "set", classes=names)


def test_from_json_background_comes_before_classes_without_it(tmp_path):
    photo(tmp_path / "set" / "a.png")
    mask = random_mask(0, values=(0, 1))
    writing.labelme_json(tmp_path / "set" / "a.json", mask, ["sky", "tree"], "a.png")
    data = masks.open(tmp_path / "set", classes=["sky", "tree"])
    assert data.class_names == ["background", "sky", "tree"] and np.array_equal(data.label("a"), mask + 1)


def test_the_png_is_a_palette_png_with_vocs_colours_or_ones_own(tmp_path):
    mask = areas([0, 1, 255]).astype("uint8")
    writing.index_png(tmp_path / "a.png", mask)
    picture = Image.open(tmp_path / "a.png")
    assert picture.mode == "P" and np.array_equal(np.array(picture), mask)
    assert picture.convert("RGB").getpixel((31, 0)) == (224, 224, 192)
    writing.index_png(tmp_path / "a.png", mask, colours=[(1, 2, 3), (4, 5, 6)])
    assert Image.open(tmp_path / "a.png").convert("RGB").getpixel((0, 0)) == (1, 2, 3)


def test_the_overlay_leaves_void_as_it_is(tmp_path):
    image = np.full((24, 32, 3), 100, "uint8")
    mask = areas([1, 255]).astype("uint8")
    writing.overlay_png(tmp_path / "a.png", image, mask, colours=[(0, 0, 0), (200, 0, 0)])
    drawn = np.array(Image.open(tmp_path / "a.png"))
    assert (drawn[mask == 255] == 100).all() and (drawn[mask == 1] == (150, 50, 50)).all()


def test_labelme_gets_the_fields_that_it_needs(tmp_path):
    writing.labelme_json(tmp_path / "a.json", areas([0, 1]).astype("uint8"), ["background", "cat"], "a.png")
    content = json.loads((tmp_path / "a.json").read_text())
    assert {"version", "flags", "shapes", "imagePath", "imageData", "imageHeight", "imageWidth"} == set(content)
    assert [shape["label"] for shape in content["shapes"]] == ["cat"] and content["imageData"] is None
    assert all(len(shape["points"]) >= 3 for shape in content["shapes"])


def test_what_is_no_mask_is_refused(tmp_path):
    with pytest.raises(ValueError, match="uint8"):
        writing.index_png(tmp_path / "a.png", np.zeros((4, 4)))
    with pytest.raises(ValueError, match="class 5"):
        writing.labelme_json(tmp_path / "a.json", np.full((4, 4), 5, "uint8"), ["a"], "a.png")
    for names, said in ((["a", "a"], "twice"), (["a", " "], "a text"), (["a", "__ignore__"], "word for void")):
        with pytest.raises(ValueError, match=said):
            writing.labelme_json(tmp_path / "a.json", np.zeros((4, 4), "uint8"), names, "a.png")
    none = [np.zeros((257, 3), "uint8"), np.zeros((3, 4), "uint8"), [(0.5, 1, 0)], [(300, 0, 0)], [(-1, 0, 0)], []]
    none += [[(10**30, 0, 0)], [(None, 0, 0)], [("a", "b", "c")], [(1, 2, 3), (1, 2)], [(float("nan"), 0, 0)]]
    for colours in none:
        with pytest.raises(ValueError, match="whole numbers from 0 to 255"):
            writing.index_png(tmp_path / "a.png", np.zeros((4, 4), "uint8"), colours)
    for opacity in (-0.5, 2, float("nan")):
        with pytest.raises(ValueError, match="opacity is from 0"):
            writing.overlay_png(
                tmp_path / "a.png", np.zeros((4, 4, 3), "uint8"), np.zeros((4, 4), "uint8"), None, opacity
            )
    with pytest.raises(ValueError, match="photo"):
        writing.overlay_png(tmp_path / "a.png", np.zeros((4, 5, 3), "uint8"), np.zeros((4, 4), "uint8"))
    assert not list(tmp_path.glob("a.*"))
