"""deploy/release --image --arch amd64,arm64: a package and a list of parts for each, and one image index that names both.

The small size lets the script do all of it but compile: in the place of the compiler stand programs that make packages and images of one file. The large size compiles both.
"""
import hashlib
import json
import os
import re
import shutil
import subprocess
import tarfile

from deployed import ROOT, ending, need, need_mirrors, need_root, run
from harness import MAILWEIR, SIZE, Skip
from test_container import base
from test_release import clone

FOREIGN = {"amd64": "arm64", "arm64": "amd64"}
EMULATORS = {"amd64": "qemu-x86_64-static", "arm64": "qemu-aarch64-static"}
MACHINES = {"amd64": "x86-64", "arm64": "ARM aarch64"}

# What stands in the place of the compiler, for this machine's own package: cmake gets the folder after -B, cpack is called in it.
CMAKE = """#!/bin/sh
while [ "$1" != -B ]; do shift; done
mkdir -p "$2"
"""
NINJA = """#!/bin/sh
cp "$MAILWEIR" "$2/mailweir"
"""
CPACK = """#!/bin/sh
"$STANDINS/packed" "$(dpkg --print-architecture)" .
"""
PACKED = """#!/bin/sh
made=$(mktemp -d)
mkdir "$made/DEBIAN"
printf 'Package: mailweir\\nVersion: 0\\nArchitecture: %s\\nMaintainer: nobody <nobody@example.net>\\nDescription: nothing\\n' "$1" >"$made/DEBIAN/control"
dpkg-deb --root-owner-group --build "$made" "$2/mailweir_0_$1.deb"
rm -r "$made"
"""
# ... and for the container's: the stage for the package gives one, and the image is of a file. All other words of the command go to podman as they are.
PODMAN = """#!/usr/bin/python3
import os, subprocess, sys
words = sys.argv[1:]
if words[0] == "build":
    assert words[-3:-1][0] == "-f" and words[-1] == words[-2].removesuffix("/deploy/Dockerfile"), words
    platform = words[words.index("--platform") + 1].removeprefix("linux/")
    with open(os.environ["STANDINS"] + "/told", "a") as told:
        print(" ".join(words), file=told)
    if "--target" in words:
        to = words[words.index("--output") + 1].removeprefix("type=local,dest=")
        subprocess.run([os.environ["STANDINS"] + "/packed", platform, to], check=True)
        open(to + "/sbom.spdx.json", "w").write("{}")
        sys.exit()
    open(os.environ["STANDINS"] + "/program", "w").write(platform)
    given = [word for index, word in enumerate(words) if "--build-arg" not in words[max(index - 1, 0):index + 1]]
    words = given[:-2] + [os.environ["STANDINS"] + "/Dockerfile", os.environ["STANDINS"]]
os.execv(os.environ["PODMAN"], ["podman", *words])
"""


def containers(world, driver):
    """The environment of a podman with images of its own: a release names its image localhost/mailweir:VERSION, and whoever runs this may have one."""
    storage = world.folder / "storage.conf"
    storage.write_text(f'[storage]\ndriver = "{driver}"\ngraphroot = "{world.folder}/images"\nrunroot = "{world.folder}/running"\n')
    return {"CONTAINERS_STORAGE_CONF": str(storage), "CONTAINERS_CONF": str(ROOT / "deploy/container/containers.conf"), "BUILDAH_ISOLATION": "chroot"}


def standins(world, podman):
    """A folder of programs to find first, and the environment that has them found."""
    folder = world.folder / "standins"
    folder.mkdir()
    for name, text in (("cmake", CMAKE), ("ninja", NINJA), ("cpack", CPACK), ("packed", PACKED), ("podman", PODMAN)):
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    (folder / "Dockerfile").write_text("FROM scratch\nCOPY program /\n")
    return folder, {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}", "STANDINS": str(folder), "PODMAN": podman, "MAILWEIR": MAILWEIR,
                    **containers(world, "vfs")}


def own_architecture():
    own = run("dpkg", "--print-architecture").strip()
    if own not in FOREIGN:
        raise Skip(f"a release is made on amd64 or arm64; this machine is {own}")
    return own


