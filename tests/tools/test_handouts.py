"""`make handouts`: each edition holds what it should and nothing else, twice the same, and its pages work offline."""

import filecmp
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pypdf
import pytest

import exercises
import handouts
import notebooks
from support import accessibility, links

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
PATHS = sorted((ROOT / "notebooks").glob("0*.ipynb"))
NAMES = [path.stem for path in PATHS]


def build(folder, *options):
    """Run the tool; the seconds it took."""
    started = time.monotonic()
    command = [sys.executable, "tools/handouts.py", "--build", str(folder), *options]
    process = subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert process.returncode == 0, process.stdout + process.stderr
    return time.monotonic() - started, process.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory, chromium_path):
    folder = tmp_path_factory.mktemp("handouts")
    seconds, _ = build(folder)
    return folder, seconds


@pytest.fixture(params=NAMES)
def name(request):
    return request.param


def read(built, edition, name):
    return nbformat.read(built[0] / edition / f"{name}.ipynb", as_version=nbformat.NO_CONVERT)


def committed(name):
    return nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", as_version=4)


def text(nb):
    return "\n".join(cell.source for cell in nb.cells)


def code(nb):
    return [cell for cell in nb.cells if cell.cell_type == "code"]


# ---- what is in an edition


def test_student(built, name):
    nb, before = read(built, "student", name), committed(name)
    nbformat.validate(nb)
    assert all(not cell.outputs and cell.execution_count is None for cell in code(nb))
    assert [cell.source for cell in code(nb)] == [cell.source for cell in code(before)]
    ids = [cell.id for cell in before.cells if "solution" not in cell.metadata.get("tags", [])]
    assert [cell.id for cell in nb.cells] == ids
    assert "check." in exercises.cell(nb, "exercise").source and exercises.cell(nb, "hint").source
    assert exercises.solution(before) not in text(nb) and "<summary>Solution" not in text(nb)
    assert nb.metadata.kernelspec.name == "python3"
    assert {key for cell in nb.cells for key in cell.metadata} <= {"tags"}


def test_instructor(built, name):
    nb, before = read(built, "instructor", name), committed(name)
    nbformat.validate(nb)
    exercise = exercises.cell(nb, "exercise")
    assert exercise.source == exercises.solved(before)
    assert exercises.right("".join(output.text for output in exercise.outputs))
    assert exercises.stub_and_checks(before)[0] in exercises.cell(nb, "solution").source
    for cell, own in zip(code(nb), code(before), strict=True):
        if "exercise" not in cell.metadata.get("tags", []):
            assert (cell.source, cell.outputs, cell.execution_count) == (own.source, own.outputs, own.execution_count)
    notes = handouts.read_notes(ROOT / "docs" / "teaching" / f"{name}.md")
    found = {nb.cells[nb.cells.index(cell) - 1].id: cell.source for cell in exercises.cells(nb, "note")}
    assert found.keys() == {"title" if name == "" else name for name in notes}
    for at, note in notes.items():
        shown = re.sub(r"^> ?", "", found[at or "title"], flags=re.M)
        assert note in shown and "For the teacher." in shown
    for cell_id, seconds in before.metadata.series.seconds.items():
        count = next(cell.execution_count for cell in code(before) if cell.id == cell_id)
        assert (f"[{count}] {seconds} s" in found["title"]) == (seconds >= 5)


def test_standalone(built, name, tmp_path, monkeypatch):
    nb, plain = read(built, "standalone", name), read(built, "student", name)
    carried = exercises.cells(nb, "carried")
    assert [c.source for c in nb.cells if c not in carried] == [c.source for c in plain.cells]
    assert nb.cells.index(carried[-1]) == nb.cells.index(exercises.cell(nb, "setup")) - 1
    assert all(len(cell.source) < 5e6 for cell in carried), "Jupyter drops the connection at a message of 10 MB"
    assert (built[0] / "standalone" / f"{name}.ipynb").stat().st_size < 15e6, "Colab opens notebooks up to 20 MB"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    variables = {}
    for cell in [*carried, carried[0], carried[-1]]:  # running one again does no harm
        exec(cell.source, variables)
    (folder,) = tmp_path.iterdir()
    assert sys.path[0] == str(folder)
    unpacked = {path.relative_to(folder) for path in folder.rglob("*") if path.is_file()}
    assert unpacked == set(handouts.needed(committed(name))) and Path("helpers/__init__.py") in unpacked
    assert all(filecmp.cmp(ROOT / path, folder / path, shallow=False) for path in unpacked)


