"""Links that lead somewhere from where a page or a notebook lies: the others keep their words and lose the link.

A link is written in a notebook, for its reader: `02_reshape_vs_permute.ipynb`, `../helpers/losses.py`. What is made of
that notebook lies elsewhere, and beside other files.
"""

import html
import os
import re
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

ANCHOR = re.compile(r'<a\b(?P<before>[^>]*?)\bhref="(?P<target>[^"]*)"(?P<after>[^>]*)>(?P<words>.*?)</a>', re.S)
# Code is found first, so that an index behind a list in it is no link. So are pictures.
MARKDOWN = re.compile(
    r"^```.*?^```|`+(?:(?!\n\n)[^`])*`+|!\[[^]]*\]\([^)]*\)"
    r"|\[(?P<words>[^]]*)\]\((?P<target>[^)\s]+)(?P<title> [^)]*)?\)",
    re.M | re.S,
)


def in_page(body, follow):
    """An HTML page whose links lead where `follow` says.

    Args:
        follow: takes the path that a link names, and returns the path to name instead, or None for no link at all.
            Addresses on the network and headings of the same page are not asked for.
    """

    def changed(match):
        target = _followed(html.unescape(match["target"]), follow)
        if target is None:
            return match["words"]
        return f'<a{match["before"]}href="{html.escape(target)}"{match["after"]}>{match["words"]}</a>'

    return ANCHOR.sub(changed, body)


def in_markdown(text, follow):
    """Markdown whose links lead where `follow` says: see `in_page`."""

    def changed(match):
        if match["target"] is None:
            return match[0]
        target = _followed(match["target"], follow)
        return match["words"] if target is None else f"[{match['words']}]({target}{match['title'] or ''})"

    return MARKDOWN.sub(changed, text)


def in_notebook(nb, follow):
    """Let the links in a notebook's text, in place, lead where `follow` says: see `in_page`."""
    for cell in nb.cells:
        if cell.cell_type == "markdown":
            cell.source = in_markdown(cell.source, follow)


def _followed(target, follow):
    """Where a link leads now; None for nowhere."""
    parts = urlsplit(target)
    if parts.scheme or parts.netloc or not parts.path:
        return target
    path = follow(unquote(parts.path))
    return None if path is None else parts._replace(path=quote(path)).geturl()


# ---- what `follow` can be


def nowhere(path):
    """From what is read by itself: no file is sure to be beside it."""
    return None


def to_pages(folder, home, pages, within):
    """From a page in `folder`, whose notebook lies in `home`: to the pages of other notebooks, and to files.

    Args:
        pages: names, without ending, of the pages that are written to `folder` together with this one; what lies
            there already counts, too.
        within: the folder that is kept, or handed out, as a whole: no link goes to a file outside it.
    """
    folder, home, within = (Path(path).resolve() for path in (folder, home, within))

    def follow(path):
        target = (home / path).resolve()
        if target.parent == home and target.suffix == ".ipynb":
            page = f"{target.stem}.html"
            return page if target.stem in pages or (folder / page).exists() else None
        if target.exists() and folder.is_relative_to(within) and target.is_relative_to(within):
            return Path(os.path.relpath(target, folder)).as_posix()
        return None

    return follow


def to_notebooks(folder, names):
    """From a notebook in `folder`: to other notebooks and files in that folder, or about to be written there.

    Args:
        names: of those notebooks, without ending.
    """
    folder = Path(folder).resolve()

    def follow(path):
        target = (folder / path).resolve()
        written = target.parent == folder and target.suffix == ".ipynb" and target.stem in names
        return path if written or (target.exists() and target.is_relative_to(folder)) else None

    return follow
