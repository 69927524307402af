"""Every link and every path that the pages and the notebooks name leads somewhere."""

import re
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parent.parent
LISTED = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True)
FILES = [Path(name) for name in LISTED.stdout.splitlines() if (ROOT / name).exists()]
PAGES = sorted(path for path in FILES if path.suffix in (".md", ".ipynb"))
# What the tools and the notebooks write, and git ignores.
WRITTEN = {
    "build", "build/html", "build/notebooks", "build/screenshots", "build/setup.log", "build/student",
    "build/instructor", "build/standalone", "build/nbgrader", "data/runs", "data/scenes", "data/cache",
    "data/SiftFlowDataset",
}  # fmt: skip


def prose(path):
    """What is written on a page; of a notebook its Markdown cells."""
    if path.suffix == ".md":
        return (ROOT / path).read_text(encoding="utf-8")
    cells = nbformat.read(ROOT / path, as_version=4).cells
    return "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")


def links(path):
    text = re.sub(r"^```.*?^```", "", prose(path), flags=re.M | re.S)
    return re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r"""\b(?:src|href)=["']([^"']+)""", text)


def anchors(path):
    """The anchors that GitHub gives to a page's headings."""
    headings = re.findall(r"^#+ +(.+)$", prose(path), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_there_are_pages():
    assert Path("README.md") in PAGES and Path("TEACHING.md") in PAGES
    numbers = sorted(path.stem[:2] for path in PAGES if path.suffix == ".ipynb")
    assert numbers == [f"{n:02}" for n in range(1, 10)], "without a gap"
    assert sum(len(links(path)) for path in PAGES) > 50


@pytest.mark.parametrize("path", PAGES, ids=str)
def test_links_lead_somewhere(path):
    for link in links(path):
        if re.match(r"https?:", link):
            assert re.fullmatch(r"https?://[\w.-]+\.[a-z]{2,}(/[^\s<>\"]*)?", link), link
            continue
        target, _, anchor = link.partition("#")
        found = ((ROOT / path).parent / target).resolve() if target else ROOT / path
        assert found.exists(), f"{path} links to {link}"
        inside = found.relative_to(ROOT)
        assert found.is_dir() or inside in FILES, f"{path} links to {link}, which git does not keep"
        if anchor:
            assert anchor in anchors(inside), f"{path} links to {link}"


@pytest.mark.parametrize("path", PAGES, ids=str)
def test_paths_in_the_text_exist(path):
    """`helpers/unet.py`, `data/runs/` ... , as written between backquotes; they start at the project's folder."""
    top = {file.parts[0] for file in FILES if len(file.parts) > 1} | {"build"}
    for name in re.findall(r"`([\w./-]+)`", prose(path)):
        name = name.rstrip("/")
        if "/" in name and name.split("/")[0] in top:
            assert name in WRITTEN or (ROOT / name).exists(), f"{path} names {name}"
        if re.fullmatch(r"[\w-]+\.(md|txt|toml|yml|cff)", name):
            found = [ROOT / name, (ROOT / path).parent / name]
            assert any(place.exists() for place in found), f"{path} names {name}"


def test_that_a_broken_link_would_be_found(tmp_path, monkeypatch):
    page = Path("page.md")
    this = sys.modules[__name__]
    monkeypatch.setattr(this, "ROOT", tmp_path)
    monkeypatch.setattr(this, "FILES", [page])
    for text in ("[x](missing.md)", "[x](#nowhere)", "![x](docs/missing.png)", '<img src="gone.png">', "[x](http://a)"):
        (tmp_path / page).write_text(f"# Here\n\n{text}\n")
        with pytest.raises(AssertionError):
            test_links_lead_somewhere(page)
    (tmp_path / page).write_text("# Here, and there\n\n[x](#here-and-there)\n")
    test_links_lead_somewhere(page)


@pytest.mark.slow
def test_addresses_answer():
    """Where there is a network. One that refuses robots (403, 429) is there, too."""
    try:
        socket.create_connection(("github.com", 443), timeout=5).close()
    except OSError:
        pytest.skip("needs the network: github.com does not answer")
    addresses = sorted({link for path in PAGES for link in links(path) if link.startswith("http")})
    missing = []
    for address in addresses:
        request = urllib.request.Request(
            address, method="GET", headers={"User-Agent": "Mozilla/5.0", "Range": "bytes=0-0"}
        )
        try:
            urllib.request.urlopen(request, timeout=30).close()
        except urllib.error.HTTPError as error:
            if error.code not in (403, 416, 429):
                missing.append(f"{address}: {error.code}")
        except OSError as error:
            missing.append(f"{address}: {error}")
    assert not missing
