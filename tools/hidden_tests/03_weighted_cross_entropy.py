from common import _answer


# %% weight-of-the-truth: 2
# my_loss: a pixel's weight is that of its true class, whatever the loss is divided by (no pixel is void here)
def _test():
    import numpy as np

    random = np.random.default_rng(31)
    labels, weights = random.integers(0, 4, (2, 3, 4)), np.array([3, 1, 7, 20], "float32")
    found, right = [], []
    for _ in range(3):  # other logits for the same labels: what a loss divides by stays the same, and cancels below
        logits = random.normal(size=(2, 3, 4, 4)).astype("float32")
        p = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
        right.append((weights[labels] * -np.log((p * np.eye(4)[labels]).sum(axis=-1))).sum())
        found.append(float(_answer(my_loss, labels.copy(), logits.copy(), weights.copy(), shape=())))
    assert np.isfinite(found).all(), f"The loss is {found[0]}."
    assert (np.array(found) > 0).all(), "A loss above zero: the logarithm of a probability is negative."
    same = np.allclose(np.array(found) / found[0], np.array(right) / right[0], rtol=1e-3)
    assert same, "The weights are not those of the true classes: which of p and truth can the network change?"


_test()


# %% void-and-mean: 1
# my_loss: with those weights, the mean over the valid pixels; void, 255, counts for nothing
def _test():
    import numpy as np

    random = np.random.default_rng(32)
    labels, weights = random.integers(0, 4, (2, 4, 5)), np.array([2, 9, 1, 30], "float32")
    labels[1, :2], labels[0, 3, 1] = 255, 255
    logits = random.normal(size=(2, 4, 5, 4)).astype("float32")
    valid = labels != 255
    p = (np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True))[valid]
    right = (weights[labels[valid]] * -np.log((p * np.eye(4)[labels[valid]]).sum(axis=-1))).mean()
    found = float(_answer(my_loss, labels.copy(), logits.copy(), weights.copy(), shape=()))
    assert np.isclose(found, right, rtol=1e-4), f"The loss of a batch with void pixels is {found:.4f}, not {right:.4f}."


_test()
