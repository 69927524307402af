"""Draws the small set of photos that notebook 09 takes for a reader's own, and writes it as three tools would.

The photos are of finds on a table, seen from above: leaves, stones and coins, which may lie on one another. They have
several sizes. `make` writes them with their masks in VOC's, labelme's and COCO's layouts; `greys` writes some whose
masks nobody can read without being told what their numbers mean.
"""

import contextlib
import io
import json
import shutil
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

from helpers import losses
from helpers.fetch import layout
from helpers.formats import filling, outlines, writing
from helpers.preflight import preflight
from helpers.unet import unet

CLASSES = ("background", "coin", "leaf", "stone")
GREYS = {40: "coin", 90: "background", 150: "stone", 210: "leaf"}  # what the numbers of `greys` stand for
TURNED = 3  # the number of the photo that a phone stored on its side
VERSION = 1  # raise it when a pixel or a file's place changes, so that older sets are made anew


def draw(seed, rows=None, cols=None):
    """Paints finds on a table.

    Args:
        seed: a whole number, or a list of them; the same seed gives the same picture.
        rows, cols: the size in pixels; by default two numbers between 96 and 160.

    Returns:
        The image, uint8 (row, col, RGB), and the label, uint8 (row, col), numbers of `CLASSES`.
    """
    random = np.random.RandomState(seed)
    size = random.randint(96, 161, 2)
    rows, cols = rows or int(size[0]), cols or int(size[1])
    y, x = np.mgrid[:rows, :cols].astype("float32")
    image, label = _table(random, y, x), np.zeros((rows, cols), "uint8")
    unit = min(rows, cols) / 128
    kinds = ["leaf"] * random.randint(1, 4) + ["stone"] * random.randint(1, 4) + ["coin"] * random.randint(1, 4)
    for kind in kinds:
        u, v = _turned(random, y, x, rows, cols)
        area, colour = _OBJECTS[kind](random, u / unit, v / unit)
        shadow = np.zeros_like(area)
        step = max(1, round(3 * unit))
        shadow[step:, step:] = area[:-step, :-step]
        image[shadow] *= 0.72
        image[area], label[area] = colour[area], CLASSES.index(kind)
    image += random.normal(0, 5, image.shape)
    smooth = Image.fromarray(np.clip(image, 0, 255).astype("uint8")).filter(ImageFilter.GaussianBlur(0.6))
    return np.array(smooth), label


def _table(random, y, x):
    """Wood or cloth of some colour, with stripes in some direction, brighter on one side."""
    angle, wide = random.uniform(0, np.pi), random.uniform(3, 9)
    along = x * np.cos(angle) + y * np.sin(angle)
    stripes = np.sin(along / wide + 2 * np.sin(along / (4 * wide))) * random.uniform(4, 14)
    light = (x / x.max() - 0.5) * random.uniform(-40, 40) + (y / y.max() - 0.5) * random.uniform(-40, 40)
    base = random.uniform(70, 200) + random.uniform(-35, 35, 3)
    return (base + (stripes + light)[..., None]).astype("float32")


def _turned(random, y, x, rows, cols):
    """Coordinates around some place in the picture, turned by some angle."""
    angle = random.uniform(0, 2 * np.pi)
    dy, dx = y - random.uniform(0.12, 0.88) * rows, x - random.uniform(0.12, 0.88) * cols
    return dx * np.cos(angle) + dy * np.sin(angle), dy * np.cos(angle) - dx * np.sin(angle)


def _leaf(random, u, v):
    long, plump = random.uniform(17, 30), random.uniform(0.35, 0.55)
    edge = plump * long * np.maximum(0, 1 - (u / long) ** 2)
    area = np.abs(v) < edge
    base = np.array([(90, 140, 60), (150, 160, 60), (190, 130, 50), (140, 80, 45)][random.randint(4)], "float32")
    base = base + random.uniform(-20, 20, 3)
    veins = 10 * np.sin((u + 1.2 * np.abs(v)) * 1.1) - 45 * (np.abs(v) < 0.9)
    return area, (base + veins[..., None]).astype("float32")


def _stone(random, u, v):
    a, b = random.uniform(10, 20), random.uniform(8, 14)
    angle = np.arctan2(v / b, u / a)
    wobble = 1 + 0.1 * np.sin(2 * angle + random.uniform(0, 6)) + 0.06 * np.sin(3 * angle + random.uniform(0, 6))
    far = np.hypot(u / a, v / b) / wobble
    base = random.uniform(80, 180) + random.uniform(-15, 15, 3)
    speckles = random.normal(0, 14, u.shape)
    return far < 1, (base + (25 * (0.5 - far) + speckles)[..., None]).astype("float32")


def _coin(random, u, v):
    radius, far = random.uniform(5.5, 8.5), np.hypot(u, v)
    base = np.array([(190, 120, 75), (200, 200, 205), (205, 175, 90)][random.randint(3)], "float32")
    shine = 30 * np.cos(np.arctan2(v, u) + random.uniform(0, 6)) * far / radius
    ring = -45 * (np.abs(far / radius - 0.78) < 0.09)
    return far < radius, (base + (shine + ring)[..., None]).astype("float32")


_OBJECTS = {"leaf": _leaf, "stone": _stone, "coin": _coin}


# ---- files


def save_photo(path, image, turned=False):
    """Writes a photo as a JPEG; if turned, on its side, with the EXIF orientation that says how to turn it back.

    A phone that was held upright does so. Image is uint8 (row, col, RGB), upright.
    """
    exif = Image.Exif()
    if turned:
        exif[0x0112] = 6  # "turn me by a quarter, clockwise"
    Image.fromarray(np.ascontiguousarray(np.rot90(image)) if turned else image).save(path, quality=92, exif=exif)


