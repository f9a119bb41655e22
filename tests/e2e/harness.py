#!/usr/bin/python3
"""harness - what end-to-end tests stand on: real servers in folders of their own, the built program, waiting with deadlines.

Run as a program it runs one test: harness.py FILE FUNCTION. The function gets a World; whatever it started ends with it. No test
sleeps: it waits for a condition (World.wait) and fails with the reason when the deadline passes.
"""
import contextlib
import ctypes
import datetime
import errno
import fcntl
import functools
import imaplib
import importlib.util
import json
import os
import pathlib
import shutil
import signal
import smtplib
import socket
import ssl
import stat
import struct
import subprocess
import sys
import tempfile
import threading
import time
import traceback

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests"))
import postgresql  # noqa: E402
from ports import free_port  # noqa: E402, F401: tests and benches take it from here
MAILWEIR = os.environ.get("MAILWEIR", str(ROOT / "build/mailweir"))
SIZE = os.environ.get("TEST_SIZE", "small")


class Skip(Exception):
    """The test cannot run here; the text says why."""


def is_sanitized():
    """Whether the gateway is AddressSanitizer's build: that keeps what is freed for a while, so its memory says nothing, and takes no preloaded library."""
    return "asan" in os.environ.get("MAILWEIR", "")


def stretch():
    """How many times as long anything may take now: so many processes want each processor."""
    return max(1.0, os.getloadavg()[0] / os.cpu_count())


def seconds(idle):
    """A duration of the configuration that is so long on a machine that does nothing else: what shall end by itself, but not before a busy machine has done what
    comes first."""
    return f"{round(idle * stretch() * 1000)}ms"


def wait(condition, what, deadline=30.0):
    """Returns the first true result of condition(); fails when there is none in so many seconds of a machine that does nothing else."""
    begun = time.monotonic()
    pause = threading.Event()
    while True:
        result = condition()
        if result:
            return result
        waited = time.monotonic() - begun
        if waited > deadline * stretch():
            raise AssertionError(f"no {what} within {waited:.0f} s")
        pause.wait(0.02)


def listens(port):
    with contextlib.suppress(OSError):
        socket.create_connection(("127.0.0.1", port), 1).close()
        return True
    return False


class Certificates:
    """A CA of the test's own, and server certificates from it. Keys on the curve P-256: they are made in no time."""

    NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")

    def __init__(self, folder):
        self.folder = folder
        folder.mkdir()
        self.ca, self.ca_key = folder / "ca.pem", folder / "ca.key"
        self._openssl("req", "-x509", *self.NEW_KEY, "-days", "30", "-subj", "/CN=test CA",
                      "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign",
                      "-keyout", self.ca_key, "-out", self.ca)

    @staticmethod
    def _openssl(*arguments):
        subprocess.run(["openssl", *map(str, arguments)], check=True, stdin=subprocess.DEVNULL, capture_output=True)

    def make(self, file, san="DNS:localhost,IP:127.0.0.1", days=30, usage="serverAuth", name="localhost"):
        """(certificate, key) for these names; a negative number of days has expired."""
        key, request = self.folder / f"{file}.key", self.folder / f"{file}.csr"
        certificate, extensions = self.folder / f"{file}.pem", self.folder / f"{file}.ext"
        extensions.write_text(f"subjectAltName={san}\nextendedKeyUsage={usage}\n" if san else f"extendedKeyUsage={usage}\n")
        self._openssl("req", "-new", *self.NEW_KEY, "-subj", f"/CN={name}", "-keyout", key, "-out", request)
        self._openssl("x509", "-req", "-in", request, "-CA", self.ca, "-CAkey", self.ca_key, "-CAcreateserial", "-days", days,
                      "-extfile", extensions, "-out", certificate)
        return certificate, key

    def make_for_seconds(self, file, seconds):
        """(certificate, key) that expire so soon; "openssl x509" knows days alone."""
        certificate, key = self.make(file)
        rules, until = self.folder / "ca.cnf", time.strftime("%Y%m%d%H%M%SZ", time.gmtime(time.time() + seconds))
        (self.folder / "ca.index").write_text("")
        rules.write_text(f"[ca]\ndefault_ca = it\n[it]\ndatabase = {self.folder}/ca.index\nnew_certs_dir = {self.folder}\n"
                         "rand_serial = yes\ndefault_md = sha256\npolicy = any\n[any]\ncommonName = supplied\n")
        self._openssl("ca", "-batch", "-notext", "-config", rules, "-cert", self.ca, "-keyfile", self.ca_key, "-in", self.folder / f"{file}.csr",
                      "-extfile", self.folder / f"{file}.ext", "-startdate", "20260101000000Z", "-enddate", until, "-out", certificate)
        return certificate, key


PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
SIOCSIFFLAGS, IFF_UP = 0x8914, 1
CLONE_NEWNS, CLONE_NEWNET, MS_REC, MS_PRIVATE = 0x20000, 0x40000000, 0x4000, 0x40000
libc = ctypes.CDLL(None, use_errno=True)


@functools.cache
def keep_mounts_to_itself():
    """What this process and its children mount from here on, nobody else sees, and it goes with the last of them: whoever empties /tmp after a test that was
    killed empties no folder that the test had bound there. Where that is not allowed, no mount is either. In a root that somebody has changed to, "/" is no
    mount that could be made private: what is mounted there is of whoever made that root, who must not empty it with mounts in it anyway."""
    if libc.unshare(CLONE_NEWNS) == 0 and libc.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None) != 0:
        assert ctypes.get_errno() == errno.EINVAL, os.strerror(ctypes.get_errno())


def keep_network_to_itself():
    """This process and its children, from here on, have a loopback of their own, where that is allowed: a browser gives up what it is loading when another
    test makes an interface ("ERR_NETWORK_CHANGED"). Before any port is chosen."""
    if libc.unshare(CLONE_NEWNET) == 0:
        with socket.socket() as any_socket:
            fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", IFF_UP))


def end_with_parent():
    """In a child: it is killed when the test ends, whatever ends the test."""
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def children():
    return [int(pid) for file in pathlib.Path("/proc/self/task").glob("*/children") for pid in file.read_text().split()]


def end_children():
    """Ends what the test left behind, also what its servers left when they were killed: as orphans those came to this process."""
    while left := children():
        for pid in left:
            with contextlib.suppress(ProcessLookupError, ChildProcessError):
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)


class Process:
    """A program of the test's own; ended by its pid, with its process group, and with the test."""

    def __init__(self, command, log, env=None):
        self.log = pathlib.Path(log)
        self.out = open(self.log, "ab")
        self.popen = subprocess.Popen([str(c) for c in command], stdin=subprocess.DEVNULL, stdout=self.out, stderr=self.out,
                                      env={**os.environ, **(env or {})}, start_new_session=True,
                                      preexec_fn=end_with_parent)

    def alive(self):
        return self.popen.poll() is None

    def send_signal(self, number):
        os.kill(self.popen.pid, number)

    def stop(self, number=signal.SIGTERM, deadline=40):
        """Sends the signal and waits for the end; returns the exit status."""
        if self.alive():
            self.send_signal(number)
        try:
            self.popen.wait(deadline * stretch())
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"{self.popen.args[0]} did not end within {deadline} s of signal {number}")
        self.out.close()
        return self.popen.returncode

    def kill(self):
        # Once its end was taken note of, the number may be another's; what it left behind, end_children() ends.
        with contextlib.suppress(ProcessLookupError):
            if self.popen.returncode is None:
                os.killpg(self.popen.pid, signal.SIGKILL)
        self.popen.wait()
        self.out.close()


class Dovecot:
    def __init__(self, world, name="dovecot", certificate=None, extra=""):
        self.folder = world.folder / name
        self.port, self.tls_port = free_port(), free_port()
        self.extra = extra
        self.certificate, self.key = certificate or world.server_certificate
        self.world = world
        self.process = None
        self.start()

    def start(self):
        script = ROOT / "deploy/sample/dovecot.sh"
        self.process = Process([script, self.folder, self.port, self.tls_port, self.certificate, self.key],
                               self.world.folder / "dovecot.out", {"DOVECOT_EXTRA": self.extra})
        self.world.cleanup.append(self.process.kill)
        wait(lambda: listens(self.port) and listens(self.tls_port), "answer of Dovecot")

    def stop(self):
        self.process.stop()

    def imap(self, user="relay"):
        connection = imaplib.IMAP4_SSL("127.0.0.1", self.tls_port, ssl_context=ssl._create_unverified_context())
        connection.login(user, user + "pw")
        return connection

    def folders(self):
        connection = self.imap()
        lines = [line.decode() for line in connection.list()[1] if line]
        connection.logout()
        return sorted(line.split(' "/" ')[1].strip('"') for line in lines)

    def count(self, folder="INBOX"):
        connection = self.imap()
        try:
            status, data = connection.select(f'"{folder}"', readonly=True)
            return int(data[0]) if status == "OK" else 0
        finally:
            connection.logout()

    def messages(self, folder="INBOX"):
        """The octets of every message in the folder, in order."""
        return [octets for octets, _ in self.fetch(folder)]

    def fetch(self, folder="INBOX"):
        """(octets, "FLAGS (...) INTERNALDATE ...") of every message."""
        connection = self.imap()
        try:
            status, data = connection.select(f'"{folder}"', readonly=True)
            if status != "OK" or int(data[0]) == 0:
                return []
            _, data = connection.fetch("1:*", "(FLAGS INTERNALDATE BODY.PEEK[])")
            return [(part[1], part[0].decode()) for part in data if isinstance(part, tuple)]
        finally:
            connection.logout()


