"""The image of deploy/Dockerfile, really built and run: read-only, without capabilities, as any user; mail through it, kills, restarts, and a count."""
import contextlib
import json
import os
import pathlib
import re
import signal
import smtplib
import subprocess
import tempfile

from deployed import ROOT, base_image, compiler_cache, ending, need, need_mirrors, need_root, run
from harness import free_port, listens, message, wait
from test_package import package

BASE = "localhost/mailweir-test-base:bookworm"
BASE_WITH_CACHE = "localhost/mailweir-test-base:bookworm-ccache"
IMAGE = "localhost/mailweir-test:latest"


def podman(*words, **options):
    os.environ.update(CONTAINERS_CONF=str(ROOT / "deploy/container/containers.conf"), BUILDAH_ISOLATION="chroot")
    return run("podman", *words, **options)


def base():
    """What is built on, and the words that lend it what this machine has compiled already (ccache), where it keeps that."""
    if subprocess.run(["podman", "image", "exists", BASE]).returncode != 0:
        podman("import", base_image(), BASE)
    cache = compiler_cache()
    if cache is None:
        return BASE, []
    with tempfile.TemporaryDirectory() as folder:
        (pathlib.Path(folder) / "Dockerfile").write_text(f"FROM {BASE}\nRUN apt-get update -qq && apt-get install -qq -y --no-install-recommends ccache >/dev/null && "
                                                         "echo cache_dir = /ccache >/etc/ccache.conf\n")
        podman("build", "--quiet", "-t", BASE_WITH_CACHE, folder)
    return BASE_WITH_CACHE, ["--volume", f"{cache}:/ccache"]


def build(*what):
    need_root()
    need("podman", "runc")
    podman("--version")
    try:  # what an earlier build has installed is there without a mirror
        on, words = base()
        podman("build", "--quiet", "--format", "docker", *words, "--build-arg", f"BASE={on}", "--build-arg", "VERSION=9.8.7", "--build-arg", "REVISION=abc",
               *what, "-f", ROOT / "deploy/Dockerfile", ROOT)
    except AssertionError:
        need_mirrors()
        raise


def image():
    build("-t", IMAGE)
    return IMAGE


class Container:
    """A running container over a volume (a folder); its log is what it says."""

    def __init__(self, world, dovecot, user="10001:0"):
        self.world, self.user = world, user
        self.name = f"mailweir-test-{os.getpid()}-{user.replace(':', '-')}"
        self.port = free_port()
        self.etc, self.volume = world.folder / f"etc-{self.name}", world.folder / f"volume-{self.name}"
        self.etc.mkdir()
        self.volume.mkdir()
        self.volume.chmod(0o770)  # of root's group, as orchestrators give volumes
        (self.etc / "ca.pem").write_text(world.certificates.ca.read_text())
        (self.etc / "password").write_text("relaypw\n")
        (self.etc / "mailweir.json").write_text(json.dumps({
            "hostname": "gw.example.net",
            "listeners": [{"name": "apps", "address": f"127.0.0.1:{self.port}"}],
            "upstreams": {"main": {"address": f"127.0.0.1:{dovecot.tls_port}", "tls": {"mode": "implicit", "ca_file": "ca.pem"},
                                   "auth": {"username": "relay", "password": {"file": "password"}},
                                   "retry": {"initial": "100ms", "maximum": "500ms"}}},
            "spool": {"path": "/var/lib/mailweir"}, "default": {"upstream": "main", "folder": "INBOX"}}))

    def start(self):
        podman("run", "--detach", "--name", self.name, "--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges",
               "--user", self.user, "--network", "host", "-v", f"{self.etc}:/etc/mailweir:ro", "-v", f"{self.volume}:/var/lib/mailweir",
               IMAGE)
        self.world.cleanup.append(lambda: subprocess.run(["podman", "rm", "--force", "--time", "0", self.name], capture_output=True))
        wait(lambda: listens(self.port) or not self.running(), "port of the container")
        assert self.running(), self.log()
        return self

    def running(self):
        return podman("inspect", "--format", "{{.State.Running}}", self.name).strip() == "true"

    def log(self):
        return podman("logs", self.name)

    def health(self):
        return subprocess.run(["podman", "healthcheck", "run", self.name], capture_output=True).returncode

    def end(self, number):
        """The signal, the end, the exit status; the container goes, its volume stays."""
        podman("kill", "--signal", str(int(number)), self.name)
        status = int(podman("wait", self.name).strip().splitlines()[-1])
        log = self.log()
        podman("rm", "--force", self.name)
        return status, log


