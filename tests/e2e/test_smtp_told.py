"""No refusal without a trace: in the log, in the metrics, for `mailweir clients` and `mailweir why`, and behind a restart."""
import json
import re
import socket
import subprocess

from admin_client import Admin
from harness import wait
from smtp_client import Raw, add_user, listener, tls

BY_RULE = [{"name": "no-box", "if": {"field": "to", "is": "nobody@example.net"}, "then": [{"reject": "no such box"}]},
           {"name": "no-content", "if": {"header": "Subject", "contains": "bad"}, "then": [{"reject": "not this one"}]}]


def say_all(port, *lines):
    client = Raw(port)
    replies = [client.reply()] + [client.say(line) for line in lines]
    client.close()
    return replies


def one(gateway, action, **fields):
    def found():
        return [event for event in gateway.events(action)
                if all(event.get(name.replace("__", ".")) == value for name, value in fields.items())]
    wait(found, f"{action} with {fields}")
    return found()[0]


def test_each_refusal_is_told(world):
    gateway = world.mailweir(None, BY_RULE)
    listener(gateway)["tls"] = tls(world, "starttls")
    listener(gateway)["auth"] = {"users": add_user(gateway), "required": True}
    plain = {**listener(gateway), "name": "plain", "address": "127.0.0.1:0", "tls": {"mode": "none"}}
    del plain["auth"]
    secure = {"name": "secure", "address": "127.0.0.1:0", "tls": tls(world, "implicit")}
    gateway.configuration["listeners"] += [plain, secure]
    gateway.start()
    ports = {event["listener"]: event["server.port"] for event in gateway.events("listening")}
    say_all(gateway.port, b"EHLO printer\r\n", b"MAIL FROM:<scanner@example.net>\r\n", b"AUTH LOGIN\r\n")
    event = one(gateway, "refused", reason="needs_auth")
    assert event["command"] == "MAIL FROM:<scanner@example.net>" and event["helo"] == "printer", event
    assert event["client.address"] == "127.0.0.1" and "allow" in event["key"] and event["reply.code"] == 530, event
    assert one(gateway, "refused", reason="auth_needs_tls")["command"] == "AUTH LOGIN"
    say_all(ports["plain"], b"EHLO c\r\n", b"MAIL FROM:<a@example.com>\r\n", b"RCPT TO:<nobody@example.net>\r\n",
            b"RCPT TO:<good@example.net>\r\n", b"DATA\r\n", b"Subject: bad\r\n\r\nx\r\n.\r\n", b"QUIT\r\n")
    event = one(gateway, "rejected", to=["nobody@example.net"])
    assert event["reply.text"] == "no such box" and event["rule"] == "no-box" and event["reason"] == "rule", event
    whole = one(gateway, "rejected", to=["good@example.net"])
    assert whole["reply.text"] == "not this one" and whole["rule"] == "no-content" and whole["id"] == event["id"], whole
    say_all(ports["plain"], b"GET / HTTP/1.1\r\n")
    assert one(gateway, "refused", reason="foreign")["command"] == "GET / HTTP/1.1"
    with socket.create_connection(("127.0.0.1", ports["plain"])) as client:
        client.sendall(b"\x16\x03\x01\x00\x05")
        assert one(gateway, "refused", reason="foreign_tls")["key"] == "tls.mode"
    # A handshake that fails says why, with the client's address.
    for arguments in (["-connect", f"127.0.0.1:{ports['secure']}"], ["-starttls", "smtp", "-connect", f"127.0.0.1:{gateway.port}"]):
        subprocess.run(["openssl", "s_client", *arguments, "-tls1", "-cipher", "ALL:@SECLEVEL=0"], input=b"", capture_output=True,
                       timeout=30, check=False)
    wait(lambda: len([e for e in gateway.events("refused") if e.get("reason") == "tls_failed"]) == 2, "two handshakes that failed")
    event = one(gateway, "refused", reason="tls_failed", listener="secure")
    assert "protocol" in event["error.message"] or "version" in event["error.message"], event
    # It heard nothing, and nothing else is said of it.
    out = gateway.run("clients", "127.0.0.1")[1]
    assert "was not let in: TLS with 127.0.0.1" in out and "heard \"554 5.7.0" not in out, out
    # A client that says something and goes is told, too.
    client = Raw(ports["plain"])
    client.reply()
    client.say(b"EHLO gone\r\n")
    client.close()
    assert one(gateway, "left")["command"] == "EHLO gone"
    metrics = Admin(gateway).ask("GET", "/metrics").text
    assert 'mailweir_smtp_refusals_total{reason="needs_auth"} 1' in metrics, metrics
    assert 'mailweir_smtp_refusals_total{reason="rule"} 2' in metrics, metrics
    # What is known is known by address and by message, also when the gateway is gone.
    for running in (True, False):
        if not running:
            gateway.stop()
        status, out, err = gateway.run("clients", "127.0.0.1")
        assert status == 0 and "nobody@example.net" in out and "no such box" in out and "authentication required" in out, (out, err)
        status, out, err = gateway.run("why", whole["id"])
        assert status == 0 and "not this one" in out and "no-content" in out and "nobody@example.net" in out, (out, err)
    gateway.start()
    status, out, _ = gateway.run("clients", "--json")
    assert status == 0 and any(refusal.get("to") == "nobody@example.net" for refusal in json.loads(out)["refusals"]), out
    gateway.stop()


