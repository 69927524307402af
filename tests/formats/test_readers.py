"""Readers of annotations: classes, conventions, layouts, and damaged content, each with one sentence."""

import base64
import io
import json
import zlib

import h5py
import numpy as np
import pytest
import scipy.io
from PIL import Image

from helpers import masks
from helpers.formats import filling, runs
from helpers.masks import MasksError
from support.mask_folders import areas, index, photo

NAMES = ("img_1", "img_2", "img_10")

pytestmark = pytest.mark.usefixtures("own_data_folder")


@pytest.fixture
def root(tmp_path):
    (tmp_path / "set").mkdir()
    return tmp_path / "set"


def photos(root, folder="", end=".png"):
    for seed, name in enumerate(NAMES):
        photo(root / folder / f"{name}{end}", seed=seed)


def square(i=0, top=2, left=3, side=6):
    """A label with one square of class 1, elsewhere for each i."""
    label = np.zeros((24, 32), int)
    label[top + i : top + i + side, left : left + side] = 1
    return label


def check(root, expected, **options):
    data = masks.open(root, **options)
    assert set(data.names("train") + data.names("test")) == set(expected)
    for name, label in expected.items():
        assert np.array_equal(data.label(name), label), name
    return data


def refused(root, *parts, **options):
    with pytest.raises(MasksError) as error:
        masks.open(root, **options)
    message = str(error.value)
    assert "\n" not in message and message.endswith(".") and all(str(part) in message for part in parts), message


# ---- filling and run lengths ----------------------------------------------------------------------------------------


def test_the_square_has_9_pixels_with_its_border_and_4_by_centres():
    outline = [(1, 1), (3, 1), (3, 3), (1, 3)]
    assert filling.with_border(outline, (6, 6)).sum() == 9 and filling.by_centres(outline, (6, 6)).sum() == 4


def test_by_centres_is_right_for_any_outline():
    random = np.random.RandomState(0)
    y, x = np.mgrid[:20, :30] + 0.5
    for _ in range(20):
        outline = [tuple(point) for point in random.rand(5, 2) * (40, 30) - 5]
        inside = np.zeros(x.shape, bool)
        for (x0, y0), (x1, y1) in zip(outline, outline[1:] + outline[:1], strict=True):
            inside ^= ((y0 > y) != (y1 > y)) & (x < x0 + (y - y0) * (x1 - x0) / (y1 - y0 or 1))
        assert np.array_equal(filling.by_centres(outline, (20, 30)), inside)


def test_as_coco_is_by_centres_on_straight_borders_and_cuts_what_is_outside():
    for outline in (
        [(1, 1), (3, 1), (3, 3), (1, 3)],
        [(-5, 2), (8, 2), (8, 99), (-5, 99)],
        [(5, 0), (9, 0), (9, 9), (5, 9)],
    ):
        assert np.array_equal(filling.as_coco(outline, (6, 7)), filling.by_centres(outline, (6, 7)))
    assert not filling.as_coco([(20, 20), (30, 20), (30, 30)], (6, 7)).any()
    assert not filling.as_coco([(2, 2), (2, 2), (2, 2)], (6, 7)).any()


def test_as_coco_differs_from_centres_at_sloping_borders_only():
    outline = [(3.3, 2.1), (27.4, 5.2), (20.6, 18.9), (9.9, 16.2)]
    coco_, centres = filling.as_coco(outline, (24, 32)), filling.by_centres(outline, (24, 32))
    assert 0 < (coco_ != centres).sum() < 20 and abs(int(coco_.sum()) - int(centres.sum())) < 20


def test_an_outline_that_winds_without_end_is_refused(root):
    photos(root)
    coco(root, [coco_square(0, segmentation=[[0, 0, 900_000, 3] * 20])])
    refused(root, "winds without end")


def test_kaggle_counts_down_the_columns_from_1():
    assert np.argwhere(runs.kaggle("1 2 6 1", (3, 4), "x").T).tolist() == [[0, 0], [0, 1], [1, 2]]
    assert not runs.kaggle("", (3, 4), "x").any()


