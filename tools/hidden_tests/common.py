def _quiet():
    """Within it, nothing is printed: a cell that writes to standard error gets no points, were it but a warning."""
    import contextlib
    import io
    import logging
    import os
    import sys

    @contextlib.contextmanager
    def quiet():
        sys.stderr.flush()
        kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)  # libraries written in C++ write there directly
        os.dup2(nowhere, 2)
        logging.disable()  # whose handlers may keep a standard error of their own
        try:
            with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                yield
        finally:
            logging.disable(logging.NOTSET)
            os.dup2(kept, 2)
            os.close(kept)
            os.close(nowhere)

    return quiet()


def _answer(function, *arguments, shape):
    """What the student's function returns, as a float array of this shape."""
    import numpy

    assert callable(function), f"The answer is a function, and this is {type(function).__name__}."
    with _quiet():
        result = function(*arguments)
        assert result is not None, "Not answered: the function returns None."
        result = numpy.asarray(result, float)
    assert result.shape == shape, f"The result has shape {result.shape}, not {shape}."
    return result
