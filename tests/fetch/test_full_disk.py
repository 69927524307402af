"""On a full or read-only disk one sentence says so, and with room again it goes on from what has arrived."""

import json
from pathlib import Path

import pytest

from support.copies import COAST, ZIP, sentence
from support.faulty_server import Play

FULL = """
disk = Path(told["disk"])
place = disk / "SiftFlowDataset"
results = []
for free in told["free"]:
    if told["start"]:
        shutil.copytree(told["start"], place)
    before, found = tree(disk), siftflow.locate(disk)
    room = os.statvfs(disk)
    (disk / "ballast").write_bytes(bytes(room.f_bavail * room.f_frsize - free))
    try:
        siftflow.get(disk, told["source"], progress=False)
        message = None
    except siftflow.SiftFlowError as error:
        message = str(error)
    (disk / "ballast").unlink()
    same = tree(disk) == before and siftflow.locate(disk) == found
    part = sum(path.stat().st_size for path in disk.rglob("*.part"))
    siftflow.get(disk, told["source"], progress=False)
    results.append([message, same, part, tree(place) == told["tree"]])
    shutil.rmtree(place)
print(json.dumps(results))
"""


@pytest.mark.parametrize("when", ["while downloading", "told in advance", "while unpacking", "while repairing"])
def test_a_full_disk(world, mounting, faults, tmp_path, when):
    """At whichever byte: one sentence, nothing half there, and with room again it goes on from what has arrived."""
    mount, disk = mounting
    source, start, free = None, None, [*range(0, 600_000, 80_000)]
    if when == "while downloading":  # the server does not say how long the file is
        world.server.script(ZIP, then=Play(length=None))
    if when in ("while unpacking", "while repairing"):
        source, free = str(tmp_path / "set.zip"), [*range(0, 700_000, 60_000), 2_000_000]
        Path(source).write_bytes(world.archive)
    if when == "while repairing":
        start, free = world.made.write(tmp_path / "start"), [0, 20_000, 40_000, 60_000]
        (start / COAST).write_bytes(b"damaged")
    given = {"disk": str(disk), "free": free, "source": source, "start": start and str(start)}
    code, out, err = world.run(code=FULL, wrap=mount, **given)
    assert code == 0, err
    results = json.loads(out.splitlines()[-1])
    for room, (message, same, part, whole) in zip(free, results, strict=True):
        assert whole and same == bool(message) and (message or room > (50_000 if start else 600_000)), room
        if message:
            sentence(message, disk / "SiftFlowDataset", "full", "free ")
        assert part <= room if when == "while downloading" else part == 0
    again = 0
    if when == "while downloading":
        parts = [part for _, _, part, _ in results]
        assert max(parts) > 500_000
        starts = [asked.start for asked in world.server.log]
        assert starts[::2] == [0] * len(free) and starts[1::2] == parts
        again = sum(part - start for part, start in zip(parts, starts[1::2], strict=True))
    told = results[1][0].replace(str(disk), "…")
    faults[f"a full disk {when}, {len(free)} times"] = (told, f"{again} of what is stored", "whole, goes on")


def test_a_disk_that_is_read_only(world, mounting, tmp_path):
    mount, disk = mounting
    mount = [word.replace("size=4m", "size=4m,ro") for word in mount]
    code, out, err = world.run("get", disk, "--quiet", wrap=mount)
    assert (code, out) == (1, "") and err.count("\n") == 1
    sentence(err.strip(), disk / "SiftFlowDataset", "cannot be written to", "name ")
    assert not world.server.log
