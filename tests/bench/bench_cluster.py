#!/usr/bin/python3
"""bench_cluster - a queue in PostgreSQL beside the local one: what accepting and delivering cost, as ratios within one run.

accept     the same rows written by a bare pipeline of libpq (pgbench, twenty messages a transaction), by a gateway, and Postfix's queue
quorum     a gateway whose database waits for a standby on the same machine, beside one that does not
deliver    from the client into Dovecot: the local queue, one node, two nodes that share the clients
backlog    so many messages (a number among the words, else 1,000 or 100,000) that wait, filed by the local queue, by one node, by two
reader     accepting and filing for ten minutes (small: ten seconds) while somebody else's transaction holds a snapshot, beside a gateway where nobody does, by turns
kill       one of two nodes is killed under load: how long what it had taken waits until it is filed, and what the other one takes meanwhile
promotion  the primary is killed under load, a standby is promoted: how long until mail is taken again

PostgreSQL syncs (safe=True), on the disk of /tmp, as the local queue and Postfix do. usage: bench_cluster.py [small | large] [PART...] [MESSAGES of the backlog]
"""
import concurrent.futures
import json
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(ROOT / "tests/e2e"), str(ROOT / "tests/bench"), str(ROOT / "tests")]
import postgresql  # noqa: E402
from bench_end_to_end import CONNECTIONS, filed  # noqa: E402
from bench_queue import Postfix, shoot  # noqa: E402
from cluster import Ledger, balance, cluster, slow  # noqa: E402
from fake_imap import FakeImap  # noqa: E402
from harness import Dovecot, World, listens, wait  # noqa: E402
from test_failover import promote_under_load  # noqa: E402

OCTETS, SESSIONS, GROUP = 4096, 50, 20
ONE = """INSERT INTO mailweir.message (seq, id, sender, received_ms, settled_ms, unheard_ms, body, body_len, body_sum, open, envelope)
  VALUES (nextval('mailweir.message_seq'), gen_random_uuid()::text, 'app@example.com', 0, 0, 0, currval('mailweir.message_seq'), {octets}, 1, 1, repeat('e', 200));
INSERT INTO mailweir.delivery (message, number, state, upstream, folder, rule, fallback, turn, due_ms, changed_ms, detail)
  VALUES (currval('mailweir.message_seq'), 1, 0, 'corp', 'INBOX', 'default', '', 1, 0, 0, repeat('d', 80));
INSERT INTO mailweir.body VALUES (currval('mailweir.message_seq'), 0, decode(repeat('61', {octets}), 'hex'));
"""


def database(world, name, /, **how):
    server = postgresql.Server(safe=True, **how)
    world.cleanup.append(server.close)
    server.start()
    if not how.get("primary"):
        server.create(name)
    return server


def gateway(world, name, server=None, dovecot=None, shared="queue", first=True):
    """A gateway that is ready, and takes without delivering where there is nothing to deliver to."""
    node = world.mailweir(dovecot, name=name)
    node.configuration["listeners"][0].update({"max_sessions": 10000, "max_transactions": 1000000, "max_message_size": "50MiB"})
    node.configuration["log"] = {"level": "warning"}
    if server:
        node.configuration["spool"]["postgresql"] = {"connection": server.connection(shared), "node": name}
        node.migrated = not first
    if dovecot:
        node.upstream["connections"] = CONNECTIONS
    node.start(ready=False)
    wait(lambda: listens(node.port), "answer of mailweir")
    if not dovecot:
        assert node.run("queue", "pause", "--json")[0] == 0
    return node


def rate(port, count):
    shoot(port, SESSIONS, SESSIONS, OCTETS)  # processes and connections are there
    return count / shoot(port, SESSIONS, count, OCTETS)


