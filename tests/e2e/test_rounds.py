"""Three nodes, a primary and two standbys, Dovecot, each node in a network of its own: something fails in each round, and the ledger is right at the end of it."""
import random
import signal
import subprocess
import threading
import time

from apart import CONNECTIONS, Apart, behind, first_of_two, opened, settled
from cluster import Ledger, accepts, balance, cluster, names, promote, quorum
from harness import SIZE, stretch, wait

ROUNDS = {"small": 4, "large": 200}[SIZE]
ANY = "synchronous_standby_names = 'ANY 1 (a, b, c)'"
LEASE, PROMISED = 5, 5  # seconds; what is promised after a promotion


def test_a_cable_that_carries_one_way(world):
    """What a node says is lost, or what it hears: it is taken over, lets go of its connections before, and nothing is lost or filed twice."""
    network, imap, database, nodes, ledger = first_of_two(world)
    own = network.there["mail"]
    for way in ("out", "in"):
        ledger.more(40)
        wait(lambda: imap.clients.get(own), "connections of the first")
        lost, taken = (len(node.events(action)) for node, action in ((nodes[0], "node_lease_lost"), (nodes[1], "node_taken_over")))
        network.block("db", way)
        wait(lambda lost=lost: len(nodes[0].events("node_lease_lost")) > lost, "a node that knows that it is not heard", 60)
        wait(lambda: imap.clients[own] == 0, "the end of its connections")
        ledger.nodes = nodes[1:]
        assert not accepts(nodes[0], f"refused-{way}", 60)
        wait(lambda taken=taken: len(nodes[1].events("node_taken_over")) > taken, "takeover", 60)
        network.unblock()
        wait(lambda: accepts(nodes[0], f"again-{way}-{time.monotonic_ns()}", 20), "mail that the first takes again", 60)
        ledger.nodes = nodes
    settled(imap, database, nodes, ledger)


class Counted:
    """Connections that Dovecot's machine has, without those whose node has gone and cannot say so any more; the most at once."""

    def __init__(self, dovecot, networks):
        self.dovecot, self.networks, self.stale, self.most = dovecot, networks, set(), 0
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.count, daemon=True)
        self.thread.start()

    def seen(self, enter=(), side="sport"):
        lines = subprocess.run([*enter, "ss", "-Htn", "state", "established", f"( {side} = :{self.dovecot.tls_port} )"],
                               capture_output=True, text=True, check=False).stdout.splitlines()
        ends = {line.split()[3 if side == "sport" else 2] for line in lines}
        return {end for end in ends if not end.startswith("127.")}  # the test itself looks into folders

    def begin(self):
        living = set().union(*(self.seen(network.enter, "dport") for network in self.networks))
        self.stale, self.most = self.seen() - living, 0

    def count(self):
        while not self.over.wait(0.05):
            self.most = max(self.most, len(self.seen() - self.stale))

    def end(self):
        self.over.set()
        self.thread.join()


