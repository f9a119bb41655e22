#!/usr/bin/python3
"""copies - files that some tool wants twice are the same: the alert rules and the dashboard in the kustomize overlay are those of deploy/, and the version of
chart, manifests and package is that of CMakeLists.txt. "--write" makes the copies.
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
OVERLAY = ROOT / "deploy/kubernetes/overlays/monitoring"
RULE = """# Made from deploy/prometheus-alerts.yml by tests/lint/copies.py, option --write: change that.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: mailweir
  labels:
    app.kubernetes.io/name: mailweir
spec:
"""
# Where the version stands beside CMakeLists.txt: file, and what is in front of it and behind it.
VERSIONS = [("deploy/helm/Chart.yaml", r"(^version: )([\d.]+)()$"), ("deploy/helm/Chart.yaml", r'(^appVersion: ")([\d.]+)(")$'),
            ("deploy/kubernetes/base/kustomization.yaml", r"(newTag: )([\d.]+)()"), ("deploy/debian/changelog", r"(\Amailweir \()([\d.]+)(\))")]


def copies():
    """(file, the text that it is to have) of each copy."""
    groups = (ROOT / "deploy/prometheus-alerts.yml").read_text().split("groups:\n", 1)[1]
    indented = "".join("  " + line for line in ("groups:\n" + groups).splitlines(keepends=True))
    yield OVERLAY / "prometheusrule.yaml", RULE + indented
    yield OVERLAY / "dashboard.json", (ROOT / "deploy/grafana-dashboard.json").read_text()
    version = re.search(r"project\(mailweir VERSION ([\d.]+)", (ROOT / "CMakeLists.txt").read_text())[1]
    wanted = {}
    for name, pattern in VERSIONS:
        text = wanted.get(name) or (ROOT / name).read_text()
        wanted[name], count = re.subn(pattern, rf"\g<1>{version}\g<3>", text, count=1, flags=re.M)
        assert count == 1, f"{name} names no version"
    yield from ((ROOT / name, text) for name, text in wanted.items())


def main():
    problems = []
    for path, text in copies():
        if "--write" in sys.argv:
            path.write_text(text)
        elif not path.exists() or path.read_text() != text:
            problems.append(f"{path.relative_to(ROOT)} is not what it is a copy of: python3 tests/lint/copies.py --write")
    print("\n".join(problems) or "every copy is one")
    return 1 if problems else 0


sys.exit(main())