def test_the_trained_network_is_carried_where_it_is_used():
    for name in NAMES:
        uses = "runs.pretrained(" in text(committed(name))
        assert (Path("data/checkpoints/siftflow_cpu.npz") in handouts.needed(committed(name))) == uses


def test_nbgrader(built, name):
    """More of it, through nbgrader itself, in test_grading.py."""
    nb = read(built, "nbgrader", name)
    marked = [cell for cell in nb.cells if cell.metadata.get("nbgrader", {}).get("grade")]
    assert marked and all("### BEGIN HIDDEN TESTS" in cell.source for cell in marked)
    assert exercises.solution(committed(name)) in exercises.cell(nb, "exercise").source
    assert exercises.cells(nb, "carried")
    assert (built[0] / "nbgrader" / "nbgrader_config.py").exists()


@pytest.mark.parametrize("edition", ["student", "instructor"])
def test_a_folder_to_hand_out(built, edition):
    """All that a notebook or the page beside it names is in the folder, and nothing else is."""
    folder = built[0] / edition
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    pages = {f"{name}.{kind}" for name in NAMES for kind in ("ipynb", "html", "pdf")}
    assert found == pages | {"README.md", "requirements.txt"} | {path.as_posix() for path in handouts.needed()}
    readme = (folder / "README.md").read_text(encoding="utf-8")
    cells = [cell for path in folder.glob("*.ipynb") for cell in nbformat.read(path, as_version=4).cells]
    prose = [cell.source for cell in cells if cell.cell_type == "markdown"]
    for link in re.findall(r"\]\((?!https?:|#)([^)#]+)", "\n".join([readme, *prose])):
        assert (folder / link).exists(), link
    assert "requirements.txt" in readme and "## Troubleshooting" in readme


@pytest.mark.parametrize("edition", ["student", "instructor", "standalone", "nbgrader"])
def test_every_link_leads_somewhere(built, edition):
    """In notebooks, pages and texts: to a file that is handed out with them, or to a heading."""
    folder = built[0] / edition
    files = [path for path in folder.rglob("*") if path.suffix in (".ipynb", ".html", ".md")]
    assert len(files) >= len(NAMES)
    assert {path.relative_to(folder).as_posix(): found for path in files if (found := links.dead(path))} == {}
    outside = [(path.name, link) for path in folder.iterdir() for link in relative(path) if link.startswith("..")]
    assert outside == []


def relative(path):
    return links.relative(path) if path.suffix in (".ipynb", ".html") else []


def test_a_lesson_leads_to_the_next_of_its_kind(built):
    """A page to the page, a notebook to the notebook; in an assignment, whose notebooks a teacher chooses, to none."""
    for edition, kinds in {
        "student": ("ipynb", "html"),
        "instructor": ("ipynb", "html"),
        "standalone": ("ipynb",),
    }.items():
        for kind in kinds:
            for name, following in zip(NAMES, NAMES[1:], strict=False):
                if int(following[:2]) > int(name[:2]) + 1:
                    continue  # one between them is still to come
                assert f"{following}.{kind}" in relative(built[0] / edition / f"{name}.{kind}")
    assert not any(relative(path) for path in (built[0] / "nbgrader").iterdir())
    assert "helpers/metrics.py" in relative(built[0] / "instructor" / "03_weighted_cross_entropy.html")


def test_one_lesson_alone_leads_to_no_other(tmp_path):
    build(tmp_path, "--only", "03", "--no-pdf")
    files = [path for path in tmp_path.rglob("*") if path.suffix in (".ipynb", ".html", ".md")]
    assert len(files) > 6
    assert {path.relative_to(tmp_path).as_posix(): found for path in files if (found := links.dead(path))} == {}
    assert not any("04" in link for path in files for link in relative(path))


# ---- the answers to the predictions

TAGGED = [name for name in NAMES if exercises.cells(committed(name), "why")]
FOLD = r"<details><summary>Why</summary>\n\n(.*)\n\n</details>"


@pytest.fixture(params=TAGGED)
def tagged(request):
    return request.param


