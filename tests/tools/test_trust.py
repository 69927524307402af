"""tools/trust.py: each count is the one by hand, and the record is of the shipped network."""

import json
import re
from pathlib import Path

import keras
import numpy as np
import pytest

import trust
from helpers import metrics, predict
from helpers.lessons import trust as lesson

ROOT = Path(__file__).resolve().parents[2]
RANDOM = np.random.RandomState(0)


@pytest.fixture(scope="module")
def small():
    """A network, two images and their labels."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((16, 16, 3)), keras.layers.Conv2D(33, 3, padding="same")])
    images = RANDOM.randint(0, 256, (3, 16, 16, 3), "uint8")
    labels = np.repeat(np.repeat(RANDOM.randint(0, 4, (3, 4, 4)), 4, axis=1), 4, axis=2).astype("uint8")
    labels[0, :3] = 255
    return model, images, labels


def test_the_mean_of_the_looks_is_what_is_predicted(small):
    model, images, _ = small
    (wanted,) = predict.predict_logits(model, images)
    np.testing.assert_allclose(trust.looks(model, images).mean(axis=0), wanted, atol=1e-3)


def test_logit_adjustment_is_a_division_by_the_prior():
    """Of probabilities by share ** strength, and so of the argmax."""
    logits, pixels = RANDOM.normal(size=(50, 4)).astype("float32"), np.array([80, 15, 4, 1])
    p = trust.softmax(logits) / (pixels / 100) ** 0.5
    np.testing.assert_allclose(trust.softmax(trust.adjusted(logits, 0.5, pixels)),
                               p / p.sum(axis=1, keepdims=True), rtol=1e-4)  # fmt: skip
    np.testing.assert_array_equal(trust.adjusted(logits, 0.0, pixels), logits)
    assert np.isfinite(trust.adjusted(logits, 1.0, [1, 0, 5, 9])).all()


def test_distance_counts_steps_to_another_class():
    label = np.zeros((5, 6), "uint8")
    label[:, 3:] = 1
    label[0] = 255
    assert trust.distance(label)[2].tolist() == [3, 2, 1, 1, 2, 3]
    assert trust.distance(np.zeros((4, 4), "uint8")).min() == trust.FARTHEST
    label[:, 3:] = 255
    assert trust.distance(label)[2, 2] == trust.FARTHEST, "void is no class"


def test_regions_are_connected_and_of_one_class():
    label = np.array([[1, 1, 0, 2], [0, 0, 1, 2], [255, 0, 0, 2]])
    right = np.array([[1, 0, 1, 1], [1, 1, 1, 0], [0, 1, 1, 1]], bool)
    found = {tuple(row) for row in trust.regions(label, right)}
    assert found == {(0, 5, 5), (1, 3, 2), (2, 3, 2)}, "the eight neighbours connect"
    assert trust.regions(np.full((2, 2), 255), np.zeros((2, 2), bool)).shape == (0, 3)


def test_entropy_is_a_share():
    assert trust.entropy(np.full((1, 4), 0.25))[0] == pytest.approx(1)
    assert trust.entropy(np.eye(4)[:1])[0] == pytest.approx(0)


def test_counts_agree_with_each_other(small, tmp_path):
    model, images, labels = small
    counts = trust.tested(model, images, labels)
    valid = labels != 255
    n = valid.sum()
    assert counts["one_count"].sum() == n and all(counts[f"adjusted_{k}_count"].sum() == n for k in range(11))
    assert (counts["confidence"][:, 0].sum(axis=1) == n).all() and (counts["doubt"][:, 0].sum(axis=1) == n).all()
    assert counts["distance"][0].sum() == counts["band"].sum() == counts["regions"][:, 2].sum() == n
    assert counts["void"].sum() == (~valid).sum()
    masks = predict.predict_masks(model, images)
    right = ((masks == labels) & valid).sum()
    assert counts["confidence"][0, 1].sum() == counts["distance"][1].sum() == counts["regions"][:, 3].sum() == right
    matrices = np.zeros(3 * 33 * 33, "int64")
    none = trust.STRENGTHS.index(0.0)
    matrices[counts[f"adjusted_{none}_at"]] = counts[f"adjusted_{none}_count"]
    by_hand = [metrics.confusion(t, m, 33) for t, m in zip(labels, masks, strict=True)]
    np.testing.assert_array_equal(matrices.reshape(3, 33, 33), by_hand)


def test_photographs_that_are_there_twice():
    images = RANDOM.randint(0, 256, (4, 32, 32, 3), "uint8")
    images[3] = images[1]
    labels = np.zeros((4, 32, 32), "uint8")
    labels[3, :8], labels[3, 8:16], labels[1, 8:12] = 1, 255, 255
    (pair,) = trust.twice(list("abcd"), images, labels)
    assert pair["names"] == ["b", "d"] and pair["valid"] == 24 * 32 and pair["same"] == 16 * 32
    assert pair["same_with_void"] == 20 * 32


# ---- the record


@pytest.fixture(scope="module")
def record():
    return lesson.test_images()


def test_the_record_is_small_and_names_no_machine(record):
    assert trust.OUT.stat().st_size < 300_000
    assert not re.search(r"/(?:home|root|tmp|work)\b", json.dumps(record.about))
    assert record.about["strengths"] == list(trust.STRENGTHS) and len(record.about["names"]) == 200


def test_the_page_says_what_the_record_says(record):
    text = " ".join((ROOT / "results" / "README.md").read_text(encoding="utf-8").split())
    passage = text[text.index("## Can the number be believed?") : text.index("## What mattered")]
    band, inside = record.counts["band"]
    mistakes = [matrix.sum() - np.trace(matrix) for matrix in (band, inside)]
    size, right = record.counts["regions"].T[2:].astype(int)
    each = record.four_looks
    off = np.sort(each.sum(axis=(1, 2)) - np.trace(each, axis1=1, axis2=2))[::-1]
    one, none = (metrics.scores(record.adjusted(s).sum(axis=0)) for s in (1.0, 0.0))
    validation = max(metrics.scores(matrix)["mean_iou"] for matrix in record.counts["validation"])
    said = [
        f"lie {band.sum() / record.counts['band'].sum():.0%} of".replace("%", " %"),
        f"and {mistakes[0] / sum(mistakes):.0%} of the mistakes".replace("%", " %"),
        f"{100 * np.trace(band) / band.sum():.1f} % right, against {100 * np.trace(inside) / inside.sum():.1f} %",
        f"above 30,000 pixels {right[size > 31623].sum() / size[size > 31623].sum():.0%}".replace("%", " %"),
        f"in {np.searchsorted(np.cumsum(off), off.sum() / 2) + 1} of the 200",
        f"none ({100 * validation:.1f} %)",
        f"from {100 * none['mean_accuracy']:.1f} to {100 * one['mean_accuracy']:.1f} %",
        f"from {100 * none['pixel_accuracy']:.1f} to {100 * one['pixel_accuracy']:.1f} %",
    ]
    for count, where in (("valid", "same"), (None, "same_with_void")):
        shares = [100 * pair[where] / (pair[count] if count else 256 * 256) for pair in record.about["twice"]]
        said.append("{:.1f} % and {:.1f} %".format(*shares))
    assert [sentence for sentence in said if sentence not in passage] == []
    assert right[size < 100].sum() / size[size < 100].sum() < 0.2


@pytest.mark.slow
def test_some_photographs_again(siftflow_root):
    """The first eight test images have the matrices, regions and void pixels of the record, but for rounding."""
    from helpers import runs, siftflow

    dataset = siftflow.SiftFlow(siftflow_root)
    record = lesson.test_images()
    assert dataset.names("test") == record.about["names"]
    images, labels = dataset.load(dataset.names("test")[:8])
    counts = trust.tested(runs.pretrained(trust.NETWORK)[0], images, labels)
    regions = record.counts["regions"]
    assert counts["regions"][:, :3].tolist() == regions[regions[:, 0] < 8][:, :3].tolist()
    none = trust.STRENGTHS.index(0.0)
    each = np.zeros(8 * 33 * 33, "int64")
    each[counts[f"adjusted_{none}_at"]] = counts[f"adjusted_{none}_count"]
    moved = np.abs(each.reshape(8, 33, 33) - record.four_looks[:8]).sum() / each.sum()
    assert moved < 0.001
    assert counts["void"].sum() == record.counts["void"][:8].sum()
