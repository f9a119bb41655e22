"""apart - a network of a node's own, whose cables can be pulled, and cut in one direction."""
import os
import shutil
import subprocess

from cluster import Ledger, balance, cluster, slow
from fake_imap import FakeImap
from harness import Process, Skip, wait

CONNECTIONS = 4


class Apart:
    """A network of its own, and cables to it, such as "db" and "mail". number: of this network, where a test has several."""

    def __init__(self, world, cables=("db", "mail"), number=0):
        if os.getuid() != 0 or not shutil.which("ip") or not shutil.which("nsenter"):
            raise Skip("networks can be made by root alone, with iproute2")
        log = world.folder / f"network{number}.out"
        self.holder = Process(["unshare", "--net", "sh", "-c", "ip link set lo up; echo up; exec tail -f /dev/null"], log)
        world.cleanup.append(self.holder.kill)
        wait(lambda: "up" in log.read_text() or not self.holder.alive(), "network")
        self.enter = ["nsenter", "--net", "--target", str(self.holder.popen.pid)]
        self.here, self.there = {}, {}
        for place, cable in enumerate(cables):
            own = os.getpid() % 16384  # of other tests none has this one
            subnet = f"10.{200 + 4 * number + place}.{own // 64}."
            name = f"mw{os.getpid() % 100000}{cable}{number}"
            first = own % 64 * 4
            self.ip("link", "add", name, "type", "veth", "peer", "name", cable, "netns", str(self.holder.popen.pid))
            self.ip("address", "add", f"{subnet}{first + 1}/30", "dev", name)
            self.ip("link", "set", name, "up")
            self.ip("address", "add", f"{subnet}{first + 2}/30", "dev", cable, within=True)
            self.ip("link", "set", cable, "up", within=True)
            self.here[cable], self.there[cable] = f"{subnet}{first + 1}", f"{subnet}{first + 2}"

    def ip(self, *words, within=False):
        subprocess.run([*(self.enter if within else []), "ip", *words], check=True)

    def pull(self, cable):
        self.ip("link", "set", cable, "down", within=True)

    def plug(self, cable):
        self.ip("link", "set", cable, "up", within=True)

    def block(self, cable, way):
        """What goes "out" over it, or comes "in", is lost; the other way is whole."""
        if not shutil.which("nft"):
            raise Skip("one way of a cable can be cut with nftables alone")
        rules = f'add table ip cut; add chain ip cut only {{ type filter hook {way}put priority 0; }}; add rule ip cut only {way[0]}ifname "{cable}" drop'
        subprocess.run([*self.enter, "nft", rules], check=True)

    def unblock(self):
        subprocess.run([*self.enter, "nft", "delete table ip cut"], check=True)

    def database(self, world):
        """One that is reached from within, too."""
        return opened(world.postgresql(safe=True, options=[f"listen_addresses = '127.0.0.1,{self.here['db']}'"]))


def opened(database):
    """Who comes from any of the networks is let in."""
    with open(database.data / "pg_hba.conf", "a") as out:
        out.write("host all all 10.128.0.0/9 trust\n")
    database.sql("SELECT pg_reload_conf()", "postgres")
    return database


def behind(node, network, imap, database, cable):
    """The node runs in that network, and takes mail through this cable."""
    node.within, node.address = network.enter, network.there[cable]
    node.configuration["listeners"][0].update({"address": f"0.0.0.0:{node.port}", "allow": ["10.0.0.0/8"]})
    node.upstream["address"] = f"{network.here['mail']}:{imap.port}"
    node.upstream["insecure"] = True
    node.configuration["spool"]["postgresql"].update(
        {"connection": f"host={network.here['db']} port={database.port} dbname=shared user=postgres sslmode=disable", "insecure": True})


def first_of_two(world):
    """Two nodes under load, the first of them in a network of its own; the account may have CONNECTIONS: (the network, the IMAP server, the database, the
    nodes, the ledger)."""
    network = Apart(world)
    imap = FakeImap(world, profile="plain", fault=slow, address="0.0.0.0")
    database = network.database(world)

    def cut_off(node, number):
        if number == 0:
            behind(node, network, imap, database, "mail")

    _, nodes = cluster(world, imap, 2, connections=CONNECTIONS, prepare=cut_off)
    return network, imap, database, nodes, Ledger(nodes, folders=6, pace=0.05)


def settled(imap, database, nodes, ledger):
    """All is well at the end of it."""
    ledger.more(20)
    ledger.stop()
    balance(database, ledger, imap)
    assert imap.peak <= CONNECTIONS, f"{imap.peak} connections at once to an account that may have {CONNECTIONS}"
    for node in nodes:
        node.stop()