def send(container, first, count):
    """Messages first ... first+count-1; returns the numbers that were acknowledged."""
    sent = []
    with contextlib.suppress(OSError, smtplib.SMTPException):
        with smtplib.SMTP("127.0.0.1", container.port, timeout=20) as client:
            for number in range(first, first + count):
                client.sendmail("app@example.com", ["ops@example.net"], message(f"number {number}", number=number))
                sent.append(number)
    return sent


def numbers(dovecot):
    return sorted(int(re.search(rb"Subject: number (\d+)", octets)[1]) for octets in dovecot.messages())


def test_mail_survives_kills_and_restarts(world):
    image()
    dovecot = world.dovecot()
    container = Container(world, dovecot).start()
    wait(lambda: container.health() == 0, "healthy container")
    acknowledged = send(container, 0, 50)
    assert len(acknowledged) == 50
    wait(lambda: dovecot.count() == 50, "50 messages")
    dovecot.stop()
    acknowledged += send(container, 50, 50)
    status, _ = container.end(signal.SIGKILL)
    assert status == 137, status
    container.start()
    acknowledged += send(container, 100, 20)
    dovecot.start()
    wait(lambda: dovecot.count() >= 120, "120 messages", 60)
    status, log = container.end(signal.SIGTERM)
    assert status == 0 and '"event.action":"stopped"' in log, log[-2000:]
    assert numbers(dovecot) == acknowledged == list(range(120))


def test_any_user_will_do(world):
    image()
    dovecot = world.dovecot()
    container = Container(world, dovecot, user="1000730000:0").start()
    assert send(container, 0, 3) == [0, 1, 2]
    wait(lambda: numbers(dovecot) == [0, 1, 2], "messages")
    assert {entry.stat().st_uid for entry in container.volume.iterdir()} == {1000730000}
    assert container.end(signal.SIGTERM)[0] == 0


def test_nothing_is_in_it_but_the_gateway(world):
    image()
    folder = world.folder / "content"
    folder.mkdir()
    name = f"mailweir-test-content-{os.getpid()}"
    with ending(["podman", "rm", "--force", name]):
        podman("create", "--name", name, IMAGE)
        run("sh", "-c", f"podman export {name} | tar -x -C {folder}")
    programs = [str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file() and path.stat().st_mode & 0o111
                and ".so" not in path.name]
    assert programs == ["usr/sbin/mailweir"], programs
    sbom = json.loads((folder / "usr/share/mailweir/sbom.spdx.json").read_text())
    names = {package["name"] for package in sbom["packages"]}
    assert {"mailweir", "libssl3", "libuv1", "libpcre2-8-0", "libsqlite3-0", "libc6", "ca-certificates"} <= names, names
    assert all(package["versionInfo"] for package in sbom["packages"])
    octets = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    print(f"figure: the image holds {octets / 1e6:.1f} MB, {len(names)} packages")
    assert octets < 80e6


def test_its_package_is_that_of_this_machine(world):
    """deploy/release takes the package of another architecture from the image's build. For this one it has the same files and needs as the one built here."""
    here = package()
    build("--target", "package", "--output", f"type=local,dest={world.folder / 'made'}")
    made, = (world.folder / "made").glob("*.deb")
    assert made.name == here.name
    names, needs = ([run("dpkg-deb", *words, deb) for deb in (made, here)] for words in (("--contents",), ("--field",)))
    assert len({tuple(sorted((line.split()[0], line.split()[5]) for line in text.splitlines())) for text in names}) == 1, names
    assert len({re.sub(r"Installed-Size: .*", "", text) for text in needs}) == 1, needs
    sbom = json.loads((world.folder / "made/sbom.spdx.json").read_text())
    assert {"mailweir", "libssl3"} <= {part["name"] for part in sbom["packages"]}, sbom


def test_labels_and_what_is_inside(world):
    labels = json.loads(podman("image", "inspect", "--format", "{{json .Labels}}", image()))
    assert labels["org.opencontainers.image.version"] == "9.8.7" and labels["org.opencontainers.image.revision"] == "abc", labels
    assert labels["org.opencontainers.image.licenses"] == "Apache-2.0" and labels["org.opencontainers.image.title"] == "mailweir", labels
