"""Run the notebooks, for readers (`run`) and for the repository (`execute`).

    python tools/notebooks.py run               executed copies in build/notebooks/, pages in build/html/
    python tools/notebooks.py execute           re-run and save the committed notebooks whose code or helpers changed

Both run each notebook from its own folder, in this Python, on the synthetic scenes (`SERIES_DATA=scenes`), and respect
`SERIES_PACE`. `run` never touches the committed files, and draws on another data set where `SERIES_DATA` says so.
"""

import argparse
import asyncio
import base64
import contextlib
import datetime
import functools
import hashlib
import html
import importlib.metadata
import json
import os
import re
import signal
import sys
import tempfile
import threading
import time
from pathlib import Path

import nbformat
import psutil
from ipykernel.kernelspec import get_kernel_dict
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, DeadKernelError

import exercises
import imports
import links

ROOT = Path(__file__).resolve().parent.parent
WIDGET = "application/vnd.jupyter.widget-view+json"
LIVE = "Controls to play with appear here when this cell is run."
# Pictures that README.md shows: (notebook, id of the cell that makes it) -> file. `execute` writes them anew.
PICTURES = {
    ("01_per_pixel_softmax", "axes"): "docs/01.png",
    ("02_reshape_vs_permute", "scene"): "docs/02.png",
    ("03_weighted_cross_entropy", "suspects-figure"): "docs/03.png",
    ("04_dice_loss", "pull-figure"): "docs/04.png",
    ("05_why_it_does_not_learn", "cards"): "docs/05.png",
    ("06_unet_on_siftflow", "photo"): "docs/06.png",
    ("06_unet_on_siftflow", "train"): "docs/learning.png",
    ("07_what_does_each_part_do", "up-figure"): "docs/07.png",
    ("08_can_i_believe_it", "many"): "docs/08.png",
    ("09_your_own_masks", "report"): "docs/09.png",
}


class Stopped(Exception):
    """A notebook that did not run to its end, or must not be saved; the message says where and why."""


# ---- what a notebook says about itself


def sources(nb):
    """Hash of what is run: the sources of the code cells, in order, and the solution. Prose may change without a new
    run, and so may the address of the repository, which only Colab looks at."""
    code = [re.sub(r'^REPOSITORY = "[^"]*"', "", c.source, flags=re.M) for c in nb.cells if c.cell_type == "code"]
    code += [exercises.solution(nb) for _ in exercises.cells(nb, "solution")]
    return hashlib.sha256(json.dumps(code).encode()).hexdigest()


def versions():
    """The versions of what computes and draws: with others, the same code may print other numbers."""
    return {name: importlib.metadata.version(name) for name in ("tensorflow", "keras", "numpy", "matplotlib")}


def stale(nb):
    """Why the outputs of a committed notebook are not what its code makes today; "" if they are."""
    series = nb.metadata.get("series", {})
    if series.get("sources_sha256") != sources(nb):
        return "its code changed since it was run"
    if series.get("helpers_sha256") != imports.fingerprint(imports.files(nb)):
        return "the helpers that it imports, or the data they read, changed since it was run"
    if series.get("outputs_sha256") != outputs(nb):
        return "its outputs are not those of its run"
    return ""


def outputs(nb):
    """Hash of what the code cells show, so that an output changed by hand is noticed."""
    shown = [cell.outputs for cell in nb.cells if cell.cell_type == "code"]
    return hashlib.sha256(json.dumps(shown, sort_keys=True).encode()).hexdigest()


def title(nb, name):
    """The first heading, or the file's name."""
    heading = re.search(r"^# +(.+)", "\n".join(c.source for c in nb.cells if c.cell_type == "markdown"), re.M)
    return re.sub(r"[*`_]", "", heading[1]).strip() if heading else name


def texts(output):
    """The pieces of text in a cell's output; pictures are left out."""
    data = {mime: part for mime, part in output.get("data", {}).items() if not mime.startswith("image/")}
    return [output.get("text", ""), *(part if isinstance(part, str) else json.dumps(part) for part in data.values())]


def picture(nb, cell_id):
    """The bytes of the PNG that a cell shows last."""
    cell = next(cell for cell in nb.cells if cell.id == cell_id)
    shown = [o.data["image/png"] for o in cell.outputs if "image/png" in o.get("data", {})]
    return base64.b64decode(shown[-1])


