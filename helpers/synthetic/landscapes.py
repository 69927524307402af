"""The functions here paint the eight kinds of scene, named like SiftFlow's, each on a `Canvas`, from back to front.

A scene chooses its horizon, which sets the perspective, then paints sky, backdrop, ground and things. All choices are
made with the canvas's random stream, so their order is part of the picture.
"""

import numpy as np

from helpers.synthetic.buildings import front, terrace, tower
from helpers.synthetic.canvas import band
from helpers.synthetic.surfaces import lanes, lay, mountain, river, sea, sky
from helpers.synthetic.things import bridge, conifer, crown, fence, place, plant, rock, scatter, thing, tree, wood


def backdrop(c, *kinds):
    """Closes the view at the horizon, and maybe adds birds above it."""
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
    """Paints a river, or a plain road, that winds into the distance; any other kind paints nothing."""
    bend = c.r(-0.02, 0.02)
    if kind == "river":
        river(c, left, left + width, bend)
    elif kind == "road":
        lay(c, "road", left, left + width, bend=bend)


def coast(c):
    """Paints the sea with a shore of sand, rocks or grass, or none."""
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
    """Paints a wooded slope, or a wood with a glade, a road or a river in it."""
    layout, kind = c.pick("slope", "glade", "glade", "road", "river"), c.pick(tree, conifer)
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
    """Paints a road of several lanes through open land, with cars and with trees or poles at its edges."""
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
    """Paints house fronts square on, with sidewalk, road, people and parked cars before them."""
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
    """Paints ranges behind a wood, a lake, a meadow, rocks or a slope."""
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
    """Paints fields, grass or desert, with trees, cows, bushes or a house here and there."""
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
    """Paints a street that runs into the distance between terraces, with cars and people."""
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
    """Paints towers as a skyline, close by, or along a street."""
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
