"""The functions here put buildings into a scene: towers far away, terraces along a street, house fronts close by."""

import numpy as np

from helpers.synthetic.canvas import band, clip
from helpers.synthetic.things import thing


def facade(c, m=1.0):
    """Chooses a style: wall, glass, metres per bay and storey, the window's share of both, and where windows begin."""
    wall, ribbon, a = c.colour("wall", fresh=True), c.r() < 0.25, c.r(0.14, 0.32)
    glass = wall * 0.35 + 14 if c.r() < 0.6 else c.haze * c.r(0.4, 0.8)
    bay, storey = max(c.r(2.4, 3.6), 0.022 / m), max(c.r(3.0, 3.6), 0.026 / m)
    wide, tall = (0.0, 0.96) if ribbon else (a, 1 - a), (c.r(0.2, 0.4), c.r(0.78, 0.9))
    return wall, glass, bay, storey, wide, tall, c.pick(0.0, 3.5)


def wall(c, area, across, up, m, style, shade=1.0, far=0.0):
    """Paints storeys of windows, labelled "building", from its pixels' metres across and up; returns the windows."""
    hue, glass, bay, storey, wide, tall, first = style
    pane = band(across / bay, *wide) & band(up / storey, *tall) & (up > first)
    clear = np.asarray(clip(m * bay * 30), np.float32)  # too small to see: no windows
    lit = c.noise("grain", np.floor(across / bay) * 0.02, np.floor(up / storey) * 0.02)
    grain = 0.2 * c.noise("soft", across * 0.05, up * 0.03) + 0.1 * c.noise("grain", area.x, area.y)
    colour = hue * (0.84 + grain - 0.14 * band(up / storey, 0, 0.07) * clear)[..., None]
    window = (pane * clear)[..., None]
    glass = glass * (0.6 + 0.7 * lit * lit)[..., None]
    c.paint(area, "building", (colour + (glass - colour) * window) * shade, far=far)
    return pane


def tower(c, x0, x1, top, foot, m, far=0.0):
    """Paints a building far enough to be flat: a front, maybe a side in the shade, a roof."""
    style, edge, w = facade(c, m), x0 + (x1 - x0) * c.pick(0.0, c.r(0.25, 0.45)), x1 - x0
    for left, right, shade in ((x0, edge, 0.65), (edge, x1, 1.0)):
        area = c.rect(left, top, right, foot)
        wall(c, area, (area.x - left) / m, (foot - area.y) / m, m, style, shade, far)
    rise, (side, slope) = w * c.r(0.1, 0.4), c.pick((0.0, 0.0), (0.0, w * 0.5), (w * c.r(0.15, 0.35), 0.0))
    roof = ((x0 + side, top), (x0 + side + slope, top - rise), (x1 - side - slope, top - rise), (x1 - side, top))
    c.paint(c.polygon(*roof), "building", style[0] * 0.8, far=far)


def terrace(c, side, aside, low, high, length):
    """Paints the receding fronts along one side of a street, each `length` metres long and low to high metres tall."""
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
    """Paints a house front square on, with large windows, labelled so, doors, awnings, balconies, stairs, a sign."""
    hue, glass, _, _, (a, b), tall, _ = facade(c)
    count = max(1, round((x1 - x0) / m / 2.9))
    bay, area, trim = (x1 - x0) / count, c.rect(x0, top, x1, foot), c.colour("paint", fresh=True)
    across, up = (area.x - x0) / m, (foot - area.y) / m
    panes = area.where(wall(c, area, across, up, m, (hue, glass, bay / m, 3.3, (a, b), tall, 3.3)))
    c.paint(panes, "window", glass, 0.7 + 0.6 * c.noise("soft", across * 0.1 + up * 0.1, up * 0.1))
    t, s = across * m / bay, up / 3.3
    bars = band(t, 0.48, 0.52) | band(t, a, a + 0.03) | band(t, b - 0.03, b) | band(s, tall[1] - 0.13, tall[1] - 0.1)
    c.paint(panes.where(bars), None, c.pick((225, 222, 214), (225, 222, 214), (60, 56, 54)))
    storeys, awnings = int((foot - top) / m / 3.3) * (c.r() < 0.2), c.r() < 0.45  # storeys with balconies
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
        for k in range(1, storeys):
            thing(c, mid, foot - 3.3 * (k + tall[0]) * m, m, "balcony")
    if c.r() < 0.4:
        thing(c, (x0 + x1) / 2, foot - 3.05 * m, m * 0.9, "sign")
