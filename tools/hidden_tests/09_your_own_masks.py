from common import _answer


# %% grey-numbers: 2
# my_classes: what the four numbers of the grey masks stand for
def _test():
    right = {40: "coin", 90: "background", 150: "stone", 210: "leaf"}
    assert my_classes is not None, "Not answered: my_classes is None."
    assert isinstance(my_classes, dict), "The answer is a dictionary from the numbers in the masks to class names."
    given = {str(number).strip(): str(name).strip().casefold() for number, name in my_classes.items()}
    wrong = [number for number, name in right.items() if given.get(str(number)) != name]
    assert not wrong, f"Not the class of: {', '.join(map(str, wrong))}. Draw mask == number beside the photo."
    assert len(given) == len(right), "There are four numbers; 255 is void and not among them."


_test()


# %% colours: 1
# from_colours: a picture whose colours are all in the table
def _test():
    import numpy as np

    random = np.random.default_rng(91)
    table = {"a": (10, 20, 30), "b": (30, 20, 10), "c": (10, 20, 200), "d": (0, 0, 60)}
    labels = random.integers(0, 4, (9, 11))
    picture = np.array(list(table.values()), "uint8")[labels]
    found = _answer(from_colours, picture, table, shape=(9, 11))
    assert (found == labels).all(), f"{(found != labels).sum()} of {labels.size} pixels have another class."


_test()


# %% colours-and-void: 1
# from_colours: a colour that is not in the table is void
def _test():
    import numpy as np

    random = np.random.default_rng(92)
    table = {"a": (10, 20, 30), "b": (130, 20, 10)}
    labels = random.integers(0, 3, (8, 5))
    picture = np.array([*table.values(), (130, 10, 20)], "uint8")[labels]
    found = _answer(from_colours, picture, table, shape=(8, 5))
    assert (found == np.where(labels == 2, 255, labels)).all(), "A colour that is not in the table is to be 255."


_test()