@pytest.mark.parametrize("text", ["1", "0 2", "1 13", "12 2", "1 0", "1 3 2 1", "1 x", "1.5 2", "9" * 400 + " 1"])
def test_damaged_kaggle_runs(text):
    with pytest.raises(MasksError, match="x has"):
        runs.kaggle(text, (3, 4), "x")


@pytest.mark.parametrize("counts", [[5], [0, 13], [-1, 13], "\x01", "P", [[1]], None, [1 << 70]])
def test_damaged_coco_runs(counts):
    with pytest.raises(MasksError, match="x has"):
        runs.coco(counts, (3, 4), "x")


@pytest.mark.parametrize("numbers", [[], [0] * 20, [256], "abc", None, [0, 0, 0, 48] + [255] * 9])
def test_damaged_brush_strokes(numbers):
    with pytest.raises(MasksError, match="x has"):
        runs.label_studio(numbers, (3, 4), "x")


# ---- labelme --------------------------------------------------------------------------------------------------------


def labelme(root, name, drawn, **fields):
    entries = [{"label": label, "points": points, "shape_type": kind} for label, kind, points in drawn]
    content = {"shapes": entries, "imagePath": f"{name}.png", "imageHeight": 24, "imageWidth": 32} | fields
    (root / f"{name}.json").write_text(json.dumps(content))


def labelme_set(root, label="cat"):
    photos(root)
    for i, name in enumerate(NAMES):
        labelme(root, name, [(label, "polygon", [[3, 2 + i], [8, 2 + i], [8, 7 + i], [3, 7 + i]])])
    return {name: square(i) for i, name in enumerate(NAMES)}


def test_labelme_numbers_are_one_list_for_the_whole_set(root):
    expected = labelme_set(root)
    labelme(root, "img_2", [("ant", "rectangle", [[3, 3], [8, 8]])])
    expected = {n: v * (1 if n == "img_2" else 2) for n, v in expected.items()}
    assert check(root, expected).class_names == ["background", "ant", "cat"]


def test_labelme_later_shapes_lie_on_top_and_the_report_says_so(root):
    expected = labelme_set(root)
    labelme(root, "img_1", [("cat", "rectangle", [[3, 2], [8, 7]]), ("dog", "rectangle", [[3, 2], [8, 3]])])
    expected["img_1"][2:4, 3:9] = 2
    assert "12 pixels in 1 photos were annotated with two classes" in check(root, expected).report()


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"imagePath": "../../secret.png"}, "leads out of"), ({"imagePath": "/etc/hostname.png"}, "leads out of"),
        ({"imagePath": "C:\\photos\\x.png"}, "leads out of"), ({"imagePath": "nothere.png"}, "not there"),
        ({"imagePath": ""}, "no file name"), ({"imagePath": "img_2.png"}, "both of the photo"),
        ({"imageHeight": 32, "imageWidth": 24}, "EXIF orientation"), ({"imageWidth": 64}, "resized or exchanged"),
        ({"shapes": None}, "no list of shapes"), ({"shapes": [{"points": []}]}, "without a label"),
        ({"shapes": [{"label": "cat", "points": [[1, 1], [2, 2]]}]}, "outline of 2 points"),
        ({"shapes": [{"label": "cat", "points": [[1, 1], [2, None], [3, 3]]}]}, "no pairs of numbers"),
        ({"shapes": [{"label": "cat", "points": [[1, 1], [1e30, 2], [3, 3]]}]}, "no place in a picture"),
        ({"shapes": [{"label": "cat", "points": [[1, 1], [2, 2]], "shape_type": "spline"}]}, "'spline'"),
        ({"shapes": [{"label": "cat", "points": [[1, 1], [2, 2]], "shape_type": "mask", "mask": "%"}]}, "damaged"),
        ({"shapes": [{"label": "Cat", "points": [[1, 1], [2, 2], [3, 1]]}]}, "only in case"),
    ],
)  # fmt: skip
def test_labelme_refusals(root, fields, said):
    labelme_set(root)
    labelme(root, "img_1", [], **fields)
    before = sorted(root.rglob("*"))
    refused(root, said)
    assert sorted(root.rglob("*")) == before


