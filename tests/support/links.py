"""Every link of a page, a notebook or a Markdown file, and those that lead nowhere: what the tests of editions share.

Links are found by parsers of HTML and Markdown, not by what `tools/links.py` goes by.
"""

import functools
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import nbformat
from nbconvert.filters import markdown2html


class _Page(HTMLParser):
    """Takes down what a page links to, and what a link can go to in it."""

    def __init__(self, text):
        super().__init__()
        self.targets, self.ids = [], set()
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.ids |= {attributes.get("id"), attributes.get("name") if tag == "a" else None} - {None}
        if tag in ("a", "area") and "href" in attributes:
            self.targets.append(attributes["href"] or "")


@functools.cache
def _page(path, _changed):
    if path.suffix == ".html":
        return _Page(path.read_text(encoding="utf-8"))
    if path.suffix == ".ipynb":
        cells = nbformat.read(path, as_version=nbformat.NO_CONVERT).cells
        parts = [markdown2html(cell.source) for cell in cells if cell.cell_type == "markdown"]
        return _Page("\n".join(parts))
    return _Page(markdown2html(path.read_text(encoding="utf-8")))


def page(path):
    """What a file links to (`targets`) and where one can be led to in it (`ids`)."""
    path = Path(path)
    return _page(path, path.stat().st_mtime_ns)


def relative(path):
    """The links of a file that go to another file."""
    parts = [(target, urlsplit(target)) for target in page(path).targets]
    return [target for target, part in parts if part.path and not part.scheme and not part.netloc]


def dead(path):
    """The links of a file that lead nowhere: to a file that is not there, or to a heading that its page has not."""
    found = []
    for target in page(path).targets:
        parts = urlsplit(target)
        if parts.scheme in ("http", "https", "mailto"):
            continue
        place = path.parent / unquote(parts.path) if parts.path else path
        there = bool(target) and not parts.scheme and not parts.netloc and place.exists()
        if not there or (parts.fragment and not {parts.fragment, unquote(parts.fragment)} & page(place).ids):
            found.append(target)
    return found
