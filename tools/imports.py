"""The files of helpers/ that a notebook imports: what it has to carry, and what makes it stale when it changes.

    python tools/imports.py notebooks/01_per_pixel_softmax.ipynb    lists them

Found in the code's syntax tree, nothing is run. An import inside a function counts, too.
"""

import ast
import functools
import hashlib
import io
import sys
import tokenize
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parent.parent
# Files that a module reads.
DATA = {
    "helpers/fetch/manifest.py": ("helpers/fetch/siftflow.tsv",),
    "helpers/lessons/trust.py": (
        "data/photos/*",
        "results/siftflow_cpu_test_images.npz",
        "results/library_scores.json",
    ),  # fmt: skip
    "helpers/runs.py": ("data/checkpoints/*", "results/siftflow_*.json", "results/tutorial_*.json"),
    "helpers/viz/photo.py": ("data/photos/palace.jpg",),
}


def files(nb, root=ROOT):
    """The files that the code cells of a notebook import from helpers/, and what these import in turn.

    Args:
        nb: a notebook. root: the folder that holds helpers/.

    Returns:
        Their paths from the root, sorted; the packages' ``__init__.py`` and the data files are among them.
    """
    code = "\n".join(cell.source for cell in nb.cells if cell.cell_type == "code" and not cell.source.startswith("%"))
    found, new = set(), set(_imported(code, root))
    while new:
        path = new.pop()
        found.add(path)
        new |= set(_imported((root / path).read_text(encoding="utf-8"), root, path)) - found
    data = [pattern for path in found for pattern in DATA.get(path.as_posix(), ())]
    return sorted(found | {path.relative_to(root) for pattern in data for path in root.glob(pattern)})


def _imported(code, root, of=None):
    """The files behind the import statements of this code, which is that of the file `of`, if of any."""
    for name in _names(code, of):
        yield from _files_of(name, root)


@functools.cache  # every notebook comes by the same files
def _names(code, of):
    """The names of the modules that this code may import."""
    names = []
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = _package(of, node.level) + (node.module.split(".") if node.module else [])
            names += [".".join([*base, *rest]) for rest in ([], *([alias.name] for alias in node.names))]
    return [name for name in names if name.partition(".")[0] == "helpers"]


def _package(of, level):
    """The parts of the package that a relative import of that level begins at; nothing for an absolute one."""
    return list(of.parts[: len(of.parts) - level]) if level else []


def _files_of(name, root):
    """The file of a module in helpers/, if there is one, and the ``__init__.py`` of each package it is in."""
    parts = name.split(".")
    for end in range(1, len(parts) + 1):
        path = Path(*parts[:end])
        for file in (path / "__init__.py", path.with_suffix(".py")):
            if (root / file).is_file():
                yield file


def fingerprint(paths, root=ROOT):
    """A hash over files that changes when what they do does: comments, docstrings and pages of text do not count."""
    digest = hashlib.sha256()
    for path in (path for path in paths if path.suffix != ".md"):
        data = (root / path).read_bytes()
        digest.update(path.as_posix().encode() + b"\0" + (_bare(data) if path.suffix == ".py" else data) + b"\0")
    return digest.hexdigest()


@functools.cache
def _bare(source):
    """Python code (bytes) without comments and docstrings, and without the lines that held nothing else."""
    lines = source.decode().splitlines()
    for token in tokenize.tokenize(io.BytesIO(source).readline):
        if token.type == tokenize.COMMENT:
            row, col = token.start
            lines[row - 1] = lines[row - 1][:col].rstrip() or None
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(node) is not None:
            first, last = node.body[0].lineno - 1, node.body[0].end_lineno
            if not lines[first][: node.body[0].col_offset].strip():  # it does not share its line with a def
                lines[first:last] = [None] * (last - first)
    return "\n".join(line for line in lines if line is not None).encode()


if __name__ == "__main__":
    print(*files(nbformat.read(sys.argv[1], as_version=4)), sep="\n")
