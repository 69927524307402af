"""Looks at every photo and every mask once, and keeps what is needed to decide on classes, split and report.

What is kept of a mask is small: its size, its numbers or colours, how many pixels have each, and how many of those lie
inside an area. It is written into the folder of caches, so that a second opening decodes nothing.
"""

import base64
import json
import os
import tempfile
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from PIL import Image

from helpers.fetch import layout
from helpers.formats import pictures
from helpers.formats.folder import MasksError, some

VERSION = 2  # raise it when what is kept changes
MOST_VALUES = 4096  # numbers or colours of one mask; one of more is no mask


class Facts(NamedTuple):
    """What is known of a photo and its mask.

    Attributes:
        photo: a `pictures.Photo`.
        kind, mode: of the mask, as in `pictures.Mask`. rows, cols: of the mask.
        values: {number or colour: (pixels, how many of them have four neighbours alike)}.
        palette: {index: (R, G, B)}.
        overlap: pixels that were annotated with two classes.
    """

    photo: pictures.Photo
    kind: str
    mode: str
    rows: int
    cols: int
    values: dict
    palette: dict
    overlap: int


def of(folder, reader, options):
    """The `Facts` of every pair, {name: Facts}, from the cache or from the files; and the cache's path, or None.

    Args:
        folder: the `Folder`. reader: what `helpers.formats.find.reader` found in it.
        options: whatever else decides what `reader.read` gives.
    """
    place = layout.writable_folder("cache")
    mark = folder.fingerprint(VERSION, options, reader.format)
    path = place and place / f"masks-{folder.root.name}-{mark}.json"
    kept = _kept(path) if path else None
    if kept is not None and kept.keys() == reader.pairs.keys():
        return kept, path
    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        jobs = pool.map(lambda name: _look(folder, reader, name), reader.pairs)
        try:
            facts = dict(zip(reader.pairs, jobs, strict=True))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    check_sizes(folder, reader, facts)
    return facts, path


def _look(folder, reader, name):
    photo = pictures.facts(folder.path(reader.pairs[name].photo))
    mask = reader.read(name, (photo.rows, photo.cols))
    counts = _counts(mask.raw)
    if len(counts) > MOST_VALUES:
        raise MasksError(
            f"{reader.path(name)} has {len(counts):,} different numbers or colours, so it is a photo or was "
            "smoothed, and no mask: export it again, or put the photos into images/ and the masks into masks/."
        )
    inner = _counts(_inner(mask.raw))
    values = {value: (count, inner.get(value, 0)) for value, count in counts.items()}
    palette = {value: pictures.colour_of(mask.palette, value) for value in counts} if mask.palette else {}
    return Facts(photo, mask.kind, mask.mode, *mask.raw.shape, values, palette, mask.overlap)


def _counts(raw):
    if raw.size and raw.dtype == np.uint8:
        count = Image.fromarray(raw.reshape(1, -1)).histogram()  # in a quarter of bincount's time
        return {value: pixels for value, pixels in enumerate(count) if pixels}
    values, count = np.unique(raw, return_counts=True)
    return dict(zip(values.tolist(), count.tolist(), strict=True))


def _inner(raw):
    """The pixels whose four neighbours are as they are."""
    middle = raw[1:-1, 1:-1]
    same = (middle == raw[:-2, 1:-1]) & (middle == raw[2:, 1:-1])
    return middle[same & (middle == raw[1:-1, :-2]) & (middle == raw[1:-1, 2:])]


def check_sizes(folder, reader, facts):
    """Refuses masks of another size than their photos, and says so where EXIF is why."""
    wrong = [n for n, f in facts.items() if (f.rows, f.cols) != (f.photo.rows, f.photo.cols)]
    if not wrong:
        return
    fact, photo = facts[wrong[0]], reader.pairs[wrong[0]].photo
    sizes = f"{reader.path(wrong[0])} is {fact.cols}x{fact.rows} pixels, and its photo {photo} is "
    sizes += f"{fact.photo.cols}x{fact.photo.rows}"
    if (fact.rows, fact.cols) == (fact.photo.cols, fact.photo.rows):
        if fact.photo.orientation != 1:
            why = (
                f"once it is turned upright as its EXIF orientation {fact.photo.orientation} says; the mask was made "
                "on the photo as it is stored, so turn the mask in the same way, or remove the photo's EXIF orientation"
            )
        else:
            why = "so that rows and columns have changed places: turn the mask, or look whether the photo was turned"
    elif fact.rows * fact.photo.cols == fact.cols * fact.photo.rows:
        why = "so that one of them was resized: export the masks at the photos' size, or resize the photos to theirs"
    else:
        why = "so that they are not of one picture, or one of them was cut: export the mask again"
    more = f" ({len(wrong)} such pairs: {some(wrong)})" if len(wrong) > 1 else ""
    raise MasksError(f"{sizes}, {why}{more}.")


# ---- what is kept ---------------------------------------------------------------------------------------------------


def keep(path, facts):
    """Writes facts into the cache, whole or not at all; a full disk is no reason to stop."""
    rows = {
        name: [
            *fact.photo[:4], base64.b64encode(fact.photo.thumbnail.tobytes()).decode(), *fact[1:5],
            [[value, *counts] for value, counts in fact.values.items()], list(fact.palette.items()), fact.overlap,
        ]
        for name, fact in facts.items()
    }  # fmt: skip
    write_whole(path, json.dumps(rows))


def _kept(path):
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
        return {name: _fact(row) for name, row in rows.items()}
    except (OSError, ValueError, TypeError, IndexError, AttributeError):
        return None


def _fact(row):
    thumbnail = np.frombuffer(base64.b64decode(row[4]), np.uint8).reshape(16, 16)
    values = {value: (count, inner) for value, count, inner in row[9]}
    palette = {index: tuple(colour) for index, colour in row[10]}
    return Facts(pictures.Photo(*row[:4], thumbnail), *row[5:9], values, palette, row[11])


def write_whole(path, text):
    """Writes a text file in one step, so that a reader sees all of it or none. Returns whether it could."""
    try:
        with tempfile.NamedTemporaryFile("w", dir=path.parent, suffix=".part", delete=False, encoding="utf-8") as part:
            part.write(text)
        os.replace(part.name, path)
    except OSError:
        return False
    return True
