"""helpers.formats.typed: what is typed in a command is what `masks.open` takes, or the way to write it is said."""

import pytest

from helpers.formats import typed
from helpers.formats.folder import MasksError


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("soil, leaf", ["soil", "leaf"]),
        ("soil", ["soil"]),
        ("3d object,tv/monitor, a = b", ["3d object", "tv/monitor", "a = b"]),
        ("40=soil, 90 = leaf", {40: "soil", 90: "leaf"}),
        ("1000=soil,002000=leaf=x", {1000: "soil", 2000: "leaf=x"}),
    ],
)
def test_classes(text, wanted):
    assert typed.classes(text) == wanted


@pytest.mark.parametrize(
    "text",
    ["", "a,,b", "a,b,", "40=a, b", "40=a, 90=", "40=", "40:soil, 90:leaf", '{0: "a", 1: "b"}', '["a", "b"]', "a; b"],
)  # fmt: skip
def test_what_is_neither_is_refused(text):
    with pytest.raises(MasksError, match='write names with commas between, "soil, leaf", or a number before each'):
        typed.classes(text)


def test_a_number_stands_once():
    with pytest.raises(MasksError, match="the number 40 twice"):
        typed.classes("40=a, 90=b, 040=c")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("255", 255), (" 210 ", 210), ("-1", -1), ("0, 0, 0", (0, 0, 0)), ("(128,0,64)", (128, 0, 64)),
        ("transparent", "transparent"), ("not labelled", "not labelled"),
    ],
)  # fmt: skip
def test_void(text, wanted):
    assert typed.void(text) == wanted


def test_options_are_named_where_the_error_names_arguments():
    said = typed.options(MasksError("name them, as in classes={40: …}, and void=… if one stands for no class."))
    assert said == (
        ' In this command, classes= is --classes "soil, leaf", or --classes "40=soil, 90=leaf" with numbers; void= is '
        '--void 210, or --void "0, 0, 0" for a colour.'
    )
    assert "class_dict.csv" in typed.options(MasksError("pass colours={…}"))
    assert typed.options(MasksError("There is no folder.")) == ""
