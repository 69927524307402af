"""The embedded stand-in for SiftFlow: outdoor scenes drawn from scratch, in SiftFlow's own files and 33 classes.

For readers without the photographs: `make` writes a small data set of drawn coasts, forests, streets ... which
`helpers.siftflow.SiftFlow` opens like the real one. Colour alone does not give the classes away (a grey pixel may be
sky, sea, road, wall or rock, and light and season change from scene to scene); texture, shape and surroundings do.

    image, label = draw("coast", seed=3)    # uint8 (row, col, RGB) and uint8 (row, col): 0-32, or 255 for void

A scene is painted back to front on a `helpers.synthetic.canvas.Canvas`. A material is a colour times a texture; a thing (a car, a
person) is a few flat parts, sized in metres by the perspective of the ground plane; a scene chooses horizon, season and
light and puts things into it. The same seed gives the same pixels on every machine.

Needs NumPy; `make` also Pillow and SciPy.
"""

import json
import os
import tempfile
from pathlib import Path

import numpy as np

from helpers.fetch import labelmaps
from helpers.siftflow import CLASS_NAMES, SCENES_MARKER, SiftFlow, SiftFlowError
from helpers.synthetic.canvas import Canvas, band, clip, saw

VERSION = 1  # of the drawings: raise it when a pixel changes, so that older sets are made anew
FOLDER = "procedural_scenes"

# ---- materials: what a surface looks like -------------------------------------------------------------------------

SKIES = (  # at the top, at the horizon
    ((70, 118, 186), (182, 206, 226)), ((44, 84, 160), (140, 178, 214)), ((150, 156, 164), (206, 206, 204)),
    ((214, 216, 218), (226, 226, 222)), ((96, 92, 124), (232, 164, 110)), ((116, 132, 150), (176, 178, 176)),
    ((84, 96, 112), (214, 180, 150)), ((150, 180, 200), (214, 220, 214)), ((60, 68, 94), (160, 140, 150)),
)  # fmt: skip


def sky(c, horizon, eye):
    """Sets up the camera; a gradient, clouds, now and then sun or moon."""
    top, low = (np.array(v, np.float32) for v in c.pick(*SKIES))
    c.horizon, c.eye, c.haze = horizon, eye, low * 0.9
    area = c.rect(0, 0, 1, horizon + 0.02)
    colour = top + (low - top) * clip(area.y / (horizon + 0.1))[..., None]
    slant, gaps = 0.3 / (horizon + 0.25 - np.minimum(area.y, horizon)), c.pick(2.0, 0.75, 0.6, 0.45, 0.2)
    cover = c.noise("soft", (area.x - 0.5) * slant * c.r(0.8, 1.4), slant * c.r(1, 3)) - gaps
    cloud = (low * 0.4 + 152) * (1.05 - 0.5 * clip(cover))[..., None]
    colour = colour + (cloud - colour) * (clip(cover * c.r(4, 9)) * c.r(0.7, 1.0))[..., None]
    disc, x, y, radius = c.pick("sun", "sun", "moon", *[""] * 60), c.r(0.15, 0.85), c.r(0.1, 0.8) * horizon, 0.03
    glow = 1 / (1 + ((area.x - x) * (area.x - x) + (area.y - y) * (area.y - y)) * 60) if disc else 0 * area.y
    c.paint(area, "sky", colour + np.float32((60, 44, 16)) * glow[..., None])
    if disc:
        c.paint(c.ellipse(x, y, radius, radius), disc, c.colour(disc))


def mountain(c, foot, height, far):
    """A range that stands on y = foot: gullied flanks, lit from one side; snow on high ones, woods on others."""
    line = c.line(foot - height * 1.15, height * 1.15, c.r(0.5, 1.1)) + c.r(-0.3, 0.3) * height * (c.axis - 0.5)
    area = c.under(np.minimum(line, foot - 0.1 * height), foot + 0.02)
    lean = area.x + (area.y - line[None, :]) * c.r(-0.6, 0.6)
    relief, cover = c.noise("relief", c.light * lean, area.y * 0.6), c.noise("soft", area.x * 2, area.y * 2)
    if height > 0.2 and c.r() < 0.6:
        top, growth = np.float32((226, 230, 238)), 0.2 + 0.7 * relief
        cover = (foot - height * c.r(0.1, 0.6) - area.y) * 6 + relief * 0.9 + cover * 0.5 - 0.5
    else:
        top, growth, cover = c.colour("tree"), c.noise("leaf", area.x * 2, area.y * 2), cover - c.r(0.3, 1.2)
    colour = c.colour("mountain") * (0.5 + 0.6 * relief + 0.1 * c.noise("rough", area.x, area.y))[..., None]
    top = top * (0.45 + 0.6 * growth)[..., None]
    c.paint(area, "mountain", colour + (top - colour) * clip(cover * 8)[..., None], far=far)


def sea(c):
    """Rows of waves, closer towards the horizon, with foam and now and then the path of the sun."""
    area = c.ground()[0]
    depth = c.r(0.8, 1.3) / (area.y - c.horizon + 0.07)
    waves = c.noise("wave", (area.x - 0.5) * depth * 0.2, depth * 0.35)
    aside, foam = area.x - c.r(0.2, 0.8), (waves - c.r(0.88, 1.0)) * 8 * (area.y > c.horizon + 0.05)
    foam = np.maximum(foam, c.pick(0, 0, 3) * (waves - 0.4) / (1 + 90 * aside * aside))
    colour = (c.colour("sea") * 0.65 + c.haze * 0.35) * (0.7 + 0.55 * waves)[..., None]
    c.paint(area, "sea", colour + (c.haze * 1.15 - colour) * (clip(foam) * 0.85)[..., None])


