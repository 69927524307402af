"""The command line ``python -m helpers.siftflow``."""

import argparse
import contextlib
import sys

from helpers.fetch import sources
from helpers.fetch.getting import get
from helpers.fetch.layout import SiftFlowError
from helpers.fetch.verify import verify


def main(arguments=None):
    """``python -m helpers.siftflow get [folder] [--source ...]`` and ``verify [folder]``. Ends the process."""
    parser = argparse.ArgumentParser("python -m helpers.siftflow", description=sources.ABOUT)
    commands = parser.add_subparsers(dest="command", required=True)
    getting = commands.add_parser("get", help="find, copy or download the data set, and make it whole")
    getting.add_argument("folder", nargs="?", help="where to put it (default: data/)")
    getting.add_argument("--source", help="take it from this zip archive, folder or http address, nothing else")
    getting.add_argument("--quiet", action="store_true", help="say nothing unless something is wrong")
    verifying = commands.add_parser("verify", help="compare every file with the published data set")
    verifying.add_argument("folder", nargs="?", help="the data set's folder (default: the one that is found)")
    given = parser.parse_args(arguments)
    for stream in (sys.stdout, sys.stderr):  # a name that the terminal cannot show stops nothing
        with contextlib.suppress(AttributeError):
            stream.reconfigure(errors="backslashreplace")
    try:
        if given.command == "get":
            get(given.folder, given.source, progress=not given.quiet)
        else:
            report = verify(given.folder)
            _show(report)
            sys.exit(0 if report.whole else 1)
    except SiftFlowError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        print("\nStopped. What has arrived is kept: the same command goes on from there.", file=sys.stderr)
        sys.exit(130)


def _show(report):
    print(f"{report}.")
    for path in report.missing:
        print(f"missing  {path}")
    for path, reason in report.damaged.items():
        print(f"damaged  {path} {reason}")
    for path in report.extra:
        print(f"extra    {path}")
