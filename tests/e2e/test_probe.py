"""The probe: a message of the gateway's own through its front door, into a folder, read back over IMAP and removed; once by `mailweir probe`, and every
`probe.every`. What does not work is told in words: which step, why, and what to do."""
import json
import re
import subprocess
import urllib.request

from fake_imap import FakeImap
from harness import MAILWEIR, free_port, seconds, wait
from test_imap_faults import gateway_for

FOLDER = "Ops/Probe"


def probing(world, dovecot, **probe):
    gateway = world.mailweir(dovecot, [{"name": "elsewhere", "then": [{"fileinto": {"upstream": "corp", "folder": "Elsewhere"}}, {"stop": True}]}])
    gateway.configuration["probe"] = {"folder": FOLDER, **probe}
    return gateway


def asked(gateway, *options):
    status, out, err = gateway.run("probe", "--json", *options)
    return status, json.loads(out), err


def metrics_of(gateway):
    """name with labels: value."""
    address = f"http://127.0.0.1:{gateway.admin}/metrics"
    request = urllib.request.Request(address, headers={"Authorization": "Bearer 0123456789abcdef0123"})
    with urllib.request.urlopen(request, timeout=20) as answer:
        text = answer.read().decode()
    return dict(line.rsplit(" ", 1) for line in text.splitlines() if line.startswith("mailweir_probe"))


def with_admin(gateway):
    gateway.admin = free_port()
    gateway.configuration["admin"] = {"address": f"127.0.0.1:{gateway.admin}", "token": "0123456789abcdef0123"}
    return gateway


def test_goes_all_the_way_and_leaves_nothing(world):
    dovecot = world.dovecot()
    gateway = probing(world, dovecot).start()
    status, out, err = gateway.run("probe")
    assert status == 0 and "removed; mail arrives" in out and err == "", (status, out, err)
    assert re.search(r"accepted as \w{26} after \d+ ms\nread back from Ops/Probe of upstream \"corp\" after \d+ ms\n", out), out
    status, told, _ = asked(gateway)
    assert status == 0 and told["good"] and told["arrived"] and told["folder"] == FOLDER and told["listener"] == "apps", told
    assert 0 < told["accepted_ms"] <= told["arrived_ms"], told
    # In front of all rules, and gone.
    assert dovecot.count(FOLDER) == 0 and "Elsewhere" not in dovecot.folders(), dovecot.folders()
    why = gateway.run("why", told["id"])[1]
    assert FOLDER in why and "mailweir-probe" in why, why
    gateway.stop()


def test_every_so_often_with_its_metrics(world):
    dovecot = world.dovecot()
    gateway = with_admin(probing(world, dovecot, every="1s")).start()
    wait(lambda: len(gateway.events("probe_arrived")) >= 2, "two probes that arrived")
    metrics = metrics_of(gateway)
    assert metrics["mailweir_probe_success"] == "1" and int(metrics['mailweir_probes_total{outcome="arrived"}']) >= 2, metrics
    assert 0 < float(metrics["mailweir_probe_duration_seconds"]) < 60 and float(metrics["mailweir_probe_last_success_timestamp_seconds"]) > 1e9, metrics
    # The mailbox goes away: one message waits, however many rounds go by; then it is found, and all is well again.
    dovecot.stop()
    gateway.configuration["probe"]["timeout"] = seconds(1)
    gateway.write()
    wait(lambda: len(gateway.events("probe_failed")) >= 3, "three probes that failed")
    failed = wait(lambda: [event for event in gateway.events("probe_failed") if event["step"] == "mailbox"], "a probe that the mailbox failed")[-1]
    assert "corp" in failed["error.message"] and "mailweir upstreams" in failed["note"], failed
    metrics = metrics_of(gateway)
    assert metrics["mailweir_probe_success"] == "0" and int(metrics['mailweir_probes_total{outcome="failed"}']) >= 3, metrics
    assert len(gateway.run("queue", "list", "--json")[1].splitlines()) <= 1, "one message waits at most"
    assert "mailweir probe" in gateway.run("status")[1]
    before = len(gateway.events("probe_arrived"))
    dovecot.start()
    wait(lambda: len(gateway.events("probe_arrived")) >= before + 2, "probes that arrive again", 60)
    wait(lambda: metrics_of(gateway)["mailweir_probe_success"] == "1", "success")
    gateway.stop()
    assert dovecot.count(FOLDER) <= 1, "what waited was removed, too"


