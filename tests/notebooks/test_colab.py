"""Colab: the one-file notebooks with its packages and nothing of ours, and the set-up cell."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

import badges
import exercises
import handouts
import notebooks

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
NAMES = [path.stem for path in sorted((ROOT / "notebooks").glob("0*.ipynb"))]


def committed(name):
    return nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", as_version=4)


def clean_environment():
    """This process's environment without what could lend a notebook a hand."""
    hidden = ("SERIES_", "SIFTFLOW_DIR", "PYTHONPATH", "VIRTUAL_ENV")
    return {name: value for name, value in os.environ.items() if not name.startswith(hidden)} | {"SERIES_PACE": "fast"}


def run(python, folder, build, *options):
    """Run the notebooks of a folder in another Python, as `make run` does; what was printed."""
    command = [python, ROOT / "tools" / "notebooks.py", "run", "--notebooks", folder, "--build", build, *options]
    process = subprocess.run(
        command, cwd=folder, env=clean_environment(), stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    assert process.returncode == 0, process.stdout + process.stderr


def shown(nb):
    """Of each code cell, by its id, what kinds of pictures and controls it shows, and its warnings."""
    notebooks.still(nb)
    return {
        cell.id: sorted(
            [kind for output in cell.outputs for kind in output.get("data", {}) if kind in ("image/png", "text/html")]
            + [output.text for output in cell.outputs if output.get("name") == "stderr"]
        )
        for cell in nb.cells
        if cell.cell_type == "code"
    }


# ---- its packages


def test_the_packages_are_colabs(colab_python):
    pinned = re.findall(r"^([\w-]+)==(\S+)", (ROOT / "tools" / "colab.txt").read_text(), re.M)
    assert {"tensorflow", "keras", "numpy", "ipywidgets", "ipython"} <= {name for name, _ in pinned}
    code = "import importlib.metadata as m, sys; print(*map(m.version, sys.argv[1:]))"
    found = subprocess.run([colab_python, "-c", code, *(n for n, _ in pinned)], capture_output=True, text=True)
    assert found.stdout.split() == [version for _, version in pinned], found.stderr
    code = "import importlib.util as u; print(u.find_spec('helpers'))"
    process = subprocess.run(
        [colab_python, "-c", code], cwd="/", env=clean_environment(), capture_output=True, text=True
    )
    assert process.stdout.strip() == "None", "helpers must not be installed there"


@pytest.mark.parametrize("name", NAMES)
def test_a_one_file_notebook_runs_where_nothing_of_ours_is(colab_python, name, tmp_path):
    """From an empty folder, with the same pictures in the same cells as the committed notebook, and no warning."""
    empty = tmp_path / "downloads"
    empty.mkdir()
    nbformat.write(handouts.standalone(committed(name)), empty / f"{name}.ipynb")
    run(colab_python, empty, tmp_path / "build")
    nb = nbformat.read(tmp_path / "build" / "notebooks" / f"{name}.ipynb", as_version=4)
    found = {cell_id: kinds for cell_id, kinds in shown(nb).items() if not cell_id.startswith("carried")}
    assert found == shown(committed(name))
    assert {path.name.split("-")[0] for path in empty.iterdir()} == {f"{name}.ipynb", "series"}


WRONG = {
    "01_per_pixel_softmax": "import numpy as np\ndef my_softmax(logits):\n    return logits.no_such()\nmy_axis = 'two'",
    "02_reshape_vs_permute": "my_row = [1, 2]\ndef my_head(scores):\n    return scores.reshape(7, 7)",
}


# Nothing behind these cells takes anything from them, and they ran in the test above.
SLOW = ("animation", "race")


def test_lab_1_in_the_student_folder_with_wrong_answers(colab_python, tmp_path):
    """A student who has only the handout folder, and answers wrongly, comes to the end all the same."""
    folder = tmp_path / "home" / "handout"
    folder.mkdir(parents=True)
    handouts.accompany(folder)
    for name, answer in WRONG.items():
        nb = handouts.student(committed(name))
        nb.cells = [cell for cell in nb.cells if cell.id not in SLOW]
        exercises.cell(nb, "exercise").source = f"{answer}\n\n{exercises.stub_and_checks(nb)[1]}"
        nbformat.write(nb, folder / f"{name}.ipynb")
    run(colab_python, folder, tmp_path / "build")
    for name in WRONG:
        nb = nbformat.read(tmp_path / "build" / "notebooks" / f"{name}.ipynb", as_version=4)
        said = "".join(output.text for output in exercises.cell(nb, "exercise").outputs)
        assert len(said.splitlines()) == 2 and all(line.startswith("Not yet") for line in said.splitlines()), said


# ---- the set-up cell


def set_up(name=NAMES[0]):
    return exercises.cell(committed(name), "setup").source


def test_one_set_up_cell_of_six_lines():
    assert {set_up(name) for name in NAMES} == {set_up()}
    assert len(set_up().splitlines()) <= 6


@pytest.fixture
def on_colab(tmp_path):
    """Run a set-up cell as Colab would, in a folder of its own: a function of the cell's code and the repository."""

    def start(repository, times=1, folder=tmp_path / "content"):
        folder.mkdir(exist_ok=True)
        code = badges.stamped(set_up(), "").replace('REPOSITORY = ""', f'REPOSITORY = "{repository}"')
        code = code.replace("/content", str(folder))
        program = (
            "import sys, types; sys.modules['google.colab'] = types.ModuleType('google.colab')\n"
            "import importlib; sys.path = [p for p in sys.path if p]\n"
            + f"exec({code!r})\n" * times
            + "print(PACE, helpers.__file__)"
        )
        # -S and the packages' folder by hand: without the link that an editable installation of this project is.
        packages = Path(nbformat.__file__).parent.parent
        return subprocess.run(
            [sys.executable, "-S", "-c", f"import sys; sys.path.append({str(packages)!r})\n{program}"],
            cwd=folder, env=clean_environment(), capture_output=True, text=True,
        )  # fmt: skip

    return start


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    """A git repository with the helpers of this checkout."""
    folder = tmp_path_factory.mktemp("repository")
    shutil.copytree(ROOT / "helpers", folder / "helpers", ignore=shutil.ignore_patterns("__pycache__"))
    git = ["git", "-C", str(folder), "-c", "user.name=x", "-c", "user.email=x@example.org"]
    for arguments in (["init", "-q"], ["add", "."], ["commit", "-qm", "helpers"]):
        subprocess.run([*git, *arguments], check=True)
    return folder.as_uri()


def test_colab_gets_helpers_from_the_repository(on_colab, repository, tmp_path):
    process = on_colab(repository, times=2)
    assert process.returncode == 0, process.stderr
    assert process.stdout.splitlines()[-1] == f"fast {tmp_path}/content/series/helpers/__init__.py"
    assert "already exists" not in process.stderr
    assert "No GPU" in process.stdout and "Google Drive is not connected" in process.stdout


def test_colab_without_helpers_says_where_to_look(on_colab):
    process = on_colab("")
    assert "No module named 'helpers'" in process.stderr
    last = set_up().splitlines()[-1]
    assert "import helpers" in last and "Troubleshooting" in last, "Jupyter shows this line above the error"
    assert "No module named 'helpers'" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_colab_with_a_repository_that_is_not_there_shows_gits_reason(on_colab, tmp_path):
    process = on_colab((tmp_path / "nowhere").as_uri())
    assert "No module named 'helpers'" in process.stderr and "fatal:" in process.stderr


def test_elsewhere_the_set_up_cell_does_nothing(tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(os, "system", lambda command: pytest.fail(f"ran {command}"))
    monkeypatch.setenv("SERIES_PACE", "fast")
    variables = {}
    exec(badges.stamped(set_up(), "someone/per-pixel@main"), variables)
    assert variables["PACE"] == "fast" and capfd.readouterr().out == ""


@pytest.mark.parametrize("packages", ["today's", "Colab's"])
def test_a_figure_of_the_readers_own_is_shown_once(packages, request, tmp_path):
    """The set-up changes who shows the figures that a cell leaves open (see helpers): they still appear, once."""
    python = request.getfixturevalue("colab_python") if packages == "Colab's" else sys.executable
    shutil.copytree(ROOT / "helpers", tmp_path / "helpers", ignore=shutil.ignore_patterns("__pycache__"))
    cells = [set_up(), set_up(), "import matplotlib.pyplot as plt\nplt.plot([1, 2]);", "len(plt.get_fignums())"]
    nb = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in cells])
    nbformat.write(nb, tmp_path / "00_own.ipynb")
    run(python, tmp_path, tmp_path / "build")
    nb = nbformat.read(tmp_path / "build" / "notebooks" / "00_own.ipynb", as_version=4)
    assert [list(map(dict, cell.outputs)) for cell in nb.cells[:2]] == [[], []]
    assert [("image/png" in output.get("data", {})) for output in nb.cells[2].outputs] == [True]
    assert nb.cells[3].outputs[0].data["text/plain"] == "0"
