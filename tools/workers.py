"""Trains on several machines at once, on TensorFlow's own engine, and ends as one machine with the same batch would.

Run the same command on every machine. Only the index in TF_CONFIG differs: it says which of the workers this one is.

    export TF_CONFIG='{"cluster": {"worker": ["ant:2345", "bee:2345"]}, "task": {"type": "worker", "index": 0}}'
    python tools/workers.py --data PATH --out results/run.json --checkpoint run.keras

Every machine needs this project, the data, and a way to the others' ports, in a network you trust: nothing on it is
encrypted. Worker 0 alone saves the checkpoint and writes the record. When a worker is lost, the others end within a
minute; start all of them again, and they go on from the last whole epoch. Without TF_CONFIG this machine trains alone.

When does a reader need it? For SiftFlow, nearly never: one GPU is enough, and ``python -m helpers.training`` takes all
GPUs of one machine by itself. It is for data and networks that keep one machine busy for days, on machines with a fast
line between them. In each step these exchange all gradients, and statistics three times for each batch normalisation;
the slowest sets the pace; and the batch that they share has to be large enough to keep all of them busy.
"""

import argparse
import dataclasses
import json
import math
import os
import re
import signal
import sys
import time
import zlib
from pathlib import Path

if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # 0 shows all that TensorFlow has to say of a lost worker
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import helpers

with helpers.silence():
    import keras
    import numpy as np
    import tensorflow as tf

from helpers import metrics, pipeline, predict, runs, siftflow
from helpers.engine import archive, callbacks, checkpoints, hardware
from helpers.recipe import Recipe

EXAMPLE = '{"cluster": {"worker": ["ant:2345", "bee:2345"]}, "task": {"type": "worker", "index": 0}}'
LOST = (tf.errors.UnavailableError, tf.errors.DeadlineExceededError, tf.errors.AbortedError, tf.errors.CancelledError)


def workers(config):
    """Reads TF_CONFIG: ({"worker 0": its address, "worker 1": ...}, the name of this one). The first is the chief.

    Raises:
        ValueError: it does not say that.
    """
    if not config:
        return {"worker 0": ""}, "worker 0"

    def check(good, wrong):
        if not good:
            raise ValueError(f"TF_CONFIG {wrong}. For the first of two workers it reads {EXAMPLE}.")

    try:
        config = json.loads(config)
    except ValueError as error:
        check(False, f"is not JSON ({error})")
    cluster, task = (config.get(key) if isinstance(config, dict) else None for key in ("cluster", "task"))
    check(isinstance(cluster, dict) and cluster.get("worker"), 'has no "cluster" with a list of "worker"')
    jobs = {job: cluster[job] for job in ("chief", "worker") if job in cluster}
    check(all(isinstance(listed, list) for listed in jobs.values()), "has workers that are not a list")
    names = {f"{job} {i}": address for job, listed in jobs.items() for i, address in enumerate(listed)}
    bad = [a for a in names.values() if not re.fullmatch(r"\S+:\d+", str(a)) or list(names.values()).count(a) > 1]
    check(not bad, f"lists {json.dumps(bad)[1:-1]}: each worker needs a host:port of its own")
    check(isinstance(task, dict) and task.get("type") in jobs, 'has no "task" of the "type" "worker"')
    me = f"{task['type']} {json.dumps(task.get('index'))}"
    check(me in names, f"says that this is {me}, and lists {', '.join(names)}")
    return names, me


@tf.function(autograph=False)
def from_chief(strategy, values):
    """A list of tensors, which may differ from worker to worker, as the chief has them. All workers must ask for it."""

    def sent(values):
        chief = tf.distribute.get_replica_context().replica_id_in_sync_group == 0
        return [tf.where(chief, value, tf.zeros_like(value)) for value in values]

    return [strategy.reduce("SUM", value, axis=None) for value in strategy.run(sent, (values,))]


