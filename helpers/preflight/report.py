"""A finding is a row of the table that is printed; a problem is a finding with a cause and a cure.

A check is a function that returns a `Result`: its findings, and the facts that later checks need. A cause is a constant
beside the check that finds it:

    EMPTY = Cause(cause="A wrong path or pattern.", cure="Look before batching: len(files).")
    ...
    raise Stop(problem(EMPTY, "The data set is empty: it holds no image."))

What was measured is certain; that it has this cause may not be. So each cause says how sure it is: `MEASURED` where
the numbers leave no other cause, `LIKELY` where they leave two and this is the common one, `POSSIBLE` where they leave
more.
"""

import dataclasses
import textwrap

from .tools import short

MEASURED = "measured"
LIKELY = "likely"
POSSIBLE = "possible"


@dataclasses.dataclass(frozen=True)
class Problem:
    """A problem keeps a model from learning, or a score from telling."""

    check: str
    symptom: str  # what was measured
    cause: str
    cure: str
    confidence: str = MEASURED  # in the cause: "measured", "likely" or "possible"


@dataclasses.dataclass(frozen=True)
class Cause:
    """The cause of a problem, and its cure. Gaps in the texts, such as {void}, are filled in by `problem`."""

    cause: str
    cure: str
    confidence: str = MEASURED


@dataclasses.dataclass(frozen=True)
class Finding:
    """One row of the table: the verdict "ok", "-" (a note) or "PROBLEM", and what was measured."""

    verdict: str
    measured: str
    cause: str = ""
    cure: str = ""
    confidence: str = MEASURED


def fine(measured):
    """A finding that is as it should be."""
    return Finding("ok", measured)


def note(measured):
    """A finding that says nothing against the model, such as what could not be told."""
    return Finding("-", measured)


def problem(cause, symptom, **details):
    """A finding that something is wrong: a `Cause`, what was measured, and what fills the gaps of the cause's texts."""
    return Finding("PROBLEM", symptom, cause.cause.format(**details), cause.cure.format(**details), cause.confidence)


@dataclasses.dataclass(frozen=True)
class Result:
    """The result of a check: its findings, in the order in which they are printed, and facts for later checks."""

    findings: list
    facts: object = None


class Stop(Exception):
    """Raised with findings that leave no meaning to the checks that would follow."""

    def __init__(self, *findings):
        super().__init__()
        self.findings = findings


def first(suspects, *measured):
    """The first problem that one of the functions `suspects` returns, or None. They are called in their order."""
    return next((found for found in (suspect(*measured) for suspect in suspects) if found), None)


class Unknown:
    """Stands for the facts of a check that could not be made: whoever reads one of them could not be made either."""

    def __init__(self, check):
        self._check = check

    def _refuse(self, *_):
        raise LookupError(f"{self._check} was not measured")

    __getattr__ = __iter__ = _refuse


UNFORESEEN = Cause(
    cause="A kind of model, loss or data that preflight was not made for; or training will stop at the same place.",
    cure="Try by hand: model.compute_loss(images, labels, model(images)), with one batch.",
    confidence=LIKELY,
)


class Table:
    """Makes one check after another, prints what each found, and collects the problems."""

    def __init__(self):
        self.problems = []

    def ask(self, name, check, *arguments, needed=False, **more):
        """Calls a check and prints its findings.

        Args:
            name: what stands at the left of its rows.
            check: a function that returns a `Result`, called with the other arguments.
            needed: whether the later checks have no meaning without its facts.

        Returns:
            The facts that the check returned.

        Raises:
            Stop: if the check raised it, or could not be made and is `needed`.
        """
        try:
            result = check(*arguments, **more)
        except Stop as stop:
            self._add(name, stop.findings)
            raise
        except Exception as error:  # a kind of model, loss or data that nobody thought of
            symptom = f"It could not be measured: {short(error)}."
            self._add(name, [problem(UNFORESEEN, symptom) if needed else note(symptom)])
            if needed:
                raise Stop from error
            return Unknown(name)
        self._add(name, result.findings)
        return result.facts

    def found(self, *names, other_than=()):
        """Whether one of these checks found a problem; or, without names, one `other_than` these."""
        return any(problem.check in names if names else problem.check not in other_than for problem in self.problems)

    def print_total(self):
        """Prints how many problems there are."""
        n = len(self.problems)
        print("No problem found." if not n else f"{n} problem{'s' * (n > 1)}; begin with the first.")

    def _add(self, name, findings):
        for found in findings:
            _print(name, found.verdict, found.measured)
            if found.verdict == "PROBLEM":
                sure = "" if found.confidence == MEASURED else f"({found.confidence}) "
                _print("", "cause:", sure + found.cause)
                _print("", "cure:", found.cure)
                self.problems.append(Problem(name, found.measured, found.cause, found.cure, found.confidence))


def _print(name, verdict, text):
    print(textwrap.fill(text, 110, initial_indent=f"{name:13}{verdict:9}", subsequent_indent=" " * 22))
