"""Everything an operator should know: each in status, top, the page's banner, the log, a metric, and an alert rule that fires on it."""
import base64
import json
import os
import re
import smtplib
import socket
import subprocess
import threading

from admin_client import Admin
from fake_imap import BASE, FakeImap, Profile
from harness import ROOT, message, wait

CAPABILITY = BASE + " UIDPLUS LITERAL+ NAMESPACE UNSELECT"
SLOW = {"timeouts": {"connect": "2s", "command": "2s"}, "retry": {"initial": "60s", "maximum": "60s", "settle": "50ms"}}  # what was refused stays so while it is looked at
GROWS = "0+5x120"


def refuses(world, words):
    fake = FakeImap(world, Profile(CAPABILITY, refuses=[lambda octets, flags: words]))
    gateway = world.mailweir(None)
    fake.configure(gateway, **SLOW)
    gateway.start()
    gateway.send(message("waits"))
    return gateway


def paused(world):
    gateway = world.mailweir(None).start()
    assert gateway.run("queue", "pause", "corp")[0] == 0
    gateway.send(message("waits"))
    return gateway


def all_paused(world):
    gateway = world.mailweir(None).start()
    assert gateway.run("queue", "pause")[0] == 0
    gateway.send(message("waits"))
    return gateway


def failing(world):
    gateway = world.mailweir(None).start()
    gateway.send(message("waits"))
    return gateway


def login_refused(world):
    gateway = world.mailweir(world.dovecot())
    gateway.upstream["auth"]["password"] = "not his"
    gateway.start()
    gateway.send(message("waits"))
    return gateway


def certificate_soon(world):
    gateway = world.mailweir(None)
    certificate, key = world.certificates.make("soon", days=3)
    gateway.configuration["listeners"][0]["tls"] = {"mode": "starttls", "certificate": str(certificate), "key": str(key)}
    return gateway.start()


def server_certificate_soon(world):
    gateway = world.mailweir(world.dovecot(certificate=world.certificates.make("server-soon", days=3)))
    gateway.start()
    gateway.send(message("filed"))
    return gateway


def little_disk(world):
    room = os.statvfs(world.folder)
    gateway = world.mailweir(None)
    gateway.configuration["spool"]["minimum_free"] = f"{room.f_bavail * room.f_frsize * 3 // 4 >> 20}MiB"
    return gateway.start()


def no_disk(world):
    gateway = world.mailweir(None)
    gateway.configuration["spool"]["minimum_free"] = "900000GiB"
    return gateway.start()


def many_refusals(world):
    gateway = world.mailweir(None, [{"name": "no", "then": [{"reject": "Not here"}]}]).start()
    with gateway.smtp() as client:
        for number in range(20):
            try:
                client.sendmail("a@b.example", ["ops@example.net"], message("x", number=number))
            except smtplib.SMTPException:
                client.rset()
    return gateway


def guess(port, number):
    with socket.create_connection(("127.0.0.1", port), timeout=60) as raw, raw.makefile("rb") as lines:
        lines.readline()
        raw.sendall(b"EHLO x\r\n")
        while lines.readline()[3:4] == b"-":
            pass
        raw.sendall(b"AUTH PLAIN " + base64.b64encode(b"\0app\0guess%d" % number) + b"\r\n")
        assert lines.readline().startswith(b"535"), number


def refused_logins(world):
    gateway = world.mailweir(None)
    users = gateway.folder / "users.json"
    users.write_text('{"users": {"app": {"password": "$y$j9T$abcdefghijkl$ZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZ"}}}')
    users.chmod(0o600)
    gateway.configuration["listeners"][0].update({"auth": {"users": str(users), "in_clear": True}})
    gateway.start()
    # All at once: a failure is slow to hear.
    guesses = [threading.Thread(target=guess, args=(gateway.port, number)) for number in range(10)]
    for thread in guesses:
        thread.start()
    for thread in guesses:
        thread.join()
    return gateway


def dead_letters(world):
    return refuses(world, "NO [CANNOT] Content is not allowed here")


def bad_reload(world):
    gateway = world.mailweir(None).start()
    gateway.rules = [{"name": "no such key", "wenn": 1}]
    gateway.write()
    assert Admin(gateway).post("/api/v1/reload").status != 200
    return gateway


