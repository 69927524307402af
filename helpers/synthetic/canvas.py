"""Here is what synthetic scenes are painted with: textures, colours, and a canvas that remembers each pixel's class.

A `Canvas` is twice the size of the picture it will be. Its masks (`rect`, `ellipse`, `polygon`, `under`, `ground`) give
an `Area`; `paint` puts a colour, maybe times a texture, and a class there. Positions run from 0 to 1, x to the right
and y down; `ground` knows the perspective, in metres. The same seed gives the same pixels on every machine: all
arithmetic is + - * / sqrt and comparison, all chance from one frozen random stream.
"""

import functools
from typing import NamedTuple

import numpy as np

from helpers.classes import CLASS_NAMES, VOID

TILE = 512  # the side of a texture, which wraps round; a picture is 256 texels wide

# ---- textures ---------------------------------------------------------------------------------------------------


def _fractal(rs, rows, cols, octaves, fold=False):
    """Returns smooth random hills on a rows x cols grid, plus finer and lower ones; `fold` turns them into ridges."""
    total = np.zeros((TILE, TILE), np.float32)
    for k in range(octaves):
        hills = rs.random_sample((rows << k, cols << k)).astype(np.float32)
        for axis in (0, 1):
            at = np.arange(TILE, dtype=np.float32) * (hills.shape[axis] / TILE)
            i, f = at.astype(int), (at - np.floor(at)).reshape((-1, 1) if axis == 0 else (1, -1))
            a, b = hills.take(i, axis), hills.take((i + 1) % hills.shape[axis], axis)
            hills = a + (b - a) * (f * f * (3 - 2 * f))
        total += (np.abs(hills * 2 - 1) if fold else hills) * np.float32(0.5**k)
    return total


def _cells(rs, m):
    """Scatters m x m points; for each texel's nearest returns distance, drop in y and a random number; then the gap."""
    px, py, number = rs.random_sample((3, m, m)).astype(np.float32)
    at = np.arange(TILE, dtype=np.float32) * (m / TILE)
    first = np.full((TILE, TILE), 9, np.float32)
    second, drop, who = first, first, first
    for dj in (-1, 0, 1):
        for di in (-1, 0, 1):
            i, j = at.astype(int) + di, at.astype(int) + dj
            cell = np.ix_(j % m, i % m)
            dx = px[cell] + (i - at).astype(np.float32)[None, :]
            dy = py[cell] + (j - at).astype(np.float32)[:, None]
            d = np.sqrt(dx * dx + dy * dy)
            second = np.minimum(second, np.maximum(first, d))
            drop, who = np.where(d < first, dy, drop), np.where(d < first, number[cell], who)
            first = np.minimum(first, d)
    return first, drop, who, second - first


@functools.cache
def _textures():
    """Makes all textures once: {name: float32 (TILE, TILE)}, the values of each spread evenly over 0-1."""
    rs = np.random.RandomState(12)  # noqa: NPY002  (the one generator whose stream is frozen for good)
    (near, drop, who, gap), (near2, drop2, who2, _) = _cells(rs, 32), _cells(rs, 64)
    ridges = _fractal(rs, 4, 8, 6, fold=True)
    tiles = dict(
        soft=_fractal(rs, 4, 4, 6),  # clouds, patches
        rough=_fractal(rs, 32, 32, 4),
        grain=rs.random_sample((TILE, TILE)).astype(np.float32),
        wave=_fractal(rs, 64, 8, 3),  # long in x; turned, blades of grass
        relief=np.roll(ridges, 3, 1) - ridges,  # gullies and spurs, lit from one side
        leaf=0.8 * drop - near + 0.5 * who + 0.5 * (0.8 * drop2 - near2 + 0.5 * who2),  # clumps, lit from above
        facet=who + 0.9 * drop - 0.8 * (gap < 0.1),  # broken stone
    )
    for name, tile in tiles.items():
        even = np.empty(tile.size, np.float32)
        even[np.argsort(tile.ravel(), kind="stable")] = np.arange(tile.size, dtype=np.float32) / tile.size
        tiles[name] = even.reshape(tile.shape)
    return tiles


def clip(t):
    """Limits values to the range from 0 to 1."""
    return np.minimum(np.maximum(t, 0), 1)


def saw(t):
    """Goes down and up between 1 and 0, in straight lines, with period 1."""
    return np.abs((t - np.floor(t)) * 2 - 1)


def band(t, low, high):
    """Marks stripes of period 1: where the fractional part of t lies from low up to high."""
    return (t - np.floor(t) >= low) & (t - np.floor(t) < high)


# ---- colours ------------------------------------------------------------------------------------------------------