@pytest.mark.parametrize(
    ("kind", "points", "said"),
    [
        ("rectangle", [[3, 2], [8, 2], [8, 7]], "3 points"), ("circle", [[3, 2], [8, 2], [8, 7]], "3 points"),
        ("rectangle", [[3, 2], [8, 3], [8, 7], [3, 7]], "4 points"), ("point", [[3, 2], [8, 2]], "2 points"),
        ("circle", [[0, 0], [150_000, 0]], "wider than any picture"),
    ],
)  # fmt: skip
def test_labelme_shapes_of_too_many_points_and_circles_without_end(root, kind, points, said):
    labelme_set(root)
    labelme(root, "img_1", [("cat", kind, points)])
    refused(root, root / "img_1.json", kind, said)


def test_labelme_rectangles_of_four_corners_are_read_whole(root):
    """X-AnyLabeling, which writes labelme's files, gives all four."""
    expected = labelme_set(root)
    labelme(root, "img_1", [("cat", "rectangle", [[3, 2], [8, 2], [8, 7], [3, 7]])])
    labelme(root, "img_2", [("cat", "rectangle", [[8, 8], [8, 3], [3, 3], [3, 8]])])
    check(root, expected)


def test_labelme_classes_that_differ_in_spaces(root):
    labelme_set(root)
    labelme(root, "img_1", [("cat ", "rectangle", [[3, 2], [8, 7]])])
    refused(root, "'cat '", "spaces")


def test_labelme_takes_classes_before_lists_that_differ(root):
    expected = labelme_set(root)
    (root / "classes.txt").write_text("cat\n")
    (root / "labels.txt").write_text("dog\ncat\n")
    refused(root, "labels.txt", "classes=")
    check(root, expected, classes=["background", "cat"])


def test_a_photo_without_json_is_named(root):
    labelme_set(root)
    photo(root / "img_3.png", seed=3)
    refused(root, "no JSON file for img_3.png")


def test_a_class_that_is_not_in_the_list_is_named(root):
    labelme_set(root)
    refused(root, "'cat'", "not in classes", classes=["background", "dog"])
    refused(root, "not 'CAT'", classes=["background", "CAT"])


def test_labelme_beside_mask_pictures_is_ambiguous(root):
    labelme_set(root)
    index(root / "masks" / "img_1.png", square())
    refused(root, "labelme JSON and masks as pictures", "move one")


def test_broken_json_is_named(root):
    labelme_set(root)
    (root / "img_1.json").write_text("{" * 100_000)
    refused(root, root / "img_1.json", "not readable JSON")


# ---- COCO -----------------------------------------------------------------------------------------------------------


def coco(root, annotations, categories=({"id": 300, "name": "cat"},), **image):
    entries = [{"id": i, "file_name": f"{n}.png", "height": 24, "width": 32} | image for i, n in enumerate(NAMES)]
    for number, one in enumerate(annotations):
        one.setdefault("id", number)
    content = {"images": entries, "annotations": annotations, "categories": list(categories)}
    (root / "annotations.json").write_text(json.dumps(content))


def coco_square(i, **more):
    outline = [3, 2 + i, 9, 2 + i, 9, 8 + i, 3, 8 + i]
    return {"image_id": i, "category_id": 300, "segmentation": [outline]} | more


def test_coco_numbers_do_not_wrap_and_0_is_background(root):
    photos(root, "images")
    coco(root, [coco_square(i) for i in range(2)])
    expected = {name: square(i) if i < 2 else square() * 0 for i, name in enumerate(NAMES)}
    assert check(root, expected).class_names == ["background", "cat"]


def test_coco_says_that_a_hole_is_filled(root):
    photos(root, "images")
    hole = [5, 4, 7, 4, 7, 6, 5, 6]
    coco(root, [coco_square(0, segmentation=[[3, 2, 9, 2, 9, 8, 3, 8], hole])])
    expected = {name: square() * (i == 0) for i, name in enumerate(NAMES)}
    assert "a hole is lost" in check(root, expected).report()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"segmentation": [[1, 1, 5, 5]]}, "outline of 2 points"), ({"segmentation": [[1, 1, 5]]}, "no list of x, y"),
        ({"segmentation": []}, "no outline"), ({"segmentation": {"size": [9, 9], "counts": [81]}}, "another size"),
        ({"segmentation": [{}, {}]}, "no list of x, y"), ({"segmentation": ["24", [1, 1, 5, 1, 5, 5]]}, "no list of x"),
        ({"image_id": 77}, "does not list"), ({"category_id": 1}, "does not list"),
    ],
)  # fmt: skip
def test_coco_refusals(root, change, said):
    photos(root)
    coco(root, [coco_square(0, **change)])
    refused(root, root / "annotations.json", said)


