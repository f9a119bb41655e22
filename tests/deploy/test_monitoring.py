"""What watches the gateway: each alert says what it means and leads into the guide, fires when it should and not before; the dashboard says what each panel shows."""
import json
import re
import subprocess

import yaml
from deployed import ROOT, need
from harness import stretch

ALERTS = ROOT / "deploy/prometheus-alerts.yml"
GUIDE = ROOT / "deploy/doc/operators-guide.md"
# What operators are told of, by name.
WANTED = ("HeldMail", "LoginsRefused", "UpstreamLoginRefused", "RefusalRate", "UpstreamFull", "UpstreamFullGrows", "MailboxNearlyFull", "MailboxFills", "DiskLow", "DiskFills", "UpstreamPausedByOperator",
          "OwnCertificateExpires", "ProbeFails", "ProbeSlow", "NodeLeaseLost", "NodeEnded", "NodeTakenOver", "NodeRulesDiffer", "NodeClockSkew", "DeadRows", "Overflow")
QUOTA = 'mailweir_upstream_quota_{}{{upstream="a",of="{}"}}'
# alert: (series, values by minute, when it fires, when it does not yet).
FIRES = {
    "MailweirHeldMail": ('mailweir_queue_deliveries{state="held"}', "1x300", 241, 239),
    "MailweirProbeFails": ("mailweir_probe_success", "1x9 0x30", 21, 15),
    "MailweirProbeSlow": ("mailweir_probe_duration_seconds", "31x60", 16, 10),
    "MailweirDiskFills": ("mailweir_spool_free_bytes", "10000000000-40000000x200", 100, 20),
    "MailweirOwnCertificateExpires": ('mailweir_listener_certificate_expiry_seconds{listener="in"}', "1000000x90", 61, 59),
    "MailweirUpstreamPausedByOperator": ('mailweir_upstream_state{state="paused",upstream="a"}', "1x90", 61, 59),
    "MailweirMailboxNearlyFull": (QUOTA.format("messages", "used"), "89x9 91x60", 26, 20),
    # 60 % of the limit below are used, and in 2 h 500 MB more; two days of that are more than what is left.
    "MailweirMailboxFills": (QUOTA.format("bytes", "used"), "6000000000+4000000x300", 65, 55),
    "MailweirNodeLeaseLost": ("mailweir_node_lease_margin_seconds", "12x10 0x20", 13, 10),
    "MailweirNodeEnded": ("mailweir_node_ended_total", "0x10 1x30", 12, 9),
    "MailweirNodeTakenOver": ("mailweir_node_takeovers_total", "0x10 1x30", 12, 9),
    "MailweirNodeRulesDiffer": ("mailweir_node_rules_differ", "1x30", 16, 14),
    "MailweirNodeClockSkew": ("mailweir_node_clock_skew_seconds", "-61x30", 6, 4),
    "MailweirOverflow": ("mailweir_overflow_messages", "1x30", 6, 4),
    "MailweirDeadRows": ("mailweir_spool_dead_rows", "100001x60", 31, 29),
    "MailweirLoginsRefused": ('mailweir_smtp_logins_total{outcome="failed"}', "0x10 0+3x30", 20, 5),
}

# What is read on a phone: (alert, series, values by minute, minute, labels, summary).
READ = [
    ("MailweirLoginsRefused", 'mailweir_smtp_logins_total{instance="gw",outcome="failed"}', "7x5 14+7.3x30", 12, {"instance": "gw", "outcome": "failed"},
     "mailweir on gw refused 51 logins of clients within 10 minutes"),
    ("MailweirOwnCertificateExpires", 'mailweir_listener_certificate_expiry_seconds{listener="in"}', "7200-300x90", 61, {"listener": "in"},
     "the gateway's own certificate, of the listener in, has expired"),
    ("MailweirOwnCertificateExpires", "mailweir_admin_certificate_expiry_seconds", "90000-60x90", 60, {},
     "the gateway's own certificate, of the admin server, expires in 1d 0h 0m 0s"),
    ("MailweirCertificateExpires", 'mailweir_upstream_certificate_expiry_seconds{of="us",upstream="a"}', "90000-60x90", 60, {"of": "us", "upstream": "a"},
     "the client certificate for upstream a expires in 1d 0h 0m 0s"),
    ("MailweirCertificateExpires", 'mailweir_upstream_certificate_expiry_seconds{of="server",upstream="a"}', "3600-60x90", 80,
     {"of": "server", "upstream": "a"}, "the server certificate of upstream a has expired"),
]

