"""One search for every message; forgetting a person; the newest first in the queue."""
import contextlib
import json
import urllib.parse
import sqlite3

from admin_client import Admin
from harness import message, wait

RULES = [
    {"name": "no-offers", "if": {"header": "Subject", "contains": "offer"}, "then": [{"reject": "No offers here"}]},
    {"name": "quarantine", "if": {"header": "Subject", "contains": "strange"}, "then": [{"hold": True}, {"stop": True}]},
    {"name": "invoices", "if": {"header": "Subject", "contains": "invoice"}, "then": [{"fileinto": {"upstream": "corp", "folder": "Invoices"}}, {"stop": True}]},
]


def from_(name, subject, **more):
    text = message(subject, **more)
    return text.replace(b"From: App <app@example.com>", f"From: {name}".encode())


def refused(gateway, octets, sender, to):
    with gateway.smtp() as client:
        client.ehlo()
        client.mail(sender)
        client.rcpt(to)
        code, _ = client.data(octets)
        assert code == 550, code


def found(gateway, *words):
    """The hits of the command line, and that the API says the same."""
    status, out, err = gateway.run("find", "--json", *words)
    assert status == 0, (words, err)
    return [json.loads(line) for line in out.splitlines()]


def states(hits):
    return [[one["state"] for one in hit["deliveries"]] or ["refused" if "refusal" in hit else "discarded"] for hit in hits]


def test_find_everything(world):
    """Filed, held, waiting, refused: by subject, people, state, time; newest first, in pages; over a restart."""
    dovecot = world.dovecot()
    gateway = world.mailweir(dovecot, RULES)
    gateway.configuration["upstreams"]["away"] = {**gateway.upstream, "address": "127.0.0.1:1"}
    gateway.rules = [*RULES, {"name": "away", "if": {"field": "to", "is": "away@example.net"},
                              "then": [{"fileinto": {"upstream": "away", "folder": "INBOX"}}, {"stop": True}]}]
    gateway.start()
    filed = gateway.send(from_("=?utf-8?Q?M=C3=BCller?= <billing@vendor.example>", "Your invoice 4711"), "bounce@vendor.example")
    held = gateway.send(from_("spy@other.example", "something strange"), "spy@other.example")
    waiting = gateway.send(from_("Anna <anna@example.com>", "for the absent"), "anna@example.com", ("away@example.net",))
    refused(gateway, from_("shop@vendor.example", "An offer about an invoice"), "shop@vendor.example", "ops@example.net")
    wait(lambda: [e for e in gateway.events("filed") if e["id"].startswith(filed)], "the invoice in its folder")

    hits = found(gateway)
    assert [hit["id"] for hit in hits[1:]] == [waiting, held, filed] and states(hits) == [["refused"], ["waiting"], ["held"], ["filed"]], hits
    assert hits[0]["refusal"]["rule"] == "no-offers" and hits[0]["subject"] == "An offer about an invoice"
    assert hits[3]["header_from"] == ["Müller <billing@vendor.example>"] and hits[3]["deliveries"][0]["folder"] == "Invoices"
    for words, wanted in ((["subject:invoice"], [["refused"], ["filed"]]), (["invoice", "state:filed"], [["filed"]]),
                          (["subject:invoice", "from:@vendor.example", "to:ops", "since:2h", "state:refused"], [["refused"]]),
                          (["muller"], [["filed"]]), (["from:billing@vendor.example"], [["filed"]]), (["to:away"], [["waiting"]]),
                          (["state:held,waiting"], [["waiting"], ["held"]]), (["upstream:away"], [["waiting"]]),
                          (["subject:your invoice"], [["filed"]]), (["subject:inv*", "-state:refused"], [["filed"]]),
                          (["until:2h"], []), (["nowhere"], []), ([held], [["held"]]), (["rule:no-offers"], [["refused"]])):
        assert states(found(gateway, *words)) == wanted, words
    text = gateway.run("find", "invoice")[1]
    assert "Your invoice 4711" in text and "corp:Invoices" in text and "550 No offers here" in text and "\x1b" not in text, text
    status, _, err = gateway.run("find", "colour:red")
    assert status == 64 and "no search field" in err, err

    pages, after = [], []
    for _ in range(4):
        status, out, err = gateway.run("find", "--limit", "1", "--json", *after)
        pages += [json.loads(line)["id"] for line in out.splitlines()]
        after = ["--after", err.split("--after ")[1].split()[0]] if "--after" in err else None
    assert pages == [hit["id"] for hit in hits] and after is None, (pages, err)
    assert [e.get("query") for e in gateway.events("searched")][1] == "subject:invoice" and gateway.events("searched")[0]["by"]
    gateway.stop()

    # Also when no gateway runs; and refusals are known again after a restart.
    assert states(found(gateway, "subject:invoice")) == [["filed"]]
    gateway.start()
    assert states(found(gateway, "subject:invoice")) == [["refused"], ["filed"]]
    gateway.stop()


