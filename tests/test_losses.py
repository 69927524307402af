"""helpers.losses: values and gradients against NumPy in float64, void without a say, and clear refusals."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from helpers import losses
from helpers.losses import CrossEntropy, Dice, Sum

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


def both(labels, logits):
    return tuple(a + b for a, b in zip(cross_entropy(labels, logits), dice(labels, logits), strict=True))


WEIGHTS = {2: [0.5, 3.0], 33: np.linspace(0, 4, 33)}
CASES = {
    "cross-entropy": (lambda n: CrossEntropy(), cross_entropy),
    "weighted": (lambda n: CrossEntropy(WEIGHTS[n]), lambda y, z: cross_entropy(y, z, WEIGHTS[z.shape[-1]])),
    "dice": (lambda n: Dice(), dice),
    "dice-smooth": (lambda n: Dice(smooth=0.1), lambda y, z: dice(y, z, 0.1)),
    "sum": (lambda n: Sum([CrossEntropy(), Dice()]), both),
}


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


# ---- values and gradients -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [2, 33])
@pytest.mark.parametrize("case", CASES)
def test_value_and_gradient_are_the_formulas(case, n):
    make, reference = CASES[case]
    labels, logits = sample(n)
    value, gradient = value_and_gradient(make(n), labels, logits)
    wanted, slope = reference(labels, logits)
    assert value == pytest.approx(wanted, rel=1e-5, abs=1e-5)
    np.testing.assert_allclose(gradient, slope, rtol=1e-4, atol=1e-4 * np.abs(slope).max())
    assert (gradient[labels == 255] == 0).all() and np.abs(gradient[labels != 255]).max() > 0


@pytest.mark.parametrize("case", CASES)
def test_extreme_logits_stay_finite_and_right(case):
    make, reference = CASES[case]
    labels, logits = sample(33)
    logits = np.where(logits > 0, np.float32(100), np.float32(-100))
    value, gradient = value_and_gradient(make(33), labels, logits)
    wanted, slope = reference(labels, logits)
    assert value == pytest.approx(wanted, rel=1e-5, abs=1e-5)
    np.testing.assert_allclose(gradient, slope, rtol=1e-4, atol=1e-4 * np.abs(slope).max())


@pytest.mark.parametrize("case", CASES)
def test_void_pixels_logits_do_not_matter(case):
    loss = CASES[case][0](33)
    labels, logits = sample(33)
    other = np.where((labels == 255)[..., None], np.float32(50) * logits[..., ::-1], logits)
    assert float(loss(labels, logits)) == float(loss(labels, other))


@pytest.mark.parametrize("case", CASES)
def test_all_void_batch_is_exactly_zero(case):
    labels, logits = np.full((2, 4, 4), 255), sample(33, shape=(2, 4, 4))[1]
    value, gradient = value_and_gradient(CASES[case][0](33), labels, logits)
    assert value == 0.0 and (gradient == 0).all()


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("case", CASES)
def test_16_bit_logits_are_computed_in_float32(case, dtype):
    make, reference = CASES[case]
    labels, logits = sample(33)
    logits = tf.cast(logits, dtype)
    value = make(33)(labels, logits)
    assert value.dtype == tf.float32
    assert float(value) == pytest.approx(reference(labels, tf.cast(logits, "float64").numpy())[0], rel=1e-5)
    assert np.isfinite(value_and_gradient(make(33), labels, logits)[1]).all()


@pytest.mark.parametrize("dtype", ["uint8", "int64", "float32"])
@pytest.mark.parametrize("case", CASES)
def test_label_dtypes_and_a_last_axis_of_one(case, dtype):
    loss = CASES[case][0](33)
    labels, logits = sample(33)
    assert float(loss(labels.astype(dtype), logits)) == float(loss(labels, logits))
    assert float(loss(labels[..., None].astype(dtype), logits)) == float(loss(labels, logits))


@pytest.mark.parametrize("case", CASES)
def test_inside_a_tf_function_of_unknown_batch(case):
    loss = CASES[case][0](33)
    labels, logits = sample(33)
    spec = [tf.TensorSpec((None, 6, 5), "int32"), tf.TensorSpec((None, 6, 5, 33), "float32")]
    graph = tf.function(loss.__call__, input_signature=spec)
    for b in (1, 2):
        assert float(graph(labels[:b], logits[:b])) == pytest.approx(float(loss(labels[:b], logits[:b])), rel=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_cross_entropy_is_keras_own_with_void_ignored(seed):
    labels, logits = sample(33, seed)
    own = keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=255)
    assert float(CrossEntropy()(labels, logits)) == pytest.approx(float(own(labels, logits)), rel=1e-6)


@pytest.mark.parametrize("n", [2, 33])
def test_dice_of_a_perfect_and_of_a_wrong_prediction(n):
    labels, _ = sample(n, shape=(2, 16, 16))
    right = 200 * one_hot(labels, n).astype("float32") - 100
    assert float(Dice()(labels, right)) < 1e-3
    assert float(Dice()(labels, np.roll(right, 1, axis=-1))) > 0.9


def test_dice_leaves_absent_classes_out():
    labels = np.zeros((1, 8, 8), "int32")
    few = np.zeros((1, 8, 8, 3), "float32")
    p = 1 / 3
    assert float(Dice()(labels, few)) == pytest.approx(1 - (2 * 64 * p + 1) / (64 * p + 64 + 1), rel=1e-6)


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


@pytest.mark.parametrize("case", ["cross-entropy", "dice", "sum"])
def test_fit_lowers_the_loss(case):
    x, y = blocks()
    model = tiny(CASES[case][0](3))
    first = model.evaluate(x, y, batch_size=8, verbose=0)
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


@pytest.mark.parametrize("loss", [CrossEntropy(), CrossEntropy([1, 2, 3.5]), Dice(0.5), Sum([CrossEntropy(), Dice()])])
def test_saved_and_loaded(loss, tmp_path):
    labels, logits = sample(3)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(loss))
    assert type(again) is type(loss) and again.name == loss.name
    assert float(again(labels, logits)) == float(loss(labels, logits))
    x, y = blocks()
    model = tiny(loss)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.evaluate(x, y, verbose=0) == pytest.approx(model.evaluate(x, y, verbose=0), rel=1e-6)


# ---- refusals -------------------------------------------------------------------------------------------------------

ALL = [CrossEntropy(), Dice(), Sum([CrossEntropy(), Dice()])]


@pytest.mark.parametrize("loss", ALL, ids=lambda loss: loss.name)
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
def test_shapes_that_do_not_fit_are_refused(loss, labels, logits, said):
    with pytest.raises(ValueError, match=said):
        loss(np.zeros(labels, "int32"), np.zeros(logits, "float32"))
    with pytest.raises(ValueError, match=said):
        tf.function(loss.__call__)(tf.zeros(labels, "int32"), tf.zeros(logits))


@pytest.mark.parametrize("loss", ALL, ids=lambda loss: loss.name)
@pytest.mark.parametrize(("bad", "said"), [(3, "3 at 1 "), (33, "33"), (254, "254"), (-1, "-1"), (1.5, "1.5")])
def test_labels_that_are_no_class_are_refused_at_once(loss, bad, said):
    labels, logits = np.zeros((1, 4, 4), "float32"), np.zeros((1, 4, 4, 3), "float32")
    labels[0, 1, 2] = bad
    with pytest.raises(ValueError, match=SENTENCE) as error:
        loss(labels, logits)
    assert said in str(error.value) and "255 for void" in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("options", [{}, {"jit_compile": False}], ids=["default", "no-xla"])
@pytest.mark.parametrize("bad", [3, 254])
def test_labels_that_are_no_class_are_refused_by_fit(options, bad):
    x, y = blocks()
    y[5, 4, 4] = bad
    with pytest.raises(Exception, match=SENTENCE):
        tiny(CrossEntropy(), **options).fit(x, y, verbose=0)


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


def python(code, **environment):
    """What a fresh interpreter prints; its errors are ours."""
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stderr[-3000:]
    return ran.stdout


def test_two_replicas_with_equal_void_equal_one_device():
    printed = python("""
