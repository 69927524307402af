"""The start of a notebook, on Colab and elsewhere."""

import subprocess
import sys
import types
from pathlib import Path

import matplotlib.pyplot as plt
import pytest

import helpers
from helpers.engine import session
from helpers.viz import style

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture
def colab(monkeypatch, tmp_path):
    """A Colab session: what is set on it ends with the test."""
    monkeypatch.setitem(sys.modules, "google.colab", types.ModuleType("google.colab"))
    monkeypatch.setattr(session, "DRIVE", tmp_path / "drive" / "MyDrive")
    return monkeypatch


def said(capsys, action):
    capsys.readouterr()
    action()
    return capsys.readouterr().out


def test_report_names_the_gpu(colab, capsys):
    colab.setattr(session, "gpus", lambda: ["Tesla T4"])
    assert said(capsys, session.report).splitlines()[0] == "GPU: Tesla T4"


def test_report_says_how_to_get_a_gpu(colab, capsys):
    colab.setattr(session, "gpus", list)
    assert "Runtime > Change runtime type" in said(capsys, session.report)


def test_start_reports_on_colab_only(colab, capsys):
    colab.setattr(session, "gpus", list)
    assert "Google Drive" in said(capsys, helpers.start)
    colab.delitem(sys.modules, "google.colab")
    assert said(capsys, helpers.start) == ""


def fake_drive(patch, mount):
    drive = types.ModuleType("google.colab.drive")
    drive.mount = mount
    patch.setitem(sys.modules, "google.colab.drive", drive)
    patch.setattr(sys.modules["google.colab"], "drive", drive, raising=False)


def test_connecting_drive(colab, capsys):
    colab.setattr(session, "gpus", list)
    fake_drive(colab, lambda place: Path(place, "MyDrive").mkdir(parents=True))
    assert "not connected" in said(capsys, session.report) and "connect_drive()" in said(capsys, session.report)
    assert "Google Drive is connected" in said(capsys, session.connect_drive)


def test_a_drive_that_is_refused_stops_nothing(colab, capsys):
    def refuse(place):
        raise ValueError("mount failed")

    fake_drive(colab, refuse)
    assert "was not connected (mount failed)" in said(capsys, session.connect_drive)


def test_connecting_drive_elsewhere(capsys, monkeypatch):
    monkeypatch.delitem(sys.modules, "google.colab", raising=False)
    assert "no Colab session" in said(capsys, session.connect_drive)


def test_gpus_of_this_machine():
    import tensorflow as tf

    assert len(session.gpus()) == len(tf.config.list_physical_devices("GPU"))
    assert helpers.has_gpu() == bool(session.gpus())


def test_start_sets_the_figures_style(monkeypatch):
    monkeypatch.setenv("SERIES_PACE", "fast")
    with plt.rc_context():
        plt.rcdefaults()
        assert helpers.start() == "fast"
        assert {name: plt.rcParams[name] for name in style.FIGURES} == style.FIGURES


def test_an_unknown_pace_is_refused(monkeypatch):
    monkeypatch.setenv("SERIES_PACE", "slow")
    with pytest.raises(ValueError, match="SERIES_PACE is 'slow'"):
        helpers.start()


def test_importing_helpers_takes_in_nothing_heavy():
    code = "import sys, helpers; print(sorted({'keras', 'matplotlib', 'numpy', 'tensorflow'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
