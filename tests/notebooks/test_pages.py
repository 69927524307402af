"""The pages that `make run` writes, made here from the committed notebooks: every link leads somewhere."""

import shutil
from pathlib import Path

import nbformat
import pytest

import notebooks
from support import links

ROOT = Path(__file__).resolve().parents[2]
PATHS = sorted((ROOT / "notebooks").glob("*.ipynb"))


@pytest.fixture(scope="module")
def bodies():
    """{name: HTML}, before its links are led anywhere."""
    return {path.stem: notebooks.page(nbformat.read(path, as_version=4), path.stem) for path in PATHS}


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A folder like the repository's, with its own build/html, empty."""
    root = tmp_path / "series"
    shutil.copytree(ROOT / "helpers", root / "helpers", ignore=shutil.ignore_patterns("__pycache__"))
    (root / "build" / "html").mkdir(parents=True)
    monkeypatch.setattr(notebooks, "ROOT", root)
    return root


def dead(folder):
    return {path.name: found for path in folder.glob("*.html") if (found := links.dead(path))}


def test_every_link_leads_somewhere(checkout, bodies):
    """From each lesson to the next lesson's page; from the solution of 03 to the file it names."""
    folder = checkout / "build" / "html"
    notebooks.publish(bodies, folder, checkout / "notebooks")
    (folder / "index.html").write_text(notebooks.index([(f"{name}.html", name, "") for name in bodies]))
    assert dead(folder) == {}
    names = list(bodies)
    for name, following in zip(names, names[1:], strict=False):
        assert f"{following}.html" in links.relative(folder / f"{name}.html")
    assert links.relative(folder / "index.html") == [f"{name}.html" for name in names]
    assert "../../helpers/losses.py" in links.relative(folder / "03_weighted_cross_entropy.html")
    assert not any(".ipynb" in link for path in folder.glob("*.html") for link in links.relative(path))


def test_some_pages_lead_to_no_others(checkout, bodies):
    """`make run ARGS='--only 02'`, in an empty folder, and then 03."""
    folder, (_, second, third, fourth, *_) = checkout / "build" / "html", bodies
    notebooks.publish({second: bodies[second]}, folder, checkout / "notebooks")
    assert links.relative(folder / f"{second}.html") == []
    assert "03 · Weighted cross-entropy" in (folder / f"{second}.html").read_text(encoding="utf-8")
    notebooks.publish({name: bodies[name] for name in (second, third)}, folder, checkout / "notebooks")
    assert links.relative(folder / f"{second}.html") == [f"{third}.html"]
    assert f"{fourth}.html" not in links.relative(folder / f"{third}.html")
    assert dead(folder) == {}


def test_pages_elsewhere_lead_to_no_file_of_the_checkout(checkout, bodies):
    folder = checkout.parent / "elsewhere"
    folder.mkdir()
    notebooks.publish(bodies, folder, checkout / "notebooks")
    assert dead(folder) == {}
    assert all(link.endswith(".html") for path in folder.glob("*.html") for link in links.relative(path))


def test_a_run_that_stops_leaves_no_dead_link(tmp_path, monkeypatch):
    """The page of the lesson before the one that failed was to lead to it."""
    monkeypatch.setattr(notebooks, "ROOT", tmp_path)
    (tmp_path / "notebooks").mkdir()
    paths = [tmp_path / "notebooks" / f"0{number}.ipynb" for number in (1, 2, 3)]
    for number, path in enumerate(paths, start=1):
        text = nbformat.v4.new_markdown_cell(f"# {number}\n\nNext: [another](0{number + 1}.ipynb), [top](#{number})")
        cells = [text, nbformat.v4.new_code_cell(f"1 / ({number} - 3)")]
        nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    with pytest.raises(notebooks.Stopped, match=r"03\.ipynb"):
        notebooks.run(paths, tmp_path / "build")
    folder = tmp_path / "build" / "html"
    assert dead(folder) == {}
    assert links.relative(folder / "01.html") == ["02.html"]
    assert links.relative(folder / "02.html") == []
