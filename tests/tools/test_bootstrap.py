"""`tools/bootstrap.py` makes an environment from any state, or says what is wrong. No network: a tiny project stands in
for this one, with no packages to install and a build backend of its own."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

import bootstrap

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[2]

PYPROJECT = """
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]

[project]
name = "tiny"
version = "1"
"""

BACKEND = """
import os, zipfile

def build_editable(folder, config_settings=None, metadata_directory=None):
    needs = "".join("Requires-Dist: " + line for line in open("requirements.txt"))
    files = {
        "tiny.pth": os.getcwd(),
        "tiny-1.dist-info/METADATA": "Metadata-Version: 2.1\\nName: tiny\\nVersion: 1\\nProvides-Extra: dev\\n" + needs,
        "tiny-1.dist-info/WHEEL": "Wheel-Version: 1.0\\nGenerator: x\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n",
    }
    files["tiny-1.dist-info/RECORD"] = "".join(name + ",,\\n" for name in files)
    with zipfile.ZipFile(os.path.join(folder, "tiny-1-py3-none-any.whl"), "w") as wheel:
        for name, text in files.items():
            wheel.writestr(name, text)
    return "tiny-1-py3-none-any.whl"
"""


class Project:
    """A folder with a copy of bootstrap.py and hardly anything to install."""

    def __init__(self, root):
        self.root, self.venv, self.log = root, root / ".venv", root / "build" / "setup.log"
        self.stamp = self.venv / bootstrap.STAMP.removeprefix(bootstrap.VENV + os.sep)
        self.python = self.venv / bootstrap.VENV_PYTHON.removeprefix(bootstrap.VENV + os.sep)
        (root / "tools").mkdir(parents=True)
        shutil.copy(ROOT / "tools" / "bootstrap.py", root / "tools")
        (root / "requirements.txt").write_text("")
        (root / "pyproject.toml").write_text(PYPROJECT)
        (root / "backend.py").write_text(BACKEND)

    def start(self, *arguments, **env):
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "PYTHON"))}
        env = kept | {"PIP_CONFIG_FILE": os.devnull} | (env or {"PIP_NO_INDEX": "1"})
        command = [sys.executable, str(self.root / "tools" / "bootstrap.py"), *arguments]
        options = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        return subprocess.Popen(command, env=env, cwd=self.root.parent, **options)

    def run(self, *arguments, **env):
        """Status, standard output, standard error."""
        process = self.start(*arguments, **env)
        out, err = process.communicate(timeout=60)
        assert "Traceback" not in err, err
        return process.returncode, out, err

    def assert_complete(self):
        assert self.run() == (0, "", "")


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A project with a complete environment; every test leaves it complete."""
    made = Project(tmp_path_factory.mktemp("project") / "with space")
    status, out, err = made.run()
    assert status == 0, err + made.log.read_text()
    assert "Making .venv" in out
    return made


@pytest.mark.alone
def test_complete_is_recognised_at_once(project):
    start = time.perf_counter()
    project.assert_complete()
    assert time.perf_counter() - start < 1


def test_dev_on_top_of_learner_and_back(project):
    status, out, _ = project.run("--dev")
    assert status == 0 and "Remaking" not in out
    assert json.loads(project.stamp.read_text())["dev"] is True
    project.assert_complete()
    project.stamp.unlink()


def test_changed_requirements_are_installed(project):
    (project.root / "requirements.txt").write_text("pip\n")
    status, out, _ = project.run()
    assert status == 0 and "Bringing .venv up to date" in out
    project.assert_complete()


def remove_python(project):
    project.python.unlink()


def remove_pip(project):
    project.stamp.unlink()
    for pip in project.venv.rglob("site-packages/pip-*"):
        shutil.rmtree(pip)


def cut_a_file_short(project):
    project.stamp.unlink()
    next(project.venv.rglob("site-packages/pip/__init__.py")).write_text("")


def leave_an_empty_folder(project):
    shutil.rmtree(project.venv)
    project.venv.mkdir()


def claim_another_folder(project):
    project.stamp.write_text(json.dumps(json.loads(project.stamp.read_text()) | {"folder": "/elsewhere"}))


@pytest.mark.parametrize(
    "damage", [remove_python, remove_pip, cut_a_file_short, leave_an_empty_folder, claim_another_folder]
)
def test_a_broken_environment_is_remade(project, damage):
    damage(project)
    status, out, err = project.run()
    assert status == 0, err
    assert "Remaking .venv, because it" in out
    project.assert_complete()


