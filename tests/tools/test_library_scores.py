"""tools/library_scores.py: its record is held against our own conventions on its toys, and a library that no longer
installs is named."""

import json
import re

import numpy as np
import pytest

import library_scores
from helpers import losses, metrics
from helpers.classes import VOID

RECORD = json.loads(library_scores.OUT.read_text(encoding="utf-8"))
IOU = {(row["library"], row["call"].split("(")[0]): row["values"] for row in RECORD["iou"]}


def conventions(name):
    """The mean IoU of a toy in plain fractions, class by class and image by image: {convention: value}."""
    truth, given = (np.array(part) for part in RECORD["toys"][name])

    def of(t, g):
        valid = t != VOID
        t, g = t[valid], g[valid]
        both = [(np.sum((t == c) & (g == c)), np.sum((t == c) | (g == c)), np.sum(t == c)) for c in range(4)]
        return [(right / union if union else None, here > 0) for right, union, here in both]

    pooled, images = of(truth, given), [of(*pair) for pair in zip(truth, given, strict=True)]
    return {
        "truth": np.mean([v for v, here in pooled if here]),
        "either": np.mean([v for v, _ in pooled if v is not None]),
        "absent 0": np.mean([v or 0 for v, _ in pooled]),
        "absent 1": np.mean([1 if v is None else v for v, _ in pooled]),
        "image, truth": np.mean([np.mean([v for v, here in image if here]) for image in images]),
        "image and class, either": np.mean([v for image in images for v, _ in image if v is not None]),
    }


@pytest.mark.parametrize("toy", ["toy", "absent", "images", "void", "exercise"])
@pytest.mark.parametrize(
    ("row", "convention"),
    [
        (("Keras", "MeanIoU"), "either"),
        (("torchmetrics", "JaccardIndex"), "either"),
        (("scikit-learn", "… with labels=[0, 1, 2, 3]"), "absent 0"),
        (("pytorch-ignite", "mIoU"), "absent 0"),
        (("miseval", "IoU of each class, averaged, valid pixels"), "absent 0"),
        (("MedPy", "jc of each class, averaged, valid pixels"), "absent 1"),
        (("MONAI", "MeanIoU"), "image, truth"),
    ],
)
def test_a_library_has_the_convention_that_we_say(row, convention, toy):
    assert IOU[row][toy] == pytest.approx(conventions(toy)[convention], abs=1e-6)


def test_macro_of_segmentation_models_counts_an_absent_class_as_1():
    (values,) = [row["values"] for row in RECORD["iou"] if row["call"] == "iou_score(reduction='macro')"]
    assert all(values[toy] == pytest.approx(conventions(toy)["absent 1"], abs=1e-6) for toy in values)


@pytest.mark.parametrize("toy", ["absent", "images", "void", "exercise"])
def test_torchmetrics_averages_over_all_pairs_of_image_and_class(toy):
    """But for void, which it has no argument for: there it is class 0."""
    found = IOU["torchmetrics", "segmentation.MeanIoU"][toy]
    assert found == pytest.approx(conventions(toy)["image and class, either"], abs=1e-6)


@pytest.mark.parametrize("toy", RECORD["toys"])
def test_ours_is_the_convention_of_the_truth(toy):
    truth, given = (np.array(part) for part in RECORD["toys"][toy])
    matrix = metrics.confusion(truth, np.where(truth == VOID, 0, given), 4)
    assert metrics.scores(matrix)["mean_iou"] == pytest.approx(conventions(toy)["truth"])


def test_our_dice_is_0_for_a_perfect_answer_and_1_for_a_wrong_one():
    """Others' costs range from 0 to 0.65 and from 0.05 to 1 on the same logits."""
    truth = np.array(RECORD["toys"]["toy"][0])
    truth[truth == VOID] = 0
    loss = losses.Dice(smooth=0.0)
    assert float(loss(truth, 20 * np.eye(4, dtype="float32")[truth])) == pytest.approx(0, abs=1e-6)
    for n in library_scores.CLASSES.values():
        wrong = 20 * np.eye(n, dtype="float32")[np.full_like(truth, 2)]
        assert float(loss(np.zeros_like(truth), wrong)) == pytest.approx(1, abs=1e-6)
    values = np.array([list(row["values"].values()) for row in RECORD["dice"]])
    assert values[:, :2].max() == pytest.approx(0.65, abs=0.002) and values[:, :2].min() == 0
    assert values[:, 2:].min() == pytest.approx(0.05) and values[:, 2:].max() == 1


def test_the_record_has_the_pinned_versions_and_today_s_toys():
    assert {name: found.split("+")[0] for name, found in RECORD["versions"].items()} == library_scores.PINS
    assert RECORD["toys"] == {name: list(pair) for name, pair in library_scores.TOYS.items()}
    assert RECORD["not_asked"] == library_scores.NOT_ASKED and len(RECORD["iou"]) == 15
    assert not re.search(r"/(?:home|root|tmp|work)\b", json.dumps(RECORD))


def test_a_library_that_no_longer_installs_is_named(tmp_path, monkeypatch):
    """Without an index, so that nothing is fetched."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    pins = {"no-such-library-of-ours": "9.9.9"}
    with pytest.raises(library_scores.NotInstalled, match=r"no-such-library-of-ours 9\.9\.9 no longer installs"):
        library_scores.installed(tmp_path, pins)


def test_a_library_that_does_not_answer_ends_the_command(tmp_path, capsys):
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\necho 'ImportError: no such module' >&2\nexit 1\n")
    broken.chmod(0o755)
    out = tmp_path / "record.json"
    with pytest.raises(SystemExit) as stopped:
        library_scores.main(["--python", str(broken), "--out", str(out)])
    assert stopped.value.code == 1 and not out.exists()
    assert "ImportError: no such module" in capsys.readouterr().err
