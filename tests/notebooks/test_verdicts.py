"""Each verdict of notebooks 03 to 05, and 07 to 09, stands beside the cell whose output holds its numbers.

A verdict says what a run showed: a sentence without such a cell claims what nobody measured. The tests of each lesson
hold the numbers themselves; here sentence and output are brought together, so that neither changes alone.
"""

import re
from pathlib import Path

import nbformat
import pytest

NOTEBOOKS = {path.name[:2]: path for path in (Path(__file__).resolve().parents[2] / "notebooks").glob("0*.ipynb")}

# (notebook, cell of the text, words of the verdict, cell of the output, what stands there)
VERDICTS = [
    ("03", "void-why", "**None of them.**", "void", ["0.6962", "0.7007", "0.6188", "0.7121"]),
    ("03", "argmax-why", "Argmax loses the gradient", "argmax", ["through argmax: None"]),
    ("03", "iou-why", "costs 2.4 % of the pixels", "matrix", ["85.7%", "37    1,043      303"]),
    ("03", "tail-why", "It costs 0.0015 %", "tail", ["0.0015 %"]),
    ("03", "batch-why", "**From 3 to 50**, where the whole set says 11",
     "batches", ["from 3 to 50; from the whole set 11.2"]),
    ("03", "batch-why", "does no harm", "absent", ["same gradient True"]),
    ("03", "suspects-why", "Which class it is differs from seed to seed",
     "suspects-table", ["Adam 1.0", "100%, nature 100%"]),
    ("03", "suspects-why", "Here the loss became NaN",
     "suspects-table", ["sky 100%, sky 100%, sky 100%", "nan nan nan"]),
    ("03", "suspects-why", "0.1 is too small a rate and 100 is not",
     "suspects-table", ["SGD 0.1    built 39%", "66% 63% 65%"]),
    ("03", "clip-why", "**0.** Below 10⁻⁷", "clip", ["clipped +0.000, from logits -1.000"]),
    ("03", "posted-why", "**+2.80**", "posted-slopes", ["2.8 ]", "-37.5", "16.05", "0.25"]),
    ("03", "curve-why", "from 0.005 to 0.35", "curves", ["weight 2   wrong way nowhere", "0.005 to 0.35"]),
    ("03", "train-why", "find *nothing*",
     "train-figure", ["× y_pred  recall [0. 0. 0.]", "plain             recall [0. 0. 0.]"]),
    ("03", "train-why", "half to two thirds",
     "train-figure", ["× y_true  recall [0.67 0.68 0.5 ]  precision [0.22 0.19 0.27]"]),
    ("03", "turn-why", "from 10 to 30 precision falls", "turn", ["weight 10", "weight 30"]),
    ("03", "sum-why", "16,384 times", "sum", ["16,384 times", " 1 times"]),
    ("03", "keras-why", "silently weighs *columns*", "keras-table", ["WRONG, and silent", "TypeError"]),
    ("03", "slips-why", "**Three stop**", "slips", ["runs: (3, 3)", "runs: 3.49"]),
    ("04", "toy-why", "with 0.57", "toy-figure", ["0.5669"]),
    ("04", "discs-why", "D / (2 − D)", "discs-still", ["True", "0.82"]),
    ("04", "pull-why", "below p ≈ 0.003", "pull-figure", ["up to p = 0.00", "stronger from p = 0.00"]),
    ("04", "posted-why", "126 numbers", "posted", ["(126,)"]),
    ("04", "posted-why", "**1 − mean", "posted-next", ["0.941403; 1 − mean p(true): 0.941403"]),
    ("04", "absent-why", "= 0.667", "absent-table", ["0.6667", "1.0000   largest slope 0.0000", "nan nan"]),
    ("04", "keras-why", "costs 0.0015", "missed", ["0.0015", "0.5004"]),
    ("04", "keras-why", "can even turn negative", "keras", ["-0.9048"]),
    ("04", "batch-why", "it counts as much as the large one", "batch", ["0.003", "0.250"]),
    ("04", "race-why", "half to two thirds", "race-figure", ["weighted            [0.65 0.67 0.49]"]),
    ("04", "race-why", "a quarter to a third with two seeds", "race-figure", ["Dice                [0.31 0.   0.25]"]),
    ("04", "curve-why", "0.5 to 0.6; Dice has 0.3 to 0.4", "curve-figure", ["[0.59 0.52 0.53]", "[0.36 0.28 0.4 ]"]),
    ("05", "cheap-why", "**3.615, and then 0.263.**", "cheap", ["3.615, ln 33 = 3.497; after 40 steps 0.263"]),
    ("05", "p1-why", "Every layer has its gradient", "p1-measure", ["7e-03 to 2e-01", "one step is 8e-08"]),
    ("05", "p1-why", "They do so at a rate of 0, too", "p1-cure", ["at rate 0: 0.01%"]),
    ("05", "p2-why", "12.2 go in, and 14.63 comes out",
     "p2-measure", ["12.2", "training=True : deviation behind it 14.63"]),
    ("05", "p3-why", "the two losses are close",
     "p3-measure", ["0.53 with training=True, 0.58", "1.91 with training=False"]),
    ("05", "p4-why", "costs 0.744", "p4-measure", ["0.475", "0.078", "weaker by 33"]),
    ("05", "p4-why", "A weak gradient alone does as much harm",
     "p4-many", ["loss / 33   mean IoU [0.029 0.029 0.033]"]),
    ("05", "p4-why", "does not mend two softmaxes",
     "p4-many", ["SGD 3.3, softmax twice     mean IoU [0.028 0.023 0.029]"]),
    ("05", "p4-why", "lower with every seed",
     "p4-many", ["[0.082 0.071 0.084]", "[0.045 0.034 0.059]", "[0.024 0.023 0.029]"]),
    ("05", "maps-why", "from 3.04 to 258", "maps", ["3.04", "258"]),
    ("05", "clue-why", "Adadelta alone moves by 0.07 to 0.20", "rates",
     ["0.10 0.07 0.14 · 0.10 0.07 0.14 · 0.28 0.14 0.34", "0.07 0.04 0.16 · 0.07 0.04 0.16 · 0.10 0.04 0.19"]),
    ("05", "clue-why", "by 0.12 to 0.15", "rates", ["0.04 0.04 0.07 · 0.07 0.11 0.15 · 0.16 0.18 0.22"]),
    ("05", "clue-why", "0.19 to 0.56 with them, 0.13 to 0.16 without", "rates", ["0.42 0.19 0.56", "0.13 0.14 0.16"]),
    ("05", "p5-why", "the measured factor is 173", "p5-measure", ["172.66"]),
    ("05", "p6-why", "**off by one**", "p6-measure", ["sky     is called 1: 90%"]),
    ("05", "seven-why", "what costs nothing is not learned",
     "seven", ["costs 0.000; with built wherever it says sky, 0.000"]),
    ("05", "ward-why", "**All six, and none in the control.**",
     "preflight-ward", ["control no problem found", "6       labels"]),
    ("05", "habits-why", "**After 3**, with 0.15", "habits", ["after epoch 3 with 0.15; epoch 24 has 0.30"]),
    ("07", "see-why", "90 % of it comes from 111×111 pixels, three quarters",
     "see-figure", ["100% of the pixels", "111 × 111 pixels, 75%"]),
    ("07", "depth-why", "its window has 44 pixels", "depth-figure", ["can see  44", "can see  92", "can see 188"]),
    ("07", "depth-why", "from 0.32–0.34 over 0.47–0.50 to 0.56–0.59", "depth-figure",
     ["[0.33 0.32 0.34]", "[0.47 0.5  0.49]", "[0.57 0.56 0.59]", "[0.56 0.56 0.51]", "[0.56 0.57 0.59]"]),
    ("07", "join-why", "above none with each of the three seeds, by 0.01 to 0.03", "join",
     ["band     no skip [0.476 0.474 0.494] · added [0.499 0.483 0.504] · concatenated [0.497 0.485 0.521]"]),
    ("07", "join-why", "Inside, the order changes", "join",
     ["inside  no skip [0.651 0.662 0.675] · added [0.678 0.632 0.651] · concatenated [0.656 0.646 0.667]"]),
    ("07", "up-why", "0.02 to 0.09 with 2×2, and 0.01 to 0.03 with 3×3", "up-figure",
     ["2×2 [0.003 0.002 0.003]", "2×2 [0.087 0.077 0.019]", "3×3 [0.018 0.031 0.014] · nearest + 3×3 [0. 0. 0.]"]),
    ("07", "up-why", "the four ranges overlap", "up-table",
     ["[0.568 0.557 0.586]; 30,132", "[0.568 0.554 0.576]; 33,332", "[0.571 0.55  0.591]", "[0.565 0.545 0.577]"]),
    ("07", "norm-why", "0.50 to 0.55, and none and group 0.35 to 0.40", "norm",
     ["none [0.38 0.4  0.39]", "batch [0.55 0.55 0.5 ]", "group [0.38 0.35 0.35]"]),
    ("07", "norm-why", "the lead is gone: 0.32 to 0.35", "norm", ["batch [0.32 0.35 0.33]", "group [0.33 0.36 0.33]"]),
    ("07", "shape-why", "with each seed: 0.58 to 0.59", "shape",
     ["[0.57  0.564 0.586]", "[0.582 0.586 0.594]", "[0.563 0.561 0.507]; 122,260"]),
    ("07", "photo-why", "46 % of the neighbours differ in class, and 2.8 % elsewhere", "photo",
     ["46.0 % across a tile's border, 2.8 %", " 4.5 % across", "74%", "71%", "76%"]),
    ("07", "truth-why", "last with each seed, 0.38 to 0.45", "truth-figure",
     ["[0.47  0.468 0.453]", "[0.486 0.452 0.417]", "[0.447 0.403 0.377]", "[0.478 0.472 0.424]"]),
    ("07", "head-why", "0.53 to 0.55; from scratch, 160 pictures give 0.40 to 0.46", "head-table",
     ["10: [0.55 0.53 0.53]", "160: [0.46 0.4  0.44]", " s, 48 MB", " s, 16 MB", "88 MB"]),
    ("07", "head-why", "0.24 to 0.27, without a warning", "head-table",
     ["10: [0.27 0.25 0.25] · 40: [0.27 0.25 0.24] · 160: [0.25 0.25 0.26]"]),
    ("08", "many-why", "**At least seven.**", "many", ["40.1", "37.6", "36.4", "39.5", "62.6", "39.0", "37.3"]),
    ("08", "many-why", "*desert* and *moon*", "record", ["30 of 33 classes", "desert 18,922, moon 3"]),
    ("08", "toy-why", "**From 0.25 to 0.70.**", "libraries", ["0.6987", "0.2500  MONAI", "0.3419  Keras"]),
    ("08", "tests-why", "0.875 (classes of the truth), 0.438 (in either), 0.219", "tests", ["0.719", "0.844", "0.917"]),
    ("08", "dice-why", "costs 0 to 0.65, an all-wrong one 0.05 to 1", "dice", ["0.6489", "0.4867", "0.0500", "1.0000"]),
    ("08", "spreads-why", "between 35.7 and 43.2", "bootstrap", ["[35.7 43.2]"]),
    ("08", "spreads-why", "ahead of one in every draw", "bootstrap", ["[0.7 3.4] · above 0 in 100%"]),
    ("08", "spreads-why", "38.7 and 40.6 %", "spreads-figure", ["three seeds, lowest to highest 1.86"]),
    ("08", "spreads-why", "moves it by more than the lead", "spreads-figure", ["four 1.95", "1 50.70", "2 5.28"]),
    ("08", "reliability-why", "90.7 %, and 85.3 % are right", "reliability", ["85.3%", "90.7%", "5.5%", "1.0%"]),
    ("08", "doubt-why", "find 38 %", "doubt", ["38 % of the mistakes", "33 % of", "10 % of the mistakes"]),
    ("08", "mistakes-why", "18 % have a confidence above 0.9", "mistakes", ["14.3% wrong", "2.8%", "18% of them"]),
    ("08", "mistakes-why", "less than the seed does", "scenes", ["[1.4 1.7 3.9]", "[1.8 1.5 4.2]"]),
    ("08", "none-why", "0.87 against 0.78", "none", ["confidence 0.78", "confidence 0.60", "confidence 0.87"]),
    ("08", "border-why", "a tenth of the pixels and more than a quarter of the mistakes",
     "border", ["10% of the pixels,  27% of the mistakes", "beside a border 49.9% right", "56: 19%", "45,000: 92%"]),
    ("08", "confusions-why", "in 36 photographs", "confusions", ["in 36 of 200 photographs"]),
    ("08", "adjust-why", "0.06 to 0.09, and theirs is 0.19 to 0.26",
     "adjust-figure", ["[0.06 0.09 0.07] adjusted, [0.22 0.19 0.26] weights"]),
    ("08", "adjust-why", "about half of the *things*", "adjust", ["strength 1.0: recall [0.45 0.5  0.56]"]),
    ("08", "photographs-why", "from 52.9 to 66.3 %", "photographs", ["33.8%", "52.9%", "66.3%", "85.3%", "72.5%"]),
    ("09", "readers-why", "1 becomes 38, 15 becomes 147, 255 becomes 220", "readers", ["0 1 15 255", "0 38 147 220"]),
    ("09", "order-why", "**Six of thirty.**", "order", ["img_1.jpg    img_10_mask.png", "6 of 30 photos"]),
    ("09", "preflight-why", "24 of the 30 photos", "preflight", ["24 of 30 images", "number: nothing is wrong"]),
    ("09", "preflight-why", "2.21 times as much as on average", "preflight", ["change 2.21 times as much"]),
    ("09", "exif-why", "None of the three turns the photo",
     "exif", ["mask (96, 64) · tf.io (64, 96) · Keras and Pillow (64, 96) · exif_transpose (96, 64)"]),
    ("09", "resize-why", "**Bilinear: 0, 1, 2 and 3.**", "resize", ["1: ", "2: ", "nearest   {0: "]),
    ("09", "apart-why", "**About half, about half, and all.**", "apart-figure", ["14 of 30", "18 of 30", "30 of 30"]),
    ("09", "set-why", "every pixel", "set", ["labelme  96 photos, 96 masks", "coco     96 photos, 96 masks"]),
    ("09", "border-why", "**Nine, and four.**", "border", ["labelme  9 pixels", "COCO     4 pixels"]),
    ("09", "report-why", "**A turned photo and many sizes.**", "report", ["(finds_3)", "95 sizes", "written down in"]),
    ("09", "sigmoid-why", "**The same**", "sigmoid", ["one sigmoid 0.7918 · logits 0 and z 0.7918", "2.4125"]),
    ("09", "train-why", "0.72 to 0.77 with one sigmoid, and 0.72 to 0.77 with two logits",
     "train-figure", ["one sigmoid  [0.72 0.77 0.72]", "two logits   [0.72 0.75 0.77]"]),
    ("09", "scores-why", "**Neither: 0.81 for both**", "scores", ["coin         IoU 0.81", "stone        IoU 0.81"]),
    ("09", "scores-why", "86.8 % of the pixels, and its mean IoU is 0.217; the network's is 0.877",
     "scores", ["mean IoU 0.217, pixels 86.8%", "mean IoU 0.877", "leaf         IoU 0.91"]),
    ("09", "save-why", "**None**, in 19 masks.", "save", ["png      19 masks opened again, 0", "labelme  19 masks"]),
]  # fmt: skip


