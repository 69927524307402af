"""Every notebook in JupyterLab itself, in a browser: it can be read, its controls answer, and three run from the menu.

Those three (01, 02 and 06) have a live view, or controls of each kind. 03, 04 and 08 have one slider each, for which a
few cells are run; 05 has none. Their other cells show what is committed.

Screenshots to look at go to build/screenshots/, what server and kernels say to build/jupyterlab.log.
"""

import shutil
from pathlib import Path

import nbformat
import numpy as np
import pytest

import notebooks
from support import browser

ROOT = Path(__file__).resolve().parents[2]
NAMES = sorted(path.stem for path in (ROOT / "notebooks").glob("*.ipynb"))
SCREENSHOTS = ROOT / "build" / "screenshots"
PHOTO = ROOT / "data" / "photos" / "palace.jpg"
EVERYWHERE = [(size, theme) for theme in browser.THEMES for size in browser.SIZES]
# Changed in the copies: cell -> (what stands there, what is to). At the fast pace training is over before the live view
# is drawn three times.
LONGER = {("06_unet_on_siftflow", "batches"): ("epochs=2)", "epochs=6)")}

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def lab(chromium, tmp_path_factory):
    """A JupyterLab on copies of the notebooks, at the fast pace; those that are run whole have no outputs yet."""
    folder = tmp_path_factory.mktemp("lab")
    settings = {"SERIES_PACE": "fast", "SERIES_DATA": "scenes", "SERIES_RUNS": str(folder / "runs")}
    server = browser.Server(folder, ROOT / "build" / "jupyterlab.log", **settings)
    for name, cells in {cls.name: cls.cells for cls in InTheBrowser.__subclasses__()}.items():
        nb = nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", as_version=4)
        for cell in (cell for cell in nb.cells if cell.cell_type == "code"):
            if cells is None or cell.id in cells:
                cell.outputs, cell.execution_count = [], None
            before, after = LONGER.get((name, cell.id), ("", ""))
            assert before in cell.source, f"{name}, cell {cell.id}: no {before}"
            cell.source = cell.source.replace(before, after)
        nbformat.write(nb, server.notebooks / f"{name}.ipynb")
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="class")
def run(request, chromium, lab):
    """The notebook, open, after Run All, whether or not that got to its end; or after the cells its class names."""
    nb = browser.Notebook(chromium, lab, request.cls.name)
    try:
        if request.cls.cells is None:
            nb.run_all(watch=request.cls.watched)
        for cell in request.cls.cells or ():
            nb.show(cell)
            nb.cell(cell).locator(".cm-line").first.click()
            nb.run_cell(cell)
        nb.complaints_of_the_run = nb.complaints()
        yield nb
    finally:
        nb.close()


class InTheBrowser:
    """What holds for every notebook. A class for each says its name, and which cells to take screenshots of."""

    name = None
    screenshots = ()
    cells = None  # to run; None for all
    watched = None  # a cell whose picture is watched during the run

    @pytest.fixture
    def nb(self, run):
        """The notebook after a good run. Whatever is complained of in the test fails it."""
        if run.stopped:
            pytest.fail("it did not run to its end: see test_runs_to_its_end", pytrace=False)
        yield run
        assert run.complaints() == []

    def test_runs_to_its_end(self, run):
        assert not run.stopped, run.stopped
        counts = [cell["count"] for cell in run.state()["cells"] if self.cells is None or cell["id"] in self.cells]
        assert counts == list(range(1, len(counts) + 1))

    def test_the_run_is_without_complaint(self, run):
        """No error in the console, no exception in the page, no failed request, nothing on the kernel's stderr."""
        assert run.complaints_of_the_run == []

    def test_saves_without_fault(self, nb):
        saved = nb.save()
        code = [cell for cell in saved.cells if cell.cell_type == "code"]
        assert all(cell.execution_count for cell in code)
        assert list(notebooks.faults(saved)) == []

    @pytest.mark.parametrize("size", browser.SIZES)
    def test_fits_the_screen(self, nb, size):
        nb.resize(size)
        assert nb.too_wide() == []

    def test_pictures_are_sharp(self, nb):
        nb.resize("desktop")
        assert nb.enlarged() == []

    @pytest.mark.parametrize("theme", browser.THEMES)
    def test_readable(self, nb, theme):
        nb.theme(theme)
        assert nb.unreadable() == []

    def test_screenshots(self, nb):
        """The title everywhere, what else is worth it on a light desktop and a dark laptop."""
        shots = [("title", *where) for where in EVERYWHERE]
        shots += [(cell, *where) for where in (("desktop", "light"), ("laptop", "dark")) for cell in self.screenshots]
        photograph(nb, shots)