def test_coco_numbers_that_stand_for_two_things(root):
    photos(root)
    cats = [{"id": 300, "name": "cat"}, {"id": 300, "name": "dog"}]
    coco(root, [coco_square(0)], categories=cats)
    refused(root, "category 300 'dog'", "'cat'")
    coco(root, [coco_square(0)], id=0)
    refused(root, root / "annotations.json", "img_1.png and img_2.png one id, 0")
    coco(root, [coco_square(0)])
    (root / "instances.json").write_text((root / "annotations.json").read_text())
    refused(root, root / "instances.json", root / "annotations.json", "remove one")


def test_coco_paths_stay_inside_and_sizes_fit(root):
    photos(root)
    coco(root, [coco_square(0)], file_name="../x.png")
    refused(root, "leads out of")
    coco(root, [coco_square(0)], height=32, width=24)
    refused(root, "EXIF orientation")
    coco(root, [coco_square(0)], categories=({"id": 300, "name": "cat"}, {"id": 2, "name": "Cat"}))
    refused(root, "only in case")


def test_coco_in_splits_with_roboflows_group(root):
    for k, split in enumerate(("train", "valid", "test")):
        for i in range(2):
            photo(root / split / f"{split}{i}.jpg", seed=10 * k + i)
        images = [{"id": i, "file_name": f"{split}{i}.jpg", "height": 24, "width": 32} for i in range(2)]
        found = [{"id": 9, "image_id": 0, "category_id": 1, "segmentation": [[3, 2, 9, 2, 9, 8, 3, 8]]}]
        kinds = [{"id": 0, "name": "pets", "supercategory": "none"}, {"id": 1, "name": "cat", "supercategory": "pets"}]
        content = {"images": images, "annotations": found, "categories": kinds}
        (root / split / "_annotations.coco.json").write_text(json.dumps(content))
    data = masks.open(root)
    assert data.class_names == ["background", "cat"] and data.names("test") == ["test0", "test1"]
    assert np.array_equal(data.label("valid0"), square())


# ---- Supervisely, Label Studio --------------------------------------------------------------------------------------


def supervisely(root, one, name="img_1"):
    photos(root, "ds/img")
    (root / "meta.json").write_text(json.dumps({"classes": [{"title": "cat", "shape": "bitmap"}]}))
    (root / "ds" / "ann").mkdir(exist_ok=True)
    for other in NAMES:
        objects = [one] if other == name else []
        content = {"size": {"height": 24, "width": 32}, "objects": objects}
        (root / "ds" / "ann" / f"{other}.png.json").write_text(json.dumps(content))


def bitmap(area, origin=(3, 2)):
    png = io.BytesIO()
    Image.fromarray(np.asarray(area, bool)).save(png, "PNG")
    data = base64.b64encode(zlib.compress(png.getvalue())).decode()
    return {"classTitle": "cat", "geometryType": "bitmap", "bitmap": {"data": data, "origin": list(origin)}}


def test_supervisely_bitmap_and_what_is_outside_the_picture(root):
    supervisely(root, bitmap(np.ones((6, 6))))
    check(root, {name: square() * (name == "img_1") for name in NAMES})
    supervisely(root, bitmap(np.ones((6, 6)), origin=(-2, 20)))
    label = masks.open(root).label("img_1")
    assert label[20:, :4].all() and label.sum() == 16


@pytest.mark.parametrize(
    ("one", "said"),
    [
        ({"classTitle": "dog", "geometryType": "bitmap"}, "'dog'"),
        ({"classTitle": "cat", "geometryType": "cuboid"}, "'cuboid'"),
        ({"classTitle": "cat", "geometryType": "bitmap"}, "without origin"),
        ({"classTitle": "cat", "geometryType": "bitmap", "bitmap": {"data": "AAAA", "origin": [0, 0]}}, "damaged"),
        ({"classTitle": "cat", "geometryType": "polygon", "points": {"exterior": [[1, 1], [2, 2]]}}, "2 points"),
    ],
)
def test_supervisely_refusals(root, one, said):
    supervisely(root, one)
    refused(root, said)


