# %% card-A: 1
# diagnosis: the cause for card A
def _test():
    look = "Its masks are striped: change a patch of the image, and see where the output moves."
    assert isinstance(diagnosis, dict), "The answer is a dictionary with a number, 1 to 8, for each card."
    cause = diagnosis.get("A")
    assert cause is not None, "Card A is not answered."
    assert str(cause).strip() in ("3", "3.0"), f"{cause} is not the cause for card A. {look}"


_test()


# %% card-B: 1
# diagnosis: the cause for card B
def _test():
    look = "A third class stands between two others: which numbers do those have, and which has it?"
    assert isinstance(diagnosis, dict), "The answer is a dictionary with a number, 1 to 8, for each card."
    cause = diagnosis.get("B")
    assert cause is not None, "Card B is not answered."
    assert str(cause).strip() in ("4", "4.0"), f"{cause} is not the cause for card B. {look}"


_test()


# %% card-C: 1
# diagnosis: the cause for card C
def _test():
    look = "The loss is fine, the rare class is gone: what does it cost to miss it altogether?"
    assert isinstance(diagnosis, dict), "The answer is a dictionary with a number, 1 to 8, for each card."
    cause = diagnosis.get("C")
    assert cause is not None, "Card C is not answered."
    assert str(cause).strip() in ("6", "6.0"), f"{cause} is not the cause for card C. {look}"


_test()


# %% card-D: 1
# diagnosis: the cause for card D
def _test():
    look = "Nothing is wrong with its masks: what does the log say to a perfect prediction?"
    assert isinstance(diagnosis, dict), "The answer is a dictionary with a number, 1 to 8, for each card."
    cause = diagnosis.get("D")
    assert cause is not None, "Card D is not answered."
    assert str(cause).strip() in ("7", "7.0"), f"{cause} is not the cause for card D. {look}"


_test()


# %% card-E: 1
# diagnosis: the cause for card E
def _test():
    look = "Not a number from the first epoch on: by what does the loss divide, picture for picture?"
    assert isinstance(diagnosis, dict), "The answer is a dictionary with a number, 1 to 8, for each card."
    cause = diagnosis.get("E")
    assert cause is not None, "Card E is not answered."
    assert str(cause).strip() in ("8", "8.0"), f"{cause} is not the cause for card E. {look}"


_test()
