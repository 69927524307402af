"""helpers.lessons.experiments: the task, what a run keeps, and the pictures of several."""

import keras
import matplotlib.pyplot as plt
import numpy as np
import pytest

from helpers import losses
from helpers.lessons import experiments, figures


@pytest.fixture(scope="module", autouse=True)
def fast():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SERIES_PACE", "fast")
        yield


@pytest.fixture(scope="module")
def task():
    return experiments.task()


@pytest.fixture(scope="module")
def run(task):
    return experiments.train(task, losses.CrossEntropy(), seeds=(0, 1))


def test_the_task_has_a_rare_class_and_void(task):
    assert task.images.shape == (180, 32, 32, 3) and task.held_out_images.shape == (60, 32, 32, 3)
    assert task.labels.dtype == np.uint8 and set(np.unique(task.labels)) == {0, 1, 2, 3, 255}
    shares = task.pixel_counts / (task.labels != 255).sum()
    assert shares.sum() == pytest.approx(1) and 0.015 < shares[experiments.RARE] < 0.03 and shares.max() < 0.5
    assert (task.held_out_labels == experiments.RARE).sum() > 1000


def test_no_image_is_learned_from_and_held_out(task):
    seen = {image.tobytes() for image in task.images}
    assert not [image for image in task.held_out_images if image.tobytes() in seen]


def test_every_class_belongs_to_exactly_one_of_the_four():
    named = [part for parts in experiments._MADE_OF.values() for part in parts.split()]
    assert len(named) == len(set(named)) and set(named) < set(experiments.CLASS_NAMES)


def test_a_run_keeps_every_epoch_of_every_seed(task, run):
    epochs = 2
    assert run.losses.shape == (2, epochs) and run.matrices.shape == (2, 1 + epochs, 4, 4)
    assert run.masks.shape == (2, 60, 32, 32) and run.masks.max() < 4
    assert (run.matrices.sum(axis=(2, 3)) == (task.held_out_labels != 255).sum()).all()
    assert np.array_equal(run.matrices[1, -1].sum(axis=1), np.bincount(task.held_out_labels.ravel())[:4])
    assert (run.losses[:, 1] < run.losses[:, 0]).all()


def test_scores_are_read_off_the_matrices(run):
    matrix = run.matrices[1, 2].astype(float)
    true_positives, truth, predicted = np.diag(matrix), matrix.sum(axis=1), matrix.sum(axis=0)
    assert run.recall(1)[1, 2] == pytest.approx(true_positives[1] / truth[1])
    assert run.precision(1)[1, 2] == pytest.approx(true_positives[1] / predicted[1])
    assert run.false_alarms(1)[1, 2] == pytest.approx((predicted - true_positives)[1] / matrix.sum())
    assert run.iou(1)[1, 2] == pytest.approx(true_positives[1] / (truth + predicted - true_positives)[1])
    assert run.mean_iou()[1, 2] == pytest.approx((true_positives / (truth + predicted - true_positives)).mean())
    assert run.given() == pytest.approx(run.matrices[0, -1].sum(axis=0) / matrix.sum())


def test_a_seed_gives_the_same_run_alone_and_after_another(task, run):
    alone = experiments.train(task, losses.CrossEntropy(), seeds=(1,))
    np.testing.assert_allclose(alone.losses[0], run.losses[1], rtol=1e-2)
    assert np.array_equal(alone.matrices[0, 0], run.matrices[1, 0])
    assert not np.array_equal(run.matrices[0, 0], run.matrices[1, 0])


def test_an_optimizer_starts_afresh_for_each_seed(task):
    """Its momentum, and its count of steps, are those of a new one: here the rate falls to 0 after the first run."""
    rate = keras.optimizers.schedules.PiecewiseConstantDecay([60], [0.05, 0.0])
    optimizer = keras.optimizers.SGD(rate, momentum=0.9)
    run = experiments.train(task, losses.CrossEntropy(), optimizer=optimizer, seeds=(0, 0))
    np.testing.assert_allclose(run.losses[0], run.losses[1], rtol=1e-2)
    assert run.losses[1, 1] < run.losses[1, 0]


def test_another_network_is_seeded_and_fed_by_the_batches_asked_for(task):
    sizes, starts = [], []

    def loss(labels, logits):  # at the fast pace the step is not compiled, so this sees every batch
        sizes.append(len(labels))
        return losses.CrossEntropy()(labels, logits)

    def build():
        return keras.Sequential([keras.Input((32, 32, 3)), keras.layers.Conv2D(4, 1)])

    def prepare(model):
        starts.append(model.get_weights())

    for seed in (3, 4, 3):
        options = {"seeds": (seed,), "epochs": 1, "prepare": prepare}
        run = experiments.train(task, loss, build=build, batch=8, **options)
    assert set(sizes) == {8} and run.film.shape == (2, 60, 32, 32)
    assert [weights[0].shape for weights in starts] == [(1, 1, 3, 4)] * 3
    assert np.array_equal(starts[0][0], starts[2][0]) and not np.array_equal(starts[0][0], starts[1][0])


def test_head_and_preparation_are_applied(task):
    def nature_everywhere(model):
        layer = model.get_layer("logits")
        layer.bias.assign([0.0, 0.0, 100.0, 0.0])

    def probabilities(labels, output):
        assert output.shape[-1] == 4
        return keras.ops.mean(keras.ops.abs(keras.ops.sum(output, axis=-1) - 1))  # 0 for a softmax

    run = experiments.train(task, probabilities, head=keras.layers.Softmax(), prepare=nature_everywhere)
    assert run.losses == pytest.approx(0, abs=1e-5)
    assert run.matrices[0, 0, :, [0, 1, 3]].sum() == 0


