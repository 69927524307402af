"""Build what a teacher hands out, from the committed notebooks. Nothing is run, so it takes a minute.

    python tools/handouts.py            all of it, in build/
    python tools/handouts.py --only 01  one notebook

    build/student/     without outputs and solutions, checks and hints in, each *Why* folded (in the PDF, at the end);
                       helpers/ beside them; .ipynb, HTML and PDF
    build/instructor/  solutions, expected outputs, seconds of the slow cells, teaching notes; .ipynb, HTML and PDF
    build/standalone/  the student's notebooks, each carrying helpers/ in a cell: for Colab, and for mail
    build/nbgrader/    the same with solutions and hidden tests, for nbgrader 0.9

PDFs are printed by Chromium; where there is none, the pages are HTML only. See TEACHING.md.
"""

import argparse
import base64
import contextlib
import copy
import hashlib
import io
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import nbformat
from nbconvert.preprocessors import ClearMetadataPreprocessor, ClearOutputPreprocessor, TagRemovePreprocessor

import badges
import exercises
import grading
import imports
import links
import notebooks

ROOT = notebooks.ROOT
NEEDED = ("data/README.md", "LICENSE")  # by every notebook, beside what it imports
PIECE = 4_000_000  # characters in one cell: Jupyter takes no message of more than 10 MB
PAPER = Path(__file__).with_name("handouts.css")
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "msedge")


# ---- editions: a notebook in, a notebook out


def student(nb, paper=False):
    """Stubs, checks and hints; no solutions, no outputs. The answer to a prediction is out of sight until it is wanted.

    Cells with the tag `why` hold an answer each, and nothing else. They are folded; on paper, where nothing folds, they
    follow at the end, by number.
    """
    nb = _plain(nb)
    nb, _ = TagRemovePreprocessor(remove_cell_tags={"solution"}, enabled=True).preprocess(nb, {})
    nb, _ = ClearOutputPreprocessor(enabled=True).preprocess(nb, {})
    return _with_answers_last(nb) if paper else _with_answers_folded(nb)


def _answer(cell):
    """What a `why` cell says, without the word that the fold, or the number, says already."""
    return re.sub(r"\A\*\*Why\.\*\* +", "", cell.source)


def _with_answers_folded(nb):
    for cell in exercises.cells(nb, "why"):
        cell.source = f"<details><summary>Why</summary>\n\n{_answer(cell)}\n\n</details>"  # the parser needs the lines
    return nb


def _with_answers_last(nb):
    whys = exercises.cells(nb, "why")
    last = [("answers", "## The answers")]  # a page of its own, which a teacher can keep back
    for number, cell in enumerate(whys, start=1):
        last.append((f"answer-{number}", f"### Why {number}\n\n{_answer(cell)}"))
        cell.source = f"[Why {number}](#Why-{number}): at the end."
    if whys:
        nb.cells += [nbformat.v4.new_markdown_cell(text, id=name, metadata={"tags": [name]}) for name, text in last]
    return nb


def instructor(nb, notes):
    """Solutions, expected outputs and the seconds of slow cells, with the teaching notes where they belong.

    Args:
        notes: {id of a cell: Markdown to follow it}; "" for what stands at the head. See `read_notes`.
    """
    seconds = nb.metadata.get("series", {}).get("seconds", {})
    slow = [f"[{c.execution_count}] {seconds[c.id]} s" for c in nb.cells if seconds.get(c.id, 0) >= 5]
    slow = f"Cells that take 5 seconds or more, on 2 CPU cores: {', '.join(slow)}." if slow else "No cell is slow."
    stub, solution = exercises.stub_and_checks(nb)[0], exercises.cell(nb, "solution")
    solved, expected = exercises.solved(nb), solution.metadata["expected"]

    nb = _plain(nb)
    explanation = exercises.explanation(nb)
    cell = exercises.cell(nb, "exercise")
    cell.source = solved
    cell.outputs = [nbformat.v4.new_output("stream", name="stdout", text=expected)]
    exercises.cell(
        nb, "solution"
    ).source = f"**Solution**, in the cell above. {explanation}\n\nStudents begin with:\n\n```python\n{stub}\n```"
    cells = []
    for cell in nb.cells:
        cells.append(cell)
        if cell.id in notes:
            cells.append(_note(cell.id, notes[cell.id]))
    cells.insert(1, _note("head", f"{notes['']}\n\n{slow}"))
    nb.cells = cells
    return nb


def standalone(nb):
    """The student edition with helpers, and whatever else it needs, in cells of their own before the set-up."""
    nb = student(nb)
    at = nb.cells.index(exercises.cell(nb, "setup"))
    metadata = {"tags": ["carried"], "jupyter": {"source_hidden": True}, "cellView": "form"}  # folded in Jupyter, Colab
    nb.cells[at:at] = [
        nbformat.v4.new_code_cell(source, id=f"carried-{number}", metadata=metadata)
        for number, source in enumerate(_unpacking(_archive(nb)))
    ]
    return nb