def test_there_are_answers_to_fold():
    assert {name[:2] for name in TAGGED} == {name[:2] for name in NAMES}


def test_an_answer_is_folded_or_on_paper_comes_last():
    cells = [
        nbformat.v4.new_markdown_cell("# Title", id="title"),
        nbformat.v4.new_markdown_cell("**Why.** Since *so*.\n\nAnd so.", id="a-why", metadata={"tags": ["why"]}),
        nbformat.v4.new_markdown_cell("## Next", id="next"),
        nbformat.v4.new_markdown_cell("**Why there.** It is.", id="b-why", metadata={"tags": ["why"]}),
    ]
    nb = nbformat.v4.new_notebook(cells=cells)
    folded, last = handouts.student(nb), handouts.student(nb, paper=True)
    start = "<details><summary>Why</summary>\n\n"
    assert [cell.source for cell in folded.cells] == [
        "# Title",
        start + "Since *so*.\n\nAnd so.\n\n</details>",
        "## Next",
        start + "**Why there.** It is.\n\n</details>",
    ]
    assert [cell.source for cell in last.cells] == [
        "# Title",
        "[Why 1](#Why-1): at the end.",
        "## Next",
        "[Why 2](#Why-2): at the end.",
        "## The answers",
        "### Why 1\n\nSince *so*.\n\nAnd so.",
        "### Why 2\n\n**Why there.** It is.",
    ]
    assert nb.cells[1].source.startswith("**Why.**"), "the notebook itself stays open"


@pytest.mark.parametrize("edition", ["student", "standalone", "nbgrader"])
def test_students_unfold_each_answer(built, edition, tagged):
    own, made = (exercises.cells(nb, "why") for nb in (committed(tagged), read(built, edition, tagged)))
    assert [cell.id for cell in made] == [cell.id for cell in own]
    for before, after in zip(own, made, strict=True):
        assert re.fullmatch(FOLD, after.source, re.S)[1] == before.source.removeprefix("**Why.** ")


def test_an_answer_unfolds(built, offline, tagged):
    """Each answer of a page is there, and out of sight until a click."""
    page, _ = offline
    page.goto((built[0] / "student" / f"{tagged}.html").as_uri())
    folds = page.locator(".celltag_why details")
    assert folds.count() == len(exercises.cells(committed(tagged), "why")) == page.locator(".celltag_why").count()
    for number in range(folds.count()):
        answer = folds.nth(number).locator("p").first
        assert not answer.is_visible()
        folds.nth(number).locator("summary").click()
        assert answer.is_visible() and len(answer.inner_text()) > 40


def test_the_teacher_has_every_answer_open(built, tagged):
    own, made = (exercises.cells(nb, "why") for nb in (committed(tagged), read(built, "instructor", tagged)))
    assert [cell.source for cell in made] == [cell.source.replace("](../", "](") for cell in own]
    assert "<summary>Why" not in (built[0] / "instructor" / f"{tagged}.html").read_text(encoding="utf-8")


def test_on_paper_the_answers_follow_in_order(tagged):
    nb = committed(tagged)
    numbers = [str(number + 1) for number in range(len(exercises.cells(nb, "why")))]
    source = handouts.page(handouts.student(nb, paper=True), tagged, "student")
    body, answers = source.split(">The answers<")
    assert re.findall(r'<a href="#Why-(\d+)">Why \1</a>: at the end\.', body) == numbers
    assert re.findall(r'<h3 id="Why-(\d+)">', answers) == numbers and not re.search(r'id="Why-\d', body)
    assert "<summary>Why" not in source


def test_the_printed_answers_can_be_kept_back(built, tagged):
    """They begin on a page of their own, and no page before it has one."""
    pages = [page.extract_text() for page in pypdf.PdfReader(built[0] / "student" / f"{tagged}.pdf").pages]
    (first,) = [n for n, words in enumerate(pages) if re.match(r"\s*(?:\d+ / \d+\s+)?The answers\n", words)]
    whys = len(exercises.cells(committed(tagged), "why"))
    assert sum(len(re.findall(r"^Why \d+(?!.*at the end)", words, re.M)) for words in pages[first:]) == whys
    assert sum(len(re.findall(r"^Why \d+: at the end", words, re.M)) for words in pages[:first]) == whys