def river(c, left=-1e6, right=1e6, bend=0.0):
    """Still water: what stands on the horizon, upside down and shaken sideways, with ripples."""
    area, top = c.ground(left, right, bend=bend)[0], c.horizon + 0.01
    rows = np.clip(2 * int(top * c.n) - (area.y * c.n).astype(int), 0, c.n - 1)
    shake = (c.noise("wave", area.x * 0.5, area.y * 2) - 0.5) * (area.y - top + 0.03) * 60
    colour = c.rgb[rows, np.clip((area.x * c.n + shake).astype(int), 0, c.n - 1)] * 0.5 + c.colour("river") * 0.4
    c.paint(area, "river", colour, 0.85 + 0.3 * c.noise("wave", area.x * 0.4, area.y * 1.6))


def lay(c, name, left=-1e6, right=1e6, line=None, bend=0.0):
    """Cover the ground, a lane of it, or what is below a line: every surface has its own grain, in perspective."""
    area, aside, ahead = c.ground(left, right, bend=bend)
    near, shade = clip((area.y - c.horizon) * 4), 0.8 + 0.1 * c.noise("grain", area.x, area.y)
    if name == "grass":  # upright blades in patches
        fine, coarse = c.noise("wave", area.y * 9, area.x * 4) * 0.35, c.noise("wave", area.y * 6, area.x * 2.8) * 0.8
        shade = 0.5 + 0.35 * c.noise("soft", area.x, np.sqrt(near)) + fine + (coarse - fine) * near * 0.5
    elif name == "field":  # furrows that run into the distance
        turn = c.pick(0.0, c.r(-0.5, 0.5))
        clear = clip(near * 3 / (1 + 3 * abs(turn)))
        shade = shade - 0.1 + 0.6 * clear * saw((aside + ahead * turn) / c.eye * c.r(2, 4))
    elif name == "sand":  # low ripples
        shade = shade + 0.18 * near * saw(ahead / c.eye * 5 + 7 * c.noise("soft", area.x * 0.6, area.y * 1.2))
    elif name == "desert":  # dunes, lit on one side
        dune = c.noise("relief", c.light * (area.x + area.y) * 0.5, area.y * 2.2)
        shade = shade - 0.12 + 0.45 * dune * dune
    elif name == "sidewalk":  # slabs with dark joints
        slab = c.noise("grain", np.floor(aside / 0.9) * 0.01, np.floor(ahead / 0.9) * 0.03)
        shade = shade + 0.2 * slab - 0.3 * near * (band(aside / 0.9, 0, 0.08) | band(ahead / 0.9, 0, 0.08))
    else:  # road, worn along
        shade = shade + 0.16 * c.noise("soft", aside * 0.15, ahead * 0.02)
    c.paint(area if line is None else area.where(area.y > line[None, :]), name, c.colour(name), shade)


def lanes(c, left, right, count, bend=0.0):
    """A road with edge lines and dashed lines between the lanes."""
    lay(c, "road", left, right, bend=bend)
    mark = c.pick((224, 222, 214), (224, 222, 214), (214, 180, 70))
    for k in range(count + 1):
        x = left + 0.4 + (right - left - 0.8) * k / count
        line, _, ahead = c.ground(x - 0.09, x + 0.09, far=60, bend=bend)
        c.paint(line.where(band(ahead / 7, 0, 1 if k in (0, count) else 0.5)), None, mark)


# ---- things: on the ground at (x, y), where a metre is m long -----------------------------------------------------


def crown(c, area, hue, far=0.0, zoom=1.0):
    """Foliage: clumps lit from above with dark gaps, darker towards the bottom."""
    low = (area.y - area.y[:1]) / (area.y[-1:] - area.y[:1] + np.float32(0.01))
    c.paint(area, "tree", hue, (0.3 + 0.95 * c.noise("leaf", area.x * zoom, area.y * zoom)) * (1.15 - 0.4 * low), far)


def tree(c, x, y, m, far=0.0):
    hue, height, w = c.colour("tree") * c.r(0.8, 1.2), c.r(5, 9) * m, c.r(0.15, 0.25) * m
    trunk = c.polygon((x - w, y), (x - w * 0.6, y - height * 0.6), (x + w * 0.6, y - height * 0.6), (x + w, y))
    c.paint(trunk, "tree", c.colour("bark"), 0.6 + 0.5 * c.noise("wave", trunk.y * 3, trunk.x * 2), far)
    for _ in range(4):
        r = c.r(0.2, 0.3) * height
        crown(c, c.ellipse(x + c.r(-0.2, 0.2) * height, y - c.r(0.5, 0.8) * height, r * 1.1, r, 0.6), hue, far)


