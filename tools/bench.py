"""Times what the notebooks compute against what Keras has for the same, and says whether the targets are met.

python tools/bench.py [--size 256] [--repeats 15] [losses] [confusion] [muon] [training]
python tools/bench.py gpu [options of tools/bench_gpu.py]

The contenders of a section take turns, so that whatever else the machine does hits all alike. Each time is the median
over the turns; each ratio is to the section's first line. A section that misses a target is measured a second time,
with three times the turns, and the second table counts. Exits with 1 if a target is missed there too.
"""

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import helpers

CLASSES, BATCH = 33, 8


@dataclass
class Section:
    """Some ways to do the same thing, the first of them the unit; and the largest ratio to it allowed to others."""

    title: str
    contenders: dict  # name: a function without arguments, which returns when all is computed
    targets: dict = field(default_factory=dict)  # name: ratio
    report: Callable = lambda measured: []  # milliseconds by name -> [(a line under the table, target met or None)]


def batch(size):
    """Labels, about 8 % of them void, and logits."""
    import numpy as np
    import tensorflow as tf

    random = np.random.RandomState(0)
    labels = random.randint(0, CLASSES, (BATCH, size, size)).astype("int32")
    labels[random.random_sample(labels.shape) < 0.08] = 255
    return tf.constant(labels), tf.constant(random.normal(size=(*labels.shape, CLASSES)).astype("float32"))


def losses(size):
    """One step of each loss: its value and its gradient by the logits."""
    import keras
    import numpy as np
    import tensorflow as tf

    from helpers.losses import CrossEntropy, Dice, Sum

    labels, logits = batch(size)

    def step(loss, xla):
        @tf.function(jit_compile=xla)
        def value_and_gradient():
            with tf.GradientTape() as tape:
                tape.watch(logits)
                value = loss(labels, logits)
            return value, tape.gradient(value, logits)

        def run():
            value, gradient = value_and_gradient()
            return value.numpy(), gradient[-1, -1, -1].numpy()

        return run

    # The sum shares one softmax among its parts. Without that, it would take as long as both parts: a ratio of 2.2.
    for how, most in (("graph", 1.6), ("XLA", 1.8)):
        contenders = {
            "Keras' SparseCategoricalCrossentropy": keras.losses.SparseCategoricalCrossentropy(True, ignore_class=255),
            "CrossEntropy": CrossEntropy(),
            "CrossEntropy, weighted": CrossEntropy(np.linspace(0.5, 3, CLASSES)),
            "Dice": Dice(),
            "Sum of CrossEntropy and Dice": Sum([CrossEntropy(), Dice()]),
        }
        yield Section(
            f"Loss and gradient, {how}",
            {name: step(loss, how == "XLA") for name, loss in contenders.items()},
            {"CrossEntropy": 1.15, "Sum of CrossEntropy and Dice": most},
        )


def confusion(size):
    """One batch counted into a confusion matrix."""
    import keras
    import tensorflow as tf

    from helpers.metrics import ConfusionMatrix

    labels, logits = batch(size)

    def update(metric, graph):
        update_state = tf.function(metric.update_state) if graph else metric.update_state

        def run():
            update_state(labels, logits)
            return metric.variables[0].numpy()

        return run

    for how in ("graph", "eager"):
        contenders = {
            "Keras' MeanIoU": keras.metrics.MeanIoU(CLASSES, ignore_class=255, sparse_y_pred=False),
            "ConfusionMatrix": ConfusionMatrix(CLASSES),
        }
        yield Section(
            f"Confusion matrix, {how}",
            {name: update(metric, how == "graph") for name, metric in contenders.items()},
            {"ConfusionMatrix": 0.5} if how == "graph" else {},
        )


def start():
    """Imports TensorFlow, and keeps it from talking between the lines of the table."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    helpers.start()
    import tensorflow as tf

    tf.get_logger().setLevel("ERROR")  # it takes a function per contender for one function traced again and again


def training(size):
    """A training step, what it is fed by, and where its time goes; at the recipe's size, whatever `size`."""
    import bench_training
    from helpers.recipe import Recipe

    yield from bench_training.sections(Section, Recipe().size)