SEASONS = dict(
    summer=dict(tree=(56, 86, 42), grass=(92, 128, 54), field=(118, 138, 66), plant=(66, 108, 46)),
    spring=dict(tree=(100, 124, 58), grass=(104, 142, 62), field=(140, 112, 80), plant=(96, 124, 70)),
    autumn=dict(tree=(158, 98, 44), grass=(136, 128, 66), field=(158, 124, 78), plant=(142, 88, 52)),
    dry=dict(tree=(84, 88, 54), grass=(172, 150, 96), field=(198, 170, 112), plant=(128, 118, 74)),
    winter=dict(tree=(92, 88, 84), grass=(186, 188, 186), field=(214, 216, 220), plant=(104, 106, 78)),
)
COLOURS = dict(
    mountain=((96, 104, 118), (86, 100, 74), (132, 110, 86), (150, 104, 78), (118, 116, 112), (74, 78, 88)),
    rock=((128, 124, 118), (96, 92, 92), (150, 120, 92), (112, 100, 84), (160, 156, 150)),
    sand=((206, 182, 142), (172, 154, 124), (196, 192, 182), (150, 128, 102)),
    desert=((206, 164, 112), (190, 134, 92), (204, 184, 140)),
    sea=((52, 92, 128), (70, 112, 118), (104, 118, 128), (54, 66, 84), (120, 138, 150), (84, 116, 150)),
    river=((84, 104, 108), (104, 110, 92), (80, 100, 128), (120, 128, 132)),
    road=((112, 112, 114), (134, 130, 124), (84, 86, 92), (160, 156, 150), (98, 104, 116)),
    sidewalk=((168, 160, 150), (132, 130, 130), (176, 150, 124), (110, 108, 106)),
    wall=((150, 88, 68), (200, 178, 140), (214, 210, 202), (142, 142, 146), (104, 124, 150), (84, 84, 92),
          (204, 164, 104), (178, 140, 128), (122, 108, 92), (170, 182, 186)),
    paint=((160, 40, 36), (190, 186, 180), (40, 44, 52), (60, 84, 140), (204, 168, 60), (110, 112, 116), (60, 96, 70)),
    hide=((120, 74, 46), (50, 44, 42), (214, 206, 196)), skin=((196, 150, 120), (120, 84, 62), (226, 184, 156)),
    bark=((84, 68, 54), (110, 100, 90), (62, 54, 48), (150, 144, 136)), metal=((150, 150, 150), (72, 76, 80)),
    dark=((28, 28, 30),), glass=((48, 56, 64),), white=((232, 230, 222),), lamp=((190, 34, 28), (240, 236, 210)),
    bloom=((220, 80, 110), (236, 226, 220), (226, 190, 60), (170, 110, 190)),
    sun=((255, 246, 200), (255, 214, 130)), moon=((226, 228, 226),),
)  # fmt: skip


# ---- the canvas ---------------------------------------------------------------------------------------------------


class Area(NamedTuple):
    """An `Area` is some pixels of a canvas: a box of rows and columns, their positions, and which of them are meant."""

    box: tuple
    x: np.ndarray  # (1, width)
    y: np.ndarray  # (height, 1)
    mask: np.ndarray  # bool (height, width)

    def where(self, mask):
        """Keeps those pixels of the area where the mask, bool (height, width), holds."""
        return self._replace(mask=self.mask & mask)


