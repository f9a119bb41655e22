"""deploy/release: what it makes is whole, signed by the operator's key, and the same octets from another folder."""
import hashlib
import json
import pathlib
import re
import subprocess
import tarfile

from deployed import ROOT, Skip, need, run


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


def test_made_twice_it_is_the_same(world):
    need("minisign", "cmake", "ninja", "dpkg-shlibdeps")
    key, public = keys(world)
    roots = clone(world), world.folder / "b"
    run("git", "-c", "safe.directory=*", "clone", "--quiet", roots[0], roots[1])
    made = [release(root, world.folder / f"made-{number}", "--key", key) for number, root in enumerate(roots)]
    version = re.search(r"project\(mailweir VERSION ([\d.]+)", (roots[0] / "CMakeLists.txt").read_text())[1]
    package, = [name for name in made[0] if name.endswith(".deb")]
    assert set(made[0]) == {package, f"mailweir-chart-{version}.tgz", f"mailweir-{version}.tar.gz", f"mailweir-{version}.spdx.json", "SHA256SUMS", "SHA256SUMS.minisig"}
    assert f"_{version}_" in package
    for name in set(made[0]) - {"SHA256SUMS.minisig"}:  # a signature has its time
        assert hashlib.sha256(made[0][name]).digest() == hashlib.sha256(made[1][name]).digest(), f"{name} is another in another folder"
    folder = world.folder / "made-0"
    run("minisign", "-V", "-p", public, "-m", folder / "SHA256SUMS")
    run("sha256sum", "-c", "SHA256SUMS", cwd=folder)
    assert all(name in made[0]["SHA256SUMS"].decode() for name in set(made[0]) - {"SHA256SUMS", "SHA256SUMS.minisig"})
    (folder / "SHA256SUMS").write_bytes(made[0]["SHA256SUMS"] + b"\n")
    assert subprocess.run(["minisign", "-V", "-p", public, "-m", folder / "SHA256SUMS"], capture_output=True).returncode != 0, "a changed list is not signed"
    parts = json.loads(made[0][f"mailweir-{version}.spdx.json"])["packages"]
    assert {"mailweir", "libuv1", "tzdata"} <= {part["name"] for part in parts} and parts[0]["versionInfo"] == version, parts
    with tarfile.open(folder / f"mailweir-chart-{version}.tgz") as chart:
        alerts = chart.extractfile("mailweir/files/prometheus-alerts.yml").read()
    assert alerts == (ROOT / "deploy/prometheus-alerts.yml").read_bytes(), "the chart stands alone"


def test_what_it_is_not_given(world):
    done = subprocess.run([ROOT / "deploy/release", "--sign"], capture_output=True, text=True)
    assert done.returncode == 64 and "usage: deploy/release" in done.stderr, done
    done = subprocess.run([ROOT / "deploy/release", "--key", "/nowhere/key"], capture_output=True, text=True)
    assert done.returncode == 1 and "/nowhere/key cannot be read" in done.stderr, done