def seconds(cell):
    """How long a code cell ran."""
    at = {name: datetime.datetime.fromisoformat(when) for name, when in cell.metadata.execution.items()}
    return (at["shell.execute_reply"] - at["iopub.execute_input"]).total_seconds()


def still(nb):
    """Put a sentence in the place of each widget: without its kernel, Jupyter would show an error there."""
    for output in (output for cell in nb.cells for output in cell.get("outputs", [])):
        if WIDGET in output.get("data", {}):
            output.data = {"text/html": f"<em>{LIVE}</em>", "text/plain": LIVE}


def faults(nb):
    """What must not be in a saved notebook: errors, warnings, and paths of the machine that ran it."""
    here = {str(ROOT), str(Path.home()), tempfile.gettempdir(), sys.prefix, sys.base_prefix} - {"/"}
    folders = "|".join([*map(re.escape, here), "/(?:home|Users|root|tmp|var/folders)"])
    path = re.compile(rf"(?<![\w.~])(?:{folders})(?![\w.-])")
    code = [cell for cell in nb.cells if cell.cell_type == "code"]
    for number, cell in enumerate(code, start=1):
        for output in cell.outputs:
            if output.output_type == "error":
                yield f"code cell {number} ends in {output.ename}: {output.evalue}"
            elif output.get("name") == "stderr":
                yield f"code cell {number} writes to stderr: {output.text.strip().splitlines()[0]}"
            for text in texts(output):
                for line in text.splitlines():
                    if path.search(line):
                        yield f"code cell {number} prints a path of this machine: {line.strip()}"


# ---- running


class ThisPython(KernelSpecManager):
    """Any kernel asked for is this Python's, whatever kernels the user has installed under the same name."""

    def get_kernel_spec(self, kernel_name):
        """The kernel of this Python."""
        return KernelSpec(**get_kernel_dict(extra_arguments=["--log-level=CRITICAL"]))


class ThisPythonManager(AsyncKernelManager):
    """Starts the kernel of `ThisPython`."""

    def __init__(self, **options):
        super().__init__(kernel_spec_manager=ThisPython(), **options)


class Progress(threading.Thread):
    """Watches a run: where it is, how long it took, and the most memory its kernel (with child processes) used.

    On a terminal one line is kept up to date; elsewhere a line is printed every half minute.
    """

    def __init__(self, name, client):
        super().__init__(daemon=True)
        self.name, self.client, self.cells = name, client, [c for c in client.nb.cells if c.cell_type == "code"]
        self.cell, self.peak, self.start_time, self.done = 0, 0, time.time(), threading.Event()

    def enter(self, cell, cell_index):
        """Remember which code cell runs."""
        if cell.cell_type == "code":
            self.cell = sum(c.cell_type == "code" for c in self.client.nb.cells[: cell_index + 1])

    def line(self):
        """Where the run is."""
        minutes = (time.time() - self.start_time) / 60
        return f"{self.name}: cell {self.cell} of {len(self.cells)}, {minutes:.1f} min, peak {self.peak / 1e9:.1f} GB"

    def measure(self):
        """Look at the memory in use."""
        try:
            kernel = psutil.Process(self.client.km.provisioner.pid)
            processes = [kernel, *kernel.children(recursive=True)]
            self.peak = max(self.peak, sum(process.memory_info().rss for process in processes))
        except (AttributeError, TypeError, psutil.Error):  # not started yet, or just gone
            pass

    def run(self):
        """Watch, until the run is over."""
        live, said = sys.stdout.isatty(), time.time()
        while not self.done.wait(0.5):
            self.measure()
            if live:
                print(f"\r{self.line()}\033[K", end="", flush=True)
            elif time.time() - said >= 30:
                print(self.line(), flush=True)
                said = time.time()

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.done.set()
        self.join()
        print(f"\r{self.line()}\033[K" if sys.stdout.isatty() else self.line(), flush=True)


def plain_signals(notebook):
    """Let Ctrl-C interrupt as usual; nbclient's own handler would end in a traceback of its own."""
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):  # Windows
            asyncio.get_running_loop().remove_signal_handler(number)


