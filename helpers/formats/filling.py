"""Which pixels an outline holds, by the two conventions that annotation tools have.

`with_border` counts every pixel that the outline touches: labelme, Supervisely and Cityscapes' scripts do so, and the
square (1, 1)-(3, 3) has 9 pixels. `by_centres` counts the pixels whose centres lie inside, so that the square has 4.
`as_coco` does the same but for pycocotools' rounding, and gives the pixels that pycocotools gives. Points are (x, y) in
pixels, x to the right, y down.
"""

import math

import numpy as np
from PIL import Image, ImageDraw

from helpers.formats.folder import MasksError

MOST_POINTS = 1_000_000
MOST_STEPS = 4_000_000  # of which each takes a hundred bytes


def points(given, where, least=3):
    """Points as a list of pairs of floats.

    Raises:
        MasksError: there are fewer than `least`, or they are no finite numbers.
    """
    try:
        pairs = [(float(x), float(y)) for x, y in given]
    except (TypeError, ValueError, OverflowError):
        raise MasksError(f"{where} has points that are no pairs of numbers: correct or remove that shape.") from None
    if not all(math.isfinite(part) and abs(part) < 1e6 for pair in pairs for part in pair):
        raise MasksError(f"{where} has a point that is no place in a picture: correct or remove that shape.")
    if not least <= len(pairs) <= MOST_POINTS:
        raise MasksError(
            f"{where} has an outline of {len(pairs)} points, and an area needs {least}: remove or redraw it."
        )
    return pairs


def with_border(outline, shape):
    """The pixels inside an outline and on it: bool (row, col)."""
    area = Image.new("1", shape[::-1])
    ImageDraw.Draw(area).polygon(outline, fill=1, outline=1)
    return np.array(area)


def by_centres(outline, shape):
    """The pixels whose centres (x + 0.5, y + 0.5) lie inside an outline, by the even-odd rule: bool (row, col)."""
    rows, cols = shape
    change = np.zeros((rows, cols + 1), np.uint8)
    ends = np.array(outline, np.float64)
    for (x0, y0), (x1, y1) in zip(ends, np.roll(ends, -1, axis=0), strict=True):
        (x0, y0), (x1, y1) = sorted([(x0, y0), (x1, y1)], key=lambda end: end[1])
        row = np.arange(max(0, math.ceil(y0 - 0.5)), min(rows, math.ceil(y1 - 0.5)))  # whose centres the edge crosses
        if row.size:
            x = x0 + (row + 0.5 - y0) * (x1 - x0) / (y1 - y0)
            col = np.clip(np.ceil(x - 0.5), 0, cols).astype(np.intp)
            change[row, col] ^= 1
    return np.bitwise_xor.accumulate(change[:, :cols], axis=1).astype(bool)


def as_coco(outline, shape):
    """The pixels that pycocotools finds inside an outline: bool (row, col).

    It rounds the outline to fifths of a pixel, walks along it, and, where the walk passes the middle of a column, marks
    the first pixel centre at or below it. Down the columns, each mark begins or ends the area.

    Raises:
        ValueError: the outline is longer than `MOST_STEPS` fifths of a pixel; the message is a clause.
    """
    rows, cols = shape
    fifths = np.trunc(5 * np.array(outline, np.float64) + 0.5).astype(np.int64)
    if np.abs(fifths - np.roll(fifths, -1, axis=0)).max(axis=1).sum() > MOST_STEPS:
        raise ValueError("has an outline that winds without end")
    walk = [_steps(start, end) for start, end in zip(fifths, np.roll(fifths, -1, axis=0), strict=True)]
    x, y = np.concatenate(walk).T
    moved = np.flatnonzero(x[1:] != x[:-1])
    column = (np.minimum(x[moved], x[moved + 1]) + 0.5) / 5 - 0.5
    row = np.clip(np.ceil((np.minimum(y[moved], y[moved + 1]) + 0.5) / 5 - 0.5), 0, rows)
    hit = (column == np.floor(column)) & (column >= 0) & (column <= cols - 1)
    marks = (column[hit] * rows + row[hit]).astype(np.int64)
    area = np.zeros((cols, rows), bool)
    if len(marks):
        first, last = marks.min() // rows, min(cols - 1, marks.max() // rows)  # the columns that have any
        count = np.bincount(marks - first * rows, minlength=(last - first + 1) * rows)[: (last - first + 1) * rows]
        area[first : last + 1] = (np.cumsum(count) % 2 == 1).reshape(-1, rows)
    return area.T


def _steps(start, end):
    """The points of a straight walk from one point to another, one for each step along its longer direction."""
    along = int(np.argmax(np.abs(end - start)))  # x if both are as long
    low, high = (start, end) if start[along] <= end[along] else (end, start)
    length = high[along] - low[along]
    points = np.repeat(low[None], length + 1, axis=0)
    points[:, along] += np.arange(length + 1)
    slope = (high[1 - along] - low[1 - along]) / max(1, length)
    points[:, 1 - along] = np.trunc(low[1 - along] + slope * np.arange(length + 1) + 0.5)
    return points if low is start else points[::-1]
