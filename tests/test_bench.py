"""tools/bench.py: what it times, the targets it keeps to, and that a missed one is said and ends with 1."""

import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

import bench

ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.slow
def test_every_target_is_met():
    command = [sys.executable, "tools/bench.py", "--repeats", "15"]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, encoding="utf-8", timeout=600)
    print(ran.stdout)
    assert ran.returncode == 0, ran.stdout + ran.stderr[-3000:]
    rows = re.findall(r"^  (\S.*?) +[\d.]+ ms +[\d.]+", ran.stdout, re.M)
    losses = ["Keras' SparseCategoricalCrossentropy", "CrossEntropy", "CrossEntropy, weighted", "Dice"]
    assert rows == [*losses, "Sum of CrossEntropy and Dice"] * 2 + ["Keras' MeanIoU", "ConfusionMatrix"] * 2
    assert (ran.stdout.count(": met"), ran.stdout.count(": missed")) == (5, 0)


def waiting(seconds):
    return lambda: time.sleep(seconds)


@pytest.mark.parametrize(("target", "status", "verdict"), [(4.0, 1, "at most 4.00: missed"), (400.0, 0, "400.00: met")])
def test_a_missed_target_ends_with_1(capsys, monkeypatch, target, status, verdict):
    monkeypatch.setattr(bench, "start", lambda: None)
    contenders = {"quick": waiting(0.002), "slow": waiting(0.05)}
    sections = {
        "made-up": lambda size: [bench.Section("Waiting", contenders, {"slow": target})],
        "other": lambda size: pytest.fail("not asked for"),
    }
    assert bench.main(["--repeats", "3", "made-up"], sections) == status
    assert verdict in capsys.readouterr().out


def test_one_target_missed_among_several():
    section = bench.Section("Made up", {}, {"same": 1.0, "better": 1.0, "worse": 1.0})
    text, met = bench.lines(section, {"unit": 10.0, "same": 10.0, "better": 9.0, "worse": 11.0, "free": 99.0})
    assert not met and [line.split()[-1] for line in text[1:]] == ["1.00", "met", "met", "missed", "9.90"]


def test_contenders_take_turns_and_the_first_turn_does_not_count():
    turns = []
    first = iter([0.2, 0, 0, 0])
    contenders = {"a": lambda: turns.append("a") or time.sleep(next(first)), "b": lambda: turns.append("b")}
    assert bench.medians(contenders, 3)["a"] < 100
    assert turns == ["a", "b"] * 4
