"""What notebook 07 measures by gives the values that follow from its definition."""

import keras
import numpy as np
import pytest

from helpers import runs
from helpers.lessons import experiments, parts


def test_reach_is_the_smallest_square_that_holds_the_share():
    influence = np.zeros((9, 9))
    influence[4, 4], influence[4, 6], influence[0, 0] = 0.6, 0.3, 0.1
    assert [parts.reach(influence, 4, 4, share) for share in (0.6, 0.89, 0.91, 1.0)] == [1, 5, 9, 9]
    assert parts.reach(np.ones((5, 5)), 2, 2, 1.0) == 5
    with pytest.raises(ValueError, match="constant"):
        parts.reach(np.zeros((3, 3)), 1, 1)


def test_a_band_is_as_wide_as_told_on_both_sides():
    labels = np.zeros((1, 4, 12), int)
    labels[:, :, 6:] = 2
    assert parts.near_borders(labels, within=3)[0].tolist() == [[False] * 3 + [True] * 6 + [False] * 3] * 4
    assert not parts.near_borders(np.full((2, 5, 5), 3)).any(), "the picture's edge is no border of a class"
    corner = np.zeros((1, 7, 7), int)
    corner[0, 3, 3] = 1
    assert parts.near_borders(corner, within=1).sum() == 9, "the neighbours at the corners count, too"


def test_mean_iou_over_some_pixels():
    labels = np.array([[[0, 0, 1, 1, 255]]])
    masks = np.array([[[[0, 1, 1, 1, 3]]], [[[0, 0, 1, 1, 2]]]])
    assert parts.mean_iou(masks, labels) == pytest.approx([(1 / 2 + 2 / 3) / 2, 1])
    where = np.array([[[True, False, True, True, True]]])
    assert parts.mean_iou(masks, labels, where) == pytest.approx([1, 1])


def test_a_pattern_is_measured_beside_the_spread_of_real_logits():
    chequer = np.indices((8, 8)).sum(axis=0)[..., None] % 2 * np.array([2.0, 0.0])
    real = np.random.RandomState(0).normal(0, 5, (4, 64, 64, 2))
    assert parts.pattern(chequer, real) == pytest.approx(np.sqrt(0.5) / 5, rel=0.02)
    assert parts.pattern(np.full((8, 8, 2), 3.0), real) == 0


def test_seams():
    mask = np.zeros((8, 12), int)
    mask[:, 4:8], mask[1, 1] = 1, 2
    across, elsewhere = parts.seams(mask, 4)
    assert across == pytest.approx(100 * 16 / (8 * 2 + 12))
    assert elsewhere == pytest.approx(100 * 4 / (8 * 9 + 6 * 12))


def test_wide_scenes_have_the_tasks_classes():
    images, labels = parts.wide_scenes(2)
    assert (images.shape, images.dtype) == ((2, 86, 128, 3), np.uint8) and labels.shape == (2, 86, 128)
    assert set(np.unique(labels)) <= {0, 1, 2, 3, 255} and len(np.unique(labels)) > 2


def test_the_larger_images_are_the_tasks():
    task, (learned, held_out) = experiments.task(), parts.twice_as_large()
    assert (learned[:, ::2, ::2] == task.images).all() and (held_out[:, ::2, ::2] == task.held_out_images).all()


def test_an_encoder_is_the_way_down_of_the_donor():
    donor, about = runs.pretrained("siftflow_cpu")
    image = np.random.RandomState(0).uniform(0, 255, (1, 128, 128, 3)).astype("float32")
    encoder = parts.encoder(about, donor, size=128)
    down = keras.Model(donor.input, donor.get_layer("bottomb").output)
    assert np.allclose(encoder(image)[-1], down(image), atol=1e-4)
    assert [each.shape[1:] for each in encoder.outputs] == [(64, 64, 48), (32, 32, 96), (16, 16, 192), (8, 8, 384)]
    fresh = parts.encoder(about, size=128)
    assert not np.allclose(fresh(image)[-1], down(image), atol=1e-2)
    head = parts.decoder([each.shape[1:] for each in encoder.outputs])
    assert head(encoder(image)).shape == (1, 64, 64, 4)


def test_a_learner_begins_anew_each_time():
    keras.utils.set_random_seed(0)
    image = keras.Input((4, 4, 3))
    model = keras.Model(image, keras.layers.Conv2D(4, 1)(image))
    start, random = model.get_weights(), np.random.RandomState(0)
    images, labels = random.uniform(0, 1, (12, 4, 4, 3)).astype("float32"), random.randint(0, 4, (12, 4, 4))
    train, ends = parts.learner(model, 0.1, 4), []
    for seed in (0, 0, 1):
        model.set_weights(start)
        assert train(images, labels, seed) > 0
        ends.append(model.get_weights()[0])
    assert np.array_equal(ends[0], ends[1]), "optimizer, rate and order are as they were"
    assert not np.array_equal(ends[0], ends[2]) and not np.array_equal(ends[0], start[0])


def test_pick_and_megabytes():
    assert parts.pick(np.arange(5), [1, 3]).tolist() == [1, 3]
    assert [each.tolist() for each in parts.pick([np.arange(5), -np.arange(5)], [2])] == [[2], [-2]]
    assert parts.megabytes(weights=1_000_000) == 4 and parts.megabytes(weights=1_000_000, trained=500_000) == 10
