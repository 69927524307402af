#!/usr/bin/env bash
# TensorFlow 2.21.0, Keras 3.15.1, seen in November 2026.
#
# `model.fit` and `model.train_on_batch` should trace the training step once. With Adam, or another optimizer that keeps a state, they trace
# it twice: Keras leaves the state to be made within the first step, and TensorFlow traces a function that made variables a second time, to
# have one that makes none. No message tells of it. `model.optimizer.build(model.trainable_variables)` after `compile` avoids it: the step is
# then traced once, and the losses are the same. A metric given by its name, such as "accuracy", is made within the first step as well, and
# brings the second trace back; SGD without momentum keeps no state.
#
# Seen: Adam, 2 traces, and 1 if it was built; with "accuracy" 2 and 2; SGD 1. On 2 CPU cores the first call of `fit` on a network of 21
# convolutions took 3.4 s as Keras leaves it, and 1.9 s with the optimizer built; the script prints both.
#
# For readers of this series: `helpers.training.fit`, the race of notebook 02 and the experiments of 03 to 05 build the optimizer first, so
# that training begins sooner.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check tensorflow==2.21.0 keras==3.15.1
cat >"$folder/traces.py" <<'PY'
import sys
import time

import keras
import numpy as np
from keras import layers

x, y = np.ones((8, 16, 16, 3), "float32"), np.zeros((8, 16, 16), "int32")
cross_entropy = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def first_fit(optimizer, built, *metrics):
    """How often the step is traced, the losses of two epochs, and the seconds until the first one is over."""
    traces = []

    def loss(labels, logits):
        traces.append(1)
        return cross_entropy(labels, logits)

    keras.utils.set_random_seed(0)
    convolutions = [layers.Conv2D(8, 3, padding="same", activation="relu") for _ in range(20)]
    model = keras.Sequential([keras.Input((16, 16, 3)), *convolutions, layers.Conv2D(2, 1)])
    model.compile(optimizer, loss, metrics=list(metrics))
    if built:
        model.optimizer.build(model.trainable_variables)
    start = time.perf_counter()
    losses = model.fit(x, y, batch_size=4, shuffle=False, verbose=0).history["loss"]
    took = time.perf_counter() - start
    losses += model.fit(x, y, batch_size=4, shuffle=False, verbose=0).history["loss"]
    return len(traces), losses, took


first_fit("sgd", False)  # what is made once in a process
ends = {}
for name, *arguments in (
    ("adam", "adam", False), ("adam, built", "adam", True), ("adam and accuracy", "adam", False, "accuracy"),
    ("adam, built, and accuracy", "adam", True, "accuracy"), ("sgd", "sgd", False),
):
    traces, ends[name], took = first_fit(*arguments)
    print(f"{name}: traces {traces}")
    print(f"{name}: {took:.1f} s", file=sys.stderr)
print("the same losses:", np.allclose(ends["adam"], ends["adam, built"], rtol=1e-6))
PY
seen=$(TF_CPP_MIN_LOG_LEVEL=3 "$folder/env/bin/python" "$folder/traces.py" 2>"$folder/times")
grep -E ' s$' "$folder/times"
expected='adam: traces 2
adam, built: traces 1
adam and accuracy: traces 2
adam, built, and accuracy: traces 2
sgd: traces 1
the same losses: True'
printf '%s\n' "$seen"
[ "$seen" = "$expected" ] || { echo 'This has changed: the finding is out of date.' >&2; exit 1; }
