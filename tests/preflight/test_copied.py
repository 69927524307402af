"""helpers.preflight is a folder that can be copied into any project, under any name."""

import ast
import shutil
import subprocess
import sys
from pathlib import Path

from helpers import preflight

FOLDER = Path(preflight.__file__).parent

SCRIPT = """
import sys
import keras, numpy as np
from tools_of_mine.preflight import Problem, preflight

def model(from_logits):
    keras.utils.set_random_seed(0)
    layers = [keras.layers.Rescaling(1 / 127.5, offset=-1), keras.layers.Conv2D(8, 3, padding="same"),
              keras.layers.BatchNormalization(momentum=0.9), keras.layers.ReLU(), keras.layers.Conv2D(2, 1)]
    network = keras.Sequential([keras.Input((16, 16, 3)), *layers])
    network.compile(keras.optimizers.Adam(1e-3), keras.losses.SparseCategoricalCrossentropy(from_logits=from_logits))
    return network

labels = np.zeros((4, 16, 16), "uint8")
labels[:, 9:, 2:] = 1
images = (60 + 120 * labels[..., None] + np.random.RandomState(0).randint(0, 40, (4, 16, 16, 3))).astype("uint8")
problem, = preflight(model(False), (images, labels), seconds=0)
assert isinstance(problem, Problem) and problem.check == "loss" and "from_logits=True" in problem.cure, problem
assert preflight(model(True), (images, labels)) == []
assert not [name for name in sys.modules if name.split(".")[0] == "helpers"]
print("as it should be")
"""


def test_a_copy_of_the_folder_works_alone(tmp_path):
    shutil.copytree(FOLDER, tmp_path / "tools_of_mine" / "preflight", ignore=shutil.ignore_patterns("__pycache__"))
    done = subprocess.run([sys.executable, "-c", SCRIPT], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.endswith("as it should be\n"), done.stdout + done.stderr


def test_it_imports_nothing_else_of_ours_and_its_own_files_as_neighbours():
    allowed = {"keras", "numpy", "tensorflow", "jax", "torch"} | set(sys.stdlib_module_names)
    for path in FOLDER.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                assert {alias.name.split(".")[0] for alias in node.names} <= allowed, path.name
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 1 or (node.level == 0 and node.module.split(".")[0] in allowed), path.name


def test_both_ways_to_import_it():
    from helpers.preflight import Problem
    from helpers.preflight import preflight as function

    assert preflight.preflight is function and preflight.Problem is Problem and callable(function)