def photograph(nb, shots):
    """Takes screenshots: (cell, size, theme). Themes change slowly, hence the order."""
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    for cell, size, theme in sorted(shots, key=lambda shot: shot[2] == "light"):
        path = nb.photograph(cell, size, theme, SCREENSHOTS)
        picture = browser.image(path)
        assert picture.size == browser.SIZES[size] and not browser.is_blank(path), path


def slider(nb, cell, label):
    """A slider of a cell's widget, by its label: the handle, and a function that reads its value."""
    row = nb.output(cell).locator(".widget-slider", has=nb.page.locator(".widget-label", has_text=label))
    nb.show(cell)
    return row.locator(".noUi-handle"), row.locator(".widget-readout").inner_text


def answers_the_keyboard(nb, cell, label, there, back):
    """A key changes the slider's number and its picture; another brings both back."""
    handle, value = slider(nb, cell, label)
    first_value, first = value(), nb.picture(cell)
    assert not browser.is_blank(first)
    handle.click()
    handle.press(there)
    second = nb.changed(cell, first)
    assert value() != first_value and not browser.is_blank(second)
    handle.press(back)
    nb.wait(lambda: nb.picture(cell) == first, f"the first picture of {label} is back")
    assert value() == first_value


def labels(nb, cell):
    return nb.output(cell).locator(".widget-slider .widget-label").all_text_contents()


class Test01(InTheBrowser):
    name = "01_per_pixel_softmax"
    screenshots = ("drag", "exercise")
    sliders = ("row", "col", "logit 0", "logit 1", "temperature")

    def test_has_its_sliders(self, nb):
        assert labels(nb, "drag") == list(self.sliders)

    @pytest.mark.parametrize("label", sliders)
    def test_slider(self, nb, label):
        keys = ("ArrowLeft", "ArrowRight") if label == "col" else ("ArrowRight", "ArrowLeft")  # col starts at its end
        answers_the_keyboard(nb, "drag", label, *keys)

    def test_slider_while_a_cell_runs(self, nb):
        """It does not touch the figure which that cell is about to draw."""
        figure = "figure = plt.figure()"
        said = while_running(nb, f"{figure}; time.sleep(3); print(plt.fignum_exists(figure.number)); plt.close()")
        assert (said, nb.complaints()) == ("True", [])

    def test_slider_while_a_cell_draws(self, nb):
        """It does not draw that cell's figure, from another thread, at the same time."""
        figure = "figure = plt.figure(); drawn = []; figure.canvas.draw = lambda: drawn.append(1)"
        assert while_running(nb, f"{figure}; time.sleep(3); print(drawn); plt.close()") == "[]"

    def test_exercise(self, nb):
        """Typed into the editor: a wrong answer, then the right one."""
        nb.show("exercise")
        assert nb.output("exercise").inner_text().count("Not answered yet") == 2
        for softmax, axis, said in [
            ("logits / logits.sum(axis=-1, keepdims=True)", "3", "Not yet"),
            ("np.exp(logits - logits.max(-1, keepdims=True)) / "
             "np.exp(logits - logits.max(-1, keepdims=True)).sum(-1, keepdims=True)", "1", "Right"),
        ]:  # fmt: skip
            type_over(nb, "exercise", "return ", f"    return {softmax}")
            type_over(nb, "exercise", "my_axis = ", f"my_axis = {axis}")
            nb.run_cell("exercise")
            lines = nb.output("exercise").inner_text().strip().splitlines()
            assert [line.startswith(said) for line in lines] == [True, True], lines


