"""Small folders of photos and masks, for tests."""

import numpy as np
from PIL import Image


def photo(path, rows=24, cols=32, seed=0, **options):
    """Writes a coarse random photo, unlike any other of another seed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.RandomState(seed).randint(0, 256, (rows, cols, 3)).astype("uint8")
    Image.fromarray(pixels).save(path, **options)
    return path


def index(path, values, mode="L", palette=None, **options):
    """Writes an index mask."""
    path.parent.mkdir(parents=True, exist_ok=True)
    values = np.asarray(values)
    picture = Image.fromarray(values if mode == "I;16" else values.astype("uint8"))
    if mode == "P":
        picture.putpalette(palette if palette is not None else voc_palette())
    if mode == "1":
        picture = Image.fromarray(values.astype(bool))
    picture.save(path, **options)
    return path


def colour(path, values, table):
    """Writes a colour mask: the i-th colour of `table` where the value is i."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.array(table, "uint8")[np.asarray(values)]).save(path)
    return path


def voc_palette():
    """VOC's palette, by its own rule: 768 numbers."""
    palette = []
    for i in range(256):
        bits = [(i >> place) & 1 for place in range(8)]
        for band in range(3):
            palette.append(sum(bits[3 * k + band] << (7 - k) for k in range(3) if 3 * k + band < 8))
    return palette


def areas(values, rows=24, cols=32, seed=0):
    """A label with an area of each value: stripes that begin elsewhere for each seed."""
    stripe = (np.arange(cols) + seed) * len(values) // cols % len(values)
    return np.tile(np.asarray(values)[stripe], (rows, 1))


def pairs(root, values, n=6, mode="L", end=".png", rows=24, cols=32, **options):
    """Writes images/img_i.jpg and masks/img_i.png, and returns {name: values as written}."""
    written = {}
    for i in range(n):
        photo(root / "images" / f"img_{i}.jpg", rows, cols, seed=i)
        written[f"img_{i}"] = areas(values, rows, cols, seed=i)
        index(root / "masks" / f"img_{i}{end}", written[f"img_{i}"], mode, **options)
    return written
