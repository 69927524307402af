"""The hardware at hand: which device trains, in which precision, and why; and what a record says of it."""

import contextlib
import dataclasses
import os
import platform
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
    """

    device: str
    precision: str
    why: str
    n_devices: int = 1

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


def choose_profile(recipe, n_classes, precision="auto", checkpoint=None):
    """Chooses a `Profile` for this machine. On a CPU it times a few training steps in float32 and in bfloat16.

    A run that goes on from a checkpoint keeps the precision it began with.

    Args:
        recipe: a `helpers.recipe.Recipe`, whose network is timed.
        precision: a Keras dtype policy to take in any case, or "auto".
        checkpoint: the path of the run's checkpoint, where there may be one.
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
    speed = {p: _images_per_second(Profile(device, p, ""), recipe, n_classes) for p in ("float32", "mixed_bfloat16")}
    best = max(speed, key=speed.get)
    measured = ", ".join(f"{p} {s:.0f}" for p, s in speed.items())
    return Profile(device, best, f"the faster in a few timed steps ({measured} images/s)")


def _gpu_profile(precision, n_devices, details):
    name, capability = details.get("device_name", "GPU"), details.get("compute_capability", (0, 0))
    device = f"{n_devices} x {name}" if n_devices > 1 else name
    if precision != "auto":
        return Profile(device, precision, "as asked", n_devices)
    if capability >= (8, 0):
        return Profile(device, "mixed_bfloat16", "this card multiplies bfloat16 fastest", n_devices)
    if capability >= (7, 0):
        return Profile(device, "mixed_float16", "this card has tensor cores for float16, not bfloat16", n_devices)
    return Profile(device, "float32", "this card has no fast 16-bit arithmetic", n_devices)


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


def versions():
    """The versions of Python and of the libraries that compute: a dict of strings."""
    found = {"python": platform.python_version(), "keras": keras.__version__, "numpy": np.__version__}
    if "tensorflow" in sys.modules:
        found["tensorflow"] = sys.modules["tensorflow"].__version__
    return found
