"""Stamp "Open in Colab" links into README.md and the notebooks, or remove them.

    python tools/badges.py                   from the git remote `origin`; removes them where there is none on GitHub
    python tools/badges.py OWNER/NAME        for this repository on GitHub
    python tools/badges.py OWNER/NAME@BRANCH
    python tools/badges.py none              removes them

The set-up cells learn the same repository's address, so that on Colab they can get `helpers` from it. Only the
addresses change: nothing has to be run again.
"""

import argparse
import re
import subprocess
import sys
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parent.parent
IMAGE = "https://colab.research.google.com/assets/colab-badge.svg"
BADGE = re.compile(r"\s*\[!\[Open in Colab\]\([^)]*\)\]\(([^)]*)\)")
GITHUB = re.compile(r"(?:https://|git@|ssh://git@)github\.com[:/]([\w.-]+/[\w.-]+?)(?:\.git)?/?")


def address(repository, name):
    """Where Colab opens a notebook of a repository, given as "OWNER/NAME@BRANCH"."""
    slug, branch = repository.split("@", 1)
    return f"https://colab.research.google.com/github/{slug}/blob/{branch}/notebooks/{name}.ipynb"


def without(text):
    """Markdown without badges."""
    return BADGE.sub("", text)


def badge(repository, name):
    """The badge in Markdown; nothing without a repository."""
    return f"[![Open in Colab]({IMAGE})]({address(repository, name)})" if repository else ""


def stamped(source, repository):
    """The code of a set-up cell, told the repository; "" for none."""
    url = f"https://github.com/{repository.split('@')[0]}" if repository else ""
    return re.sub(r'^REPOSITORY = "[^"]*"', f'REPOSITORY = "{url}"', source, flags=re.M)


def in_notebook(nb, name, repository):
    """Stamp a notebook: the badge at the end of its title cell, the address in its set-up cell."""
    for cell in nb.cells:
        if cell.id == "title":
            cell.source = "\n\n".join(part for part in (without(cell.source), badge(repository, name)) if part)
        elif cell.id == "setup":
            cell.source = stamped(cell.source, repository)


def in_readme(text, repository):
    """Stamp README.md: a badge behind the name of each notebook in the table."""
    row = re.compile(r"^(\|.*?\[\d\d · [^]]*\]\(notebooks/(\w+)\.ipynb\))", re.M)
    return row.sub(lambda m: f"{m[1]} {badge(repository, m[2])}".rstrip(), without(text))


def of_remote():
    """The repository that `origin` names, as "OWNER/NAME@main"; "" where it is none on GitHub."""
    command = ["git", "remote", "get-url", "origin"]
    process = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    match = GITHUB.fullmatch(process.stdout.strip())
    return f"{match[1]}@main" if match else ""


def main():
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("repository", nargs="?", help="OWNER/NAME, OWNER/NAME@BRANCH or none (default: ask git)")
    given = parser.parse_args().repository
    repository = of_remote() if given is None else "" if given == "none" else given
    if repository and "@" not in repository:
        repository += "@main"
    if repository and not re.fullmatch(r"[\w.-]+/[\w.-]+@[\w./-]+", repository):
        sys.exit(f"{given} is no repository on GitHub: name it as OWNER/NAME, or OWNER/NAME@BRANCH.")
    for path in sorted((ROOT / "notebooks").glob("0*.ipynb")):
        nb = nbformat.read(path, as_version=4)
        in_notebook(nb, path.stem, repository)
        nbformat.write(nb, path)
    readme = ROOT / "README.md"
    readme.write_text(in_readme(readme.read_text(encoding="utf-8"), repository), encoding="utf-8")
    print(f"Badges for {repository}." if repository else "No repository on GitHub: no badges.")


if __name__ == "__main__":
    main()