def make(count):
    """Writes the set, unless it is there already, below the folder for data.

    Args:
        count: how many photos.

    Returns:
        The folder, with the folders voc, labelme, coco and greys in it.
    """
    place = layout.data_folder() / "own_masks" / f"{count}_photos"
    marker = place / "version.txt"
    if marker.is_file() and marker.read_text() == str(VERSION):
        return place
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place.parent, prefix=".making-") as part:
        new = Path(part) / "new"
        write(new, count)
        greys(new / "greys")
        (new / "version.txt").write_text(str(VERSION))
        if not marker.is_file() or marker.read_text() != str(VERSION):  # nobody else made it meanwhile
            if place.exists():
                place.rename(Path(part) / "old")
            new.rename(place)
    return place


def write(folder, count):
    """Writes the photos 1 … count and their masks in three layouts: folders voc, labelme and coco."""
    photos = {"voc": "voc/JPEGImages", "labelme": "labelme", "coco": "coco/images"}
    for name in (*photos.values(), "voc/SegmentationClass"):
        (folder / name).mkdir(parents=True)
    coco = {
        "images": [],
        "annotations": [],
        "categories": [{"id": number, "name": name} for number, name in enumerate(CLASSES) if number],
    }
    for number in range(1, count + 1):
        (image, label), name = draw(number), f"finds_{number}"
        for place in photos.values():
            save_photo(folder / place / f"{name}.jpg", image, turned=number == TURNED)
        writing.index_png(folder / "voc/SegmentationClass" / f"{name}.png", label)
        writing.labelme_json(folder / "labelme" / f"{name}.json", label, CLASSES, f"{name}.jpg")
        size = {"height": label.shape[0], "width": label.shape[1]}
        coco["images"].append({"id": number, "file_name": f"{name}.jpg", **size})
        for kind, points in outlines.painted(label, ground=0):
            flat = edges(filling.with_border(points, label.shape))
            coco["annotations"].append({
                "id": len(coco["annotations"]) + 1, "image_id": number, "category_id": kind, "iscrowd": 0,
                "segmentation": [flat],
            })  # fmt: skip
    coco["categories"] += [{"id": 0, "name": CLASSES[0]}]
    (folder / "coco/annotations.json").write_text(json.dumps(coco), encoding="utf-8")


def edges(area):
    """The outline of an area without holes along the edges of its pixels, as COCO writes it: [x, y, x, y, …].

    COCO counts a pixel by its centre, so this outline gives back the area's very pixels.

    Args:
        area: bool (row, col), one connected area.
    """
    padded = np.pad(area, 1)
    here = padded[1:-1, 1:-1]
    ways = {}  # from a corner (x, y) to the next, clockwise around the area
    for shift, start, end in (
        (padded[:-2, 1:-1], (0, 0), (1, 0)), (padded[1:-1, 2:], (1, 0), (1, 1)),
        (padded[2:, 1:-1], (1, 1), (0, 1)), (padded[1:-1, :-2], (0, 1), (0, 0)),
    ):  # fmt: skip
        for row, col in np.argwhere(here & ~shift).tolist():
            ways.setdefault((col + start[0], row + start[1]), []).append((col + end[0], row + end[1]))
    first = at = next(iter(ways))
    points, before = [], None
    while True:
        # Where two pixels touch at a corner there are two ways on: the one that turns right stays with its pixel.
        step = max(ways[at], key=lambda to: _turn(before, at, to))
        ways[at].remove(step)
        if before is None or _turn(before, at, step):
            points += at
        before, at = at, step
        if at == first and not ways[at]:
            return points


def _turn(before, at, to):
    """Above 0 for a turn to the right (y points down), 0 straight on."""
    if before is None:
        return 0
    return (at[0] - before[0]) * (to[1] - at[1]) - (at[1] - before[1]) * (to[0] - at[0])


def greys(folder, count=8):
    """Writes photos, and masks of grey pictures whose numbers count nothing: `GREYS`, and 255 where nobody was sure.

    Returns:
        {name: label}, uint8 (row, col), numbers of `CLASSES`, or 255.
    """
    truth = {}
    for kind in ("images", "masks"):
        (folder / kind).mkdir(parents=True, exist_ok=True)
    table = np.full(256, 255, "uint8")
    for grey, name in GREYS.items():
        table[CLASSES.index(name)] = grey
    for number in range(1, count + 1):
        image, label = draw([9, number])
        label[:8] = 255
        name = f"photo_{number}"
        save_photo(folder / "images" / f"{name}.jpg", image)
        Image.fromarray(table[label]).save(folder / "masks" / f"{name}.png")
        truth[name] = label
    return truth


def place(name):
    """An empty folder of this name beside the sets, for what a notebook writes; what was in it is gone."""
    folder = layout.data_folder() / "own_masks" / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


# ---- what a lesson asks


def problems(images, labels, seconds=4):
    """What `helpers.preflight` finds wrong, without the table that it prints: a list of `Problem`.

    Args:
        images: uint8 or float (image, row, col, RGB), rows and columns multiples of 4. labels: (image, row, col).
        seconds: that it may take, roughly; to compare pairs takes less than one.
    """
    network = unet(images.shape[1:], len(CLASSES), filters=4, depth=2)
    network.compile("adam", losses.CrossEntropy())
    with contextlib.redirect_stdout(io.StringIO()):
        return preflight(network, (np.asarray(images, "float32"), labels), seconds=seconds)
