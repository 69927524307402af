"""The hardware at hand: which device trains, in which precision, and why; and what a record says of it."""

import contextlib
import dataclasses
import os
import platform
import subprocess
import sys
import time

import keras
import numpy as np

from helpers.engine import checkpoints


@dataclasses.dataclass(frozen=True)
class Profile:
    """The device and the precision to compute with. Build and compile the model inside ``with profile.scope():``.

    Several devices of one machine share each batch (`tf.distribute.MirroredStrategy`): the loss and its gradient are
    those of one device, as `helpers.losses` sees to; batch normalisation looks at each device's own share.

    Attributes:
        device: its name, such as "CPU, 2 cores".
        precision: a Keras dtype policy, such as "mixed_bfloat16".
        why: the reason for that precision, in a clause.
        n_devices: how many devices share a batch.
        jit_compile: whether XLA is to compile the training step, with which to ``compile`` the model. On one GPU it
            spares most of the waiting (`helpers.engine.device_loop`); on a CPU a step would take longer.
    """

    device: str
    precision: str
    why: str
    n_devices: int = 1
    jit_compile: bool = False

    @contextlib.contextmanager
    def scope(self):
        """Within it, Keras builds models in this precision, for these devices."""
        before = keras.config.dtype_policy()
        keras.config.set_dtype_policy(self.precision)
        try:
            with self._strategy():
                yield
        finally:
            keras.config.set_dtype_policy(before)

    def _strategy(self):
        if self.n_devices == 1:
            return contextlib.nullcontext()
        import tensorflow as tf

        devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
        return tf.distribute.MirroredStrategy([device.name for device in devices[: self.n_devices]]).scope()

    def __str__(self):
        return f"{self.device}, {self.precision}: {self.why}"


def choose_profile(recipe, n_classes, precision="auto", checkpoint=None, timed=True):
    """Chooses a `Profile` for this machine. On a CPU it times a few training steps in float32 and in bfloat16.

    A run that goes on from a checkpoint keeps the precision it began with.

    Args:
        recipe: a `helpers.recipe.Recipe`, whose network is timed.
        precision: a Keras dtype policy to take in any case, or "auto".
        checkpoint: the path of the run's checkpoint, where there may be one.
        timed: whether a timing may choose. It may choose otherwise the next time; without it, a CPU takes float32.
    """
    import tensorflow as tf

    begun = checkpoints.peek(checkpoint) if checkpoint else None
    if begun and precision == "auto":
        profile = choose_profile(recipe, n_classes, begun["precision"])
        return dataclasses.replace(profile, why=f"as {checkpoint} began")
    gpus = tf.config.list_physical_devices("GPU")
    if gpus:
        return _gpu_profile(precision, len(gpus), tf.config.experimental.get_device_details(gpus[0]))
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    device = f"CPU, {cores} core{'s' * (cores != 1)}"
    if precision != "auto":
        return Profile(device, precision, "as asked")
    if not timed:
        return Profile(device, "float32", "the same each time, as no timing chooses it")
    speed = {p: _images_per_second(Profile(device, p, ""), recipe, n_classes) for p in ("float32", "mixed_bfloat16")}
    best = max(speed, key=speed.get)
    measured = ", ".join(f"{p} {s:.0f}" for p, s in speed.items())
    return Profile(device, best, f"the faster in a few timed steps ({measured} images/s)")


def _gpu_profile(precision, n_devices, details):
    name, capability = details.get("device_name", "GPU"), details.get("compute_capability", (0, 0))
    device = f"{n_devices} x {name}" if n_devices > 1 else name
    if precision != "auto":
        why = "as asked"
    elif capability >= (8, 0):
        precision, why = "mixed_bfloat16", "this card multiplies bfloat16 fastest"
    elif capability >= (7, 0):
        precision, why = "mixed_float16", "this card has tensor cores for float16, not bfloat16"
    else:
        precision, why = "float32", "this card has no fast 16-bit arithmetic"
    return Profile(device, precision, why, n_devices, jit_compile=n_devices == 1)


class NotDeterministic(RuntimeError):
    """An operation of this network has no deterministic form on this device."""


@contextlib.contextmanager
def deterministic():
    """From here on, to the end of the process, TensorFlow computes the same bits each time on the same machine.

    Raises:
        NotDeterministic: when it comes upon an operation for which it cannot.
    """
    import tensorflow as tf

    tf.config.experimental.enable_op_determinism()
    try:
        yield
    except tf.errors.UnimplementedError as error:
        if "eterminis" not in str(error):
            raise
        raise NotDeterministic(
            f"TensorFlow has no deterministic form of an operation of this run on this device "
            f"({error.message.splitlines()[0]}). Run it without --deterministic, or on a CPU."
        ) from error


def fitted(recipe, n_classes):
    """The recipe, with batches that fit into the memory of this machine's GPU: halved as often as need be, in words.

    The need is an estimate: twice the maps of all layers, in 16 bits, and four times the weights.
    """
    memory = _gpu_memory()
    if memory is None:
        return recipe
    network = recipe.network(n_classes)
    maps = sum(np.prod(layer.output.shape[1:]) for layer in network.layers)

    def need_of(batch):
        return (2 * 2 * batch * maps + 4 * 4 * network.count_params()) / 1e9

    batch, need = recipe.batch, need_of(recipe.batch)
    while batch > 1 and need_of(batch) > memory:
        batch //= 2
    if batch < recipe.batch:
        print(
            f"This GPU has {memory:.1f} GB, and batches of {recipe.batch} need about {need:.1f}: training takes "
            f"batches of {batch}."
        )
    return dataclasses.replace(recipe, batch=batch)


def _gpu_memory():
    """GB of the first GPU's memory; None where there is none, or where NVIDIA's tool does not tell."""
    import tensorflow as tf

    if not tf.config.list_physical_devices("GPU"):
        return None
    command = ["nvidia-smi", "--query-gpu=memory.total", "--format=csv,noheader,nounits"]
    if first := os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")[0]:  # the tool lists all the same
        command.append(f"--id={first}")
    try:
        told = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
        return int(told.split()[0]) * 2**20 / 1e9
    except (OSError, subprocess.SubprocessError, ValueError, IndexError):
        return None


def _images_per_second(profile, recipe, n_classes, steps=3):
    with profile.scope():
        model = recipe.network(n_classes)
        model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True), jit_compile=False)
    images = np.zeros((recipe.batch, recipe.size, recipe.size, 3), "float32")
    labels = np.zeros((recipe.batch, recipe.size, recipe.size), "int32")
    model.train_on_batch(images, labels)  # builds the graph
    start = time.perf_counter()
    for _ in range(steps):
        model.train_on_batch(images, labels)
    return steps * recipe.batch / (time.perf_counter() - start)


def peak_memory():
    """The most memory this process has held so far, in GB; None on Windows."""
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (1e9 if sys.platform == "darwin" else 1e6), 2)


def peak_gpu_memory():
    """The most memory of the first GPU that TensorFlow has used so far, in GB; None without one."""
    import tensorflow as tf

    if not tf.config.list_logical_devices("GPU"):
        return None
    return round(tf.config.experimental.get_memory_info("GPU:0")["peak"] / 1e9, 2)


def versions():
    """The versions of Python and of the libraries that compute: a dict of strings."""
    found = {"python": platform.python_version(), "keras": keras.__version__, "numpy": np.__version__}
    if "tensorflow" in sys.modules:
        found["tensorflow"] = sys.modules["tensorflow"].__version__
    return found
