#!/usr/bin/env bash
# TensorFlow 2.21.0, Keras 3.15.1, seen in November 2026.
#
# A tf.data pipeline that flips at random, `dataset.map(tf.image.random_flip_left_right)`, draws anew in each pass, as augmentation
# should. After `tf.random.set_seed(0)`, or `keras.utils.set_random_seed(0)`, which calls it, every pass draws the same numbers: the
# seed belongs to the operation, and each pass begins with a new copy of it. So the line that makes a run repeatable also turns random
# augmentation into a fixed one: every epoch shows each image in the same way. One would expect the first epoch to be the same in each
# run, and the second to differ from the first, as `shuffle(seed=...)` does it.
#
# Seen: without a seed 4 of 4 passes differ; after either call 1 pattern in 4 passes; `shuffle` with the same seed: 4 patterns.
#
# For readers of this series: `helpers.pipeline` draws from its own seed, epoch by epoch (see `helpers/pipeline.py`), and `preflight`
# notes a pipeline whose passes are equal.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check tensorflow==2.21.0 keras==3.15.1
cat >"$folder/passes.py" <<'PY'
import keras
import numpy as np
import tensorflow as tf

images = np.tile([[[0.0], [1.0]]], (32, 1, 1, 1))  # 32 images of two pixels, black and white: the first tells whether it was flipped


def patterns(dataset, passes=4):
    """How many different sequences the passes give."""
    return len({tuple(float(x[0, 0, 0]) for x in dataset.as_numpy_iterator()) for _ in range(passes)})


def flipped():
    return tf.data.Dataset.from_tensor_slices(images).map(tf.image.random_flip_left_right)


print("no seed:", patterns(flipped()))
tf.random.set_seed(0)
print("tf.random.set_seed(0):", patterns(flipped()))
keras.utils.set_random_seed(0)
print("keras.utils.set_random_seed(0):", patterns(flipped()))
numbers = tf.data.Dataset.from_tensor_slices(np.arange(32.0).reshape(32, 1, 1, 1))
print("shuffle with a seed:", patterns(numbers.shuffle(32, seed=0)))
PY
seen=$(TF_CPP_MIN_LOG_LEVEL=3 "$folder/env/bin/python" "$folder/passes.py" 2>/dev/null)
expected='no seed: 4
tf.random.set_seed(0): 1
keras.utils.set_random_seed(0): 1
shuffle with a seed: 4'
printf '%s\n' "$seen"
[ "$seen" = "$expected" ] || { echo 'This has changed: the finding is out of date.' >&2; exit 1; }
