"""The functions here paint the surfaces of a scene: sky, mountains, sea and river, the ground and a road on it.

A surface is a colour times a texture. Each function takes a `Canvas`, paints on it and labels what it paints. Lengths
on the ground are in metres, heights in the picture run from 0 at the top to 1 at the bottom.
"""

import numpy as np

from helpers.synthetic.canvas import band, clip, saw

SKIES = (  # at the top, at the horizon
    ((70, 118, 186), (182, 206, 226)), ((44, 84, 160), (140, 178, 214)), ((150, 156, 164), (206, 206, 204)),
    ((214, 216, 218), (226, 226, 222)), ((96, 92, 124), (232, 164, 110)), ((116, 132, 150), (176, 178, 176)),
    ((84, 96, 112), (214, 180, 150)), ((150, 180, 200), (214, 220, 214)), ((60, 68, 94), (160, 140, 150)),
)  # fmt: skip


def sky(c, horizon, eye):
    """Sets up the camera, and paints a gradient, clouds, now and then sun or moon."""
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
    """Paints a range that stands on y = foot: gullied flanks, lit from one side, with snow if high, else with woods."""
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
    """Paints rows of waves, closer towards the horizon, with foam and now and then the path of the sun."""
    area = c.ground()[0]
    depth = c.r(0.8, 1.3) / (area.y - c.horizon + 0.07)
    waves = c.noise("wave", (area.x - 0.5) * depth * 0.2, depth * 0.35)
    aside, foam = area.x - c.r(0.2, 0.8), (waves - c.r(0.88, 1.0)) * 8 * (area.y > c.horizon + 0.05)
    foam = np.maximum(foam, c.pick(0, 0, 3) * (waves - 0.4) / (1 + 90 * aside * aside))
    colour = (c.colour("sea") * 0.65 + c.haze * 0.35) * (0.7 + 0.55 * waves)[..., None]
    c.paint(area, "sea", colour + (c.haze * 1.15 - colour) * (clip(foam) * 0.85)[..., None])


def river(c, left=-1e6, right=1e6, bend=0.0):
    """Paints still water: it repeats what stands on the horizon upside down, shaken sideways, with ripples."""
    area, top = c.ground(left, right, bend=bend)[0], c.horizon + 0.01
    rows = np.clip(2 * int(top * c.n) - (area.y * c.n).astype(int), 0, c.n - 1)
    shake = (c.noise("wave", area.x * 0.5, area.y * 2) - 0.5) * (area.y - top + 0.03) * 60
    colour = c.rgb[rows, np.clip((area.x * c.n + shake).astype(int), 0, c.n - 1)] * 0.5 + c.colour("river") * 0.4
    c.paint(area, "river", colour, 0.85 + 0.3 * c.noise("wave", area.x * 0.4, area.y * 1.6))


def lay(c, name, left=-1e6, right=1e6, line=None, bend=0.0):
    """Covers the ground, a lane of it, or what is below a line: each surface has its own grain, in perspective."""
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
    """Paints a road with edge lines, and dashed lines between its lanes."""
    lay(c, "road", left, right, bend=bend)
    mark = c.pick((224, 222, 214), (224, 222, 214), (214, 180, 70))
    for k in range(count + 1):
        x = left + 0.4 + (right - left - 0.8) * k / count
        line, _, ahead = c.ground(x - 0.09, x + 0.09, far=60, bend=bend)
        c.paint(line.where(band(ahead / 7, 0, 1 if k in (0, count) else 0.5)), None, mark)