def _plain(nb):
    """A copy without what only the repository needs: badges, records of its runs, paths that begin at notebooks/."""
    nb = copy.deepcopy(nb)
    kept = {"kernelspec", "language_info", "accelerator", "colab"}
    clear = ClearMetadataPreprocessor(
        preserve_cell_metadata_mask={"tags"}, preserve_nb_metadata_mask=kept, enabled=True
    )
    nb, _ = clear.preprocess(nb, {})
    for cell in nb.cells:
        if cell.cell_type == "markdown":
            cell.source = badges.without(cell.source).replace("](../", "](")
        elif "setup" in cell.metadata.get("tags", []):
            cell.source = badges.stamped(cell.source, "")
    return nb


def _note(name, text):
    head = "**For the teacher.** "
    return nbformat.v4.new_markdown_cell(
        "\n".join(f"> {line}".rstrip() for line in (head + text).splitlines()),
        id=f"note-{name}", metadata={"tags": ["note"]},
    )  # fmt: skip


def read_notes(path):
    """Teaching notes by the id of the cell that they follow; what stands before the first belongs to ""."""
    text = re.sub(r"\A# .*\n+", "", path.read_text(encoding="utf-8"))
    head, *rest = re.split(r"^## (\S+)\n", text, flags=re.M)
    return {"": head.strip()} | {name: note.strip() for name, note in zip(rest[::2], rest[1::2], strict=True)}


# ---- what comes along


def needed(*nbs):
    """The files that these notebooks need beside them, or all committed ones: paths from the root, sorted."""
    nbs = nbs or [nbformat.read(path, as_version=4) for path in sorted((ROOT / "notebooks").glob("0*.ipynb"))]
    found = {path.relative_to(ROOT) for pattern in NEEDED for path in ROOT.glob(pattern)}
    return sorted(found.union(*map(imports.files, nbs)))