def blobs(archive, folder):
    """What the index of an image archive leads to: for each platform its configuration and the names of its layers' files, which lie in the folder then."""
    with tarfile.open(archive) as tar:
        tar.extractall(folder)

    def blob(digest):
        path = folder / "blobs" / digest.replace(":", "/")
        assert "sha256:" + hashlib.sha256(path.read_bytes()).hexdigest() == digest, f"{path} is not what its name says"
        return path

    top, = json.loads((folder / "index.json").read_text())["manifests"]
    index = json.loads(blob(top["digest"]).read_text())
    images = {}
    for entry in index["manifests"]:
        manifest = json.loads(blob(entry["digest"]).read_text())
        configuration = json.loads(blob(manifest["config"]["digest"]).read_text())
        assert entry["platform"]["architecture"] == configuration["architecture"], (entry, configuration)
        images[configuration["architecture"]] = configuration, [blob(layer["digest"]) for layer in manifest["layers"]]
    assert len(images) == len(index["manifests"]), "an architecture is named twice"
    return images


def is_whole(folder, version, names):
    """Every file of the release is there, is named by the sums and is what they say, and no other is."""
    assert {path.name for path in folder.iterdir()} == names | {"SHA256SUMS"}, sorted(folder.iterdir())
    run("sha256sum", "--strict", "-c", "SHA256SUMS", cwd=folder)
    assert {line.split()[1] for line in (folder / "SHA256SUMS").read_text().splitlines()} == names
    assert {f"mailweir-{version}.oci.tar", f"mailweir-{version}.tar.gz"} <= names


def names_of(version, packages):
    return {*packages, f"mailweir-chart-{version}.tgz", f"mailweir-{version}.tar.gz", f"mailweir-{version}.oci.tar",
            *(f"mailweir-{version}-{architecture}.spdx.json" for architecture in FOREIGN)}


def test_all_of_it_but_the_compiler(world):
    need("podman", "runc", "dpkg-deb")
    need_root()
    own = own_architecture()
    root, folder = clone(world), world.folder / "made"
    tools, environment = standins(world, shutil.which("podman"))
    run(root / "deploy/release", "--image", "--arch", "amd64,arm64", "--to", folder, env=environment)
    version = re.search(r"project\(mailweir VERSION ([\d.]+)", (root / "CMakeLists.txt").read_text())[1]
    is_whole(folder, version, names_of(version, {f"mailweir_0_{architecture}.deb" for architecture in FOREIGN}))
    for architecture in FOREIGN:
        assert run("dpkg-deb", "--field", folder / f"mailweir_0_{architecture}.deb", "Architecture").strip() == architecture
    images = blobs(folder / f"mailweir-{version}.oci.tar", world.folder / "archive")
    assert set(images) == set(FOREIGN), images.keys()
    epoch = run("git", "-c", "safe.directory=*", "-C", root, "log", "-1", "--format=%ct").strip()
    told = (tools / "told").read_text().splitlines()
    assert all(run("tar", "-x", "-O", "-f", *layers, "program") == architecture for architecture, (_, layers) in images.items()), "one's name, the other's program"
    package, *of_images = told
    assert len(of_images) == 2 and " --target package " in package, told
    for line in told:
        foreign = f"--platform linux/{FOREIGN[own]} " in line
        # The compiler runs on this machine, and compiles for the other one only where that is asked for.
        assert f"BUILDPLATFORM=linux/{own} " in line and (f"--build-arg ARCHITECTURE={FOREIGN[own]} " in line) == foreign, line
        assert f"--timestamp {epoch} " in line and f"SOURCE_DATE_EPOCH={epoch} " in line and f"VERSION={version} " in line, line
    assert f"--platform linux/{FOREIGN[own]} " in package and {line.split("--platform ")[1].split()[0] for line in of_images} == {"linux/amd64", "linux/arm64"}


