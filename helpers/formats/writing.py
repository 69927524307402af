"""Predictions for other tools: an index PNG with a palette, an overlay to look at, and labelme's JSON to correct.

What is written is read back by `helpers.masks.open` with the same `classes` without a changed pixel, from the PNG and
from the JSON. From JSON, background is class 0 if none of the classes is background, and the others come after it.
"""

import json
from pathlib import Path

import numpy as np
from PIL import Image

from helpers.classes import VOID
from helpers.formats import outlines, tables


def palette(colours=None):
    """A palette for class numbers, uint8 (256, RGB): VOC's, or with these colours for the first classes.

    Args:
        colours: (n, RGB), whole numbers from 0 to 255, n up to 256: the colour of each class.

    Raises:
        ValueError: the colours are something else.
    """
    result = np.array([tables.voc_colour(number) for number in range(256)], np.uint8)
    if colours is None:
        return result
    try:
        given = np.asarray(colours)
    except ValueError:  # rows of different lengths
        given = np.array(None)
    is_table = given.ndim == 2 and given.shape[1] == 3 and len(given) <= 256 and given.dtype.kind in "uif"
    if not is_table or not ((given >= 0) & (given <= 255) & (given == np.floor(given))).all():
        raise ValueError("Colours are (n, RGB), whole numbers from 0 to 255, a row for each of up to 256 classes.")
    result[: len(given)] = given
    return result


def index_png(path, mask, colours=None):
    """Writes a mask as a palette PNG, as VOC and labelme do: the numbers are the classes, the palette is for the eye.

    Args:
        path: the file, which is replaced if it is there.
        mask: uint8 (row, col), classes or 255 for void, as `helpers.predict.predict_masks` and `segment` give it.
        colours: as for `palette`, such as `helpers.viz.style.PALETTE`.

    Raises:
        ValueError: the mask is no such array, or the colours are none.
    """
    picture = Image.fromarray(_checked(mask))
    picture.putpalette(palette(colours).tobytes())
    picture.save(path, "PNG")


def overlay_png(path, image, mask, colours=None, opacity=0.5):
    """Writes a photo, uint8 (row, col, RGB), with the colours of a mask (row, col) over it; void stays as it is.

    Raises:
        ValueError: the two have different sizes, or are no such arrays, or the colours are none; the opacity is not
            from 0 to 1.
    """
    if not 0 <= opacity <= 1:
        raise ValueError(f"An opacity is from 0, the photo alone, to 1, the mask alone; this is {opacity}.")
    mask, image = _checked(mask), np.asarray(image)
    if image.shape != (*mask.shape, 3) or image.dtype != np.uint8:
        raise ValueError(f"The photo is {image.dtype} {image.shape}; for this mask it is uint8 {(*mask.shape, 3)}.")
    seen = (mask != VOID)[..., None] * float(opacity)
    mixed = image * (1 - seen) + palette(colours)[mask] * seen
    Image.fromarray(np.round(mixed).astype(np.uint8)).save(path, "PNG")


def labelme_json(path, mask, class_names, photo):
    """Writes a mask as outlines that labelme opens, to be corrected there.

    Each connected area of a class is a polygon; what lies inside another comes later, and so on top. Background is
    written only where it lies inside another area, and void as ``__ignore__``.

    Args:
        path: the JSON file, best named as the photo and beside it.
        mask: uint8 (row, col), classes or 255 for void.
        class_names: the classes in label order; the first that `helpers.formats.tables.BACKGROUND` has is background.
        photo: the photo's file name, as seen from the JSON file's folder.

    Raises:
        ValueError: the mask is no such array, or has a class without name; a name stands twice, or stands for void.
    """
    mask, names = _checked(mask), list(class_names)
    tables.check_names(names, "class_names")
    if tables.VOID_NAMES[0] in names:
        raise ValueError(f"A class is called {tables.VOID_NAMES[0]}, which is labelme's word for void: rename it.")
    if (mask[mask != VOID] >= len(names)).any():
        raise ValueError(f"The mask has class {mask[mask != VOID].max()}, and there are {len(names)} class names.")
    ground = next((i for i, name in enumerate(names) if name.casefold() in tables.BACKGROUND), None)
    shapes = [
        {"label": "__ignore__" if number == VOID else names[number], "points": [list(map(float, p)) for p in points],
         "group_id": None, "description": "", "shape_type": "polygon", "flags": {}}
        for number, points in outlines.painted(mask, ground)
    ]  # fmt: skip
    content = {
        "version": "6.3.1", "flags": {}, "shapes": shapes, "imagePath": str(photo).replace("\\", "/"),
        "imageData": None, "imageHeight": mask.shape[0], "imageWidth": mask.shape[1],
    }  # fmt: skip
    Path(path).write_text(json.dumps(content, indent=2, ensure_ascii=False), encoding="utf-8")


def _checked(mask):
    mask = np.asarray(mask)
    if mask.ndim != 2 or mask.dtype != np.uint8 or not mask.size:
        raise ValueError(f"A mask is uint8 (row, col); this is {mask.dtype} {mask.shape}.")
    return mask
