"""helpers.metrics: exact counts, and the four scores by their definitions, against NumPy."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from helpers import metrics
from helpers.metrics import ConfusionMatrix, Scores

NAMES = ("pixel_accuracy", "mean_accuracy", "mean_iou", "frequency_weighted_iou")


def counted(labels, guess, n):
    """The confusion matrix, pixel by pixel."""
    matrix = np.zeros((n, n), np.int64)
    for t, p in zip(np.ravel(labels), np.ravel(guess), strict=True):
        if t != 255:
            matrix[int(t), int(p)] += 1
    return matrix


def defined(matrix):
    """The four scores, class by class, as Long, Shelhamer and Darrell define them."""
    n, accuracy, iou, weighted = matrix.astype(float), [], [], 0.0
    if not n.sum():
        return dict.fromkeys(NAMES, 0.0)
    for c in range(len(n)):
        t = n[c].sum()
        if t:
            accuracy.append(n[c, c] / t)
            iou.append(n[c, c] / (t + n[:, c].sum() - n[c, c]))
            weighted += t * iou[-1] / n.sum()
    return dict(zip(NAMES, (np.trace(n) / n.sum(), np.mean(accuracy), np.mean(iou), weighted), strict=True))


def sample(n, seed=0, shape=(3, 8, 6), void=0.2, absent=()):
    """Random labels with void and without the `absent` classes, and logits."""
    random = np.random.RandomState(seed)
    labels = random.choice([c for c in range(n) if c not in absent], shape)
    labels[random.random_sample(shape) < void] = 255
    return labels, random.normal(size=(*shape, n)).astype("float32")


def random_matrix(seed, n=9):
    """Class 2 is absent everywhere; class 5 is only ever predicted."""
    matrix = np.random.RandomState(seed).randint(0, 10**5, (n, n))
    matrix[2], matrix[:, 2], matrix[5] = 0, 0, 0
    return matrix


@pytest.mark.parametrize("dtype", ["int32", "int64", "uint8", "float32"])
@pytest.mark.parametrize("n", [2, 33])
def test_confusion_matrix_is_exact(n, dtype):
    labels, logits = sample(n, absent=(1,))
    metric = ConfusionMatrix(n)
    metric.update_state(labels.astype(dtype), logits)
    result = keras.ops.convert_to_numpy(metric.result())
    assert result.dtype == np.int64
    assert np.array_equal(result, counted(labels, logits.argmax(-1), n))
    assert result[1].sum() == 0 < result[:, 1].sum()


def test_confusion_matrix_accumulates_and_resets():
    metric, total = ConfusionMatrix(5), 0
    for seed in range(4):
        labels, logits = sample(5, seed, shape=(1 + seed, 4, 4))
        metric.update_state(labels, logits)
        total = total + counted(labels, logits.argmax(-1), 5)
    assert np.array_equal(metric.result(), total)
    metric.reset_state()
    assert np.array_equal(metric.result(), np.zeros((5, 5)))
    labels, logits = sample(5, 9)
    metric.update_state(labels, logits)
    assert np.array_equal(metric.result(), counted(labels, logits.argmax(-1), 5))


def test_confusion_matrix_of_void_alone_is_empty():
    metric = ConfusionMatrix(4)
    metric.update_state(np.full((2, 4, 4), 255), sample(4, shape=(2, 4, 4))[1])
    assert not np.any(metric.result())


def test_confusion_matrix_is_exact_beyond_float32():
    metric = ConfusionMatrix(2)
    metric.matrix.assign(np.array([[2**40 + 1, 0], [0, 0]]))
    metric.update_state(np.zeros((1, 2, 2), "int32"), np.zeros((1, 2, 2, 2), "float32"))
    assert int(metric.result()[0, 0]) == 2**40 + 5


def test_confusion_matrix_refuses_what_it_cannot_count():
    labels, logits = sample(4)
    with pytest.raises(ValueError, match="Logits for 4 classes, but this metric was made for 5"):
        ConfusionMatrix(5).update_state(labels, logits)
    with pytest.raises(ValueError, match="labelling it void, 255"):
        ConfusionMatrix(4).update_state(labels, logits, sample_weight=np.ones(3))


@pytest.mark.parametrize("seed", range(5))
def test_confusion_of_label_maps(seed):
    labels, logits = sample(7, seed)
    guess = logits.argmax(-1)
    for as_type in ("uint8", "int64"):
        result = metrics.confusion(labels.astype(as_type), guess.astype(as_type), 7)
        assert result.dtype == np.int64 and np.array_equal(result, counted(labels, guess, 7))


@pytest.mark.parametrize("seed", range(8))
def test_scores_are_as_defined(seed):
    matrix = random_matrix(seed)
    result = metrics.scores(matrix)
    assert tuple(result) == NAMES and all(type(value) is float for value in result.values())
    for name, value in defined(matrix).items():
        assert result[name] == pytest.approx(value, abs=1e-6), name


def test_scores_of_a_hand_made_matrix():
    result = metrics.scores([[3, 1, 0], [0, 2, 2], [0, 0, 0]])
    assert result["pixel_accuracy"] == pytest.approx(5 / 8)
    assert result["mean_accuracy"] == pytest.approx((3 / 4 + 2 / 4) / 2)
    assert result["mean_iou"] == pytest.approx((3 / 4 + 2 / 5) / 2)
    assert result["frequency_weighted_iou"] == pytest.approx((3 / 4 + 2 / 5) / 2)


def test_scores_of_nothing_are_zero():
    assert metrics.scores(np.zeros((4, 4), int)) == dict.fromkeys(NAMES, 0.0)
    assert {name: float(v) for name, v in Scores(4).result().items()} == dict.fromkeys(NAMES, 0.0)


@pytest.mark.parametrize("bad", [np.zeros(4), np.zeros((3, 4)), np.zeros((2, 2, 2))])
def test_scores_want_a_square(bad):
    for score in (metrics.scores, metrics.iou_per_class):
        with pytest.raises(ValueError, match="square"):
            score(bad)


def test_iou_per_class_is_nan_for_absent_classes_only():
    matrix = random_matrix(1)
    iou = metrics.iou_per_class(matrix)
    assert iou.dtype == np.float64 and list(np.flatnonzero(np.isnan(iou))) == [2, 5]
    n = matrix.astype(float)
    for c in (0, 1, 8):
        assert iou[c] == pytest.approx(n[c, c] / (n[c].sum() + n[:, c].sum() - n[c, c]))
    assert np.nanmean(iou) == pytest.approx(defined(matrix)["mean_iou"])


@pytest.mark.parametrize("seed", range(3))
def test_scores_metric_equals_scores(seed):
    matrix = random_matrix(seed)
    metric = Scores(9)
    metric.matrix.assign(matrix)
    result = {name: float(value) for name, value in metric.result().items()}
    assert result == pytest.approx(defined(matrix), abs=1e-6)


def tiny(n=3, extra=()):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((6, 6, 3)), keras.layers.Conv2D(n, 1)])
    model.compile(
        "sgd", keras.losses.SparseCategoricalCrossentropy(True, ignore_class=255), metrics=[Scores(n), *extra]
    )
    return model


def test_scores_in_fit_log_the_validation_scores():
    x = np.random.RandomState(0).random_sample((10, 6, 6, 3)).astype("float32")
    y = sample(3, shape=(10, 6, 6), absent=(2,))[0]
    model = tiny()
    history = model.fit(x, y, batch_size=4, epochs=2, validation_data=(x, y), verbose=0).history
    assert {*NAMES, *(f"val_{name}" for name in NAMES)} <= set(history)
    wanted = defined(counted(y, model.predict(x, verbose=0).argmax(-1), 3))
    assert {name: history[f"val_{name}"][-1] for name in NAMES} == pytest.approx(wanted, abs=1e-6)


def test_model_compiled_with_the_metrics_saves_and_loads(tmp_path):
    x, y = np.ones((2, 6, 6, 3), "float32"), sample(3, shape=(2, 6, 6))[0]
    model = tiny(extra=[ConfusionMatrix(3, name="counts")])
    before = model.evaluate(x, y, return_dict=True, verbose=0)
    model.save(tmp_path / "model.keras")
    after = keras.saving.load_model(tmp_path / "model.keras").evaluate(x, y, return_dict=True, verbose=0)
    assert np.array_equal(after.pop("counts"), before.pop("counts"))
    assert after == pytest.approx(before) and set(NAMES) <= set(after)


def test_config_round_trip():
    for metric in (Scores(7, name="mine"), ConfusionMatrix(7, name="mine")):
        again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(metric))
        assert type(again) is type(metric) and (again.n_classes, again.name) == (7, "mine")


def test_metric_counts_exactly_under_a_16_bit_policy():
    labels, logits = sample(4, shape=(2, 64, 64))
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        metric = ConfusionMatrix(4)
        metric.update_state(labels, logits)
    finally:
        keras.config.set_dtype_policy(before)
    assert np.array_equal(metric.result(), counted(labels, logits.argmax(-1), 4))


@pytest.mark.parametrize("bad", [3, 254, -1])
def test_a_label_that_is_no_class_is_not_counted_as_one(bad):
    metric = ConfusionMatrix(3)
    labels = np.full((1, 4, 4), bad, "int32")
    with pytest.raises(tf.errors.InvalidArgumentError):
        metric.update_state(labels, np.zeros((1, 4, 4, 3), "float32"))
    assert np.array(metric.result()).sum() == 0


@pytest.mark.parametrize("labels", [(2, 6, 4), (1, 4, 6), (2, 4, 6, 3), (2, 24)])
def test_labels_of_other_pixels_are_refused(labels):
    with pytest.raises(ValueError, match="cover different pixels"):
        ConfusionMatrix(3).update_state(np.zeros(labels, "int32"), np.zeros((2, 4, 6, 3), "float32"))


def test_a_last_axis_of_one_is_taken():
    metric = ConfusionMatrix(3)
    metric.update_state(np.zeros((2, 4, 6, 1), "int32"), np.zeros((2, 4, 6, 3), "float32"))
    assert np.array(metric.result())[0, 0] == 48


@pytest.mark.parametrize("guess", [[3, 1], [-1, 1], [0, 1, 2]])
def test_guesses_that_are_no_class_or_of_other_pixels_are_refused(guess):
    with pytest.raises(ValueError, match="A prediction is 0 to 2 for each pixel"):
        metrics.confusion([0, 1], guess, 3)