def test_badges_and_addresses_stay_behind(tmp_path):
    """A handout opens itself, not the repository's notebook."""
    import badges

    nb = committed("01_per_pixel_softmax")
    badges.in_notebook(nb, "01_per_pixel_softmax", "someone/per-pixel@main")
    assert "someone" in text(nb)
    for made in (handouts.student(nb), handouts.instructor(nb, {"": ""}), handouts.standalone(nb)):
        assert "someone" not in text(made)


# ---- the tool


def test_within_ten_minutes(built):
    assert built[1] < 300


def test_twice_the_same(built, tmp_path):
    """Byte for byte, the notebooks, the pages and what lies beside them. (A PDF holds the time when it was printed.)"""
    build(tmp_path, "--no-pdf")
    files = [path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) > 4 * len(NAMES)
    same, other, missing = filecmp.cmpfiles(tmp_path, built[0], files, shallow=False)
    assert not other and not missing


def test_without_chromium_there_is_html_and_a_word(tmp_path):
    (tmp_path / "empty").mkdir()
    env = {**os.environ, "PATH": str(tmp_path / "empty"), "CHROMIUM": ""}
    command = [sys.executable, "tools/handouts.py", "--build", str(tmp_path / "build"), "--only", "01"]
    process = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True)
    assert process.returncode == 0, process.stderr
    assert "No PDFs" in process.stdout and "apt-get install chromium" in process.stdout
    assert (tmp_path / "build" / "student" / "01_per_pixel_softmax.html").exists()
    assert not list(tmp_path.rglob("*.pdf"))


def test_a_notebook_that_was_changed_and_not_run_is_refused(tmp_path):
    nb = committed("01_per_pixel_softmax")
    code(nb)[-1].source += "\n# another"
    path = tmp_path / "01_per_pixel_softmax.ipynb"
    nbformat.write(nb, path)
    with pytest.raises(notebooks.Stopped, match="01_per_pixel_softmax.ipynb is out of date, its code .*: `make"):
        handouts.build([path], tmp_path / "build", None)


# ---- pages, with the network cut off


@pytest.fixture(scope="module")
def offline(chromium):
    """A page that reports what goes wrong, in a browser that reaches nothing but files."""
    context = chromium.new_context(viewport={"width": 1100, "height": 900})
    wrong = []

    def route(request):
        if request.request.url.startswith(("file:", "data:")):
            request.continue_()
        else:
            wrong.append(request.request.url)
            request.abort()

    context.route("**/*", route)
    page = context.new_page()
    page.on("console", lambda message: wrong.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    yield page, wrong
    context.close()


@pytest.mark.parametrize("edition", ["student", "instructor"])
def test_a_page_works_offline(built, offline, edition, name):
    page, wrong = offline
    wrong.clear()
    page.goto((built[0] / edition / f"{name}.html").as_uri())
    page.wait_for_load_state("networkidle")
    assert not wrong
    sizes = page.eval_on_selector_all("img", "pictures => pictures.map(p => [p.naturalWidth, p.alt])")
    assert all(width > 0 and alt for width, alt in sizes)
    outputs = [output for cell in code(read(built, edition, name)) for output in cell.outputs]
    shown = sum("image/png" in o.get("data", {}) or "<img" in o.get("data", {}).get("text/html", "") for o in outputs)
    assert len(sizes) == shown
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), "wider than the window"
    assert page.locator("h1").first.inner_text().startswith(name[:2])


def test_everybody_can_read_a_page(built, offline):
    """One with notes, questions, a solution and links; the pages of `make run` are tested one by one."""
    page, _ = offline
    page.goto((built[0] / "instructor" / "03_weighted_cross_entropy.html").as_uri())
    assert accessibility.findings(page) == []


def test_formulas_need_no_script():
    """They are written in letters, since MathJax comes from the network: no page and no notebook may need it."""
    for name in NAMES:
        prose = "\n".join(cell.source for cell in committed(name).cells if cell.cell_type == "markdown")
        assert not re.search(r"\$[^$\n]+\$|\\\(|\\\[|\\begin\{", re.sub(r"`[^`]*`", "", prose)), name


