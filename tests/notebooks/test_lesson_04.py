"""What notebook 04 claims: held against its own run, and against formulas in float64."""

import re

import keras
import numpy as np
import pytest
import tensorflow as tf

pytestmark = pytest.mark.slow

NAME = "04_dice_loss"


def test_dice_by_hand_is_keras_and_ours(lesson):
    v = lesson[0]
    p = np.exp(v["z"].astype("float64"))
    p /= p.sum(axis=-1, keepdims=True)
    valid = v["labels"] != 255
    dice = []
    for c in range(2):
        g = v["labels"] == c
        dice.append(2 * p[..., c][g].sum() / (p[..., c][valid].sum() + g.sum()))
    numbers = [float(n) for n in re.findall(r"\d\.\d{6}", lesson[1]["same"])]
    assert numbers == [pytest.approx(1 - np.mean(dice), abs=2e-6)] * 3


def test_iou_and_dice_are_one_curve(lesson):
    for shift in range(0, 31, 3):
        dice, iou, _ = lesson[0]["three"](shift)[0].values()
        assert 1 - iou == pytest.approx((1 - dice) / (2 - (1 - dice)))


def test_apart_no_loss_says_how_far(lesson):
    far, farther = lesson[0]["three"](20)[0], lesson[0]["three"](28)[0]
    assert far == pytest.approx(farther) and far["Dice loss"] > lesson[0]["three"](8)[0]["Dice loss"]


def test_why_a_disc_in_its_place_has_a_dice_of_four_fifths(lesson):
    """The numbers of the text: 0.18, of which the background's 59 pixels are a part, beside a disc of 193."""
    (losses, p), truth = lesson[0]["three"](0), lesson[0]["truth_disc"]
    assert losses["Dice loss"] == pytest.approx(0.18, abs=5e-3) and truth.sum() == 193
    assert p[~truth].sum() == pytest.approx(59, abs=1) and (~truth).sum() == pytest.approx(6000, rel=0.02)
    assert "IoU is D / (2 − D): True" in lesson[1]["discs-still"]


def test_the_posted_dice(lesson):
    """Claim E1: one flat list, an error, and 1 - mean p if it did run."""
    said = lesson[1]["posted"] + lesson[1]["posted-next"]
    assert "left: (126,) from (1, 2, 3, 21)" in said and "Invalid reduction dimension" in said
    one, other = re.findall(r"0\.\d{6}", said)
    assert one == other


def test_the_mended_dice_is_ours_without_smoothing(lesson):
    v = lesson[0]
    random = np.random.RandomState(0)
    labels, logits = random.randint(0, 3, (2, 6, 6)), random.normal(size=(2, 6, 6, 3)).astype("float32")
    labels[0, :2] = 255
    mended = np.array(v["mended"](labels, keras.ops.softmax(logits)))
    assert mended.mean() == pytest.approx(float(v["losses"].Dice(smooth=0.0)(labels, logits)), rel=1e-5)


def test_absent_classes(lesson):
    """Claim E2: a constant with no gradient, 0.667 for perfection, 0/0 for hard predictions; ours is 0."""
    lines = lesson[1]["absent-table"].splitlines()
    values = [float(re.search(r"(\d\.\d{4})   largest", line)[1]) for line in lines[:4]]
    slopes = [float(line.split()[-1]) for line in lines[:4]]
    assert values == [1.0, pytest.approx(2 / 3, abs=1e-4), pytest.approx(2 / 3, abs=1e-4), 0.0]
    assert slopes[0] == 0
    assert "[ 0. nan nan]" in lines[4] and lines[4].endswith("all void: [nan nan nan]")


def test_keras_own_dice(lesson):
    """The two traps: the sum over everything, and broadcast labels."""
    missed, lines = lesson[1]["missed"].splitlines(), lesson[1]["keras"].splitlines()
    assert missed[0].endswith("0.0015")
    in_range, beyond = (float(n) for n in re.findall(r"-?\d\.\d{4}", lines[0]))
    assert in_range < 0.5 and beyond < 0  # nothing like a loss between 0 and 1 of 3 undecided classes
    assert float(missed[1].split()[-1]) == pytest.approx(0.5, abs=0.01)  # of two classes one is missed entirely