def put(file, text):
    """The text is in the file: as a whole, and written only when it was not there. A new one is its owner's alone: it holds passwords."""
    if not file.exists() or file.read_text() != text:
        new = file.with_name(file.name + ".new")
        new.write_text(text)
        new.chmod(stat.S_IMODE(file.stat().st_mode) if file.exists() else 0o600)
        new.replace(file)


class Mailweir:
    """The gateway with a configuration of the test's own; configuration may be changed before start()."""

    def __init__(self, world, dovecot, rules=None, name="mailweir"):
        self.world, self.name = world, name
        self.folder = world.folder / name
        self.folder.mkdir()
        self.port = free_port()
        self.rules = rules or []
        self.configuration = {
            "hostname": "gw.example.net",
            "listeners": [{"name": "apps", "address": f"127.0.0.1:{self.port}"}],
            "upstreams": {"corp": {
                "address": f"127.0.0.1:{dovecot.tls_port}" if dovecot else "127.0.0.1:1",
                "tls": {"mode": "implicit", "ca_file": str(world.certificates.ca)},
                "auth": {"username": "relay", "password": "relaypw"},
                "retry": {"initial": "100ms", "maximum": "500ms", "settle": "2s"}}},
            "spool": {"path": str(self.folder / "spool"), **world.spool(name)},
            "rules": ["rules.json"],
            "default": {"upstream": "corp", "folder": "INBOX"},
        }
        self.process = None
        self.within, self.address = [], "127.0.0.1"  # a command that it runs below; where its listeners are reached
        self.starts = 0
        self.migrated = False

    @property
    def file(self):
        return self.folder / "mailweir.json"

    @property
    def upstream(self):
        return self.configuration["upstreams"]["corp"]

    def write(self):
        """What has changed, and nothing else: each write is a reload of a gateway that runs."""
        put(self.folder / "rules.json", json.dumps({"rules": self.rules}, indent=2))
        put(self.file, json.dumps(self.configuration, indent=2))

    def migrate(self):
        """Where the queue lies in a database, its tables are made, once."""
        if "postgresql" in self.configuration["spool"] and not self.migrated:
            status, _, err = self.run("spool", "migrate")
            assert status == 0, err
            self.migrated = True

    def start(self, ready=True):
        self.write()
        self.migrate()
        self.starts += 1
        self.log = self.folder / f"log.{self.starts}"
        self.process = Process([*self.within, MAILWEIR, "run", "--config", self.file], self.log)
        self.world.cleanup.append(self.process.kill)
        self.world.logs.append(self.log)
        if ready:
            wait(lambda: self.events("ready") or not self.process.alive(), "ready line")
            assert self.process.alive(), "mailweir ended at once:\n" + self.log.read_text()
        return self

    def run(self, *arguments):
        """One subcommand to its end: (status, stdout, stderr)."""
        self.write()
        done = subprocess.run([MAILWEIR, *arguments, "--config", str(self.file)], capture_output=True, text=True, timeout=240)
        return done.returncode, done.stdout, done.stderr

    def events(self, action=None):
        """The log lines of this start, as objects."""
        found = []
        for line in self.log.read_text(errors="replace").splitlines():
            if not line.startswith("{"):
                continue
            with contextlib.suppress(json.JSONDecodeError):
                event = json.loads(line)
                if action is None or event.get("event.action") == action:
                    found.append(event)
        return found

    def stop(self):
        """SIGTERM; fails unless it drains and exits with 0."""
        status = self.process.stop()
        assert status == 0, f"mailweir ended with {status}:\n" + self.log.read_text()[-3000:]

    def kill(self):
        self.process.kill()

    def smtp(self):
        return smtplib.SMTP(self.address, self.port, local_hostname="client.example", timeout=120)

    def send(self, message, sender="app@example.com", to=("ops@example.net",)):
        """One message in one session; returns the id in the 250 reply."""
        with self.smtp() as client:
            client.ehlo()
            client.mail(sender)
            for address in to:
                code, text = client.rcpt(address)
                assert code == 250, (code, text)
            code, text = client.data(message)
            assert code == 250, (code, text)
            return queue_id(text)


