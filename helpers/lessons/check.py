"""Checks for the notebooks' exercises: each says "right", or names the mistake. None stops a notebook."""

import numpy as np

from helpers import metrics


def mean_iou(answer, matrix):
    """Is `answer` the mean IoU of this confusion matrix (rows = truth), over the classes present in the truth?"""
    if answer is None:
        return print("Not answered yet: replace None by your code, and run the cell again.")
    try:
        answer = float(answer)
    except (TypeError, ValueError, OverflowError):
        return print(f"The answer is one number, and this is {type(answer).__name__}: average at the end.")
    matrix = np.asarray(matrix, float)
    true_positives, truth, predicted = np.diag(matrix), matrix.sum(axis=1), matrix.sum(axis=0)
    present, union = truth > 0, truth + predicted - true_positives
    iou = true_positives / np.maximum(union, 1)
    mistakes = {
        "that divides by the number of all classes: leave out those without a single true pixel": iou.mean(),
        "that is mean accuracy: a union also holds the pixels wrongly given to the class": (
            (true_positives / np.maximum(truth, 1))[present].mean()
        ),
        "that is precision: a union also holds the true pixels that were missed": (
            (true_positives / np.maximum(predicted, 1))[present].mean()
        ),
        "that is pixel accuracy: take each class's own IoU first, then average": (
            true_positives.sum() / max(matrix.sum(), 1)
        ),
        "that counts the true positives twice: union = truth + predicted - true positives": (
            (true_positives / np.maximum(truth + predicted, 1))[present].mean()
        ),
        "that is a percentage; the answer is a fraction": 100 * metrics.scores(matrix)["mean_iou"],
    }
    if np.isclose(answer, metrics.scores(matrix)["mean_iou"], rtol=0, atol=5e-4):
        return print(f"Right: mean IoU is {answer:.3f}.")
    if np.isnan(answer):
        return print("Not a number: a class without true pixels divides 0 by 0. Leave those classes out.")
    for what, value in mistakes.items():
        if np.isclose(answer, value, rtol=0, atol=5e-4):
            return print(f"Not yet: {what}.")
    hint = "For class c: true positives are matrix[c, c], its truth is row c, its predictions column c."
    print(f"Not yet: {answer:.3f}. {hint}")


def softmax(answer):
    """Is `answer` a function from logits (…, class) of any shape to their softmax over the last axis, safe for 1000?"""
    logits = np.random.RandomState(0).normal(size=(2, 3, 4)).astype("float32")
    given = logits.copy()
    result = _result(answer, given, like=logits.shape)
    if result is None:
        return
    powers = np.exp(logits.astype("float64"))
    right = powers / powers.sum(-1, keepdims=True)
    mistakes = {
        "that sums to 1 over the first axis: which axis is the class's?": powers / powers.sum(0),
        "that sums to 1 over the middle axis: which axis is the class's?": powers / powers.sum(1, keepdims=True),
        "all numbers together sum to 1; each pixel should by itself: sum with axis=-1, keepdims=True": powers
        / powers.sum(),
        "those are the powers: divide them by each pixel's sum": powers,
        "that divides the logits themselves: raise e to them first": logits / logits.sum(-1, keepdims=True),
        "that is the logarithm of softmax: leave out the log": np.log(right),
        "that is sigmoid, each number by itself: the classes of a pixel share one sum": powers / (1 + powers),
        "that is a hard choice, 0 or 1: softmax gives every class a share": right == right.max(-1, keepdims=True),
        "that is softmax of minus the logits: the largest logit gets the largest share": (
            (1 / powers) / (1 / powers).sum(-1, keepdims=True)
        ),
    }
    if not _near(result, right):
        return print(f"Not yet: {_which(result, mistakes, 'compute exp, then divide by its sum over axis=-1')}.")
    if not np.array_equal(given, logits):
        return print("Not yet: it changes the array it was given; others may still need the logits.")
    for shape in ((4,), (2, 3, 4, 5)):
        other = np.random.RandomState(1).normal(size=shape).astype("float32")
        result = _result(answer, other, like=shape)
        if result is None:
            return
        powers = np.exp(other)
        if not _near(result, powers / powers.sum(-1, keepdims=True)):
            return print(
                f"Not yet: right for three axes, wrong for shape {shape}: count the axis from the end, axis=-1."
            )
    if _safe_for_large_logits(answer, logits):
        print("Right: any shape, any size of logits.")


