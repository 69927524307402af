"""helpers.losses: values and gradients against NumPy in float64, void without a say, and clear refusals."""

import ast
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from helpers import losses
from helpers.losses import CrossEntropy, Dice, Sum
from support.losses_table import MAKE
from support.processes import python

ROOT = Path(__file__).resolve().parent.parent
SENTENCE = "Labels must be whole numbers"


# ---- the references: float64, one formula a line, gradients by hand -------------------------------------------------


def softmax(logits):
    e = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def one_hot(labels, n):
    """float64 (…, class), all zero where void."""
    return (labels[..., None] == np.arange(n)).astype("float64")


def cross_entropy(labels, logits, weights=None):
    """(value, gradient by the logits)."""
    logits = np.asarray(logits, "float64")
    n = logits.shape[-1]
    truth, valid = one_hot(labels, n), (labels != 255).sum()
    shifted = logits - logits.max(axis=-1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    weight = truth @ (np.ones(n) if weights is None else np.asarray(weights, "float64"))  # 0 where void
    value = -(weight[..., None] * truth * log_p).sum() / max(valid, 1)
    return value, weight[..., None] * (softmax(logits) - truth) / max(valid, 1)


def dice(labels, logits, smooth=1.0):
    """(value, gradient by the logits)."""
    logits = np.asarray(logits, "float64")
    truth, valid = one_hot(labels, logits.shape[-1]), (labels != 255)[..., None]
    p = softmax(logits)
    overlap, size = (p * truth).sum((0, 1, 2)), truth.sum((0, 1, 2))
    top, bottom = 2 * overlap + smooth, (p * valid).sum((0, 1, 2)) + size + smooth
    present = size > 0
    if not present.any():
        return 0.0, np.zeros_like(logits)
    value = (1 - top / bottom)[present].mean()
    by_p = -(2 * truth * bottom - top) / bottom**2 * present / present.sum() * valid
    return value, p * (by_p - (by_p * p).sum(-1, keepdims=True))


def both(labels, logits, weights, smooth):
    parts = cross_entropy(labels, logits, weights), dice(labels, logits, smooth)
    return tuple(a + b for a, b in zip(*parts, strict=True))


REFERENCES = {  # name: from labels, logits, weights and smooth, (value, gradient by the logits)
    "cross-entropy": lambda y, z, w, s: cross_entropy(y, z),
    "weighted": lambda y, z, w, s: cross_entropy(y, z, w),
    "dice": lambda y, z, w, s: dice(y, z, s),
    "sum": both,
}
assert REFERENCES.keys() == MAKE.keys(), "each loss of support/losses_table.py needs a reference here"
LOSSES = {name: (MAKE[name], REFERENCES[name]) for name in MAKE}
every_loss = pytest.mark.parametrize("name", LOSSES)


def weights(n):
    return np.linspace(0, 4, n)


def make(name, n, smooth=1.0):
    """The loss of that name for n classes."""
    return LOSSES[name][0](weights(n), smooth)


def reference(name, labels, logits, smooth=1.0):
    """(value, gradient by the logits) of `make(name, n, smooth)`."""
    return LOSSES[name][1](labels, logits, weights(logits.shape[-1]), smooth)


def sample(n, seed=0, shape=(2, 6, 5), scale=3.0, void=0.25):
    """Labels with void and (for n > 2) without every third class, and logits."""
    random = np.random.RandomState(seed)
    labels = random.choice([c for c in range(n) if n == 2 or c % 3], shape)
    labels[random.random_sample(shape) < void] = 255
    return labels.astype("int32"), (scale * random.normal(size=(*shape, n))).astype("float32")


def value_and_gradient(loss, labels, logits):
    logits = tf.convert_to_tensor(logits)
    with tf.GradientTape() as tape:
        tape.watch(logits)
        value = loss(labels, logits)
    return float(value), tape.gradient(value, logits).numpy().astype("float64")


def assert_same(found, wanted):
    """Value to 1e-5, gradient to 1e-4 (1e-6 of its largest number, where it is nearer 0)."""
    assert found[0] == pytest.approx(wanted[0], rel=1e-5, abs=1e-5)
    np.testing.assert_allclose(found[1], wanted[1], rtol=1e-4, atol=1e-6 * np.abs(wanted[1]).max())


def drawn(seed):
    """A case drawn at random: (labels, logits, weights, smooth)."""
    random = np.random.RandomState(seed)
    n = random.choice([1, 2, 3, 7, 33])
    shape = random.randint(1, 4), *random.randint(1, 13, 2)
    present = random.permutation(n)[: random.randint(1, n + 1)]
    labels = random.choice(present, shape)
    labels[random.random_sample(shape) < random.choice([0, 0.1, 0.5, 0.9, 1])] = 255
    logits = random.normal(size=(*shape, n)) * random.choice([0, 0.01, 3, 30])
    if random.random_sample() < 0.25:
        logits = np.where(logits > 0, 100, -100)
    weights = 10 ** random.uniform(-6, 6, n) * (random.random_sample(n) > 0.2)
    return labels.astype("int32"), logits.astype("float32"), weights.astype("float32"), random.choice([0, 0.1, 1, 50])


# ---- values and gradients -------------------------------------------------------------------------------------------

SEEDS = range(60)
one_class = pytest.mark.filterwarnings("ignore:You are using a softmax over axis -1 of a tensor of shape .*, 1")


@one_class
@pytest.mark.parametrize("seed", SEEDS)
def test_drawn_cases_are_the_formulas(seed):
    labels, logits, weights, smooth = drawn(seed)
    void = labels == 255
    for make, formulas in LOSSES.values():
        found = value_and_gradient(make(weights, smooth), labels, logits)
        assert_same(found, formulas(labels, logits, weights, smooth))
        assert (found[1][void] == 0).all() and (found[0] == 0 or not void.all())


def test_drawn_cases_reach_the_corners():
    cases = [drawn(seed) for seed in SEEDS]
    void = [(labels == 255).mean() for labels, *_ in cases]
    classes = [logits.shape[-1] for _, logits, *_ in cases]
    seen = [len(np.setdiff1d(labels, 255)) for labels, *_ in cases]
    assert min(void) == 0 and max(void) == 1 and any(0 < share < 1 for share in void)
    assert {1, 2, 33} <= set(classes) and any(0 < s < n for s, n in zip(seen, classes, strict=True))
    assert any((np.abs(logits) == 100).all() for _, logits, *_ in cases)
    assert {smooth for *_, smooth in cases} >= {0, 1} and any((weights == 0).any() for *_, weights, _ in cases)
    assert min(w[w > 0].min(initial=1) for *_, w, _ in cases) < 1e-5 and max(w.max() for *_, w, _ in cases) > 1e5


@pytest.mark.parametrize("scale", [0, 1])
def test_full_size_batch_loses_no_digits(scale):
    labels, logits = sample(33, shape=(8, 256, 256), scale=scale, void=0.08)
    wanted = dice(labels, logits)[0]
    assert float(Dice()(labels, logits)) == pytest.approx(wanted, rel=0, abs=1e-5)
    wanted += cross_entropy(labels, logits)[0]
    assert float(Sum([CrossEntropy(), Dice()])(labels, logits)) == pytest.approx(wanted, rel=0, abs=1e-5)


@one_class
@pytest.mark.parametrize("n", [1, 2, 5, 33])
@pytest.mark.parametrize("seed", range(5))
def test_perfect_and_worst_predictions(n, seed):
    random = np.random.RandomState(seed)
    labels = random.choice(random.permutation(n)[: random.randint(1, n + 1)], (2, 12, 12))
    labels[random.random_sample(labels.shape) < 0.2] = 255
    right = 200 * one_hot(labels, n).astype("float32") - 100
    for name in LOSSES:
        assert float(make(name, n)(labels, right)) == pytest.approx(0, abs=1e-5)
    if n == 1:
        return  # there is no wrong class
    wrong = np.roll(right, 1, axis=-1)
    truth = one_hot(labels, n).sum((0, 1, 2))
    present, pixels = truth > 0, truth + np.roll(truth, 1)
    for smooth in (0, 1, 50):
        wanted = (1 - smooth / (pixels[present] + smooth)).mean()
        assert float(Dice(smooth)(labels, wrong)) == pytest.approx(wanted, abs=1e-5)
    assert float(CrossEntropy()(labels, wrong)) == pytest.approx(200, rel=1e-5)
    assert float(CrossEntropy()(labels, 0 * wrong)) == pytest.approx(np.log(n), rel=1e-5)


@every_loss
def test_void_pixels_logits_do_not_matter(name):
    labels, logits = sample(33)
    other = np.where((labels == 255)[..., None], np.float32(50) * logits[..., ::-1], logits)
    assert float(make(name, 33)(labels, logits)) == float(make(name, 33)(labels, other))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@every_loss
def test_16_bit_logits_are_computed_in_float32(name, dtype):
    labels, logits = sample(33)
    for wide in (logits, np.where(logits > 0, 100, -100), np.where(logits > 1, 60_000, -60_000)):
        narrow = tf.cast(wide, dtype)
        value, slope = reference(name, labels, tf.cast(narrow, "float64").numpy())
        assert make(name, 33)(labels, narrow).dtype == tf.float32
        found = value_and_gradient(make(name, 33), labels, narrow)
        assert found[0] == pytest.approx(value, rel=1e-5)
        np.testing.assert_allclose(found[1], slope, atol=0.01 * np.abs(slope).max())  # itself rounded to 16 bits


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_fit_under_mixed_precision(policy):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        x, y = blocks()
        model = tiny(Sum([CrossEntropy(), Dice()]))
        logits = model(x)
        assert logits.dtype == policy[len("mixed_") :]
        history = model.fit(x, y, batch_size=8, epochs=2, verbose=0).history["loss"]
    finally:
        keras.config.set_dtype_policy(before)
    wanted = both(y, tf.cast(logits, "float64").numpy(), None, 1)[0]
    assert history[0] == pytest.approx(wanted, rel=1e-2) and history[1] < history[0]


@pytest.mark.parametrize("dtype", ["uint8", "int64", "float32"])
@every_loss
def test_label_dtypes_and_a_last_axis_of_one(name, dtype):
    loss = make(name, 33)
    labels, logits = sample(33)
    assert float(loss(labels.astype(dtype), logits)) == float(loss(labels, logits))
    assert float(loss(labels[..., None].astype(dtype), logits)) == float(loss(labels, logits))


@every_loss
def test_inside_a_tf_function_of_unknown_batch(name):
    loss = make(name, 33)
    labels, logits = sample(33)
    spec = [tf.TensorSpec((None, 6, 5), "int32"), tf.TensorSpec((None, 6, 5, 33), "float32")]
    graph = tf.function(loss.__call__, input_signature=spec)
    for b in (1, 2):
        assert float(graph(labels[:b], logits[:b])) == pytest.approx(float(loss(labels[:b], logits[:b])), rel=1e-6)


@every_loss
def test_compiled_by_xla(name):
    @tf.function(jit_compile=True)
    def compiled(labels, logits):
        with tf.GradientTape() as tape:
            tape.watch(logits)
            value = make(name, 33)(labels, logits)
        return value, tape.gradient(value, logits)

    for void in (0, 0.3, 1):
        labels, logits = sample(33, void=void)
        found = (part.numpy() for part in compiled(tf.constant(labels), tf.constant(logits)))
        assert_same(tuple(found), reference(name, labels, logits))


@pytest.mark.parametrize("seed", range(3))
def test_cross_entropy_is_keras_own_with_void_ignored(seed):
    labels, logits = sample(33, seed)
    own = keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=255)
    assert float(CrossEntropy()(labels, logits)) == pytest.approx(float(own(labels, logits)), rel=1e-6)


