"""Make `.venv` complete, or say in one sentence what is wrong and what to do about it.

    python tools/bootstrap.py         what a learner needs: requirements.txt, and `helpers` importable from any folder
    python tools/bootstrap.py --dev   that, and the test and build tools (the `dev` extra of pyproject.toml)

Any Python can run this file, however old: it looks for one that TensorFlow supports ($PYTHON first, then the one
running it, then the usual names on the PATH). A stamp inside `.venv`, written last, says what the environment was
made from, so a complete one is recognised at once, and one that was interrupted or is out of date is made good.
To start afresh, delete `.venv`.
"""

from __future__ import print_function, unicode_literals

import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import time

SUPPORTED = ("3.13", "3.12", "3.11", "3.10")  # what TensorFlow has builds for; pyproject.toml's requires-python
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
VENV = os.path.join(ROOT, ".venv")
VENV_PYTHON = os.path.join(VENV, *(("Scripts", "python.exe") if os.name == "nt" else ("bin", "python")))
STAMP = os.path.join(VENV, "complete.json")
LOG = os.path.join(ROOT, "build", "setup.log")
LOG_NOTE = " (all of pip's output: build/setup.log)"

# Asked of a candidate: its version, the interpreter behind it (if it is itself a virtual one), and whether it has venv.
CANDIDATE = """
import sys
print("%d.%d" % sys.version_info[:2])
print(getattr(sys, "_base_executable", None) or sys.executable)
import venv, ensurepip
print("venv")
"""

# Asked of the environment's Python: its version; fails where one of the packages named as arguments is missing.
INSTALLED = """
import importlib.metadata as metadata, sys
print("%d.%d" % sys.version_info[:2])
for name in sys.argv[1:]:
    metadata.version(name)
"""

# Likewise, before pip goes on in an environment that has no stamp: the version, then every package whose files are not
# as pip left them, because one whose installation was killed half way can look installed to pip.
INSPECT = """
import importlib.metadata as metadata, os, sys
print("%d.%d" % sys.version_info[:2])
metadata.version("pip")
for dist in metadata.distributions():
    files = [(str(f.locate()), f.size) for f in dist.files or () if f.size and f.suffix != ".pyc"]
    if dist.files is None or not all(os.path.exists(p) and os.path.getsize(p) == size for p, size in files):
        print(dist.metadata["Name"])
"""

# What pip's output says, and what that means; the first that matches is the one to tell.
CAUSES = (
    (
        r"No space left on device|Errno 28|not enough space",
        "the disk is full: make 4 GB of room (packages are also unpacked in the system's folder for temporary files)",
    ),
    (
        r"Permission denied|Errno 13|Access is denied|Read-only file system",
        "a file could not be written: check that this folder belongs to you, or delete .venv",
    ),
    (
        r"NewConnectionError|ConnectionError|Connection (?:refused|reset|broken|aborted)|ConnectTimeout|Max retries"
        r"|[Rr]ead timed out|ReadTimeout|name resolution|Name or service not known|getaddrinfo|Network is unreachable"
        r"|ProxyError|SSLError|CERTIFICATE_VERIFY_FAILED|IncompleteRead|ProtocolError",
        "the package registry could not be reached: check the network (and proxy), then run the same command again",
    ),
    (
        r"No matching distribution found for (\S+)",
        "there is no {0} for this machine and Python: set PYTHON to another Python, or run the notebooks in Colab",
    ),
    (r"MemoryError|Cannot allocate memory", "there was not enough memory: close other programs, then run it again"),
)


class SetupError(Exception):
    """The sentence to print."""


def say(text):
    """Print it at once."""
    print(text)
    sys.stdout.flush()


def ask(*command):
    """Run a command quietly: (exit status, lines of output); status 127 where there is nothing to run."""
    with open(os.devnull, "r+") as null:
        try:
            process = subprocess.Popen(
                command, stdin=null, stdout=subprocess.PIPE, stderr=null, universal_newlines=True
            )
        except OSError:
            return 127, []
        output = process.communicate()[0]
    return process.returncode, output.splitlines()


