#!/usr/bin/env bash
# Keras 3.13.2 and 3.15.1 on TensorFlow 2.20.0, seen in November 2026.
#
# `Model.train_on_batch` returns "the training loss", and a loop that appends it to a list and plots it is a usual way to look at a few steps.
# Under Keras 3.15.1 each number is the loss of its own batch. Under 3.13.2, which Colab had in August 2026, the same lines give the mean
# over all calls so far, and so a curve that lags far behind: the loss tracker is not reset between calls. Neither version warns.
#
# Seen, for ten steps of gradient descent on one batch: 3.13.2 ends at 0.806, where the batch's loss is 0.105; 3.15.1 ends at 0.105; with
# `model.reset_metrics()` after each step both end at 0.105.
#
# For readers of this series: notebook 05 and `helpers.viz.race`, which draw such curves, reset the metrics after each step.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
pip() { "$folder/env/bin/pip" install --quiet --disable-pip-version-check "$@"; }
cat >"$folder/steps.py" <<'PY'
import keras
import numpy as np

x = np.random.RandomState(0).normal(size=(8, 2))
y = x.sum(axis=1, keepdims=True)


def last_loss(reset):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(0.1), "mse")
    for _ in range(10):
        loss = model.train_on_batch(x, y)
        if reset:
            model.reset_metrics()
    return float(loss)


print(f"Keras {keras.__version__}: {last_loss(False):.3f}, with reset_metrics {last_loss(True):.3f}")
PY
pip tensorflow==2.20.0 keras==3.13.2 2>/dev/null
first=$(TF_CPP_MIN_LOG_LEVEL=3 "$folder/env/bin/python" "$folder/steps.py" 2>/dev/null)
pip keras==3.15.1 2>/dev/null
second=$(TF_CPP_MIN_LOG_LEVEL=3 "$folder/env/bin/python" "$folder/steps.py" 2>/dev/null)
seen="$first
$second"
expected='Keras 3.13.2: 0.806, with reset_metrics 0.105
Keras 3.15.1: 0.105, with reset_metrics 0.105'
printf '%s\n' "$seen"
[ "$seen" = "$expected" ] || { echo 'This has changed: the finding is out of date.' >&2; exit 1; }
