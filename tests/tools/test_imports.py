"""tools/imports.py: what a notebook carries, and what makes it stale, is what it imports, however deep that lies."""

import copy
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from setuptools import find_packages

import handouts
import imports
import notebooks

ROOT = Path(__file__).resolve().parents[2]
PATHS = sorted((ROOT / "notebooks").glob("0*.ipynb"))


def notebook(*sources):
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])


def found(*sources, root=ROOT):
    return {path.as_posix() for path in imports.files(notebook(*sources), root)}


@pytest.fixture
def house(tmp_path):
    """A small helpers/ of its own."""
    code = {
        "__init__": "",
        "a": "from helpers import b",
        "b": "def late():\n    from helpers.room import deep",
        "c": "",
        "room/__init__": "from . import other",
        "room/deep": "from ..c import x",
        "room/other": "",
        "room/alone": "",
    }
    for name, source in code.items():
        path = tmp_path / "helpers" / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source)
    return tmp_path


@pytest.mark.parametrize("line", ["import helpers.a", "from helpers import a", "from helpers.a import b as x"])
def test_imports_are_followed_into_rooms_and_functions(house, line):
    everything = ("__init__", "a", "b", "c", "room/__init__", "room/deep", "room/other")
    assert found("x = 1", line, root=house) == {f"helpers/{name}.py" for name in everything}


def test_nothing_else_is_taken(house):
    assert found("from helpers import c", root=house) == {"helpers/__init__.py", "helpers/c.py"}
    assert found("import numpy, helpersx", root=house) == set()


def test_what_a_notebook_imports_is_what_python_loads():
    """All that Python really loads when a notebook's import cell is run is among its files, and each of them exists."""
    notebooks_ = {path.stem: nbformat.read(path, as_version=4) for path in PATHS}
    lines = {
        name: next(c.source for c in nb.cells if c.id == "imports").splitlines() for name, nb in notebooks_.items()
    }
    ours = {name: "\n".join(line for line in some if "helpers" in line) for name, some in lines.items()}
    code = f"""
import sys
for name, lines in {ours}.items():
    for module in [module for module in sys.modules if module.partition(".")[0] == "helpers"]:
        del sys.modules[module]
    exec(lines)
    print(name, *[m.__file__ for n, m in sys.modules.items() if n.partition(".")[0] == "helpers"], sep="|")
"""
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    for name, *loaded in (line.split("|") for line in ran.stdout.splitlines()):
        files = imports.files(notebooks_[name])
        assert loaded and {Path(file).relative_to(ROOT) for file in loaded} <= set(files)
        assert all((ROOT / file).is_file() for file in files)


def test_the_first_notebook_carries_no_network_and_no_downloader():
    names = {path.as_posix() for path in handouts.needed(nbformat.read(PATHS[0], as_version=4))}
    assert {"helpers/viz/tensors.py", "helpers/lessons/check.py"} <= names
    assert not [name for name in names if "fetch" in name or "unet" in name or "preflight" in name]


def test_only_what_a_notebook_imports_makes_it_stale(tmp_path):
    files = {path.stem[:2]: imports.files(nbformat.read(path, as_version=4)) for path in PATHS}
    preflight = Path("helpers/preflight/__init__.py")
    assert [number for number, paths in files.items() if preflight in paths] == ["05", "09"]


# ---- what counts as a change


@pytest.mark.parametrize(
    ("change", "counts"),
    [
        (lambda code: code.replace("return x", "return x + 1"), True),
        (lambda code: code.replace("'text'", "'# no comment'"), True),
        (lambda code: code.replace("return x", "if x:\n        return x"), True),
        (lambda code: code + "# a remark\n", False),
        (lambda code: code.replace("Says it.", "Says it well."), False),
        (lambda code: code.replace("return x", "return x  # as it is"), False),
        (lambda code: code.replace("# a list", "# the list"), False),
        (lambda code: code.replace("one\n\ntwo", "one\ntwo"), True),
        (lambda code: code.replace("def g(): ", "def h(): "), True),
    ],
)
def test_what_counts_as_a_change(tmp_path, change, counts):
    code = '"""A module."""\n\ndef f(x, y=\'text\'):\n    """Says it.\n\n    At length.\n    """\n    return x\n\n'
    code += '# a list\nLIST = """one\n\ntwo"""\ndef g(): "It shares its line."\n'
    file = tmp_path / "helpers" / "f.py"
    file.parent.mkdir()
    file.write_text(code)
    before = imports.fingerprint([Path("helpers/f.py")], tmp_path)
    assert change(code) != code
    file.write_text(change(code))
    assert (imports.fingerprint([Path("helpers/f.py")], tmp_path) != before) == counts


def test_a_notebook_is_stale_when_its_code_or_a_helper_has_changed(monkeypatch):
    nb = nbformat.read(PATHS[0], as_version=4)
    hashes = {"helpers_sha256": imports.fingerprint(imports.files(nb)), "sources_sha256": notebooks.sources(nb)}
    nb.metadata.series.update(hashes, outputs_sha256=notebooks.outputs(nb))
    assert notebooks.stale(nb) == ""
    changed = copy.deepcopy(nb)
    next(cell for cell in changed.cells if cell.cell_type == "code" and cell.outputs).outputs.clear()
    assert "its outputs are not those of its run" in notebooks.stale(changed)
    changed = copy.deepcopy(nb)
    changed.cells[-1 if changed.cells[-1].cell_type == "code" else 1].source += "\n1"
    assert "its code changed" in notebooks.stale(changed)
    monkeypatch.setattr(imports, "fingerprint", lambda paths: "another")
    assert "the helpers that it imports" in notebooks.stale(nb)


# ---- the packages that are installed


def test_an_installation_has_every_module_and_data_file():
    """A room that pyproject.toml forgets would be missing on every machine but this one."""
    packages = find_packages(ROOT, include=["helpers", "helpers.*"])
    installed = {path for package in packages for path in (ROOT / package.replace(".", "/")).glob("*.py")}
    assert installed == set((ROOT / "helpers").rglob("*.py"))
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert 'include = ["helpers", "helpers.*"]' in text
    data = [path for path in (ROOT / "helpers").rglob("*.tsv")]
    assert data and all(f'"{".".join(p.parent.relative_to(ROOT).parts)}" = ["{p.name}"]' in text for p in data)