def read(path):
    """A file's bytes, or none where there is no such file."""
    try:
        with io.open(path, "rb") as file:
            return file.read()
    except (IOError, OSError):
        return b""


def wanted():
    """What an environment is made from: the packages asked for, and the folder, which its scripts name."""
    inputs = hashlib.sha256(read(os.path.join(ROOT, "requirements.txt")) + read(os.path.join(ROOT, "pyproject.toml")))
    return {"inputs": inputs.hexdigest(), "folder": ROOT}


def stamp():
    """The content of the file that says what `.venv` was made from."""
    try:
        return json.loads(read(STAMP).decode("utf-8"))
    except ValueError:
        return {}


def complete(dev):
    """Whether `.venv` holds all that is asked for: its stamp says so, its Python runs, its packages are there."""
    found = stamp()
    if any(found.get(key) != value for key, value in wanted().items()) or (dev and not found.get("dev")):
        return False
    names = re.findall(r"^[A-Za-z0-9][\w.-]*", read(os.path.join(ROOT, "requirements.txt")).decode("utf-8"), re.M)
    return ask(VENV_PYTHON, "-c", INSTALLED, *names) == (0, [found.get("python")])


def find_python():
    """The first supported Python that has venv, as (version, path of the interpreter)."""
    candidates = [[os.environ["PYTHON"]]] if os.environ.get("PYTHON") else []
    candidates += [[sys.executable]] + [["python" + version] for version in SUPPORTED] + [["python3"], ["python"]]
    if os.name == "nt":
        candidates += [["py", "-" + version] for version in SUPPORTED]
    others, without_venv = [], []
    for candidate in candidates:
        # Each is really run: a name on the PATH may be a launcher with no interpreter behind it.
        lines = ask(*(candidate + ["-c", CANDIDATE]))[1]
        if len(lines) < 2:
            continue
        version, path = lines[:2]
        if version not in SUPPORTED:
            others.append("%s (%s)" % (version, path))
        elif len(lines) < 3:
            without_venv.append("%s (%s)" % (version, path))
        else:
            return version, path
    if without_venv:
        version = without_venv[0].split()[0]
        raise SetupError(
            "Python %s has no venv module; on Debian and Ubuntu `sudo apt install python%s-venv` adds it, then run the "
            "same command again." % (without_venv[0], version)
        )
    raise SetupError(
        "This project needs Python 3.10 to 3.13, the ones TensorFlow has builds for, and found %s; install one of them "
        "(or set PYTHON to where it is), then run the same command again."
        % ("only Python " + others[0] if others else "none")
    )


def run(command, log):
    """Run a command with its output in the log, showing the lines of it that say how far it is."""
    log.write("\n$ %s\n" % " ".join(command))
    log.flush()
    shown = os.path.getsize(LOG)
    env = dict(os.environ, PIP_USER="0", PYTHONUNBUFFERED="1")
    env.pop("PYTHONPATH", None)  # what is installed elsewhere must not count as installed here
    with open(os.devnull) as null:
        process = subprocess.Popen(command, stdin=null, stdout=log, stderr=subprocess.STDOUT, cwd=ROOT, env=env)
    try:
        while True:
            status = process.poll()
            new = read(LOG)[shown:].rpartition(b"\n")[0]  # whole lines
            shown += len(new)
            lines = new.decode("utf-8", "replace")
            fetched = re.findall(r"^ *(?:Downloading|Using cached) (?:\S*/)?(\S+?)-\S+ \((\d+)[.\d]* MB", lines, re.M)
            for package, size in fetched:
                if int(size) >= 20:
                    say("  fetching %s (%s MB)" % (package, size))
            for packages in re.findall(r"^Installing collected packages: (.*,.*)", lines, re.M):
                say("  unpacking %d packages" % len(packages.split(",")))
            if status is not None:
                return status
            time.sleep(0.2)
    except BaseException:
        if process.poll() is None:
            process.terminate()
            process.wait()
        raise