def while_running(nb, code):
    """What a cell with this code prints while a slider is moved."""
    answers_the_keyboard(nb, "drag", "row", "ArrowRight", "ArrowLeft")
    new = nb.add_cell("drag", f"import time; {code}")
    nb.run_cell(new, wait=False)
    nb.wait(nb.is_at_work, "the cell is running")
    handle, _ = slider(nb, "drag", "row")
    handle.press("ArrowRight")
    said = nb.wait(lambda: nb.output(new).inner_text().strip(), "the cell has run")
    handle.press("ArrowLeft")
    return said


def type_over(nb, cell, start, text):
    """Replaces the editor's line that begins so, as typed."""
    nb.cell(cell).locator(".cm-line", has_text=start).first.click()
    for key in ("End", "Shift+Home", "Shift+Home", "Delete"):  # Home stops at the indentation first
        nb.page.keyboard.press(key)
    nb.page.keyboard.type(text)


class Test02(InTheBrowser):
    name = "02_reshape_vs_permute"
    screenshots = ("step", "race", "exercise")

    def test_slider(self, nb):
        assert labels(nb, "step") == ["element"]
        answers_the_keyboard(nb, "step", "element", "ArrowRight", "ArrowLeft")

    def test_buttons(self, nb):
        """One press, by keyboard and by mouse, turns the picture to the other order and back."""
        nb.show("step")
        first_button, last_button = (
            nb.output("step").get_by_role("button", name=name) for name in ("channels first", "channels last")
        )
        first = nb.picture("step")
        last_button.press("Enter")
        assert not browser.is_blank(nb.changed("step", first))
        first_button.click()
        nb.wait(lambda: nb.picture("step") == first, "the first picture is back")


class Test03(InTheBrowser):
    name = "03_weighted_cross_entropy"
    screenshots = ("curve-slider", "train-figure", "exercise")
    cells = ("setup", "imports", "posted", "curve", "curve-slider")

    def test_slider(self, nb):
        assert labels(nb, "curve-slider") == ["weight"]
        answers_the_keyboard(nb, "curve-slider", "weight", "ArrowRight", "ArrowLeft")


class Test04(InTheBrowser):
    name = "04_dice_loss"
    screenshots = ("discs-slider", "race-figure", "exercise")
    cells = ("setup", "imports", "toy", "discs", "discs-slider")

    def test_slider(self, nb):
        assert labels(nb, "discs-slider") == ["shift"]
        answers_the_keyboard(nb, "discs-slider", "shift", "ArrowRight", "ArrowLeft")


class Test05(InTheBrowser):
    name = "05_why_it_does_not_learn"
    screenshots = ("p1", "preflight", "cards", "exercise", "chart")
    cells = ("setup", "imports")


class Test08(InTheBrowser):
    name = "08_can_i_believe_it"
    screenshots = ("many", "spreads-figure", "temperature", "mistakes", "none", "confusions", "exercise")
    cells = ("setup", "imports", "record", "temperature")

    def test_slider(self, nb):
        assert labels(nb, "temperature") == ["temperature"]
        answers_the_keyboard(nb, "temperature", "temperature", "ArrowRight", "ArrowLeft")


class Test07(InTheBrowser):
    name = "07_what_does_each_part_do"
    screenshots = ("see-figure", "depth-figure", "join", "up-figure", "photo", "head-figure", "exercise")
    cells = ("setup", "imports")


class Test09(InTheBrowser):
    name = "09_your_own_masks"
    screenshots = ("three", "order-figure", "exif", "resize", "report", "predictions", "exercise")
    cells = ("setup", "imports")


