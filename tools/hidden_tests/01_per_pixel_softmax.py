from common import _answer


# %% softmax-any-shape: 2
# my_softmax: each pixel by itself, over the last axis of an array of any shape
def _test():
    import numpy as np

    random = np.random.default_rng(11)
    for shape in ((5,), (3, 6), (2, 4, 3), (2, 3, 2, 5)):
        logits = random.normal(size=shape).astype("float32")
        powers = np.exp(logits.astype(float))
        found = _answer(my_softmax, logits.copy(), shape=shape)
        sums = found.sum(axis=-1)
        assert np.allclose(sums, 1, atol=1e-4), f"For shape {shape} the sums over the last axis are {sums}, not 1."
        right = powers / powers.sum(axis=-1, keepdims=True)
        assert np.allclose(found, right, rtol=1e-4, atol=1e-5), f"For shape {shape}: not e**logit over the pixel's sum."


_test()


# %% softmax-large: 1
# my_softmax: safe for logits of 1000, and it leaves the array that it was given as it is
def _test():
    import numpy as np

    small = np.random.default_rng(12).normal(size=(2, 4, 3)).astype("float32")
    mixed = np.array([[[998, 1000, 999], [2, 0, 1], [-3, -1, -2]]], "float32")
    for name, logits in {"of ordinary size": small, "near 1000": small + 1000, "of 1000 beside 0": mixed}.items():
        powers = np.exp(logits.astype(float) - logits.max(axis=-1, keepdims=True))
        given = logits.copy()
        found = _answer(my_softmax, given, shape=logits.shape)
        assert np.isfinite(found).all(), f"Logits {name} overflow: take each pixel's own largest logit off first."
        right = powers / powers.sum(axis=-1, keepdims=True)
        assert np.allclose(found, right, rtol=1e-4, atol=1e-5), f"Wrong for logits {name}."
        assert np.array_equal(given, logits), "It changes the array that it was given."


_test()


# %% class-axis: 1
# my_axis: the axis of the classes in (batch, class, row, col)
def _test():
    assert my_axis is not None, "Not answered."
    assert not isinstance(my_axis, bool) and float(my_axis) in (1, -3), f"{my_axis} is not the axis of the classes."


_test()