def train(strategy, chief, recipe, run, training_set, validation_set, checkpoint=None):
    """Trains `recipe` together with the other workers, all of whom call this with the same arguments.

    Args:
        chief: whether this is the worker that watches the validation images and saves.
        run: a dict, good for JSON, of what must be the same for all workers, and when a run goes on.
        training_set, validation_set: images and labels, as `SiftFlow.load` gives them.

    Yields:
        At the start and after each epoch: the epochs that are done, and by now saved; and, for the chief, the network
        and the history; None and {} for others.

    Raises:
        ValueError: the workers differ, or the checkpoint is of another run.
        runs.RunStopped: the loss became NaN.
    """
    images, labels = training_set
    steps = len(images) // recipe.batch
    mine = tf.constant(zlib.crc32(json.dumps(run).encode()), tf.int64)
    if mine != from_chief(strategy, [mine])[0]:
        raise ValueError("Settings or data here are not those of the first worker: give every worker the same.")
    model = compiled(strategy, recipe, labels, steps)
    watch = Watch(model, recipe, run, validation_set, checkpoint) if chief else None
    history = watch.history if chief else {}
    done = share_start(strategy, model, len(history.get("loss", [])))
    yield done, watch and watch.model, history
    if done == recipe.epochs:
        return
    step, batches = training_step(strategy, model, recipe), iter(recipe.feed(images, labels)(done))
    for epoch in range(done + 1, recipe.epochs + 1):
        start = time.perf_counter()
        loss = np.mean([float(step(next(batches))) for _ in range(steps)])
        if chief:
            watch.score(epoch, loss, start)
            watch.save(epoch)
            yield epoch, watch.model, history
        elif not math.isfinite(loss):
            raise _became_nan(epoch)
        from_chief(strategy, [mine])  # for which the others wait until it has saved
        if not chief:
            yield epoch, None, {}


def compiled(strategy, recipe, labels, steps):
    """The recipe's network on all workers; its normalisation sees the whole batch, not a worker's share."""
    keras.utils.set_random_seed(recipe.seed)
    with strategy.scope():
        model = recipe.network(siftflow.N_CLASSES)
        for layer in model.layers:
            if isinstance(layer, keras.layers.BatchNormalization):
                layer.synchronized = True
        model.compile(
            recipe.optimizer(recipe.epochs * steps),
            recipe.loss(np.bincount(labels.ravel(), minlength=siftflow.N_CLASSES)[: siftflow.N_CLASSES]),
            jit_compile=False,
        )
        model.optimizer.build(model.trainable_variables)
    return model


def share_start(strategy, model, done):
    """Gives every worker the chief's weights and optimizer, and the epochs that are done, which it returns."""
    variables = [*model.variables, *model.optimizer.variables]
    done, *values = from_chief(strategy, [tf.constant(done, tf.int64), *(variable.value for variable in variables)])
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
    return int(done)


def training_step(strategy, model, recipe):
    """A function of a whole batch, which every worker makes, of which each trains on its share: the loss."""
    share = recipe.batch // strategy.num_replicas_in_sync

    @tf.function(autograph=False)
    def step(images, labels):
        def on_replica(images, labels):
            with tf.GradientTape() as tape:
                # Keras divides the loss, which is that of the whole batch, by the number of replicas, because the
                # optimizer adds up the gradients of all of them.
                loss = model.loss(labels, model(images, training=True))
            model.optimizer.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)
            return loss

        return strategy.reduce("SUM", strategy.run(on_replica, (images, labels)), axis=None)

    def shared(values):
        return strategy.experimental_distribute_values_from_function(
            lambda context: values[context.replica_id_in_sync_group * share :][:share]
        )

    return lambda batch: step(*map(shared, batch))


class Watch:
    """The chief's second task: it scores a copy of the network while the others wait, and saves.

    Attributes:
        model: the copy, free of the strategy. history: a dict of lists, one number an epoch.
    """

    def __init__(self, model, recipe, run, validation_set, checkpoint):
        self.trained, self.recipe, self.run, self.checkpoint = model, recipe, run, checkpoint
        state = checkpoints.load(checkpoint, model, run) if checkpoint else None
        self.history = state.history if state else {}
        self.model = recipe.network(siftflow.N_CLASSES)
        self.model.set_weights(model.get_weights())
        self.model.compile(loss=model.loss, metrics=[metrics.Scores(siftflow.N_CLASSES)], jit_compile=False)
        self.validation = pipeline.evaluation_batches(*validation_set, batch=recipe.batch, size=recipe.size)

    def score(self, epoch, loss, start):
        """Adds an epoch that began at `start` to the history; `runs.RunStopped` if a number is none."""
        self.model.set_weights(self.trained.get_weights())
        scores = self.model.evaluate(self.validation, verbose=0, return_dict=True)
        numbers = {"loss": loss, **{f"val_{name}": value for name, value in scores.items()}}
        if not all(map(math.isfinite, numbers.values())):
            raise _became_nan(epoch)
        for name, value in {**numbers, "seconds": time.perf_counter() - start}.items():
            self.history.setdefault(name, []).append(round(float(value), 6))

    def save(self, epoch):
        """Writes the checkpoint, if there is to be one, and prints how the epoch went."""
        if self.checkpoint:
            try:
                checkpoints.save(self.checkpoint, self.trained, self.history, self.run)
            except OSError as error:
                print(callbacks.not_saved(epoch, self.checkpoint, error), flush=True)
        shown = (f"{name} {self.history[name][-1]:.4f}" for name in ("loss", "val_loss", "val_mean_iou"))
        seconds = self.history["seconds"][-1]
        print(f"Epoch {epoch} of {self.recipe.epochs}:", *shown, f"{seconds:.1f} s", flush=True)


