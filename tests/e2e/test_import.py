"""Messages taken in: what export wrote comes back as it was, in another gateway too; anybody's mboxes and files; nothing twice."""
import json
import mailbox

from harness import message, received_part, wait


def queue(gateway, *arguments, expect=0):
    status, out, err = gateway.run("queue", *arguments)
    assert status == expect, (arguments, status, out, err)
    return out + err


def fill(world, dovecot):
    """A gateway that delivers nothing, with three messages: quoted lines, a body in a segment of its own, one that is held."""
    gateway = world.mailweir(dovecot, name="old").start()
    queue(gateway, "pause")
    octets = [message(f"number {n}", number=n, body=body) for n, body in
              enumerate(["line\r\nFrom me\r\n>From you\r\n.", "x" * 70 + "\r\n" + ("y" * 78 + "\r\n") * 4000, "held"])]
    ids = [gateway.send(o, sender=f"app{n}@example.com") for n, o in enumerate(octets)]
    queue(gateway, "hold", ids[2])
    return gateway, octets, ids


def test_round_trip(world):
    """Exported as files and as an mbox, imported into another gateway that runs: same ids, envelopes and clients; the held one stays held; and what
    the first gateway has filed meanwhile is found and not filed again."""
    dovecot = world.dovecot()
    old, octets, ids = fill(world, dovecot)
    files, mbox = old.folder / "out", old.folder / "out.mbox"
    queue(old, "export", "--all", "--to", str(files))
    queue(old, "export", "--all", "--to", str(mbox), "--format", "mbox")
    stories = [old.run("why", name)[1] for name in ids]
    queue(old, "hold", ids[1])
    queue(old, "resume")
    wait(lambda: dovecot.count() == 1, "first message by the first gateway")
    old.stop()
    new = world.mailweir(dovecot, name="new").start()
    assert "3 imported, 0 known" in queue(new, "import", str(mbox))
    assert "0 imported, 3 known" in queue(new, "import", str(files))
    wait(lambda: len(new.events("filed")) == 2, "what is not held")
    for name, story in zip(ids, stories):
        assert story.splitlines()[:8] == new.run("why", name)[1].splitlines()[:8], "the facts did not come with the message"
    assert "1 delivery released" in queue(new, "release", "--state", "held")
    wait(lambda: dovecot.count() == 3, "the held one")
    assert sorted(received_part(m) for m in dovecot.messages()) == sorted(octets)
    assert [e["id"] for e in new.events("filed") if e.get("note", "").startswith("found")] == [ids[0]]
    assert "0 imported, 6 known" in queue(new, "import", str(files), str(mbox)), "not even when all are settled"
    assert not list((new.folder / "spool" / "import").iterdir()), "files are left behind"
    new.stop()
    assert dovecot.count() == 3


def test_by_rules(world):
    """The deliveries of the export are kept; an upstream that is not there is said; --by-rules asks the rules of today; also without a gateway."""
    dovecot = world.dovecot()
    old, _, ids = fill(world, dovecot)
    queue(old, "export", "--all", "--to", str(old.folder / "out"))
    old.stop()
    new = world.mailweir(dovecot, [{"name": "all", "if": {"header": "Subject", "matches": "^number"},
                                    "then": [{"fileinto": {"upstream": "other", "folder": "New"}}, {"stop": True}]}], name="new")
    new.configuration["upstreams"] = {"other": new.configuration["upstreams"].pop("corp")}
    new.configuration["default"]["upstream"] = "other"
    new.start()
    new.stop()
    out = queue(new, "import", str(old.folder / "out"), expect=1)
    assert out.count('upstream "corp", which is not configured') == 3 and "0 imported, 0 known already, 3 left out" in out
    assert "other:New" in queue(new, "import", str(old.folder / "out"), "--by-rules", "--dry-run")
    assert "3 imported" in queue(new, "import", str(old.folder / "out"), "--by-rules")
    assert {json.loads(line)["folder"] for line in queue(new, "list", "--json").splitlines()} == {"New"}
    assert "app1@example.com" in new.run("why", ids[1])[1]
    new.start()
    wait(lambda: dovecot.count("New") == 3, "all by the rules")
    new.stop()


def test_of_others(world):
    """An mbox and a Maildir of other programs: the envelope by header or option; equal messages stay two; the same again files nothing."""
    dovecot = world.dovecot()
    gateway = world.mailweir(dovecot, [{"name": "no", "if": {"header": "Subject", "matches": "^unwanted"},
                                        "then": [{"reject": {"code": 550, "text": "no"}}]}]).start()
    box = mailbox.mbox(gateway.folder / "others.mbox")
    twin, single, third = message("twin", body="From the start\r\nsame"), message("single"), message("from a Maildir")
    for text in (twin, single, twin, message("unwanted")):
        box.add(text)
    box.flush()
    directory = mailbox.Maildir(gateway.folder / "Maildir")
    directory.add(third)
    names = [str(gateway.folder / "others.mbox"), str(gateway.folder / "Maildir")]
    arguments = ["import", *names, "--recipients", "ops@example.net,dev@example.net", "--from", "boss@example.com"]
    out = queue(gateway, *arguments, expect=1)
    assert "4 imported, 0 known already, 1 left out" in out and "others.mbox#4 is left out: the rules refuse the message" in out, out
    wait(lambda: dovecot.count() == 4, "four messages")
    assert "0 imported, 4 known already, 1 left out" in queue(gateway, *arguments, expect=1)
    subjects = sorted(line for m in dovecot.messages() for line in m.decode().splitlines() if line.startswith("Subject: "))
    assert subjects == ["Subject: from a Maildir", "Subject: single", "Subject: twin", "Subject: twin"], subjects
    assert sorted(received_part(m) for m in dovecot.messages()) == sorted([twin, single, twin, third])
    listed = [json.loads(line) for line in queue(gateway, "list", "--json", "--state", "filed").splitlines()]
    assert {line["from"] for line in listed} == {"boss@example.com"}, listed
    story = gateway.run("why", listed[0]["message"])[1]
    assert "ops@example.net, dev@example.net" in story and "by local" in story, story
    queue(gateway, "import", expect=64)
    queue(gateway, "import", str(gateway.folder / "nothing there"), expect=66)
    gateway.stop()
    assert dovecot.count() == 4
