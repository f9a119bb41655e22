"""The Kubernetes manifests: rendered by kubectl, held together by name, their configuration good."""
import json
import pathlib
import shutil
import subprocess
import tempfile
import urllib.request

import kinds
import yaml
from deployed import ROOT, need, run
from harness import MAILWEIR, free_port
from test_configurations import beside, check

FOLDER = ROOT / "deploy/kubernetes"
RENDERED = ["base", "overlays/monitoring", "overlays/proxy", "overlays/stateless", "overlays/nodes"]


def render(name):
    """The objects, with secrets of the test's own: the project ships none."""
    need("kubectl")
    with tempfile.TemporaryDirectory(prefix="mailweir-kubernetes-") as folder:
        copy = pathlib.Path(folder) / "kubernetes"
        shutil.copytree(FOLDER, copy)
        secrets = copy / "base/secret"
        shutil.rmtree(secrets, ignore_errors=True)
        secrets.mkdir()
        for secret in ("imap-password", "admin-token", "metrics-token"):
            (secrets / secret).write_text("of-this-test-0123456789abcdef")
        (copy / "overlays/nodes/secret").mkdir(exist_ok=True)
        for secret in ("database-password", "database-ca"):
            (copy / "overlays/nodes/secret" / secret).write_text("of-this-test")
        objects = [entry for entry in yaml.safe_load_all(run("kubectl", "kustomize", copy / name)) if entry]
    kinds.check(objects)
    return {(entry["kind"], entry["metadata"]["name"]): entry for entry in objects}


