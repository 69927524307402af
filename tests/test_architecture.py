"""The house keeps its order: imports go one way, the shelf is short, colours have one place, preflight stands alone."""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
HELPERS = ROOT / "helpers"
FILES = sorted(HELPERS.rglob("*.py"))
# In the order that helpers/README.md gives: each file may use those before it.
SHELF = (
    "classes", "siftflow", "scenes", "masks", "pipeline", "unet", "losses", "metrics",
    "recipe", "training", "predict", "runs",
)  # fmt: skip
LIGHT = {"classes": set(), "metrics": {"classes"}, "losses": {"classes", "engine"}}  # may use only these
ROOMS = {  # room: what of ours it may use, beside itself
    "preflight": set(),
    "engine": {"classes"},
    "fetch": {"classes", "engine"},
    "formats": {"classes", "fetch"},
    "synthetic": {"classes"},
    "viz": {"classes"},
    "lessons": {*SHELF, "viz", "engine", "fetch", "formats", "synthetic", "preflight"},
}
# One file stands above its room: the picture of a photo of one's own asks a network for its masks.
ABOVE = {"viz/photo.py": {"predict"}}
QUICK = {"KERAS_BACKEND": "numpy"}  # imported in a third of the time
OLD_NAMES = {"cells", "play", "trials", "ward"}


def name(path):
    """``helpers.viz.draw`` for helpers/viz/draw.py; a package's own name for its ``__init__.py``."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name(path): path for path in FILES}


def imported(path, everywhere=True):
    """The modules of helpers that a file imports; with `everywhere`, inside functions, too.

    A command at a file's end (``if __name__ == "__main__"``) does not count: it hands over to a file above.
    """
    tree = ast.parse(path.read_text(encoding="utf-8"))
    body = [node for node in tree.body if not (isinstance(node, ast.If) and "__name__" in ast.unparse(node.test))]
    package = name(path).split(".") if path.name == "__init__.py" else name(path).split(".")[:-1]
    for node in (node for top in body for node in (ast.walk(top) if everywhere else [top])):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in MODULES and alias.name != "helpers")
        elif isinstance(node, ast.ImportFrom):
            base = ".".join([*package[: len(package) - node.level + 1], *filter(None, [node.module])])
            base = base if node.level else node.module
            for alias in node.names:
                whole = f"{base}.{alias.name}"
                found = whole if whole in MODULES else base if base in MODULES else None
                if found and found != "helpers":
                    yield found


def place(module):
    """The shelf file or the room that a module belongs to."""
    return module.split(".")[1]


@pytest.mark.parametrize("path", FILES, ids=name)
def test_imports_go_one_way(path):
    module = name(path)
    if module == "helpers":
        assert {place(other) for other in imported(path)} <= {"engine", "viz"}, "the package itself must stay light"
        return
    here, used = place(module), {place(other) for other in imported(path)}
    if here in ROOMS:
        allowed = ROOMS[here] | {here} | ABOVE.get(path.relative_to(HELPERS).as_posix(), set())
    elif here in LIGHT:
        allowed = LIGHT[here]
    else:
        allowed = {*SHELF[: SHELF.index(here)], "fetch", "formats", "synthetic", "engine"}
    assert used <= allowed, f"{module} uses {', '.join(sorted(used - allowed))}, which stands above it"


def test_no_circle():
    uses = {module: set(imported(path)) - {module} for module, path in MODULES.items() if module != "helpers"}
    while uses:
        free = [module for module, others in uses.items() if not others & uses.keys()]
        assert free, f"these import each other in a circle: {', '.join(sorted(uses))}"
        for module in free:
            del uses[module]


def test_the_shelf_is_known_and_short():
    files = {path.stem: len(path.read_text(encoding="utf-8").splitlines()) for path in HELPERS.glob("*.py")}
    del files["__init__"]
    assert set(files) == set(SHELF), "a new file belongs into a room, or into SHELF and helpers/README.md"
    assert max(files.values()) <= 220, f"too long for one sitting: {max(files, key=files.get)}"
    assert (lines := sum(files.values())) <= 1720, f"{lines} lines in all: move machinery into a room"


def test_the_readme_shows_every_file_of_the_shelf_and_every_room():
    text = (HELPERS / "README.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| \[`(\w+)\.py`\]\(\1\.py\)", text, re.M)) == set(SHELF)
    assert set(re.findall(r"^\| \[`(\w+)/`\]\(\1\)", text, re.M)) == set(ROOMS)
    assert {path.name for path in HELPERS.iterdir() if (path / "__init__.py").exists()} == set(ROOMS)


def test_colours_have_one_place():
    spelled = {
        path.relative_to(HELPERS).as_posix(): found
        for path in FILES
        if (found := re.findall(r"""["']#[0-9a-fA-F]{3,8}["']""", path.read_text(encoding="utf-8")))
    }
    assert set(spelled) <= {"viz/style.py"}, f"name them in viz/style.py: {spelled}"
    defining = [path for path in FILES if re.search(r"^PALETTE = ", path.read_text(encoding="utf-8"), re.M)]
    assert [path.relative_to(HELPERS).as_posix() for path in defining] == ["viz/style.py"]