def test_a_refused_login_is_not_tried_on(world):
    """Servers lock accounts for that: the probe keeps the pause that deliveries keep."""
    dovecot = world.dovecot()
    gateway = probing(world, dovecot, every="1s")
    gateway.upstream["auth"]["password"] = "wrong"
    gateway.upstream["retry"].update({"initial": "1h", "maximum": "1h"})
    gateway.start()
    wait(lambda: [event for event in gateway.events("probe_failed") if "does not try it again" in event["error.message"]], "probe that does not try")
    tried = len([event for event in gateway.events("probe_failed") if "does not try it again" not in event["error.message"]])
    assert tried <= 1, gateway.events("probe_failed")
    gateway.stop()


def test_a_reload_begins_and_ends_it(world):
    dovecot = world.dovecot()
    gateway = with_admin(world.mailweir(dovecot)).start()
    assert "mailweir_probe_success" not in metrics_of(gateway)
    gateway.configuration["probe"] = {"every": "1s"}
    gateway.write()
    wait(lambda: gateway.events("probe_arrived"), "a probe")
    assert gateway.events("probe_arrived")[0]["folder"] == "mailweir-probe"
    del gateway.configuration["probe"]
    gateway.write()
    wait(lambda: len(gateway.events("reloaded")) == 2, "reload")
    assert "mailweir_probe_success" not in metrics_of(gateway)
    gateway.stop()


def test_which_step_and_what_to_do(world):
    dovecot = world.dovecot()
    gateway = probing(world, dovecot)
    status, told, _ = asked(gateway)
    assert status == 1 and told["step"] == "connect" and "mailweir status" in told["advice"] and told["id"] is None, told
    listener = gateway.configuration["listeners"][0]
    cases = [({"allow": ["10.9.9.0/24"]}, "greeting", "may not send here", '"allow"'),
             ({"recipients": ["*@elsewhere.example"]}, "recipient", "not taken here", '"recipients"'),
             ({"senders": ["*@elsewhere.example"]}, "sender", "may not send as", '"senders"')]
    gateway.start()
    for number, (keys, step, words, advice) in enumerate(cases, 1):
        gateway.configuration["listeners"] = [{**listener, **keys}]
        gateway.write()
        wait(lambda: len(gateway.events("reloaded")) == number, "reload")
        status, told, _ = asked(gateway)
        assert status == 1 and not told["good"] and told["step"] == step and words in told["problem"] and advice in told["advice"], told
        status, out, err = gateway.run("probe")
        assert status == 1 and f'FAILED at the step "{step}"' in err and advice in err and out == "", (out, err)
    gateway.stop()


def test_login_over_tls(world):
    dovecot = world.dovecot()
    gateway = probing(world, dovecot)
    users, secret = gateway.folder / "users.json", gateway.folder / "secret"
    secret.write_text("of the probe\n")
    secret.chmod(0o600)
    certificate, key = world.server_certificate
    for mode in ("starttls", "implicit"):
        gateway.configuration["listeners"][0].update({"tls": {"mode": mode, "certificate": str(certificate), "key": str(key)},
                                                      "auth": {"users": str(users), "required": True}})
        if mode == "starttls":
            subprocess.run([MAILWEIR, "passwd", "--users", users, "prober"], input="of the probe\n", text=True, check=True, capture_output=True)
            gateway.start()
            status, told, _ = asked(gateway)
            assert status == 1 and told["step"] == "sender" and "username" in told["advice"], told
            gateway.configuration["probe"].update({"username": "prober", "password": {"file": str(secret)}})
            gateway.write()
            wait(lambda: gateway.events("reloaded"), "reload")
        else:
            gateway.stop()
            gateway.start()
        status, told, _ = asked(gateway)
        assert status == 0 and told["good"], told
        # The certificate is held against the name where somebody says who signed it.
        status, told, _ = asked(gateway, "--ca-file", str(world.certificates.ca))
        assert status == 0, told
    secret.write_text("another\n")
    status, told, _ = asked(gateway)
    assert status == 1 and told["step"] == "login" and "535" in told["problem"], told
    gateway.stop()


