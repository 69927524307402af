#!/usr/bin/env bash
# Keras 3.15.1, scikit-learn 1.7.2, Matplotlib 3.10.7, seen in November 2026.
#
# `import keras` takes in scikit-learn, with much of SciPy, and Matplotlib's pyplot, wherever they are installed, though the user asked
# for neither: the wrappers for scikit-learn and the picture galleries try to import them at once. One would expect an optional package
# to be imported by what needs it, when it is used. So installing scikit-learn for one test makes every later start of Keras slower.
#
# Seen, with JAX as the backend, which is smaller than TensorFlow: without the two packages neither is imported; with them both are.
#
# For readers of this series: nothing changes. For its tests, which start Keras in many processes, scikit-learn is not among
# the packages of development any more; the one test that needed it asks SciPy for nearest neighbours.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
pip() { "$folder/env/bin/pip" install --quiet --disable-pip-version-check "$@"; }
taken_in() {
  KERAS_BACKEND=jax KERAS_HOME=$folder "$folder/env/bin/python" -c \
    'import keras, sys; print(*[name in sys.modules for name in ("sklearn", "matplotlib.pyplot")])'
}
pip keras==3.15.1 jax==0.10.2
seen="bare: $(taken_in)"
pip scikit-learn==1.7.2 matplotlib==3.10.7
seen="$seen
installed: $(taken_in)"
expected='bare: False False
installed: True True'
printf '%s\n' "$seen"
[ "$seen" = "$expected" ] || { echo 'This has changed: the finding is out of date.' >&2; exit 1; }