def _safe_for_large_logits(answer, logits):
    """Whether the reader's softmax takes logits of 1000; if not, says what is wrong."""
    large = _result(answer, logits + 1000, like=logits.shape)
    if large is None:
        return False
    if not np.isfinite(large).all():
        print("Not yet: logits of 1000 overflow, e**1000 is infinite; subtract each pixel's largest logit first.")
        return False
    uneven = np.array([[1000.0, 1001.0], [0.0, 1.0]], "float32")
    own = _result(answer, uneven, like=uneven.shape)
    if own is None:
        return False
    if not _near(own, np.exp([[0.0, 1.0]] * 2) / np.exp([0.0, 1.0]).sum()):
        print(
            "Not yet: a pixel with logits 0 and 1 is wrong beside one with 1000 and 1001: subtract each pixel's own "
            "largest, max(axis=-1, keepdims=True), not one number for all."
        )
        return False
    return True


def class_axis(answer):
    """Is `answer` the axis of the classes in (batch, class, row, col)?"""
    if answer is None:
        return print("Not answered yet: replace None by a number, and run the cell again.")
    hints = {0: "axis 0 is the batch", 2: "axis 2 is the row", 3: "the last axis is the column here", 1: None}
    try:
        axis = {-4: 0, -3: 1, -2: 2, -1: 3}.get(int(answer), int(answer))
        if isinstance(answer, bool) or int(answer) != float(answer) or axis not in hints:
            raise ValueError
    except (TypeError, ValueError, OverflowError):
        return print("Not yet: an axis of a 4-D tensor is a whole number from 0 to 3, or from -4 to -1.")
    if hints[axis]:
        return print(f"Not yet: {hints[axis]}; the shape is (batch, class, row, col).")
    print("Right: the classes are axis 1 (or -3, counted from the end).")


def reshaped_row(answer, array, shape, row):
    """Is `answer` row `row` of ``array.reshape(shape)``? (A prediction, made before running it.)"""
    if answer is None:
        return print("Not answered yet: replace None by a list of numbers, and run the cell again.")
    array = np.asarray(array)
    right = array.reshape(shape)[row]
    try:
        answer = np.asarray(answer, float)
    except (TypeError, ValueError):
        return print("Not yet: the answer is a list of whole numbers, such as [0, 1, 2].")
    if answer.shape != right.shape:
        return print(f"Not yet: a row of {tuple(shape)} has {right.size} numbers.")
    mistakes = {
        "that is what a transpose gives; reshape keeps the order of memory and only cuts it elsewhere": (
            array.reshape(array.shape[0], -1).T[row]
        ),
        f"that is row 0; row {row} begins where row 0 ends": array.reshape(shape)[0],
        f"count rows from 0: that is row {row - 1}": array.reshape(shape)[row - 1],
    }
    if (answer == right).all():
        return print(f"Right: {right.tolist()}, the ribbon's next {right.size} numbers.")
    print(f"Not yet: {_which(answer, mistakes, 'write the ribbon down, cut it into equal rows, and take that row')}.")


def pixel_rows(answer):
    """Is `answer` a function from scores (batch, class, row, col) to (batch, pixel, class), pixels row by row?"""
    tags = np.arange(2 * 4 * 2 * 3).reshape(2, 4, 2, 3).astype("float32")
    shape = (2, 6, 4)
    mistakes = {
        "same shape, other meaning: a plain reshape leaves four pixels of one class in a row": tags.reshape(shape),
        "the pixels run down the columns: keep row before col": tags.transpose(0, 3, 2, 1).reshape(shape),
        "the images of the batch are mixed: axis 0 must stay where it is": tags.transpose(2, 3, 0, 1).reshape(shape),
        "the images of the batch come out in another order: axis 0 must stay as it is": (
            tags[::-1].transpose(0, 2, 3, 1).reshape(shape)
        ),
        "the classes come out in reverse": tags[:, ::-1].transpose(0, 2, 3, 1).reshape(shape),
    }
    if np.shape(_quiet(answer, tags)) == (2, 4, 6):
        return print("Not yet: that is (batch, class, pixel), halfway: now swap the last two axes.")
    result = _result(answer, tags, like=shape)
    if result is None:
        return
    if not _near(result, tags.transpose(0, 2, 3, 1).reshape(shape)):
        return print(f"Not yet: {_which(result, mistakes, 'each row must hold one pixel under all its classes')}.")
    print("Right: every row is one pixel, every column one class.")


