"""Delivery into servers of other kinds: Cyrus and Courier, unpacked from Debian's packages; shared folders, quota, rights, missing folders."""
import imaplib
import json
import os
import pathlib
import subprocess
import ssl

from harness import ROOT, Process, Skip, free_port, listens, message, received_part, wait

PACKAGES = {
    "courier": ["courier-imap", "courier-base", "courier-authlib", "courier-authlib-userdb"],
    "cyrus": ["cyrus-imapd", "cyrus-common", "cyrus-admin", "sasl2-bin", "libsasl2-modules", "libsasl2-modules-db"],
}
RULES = [{"name": "boxes", "if": {"header": "Subject", "matches": "^into (.+)$"},
          "then": [{"fileinto": {"upstream": "corp", "folder": "${1}", "flags": ["\\Flagged", "ci"]}}, {"stop": True}]},
         {"name": "shared", "if": {"header": "Subject", "is": "shared"},
          "then": [{"fileinto": {"upstream": "corp", "folder": "SHARED"}}, {"stop": True}]},
         {"name": "no rights", "if": {"header": "Subject", "is": "no rights"},
          "then": [{"fileinto": {"upstream": "corp", "folder": "READONLY"}}, {"stop": True}]},
         {"name": "levels", "if": {"header": "Subject", "is": "levels"},
          "then": [{"fileinto": {"upstream": "corp", "folder": "CI/web Ü"}}, {"stop": True}]}]


def unpacked(kind):
    """The folder with the server's packages; fetched once."""
    cache = pathlib.Path("/var/tmp/mailweir-upstreams")  # readable for the user that the server runs as
    prefix = cache / kind
    if not (prefix / "complete").exists():
        prefix.mkdir(parents=True, exist_ok=True)
        done = subprocess.run([str(ROOT / "tests/e2e/upstreams/fetch-debs.sh"), str(prefix), *PACKAGES[kind]],
                              capture_output=True, text=True)
        if done.returncode != 0:
            raise Skip(f"the packages of {kind} cannot be fetched: {done.stderr.strip()[-200:]}")
        (prefix / "complete").touch()
    for folder in (cache, prefix):
        folder.chmod(0o755)
    return prefix


class Server:
    def __init__(self, world, kind, name=None):
        if os.geteuid() != 0:
            raise Skip(f"{kind} from unpacked packages needs root")
        self.world, self.port, self.tls_port = world, free_port(), free_port()
        self.folder = world.folder / (name or kind)
        self.folder.mkdir()
        prefix = unpacked(kind)
        environment = {f"{kind.upper()}_PREFIX": str(prefix)}
        self.process = Process([ROOT / f"tests/e2e/upstreams/{kind}.sh", self.folder, self.port, self.tls_port],
                               world.folder / f"{kind}.out", environment)
        world.cleanup.append(self.process.kill)
        wait(lambda: listens(self.port) and (kind != "cyrus" or (self.folder / "ready").exists()), f"answer of {kind}", 60)

    def imap(self, user="relay"):
        connection = imaplib.IMAP4_SSL("127.0.0.1", self.tls_port, ssl_context=ssl._create_unverified_context(), timeout=60)
        connection.login(user, user + "pw")
        return connection

    def fetch(self, folder):
        connection = self.imap()
        status, data = connection.select(f'"{folder}"', readonly=True)
        if status != "OK" or int(data[0]) == 0:
            return []
        _, data = connection.fetch("1:*", "(FLAGS BODY.PEEK[])")
        connection.logout()
        return [(part[1], part[0].decode()) for part in data if isinstance(part, tuple)]

    def certificate(self):
        return next(path for path in (self.folder / "conf/cert.pem", self.folder / "etc/cert") if path.exists())