def test_keras_dice_over_everything_is_one_minus_mean_p():
    random = np.random.RandomState(0)
    labels, p = random.randint(0, 5, (2, 8, 8)), random.dirichlet(np.ones(5), (2, 8, 8)).astype("float32")
    own = float(keras.losses.Dice()(np.eye(5, dtype="float32")[labels], p))
    assert own == pytest.approx(1 - np.take_along_axis(p, labels[..., None], -1).mean(), rel=1e-5)


def test_dice_pulls_least_where_p_is_small(lesson):
    """What the figure of pulls says, and the factor p (1 - p)."""
    pull, contenders, levels = (lesson[0][name] for name in ("pull", "pulled", "levels"))
    dice, plain = contenders["Dice"], contenders["cross-entropy"]
    assert levels[0] == 1e-4
    assert pull(dice, 1e-4) < pull(plain, 1e-4) / 10 and pull(dice, 0.4) > 30 * pull(plain, 0.4)
    assert pull(dice, 0.002) < pull(plain, 0.002) and pull(dice, 0.004) > pull(plain, 0.004)
    assert pull(dice, 0.1) == pytest.approx(30 * pull(plain, 0.1), rel=0.15)
    assert pull(dice, 1e-4) * 10 == pytest.approx(pull(dice, 1e-3), rel=0.05)
    assert pull(contenders["Dice, smooth 1000"], 1e-3) < pull(dice, 1e-3)
    weighted = next(loss for name, loss in contenders.items() if name.startswith("weighted"))
    assert pull(weighted, 0.01) == pytest.approx(65536 / 200 * pull(plain, 0.01), rel=1e-3)


def test_per_batch_forgets_a_small_object(lesson):
    batch, image = (float(n) for n in re.findall(r"0\.\d{3}", lesson[1]["batch"]))
    assert image > 10 * batch


def rows(text, heads):
    """{name: {head: the numbers in brackets}} of a printed table."""
    found = {}
    for line in text.splitlines():
        lists = [[float(n) for n in part.split()] for part in re.findall(r"\[([^]]*)\]", line)]
        found[line[:20].strip()] = dict(zip(heads, lists, strict=True))
    return found


def test_four_losses_with_three_seeds(said):
    table = "\n".join(said["race-figure"].splitlines()[1:])
    found = rows(table, ("recall", "precision", "iou", "mean IoU"))
    assert list(found) == ["cross-entropy", "weighted", "Dice", "sum of CE and Dice"]
    assert all(len(values) == 3 for row in found.values() for values in row.values())
    assert min(found["weighted"]["recall"]) > 0.45 and max(found["weighted"]["recall"]) < 0.72
    dice = sorted(found["Dice"]["recall"])
    assert dice[0] < 0.05 and dice[1] > 0.2 and dice[2] < 0.4
    assert max(*found["cross-entropy"]["recall"], *found["sum of CE and Dice"]["recall"]) < 0.05
    assert max(found["weighted"]["precision"]) < min(found["Dice"]["precision"][0], found["Dice"]["precision"][2])
    lowest, highest = zip(*[(min(row["mean IoU"]), max(row["mean IoU"])) for row in found.values()], strict=True)
    assert max(lowest) <= min(highest), "the ranges overlap"


def test_at_equal_recall_the_weighted_loss_has_the_fewest_false_alarms(said):
    found = rows(said["curve-figure"], (0.2, 0.5))
    for recall in (0.2, 0.5):
        others = [value for name, row in found.items() if name != "weighted" for value in row[recall]]
        assert min(found["weighted"][recall]) > max(others)


def test_precision_at_a_recall_is_that_of_a_threshold(lesson):
    v = lesson[0]
    p = np.random.RandomState(0).uniform(size=v["labelled"].shape)
    for recall in (0.1, 0.5, 0.9):
        p_things = np.sort(p[v["labelled"]][v["things"]])[::-1]
        line = p_things[int(np.ceil(recall * v["things"].sum())) - 1]
        called = p[v["labelled"]] >= line
        assert v["precision_at"](p, recall) == pytest.approx(v["things"][called].mean(), abs=1e-9)


def test_the_unanswered_exercise_says_so(lesson):
    assert "Not answered yet" in lesson[1]["exercise"]


def test_gather_nd_of_a_dense_mask_is_flat():
    y = np.zeros((1, 2, 3, 21), "float32")
    assert tf.gather_nd(y, tf.where(y != 255)).shape == (126,)
