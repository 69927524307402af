"""The project's own files agree with each other."""

import re
import subprocess
import sys
from importlib.metadata import metadata, requires
from pathlib import Path

import bootstrap

ROOT = Path(__file__).resolve().parent.parent


def lines(name):
    """A file's lines without comments and blanks."""
    text = re.sub(r"(^|\s)#.*", "", (ROOT / name).read_text(encoding="utf-8"))
    return [line.strip() for line in text.splitlines() if line.strip()]


def test_conda_lists_the_same_packages():
    conda = [line.removeprefix("- ") for line in lines("environment.yml") if line.startswith("- ")]
    own = {"conda-forge", "pip", "pip:", "-e ."}
    packages = [line for line in conda if line not in own and not line.startswith("python>=")]
    assert sorted(packages) == sorted(lines("requirements.txt"))
    assert "-e ." in conda, "conda users need `helpers` importable too"


def test_the_installed_project_asks_for_the_requirements():
    def normal(requirement):
        name, ranges = re.fullmatch(r"([\w.-]+)(.*)", requirement.replace(" ", "")).groups()
        return name.lower(), frozenset(ranges.split(","))

    learner = [requirement for requirement in requires("per-pixel-notebooks") if "extra ==" not in requirement]
    assert set(map(normal, learner)) == set(map(normal, lines("requirements.txt")))


def test_one_range_of_pythons():
    oldest, newest = bootstrap.SUPPORTED[-1], bootstrap.SUPPORTED[0]
    bound = f">={oldest},<3.{int(newest.split('.')[1]) + 1}"
    asked = metadata("per-pixel-notebooks")["Requires-Python"].replace(" ", "")
    assert set(asked.split(",")) == set(bound.split(","))
    assert f"- python{bound}" in lines("environment.yml")


def test_every_make_command_of_the_readme_exists():
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M))
    commands = re.findall(r"(?:^|`)make ([a-z-]+)(?= *(?:$|#|`|ARGS))", (ROOT / "README.md").read_text("utf-8"), re.M)
    assert {"run", "test"} <= set(commands) <= targets


def test_helpers_import_from_any_folder(tmp_path):
    process = subprocess.run(
        [sys.executable, "-c", "import helpers.siftflow; print(helpers.siftflow.__file__)"],
        cwd=tmp_path, capture_output=True, text=True,
    )  # fmt: skip
    assert process.returncode == 0, process.stderr
    assert Path(process.stdout.strip()) == ROOT / "helpers" / "siftflow.py"
