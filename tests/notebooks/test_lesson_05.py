"""What notebook 05 claims, held against its run at full pace; its cases, their cured twins, its chart."""

import re

import keras
import numpy as np
import pytest
from matplotlib.patches import FancyBboxPatch

from helpers.lessons import check, clinic, decisions, experiments, figures, measurements
from helpers.preflight import preflight

pytestmark = pytest.mark.slow

NAME = "05_why_it_does_not_learn"
FOUND = {"A": "axes", "B": "labels", "C": "loss", "D": "scores", "E": "loss"}


def numbers(text):
    return [float(number) for number in re.findall(r"-?\d+\.\d+(?:e-?\d+)?|-?\d+e[-+]\d+|\d+", text)]


def test_the_two_cheap_tests(said):
    untrained, _, ln, _, by_heart = numbers(said["cheap"])
    assert ln == pytest.approx(np.log(33), abs=5e-4) and abs(untrained - ln) < 0.5
    assert by_heart < 0.6  # a tenth of what it began with; shares alone cannot go below 1.9


def test_adadelta_does_not_move(said):
    """Claim E3."""
    lines = said["p1-measure"].splitlines()[:-1]  # the last is of the gradients
    steps = {(line.split()[0], line.split()[1][:-1]): numbers(line)[-1] for line in lines}
    assert steps["Adadelta", "1e-05"] < 1e-6 < 1e-3 < steps["Adadelta", "1e+00"] and steps["Adam", "5e-03"] > 1e-2
    assert [float(v) for v in re.findall(r"v = (\d\.\d{4})", said["p1-slide"])] == [1.0, 0.9978, 0.8004, 0.0016]


def test_a_rate_of_0_looks_the_same(said):
    """The masks of patient 1 change because the moving statistics do, which no optimizer moves."""
    assert numbers(said["p1-cure"])[-1] < 1  # per cent of the pixels


def test_frozen_normalisation_is_in_inference_mode(said):
    """Claim E4: trainable=False makes training=True mean nothing."""
    lost, *lines = said["p2-measure"].splitlines()
    assert lost.endswith("mean 0, variance 1")
    spreads = [numbers(line)[-1] for line in lines]
    assert spreads[0] < 2 < 5 < spreads[1] == spreads[2] == spreads[3]


def test_momentum(said):
    """Claim E4: alike in training mode; the larger the momentum, the later inference mode follows."""
    lines = [numbers(line.split("loss")[1]) for line in said["p3-measure"].splitlines()[:3]]
    training, inference = [line[0] for line in lines], [line[1] for line in lines]
    assert np.ptp(training) < 0.02 and inference[2] > 3 * inference[0]
    assert [[line[2], line[4]] for line in lines] == [[65, 100], [10, 70], [1, 11]]  # per cent, after 10 and 120 steps


def test_double_softmax_has_a_lowest_loss(said):
    """Claim E6."""
    assert re.findall(r"costs (\d\.\d{3})", said["p4-perfect"]) == ["0.744", "0.000"]
    for n, line in zip((4, 33), said["p4-measure"].splitlines(), strict=True):
        lowest = -np.log(np.e / (np.e + n - 1))
        assert f"costs {lowest:.3f}" in line and f"more than {np.exp(-lowest):.3f}" in line
        assert line.endswith(f"weaker by {n}")


def test_a_double_softmax_harms_where_there_are_many_classes(said):
    """With three seeds each: every seed is lower than every seed without, and with SGD by more."""
    rows = [[float(n) for n in re.search(r"\[(.*)\]", line)[1].split()] for line in said["p4-many"].splitlines()[1:]]
    adam, adam_twice, sgd, sgd_twice, faster_twice, weak = rows
    assert len(adam) == 3 and max(adam_twice) < min(adam) and max(sgd_twice) < min(sgd)
    assert np.mean(sgd_twice) / np.mean(sgd) < np.mean(adam_twice) / np.mean(adam)
    assert max(weak) < min(sgd)  # a gradient so weak is enough for the harm
    assert max(faster_twice) < min(sgd)  # and a rate that is as much higher does not undo it


def test_the_other_range_and_the_shifted_names(said):
    times = {line[:9].strip(): numbers(line.split("remembered")[1])[0] for line in said["p5-measure"].splitlines()}
    assert 0.5 < times["healthy"] < 2 and times["patient 5"] > 50 and "True" in said["p5-measure"].splitlines()[1]
    assert all(f"{c + 1}: " in line for c, line in enumerate(said["p6-measure"].splitlines()[1:4]))


def test_one_void_pixel_that_is_not_masked(said):
    """Claim E5."""
    without, one = numbers(said["maps"].replace("64 pixels", ""))
    assert without == pytest.approx(np.log(21), abs=5e-3) and one > 50 * without


