"""A test that is killed leaves no mount on the machine: whoever then empties /tmp reaches nothing that the test had bound there."""
import pathlib
import signal
import sys

from deployed import ROOT, need_root, run
from harness import Process, wait

# What tests mount: a folder of the machine's bound, a file as a disk, /proc of a root.
MOUNTING = '''
import pathlib, signal, subprocess
def test_that_hangs(world):
    for name in ("bound", "disk", "proc"):
        (world.folder / name).mkdir()
    subprocess.run(["mount", "--bind", {kept!r}, world.folder / "bound"], check=True)
    subprocess.run(["mount", "-o", "loop", {disk!r}, world.folder / "disk"], check=True)
    subprocess.run(["mount", "-t", "proc", "proc", world.folder / "proc"], check=True)
    print(world.folder, flush=True)
    signal.pause()
'''


def mounts(pid):
    return pathlib.Path(f"/proc/{pid}/mountinfo").read_text()


def devices(disk):
    return run("losetup", "--noheadings", "--output", "NAME", "--associated", disk)


def test_a_killed_test_leaves_none(world):
    need_root()
    kept, disk, path = world.folder / "kept", world.folder / "disk.img", world.folder / "test_hanging.py"
    kept.mkdir()
    (kept / "years of work").write_text("kept")
    run("truncate", "--size", "8M", disk)
    run("mkfs.ext4", "-q", disk)
    path.write_text(MOUNTING.format(kept=str(kept), disk=str(disk)))
    hanging = Process([sys.executable, ROOT / "tests/e2e/harness.py", path, "test_that_hangs"], world.folder / "hanging.log")
    wait(lambda: not hanging.alive() or hanging.log.read_text().endswith("\n"), "what it mounted")
    assert hanging.alive(), hanging.log.read_text()
    left = pathlib.Path(hanging.log.read_text().strip())
    assert mounts(hanging.popen.pid).count(f" {left}/") == 3 and devices(disk), "it has mounted"
    assert str(left) not in mounts("self"), "and nobody else sees it"
    hanging.send_signal(signal.SIGKILL)
    hanging.popen.wait()
    wait(lambda: not devices(disk), "the end of its loop device")
    assert str(left) not in mounts("self")
    run("rm", "-rf", left)
    assert (kept / "years of work").read_text() == "kept"
