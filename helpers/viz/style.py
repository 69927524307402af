"""One palette and one style for all pictures of the series: no colour that means something is defined elsewhere."""

import colorsys

import numpy as np

from helpers.classes import CLASS_NAMES

# A colour for each class, RGB: near the thing's own where possible, and such that classes that often meet in a picture
# (sky and sea, tree and grass, road and sidewalk, building and window …) stay apart for colour-blind eyes too.
PALETTE = np.array(
    [
        (255, 154, 129),  (175, 39, 111),   (235, 255, 255),  (238, 95, 23),    (160, 125, 115),  (160, 90, 21),
        (255, 211, 0),    (178, 0, 74),     (92, 40, 0),      (214, 255, 216),  (243, 184, 107),  (106, 0, 34),
        (174, 140, 235),  (249, 215, 108),  (121, 190, 14),   (255, 255, 185),  (102, 93, 157),   (255, 136, 0),
        (140, 146, 86),   (56, 28, 73),     (25, 198, 210),   (84, 117, 141),   (104, 77, 72),    (209, 205, 162),
        (0, 93, 190),     (199, 148, 152),  (255, 44, 63),    (150, 218, 255),  (180, 203, 199),  (255, 235, 96),
        (251, 255, 76),   (0, 65, 0),       (62, 54, 122),
    ],
    np.uint8,
)  # fmt: skip
VOID_COLOUR = (0, 0, 0)

# Lines and the few classes of a small example have the colours of Okabe and Ito, safe for colour-blind eyes.
BLACK, BLUE, ORANGE, GREEN, PINK = "#000000", "#0072b2", "#d55e00", "#009e73", "#cc79a7"
CLASS_COLOURS = (BLUE, "#e69f00", GREEN, PINK, "#56b4e9", ORANGE)
FEW = np.array([[int(text[i : i + 2], 16) for i in (1, 3, 5)] for text in CLASS_COLOURS], np.uint8)  # as RGB
LINES = (BLACK, ORANGE, BLUE, GREEN)  # of several runs in one panel, in this order

GOOD, BAD = "#00664b", "#a03000"  # for a note under a picture: dark enough to be read as text
DOWN, BOTTOM, UP = BLUE, "#d95f02", GREEN  # the two arms of the U-Net's picture, and what joins them
PALE_BLUE, PALE_YELLOW, PALE_GREEN = "#cde3f2", "#fff0cc", "#cfe9df"  # boxes behind black text

# Fonts of systems and of free collections with the letters of China, Japan and Korea, which Matplotlib's own lacks.
FURTHER_FONTS = (
    "Noto Sans CJK SC", "Noto Sans CJK JP", "Noto Sans CJK KR", "Source Han Sans SC", "WenQuanYi Micro Hei",
    "Microsoft YaHei", "SimHei", "Yu Gothic", "Malgun Gothic", "PingFang SC", "Hiragino Sans", "Apple SD Gothic Neo",
    "Arial Unicode MS",
)  # fmt: skip
FIGURES = {"figure.dpi": 80, "font.size": 10, "axes.titlesize": 11, "axes.axisbelow": True}


def palette(class_names):
    """A colour for each class of a data set, none of them twice: uint8 (class, RGB).

    SiftFlow's classes have `PALETTE`. Others have the colours of a small example first, then those of `PALETTE`, and
    from the 40th class on further hues, which only a legend tells apart.

    Args:
        class_names: in label order.
    """
    if tuple(class_names) == CLASS_NAMES:
        return PALETTE
    rows = [tuple(colour) for colour in (*FEW.tolist(), *PALETTE.tolist())]
    turn = 0
    while len(rows) < len(class_names):
        turn += 1
        hue, light = turn * 0.618034 % 1, (0.35, 0.55, 0.75)[turn % 3]  # golden steps come near no earlier hue for long
        colour = tuple(round(255 * part) for part in colorsys.hls_to_rgb(hue, light, 0.7))
        rows += [] if colour in rows else [colour]
    return np.array(rows[: len(class_names)], np.uint8).reshape(-1, 3)


def apply():
    """Gives every figure that Matplotlib draws from now on the style of the series.

    A letter that Matplotlib's font lacks is drawn in the first of `FURTHER_FONTS` that is there and has it.
    """
    import matplotlib.pyplot as plt
    from matplotlib import font_manager

    there = font_manager.get_font_names()
    plt.rcParams.update(FIGURES)
    plt.rcParams["font.family"] = ["sans-serif", *(font for font in FURTHER_FONTS if font in there)]
