from common import _answer


# %% classes-apart: 1
# my_dice: a Dice for each class by itself, over the whole batch; then the average (every class present, no void)
def _test():
    import numpy as np

    random = np.random.default_rng(41)
    labels = np.stack([random.choice(3, (48, 48), p=share) for share in ([0.9, 0.08, 0.02], [0.2, 0.3, 0.5])])
    g = np.eye(3)[labels]
    p = random.random((2, 48, 48, 3)) + g * np.array([6, 1]).reshape(2, 1, 1, 1)
    p = (p / p.sum(axis=-1, keepdims=True)).astype("float32")
    right = (1 - 2 * (p * g).sum(axis=(0, 1, 2)) / (p + g).sum(axis=(0, 1, 2))).mean()
    found = float(_answer(my_dice, labels.copy(), p.copy(), shape=()))
    # Among so many pixels a little smoothing makes no difference.
    assert np.isclose(found, right, rtol=0, atol=2e-3), f"The loss of three classes is {found:.4f}, not {right:.4f}."


_test()


# %% void-out: 1
# my_dice: void pixels, 255, are in none of the sums
def _test():
    import numpy as np

    random = np.random.default_rng(42)
    labels = np.stack([random.choice(3, (48, 48), p=share) for share in ([0.7, 0.2, 0.1], [0.1, 0.3, 0.6])])
    p = random.random((2, 48, 48, 3)) + np.eye(3)[labels] * np.array([4, 1]).reshape(2, 1, 1, 1)
    p = (p / p.sum(axis=-1, keepdims=True)).astype("float32")
    labels[0, :20], labels[1, 30:, 7:] = 255, 255
    valid = labels != 255
    g, q = np.eye(3)[labels[valid]], p[valid]
    right = (1 - 2 * (q * g).sum(axis=0) / (q + g).sum(axis=0)).mean()
    found = float(_answer(my_dice, labels.copy(), p.copy(), shape=()))
    assert np.isclose(found, right, rtol=0, atol=2e-3), f"The loss with void pixels is {found:.4f}, not {right:.4f}."


_test()


# %% absent-out: 1
# my_dice: the average is over the classes that are present, and nothing is smoothed
def _test():
    import numpy as np

    random = np.random.default_rng(43)
    for absent in range(3):
        labels = random.choice([c for c in range(3) if c != absent], (2, 3, 4))
        labels[0, 0, :2] = [c for c in range(3) if c != absent]
        p = random.random((2, 3, 4, 3)) + 0.1
        p = (p / p.sum(axis=-1, keepdims=True)).astype("float32")
        g = np.eye(3)[labels]
        classes = 1 - 2 * (p * g).sum(axis=(0, 1, 2)) / (p + g).sum(axis=(0, 1, 2))
        right = np.delete(classes, absent).mean()
        found = float(_answer(my_dice, labels.copy(), p.copy(), shape=()))
        assert np.isclose(found, right, rtol=1e-4), f"Without class {absent} the loss is {found:.4f}, not {right:.4f}."


_test()