# ---- in Keras -------------------------------------------------------------------------------------------------------


def tiny(loss, n=3, **options):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(n, 1)])
    model.compile(keras.optimizers.SGD(0.5), loss, **options)
    return model


def blocks():
    """Images whose colour is their class (red, green, blue), with some void."""
    labels = np.random.RandomState(0).randint(0, 3, (8, 8, 8))
    images = np.eye(3, dtype="float32")[labels]
    labels[:, :2] = 255
    return images, labels.astype("uint8")


@pytest.mark.parametrize("name", ["cross-entropy", "dice", "sum"])
def test_fit_lowers_the_loss(name):
    x, y = blocks()
    model = tiny(make(name, 3))
    first = reference(name, y, model(x).numpy())[0]
    history = model.fit(x, y, batch_size=8, epochs=30, verbose=0).history["loss"]
    assert history[0] == pytest.approx(first, rel=1e-4)  # one batch an epoch: the first loss is before any step
    assert history[-1] < 0.7 * history[0]


def test_fit_takes_steps_along_the_true_gradient():
    x, y = blocks()
    model = tiny(CrossEntropy([1.0, 2.0, 0.5]))
    kernel, bias = (w.astype("float64") for w in model.get_weights())
    _, slope = cross_entropy(y, x @ kernel[0, 0] + bias, [1.0, 2.0, 0.5])
    model.fit(x, y, batch_size=8, epochs=1, verbose=0)
    np.testing.assert_allclose(model.get_weights()[1], bias - 0.5 * slope.sum((0, 1, 2)), rtol=1e-4, atol=1e-6)