def execute(path, copy, extra=()):
    """Run the notebook at `path` from its folder and return it, executed. What it got to is written to `copy`.

    The cells `extra` are run after its own, and not kept in it.
    """
    nb = nbformat.read(path, as_version=4)
    own = len(nb.cells)
    nb.cells += extra
    client = NotebookClient(
        nb,
        timeout=None,
        kernel_name="python3",
        kernel_manager_class=ThisPythonManager,
        resources={"metadata": {"path": str(path.parent)}},
        store_widget_state=False,
    )
    progress = Progress(path.stem, client)
    client.on_cell_start = progress.enter
    client.on_notebook_start = plain_signals
    try:
        with progress:
            client.execute()
    except (CellExecutionError, DeadKernelError) as error:
        cell = progress.cells[progress.cell - 1]
        first = next((line for line in cell.source.splitlines() if line.strip()), "")
        why = "the kernel died, perhaps for want of memory"
        if isinstance(error, CellExecutionError):
            why = " ".join(f"{error.ename}: {error.evalue}".split())[:400]
        raise Stopped(
            f"{path.name} stopped in code cell {progress.cell} of {len(progress.cells)}, `{first}`\n{why}\n"
            f"What it got to is in {os.path.relpath(copy)}; the notebooks after it were not run."
        ) from None
    finally:
        del nb.cells[own:]
        copy.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(nb, copy)
    return nb, progress


# ---- pages

# nbconvert's page without the scripts it would fetch: require.js, MathJax, mermaid and the widget renderer.
PAGE = """{% extends 'index.html.j2' %}
{% block html_head_js %}{% endblock %}
{% block jupyter_widgets %}{% endblock %}
{% block html_head_js_mathjax %}{% endblock %}
{% block html_head_js_mermaidjs %}{% endblock %}"""
STYLE = Path(__file__).with_name("pages.css")


@functools.cache  # its template takes as long to compile as a short page
def _exporter():
    from nbconvert import HTMLExporter  # half a second, and only pages need it

    return HTMLExporter(raw_template=PAGE)


def page(nb, name, css=""):
    """The notebook as one HTML page, with more style than every page has, that fetches nothing from the network."""
    nb = nbformat.from_dict(nb)
    nb.metadata["title"] = title(nb, name)
    still(nb)
    # Not with embed_images, which closes every <details> before its text; pictures of outputs are embedded anyway.
    body = _exporter().from_notebook_node(nb)[0]
    body = body.replace("</head>", f"<style>\n{STYLE.read_text(encoding='utf-8')}{css}</style>\n</head>", 1)
    # A picture from the network, such as a badge, is replaced by its words.
    return re.sub(r'<img\b(?=[^>]*\bsrc="https?:)(?:[^>]*\balt="([^"]*)")?[^>]*>', lambda m: m[1] or "", body)


def publish(bodies, folder, home):
    """Write pages, {name: HTML}, to a folder, their links led to what is there.

    A lesson's page leads to other lessons' pages. To a file of the repository it leads only from within the repository:
    elsewhere, or where it has no page yet, what was a link is plain text.

    Args:
        home: the folder of the notebooks they were made of, where their links begin.
    """
    follow = links.to_pages(folder, home, bodies.keys(), within=ROOT)
    for name, body in bodies.items():
        (folder / f"{name}.html").write_text(links.in_page(body, follow), encoding="utf-8")


def fetched(body):
    """What an HTML page would fetch from the network; links to click on do not count."""
    tags = re.findall(r"<(?:script|link|img|iframe|source|video|audio|object|embed)\b[^>]*", body)
    source = re.compile(r"""\b(?:src|href|data)\s*=\s*["']?((?:https?:)?//[^"'\s>]+)""")
    addresses = [address for tag in tags for address in source.findall(tag)]
    addresses += re.findall(r"""(?:@import\s+|url\(|\bfrom\s+|\bimport\()["']?(https?://[^"')\s]+)""", body)
    return addresses


def index(pages):
    """The page that leads to all of them. `pages` holds (file name, title, what the run took)."""
    rows = "\n".join(
        f'<li><a href="{name}">{html.escape(heading)}</a><br><small>{html.escape(took)}</small></li>'
        for name, heading, took in pages
    )
    return f"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Per-pixel classification, in notebooks</title>
