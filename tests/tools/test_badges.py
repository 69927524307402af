"""tools/badges.py: what it stamps agrees with where the notebooks are, and nothing of it is left when it is removed."""

import re
import shutil
import subprocess
from pathlib import Path

import nbformat
import pytest

import badges
import notebooks

ROOT = Path(__file__).resolve().parents[2]
PATHS = sorted((ROOT / "notebooks").glob("0*.ipynb"))


def cell(nb, name):
    return next(cell for cell in nb.cells if cell.id == name)


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A copy of what the tool reads and writes, in a git repository without a remote."""
    shutil.copytree(ROOT / "notebooks", tmp_path / "notebooks", ignore=shutil.ignore_patterns(".ipynb_checkpoints"))
    shutil.copy(ROOT / "README.md", tmp_path)
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    monkeypatch.setattr(badges, "ROOT", tmp_path)
    return tmp_path


def run(monkeypatch, *arguments):
    monkeypatch.setattr("sys.argv", ["badges.py", *arguments])
    badges.main()


def files(project):
    return {path.name: path.read_bytes() for path in [project / "README.md", *(project / "notebooks").glob("*.ipynb")]}


def test_badges_agree_with_their_notebooks():
    """In the committed files: every badge leads to its own notebook, of the repository that the set-up cells name."""
    repositories = set()
    for path in PATHS:
        nb = nbformat.read(path, as_version=4)
        url = re.search(r'^REPOSITORY = "([^"]*)"', cell(nb, "setup").source, re.M)[1]
        found = badges.BADGE.findall(cell(nb, "title").source)
        assert len(found) == bool(url), f"{path.name}: a badge and the set-up cell's address come together"
        for link in found:
            assert re.fullmatch(rf".*/github/{url.removeprefix('https://github.com/')}/blob/\S+/{path.name}", link)
        repositories.add((url, *(link.replace(path.name, "") for link in found)))
    assert len(repositories) == 1
    links = badges.BADGE.findall((ROOT / "README.md").read_text(encoding="utf-8"))
    expected = [link + path.name for _, *link in repositories for path in PATHS for link in link]
    assert links == expected


def test_stamped_and_removed_again(project, monkeypatch, capsys):
    run(monkeypatch, "none")
    before = files(project)
    run(monkeypatch, "someone/per-pixel")
    readme = (project / "README.md").read_text(encoding="utf-8")
    for path in PATHS:
        nb = nbformat.read(project / "notebooks" / path.name, as_version=4)
        link = f"https://colab.research.google.com/github/someone/per-pixel/blob/main/notebooks/{path.name}"
        assert badges.BADGE.findall(cell(nb, "title").source) == [link]
        assert readme.count(f"](notebooks/{path.name}) [![Open in Colab]({badges.IMAGE})]({link})") == 1
        assert 'REPOSITORY = "https://github.com/someone/per-pixel"' in cell(nb, "setup").source
        assert nb.metadata["series"]["sources_sha256"] == notebooks.sources(nb), "nothing has to be run again"
    assert len(badges.BADGE.findall(readme)) == len(PATHS)
    once = files(project)
    run(monkeypatch, "someone/per-pixel")
    assert files(project) == once
    run(monkeypatch, "other/name@next")
    assert b"someone" not in b"".join(files(project).values())
    run(monkeypatch, "none")
    assert files(project) == before


@pytest.mark.parametrize(
    ("remote", "repository"),
    [
        ("https://github.com/someone/per-pixel.git", "someone/per-pixel@main"),
        ("https://github.com/someone/per-pixel", "someone/per-pixel@main"),
        ("git@github.com:some.one/per_pixel.git", "some.one/per_pixel@main"),
        ("ssh://git@github.com/someone/per-pixel.git", "someone/per-pixel@main"),
        ("https://gitlab.com/someone/per-pixel.git", ""),
        ("/srv/git/per-pixel.git", ""),
        (None, ""),
    ],
)
def test_of_the_remote(project, monkeypatch, remote, repository):
    if remote:
        subprocess.run(["git", "-C", str(project), "remote", "add", "origin", remote], check=True)
    assert badges.of_remote() == repository
    run(monkeypatch)
    slug = repository.partition("@")[0]
    stamped = badges.BADGE.findall((project / "README.md").read_text(encoding="utf-8"))
    assert len(stamped) == (len(list((ROOT / "notebooks").glob("0*.ipynb"))) if slug else 0)


@pytest.mark.parametrize("name", ["per-pixel", "a/b/c", "https://github.com/a/b", "a b/c", "a/b@"])
def test_another_name_is_refused(project, monkeypatch, name):
    before = files(project)
    with pytest.raises(SystemExit, match="no repository on GitHub"):
        run(monkeypatch, name)
    assert files(project) == before
