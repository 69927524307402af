"""The exercise at the end of a notebook, written once: every edition is made from these cells, found by their tags.

`exercise`, a code cell: the stub that a reader fills in, and then the lines that begin with `check.`
`hint`, `solution`, folded text. The solution's one block of Python is what a reader could have written as the stub.
"""

import re


def cells(nb, tag):
    """The cells of a notebook that have this tag."""
    return [cell for cell in nb.cells if tag in cell.metadata.get("tags", [])]


def cell(nb, tag):
    """The one cell of a notebook that has this tag."""
    found = cells(nb, tag)
    if len(found) != 1:
        raise ValueError(f"A notebook of the series has one cell tagged {tag!r}; this one has {len(found)}.")
    return found[0]


def stub_and_checks(nb):
    """The exercise's code in two parts: what the reader changes, and what follows from its first check on."""
    source = cell(nb, "exercise").source
    first = re.search(r"^check\.", source, re.M)
    if first is None:
        raise ValueError("The cell tagged 'exercise' has no line that begins with check.")
    return source[: first.start()].rstrip(), source[first.start() :]


def solution(nb):
    """The solution's code."""
    blocks = re.findall(r"^```python\n(.*?)^```", cell(nb, "solution").source, re.M | re.S)
    if len(blocks) != 1:
        raise ValueError(f"The cell tagged 'solution' has one block of Python; this one has {len(blocks)}.")
    return blocks[0].rstrip()


def explanation(nb):
    """What the solution says beside its code, as Markdown."""
    text = re.sub(r"</?details>|<summary>.*?</summary>", "", cell(nb, "solution").source)
    return re.sub(r"^```python\n.*?^```", "", text, count=1, flags=re.M | re.S).strip()


def solved(nb):
    """The code of the exercise with the solution in place of the stub."""
    return f"{solution(nb)}\n\n{stub_and_checks(nb)[1]}"


def right(said):
    """Whether the checks took every answer."""
    return bool(said.strip()) and all(re.match(r"Right|\w: right", line) for line in said.splitlines())
