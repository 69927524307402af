"""tools/bench.py: what it times, the targets it keeps to, and that a missed one is said and ends with 1."""

import dataclasses
import functools
import importlib.util
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import keras
import numpy as np
import pytest

import bench
import bench_gpu
import bench_training
from helpers import pipeline, scenes
from helpers.recipe import FULL_SIZE, Recipe

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.alone
def test_every_target_is_met():
    command = [sys.executable, "tools/bench.py", "--repeats", "7", "losses", "confusion", "muon"]
    every_core = {name: value for name, value in os.environ.items() if not name.endswith("_THREADS")}
    ran = subprocess.run(
        command, cwd=ROOT, env=every_core, capture_output=True, text=True, encoding="utf-8", timeout=600
    )
    print(ran.stdout)
    assert ran.returncode == 0, ran.stdout + ran.stderr[-3000:]
    title, tables = "", {}  # the last table of a title: a section that missed a target is measured a second time
    for line in ran.stdout.splitlines():
        if row := re.match(r"  (\S.*?) +[\d.]+ ms +[\d.]+(.*)", line):
            tables[title].append(row.groups())
        else:
            title = line
            tables[title] = []
    tables = {title: table for title, table in tables.items() if table and "Measured again" not in title}
    losses = ["Keras' SparseCategoricalCrossentropy", "CrossEntropy", "CrossEntropy, weighted", "Dice"]
    losses += ["Sum of CrossEntropy and Dice"]
    muon = ["the gradient multiplied in each turn", "the small factors first, as on a CPU"]
    assert [[name for name, _ in table] for table in tables.values()] == [
        *[losses] * 2, *[["Keras' MeanIoU", "ConfusionMatrix"]] * 2, [*muon, "stacks of kernels, as on a GPU"]
    ]  # fmt: skip
    verdicts = [verdict.split()[-1] for table in tables.values() for _, verdict in table if verdict]
    assert verdicts == ["met"] * 6


def waiting(seconds):
    return lambda: time.sleep(seconds)


@pytest.mark.alone
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


@pytest.mark.parametrize(("again", "status"), [(1.0, 0), (3.0, 1)])
def test_a_missed_target_is_measured_a_second_time(capsys, monkeypatch, again, status):
    """A machine that did something else for a moment misses a target once, slow code misses it twice."""
    monkeypatch.setattr(bench, "start", lambda: None)
    turns, ratios = [], iter([3.0, again])
    monkeypatch.setattr(bench, "medians", lambda _, repeats: turns.append(repeats) or {"a": 10, "b": 10 * next(ratios)})
    sections = {"made-up": lambda size: [bench.Section("Made up", {}, {"b": 2.0})]}
    assert bench.main(["--repeats", "5"], sections) == status
    assert turns == [5, 15]
    assert capsys.readouterr().out.count("missed") == 2 + 2 * status


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


# ---- the section "training" -----------------------------------------------------------------------------------------


def test_multiplications_are_counted_by_hand():
    """A 3x3 convolution 3 -> 2 on 8x8 positions, a transposed 2x2 one 2 -> 5 on 4x4; and backward twice that."""
    image = keras.Input((8, 8, 3))
    x = keras.layers.MaxPooling2D(2)(keras.layers.Conv2D(2, 3, padding="same")(image))
    model = keras.Model(image, keras.layers.Conv2DTranspose(5, 2, strides=2)(x))
    assert bench_training.multiplications(model) == 3 * 2 * (9 * 3 * 2 * 64 + 4 * 2 * 5 * 16)


def test_the_tutorials_network_has_the_weights_it_has_there():
    """2,058,979 for 3 classes and 160x160 images, says the tutorial's own summary; each class more has 9 x 32 + 1."""
    network = bench_training.tutorial_network(160, 5)
    assert network.count_params() == 2_058_979 + 2 * 289 and network.output_shape == (None, 160, 160, 5)


def test_the_naive_loop_feeds_what_the_pipeline_does(tmp_path):
    n = bench_training.BATCH
    dataset = scenes.make(tmp_path / "set", train=n + 4, test=1, size=32)
    names = dataset.names("train")[:n]
    images, labels = next(bench_training.naive_batches(dataset, names, 16))
    x, y = next(iter(pipeline.evaluation_batches(*dataset.load(names), batch=n, size=16)))
    np.testing.assert_allclose(images, x, atol=1e-3)
    assert np.array_equal(labels, y)


@pytest.mark.alone
def test_the_feed_is_timed_over_all_batches():
    def slow():
        while True:
            time.sleep(0.01)
            yield None

    assert 0.5 < bench_training.feed_rate(slow(), 10) / (bench_training.BATCH * 100) < 1