def test_a_missing_stamp_costs_no_remake(project):
    project.stamp.unlink()
    status, out, _ = project.run()
    assert status == 0 and "Remaking" not in out
    project.assert_complete()


def test_no_network(project):
    (project.root / "requirements.txt").write_text("no-such-package\n")
    start = time.perf_counter()
    status, _, err = project.run(PIP_INDEX_URL="http://127.0.0.1:9/simple")
    assert time.perf_counter() - start < 20
    assert status == 1 and err.count("\n") == 1
    assert "could not be reached" in err and "build/setup.log" in err
    assert "no-such-package" in project.log.read_text()
    (project.root / "requirements.txt").write_text("")
    assert project.run()[0] == 0
    project.assert_complete()


def test_no_such_package(project):
    (project.root / "requirements.txt").write_text("no-such-package\n")
    status, _, err = project.run()
    assert status == 1 and err.count("\n") == 1
    assert "there is no no-such-package for this machine and Python" in err
    (project.root / "requirements.txt").write_text("")
    assert project.run()[0] == 0


@pytest.mark.skipif(os.name == "nt", reason="there are no such signals on Windows")
def test_killed_while_pip_runs(project):
    (project.root / "requirements.txt").write_text("no-such-package\n")
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes pip's request and never answers
        silent.settimeout(30)
        process = project.start(PIP_INDEX_URL=f"http://127.0.0.1:{silent.getsockname()[1]}/simple")
        connection, _ = silent.accept()
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=30)
        assert not project.stamp.exists()
        (project.root / "requirements.txt").write_text("")
        waiting = project.start(PIP_NO_INDEX="1")  # pip itself is still at work: wait for it
        assert waiting.stdout.readline().startswith("Another set-up of this folder is at work")
        connection.close()
    assert waiting.wait(timeout=60) == 0
    project.assert_complete()


# ---- finding a Python


@pytest.fixture
def only(tmp_path, monkeypatch):
    """A function that leaves no Python to find but these: name -> what its script does."""

    def leave(**scripts):
        for name, script in scripts.items():
            path = tmp_path / name.replace("_", ".")
            path.write_text(f"#!/bin/sh\n{script}\n")
            path.chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path))
        monkeypatch.setattr(sys, "executable", str(tmp_path / "none"))
        monkeypatch.delenv("PYTHON", raising=False)

    return leave


SHIM = "echo 'command not found' >&2; exit 127"


def answers(version, path="/opt/python", venv="venv"):
    return f"echo {version}; echo {path}; echo {venv}" if venv else f"echo {version}; echo {path}; exit 1"


def test_too_old_a_python(only):
    only(python3=answers("3.9"), python3_12=SHIM)
    with pytest.raises(bootstrap.SetupError, match=r"needs Python 3.10 to 3.13, .* only Python 3.9 \(/opt/python\)"):
        bootstrap.find_python()


def test_no_python(only):
    only(python3=SHIM)
    with pytest.raises(bootstrap.SetupError, match="found none"):
        bootstrap.find_python()


def test_no_venv_module(only):
    only(python3=answers("3.12", venv=""))
    with pytest.raises(bootstrap.SetupError, match="apt install python3.12-venv"):
        bootstrap.find_python()


def test_a_supported_python_among_others(only, monkeypatch):
    only(python3=answers("3.14"), python3_13=SHIM, python3_12=answers("3.12", venv=""), python3_11=answers("3.11"))
    assert bootstrap.find_python() == ("3.11", "/opt/python")
    only(mine=answers("3.10", "/my/own"))
    monkeypatch.setenv("PYTHON", "mine")
    assert bootstrap.find_python() == ("3.10", "/my/own")


@pytest.mark.parametrize(
    ("output", "sentence"),
    [
        ("OSError: [Errno 28] No space left on device", "the disk is full"),
        ("PermissionError: [Errno 13] Permission denied: '/x'", "belongs to you"),
        ("Retrying after connection broken by 'ReadTimeoutError'", "could not be reached"),
        ("ERROR: No matching distribution found for tensorflow>=2.20", "there is no tensorflow>=2.20 for this machine"),
        ("ERROR: something new.", "something new"),
        ("", "installing the packages failed"),
    ],
)
def test_causes(output, sentence, tmp_path, monkeypatch):
    monkeypatch.setattr(bootstrap, "LOG", str(tmp_path / "setup.log"))
    Path(bootstrap.LOG).write_text(output)
    assert sentence in bootstrap.cause()
