from common import _answer


# %% five-prints: 2
# convention: the conventions of the five prints
def _test():
    right = {"A": 2, "B": 6, "C": 3, "D": 4, "E": 5}
    assert isinstance(convention, dict), "The answer is a dictionary with a number, 1 to 6, for each print."
    assert any(convention.get(letter) is not None for letter in right), "Not answered: every number is None."
    given = {letter: str(convention.get(letter)).strip().removesuffix(".0") for letter in right}
    wrong = [letter for letter in right if given[letter] != str(right[letter])]
    assert not wrong, f"Not the convention: {', '.join(wrong)}. Compare with what ours() gives for the same prediction."


_test()


# %% surest-mistake: 1
# surest_mistake: the wrong pixel with the highest confidence, where every pixel is labelled
def _test():
    import numpy as np

    random = np.random.default_rng(81)
    truth, mask = random.integers(0, 5, (2, 12, 15)).astype("uint8")
    confidence = random.uniform(0.4, 0.9, truth.shape).astype("float32")
    confidence[mask == truth] = 0.92
    row, col = np.unravel_index(np.where(mask != truth, confidence, -1).argmax(), mask.shape)
    found = _answer(surest_mistake, mask.copy(), confidence.copy(), truth.copy(), shape=(2,))
    assert tuple(found) == (row, col), f"It is in row {row}, column {col}, not in {found.tolist()}."


_test()


# %% surest-and-void: 1
# surest_mistake: a void pixel is no mistake
def _test():
    import numpy as np

    random = np.random.default_rng(82)
    truth, mask = random.integers(0, 5, (2, 12, 15)).astype("uint8")
    confidence = random.uniform(0.4, 0.9, truth.shape).astype("float32")
    confidence[mask == truth] = 0.92
    truth[2:6, 3:9], confidence[2:6, 3:9] = 255, 0.95
    wrong = (mask != truth) & (truth != 255)
    row, col = np.unravel_index(np.where(wrong, confidence, -1).argmax(), mask.shape)
    found = _answer(surest_mistake, mask.copy(), confidence.copy(), truth.copy(), shape=(2,))
    assert tuple(found) == (row, col), f"With void pixels it is in row {row}, column {col}, not in {found.tolist()}."


_test()