class Canvas:
    """A canvas holds a picture and its labels at twice the final size, and its own chance, camera, light, season."""

    def __init__(self, seed, size):
        self.random = np.random.RandomState(seed).random_sample  # noqa: NPY002
        self.n = 2 * size
        self.rgb = np.zeros((self.n, self.n, 3), np.float32)  # 0-255, or brighter
        self.label = np.full((self.n, self.n), VOID, np.uint8)
        self.axis = (np.arange(self.n, dtype=np.float32) + np.float32(0.5)) / self.n
        self.season, self.light = self.pick(*SEASONS), self.pick(-1, 1)  # the light comes from the left or the right
        self.horizon, self.eye, self.vx = 0.5, 1.7, self.r(0.3, 0.7)  # eye level; its height in metres; vanishing point
        self.colours, self.haze = {}, np.full(3, 200, np.float32)
        self.forgotten = self.pick("plant", "rock", "sign", "person", "fence", "car", "pole", *[""] * 20)  # left void

    def r(self, low=0.0, high=1.0):
        """Draws a random number between low and high."""
        return low + (high - low) * self.random()

    def pick(self, *items):
        """Draws one of the items, each with the same chance."""
        return items[int(self.r(0, len(items)))]

    def colour(self, material, fresh=False):
        """Returns this scene's colour of a material, or a fresh one: float32 (RGB,), about 0-255."""
        if fresh or material not in self.colours:
            base, light = SEASONS[self.season].get(material) or self.pick(*COLOURS[material]), self.r(0.8, 1.2)
            self.colours[material] = np.array([v * light * self.r(0.92, 1.08) for v in base], np.float32)
        return self.colours[material]

    def noise(self, texture, x, y):
        """Returns a texture's values at x, y (in picture widths), from a random corner on."""
        i, j = (np.floor(t * 256 + self.r(0, TILE)).astype(np.int32) & (TILE - 1) for t in (x, y))
        return _textures()[texture][j, i]

    def line(self, y, height, steps=1.0):
        """Returns a jagged line: y plus up to `height`, for each column."""
        return y + height * self.noise("soft", self.axis * steps, 0.0)

    def rect(self, x0, y0, x1, y1):
        """Returns the rectangle between two corners, cut at the picture's edges."""
        c0, r0 = (min(max(int(t * self.n + 0.5), 0), self.n) for t in (x0, y0))
        c1, r1 = (min(max(int(t * self.n + 0.5), low + 1), self.n) for t, low in ((x1, c0), (y1, r0)))
        x, y = self.axis[None, c0:c1], self.axis[r0:r1, None]
        return Area((slice(r0, r1), slice(c0, c1)), x, y, np.ones((y.size, x.size), bool))

    def under(self, line, bottom=1.0):
        """Returns what lies below a line, which has one y for each column, down to `bottom`."""
        area = self.rect(0, float(line.min()), 1, bottom)
        return area.where(area.y > line[None, :])

    def ellipse(self, x, y, rx, ry, rough=0.0):
        """Returns an ellipse around (x, y) with radii rx, ry; `rough` frays its edge."""
        area = self.rect(x - rx, y - ry, x + rx, y + ry)
        dx, dy = (area.x - x) / rx, (area.y - y) / ry
        return area.where(dx * dx + dy * dy + (rough * self.noise("rough", area.x, area.y) if rough else 0) < 1)

    def polygon(self, *points):
        """Returns the inside of the polygon through these (x, y), by the even-odd rule."""
        xs, ys = zip(*points, strict=True)
        area = self.rect(min(xs), min(ys), max(xs), max(ys))
        inside = np.zeros(area.mask.shape, bool)
        for (x0, y0), (x1, y1) in zip(points, points[1:] + points[:1], strict=True):
            if y0 != y1:  # even-odd rule: count the edges to the right
                crossed = (area.y > min(y0, y1)) & (area.y <= max(y0, y1))
                inside ^= crossed & (area.x < (area.y - y0) * ((x1 - x0) / (y1 - y0)) + x0)
        return area.where(inside)

    def ground(self, left=-1e6, right=1e6, near=0.0, far=1e6, bend=0.0):
        """Returns the ground between two distances aside and two ahead, and each pixel's metres aside and ahead."""
        area = self.rect(0, self.horizon, 1, 1)
        ahead = self.eye / np.maximum(area.y - self.horizon, np.float32(0.002))
        aside = (area.x - self.vx) * ahead - ahead * ahead * bend
        return area.where((aside > left) & (aside < right) & (ahead > near) & (ahead < far)), aside, ahead

    def paint(self, area, name, colour, shade=None, far=0.0):
        """Colours an area and labels it; `name` None leaves the label. `far` (0-1) fades the colour into the air."""
        colour = np.asarray(colour, np.float32)
        if shade is not None:
            colour = colour * np.asarray(shade, np.float32)[..., None]
        np.copyto(self.rgb[area.box], colour + (self.haze - colour) * far, where=area.mask[..., None])
        if name is not None:
            number = VOID if name == self.forgotten else CLASS_NAMES.index(name)
            np.copyto(self.label[area.box], np.uint8(number), where=area.mask)

    def finish(self):
        """Leaves seams and patches unlabelled, sets the light of the day, and halves the size.

        Returns:
            The image, uint8 (size, size, 3), and the label, uint8 (size, size).
        """
        label, x, y = self.label, self.axis[None, :], self.axis[:, None]
        seam = np.zeros(label.shape, bool)
        seam[:, 2:-2] = label[:, :-4] != label[:, 4:]
        seam[2:-2] |= label[:-4] != label[4:]
        label[seam & (self.noise("soft", x, y) < self.r(0.0, 0.5))] = VOID
        if self.r() < 0.6:
            label[y > self.line(self.r(0.86, 0.95), 0.1)] = VOID
        if self.r() < 0.3:
            area = self.ellipse(self.r(), self.r(self.horizon, 1), self.r(0.1, 0.25), self.r(0.05, 0.15), 0.5)
            label[area.box][area.mask] = VOID
        rgb = self.rgb * np.float32(self.r(0.8, 1.15)) + (self.noise("grain", x * 2, y * 2)[..., None] - 0.5) * 10
        grey = (rgb[..., 0:1] + rgb[..., 1:2] + rgb[..., 2:3]) / 3
        rgb = (grey + (rgb - grey) * self.r(0.6, 1.2)) * np.array([self.r(0.92, 1.08) for _ in "rgb"], np.float32)
        rgb = (rgb[0::2, 0::2] + rgb[1::2, 0::2] + rgb[0::2, 1::2] + rgb[1::2, 1::2]) / 4
        return np.floor(clip(rgb / 255) * 255).astype(np.uint8), label[0::2, 0::2].copy()