def conifer(c, x, y, m, far=0.0):
    """A fir: a jagged triangle of drooping layers."""
    height = c.r(7, 11) * m
    area = c.rect(x - height * 0.27, y - height, x + height * 0.27, y - height * 0.05)
    down, off = (area.y - y) / height + 1, np.abs(area.x - x) / (height * c.r(0.2, 0.27))
    layer = down * c.r(5, 8) + off * 0.7
    layer = layer - np.floor(layer)
    outline = down * (0.65 + 0.35 * layer) + (c.noise("grain", area.x, area.y) - 0.5) * 0.25
    c.paint(c.rect(x - height * 0.015, y - height * 0.1, x + height * 0.015, y), "tree", c.colour("bark"), far=far)
    shade = 0.9 - 0.5 * layer + 0.5 * c.noise("leaf", area.x * 2, area.y * 2)
    c.paint(area.where(off < outline), "tree", c.colour("tree") * c.r(0.7, 1.1), shade, far)


def wood(c, foot, height, far=0.0, kind=None):
    """A row of trees along y = foot, and undergrowth that closes the gaps."""
    kind = kind or c.pick(tree, conifer)
    crown(c, c.under(c.line(foot - height * 0.75, height * 0.4, 4.0), foot), c.colour("tree") * 0.6, far, 1.5)
    step = height * (0.5 if kind is tree else 0.3)
    for i in range(int(1 / step) + 2):
        kind(c, (i + c.r(-0.3, 0.3)) * step, foot + c.r(-0.01, 0.01), height / c.r(8, 10), far)


def rock(c, x, y, m):
    """A boulder, the larger the higher we stand: broken faces, dark below."""
    h = c.r(0.25, 0.5) * max(c.eye, 2) * m
    area = c.ellipse(x, y - h * 0.35, h * c.r(1, 2), h, 0.6)
    shade = 0.5 + 0.6 * c.noise("facet", area.x * 0.7, area.y * 0.7) + 0.15 * c.noise("rough", area.x * 2, area.y * 2)
    c.paint(area.where(area.y < y), "rock", c.colour("rock"), shade * (1.1 - 0.45 * clip((area.y - y + h) / h)))


def plant(c, x, y, m):
    """A bush: big single leaves, maybe flowers."""
    size = c.r(0.8, 1.6) * m
    area = c.ellipse(x, y - size * 0.4, size * c.r(0.6, 1.0), size * 0.62, 0.7)
    colour = c.colour("plant") * (0.3 + 1.1 * c.noise("facet", area.x * 3, area.y * 3))[..., None]
    flower = c.noise("grain", area.x * 0.6, area.y * 0.6) > c.pick(0.84, 2, 2)
    c.paint(area.where(area.y < y), "plant", np.where(flower[..., None], c.colour("bloom"), colour))


def fence(c, x, y, m):
    """Posts and rails, or boards, across the picture."""
    area, hue = c.rect(0, y - 1.2 * m, 1, y), c.pick((214, 208, 198), (110, 86, 64), (90, 92, 94))
    solid = band((y - area.y) / m / 0.45, 0.3, 0.65) | band(area.x / m / c.pick(0.3, 1.5), 0, 0.25)
    c.paint(area, "fence", np.where(solid[..., None], np.float32(hue), c.rgb[area.box] * 0.6))


def bridge(c, deck, foot, thick, far):
    """A bridge across the picture, on arches or piers."""
    area, t = c.rect(0, deck - thick, 1, foot), saw(c.axis / c.r(0.15, 0.4) + c.r())
    gap = (t < 0.86) & (area.y > deck + c.pick(0.0, 0.9) * (foot - deck) * t * t)
    shade = 0.9 - 0.3 * band((area.y - deck) / thick, 0.4, 0.6) + 0.15 * c.noise("rough", area.x, area.y)
    c.paint(area.where(~gap), "bridge", c.colour("wall", fresh=True), shade, far)