def test_no_secret_is_shipped(world):
    """Nobody runs with a token that stands in a public repository: without secrets of one's own nothing is rendered, and that is said."""
    need("kubectl")
    copy = world.folder / "kubernetes"
    shutil.copytree(FOLDER, copy)
    shutil.rmtree(copy / "base/secret", ignore_errors=True)
    done = subprocess.run(["kubectl", "kustomize", copy / "base"], capture_output=True, text=True, timeout=60)
    assert done.returncode != 0 and "secret/imap-password" in done.stderr, done
    done = subprocess.run([copy / "apply", "--render", "base"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 78 and "missing or empty" in done.stderr and "imap-password admin-token metrics-token" in done.stderr and not done.stdout, done
    done = subprocess.run([copy / "apply", "nothing"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 64 and "monitoring" in done.stderr, done
    (copy / "base/secret").mkdir()
    for secret in ("imap-password", "admin-token", "metrics-token"):
        (copy / "base/secret" / secret).write_text("of-this-test-0123456789abcdef")
    assert "kind: PrometheusRule" in run(copy / "apply", "--render", "monitoring")


def workload(objects):
    return (objects.get(("StatefulSet", "mailweir")) or objects["Deployment", "mailweir"])["spec"]


def pod(objects):
    return workload(objects)["template"]["spec"]


def test_names_hold_together(world):
    for name in RENDERED:
        objects = render(name)
        labels = {"app.kubernetes.io/name": "mailweir"}
        stateful = workload(objects)
        assert stateful["template"]["metadata"]["labels"] == labels and stateful["selector"]["matchLabels"] == labels, name
        assert objects["Service", "mailweir"]["spec"]["selector"] == labels, name
        assert objects["PodDisruptionBudget", "mailweir"]["spec"]["selector"]["matchLabels"] == labels, name
        assert objects["NetworkPolicy", "mailweir"]["spec"]["podSelector"]["matchLabels"] == labels, name
        volumes = {volume["name"]: volume for volume in pod(objects)["volumes"]}
        claims = [claim["metadata"]["name"] for claim in stateful.get("volumeClaimTemplates") or []]
        mounts = [mount["name"] for mount in pod(objects)["containers"][0]["volumeMounts"]]
        assert sorted(mounts) == sorted([*volumes, *claims]), (name, mounts, volumes, claims)
        for volume in volumes.values():
            if "configMap" in volume:
                assert ("ConfigMap", volume["configMap"]["name"]) in objects, (name, volume)
            if "secret" in volume:
                assert ("Secret", volume["secret"]["secretName"]) in objects, (name, volume)
        ports = {port["name"] for port in pod(objects)["containers"][0]["ports"]}
        assert {port["targetPort"] for port in objects["Service", "mailweir"]["spec"]["ports"]} <= ports, name
    assert "volumeClaimTemplates" not in render("overlays/stateless")["StatefulSet", "mailweir"]["spec"]
    monitoring = render("overlays/monitoring")
    assert monitoring["ServiceMonitor", "mailweir"]["spec"]["endpoints"][0]["authorization"]["credentials"]["key"] == "metrics-token"
    assert monitoring["PrometheusRule", "mailweir"]["spec"] == yaml.safe_load((ROOT / "deploy/prometheus-alerts.yml").read_text())
    dashboard = monitoring["ConfigMap", "mailweir-dashboard"]
    assert json.loads(dashboard["data"]["mailweir.json"])["title"] == "mailweir" and dashboard["metadata"]["labels"]["grafana_dashboard"] == "1"


def test_nodes_are_alike(world):
    """Several pods with one queue: none has a volume or a name of its own, they keep apart, and reach the database."""
    objects = render("overlays/nodes")
    assert ("StatefulSet", "mailweir") not in objects
    deployment = objects["Deployment", "mailweir"]["spec"]
    assert deployment["replicas"] >= 2 and "volumeClaimTemplates" not in deployment and deployment["strategy"]["rollingUpdate"]["maxUnavailable"] == 1
    term = pod(objects)["affinity"]["podAntiAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"][0]["podAffinityTerm"]
    assert term["topologyKey"] == "kubernetes.io/hostname" and term["labelSelector"]["matchLabels"] == deployment["selector"]["matchLabels"]
    assert objects["PodDisruptionBudget", "mailweir"]["spec"]["maxUnavailable"] == 1
    assert any(port["port"] == 5432 for rule in objects["NetworkPolicy", "mailweir"]["spec"]["egress"] for port in rule["ports"])
    assert {"database-password", "database-ca"} <= set(objects["Secret", "mailweir-secrets"]["data"])
    spool = json.loads(objects["ConfigMap", "mailweir-config"]["data"]["mailweir.json"])["spool"]
    assert "sslmode" not in spool["postgresql"]["connection"], "verify-full is what is meant"


def test_the_pod_is_shut_in(world):
    for name in RENDERED:
        spec = pod(render(name))
        container = spec["containers"][0]
        assert spec["securityContext"]["runAsNonRoot"] and spec["securityContext"]["seccompProfile"]["type"] == "RuntimeDefault"
        assert container["securityContext"] == {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True,
                                                "capabilities": {"drop": ["ALL"]}}, name
        assert spec["automountServiceAccountToken"] is False, name
        assert {"startupProbe", "livenessProbe", "readinessProbe"} <= set(container), name


def test_probes_ask_the_gateway_and_not_the_mounted_file(world):
    """A slip in an edited ConfigMap reaches the pod while the gateway runs: no probe may fail by it."""
    for name in RENDERED:
        container = pod(render(name))["containers"][0]
        ports = {port["name"] for port in container["ports"]}
        for probe, path in (("startupProbe", "/livez"), ("livenessProbe", "/livez"), ("readinessProbe", "/readyz")):
            assert container[probe]["httpGet"] == {"path": path, "port": "admin"} and "admin" in ports, (name, probe)
    gateway = world.mailweir(None)
    port = free_port()
    gateway.configuration["admin"] = {"address": f"127.0.0.1:{port}", "token": "0123456789abcdef0123", "behind_tls_proxy": True}
    gateway.start()
    gateway.file.write_text('{ "hostname": ')
    for path in ("/livez", "/readyz"):
        # As the kubelet asks: by the pod's address, without the token.
        request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers={"Host": f"10.1.2.3:{port}"})
        with urllib.request.urlopen(request, timeout=10) as answer:
            assert answer.status == 200, path
    gateway.stop()


def test_their_configuration_is_good(world):
    for name in RENDERED:
        objects = render(name)
        folder = world.folder / name.replace("/", "-")
        (folder / "rules.d").mkdir(parents=True)
        for file, text in objects["ConfigMap", "mailweir-rules"]["data"].items():
            (folder / "rules.d" / file).write_text(text)
        text = objects["ConfigMap", "mailweir-config"]["data"]["mailweir.json"]
        placed = beside(world, text.replace("/etc/mailweir/rules.d", "rules.d"))
        (folder / "mailweir.json").write_text(placed)
        check(world, folder / "mailweir.json")
        grace = pod(objects)["terminationGracePeriodSeconds"]
        assert int(json.loads(text)["shutdown_timeout"].rstrip("s")) < grace, "the drain would be cut off"
    run(MAILWEIR, "version")
