"""Lets annotation tools write small files, on which tests/formats/test_samples.py tries the readers.

python tools/mask_samples.py             each tool in an environment of its own, in build/mask_tools; some minutes
python tools/mask_samples.py labelme     this tool alone
python tools/mask_samples.py --environments FOLDER    environments that are there already, FOLDER/<tool>

Each tool gets three small photos. Into tests/masks_samples/<tool>/ it writes ``set/``, what its users would have,
``truth/``, the label of every pixel as the tool itself paints it, and ``made.json``, its name and version.
"""

import argparse
import base64
import importlib.metadata
import io
import json
import shutil
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
SAMPLES = ROOT / "tests" / "masks_samples"
PACKAGES = {
    "pycocotools": "pycocotools pillow", "labelme": "labelme>=6", "cityscapesscripts": "cityscapesScripts pillow<12",
    "datumaro": "datumaro", "label-studio-converter": "label-studio-converter pillow", "supervisely": "supervisely",
}  # fmt: skip
ROWS, COLS, NAMES = 30, 40, ("street_1", "street_2", "street_10")


def write_photos(folder):
    """Writes the three photos as PNG, coarse, so that they stay small."""
    folder.mkdir(parents=True, exist_ok=True)
    for seed, name in enumerate(NAMES):
        cells = np.random.RandomState(seed).randint(0, 256, (6, 8, 3)).astype("uint8")
        Image.fromarray(cells.repeat(5, 0).repeat(5, 1)).save(folder / f"{name}.png")


def write_truth(place, labels):
    """Writes the label of each photo as a grey PNG."""
    (place / "truth").mkdir(parents=True)
    for name, label in labels.items():
        Image.fromarray(np.asarray(label).astype("uint8")).save(place / "truth" / f"{name}.png")


def blob(seed, rows=ROWS, cols=COLS):
    """An area with slanting borders and a hole: bool (rows, cols)."""
    y, x = np.mgrid[:rows, :cols]
    disc = (y - 12 - 2 * seed) ** 2 + (x - 14 - 3 * seed) ** 2
    return (disc < 80) & (disc > 9)


def pycocotools(place):
    """COCO: polygons, packed and plain run lengths; category numbers have gaps, and go beyond 255."""
    from pycocotools import mask
    from pycocotools.coco import COCO

    write_photos(place / "set" / "images")
    categories = [{"id": 18, "name": "dog"}, {"id": 1, "name": "person"}, {"id": 300, "name": "tree"}]
    images, annotations = [], []
    for i, name in enumerate(NAMES):
        images.append({"id": i + 7, "file_name": f"{name}.png", "height": ROWS, "width": COLS})
        packed = mask.encode(np.asfortranarray(blob(i).astype("uint8")))
        packed["counts"] = packed["counts"].decode()
        strip = np.zeros((ROWS, COLS), "uint8")
        strip[3 + i : 5 + i, 5:30] = 1
        plain = [len(run) for run in np.split(strip.ravel("F"), np.flatnonzero(np.diff(strip.ravel("F"))) + 1)]
        star = np.random.RandomState(i).rand(7, 2) * (60, 45) - 10  # it leaves the picture, and crosses itself
        shapes = [
            (18, [star.round(2).ravel().tolist()]),
            (300, [[4, 20, 34, 20, 34, 28, 4, 28]]), (1, [[20.0, 2.0, 36.0, 2.0, 36.0, 12.0, 28.0, 18.0, 20.0, 12.0]]),
            (18, packed), (18, {"size": [ROWS, COLS], "counts": plain}), (1, [[1, 1, 3, 1, 3, 3, 1, 3]]),
        ]  # fmt: skip
        for category, segmentation in shapes:
            crowd = int(isinstance(segmentation, dict))
            entry = {"id": len(annotations) + 1, "image_id": i + 7, "category_id": category, "iscrowd": crowd}
            annotations.append(entry | {"segmentation": segmentation, "bbox": [0, 0, 1, 1], "area": 1})
    content = {"images": images, "annotations": annotations, "categories": categories}
    (place / "set" / "annotations.json").write_text(json.dumps(content))
    coco = COCO(str(place / "set" / "annotations.json"))
    number, labels = {1: 1, 18: 2, 300: 3}, {}
    for image in images:
        label = np.zeros((ROWS, COLS), int)
        for annotation in coco.loadAnns(coco.getAnnIds(image["id"])):
            label[coco.annToMask(annotation) > 0] = number[annotation["category_id"]]
        labels[Path(image["file_name"]).stem] = label
    write_truth(place, labels)