PARTS = dict(  # colour, then metres aside and up: 3 numbers are a disc (centre, radius), 4 a rectangle, more a polygon
    car=(("dark", -0.8, 0.4, 0.8, 0), ("paint", -0.85, 0.8, -0.62, 1.45, 0.62, 1.45, 0.85, 0.8),
         ("glass", -0.7, 0.86, -0.54, 1.35, 0.54, 1.35, 0.7, 0.86), ("paint", -0.9, 0.85, 0.9, 0.25),
         ("lamp", -0.86, 0.75, -0.58, 0.55), ("lamp", 0.58, 0.75, 0.86, 0.55), ("white", -0.25, 0.55, 0.25, 0.4)),
    car_aside=(("paint", -2.1, 0.3, -2.1, 0.9, -1.5, 1, -0.9, 1.5, 0.5, 1.5, 1.1, 1, 2, 0.85, 2.1, 0.3),
               ("glass", -1.2, 1, -0.8, 1.4, -0.2, 1.4, -0.2, 1), ("glass", -0.1, 1, -0.1, 1.4, 0.45, 1.4, 0.9, 1),
               *((hue, x, 0.32, r) for x in (-1.3, 1.3) for hue, r in (("dark", 0.34), ("metal", 0.17)))),
    bus=(("dark", -1.1, 0.5, 1.1, 0), ("paint", -1.25, 3.1, 1.25, 0.35), ("glass", -1.1, 2.7, 1.1, 1.5),
         ("white", -0.7, 3, 0.7, 2.78), ("lamp", -1.15, 0.9, -0.8, 0.65), ("lamp", 0.8, 0.9, 1.15, 0.65)),
    person=(("dark", -0.1, 0.85, 0.1, 0.85, -0.1, 0, -0.28, 0), ("dark", -0.1, 0.85, 0.1, 0.85, 0.26, 0, 0.1, 0),
            ("paint", -0.16, 1.45, 0.16, 1.45, 0.26, 0.75, -0.26, 0.75), ("skin", 0, 1.58, 0.14)),
    cow=(*(("hide", x, 0.7, x + 0.17, 0) for x in (-0.8, -0.5, 0.4, 0.66)),
         ("hide", -0.95, 0.65, -0.95, 1.3, -0.6, 1.45, 0.7, 1.4, 1, 1.65, 1.35, 1.5, 1.45, 1.2, 1.1, 1.1, 0.9, 0.65),
         ("white", -0.4, 1.05, 0.25), ("white", 0.35, 1.2, 0.18)),
    boat=(("white", -1.6, 2.6, 1.2, 1), ("glass", -1.3, 2.3, 0.9, 1.6), ("paint", -4, 1.2, 4, 1.2, 3, 0, -3.2, 0)),
    boat_sail=(("bark", -0.12, 9.4, 0.12, 0), ("white", 0.1, 9, 0.1, 1.5, 3.4, 1.5),
               ("white", -0.2, 8, -0.2, 1.5, -2, 1.5), ("paint", -3.6, 1.2, 4, 1.2, 3, -0.1, -3, -0.1)),
    bird=tuple(("dark", 0, 0, 0.5 * f, 0.35, f, 0.2, 0.5 * f, 0.14, 0, -0.25) for f in (-1, 1)),
    pole=(("bark", -0.11, 7.5, 0.11, 0), ("bark", -1, 6.9, 1, 6.65)),
    streetlight=(("metal", -0.1, 7.1, 0.1, 0), ("metal", 0, 7.1, 1.8, 6.9), ("metal", 1.4, 7.2, 2.2, 6.85)),
    sign=(("paint", -1.2, 0.9, 1.2, 0), ("white", -0.9, 0.75, 0.8, 0.55), ("white", -0.9, 0.4, 0.5, 0.2)),
    sign_posts=(("metal", -0.75, 3, -0.63, 0), ("metal", 0.63, 3, 0.75, 0), ("paint", -1.2, 3.6, 1.2, 2.1),
                ("white", -0.9, 3.35, 0.8, 3.1), ("white", -0.9, 2.85, 0.4, 2.6)),
    sign_round=(("metal", -0.06, 2, 0.06, 0), ("white", 0, 2.4, 0.42), ("paint", 0, 2.4, 0.36)),
    door=(("metal", -0.8, 2.6, 0.8, 0), ("paint", -0.65, 2.4, 0.65, 0), ("dark", -0.04, 2.4, 0.04, 0)),
    awning=(("paint", -1.2, 0.8, 1.2, 0.8, 1.5, 0, -1.5, 0),
            *(("white", 0.4 * k, 0.8, 0.4 * k + 0.2, 0.8, 0.5 * k + 0.25, 0, 0.5 * k, 0) for k in range(-3, 3))),
    balcony=(("dark", -1.2, 0.9, 1.2, 0), *(("paint", 0.3 * k - 0.06, 0.9, 0.3 * k + 0.06, 0) for k in range(-4, 5)),
             ("paint", -1.3, 1, 1.3, 0.85), ("paint", -1.3, 0, 1.3, -0.2)),
    staircase=(("white", -1.4, 0.2, 1.4, 0), ("metal", -1.2, 0.25, 1.2, 0.2), ("white", -1.2, 0.4, 1.2, 0.25),
               ("metal", -1, 0.45, 1, 0.4), ("white", -1, 0.6, 1, 0.45)),
)  # fmt: skip


def thing(c, x, y, m, name):
    """A thing from PARTS, left and right as it comes; what follows an underscore in its name is the variety."""
    hues, flip = {}, c.pick(-1, 1)
    for material, *p in PARTS[name]:
        hue = hues.setdefault(material, c.colour(material, fresh=True))
        px, py = [x + flip * t * m for t in p[0::2]], [y - t * m for t in p[1::2]]
        if len(p) == 3:
            area = c.ellipse(px[0], py[0], p[2] * m, p[2] * m)
        elif len(p) == 4:
            area = c.rect(min(px), py[0], max(px), py[1])
        else:
            area = c.polygon(*zip(px, py, strict=True))
        c.paint(area, name.split("_")[0], hue, 1.12 - 0.3 * clip((area.y - area.y[:1]) / m) + 0 * area.x)


def place(c, things, bend=0.0):
    """Put up (metres ahead, metres aside, what), the farthest first; what: a function, or a name in PARTS."""
    for ahead, aside, what in sorted(things, key=lambda t: -t[0]):
        x, y, m = c.vx + aside / ahead + bend * ahead, c.horizon + c.eye / ahead, 1 / ahead
        thing(c, x, y, m, what) if isinstance(what, str) else what(c, x, y, m)


def scatter(c, count, what, top, bottom):
    """Put up some things between two heights in the picture."""
    spots = [(c.eye / (c.r(top, bottom) - c.horizon), c.r()) for _ in range(int(count))]
    place(c, [(ahead, (x - c.vx) * ahead, what) for ahead, x in spots])


