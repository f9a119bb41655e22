"""The Helm chart, rendered by a small program that knows helm's functions (helm_render.go): values are held against their schema, objects against their kinds and
each other, and the configuration that comes out carries mail, and the probe of "helm test" through it. What helm itself adds (hooks, upgrades) is not seen here.
"""
import base64
import hashlib
import json
import os
import subprocess

import jsonschema
import kinds
import yaml
from deployed import CACHE, ROOT, need, run
from harness import MAILWEIR, free_port
from test_configurations import beside, check

CHART = ROOT / "deploy/helm"
SECRETS = {"secrets": {"values": {"imap-password": "of-this-test", "admin-token": "of-this-test-0123456789abcdef", "metrics-token": "of-this-test-fedcba9876543210"}}}
ALL = {"monitoring": {"serviceMonitor": {"enabled": True}, "prometheusRule": {"enabled": True}, "dashboard": {"enabled": True}}}


def renderer():
    """The program, built once for what its source is."""
    need("go")
    CACHE.mkdir(parents=True, exist_ok=True)
    source = ROOT / "tests/deploy/helm_render.go"
    program = CACHE / f"helm_render-{hashlib.sha256(source.read_bytes()).hexdigest()[:16]}"
    if not program.exists():
        made = CACHE / f"helm_render.{os.getpid()}"
        run("go", "build", "-o", made, source, env={**os.environ, "GO111MODULE": "off", "GOPATH": "/usr/share/gocode", "GOCACHE": str(CACHE / "go"), "GOFLAGS": ""})
        made.rename(program)
    return program


def values(*above):
    return [yaml.safe_load((CHART / "values.yaml").read_text()), *above]


def merged(below, above):
    return {**below, **{key: merged(below[key], value) if isinstance(value, dict) and isinstance(below.get(key), dict) else value for key, value in above.items()}}


def attempt(world, *above, release="mw"):
    """The renderer's process, after the values were held against their schema as helm does."""
    whole = {}
    files = []
    for number, one in enumerate([yaml.safe_load((CHART / "Chart.yaml").read_text()), *values(*above)]):
        whole = merged(whole, one) if number else {}
        files.append(world.folder / f"values-{number}.json")
        files[-1].write_text(json.dumps(one))
    jsonschema.validate(whole, json.loads((CHART / "values.schema.json").read_text()))
    return subprocess.run([renderer(), CHART, release, *files], capture_output=True, text=True, timeout=60)


def render(world, *above):
    done = attempt(world, *above)
    assert done.returncode == 0, done.stderr
    objects = [entry for entry in yaml.safe_load_all(done.stdout) if entry]
    kinds.check(objects)
    found = {(entry["kind"], entry["metadata"]["name"]): entry for entry in objects}
    assert len(found) == len(objects), "two objects have one name"
    return found


def pods(objects):
    yield objects["StatefulSet", "mw"]["spec"]["template"]["spec"]
    yield objects["Pod", "mw-probe"]["spec"]


def test_objects_hold_together(world):
    for above in (SECRETS, merged(SECRETS, ALL), merged(SECRETS, {"persistence": {"enabled": False}, "networkPolicy": {"from": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]}})):
        objects = render(world, above)
        stateful = objects["StatefulSet", "mw"]["spec"]
        labels = stateful["template"]["metadata"]["labels"]
        for selector in (stateful["selector"]["matchLabels"], objects["Service", "mw"]["spec"]["selector"], objects["Service", "mw-admin"]["spec"]["selector"],
                         objects["PodDisruptionBudget", "mw"]["spec"]["selector"]["matchLabels"], objects["NetworkPolicy", "mw"]["spec"]["podSelector"]["matchLabels"]):
            assert selector.items() <= labels.items(), (selector, labels)
            assert not selector.items() <= objects["Pod", "mw-probe"]["metadata"]["labels"].items(), "nobody brings mail to the probe"
        claims = [claim["metadata"]["name"] for claim in stateful.get("volumeClaimTemplates", [])]
        for pod in pods(objects):
            volumes = {volume["name"]: volume for volume in pod["volumes"]}
            mounts = [mount["name"] for mount in pod["containers"][0]["volumeMounts"]]
            assert sorted(mounts) == sorted([*volumes, *(claims if pod is stateful["template"]["spec"] else [])]), (mounts, volumes)
            for volume in volumes.values():
                assert "configMap" not in volume or ("ConfigMap", volume["configMap"]["name"]) in objects, volume
                assert "secret" not in volume or ("Secret", volume["secret"]["secretName"]) in objects, volume
            assert pod["securityContext"]["runAsNonRoot"] and pod["automountServiceAccountToken"] is False
            assert pod["containers"][0]["securityContext"] == {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}
        ports = {port["name"]: port["containerPort"] for port in stateful["template"]["spec"]["containers"][0]["ports"]}
        assert ports == {"smtp": 2525, "admin": 8025}
        for probe, path in (("startupProbe", "/livez"), ("livenessProbe", "/livez"), ("readinessProbe", "/readyz")):
            assert stateful["template"]["spec"]["containers"][0][probe]["httpGet"] == {"path": path, "port": "admin"}, "no probe needs a token"


NODES = {"replicas": 3, "config": {"spool": {"postgresql": {"connection": "host=postgresql dbname=mailweir user=node", "password": {"file": "/run/secrets/mailweir/database-password"}}}}}


