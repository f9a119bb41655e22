"""Traces of dialogues: switched on and off while the gateway runs, within their limits; what is written holds no secret and no mail."""
import base64
import json
import os
import signal
import subprocess

from admin_client import Admin
from harness import MAILWEIR, message, wait
from test_imap_auth import dovecot_for, token
from smtp_client import Raw, add_user, context_of, listener, tls

PASSWORD = "correct horse battery"


def base64_of(text):
    return base64.b64encode(text.encode()).decode()


def lines(gateway, **fields):
    return [event.get("line", "") for event in gateway.events("trace") if all(event.get(name) == value for name, value in fields.items())]


def traced(gateway):
    return json.dumps(gateway.events("trace"))


def secrets_of(*texts):
    """In every form that travels: as it is, in base64, and in base64 behind one or two other octets."""
    found = []
    for text in texts:
        found += [text] + [base64_of("x" * shift + text)[4:-4] for shift in (0, 1, 2, 3)]
    return found


def test_smtp_without_secrets(world):
    """AUTH PLAIN, LOGIN and SCRAM over TLS, a failed login, a message by DATA and one by BDAT."""
    gateway = world.mailweir(None)
    listener(gateway).update(tls=tls(world, "starttls"), auth={"users": add_user(gateway, password=PASSWORD)})
    gateway.start()
    admin = Admin(gateway)
    assert admin.post("/api/v1/traces", {"listener": "apps"}).json["protocol"] == "smtp"
    for mechanism in ("auth_plain", "auth_login"):
        with gateway.smtp() as client:
            client.starttls(context=context_of(world))
            client.ehlo()
            client.user, client.password = "app", PASSWORD
            client.auth(mechanism[5:].upper(), getattr(client, mechanism), initial_response_ok=mechanism == "auth_plain")
            client.sendmail("app@example.com", ["ops@example.net"], message("a subject of mine", body="HELP is on its way\r\nMAIL FROM: us"))
    with gateway.smtp() as client:
        client.starttls(context=context_of(world))
        client.ehlo()
        code, text = client.docmd("AUTH", "SCRAM-SHA-256 " + base64_of("n,,n=app,r=rOprNGfwEbeRWgbNEkqO"))
        assert code == 334, text
        client.docmd(base64_of("c=biws,r=" + base64.b64decode(text).decode().split(",")[0][2:] + ",p=" + base64_of("a proof, not the right one 12345")))
        # A client that goes on with its password, though nobody asked.
        client.docmd(base64_of(PASSWORD))
        client.docmd("MAIL", "FROM:<app@example.com>")
        client.docmd("RCPT", "TO:<ops@example.net>")
        octets = message("a subject of mine", body="QUIT it")
        client.send(b"BDAT %d LAST\r\n" % len(octets) + octets)
        client.getreply()
    shown = lines(gateway, listener="apps")
    for line in ("MAIL FROM:<app@example.com>", "STARTTLS", "354 "):
        assert any(line.lower() in one.lower() for one in shown), (line, shown)
    assert any(one.startswith("AUTH SCRAM-SHA-256 [") for one in shown) and any(one.startswith("BDAT ") for one in shown), shown
    for secret in secrets_of(PASSWORD, "a subject of mine", "HELP is on its way", "QUIT it", "a proof, not the right", "rOprNGfwEbeRWgbNEkqO"):
        assert secret not in traced(gateway), secret
    gateway.stop()


def test_imap_without_secrets(world):
    """The upstream's logins by PLAIN, LOGIN, SCRAM and with tokens, and the message that is appended."""
    dovecot = dovecot_for(world)
    file = world.folder / "token"
    file.write_text(token())
    for mechanism in ("plain", "login", "scram-sha-256", "xoauth2", "oauthbearer"):
        gateway = world.mailweir(dovecot, name=mechanism)
        by_token = mechanism in ("xoauth2", "oauthbearer")
        gateway.upstream["auth"] = {"username": "relay", "mechanism": mechanism, **({"token_file": str(file)} if by_token else {"password": "relaypw"})}
        gateway.start()
        admin = Admin(gateway)
        assert admin.post("/api/v1/traces", {"upstream": "corp"}).status == 200
        gateway.send(message("a subject of mine", body="a text of mine"))
        wait(lambda: gateway.events("filed"), f"filed line with {mechanism}")
        shown = lines(gateway, upstream="corp")
        word = " LOGIN [" if mechanism == "login" else f" AUTHENTICATE {mechanism.upper()}"
        assert any(word in one for one in shown), (word, shown)
        assert any(" APPEND " in one for one in shown) and any(" octets]" in one for one in shown), shown
        for secret in secrets_of("relaypw", "a subject of mine", "a text of mine", token()[:30], token().split(".")[2][:20]):
            assert secret not in traced(gateway), (mechanism, secret)
        gateway.stop()