def test_a_photo_of_one_data_set_has_no_annotation_in_another(root):
    supervisely(root, bitmap(np.ones((6, 6))))
    photo(root / "ds2" / "img" / "img_9.png")
    (root / "ds" / "ann" / "img_9.png.json").write_text(json.dumps({"objects": []}))
    refused(root, "no annotation for ds2/img/img_9.png", "ds/img/img_9.png")


def test_a_bitmap_that_unpacks_without_end_is_stopped(root, monkeypatch):
    from helpers.formats import supervisely as reader

    monkeypatch.setattr(reader, "_MOST", 1000)
    packed = base64.b64encode(zlib.compress(bytes(2000))).decode()
    supervisely(root, bitmap(np.ones((2, 2))) | {"bitmap": {"data": packed, "origin": [0, 0]}})
    refused(root, "bitmap of more than")


def label_studio(root, value, kind="polygonlabels", **task):
    photos(root)
    tasks = []
    for i, name in enumerate(NAMES):
        result = {"type": kind, "original_width": 32, "original_height": 24, "value": value}
        done = [{"result": [result] if i == 0 else []}]
        tasks.append({"id": i, "data": {"image": f"/data/local-files/?d=my%20set/{name}.png"}, "annotations": done})
    tasks[0] |= task
    (root / "export.json").write_text(json.dumps(tasks))


def test_label_studios_polygons_and_rectangles_in_per_cent(root):
    expected = {name: square() * (name == "img_1") for name in NAMES}
    x, y, side_x, side_y = 300 / 32, 200 / 24, 600 / 32, 600 / 24
    corners = [[x, y], [x + side_x, y], [x + side_x, y + side_y], [x, y + side_y]]
    label_studio(root, {"points": corners, "polygonlabels": ["cat"]})
    assert check(root, expected).class_names == ["background", "cat"]
    value = {"x": x, "y": y, "width": side_x, "height": side_y, "rotation": 0, "rectanglelabels": ["cat"]}
    label_studio(root, value, "rectanglelabels")
    check(root, expected)


def test_label_studios_photos_that_were_turned_and_areas_without_a_label(root):
    corners = {"points": [[10, 10], [20, 10], [20, 20]], "polygonlabels": ["cat"]}
    result = {"type": "polygonlabels", "original_width": 32, "original_height": 24, "value": corners}
    label_studio(root, corners, annotations=[{"result": [result | {"image_rotation": 90}]}])
    refused(root, "turned in Label Studio")
    label_studio(root, {"points": corners["points"]}, annotations=[{"result": [result | {"type": "polygon"}]}])
    refused(root, "'polygon'", "without one label")
    choices = {"type": "choices", "value": {"choices": ["blurred"]}}
    label_studio(root, corners, annotations=[{"result": [result | {"image_rotation": 0}, choices]}])
    assert masks.open(root).label("img_1").any()


@pytest.mark.parametrize(
    ("value", "kind", "task", "said"),
    [
        ({"ellipselabels": ["a"]}, "ellipselabels", {}, "'ellipselabels'"),
        ({"polygonlabels": ["a"], "points": [[1, 1], [2, 2]]}, "polygonlabels", {}, "2 points"),
        ({"brushlabels": ["a"], "format": "rle", "rle": [1, 2]}, "brushlabels", {}, "damaged"),
        ({"polygonlabels": ["a"]}, "polygonlabels", {"annotations": []}, "0 annotations"),
        ({"polygonlabels": ["a"]}, "polygonlabels", {"annotations": [{}, {}]}, "2 annotations"),
        ({"polygonlabels": ["a"]}, "polygonlabels", {"data": {"text": "no picture"}}, "0 pictures"),
        ({"polygonlabels": ["a"]}, "polygonlabels", {"data": {"image": "/data/upload/1/x.png"}}, "not there"),
    ],
)
def test_label_studio_refusals(root, value, kind, task, said):
    label_studio(root, value, kind, **task)
    refused(root, said)


# ---- Kaggle ---------------------------------------------------------------------------------------------------------


