"""helpers.engine.hardware: the device and the precision that are chosen, and why."""

import dataclasses
import os

import keras
import pytest
import tensorflow as tf

from helpers.engine import hardware
from helpers.engine.hardware import Profile
from helpers.recipe import FULL_SIZE, Recipe
from support.small_runs import compiled, fitted


@pytest.fixture
def cpu_only(monkeypatch):
    listed = tf.config.list_physical_devices
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind=None: [] if kind == "GPU" else listed(kind))


@pytest.mark.parametrize(("float32", "bfloat16", "best"), [(31, 44, "mixed_bfloat16"), (31, 22, "float32")])
def test_on_a_cpu_the_faster_precision_is_chosen_and_both_speeds_stated(cpu_only, monkeypatch, float32, bfloat16, best):
    speeds = {"float32": float32, "mixed_bfloat16": bfloat16}
    monkeypatch.setattr(hardware, "_images_per_second", lambda profile, *_: speeds[profile.precision])
    profile = hardware.choose_profile(Recipe(), 33)
    assert profile.precision == best and profile.device.startswith("CPU")
    assert f"float32 {float32}" in str(profile) and f"mixed_bfloat16 {bfloat16}" in str(profile)


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="this system does not say which cores are allowed")
@pytest.mark.parametrize(("allowed", "device"), [({1}, "CPU, 1 core"), ({0, 2, 5}, "CPU, 3 cores")])
def test_the_cores_named_are_those_this_process_may_use(cpu_only, monkeypatch, allowed, device):
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: allowed)
    assert hardware.choose_profile(Recipe(), 3, "float32").device == device


def test_a_run_that_goes_on_keeps_its_precision(cpu_only, tmp_path, monkeypatch):
    path = tmp_path / "run.keras"
    with Profile("CPU", "mixed_bfloat16", "").scope():
        fitted(compiled(), 1, checkpoint=path)
    monkeypatch.setattr(hardware, "_images_per_second", lambda profile, *_: {"float32": 9}.get(profile.precision, 1))
    assert hardware.choose_profile(Recipe(), 3).precision == "float32"
    profile = hardware.choose_profile(Recipe(), 3, checkpoint=path)
    assert profile.precision == "mixed_bfloat16" and "run.keras" in str(profile)


def test_on_a_cpu_it_really_times(cpu_only):
    profile = hardware.choose_profile(Recipe(size=16, filters=2, depth=2, batch=2), 3)
    assert profile.precision in ("float32", "mixed_bfloat16") and "images/s" in profile.why
    assert keras.config.dtype_policy().name == "float32"


def test_a_precision_asked_for_is_taken(cpu_only):
    assert hardware.choose_profile(Recipe(), 3, "mixed_float16").precision == "mixed_float16"


def test_scope_sets_the_precision_and_puts_it_back():
    with pytest.raises(RuntimeError), Profile("CPU", "mixed_bfloat16", "").scope():
        assert keras.config.dtype_policy().name == "mixed_bfloat16"
        raise RuntimeError
    assert keras.config.dtype_policy().name == "float32"


# ---- on a GPU -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("capability", "n", "precision", "jit_compile"),
    [
        ((9, 0), 1, "mixed_bfloat16", True),
        ((7, 5), 1, "mixed_float16", True),
        ((6, 1), 1, "float32", True),
        ((8, 0), 2, "mixed_bfloat16", False),
    ],
)
def test_a_gpu_is_told_and_one_alone_compiles(monkeypatch, capability, n, precision, jit_compile):
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind=None: ["a GPU"] * n)
    details = {"device_name": "Some GPU", "compute_capability": capability}
    monkeypatch.setattr(tf.config.experimental, "get_device_details", lambda gpu: details)
    profile = hardware.choose_profile(Recipe(), 33)
    assert (profile.precision, profile.n_devices, profile.jit_compile) == (precision, n, jit_compile)
    assert "Some GPU" in str(profile) and ("2 x" in str(profile)) == (n == 2)
    asked = hardware.choose_profile(Recipe(), 33, "float32")
    assert (asked.precision, asked.jit_compile) == ("float32", jit_compile)


def test_a_cpu_does_not_compile(cpu_only):
    assert not hardware.choose_profile(Recipe(), 33, "float32").jit_compile


@pytest.mark.parametrize(("memory", "batch"), [(None, 16), (80.0, 16), (15.0, 16), (4.0, 8), (2.0, 4), (0.1, 1)])
def test_batches_shrink_to_the_cards_memory(monkeypatch, capsys, memory, batch):
    monkeypatch.setattr(hardware, "_gpu_memory", lambda: memory)
    recipe = hardware.fitted(FULL_SIZE, 33)
    assert recipe == dataclasses.replace(FULL_SIZE, batch=batch)
    said = capsys.readouterr().out
    assert ("batches of 16 need about" in said and f"batches of {batch}." in said) == (batch < 16)


@pytest.mark.parametrize(
    ("told", "memory"), [("15360\n", 16.1), ("81559\n81559\n", 85.5), ("[N/A]\n", None), ("", None)]
)
def test_the_cards_memory_is_asked_of_nvidias_tool(monkeypatch, tmp_path, told, memory):
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind=None: ["a GPU"])
    tool = tmp_path / "nvidia-smi"
    tool.write_text(f"#!/bin/sh\ncat <<'EOF'\n{told}EOF\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    assert hardware._gpu_memory() == (memory and pytest.approx(memory, abs=0.1))
    tool.unlink()
    monkeypatch.setenv("PATH", str(tmp_path))
    assert hardware._gpu_memory() is None


# ---- the same each time ---------------------------------------------------------------------------------------------


def test_without_a_timing_a_cpu_takes_float32(cpu_only):
    assert hardware.choose_profile(Recipe(), 33, timed=False).precision == "float32"


def test_an_operation_that_forbids_determinism_is_told(monkeypatch):
    monkeypatch.setattr(tf.config.experimental, "enable_op_determinism", lambda: None)
    said = "Determinism is not yet supported in GPU implementation of FusedBatchNorm.\nmore"
    told = pytest.raises(hardware.NotDeterministic, match="FusedBatchNorm.*without --deterministic")
    with told, hardware.deterministic():
        raise tf.errors.UnimplementedError(None, None, said)
    with pytest.raises(tf.errors.UnimplementedError), hardware.deterministic():
        raise tf.errors.UnimplementedError(None, None, "something else")
