"""The pages that `make run` writes, made here from the committed notebooks: every link leads somewhere, and
everybody can read them."""

import shutil
from pathlib import Path

import nbformat
import pytest

import notebooks
from support import accessibility, links

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
    assert "../../helpers/metrics.py" in links.relative(folder / "03_weighted_cross_entropy.html")
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


# ---- in the browser


@pytest.fixture
def page(chromium):
    page = chromium.new_page(viewport={"width": 900, "height": 900})
    yield page
    page.close()


@pytest.mark.slow
@pytest.mark.parametrize("name", [path.stem for path in PATHS])
def test_everybody_can_read_it(bodies, page, name, tmp_path):
    """axe-core finds nothing, and in a narrow window no line of code or output is cut off."""
    (tmp_path / "page.html").write_text(bodies[name], encoding="utf-8")
    page.goto((tmp_path / "page.html").as_uri())
    cut = "() => [...document.querySelectorAll('pre')].filter(p => p.scrollWidth > p.clientWidth).map(p => p.innerText)"
    assert page.evaluate(cut) == []
    assert accessibility.findings(page) == []


@pytest.mark.slow
def test_everybody_can_read_the_index(page):
    page.set_content(notebooks.index([("01.html", "One", "0.5 min"), ("02.html", "Two", "1 min")]))
    assert accessibility.findings(page) == []


@pytest.mark.slow
def test_what_some_cannot_read_would_be_found(bodies, page):
    """The colours that nbconvert gives to code, and links told by their colour; folded text is looked at, too."""
    name = PATHS[0].stem
    page.set_content(bodies[name].replace(notebooks.STYLE.read_text(encoding="utf-8"), ""))
    found = accessibility.findings(page)
    assert any("color-contrast" in finding and ".c1" in finding for finding in found)
    assert any("link-in-text-block" in finding and "#cell-id" in finding for finding in found)
    pale = '<details><summary>Hint</summary><p id="pale" style="color: #bbb">Look again.</p></details>'
    page.set_content(f'<html lang="en"><title>One</title><main><h1>One</h1>{pale}</main></html>')
    (finding,) = accessibility.findings(page)
    assert finding.startswith("serious, color-contrast: #pale: ")