def kaggle_text(label):
    """Run lengths of a label's pixels of class 1, as Kaggle counts."""
    flat = np.concatenate([[0], label.ravel("F"), [0]])
    edges = np.flatnonzero(np.diff(flat)) + 1
    return " ".join(f"{start} {end - start}" for start, end in zip(edges[::2], edges[1::2], strict=True))


def test_kaggle_with_an_empty_mask_and_names_that_are_numbers(root):
    for i, name in enumerate(("0012", "0013", "1e5")):
        photo(root / "train" / f"{name}.png", seed=i)
    rows = f"id,rle_mask\n0012,{kaggle_text(square())}\n0013,\n1e5,{kaggle_text(square(2))}\n"
    (root / "train.csv").write_text(rows)
    expected = {"0012": square(), "0013": square() * 0, "1e5": square(2)}
    assert check(root, expected, classes=None).class_names == ["background", "class 1"]


def test_kaggle_with_classes(root):
    photos(root, end=".jpg")
    lines = [f"img_1.jpg,{kaggle_text(square())},2", f"img_2.jpg,{kaggle_text(square(1))},10", "img_10.jpg,,"]
    (root / "train.csv").write_text("ImageId,EncodedPixels,ClassId\n" + "\n".join(lines))
    expected = {"img_1": square(), "img_2": 2 * square(1), "img_10": square() * 0}
    assert check(root, expected).class_names == ["background", "2", "10"]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("img_1,1", "without a length"), ("img_1,700 100", "leave the picture"), ("nobody,1 1", "0 photos"),
        (",1 1", "no photo"), ("img_1,1 -4", "overlap or leave"), ("../x.png,1 1", "leads out of"),
    ],
)  # fmt: skip
def test_kaggle_refusals(root, line, said):
    photos(root)
    (root / "train.csv").write_text(f"id,rle\nimg_2,1 1\nimg_10,\n{line}\n")
    refused(root, said)


def test_kaggle_lines_that_are_quoted_as_a_whole(root):
    photos(root)
    (root / "train.csv").write_text('"id,rle"\n"img_1,1 1"\n')
    refused(root, root / "train.csv", "export it again")


# ---- one file per class ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", ["masks/{kind}/{name}.png", "masks/{name}/{kind}.png", "masks/{name}_{kind}.png"])
@pytest.mark.parametrize("value", [1, 255])
def test_one_file_per_class(root, end, value):
    photos(root, "images", ".jpg")
    expected = {}
    for i, name in enumerate(NAMES):
        index(root / end.format(name=name, kind="cat"), square(i) * value)
        index(root / end.format(name=name, kind="dog"), square(i, left=15) * value)
        expected[name] = square(i) + 2 * square(i, left=15)
    assert check(root, expected).class_names == ["background", "cat", "dog"]


def test_one_file_per_class_beside_the_photos(root):
    photos(root, end=".jpg")
    expected = {}
    for i, name in enumerate(NAMES):
        index(root / f"{name}_cat.png", square(i))
        index(root / f"{name}_dog.png", square(i, left=15))
        expected[name] = square(i) + 2 * square(i, left=15)
    check(root, expected)


def test_photos_that_lack_a_classs_file_are_said(root):
    photos(root, "images")
    for i, name in enumerate(NAMES):
        index(root / "masks" / "cat" / f"{name}.png", square(i))
    index(root / "masks" / "dog" / "img_2.png", square(left=15))
    report = masks.open(root).report()
    assert "2 photos have no mask file for 'dog': img_1, img_10." in report and "file for 'cat'" not in report


def test_classes_that_overlap_are_refused_unless_their_order_is_given(root):
    photos(root, "images")
    for i, name in enumerate(NAMES):
        index(root / "masks" / "cat" / f"{name}.png", square(i))
        index(root / "masks" / "dog" / f"{name}.png", square(i, side=3))
    refused(root, "9 pixels", "classes=")
    expected = {name: square(i) + square(i, side=3) for i, name in enumerate(NAMES)}
    check(root, expected, classes=["background", "cat", "dog"])
    check(root, {n: 2 * square(i) for i, n in enumerate(NAMES)}, classes=["background", "dog", "cat"])


