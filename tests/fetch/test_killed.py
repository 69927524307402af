"""A process that is killed, at whichever step, leaves the old state or the new, and the next call goes on."""

import pytest

from helpers.fetch.layout import FOLDER
from support.copies import ZIP
from support.faulty_server import Play
from support.world import World, arrived, until


@pytest.mark.parametrize("share", [0.05, 0.3, 0.95])
def test_sigkill_during_download(world, faults, share):
    stop = int(share * len(world.archive))
    world.server.script(ZIP, Play(stop=stop, then="stall"))
    process = world.start("get")
    until(lambda: world.server.stalled.is_set() and arrived(world) > stop - (1 << 14))
    process.kill()
    process.communicate()
    world.nothing_half()
    part = arrived(world)
    assert world.get() is None
    world.whole()
    assert [asked.range for asked in world.server.log] == [None, f"bytes={part}-" if part else None]
    faults[f"SIGKILL during download, at {share:.0%}"] = (
        "(nothing: it is dead)",
        f"0 of {part:,} on the disk",
        f"whole, {len(world.archive) - part:,} bytes, goes on",
    )


KILLED = """
import requests, tqdm.auto  # once, not in each child

def kill_before_change(n):
    left = [n]
    writes = os.O_WRONLY | os.O_RDWR | os.O_CREAT
    def hook(event, args):
        if event in ("os.mkdir", "os.rename", "os.remove", "os.rmdir") or (event == "open" and args[2] & writes):
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)
    sys.addaudithook(hook)

def call(n):
    pid = os.fork()
    if pid == 0:
        try:
            kill_before_change(n)
            siftflow.get(room, told["source"], progress=False)
            os._exit(0)
        finally:
            os._exit(1)
    status = os.waitpid(pid, 0)[1]
    assert status in (0, signal.SIGKILL), status
    return status == 0

room, start = Path(told["room"]), Path(told["start"])
place, survived, n = room / "SiftFlowDataset", False, 0
while not survived:
    n += 1
    shutil.rmtree(room, ignore_errors=True)
    shutil.copytree(start, room)
    before, inodes = tree(place), {path: (place / path).stat().st_ino for path in tree(place)}
    survived = call(n)
    now = tree(place)
    good = [path for path in before if before[path] == told["tree"].get(path)]
    assert all(now.get(path) == before[path] and (place / path).stat().st_ino == inodes[path] for path in good), n
    assert (siftflow.locate(room) is not None) == ((place / "SemanticLabels").is_dir() and (place / "Images").is_dir())
    if siftflow.locate(room) and not before:
        assert now == told["tree"], (n, "a half set")
    kept = {path: digest for path, digest in now.items() if not path.startswith("not-in-siftflow/")}
    assert all(digest in (told["tree"].get(path), before.get(path)) for path, digest in kept.items()), n
    arrived = {path.name: path.stat().st_ino for path in room.rglob("*.[jm][pa][gt]")}
    assert call(0)
    now = tree(place)
    extra = {path for path in now if path.startswith("not-in-siftflow/")}
    assert {path: digest for path, digest in now.items() if path not in extra} == told["tree"], n
    assert [now[path] for path in extra] == [before[path] for path in before if path not in told["tree"]], (n, extra)
    again = {path.name: path.stat().st_ino for path in room.rglob("*.[jm][pa][gt]")}
    assert all(again[name] == inode for name, inode in arrived.items() if not before), (n, "fetched again")
print(n)
"""


@pytest.mark.slow
@pytest.mark.parametrize("state", ["unpacking", "repair"])
def test_sigkill_before_each_change_to_the_disk(tmp_path, monkeypatch, three, server, faults, state):
    """Whichever step is the last: the old state or the new, what has arrived stays, and the next call goes on."""
    world = World(tmp_path, monkeypatch, three, server)
    start, archive = tmp_path / "start", tmp_path / "set.zip"
    start.mkdir()
    archive.write_bytes(world.archive)
    if state == "repair":
        place = three.write(start / "SiftFlowDataset")
        (place / f"Images/{FOLDER}/coast_0.jpg").write_bytes(b"damaged")
        (place / f"SemanticLabels/{FOLDER}/street_0.mat").unlink()
        (place / f"Images/{FOLDER}/another.jpg").write_bytes(b"extra")
        (place / "TestSet1.txt").write_text("forest_0.jpg\n")
    given = {"room": str(tmp_path / "room"), "start": str(start), "source": str(archive)}
    code, out, err = world.run(code=KILLED, **given)
    assert code == 0, err[-2000:]
    moments = int(out)
    assert moments > 15
    faults[f"SIGKILL during {state}, at each of {moments} steps"] = ("(nothing: it is dead)", "0", "whole, goes on")
