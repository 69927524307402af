"""The section "gpu" of tools/bench.py: a training step of the full-size recipe on this machine's GPU, in one table.

python tools/bench.py gpu [--size 256] [--filters 32] [--depth 4] [--stem 1] [--batch 16] [--steps 96]

Each row is measured in a process of its own, one after the other, so that no library holds memory that another needs:
this U-Net as `helpers.training.fit` trains it, with its live view; with one thing changed; on Keras' JAX backend where
jax is installed; and the same network in PyTorch where torch is. Without a GPU nothing is judged.
"""

import argparse
import contextlib
import dataclasses
import importlib.util
import io
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tools")]

CLASSES = 33
OURS = {  # name of a row: what is changed
    "this U-Net": {},
    "  in float16": {"precision": "mixed_float16"},
    "  with AdamW in Muon's place": {"optimizer": "adamw"},
    "  without its scores": {"scores": False},
    "  step by step, without XLA": {"jit_compile": False},
}
JAX, TORCH, GRAPHS = "this U-Net on JAX", "the same in PyTorch", "  with CUDA graphs"


@dataclasses.dataclass(frozen=True)
class Work:
    """What a step is: the network's shape, images per batch, and how many steps are timed."""

    size: int = 256
    filters: int = 32
    depth: int = 4
    stem: int = 1
    batch: int = 16
    steps: int = 96


