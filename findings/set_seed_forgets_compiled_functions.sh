#!/usr/bin/env bash
# TensorFlow 2.21.0, Keras 3.15.1, seen in November 2026.
#
# A compiled function costs its time once: the first call traces and optimises it, later calls only compute. After `tf.random.set_seed`,
# or `keras.utils.set_random_seed`, which calls it, the next call of every `tf.function` in the process is slow again. Nothing is traced
# anew, so no warning tells of it: TensorFlow clears the kernels that it keeps, and makes those of the whole graph again. This holds for
# functions without a single random number, and if the same seed is set again. One would expect that a seed concerns random numbers alone.
#
# Seen, on 2 CPU cores, for a function of 3,000 small operations: 1 trace in all; a usual call 3 ms; the first call after
# `tf.random.set_seed(0)` 953 ms, after `keras.utils.set_random_seed(0)` 960 ms; the call after that 5 ms. The script asks whether a call is
# more than ten times as slow.
#
# For readers of this series: `helpers.lessons.experiments.train`, which trains a network for several seeds, sets all seeds before it
# trains the first; the numbers are the same.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check tensorflow==2.21.0 keras==3.15.1
cat >"$folder/calls.py" <<'PY'
import statistics
import sys
import time

import keras
import tensorflow as tf

traces = []
variables = [tf.Variable(tf.ones(4) * i) for i in range(1000)]


@tf.function
def without_random_numbers():
    traces.append(1)
    return tf.add_n([tf.tanh(variable * 0.5) for variable in variables])


def seconds():
    start = time.perf_counter()
    without_random_numbers().numpy()
    return time.perf_counter() - start


seconds(), seconds()
usual = statistics.median(seconds() for _ in range(20))
print(f"a usual call {1e3 * usual:.0f} ms", file=sys.stderr)
for set_seed in (tf.random.set_seed, keras.utils.set_random_seed):
    set_seed(0)
    first, second = seconds(), seconds()
    print(f"after {set_seed.__name__}: {1e3 * first:.0f} ms, then {1e3 * second:.0f} ms", file=sys.stderr)
    print(f"{set_seed.__name__}: ten times as slow {first > 10 * usual}, and again the call after it {second > 10 * usual}")
print("traces:", len(traces))
PY
seen=$(TF_CPP_MIN_LOG_LEVEL=3 "$folder/env/bin/python" "$folder/calls.py" 2>"$folder/times")
grep -E ' ms' "$folder/times"
expected='set_seed: ten times as slow True, and again the call after it False
set_random_seed: ten times as slow True, and again the call after it False
traces: 1'
printf '%s\n' "$seen"
[ "$seen" = "$expected" ] || { echo 'This has changed: the finding is out of date.' >&2; exit 1; }