@pytest.mark.slow
def test_a_report_of_a_tiny_network(tmp_path, monkeypatch):
    """Every line of the table, on 32x32 images."""
    dataset = scenes.make(tmp_path / "set", train=bench_training.BATCH + 4, test=1, size=32)
    monkeypatch.setattr(bench_training.siftflow, "find", lambda: dataset)
    monkeypatch.setattr(bench_training, "Recipe", functools.partial(Recipe, filters=16, depth=1))
    monkeypatch.setattr(bench_training, "tutorial_network", lambda size, n: Recipe(size, 4, 1).network(n))
    monkeypatch.setattr(bench_training, "LOOK", 1.0)
    monkeypatch.setattr(bench_training, "matmul_rate", lambda dtype: 1e12)
    (section,) = bench_training.sections(bench.Section, 32)
    measured = bench.medians(section.contenders, 2)
    assert set(section.targets) <= set(measured) and min(measured.values()) > 0
    lines = [line for line, _ in section.report(measured)]
    kernels = next(line for line in lines if "convolutions" in line)
    assert 0 < int(kernels.split("%")[0]) < 100
    assert any("images/s" in line and "GFLOP/s" in line for line in lines)
    assert any("its batches come" in line for line in lines)
    assert any("live view" in line and "scores" in line for line in lines)


# ---- the section "gpu" ----------------------------------------------------------------------------------------------


TINY = ["--size", "32", "--filters", "4", "--depth", "1", "--batch", "2", "--steps", "18"]


@pytest.mark.slow
def test_the_gpu_table_of_a_tiny_network(capsys, monkeypatch):
    """On a CPU, where nothing is judged; each row comes out of a process of its own."""
    monkeypatch.setattr(bench_gpu, "OURS", {"this U-Net": {}})
    assert bench.main(["gpu", *TINY]) == 0
    said = capsys.readouterr().out
    assert "failed" not in said and ": met" not in said and ": missed" not in said
    peers = [bench_gpu.JAX] + [bench_gpu.TORCH, bench_gpu.GRAPHS] * bool(importlib.util.find_spec("torch"))
    for name in (*bench_gpu.OURS, *peers):
        (row,) = [line for line in said.splitlines() if line.startswith(f"  {name:30}")]
        milliseconds, rate, first = map(float, row[32:].split()[:3])
        assert first > milliseconds / 1000 > 0 and rate == pytest.approx(2000 / milliseconds, rel=0.1)
    for words in ("TFLOP/s", "images/s", "the first step after", "GB of host memory", "finds no GPU"):
        assert words in said


def test_it_times_the_full_size_recipe():
    recipe = bench_gpu.recipe_of(bench_gpu.Work())
    assert recipe == dataclasses.replace(FULL_SIZE, epochs=recipe.epochs)


GOOD = {"ms": 10.0, "first": 20.0, "host_gb": 4.0, "card_gb": 3.0, "weights": 7, "gpu": True, "device": "Some GPU",
        "work": 1e12, "rate": 5e14, "feed": 2000.0}  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "missed"),
    [
        ({}, None),
        ({name: {"ms": 13.0} for name in bench_gpu.OURS}, "1.08 times PyTorch's step"),
        ({"this U-Net": {"first": 31.0}}, "the first step"),
        ({"this U-Net": {"host_gb": 5.1}}, "GB of host memory"),
        ({"this U-Net": {"card_gb": 4.1}}, "GB of the card's"),
        ({"  in float16": {"ms": 11.5}}, "float16 takes 1.15 times"),
        ({"  with AdamW in Muon's place": {"ms": 8.5}}, "Muon takes 15%"),
        ({bench_gpu.JAX: {"failed": "no memory"}}, None),
    ],
)
def test_on_a_gpu_a_missed_target_ends_with_1(monkeypatch, capsys, changes, missed):
    measured = dict.fromkeys([*bench_gpu.OURS, bench_gpu.JAX], GOOD) | {bench_gpu.TORCH: GOOD | {"ms": 12.0}}
    monkeypatch.setattr(bench_gpu, "rows", lambda work: [(n, m | changes.get(n, {})) for n, m in measured.items()])
    assert bench_gpu.main([]) == bool(missed)
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if ": missed" in line] == [line for line in lines if missed and missed in line]
    assert any(line.startswith("  Some GPU") for line in lines)


def test_a_row_that_fails_is_told(monkeypatch, capsys):
    monkeypatch.setattr(bench_gpu, "rows", lambda work: [("this U-Net", bench_gpu.in_a_process(["-c", "1 / 0"]))])
    assert bench_gpu.main([]) == 1
    assert "failed: ZeroDivisionError" in capsys.readouterr().out
