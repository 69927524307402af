"""tools/search.py: an experiment is the recipe but for what it changes, and leaves one line in the log."""

import dataclasses
import shlex

import keras
import numpy as np
import pytest
import scipy.stats
from scipy import ndimage

import search
from helpers import predict, siftflow
from helpers.engine.muon import Muon
from helpers.recipe import Recipe
from test_runs import data  # noqa: F401

pytestmark = pytest.mark.slow

TINY = ["size=16", "filters=2", "depth=1", "batch=4", "epochs=2", "precision=float32"]


def experiment(data, folder, *settings):  # noqa: F811
    given = [*TINY, *settings] if "--base" not in settings else settings
    log = folder / "log.csv"
    search.main(["--data", str(data), "--what", "a test", "--log", str(log), "--keep", str(folder), *given])
    return search.read(log)


@pytest.fixture(scope="module")
def two(data, tmp_path_factory):  # noqa: F811
    """Where two experiments were made, and the lines that they left."""
    folder = tmp_path_factory.mktemp("two")
    experiment(data, folder)
    return folder, experiment(data, folder, "stem=2")


def test_each_experiment_leaves_a_line_that_can_be_repeated(data, two, tmp_path):  # noqa: F811
    rows = two[1]
    assert [row["test_time_augmentation"] for row in rows] == ["flip", "plain", "flip, two sizes"] * 2
    assert rows[0]["what"] == "a test" and rows[0]["epochs"] == "2"
    assert 0 <= float(rows[0]["pixel_accuracy"]) <= 100 and 0 <= float(rows[0]["mean_iou"]) <= 100
    words = shlex.split(rows[3]["command"])
    assert words[:2] == ["python", "tools/search.py"] and words[-1] == "stem=2" and str(data) not in words
    assert {row["seed"] for row in rows} == {"0"} and all(float(row["gflops"]) > 0 for row in rows)
    again = experiment(data, tmp_path, "stem=2")
    assert [again[0][name] for name in search.SCORES] == [rows[3][name] for name in search.SCORES]


def test_what_was_trained_once_is_not_trained_again(data, two, monkeypatch):  # noqa: F811
    folder, first = two
    monkeypatch.setattr(keras.Model, "fit", lambda *_, **__: pytest.fail("trained again"))
    assert [experiment(data, folder)[6][name] for name in search.SCORES] == [first[0][name] for name in search.SCORES]


def test_the_averages_are_scored_where_there_are_any(data, tmp_path, monkeypatch):  # noqa: F811
    scored, evaluate = [], predict.evaluate
    monkeypatch.setattr(predict, "evaluate", lambda model, *a, **k: scored.append(model) or evaluate(model, *a, **k))
    experiment(data, tmp_path, "average=0.9")
    model = scored[-1]
    averages = model.optimizer._model_variables_moving_average
    for weight, average in zip(model.trainable_variables, averages, strict=True):
        np.testing.assert_array_equal(weight, average)
    saved = keras.models.load_model(next(tmp_path.glob("*.keras")), compile=False)
    for now, then in zip(model.non_trainable_variables, saved.non_trainable_variables, strict=True):
        assert not np.allclose(now, then)  # the statistics are those of the averaged weights


def test_two_recipes_are_compared_in_pairs_of_seeds(data, two, capsys):  # noqa: F811
    """What the log has, seed 0 of both, is not trained again; each run leaves the command that repeats it alone."""
    folder = two[0]
    before, trained = search.read(folder / "log.csv"), []
    with pytest.MonkeyPatch.context() as patch:
        run = search.runs.run
        patch.setattr(search.runs, "run", lambda *a, **k: trained.append(a[1].seed) or run(*a, **k))
        rows = experiment(data, folder, "stem=2", "--base", " ".join(TINY), "--seeds", "0", "3")
    assert trained == [3, 3] and rows[: len(before)] == before
    new = rows[len(before) :]
    assert [row["what"] for row in new] == ["a test: base"] * 3 + ["a test"] * 3
    assert [shlex.split(row["command"])[-2:] for row in new[::3]] == [[TINY[-1], "seed=3"], ["stem=2", "seed=3"]]
    said = capsys.readouterr().out
    for how in search.AUGMENTATIONS:
        base, changed = (
            np.array([float(row["mean_iou"]) for row in some if row["test_time_augmentation"] == how])
            for some in (before[:3] + new[:3], before[3:6] + new[3:])
        )
        table = said[said.index(f"{how}, 2 pairs") :]
        (line,) = [line for line in table.splitlines()[1:5] if line.split()[0] == "mean_iou"]
        assert f"{base.mean():.2f} ± {base.std(ddof=1):.2f}" in line
        assert f"{(changed - base).mean():+.2f}" in line