def test_limits_and_choice(world):
    """Only the chosen; it ends by its size or its time, or when it is told to; what cannot be is refused."""
    gateway = world.mailweir(None)
    gateway.configuration["admin"] = {"max_trace_time": "1m", "max_trace_size": "1MiB"}
    gateway.start()
    admin = Admin(gateway)
    gateway.send(message())
    assert not gateway.events("trace"), "none is on"
    assert admin.post("/api/v1/traces", {"client": "192.0.2.0/24"}).status == 200
    gateway.send(message())
    assert not gateway.events("trace"), "another client"
    assert admin.post("/api/v1/traces/1/stop").json == {"traces": []}
    assert admin.post("/api/v1/traces/1/stop").status == 404
    # Its size: the session goes on, the trace does not.
    assert admin.post("/api/v1/traces", {"client": "127.0.0.1", "size": "1KiB"}).json["octets_left"] == 1024
    gateway.send(message())
    assert 1 <= len(lines(gateway)) <= 5 and [event["trace"] for event in gateway.events("trace_off")] == [1, 2]
    # Its time.
    before = len(lines(gateway))
    assert admin.post("/api/v1/traces", {"listener": "apps", "for": "100ms"}).status == 200
    wait(lambda: admin.get("/api/v1/traces").json["traces"] == [], "end of its time")
    gateway.send(message())
    assert len(lines(gateway)) == before
    for wrong, status in (({}, 400), ({"upstream": "corp", "client": "::1"}, 400), ({"upstream": "nobody"}, 404), ({"listener": "nobody"}, 404),
                          ({"client": "nonsense"}, 400), ({"upstream": "corp", "for": "2h"}, 400), ({"upstream": "corp", "size": "2MiB"}, 400),
                          ({"upstream": "corp", "for": 5}, 400)):
        assert admin.post("/api/v1/traces", wrong).status == status, wrong
    for _ in range(8):
        assert admin.post("/api/v1/traces", {"upstream": "corp"}).status == 200
    assert admin.post("/api/v1/traces", {"upstream": "corp"}).status == 409
    status, out, _ = gateway.run("trace", "--off")
    assert status == 0 and len(out.splitlines()) == 8 and admin.get("/api/v1/traces").json["traces"] == []
    gateway.stop()


def test_a_session_that_is_open_already(world):
    """It is heard from its next reply on; in the middle of a message nothing of that is shown."""
    gateway = world.mailweir(None).start()
    admin = Admin(gateway)
    raw = Raw(gateway.port)
    raw.reply()
    for line in (b"EHLO c\r\n", b"MAIL FROM:<a@example.com>\r\n", b"RCPT TO:<ops@example.net>\r\n", b"DATA\r\n"):
        raw.say(line)
    assert admin.post("/api/v1/traces", {"listener": "apps"}).status == 200
    raw.say(b"Subject: hidden\r\n\r\nHELP hidden\r\n.\r\n")
    raw.say(b"NOOP\r\n")
    raw.close()
    shown = wait(lambda: lines(gateway) if "NOOP" in lines(gateway) else None, "traced NOOP")
    assert "hidden" not in traced(gateway) and any(one.startswith("250 ") for one in shown), shown
    gateway.stop()


def test_command(world):
    """mailweir trace shows it as it is said, and ends it on Ctrl-C."""
    gateway = world.mailweir(None).start()
    command = subprocess.Popen([MAILWEIR, "trace", "--listener", "apps", "--config", str(gateway.file)], stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True, env={**os.environ, "NO_COLOR": "1"})
    admin = Admin(gateway)
    wait(lambda: admin.get("/api/v1/traces").json["traces"], "trace")
    gateway.send(message())
    shown = [command.stdout.readline() for _ in range(3)]
    assert "S: 220 gw.example.net" in shown[0] and "C: ehlo" in shown[1].replace("EHLO", "ehlo"), shown
    command.send_signal(signal.SIGINT)
    _, err = command.communicate(timeout=30)
    assert command.returncode == 0 and "Ctrl-C ends it" in err, err
    assert admin.get("/api/v1/traces").json["traces"] == []
    command = subprocess.run([MAILWEIR, "trace", "--listener", "apps", "--for", "300ms", "--config", str(gateway.file)], capture_output=True, timeout=30)
    assert command.returncode == 0, "it ends with the trace"
    assert gateway.run("trace", "--upstream", "nobody")[0] == 1
    gateway.stop()
