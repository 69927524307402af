"""The section "training" of tools/bench.py: what a training step costs, where it goes, and what it is fed by."""

import contextlib
import io
import itertools
import statistics
import tempfile
import time
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from helpers import losses, metrics, pipeline, scenes, siftflow
from helpers.engine import hardware
from helpers.engine.building import build_optimizer
from helpers.recipe import Recipe
from helpers.viz import live

BATCH = Recipe().batch
LOOK = 40.0  # seconds of training under the live view
KERNELS = ("Conv2D", "MatMul", "BatchMatMul", "Einsum")  # in the names of TensorFlow's operations


def compiled(model, scores=()):
    """As `helpers.runs.run` compiles it."""
    recipe = Recipe()
    loss = recipe.loss(siftflow.TRAIN_PIXELS)
    model.compile(recipe.optimizer(10**6), loss, metrics=list(scores), jit_compile=False)
    build_optimizer(model)
    return model


def compiled_tutorial(model):
    """As the tutorial does, but that void does not count."""
    model.compile(keras.optimizers.Adam(1e-4), losses.CrossEntropy(), jit_compile=False)
    build_optimizer(model)
    return model


def tutorial_network(size, n_classes):
    """The network of keras.io's tutorial "Image segmentation with a U-Net-like architecture"; here it ends in logits.

    Separable convolutions with residual connections, as in Xception, and no skips from one arm to the other.
    """
    image = keras.Input((size, size, 3))
    x = layers.Conv2D(32, 3, strides=2, padding="same")(image)
    x = residual = layers.ReLU()(layers.BatchNormalization()(x))
    arms = ((layers.SeparableConv2D, (64, 128, 256)), (layers.Conv2DTranspose, (256, 128, 64, 32)))
    for convolution, widths in arms:
        down = convolution is layers.SeparableConv2D
        for filters in widths:
            for _ in range(2):
                x = convolution(filters, 3, padding="same")(layers.ReLU()(x))
                x = layers.BatchNormalization()(x)
            x = layers.MaxPooling2D(3, strides=2, padding="same")(x) if down else layers.UpSampling2D(2)(x)
            if not down:
                residual = layers.UpSampling2D(2)(residual)
            residual = layers.Conv2D(filters, 1, strides=2 if down else 1, padding="same")(residual)
            x = residual = layers.Add()([x, residual])
    return keras.Model(image, layers.Conv2D(n_classes, 3, padding="same", dtype="float32")(x))


def naive_batches(dataset, names, size):
    """Batches as a first attempt makes them: open, decode and resize each image when its turn comes, one by one."""
    for start in itertools.count(0, BATCH):
        images, labels = [], []
        for i in range(start, start + BATCH):
            name = names[i % len(names)]
            image, label = keras.ops.cast(dataset.image(name), "float32"), dataset.label(name)[..., None]
            images.append(keras.ops.image.resize(image, (size, size)))
            labels.append(keras.ops.image.resize(label, (size, size), interpolation="nearest")[..., 0])
        yield np.stack(images), np.stack(labels).astype("int32")


def multiplications(model):
    """Floating-point operations of one image's training step in convolutions: forward, and twice that backward."""
    total = 0
    for layer in model.layers:
        if isinstance(layer, (layers.Conv2D, layers.Conv2DTranspose)):
            grid = layer.input if isinstance(layer, layers.Conv2DTranspose) else layer.output
            total += 2 * np.prod(layer.kernel.shape) * np.prod(grid.shape[1:3])
    return 3 * total


def matmul_rate(dtype, n=2048, repeats=10):
    """Operations per second of this machine in a large matrix product."""
    a = tf.cast(tf.random.normal((n, n)), dtype)
    product = tf.function(lambda: tf.reduce_sum(tf.matmul(a, a)))
    product()
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        product().numpy()
        seconds.append(time.perf_counter() - start)
    return 2 * n**3 / min(seconds)


def feed_rate(stream, batches=40):
    """Images per second of a pipeline with nothing else to do: of many batches, as some lie ready."""
    start = time.perf_counter()
    for _ in itertools.islice(stream, batches):
        pass
    return batches * BATCH / (time.perf_counter() - start)


def scores_seconds(labels, logits, repeats=20):
    """What it takes to count one batch into the scores: the difference of two steps would drown in their noise."""
    scores = metrics.Scores(siftflow.N_CLASSES)
    count = tf.function(lambda: scores.update_state(labels, logits))
    seconds = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        count()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds[1:])  # the first builds the graph


