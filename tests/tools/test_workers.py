"""tools/workers.py: two workers end like one; when one is lost, the other says so, and training can go on.

The workers are processes on this machine, and what each of them runs is the command itself.
"""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import scipy.io

import workers
from helpers import metrics, pipeline, siftflow
from helpers.recipe import Recipe
from support.small_data import write_set

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[2]
RECIPE = Recipe(size=16, filters=2, depth=1, batch=8, epochs=3, balance=0.3)
STEPS = 2  # an epoch has
NAMES = ("size", "filters", "depth", "batch", "epochs", "balance")
TINY = [word for name in NAMES for word in (f"--{name}", str(getattr(RECIPE, name)))]

# The command, several times at once, but for its optimizer, where it keeps its cache, and, if asked for, a death by
# SIGKILL when it draws a certain batch. Each worker is a process of its own, which need not import TensorFlow anew.
# Lines in: [TF_CONFIG, the batch at which to die or null, where to write what is said]. Lines out: the exit codes.
WORKERS = """
import json, os, signal, sys
from pathlib import Path
cache, *arguments = sys.argv[1:]
sys.path.insert(0, "tools")
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"  # as the command does
import workers
from helpers import pipeline, siftflow
from helpers.recipe import Recipe
from workers import keras
siftflow.layout.data_folder = lambda: Path(cache)
Recipe.optimizer = lambda recipe, steps: keras.optimizers.SGD(
    keras.optimizers.schedules.CosineDecay(0.1, steps), momentum=0.9
)
made, last = pipeline.Feed.__call__, None
def dying(*args, **options):
    for i, batch in enumerate(made(*args, **options)):
        if i == last:
            os.kill(os.getpid(), signal.SIGKILL)
        yield batch
pipeline.Feed.__call__ = dying

def start(config, last_batch, said):
    child = os.fork()
    if child:
        return child
    global last
    last, os.environ["TF_CONFIG"] = last_batch, config
    for stream, ending in ((1, ".out"), (2, ".err")):
        os.dup2(os.open(said + ending, os.O_WRONLY | os.O_CREAT), stream)
    code = 1
    try:
        workers.main(arguments)
        code = 0
    except SystemExit as stopped:
        code = stopped.code or 0
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)

children = [start(*json.loads(line)) for line in sys.stdin]
print(*[os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children])
"""


