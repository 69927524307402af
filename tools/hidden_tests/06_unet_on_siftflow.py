from common import _answer


# %% sure-and-wrong: 1
# sure_and_wrong: the share of pixels that are wrong and sure, where every pixel is valid
def _test():
    import numpy as np

    random = np.random.default_rng(61)
    truth, mask = random.integers(0, 5, (2, 12, 15)).astype("uint8")
    confidence = random.uniform(0.6, 1, truth.shape).astype("float32")
    right = ((mask != truth) & (confidence > 0.9)).mean()
    found = float(_answer(sure_and_wrong, mask.copy(), confidence.copy(), truth.copy(), shape=()))
    assert np.isclose(found, right, rtol=1e-4), f"For an image without void it is {right:.4f}, not {found:.4f}."


_test()


# %% sure-and-void: 1
# sure_and_wrong: void pixels count neither as wrong nor as pixels
def _test():
    import numpy as np

    random = np.random.default_rng(62)
    truth, mask = random.integers(0, 5, (2, 12, 15)).astype("uint8")
    confidence = random.uniform(0.6, 1, truth.shape).astype("float32")
    truth[:4, :7] = 255
    valid = truth != 255
    right = ((mask != truth) & (confidence > 0.9))[valid].mean()
    found = float(_answer(sure_and_wrong, mask.copy(), confidence.copy(), truth.copy(), shape=()))
    assert np.isclose(found, right, rtol=1e-4), f"For an image with void it is {right:.4f}, not {found:.4f}."


_test()