def test_accepted_and_not_arrived(world):
    """It waits in the queue: the id is told, so that `why` can say what for."""
    refuses = {"append-end": "NO [UNAVAILABLE] not now"}
    fake = FakeImap(world, fault=lambda step, session, **facts: refuses.get(step))
    gateway = gateway_for(world, fake)
    gateway.configuration["probe"] = {"folder": "INBOX", "timeout": seconds(1.5)}
    gateway.start()
    status, told, _ = asked(gateway)
    assert status == 1 and told["step"] == "arrival" and told["id"] and not told["arrived"], told
    assert told["id"] in told["problem"] and "mailweir why" in told["advice"], told
    refuses.clear()
    wait(lambda: gateway.events("filed"), "filed at last")
    gateway.stop()


def test_ones_own_rules_on_the_way(world):
    dovecot = world.dovecot()
    gateway = probing(world, dovecot).start()
    status, told, _ = asked(gateway, "--to", "anybody@example.net", "--folder", "corp:Elsewhere")
    assert status == 0 and told["folder"] == "Elsewhere" and dovecot.count("Elsewhere") == 0, told
    status, told, _ = asked(gateway, "--to", "anybody@example.net", "--folder", "Nowhere", "--timeout", seconds(1))
    assert status == 1 and told["step"] == "arrival" and "Nowhere" in told["problem"], told
    status, _, err = gateway.run("probe", "--to", "anybody@example.net")
    assert status == 64 and "--folder" in err, err
    status, _, err = gateway.run("probe", "--timeout", "soon")
    assert status == 64 and "soon" in err, err
    gateway.stop()


def test_what_the_configuration_may_say(world):
    gateway = world.mailweir(world.dovecot())
    status, _, err = gateway.run("probe")
    assert status == 78 and '"probe": {"folder"' in err, err
    for probe, pointer in (({"folder": "X", "upstream": "none"}, "/probe/upstream"), ({"folder": "X", "listener": "none"}, "/probe/listener"),
                           ({"folder": "X", "to": "nobody"}, "/probe/to"), ({"folder": "${1}"}, "/probe/folder"),
                           ({"folder": "X", "username": "u"}, "/probe"), ({"every": "1ms"}, "/probe/every")):
        gateway.configuration["probe"] = probe
        status, out, _ = gateway.run("check", "--json")
        told = json.loads(out)["problems"]
        assert status == 78 and pointer in [problem["pointer"] for problem in told], (probe, told)
    gateway.configuration["probe"] = {"every": "5m"}
    assert gateway.run("check")[0] == 0
    gateway.configuration["listeners"][0]["address"] = "inherited:smtp"
    assert '"address"' in gateway.run("check")[2]


def test_every_kind_of_front_door(world):
    dovecot = world.dovecot()
    gateway = probing(world, dovecot)
    gateway.start()
    doors = [{"acknowledge": "delivered"}, {"protocol": "lmtp"}, {"address": f"unix:{gateway.folder}/spool/door"}, {"address": f"0.0.0.0:{free_port()}"},
             {"address": f"[::1]:{free_port()}"}]
    for number, keys in enumerate(doors, 1):
        gateway.configuration["listeners"] = [{"name": "apps", "address": f"127.0.0.1:{gateway.port}", **keys}]
        gateway.write()
        wait(lambda: len(gateway.events("reloaded")) == number, "reload")
        status, told, _ = asked(gateway)
        assert status == 0 and told["good"], (keys, told)
    # A balancer's header is waited for, and never comes.
    gateway.configuration["listeners"] = [{"name": "apps", "address": f"127.0.0.1:{gateway.port}", "proxy_protocol": ["127.0.0.0/8"]}]
    gateway.configuration["probe"]["timeout"] = "1s"
    gateway.write()
    wait(lambda: len(gateway.events("reloaded")) == len(doors) + 1, "reload")
    status, told, _ = asked(gateway)
    assert status == 1 and told["step"] == "greeting" and "proxy_protocol" in told["advice"], told
    gateway.stop()
