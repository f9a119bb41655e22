"""cluster - several gateways on one queue in PostgreSQL, who sends to them, and what must have become of that."""
import json
import re
import smtplib
import threading

import postgresql
from fake_imap import FakeImap
from harness import message, wait

# A subject that begins with "f7-" goes to a folder of that name.
BY_SUBJECT = {"name": "by-subject", "if": {"header": "Subject", "matches": "^(?<name>f[0-9]+)-"}, "then": [{"fileinto": {"upstream": "corp", "folder": "${name}"}}]}


def slow(step, session, **facts):
    """A server that takes its time for an APPEND, so that one connection is not enough."""
    if step == "append-end":
        session.fake.release.wait(0.03)


def cluster(world, server, count=3, lease="5s", connection=None, prepare=None, **upstream):
    """So many gateways on one queue, each with listeners and a folder of its own; the database, and the gateways."""
    database = world.postgresql(safe=True)
    database.create("shared")
    nodes = []
    for number in range(count):
        node = world.mailweir(server, rules=[BY_SUBJECT], name=f"node{number}")
        if isinstance(server, FakeImap):
            server.configure(node)
        node.upstream.update(upstream)
        node.configuration["spool"]["postgresql"] = {"connection": connection or database.connection("shared"), "node": f"node{number}", "lease": lease}
        node.migrated = number > 0
        if prepare:
            prepare(node, number)
        nodes.append(node.start())
    return database, nodes


QUORUM = "synchronous_standby_names = 'ANY 1 (b, c)'"


def quorum(world, primary, **options):
    """It gets two standbys, b and c, and waits for one of them: the three servers."""
    primary.name = "a"
    standbys = [postgresql.Server(safe=True, primary=primary, name=name, **options) for name in "bc"]
    for standby in standbys:
        world.cleanup.append(standby.close)
        standby.start()
    primary.set(QUORUM)
    wait(lambda: primary.sql("SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'quorum'", "postgres") == [["2"]], "two standbys")
    return [primary, *standbys]


def promote(standbys, waits=QUORUM):
    """Of two standbys whose primary has gone, the one that has received more is promoted, and the other follows it: where the primary waited for any one of
    them, only that one has all that was acknowledged, and it cannot follow one that has less. (The new primary, the other.)"""
    wait(lambda: not any(standby.hears() for standby in standbys), "standbys that hear nothing more")
    other, best = sorted(standbys, key=lambda standby: standby.received())
    best.set(waits)
    best.promote()
    other.follow(best)
    return best, other


def names(node):
    """The nodes that this one knows."""
    status, out, _ = node.run("status", "--json")
    return [one["name"] for one in json.loads(out)["nodes"]] if status == 0 else []


def accepts(node, subject, seconds):
    """Whether it says 250 within so many seconds; what else it says, or that it says nothing, is no."""
    try:
        with smtplib.SMTP(node.address, node.port, local_hostname="client.example", timeout=seconds) as client:
            client.sendmail("app@example.com", ["ops@example.net"], message(subject))
        return True
    except (OSError, smtplib.SMTPException):
        return False


class Ledger:
    """Senders that go on until they are stopped, each to any of the nodes; what was acknowledged.

    folders: so many, or INBOX alone. pace: seconds between two messages of a sender, where what waits shall not grow while a test does. name: of its subjects, where
    there was another one before.
    """

    def __init__(self, nodes, senders=4, folders=0, pace=0.0, name=""):
        self.folders, self.pace, self.name = folders, pace, name
        self.nodes, self.sent, self.stopped, self.lock = list(nodes), [], threading.Event(), threading.Lock()
        self.threads = [threading.Thread(target=self.send, args=(number,)) for number in range(senders)]
        for thread in self.threads:
            thread.start()

    def send(self, number):
        count = 0
        while not self.stopped.is_set():
            count += 1
            place = f"f{count % self.folders}-" if self.folders else ""
            subject = f"{place}{self.name}s{number}-{count}"
            try:
                self.nodes[count % len(self.nodes)].send(message(subject))
                with self.lock:
                    self.sent.append(subject)
                self.stopped.wait(self.pace)
            except (AssertionError, OSError, smtplib.SMTPException):
                self.stopped.wait(0.05)

    def more(self, count, seconds=60):
        before = len(self.sent)
        wait(lambda: len(self.sent) > before + count, f"{count} more messages that are accepted", seconds)

    def stop(self):
        self.stopped.set()
        for thread in self.threads:
            thread.join()


def balance(database, ledger, server, seconds=120):
    """Everything that was acknowledged is filed, and once."""
    wait(lambda: database.sql("SELECT count(*) FROM mailweir.message WHERE open > 0", "shared") == [["0"]], "all that is filed", seconds)
    filed = [re.search(rb"\r\nSubject: (\S+)", octets).group(1).decode() for octets in server.messages()]
    assert set(ledger.sent) <= set(filed), f"lost: {sorted(set(ledger.sent) - set(filed))}"
    assert len(filed) == len(set(filed)), "filed twice: " + str(sorted(s for s in set(filed) if filed.count(s) > 1))