def test_no_page_needs_a_file_beside_it():
    """Pictures of outputs are in the page; one that a text named by its path would be missing from it."""
    for name in NAMES:
        prose = "\n".join(cell.source for cell in committed(name).cells if cell.cell_type == "markdown")
        assert not re.search(r"!\[[^]]*\]\((?!https?:)|<img[^>]*src=.(?!https?:)", prose), name


def test_the_animation_plays_offline(built, offline):
    page, _ = offline
    page.goto((built[0] / "instructor" / "02_reshape_vs_permute.html").as_uri())
    picture = page.locator("img[src^='data:image/gif']")
    picture.scroll_into_view_if_needed()
    frames = set()
    for _ in range(30):
        frames.add(picture.screenshot())
        if len(frames) >= 3:
            break
        page.wait_for_timeout(200)
    assert len(frames) >= 3


def test_a_hint_unfolds(built, offline):
    page, _ = offline
    page.goto((built[0] / "student" / "01_per_pixel_softmax.html").as_uri())
    hint = page.locator("details", has_text="Hint")
    assert not hint.locator("ol").is_visible()
    hint.locator("summary").click()
    assert hint.locator("ol").is_visible()


def test_every_question_is_set_off(built, name):
    """A paragraph that asks for a prediction or a diagnosis has a box, and on paper lines to write on."""
    source = (built[0] / "student" / f"{name}.html").read_text(encoding="utf-8")
    asking = [
        p for p in re.findall(r"<p(?: [^>]*)?>.*?</p>", source, re.S) if re.search(r"<strong>([Pp]redict|Your diag)", p)
    ]
    assert len(asking) >= 4
    assert all(paragraph.startswith('<p class="predict">') for paragraph in asking)


# ---- paper


def figures(pdf):
    """How many pictures there are on its pages."""
    return sum(len(page.images) for page in pdf.pages)


@pytest.mark.parametrize("edition", ["student", "instructor"])
def test_the_print(built, edition, name):
    pdf = pypdf.PdfReader(built[0] / edition / f"{name}.pdf")
    pages = [page.extract_text() for page in pdf.pages]
    for number, words in enumerate(pages, start=1):
        assert f"{number} / {len(pages)}" in words, "the page's number"
    width, height = pdf.pages[0].mediabox[2:]
    assert (round(width), round(height)) == (595, 842), "A4"
    title = notebooks.title(committed(name), name)
    assert title.split(" · ")[0] in pages[0]
    assert "Hint" in "".join(pages)


@pytest.mark.parametrize("edition", ["student", "instructor"])
def test_the_print_links_to_no_file(built, edition, name):
    """Chromium would write the address of a file on the machine that printed it."""
    pdf = pypdf.PdfReader(built[0] / edition / f"{name}.pdf")
    notes = [note.get_object() for page in pdf.pages for note in page.get("/Annots", [])]
    addresses = [note["/A"]["/URI"] for note in notes if "/URI" in note.get("/A", {})]
    source = links.page(built[0] / edition / f"{name}.html")
    assert set(addresses) == {target for target in source.targets if target.startswith("https://")}


def test_no_picture_is_cut_in_two(built, name, tmp_path):
    """A picture that runs over a page's end is printed on both pages; here each is on one."""
    printed = figures(pypdf.PdfReader(built[0] / "instructor" / f"{name}.pdf"))
    outputs = [output for cell in code(read(built, "instructor", name)) for output in cell.outputs]
    pictures = [o.data["image/png"] for o in outputs if "image/png" in o.get("data", {})]
    movies = sum("data:image/gif" in o.get("data", {}).get("text/html", "") for o in outputs)
    assert printed == len(pictures) + movies


def test_that_test_would_notice(built, tmp_path, chromium_path):
    """A picture higher than a page has to be cut, and counts twice."""
    name = "01_per_pixel_softmax"
    source = (built[0] / "instructor" / f"{name}.html").read_text(encoding="utf-8")
    high = (
        "<style>@media print { .jp-RenderedImage img { height: 400mm; max-height: none !important; } }</style></head>"
    )
    handouts.print_pdf(chromium_path, source.replace("</head>", high), tmp_path / "cut.pdf")
    cut = figures(pypdf.PdfReader(tmp_path / "cut.pdf"))
    assert cut > figures(pypdf.PdfReader(built[0] / "instructor" / f"{name}.pdf"))