# What an alert compares a series with.
BESIDE = {
    "mailweir_spool_free_bytes": ("mailweir_spool_minimum_free_bytes", "67108864x200"),
    QUOTA.format("bytes", "used"): (QUOTA.format("bytes", "limit"), "10000000000x300"),
    QUOTA.format("messages", "used"): (QUOTA.format("messages", "limit"), "100x100"),
}


def rules():
    return {rule["alert"]: rule for rule in yaml.safe_load(ALERTS.read_text())["groups"][0]["rules"]}


def anchor(heading):
    """As forges make it of a heading."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def test_each_alert_leads_into_the_guide(world):
    anchors = {anchor(line.lstrip("#")) for line in GUIDE.read_text().splitlines() if line.startswith("#")}
    for name, rule in rules().items():
        told = rule["annotations"]
        assert len(told["description"]) > 40 and told["summary"], name
        address, _, place = told["runbook_url"].partition("#")
        assert address.endswith("/deploy/doc/operators-guide.md") and place in anchors, told["runbook_url"]
    assert {f"Mailweir{name}" for name in WANTED} <= set(rules())


def run_promtool(folder, tests):
    text = ["rule_files:", f"  - {ALERTS}", "evaluation_interval: 1m", "tests:"] + ["  - " + json.dumps(one) for one in tests]
    (folder / "alerts.test.yml").write_text("\n".join(text) + "\n")
    done = subprocess.run(["promtool", "test", "rules", str(folder / "alerts.test.yml")], capture_output=True, text=True, timeout=60 * stretch())
    assert done.returncode == 0, done.stdout + done.stderr


def test_alerts_say_what_is_the_matter(world):
    """Whole logins, not 51.1 of them, and a certificate that has expired does not expire in "-2h"."""
    need("promtool")
    known = rules()
    run_promtool(world.folder, [{"interval": "1m", "input_series": [{"series": series, "values": values}],
                                 "alert_rule_test": [{"alertname": name, "eval_time": f"{minute}m", "exp_alerts": [{
                                     "exp_labels": labels | known[name]["labels"], "exp_annotations": known[name]["annotations"] | {"summary": summary}}]}]}
                                for name, series, values, minute, labels, summary in READ])


def test_alerts_fire_when_they_should(world):
    need("promtool")
    tests = []
    for name, (series, values, at, before) in FIRES.items():
        inputs = [{"series": series, "values": values}]
        if series in BESIDE:
            inputs.append(dict(zip(("series", "values"), BESIDE[series])))
        tests.append((name, inputs, at, before))
    run_promtool(world.folder, [{"interval": "1m", "input_series": inputs,
                                 "promql_expr_test": [{"expr": f'count(ALERTS{{alertname="{name}",alertstate="firing"}}) or vector(0)', "eval_time": f"{minute}m",
                                                       "exp_samples": [{"labels": "{}", "value": value}]} for minute, value in ((at, 1), (before, 0))]}
                                for name, inputs, at, before in tests])


def test_the_dashboard_explains_itself(world):
    dashboard = json.loads((ROOT / "deploy/grafana-dashboard.json").read_text())
    assert {"datasource", "instance", "upstream"} <= {variable["name"] for variable in dashboard["templating"]["list"]}
    assert {"Reloads", "Restarts"} <= {one["name"] for one in dashboard["annotations"]["list"]}
    places, shown = set(), ""
    for panel in dashboard["panels"]:
        assert len(panel["description"]) > 30, panel["title"]
        place = panel["gridPos"]
        spots = {(x, y) for x in range(place["x"], place["x"] + place["w"]) for y in range(place["y"], place["y"] + place["h"])}
        assert not spots & places and max(x for x, _ in spots) < 24, f"{panel['title']} lies over another"
        places |= spots
        shown += json.dumps(panel["targets"])
    for what in ("held", "mailweir_smtp_refusals_total", "mailweir_loop_longest_turn_seconds", "mailweir_probe_duration_seconds", "mailweir_upstream_quota_", "$upstream"):
        assert what in shown, f"no panel shows {what}"