def cell(number, cell_id):
    nb = nbformat.read(NOTEBOOKS[number], as_version=4)
    return next(found for found in nb.cells if found.id == cell_id)


@pytest.mark.parametrize(
    ("number", "text", "verdict", "source", "numbers"), VERDICTS, ids=lambda value: str(value)[:30]
)
def test_a_verdict_has_its_numbers(number, text, verdict, source, numbers):
    assert verdict in " ".join(cell(number, text).source.split())
    said = "".join(output.get("text", "") for output in cell(number, source).outputs)
    assert [part for part in numbers if part not in said] == []


@pytest.mark.parametrize("number", ["03", "04", "05", "07", "08", "09"])
def test_every_answer_has_a_verdict_or_is_a_formula(number):
    """An answer that is held against no output follows from a formula, or describes a picture: those are named here."""
    of_itself = {"toy-why", "slope-why", "floor-why", "loop-why"}
    nb = nbformat.read(NOTEBOOKS[number], as_version=4)
    answers = {c.id for c in nb.cells if "why" in c.metadata.get("tags", [])}
    held = {text for n, text, *_ in VERDICTS if n == number}
    assert answers - of_itself - held == set()
    assert not [t for n, t, *_ in VERDICTS if n == number and t not in answers]


def test_a_verdict_about_a_rare_class_rests_on_three_seeds():
    """Where a notebook prints recall, precision or IoU of runs, each has three numbers."""
    for number, source in (("03", "train-figure"), ("03", "turn"), ("04", "race-figure"), ("04", "curve-figure"),
                           ("07", "join"), ("07", "up-table"), ("07", "norm"), ("07", "shape"), ("07", "head-table"),
                           ("08", "scenes"), ("08", "adjust"), ("08", "adjust-figure"),
                           ("09", "train-figure")):  # fmt: skip
        said = "".join(output.get("text", "") for output in cell(number, source).outputs)
        lists = [part.split() for part in re.findall(r"\[([^]]*)\]", said)]
        assert lists and {len(part) for part in lists} == {3}