<style>body {{ font: 1rem/1.6 system-ui, sans-serif; max-width: 42rem; margin: 3rem auto; padding: 0 1rem }}
li {{ margin: .8rem 0 }} small {{ color: #555 }}</style></head>
<body><main><h1>Per-pixel classification, in notebooks</h1>
<ul>
{rows}
</ul></main></body></html>
"""


# ---- the two commands


def run(paths, build):
    """Run every notebook and write its page; stop at the first that fails."""
    pages, bodies = [], {}
    (build / "html").mkdir(parents=True, exist_ok=True)
    for path in paths:
        nb, progress = execute(path, build / "notebooks" / path.name)
        body = page(nb, path.stem)
        if fetched(body):
            raise Stopped(f"The page of {path.name} would fetch {fetched(body)[0]} from the network.")
        bodies[path.stem] = body
        publish(bodies, build / "html", path.parent)  # the ones before, too: now they can lead to this one
        pages.append((f"{path.stem}.html", title(nb, path.stem), progress.line().partition(", ")[2]))
        (build / "html" / "index.html").write_text(index(pages), encoding="utf-8")
    print(f"Pages: {os.path.relpath(build / 'html' / 'index.html')}")


def save(paths, build, everything):
    """Re-run committed notebooks whose code or helpers changed since their last run, and save them in place."""
    for path in paths:
        before = nbformat.read(path, as_version=4)
        pace = os.environ.get("SERIES_PACE", "full")
        series = {"sources_sha256": sources(before), "helpers_sha256": imports.fingerprint(imports.files(before))}
        series |= {"pace": pace, "versions": versions()}
        if not everything and not stale(before) and before.metadata.get("series", {}).get("pace") == pace:
            print(f"{path.stem}: as it was run")
            continue
        solved = [nbformat.v4.new_code_cell(exercises.solved(before)) for _ in exercises.cells(before, "solution")]
        nb, _ = execute(path, build / "notebooks" / path.name, extra=solved)
        for fault in faults(nb):
            raise Stopped(f"{path.name} was not saved: {fault}")
        for cell in solved:
            said = "".join(output.get("text", "") for output in cell.outputs)
            if not exercises.right(said):
                raise Stopped(f"{path.name} was not saved: to its own solution, the checks say: {said}")
            exercises.cell(nb, "solution").metadata["expected"] = said  # for the instructor edition
        took = {cell.id: round(seconds(cell)) for cell in nb.cells if "execution" in cell.metadata}
        series["seconds"] = {cell_id: whole for cell_id, whole in took.items() if whole >= 2}
        still(nb)
        for cell in nb.cells:
            cell.metadata.pop("execution", None)
        nb.metadata.pop("widgets", None)
        nb.metadata["kernelspec"] = {"display_name": "Python 3", "language": "python", "name": "python3"}
        nb.metadata.get("language_info", {}).pop("version", None)  # differs from machine to machine
        series["outputs_sha256"] = outputs(nb)
        nb.metadata["series"] = series  # by which a changed notebook, or one of other helpers, is known
        nbformat.validate(nb)
        nbformat.write(nb, path)
        for (name, cell_id), file in PICTURES.items():
            if name == path.stem:
                (ROOT / file).write_bytes(picture(nb, cell_id))


def main():
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["run", "execute"])
    parser.add_argument("names", nargs="*", help="only notebooks whose names begin so, such as 06; all by default")
    parser.add_argument("--only", action="append", default=[], metavar="NAME", help="the same, as an option")
    parser.add_argument("--all", action="store_true", help="execute: also those that did not change")
    parser.add_argument("--build", type=Path, default=ROOT / "build", help="where results go (default: build)")
    parser.add_argument("--notebooks", type=Path, help="run: those of another folder, such as build/standalone")
    options = parser.parse_intermixed_args()
    if options.command == "run":
        os.environ.setdefault("SERIES_DATA", "scenes")
    else:
        os.environ["SERIES_DATA"] = "scenes"  # no photograph of the real data set goes into a committed picture
    names = tuple(Path(name).stem for name in options.names + options.only)
    folder = (options.notebooks if options.command == "run" and options.notebooks else ROOT / "notebooks").resolve()
    paths = [p for p in sorted(folder.glob("0*.ipynb")) if not names or p.name.startswith(names)]
    try:
        if not paths:
            raise Stopped(f"There is no such notebook in {os.path.relpath(folder)}/.")
        with tempfile.TemporaryDirectory() as runs:  # each time from the start: a finished run would only be shown
            os.environ["SERIES_RUNS"] = runs
            if options.command == "run":
                run(paths, options.build.resolve())
            else:
                save(paths, options.build.resolve(), options.all)
    except Stopped as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit("Interrupted.")


if __name__ == "__main__":
    main()
