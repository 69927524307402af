"""JupyterLab in a headless Chromium, driven as a person would: what the tests in test_browser.py are written in.

A `Server` is a JupyterLab of its own; a `Notebook` is one notebook that is open in it, in one page of the browser.
"""

import base64
import contextlib
import io
import json
import os
import re
import secrets
import socket
import subprocess
import sys
import time
import types
import urllib.request
from pathlib import Path

import nbformat
import psutil
from PIL import Image

SIZES = {"desktop": (1600, 1000), "laptop": (1280, 720)}
THEMES = {"light": "JupyterLab Light", "dark": "JupyterLab Dark"}
# Neither the prompt for news, nor what the teachers' tools of the `dev` extra add: a learner has none of it.
SETTINGS = {"@jupyterlab/apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False}}
NOT_A_LEARNERS = ("@jupyter/nbgrader", "@jupyter-notebook/lab-extension")
# JupyterLab asks every kernel for its widgets, also one that has none yet, or is too busy to answer in time. What the
# kernel says to that, all of a message, goes to no cell.
HARMLESS = re.compile(r"stderr: (No such comm( target registered)?: [\w.-]+\s*)+")


# ---- the server

# JupyterLab, which ends when the pipe does that it reads from: when `stop` closes that, or these tests end, however.
LAB = """
import os, signal, sys, threading

def wait():
    sys.stdin.read()
    os.kill(os.getpid(), signal.SIGTERM)

threading.Thread(target=wait, daemon=True).start()
from jupyterlab.labapp import main
sys.exit(main())
"""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """A JupyterLab on the notebooks in `folder`/series/notebooks, which leaves its user's settings alone.

    Args:
        folder: an empty one, for everything that is written.
        log: a file for what server and kernels say.
        environment: variables for the kernels.
    """

    def __init__(self, folder, log, **environment):
        self.folder, self.log, self.environment, self.process = Path(folder), Path(log), environment, None
        self.notebooks = self.folder / "series" / "notebooks"
        self.notebooks.mkdir(parents=True)
        self.token = secrets.token_hex(16)

    def start(self):
        names = ("config", "data", "runtime", "settings", "workspaces", "ipython")
        places = {name: self.folder / name for name in names}
        for name, settings in SETTINGS.items():
            file = places["settings"] / f"{name}.jupyterlab-settings"
            file.parent.mkdir(parents=True)
            file.write_text(json.dumps(settings))
        labconfig = places["config"] / "labconfig"
        labconfig.mkdir(parents=True)
        disabled = {"disabledExtensions": dict.fromkeys(NOT_A_LEARNERS, True)}
        (labconfig / "page_config.json").write_text(json.dumps(disabled))
        env = {k: v for k, v in os.environ.items() if not k.startswith(("SERIES_", "JUPYTER"))} | {
            "JUPYTER_CONFIG_DIR": str(places["config"]),
            "JUPYTER_DATA_DIR": str(places["data"]),
            "JUPYTER_RUNTIME_DIR": str(places["runtime"]),
            "JUPYTERLAB_SETTINGS_DIR": str(places["settings"]),
            "JUPYTERLAB_WORKSPACES_DIR": str(places["workspaces"]),
            "IPYTHONDIR": str(places["ipython"]),
            "JUPYTER_TOKEN": self.token,
            **self.environment,
        }
        command = [
            *(sys.executable, "-c", LAB, "--no-browser", "--expose-app-in-browser"),
            *(["--allow-root"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []),
            *("--ip=127.0.0.1", f"--port={free_port()}", f"--ServerApp.root_dir={self.folder / 'series'}"),
            "--LabApp.news_url=None",
            "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
        ]
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("w") as log:
            streams = {"stdin": subprocess.PIPE, "stdout": log, "stderr": subprocess.STDOUT}
            self.process = psutil.Popen(command, cwd=self.folder, env=env, start_new_session=True, **streams)
        until = time.monotonic() + 90
        while not self._answers(places["runtime"]):
            if self.process.poll() is not None or time.monotonic() > until:
                self.stop()
                raise RuntimeError(f"JupyterLab did not start. The end of {self.log}:\n{self.log.read_text()[-3000:]}")
            time.sleep(0.2)

    def _answers(self, runtime):
        """Whether the server is up; takes its address from the file that says where it listens."""
        with contextlib.suppress(OSError, ValueError, StopIteration):
            self.url = json.loads(next(runtime.glob("jpserver-*.json")).read_text())["url"]
            return bool(self.ask("api/status"))
        return False

    def ask(self, path, method="GET"):
        """What the server's REST interface answers."""
        request = urllib.request.Request(self.url + path, method=method)
        request.add_header("Authorization", f"token {self.token}")
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with direct.open(request, timeout=30) as answer:
            return json.loads(answer.read() or "null")

    def stop_kernels(self):
        for session in self.ask("api/sessions"):
            self.ask(f"api/sessions/{session['id']}", "DELETE")

    def stop(self):
        """Ends the server and every process that came of it."""
        if self.process is None:
            return
        processes = [self.process]
        with contextlib.suppress(psutil.Error):
            processes += self.process.children(recursive=True)
        self.process.stdin.close()
        for process in psutil.wait_procs(processes, timeout=15)[1]:
            with contextlib.suppress(psutil.Error):
                process.kill()
        psutil.wait_procs(processes, timeout=5)


# ---- a notebook in the browser

# In the page: the open notebook, and a cell of it by its id.
SCRIPT = """
    window.panel = () => [...(window.jupyterapp?.shell.widgets('main') ?? [])].find(w => w.content?.model?.cells);
    window.cellOf = id => panel().content.widgets.find(w => w.model.id === id);
    window.outputsOf = id => cellOf(id).node.querySelector('.jp-Cell-outputWrapper');
"""
OPEN = """() => Boolean(window.panel?.()?.context.isReady && panel().sessionContext.session)"""
LISTEN = """() => {
    window.complaints = [];
    panel().sessionContext.iopubMessage.connect((_, {header, parent_header, content}) => {
        const type = header.msg_type;
        if (type === 'error') complaints.push('kernel: ' + content.traceback.join('\\n'));
        else if (type === 'stream' && content.name === 'stderr') complaints.push('stderr: ' + content.text);
        else if (/stream|display_data/.test(type) && parent_header.msg_type === 'comm_msg') {
            complaints.push('in no cell: ' + (content.text ?? content.data['text/plain']));
        }
    });
}"""
STATE = """() => ({
    kernel: panel().sessionContext.kernelDisplayStatus,
    cells: panel().content.widgets.filter(w => w.model.type === 'code').map(({model}) => ({
        id: model.id, count: model.executionCount,
        error: model.sharedModel.outputs.find(o => o.output_type === 'error')?.traceback.join('\\n') ?? null,
    })),
})"""
# Looks at a cell's picture as often as the screen is drawn: every picture there was, and every time there was none.
WATCH = """id => {
    const seen = window.seen = {pictures: [], blank: [], looks: 0, over: false};
    const look = () => {
        const image = outputsOf(id).querySelector('img'), box = image?.getBoundingClientRect();
        seen.looks += 1;
        if (image?.complete && image.naturalWidth && image.naturalHeight && box.width && box.height) {
            if (image.src !== seen.pictures.at(-1)) seen.pictures.push(image.src);
        } else if (seen.pictures.length) {
            seen.blank.push(`look ${seen.looks}: ` + (image ? `${box.width} x ${box.height}` : 'no picture'));
        }
        if (!seen.over) requestAnimationFrame(look);
    };
    look();
}"""
LAID_OUT = """() => {
    const bar = document.querySelector('.jp-SideBar.jp-mod-right').getBoundingClientRect();
    return Math.abs(bar.right - innerWidth) <= 1 && panel().node.getBoundingClientRect().right <= bar.left;
}"""
# Puts a cell, or the output that it has, into view, until it and its pictures stand still there.
SHOW = """async id => {
    const {content} = panel(), number = content.widgets.findIndex(w => w.model.id === id);
    for (let still = 0, last = null, turns = 0; still < 5 && turns < 600; turns++) {
        if (!still) await content.scrollToItem(number, 'start');
        const output = outputsOf(id), target = output?.offsetHeight ? output : cellOf(id).node;
        const fits = target.offsetHeight <= content.outerNode.clientHeight;
        target.scrollIntoView({block: fits && target === output ? 'center' : 'start'});
        await new Promise(requestAnimationFrame);
        const loading = [...target.querySelectorAll('img')].some(i => i.checkVisibility() && !i.complete);
        const {top, height} = target.getBoundingClientRect(), now = `${top} ${height} ${loading}`;
        still = now === last && !loading ? still + 1 : 0;
        last = now;
    }
}"""
# The picture of a cell's widget, as it is on the screen; null while there is none.
PICTURE = """id => {
    const image = [...outputsOf(id).querySelectorAll('img')].find(i => i.checkVisibility());
    if (!image?.complete || !image.naturalWidth) return null;
    const canvas = document.createElement('canvas');
    [canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
    canvas.getContext('2d').drawImage(image, 0, 0);
    return canvas.toDataURL();
}"""
# What is wider than its place, in any cell's text or output.
TOO_WIDE = """async () => {
    const found = [], outer = panel().content.outerNode;
    if (outer.scrollWidth > outer.clientWidth + 1) found.push('the whole notebook');
    for (const {node, model} of panel().content.widgets) {
        node.scrollIntoView();
        await new Promise(requestAnimationFrame);
        for (const place of node.querySelectorAll('.jp-OutputArea-output, .jp-MarkdownOutput')) {
            const edge = place.getBoundingClientRect().right + 1;
            const inside = [...place.querySelectorAll('*')].filter(e => e.checkVisibility() && !e.closest('svg'));
            const out = inside.find(e => e.scrollWidth > e.clientWidth + 1 && getComputedStyle(e).overflowX === 'auto'
                || e.getBoundingClientRect().right > edge && e.getBoundingClientRect().width > 1);
            if (place.scrollWidth > place.clientWidth + 1 || out) {
                found.push(`${model.id}: ${(out ?? place).className || (out ?? place).tagName}`);
            }
        }
    }
    return found;
}"""
# Pictures that are shown larger than they are, and so blurred.
ENLARGED = """() => panel().content.widgets.flatMap(({node, model}) =>
    [...node.querySelectorAll('.jp-OutputArea-output img')].filter(i => i.checkVisibility())
        .map(i => [i.naturalWidth, Math.round(i.getBoundingClientRect().width)])
        .filter(([own, shown]) => shown > own + 1).map(([own, shown]) => `${model.id}: ${own} pixels on ${shown}`))"""
# Text that hardly differs from what is behind it, in any cell's text or output: a contrast below 3 to 1.
UNREADABLE = """() => {
    const paint = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
    const layers = node => {
        const all = [];
        for (let e = node; e; e = e.parentElement) all.unshift(getComputedStyle(e).backgroundColor);
        return all;
    };
    const rgb = colours => {
        paint.fillStyle = 'white';
        paint.fillRect(0, 0, 1, 1);
        for (const colour of colours) {
            paint.fillStyle = colour;
            paint.fillRect(0, 0, 1, 1);
        }
        return [...paint.getImageData(0, 0, 1, 1).data].slice(0, 3);
    };
    const light = colour => {
        const [r, g, b] = colour.map(v => v / 255).map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b + 0.05;
    };
    const found = [];
    for (const {node, model} of panel().content.widgets) {
        for (const place of node.querySelectorAll('.jp-OutputArea-output, .jp-MarkdownOutput')) {
            const words = document.createTreeWalker(place, NodeFilter.SHOW_TEXT);
            while (words.nextNode()) {
                const text = words.currentNode, parent = text.parentElement;
                if (!text.textContent.trim() || !parent.checkVisibility() || parent.closest('svg, style')) continue;
                const behind = layers(parent), front = [...behind, getComputedStyle(parent).color];
                const [a, b] = [light(rgb(behind)), light(rgb(front))];
                const contrast = Math.max(a, b) / Math.min(a, b);
                if (contrast < 3) found.push(`${model.id}: ${contrast.toFixed(1)} "${text.textContent.trim()}"`);
            }
        }
    }
    return found;
}"""


class Notebook:
    """A notebook that is open in JupyterLab, with its kernel ready.

    Attributes:
        page: Playwright's.
        stopped: what kept it from running to its end; None if nothing did.
        seen: what was seen of the picture that `run_all` watched: see `watching`.
    """

    def __init__(self, chromium, server, name):
        self.server, self.name, self.stopped, self.seen = server, name, None, None
        self._complaints, self._leaving = [], False
        self.page = chromium.new_page(viewport=dict(zip(("width", "height"), SIZES["desktop"], strict=True)))
        self.page.set_default_timeout(60_000)
        self.page.add_init_script(SCRIPT)
        self.page.on("console", self._on_console)
        self.page.on("pageerror", lambda error: self._complaints.append(f"page error: {error}"))
        self.page.on("requestfailed", self._on_failed_request)
        self.page.on("response", self._on_response)
        self.page.on("dialog", lambda dialog: dialog.accept())  # leaving a page in spite of changes, on a reload
        self.page.goto(f"{server.url}lab/tree/notebooks/{name}.ipynb?token={server.token}&reset")
        self._opened()
        self.wait(self.is_idle, "the kernel is ready", 120)

    def _on_console(self, message):
        if message.type == "error":
            self._complaints.append(f"console: {message.text}")

    def _on_failed_request(self, request):
        if not (self._leaving and request.failure == "net::ERR_ABORTED"):  # what a page had asked for when it was left
            self._complaints.append(f"{request.failure}: {request.method} {request.url}")

    def _on_response(self, response):
        if response.status >= 400:
            self._complaints.append(f"{response.status}: {response.request.method} {response.url}")

    def _opened(self):
        self.page.wait_for_function(OPEN)
        self.page.evaluate(LISTEN)

    def close(self):
        self.page.context.close()
        self.server.stop_kernels()

    def _collect(self):
        self._complaints += self.page.evaluate("() => complaints.splice(0)")

    def complaints(self):
        """What page, console, network and kernel complained of since this was asked last."""
        self._collect()
        found, self._complaints = [plain(complaint) for complaint in self._complaints], []
        return [complaint for complaint in found if not HARMLESS.fullmatch(complaint)]

    def wait(self, condition, what, seconds=60):
        """Waits until `condition()` is true, and returns its value; `what` says what for."""
        until = time.monotonic() + seconds
        while not (value := condition()):
            assert time.monotonic() < until, f"{self.name}: waited {seconds} s in vain until {what}"
            self.page.wait_for_timeout(100)
        return value

    # ---- running

    def menu(self, *labels):
        """Chooses from the menu bar, label by label."""
        first, *rest = (re.compile(f"^{re.escape(label)}$") for label in labels)
        self.page.locator(".lm-MenuBar-item", has_text=first).click()
        for label in rest:
            item = self.page.locator(
                ".lm-Menu-item:visible", has=self.page.locator(".lm-Menu-itemLabel", has_text=label)
            )
            item.click()

    def state(self, cell=None):
        """{"kernel": its state, "cells": a dict for each code cell}, or of one cell alone."""
        state = self.page.evaluate(STATE)
        return state if cell is None else next(c for c in state["cells"] if c["id"] == cell)

    def is_at_work(self):
        """Whether the kernel is running a cell, by what the server knows; a page that was reloaded does not."""
        kernels = {session["notebook"]["name"]: session["kernel"] for session in self.server.ask("api/sessions")}
        return kernels[f"{self.name}.ipynb"]["execution_state"] == "busy"

    def is_idle(self):
        """Whether the kernel is idle, by what the page knows."""
        return self.state()["kernel"] == "idle"

    def run_all(self, watch=None, seconds=600):
        """Runs every cell from the menu and waits for the end, or for a cell that fails.

        With `watch`, the id of a cell, that cell is kept in view once its turn has come, and its picture `watching`.
        """
        self.menu("Run", "Run All Cells")
        until = time.monotonic() + seconds
        watching = contextlib.ExitStack()
        with watching:
            if watch:
                self.seen = watching.enter_context(self.watching(watch))
            while True:
                state = self.state()
                waiting = [cell["id"] for cell in state["cells"] if cell["count"] is None]
                failed = [cell for cell in state["cells"] if cell["error"]]
                if failed:
                    self.stopped = f"{self.name}: cell {failed[0]['id']!r} failed\n{plain(failed[0]['error'])}"
                elif state["kernel"] in ("dead", "restarting", "autorestarting", "unknown"):
                    self.stopped = f"{self.name}: the kernel is {state['kernel']} in cell {waiting[0]!r}"
                elif time.monotonic() > until:
                    self.stopped = f"{self.name}: after {seconds} s still in cell {waiting[0]!r}"
                if self.stopped or (state["kernel"] == "idle" and not waiting):
                    return
                if watch and waiting and waiting[0] == watch:
                    self.show(watch)
                self.page.wait_for_timeout(100)

    def run_cell(self, cell, wait=True):
        """Runs a cell with Shift+Enter, from wherever in it one is."""
        before = self.state(cell)["count"]
        self.page.keyboard.press("Shift+Enter")
        if wait:
            self.wait(
                lambda: self.is_idle() and self.state(cell)["count"] not in (None, before), f"cell {cell!r} has run"
            )

    def add_cell(self, after, text):
        """Adds a code cell behind another and types into it; returns its id."""
        self.show(after)
        self.cell(after).locator(".jp-InputPrompt").click()
        self.page.keyboard.press("b")
        new = self.page.evaluate("() => panel().content.activeCell.model.id")
        self.page.keyboard.press("Enter")
        self.page.keyboard.type(text)
        return new

    @contextlib.contextmanager
    def watching(self, cell):
        """Meanwhile, a cell's picture is looked at as often as the screen is drawn.

        Yields a namespace, filled at the end: `pictures`, bytes, in their order; `blank`, a text for each look that
        found none after the first; `looks`, their number.
        """
        seen = types.SimpleNamespace()
        self.page.evaluate(WATCH, cell)
        try:
            yield seen
        finally:
            result = self.page.evaluate("() => { seen.over = true; return seen; }")
            seen.pictures = [decoded(source) for source in result["pictures"]]
            seen.blank, seen.looks = result["blank"], result["looks"]

    def save(self):
        """Saves from the menu; returns the notebook that is then on disk."""
        last = re.compile(r"/checkpoints\b")  # what Lab asks for when all the rest is done
        with self.page.expect_response(lambda r: r.request.method == "POST" and last.search(r.url)):
            self.menu("File", "Save Notebook")
        return nbformat.read(self.server.notebooks / f"{self.name}.ipynb", as_version=4)

    def reload(self):
        """Reloads the page; the kernel goes on with what it was at."""
        self._collect()
        self._leaving = True
        self.page.reload()
        self._leaving = False
        self._opened()

    # ---- looking

    def cell(self, cell):
        """Playwright's locator of a cell."""
        number = self.page.evaluate("id => panel().content.widgets.findIndex(w => w.model.id === id)", cell)
        return self.page.locator(f'.jp-Notebook .jp-Cell[data-windowed-list-index="{number}"]')

    def output(self, cell):
        """Playwright's locator of a cell's output."""
        return self.cell(cell).locator(".jp-Cell-outputWrapper")

    def show(self, cell):
        """Scrolls to a cell, and in it to the output."""
        self.page.evaluate(SHOW, cell)

    def picture(self, cell):
        """The bytes of the picture that stands in a cell's output, as a PNG; None while there is none."""
        source = self.page.evaluate(PICTURE, cell)
        return source and decoded(source)

    def changed(self, cell, before):
        """Waits for a picture other than `before`, and returns it."""
        return self.wait(
            lambda: (now := self.picture(cell)) and now != before and now, f"the picture of cell {cell!r} changes"
        )

    def resize(self, size):
        width, height = SIZES[size]
        self.page.set_viewport_size({"width": width, "height": height})
        self.page.wait_for_function(LAID_OUT)

    def theme(self, theme):
        """Chooses a theme from the menu."""
        chosen = "() => document.body.dataset.jpThemeName"
        if self.page.evaluate(chosen) != THEMES[theme]:
            self.menu("Settings", "Theme", THEMES[theme])
            self.wait(lambda: self.page.evaluate(chosen) == THEMES[theme], f"the theme is {theme}")

    def too_wide(self):
        """What does not fit the width of the page: a list of texts."""
        return self.page.evaluate(TOO_WIDE)

    def enlarged(self):
        """Pictures that are shown larger than they are: a list of texts."""
        return self.page.evaluate(ENLARGED)

    def unreadable(self):
        """Text that hardly stands out against its background: a list of texts."""
        return self.page.evaluate(UNREADABLE)

    def photograph(self, cell, size, theme, folder):
        """A screenshot at a cell, in a file that is named after notebook, cell, size and theme; returns its path."""
        self.resize(size)
        self.theme(theme)
        self.show(cell)
        path = Path(folder) / f"{self.name[:2]}_{cell}_{size}_{theme}.png"
        self.page.screenshot(path=path, animations="disabled")
        return path


# ---- pictures


def plain(text):
    """Text without a terminal's colours."""
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


def decoded(source):
    """The bytes in a data: address."""
    return base64.b64decode(source.partition(",")[2])


def image(data):
    """PNG bytes, or a path, as a Pillow image in RGB."""
    return Image.open(io.BytesIO(data) if isinstance(data, bytes) else data).convert("RGB")


def is_blank(data):
    """Whether a picture is all, or as good as all, of one colour."""
    picture = image(data)
    pixels = picture.width * picture.height
    return max(count for count, _ in picture.getcolors(pixels)) > 0.995 * pixels
