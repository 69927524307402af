"""helpers.engine.muon: a step's singular values are equal, its size is AdamW's; all but kernels step as in AdamW."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from helpers.engine import muon
from helpers.engine.muon import Muon
from helpers.recipe import FULL_SIZE
from support.processes import python

RANDOM = np.random.RandomState(0)
SHAPES = [(3, 3, 4, 8), (3, 3, 8, 8), (2, 2, 8, 16), (1, 1, 8, 5), (8,)]


def kernel(*shape):
    return keras.Variable(RANDOM.normal(size=shape).astype("float32"))


def stepped(optimizer, variables, gradients):
    """Their values after one step for each list of gradients."""
    for each in gradients:
        optimizer.apply(each, variables)
    return [keras.ops.convert_to_numpy(variable) for variable in variables]


@pytest.mark.parametrize("shape", [(27, 16), (16, 27), (40, 40), (288, 32), (1, 5)])
@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_singular_values_become_equal_and_directions_stay(shape, scale):
    left, values, right = np.linalg.svd(RANDOM.normal(size=shape), full_matrices=False)
    values = np.linspace(1, 0.05, len(values))  # a twentieth of the largest, and more
    x = (left * values @ right * scale).astype("float32")
    got = keras.ops.convert_to_numpy(muon.orthogonalized(x))
    rotated = left.T @ got @ right.T  # diagonal, if the singular vectors are the same
    np.testing.assert_allclose(rotated, np.diag(np.diag(rotated)), atol=2e-4)
    assert np.all((np.diag(rotated) > 0.6) & (np.diag(rotated) < 1.3)), np.diag(rotated)


def test_no_gradient_no_step():
    nothing = np.zeros((4, 3), "float32")
    for direction in (muon.orthogonalized(nothing), *muon.orthogonalized_together([nothing, nothing])):
        assert not keras.ops.convert_to_numpy(direction).any()


@pytest.mark.parametrize("smallest", [1.0, 1e-2, 1e-4, 1e-8])
def test_directions_are_those_of_the_plain_iteration(smallest):
    """However small singular values get: multiplying the factors first loses nothing that a step would show."""
    left, _, right = np.linalg.svd(RANDOM.normal(size=(48, 432)), full_matrices=False)
    matrix = left * np.geomspace(1, smallest, 48) @ right
    x = matrix / np.linalg.norm(matrix)  # in float64
    for _ in range(5):
        gram = x @ x.T
        x = muon.A * x + (muon.B * gram + muon.C * gram @ gram) @ x
    largest = np.abs(x).max()
    matrix = matrix.astype("float32")
    for got in (muon.orthogonalized(matrix), *muon.orthogonalized_together([matrix])):
        np.testing.assert_allclose(keras.ops.convert_to_numpy(got), x, atol=2e-3 * largest)


def test_stacked_directions_are_those_of_each_kernel():
    """Of one shorter side and of others, lying and standing, in the order they came in."""
    shapes = [(8, 4), (4, 20), (8, 4), (3, 30), (30, 3), (5, 5)]
    matrices = [RANDOM.normal(size=shape).astype("float32") for shape in shapes]
    for matrix, got in zip(matrices, muon.orthogonalized_together(matrices), strict=True):
        np.testing.assert_allclose(got, muon.orthogonalized(matrix), atol=2e-4)


def products_of_a_step(products):
    """How many matrix products a step of the full-size network's optimizer is, and how many kernels there are."""
    network = FULL_SIZE.network(33)
    optimizer = Muon(0.01, products=products)
    optimizer.build(network.trainable_variables)
    gradients = [tf.TensorSpec(variable.shape, "float32") for variable in network.trainable_variables]
    step = tf.function(lambda *each: optimizer.apply(each, network.trainable_variables))
    graph = step.get_concrete_function(*gradients).graph
    kernels = muon.kernels_of(network.trainable_variables)
    return sum(op.type in ("MatMul", "BatchMatMulV2") for op in graph.get_operations()), len(kernels)


