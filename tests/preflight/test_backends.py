"""preflight on TensorFlow, JAX and, where it is installed, PyTorch: the same findings, and nothing changed."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOUND = {
    "sound": [],
    "softmax twice": ["loss"],
    "no slope": ["gradient"],
    "class 0 ignored": ["loss"],
    "flipped apart": ["alignment"],
    "scrambled": ["axes"],
    "small steps": ["optimizer"],
    "large steps": ["optimizer"],
}
# What goes through every function of preflight/backend.py. The other half, which JAX compiles for half a minute, is for
# the command in CONTRIBUTING.md.
ELSEWHERE = ("sound", "no slope", "class 0 ignored", "small steps")

pytestmark = pytest.mark.slow


def examined(backend, *names):
    """What `support.backends` prints on this backend, of some cases or of all."""
    env = {**os.environ, "KERAS_BACKEND": backend, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}"}
    command = [sys.executable, "-m", "support.backends", *names]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def on_tensorflow():
    return examined("tensorflow")


def test_what_is_found(on_tensorflow):
    assert {name: [check for check, *_ in on_tensorflow[name]["found"]] for name in FOUND} == FOUND


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_other_backends_find_the_same_and_change_nothing(backend, on_tensorflow):
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"needs {backend}: see CONTRIBUTING.md")
    told = examined(backend, *ELSEWHERE)
    assert told.keys() == {*ELSEWHERE, "slope"}
    for name, case in told.items():
        assert case["found"] == on_tensorflow[name]["found"], name
    assert all(case["unchanged"] for case in [*told.values(), *on_tensorflow.values()])