import keras, numpy as np, tensorflow as tf
from helpers.losses import CrossEntropy, Dice
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
random = np.random.RandomState(0)
x, y = random.random_sample((4, 6, 6, 3)).astype("float32"), random.randint(0, 3, (4, 6, 6)).astype("int32")
y[:, :2] = 255
def fitted(loss, x, y):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((6, 6, 3)), keras.layers.Conv2D(3, 1)])
    model.compile(keras.optimizers.SGD(1.0), loss, jit_compile=False)
    return model.fit(x, y, batch_size=4, epochs=3, shuffle=False, verbose=0).history["loss"]
two = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
assert two.num_replicas_in_sync == 2
twice = np.concatenate([x[:2], x[:2]]), np.concatenate([y[:2], y[:2]])  # Dice: both halves alike
for loss, data in ((CrossEntropy(), (x, y)), (CrossEntropy([1.0, 2.0, 3.0]), (x, y)), (Dice(smooth=0.0), twice)):
    with two.scope():
        pair = fitted(loss, *data)
    single = fitted(loss, *data)
    print(np.abs(np.subtract(pair, single)).max() < 1e-5, single[0] > single[-1] > 0)
""")
    assert printed.split() == ["True"] * 6


@pytest.mark.parametrize("module", ["__init__", "siftflow", "losses", "metrics", "unet"])
def test_no_import_of_tensorflow_at_module_level(module):
    tree = ast.parse((ROOT / "helpers" / f"{module}.py").read_text())
    imports = [node for node in tree.body if isinstance(node, (ast.Import, ast.ImportFrom))]
    names = {getattr(node, "module", None) or node.names[0].name for node in imports}
    assert names and not [name for name in names if name.split(".")[0] == "tensorflow"]


def test_run_on_jax_without_tensorflow():
    pytest.importorskip("jax")
    first, accuracy, refusal, *_ = python(
        """
import sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "tensorflow":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Blocked())
import numpy as np
from helpers import losses, metrics, siftflow, unet
logits = np.zeros((1, 4, 4, 3), "float32")
labels = np.array([[[0, 1, 2, 255]] * 4])
print(float(losses.CrossEntropy()(labels, logits)), float(losses.Dice(smooth=0.0)(labels, logits)))
metric = metrics.Scores(3)
metric.update_state(labels, logits)
print(float(metric.result()["pixel_accuracy"]))
try:
    losses.CrossEntropy()(labels + 3, logits)
except ValueError as error:
    print(error)
model = unet.unet((16, 16, 3), 3, filters=2, depth=2)
model.compile("sgd", losses.Sum([losses.CrossEntropy(), losses.Dice()]), metrics=[metrics.Scores(3)])
x, y = np.zeros((4, 16, 16, 3), "float32"), np.zeros((4, 16, 16), "uint8")
y[:, :4] = 255
losses_ = model.fit(x, y, epochs=3, verbose=0).history["loss"]
assert losses_[-1] < losses_[0], losses_
assert not [name for name in sys.modules if name.split(".")[0] == "tensorflow"]
""",
        KERAS_BACKEND="jax",
    ).splitlines()
    assert [float(v) for v in first.split()] == pytest.approx([np.log(3), 1 - 2 * (4 / 3) / (4 + 4)], rel=1e-5)
    assert float(accuracy) == pytest.approx(1 / 3)
    assert refusal.startswith(SENTENCE)
