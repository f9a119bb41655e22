"""The spool looks at what it keeps while it runs: bodies and the index, damaged on purpose, are found, told and, where that can be, mended."""
import contextlib
import pathlib
import sqlite3
import struct

from admin_client import Admin
from harness import message, wait


def damaged(world, dovecot=None):
    """A gateway whose spool holds five messages that wait; it is stopped."""
    gateway = world.mailweir(dovecot)
    gateway.configuration["spool"]["check_every"] = "1s"
    gateway.start()
    gateway.run("queue", "pause", "corp")
    ids = [gateway.send(message(f"number {i}", body="a body " * 20)) for i in range(5)]
    gateway.stop()
    return gateway, ids, pathlib.Path(gateway.configuration["spool"]["path"])


def empty_page(spool, name):
    """The one page of this index, or table, becomes one without entries: SQLite finds nothing wrong with that."""
    with contextlib.closing(sqlite3.connect(spool / "index.sqlite")) as database:
        root, = database.execute("SELECT rootpage FROM sqlite_schema WHERE name = ?", (name,)).fetchone()
        size, = database.execute("PRAGMA page_size").fetchone()
    with open(spool / "index.sqlite", "r+b") as file:
        file.seek((root - 1) * size)
        kind = file.read(1)[0]
        assert kind in (10, 13), f"the root of {name} is no leaf"
        file.seek((root - 1) * size)
        file.write(struct.pack(">BHHHB", kind, 0, 0, size, 0))


def test_damaged_body(world):
    """One octet of a body flips while it waits: log, status, metric and readiness say so, and the others are delivered."""
    gateway, ids, spool = damaged(world)
    segment, = (spool / "segments").glob("*.seg")
    octets = bytearray(segment.read_bytes())
    at = octets.index(b"number 3")
    octets[at] ^= 1
    segment.write_bytes(octets)
    gateway.start()
    wait(lambda: gateway.events("spool_damaged"), "the damaged body")
    told, = {(event["id"], event["what"]) for event in gateway.events("spool_damaged")}
    assert told == (ids[3], "body"), told
    admin = Admin(gateway)
    ready = admin.get("/readyz")
    assert ready.status == 200 and "1 messages that are kept are damaged" in ready.json["checks"]["spool"]["reason"], ready.text
    assert "mailweir_spool_damaged_messages 1" in admin.get("/metrics").text
    attention = [one for one in admin.get("/api/v1/status").json["attention"] if one["about"] == "spool damaged"]
    assert attention and ids[3] in attention[0]["text"] and attention[0]["command"] == "mailweir spool check", attention
    gateway.run("queue", "drop", ids[3])
    wait(lambda: "mailweir_spool_damaged_messages 0" in admin.get("/metrics").text, "the end of it")
    gateway.stop()


def test_damaged_body_goes_nowhere(world):
    """What has changed on the disk is not sent: a dead letter in log, counts and queue alike, told by a report; the others are filed."""
    dovecot = world.dovecot()
    gateway, ids, spool = damaged(world, dovecot)
    gateway.configuration["dead_letters"] = {"upstream": "corp", "folder": "Dead letters"}
    segment, = (spool / "segments").glob("*.seg")
    octets = bytearray(segment.read_bytes())
    octets[octets.index(b"number 3")] ^= 1
    segment.write_bytes(octets)
    gateway.start()
    gateway.run("queue", "resume", "corp")
    wait(lambda: dovecot.count("Dead letters") == 1 and dovecot.count() == 4, "four messages and a report", 60)
    dead, = wait(lambda: gateway.events("dead_letter"), "the dead letter")
    assert dead["id"] == ids[3] and dead["error.code"] == "damaged", dead
    assert "look at the disk" in dead["note"] and "queue drop" in dead["note"], dead
    for beside in gateway.events("deferred"):
        assert beside["id"] != ids[3] and beside["error.code"] == "beside-unread", beside
    text = Admin(gateway).get("/metrics").text
    assert 'mailweir_queue_deliveries{state="dead"} 1' in text, text
    gateway.stop()
    assert dovecot.count() == 4 and dovecot.count("Dead letters") == 1


def test_emptied_page_of_the_index(world):
    """The page by which what is due is found loses its entries: the mail that waits is filed all the same."""
    dovecot = world.dovecot()
    gateway, _, spool = damaged(world, dovecot)
    empty_page(spool, "delivery_due")
    gateway.start()
    assert gateway.events("spool_mended") and gateway.events("ready")[0]["waiting"] == 5
    gateway.run("queue", "resume", "corp")
    wait(lambda: dovecot.count() == 5, "the mail that waited")
    gateway.stop()


def test_emptied_page_of_the_table(world):
    """The table of what waits loses its entries: nothing can mend that beside a running gateway, which is not ready; a rebuild does."""
    gateway, _, spool = damaged(world)
    empty_page(spool, "delivery")
    gateway.start()
    admin = Admin(gateway)
    wait(lambda: admin.get("/readyz").status == 503, "the torn index")
    assert "mailweir spool rebuild" in admin.get("/readyz").json["checks"]["spool"]["reason"]
    assert "mailweir_spool_index_damaged 1" in admin.get("/metrics").text
    gateway.stop()
    status, _, err = gateway.run("spool", "rebuild")
    assert status == 0, err
    gateway.start()
    assert gateway.events("ready")[0]["waiting"] == 5
    gateway.stop()