def facade(c, m=1.0):
    """The look of a building: wall, glass, metres per bay and floor, the window's share of both, where they begin."""
    wall, ribbon, a = c.colour("wall", fresh=True), c.r() < 0.25, c.r(0.14, 0.32)
    glass = wall * 0.35 + 14 if c.r() < 0.6 else c.haze * c.r(0.4, 0.8)
    bay, floor = max(c.r(2.4, 3.6), 0.022 / m), max(c.r(3.0, 3.6), 0.026 / m)
    wide, tall = (0.0, 0.96) if ribbon else (a, 1 - a), (c.r(0.2, 0.4), c.r(0.78, 0.9))
    return wall, glass, bay, floor, wide, tall, c.pick(0.0, 3.5)


def wall(c, area, across, up, m, look, shade=1.0, far=0.0):
    """A front, from its pixels' metres across and up: floors of windows, which stay "building". Returns the windows."""
    hue, glass, bay, floor, wide, tall, first = look
    pane = band(across / bay, *wide) & band(up / floor, *tall) & (up > first)
    clear = np.asarray(clip(m * bay * 30), np.float32)  # too small to see: no windows
    lit = c.noise("grain", np.floor(across / bay) * 0.02, np.floor(up / floor) * 0.02)
    grain = 0.2 * c.noise("soft", across * 0.05, up * 0.03) + 0.1 * c.noise("grain", area.x, area.y)
    colour = hue * (0.84 + grain - 0.14 * band(up / floor, 0, 0.07) * clear)[..., None]
    window = (pane * clear)[..., None]
    glass = glass * (0.6 + 0.7 * lit * lit)[..., None]
    c.paint(area, "building", (colour + (glass - colour) * window) * shade, far=far)
    return pane


def tower(c, x0, x1, top, foot, m, far=0.0):
    """A building far enough to be flat: a front, maybe a side in the shade, a roof."""
    look, edge, w = facade(c, m), x0 + (x1 - x0) * c.pick(0.0, c.r(0.25, 0.45)), x1 - x0
    for left, right, shade in ((x0, edge, 0.65), (edge, x1, 1.0)):
        area = c.rect(left, top, right, foot)
        wall(c, area, (area.x - left) / m, (foot - area.y) / m, m, look, shade, far)
    rise, (side, slope) = w * c.r(0.1, 0.4), c.pick((0.0, 0.0), (0.0, w * 0.5), (w * c.r(0.15, 0.35), 0.0))
    roof = ((x0 + side, top), (x0 + side + slope, top - rise), (x1 - side - slope, top - rise), (x1 - side, top))
    c.paint(c.polygon(*roof), "building", look[0] * 0.8, far=far)


def terrace(c, side, aside, low, high, length):
    """The fronts along one side of a street, receding; heights between low and high, `length` of each in metres."""
    ahead = 90.0
    while ahead > 1.5:
        near, height = max(ahead - max(length, ahead * 0.35) * c.r(0.8, 1.2), 0.7), c.r(low, high)
        xs = sorted(clip(c.vx + side * aside / d) for d in (ahead, near))
        area = c.rect(xs[0], 0, xs[1], 1)
        m = np.maximum(np.abs(area.x - c.vx), np.float32(0.001)) / aside
        up, along = c.eye - (area.y - c.horizon) / m, 1 / m
        wall(c, area.where((up > 0) & (up < height)), along, up, m, facade(c), 1.0 if side == c.light else 0.7)
        if length < 12 and c.r() < 0.35:
            cloth = area.where((up > 2.3) & (up < 3.3) & (along > near + 0.5) & (along < near + 4))
            c.paint(cloth, "awning", c.colour("paint", fresh=True), 0.8 + 0.3 * band(along, 0, 0.5) + 0 * up)
        ahead = near


def front(c, x0, x1, top, foot, m):
    """A near house front, square on: large windows, labelled so, with doors, awnings, balconies, stairs, a sign."""
    hue, glass, _, _, (a, b), tall, _ = facade(c)
    count = max(1, round((x1 - x0) / m / 2.9))
    bay, area, trim = (x1 - x0) / count, c.rect(x0, top, x1, foot), c.colour("paint", fresh=True)
    across, up = (area.x - x0) / m, (foot - area.y) / m
    panes = area.where(wall(c, area, across, up, m, (hue, glass, bay / m, 3.3, (a, b), tall, 3.3)))
    c.paint(panes, "window", glass, 0.7 + 0.6 * c.noise("soft", across * 0.1 + up * 0.1, up * 0.1))
    t, s = across * m / bay, up / 3.3
    bars = band(t, 0.48, 0.52) | band(t, a, a + 0.03) | band(t, b - 0.03, b) | band(s, tall[1] - 0.13, tall[1] - 0.1)
    c.paint(panes.where(bars), None, c.pick((225, 222, 214), (225, 222, 214), (60, 56, 54)))
    floors, awnings = int((foot - top) / m / 3.3) * (c.r() < 0.2), c.r() < 0.45  # floors with balconies
    for mid in [x0 + (i + 0.5) * bay for i in range(count)]:
        if c.r() < 0.3:
            step = c.pick(0.0, 0.6)
            thing(c, mid, foot - step * m, m, "door")
            if step:
                thing(c, mid, foot, m, "staircase")
        else:
            shop = c.rect(mid - 0.4 * bay, foot - 2.6 * m, mid + 0.4 * bay, foot - 0.7 * m)
            c.paint(shop, "window", glass, 0.6 + 0.7 * c.noise("soft", shop.x * 2 + shop.y * 2, shop.y))
            c.paint(shop.where(np.abs(shop.x - mid) < 0.05 * m), None, trim)
            if awnings:
                thing(c, mid, foot - 2.2 * m, m, "awning")
        for k in range(1, floors):
            thing(c, mid, foot - 3.3 * (k + tall[0]) * m, m, "balcony")
    if c.r() < 0.4:
        thing(c, (x0 + x1) / 2, foot - 3.05 * m, m * 0.9, "sign")