def lock(log):
    """Wait until no other set-up of this folder is at work. Its child processes hold the lock too, so one that was
    killed and left pip running counts."""
    try:
        import fcntl
    except ImportError:  # Windows
        return
    try:
        fcntl.flock(log, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (IOError, OSError):
        say("Another set-up of this folder is at work: waiting for it.")
        fcntl.flock(log, fcntl.LOCK_EX)


def fault():
    """What keeps pip from going on in the `.venv` that is there, or None."""
    status, lines = ask(VENV_PYTHON, "-c", INSPECT)
    if not lines:
        return "it has no working Python"
    if lines[0] not in SUPPORTED:
        return "it has Python " + lines[0]
    if status:
        return "it was left half made"
    if stamp() and stamp().get("folder") != ROOT:
        return "it was made in another folder"
    if lines[1:]:
        return "it was left half made (%s)" % ", ".join(lines[1:4])
    return None


def make(dev, log):
    """Bring `.venv` from whatever state it is in to complete."""
    dev = dev or bool(stamp().get("dev"))  # never take tools away
    why = os.path.lexists(VENV) and fault()
    if why:
        say("Remaking .venv, because %s." % why)
        if os.path.isdir(VENV) and not os.path.islink(VENV):
            shutil.rmtree(VENV)
        else:
            os.remove(VENV)
    if os.path.exists(STAMP):
        os.remove(STAMP)
    fresh = not os.path.exists(VENV)
    if fresh:
        version, python = find_python()
        say("Making .venv with Python %s: about 1 GB to download, 3 GB on disk, some minutes, once." % version)
        if run([python, "-m", "venv", VENV], log):
            raise SetupError("Set-up stopped: %s." % cause())
    else:
        say("Bringing .venv up to date.")
    pip = [VENV_PYTHON, "-m", "pip", "--no-input", "--disable-pip-version-check", "--retries", "2", "install"]
    pip += ["--progress-bar", "off"]
    if fresh:
        # The newest pip resumes a broken download; where it cannot be had, the old one does.
        run(pip + ["--upgrade", "pip"], log)
    if run(pip + ["--editable", ".[dev]" if dev else "."], log):
        raise SetupError("Set-up stopped: %s." % cause())
    python = ask(VENV_PYTHON, "-c", INSTALLED)[1][0]
    with io.open(STAMP + ".part", "w", encoding="utf-8") as file:
        file.write(json.dumps(dict(wanted(), python=python, dev=dev)) + "\n")
    os.rename(STAMP + ".part", STAMP)
    say("Done: .venv is complete.")


def cause():
    """Why a command failed, from its output in the log."""
    output = read(LOG).decode("utf-8", "replace")
    for pattern, meaning in CAUSES:
        match = re.search(pattern, output)
        if match:
            return meaning.format(*match.groups()) + LOG_NOTE
    errors = re.findall(r"^(?:ERROR|Error): (.+)", output, re.M)
    return (errors[-1].rstrip(".:") if errors else "installing the packages failed") + LOG_NOTE


def main(arguments):
    """The command."""
    dev = arguments == ["--dev"]
    if arguments and not dev:
        say(__doc__.strip())
        return 0 if arguments[0] in ("-h", "--help") else 2
    if complete(dev):
        return 0
    try:
        if not os.path.isdir(os.path.dirname(LOG)):
            os.makedirs(os.path.dirname(LOG))
        with io.open(LOG, "a", encoding="utf-8") as log:
            lock(log)
            log.truncate(0)
            if not complete(dev):  # the set-up waited for may have done it
                make(dev, log)
        return 0
    except SetupError as error:
        message = str(error)
    except (IOError, OSError) as error:
        message = "Set-up stopped: %s (%s); check free space and that this folder can be written." % (
            error.strerror or error,
            error.filename or ROOT,
        )
    except KeyboardInterrupt:
        message = "Interrupted; run the same command again to go on."
    sys.stderr.write(message + "\n")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