@pytest.mark.parametrize(
    ("base", "changed", "stands_out"),
    [
        ([80.0, 81.0, 82.0], [81.0, 82.1, 82.9], True),  # 0.9 to 1.1 more each time, though the runs spread by 1
        ([80.0, 81.0, 82.0], [81.0, 81.2, 81.9], False),
        ([80.0], [90.0], False),  # a single pair tells nothing
    ],
)
def test_a_difference_stands_out_by_its_pairs(base, changed, stands_out):
    found = search.Difference.of(base, changed)
    assert found.mean == pytest.approx(np.mean(changed) - np.mean(base)) and found.stands_out == stands_out
    if len(base) > 1:
        assert (scipy.stats.ttest_rel(changed, base).pvalue < 0.05) == stands_out


def test_an_unknown_setting_is_refused(data, tmp_path, capsys):  # noqa: F811
    with pytest.raises(SystemExit):
        experiment(data, tmp_path, "filter=3")
    assert "filter is no setting; there are size, filters" in capsys.readouterr().err


@pytest.mark.parametrize("settings", [{}, {"stem": 2}, {"filters": 8, "depth": 2}])
def test_without_changes_the_network_is_the_recipes(settings):
    trial = search.Experiment(size=32, **settings)
    recipe = Recipe(**{field.name: getattr(trial, field.name) for field in dataclasses.fields(Recipe)})
    keras.utils.set_random_seed(0)
    ours = trial.network(siftflow.N_CLASSES)
    keras.utils.set_random_seed(0)
    recipes = recipe.network(siftflow.N_CLASSES)
    images = np.random.RandomState(0).randint(0, 256, (1, 32, 32, 3)).astype("float32")
    np.testing.assert_allclose(ours(images), recipes(images), atol=1e-5)


@pytest.mark.parametrize(
    "settings",
    [
        {"block": "residual"},
        {"norm": "group", "filters": 8},
        {"up": "bilinear"},
        {"widest": 8},
        {"top": 4},
        {"scored": 2},
        {"dropout": 0.5},
        {"context": 1},
    ],
)
def test_a_changed_network_is_another(settings):
    base = {"size": 32, "filters": 8, "depth": 2}
    changed = search.Experiment(**{**base, **settings}).network(5)
    plain = search.Experiment(**base).network(5)
    assert changed.output_shape == plain.output_shape == (None, 32, 32, 5)
    assert [type(layer) for layer in changed.layers] != [type(layer) for layer in plain.layers] or (
        changed.count_params() != plain.count_params()
    )


def test_a_level_more_at_the_top():
    """Its filters beside those of the others: 4 at 32x32, then 8, 16 and 32."""
    network = search.Experiment(size=32, filters=8, depth=2, top=4).network(5)
    widths = [layer.output.shape[1::2] for layer in network.layers if isinstance(layer, keras.layers.Conv2D)]
    down = [(32, 4), (16, 8), (8, 16), (4, 32)]
    assert widths == [w for w in down + down[-2::-1] for _ in range(2)] + [(32, 5)]


def test_context_reaches_every_place():
    """One pixel in a corner moves the logits in the farthest corner, which it does not without."""
    moved = {}
    for context in (0, 1):
        keras.utils.set_random_seed(0)
        network = search.Experiment(size=64, filters=4, depth=1, context=context).network(5)
        images = np.full((2, 64, 64, 3), 127, "float32")
        images[1, 0, 0] = 255
        logits = np.asarray(network(images))
        moved[context] = np.abs(logits[1] - logits[0])[-8:, -8:].max()
        assert predict.input_size(network, (80, 80)) == (80, 80)  # and it can be seen in other sizes
    assert moved[0] == 0 and moved[1] > 0


