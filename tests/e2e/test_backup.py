"""`mailweir spool backup` while the gateway runs, and `restore`: a copy of one moment, each body read back; whoever runs it looks for everything first."""
import json
import os
import shutil
import subprocess

from harness import MAILWEIR, message, wait
from test_crash import Ledger


def told(gateway, *words):
    status, out, err = gateway.run("spool", *words, "--json")
    assert status == 0, (words, out, err)
    return json.loads(out)


def beside(world, gateway, dovecot, name="restored"):
    """Another gateway, for the same mailbox, with a spool of its own."""
    other = world.mailweir(dovecot, name=name)
    other.configuration["upstreams"] = gateway.configuration["upstreams"]
    other.write()
    return other


def listed(gateway):
    return [json.loads(line) for line in gateway.run("queue", "list", "--json", "--limit", "0")[1].splitlines()]


def test_what_the_original_has_filed_is_found(world):
    """The copy is made, then the original files all of it; where the copy is restored, nothing is filed twice and nothing is sent unlooked."""
    dovecot = world.dovecot()
    gateway = world.mailweir(dovecot).start()
    assert gateway.run("queue", "pause")[0] == 0
    ids = [gateway.send(message(f"number {n}", number=n, body="x" * (400000 if n == 3 else 20))) for n in range(5)]
    assert gateway.run("queue", "hold", ids[4])[0] == 0
    backup = gateway.folder / "backup"
    made = told(gateway, "backup", str(backup))
    assert (made["messages"], made["deliveries"], made["damaged"]) == (5, 5, 0) and made["octets"] > 400000, made
    assert gateway.run("queue", "resume")[0] == 0
    wait(lambda: dovecot.count() == 4, "what was not held")
    gateway.stop()
    other = beside(world, gateway, dovecot)
    restored = told(other, "restore", str(backup))
    assert (restored["messages"], restored["deliveries"], restored["damaged"]) == (5, 5, 0), restored
    assert "may have been filed already" in other.run("why", ids[4])[1], "what is held is in doubt, too"
    other.start()
    assert other.run("queue", "resume")[0] == 0
    wait(lambda: len(other.events("filed")) == 4, "four settled")
    assert all(event["note"].startswith("found") for event in other.events("filed")), other.events("filed")
    assert other.run("queue", "release", ids[4])[0] == 0
    wait(lambda: dovecot.count() == 5, "the fifth, which nobody had filed")
    other.stop()
    assert dovecot.count() == 5 and len({event["id"] for event in other.events("filed")}) == 5


def test_while_mail_flows(world):
    """Segments come and go meanwhile. Each copy is whole: what waits in it is readable, and none of it is damaged."""
    dovecot, ledger = world.dovecot(), Ledger()
    gateway = world.mailweir(dovecot).start()
    ledger.start(gateway, size=400000)
    try:
        for number in range(4):
            before = ledger.count()
            wait(lambda: ledger.count() >= before + 20, "acknowledged messages", 60)
            made = told(gateway, "backup", "--to", str(gateway.folder / f"backup{number}"))
            assert made["damaged"] == 0, made
    finally:
        ledger.join()
    wait(lambda: ledger.count() <= dovecot.count(), "all filed", 120)
    gateway.stop()
    # The last of them in the place of the original, by hand: as a copy of files.
    shutil.rmtree(gateway.folder / "spool")
    shutil.copytree(gateway.folder / "backup3", gateway.folder / "spool")
    gateway.start()
    wait(lambda: not listed(gateway), "an empty queue", 60)
    gateway.stop()
    assert not [event for event in gateway.events("filed") if not event["note"].startswith("found")]
    assert dovecot.count() == ledger.count(), "nothing is filed twice"
    assert not gateway.events("spool_set_aside"), gateway.events("spool_set_aside")


def test_what_is_damaged_is_told(world):
    gateway = world.mailweir(None).start()
    identity = gateway.send(message("number 1", body="this is the body" * 50))
    gateway.stop()
    segment, = (gateway.folder / "spool/segments").iterdir()
    segment.write_bytes(segment.read_bytes().replace(b"this is the body", b"this is the BODY", 1))
    status, out, err = gateway.run("spool", "backup", str(gateway.folder / "backup"))
    assert status == 1 and identity in err and "1 damaged" in out, (status, out, err)
    assert (gateway.folder / "backup/index.sqlite").exists(), "the rest is worth having"


def test_what_cannot_be(world):
    gateway = world.mailweir(None).start()
    gateway.send(message("waits"))
    full = gateway.folder / "full"
    full.mkdir()
    (full / "mine").write_text("mine")
    status, _, err = gateway.run("spool", "backup", str(full))
    assert status == 73 and "not empty" in err and (full / "mine").read_text() == "mine", (status, err)
    status, _, err = gateway.run("spool", "restore", str(gateway.folder / "nothing"))
    assert status == 73 and "not empty" in err, "the spool of a gateway that runs is none to restore into"
    for words in (("backup",), ("restore",), ("check", "x"), ("check", "--to", "x"), ("copy", "x")):
        assert gateway.run("spool", *words)[0] == 64, words
    gateway.stop()
    # Nothing to copy from.
    done = subprocess.run([MAILWEIR, "spool", "backup", str(gateway.folder / "b"), "--spool", str(gateway.folder / "none")], capture_output=True, text=True)
    assert done.returncode == 69 and not (gateway.folder / "b/index.sqlite").exists(), done
    # Readable by its owner alone, as the spool is.
    assert told(gateway, "backup", str(gateway.folder / "c"))["messages"] == 1
    assert all(os.stat(path).st_mode & 0o077 == 0 for path in [gateway.folder / "c", *(gateway.folder / "c").rglob("*")])