def bare(world, server, count):
    """Messages a second of a client that does nothing but write them, as the gateway's writer does: one connection, groups, a pipeline."""
    server.create("bare")
    migrated = world.mailweir(None, name="migrates")
    assert migrated.run("spool", "migrate", "--spool", f"postgresql:{server.connection('bare')}")[0] == 0
    script = world.folder / "bare.sql"
    script.write_text("\\startpipeline\nBEGIN;\n" + ONE.format(octets=OCTETS) * GROUP + "COMMIT;\n\\endpipeline\n")
    groups = max(count // GROUP, 1)
    started = time.monotonic()
    subprocess.run([server.bin / "pgbench", "-n", "-M", "extended", "-c", "1", "-t", str(groups), "-f", script, server.connection("bare")],
                   check=True, capture_output=True)
    return groups * GROUP / (time.monotonic() - started)


def accept(world, count):
    server = database(world, "queue")
    local, shared, postfix = gateway(world, "local"), gateway(world, "shared", server), Postfix(world)
    rates = {"pipeline": bare(world, server, count), "postgresql": rate(shared.port, count), "local": rate(local.port, count),
             "postfix": rate(postfix.port, count)}
    print("figure: accept, messages/s: " + ", ".join(f"{name} {value:.0f}" for name, value in rates.items()), flush=True)
    print(f"figure: accept: {rates['postgresql'] / rates['pipeline']:.2f} of a bare pipeline (aim 0.6), {rates['postgresql'] / rates['postfix']:.2f} of Postfix (aim 2.5), "
          f"{rates['postgresql'] / rates['local']:.2f} of the local queue", flush=True)
    local.stop()
    shared.stop()


def quorum(world, count):
    alone = database(world, "queue")
    primary = database(world, "queue", options=("synchronous_standby_names = 'ANY 1 (b)'", "synchronous_commit = local", "wal_level = replica"))
    database(world, "queue", primary=primary, name="b")
    primary.sql("ALTER SYSTEM SET synchronous_commit = on", "postgres")
    primary.sql("SELECT pg_reload_conf()", "postgres")
    one, two = gateway(world, "alone", alone), gateway(world, "waits", primary)
    without, with_standby = rate(one.port, count), rate(two.port, count)
    print(f"figure: quorum, messages/s: {with_standby:.0f} with a standby that is waited for, {without:.0f} without: {with_standby / without:.2f} (aim 0.7)", flush=True)
    one.stop()
    two.stop()


def delivered(nodes, dovecot, count):
    """Messages a second from the first connection until the last one lies in the maildir."""
    for node in nodes:
        shoot(node.port, SESSIONS, SESSIONS, OCTETS)
    wait(lambda: filed(dovecot) % SESSIONS == 0 and filed(dovecot) >= SESSIONS * len(nodes), "messages before the clock runs", 120)
    there, started = filed(dovecot), time.monotonic()
    share = count // len(nodes)
    with concurrent.futures.ThreadPoolExecutor(len(nodes)) as pool:
        list(pool.map(lambda node: shoot(node.port, SESSIONS // len(nodes), share, OCTETS), nodes))
    wait(lambda: filed(dovecot) >= there + share * len(nodes), "last message", 600)
    return share * len(nodes) / (time.monotonic() - started)


def deliver(world, count):
    server = database(world, "queue")
    server.create("two")
    boxes = [Dovecot(world, name=f"box{number}") for number in range(3)]
    local, one = gateway(world, "local", dovecot=boxes[0]), gateway(world, "one", server, boxes[1])
    pair = [gateway(world, f"of-two-{number}", server, boxes[2], "two", number == 0) for number in range(2)]
    rates = [delivered(nodes, box, count) for nodes, box in zip(([local], [one], pair), boxes)]
    print(f"figure: deliver, messages/s: local {rates[0]:.0f}, one node {rates[1]:.0f} ({rates[1] / rates[0]:.2f} of it, aim 0.9), two nodes {rates[2]:.0f} "
          f"({rates[2] / rates[1]:.2f} of one)", flush=True)
    for node in (local, one, *pair):
        node.stop()


# Many messages in few files: a maildir of a million files would be what is measured.
FEW_FILES = "mail_location = mdbox:~/mdbox"


def drained(nodes, waits, count):
    """Fills a queue that is paused; messages a second from when it is released until nothing waits."""
    assert nodes[0].run("queue", "pause", "--json")[0] == 0
    wait(lambda: all("paused" in node.run("status")[1] for node in nodes), "a pause that all have heard of")
    shoot(nodes[0].port, SESSIONS, count, OCTETS)
    started = time.monotonic()
    assert nodes[0].run("queue", "resume", "--json")[0] == 0
    wait(lambda: waits() == 0, f"end of {count} messages", 3600)
    return count / (time.monotonic() - started)


def backlog(world, count):
    count = next((int(word) for word in sys.argv[1:] if word.isdigit()), 100000 if count > 2000 else 1000)
    server = database(world, "queue")
    server.create("two")
    boxes = [Dovecot(world, name=f"box{number}", extra=FEW_FILES) for number in range(3)]
    local, one = gateway(world, "local", dovecot=boxes[0]), gateway(world, "one", server, boxes[1])
    pair = [gateway(world, f"of-two-{number}", server, boxes[2], "two", number == 0) for number in range(2)]

    def waits_in(name):
        return lambda: int(server.sql("SELECT count(*) FROM (SELECT FROM mailweir.message WHERE open > 0 LIMIT 1) AS m", name)[0][0])

    def waits_locally():
        return json.loads(local.run("status", "--json")[1])["queue"]["waiting"]

    rates = [drained([local], waits_locally, count), drained([one], waits_in("queue"), count), drained(pair, waits_in("two"), count)]
    print(f"figure: a backlog of {count}, messages/s: local {rates[0]:.0f}, one node {rates[1]:.0f} ({rates[1] / rates[0]:.2f} of it), two nodes {rates[2]:.0f} "
          f"({rates[2] / rates[1]:.2f} of one)", flush=True)
    for node in (local, one, *pair):
        node.stop()


def filed_by(node, server, count):
    """Messages a second from the first connection until nothing waits."""
    started = time.monotonic()
    shoot(node.port, SESSIONS, count, OCTETS)
    wait(lambda: server.sql("SELECT sum(messages) FROM mailweir.tally", "queue") == [["0"]], "all that is filed", 600)
    return count / (time.monotonic() - started)


def reader(world, count):
    seconds, count = (600 if count > 2000 else 10), min(count, 2000)
    servers = [database(world, "queue") for _ in range(2)]
    nodes = [gateway(world, name, server, Dovecot(world, name=f"box-{name}", extra=FEW_FILES)) for name, server in zip(("read", "alone"), servers)]
    for node, server in zip(nodes, servers):
        filed_by(node, server, count)
    with subprocess.Popen(["psql", "-X", "-q", servers[0].connection("queue")], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as holds:
        holds.stdin.write("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM mailweir.delivery;\n")
        holds.stdin.flush()
        wait(lambda: servers[0].sql("SELECT 1 FROM pg_stat_activity WHERE state = 'idle in transaction' AND backend_xmin IS NOT NULL", "queue"), "the reader's snapshot")
        began, ratios = time.monotonic(), []
        while not ratios or time.monotonic() < began + seconds:
            turn = [0, 1] if len(ratios) % 2 == 0 else [1, 0]
            rates = {one: filed_by(nodes[one], servers[one], count) for one in turn}
            ratios.append(rates[0] / rates[1])
        dead = [server.sql("SELECT n_dead_tup FROM pg_stat_user_tables WHERE relname = 'delivery'", "queue")[0][0] for server in servers]
    third = max(len(ratios) // 3, 1)
    print(f"figure: reader, {seconds} s, {len(ratios)} pairs of {count} messages: beside a snapshot that is held {statistics.median(ratios):.2f} of what goes without one, "
          f"{statistics.median(ratios[:third]):.2f} in the first third and {statistics.median(ratios[-third:]):.2f} in the last (aim 0.9); dead rows of deliveries {dead[0]} and {dead[1]}",
          flush=True)
    for node in nodes:
        node.stop()


LEASE_S = 5


def subjects(imap):
    return {re.search(rb"\r\nSubject: (\S+)", octets).group(1).decode() for octets in imap.messages()}


def spread(values):
    ordered = sorted(values)
    return f"p50 {statistics.median(ordered):.1f}, p99 {ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)]:.1f}, at most {ordered[-1]:.1f} s of {len(ordered)}"


def filed_after(imap, missing, began):
    """Of each of these, how long after that it was filed."""
    took, missing = {}, set(missing)

    def look():
        now = time.monotonic() - began
        came = missing & subjects(imap)
        took.update(dict.fromkeys(came, now))
        missing.difference_update(came)
        return not missing

    wait(look, "all that waited", 120)
    return took


IN_HAND = ("SELECT m.envelope::json ->> 'subject' FROM mailweir.message m JOIN mailweir.delivery d ON d.message = m.seq "
           "JOIN mailweir.node n ON n.epoch = d.handed WHERE n.name = 'node0'")


def killed(world):
    """Of what a dead node had taken and not filed: how long each waited that was in its hands, and may have been sent, and each that was not."""
    imap = FakeImap(world, fault=slow)
    shared, nodes = cluster(world, imap, 2, lease=f"{LEASE_S}s")
    ledger = Ledger(nodes, senders=16)
    ledger.more(400)
    nodes[0].kill()
    began = time.monotonic()
    in_hand = {row[0] for row in shared.sql(IN_HAND, "shared")}
    ledger.nodes = nodes[1:]
    ledger.stop()
    took = filed_after(imap, set(ledger.sent) - subjects(imap), began)
    balance(shared, ledger, imap)
    nodes[1].stop()
    return [at for subject, at in took.items() if subject in in_hand], [at for subject, at in took.items() if subject not in in_hand]


def promoted(world):
    """How long after a standby was promoted the first mail is taken."""
    second, imap, nodes, ledger, took = promote_under_load(world, 1)
    ledger.stop()
    balance(second, ledger, imap)
    for node in nodes:
        node.stop()
    return took


def rounds(world, count, run):
    """What that says, several times, each in a world of its own."""
    results = []
    for number in range(20 if count > 2000 else 5):
        folder = world.folder / f"round{number}"
        folder.mkdir()
        own = World(folder)
        try:
            results.append(run(own))
        finally:
            own.end()
    return results


def kill(world, count):
    results = rounds(world, count, killed)
    for what, index in (("in its hands: looked for first", 0), ("in nobody's hands", 1)):
        values = [at for result in results for at in result[index]]
        if values:
            print(f"figure: kill of a node, lease {LEASE_S} s, {len(results)} rounds: what was {what}, filed after {spread(values)} messages (aim p99 {LEASE_S + 5})", flush=True)


def promotion(world, count):
    print(f"figure: promotion: mail is taken again after {spread(rounds(world, count, promoted))} rounds (aim 5)", flush=True)


PARTS = {"accept": accept, "quorum": quorum, "deliver": deliver, "backlog": backlog, "reader": reader, "kill": kill, "promotion": promotion}


def main():
    words = sys.argv[1:]
    count = 20000 if "large" in words else 2000
    for name in [word for word in words if word in PARTS] or PARTS:
        with tempfile.TemporaryDirectory(prefix="mailweir-bench-") as folder:
            pathlib.Path(folder).chmod(0o755)
            world = World(pathlib.Path(folder))
            try:
                PARTS[name](world, count)
            finally:
                world.end()


if __name__ == "__main__":
    main()