def test_preflight_names_each_patient(said):
    found = {line.split()[0]: line for line in said["preflight-ward"].splitlines()}
    assert list(found) == ["control", "1", "2", "3", "4", "5", "6"] and "no problem found" in found["control"]
    causes = (
        "steps are too small",
        "Frozen batch norm",
        "statistics lag",
        "Double softmax",
        "range of inputs",
        "Void is",
    )
    for patient, cause in enumerate(causes, start=1):
        assert cause in found[str(patient)] and " · " not in found[str(patient)]  # the one cause, and no other
    assert "batch norm   PROBLEM" in said["preflight"] and said["preflight"].rstrip().endswith(
        "1 problem; begin with the first."
    )


def test_no_rate_heals_the_frozen_network(said):
    """Claim E8, and why E3 alone cannot be the answer."""
    ends = [np.reshape(numbers(line[34:]), (4, 3)) for line in said["rates"].splitlines()[1:]]  # (rate, seed)
    adadelta, both, neither, lost, kept = ends
    assert np.ptp(adadelta[:2], axis=0).max() < 0.03 and (adadelta[2] > adadelta[0] + 0.05).all()  # alone, it moves
    assert (both[2] - both[0]).max() < 0.05 and (both[3] > both[2] + 0.1).all()  # frozen besides, only at 1.0
    assert lost.max() < 0.35 and (kept.max(axis=0) > 0.5).all()
    assert (neither[2] - neither[0]).max() < 0.05 and (neither[3] < both[3]).all()  # with Adadelta, too


def test_habits(said):
    """Claim E9."""
    early, late = (float(number) for number in re.findall(r"0\.\d\d", said["habits"]))
    assert late > early + 0.05


def test_a_hidden_patient_differs_from_the_control_in_one_thing():
    donor = experiments.model(experiments.task(), keras.losses.MeanSquaredError())
    for layer in donor.layers:
        layer.set_weights([weight + 0.5 for weight in layer.get_weights()])
    found = {}
    for number in clinic.PATIENTS:
        patient = clinic.patient(number, donor, m=0.5)
        model = experiments.model(patient.task, **patient.options)
        names = ("down0a_conv", "down0a_norm", "logits")
        found[number] = {name: model.get_layer(name).get_weights() for name in names if number in (2, 5)}, model
    theirs = {name: donor.get_layer(name).get_weights() for name in ("down0a_conv", "down0a_norm", "logits")}
    for number in (2, 5):
        weights, model = found[number]
        assert np.array_equal(weights["down0a_conv"][0], theirs["down0a_conv"][0])
        assert not np.array_equal(weights["logits"][0], theirs["logits"][0])
        assert [v.path.split("/")[0] for v in model.trainable_variables] == ["logits"] * 2
    same = [np.array_equal(a, b) for a, b in zip(found[2][0]["down0a_norm"], theirs["down0a_norm"], strict=True)]
    assert same == [True, True, False, False] and np.all(found[2][0]["down0a_norm"][3] == 1)
    assert all(map(np.array_equal, found[5][0]["down0a_norm"], theirs["down0a_norm"]))
    assert [found[n][1].get_layer("to_plus_minus_1").scale for n in (2, 5)] == [1 / 127.5, 1.0]
    assert [found[n][1].get_layer("down0a_norm").momentum for n in (3, 6)] == [0.5, 0.9]
    assert np.allclose(found[4][1].predict_on_batch(np.zeros((1, 32, 32, 3))).sum(-1), 1)
    assert set(np.unique(clinic.patient(6, donor).task.labels)) == {0, 1, 2, 3, 4}
    with pytest.raises(ValueError, match="2, 3, 4, 5, 6"):
        clinic.patient(7, donor)


@pytest.fixture(scope="module")
def fast():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SERIES_PACE", "fast")
        yield


@pytest.mark.parametrize("name", clinic.CASES)
def test_a_card_is_diagnosed_and_its_cured_twin_is_well(fast, name):
    for cured, wanted in ((False, [FOUND[name]]), (True, [])):
        case = clinic.case(name, cured, epochs=1)
        problems = preflight(case.model, case.batch, class_names=experiments.CLASSES, seconds=6)
        assert [problem.check for problem in problems] == wanted
        assert case.complaint and case.run.film.shape[0] == 2


@pytest.fixture(scope="module")
def cases():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SERIES_PACE", "fast")
        return {name: clinic.case(name, epochs=1) for name in clinic.CASES}