def seconds_between(first, second):
    """By the times of two log lines: what a busy machine does to the test itself does not count."""
    return (datetime.datetime.fromisoformat(second["@timestamp"]) - datetime.datetime.fromisoformat(first["@timestamp"])).total_seconds()


def queue_id(reply):
    """The message's id in the reply to DATA."""
    words = reply.decode().replace("<", " ").split()
    return next(word for word in words if len(word) == 26 and word.isalnum() and word.upper() == word)


def message(subject="hello", body="body", number=0, extra=""):
    return (f"From: App <app@example.com>\r\nTo: ops@example.net\r\nSubject: {subject}\r\n"
            f"Message-ID: <{number}.{time.time_ns()}@example.com>\r\n{extra}\r\n{body}\r\n").encode()


def received_part(octets):
    """What was sent, of a message that was filed: the fields that the gateway puts in front are checked and taken off."""
    head, rest = octets.split(b"X-Mailweir-Id: ", 1)
    assert head.startswith(b"Return-Path: <"), head[:60]
    assert b"\r\nReceived: from " in head
    return rest.split(b"\r\n", 1)[1]


class World:
    def __init__(self, folder):
        keep_mounts_to_itself()  # here, so that tests and benches alike do, before they have started anything
        self.folder = folder
        self.cleanup = []
        self.logs = []
        self._certificates = None
        self._server_certificate = None
        self._postgresql = None

    def on(self, folder):
        """A world of the same certificates, which ends with this one, whose files lie there."""
        inside = World(folder)
        inside.cleanup, inside.logs = self.cleanup, self.logs
        inside._certificates, inside._server_certificate = self.certificates, self.server_certificate
        return inside

    def postgresql(self, **options):
        """The test's own server of PostgreSQL."""
        if self._postgresql is None:
            if not postgresql.available():
                raise Skip("PostgreSQL's server is not installed")
            self._postgresql = postgresql.Server(**options)
            self.cleanup.append(self._postgresql.close)
            self._postgresql.start()
        return self._postgresql

    on_disk = os.environ.get("TEST_STORE") != "postgresql"  # the queue is a folder, with segments and an index

    def spool(self, name):
        """Where a gateway's queue lies, beside its folder: with TEST_STORE=postgresql in a database of its own."""
        if self.on_disk:
            return {}
        database = name.replace("-", "_").replace(".", "_").lower() + "_spool"
        self.postgresql().create(database)
        return {"postgresql": {"connection": self.postgresql().connection(database)}}

    @property
    def certificates(self):
        if self._certificates is None:
            self._certificates = Certificates(self.folder / "tls")
        return self._certificates

    @property
    def server_certificate(self):
        if self._server_certificate is None:
            self._server_certificate = self.certificates.make("server")
        return self._server_certificate

    def dovecot(self, **options):
        return Dovecot(self, **options)

    def mailweir(self, dovecot, rules=None, **options):
        return Mailweir(self, dovecot, rules, **options)

    def end(self):
        for step in reversed(self.cleanup):
            step()

    def show_logs(self):
        for log in self.logs:
            print(f"--- {log.name}, its end:")
            print("\n".join(log.read_text(errors="replace").splitlines()[-30:]))


def run_test(path, name):
    sys.path.insert(0, str(pathlib.Path(path).parent))
    sys.modules["harness"] = sys.modules[__name__]
    spec = importlib.util.spec_from_file_location(pathlib.Path(path).stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    folder = pathlib.Path(tempfile.mkdtemp(prefix="mailweir-e2e-"))
    folder.chmod(0o755)
    libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    world = World(folder)
    try:
        getattr(module, name)(world)
        if world._postgresql is not None:
            world._postgresql.check_statements()
        return 0
    except Skip as reason:
        print(reason)
        return 77
    except BaseException:
        world.show_logs()
        traceback.print_exc(file=sys.stdout)  # last: a runner shows the end
        return 1
    finally:
        world.end()
        end_children()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    status = 1
    try:
        status = run_test(sys.argv[1], sys.argv[2])
    except BaseException:
        traceback.print_exc(file=sys.stdout)
    finally:
        sys.stdout.flush()
        os._exit(status)  # a thread of a test that failed may go on for ever