@every_loss
def test_saved_and_loaded(name, tmp_path):
    loss = make(name, 3, smooth=0.5)
    labels, logits = sample(3)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(loss))
    assert type(again) is type(loss) and again.name == loss.name
    assert float(again(labels, logits)) == float(loss(labels, logits))
    x, y = blocks()
    model = tiny(loss)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert type(loaded.loss) is type(loss)
    assert loaded.evaluate(x, y, verbose=0) == pytest.approx(model.evaluate(x, y, verbose=0), rel=1e-6)


# ---- refusals -------------------------------------------------------------------------------------------------------


@every_loss
@pytest.mark.parametrize(
    ("labels", "logits", "said"),
    [
        ((2, 4), (2, 4, 4, 3), "Wanted labels"),
        ((2, 4, 4), (2, 4, 4), "Wanted labels"),
        ((2, 16), (2, 16, 3), "Wanted labels"),
        ((2, 4, 4, 3), (2, 4, 4, 3), "One-hot masks: take their argmax first"),
        ((2, 8, 8), (2, 4, 4, 3), "cover different pixels"),
        ((1, 4, 4), (2, 4, 4, 3), "cover different pixels"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(name, labels, logits, said):
    loss = make(name, 3)
    with pytest.raises(ValueError, match=said):
        loss(np.zeros(labels, "int32"), np.zeros(logits, "float32"))
    with pytest.raises(ValueError, match=said):
        tf.function(loss.__call__)(tf.zeros(labels, "int32"), tf.zeros(logits))


def with_one(bad):
    """Labels, one of which is no class of the three, and logits."""
    labels, logits = np.zeros((1, 4, 4), "float32"), np.zeros((1, 4, 4, 3), "float32")
    labels[0, 1, 2] = bad
    return tf.constant(labels), tf.constant(logits)


NO_CLASSES = {3: "3 at 1 ", 33: "33 at", 254: "254 at", -1: "-1 at", 1.5: "1.5 at", np.nan: "nan at"}


@every_loss
def test_labels_that_are_no_class_are_refused_at_once(name):
    for bad, said in NO_CLASSES.items():
        with pytest.raises(ValueError, match=SENTENCE) as error:
            make(name, 3)(*with_one(bad))
        assert said in str(error.value) and "255 for void" in str(error.value) and "\n" not in str(error.value)


@every_loss
def test_labels_that_are_no_class_end_a_graph(name):
    graph = tf.function(make(name, 3).__call__)
    for bad in NO_CLASSES:
        with pytest.raises(tf.errors.InvalidArgumentError, match=SENTENCE):
            graph(*with_one(bad))


@every_loss
def test_labels_that_are_no_class_give_nan_under_xla(name):
    compiled = tf.function(make(name, 3).__call__, jit_compile=True)
    assert np.isfinite(compiled(*with_one(2)))
    for bad in NO_CLASSES:
        assert np.isnan(compiled(*with_one(bad))), bad


@pytest.mark.parametrize("options", [{}, {"jit_compile": False}], ids=["default", "no-xla"])
def test_labels_that_are_no_class_are_refused_by_fit(options):
    (x, y), model = blocks(), tiny(CrossEntropy(), **options)
    for bad in (3, 254):
        y[5, 4, 4] = bad
        with pytest.raises(Exception, match=SENTENCE):
            model.fit(x, y, verbose=0)


@every_loss
def test_labels_that_are_no_class_show_as_nan_in_fit_under_xla(name):
    x, y = blocks()
    model = tiny(make(name, 3), jit_compile=True)
    assert np.isfinite(model.fit(x, y, verbose=0).history["loss"]).all()
    y[5, 4, 4] = 3
    assert np.isnan(model.fit(x, y, verbose=0).history["loss"]).all()


@pytest.mark.parametrize("bad", [[1, np.nan, 1], [1, np.inf, 1], [1, -1, 1], np.ones((3, 1)), 2.0])
def test_weights_that_are_no_weights_are_refused(bad):
    with pytest.raises(ValueError, match="one finite number >= 0 per class"):
        CrossEntropy(bad)


def test_wrong_number_of_weights_is_refused_at_first_call_and_in_fit():
    labels, logits = sample(3)
    with pytest.raises(ValueError, match="2 class weights for 3 classes"):
        CrossEntropy([1, 2])(labels, logits)
    with pytest.raises(ValueError, match="4 class weights for 3 classes"):
        tiny(CrossEntropy([1, 2, 3, 4])).fit(*blocks(), verbose=0)


def test_sum_refuses_what_it_cannot_add():
    with pytest.raises(ValueError, match="the list is empty"):
        Sum([])
    for other in (keras.losses.MeanSquaredError(), "dice", None):
        with pytest.raises(ValueError, match="losses of helpers.losses, and .* is none"):
            Sum([CrossEntropy(), other])


@pytest.mark.parametrize("bad", [-1, -1e-9, np.nan, np.inf])
def test_dice_refuses_a_smooth_that_is_none(bad):
    with pytest.raises(ValueError, match="smooth is a finite number >= 0"):
        Dice(bad)


@pytest.mark.parametrize("loss", [CrossEntropy(), Dice(), Sum([CrossEntropy(), Dice()])], ids=lambda loss: loss.name)
def test_shapes_known_only_at_run_time_are_no_number_under_xla(loss):
    spec = [tf.TensorSpec((None, None, None), "int32"), tf.TensorSpec((None, None, None, 3), "float32")]
    labels, logits = np.zeros((2, 4, 6), "int32"), np.zeros((2, 4, 6, 3), "float32")
    graph = tf.function(loss.__call__, input_signature=spec, jit_compile=True)
    assert float(graph(labels, logits)) == pytest.approx(float(loss(labels, logits)), rel=1e-6)
    assert np.isnan(float(graph(labels, logits.transpose(0, 2, 1, 3))))


def test_more_classes_than_void_leaves_room_for_are_refused():
    with pytest.raises(ValueError, match="label 255 means void: there can be 255 at most"):
        CrossEntropy()(np.zeros((1, 2, 2), "int32"), np.zeros((1, 2, 2, 256), "float32"))


@pytest.mark.parametrize("xla", [False, True], ids=["graph", "XLA"])
@pytest.mark.parametrize("margin", [50, 60, 100])
@pytest.mark.parametrize("smooth", [0.0, 1e-30])
def test_the_slope_of_dice_is_finite_where_a_class_is_absent_in_truth_and_prediction(smooth, margin, xla):
    labels = np.zeros((1, 4, 4), "int32")
    logits = tf.constant(margin * np.eye(3, dtype="float32")[labels])

    @tf.function(jit_compile=xla)
    def step():
        with tf.GradientTape() as tape:
            tape.watch(logits)
            value = Dice(smooth)(labels, logits)
        return value, tape.gradient(value, logits)

    value, slope = step()
    assert float(value) == pytest.approx(0, abs=1e-6) and np.isfinite(slope.numpy()).all()


@every_loss
def test_weights_from_outside_are_refused(name):
    loss, (x, y) = make(name, 3), blocks()
    said = "no sample_weight, and so no class_weight in fit"
    with pytest.raises(ValueError, match=said):
        loss(*sample(3), sample_weight=np.ones((2, 6, 5)))
    with pytest.raises(ValueError, match=said):
        tiny(loss).fit(x, y, sample_weight=np.ones(y.shape), verbose=0)
    with pytest.raises(ValueError, match=said):
        tiny(loss).fit(tf.data.Dataset.from_tensor_slices((x, y[..., None])).batch(4), class_weight={0: 1, 1: 2, 2: 3})


# ---- class_weights --------------------------------------------------------------------------------------------------

COUNTS = np.array([5_000_000, 0, 1_000, 20, 300_000_000])
SEEN = COUNTS > 0


def test_inverse_weights_give_every_class_the_same_say():
    weights = losses.class_weights(COUNTS, "inverse")
    np.testing.assert_allclose((weights * COUNTS)[SEEN], COUNTS.sum() / 4, rtol=1e-6)


def test_median_weights():
    weights = losses.class_weights(COUNTS, "median")
    np.testing.assert_allclose(weights[SEEN], (1_000 + 5_000_000) / 2 / COUNTS[SEEN], rtol=1e-6)


def test_effective_weights():
    raw = np.array([1e-6 / (1 - (1 - 1e-6) ** float(n)) for n in COUNTS[SEEN]])
    weights = losses.class_weights(COUNTS, "effective")
    np.testing.assert_allclose(weights[SEEN], raw * 4 / raw.sum(), rtol=1e-4)  # 1 - b**20 cancels in the reference
    assert weights[SEEN].sum() == pytest.approx(4, rel=1e-6)


@pytest.mark.parametrize("scheme", ["inverse", "median", "effective"])
def test_weights_are_finite_float32_and_usable(scheme):
    weights = losses.class_weights(COUNTS, scheme)
    assert weights.dtype == np.float32 and weights.shape == (5,)
    assert np.isfinite(weights).all() and (weights > 0).all() and weights[1] == 1
    assert weights[3] > weights[2] > weights[0] >= weights[4]
    labels, logits = sample(5)
    assert np.isfinite(float(CrossEntropy(weights)(labels, logits)))


@pytest.mark.parametrize("bad", [[0, 0], [1, -1], [1, np.nan], [[1, 2]], 3])
def test_counts_that_are_no_counts_are_refused(bad):
    with pytest.raises(ValueError, match="Pixel counts are one number >= 0 per class, not all 0"):
        losses.class_weights(bad, "inverse")


def test_unknown_scheme_is_refused():
    with pytest.raises(ValueError, match='\'sqrt\'; it is "inverse", "median" or "effective"'):
        losses.class_weights(COUNTS, "sqrt")


# ---- other devices, other backends ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def replicas():
    """Two replicas and one device, each fitted for three epochs: {loss: {data: (difference in the losses, in the
    weights, whether training got anywhere)}}."""
    return ast.literal_eval(
        python("""
import keras, numpy as np, tensorflow as tf
from support.losses_table import MAKE
keras.utils.set_random_seed(0)  # from other weights, three such long steps may end higher than they began
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
two = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
assert two.num_replicas_in_sync == 2
random = np.random.RandomState(0)
x, y = random.random_sample((9, 6, 6, 3)).astype("float32"), random.randint(0, 3, (9, 6, 6)).astype("int32")
y[:, :2] = 255
data = {"equal": (x[:8], y[:8])}
# Of each four, the first replica gets the first two. Here the void, and the classes, are spread unevenly over the two;
# in the second step one of them gets nothing but void, and in the third no image at all.
y = np.where(y == 255, 255, np.array([0, 0, 1, 2, 1, 1, 2, 0, 2])[:, None, None])
y[0], y[1, 1:], y[6:8] = 255, 255, 255
data["unequal"] = (x, y)
def model(loss):
    model = keras.Sequential([keras.Input((6, 6, 3)), keras.layers.Dense(3)])
    model.compile(keras.optimizers.SGD(0.5), loss, jit_compile=False)
    return model
def fitted(model, weights, data):
    model.set_weights(weights)
    history = model.fit(*data, batch_size=4, epochs=3, shuffle=False, verbose=0).history["loss"]
    return np.array(history), np.concatenate([w.ravel() for w in model.get_weights()])
result = {}
for name, make in MAKE.items():
    settings = [1.0, 20.0, 0.5], 0.0 if name == "sum" else 0.5
    single = model(make(*settings))
    with two.scope():
        double = model(make(*settings))
    weights, result[name] = single.get_weights(), {}
    for what, xy in data.items():
        (a, v), (b, w) = fitted(single, weights, xy), fitted(double, weights, xy)
        result[name][what] = float(abs(a - b).max()), float(abs(v - w).max()), bool(a[-1] < a[0])
print(result)
""").splitlines()[-1]
    )


@pytest.mark.slow
@pytest.mark.parametrize("data", ["equal", "unequal"])
@every_loss
def test_two_replicas_equal_one_device(replicas, name, data):
    losses_differ, weights_differ, learnt = replicas[name][data]
    assert losses_differ < 1e-5 and weights_differ < 1e-5 and learnt


@pytest.mark.parametrize(
    "module",
    ["__init__", "siftflow", "losses", "metrics", "unet", "engine/muon", "engine/normalisation", "engine/pixels"],
)
def test_no_import_of_tensorflow_at_module_level(module):
    tree = ast.parse((ROOT / "helpers" / f"{module}.py").read_text())
    imports = [node for node in tree.body if isinstance(node, (ast.Import, ast.ImportFrom))]
    names = {getattr(node, "module", None) or node.names[0].name for node in imports}
    assert names and not [name for name in names if name.split(".")[0] == "tensorflow"]


@pytest.fixture(scope="module")
def on_jax(tmp_path_factory):
    """A run on JAX with TensorFlow out of reach: what it prints, and {"loss seed i": value, gradient; both jitted}."""
    pytest.importorskip("jax")
    folder = tmp_path_factory.mktemp("jax")
    for seed in JAX_SEEDS:
        np.savez(folder / f"{seed}.npz", *drawn(seed))
    printed = python(
        """
import sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "tensorflow":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Blocked())
from pathlib import Path
import jax, numpy as np
from helpers import losses, metrics, siftflow, unet
from helpers.engine import muon
from support.losses_table import MAKE
results = {}
for file in Path(sys.argv[1]).glob("*.npz"):
    labels, logits, weights, smooth = np.load(file).values()
    for name, make in MAKE.items():
        loss = make(weights, float(smooth))
        plain = jax.value_and_grad(loss, argnums=1)
        jitted = jax.jit(plain)
        for i, part in enumerate((*plain(labels, logits), *jitted(labels, logits))):
            results[f"{name} {file.stem} {i}"] = part
        print(np.isnan(jitted(labels + 300, logits)[0]))
np.savez(Path(sys.argv[1], "results"), **results)

logits = np.zeros((1, 4, 4, 3), "float32")
labels = np.array([[[0, 1, 2, 255]] * 4])
metric = metrics.Scores(3)
metric.update_state(labels, logits)
print(float(metric.result()["pixel_accuracy"]))
try:
    losses.CrossEntropy()(labels + 3, logits)
except ValueError as error:
    print(error)
jax.config.update("jax_disable_most_optimizations", True)  # half the time to compile; from here on it has but to run
model = unet.unet((16, 16, 3), 3, filters=2, depth=1)
model.compile(muon.Muon(0.01), losses.Sum([losses.CrossEntropy(), losses.Dice()]), metrics=[metrics.Scores(3)])
x, y = np.zeros((4, 16, 16, 3), "float32"), np.zeros((4, 16, 16), "uint8")
y[:, :4] = 255
print(model.fit(x, y, epochs=3, verbose=0).history["loss"])
assert not [name for name in sys.modules if name.split(".")[0] == "tensorflow"]
""",
        folder,
        KERAS_BACKEND="jax",
    )
    return printed.splitlines(), np.load(folder / "results.npz")


JAX_SEEDS = (29, 33)  # void, and classes absent among 7 and among 33; one without smoothing, one with wide logits


@pytest.mark.slow
@pytest.mark.parametrize("seed", JAX_SEEDS)
@every_loss
def test_same_on_jax(on_jax, name, seed):
    labels, logits, weights, smooth = drawn(seed)
    value, gradient, jitted_value, jitted_gradient = (on_jax[1][f"{name} {seed} {i}"] for i in range(4))
    here = value_and_gradient(LOSSES[name][0](weights, smooth), labels, logits)
    assert_same((value, gradient), here)
    assert_same((jitted_value, jitted_gradient), here)
    assert_same((value, gradient), LOSSES[name][1](labels, logits, weights, smooth))


def test_run_on_jax_without_tensorflow(on_jax):
    *nan, accuracy, refusal, history = on_jax[0]
    assert nan == ["True"] * len(JAX_SEEDS) * len(LOSSES)  # labels that are no class, where nothing can be refused
    assert float(accuracy) == pytest.approx(1 / 3)
    assert refusal.startswith(SENTENCE)
    first, *_, last = ast.literal_eval(history)
    assert last < first