def test_a_gpu_multiplies_stacks_of_kernels():
    """22 kernels have six shorter sides: 3 products each in 5 turns."""
    n, kernels = products_of_a_step("stacked")
    assert (n, kernels) == (6 * 3 * 5, 22)
    assert products_of_a_step("single")[0] == 22 * (2 + 5 + 4 + 2 * 4)


def test_stacked_steps_are_those_of_single_kernels():
    gradients = [[RANDOM.normal(size=shape).astype("float32") for shape in SHAPES] for _ in range(2)]
    before = [RANDOM.normal(size=shape).astype("float32") for shape in SHAPES]
    ends = [
        stepped(Muon(0.01, products=products), [keras.Variable(value) for value in before], gradients)
        for products in ("single", "stacked")
    ]
    for one, other in zip(*ends, strict=True):
        np.testing.assert_allclose(other, one, atol=1e-5)


@pytest.mark.parametrize(
    ("capabilities", "products"),
    [([], "single"), ([(7, 5)], "single"), ([(8, 0)], "stacked"), ([(9, 0), (9, 0)], "stacked")],
)
def test_what_suits_the_gpu(monkeypatch, capabilities, products):
    """One by one where a GPU has no TF32: it does not round the factors, and has few cores."""
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: list(range(len(capabilities))))
    details = lambda gpu: {"compute_capability": capabilities[gpu]}  # noqa: E731
    monkeypatch.setattr(tf.config.experimental, "get_device_details", details)
    assert muon.fitting_products() == products


def test_two_steps_of_a_kernel_by_hand():
    """Nesterov's momentum, then the direction, as long as a step of AdamW; and the decay of AdamW."""
    variable = kernel(3, 3, 4, 8)
    before, gradients = (
        keras.ops.convert_to_numpy(variable).reshape(36, 8),
        RANDOM.normal(size=(2, 3, 3, 4, 8)).astype("float32"),
    )
    (after,) = stepped(Muon(0.01, momentum=0.9, weight_decay=0.1), [variable], [[g] for g in gradients])
    mean = 0
    for gradient in gradients.reshape(2, 36, 8):
        mean = 0.9 * mean + gradient
        direction = keras.ops.convert_to_numpy(muon.orthogonalized(gradient + 0.9 * mean))
        before = before * (1 - 0.01 * 0.1) - 0.01 * 0.2 * 6 * direction
    np.testing.assert_allclose(after.reshape(36, 8), before, atol=1e-5)


def test_a_kernels_step_is_as_long_as_adamws():
    shape, lengths = (3, 3, 64, 32), {}
    gradient = RANDOM.normal(size=shape).astype("float32")
    for optimizer in (Muon(1.0, weight_decay=0.0), keras.optimizers.AdamW(1.0, weight_decay=0.0)):
        (after,) = stepped(optimizer, [keras.Variable(np.zeros(shape, "float32"))], [[gradient]])
        lengths[type(optimizer)] = np.sqrt(np.mean(after**2))
    assert 0.15 < lengths[Muon] < 0.25  # of AdamW's first step, every entry is 1; later ones are about 0.2
    assert lengths[keras.optimizers.AdamW] == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("shape", [(7,), (5, 7), (1, 1, 6, 7), (3, 3, 6, 1), (3, 1, 2, 2, 2)])
def test_what_is_no_kernel_steps_as_with_adamw(shape):
    value, gradients = RANDOM.normal(size=shape), RANDOM.normal(size=(3, *shape)).astype("float32")
    ends = [
        stepped(optimizer, [keras.Variable(value, dtype="float32")], [[g] for g in gradients])
        for optimizer in (Muon(0.01, weight_decay=0.1), keras.optimizers.AdamW(0.01, weight_decay=0.1))
    ]
    np.testing.assert_array_equal(*ends)


