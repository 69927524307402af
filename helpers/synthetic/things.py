"""The functions here put things into a scene: trees, rocks, and those of `PARTS`, which are a few flat parts each.

A thing stands on the ground at (x, y) of the picture, where a metre is m long; `place` finds x, y and m from its
distance. `far` (0-1) fades a thing into the air.
"""

import numpy as np

from helpers.synthetic.canvas import band, clip, saw


def crown(c, area, hue, far=0.0, zoom=1.0):
    """Fills an area with foliage: clumps lit from above with dark gaps, darker towards the bottom."""
    low = (area.y - area.y[:1]) / (area.y[-1:] - area.y[:1] + np.float32(0.01))
    c.paint(area, "tree", hue, (0.3 + 0.95 * c.noise("leaf", area.x * zoom, area.y * zoom)) * (1.15 - 0.4 * low), far)


def tree(c, x, y, m, far=0.0):
    """Paints a broad-leaved tree: a trunk and four round crowns."""
    hue, height, w = c.colour("tree") * c.r(0.8, 1.2), c.r(5, 9) * m, c.r(0.15, 0.25) * m
    trunk = c.polygon((x - w, y), (x - w * 0.6, y - height * 0.6), (x + w * 0.6, y - height * 0.6), (x + w, y))
    c.paint(trunk, "tree", c.colour("bark"), 0.6 + 0.5 * c.noise("wave", trunk.y * 3, trunk.x * 2), far)
    for _ in range(4):
        r = c.r(0.2, 0.3) * height
        crown(c, c.ellipse(x + c.r(-0.2, 0.2) * height, y - c.r(0.5, 0.8) * height, r * 1.1, r, 0.6), hue, far)


def conifer(c, x, y, m, far=0.0):
    """Paints a fir: a jagged triangle of drooping layers."""
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
    """Paints a row of trees along y = foot, and undergrowth that closes the gaps."""
    kind = kind or c.pick(tree, conifer)
    crown(c, c.under(c.line(foot - height * 0.75, height * 0.4, 4.0), foot), c.colour("tree") * 0.6, far, 1.5)
    step = height * (0.5 if kind is tree else 0.3)
    for i in range(int(1 / step) + 2):
        kind(c, (i + c.r(-0.3, 0.3)) * step, foot + c.r(-0.01, 0.01), height / c.r(8, 10), far)


def rock(c, x, y, m):
    """Paints a boulder with broken faces, dark below; the higher the camera stands, the larger it is."""
    h = c.r(0.25, 0.5) * max(c.eye, 2) * m
    area = c.ellipse(x, y - h * 0.35, h * c.r(1, 2), h, 0.6)
    shade = 0.5 + 0.6 * c.noise("facet", area.x * 0.7, area.y * 0.7) + 0.15 * c.noise("rough", area.x * 2, area.y * 2)
    c.paint(area.where(area.y < y), "rock", c.colour("rock"), shade * (1.1 - 0.45 * clip((area.y - y + h) / h)))


def plant(c, x, y, m):
    """Paints a bush: big single leaves, maybe flowers."""
    size = c.r(0.8, 1.6) * m
    area = c.ellipse(x, y - size * 0.4, size * c.r(0.6, 1.0), size * 0.62, 0.7)
    colour = c.colour("plant") * (0.3 + 1.1 * c.noise("facet", area.x * 3, area.y * 3))[..., None]
    flower = c.noise("grain", area.x * 0.6, area.y * 0.6) > c.pick(0.84, 2, 2)
    c.paint(area.where(area.y < y), "plant", np.where(flower[..., None], c.colour("bloom"), colour))


def fence(c, x, y, m):
    """Paints posts and rails, or boards, across the picture."""
    area, hue = c.rect(0, y - 1.2 * m, 1, y), c.pick((214, 208, 198), (110, 86, 64), (90, 92, 94))
    solid = band((y - area.y) / m / 0.45, 0.3, 0.65) | band(area.x / m / c.pick(0.3, 1.5), 0, 0.25)
    c.paint(area, "fence", np.where(solid[..., None], np.float32(hue), c.rgb[area.box] * 0.6))


def bridge(c, deck, foot, thick, far):
    """Paints a bridge across the picture, on arches or piers."""
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
    """Paints a thing of PARTS, mirrored or not; its class is the part of the name before an underscore."""
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
    """Puts up (metres ahead, metres aside, what), the farthest first; `what` is a function or a name in PARTS."""
    for ahead, aside, what in sorted(things, key=lambda t: -t[0]):
        x, y, m = c.vx + aside / ahead + bend * ahead, c.horizon + c.eye / ahead, 1 / ahead
        thing(c, x, y, m, what) if isinstance(what, str) else what(c, x, y, m)


def scatter(c, count, what, top, bottom):
    """Puts up some things between two heights in the picture."""
    spots = [(c.eye / (c.r(top, bottom) - c.horizon), c.r()) for _ in range(int(count))]
    place(c, [(ahead, (x - c.vx) * ahead, what) for ahead, x in spots])