def test_nodes_are_alike(world):
    """With one queue in PostgreSQL: a Deployment without volumes of its own, whose pods keep apart and reach the database."""
    objects = render(world, SECRETS, NODES)
    assert ("StatefulSet", "mw") not in objects
    deployment = objects["Deployment", "mw"]["spec"]
    pod = deployment["template"]["spec"]
    assert deployment["replicas"] == 3 and {"name": "spool", "emptyDir": {"sizeLimit": "1Gi"}} in pod["volumes"], pod["volumes"]
    term = pod["affinity"]["podAntiAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"][0]["podAffinityTerm"]
    assert term["labelSelector"]["matchLabels"] == deployment["selector"]["matchLabels"]
    assert objects["PodDisruptionBudget", "mw"]["spec"]["maxUnavailable"] == 1
    assert any(port["port"] == 5432 for rule in objects["NetworkPolicy", "mw"]["spec"]["egress"] for port in rule["ports"])
    spool = json.loads(objects["ConfigMap", "mw-config"]["data"]["mailweir.json"])["spool"]
    assert spool["path"] == "/var/lib/mailweir" and spool["postgresql"]["connection"].startswith("host=postgresql"), spool
    mine = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [{"matchExpressions": [{"key": "x", "operator": "Exists"}]}]}}}
    assert render(world, SECRETS, NODES, {"affinity": mine})["Deployment", "mw"]["spec"]["template"]["spec"]["affinity"] == mine


def test_what_monitoring_brings(world):
    objects = render(world, SECRETS, ALL)
    monitor = objects["ServiceMonitor", "mw"]["spec"]
    assert monitor["endpoints"][0]["authorization"]["credentials"] == {"name": "mw", "key": "metrics-token"}, "a token for the metrics alone"
    assert monitor["selector"]["matchLabels"].items() <= objects["Service", "mw-admin"]["metadata"]["labels"].items()
    wanted = yaml.safe_load((ROOT / "deploy/prometheus-alerts.yml").read_text())
    assert objects["PrometheusRule", "mw"]["spec"] == wanted
    moved = render(world, SECRETS, ALL, {"monitoring": {"runbookBase": "https://wiki.example.net/mail"}})["PrometheusRule", "mw"]["spec"]
    assert all(rule["annotations"]["runbook_url"].startswith("https://wiki.example.net/mail#") for rule in moved["groups"][0]["rules"])
    dashboard = objects["ConfigMap", "mw-dashboard"]
    assert json.loads(dashboard["data"]["mailweir.json"]) == json.loads((ROOT / "deploy/grafana-dashboard.json").read_text())
    assert dashboard["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert not [kind for kind, _ in render(world, SECRETS) if kind in ("ServiceMonitor", "PrometheusRule")], "only where it is asked for"


def test_secrets(world):
    """None is shipped: without the operator's, a sentence. An existing Secret is taken as it is."""
    done = attempt(world)
    assert done.returncode != 0 and "secrets.existingSecret" in done.stderr and "openssl rand -hex 32" in done.stderr and done.stdout.count("kind: Secret") == 0, done
    secret = render(world, SECRETS)["Secret", "mw"]["data"]
    assert {key: base64.b64decode(value).decode() for key, value in secret.items()} == SECRETS["secrets"]["values"]
    done = attempt(world, {"secrets": {"existingSecret": "mine"}})
    assert done.returncode == 0 and "kind: Secret" not in done.stdout and done.stdout.count("secretName: mine") == 2, done.stderr


def test_values_that_are_wrong(world):
    for wrong in ({"replica": 1}, {"replicas": "two"}, {"image": {"pullPolicy": "Sometimes"}}, {"rules": {"10-first.txt": {}}}, {"config": {"listeners": []}},
                  {"service": {"port": 0}}, {"monitoring": {"serviceMonitor": {"interval": "soon"}}}, {"config": {"upstreams": {}}, "persistence": {"size": "much"}}):
        try:
            attempt(world, SECRETS, wrong)
        except jsonschema.ValidationError:
            continue
        raise AssertionError(f"{wrong} is taken")


def test_the_configuration_and_helm_test(world):
    """What the chart makes of its values is good, a start finds what a restart takes in the pod's annotation, and the command of "helm test" sends its message through."""
    objects = render(world, SECRETS)
    folder = world.folder / "placed"
    (folder / "rules.d").mkdir(parents=True)
    for file, text in objects["ConfigMap", "mw-rules"]["data"].items():
        (folder / "rules.d" / file).write_text(text)
    text = objects["ConfigMap", "mw-config"]["data"]["mailweir.json"]
    (folder / "mailweir.json").write_text(beside(world, text.replace("/etc/mailweir/rules.d", "rules.d")))
    check(world, folder / "mailweir.json")
    grace = objects["StatefulSet", "mw"]["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
    assert int(json.loads(text)["shutdown_timeout"].rstrip("s")) < grace, "the drain would be cut off"

    def annotation(above):
        return render(world, SECRETS, above)["StatefulSet", "mw"]["spec"]["template"]["metadata"]["annotations"]["checksum/start"]
    assert annotation({"rules": {"10-first.json": {"rules": [{"name": "x", "then": [{"stop": True}]}]}}}) == annotation({}), "rules take no restart"
    assert annotation({"config": {"hostname": "other.example.net"}}) != annotation({})

    dovecot = world.dovecot()
    gateway = world.mailweir(dovecot)
    gateway.configuration["probe"] = json.loads(text)["probe"]
    gateway.start()
    words = objects["Pod", "mw-probe"]["spec"]["containers"][0]["args"]
    assert words[:3] == ["probe", "--config", "/etc/mailweir/config/mailweir.json"] and words[words.index("--server") + 1] == "mw:25", words
    words[2], words[words.index("--server") + 1] = str(gateway.file), f"127.0.0.1:{gateway.port}"
    assert "mail arrives" in run(MAILWEIR, *words)
    gateway.stop()
    words[words.index("--server") + 1] = f"127.0.0.1:{free_port()}"
    assert subprocess.run([MAILWEIR, *words], capture_output=True, timeout=60).returncode == 1