def test_a_rare_pattern_is_learned_as_fast_as_a_frequent_one():
    """What Muon is for. One pattern has a hundredth of the other's say in the gradient."""
    frequent, rare = np.eye(8)[[0, 1]].repeat(2, axis=0).reshape(2, 2, 8)
    target = np.zeros((9, 8), "float32")
    target[0], target[1] = frequent[0], rare[0]
    say = np.array([1.0, 0.01] + [0] * 7, "float32")[:, None]

    def left(optimizer, steps=30):
        variable = keras.Variable(np.zeros((3, 3, 1, 8), "float32"))
        for _ in range(steps):
            gradient = say * (keras.ops.convert_to_numpy(variable).reshape(9, 8) - target)
            optimizer.apply([gradient.reshape(3, 3, 1, 8)], [variable])
        return np.abs(keras.ops.convert_to_numpy(variable).reshape(9, 8) - target).max(axis=1)[:2]

    by_sgd = left(keras.optimizers.SGD(0.05, momentum=0.95))
    by_muon = left(Muon(0.05, weight_decay=0.0))
    assert by_sgd[0] < 0.5 and by_sgd[1] > 0.7
    assert (by_muon < 0.5).all()


def test_a_kernel_has_one_memory_and_the_rest_two():
    optimizer = Muon(0.01)
    optimizer.build([kernel(3, 3, 2, 4), kernel(1, 1, 2, 4), kernel(3, 3, 4, 1), kernel(4)])
    kept = [variable.name for variable in optimizer.variables if variable.ndim]
    assert len([name for name in kept if "momentum" in name]) == 4
    assert len([name for name in kept if "velocity" in name]) == 3


def test_products_are_known():
    with pytest.raises(ValueError, match="products is 'staked'"):
        Muon(products="staked")


def test_stacked_holds_for_a_single_kernel_too(monkeypatch):
    """As where several devices share a batch: what TF32 rounds must not go through `orthogonalized`."""
    monkeypatch.setattr(muon, "orthogonalized", lambda matrix: pytest.fail("TF32 does not stand this"))
    optimizer = Muon(0.01, products="stacked")
    variable = kernel(3, 3, 2, 4)
    optimizer.build([variable])
    optimizer.update_step(np.ones((3, 3, 2, 4), "float32"), variable, 0.01)


def test_it_is_saved_with_its_settings():
    optimizer = Muon(0.02, momentum=0.8, weight_decay=0.3)
    again = keras.optimizers.deserialize(keras.optimizers.serialize(optimizer))
    assert keras.optimizers.deserialize(keras.optimizers.serialize(Muon(products="stacked"))).products == "stacked"
    assert type(again) is Muon and again.get_config() == optimizer.get_config() and again.momentum == 0.8


def test_two_devices_step_as_one():
    printed = python("""
import keras, numpy as np, tensorflow as tf
from helpers.losses import CrossEntropy
from helpers.engine.muon import Muon
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
two = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
random = np.random.RandomState(0)
x, y = random.random_sample((8, 6, 6, 3)).astype("float32"), random.randint(0, 3, (8, 6, 6)).astype("int32")
def model():
    model = keras.Sequential([keras.Input((6, 6, 3)), keras.layers.Conv2D(4, 3, padding="same", activation="tanh"),
                              keras.layers.Conv2D(3, 1)])
    model.compile(Muon(0.01), CrossEntropy(), jit_compile=False)
    return model
single = model()
with two.scope():
    double = model()
double.set_weights(single.get_weights())
losses = [m.fit(x, y, batch_size=4, epochs=3, shuffle=False, verbose=0).history["loss"] for m in (single, double)]
print(np.abs(np.subtract(*losses)).max() < 1e-4, losses[0][-1] < losses[0][0],
      max(np.abs(a - b).max() for a, b in zip(single.get_weights(), double.get_weights())) < 1e-3)
""")
    assert printed.splitlines()[-1] == "True True True"