def test_other_optimizers_and_losses():
    counts = np.arange(1, 6)
    assert search.Experiment(dice=1).loss(counts).name == "sum"
    constant = search.Experiment(schedule="constant", learning_rate=0.01, warm_up=0.1).optimizer(100)
    rates = [float(constant._learning_rate(step)) for step in (0, 5, 10, 99)]
    assert rates == pytest.approx([0, 0.005, 0.01, 0.01]) and not constant.use_ema
    averaged = search.Experiment(average=0.9).optimizer(100)
    assert averaged.use_ema and averaged.ema_momentum == 0.9
    assert averaged.weight_decay == search.Experiment().optimizer(100).weight_decay
    assert type(averaged) is keras.optimizers.AdamW and type(search.Experiment(step="muon").optimizer(9)) is Muon


# ---- other colours and shapes ---------------------------------------------------------------------------------------


def test_colours_change_image_by_image_and_labels_do_not(data):  # noqa: F811
    images, labels = siftflow.SiftFlow(data).load("train")
    trial = search.Experiment(size=16, batch=4, epochs=3, colour=0.5)
    plain = [(x.numpy(), y.numpy()) for x, y in dataclasses.replace(trial, colour=0.0).feed(images, labels)()]
    other = [(x.numpy(), y.numpy()) for x, y in trial.feed(images, labels)()]
    assert len(plain) == len(other) and all(np.array_equal(y, z) for (_, y), (_, z) in zip(plain, other, strict=True))
    for (x, _), (changed, _) in zip(plain, other, strict=True):
        assert changed.dtype == np.float32 and changed.min() >= 0 and changed.max() <= 255
        ratio = changed.mean(axis=(1, 2)) / x.mean(axis=(1, 2))  # (image, channel)
        assert np.ptp(ratio, axis=1).min() > 1e-3 and np.ptp(ratio.mean(axis=1)) > 0.02
    later = [(x.numpy(), y.numpy()) for x, y in trial.feed(images, labels)(1)]
    assert all(np.array_equal(x, z) for (x, _), (z, _) in zip(other[len(other) // 3 :], later, strict=True))


def test_no_jitter_changes_no_colour():
    images = np.random.RandomState(0).uniform(0, 255, (2, 8, 8, 3)).astype("float32")
    np.testing.assert_allclose(search.recoloured(images, 0.0, [0, 0]), images, atol=1e-3)


def test_images_and_labels_are_warped_alike(data):  # noqa: F811
    """Images that show their own labels still do: each pixel lies between what the labels around it say."""
    labels = np.kron(np.random.RandomState(0).randint(0, 4, (8, 4, 4)), np.ones((8, 8), int)).astype("uint8")
    images = np.repeat(60 * labels[..., None], 3, axis=-1)
    trial = search.Experiment(size=32, batch=4, epochs=2, scale=1.0, light=0.0, stretch=0.4, turn=20.0)
    batches = [(x.numpy(), y.numpy()) for x, y in trial.feed(images, labels)()]
    for x, y in batches:
        assert x.dtype == np.float32 and y.dtype == np.int32 and set(np.unique(y)) <= {0, 1, 2, 3}
        low, high = (f(60.0 * y[..., None], (1, 3, 3, 1)) for f in (ndimage.minimum_filter, ndimage.maximum_filter))
        assert ((low - 1e-3 <= x) & (x <= high + 1e-3)).all() and np.mean(low == high) > 0.5
    still = [y.numpy() for _, y in dataclasses.replace(trial, stretch=0.0, turn=0.0).feed(images, labels)()]
    moved = [np.mean(y != z, axis=(1, 2)) for (_, y), z in zip(batches, still, strict=True)]
    assert np.min(moved) > 0.01 and np.ptp(moved) > 0.05  # image by image
    later = [(x.numpy(), y.numpy()) for x, y in trial.feed(images, labels)(1)]
    assert all(np.array_equal(x, z) for (x, _), (z, _) in zip(batches[len(batches) // 2 :], later, strict=True))


@pytest.mark.parametrize(("stretch", "turn"), [(0.0, 0.0), (0.5, 0.0), (0.0, 30.0)])
def test_the_middle_stays_and_each_warp_does_its_own(stretch, turn):
    """A disc of two halves: it stays upright under a stretch, and round when it turns."""
    row, col = np.mgrid[-32:33, -32:33]
    disc = np.where(row**2 + col**2 <= 20**2, 1 + (row > 0), 0)
    labels = np.repeat(disc[None], 6, axis=0).astype("int32")
    images, labels = search.warped(labels[..., None].repeat(3, -1).astype("float32"), labels, stretch, turn, [1, 2])
    labels = labels.numpy()
    inside = labels > 0
    height, width = inside.any(axis=2).sum(axis=1), inside.any(axis=1).sum(axis=1)
    upright = (labels[:, :32] != 2).all(axis=(1, 2)) & (labels[:, 33:] != 1).all(axis=(1, 2))
    assert np.abs(inside.sum(axis=(1, 2)) / (disc > 0).sum() - 1).max() < 0.05
    if turn:
        assert np.mean(inside != (disc > 0)) < 0.02 and not upright.any()
    elif stretch:
        ratio = np.log(height / width)
        assert upright.all() and 0.3 < np.ptp(ratio) < 1.1 and np.abs(ratio).max() < 0.55
    else:
        assert (labels == disc).all() and np.array_equal(images[..., 0], labels)


def test_a_rectangle_of_the_next_image_comes_with_its_labels():
    """Images that are their own index all over: what was taken is a rectangle, of the next one, in both alike."""
    labels = np.repeat(np.arange(6), 24 * 32).reshape(6, 24, 32).astype("int32")
    images = np.repeat(labels[..., None], 3, -1).astype("float32")
    shares = []
    for place in range(60):
        mixed, truth = (x.numpy() for x in search.mixed(images, labels, 0.5, [1, place]))
        assert np.array_equal(mixed, np.repeat(truth[..., None], 3, -1))
        for i, each in enumerate(truth):
            taken = each != i
            assert set(np.unique(each[taken])) <= {(i + 1) % 6}
            if taken.any():
                rows, cols = np.flatnonzero(taken.any(axis=1)), np.flatnonzero(taken.any(axis=0))
                assert taken[rows[0] : rows[-1] + 1, cols[0] : cols[-1] + 1].all()
            shares.append(taken.mean())
    assert np.mean(np.array(shares) > 0) == pytest.approx(0.5, abs=0.1)
    assert np.mean(shares) == pytest.approx(0.25, abs=0.04) and np.max(shares) > 0.9


def test_mixed_batches_go_on_as_they_would_have(data):  # noqa: F811
    images, labels = siftflow.SiftFlow(data).load("train")
    trial = search.Experiment(size=16, batch=4, epochs=2, mix=1.0)
    whole = [x.numpy() for x, _ in trial.feed(images, labels)()]
    later = [x.numpy() for x, _ in trial.feed(images, labels)(1)]
    assert all(np.array_equal(x, z) for x, z in zip(whole[len(whole) // 2 :], later, strict=True))
    plain = [x.numpy() for x, _ in dataclasses.replace(trial, mix=0.0).feed(images, labels)()]
    assert np.mean([not np.array_equal(x, z) for x, z in zip(plain, whole, strict=True)]) > 0.9


def test_images_of_a_rare_class_come_more_often():
    """By hand: 100 of 400 images have persons, 4 have birds."""
    labels = np.full((400, 2, 2), 27, "uint8")
    labels[:100, 0, 0], labels[-4:, 1, 1], labels[:, 1, 0] = 17, 2, 255  # persons, birds, and void in all of them
    times = np.bincount(search.repeated(labels, 0.25, seed=1), minlength=400)
    assert (times[:-4] == 1).all() and (times[-4:] == 5).all()  # sqrt(0.25 / 0.01)
    times = np.bincount(search.repeated(labels, 0.36, seed=1), minlength=400)
    assert (times[-4:] == 6).all() and (times[100:-4] == 1).all()
    assert times[:100].mean() == pytest.approx(1.2, abs=0.1) and set(times[:100]) == {1, 2}  # sqrt(0.36 / 0.25)


def test_repeated_images_fill_as_many_steps(data):  # noqa: F811
    images, labels = siftflow.SiftFlow(data).load("train")
    labels[0], labels[1:] = 2, 27  # the one bird
    images[0], images[1:] = 255, 0
    trial = search.Experiment(size=16, batch=4, epochs=2, repeat=0.5, light=0.0)
    batches = list(trial.feed(images, labels)().take(2 * (len(images) // 4)))
    assert len(batches) == 2 * (len(images) // 4)
    share = np.mean([np.mean(y == 2) for _, y in batches])
    times = int(np.sqrt(0.5 * len(images)))
    later = [y.numpy() for _, y in trial.feed(images, labels)(1).take(len(images) // 4)]
    assert all(np.array_equal(y, z) for (_, y), z in zip(batches[len(batches) // 2 :], later, strict=True))
    assert times / (len(images) + times) * 0.6 < share < (times + 1) / (len(images) + times) * 1.6


def test_each_rare_thing_is_had_equally_often():
    labels = np.full((6, 8, 8), 27, "uint8")
    labels[0, :5, :5] = labels[1, :5, :5] = labels[2, :5, :5] = 2  # birds
    labels[2, 5:, :7] = 17  # a person
    labels[3, :2, :2] = 17  # too small to count
    assert search.with_each(("bird", "person", "sun"), labels).tolist() == [0, 2, 1, 2, 2, 2]


def test_pasted_things_come_with_their_labels_and_nothing_else_does():
    bird, sky = 2, 27
    labels, donors = np.full((40, 8, 8), sky, "int32"), np.full((40, 8, 8), 255, "int32")
    donors[:, 2:5, 3:6], donors[:, 6:] = bird, 31  # a bird before trees
    images, others = np.zeros((40, 8, 8, 3), "float32"), np.full((40, 8, 8, 3), 9, "float32")
    new, truth = (x.numpy() for x in search.pasted(images, labels, others, donors, 0.5, [1, 2]))
    has = (truth == bird).any(axis=(1, 2))
    assert 10 < has.sum() < 30
    assert np.array_equal(truth, np.where(has[:, None, None] & (donors == bird), bird, sky))
    assert np.array_equal(new, np.where((truth == bird)[..., None], others, images))


def test_pasted_batches_go_on_as_they_would_have(data):  # noqa: F811
    images, labels = siftflow.SiftFlow(data).load("train")
    labels[::5, :12, :12] = 2
    trial = search.Experiment(size=16, batch=4, epochs=2, paste=1.0)
    whole = [(x.numpy(), y.numpy()) for x, y in trial.feed(images, labels)()]
    later = [x.numpy() for x, _ in trial.feed(images, labels)(1)]
    assert all(np.array_equal(x, z) for (x, _), z in zip(whole[len(whole) // 2 :], later, strict=True))
    plain = [y.numpy() for _, y in dataclasses.replace(trial, paste=0.0).feed(images, labels)()]
    assert np.mean([np.sum(y == 2) for _, y in whole]) > 1.5 * np.mean([np.sum(y == 2) for y in plain])


def test_smoothed_labels_leave_void_alone():
    """By hand: a tenth of each valid pixel's truth is spread over three classes."""
    logits = np.random.RandomState(0).normal(size=(1, 2, 2, 3)).astype("float32")
    labels, loss = np.array([[[0, 2], [255, 1]]]), search.Experiment(smoothing=0.1).loss(np.array([1, 1, 1]))
    log_p = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    truth = 0.9 * np.eye(3)[np.where(labels == 255, 0, labels)] + 0.1 / 3
    by_hand = -(truth * log_p).sum(-1)[labels != 255].mean()
    assert float(loss(labels, logits)) == pytest.approx(by_hand, rel=1e-5)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(loss))
    assert float(again(labels, logits)) == float(loss(labels, logits))
    other = np.where((labels == 255)[..., None], 9.0, logits)
    assert float(loss(labels, other)) == float(loss(labels, logits))
    assert float(loss(np.full_like(labels, 255), logits)) == 0
