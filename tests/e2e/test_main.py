"""The main job: SMTP in, a rule decides, the message lies in a folder of a real Dovecot; sent by clients that are not ours."""
import concurrent.futures
import json
import re
import socket
import subprocess

from harness import free_port, is_sanitized, message, received_part, wait

RULES = [
    {"name": "ci-failures",
     "if": {"all": [{"field": "from", "is": "ci@build.example"},
                    {"header": "Subject", "matches": "^failed: (?<project>[\\w.-]+)", "ignore_case": True}]},
     "then": [{"fileinto": {"upstream": "corp", "folder": "CI/${project}", "flags": ["\\Flagged", "ci"]}}, {"stop": True}]},
    {"name": "numbered",
     "if": {"header": "Subject", "matches": "^box (\\d)"},
     "then": [{"fileinto": {"upstream": "corp", "folder": "Box${1}"}}, {"stop": True}]},
]


def curl(gateway, octets, sender, to, folder):
    file = folder / "message.eml"
    file.write_bytes(octets)
    return subprocess.run(["curl", "--silent", "--show-error", "--crlf", "--url", f"smtp://127.0.0.1:{gateway.port}/client.example",
                           "--mail-from", sender, *[part for address in to for part in ("--mail-rcpt", address)],
                           "--upload-file", str(file)], capture_output=True, text=True, timeout=60)


def test_curl_rule_capture_flags_date(world):
    dovecot = world.dovecot()
    gateway = world.mailweir(dovecot, RULES).start()
    sent = message("FAILED: web-shop", "see the log", extra="Date: Mon, 1 Jan 2024 00:00:00 +0000\r\n")
    done = curl(gateway, sent.replace(b"\r\n", b"\n"), "ci@build.example", ["ops@example.net"], world.folder)
    assert done.returncode == 0, done.stderr
    wait(lambda: dovecot.count("CI/web-shop") == 1, "message in CI/web-shop")
    (octets, facts), = dovecot.fetch("CI/web-shop")
    assert received_part(octets) == sent
    assert "\\Flagged" in facts and "ci" in facts.split("FLAGS (")[1].split(")")[0].split(), facts
    assert octets.startswith(b"Return-Path: <ci@build.example>\r\nReceived: from client.example ([127.0.0.1])"), octets[:200]
    accepted, = gateway.events("accepted")
    filed, = wait(lambda: gateway.events("filed"), "filed line")
    assert accepted["id"] == filed["id"] and accepted["rules"] == ["ci-failures"]
    assert filed["folder"] == "CI/web-shop" and filed["upstream"] == "corp" and filed["uid"] == 1
    assert f"X-Mailweir-Id: {accepted['id']}.1".encode() in octets
    gateway.stop()


def test_default_folder_when_nothing_matches(world):
    dovecot = world.dovecot()
    gateway = world.mailweir(dovecot, RULES).start()
    sent = message("nothing special")
    gateway.send(sent)
    wait(lambda: dovecot.count("INBOX") == 1, "message in INBOX")
    assert received_part(dovecot.messages("INBOX")[0]) == sent
    assert wait(lambda: gateway.events("filed"), "filed line")[0]["rule"] == "default"
    gateway.stop()


def test_thousand_messages_ten_sessions_five_folders(world):
    """1,000 messages over 10 sessions: each exactly once, the octets identical."""
    dovecot = world.dovecot()
    gateway = world.mailweir(dovecot, RULES).start()
    sent = {}
    for number in range(1000):
        body = "\r\n".join([f"line {i} of {number}" for i in range(number % 40)] + [".", "..", "", ".end"])
        sent[number] = (number % 5, message(f"box {number % 5} number {number}", body, number))

    def session(share):
        with gateway.smtp() as client:
            for number in share:
                client.sendmail("app@example.com", ["ops@example.net"], sent[number][1])

    with concurrent.futures.ThreadPoolExecutor(10) as pool:
        for done in [pool.submit(session, range(first, 1000, 10)) for first in range(10)]:
            done.result()
    wait(lambda: len(gateway.events("filed")) >= 1000, "1,000 filed lines", 120)
    seen = []
    for box in range(5):
        for octets in dovecot.messages(f"Box{box}"):
            body = received_part(octets)
            number = int(re.search(rb"number (\d+)", body).group(1))
            assert sent[number] == (box, body), f"message {number} was changed or lies in the wrong folder"
            seen.append(number)
    assert sorted(seen) == list(range(1000)), f"{len(seen)} filed, {len(set(seen))} different"
    assert {e["id"] for e in gateway.events("accepted")} == {e["id"] for e in gateway.events("filed")}
    gateway.stop()