def dice(answer):
    """Is `answer` a function of labels (batch, row, col) and probabilities (batch, row, col, 3) that returns the Dice
    loss, averaged over the classes present, void left out?"""
    random = np.random.RandomState(0)
    labels, p = 2 * random.randint(0, 2, (2, 4, 5)), random.random_sample((2, 4, 5, 3)) + 0.1
    labels[0, :2], labels[1, 0, 1] = 255, 255  # and class 1 is absent
    p = (p / p.sum(-1, keepdims=True)).astype("float32")
    result = _result(answer, labels.copy(), p.copy(), like=())
    if result is None:
        return
    truth, valid = (labels[..., None] == np.arange(3)).astype(float), (labels != 255)[..., None]

    def classes(p, axis=(0, 1, 2), smooth=0.0):
        overlap, size, predicted = (truth * p).sum(axis), truth.sum(axis), p.sum(axis)
        with np.errstate(all="ignore"):
            return {
                "dice": 1 - (2 * overlap + smooth) / (size + predicted + smooth),
                "iou": 1 - overlap / (size + predicted - overlap),
                "half": 1 - overlap / (size + predicted),
            }

    per_class, with_void = classes(p * valid), classes(p)
    overlap = (truth * p).sum()
    present = [0, 2]
    right = per_class["dice"][present].mean()
    mistakes = {
        "class 1 is absent from these labels, and counts as a loss of 1: average over the classes present": (
            per_class["dice"].mean()
        ),
        "void pixels' probabilities are in the sum: multiply p by the mask": with_void["dice"][present].mean(),
        "void is counted, and the absent class too": with_void["dice"].mean(),
        "that is the score; the loss is 1 minus it": 1 - right,
        "that is the loss of IoU: Dice has twice the overlap over the sum of both sizes": per_class["iou"][
            present
        ].mean(),
        "the overlap counts twice: 2 * sum(p * g)": per_class["half"][present].mean(),
        "one sum over all classes: that is 1 - mean p. Keep the class axis": 1 - 2 * overlap / (2 * valid.sum()),
        "one Dice per image: sum over the batch as well": np.nanmean(classes(p * valid, (1, 2))["dice"][:, present]),
        "that is a sum over the classes: average them": 2 * right,
        "right, but for smoothing by 1: leave that out here": classes(p * valid, smooth=1.0)["dice"][present].mean(),
    }
    if not _near(result, right):
        if np.isnan(result):
            return print("Not yet: NaN. A class without pixels divides 0 by 0, or void was taken for a class.")
        otherwise = "for each class 1 - 2 sum(p g) / (sum(p) + sum(g)), sums over batch, row and col"
        return print(f"Not yet: {_which(result, mistakes, otherwise)}.")
    print("Right: classes apart, void out, absent classes out.")


