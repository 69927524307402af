"""The folders in which the data set is looked for, and where they are when `helpers` lies elsewhere."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from helpers.fetch import layout

ROOT = Path(__file__).resolve().parents[2]
DATA_FOLDER = layout.data_folder  # the fixture of this room puts another in its place


def test_the_project_is_where_helpers_and_data_lie(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert layout.project_folder() == ROOT
    assert DATA_FOLDER() == ROOT / "data"


@pytest.mark.parametrize("where", ["beside data/", "alone", "alone, beside a data/ of something else"])
def test_helpers_copied_elsewhere(tmp_path, where):
    """A wheel or a one-file notebook has helpers/ alone: data then goes into the working directory's data/."""
    copy, here = tmp_path / "copy", tmp_path / "here"
    here.mkdir()
    shutil.copytree(ROOT / "helpers", copy / "helpers", ignore=shutil.ignore_patterns("__pycache__"))
    if where != "alone":
        (copy / "data").mkdir()
    if where == "beside data/":
        shutil.copy(ROOT / "data" / "README.md", copy / "data")
    code = f"import sys; sys.path.insert(0, {str(copy)!r}); from helpers.fetch import layout; "
    code += "print(layout.project_folder(), layout.data_folder(), sep='\\n')"
    ran = subprocess.run([sys.executable, "-c", code], cwd=here, capture_output=True, text=True, check=True)
    data = copy / "data" if where == "beside data/" else here / "data"
    assert ran.stdout.splitlines() == [str(copy), str(data)]
