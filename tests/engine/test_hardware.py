"""helpers.engine.hardware: the device and the precision that are chosen, and why."""

import os

import keras
import pytest
import tensorflow as tf

from helpers.engine import hardware
from helpers.engine.hardware import Profile
from helpers.recipe import Recipe
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
