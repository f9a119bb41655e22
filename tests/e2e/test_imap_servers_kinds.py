"""Trouble that users report, as real servers show it: names that mail brings, folders above that are missing, keywords, logins, servers that go."""
import json

from harness import message, wait
from test_imap_servers import Server

RULES = [{"name": "by-subject", "if": {"header": "Subject", "matches": "^into (?<name>.*)$"},
          "then": [{"fileinto": {"upstream": "corp", "folder": "Mail/${name | default('none')}"}}, {"stop": True}]},
         {"name": "deep", "if": {"header": "Subject", "is": "deep"}, "then": [{"fileinto": {"upstream": "corp", "folder": "Deep/er/Still"}}, {"stop": True}]},
         {"name": "case", "if": {"header": "Subject", "is": "case"}, "then": [{"fileinto": {"upstream": "corp", "folder": "inbox/Case"}}, {"stop": True}]},
         {"name": "flags", "if": {"header": "Subject", "is": "flags"},
          "then": [{"fileinto": {"upstream": "corp", "folder": "Flags", "flags": ["\\Flagged", "ticket-1"]}}, {"stop": True}]}]
ODD = ["a.b", "~root", "#shared", "..", "x/y", "two  blanks ", "*", "\u00fc.\u00e4", "q\"q", "back\\slash", "&-", "x" * 200]


def gateway_for(world, server, kind, name="mailweir", **auth):
    gateway = world.mailweir(None, RULES, name=name)
    gateway.upstream.update({"address": f"localhost:{server.tls_port}", "profile": kind, "tls": {"mode": "implicit", "ca_file": str(server.certificate())},
                             "retry": {"initial": "100ms", "maximum": "1s", "settle": "1s"}})
    gateway.upstream["auth"].update(auth)
    return gateway


def folders(server):
    connection = server.imap()
    _, lines = connection.list()
    connection.logout()
    return [line.decode(errors="replace") if isinstance(line, bytes) else repr(line) for line in lines]


def check_kind(world, kind, delimiter, prefix):
    server = Server(world, kind)
    gateway = gateway_for(world, server, kind).start()
    for name in ODD:
        gateway.send(message(f"into {name}"))
    for subject in ("deep", "case", "flags"):
        gateway.send(message(subject))
    wait(lambda: len(gateway.events("filed")) == len(ODD) + 3, f"all filed; log: {gateway.log}", 90)
    assert not gateway.events("dead_letter"), gateway.events("dead_letter")
    found = "\n".join(folders(server))
    assert f"{prefix}Deep{delimiter}er{delimiter}Still" in found and f"INBOX{delimiter}Case" in found and f"inbox{delimiter}Case" not in found, found
    (_, flags), = server.fetch(f"{prefix}Flags")
    assert "\\Flagged" in flags and ("ticket-1" in flags or any("ticket-1" in event["flags"] for event in gateway.events("flags_left_out"))), flags
    # One message that is put in and taken back, with its verdict.
    status, out, err = gateway.run("upstreams", "--probe", "Probe/New", "--json")
    (tried,) = json.loads(out)
    assert tried["probe"]["filed"] and tried["probe"]["found"], (status, out, err)
    # The server goes, and mail waits; it is back, and the mail is there once.
    server.process.stop()
    gateway.send(message("into later"))
    failed = wait(lambda: [event for event in gateway.events("upstream_failed") if event["cause"] in ("unreached", "sessions")], "failed line", 60)
    assert failed[0]["error.message"], failed
    assert not gateway.events("dead_letter")
    gateway.stop()
    assert gateway.run("queue", "list", "--json")[1].strip(), "it waits"


def test_cyrus(world):
    check_kind(world, "cyrus", "/", "")


def test_courier(world):
    check_kind(world, "courier", ".", "INBOX.")


def test_refused_logins(world):
    """A wrong password is told in the server's words, with a pause of about a minute, on both."""
    for kind in ("cyrus", "courier"):
        server = Server(world, kind)
        gateway = gateway_for(world, server, kind, name=f"wrong-{kind}", password="wrong").start()
        gateway.send(message("waits"))
        failed = wait(lambda: gateway.events("upstream_failed"), "failed line", 60)[0]
        assert failed["cause"] == "login" and "refused" in failed["error.message"] and 20000 <= failed["retry_after_ms"] <= 61000, failed
        assert failed["error.message"] in gateway.run("queue", "list")[1] or "refused" in gateway.run("status")[1]
        gateway.stop()