def test_a_package_that_cannot_be_made_ends_it(world):
    need("podman", "runc", "dpkg-deb")
    need_root()
    own_architecture()
    root, folder = clone(world), world.folder / "made"
    tools, environment = standins(world, "/bin/false")
    (tools / "packed").write_text("#!/bin/sh\n[ \"$1\" = \"$(dpkg --print-architecture)\" ] && : >\"$2/mailweir_0_$1.deb\" || { echo no compiler for $1 >&2; exit 1; }\n")
    done = subprocess.run([root / "deploy/release", "--arch", "amd64,arm64", "--to", folder], capture_output=True, text=True, env=environment)
    assert done.returncode == 1 and re.search(r"release: the package for \w+ could not be made", done.stderr), done
    assert "no compiler for" in done.stdout + done.stderr, "the reason is told"
    assert not (folder / "SHA256SUMS").exists(), "what is not whole looks like a release"


def unpacked(layers, folder):
    folder.mkdir()
    for layer in layers:
        run("tar", "-x", "-C", folder, "-f", layer)
    return folder


def says(program, architecture, own, root):
    """What a program says of itself among the libraries of an image, emulated where this machine is another."""
    shutil.copy(program, root / "tried")
    if architecture == own:
        return json.loads(run("chroot", root, "/tried", "version", "--json"))
    return json.loads(run(EMULATORS[architecture], "-L", root, root / "tried", "version", "--json"))


def test_both_compiled(world):
    if SIZE != "large":
        raise Skip("compiles the gateway for the other architecture in a container: only in the large size")
    need_root()
    need("podman", "runc", "cmake", "ninja", "dpkg-shlibdeps", "file")
    own = own_architecture()
    need(EMULATORS[FOREIGN[own]])
    need_mirrors(*FOREIGN)
    root, folder = clone(world), world.folder / "made"
    version = re.search(r"project\(mailweir VERSION ([\d.]+)", (root / "CMakeLists.txt").read_text())[1]
    os.environ.update(containers(world, "overlay"))
    with ending(["umount", "--recursive", world.folder / "images/overlay"]):
        on, words = base()
        options = " ".join(["--build-arg", f"BASE={on}", *words])
        try:
            run(root / "deploy/release", "--image", "--arch", "amd64,arm64", "--to", folder, env={**os.environ, "MAILWEIR_BUILD_OPTIONS": options})
        except AssertionError as failed:
            unfetched = re.search(r"^.*(Failed to fetch|Could not resolve|Could not connect|Temporary failure).*$", str(failed), re.MULTILINE)
            if unfetched is not None:
                raise Skip(f"packages cannot be fetched in the container: {unfetched[0].strip()}") from failed
            raise
    packages = {path.name: path for path in folder.glob("*.deb")}
    is_whole(folder, version, names_of(version, packages))
    images = blobs(folder / f"mailweir-{version}.oci.tar", world.folder / "archive")
    assert set(images) == set(FOREIGN), images.keys()
    revision = run("git", "-c", "safe.directory=*", "-C", root, "rev-parse", "HEAD").strip()
    for architecture in FOREIGN:
        of_package, of_image = world.folder / f"package-{architecture}", unpacked(images[architecture][1], world.folder / f"image-{architecture}")
        package, = (path for path in packages.values() if run("dpkg-deb", "--field", path, "Architecture").strip() == architecture)
        run("dpkg-deb", "--extract", package, of_package)
        for program in (of_package / "usr/sbin/mailweir", of_image / "usr/sbin/mailweir"):
            assert MACHINES[architecture] in run("file", "--brief", program), program
            assert says(program, architecture, own, of_image)["version"] == version, program
        labels = images[architecture][0]["config"]["Labels"]
        assert labels["org.opencontainers.image.version"] == version and labels["org.opencontainers.image.revision"] == revision, labels
        parts = json.loads((folder / f"mailweir-{version}-{architecture}.spdx.json").read_text())["packages"]
        assert {"mailweir", "libssl3", "libuv1", "libpq5", "tzdata"} <= {part["name"] for part in parts}, parts
        needs = run("dpkg-deb", "--field", package, "Depends")
        assert all(name in needs for name in ("libssl3", "libuv1", "libpq5", "libseccomp2", "ca-certificates")), needs
    contents = [sorted((line.split()[0], line.split()[5]) for line in run("dpkg-deb", "--contents", path).splitlines()) for path in packages.values()]
    assert contents[0] == contents[1], "one package has a file that the other has not"
    print("figure: " + ", ".join(f"{path.name} {path.stat().st_size / 1e6:.1f} MB" for path in sorted(folder.iterdir())))