def labelme(place):
    """labelme: every kind of shape, over one another."""
    from labelme._label_file import LabelFile, read_label_file
    from labelme.utils.shape import shapes_to_label

    write_photos(place / "set")
    labels = {}
    for i, name in enumerate(NAMES):
        area = blob(i)[2:28, 3:38]
        png = io.BytesIO()
        Image.fromarray(area).save(png, "PNG")
        shapes = [
            ("road", "polygon", [[1, 1], [3, 1], [3, 3], [1, 3]]), ("road", "rectangle", [[30, 28], [5, 20]]),
            ("tree", "polygon", [[20.5, 2.2], [36.7, 4.1], [30.3, 17.9]]),
            ("sign", "circle", [[8 + i, 8], [8 + i, 12]]),
            ("__ignore__", "line", [[2, 25], [12, 29]]), ("tree", "point", [[35, 24]]),
            ("sign", "linestrip", [[15, 5], [18, 9], [25, 9]]),
        ]  # fmt: skip
        entries = [{"label": n, "shape_type": kind, "points": points, "flags": {}} for n, kind, points in shapes]
        entries.append({"label": "tree", "shape_type": "mask", "points": [[3, 2], [37, 27]], "flags": {},
                        "mask": base64.b64encode(png.getvalue()).decode()})  # fmt: skip
        entries = entries[i:]
        file = place / "set" / f"{name}.json"
        LabelFile().save(str(file), entries, f"{name}.png", ROWS, COLS)
        number = {"_background_": 0, "road": 1, "sign": 2, "tree": 3, "__ignore__": -1}
        read = read_label_file(str(file)).shapes
        labels[name] = np.where((found := shapes_to_label((ROWS, COLS), read, number)[0]) < 0, 255, found)
    write_truth(place, labels)
    _opened_again(labels, list(number)[:4])


def _opened_again(labels, names):
    """Stops unless labelme paints what `helpers.formats.writing` writes to the very pixels that were written."""
    from labelme._label_file import LabelFile
    from labelme.utils.shape import shapes_to_label

    sys.path.insert(0, str(ROOT))
    from helpers.formats import writing

    number = dict(zip(names, range(len(names)), strict=True)) | {"__ignore__": 255}
    with tempfile.TemporaryDirectory() as folder:
        write_photos(Path(folder))
        for name, label in labels.items():
            file = Path(folder) / f"{name}.json"
            writing.labelme_json(file, label.astype("uint8"), names, f"{name}.png")
            again = shapes_to_label(label.shape, LabelFile(str(file)).shapes, number)[0]
            if not np.array_equal(again, label):
                sys.exit(f"labelme paints {(again != label).sum()} pixels of {name} otherwise than they were written.")
    print(f"labelme opened {len(labels)} files of ours, and no pixel changed")


def cityscapesscripts(place):
    """Cityscapes' scripts: all four kinds of pictures of one polygon file."""
    from cityscapesscripts.preparation.json2instanceImg import json2instanceImg
    from cityscapesscripts.preparation.json2labelImg import json2labelImg

    labels = {}
    for i in range(3):
        stem = f"bonn_00000{i}_000019"
        photos, masks = (place / "set" / part / "train" / "bonn" for part in ("leftImg8bit", "gtFine"))
        masks.mkdir(parents=True, exist_ok=True)
        write_photos(place / "photos")
        photos.mkdir(parents=True, exist_ok=True)
        (place / "photos" / f"{NAMES[i]}.png").rename(photos / f"{stem}_leftImg8bit.png")
        outlines = [
            ("sky", [[0, 0], [39, 0], [39, 9], [0, 9]]), ("road", [[0, 20], [39, 18], [39, 29], [0, 29]]),
            ("car", [[5 + i, 15], [15 + i, 14], [18, 24], [6, 24]]),
            ("cargroup", [[25, 15], [36, 15], [36, 20], [25, 20]]),
            ("license plate", [[8, 20], [11, 20], [11, 22], [8, 22]]), ("parking", [[1, 1], [3, 1], [3, 3], [1, 3]]),
        ]  # fmt: skip
        objects = [{"label": name, "polygon": points} for name, points in outlines]
        content = {"imgHeight": ROWS, "imgWidth": COLS, "objects": objects}
        polygons = place / f"{stem}_gtFine_polygons.json"
        polygons.write_text(json.dumps(content))
        for kind, code in (("labelIds", "ids"), ("labelTrainIds", "trainIds"), ("color", "color")):
            json2labelImg(str(polygons), str(masks / f"{stem}_gtFine_{kind}.png"), code)
        json2instanceImg(str(polygons), str(masks / f"{stem}_gtFine_instanceIds.png"), "ids")
        labels[f"{stem}_leftImg8bit"] = np.array(Image.open(masks / f"{stem}_gtFine_labelTrainIds.png"))
        polygons.unlink()
    shutil.rmtree(place / "photos")
    write_truth(place, labels)