def _became_nan(epoch):
    return runs.RunStopped(f"The loss became NaN in epoch {epoch}: try a tenth of the learning rate.")


def lost(error, names, me):
    """Which workers are gone: those whom TensorFlow's message names; if none, the first, to whom all others report."""
    named = {f"{job} {i}" for job, i in re.findall(r"/job:(\w+)(?:/replica:0)?/task:(\d+)", error.message)}
    gone = [name for name in names if name in named and name != me] or [next(iter(names))]
    return " and ".join(f"{name} ({names[name]})" for name in gone)


def scored(model, validation_set, test_set):
    """What the record says of the trained network."""
    scores = {"validation": metrics.scores(predict.evaluate(model, *validation_set))}
    if test_set:
        matrix = predict.evaluate(model, *test_set)
        scores |= {"test": metrics.scores(matrix), "confusion": matrix.tolist()}
    return scores


def main(arguments=None):
    """The command."""
    parser = argparse.ArgumentParser(prog="python tools/workers.py", description=__doc__.splitlines()[0])
    parser.add_argument("--data", help="folder of the data set (default: where helpers.siftflow.find() finds it)")
    parser.add_argument("--out", required=True, help="where worker 0 writes the record, a .json file")
    parser.add_argument("--checkpoint", help="a .keras file that worker 0 saves to after each epoch, and goes on from")
    parser.add_argument("--precision", default="float32", choices=["float32", "mixed_bfloat16"])
    parser.add_argument("--no-test", action="store_true", help="leave the test images alone")
    Recipe.add_arguments(parser)
    given = parser.parse_args(arguments)
    recipe = Recipe.from_arguments(given)
    try:
        names, me = workers(os.environ.get("TF_CONFIG"))
    except ValueError as error:
        parser.exit(2, f"{error}\n")
    n = len(names) * max(1, len(tf.config.list_physical_devices("GPU")))
    if recipe.batch % n:
        parser.exit(2, f"A batch of {recipe.batch} cannot be shared out evenly among {n}: take a multiple of {n}.\n")
    first, done, out = next(iter(names)), None, Path(given.out)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        dataset = siftflow.SiftFlow(given.data) if given.data else siftflow.find()
        training_set, validation_set = (part[1:] for part in pipeline.load(dataset))
        run = {"recipe": dataclasses.asdict(recipe), "precision": given.precision, "data": zlib.crc32(training_set[1])}
        others = [f"{name} ({address})" for name, address in names.items() if name != me]
        if others:
            print(f"This is {me}, waiting for {', '.join(others)}.", flush=True)
        try:
            strategy = tf.distribute.MultiWorkerMirroredStrategy()
        except tf.errors.UnknownError as error:
            parser.exit(1, f"{me.capitalize()} cannot start at {names[me]} ({error.message}): is the port in use?\n")
        with hardware.Profile("", given.precision, "as asked").scope():
            for epoch in train(strategy, me == first, recipe, run, training_set, validation_set, given.checkpoint):
                done, model, history = epoch
    except tf.errors.OpError as error:
        if not isinstance(error, LOST) and "Collective ops is aborted" not in error.message:
            raise
        saved = f"saved by {first} in {given.checkpoint}" if given.checkpoint else "not saved, for want of --checkpoint"
        when = "before the first step" if done is None else f"after {done} of {recipe.epochs} epochs, {saved}"
        again = "start every worker again with the same command" + (" to go on" if given.checkpoint else "")
        parser.exit(1, f"Lost {lost(error, names, me)} {when}: {again}.\n")
    except (ValueError, OSError, runs.RunStopped) as error:
        parser.exit(1, f"{error}\n")
    if me != first:
        return
    record = {
        "command": recipe.command(["tools/workers.py"], sys.argv[1:] if arguments is None else arguments),
        "recipe": dataclasses.asdict(recipe),
        "workers": len(names),
        "precision": given.precision,
        "minutes": round(sum(history["seconds"]) / 60, 1),
        "log": history,
        **scored(model, validation_set, None if given.no_test else dataset.load("test")),
    }
    archive.write_record(record, out, parser)
    print({split: record[split] for split in ("validation", "test") if split in record}, f"written to {out}", sep="\n")


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends it even while TensorFlow waits for the others
    main()