# What happens: what it is about, how bad, words of it, the metric that shows it, and the alert with series on which it fires.
UPSTREAM = 'mailweir_upstream_state{upstream="corp",state="%s"}'
CONDITIONS = [
    (paused, "upstream corp paused", "trouble", "nothing is delivered to \"corp\" until somebody resumes it; 1 waits", UPSTREAM % "paused",
     "MailweirUpstreamPausedByOperator", {UPSTREAM % "paused": "1x120"}),
    (all_paused, "all upstreams paused", "trouble", "nothing is delivered until somebody resumes them; 1 waits", UPSTREAM % "paused",
     "MailweirUpstreamPausedByOperator", {UPSTREAM % "paused": "1x120"}),
    (failing, "upstream corp failing", "trouble", "\"corp\" takes no mail: ", UPSTREAM % "failing", "MailweirUpstreamFailing",
     {UPSTREAM % "failing": "1x120"}),
    (login_refused, "upstream corp failing", "trouble", "\"corp\" takes no mail: ", 'mailweir_upstream_outages_total{upstream="corp",cause="login"}',
     "MailweirUpstreamLoginRefused", {'mailweir_upstream_outages_total{upstream="corp",cause="login"}': GROWS, UPSTREAM % "failing": "1x120"}),
    (lambda world: refuses(world, "NO [OVERQUOTA] Quota exceeded"), "upstream corp full", "trouble", "the mailbox of \"corp\" is full: ",
     UPSTREAM % "full", "MailweirUpstreamFull", {UPSTREAM % "full": "1x120"}),
    (lambda world: refuses(world, "NO [THROTTLED] Account exceeded command or bandwidth limits"), "upstream corp throttled", "notice",
     "the server of \"corp\" asked the gateway to slow down", UPSTREAM % "throttled", "MailweirUpstreamThrottled", {UPSTREAM % "throttled": "1x120"}),
    (certificate_soon, "certificate of the listener apps expires", "notice", "the certificate of the listener \"apps\" expires in 2 days",
     'mailweir_listener_certificate_expiry_seconds{listener="apps"}', "MailweirOwnCertificateExpires",
     {'mailweir_listener_certificate_expiry_seconds{listener="apps"}': "250000x120"}),
    (server_certificate_soon, "certificate of the server of the upstream corp expires", "notice", "expires in 2 days",
     'mailweir_upstream_certificate_expiry_seconds{upstream="corp",of="server"}', "MailweirCertificateExpires",
     {'mailweir_upstream_certificate_expiry_seconds{upstream="corp",of="server"}': "250000x120"}),
    (little_disk, "disk", "trouble", "the disk of the spool has ", "mailweir_spool_free_bytes", "MailweirDiskLow",
     {"mailweir_spool_free_bytes": "100000000x120", "mailweir_spool_minimum_free_bytes": "67000000x120"}),
    (no_disk, "spool", "stopped", "no mail is taken: spool: ", "mailweir_ready", "MailweirNotReady", {"mailweir_ready": "0x120"}),
    (many_refusals, "refusals", "notice", "20 of 20 messages were refused in the last 10 minutes", 'mailweir_messages_total{reply="rejected"}',
     "MailweirRefusalRate", {'mailweir_messages_total{reply="rejected"}': GROWS, 'mailweir_messages_total{reply="accepted"}': "0+1x120"}),
    (refused_logins, "logins", "notice", "10 logins of clients were refused", 'mailweir_smtp_logins_total{outcome="failed"}', "MailweirLoginsRefused",
     {'mailweir_smtp_logins_total{outcome="failed"}': GROWS}),
    (dead_letters, "dead letters", "notice", "1 dead letter waits for an operator", 'mailweir_queue_deliveries{state="dead"}',
     "MailweirDeadLetters", {'mailweir_queue_deliveries{state="dead"}': "1x120"}),
    (bad_reload, "reload", "trouble", "the last change of configuration or rules was refused", "mailweir_config_last_reload_successful",
     "MailweirReloadFailed", {"mailweir_config_last_reload_successful": "0x120"}),
]


def see(world, number):
    provoke, about, severity, words, metric, _, _ = CONDITIONS[number]
    gateway = provoke(world)
    admin = Admin(gateway)

    def found():
        return [one for one in admin.get("/api/v1/status").json["attention"] if one["about"] == about and words in one["text"]]

    one = wait(found, f"{about}: {words}")[0]
    assert one["severity"] == severity, one
    shown = gateway.run("status")[1]
    assert words in shown and (one["command"] is None or one["command"] in shown), shown
    # What top draws and the page shows is the stream's state.
    state = json.loads(gateway.run("top", "--times", "1")[1])
    assert about in [entry["about"] for entry in state["attention"]], state["attention"]
    wait(lambda: [event for event in gateway.events("attention") if event["about"] == about], "a line of the log")
    text = admin.get("/metrics").text
    assert f"\n{metric} " in text, f"{metric} is no metric"
    [count] = [line for line in text.splitlines() if line.startswith(f'mailweir_attention{{severity="{severity}"}}')]
    assert float(count.split()[-1]) >= 1, count
    gateway.stop()