def muon(size):
    """The directions of one step of the recipe's kernels, whatever `size`."""
    import numpy as np
    import tensorflow as tf

    from helpers.engine.muon import kernels_of, orthogonalized, orthogonalized_together
    from helpers.recipe import Recipe

    random, kernels = np.random.RandomState(0), kernels_of(Recipe().network(CLASSES).trainable_variables)
    matrices = [tf.constant(random.normal(size=(np.prod(k.shape[:-1]), k.shape[-1])), "float32") for k in kernels]

    def run_of(directions):
        graph = tf.function(directions)
        return lambda: [direction.numpy() for direction in graph()]

    yield Section(
        f"Muon's directions of {len(kernels)} kernels",
        {
            "the gradient multiplied in each turn": run_of(lambda: [orthogonalized_together([m])[0] for m in matrices]),
            "the small factors first, as on a CPU": run_of(lambda: [orthogonalized(m) for m in matrices]),
            "stacks of kernels, as on a GPU": run_of(lambda: orthogonalized_together(matrices)),
        },
        {"the small factors first, as on a CPU": 0.75},
    )


SECTIONS = {"losses": losses, "confusion": confusion, "muon": muon, "training": training}


def medians(contenders, repeats):
    """Each contender's median time, {name: milliseconds}; they take turns, after one turn that is not counted."""
    times = {name: [] for name in contenders}
    for turn in range(repeats + 1):
        for name, run in contenders.items():
            start = time.perf_counter()
            run()
            if turn:
                times[name].append(1000 * (time.perf_counter() - start))
    return {name: statistics.median(each) for name, each in times.items()}


def lines(section, measured):
    """The table's lines for a section's `measured` milliseconds, and whether every target is met."""
    unit, met = next(iter(measured.values())), True
    text = [section.title]
    for name, milliseconds in measured.items():
        ratio, verdict = milliseconds / unit, ""
        if name in section.targets:
            kept = ratio <= section.targets[name]
            met = met and kept
            verdict = f"  at most {section.targets[name]:4.2f}: {'met' if kept else 'missed'}"
        text.append(f"  {name:38}{milliseconds:9.1f} ms{ratio:8.2f}{verdict}")
    for line, kept in section.report(measured):
        text.append(f"  {line}{'' if kept is None else ': met' if kept else ': missed'}")
        met = met and kept is not False
    return text, met


def main(arguments=None, sections=SECTIONS):
    """The command."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if arguments[:1] == ["gpu"]:
        import bench_gpu

        return bench_gpu.main(arguments[1:])
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sections", nargs="*", metavar="section", help=f"of {', '.join(sections)}; default: all")
    parser.add_argument("--size", type=int, default=256, help="rows and columns of an image (default: %(default)s)")
    parser.add_argument("--repeats", type=int, default=15, help="turns counted (default: %(default)s)")
    options = parser.parse_args(arguments)
    if unknown := [name for name in options.sections if name not in sections]:
        parser.error(f"no section {unknown[0]!r}: there are {', '.join(sections)}")
    if options.size < 1 or options.repeats < 1:
        parser.error("--size and --repeats are at least 1")

    start()
    print(f"{BATCH} images of {options.size} × {options.size} pixels, {CLASSES} classes", flush=True)
    all_met = True
    for name in options.sections or sections:
        for section in sections[name](options.size):
            text, met = lines(section, medians(section.contenders, options.repeats))
            print("\n".join(text), flush=True)
            if not met:
                print("A target was missed. Measured again, with three times the turns:", flush=True)
                text, met = lines(section, medians(section.contenders, 3 * options.repeats))
                print("\n".join(text), flush=True)
            all_met = all_met and met
    print("Every target met." if all_met else "A target was missed.")
    return 0 if all_met else 1


if __name__ == "__main__":
    sys.exit(main())
