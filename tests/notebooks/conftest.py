"""What every lesson's tests begin with: the notebook, run at the fast pace, and what it printed at full pace."""

import pytest

from support import running


@pytest.fixture(scope="module")
def lesson(request):
    """The notebook that the test file names in NAME, at the fast pace: its variables, and what each cell printed.

    Cells that it lists in WITHOUT are passed over: those that take long and that its tests do not ask about.
    """
    with pytest.MonkeyPatch.context() as patch:
        yield running.run(request.module.NAME, patch, without=getattr(request.module, "WITHOUT", ()))


@pytest.fixture(scope="module")
def said(request, tmp_path_factory):
    """What the cells of that notebook printed at full pace."""
    return running.printed(request.module.NAME, tmp_path_factory.mktemp("build"))
