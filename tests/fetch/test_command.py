"""What is shown on the way, and the command line."""

import os
import re
import signal
import subprocess
import sys

import pytest

from helpers import siftflow
from helpers.fetch import filling, sources
from helpers.fetch.layout import FOLDER
from support.copies import COAST, LABEL, ZIP, sentence
from support.faulty_server import Play
from support.world import arrived, until


def test_progress_shows_bytes_rate_and_time_left(world, capfd, monkeypatch):
    monkeypatch.setattr(filling, "_FEW", 3)
    world.server.script(ZIP, then=Play(pause=0.005))
    siftflow.get()
    out, err = capfd.readouterr()
    assert re.search(r"\d+%.*\d+k/\d+k \[\d\d:\d\d<\d\d:\d\d, [\d.]+[kM]B/s\]", err) and "24/24" in err
    assert sources.ABOUT in out and f"Downloading {world.server.url(ZIP)}" in out and f"whole, in {world.place}" in out


def test_without_progress_nothing_is_printed(world, capfd):
    world.server.script(ZIP, Play(500))
    assert world.get() is None
    assert capfd.readouterr() == ("", "")


def test_the_command_line_gets_and_verifies(world, monkeypatch):
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")  # as some terminals and log files have it
    code, out, err = world.run("verify", world.place)
    assert (code, out) == (1, "") and err.count("\n") == 1
    sentence(err.strip(), world.place)
    code, out, err = world.run("get")
    assert code == 0 and out.endswith(f"SiftFlow is whole, in {world.place}.\n"), err
    world.whole()
    assert world.run("get", "--quiet") == (0, "", "")
    code, out, err = world.run("verify")
    assert (code, err) == (0, "") and f"{world.place} is whole" in out
    (world.place / COAST).unlink()
    os.truncate(world.place / LABEL, 0)
    (world.place / "Images" / FOLDER / "mine.jpg").write_bytes(b"")
    code, out, err = world.run("verify")
    assert (code, err) == (1, "")
    extra = f"Images/{FOLDER}/mine.jpg"
    assert out.splitlines()[1:] == [f"missing  {COAST}", f"damaged  {LABEL} is empty", f"extra    {extra}"]


@pytest.mark.parametrize(
    "arguments", [("get",), ("get", "--source", "gone.zip"), ("get", "{data}/file"), ("verify", "{data}")]
)
def test_the_command_line_refuses_in_one_sentence(world, arguments):
    world.data.mkdir(parents=True)
    (world.data / "file").touch()
    world.server.script(ZIP, then=Play(404))
    quiet = ["--quiet"] * (arguments[0] == "get")
    code, out, err = world.run(*(text.format(data=world.data) for text in arguments), *quiet)
    assert (code, out) == (1, "") and err.count("\n") == 1
    sentence(err.strip())


@pytest.mark.parametrize("when", ["downloading", "unpacking", "waiting"])
def test_ctrl_c_stops_in_one_sentence_and_keeps_what_has_arrived(world, tmp_path, when):
    world.server.script(ZIP, Play(stop=len(world.archive) // 2, then="stall") if when != "unpacking" else Play())
    slow = """
write = workplace.Workplace.write
workplace.Workplace.write = lambda *args: (time.sleep(0.2), write(*args))
"""
    code = "command.main(sys.argv[1:])"
    first = world.start("get", "--quiet", code=(slow if when == "unpacking" else "") + code)
    until(lambda: list(world.work.rglob("*.jpg")) if when == "unpacking" else arrived(world) > 200_000)
    process = world.start("get", code=code) if when == "waiting" else first
    if when == "waiting":
        assert "Another process" in process.stdout.readline()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert len(err.strip().splitlines()) == 1 and "kept" in err and "Traceback" not in err
    if when == "waiting":
        first.kill()
        first.communicate()
    world.nothing_half()
    part = arrived(world)
    assert world.get() is None
    world.whole()
    assert [asked.range for asked in world.server.log] == [None, f"bytes={part}-"][: 1 if when == "unpacking" else 2]


@pytest.mark.parametrize(
    "arguments", [["--help"], ["get", "--help"], ["verify", "--help"], ["verify", "."], ["get", "--source", "gone"], []]
)
def test_python_m_helpers_siftflow(tmp_path, arguments):
    command = [sys.executable, "-W", "error", "-m", "helpers.siftflow", *arguments]
    ran = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert ran.returncode == (0 if "--help" in arguments else 1 if arguments else 2), ran.stderr
    if "--help" in arguments:
        assert "python -m helpers.siftflow" in ran.stdout and ran.stderr == ""
    elif arguments:
        assert ran.stderr.count("\n") == 1
        sentence(ran.stderr.strip())
    else:
        assert "Traceback" not in ran.stderr
