"""helpers.viz.style: colours that colour-blind eyes can tell apart, defined once, and one style for all figures."""

import hashlib

import matplotlib.pyplot as plt
import numpy as np
import pytest

from helpers.classes import CLASS_NAMES, N_CLASSES
from helpers.viz import style
from helpers.viz.style import PALETTE, VOID_COLOUR

EYES = {  # Machado, Oliveira, Fernandes 2009, severity 1.0, on linear RGB
    "normal": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}  # fmt: skip
NEIGHBOURS = [
    "sky/sea", "sky/building", "sky/mountain", "sky/tree", "tree/grass", "tree/field", "tree/mountain",
    "tree/building", "grass/field", "road/sidewalk", "road/car", "building/window", "sea/sand", "river/sea",
]  # fmt: skip


def lab(rgb, eyes):
    """sRGB 0-255 as these eyes see it, in CIE Lab (D65)."""
    c = np.asarray(rgb, float) / 255
    linear = np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)
    linear = np.clip(linear @ np.transpose(EYES[eyes]), 0, 1)
    to_xyz = [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
    t = linear @ np.transpose(to_xyz) / (0.95047, 1.0, 1.08883)
    f = np.where(t > (6 / 29) ** 3, np.cbrt(t), t / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.stack([116 * f[..., 1] - 16, 500 * (f[..., 0] - f[..., 1]), 200 * (f[..., 1] - f[..., 2])], axis=-1)


def test_lab_of_known_colours():
    known = [
        ((255, 255, 255), (100, 0, 0)),
        ((255, 0, 0), (53.24, 80.09, 67.20)),
        ((0, 0, 255), (32.30, 79.19, -107.86)),
    ]
    for rgb, wanted in known:
        np.testing.assert_allclose(lab(rgb, "normal"), wanted, atol=0.05)


def test_palette_has_33_colours_none_black():
    assert PALETTE.shape == (N_CLASSES, 3) and PALETTE.dtype == np.uint8
    assert len(np.unique([*PALETTE, VOID_COLOUR], axis=0)) == N_CLASSES + 1


@pytest.mark.parametrize("eyes", EYES)
@pytest.mark.parametrize("pair", NEIGHBOURS)
def test_classes_that_meet_stay_apart(pair, eyes):
    a, b = (lab(PALETTE[CLASS_NAMES.index(name)], eyes) for name in pair.split("/"))
    assert np.linalg.norm(a - b) >= 20


def test_lines_and_small_classes_have_the_colours_of_okabe_and_ito():
    """The order is part of the lessons: "blue is class 0, orange class 1"."""
    assert style.CLASS_COLOURS == ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00")
    assert style.LINES == ("#000000", "#d55e00", "#0072b2", "#009e73")


def test_every_class_keeps_its_colour():
    """All committed pictures hold the classes' colours: whoever changes or moves one draws all of them again."""
    known = {"sky": (150, 218, 255), "sea": (0, 93, 190), "tree": (0, 65, 0)}
    for name, colour in known.items():
        assert tuple(PALETTE[CLASS_NAMES.index(name)]) == colour, name
    assert (
        hashlib.sha256(PALETTE.tobytes()).hexdigest()
        == "7ec93d5911768d332ebab0d914e2950169c74062597723dc3310656df0886eee"
    )


def test_siftflows_classes_have_the_palette_and_few_others_the_colours_of_okabe_and_ito():
    assert np.array_equal(style.palette(list(CLASS_NAMES)), PALETTE)
    few = style.palette(["background", "leaf", "stone"])
    assert few.dtype == np.uint8 and few.tolist() == [[0, 114, 178], [230, 159, 0], [0, 158, 115]]
    assert style.palette([]).shape == (0, 3)


def test_no_two_of_many_classes_have_one_colour():
    """255 classes are the most that a label's numbers can tell apart; black is void's."""
    many = style.palette([f"class {i}" for i in range(255)])
    assert many.shape == (255, 3) and len(np.unique([*many, VOID_COLOUR], axis=0)) == 256


def test_the_style_is_applied_to_matplotlib():
    with plt.rc_context():
        plt.rcdefaults()
        style.apply()
        assert plt.rcParams["figure.dpi"] == 80 and plt.rcParams["axes.axisbelow"] is True
        assert plt.rcParams["font.size"] == 10 and plt.rcParams["axes.titlesize"] == 11


def test_letters_that_the_font_lacks_come_from_a_font_that_is_there(monkeypatch):
    monkeypatch.setattr(style, "FURTHER_FONTS", ("A font of no machine", "STIXGeneral"))
    with plt.rc_context():
        style.apply()
        assert plt.rcParams["font.family"] == ["sans-serif", "STIXGeneral"]