def kernel_share(step):
    """The share of its operations' time that a step spends in convolutions and matrix products: TensorFlow's trace."""
    from tensorflow.tsl.profiler.protobuf import xplane_pb2

    with tempfile.TemporaryDirectory() as folder:
        tf.profiler.experimental.start(folder)
        step()
        tf.profiler.experimental.stop()
        space = xplane_pb2.XSpace()
        space.ParseFromString(next(Path(folder).rglob("*.xplane.pb")).read_bytes())
    spent = {True: 0, False: 0}
    for plane in space.planes:
        for line in plane.lines:
            for event in line.events:
                name, _, operation = plane.event_metadata[event.metadata_id].name.rpartition(":")
                if name and "/" in name:  # "model/layer/node:Operation"; other events are the machinery around these
                    spent[any(kernel in operation for kernel in KERNELS)] += event.duration_ps
    return spent[True] / max(1, sum(spent.values()))


def view_share(model, images, labels, x, y):
    """The share of training that the live view takes, and how long its first picture took, in seconds."""
    view = live.View(images[:3], labels[:3], batch=BATCH)
    view.replaces_progress_bar = True
    spent = []

    def timed(method):
        def call(*arguments):
            start = time.perf_counter()
            method(*arguments)
            spent.append(time.perf_counter() - start)

        return call

    view.set_model(model)
    view.set_params({"epochs": 1, "steps": 10**4})
    events = ("on_train_begin", "on_epoch_begin", "on_train_batch_end", "on_epoch_end")
    begin, epoch_begins, batch_ends, epoch_ends = (timed(getattr(view, name)) for name in events)
    with contextlib.redirect_stdout(io.StringIO()):  # outside a notebook a picture is a line of text
        begin()
        first = spent[0]
        start, step = time.perf_counter(), 0
        epoch_begins(0)
        while time.perf_counter() - start < LOOK:
            loss = model.train_on_batch(x, y)
            batch_ends(step, {"loss": float(np.ravel(loss)[0])})
            step += 1
        epoch_ends(0, {})
    return sum(spent[1:]) / (time.perf_counter() - start), first


def sections(section, size):
    """`section` is bench.Section. One section, all of whose contenders take turns."""
    recipe = Recipe(size=size)
    profile = hardware.choose_profile(recipe, siftflow.N_CLASSES)
    try:
        dataset = siftflow.find()
    except siftflow.SiftFlowError:
        dataset = scenes.make(siftflow.data_folder() / "scenes" / "fast", train=120, test=24)
    names = dataset.names("train")[:400]
    images, labels = dataset.load(names)
    with profile.scope():
        network, scored, fed = (
            compiled(recipe.network(siftflow.N_CLASSES), scores)
            for scores in ((), [metrics.Scores(siftflow.N_CLASSES)], ())
        )
        tutorial = compiled_tutorial(tutorial_network(size, siftflow.N_CLASSES))
    stream = iter(pipeline.training_batches(images, labels, batch=BATCH, size=size, epochs=10**4))
    naive = naive_batches(dataset, names, size)
    x, y = next(stream)

    def report(measured):
        """Lines under the table, and whether each target is met."""
        step = measured["this U-Net"] / 1000
        rate = matmul_rate(profile.precision.removeprefix("mixed_"))
        work = BATCH * multiplications(network)
        share, first = view_share(scored, images, labels, x, y)
        extra = scores_seconds(y, network(x, training=False)) / step
        fed_by = feed_rate(stream) * step / BATCH
        kernels = kernel_share(lambda: network.train_on_batch(x, y))
        return [
            (f"{profile}", None),
            (f"{BATCH / step:.0f} images/s; {work / step / 1e9:.0f} GFLOP/s, which is {work / step / rate:.0%} of the "
             f"{rate / 1e9:.0f} GFLOP/s of a large matrix product", None),
            (f"{kernels:.0%} of the operations' time in convolutions and matrix products", None),
            (f"its batches come {fed_by:.0f} times as fast as it takes them; at least 8 times", fed_by >= 8),
            (f"live view {share:.1%} and scores {extra:.1%} of an epoch; at most 5 % together", share + extra <= 0.05),
            (f"first live picture after {first:.1f} s; at most 20 s", first <= 20),
        ]  # fmt: skip

    yield section(
        f"Training step, {BATCH} images of {size} × {size}",
        {
            "this U-Net": lambda: network.train_on_batch(x, y),
            "with its scores": lambda: scored.train_on_batch(x, y),
            "fed image by image": lambda: fed.train_on_batch(*next(naive)),
            "the keras.io tutorial's network": lambda: tutorial.train_on_batch(x, y),
        },
        {},
        report,
    )