def sgd(recipe, steps):
    """As above: what it must remember is the momentum and, for the rate, the number of the step."""
    return keras.optimizers.SGD(keras.optimizers.schedules.CosineDecay(0.1, steps), momentum=0.9)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A made-up set of 22 training, 2 validation and 2 test images of 32x32; half the images are mostly void."""
    root = tmp_path_factory.mktemp("workers") / "set"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(siftflow.layout, "data_folder", lambda: root.parent)
        files = write_set(root, [f"coast_{i:02}" for i in range(24)], ["coast_t0", "coast_t1"], 32, stand_in=True)
        for name in list(files)[::2]:
            files[name][4:] = 0
            (path,) = root.glob(f"SemanticLabels/*/{name}.mat")
            scipy.io.savemat(path, {"S": files[name].astype("uint16")})
        yield root


def tf_config(addresses, index=0):
    return json.dumps({"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}})


def command(data, folder):
    return ["--data", str(data), "--out", str(folder / "run.json"), "--checkpoint", str(folder / "run.keras"), *TINY]


def environment():
    """This process's; but two workers cannot share one GPU, and jax, once imported, sets TensorFlow's log level."""
    kept = {name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"}
    return kept | {"CUDA_VISIBLE_DEVICES": "-1"}


def run_two(data, folder, lasts=(None, None)):
    """Two workers, of whom each may die at a batch: their addresses, and of each (exit code, output, errors)."""
    free = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
    addresses = [f"127.0.0.1:{server.getsockname()[1]}" for server in free]
    for server in free:
        server.close()
    said = [folder / f"said by worker {i}" for i in range(2)]
    lines = [[tf_config(addresses, i), lasts[i], str(said[i])] for i in range(2)]
    for path in folder.glob("said by worker *"):
        path.unlink()
    done = subprocess.run(
        [sys.executable, "-c", WORKERS, data.parent, *command(data, folder)],
        input="".join(json.dumps(line) + "\n" for line in lines),
        cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=200,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    texts = [[Path(f"{path}{ending}").read_text() for ending in (".out", ".err")] for path in said]
    return addresses, [(int(code), *text) for code, text in zip(done.stdout.split(), texts, strict=True)]


def result(folder):
    """What a run left behind: its curves, without the times, and all weights of its network."""
    log = json.loads((folder / "run.json").read_text())["log"]
    assert len(log.pop("seconds")) == RECIPE.epochs
    return log, keras.models.load_model(folder / "run.keras").get_weights()


def assert_same(one, other):
    (log, weights), (other_log, other_weights) = one, other
    for name in ("loss", "val_loss"):
        np.testing.assert_allclose(log[name], other_log[name], atol=1e-5, rtol=0)
    for a, b in zip(weights, other_weights, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5, rtol=0)


# ---- two workers, and one process -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def two(data, tmp_path_factory):
    """What two workers make of six steps, and what they say."""
    folder = tmp_path_factory.mktemp("two")
    _, ends = run_two(data, folder)
    assert [(code, err) for code, _, err in ends] == [(0, ""), (0, "")]
    return result(folder), [out for _, out, _ in ends]


@pytest.fixture
def with_sgd(monkeypatch):
    monkeypatch.setattr(Recipe, "optimizer", sgd)
    monkeypatch.delenv("TF_CONFIG", raising=False)


def loaded(data):
    return [part[1:] for part in pipeline.load(siftflow.SiftFlow(data))]


def stream(data):
    images, labels = loaded(data)[0]
    return pipeline.training_batches(images, labels, batch=RECIPE.batch, size=RECIPE.size, epochs=RECIPE.epochs)


def test_the_workers_shares_hold_unequal_numbers_of_valid_pixels(data):
    valid = [np.sum(labels != siftflow.VOID, axis=(1, 2)).reshape(2, -1).sum(axis=1) for _, labels in stream(data)]
    assert len(valid) == RECIPE.epochs * STEPS and sum(max(pair) > 1.4 * min(pair) for pair in valid) >= 5


def test_two_workers_end_like_one_process_that_fits(two, data, with_sgd):
    (_, labels), validation_set = loaded(data)
    keras.utils.set_random_seed(RECIPE.seed)
    model = RECIPE.network(siftflow.N_CLASSES)
    counts = np.bincount(labels.ravel(), minlength=siftflow.N_CLASSES)[: siftflow.N_CLASSES]
    model.compile(
        sgd(RECIPE, RECIPE.epochs * STEPS),
        RECIPE.loss(counts),
        metrics=[metrics.Scores(siftflow.N_CLASSES)],
        jit_compile=False,
    )
    before = model.get_weights()
    validation = pipeline.evaluation_batches(*validation_set, batch=RECIPE.batch, size=RECIPE.size)
    history = model.fit(
        stream(data), validation_data=validation, epochs=RECIPE.epochs, steps_per_epoch=STEPS,
        shuffle=False, verbose=0,
    )  # fmt: skip
    assert_same(two[0], (history.history, model.get_weights()))
    assert all(np.abs(a - b).max() > 1e-4 for a, b in zip(before, two[0][1], strict=True))


def test_without_tf_config_a_worker_is_alone_and_ends_the_same(two, data, with_sgd, tmp_path):
    workers.main(command(data, tmp_path))
    assert_same(two[0], result(tmp_path))
    record = json.loads((tmp_path / "run.json").read_text())
    assert record["workers"] == 1 and record["recipe"]["filters"] == RECIPE.filters
    assert set(record["test"]) == set(record["validation"]) and np.sum(record["confusion"]) > 0


def test_worker_0_alone_says_how_each_epoch_was(two):
    curves, (first, second) = two[0][0], two[1]
    lines = [line for line in first.splitlines() if line.startswith("Epoch")]
    assert [line.split(":")[0] for line in lines] == [f"Epoch {e} of 3" for e in (1, 2, 3)] and "Epoch" not in second
    assert f"val_mean_iou {curves['val_mean_iou'][-1]:.4f}" in lines[-1]


# ---- one is lost ----------------------------------------------------------------------------------------------------


def test_when_a_worker_is_killed_the_other_says_so_and_together_they_go_on_to_the_same_end(two, data, tmp_path):
    again = "start every worker again with the same command to go on.\n"
    saved = f"saved by worker 0 in {tmp_path / 'run.keras'}"
    places, (survivor, killed) = run_two(data, tmp_path, (None, STEPS + 1))
    assert killed[0] == -9 and survivor[0] == 1
    assert survivor[2] == f"Lost worker 1 ({places[1]}) after 1 of 3 epochs, {saved}: {again}"
    places, (killed, survivor) = run_two(data, tmp_path, (STEPS + 1, None))  # of what is left: in the third epoch
    assert killed[0] == -9 and survivor[0] == 1
    assert survivor[2] == f"Lost worker 0 ({places[0]}) after 2 of 3 epochs, {saved}: {again}"
    assert not (tmp_path / "run.json").exists()
    _, ends = run_two(data, tmp_path)
    assert [(code, err) for code, _, err in ends] == [(0, ""), (0, "")]
    assert_same(two[0], result(tmp_path))


@pytest.mark.parametrize(
    ("told", "who"),
    [
        (
            "Error reported from /job:worker/task:1: stopped sending heartbeats: /job:worker/replica:0/task:1",
            "worker 1 (b:1)",
        ),
        (
            "remote target /job:worker/replica:0/task:2 while in /job:worker/replica:0/task:0/device:CPU:0",
            "worker 2 (c:1)",
        ),
        ("unhealthy: /job:worker/replica:0/task:1 /job:worker/replica:0/task:2", "worker 1 (b:1) and worker 2 (c:1)"),
        ("Deadline Exceeded RPC: /tensorflow.CoordinationService/Heartbeat", "worker 0 (a:1)"),
    ],
)
def test_who_is_lost_is_read_from_what_tensorflow_says(told, who):
    error = workers.tf.errors.UnavailableError(None, None, told)
    names = {"worker 0": "a:1", "worker 1": "b:1", "worker 2": "c:1"}
    assert workers.lost(error, names, "worker 0" if "worker 0" not in who else "worker 1") == who


def test_a_worker_with_other_settings_is_refused(data, with_sgd, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(workers, "from_chief", lambda strategy, values: [value + 1 for value in values])
    assert refused(command(data, tmp_path), capsys) == (
        1, "Settings or data here are not those of the first worker: give every worker the same."
    )  # fmt: skip


def test_nan_ends_it_in_words(data, tmp_path, monkeypatch, capsys):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    code, said = refused([*command(data, tmp_path), "--learning-rate", "1e30"], capsys)
    assert code == 1 and "NaN in epoch 1" in said and "learning rate" in said and not list(tmp_path.iterdir())


def test_a_port_in_use_is_named(data, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        process = subprocess.run(
            [sys.executable, "tools/workers.py", *command(data, tmp_path)],
            cwd=ROOT, env=environment() | {"TF_CONFIG": tf_config([address, "127.0.0.1:1"])},
            capture_output=True, text=True, timeout=200,
        )  # fmt: skip
    err = process.stderr
    assert process.returncode == 1 and err.count("\n") == 1
    assert err.startswith(f"Worker 0 cannot start at {address} (") and err.endswith("is the port in use?\n")


# ---- TF_CONFIG ------------------------------------------------------------------------------------------------------


def refused(arguments, capsys):
    """The exit code, and the one line that tells why."""
    with pytest.raises(SystemExit) as stopped:
        workers.main(arguments)
    (line,) = capsys.readouterr().err.splitlines()
    return stopped.value.code, line


TASK = {"type": "worker", "index": 0}


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ("{'cluster': 1}", "is not JSON ("),
        ('"worker"', 'has no "cluster" with a list of "worker"'),
        ({"task": TASK}, 'has no "cluster" with a list of "worker"'),
        ({"cluster": {"worker": []}, "task": TASK}, 'has no "cluster" with a list of "worker"'),
        ({"cluster": {"worker": "a:1"}, "task": TASK}, "has workers that are not a list"),
        ({"cluster": {"worker": ["a:1", "b"]}, "task": TASK}, 'lists "b": each worker needs a host:port of its own'),
        ({"cluster": {"worker": ["a:1", "a:1"]}, "task": TASK}, 'lists "a:1", "a:1": each worker needs a host:port'),
        ({"cluster": {"worker": ["a:1", 2]}, "task": TASK}, "lists 2: each worker needs a host:port of its own"),
        ({"cluster": {"worker": ["a:1"]}}, 'has no "task" of the "type" "worker"'),
        ({"cluster": {"worker": ["a:1"]}, "task": {"type": "ps", "index": 0}}, 'has no "task" of the "type" "worker"'),
        (tf_config(["a:1", "b:1"], 2), "says that this is worker 2, and lists worker 0, worker 1"),
        (tf_config(["a:1", "b:1"], -1), "says that this is worker -1, and lists worker 0, worker 1"),
        (tf_config(["a:1", "b:1"], "1"), 'says that this is worker "1", and lists worker 0, worker 1'),
        (tf_config(["a:1", "b:1"], None), "says that this is worker null, and lists worker 0, worker 1"),
    ],
)
def test_a_wrong_tf_config_is_refused_with_a_right_one(config, said, monkeypatch, capsys):
    monkeypatch.setenv("TF_CONFIG", config if isinstance(config, str) else json.dumps(config))
    code, line = refused(["--out", "run.json"], capsys)
    right = '{"cluster": {"worker": ["ant:2345", "bee:2345"]}, "task": {"type": "worker", "index": 0}}'
    assert code == 2 and line.startswith(f"TF_CONFIG {said}") and line.endswith(f"it reads {right}.")
    assert right in workers.__doc__ and workers.workers(right)[1] == "worker 0"


def test_the_chief_is_the_first_worker():
    config = {"cluster": {"worker": ["a:1"], "chief": ["b:1"]}, "task": TASK}
    assert workers.workers(json.dumps(config)) == ({"chief 0": "b:1", "worker 0": "a:1"}, "worker 0")


def test_a_batch_that_cannot_be_shared_out_is_refused(monkeypatch, capsys):
    monkeypatch.setenv("TF_CONFIG", tf_config(["a:1", "b:1", "c:1"]))
    code, line = refused(["--out", "run.json", "--batch", "16"], capsys)
    n = 3 * max(1, len(workers.tf.config.list_physical_devices("GPU")))
    assert (code, line) == (2, f"A batch of 16 cannot be shared out evenly among {n}: take a multiple of {n}.")
