"""deploy/release: what it makes is whole, signed by the operator's key, and the same octets from another folder."""
import hashlib
import json
import os
import pathlib
import re
import subprocess
import tarfile

from deployed import ROOT, Skip, need, run
from test_package import package


def release(root, to, *words):
    run(root / "deploy/release", "--to", to, *words)
    return {path.name: path.read_bytes() for path in pathlib.Path(to).iterdir()}


def keys(world):
    key, public = world.folder / "release.key", world.folder / "release.pub"
    run("minisign", "-G", "-W", "-s", key, "-p", public)
    return key, public


def clone(world):
    if not (ROOT / ".git").exists():
        raise Skip("this is no clone: there is nothing to clone from")
    root = world.folder / "a-clone-in-a-folder-of-its-own"
    run("git", "-c", "safe.directory=*", "clone", "--quiet", ROOT, root)
    return root


def built_here(epoch):
    """The package of this folder, which the tests of the package build, packed at the time of what is released."""
    build = package().parent
    run("cpack", "-G", "DEB", cwd=build, env={**os.environ, "SOURCE_DATE_EPOCH": epoch})
    return next(build.glob("*.deb")).read_bytes()


def test_from_another_folder_it_is_the_same(world):
    need("minisign", "cmake", "ninja", "dpkg-shlibdeps")
    key, public = keys(world)
    root, folder = clone(world), world.folder / "made"
    made = release(root, folder, "--key", key)
    version = re.search(r"project\(mailweir VERSION ([\d.]+)", (root / "CMakeLists.txt").read_text())[1]
    own = run("dpkg", "--print-architecture").strip()
    package_name, = [name for name in made if name.endswith(".deb")]
    assert set(made) == {package_name, f"mailweir-chart-{version}.tgz", f"mailweir-{version}.tar.gz", f"mailweir-{version}-{own}.spdx.json", "SHA256SUMS", "SHA256SUMS.minisig"}
    assert f"_{version}_" in package_name
    epoch = run("git", "-c", "safe.directory=*", "-C", root, "log", "-1", "--format=%ct").strip()
    assert hashlib.sha256(made[package_name]).digest() == hashlib.sha256(built_here(epoch)).digest(), "two folders, two packages"
    run("minisign", "-V", "-p", public, "-m", folder / "SHA256SUMS")
    run("sha256sum", "-c", "SHA256SUMS", cwd=folder)
    assert all(name in made["SHA256SUMS"].decode() for name in set(made) - {"SHA256SUMS", "SHA256SUMS.minisig"})
    (folder / "SHA256SUMS").write_bytes(made["SHA256SUMS"] + b"\n")
    assert subprocess.run(["minisign", "-V", "-p", public, "-m", folder / "SHA256SUMS"], capture_output=True).returncode != 0, "a changed list is not signed"
    parts = json.loads(made[f"mailweir-{version}-{own}.spdx.json"])["packages"]
    assert {"mailweir", "libuv1", "tzdata"} <= {part["name"] for part in parts} and parts[0]["versionInfo"] == version, parts
    with tarfile.open(folder / f"mailweir-chart-{version}.tgz") as chart:
        assert {(member.mtime, member.uid) for member in chart.getmembers()} == {(int(epoch), 0)}, "nothing of the machine that it was made on"
        alerts = chart.extractfile("mailweir/files/prometheus-alerts.yml").read()
    assert alerts == (ROOT / "deploy/prometheus-alerts.yml").read_bytes(), "the chart stands alone"


def test_what_it_is_not_given(world):
    done = subprocess.run([ROOT / "deploy/release", "--sign"], capture_output=True, text=True)
    assert done.returncode == 64 and "usage: deploy/release" in done.stderr, done
    done = subprocess.run([ROOT / "deploy/release", "--key", "/nowhere/key"], capture_output=True, text=True)
    assert done.returncode == 1 and "/nowhere/key cannot be read" in done.stderr, done
    done = subprocess.run([ROOT / "deploy/release", "--arch", "pdp11", "--to", world.folder / "made"], capture_output=True, text=True)
    assert done.returncode == 1 and "nobody has said how to build for pdp11" in done.stderr, done
    (world.folder / "mine").mkdir()
    (world.folder / "mine/letter").write_text("mine")
    done = subprocess.run([ROOT / "deploy/release", "--to", world.folder / "mine"], capture_output=True, text=True)
    assert done.returncode == 1 and "is not empty" in done.stderr and (world.folder / "mine/letter").exists(), done