def test_pages_of_what_was_refused_at_once(world):
    """What clients hear within one millisecond is in one page or in the next, never in none."""
    gateway = world.mailweir(None, [{"name": "nobody", "if": {"field": "to", "contains": "nobody"}, "then": [{"reject": "No"}]}]).start()
    admin = Admin(gateway)

    def pages(limit):
        seen, after = [], ""
        while after is not None:
            page = admin.get(f"/api/v1/find?q=state:refused&limit={limit}&after={after}").json
            seen, after = seen + page["messages"], page["next"]
        return seen

    def share_a_millisecond():
        with gateway.smtp() as client:
            client.ehlo()
            client.mail("app@example.com")
            client.send("".join(f"RCPT TO:<nobody{number}@example.net>\r\n" for number in range(10)))
            assert [client.getreply()[0] for _ in range(10)] == [550] * 10
        times = [one["received_ms"] for one in pages(100)]
        return len(set(times)) < len(times)

    wait(share_a_millisecond, "two that are refused within one millisecond")
    for limit in (1, 2, 3):
        assert pages(limit) == pages(100), (limit, pages(limit))
    gateway.stop()


def test_forget(world):
    """A person is gone from the history, the search, refusals (also in their file) and recent ones; what is left is named."""
    dovecot = world.dovecot()
    gateway = world.mailweir(dovecot, RULES).start()
    for number in range(3):
        gateway.send(from_("Anna <anna@example.com>", f"invoice {number}", number=number), "anna@example.com")
    gateway.send(from_("joanna@example.com", "invoice of another", number=4), "joanna@example.com")
    gateway.send(from_("anna@example.com", "something strange", number=5), "anna@example.com")
    refused(gateway, from_("anna@example.com", "an offer"), "anna@example.com", "ops@example.net")
    wait(lambda: len(gateway.events("filed")) == 4, "four filed")
    refusals = gateway.folder / "spool/refusals.jsonl"
    wait(lambda: refusals.exists() and "anna@example.com" in refusals.read_text(), "the refusal in its file")

    status, out, err = gateway.run("forget", "--json", "ANNA@example.com")
    answer = json.loads(out)
    assert (status, answer["messages"], answer["refusals"], answer["open"]) == (0, 3, 1, 1) and answer["recent"] == 5, (out, err)
    assert "1 messages that name the address" in answer["not_reached"][0] and "backups" in answer["not_reached"][-1]
    assert states(found(gateway)) == [["held"], ["filed"]]
    assert states(found(gateway, "from:anna@example.com")) == [["held"]]
    wait(lambda: "<anna@" not in (gateway.folder / "spool/refusals.jsonl").read_text(), "the file without her")
    event = gateway.events("forgot")[0]
    assert event["messages"] == 3 and "anna" not in json.dumps(event)
    assert gateway.run("forget", "not an address")[0] != 0
    # What was held is dropped; asked again, nothing is left.
    assert gateway.run("queue", "drop", "--all")[0] == 0
    assert "forgotten: messages of the history: 1," in gateway.run("forget", "anna@example.com")[1]
    assert found(gateway, "anna@example.com") == []
    gateway.stop()


def test_what_is_kept(world):
    """Without a subject, or without all of it, nothing of it lies on the disk."""
    gateway = world.mailweir(None)
    for history, kept in (({"subject": False}, True), ({"search": 0}, False)):
        gateway.configuration["history"] = history
        gateway.start()
        gateway.send(from_("Anna <anna@example.com>", "secretword"), "bounce@example.com")
        hit = found(gateway, "from:bounce@example.com")[0]
        assert "subject" not in hit and ("header_from" in hit) == kept, hit
        assert found(gateway, "secretword") == [] and len(found(gateway, "from:anna")) == 1
        gateway.stop()
        index = b"".join(path.read_bytes() for path in (gateway.folder / "spool").glob("index*"))
        assert b"secretword" not in index
        gateway.configuration["history"] = {}


def test_queue_list_newest_first(world):
    gateway = world.mailweir(None).start()
    ids = [gateway.send(message(f"mail {number}", number=number), to=(f"user{number}@example.net",)) for number in range(3)]
    admin = Admin(gateway)

    def listed(*arguments):
        status, out, err = gateway.run("queue", "list", "--json", *arguments)
        assert status == 0, err
        return [json.loads(line)["message"] for line in out.splitlines()]

    assert listed() == ids[::-1]
    assert listed("--limit", "2") == ids[:0:-1]
    assert listed("--to", "USER1@") == [ids[1]] and listed("--subject", "mail 2") == [ids[2]]
    assert listed("--since", "1h") == ids[::-1] and listed("--since", "0") == []
    page = admin.get("/api/v1/queue?order=newest&limit=1").json
    assert [one["message"] for one in page["deliveries"]] == [ids[2]]
    page = admin.get(f"/api/v1/queue?order=newest&limit=1&after={page['next']}").json
    assert [one["message"] for one in page["deliveries"]] == [ids[1]]
    wait(lambda: gateway.run("queue", "drop", "--to", "user0@")[1].startswith("1 "), "a drop between two attempts")
    assert listed() == ids[:0:-1], listed()
    gateway.stop()