# ---- scenes -------------------------------------------------------------------------------------------------------


def backdrop(c, *kinds):
    """What closes the view at the horizon, and maybe birds above."""
    h, kind = c.horizon, c.pick(*kinds)
    if kind == "mountains":
        for far, height in ((0.5, c.r(0.2, 0.42)), (0.2, c.r(0.1, 0.26)))[c.pick(0, 0, 1) :]:
            mountain(c, h, height, far)
    elif kind == "wood":
        wood(c, h + 0.005, c.r(0.06, 0.16), c.r(0, 0.3))
    elif kind == "town":
        for x in [c.r(-0.1, 1) for _ in range(10)]:
            tower(c, x, x + c.r(0.06, 0.16), h - c.r(0.05, 0.2), h + 0.005, 0.006, 0.3)
    for _ in range(c.pick(1, 3, *[0] * 48)):
        thing(c, c.r(0.1, 0.9), c.r(0.1, 0.8) * h, c.r(0.02, 0.035), "bird")


def way(c, left, width, kind):
    """A river, or a plain road, that winds into the distance."""
    bend = c.r(-0.02, 0.02)
    if kind == "river":
        river(c, left, left + width, bend)
    elif kind == "road":
        lay(c, "road", left, left + width, bend=bend)


def coast(c):
    sky(c, c.r(0.25, 0.55), c.r(2, 6))
    h, shore = c.horizon, c.pick("sand", "sand", "sand", "rocks", "rocks", "grass", "none")
    backdrop(c, "mountains", "mountains", "mountains", "town", "none", "none")
    sea(c)
    if c.r() < 0.12:
        bridge(c, h - c.r(0.02, 0.08), h + 0.03, c.r(0.015, 0.03), 0.3)
    scatter(c, c.r(0, 2), c.pick("boat", "boat_sail"), h + 0.04, h + 0.12)
    if shore in ("sand", "grass"):
        line = np.maximum(c.line(c.r(0.55, 0.85), 0.1) + c.r(-0.5, 0.5) * (c.axis - 0.5), np.float32(h + 0.05))
        c.paint(c.under(line - 0.02 * c.line(0.5, 1.0, 3.0)), "sea", c.haze * 1.15)  # surf
        lay(c, shore, line=line)
        low = float(line.max()) + 0.03
        scatter(c, c.r(0, 4) * (low < 0.96), plant if shore == "grass" else c.pick("person", rock, rock), low, 1.05)
    scatter(c, c.r(4, 10) * (shore == "rocks"), rock, 0.72, 1.1)
    if c.r() < 0.2:
        tree(c, c.pick(0.06, 0.94), 1.02, c.r(0.08, 0.13))


def forest(c):
    layout, kind = c.pick("slope", "floor", "floor", "road", "river"), c.pick(tree, conifer)
    sky(c, c.r(0.65, 0.9) if layout == "slope" else c.r(0.4, 0.6), c.r(1.5, 2.5))
    h, first = c.horizon, c.r(0.1, 0.35)
    if c.r() < 0.4:
        mountain(c, h, c.r(0.2, 0.4) * h, 0.3)
    if layout == "slope":
        crown(c, c.rect(0, first - 0.02, 1, 1), c.colour("tree") * 0.6)
        for i in range(6):
            wood(c, first + (1.05 - first) * i / 5, 0.16 + 0.03 * i, 0.25 - 0.05 * i, kind)
        return
    wood(c, h + 0.02, c.r(0.35, 0.65), 0.2)
    lay(c, "grass")
    way(c, c.r(-2, -1), c.r(2, 4), layout)
    scatter(c, c.r(0, 4), rock, h + 0.15, 1.1)
    scatter(c, c.pick(1, 4, 10), plant, h + 0.12, 1.15)
    for d in sorted((c.r(6, 16) for _ in range(5)), reverse=True):
        place(c, [(d, c.r(0.15, 0.5) * d * c.pick(-1, 1), c.pick(tree, tree, conifer))])


def highway(c):
    sky(c, c.r(0.38, 0.58), c.r(1.8, 5))
    h, left, right, bend = c.horizon, -c.r(3.5, 9), c.r(3.5, 9), c.pick(0.0, c.r(-0.0008, 0.0008))
    backdrop(c, "mountains", "mountains", "wood", "town", "none")
    lay(c, c.pick("grass", "grass", "field", "desert", "sand"))
    count = int((right - left) / 3.5)
    lanes(c, left, right, count, bend)
    things = [(c.r(8, 20), right + 2.2, "sign_posts")] * (c.r() < 0.3)
    for _ in range(int(c.r(1, 8))):
        lane = left + (right - left) * (int(c.r(0, count)) + 0.5) / count
        things.append((c.r(6, 40), lane, c.pick(*["car"] * 14, "bus")))
    for edge, out in ((left, -1), (right, 1)):
        what, step = c.pick(tree, tree, plant, "streetlight", "pole", None), c.r(5, 10)
        things += [(step * (k + 1), edge + out * (3 if what is tree else 1.2), what) for k in range(6 if what else 0)]
    if c.r() < 0.15:
        bridge(c, h - c.r(0.03, 0.1), h + 0.06, c.r(0.03, 0.06), 0.1)
    place(c, things, bend)