def sure_and_wrong(answer):
    """Is `answer` a function of a mask, its confidence and the truth, all (row, col), that returns which share of the
    valid pixels is wrong at a confidence above 0.9?"""
    random = np.random.RandomState(0)
    truth = random.randint(0, 4, (8, 9))
    mask = np.where(random.uniform(size=truth.shape) < 0.5, truth, random.randint(0, 4, truth.shape)).astype("uint8")
    confidence = random.uniform(0.7, 1, truth.shape).astype("float32")
    truth[0, :5] = 255
    result = _result(answer, mask.copy(), confidence.copy(), truth.astype("uint8"), like=())
    if result is None:
        return
    valid, wrong, sure = truth != 255, mask != truth, confidence > 0.9
    n, right = valid.sum(), (valid & wrong & sure).sum() / valid.sum()
    mistakes = {
        "void has no truth, so it cannot be wrong: leave it out of both numbers": (wrong & sure).mean(),
        "void has no truth, so it cannot be wrong: leave it out above the line, too": (wrong & sure).sum()
        / valid.sum(),
        "that divides by all pixels: void must not count": (valid & wrong & sure).mean(),
        "that counts every mistake, whether the network was sure or not": (valid & wrong).sum() / n,
        "that counts every sure pixel, right or wrong": (valid & sure).sum() / n,
        "that divides by the pixels that it is sure of; here by all that are valid": (
            (valid & wrong & sure).sum() / (valid & sure).sum()
        ),
        "that divides by the wrong pixels; here by all that are valid": (
            (valid & wrong & sure).sum() / (valid & wrong).sum()
        ),
        "those are the ones that it is sure of and right about": (valid & ~wrong & sure).sum() / n,
        "that is a number of pixels; the answer is a share": (valid & wrong & sure).sum(),
        "that is a percentage; the answer is a fraction": 100 * right,
    }
    if not _near(result, right):
        otherwise = "count pixels that are valid, wrong and sure, and divide by how many are valid"
        return print(f"Not yet: {_which(result, mistakes, otherwise)}.")
    print("Right: only valid pixels count, and of these the ones that are wrong and sure.")


def diagnosis(answers):
    """Which cause, 1 to 8, does each case of notebook 05 have? {case: number, or None while not answered}."""
    cases = {
        "A": (3, "its masks are striped: change a patch of the image, and see where the output moves"),
        "B": (4, "a third class stands between two others: which numbers do those have, and which has it?"),
        "C": (6, "the loss is fine, the rare class is gone: what does it cost to miss it altogether?"),
        "D": (7, "nothing is wrong with its masks: what does the log say to a perfect prediction?"),
        "E": (8, "not a number from the first epoch on: by what does the loss divide, picture for picture?"),
    }
    numbers(answers, cases, most=8)


def numbers(answers, questions, most):
    """Is each answer, a number from 1 to `most`, the right one? `questions` is {name: (the right number, a hint)}."""
    *names, last = questions
    if not isinstance(answers, dict) or set(answers) != set(questions):
        each = f"{', '.join(names)} and {last}"
        return print(f"The answer is a dictionary with a number, 1 to {most}, for each of {each}.")
    for name, (right, hint) in questions.items():
        if answers[name] is None:
            print(f"{name}: not answered yet: replace None by a number from 1 to {most}, and run the cell again.")
        elif str(answers[name]) == str(right):
            print(f"{name}: right.")
        else:
            print(f"{name}: not yet: {hint}.")


def _quiet(answer, *arguments):
    """The result of a function, as an array; None if it fails."""
    try:
        return np.asarray(answer(*arguments), float)
    except Exception:
        return None


def _result(answer, *arguments, like):
    """The result of the reader's function, as a float array of the shape `like`; or None, having said what is wrong."""
    if not callable(answer):
        return print(f"The answer is a function, and this is {type(answer).__name__}: write it with def.")
    try:
        with np.errstate(all="ignore"):
            result = answer(*arguments)
    except Exception as error:
        return print(
            f"Not yet: for an array of shape {np.shape(arguments[0])} it stops with {type(error).__name__}: {error}."
        )
    if result is None:
        return print("Not answered yet: the function returns None. Replace it by your code, and run the cell again.")
    try:
        with np.errstate(all="ignore"):
            result = np.asarray(result, float)
    except (TypeError, ValueError):
        return print(f"Not yet: the result is {type(result).__name__}, not an array of numbers.")
    if result.shape != tuple(like):
        return print(f"Not yet: the result has shape {result.shape}, not {tuple(like)}.")
    return result


def _near(a, b):
    return a.shape == np.shape(b) and np.allclose(a, b, rtol=1e-4, atol=1e-5)


def _which(result, mistakes, otherwise):
    return next((what for what, value in mistakes.items() if _near(result, np.asarray(value, float))), otherwise)