def rebuilt(gateway):
    gateway.stop()
    for path in (gateway.folder / "spool").glob("index.sqlite*"):
        path.unlink()
    status, out, err = gateway.run("spool", "rebuild")
    assert status == 0, (out, err)
    gateway.start()


def test_who_is_forgotten_over_a_rebuild(world):
    """What an index that is made anew from the segments finds again is what forget said that it cannot reach; it is filed no second time, and can be forgotten."""
    dovecot = world.dovecot()
    gateway = world.mailweir(dovecot, RULES).start()
    for number in range(3):
        gateway.send(from_("Anna <anna@example.com>", f"invoice {number}", number=number), "anna@example.com")
    gateway.send(from_("Bert <bert@example.com>", "something strange", number=5), "bert@example.com")
    wait(lambda: len(gateway.events("filed")) == 3, "three filed")
    status, out, err = gateway.run("forget", "anna@example.com")
    assert status == 0 and "spool rebuild" in out and found(gateway, "anna") == [], out
    rebuilt(gateway)
    wait(lambda: states(found(gateway, "from:anna@example.com")) == [["filed"]] * 3, "hers, found at the server")
    assert dovecot.count("Invoices") == 3
    assert "forgotten: messages of the history: 3," in gateway.run("forget", "anna@example.com")[1]
    assert found(gateway, "from:anna@example.com") == [] and states(found(gateway)) == [["held"]]
    gateway.stop()


def test_words_that_are_damaged_hurt_nothing_but_the_search(world):
    """Overwritten pages of the full-text table: mail comes in and goes out, the check says so, a rebuild mends it."""
    dovecot = world.dovecot()
    gateway = world.mailweir(dovecot, RULES).start()
    for number in range(5):
        gateway.send(from_("Anna <anna@example.com>", f"invoice {number}", number=number), "anna@example.com")
    wait(lambda: len(gateway.events("filed")) == 5, "five filed")
    assert len(found(gateway, "subject:invoice")) == 5
    gateway.stop()
    with contextlib.closing(sqlite3.connect(gateway.folder / "spool/index.sqlite")) as index:
        index.execute("PRAGMA writable_schema = ON")
        index.execute("UPDATE words_data SET block = x'00ff00ff00ff00ff'")
        index.commit()
    gateway.start()
    gateway.send(from_("Bert <bert@example.com>", "invoice 9", number=9), "bert@example.com")
    wait(lambda: len(gateway.events("filed")) == 1, "mail that goes through all the same")
    status, out, err = gateway.run("find", "subject:invoice")
    assert "Traceback" not in err and (status != 0 or out), (status, out, err)  # it says so, or it finds what it can
    assert gateway.run("find", "upstream:corp")[0] == 0
    gateway.stop()
    assert not [event for event in gateway.events() if event["log.level"] == "error" and "spool_failed" in event["event.action"]]
    status, out, err = gateway.run("spool", "rebuild")
    assert status == 0, (out, err)
    gateway.start()
    assert gateway.run("find", "subject:invoice")[0] == 0
    gateway.stop()


def test_an_id_that_nobody_knows(world):
    """Every command and every path of the API that takes one says so, and changes nothing."""
    gateway = world.mailweir(None).start()
    admin = Admin(gateway)
    nobody = "01AAAAAAAAAAAAAAAAAAAAAAAA"
    for ident in (nobody, f"{nobody}.1", "<nobody@example.com>", "' OR 1=1 --", "../../etc/passwd"):
        for command in (["why", ident], ["queue", "show", ident], ["queue", "cat", ident], ["queue", "retry", ident], ["queue", "hold", ident],
                        ["queue", "release", ident], ["queue", "drop", ident], ["queue", "reroute", ident],
                        ["queue", "export", ident, "--to", str(gateway.folder / "out")]):
            status, out, err = gateway.run(*command)
            assert status != 0 and ident in err and len(err.splitlines()) <= 2, (command, status, out, err)
    quoted = urllib.parse.quote(nobody, safe="")
    for path in (f"/api/v1/messages/{quoted}", f"/api/v1/messages/{quoted}/facts"):
        assert admin.get(path).status == 404, path
    assert admin.post("/api/v1/explain", {"id": nobody}).status == 404
    for verb in ("retry", "hold", "release", "drop", "reroute"):
        answer = admin.post("/api/v1/queue", {"verb": verb, "select": {"id": f"{nobody}.1"}})
        assert answer.status in (200, 404) and (answer.json.get("changed") or answer.json.get("moved") or 0) == 0, (verb, answer.text)
    assert admin.get("/api/v1/why?id=" + quoted).json["messages"] == []
    assert gateway.run("queue", "pause", "nobody")[0] != 0 and admin.post("/api/v1/upstreams/nobody/pause").status in (404, 409)
    gateway.stop()
