"""deployed - what the tests of deploy/ share."""
import contextlib
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

from harness import ROOT, Skip

sys.path.append(str(ROOT / "tests/e2e"))  # what those tests share is good here, too

# For every clone of whoever runs this: what takes long to make, and is the same for all.
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "mailweir"
FRESH = 7 * 86400  # seconds for which a root is as good as a new one


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
    """Root that may mount: in some containers uid 0 may not."""
    if os.geteuid() != 0:
        raise Skip("needs root: makes a root file system")
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(["mount", "-t", "tmpfs", "tmpfs", folder], capture_output=True, text=True)
        if done.returncode != 0:
            raise Skip(f"needs a root that may mount: {done.stderr.strip()}")
        run("umount", folder)


def need_mirrors(*architectures):
    """Each source of packages that this machine's apt has answers, and has packages of these architectures."""
    told = subprocess.run(["apt-get", "update", "--print-uris"], stdin=subprocess.DEVNULL, capture_output=True, text=True) if shutil.which("apt-get") else None
    addresses = re.findall(r"^'([^']+/InRelease)'", told.stdout, re.MULTILINE) if told is not None else []
    if not addresses:
        raise Skip("apt knows no source of packages")
    for address in addresses:
        with tempfile.TemporaryDirectory() as folder:
            got = pathlib.Path(folder) / "InRelease"
            done = subprocess.run(["/usr/lib/apt/apt-helper", "-o", "Acquire::Retries=0", "-o", "Acquire::http::Timeout=20", "-o", "Acquire::https::Timeout=20",
                                   "download-file", address, str(got)], stdin=subprocess.DEVNULL, capture_output=True, text=True)
            if done.returncode != 0 or not got.exists():
                raise Skip(f"a source of packages cannot be reached: {address}: {(done.stderr.strip().splitlines() or ['no reason is told'])[0]}")
            known = re.search(r"^Architectures: (.*)$", got.read_text(errors="replace"), re.MULTILINE)
        lacks = [name for name in architectures if known is not None and name not in known[1].split()]
        if lacks:
            raise Skip(f"a source of packages has none for {', '.join(lacks)}: {address}")


def compiler_cache():
    """Where this machine keeps what was compiled (ccache), or None."""
    asked = subprocess.run(["ccache", "--get-config", "cache_dir"], capture_output=True, text=True) if shutil.which("ccache") else None
    folder = asked.stdout.strip() if asked is not None and asked.returncode == 0 else ""
    return folder if os.path.isdir(folder) else None


@contextlib.contextmanager
def debian_root(folder):
    """A root file system of its own in the folder, with this machine's sources of packages; gives the words that a command in it begins with."""
    need_mirrors()
    root = folder / "root"
    root.mkdir()
    run("tar", "-x", "-C", root, "-f", base_image())
    shutil.copy("/etc/resolv.conf", root / "etc/resolv.conf")
    for entry in os.scandir("/etc/apt/apt.conf.d"):
        shutil.copy(entry.path, root / "etc/apt/apt.conf.d")
    (root / "etc/dpkg/dpkg.cfg.d/unsafe-io").write_text("force-unsafe-io\n")  # nobody needs this root after a power cut
    run("mount", "-t", "proc", "proc", root / "proc")
    with ending(["umount", root / "proc"]):
        yield root, ["chroot", root, "env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C.UTF-8"]


def base_image():
    """A Debian root file system as a tar file; made once a week."""
    need_root()
    need("mmdebstrap")
    CACHE.mkdir(parents=True, exist_ok=True)
    tar = CACHE / "bookworm.tar"
    if not tar.exists() or time.time() - tar.stat().st_mtime > FRESH:
        need_mirrors()
        made = CACHE / f"bookworm.{os.getpid()}.tar"
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