class Cluster:
    """What is there, and what may become of it."""

    def __init__(self, world):
        self.networks = [Apart(world, ("db", "mail", "client"), number) for number in range(3)]
        names_of = ",".join(["DNS:localhost", "IP:127.0.0.1", *(f"IP:{network.here['mail']}" for network in self.networks)])
        self.dovecot = world.dovecot(certificate=world.certificates.make("everywhere", san=names_of), extra="listen = *")
        self.servers = quorum(world, opened(world.postgresql(safe=True, options=["listen_addresses = '*'"])), options=["listen_addresses = '*'"])
        self.servers[0].set(ANY)
        self.counted = Counted(self.dovecot, self.networks)
        world.cleanup.append(self.counted.end)
        _, self.nodes = cluster(world, self.dovecot, lease=f"{LEASE}s", prepare=self.prepare, connections=CONNECTIONS)
        for node in self.nodes:
            node.migrated = True
        self.ledger, self.took = None, []

    def prepare(self, node, number):
        network = self.networks[number]
        behind(node, network, self.dovecot, self.servers[0], "client")
        node.upstream.pop("insecure", None)
        node.upstream["address"] = f"{network.here['mail']}:{self.dovecot.tls_port}"
        node.upstream["timeouts"] = {"connect": "5s", "command": "5s"}
        hosts, ports = ",".join([network.here["db"]] * 3), ",".join(str(server.port) for server in self.servers)
        node.configuration["spool"]["postgresql"]["connection"] = f"host={hosts} port={ports} dbname=shared user=postgres sslmode=disable connect_timeout=2"

    def others(self, node):
        return [one for one in self.nodes if one is not node]

    def taken_over(self, node, before):
        wait(lambda: sum(len(one.events("node_taken_over")) for one in self.others(node)) > before, f"takeover of {node.name}", 60)

    def takeovers(self, node):
        return sum(len(one.events("node_taken_over")) for one in self.others(node))

    # ---- what fails ----

    def kill(self, node, network):
        before = self.takeovers(node)
        self.ledger.nodes = self.others(node)
        node.kill()
        self.taken_over(node, before)
        self.ledger.more(10)
        node.start()

    def stand_still(self, node, network):
        before = self.takeovers(node)
        self.ledger.nodes = self.others(node)
        node.process.send_signal(signal.SIGSTOP)
        self.taken_over(node, before)
        self.ledger.more(5)
        node.process.send_signal(signal.SIGCONT)

    def cut_from_database(self, node, network, cut=None, mend=None):
        before = self.takeovers(node)
        (cut or (lambda: network.pull("db")))()
        self.ledger.nodes = self.others(node)
        self.taken_over(node, before)
        self.ledger.more(5)
        (mend or (lambda: network.plug("db")))()

    def is_not_heard(self, node, network):
        self.cut_from_database(node, network, lambda: network.block("db", "out"), network.unblock)

    def does_not_hear(self, node, network):
        self.cut_from_database(node, network, lambda: network.block("db", "in"), network.unblock)

    def cut_from_mail(self, node, network):
        network.pull("mail")
        self.ledger.more(60)
        network.plug("mail")

    def lose_primary(self, node, network):
        old, *standbys = self.servers
        old.kill()
        began, before = time.monotonic(), len(self.ledger.sent)
        standby, third = promote(standbys, ANY)
        wait(lambda: len(self.ledger.sent) > before + 4, "mail that is taken by the new primary", 60)
        self.took.append(time.monotonic() - began)
        assert self.took[-1] < PROMISED * stretch(), f"mail was taken {self.took[-1]:.1f} s after the promotion"
        old.make(standby)
        old.start()
        self.servers = [standby, third, old]

    def lose_standby(self, node, network):
        self.servers[1].kill()
        self.ledger.more(20)
        self.servers[1].start()

    def lose_quorum(self, node, network):
        for standby in self.servers[1:]:
            standby.signal_all(signal.SIGSTOP)
        assert not accepts(node, f"during-{time.monotonic_ns()}", 2), "mail was acknowledged that one machine has"
        for standby in self.servers[1:]:
            standby.signal_all(signal.SIGCONT)

    KINDS = (kill, lose_primary, is_not_heard, stand_still, cut_from_database, lose_standby, cut_from_mail, does_not_hear, lose_quorum)
    # There a node cannot end its connections at the server, or may not know that it should.
    NOT_COUNTED = (stand_still, cut_from_mail)

    # ---- a round ----

    def is_well(self):
        wait(lambda: self.servers[0].sql("SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'quorum'", "postgres") == [["2"]], "two standbys", 60)
        for node in self.nodes:
            wait(lambda node=node: sorted(names(node)) == ["node0", "node1", "node2"], f"three nodes, known to {node.name}", 60)

    def round(self, number, random):
        fails, place = self.KINDS[number % len(self.KINDS)], random.randrange(3)
        print(f"round {number}: {fails.__name__}, {self.nodes[place].name}", flush=True)
        self.counted.begin()
        self.ledger = Ledger(self.nodes, folders=5, pace=0.02, name=f"r{number}-")
        self.ledger.more(20)
        fails(self, self.nodes[place], self.networks[place])
        self.ledger.nodes = self.nodes
        self.is_well()
        self.ledger.more(10)
        self.ledger.stop()
        balance(self.servers[0], self.ledger, self)
        assert fails in self.NOT_COUNTED or self.counted.most <= CONNECTIONS, f"{self.counted.most} connections at once to an account that may have {CONNECTIONS}"
        self.forget()
        return len(self.ledger.sent)

    def messages(self):
        return [octets for folder in self.dovecot.folders() for octets in self.dovecot.messages(folder)]

    def forget(self):
        """What was filed, and judged: the next round has its own."""
        connection = self.dovecot.imap()
        for folder in self.dovecot.folders():
            status, count = connection.select(f'"{folder}"')
            if status == "OK" and int(count[0]) > 0:
                connection.store("1:*", "+FLAGS.SILENT", "\\Deleted")
                connection.expunge()
        connection.logout()


def test_rounds(world):
    """In each round something else fails; nothing is lost or filed twice, no account has more connections than it may have, and all is well again at the end."""
    all_of_it = Cluster(world)
    rounds = random.Random(23)
    began, acknowledged = time.monotonic(), 0
    for number in range(ROUNDS):
        acknowledged += all_of_it.round(number, rounds)
    took = sorted(all_of_it.took)
    print(f"figure: {ROUNDS} rounds in {time.monotonic() - began:.0f} s, {acknowledged} acknowledged, each filed once; "
          f"promotions: mail was taken again after {took[len(took) // 2] if took else 0:.1f} s, at most {took[-1] if took else 0:.1f} s, of {len(took)}")
    for node in all_of_it.nodes:
        node.stop()
