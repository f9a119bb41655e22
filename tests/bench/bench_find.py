#!/usr/bin/python3
"""bench_find - how long the first page of a search takes over a long history, and what it costs to learn a message's words.

The history is written into the index beside the gateway, as it would stand there after MESSAGES settled messages; the gateway learns it by itself. A word that
each hundredth, one that each, and one that three messages have; heads of words that many words have; people; states; folders and rules that few messages have; old
times; and what no message has. Times are of the API, median of 20; processor time of the gateway beside them, because other work does not change it. A page that is
not full and says where the search goes on is one that looked at as many messages as one request may.
usage: tests/bench/bench_find.py [MESSAGES]      figures are printed, nothing is asserted; the aim for the first page is 50 ms
"""
import json
import os
import pathlib
import sqlite3
import statistics
import sys
import tempfile
import time
import urllib.parse

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))
import harness  # noqa: E402
from admin_client import Admin  # noqa: E402

MESSAGES = int(sys.argv[1]) if len(sys.argv) > 1 else 1000000
ROUNDS = 20
SEARCHES = ["", "subject:invoice", "subject:report", "subject:inv*", "subject:needle", "from:@vendor7.example", "to:ops from:user77 subject:report",
            "subject:report since:2h", "state:held", "folder:F3", "folder:F3 subject:report", "nothing-has-this",
            "subject:re*", "from:us*", "subject:1*", "-subject:report", "subject:report -from:@vendor7.example", "subject:needle -state:held", "folder:Rare", "rule:rare",
            "folder:Rare subject:report", "client:192.0.2.7", "state:dead", "state:waiting", "state:filed subject:needle", "until:6d", "subject:report until:6d",
            "since:30d subject:needle", "from:user77 from:vendor8"]


def rows(now_ms):
    """Messages and deliveries as the index keeps them."""
    for seq in range(1, MESSAGES + 1):
        received = now_ms - (MESSAGES - seq) * 600
        subject = f"Report {seq} of the day" + (" invoice" if seq % 100 == 0 else "") + (" needle" if seq % (MESSAGES // 3) == 1 else "")
        sender, identity = f"user{seq % 5000}@vendor{seq % 50}.example", f"01B{seq:023d}"
        envelope = {"id": identity, "received_ms": received, "hostname": "gw.example.net", "client": {"listener": "apps", "address": "127.0.0.1"}, "from": sender,
                    "to": [{"address": "ops@example.net"}], "body": 0, "message_id": f"<{seq}@x>", "subject": subject,
                    "header_from": [f"User {seq % 5000} <{sender}>"], "header_to": ["Ops <ops@example.net>"], "rules": [f"r{seq % 20}"]}
        yield seq, identity, received, json.dumps(envelope, separators=(",", ":")), sender


def way_of(seq):
    """Its folder and rule: seldom one that hardly any message has."""
    return ("Rare", "rare") if seq % (MESSAGES // 3) == 2 else (f"F{seq % 50}", f"r{seq % 20}")


def fill(index):
    now_ms = int(time.time() * 1000)
    with sqlite3.connect(index) as db:
        db.execute("PRAGMA synchronous = OFF")
        db.executemany("INSERT INTO message (seq, id, received_ms, segment, start, body_len, body_sum, record_len, open, settled_ms, envelope, sender)"
                       " VALUES (?1, ?2, ?3, 0, 0, 4096, 1, 4200, 0, ?3 + 500, ?4, ?5)", rows(now_ms))
        db.executemany("INSERT INTO delivery (message, number, state, upstream, due_ms, attempts, handed, changed_ms, detail, folder, rule, turn)"
                       " VALUES (?1, 1, 3, 'corp', 0, 1, 0, ?2, '{}', ?3, ?4, 0)",
                       ((seq, now_ms, *way_of(seq)) for seq in range(1, MESSAGES + 1)))
    db.close()


def learnt(index):
    with sqlite3.connect(f"file:{index}?mode=ro", uri=True) as db:
        return db.execute("SELECT value FROM spool WHERE name = 'learnt'").fetchone()[0]


def cpu_seconds(gateway):
    fields = pathlib.Path(f"/proc/{gateway.process.popen.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure(gateway, words):
    """(median and most of wall time, processor time of one; all in ms), messages on the page, whether there is more to be looked at"""
    admin, times, cpu = Admin(gateway), [], cpu_seconds(gateway)
    for _ in range(ROUNDS):
        started = time.monotonic()
        answer = admin.get("/api/v1/find?limit=50&q=" + urllib.parse.quote(words)).json
        times.append(time.monotonic() - started)
    cpu = (cpu_seconds(gateway) - cpu) / ROUNDS
    return (statistics.median(times) * 1000, max(times) * 1000, cpu * 1000), len(answer["messages"]), answer["next"] is not None


def main():
    with tempfile.TemporaryDirectory(prefix="mailweir-bench-") as folder:
        world = harness.World(pathlib.Path(folder))
        try:
            gateway = world.mailweir(None)
            gateway.configuration["spool"]["history_messages"] = 100 * MESSAGES
            gateway.start().stop()
            index = str(next(pathlib.Path(gateway.configuration["spool"]["path"]).glob("index*")))
            fill(index)
            gateway.start()
            before, cpu, held = time.monotonic(), cpu_seconds(gateway), 3
            gateway.send(harness.message("the one that wakes it"))
            harness.wait(lambda: learnt(index) >= MESSAGES, "learning", 600)
            print(f"learning {MESSAGES} messages: {time.monotonic() - before:.1f} s beside reception, "
                  f"{(cpu_seconds(gateway) - cpu) / MESSAGES * 1e6:.1f} us of processor a message")
            for number in range(held):
                gateway.send(harness.message(f"held {number}"))
            gateway.run("queue", "hold", "--all")
            for words in SEARCHES:
                (median, most, cpu), count, more = measure(gateway, words)
                print(f"{words or '(all)':40} {count:3} on the first page{'+' if more else ' '}  {median:8.1f} ms median   {most:8.1f} ms at most   {cpu:6.1f} ms of processor")
            size = sum(path.stat().st_size for path in pathlib.Path(gateway.configuration["spool"]["path"]).glob("index*"))
            print(f"index: {size / MESSAGES:.0f} octets a message")
        finally:
            world.end()


main()
