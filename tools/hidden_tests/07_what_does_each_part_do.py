from common import _answer


# %% kernels: 1
# window_width: kernels alone
def _test():
    for chain, pixels in (
        ([(5, 1, 1)], 5),
        ([(3, 1, 1)] * 7, 15),
        ([(1, 1, 1), (7, 1, 1), (5, 1, 1)], 11),
    ):
        found = float(_answer(window_width, list(chain), shape=()))
        assert found == pixels, f"{chain} sees {pixels} pixels, not {found:g}."


_test()


# %% strides: 1
# window_width: with strides
def _test():
    for chain, pixels in (
        ([(3, 2, 1)] * 4, 31),
        ([(4, 4, 1), (3, 1, 1), (2, 2, 1), (5, 1, 1)], 48),
    ):
        found = float(_answer(window_width, list(chain), shape=()))
        assert found == pixels, f"{chain} sees {pixels} pixels, not {found:g}."


_test()


# %% dilations: 1
# window_width: with strides and dilations
def _test():
    for chain, pixels in (
        ([(3, 1, 1), (3, 1, 6), (5, 1, 12)], 63),
        ([(3, 2, 1), (3, 2, 2), (3, 1, 4), (1, 1, 9)], 43),
    ):
        found = float(_answer(window_width, list(chain), shape=()))
        assert found == pixels, f"{chain} sees {pixels} pixels, not {found:g}."


_test()