class Test06(InTheBrowser):
    name = "06_unet_on_siftflow"
    screenshots = ("train", "scrubber", "photo", "exercise")
    watched = "train"

    def test_live_view_moves(self, nb):
        different = len(set(nb.seen.pictures))
        assert different >= 3

    def test_live_view_never_blinks(self, nb):
        assert nb.seen.looks > 100
        assert nb.seen.blank == []
        assert not any(map(browser.is_blank, nb.seen.pictures))

    def test_scrubber_by_keyboard(self, nb):
        assert labels(nb, "scrubber") == ["epoch"]
        answers_the_keyboard(nb, "scrubber", "epoch", "ArrowLeft", "ArrowRight")

    def test_scrubber_shows_the_masks_of_each_epoch(self, nb):
        handle, value = slider(nb, "scrubber", "epoch")
        trained = nb.picture("scrubber")
        handle.press("Home")
        untrained = nb.changed("scrubber", trained)
        assert value() == "0"
        assert np.mean(masks(trained) != masks(untrained)) > 0.1
        handle.press("End")
        nb.wait(lambda: nb.picture("scrubber") == trained, "the last epoch's masks are back")

    def test_scrubber_plays(self, nb):
        handle, value = slider(nb, "scrubber", "epoch")
        handle.press("End")
        last, pictures = value(), [nb.picture("scrubber")]
        nb.output("scrubber").locator(".widget-play button").first.click()
        nb.wait(lambda: value() == "0", "the play button starts from the first epoch")

        def at_the_end():
            pictures.append(nb.picture("scrubber"))
            return value() == last and pictures[-1] == pictures[0]

        nb.wait(at_the_end, "it has played to the last epoch")
        nb.wait(nb.output("scrubber").locator(".fa-play").is_visible, "it has stopped there")
        assert len(set(pictures) - {None}) > 3

    def test_photo_of_ones_own(self, nb):
        upload(nb, PHOTO)
        nb.wait(lambda: "the network is sure" in nb.output("own-photo").inner_text(), "the photo is described")
        assert "palace.jpg: " in nb.output("own-photo").inner_text()
        same = nb.changed("own-photo", None) == nb.picture("photo")
        assert same, "the cell above shows this photo, too"
        photograph(nb, [("own-photo", "desktop", "light"), ("own-photo", "laptop", "dark")])

    def test_no_photo(self, nb):
        upload(nb, {"name": "notes.txt", "mimeType": "text/plain", "buffer": b"Not a picture at all."})
        sentence = "notes.txt is not a picture of a known kind: give a JPEG or PNG file."
        nb.wait(lambda: sentence in nb.output("own-photo").inner_text(), "it says that this is no picture")

    def test_picture_after_a_reload(self, nb, lab):
        """As the notebook says: reloaded in the middle of training, `draw.show(view.figure(), "")` brings it back."""
        shutil.rmtree(lab.environment["SERIES_RUNS"])  # else the finished run would only be shown
        before = nb.picture("train")
        nb.save()
        nb.cell("train").locator(".cm-line").first.click()
        nb.run_cell("train", wait=False)
        nb.changed("train", before)
        nb.reload()
        assert nb.is_at_work(), "training was over before the page was back"
        nb.wait(nb.is_idle, "training has ended")
        nb.show("train")
        frozen = nb.picture("train")
        assert frozen == before
        new = nb.add_cell("train", 'draw.show(view.figure(), ""); print(view.headline())')
        nb.run_cell(new)
        nb.show(new)
        assert nb.output(new).inner_text().strip().startswith("6 of 6 epochs in")
        picture = nb.picture(new)
        assert picture != frozen and not browser.is_blank(picture)


def upload(nb, file):
    """Chooses a file with the widget's button."""
    nb.show("own-photo")
    with nb.page.expect_file_chooser() as chooser:
        nb.output("own-photo").locator(".widget-upload").click()
    chooser.value.set_files(file)


def masks(picture):
    """The column of masks, without the title above and the legend below, as (pixel, RGB)."""
    whole = browser.image(picture)
    box = (0.68 * whole.width, 0.1 * whole.height, 0.98 * whole.width, 0.8 * whole.height)
    return np.asarray(whole.crop(tuple(map(round, box))).resize((64, 192), 0)).reshape(-1, 3)


def test_every_notebook_has_its_class():
    assert sorted(cls.name for cls in InTheBrowser.__subclasses__()) == NAMES