def test_a_class_file_of_many_numbers_is_refused(root):
    photos(root, "images")
    for i, name in enumerate(NAMES):
        index(root / "masks" / "cat" / f"{name}.png", square(i))
        index(root / "masks" / "dog" / f"{name}.png", areas([0, 3, 7]))
    refused(root, "3 numbers")


# ---- MATLAB ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["5", "compressed", "7.3"])
def test_matlab_square_masks_are_not_turned(root, kind):
    expected = {}
    for i, name in enumerate(NAMES):
        photo(root / "images" / f"{name}.png", 32, 32, seed=i)
        expected[name] = label = np.tril(np.ones((32, 32), "uint8")) * (i + 1)
        path = root / "labels" / f"{name}.mat"
        path.parent.mkdir(exist_ok=True)
        if kind == "7.3":
            with h5py.File(path, "w") as file:
                file["S"] = label.T
        else:
            scipy.io.savemat(path, {"S": label, "note": "text"}, do_compression=kind == "compressed")
    check(root, expected)


def test_matlab_refusals(root):
    photos(root, "images")
    for name in NAMES:
        (root / "labels").mkdir(exist_ok=True)
        scipy.io.savemat(root / "labels" / f"{name}.mat", {"S": square()})
    scipy.io.savemat(root / "labels" / "img_2.mat", {"S": square(), "T": square()})
    refused(root, "img_2.mat", "one array", "S 24x32, T 24x32")
    scipy.io.savemat(root / "labels" / "img_2.mat", {"S": square().T})
    refused(root, "S 32x24")
    (root / "labels" / "img_2.mat").write_bytes((root / "labels" / "img_1.mat").read_bytes()[:300])
    refused(root, "img_2.mat")
    (root / "labels" / "img_2.mat").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))
    refused(root, "img_2.mat", "damaged")


def test_coco_category_0_is_not_background(root):
    """Label Studio's COCO numbers its categories from 0; multiplied by the number, the first would vanish."""
    photos(root, "images")
    coco(root, [coco_square(i, category_id=0) for i in range(3)], categories=[{"id": 0, "name": "cat"}])
    check(root, {name: square(i) for i, name in enumerate(NAMES)})


def test_coco_without_any_annotation_says_so(root):
    """Label Studio's COCO leaves out what was painted with the brush."""
    photos(root, "images")
    coco(root, [])
    report = masks.open(root).report()
    assert "No pixel has the class cat" in report and "100.0 %" in report


# ---- content of any kind --------------------------------------------------------------------------------------------


def mutated(content, random):
    """The same content with one part of it exchanged for something else, or removed."""
    places = []

    def walk(node):
        keys = node if isinstance(node, dict) else range(len(node)) if isinstance(node, list) else ()
        for key in list(keys):
            places.append((node, key))
            walk(node[key])

    walk(content)
    node, key = places[random.randint(len(places))]
    if random.rand() < 0.2:
        del node[key]
    else:
        wrong = (None, -1, 10**30, 1.5, "x", "../x", [], {}, [[]], [None], {"a": 1}, True, float("nan"))
        node[key] = wrong[random.randint(len(wrong))]
    return content


SAMPLES = {
    "labelme": "set/street_1.json", "pycocotools": "set/annotations.json",
    "supervisely": "set/ds0/ann/street_2.png.json", "label-studio-converter": "set/project-1.json",
}  # fmt: skip


@pytest.mark.parametrize("tool", [*SAMPLES, "supervisely/meta"])
def test_whatever_stands_in_a_json_file_it_is_read_or_refused(root, tool):
    from pathlib import Path

    tool, _, meta = tool.partition("/")
    place = Path(__file__).resolve().parents[1] / "masks_samples" / tool
    import shutil

    shutil.copytree(place / "set", root, dirs_exist_ok=True)
    file = root / ("meta.json" if meta else SAMPLES[tool].removeprefix("set/"))
    text, random, read = file.read_text(), np.random.RandomState(0), 0
    for _ in range(150):
        file.write_text(json.dumps(mutated(json.loads(text), random)))
        try:
            data = masks.open(root)
            read += len(data.names("train"))
        except MasksError as error:
            assert str(error).endswith(".") and "\n" not in str(error)
    assert read, "some changes do no harm"
