"""Fresh interpreters, for tests that need a process of their own."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def python(code, *arguments, **environment):
    """What a fresh interpreter prints; its errors are ours, and waiting for ever is one."""
    folders = os.pathsep.join(map(str, (ROOT, ROOT / "tests")))
    ran = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        cwd=ROOT, env={**os.environ, "PYTHONPATH": folders, **environment}, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr[-3000:]
    return ran.stdout
