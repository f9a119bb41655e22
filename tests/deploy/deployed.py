"""deployed - what the tests of deploy/ share."""
import contextlib
import os
import shutil
import subprocess

from harness import ROOT, Skip

CACHE = ROOT / ".cache"


def run(*command, **options):
    """The command's output; fails with all that it said."""
    done = subprocess.run([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, **options)
    assert done.returncode == 0, f"{' '.join(map(str, command))} ended with {done.returncode}:\n{done.stdout[-4000:]}"
    return done.stdout


def need(*programs):
    missing = [name for name in programs if shutil.which(name) is None]
    if missing:
        raise Skip("not installed: " + ", ".join(missing))


def need_root():
    if os.geteuid() != 0:
        raise Skip("needs root: makes a root file system")


def base_image():
    """A Debian root file system as a tar file; made once, kept in .cache."""
    need_root()
    need("mmdebstrap")
    CACHE.mkdir(exist_ok=True)
    tar = CACHE / "bookworm.tar"
    if not tar.exists():
        made = CACHE / "bookworm.part.tar"
        run("mmdebstrap", "--quiet", "--variant=minbase", "--include=ca-certificates,git", "bookworm", made)
        made.rename(tar)
    return tar


@contextlib.contextmanager
def ending(*commands):
    """Runs the commands at the end, whatever they say."""
    try:
        yield
    finally:
        for command in commands:
            subprocess.run([str(word) for word in command], stdin=subprocess.DEVNULL, capture_output=True)