def datumaro(place):
    """datumaro: the same masks as VOC, CamVid and COCO."""
    import datumaro as dm

    write_photos(place / "photos")
    items, labels = [], {}
    for i, name in enumerate(NAMES):
        sky = np.zeros((ROWS, COLS), bool)
        sky[: 5 + i] = True
        tree = blob(i) & ~sky
        labels[name] = np.where(sky, 1, np.where(tree, 2, 0))
        picture = np.asarray(Image.open(place / "photos" / f"{name}.png"))
        annotations = [dm.Mask(sky, label=0, id=1, group=1), dm.Mask(tree, label=1, id=2, group=2)]
        media = dm.Image.from_numpy(picture[..., ::-1].copy(), ext=".png")
        items.append(dm.DatasetItem(name, subset="train", media=media, annotations=annotations))
    data = dm.Dataset.from_iterable(items, categories=["sky", "tree"], media_type=dm.Image)
    for kind in ("voc_segmentation", "camvid", "coco_instances", "cityscapes"):
        data.export(str(place / "set" / kind), kind, save_media=True)
    shutil.rmtree(place / "photos")
    write_truth(place, labels)


def label_studio_converter(place):
    """Label Studio: strokes of the brush, packed by its converter, and one polygon."""
    from label_studio_converter import brush

    write_photos(place / "set" / "images")
    tasks, labels = [], {}
    for i, name in enumerate(NAMES):
        ground = np.zeros((ROWS, COLS), bool)
        ground[20 + i :] = True
        label = np.zeros((ROWS, COLS), int)
        results = []
        for kind, area in (("Ground", ground), ("Tree", blob(i))):
            packed = [int(byte) for byte in brush.mask2rle(area.astype("uint8") * 255)]
            label[brush.decode_rle(packed).reshape(ROWS, COLS, 4)[..., 3] > 0] = 1 if kind == "Ground" else 2
            value = {"format": "rle", "rle": packed, "brushlabels": [kind]}
            results.append({"type": "brushlabels", "original_width": COLS, "original_height": ROWS, "value": value})
        address = f"/data/upload/1/0a1b2c3d-{name}.png"
        tasks.append({"id": i + 1, "data": {"image": address}, "annotations": [{"id": i + 1, "result": results}]})
        labels[name] = label
    (place / "set" / "project-1.json").write_text(json.dumps(tasks))
    write_truth(place, labels)


def supervisely(place):
    """Supervisely: bitmaps and polygons, one with a hole."""
    import supervisely as sly

    write_photos(place / "set" / "ds0" / "img")
    (place / "set" / "ds0" / "ann").mkdir()
    tree = sly.ObjClass("tree", sly.Bitmap, [0, 255, 0])
    road = sly.ObjClass("road", sly.Polygon, [255, 0, 0])
    meta = sly.ProjectMeta(obj_classes=[tree, road])
    (place / "set" / "meta.json").write_text(json.dumps(meta.to_json()))
    labels = {}
    for i, name in enumerate(NAMES):
        corners = [(18, 2), (18, 36), (28, 38 - i), (28, 1)]
        hole = [(21, 10), (21, 20), (25, 20), (25, 10)]
        points = [sly.PointLocation(row, col) for row, col in corners]
        interior = [[sly.PointLocation(row, col) for row, col in hole]] if i else []
        shapes = [sly.Label(sly.Polygon(points, interior), road), sly.Label(sly.Bitmap(blob(i)), tree)]
        annotation = sly.Annotation((ROWS, COLS), shapes)
        (place / "set" / "ds0" / "ann" / f"{name}.png.json").write_text(json.dumps(annotation.to_json()))
        label = np.zeros((ROWS, COLS), int)
        for number, one in ((2, shapes[0]), (1, shapes[1])):
            area = np.zeros((ROWS, COLS), np.uint8)
            one.geometry.draw(area, 1)
            label[area > 0] = number
        labels[name] = label
    write_truth(place, labels)


def make(tool, environments):
    """Lets a tool write its sample, in its environment, which is made if it is not there."""
    home = environments / tool
    python = home / "bin" / "python"
    if not python.exists():
        venv.create(home, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "-q", *PACKAGES[tool].split()], check=True)
    place = SAMPLES / tool
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    subprocess.run([python, __file__, "--inside", tool], check=True)
    print(f"{tool}: {sum(file.stat().st_size for file in place.rglob('*') if file.is_file()):,} bytes")


def main():
    """Makes the samples that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tools", nargs="*", help=f"of {', '.join(PACKAGES)}; by default all")
    parser.add_argument("--environments", type=Path, default=ROOT / "build" / "mask_tools")
    parser.add_argument("--inside", choices=PACKAGES, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.inside:
        place = SAMPLES / given.inside
        globals()[given.inside.replace("-", "_")](place)
        version = importlib.metadata.version(given.inside)
        (place / "made.json").write_text(json.dumps({"tool": given.inside, "version": version}) + "\n")
        return
    for tool in given.tools or PACKAGES:
        if tool not in PACKAGES:
            sys.exit(f"{tool} is none of {', '.join(PACKAGES)}.")
        make(tool, given.environments)


if __name__ == "__main__":
    main()