def test_no_secret_is_told(world):
    gateway = world.mailweir(None)
    listener(gateway)["auth"] = {"users": add_user(gateway)}
    gateway.start()
    say_all(gateway.port, b"EHLO c\r\n", b"AUTH PLAIN AHNlY3JldC11c2VyAHNlY3JldC13b3Jk\r\n", b"c2VjcmV0LXVzZXI=\r\n", b"c2VjcmV0LXdvcmQ=\r\n")
    one(gateway, "refused", reason="unknown_command")
    gateway.stop()
    text = gateway.log.read_text() + (gateway.folder / "spool" / "refusals.jsonl").read_text()
    assert not re.search("AHNlY3|c2VjcmV0|secret-", text), text


def test_refusals_of_one_client_are_bounded(world):
    gateway = world.mailweir(None)
    listener(gateway).update({"max_refusals_logged": 5, "max_errors": 1000})
    gateway.start()
    say_all(gateway.port, b"EHLO c\r\n", *[b"MAIL FROM:wrong%d\r\n" % n for n in range(25)])
    wait(lambda: "mailweir_smtp_refusals_untold_total 20" in Admin(gateway).ask("GET", "/metrics").text, "20 that are only counted")
    assert len(gateway.events("refused")) == 5
    gateway.stop()


def test_the_client_behind_a_proxy_is_named(world):
    """By a PROXY header and by XCLIENT: refusals, and `mailweir clients`, speak of who sent, not of who passed it on."""
    gateway = world.mailweir(None, BY_RULE)
    listener(gateway).update(proxy_protocol=["127.0.0.1"], allow=["192.0.2.0/24"])
    gateway.configuration["listeners"].append({"name": "relayed", "address": "127.0.0.1:0", "xclient": ["127.0.0.1"], "allow": ["192.0.2.0/24"]})
    gateway.start()
    relayed = next(event["server.port"] for event in gateway.events("listening") if event["listener"] == "relayed")
    mail = (b"EHLO c\r\n", b"MAIL FROM:<a@example.com>\r\n", b"RCPT TO:<nobody@example.net>\r\n")
    through = Raw(gateway.port)
    assert through.say(b"PROXY TCP4 192.0.2.7 127.0.0.1 1234 25\r\n").startswith(b"220")
    assert [through.say(line)[:3] for line in mail] == [b"250", b"250", b"550"]
    through.close()
    assert say_all(relayed, b"EHLO p\r\n", b"XCLIENT ADDR=192.0.2.8\r\n", *mail)[-1].startswith(b"550")
    for address in ("192.0.2.7", "192.0.2.8"):
        assert one(gateway, "rejected", client__address=address)["to"] == ["nobody@example.net"]
        status, out, _ = gateway.run("clients", address)
        assert status == 0 and "no such box" in out and "127.0.0.1" not in out, out
    # A stranger behind the proxy, and a balancer that sends no header.
    through = Raw(gateway.port)
    assert through.say(b"PROXY TCP4 198.51.100.9 127.0.0.1 1234 25\r\n").startswith(b"554")
    through.close()
    assert one(gateway, "refused", reason="network")["client.address"] == "198.51.100.9"
    with socket.create_connection(("127.0.0.1", gateway.port)) as client:
        client.sendall(b"EHLO no-header\r\n")
        assert one(gateway, "refused", reason="proxy_header")["key"] == "proxy_protocol"
    gateway.stop()
