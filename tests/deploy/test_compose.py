"""The trial of compose.yaml, brought up: its services with the configurations that the file holds, under the names that they call each other by.

Images of others cannot be had everywhere, so Debian's Dovecot and Prometheus stand for them; network and file system are namespaces of the test's own,
in which nothing but the file's ports and names is known. The image of mailweir itself is built and run in test_container.py.
"""
import json
import os
import subprocess

import yaml
from deployed import ROOT, need, need_root, run
from harness import MAILWEIR, Process, message, wait

FILE = ROOT / "deploy/compose/compose.yaml"
NODES = ROOT / "deploy/compose/nodes.yaml"
TOKEN = "only-for-the-trial"


class Trial:
    """Namespaces with the services of the file; each service's name leads to this one network."""

    def __init__(self, world, file=FILE, apart=None):
        """apart: services that have the same ports, each with an address of its own."""
        self.world = world
        self.compose = yaml.safe_load(file.read_text())
        folder = world.folder
        names = [name for name in self.compose["services"] if name not in (apart or {})]
        (folder / "hosts").write_text("127.0.0.1 localhost " + " ".join(names) + "\n" + "".join(f"{address} {name}\n" for name, address in (apart or {}).items()))
        (folder / "passwd").write_text(open("/etc/passwd").read() + "vmail:x:5000:5000::/srv:/usr/sbin/nologin\n")
        (folder / "group").write_text(open("/etc/group").read() + "vmail:x:5000:\n")
        setup = ["ip link set lo up"]
        for name in ("hosts", "passwd", "group"):
            setup.append(f"test -e /etc/{name} || touch /etc/{name}; mount --bind {folder}/{name} /etc/{name}")
        # What the containers of the file write, and what they find mounted.
        setup += ["mount -t tmpfs tmpfs /srv", "chmod 1777 /srv", "mount -t tmpfs tmpfs /run", "mkdir -p /run/dovecot", "mount -t tmpfs tmpfs /var/lib",
                  "mkdir -p /var/lib/dovecot /var/lib/mailweir", f"touch {folder}/ready", "exec tail -f /dev/null"]
        self.holder = Process(["unshare", "--mount", "--net", "sh", "-ec", "; ".join(setup)], folder / "namespaces.out")
        world.cleanup.append(self.holder.kill)
        wait(lambda: (folder / "ready").exists() or not self.holder.alive(), "namespaces")
        assert self.holder.alive(), (folder / "namespaces.out").read_text()
        self.enter = ["nsenter", "--target", str(self.holder.popen.pid), "--mount", "--net"]

    def start(self, name, *command, **environment):
        process = Process([*self.enter, *command], self.world.folder / f"{name}.out", environment)
        self.world.cleanup.append(process.kill)
        self.world.logs.append(process.log)
        return process

    def config(self, name):
        """What the file has mounted into a service, in a file; what that names is where the file has it from."""
        path, mounted = self.world.folder / f"{name}.conf", self.compose["configs"]
        text = mounted[name]["content"]
        for source in (source for service in self.compose["services"].values() for source in service.get("configs", []) if "file" in mounted[source["source"]]):
            text = text.replace(source["target"], os.path.normpath(FILE.parent / mounted[source["source"]]["file"]))
        path.write_text(text)
        return path

    def try_curl(self, *arguments):
        done = subprocess.run([*self.enter, "curl", "--silent", "--show-error", "--fail", "--max-time", "10", *arguments],
                              capture_output=True, text=True, stdin=subprocess.DEVNULL)
        return done.stdout if done.returncode == 0 else None


def test_trial_is_brought_up(world):
    need_root()
    need("unshare", "nsenter", "ip", "dovecot", "prometheus", "curl")
    trial = Trial(world)
    services = trial.compose["services"]
    trial.start("dovecot", "dovecot", "-F", "-c", trial.config("dovecot"))
    gateway = trial.start("mailweir", MAILWEIR, "run", "--config", FILE.parent / "etc/mailweir.json", **services["mailweir"]["environment"])
    trial.start("prometheus", "prometheus", f"--config.file={trial.config('prometheus')}", f"--storage.tsdb.path={world.folder}/tsdb",
                "--web.listen-address=127.0.0.1:9090")
    wait(lambda: trial.try_curl("http://mailweir:8025/readyz"), "gateway that takes mail")
    # As the file's first lines tell the reader to send, read and look.
    (world.folder / "mail.eml").write_bytes(message("a trial").replace(b"\r\n", b"\n"))  # as an editor leaves it
    wait(lambda: trial.try_curl("--url", "smtp://127.0.0.1:2525/me", "--mail-from", "me@example.com", "--mail-rcpt", "team+alerts@example.net",
                                "--crlf", "-T", str(world.folder / "mail.eml")) is not None, "accepted message")
    found = wait(lambda: trial.try_curl("--user", "relay:relaypw", "imap://127.0.0.1:143/alerts;MAILINDEX=1"), "message in the folder that a rule names")
    assert "Subject: a trial" in found and "X-Mailweir-Id: " in found, found
    assert TOKEN in FILE.read_text().split("services:")[0]
    status = json.loads(trial.try_curl("--header", f"Authorization: Bearer {TOKEN}", "http://127.0.0.1:8025/api/v1/status"))
    assert status["deliveries"]["filed"] >= 1, status  # and the probe's
    query = "http://127.0.0.1:9090/api/v1/query?query=mailweir_deliveries_total%7Boutcome%3D%22filed%22%7D"
    value = wait(lambda: [row["value"][1] for row in json.loads(trial.try_curl(query) or '{"data": {"result": []}}')["data"]["result"]],
                 "Prometheus that has asked the gateway", 60)
    assert int(value[0]) >= 1, value
    loaded = json.loads(trial.try_curl("http://127.0.0.1:9090/api/v1/rules"))["data"]["groups"][0]["rules"]
    assert "MailweirProbeFails" in [rule["name"] for rule in loaded], loaded
    assert gateway.stop() == 0