def test_an_upstream_is_paused(world):
    see(world, 0)


def test_all_are_paused(world):
    see(world, 1)


def test_an_upstream_fails(world):
    see(world, 2)


def test_a_login_is_refused(world):
    see(world, 3)


def test_a_mailbox_is_full(world):
    see(world, 4)


def test_a_server_asks_for_a_pause(world):
    see(world, 5)


def test_a_listeners_certificate_expires(world):
    see(world, 6)


def test_a_listeners_certificate_expires_meanwhile(world):
    """Nothing is read again when the day comes: it is seen all the same, mail is taken on, and a new file ends it."""
    gateway = world.mailweir(None)
    pair = world.certificates.make_for_seconds("short", 100000)
    gateway.configuration["listeners"][0]["tls"] = {"mode": "starttls", "certificate": str(pair[0]), "key": str(pair[1])}
    gateway.start()
    admin, about = Admin(gateway), "certificate of the listener apps "

    def seen():
        return {one["about"]: one for one in admin.get("/api/v1/status").json["attention"] if one["about"].startswith(about)}

    assert "expires in 1 day:" in wait(lambda: seen().get(about + "expires"), "a certificate that expires")["text"]
    # As soon as this machine can: what has expired before it is read is refused.
    for seconds in (2, 10, 50, 250):
        world.certificates.make_for_seconds("short", seconds)
        if gateway.run("reload")[0] == 0:
            break
    one = wait(lambda: seen().get(about + "expired"), "a certificate that has expired", 300)
    assert one["severity"] == "trouble" and "the certificate of the listener \"apps\" has expired: renew the certificate" in one["text"], one
    assert about + "expires" not in seen() and one["text"] in " ".join(gateway.run("status")[1].split()), one
    [left] = re.findall(r'^mailweir_listener_certificate_expiry_seconds{listener="apps"} (\S+)', admin.get("/metrics").text, re.M)
    assert float(left) <= 0, left
    wait(lambda: [event for event in gateway.events("attention") if event["about"] == about + "expired"], "a line of the log")
    gateway.send(message("taken on"))
    world.certificates.make("short")
    wait(lambda: not seen(), "the new certificate")
    gateway.stop()


def test_a_servers_certificate_expires(world):
    see(world, 7)


def test_the_disk_is_nearly_full(world):
    see(world, 8)


def test_the_disk_is_full(world):
    see(world, 9)


def test_much_is_refused(world):
    see(world, 10)


def test_logins_of_clients_are_refused(world):
    see(world, 11)


def test_a_dead_letter_waits(world):
    see(world, 12)


def test_a_reload_was_refused(world):
    see(world, 13)


def test_each_has_an_alert(world):
    """promtool plays the series and says which alerts fire; on series of a gateway that is well, none does."""
    rules = str(ROOT / "deploy/prometheus-alerts.yml")
    well = {UPSTREAM % "open": "1x120", "mailweir_ready": "1x120", "mailweir_spool_free_bytes": "9e12x120", "mailweir_spool_minimum_free_bytes": "67000000x120",
            'mailweir_messages_total{reply="accepted"}': GROWS, 'mailweir_messages_total{reply="rejected"}': "0+1x120",
            'mailweir_smtp_logins_total{outcome="failed"}': "1x120", "mailweir_config_last_reload_successful": "1x120",
            'mailweir_listener_certificate_expiry_seconds{listener="apps"}': "9000000x120"}
    alerts = re.findall(r"- alert: (\w+)", (ROOT / "deploy/prometheus-alerts.yml").read_text())
    tests = [{"interval": "1m", "input_series": [{"series": name, "values": values} for name, values in well.items()],
              "promql_expr_test": [{"expr": "ALERTS", "eval_time": "110m", "exp_samples": []}]}]
    for _, _, _, _, _, alert, series in CONDITIONS:
        assert alert in alerts, alert
        tests.append({"interval": "1m", "input_series": [{"series": name, "values": values} for name, values in series.items()],
                      "promql_expr_test": [{"expr": f'count(ALERTS{{alertname="{alert}",alertstate="firing"}})', "eval_time": "110m",
                                            "exp_samples": [{"labels": "{}", "value": 1}]}]})
    file = world.folder / "alerts.test.yml"
    file.write_text(json.dumps({"rule_files": [rules], "evaluation_interval": "1m", "tests": tests}))
    done = subprocess.run(["promtool", "test", "rules", str(file)], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