TELLS = {
    "A": ("patch", r"; (\d+)% of the change", lambda share: float(share) < 50),
    "B": ("seams", r"([\d.]+)% of .* labelled, ([\d.]+)%", lambda now, drawn: float(now) > 1.5 * float(drawn)),
    "C": ("perfect", r"built ([\d.]+);", lambda cost: float(cost) < 0.02),
    "D": ("score", r"accuracy ([\d.]+)", lambda score: float(score) < 0.99),
    "E": ("perfect", r"by picture, (\d+) of (\d+)", lambda good, all_: int(good) == int(all_) - 1),
}


@pytest.mark.parametrize("name", clinic.CASES)
def test_one_measurement_tells_a_case_from_all_others(cases, capsys, name):
    """The one that the solution names is odd in this case alone, but that E's costs are no numbers."""
    what, pattern, odd = TELLS[name]
    for other in cases:
        measurements.Measurements(cases)(other, what)
        found = re.search(pattern, capsys.readouterr().out)
        assert bool(found and odd(*found.groups())) == (name == other), (name, other)


def test_measurements_are_counted(cases, capsys):
    measure, before = measurements.Measurements(cases, each=2), cases["D"].model.get_weights()
    for what, left in (("gradient", 1), ("gradient", 1), ("no such", 1), ("range", 0), ("gradient", 0)):
        measure("D", what)
        assert measure.left["D"] == left
    measure("D", "score")
    measure("F", "score")
    said = capsys.readouterr().out
    assert "all 2 measurements are taken" in said and "there are labels, seams" in said and "A, B, C, D, E" in said
    assert measure.left["A"] == 2 and said.count("D, gradient:") == 3 and "accuracy" not in said
    assert all(np.array_equal(a, b) for a, b in zip(before, cases["D"].model.get_weights(), strict=True))


def test_there_is_no_card_f():
    with pytest.raises(ValueError, match="A, B, C, D, E"):
        clinic.case("F")


def test_the_chart_has_every_text_inside_its_box():
    figure = decisions.chart()
    figure.canvas.draw()
    axis = figure.axes[0]
    boxes = [patch.get_window_extent() for patch in axis.patches if isinstance(patch, FancyBboxPatch)]
    inside = 0
    for text in axis.texts:
        extent = text.get_window_extent()
        around = [
            b for b in boxes if b.x0 < (extent.x0 + extent.x1) / 2 < b.x1 and b.y0 < (extent.y0 + extent.y1) / 2 < b.y1
        ]
        if text.get_text() and around:
            inside += 1
            assert around[0].x0 <= extent.x0 and extent.x1 <= around[0].x1, text.get_text()
            assert around[0].y0 <= extent.y0 and extent.y1 <= around[0].y1, text.get_text()
    assert inside == len(boxes) == 20


def test_the_check_of_the_diagnosis(capsys):
    check.diagnosis({"A": 3, "B": 4, "C": 6, "D": 7, "E": 8})
    assert capsys.readouterr().out.count("right.") == 5
    check.diagnosis({"A": 1, "B": None, "C": True, "D": 2, "E": 8})
    out = capsys.readouterr().out.splitlines()
    assert ["not yet" in line for line in out] == [True, False, True, True, False] and "not answered yet" in out[1]
    for strange in (None, {}, [3, 4, 6, 7, 8], {"A": 3}):
        check.diagnosis(strange)
        assert "for each of A, B, C, D and E" in capsys.readouterr().out


def test_a_trial_of_five_outputs_and_its_chart(fast):
    task = experiments.task()
    raw = np.where(task.labels == 255, 0, task.labels + 1).astype("uint8")
    kept = []
    run = experiments.train(task._replace(labels=raw), keras.losses.SparseCategoricalCrossentropy(from_logits=True),
                       outputs=5, epochs=1, finish=kept.append)  # fmt: skip
    assert run.matrices.shape == (1, 2, 5, 5) and run.film.shape == (2, 60, 32, 32) and kept[0].output_shape[-1] == 5
    assert np.array_equal(run.film[-1], run.masks[0])
    assert len(figures.chart(task, {"a": run, "b": run}, n_frames=2).axes) == 2 * (3 + 1 + 2)
    for losses, scale in (([0.5], "linear"), ([33.0], "log"), ([np.nan], "linear")):
        panel = figures.chart(task, {"a": run._replace(losses=np.array([losses]))}, n_frames=2).axes[0]
        low, high = panel.get_ylim()
        assert panel.get_yscale() == scale and ("NaN" in [text.get_text() for text in panel.texts]) == np.isnan(losses)
        assert np.isnan(losses) or low < losses[0] < high


def test_a_trial_model_is_where_training_starts(fast):
    task = experiments.task()
    seen = []
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=255)
    experiments.train(task, loss, seeds=(3,), epochs=1, prepare=lambda model: seen.append(model.get_weights()))
    alone = experiments.model(task, loss, seeds=(3,))
    assert all(np.array_equal(a, b) for a, b in zip(seen[0], alone.get_weights(), strict=True))