def test_nodes_are_brought_up(world):
    """Two nodes behind a balancer, as nodes.yaml has them; one is killed, and nobody who sends notices: all is filed, once, with the client's own address."""
    need_root()
    need("unshare", "nsenter", "ip", "dovecot", "haproxy", "curl")
    addresses = {"node1": "127.0.0.11", "node2": "127.0.0.12"}
    trial = Trial(world, NODES, addresses)
    database = world.postgresql().create("mailweir")
    trial.start("dovecot", "dovecot", "-F", "-c", trial.config("dovecot"))
    environment, nodes = trial.compose["x-node"]["environment"], {}
    text = (NODES.parent / "nodes/mailweir.json").read_text()
    assert "host=postgresql dbname=mailweir user=mailweir sslmode=disable" in text
    for name, address in addresses.items():
        file = world.folder / name / "mailweir.json"
        file.parent.mkdir()
        file.write_text(text.replace("0.0.0.0:", address + ":").replace("host=postgresql dbname=mailweir user=mailweir sslmode=disable", database.connection())
                        .replace("/var/lib/mailweir", str(file.parent / "own")).replace('"lease"', f'"node": "{name}", "lease"'))
        if name == "node1":
            run(MAILWEIR, "spool", "migrate", "--config", file, env={**os.environ, **environment})
        nodes[name] = trial.start(name, MAILWEIR, "run", "--config", file, **environment)
    balancer = trial.config("balancer")
    balancer.write_text(balancer.read_text().replace("bind :2525", "bind 127.0.0.1:2525"))
    for name in addresses:
        wait(lambda name=name: trial.try_curl(f"http://{name}:8025/readyz"), f"{name} that takes mail")
    trial.start("balancer", "haproxy", "-db", "-f", balancer)
    (world.folder / "mail.eml").write_bytes(message("one of them"))
    sent = 0

    def send():
        nonlocal sent
        sent += trial.try_curl("--url", "smtp://127.0.0.1:2525/me", "--mail-from", "me@example.com", "--mail-rcpt", "ops@example.net", "-T", str(world.folder / "mail.eml")) is not None
        return sent

    def ask(name, path):
        return json.loads(trial.try_curl("--header", f"Authorization: Bearer {TOKEN}", f"http://{name}:8025{path}"))
    wait(lambda: send() >= 6, "accepted messages")
    assert all(ask(name, "/api/v1/status")["messages"]["accepted"] >= 1 for name in addresses), "one node has all of it"
    nodes["node1"].kill()
    wait(lambda: send() >= 12, "accepted messages, with one node")
    assert sent >= 12
    wait(lambda: database.sql("SELECT count(*) FROM mailweir.message WHERE open > 0") == [["0"]], "all that is filed")
    found = trial.try_curl("--user", "relay:relaypw", "imap://127.0.0.1:143/INBOX", "-X", "STATUS INBOX (MESSAGES)")
    assert f"MESSAGES {sent})" in found, (sent, found)
    first = trial.try_curl("--user", "relay:relaypw", "imap://127.0.0.1:143/INBOX;MAILINDEX=1")
    assert "[127.0.0.1]" in first and "[127.0.0.11]" not in first, first
    assert nodes["node2"].stop() == 0


def test_grafana_is_provisioned(world):
    """There is no Grafana to start here: what it is given holds together, by the paths and names that its own documentation has."""
    compose = yaml.safe_load(FILE.read_text())
    grafana, configs = compose["services"]["grafana"], compose["configs"]
    given = {one["target"]: FILE.parent / configs[one["source"]]["file"] for one in grafana["configs"]}
    source, = yaml.safe_load(given["/etc/grafana/provisioning/datasources/mailweir.yaml"].read_text())["datasources"]
    assert source["url"] == "http://prometheus:9090" and source["isDefault"] and "prometheus" in compose["services"]
    provider, = yaml.safe_load(given["/etc/grafana/provisioning/dashboards/mailweir.yaml"].read_text())["providers"]
    boards = [target for target in given if target.startswith(provider["options"]["path"] + "/")]
    assert boards == [grafana["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]]
    assert json.loads(given[boards[0]].read_text())["panels"] and grafana["environment"]["GF_AUTH_ANONYMOUS_ORG_ROLE"] == "Viewer"
    assert all("latest" not in service["image"] for service in compose["services"].values())
    assert set(compose["services"]["mailweir"]["environment"]) == {"MAILWEIR_PASSWORD", "MAILWEIR_TOKEN", "MAILWEIR_METRICS_TOKEN"}


def test_services_are_shut_in(world):
    services = yaml.safe_load(FILE.read_text())["services"]
    assert set(services) == {"dovecot", "mailweir", "prometheus", "grafana"}
    assert services["mailweir"]["read_only"] and services["mailweir"]["cap_drop"] == ["ALL"]
    assert all(port.startswith("127.0.0.1:") for service in services.values() for port in service.get("ports", []))
    nodes = yaml.safe_load(NODES.read_text())["services"]
    for name in ("node1", "node2", "migrate"):
        assert nodes[name]["read_only"] and nodes[name]["cap_drop"] == ["ALL"], name
    assert all(port.startswith("127.0.0.1:") for service in nodes.values() for port in service.get("ports", []))
    assert all("latest" not in service["image"] for service in nodes.values())
    assert str(FILE.parent / "etc") == os.path.normpath(FILE.parent / services["mailweir"]["volumes"][0].split(":")[0])