def test_no_room_is_a_warehouse():
    long = {name(path): n for path in FILES if (n := len(path.read_text(encoding="utf-8").splitlines())) > 320}
    assert not long


def python(code, folder, **environment):
    environment = {**os.environ, **environment}
    ran = subprocess.run([sys.executable, "-c", code], cwd=folder, env=environment, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def copied(folder, *paths):
    """An empty folder with these files of helpers, and the packages they are in, whose code is left out."""
    for path in paths:
        target = folder / "helpers" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes((HELPERS / path).read_bytes())
        for package in target.relative_to(folder).parents[:-1]:
            (folder / package / "__init__.py").touch()
    return folder


def test_metrics_can_be_taken_alone(tmp_path):
    code = "from helpers import metrics; print(metrics.__file__, metrics.scores([[1, 1], [0, 2]])['pixel_accuracy'])"
    file, accuracy = python(code, copied(tmp_path, "classes.py", "metrics.py"), **QUICK).split()
    assert file == str(tmp_path / "helpers" / "metrics.py") and float(accuracy) == 0.75


def test_losses_can_be_taken_with_their_machinery(tmp_path):
    code = "from helpers import losses; print(losses.__file__, losses.Dice().smooth)"
    file, smooth = python(code, copied(tmp_path, "classes.py", "losses.py", "engine/pixels.py"), **QUICK).split()
    assert file == str(tmp_path / "helpers" / "losses.py") and float(smooth) == 1


def test_preflight_can_be_taken_alone(tmp_path):
    files = [path.relative_to(HELPERS) for path in (HELPERS / "preflight").glob("*.py")]
    target = tmp_path / "my_tools"
    (copied(tmp_path, *files) / "helpers").rename(target)
    (target / "__init__.py").touch()
    code = "from my_tools.preflight import preflight; import sys; print('helpers' in sys.modules, preflight.__module__)"
    ours, module = python(code, tmp_path).split()
    assert ours == "False" and module.startswith("my_tools.preflight")


def test_no_downloader_comes_along():
    """Neither with the data set, which needs no Keras, nor with training; Keras itself brings requests."""
    code = "import {module}, sys; print(*[name for name in {heavy} if name in sys.modules])"
    ours = ("helpers.fetch.download", "helpers.fetch.sources", "helpers.viz", "tqdm")
    heavy = (*ours, "requests", "filelock", "matplotlib", "keras")
    assert python(code.format(module="helpers.siftflow", heavy=heavy), ROOT).split() == []
    assert python(code.format(module="helpers.training", heavy=ours), ROOT).split() == []


def test_old_names_are_gone():
    assert not {path.stem for path in FILES} & OLD_NAMES
