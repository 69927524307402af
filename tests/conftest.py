"""Several tests share this: the real data set, Chromium and Colab's packages, where they are at hand;
and the table of faults while getting the data, which stands below the results.

Tests run in several processes (pytest-xdist, whole files), so each computes with one thread; so do kernels it starts.
"""

import os
from pathlib import Path

import pytest

import handouts
from support import fault_table

for _name in ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
    os.environ.setdefault(_name, "1")  # before TensorFlow and NumPy read them

ROOT = Path(__file__).resolve().parent.parent
LACKING = pytest.StashKey()
# Files that take longest, longest first: a file that is begun last should be a short one. .ci/run prints minutes.
LONGEST = (
    "notebooks/test_colab.py", "notebooks/test_browser.py", "notebooks/test_notebooks.py", "preflight",
    "engine/test_checkpoints.py", "tools/test_handouts.py", "notebooks/test_lesson_06.py", "notebooks/test_pages.py",
    "notebooks/test_lesson_05.py", "tools/test_workers.py", "tools/test_grading.py", "notebooks/test_lesson_03.py",
    "fetch/test_whole_data_set.py",
    "test_losses.py", "notebooks/test_lesson", "lessons/test_experiments.py", "tools/test_search.py", "test_runs.py",
    "fetch",
)  # fmt: skip


def pytest_collection_modifyitems(items):
    """Sorts the files by how long they take. Within a file nothing moves."""

    def place(item):
        path = item.path.relative_to(ROOT / "tests").as_posix()
        return next((i for i, name in enumerate(LONGEST) if path.startswith(name)), len(LONGEST))

    items.sort(key=place)


@pytest.fixture
def own_data_folder(tmp_path, monkeypatch):
    """Keeps caches and splits out of the project: `pytestmark = pytest.mark.usefixtures("own_data_folder")`."""
    from helpers.fetch import layout

    monkeypatch.setattr(layout, "data_folder", lambda: tmp_path / "project" / "data")


@pytest.fixture
def faults(request):
    """A dict for the rows that a test adds to the table: {fault: (what is said, bytes sent again, the next call)}."""
    rows = {}
    yield rows
    request.node.user_properties += [("fault", [fault, *row]) for fault, row in rows.items()]


def pytest_sessionfinish(session):
    """A run of all tests fails if one of the faults that getting the data was made for is tested no more."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter and not hasattr(session.config, "workerinput") and session.exitstatus == 0:
        session.config.stash[LACKING] = lacking = fault_table.lacking(session.config, reporter)
        if lacking:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter, config):
    fault_table.write(terminalreporter)
    for fault in sorted(config.stash.get(LACKING, ())):
        terminalreporter.line(f"FAILED: no test has a row for the fault {fault!r}", red=True)


@pytest.fixture(scope="session")
def siftflow_root():
    """The folder of the real data set, kept beside the repository; a test that needs it is skipped without."""
    root = ROOT.parent / "shared" / "SiftFlowDataset"
    if not (root / "Images").is_dir():
        reason = "needs SiftFlowDataset in ../shared beside the repository"
        if os.environ.get("CI") and root.parent.is_dir():
            pytest.fail(reason)
        pytest.skip(reason)
    return root


@pytest.fixture(scope="session")
def chromium_path():
    """Where Chromium is; a test that needs it is skipped without, and fails in CI, which installs it."""
    path = handouts.find_browser()
    if path is None:
        reason = "needs Chromium: sudo apt-get install chromium"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return path


@pytest.fixture(scope="module")
def chromium(chromium_path):
    """A headless Chromium, driven by Playwright, for one file of tests."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path, args=handouts.quiet_browser())
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def colab_python():
    """The Python of an environment with Colab's packages and nothing of ours; skipped without, and fails in CI."""
    if not (ROOT / ".venv-colab" / "complete").exists():
        reason = "needs Colab's packages: make setup-colab"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return ROOT / ".venv-colab" / "bin" / "python"