def pictures(work):
    """As many random images and labels as `work.steps` batches take, at most 400, and uint8 like photographs."""
    import numpy as np

    random, n = np.random.RandomState(0), max(work.batch, min(400, work.steps * work.batch))
    images = random.randint(0, 256, (n, work.size, work.size, 3)).astype("uint8")
    labels = random.randint(0, CLASSES, (n, work.size // 8, work.size // 8)).repeat(8, 1).repeat(8, 2).astype("uint8")
    labels[:, : work.size // 16] = 255
    return images, labels


def recipe_of(work):
    """The full-size recipe, with this work's sizes."""
    from helpers.recipe import FULL_SIZE

    sizes = {name: value for name, value in dataclasses.asdict(work).items() if name != "steps"}
    return dataclasses.replace(FULL_SIZE, **sizes, epochs=3)


def model_of(recipe, precision, counts, optimizer="muon", scores=True, jit_compile=True):
    """The recipe's network, compiled."""
    import keras

    from helpers import metrics
    from helpers.engine.hardware import Profile

    keras.utils.set_random_seed(0)
    with Profile("", precision, "").scope():
        model = recipe.network(CLASSES)
        model.compile(
            recipe.optimizer(1000) if optimizer == "muon" else keras.optimizers.AdamW(1e-3),
            recipe.loss(counts),
            metrics=[metrics.Scores(CLASSES)] if scores else [],
            jit_compile=jit_compile,
        )
    return model


def measure_ours(work, precision="mixed_bfloat16", **changes):
    """Trains three epochs as the notebook does: a dict of ms a step, seconds to the first, and memory."""
    import keras
    import numpy as np
    import tensorflow as tf

    from helpers import pipeline, training
    from helpers.engine import hardware
    from helpers.viz import live

    images, labels = pictures(work)
    recipe = recipe_of(work)
    steps = min(work.steps, len(images) // work.batch)
    model = model_of(recipe, precision, np.bincount(labels.ravel(), minlength=256)[:CLASSES], **changes)

    class Clock(keras.callbacks.Callback):
        """When each epoch began, and when each step was told."""

        begun, told = [], []

        def on_epoch_begin(self, epoch, logs=None):
            self.begun.append(time.perf_counter())

        def on_train_batch_end(self, batch, logs=None):
            if len(self.told) < len(self.begun):
                self.told.append([])
            self.told[-1].append(time.perf_counter())

    view, start = live.View(images[:3], labels[:3], work.batch), time.perf_counter()
    view.replaces_progress_bar = True  # it draws, as in a notebook
    with contextlib.redirect_stdout(io.StringIO()):  # "<IPython.core.display.Image object>"
        training.fit(
            model, recipe.feed(images, labels),
            pipeline.evaluation_batches(images[:32], labels[:32], batch=work.batch, size=work.size),
            epochs=recipe.epochs, steps=steps, callbacks=[view, Clock()],
        )  # fmt: skip
    later = [told[-1] - begun for begun, told in zip(Clock.begun[1:], Clock.told[1:], strict=True)]
    trained = sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)
    found = {"ms": 1000 * min(later) / steps, "first": Clock.told[0][0] - start, "weights": trained}
    found |= {"host_gb": hardware.peak_memory(), "card_gb": hardware.peak_gpu_memory()}
    if precision == "mixed_bfloat16" and not changes:
        import bench_training

        gpus = tf.config.list_physical_devices("GPU")
        found |= {
            "device": str(hardware.choose_profile(recipe, CLASSES, precision).device),
            "gpu": bool(gpus),
            "work": work.batch * int(bench_training.multiplications(model)),
            "rate": bench_training.matmul_rate("bfloat16", 8192 if gpus else 512),
            "feed": feed_rate(recipe, images, labels),
        }
    return found


def feed_rate(recipe, images, labels):
    """Images a second that the CPU alone crops for it, where they are not cropped on the device."""
    stream = iter(dataclasses.replace(recipe, epochs=1000).feed(images, labels)())
    batches = [next(stream) for _ in range(3)]
    start = time.perf_counter()
    batches = [next(stream) for _ in range(10)]
    return len(batches) * recipe.batch / (time.perf_counter() - start)


def measure_jax(work):
    """The same network through Keras' own fit on JAX, from batches in memory: a dict."""
    import keras
    import numpy as np

    images, labels = pictures(work)
    n = work.batch * min(work.steps, len(images) // work.batch)
    images, labels = images[:n].astype("float32"), labels[:n].astype("int32")
    model = model_of(recipe_of(work), "mixed_bfloat16", np.bincount(labels.ravel(), minlength=256)[:CLASSES])

    class First(keras.callbacks.Callback):
        """When the first step was told."""

        def on_train_batch_end(self, batch, logs=None):
            First.at = getattr(First, "at", None) or time.perf_counter()

    start = time.perf_counter()
    once = {"batch_size": work.batch, "shuffle": False, "verbose": 0}
    model.fit(images, labels, callbacks=[First()], **once)
    again = time.perf_counter()
    model.fit(images, labels, **once)
    return {"ms": 1000 * (time.perf_counter() - again) / (n // work.batch), "first": First.at - start}


# ---- one process a row ----------------------------------------------------------------------------------------------


def in_a_process(command, **environment):
    """What a process prints as its last line, JSON; a failed one is {"failed": its last words}."""
    environment = {"TF_CPP_MIN_LOG_LEVEL": "2", "TF_FORCE_GPU_ALLOW_GROWTH": "true", **os.environ, **environment}
    ran = subprocess.run([sys.executable, *command], cwd=ROOT, env=environment, capture_output=True, text=True)
    if ran.returncode:
        return {"failed": (ran.stderr.strip().splitlines() or [f"ended with {ran.returncode}"])[-1]}
    return json.loads(ran.stdout.strip().splitlines()[-1])


def rows(work):
    """Yields (name of a row, what was measured), one after the other; what is not installed is left out."""
    sizes = json.dumps(dataclasses.asdict(work))
    for name in OURS:
        yield name, in_a_process([__file__, "--row", name, "--work", sizes])
    if importlib.util.find_spec("jax"):
        lean = {"XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
        yield JAX, in_a_process([__file__, "--row", JAX, "--work", sizes], KERAS_BACKEND="jax", **lean)
    if importlib.util.find_spec("torch"):
        peer = [str(ROOT / "tools" / "peer_torch.py"), sizes]
        yield TORCH, in_a_process(peer)
        yield GRAPHS, in_a_process([*peer, "--graphs"])


def line(name, found, batch):
    """A row of the table."""
    if "failed" in found:
        return f"  {name:30} failed: {found['failed'][:90]}"
    gb = [f"{found[key]:7.1f}" if found.get(key) is not None else "      –" for key in ("host_gb", "card_gb")]
    return f"  {name:30}{found['ms']:9.1f}{1000 * batch / found['ms']:11.0f}{found['first']:9.1f} {''.join(gb)}"


def verdicts(measured):
    """Yields (a sentence, whether the target is met) for what `rows` measured; None where there is no target."""
    names = ("this U-Net", "  in float16", "  with AdamW in Muon's place", TORCH)
    ours, half, adamw, peer = (measured.get(name, {"failed": "not measured"}) for name in names)
    rate = ours["work"] / ours["ms"] * 1000
    yield f"{rate / 1e12:.2f} TFLOP/s in convolutions, {rate / ours['rate']:.0%} of a large bfloat16 product's", None
    yield f"the CPU alone would crop {ours['feed']:.0f} images/s", None
    if "failed" not in peer:
        assert peer["weights"] == ours["weights"], "the peer is another network"
        yield f"{ours['ms'] / peer['ms']:.2f} times PyTorch's step; at most 1.00", ours["ms"] <= peer["ms"]
    yield f"the first step after {ours['first']:.0f} s; at most 30 s", ours["first"] <= 30
    if "failed" not in half:
        share = half["ms"] / ours["ms"]
        yield f"float16 takes {share:.2f} times as long; at most 1.10", share <= 1.1
    if "failed" not in adamw:
        share = 1 - adamw["ms"] / ours["ms"]
        yield f"Muon takes {share:.0%} of a step more than AdamW; at most 10 %", share <= 0.1
    yield f"{ours['host_gb']:.1f} GB of host memory; at most 5", ours["host_gb"] <= 5
    if ours["card_gb"] is not None:
        yield f"{ours['card_gb']:.1f} GB of the card's; at most 4", ours["card_gb"] <= 4


def main(arguments):
    """The command. Returns 1 where there is a GPU and a target is missed, or where this U-Net cannot be timed."""
    parser = argparse.ArgumentParser(prog="python tools/bench.py gpu", description=__doc__.splitlines()[0])
    for field in dataclasses.fields(Work):
        parser.add_argument(f"--{field.name}", type=int, default=field.default, help="default: %(default)s")
    work = Work(**vars(parser.parse_args(arguments)))
    print(f"A training step, {work.batch} images of {work.size} × {work.size}, {work.filters} filters, {work.depth} "
          f"levels below the top, patches of {work.stem} × {work.stem}")  # fmt: skip
    print(f"  {'':30}{'ms':>9}{'images/s':>11}{'first, s':>9}{'host':>8}{'card GB':>8}", flush=True)
    measured = {}
    for name, found in rows(work):
        measured[name] = found
        print(line(name, found, work.batch), flush=True)
    ours = measured["this U-Net"]
    if "failed" in ours:
        return 1
    print(f"  {ours['device']}")
    all_met = True
    for sentence, met in verdicts(measured):
        judged = met is not None and ours["gpu"]
        print(f"  {sentence}{(': met' if met else ': missed') if judged else ''}")
        all_met = all_met and (met or not judged)
    if not ours["gpu"]:
        print("TensorFlow finds no GPU: the figures are this machine's, and nothing is judged.")
        if shutil.which("nvidia-smi"):
            print(f"There seems to be one: {sys.executable} -m pip install 'tensorflow[and-cuda]'")
        return 0
    print("Every target met." if all_met else "A target was missed.")
    return 0 if all_met else 1


def measure_row(arguments):
    """Measures one row, in a process of its own, and prints it as JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--row")
    parser.add_argument("--work", type=lambda text: Work(**json.loads(text)))
    given = parser.parse_args(arguments)
    found = measure_jax(given.work) if given.row == JAX else measure_ours(given.work, **OURS[given.row])
    print("\n" + json.dumps(found))


if __name__ == "__main__":
    measure_row(sys.argv[1:])
