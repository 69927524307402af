from common import _quiet


# %% mean-iou: 1
# my_mean_iou: the mean IoU of `matrix` over the classes that occur in the truth
def _test():
    import numpy as np

    assert my_mean_iou is not None, "Not answered."
    counts = np.asarray(matrix, float)
    true_positives, truth, predicted = np.diag(counts), counts.sum(axis=1), counts.sum(axis=0)
    right = (true_positives / np.maximum(truth + predicted - true_positives, 1))[truth > 0].mean()
    assert np.isclose(float(my_mean_iou), right, rtol=0, atol=5e-4), f"It is {right:.3f}, and not {my_mean_iou}."


_test()


# %% mean-iou-computed: 1
# The same code, run once more for another confusion matrix: a number that was typed in does not follow
def _test():
    import contextlib

    import numpy as np

    random = np.random.default_rng(61)
    other = random.integers(0, 500, (7, 7)) + np.diag(random.integers(0, 9000, 7))
    other[[2, 5, 6]] = 0  # three classes have no pixel,
    other[:, 6] = 0  # and one of them was never predicted
    kept = [0, 1, 3, 4]
    true_positives = np.diag(other)
    right = (true_positives[kept] / (other.sum(axis=1) + other.sum(axis=0) - true_positives)[kept]).mean()
    code = [source for source in In if "my_mean_iou" in source and "HIDDEN TESTS" not in source]
    names = {**globals(), "matrix": other, "my_mean_iou": None}
    with _quiet():
        for source in code:
            with contextlib.suppress(Exception):  # a cell of tries that stopped must not count
                exec(source, names)
    found = names["my_mean_iou"]
    assert found is not None, "Run for another matrix, the exercise's cell gives no number."
    said = (
        f"For another matrix the exercise's cell gives {float(found):.3f}, and not {right:.3f}: is a number typed in?"
    )
    assert np.isclose(float(found), right, rtol=0, atol=5e-4), said


_test()