def _archive(nb):
    """The bytes of a zip archive of them, always the same for the same files."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for path in needed(nb):
            entry = zipfile.ZipInfo(path.as_posix())  # dated 1980
            entry.external_attr = 0o644 << 16
            entry.compress_type = zipfile.ZIP_STORED if path.suffix in (".npz", ".jpg") else zipfile.ZIP_LZMA
            archive.writestr(entry, (ROOT / path).read_bytes())
    return file.getvalue()


def _unpacking(archive):
    """The code of cells that put the files of a zip archive into a folder beside the notebook, and helpers in reach.

    The folder's name depends on the files, so that notebooks of another date never meet the wrong ones.
    """
    text, folder = base64.b64encode(archive).decode(), "series-" + hashlib.sha256(archive).hexdigest()[:8]
    pieces = [text[start : start + PIECE] for start in range(0, len(text), PIECE)]
    title = "#@title What this notebook needs comes with it, {} of {}: run this first; nothing to read here\n"
    cells = [
        title.format(number + 1, len(pieces)) + f'globals().setdefault("CARRIED", {{}})[{number}] = "{piece}"'
        for number, piece in enumerate(pieces)
    ]
    cells[-1] += f'''
import base64, io, pathlib, sys, zipfile
archive = base64.b64decode("".join(CARRIED[number] for number in range({len(pieces)})))
zipfile.ZipFile(io.BytesIO(archive)).extractall("{folder}")
sys.path.insert(0, str(pathlib.Path("{folder}").resolve()))'''
    return cells


# ---- pages


def page(nb, name, edition):
    """An edition as an HTML page that fetches nothing, made to be printed as well as read."""
    body = notebooks.page(nb, name, css=PAPER.read_text(encoding="utf-8"))
    asks = r"<p>(?=(?:(?!</p>).)*<strong>(?:[Pp]redict|Your diagnosis))"  # at its beginning, or after a sentence or two
    body = re.sub(asks, '<p class="predict">', body, flags=re.S)
    return body.replace("<body ", f'<body data-edition="{edition}" ', 1)


def find_browser():
    """The path of a Chromium, or of a browser made from it; or None."""
    found = [shutil.which(name) for name in (os.environ.get("CHROMIUM", ""), *BROWSERS) if name]
    found.append("/Applications/Google Chrome.app/Contents/MacOS/Google Chrome")
    return next((path for path in found if path and os.path.exists(path)), None)


def quiet_browser():
    """Options for a Chromium that does its work, and asks nothing of the network or of the screen."""
    options = ["--disable-gpu", "--no-first-run", "--disable-quic", "--disable-sync", "--disable-component-update"]
    as_root = hasattr(os, "getuid") and os.getuid() == 0  # who may not use Chromium's sandbox
    return [*options, "--disable-background-networking", *(["--no-sandbox"] if as_root else [])]


def print_pdf(browser, source, target):
    """Print an HTML page, its folded parts unfolded, to a PDF, without its links to files: a PDF is read by itself."""
    source = links.in_page(source, links.nowhere)
    with tempfile.TemporaryDirectory() as folder:
        unfolded = Path(folder) / "page.html"
        unfolded.write_text(source.replace("<details>", "<details open>"), encoding="utf-8")
        command = [browser, "--headless", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
        command += [
            "--disable-component-update",
            "--disable-sync",
            "--disable-quic",
            f"--user-data-dir={folder}/profile",
        ]
        command += ["--no-sandbox"] if hasattr(os, "getuid") and os.getuid() == 0 else []
        command += ["--no-pdf-header-footer", f"--print-to-pdf={target}", unfolded.as_uri()]
        process = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)
    if process.returncode or not target.exists():
        last = (process.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise notebooks.Stopped(f"{browser} could not print {target.name}: {last}")


# ---- the command


def build(paths, out, browser):
    """Write every edition of these notebooks under `out`; what was there before is replaced."""
    for edition in ("student", "instructor", "standalone", "nbgrader"):
        (out / edition).mkdir(parents=True, exist_ok=True)
    names = {path.stem for path in paths}
    for edition in ("student", "instructor"):
        accompany(out / edition, names)
    for path in paths:
        name, nb = path.stem, nbformat.read(path, as_version=4)
        if why := notebooks.stale(nb):
            raise notebooks.Stopped(f"{path.name} is out of date, {why}: `make execute`, then again.")
        carrying = standalone(nb)
        tests = grading.read_tests(ROOT / "tools" / "hidden_tests" / f"{name}.py")
        editions = {
            "student": student(nb),
            "instructor": instructor(nb, read_notes(ROOT / "docs" / "teaching" / f"{name}.md")),
            "standalone": carrying,
            "nbgrader": grading.edition(carrying, exercises.solution(nb), tests),
        }
        for edition, made in editions.items():
            # An assignment has only those notebooks that the teacher chooses for it.
            follow = links.nowhere if edition == "nbgrader" else links.to_notebooks(out / edition, names)
            links.in_notebook(made, follow)
            nbformat.validate(made)
            nbformat.write(made, out / edition / path.name)
        for edition in ("student", "instructor"):
            folder = out / edition
            follow = links.to_pages(folder, folder, names, within=folder)
            source = links.in_page(page(editions[edition], name, edition), follow)
            if notebooks.fetched(source):
                raise notebooks.Stopped(f"The page of {path.name} would fetch {notebooks.fetched(source)[0]}.")
            (out / edition / f"{name}.html").write_text(source, encoding="utf-8")
            with contextlib.suppress(FileNotFoundError):
                (out / edition / f"{name}.pdf").unlink()
            if browser:
                source = page(student(nb, paper=True), name, edition) if edition == "student" else source
                print_pdf(browser, source, out / edition / f"{name}.pdf")
        print(f"{name}: student, instructor, standalone, nbgrader", flush=True)
    (out / "nbgrader" / "nbgrader_config.py").write_text(grading.CONFIG, encoding="utf-8")


def accompany(folder, names=()):
    """Put beside a folder's notebooks, of these names, what they need, and a page that says how to begin."""
    for path in needed():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / path, folder / path)
    shutil.copyfile(ROOT / "requirements.txt", folder / "requirements.txt")
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    trouble = re.search(r"^## Troubleshooting\n.*?(?=^## )", readme, re.M | re.S)[0].replace("](notebooks/", "](")
    trouble = re.sub(r"\[([^]]*)\]\(#[^)]*\)", r"\1", trouble)  # sections that stay behind
    start = (ROOT / "docs" / "handout.md").read_text(encoding="utf-8")
    text = links.in_markdown(start.rstrip() + "\n\n" + trouble.rstrip() + "\n", links.to_notebooks(folder, names))
    (folder / "README.md").write_text(text, encoding="utf-8")


def main():
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", default=[], metavar="NAME", help="notebooks whose names begin so")
    parser.add_argument("--no-pdf", action="store_true", help="HTML only")
    parser.add_argument("--build", type=Path, default=ROOT / "build", help="where to write (default: build)")
    options = parser.parse_args()
    browser = None if options.no_pdf else find_browser()
    paths = [p for p in sorted((ROOT / "notebooks").glob("0*.ipynb")) if p.name.startswith(tuple(options.only) or "0")]
    try:
        if not paths:
            raise notebooks.Stopped("There is no such notebook in notebooks/.")
        build(paths, options.build.resolve(), browser)
    except (notebooks.Stopped, ValueError, OSError) as error:
        sys.exit(str(error))
    if not browser and not options.no_pdf:
        print("No PDFs: no Chromium was found (Debian, Ubuntu: sudo apt-get install chromium); print the HTML pages.")
    print(f"Handouts: {os.path.relpath(options.build)}/{{student,instructor,standalone,nbgrader}}/")


if __name__ == "__main__":
    main()