def test_the_figure_shows_scores_and_masks(task, run):
    figure = figures.compare(
        task, {"one": run, "two": run}, {"recall": experiments.Run.recall, "mean IoU": experiments.Run.mean_iou}
    )
    curves, pictures = figure.axes[:2], figure.axes[2:]
    assert [axis.get_ylabel() for axis in curves] == ["recall", "mean IoU"]
    assert [text.get_text() for text in curves[0].get_legend().get_texts()] == ["one", "two"]
    assert np.array_equal(curves[1].lines[0].get_ydata(), run.mean_iou().mean(axis=0))
    assert [axis.get_ylabel() for axis in pictures[::3]] == ["image", "truth", "one", "two"]
    drawn = pictures[6].images[0].get_array()
    matches = [np.array_equal(drawn, figures.coloured(mask)) for mask in run.masks[0]]
    assert sum(matches) >= 1
    plt.close(figure)


def test_shares_stack_to_one(run):
    figure = figures.shares({"truth": ([0.1, 0.2, 0.3, 0.4], "note"), "run": (run.given(), "")})
    axis = figure.axes[0]
    widths = [bar.get_width() for bar in axis.patches]
    assert widths[:4] == pytest.approx([0.1, 0.2, 0.3, 0.4]) and sum(widths[4:]) == pytest.approx(1)
    assert [label.get_text() for label in axis.get_yticklabels()] == ["truth", "run"]
    plt.close(figure)


def test_precision_of_nothing_is_no_number_and_a_gap_in_the_line(task, run):
    matrices = run.matrices.copy()
    matrices[..., experiments.RARE] = 0
    nothing = run._replace(matrices=matrices)
    assert np.isnan(nothing.precision()).all() and (nothing.false_alarms() == 0).all()
    figure = figures.compare(task, {"nothing": nothing, "one": run}, {"precision": experiments.Run.precision})
    assert figure.axes[0].lines[0].get_ydata().mask.all()
    plt.close(figure)


def test_more_runs_than_lines_are_refused(task, run):
    with pytest.raises(ValueError, match="lines for 4 runs, and these are 5"):
        figures.compare(task, {str(i): run for i in range(5)}, {"recall": experiments.Run.recall})


def test_void_is_black():
    assert (figures.coloured(np.array([[255]], "uint8")) == 0).all()


# ---- figures of single lessons


def test_all_classes_are_kept_when_asked_for(task):
    many = experiments.task(all_classes=True)
    assert np.array_equal(many.images, task.images) and many.labels.max() == 255
    assert set(np.unique(many.labels)) - {255} <= set(range(33)) and len(np.unique(many.labels)) > 15
    assert np.array_equal(many.labels == 255, task.labels == 255)


def test_the_street_is_a_street_with_cars(task):
    assert (task.held_out_labels[experiments.STREET] == experiments.RARE).sum() > 100
    figure = figures.street(task, {"mask": task.held_out_labels})
    assert [axis.get_title() for axis in figure.axes] == ["image", "truth", "mask"]
    shown = [axis.images[0].get_array() for axis in figure.axes]
    assert np.array_equal(shown[0], task.held_out_images[experiments.STREET]) and np.array_equal(shown[1], shown[2])
    plt.close(figure)


def test_the_street_comes_first_in_a_comparison(task, run):
    figure = figures.compare(task, {"a": run}, {"mean IoU": experiments.Run.mean_iou})
    pictures = [axis.images[0].get_array() for axis in figure.axes if axis.images]
    assert np.array_equal(pictures[0], task.held_out_images[experiments.STREET])
    plt.close(figure)


def test_weights_of_batches_are_dots_and_those_of_the_set_a_bar():
    weights = np.array([[1.0, 2, 3, np.nan], [1, 2, 5, 40]])
    axis = figures.spread(weights, np.array([1.0, 2, 4, 20])).axes[0]
    dots, bars = axis.lines[0:8:2], axis.lines[1:8:2]
    assert all(np.array_equal(line.get_xdata(), weights[:, c], equal_nan=True) for c, line in enumerate(dots))
    assert [line.get_xdata()[0] for line in bars] == [1, 2, 4, 20] and axis.get_xscale() == "log"
    assert [text.get_text() for text in axis.texts] == ["absent from 1"]
    plt.close(axis.figure)


def test_bars_are_shares_of_the_whole():
    axis = figures.shares({"a": ([30, 50, 20, 0], "a note"), "b": ([0, 0, 0, 7], "")}).axes[0]
    widths = np.reshape([patch.get_width() for patch in axis.patches], (2, 4))
    assert np.allclose(widths, [[0.3, 0.5, 0.2, 0], [0, 0, 0, 1]])
    plt.close(axis.figure)


def test_two_discs_and_where_they_stand():
    p, truth = np.zeros((8, 8)), np.zeros((8, 8), bool)
    p[2:5, 2:5] = truth[3:6, 3:6] = 1
    figure = figures.discs(p, truth, np.arange(4), {"Dice": np.array([0, 0.3, 0.6, 1])}, shift=2)
    assert np.array_equal(figure.axes[0].images[0].get_array(), p)
    line, mark = figure.axes[1].lines
    assert line.get_label() == "Dice 0.60" and set(mark.get_xdata()) == {2}
    plt.close(figure)