def test_smtp_source_pipelined(world):
    """Postfix's own load generator: 1,000 messages, 10 sessions."""
    dovecot = world.dovecot()
    gateway = world.mailweir(dovecot, RULES).start()
    done = subprocess.run(["/usr/sbin/smtp-source", "-s", "10", "-m", "1000", "-l", "4096", "-f", "app@example.com",
                           "-t", "ops@example.net", "-S", "box 3", f"inet:127.0.0.1:{gateway.port}"],
                          capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    wait(lambda: dovecot.count("Box3") >= 1000, "1,000 messages in Box3", 120)
    ids = [re.search(rb"X-Mailweir-Id: (\S+)", octets).group(1) for octets in dovecot.messages("Box3")]
    assert len(ids) == len(set(ids)) == 1000
    gateway.stop()


def test_one_message_to_several_recipients_is_filed_once(world):
    dovecot = world.dovecot()
    gateway = world.mailweir(dovecot, RULES).start()
    gateway.send(message("box 1"), to=["a@example.net", "b@example.net"])
    wait(lambda: gateway.events("filed"), "filed line")
    gateway.stop()
    assert dovecot.count("Box1") == 1


def test_large_message_streams(world):
    dovecot = world.dovecot()
    gateway = world.mailweir(dovecot, RULES)
    gateway.start()
    body = "\r\n".join(f"{i:08d} " + "x" * 60 for i in range(280000))  # about 19 MiB
    sent = message("box 2", body)
    gateway.send(sent)
    wait(lambda: dovecot.count("Box2") == 1, "message in Box2", 60)
    assert received_part(dovecot.messages("Box2")[0]) == sent
    with open(f"/proc/{gateway.process.popen.pid}/status") as status:
        peak = next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
    assert is_sanitized() or peak < 60000, f"a message of 19 MiB took {peak} kB"
    gateway.stop()


def test_too_large_is_refused_and_the_session_goes_on(world):
    dovecot = world.dovecot()
    gateway = world.mailweir(dovecot, RULES)
    gateway.configuration["listeners"][0]["max_message_size"] = "100KiB"
    gateway.start()
    with gateway.smtp() as client:
        client.ehlo()
        assert client.esmtp_features["size"] == "102400"
        assert client.docmd("MAIL FROM:<a@example.com> SIZE=102401")[0] == 552
        client.mail("a@example.com")
        client.rcpt("ops@example.net")
        assert client.data(message("box 1", "x" * 70 + "\r\n" + "y" * 200000))[0] in (500, 552)
        client.mail("a@example.com")
        client.rcpt("ops@example.net")
        assert client.data(message("box 1"))[0] == 250
    wait(lambda: dovecot.count("Box1") == 1, "message in Box1")
    gateway.stop()


def test_starttls_upstream_and_bad_certificates(world):
    """STARTTLS files mail; a certificate of another CA, for another name or of yesterday gets no password and no mail."""
    good = world.dovecot(name="good")
    gateway = world.mailweir(good, RULES)
    gateway.upstream["address"] = f"127.0.0.1:{good.port}"
    gateway.upstream["tls"]["mode"] = "starttls"
    gateway.start()
    gateway.send(message("box 1"))
    wait(lambda: good.count("Box1") == 1, "message over STARTTLS")
    gateway.stop()
    cases = {"name": world.certificates.make("othername", "DNS:imap.other.example"),
             "common-name-only": world.certificates.make("nosan", None),
             "expired": world.certificates.make("expired", days=-1),
             "client-only": world.certificates.make("clientonly", usage="clientAuth")}
    for name, certificate in cases.items():
        bad = world.dovecot(name=name, certificate=certificate)
        for mode, port in (("implicit", bad.tls_port), ("starttls", bad.port)):
            gateway.configuration["spool"]["path"] = str(gateway.folder / f"spool-{name}-{mode}")
            gateway.upstream.update(address=f"127.0.0.1:{port}", tls={"mode": mode, "ca_file": str(world.certificates.ca)})
            gateway.start()
            gateway.send(message("box 1"))
            deferred = wait(lambda: gateway.events("deferred"), f"deferred line ({name}, {mode})")[0]
            assert "certificate" in deferred["error.message"].lower(), deferred
            gateway.stop()
        log = (bad.folder / "dovecot.log").read_text()
        assert "Login: user=" not in log, f"{name}: logged in all the same"
        bad.stop()
    # The system's CAs do not know the test's.
    gateway.configuration["spool"]["path"] = str(gateway.folder / "spool-system")
    gateway.upstream.update(address=f"127.0.0.1:{good.tls_port}", tls={"mode": "implicit"})
    gateway.start()
    gateway.send(message("box 1"))
    wait(lambda: gateway.events("deferred"), "deferred line (unknown CA)")
    gateway.stop()
    assert good.count("Box1") == 1


def test_connection_is_reused(world):
    dovecot = world.dovecot()
    gateway = world.mailweir(dovecot, RULES)
    gateway.upstream["connections"] = 1
    gateway.start()
    for number in range(20):
        gateway.send(message("box 1", number=number))
    wait(lambda: len(gateway.events("filed")) == 20, "20 filed lines")
    gateway.stop()
    log = (dovecot.folder / "dovecot.log").read_text()
    assert log.count("Login: user=<relay>") == 1, log
    assert dovecot.count("Box1") == 20


def test_check_and_reload(world):
    dovecot = world.dovecot()
    gateway = world.mailweir(dovecot, RULES)
    status, out, err = gateway.run("check")
    assert status == 0 and "good" in out, (status, out, err)
    gateway.start()
    gateway.rules = [{"name": "all", "if": {"field": "from", "matches": "."},
                      "then": [{"fileinto": {"upstream": "corp", "folder": "New"}}, {"stop": True}]}]
    gateway.write()
    gateway.process.send_signal(1)
    wait(lambda: gateway.events("reloaded"), "reloaded line")
    gateway.send(message("box 1"))
    wait(lambda: dovecot.count("New") == 1, "message by the new rules")
    (gateway.folder / "rules.json").write_text('{"rules": [{"name": "x"}]}')
    gateway.process.send_signal(1)
    failed = wait(lambda: gateway.events("reload_failed"), "reload_failed line")[0]
    assert failed["file"].endswith("rules.json") and failed["line"] == 1, failed
    gateway.send(message("box 1"))
    wait(lambda: dovecot.count("New") == 2, "message by the rules that stayed")
    gateway.stop()
