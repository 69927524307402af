"""From a mask to outlines: each connected area's border, as a polygon through the centres of its outermost pixels.

Areas are connected by their pixels' sides. Filled with its border (`filling.with_border`), an outline gives back its
area and all that lies inside it, so areas are painted from the largest to the smallest.
"""

import numpy as np

from helpers.formats import filling

# Eight steps (row, col) around a pixel, clockwise from the left.
_STEPS = ((0, -1), (-1, -1), (-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1))


def painted(mask, ground=None):
    """The outlines that, painted one over the other on `ground`, give a mask.

    Args:
        mask: uint8 (row, col).
        ground: the number that is there before anything is painted, or None for no such number.

    Returns:
        A list of (number, [(x, y), …]) in the order of painting.
    """
    areas = _areas(mask)
    count = int(areas.max()) + 1
    first = np.full(count, mask.size)
    np.minimum.at(first, areas.ravel(), np.arange(mask.size))
    found = []
    for area in range(count):
        row, col = divmod(int(first[area]), mask.shape[1])
        points = _border(areas, area, row, col)
        found.append((_inside(points), mask[row, col], points, (row, col)))
    canvas = np.full(mask.shape, -1 if ground is None else ground, np.int16)
    result = []
    for _, number, points, (row, col) in sorted(found, key=lambda one: -one[0]):
        if ground is not None and number == ground and canvas[row, col] == ground:
            continue  # nothing was painted over it
        _paint(canvas, points, number)
        result.append((int(number), points))
    return result


def _paint(canvas, points, number):
    """Fills an outline, within the rectangle around it."""
    left, top = (min(part) for part in zip(*points, strict=True))
    right, bottom = (max(part) for part in zip(*points, strict=True))
    area = filling.with_border([(x - left, y - top) for x, y in points], (bottom - top + 1, right - left + 1))
    canvas[top : bottom + 1, left : right + 1][area] = number


def _areas(mask):
    """Numbers the connected areas: int (row, col), from 0, in the order of their first pixels."""
    rows, cols = mask.shape
    starts = np.ones(mask.shape, bool)
    starts[:, 1:] = mask[:, 1:] != mask[:, :-1]
    run = np.cumsum(starts).reshape(rows, cols) - 1  # runs of equal pixels in a row, joined below
    parent = np.arange(run.max() + 1)

    def root(i):
        while parent[i] != i:
            parent[i] = i = parent[parent[i]]
        return i

    same = mask[1:] == mask[:-1]
    for above, below in np.unique(np.stack([run[:-1][same], run[1:][same]], -1), axis=0):
        one, other = root(above), root(below)
        parent[max(one, other)] = min(one, other)
    roots = np.array([root(i) for i in range(len(parent))])
    return np.unique(roots, return_inverse=True)[1].reshape(-1)[run]


def _border(areas, area, row, col):
    """The outermost pixels of an area, clockwise from its first: [(x, y), …], at least three, without those in line.

    It is Moore's neighbour tracing: from the pixel before, the next one is looked for clockwise. It ends when the
    first pixel is left by the same step as at the beginning.
    """
    rows, cols = areas.shape
    points, at, back, begin = [], (row, col), 0, None
    while True:
        for turn in range(1, 9):
            step = (back + turn) % 8
            r, c = at[0] + _STEPS[step][0], at[1] + _STEPS[step][1]
            if 0 <= r < rows and 0 <= c < cols and areas[r, c] == area:
                break
        else:
            return [(col, row)] * 3  # one pixel alone
        if begin == (at, step):
            break
        begin = begin or (at, step)
        points.append((at[1], at[0], step))
        # The last pixel that was looked at and is not of the area lies behind, as seen from the next one.
        before = (at[0] + _STEPS[(step - 1) % 8][0], at[1] + _STEPS[(step - 1) % 8][1])
        at, back = (r, c), _STEPS.index((before[0] - r, before[1] - c))
    corners = [(x, y) for i, (x, y, step) in enumerate(points) if step != points[i - 1][2]]
    return corners + [corners[0]] * max(0, 3 - len(corners))


def _inside(points):
    """Twice the area that an outline encloses, which is larger than that of any outline inside it."""
    x, y = np.array(points, np.int64).T
    return abs(int((x * np.roll(y, -1) - y * np.roll(x, -1)).sum()))