def gateway_for(world, server, kind, mode="starttls", **names):
    rules = [dict(rule) for rule in RULES]
    text = json.dumps(rules)
    for name, value in names.items():
        text = text.replace(name, value)
    gateway = world.mailweir(None, json.loads(text))
    gateway.upstream.update({"address": f"localhost:{server.port if mode == 'starttls' else server.tls_port}", "profile": kind,
                             "tls": {"mode": mode, "ca_file": str(server.certificate())}})
    return gateway.start()


def deliver(gateway, *subjects):
    sent = {}
    for subject in subjects:
        sent[subject] = message(subject)
        gateway.send(sent[subject])
    return sent


def check_kind(world, kind, mode, inbox_prefix, delimiter, shared, readonly):
    server = Server(world, kind)
    gateway = gateway_for(world, server, kind, mode, SHARED=shared[0], READONLY=readonly)
    sent = deliver(gateway, "plain", "levels", "shared", "no rights")
    wait(lambda: len(gateway.events("filed")) == 3, "three filed", 40)
    dead = wait(lambda: gateway.events("dead_letter") or gateway.events("deferred"), "a refusal", 20)[0]
    assert dead["folder"] == readonly, dead
    levels = f"{inbox_prefix}CI{delimiter}web &ANw-"
    for folder, subject in (("INBOX", "plain"), (levels, "levels"), (shared[1], "shared")):
        found = server.fetch(folder)
        assert [received_part(octets) for octets, _ in found] == [sent[subject]], (folder, found)
    for number in range(40):
        gateway.send(message("many", number=number))
    wait(lambda: len(server.fetch("INBOX")) == 41, "41 in INBOX", 60)
    gateway.stop()


def test_cyrus(world):
    check_kind(world, "cyrus", "starttls", "", "/", ("Shared Folders/Invoices", "Shared Folders/Invoices"), "Shared Folders/ReadOnly")


def test_courier(world):
    check_kind(world, "courier", "implicit", "INBOX.", ".", ("#shared/office/Invoices", "#shared.office.Invoices"),
               "#shared/office/ReadOnly")


def scram_into(world, server, mechanism, **more):
    """One message by SCRAM; returns the gateway, which runs on."""
    gateway = world.mailweir(None, name=f"{mechanism}-{len(world.logs)}")
    gateway.upstream.update({"address": f"127.0.0.1:{server.tls_port}", "profile": "cyrus",
                             "tls": {"mode": "implicit", "ca_file": str(server.folder / "conf/cert.pem")},
                             "auth": {"username": "relay", "password": "relaypw", "mechanism": mechanism, **more.pop("auth", {})}, **more})
    gateway.start()
    gateway.send(message(mechanism))
    return gateway


def test_scram_plus_into_cyrus(world):
    """SCRAM with channel binding, by tls-unique of TLS 1.2; without under TLS 1.3, to which Cyrus 3.6 cannot bind."""
    os.environ["CYRUS_EXTRA"] = "tls_versions: tls1_2"
    server = Server(world, "cyrus")
    for mechanism in ("scram-sha-256", "scram-sha-1"):
        gateway = scram_into(world, server, mechanism, auth={"channel_binding": "required"})
        wait(lambda: gateway.events("filed"), f"filed line; log: {gateway.log}")
        gateway.stop()
    gateway = scram_into(world, server, "scram-sha-256", auth={"password": "wrong"})
    failed = wait(lambda: gateway.events("upstream_failed"), "failed line")[0]
    assert failed["error.code"].startswith("authentication") and "never" in failed["error.message"], failed
    gateway.stop()
    server.process.stop()
    os.environ["CYRUS_EXTRA"] = ""
    server = Server(world, "cyrus", "under-tls-1.3")
    gateway = scram_into(world, server, "scram-sha-256")
    wait(lambda: gateway.events("filed"), f"filed line; log: {gateway.log}")
    gateway.stop()
    gateway = scram_into(world, server, "scram-sha-256", auth={"channel_binding": "required"})
    failed = wait(lambda: gateway.events("upstream_failed"), "failed line")[0]
    assert failed["error.code"] == "channel-binding", failed
    gateway.stop()