def insidecity(c):
    foot, m, x = c.r(0.66, 0.88), c.r(0.055, 0.11), -c.r(0, 0.2)
    sky(c, foot - 1.7 * m, 1.7)
    while x < 1:
        width = c.r(4, 9) * m
        front(c, x, x + width, c.pick(-0.1, foot - (3.3 * int(c.r(2, 4)) + 0.6) * m), foot, m)
        x += width
    kerb = foot + (1 - foot) * c.r(0.25, 0.9)
    lay(c, "sidewalk", line=np.full(c.n, foot, np.float32))
    lay(c, "road", line=np.full(c.n, kerb, np.float32))
    c.paint(c.rect(0, kerb, 1, kerb + 0.012), None, (190, 186, 180))
    near, what, start = 1.7 / (kerb - c.horizon), c.pick(tree, "streetlight", "sign_posts", plant, plant), c.r(-5, -1)
    place(c, [(near * c.r(1.02, 1.25), c.r(-4, 4), what) for _ in range(int(c.r(0, 3)))])
    place(c, [(near * c.r(1.02, 1.3), c.r(-4, 4), "person") for _ in range(int(c.r(0, 3)))])
    place(c, [(near * 0.96, start + 5 * k, "car_aside") for k in range(c.pick(0, 2))])


def mountains(c):
    sky(c, c.r(0.6, 0.9), c.r(2, 5))
    h, view = c.horizon, c.pick("wood", "lake", "lake", "meadow", "rocks", "slope")
    for far, height in ((0.45, c.r(0.7, 1.05)), (0.2, c.r(0.5, 0.9)), (0.0, c.r(0.3, 0.6)))[c.pick(0, 0, 1) :]:
        mountain(c, h, height * h, far)
    if view in ("wood", "lake", "meadow"):
        wood(c, h + 0.02, c.r(0.08, 0.2), 0.1)
    river(c) if view == "lake" else lay(c, c.pick("grass", "field"))
    if view == "lake":
        lay(c, c.pick("grass", "sand"), line=c.line(0.85, 0.2))
    elif view == "slope":
        mountain(c, 1.02, 1.2 - h, 0.0)
    elif view == "wood":
        wood(c, 1.05, c.r(0.2, 0.35), 0.0, conifer)
    scatter(c, c.r(6, 14) * (view == "rocks"), rock, h + 0.1, 1.08)


def opencountry(c):
    sky(c, c.r(0.3, 0.6), c.r(1.7, 6))
    h, ground = c.horizon, c.pick(*["field"] * 4, "grass", "grass", "desert", "desert")
    backdrop(c, "mountains", "mountains", "mountains", "wood")
    lay(c, ground)
    way(c, c.r(-6, 2), c.r(2, 8), c.pick("river", "river", "road", "", "", ""))
    if c.r() < 0.5:
        wood(c, h + c.r(0.01, 0.06), c.r(0.06, 0.14), 0.1)
    if c.r() < 0.2:  # a house
        x, y, m = c.r(), h + 0.04, c.r(0.01, 0.018)
        tower(c, x, x + c.r(7, 12) * m, y - c.r(3, 5) * m, y, m, 0.1)
    things = [(c.r(15, 50) * c.eye / 3, c.r(-12, 12), tree) for _ in range(int(c.r(0, 5)))]
    things += [(c.r(10, 30), c.r(-6, 6), "cow") for _ in range(c.pick(0, 0, 0, 0, 0, 4) * (ground != "desert"))]
    place(c, things)
    scatter(c, c.r() < 0.25, fence, h + 0.15, 0.95)
    scatter(c, c.pick(0, 0, 8, 16), plant, h + 0.12, 1.15)
    scatter(c, c.pick(0, 0, 3), rock, h + 0.15, 1.1)


def street(c):
    sky(c, c.r(0.42, 0.62), c.r(1.7, 4))
    half, walk, near = c.r(3.5, 6), c.r(1.8, 3.5), c.r(4, 8)
    backdrop(c, "town", "wood", "mountains")
    lay(c, "sidewalk")
    terrace(c, -1, half + walk, 7, 22, 8)
    terrace(c, 1, half + walk, 7, 22, 8)
    lanes(c, -half, half, 2)
    for edge in (-half, half):
        c.paint(c.ground(edge - 0.1, edge + 0.1)[0], None, (190, 186, 178))
    if c.r() < 0.15:
        area, aside, _ = c.ground(-half, half, near, near + 3)
        c.paint(area, "crosswalk", np.where(band(aside, 0, 0.5)[..., None], c.colour("white"), c.colour("road")))
    things = [(c.r(5, 30), c.pick(-1, 1) * (half - 1.1), "car") for _ in range(int(c.r(0, 7)))]
    things += [(c.r(7, 40), c.r(-0.3, 0.3) * half, c.pick(*["car"] * 14, "bus")) for _ in range(int(c.r(0, 3)))]
    things += [(c.r(5, 20), c.pick(-1, 1) * (half + c.r(0.6, walk - 0.4)), "person") for _ in range(int(c.r(0, 5)))]
    what, sides = c.pick(tree, tree, "streetlight", "pole", "sign_round", None), c.pick((-1,), (1,), (-1, 1))
    things += [(6 + 7 * k + c.r(0, 2), side * (half + 0.6), what) for k in range(4) for side in sides if what]
    place(c, things)


