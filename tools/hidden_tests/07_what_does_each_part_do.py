from common import _answer


# %% kernels: 1
# window_width: kernels alone
def _test():
    def width(chain):  # from the output back
        seen = 1
        for kernel, stride, dilation in reversed(chain):
            seen = (seen - 1) * stride + (kernel - 1) * dilation + 1
        return seen

    for chain in ([(5, 1, 1)], [(3, 1, 1)] * 7, [(1, 1, 1), (7, 1, 1), (5, 1, 1)]):
        found = float(_answer(window_width, list(chain), shape=()))
        assert found == width(chain), f"{chain} sees {width(chain)} pixels, not {found:g}."


_test()


# %% strides: 1
# window_width: with strides
def _test():
    def width(chain):  # from the output back
        seen = 1
        for kernel, stride, dilation in reversed(chain):
            seen = (seen - 1) * stride + (kernel - 1) * dilation + 1
        return seen

    for chain in ([(3, 2, 1)] * 4, [(4, 4, 1), (3, 1, 1), (2, 2, 1), (5, 1, 1)]):
        found = float(_answer(window_width, list(chain), shape=()))
        assert found == width(chain), f"{chain} sees {width(chain)} pixels, not {found:g}."


_test()


# %% dilations: 1
# window_width: with strides and dilations
def _test():
    def width(chain):  # from the output back
        seen = 1
        for kernel, stride, dilation in reversed(chain):
            seen = (seen - 1) * stride + (kernel - 1) * dilation + 1
        return seen

    for chain in ([(3, 1, 1), (3, 1, 6), (5, 1, 12)], [(3, 2, 1), (3, 2, 2), (3, 1, 4), (1, 1, 9)]):
        found = float(_answer(window_width, list(chain), shape=()))
        assert found == width(chain), f"{chain} sees {width(chain)} pixels, not {found:g}."


_test()