def tallbuilding(c):
    view, ground = c.pick("skyline", "near", "near", "street"), c.pick("road", "sidewalk", "grass", "river")
    sky(c, c.r(0.78, 0.95), c.r(1.7, 3))
    foot = c.horizon + 0.02
    backdrop(c, "mountains", "town", "town", "none")
    if view == "street":
        lay(c, "sidewalk")
        terrace(c, -1, c.r(8, 14), 25, 90, 16)
        terrace(c, 1, c.r(8, 14), 25, 90, 16)
        return lanes(c, -6, 6, 3)
    for far, rise, wide, n in ((0.4, 0.5, 0.16, c.r(5, 10)), (0.1, 0.8, 0.4, c.r(3, 5) * (view == "near"))):
        for x in [c.r(-0.1, 0.9) for _ in range(int(n))]:
            tower(c, x, x + c.r(0.5, 1) * wide, foot - c.r(0.4, 1.2) * rise, foot, c.r(0.007, 0.014), far)
    river(c) if ground == "river" else lay(c, ground)
    if c.r() < 0.6:
        wood(c, foot + 0.02, c.r(0.08, 0.2), 0.0, tree)
    scatter(c, 8 * (ground == "grass"), plant, foot + 0.05, foot + 0.2)


SCENES = dict(coast=coast, forest=forest, highway=highway, insidecity=insidecity,
              mountain=mountains, opencountry=opencountry, street=street, tallbuilding=tallbuilding)  # fmt: skip
KINDS = tuple(SCENES)


def draw(kind, seed, size=128):
    """One scene: image uint8 (size, size, 3) and label uint8 (size, size), 0-32 or 255 for void."""
    if kind not in SCENES:
        raise ValueError(f"kind is {kind!r}; it is one of {', '.join(KINDS)}.")
    canvas = Canvas(seed, size)
    SCENES[kind](canvas)
    return canvas.finish()


# ---- on disk ------------------------------------------------------------------------------------------------------


def make(root, train=480, test=80, size=128, seed=0):
    """Write the stand-in into `root`, a folder of its own, unless it is there already; return it as a `SiftFlow`.

    The kinds of scene take turns in `train` as in `test`; scene number i is the same whatever the counts. `size` is the
    pixels per side, a multiple of 16. A stand-in made with other arguments is replaced.

    Raises:
        ValueError: an argument makes no sense.
        SiftFlowError: `root` holds something else, which is left alone.
    """
    some = 0 if train else 1  # scenes at the least
    for name, value, least in (("train", train, 0), ("test", test, some), ("size", size, 32), ("seed", seed, 0)):
        if not isinstance(value, (int, np.integer)) or value < least or (name == "size" and value % 16):
            what = "a multiple of 16" if name == "size" else "a whole number"
            raise ValueError(f"{name} is {value!r}; it must be {what}, at least {least}.")
    recipe = dict(version=VERSION, seed=int(seed), size=int(size), train=int(train), test=int(test))
    root = Path(root).expanduser().absolute()
    if _is_made(root, recipe):
        return SiftFlow(root)
    if root.is_file() or (root.is_dir() and any(root.iterdir()) and not (root / SCENES_MARKER).is_file()):
        raise SiftFlowError(f"{root} holds something other than drawn scenes: name another folder, or move it away.")
    root.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=root.parent, prefix=f".{root.name}-") as part:
        new = Path(part) / "making" / "set"  # two levels down, where nobody opens it
        _write(new, recipe)
        if not _is_made(root, recipe):  # by somebody else, meanwhile
            if root.exists():
                os.replace(root, Path(part) / "old")
            os.replace(new, root)
    return SiftFlow(root)


def _is_made(root, recipe):
    marker = root / SCENES_MARKER
    return marker.is_file() and marker.read_text() == json.dumps(recipe)


def _write(folder, recipe):
    from PIL import Image

    images, labels, tests = folder / "Images" / FOLDER, folder / "SemanticLabels" / FOLDER, []
    images.mkdir(parents=True)
    labels.mkdir(parents=True)
    for number, split in enumerate(("train", "test")):
        for i in range(recipe[split]):
            kind = KINDS[i % len(KINDS)]
            name = f"{kind}_{split}{i:04d}"
            image, label = draw(kind, [recipe["seed"], number, i], recipe["size"])
            Image.fromarray(image).save(images / f"{name}.jpg", quality=92)
            # 255, void, wraps round to 0
            (labels / f"{name}.mat").write_bytes(labelmaps.write_matlab(label + np.uint8(1), CLASS_NAMES))
            tests += [f"{FOLDER}\\{name}.jpg\n"] * number
    (folder / "TestSet1.txt").write_text("".join(tests))
    (folder / SCENES_MARKER).write_text(json.dumps(recipe))
