"""A primary of PostgreSQL and its standbys: what becomes of mail, and of who waits, when one of them dies, stands still or is promoted."""
import re
import signal
import time

import postgresql
from apart import Apart, behind, first_of_two, settled
from cluster import QUORUM, Ledger, accepts, balance, cluster, promote, quorum, slow
from fake_imap import FakeImap
from harness import message, stretch, wait

def with_standbys(world):
    """A primary, and two standbys of which one has what is acknowledged; and how a node reaches whichever is the primary."""
    servers = quorum(world, world.postgresql(safe=True))
    hosts, ports = (",".join(str(getattr(one, what)) for one in servers) for what in ("folder", "port"))
    return servers, f"host={hosts} port={ports} dbname=shared user=postgres"


def promote_under_load(world, count):
    """kill -9 of the primary under load, and a standby is promoted: (the new primary, the IMAP server, the nodes, the ledger, seconds until so many more were
    taken)."""
    imap = FakeImap(world)
    (primary, *standbys), place = with_standbys(world)
    _, nodes = cluster(world, imap, 2, connection=place)
    ledger = Ledger(nodes)
    ledger.more(40)
    primary.kill()
    began, before = time.monotonic(), len(ledger.sent)
    second, _ = promote(standbys)
    wait(lambda: len(ledger.sent) >= before + count, "mail that is taken again")
    return second, imap, nodes, ledger, time.monotonic() - began


def test_promotion(world):
    """Mail is taken again within 5 s of a promotion, and what was acknowledged is filed once."""
    second, imap, nodes, ledger, took = promote_under_load(world, 6)
    assert took < 5 * stretch(), f"mail was taken {took:.1f} s after the promotion"
    ledger.more(20)
    ledger.stop()
    balance(second, ledger, imap)
    for node in nodes:
        node.stop()


def test_standbys_that_stand_still(world):
    """Without a standby that has it nothing is acknowledged; a node that dies while PostgreSQL waits for one is taken over all the same; then all goes on."""
    imap = FakeImap(world)
    (primary, second, third), place = with_standbys(world)
    _, nodes = cluster(world, imap, 2, connection=place)
    nodes[0].send(message("before"))
    wait(lambda: len(imap.messages()) == 1, "filed message")
    for standby in (second, third):
        standby.signal_all(signal.SIGSTOP)
    assert not accepts(nodes[0], "during", 2), "mail was acknowledged that one machine has"
    nodes[0].kill()
    wait(lambda: primary.sql("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'", "shared") != [["0"]], "a backend that waits for a standby")
    for standby in (second, third):
        standby.signal_all(signal.SIGCONT)
    wait(lambda: nodes[1].events("node_taken_over"), "takeover", 60)
    wait(lambda: accepts(nodes[1], "after", 20), "mail that is taken again")
    wait(lambda: primary.sql("SELECT count(*) FROM mailweir.message WHERE open > 0", "shared") == [["0"]], "all that is filed", 60)
    subjects = [re.search(rb"\r\nSubject: (\S+)", octets).group(1).decode() for octets in imap.messages()]
    assert subjects.count("before") == 1 and subjects.count("during") <= 1 and subjects.count("after") >= 1, subjects
    nodes[1].stop()


def test_an_old_primary_that_lives(world):
    """A standby is promoted while the primary runs, and takes the other standby with it: who is at the old one gets nothing acknowledged there, and is at the new one when the old one has ended."""
    imap = FakeImap(world)
    (primary, second, third), place = with_standbys(world)
    _, nodes = cluster(world, imap, 2, connection=place)
    nodes[0].send(message("before"))
    wait(lambda: len(imap.messages()) == 1, "filed message")
    third.set("primary_conninfo = ''")
    wait(lambda: not third.hears() and second.received() >= third.received(), "a standby that has all that the other one has")
    second.set(QUORUM)
    second.promote()
    third.follow(second)
    wait(lambda: primary.sql("SELECT count(*) FROM pg_stat_replication", "postgres") == [["0"]], "a primary that nobody follows")
    for node in nodes:
        assert not accepts(node, "during", 2), "mail was acknowledged by a primary that nobody follows"
    primary.kill()
    for number, node in enumerate(nodes):
        wait(lambda number=number, node=node: accepts(node, f"after-{number}", 20), "mail that is taken by the new primary")
    wait(lambda: second.sql("SELECT count(*) FROM mailweir.message WHERE open > 0", "shared") == [["0"]], "all that is filed", 60)
    subjects = [re.search(rb"\r\nSubject: (\S+)", octets).group(1).decode() for octets in imap.messages()]
    assert subjects.count("before") == 1 and "during" not in subjects and {"after-0", "after-1"} <= set(subjects), subjects
    for node in nodes:
        node.stop()


def test_a_node_is_cut_off_from_the_database(world):
    """Its clients hear 4xx, it lets go of its connections before anybody takes over what it had, and nothing is filed twice; then it is one of them again."""
    network, imap, database, nodes, ledger = first_of_two(world)
    ledger.more(40)
    own = network.there["mail"]
    wait(lambda: imap.clients.get(own), "connections of the first")
    network.pull("db")
    wait(lambda: nodes[0].events("node_lease_lost"), "a node that knows that it is not heard")
    wait(lambda: imap.clients[own] == 0, "the end of its connections")
    ledger.nodes = nodes[1:]
    assert not accepts(nodes[0], "refused", 60)
    wait(lambda: nodes[1].events("node_taken_over"), "takeover", 60)
    network.plug("db")
    wait(lambda: accepts(nodes[0], f"again-{time.monotonic_ns()}", 20), "mail that the first takes again", 60)
    ledger.nodes = nodes
    settled(imap, database, nodes, ledger)


def test_a_node_is_cut_off_from_the_mail_server(world):
    """Its mail is the others' as soon as it finds that out: none waits for its next try, none goes to the fallback of an account that another node reaches; then it is one of them again."""
    network = Apart(world)
    imap = FakeImap(world, profile="plain", fault=slow, address="0.0.0.0")
    spare = FakeImap(world, profile="plain")
    database = network.database(world)

    def prepare(node, number):
        node.configuration["upstreams"]["spare"] = {**node.upstream, "address": f"127.0.0.1:{spare.port}"}
        node.configuration["default"]["fallback"] = "spare"
        # What fails waits for longer than the test does, unless it is left to the other node.
        node.upstream["retry"] = {**node.upstream.get("retry", {}), "initial": "4m", "maximum": "4m", "settle": "2s", "fallback_after": "20s"}
        node.upstream["timeouts"] = {**node.upstream.get("timeouts", {}), "connect": "5s", "command": "5s"}
        if number == 0:
            behind(node, network, imap, database, "db")

    _, nodes = cluster(world, imap, 2, connections=4, prepare=prepare)
    for number in range(20):
        nodes[0].send(message(f"before-{number}"))
    wait(lambda: len(imap.messages()) == 20, "filed messages")
    network.pull("mail")
    ledger = Ledger(nodes[:1], pace=0.05)
    wait(lambda: nodes[0].events("upstream_failed"), "a node that does not reach the server", 60)
    ledger.more(40)
    ledger.stop()
    balance(database, ledger, imap, 60)
    assert not spare.messages(), "mail went to the fallback of an account that the second node reaches"
    assert not nodes[0].events("fallback") and not nodes[1].events("fallback")
    network.plug("mail")
    for verb in ("pause", "resume"):  # an operator does not wait for the next try
        nodes[0].run("queue", verb, "corp")
    own = network.there["mail"]
    wait(lambda: accepts(nodes[0], f"after-{time.monotonic_ns()}", 20) and imap.clients.get(own, 0) > 0, "connections of the first again", 60)
    # How many the server has at once says nothing here: of those that the cut has ended it hears when the cable is back.
    for node in nodes:
        node.stop()


def test_history_that_a_standby_lacks(world):
    """Nobody waited for the standby that is promoted, as "check" had said: what it takes for waiting may have been filed, so each message is looked for, and
    nothing that the standby had is lost or filed twice."""
    imap = FakeImap(world)
    primary = world.postgresql(safe=True)
    standby = postgresql.Server(safe=True, primary=primary, name="b")
    world.cleanup.append(standby.close)
    standby.start()
    hosts, ports = (f"{getattr(primary, what)},{getattr(standby, what)}" for what in ("folder", "port"))
    _, nodes = cluster(world, imap, 2, connection=f"host={hosts} port={ports} dbname=shared user=postgres")
    wait(lambda: "does not wait for it" in nodes[0].run("check", "--database")[2], "a warning of a standby that is not waited for")
    nodes[0].run("queue", "pause", "corp")
    wait(lambda: all("paused" in node.run("status")[1] for node in nodes), "a pause that both have heard of")
    kept = [f"kept-{number}" for number in range(20)]
    for number, subject in enumerate(kept):
        nodes[number % 2].send(message(subject))
    wait(lambda: standby.sql("SELECT count(*) FROM mailweir.message", "shared") == [["20"]], "a standby that has all of it")
    standby.set("primary_conninfo = ''")
    wait(lambda: primary.sql("SELECT count(*) FROM pg_stat_replication", "postgres") == [["0"]], "a standby that hears nothing more")
    nodes[0].run("queue", "resume", "corp")
    gone = [f"gone-{number}" for number in range(5)]
    for subject in gone:
        nodes[0].send(message(subject))
    wait(lambda: len(imap.messages()) == 25, "filed messages")
    primary.kill()
    standby.promote()
    wait(lambda: any(node.events("history_lost") for node in nodes), "a node that knows that history was lost")
    wait(lambda: all(accepts(node, f"after-{node.name}-{time.monotonic_ns()}", 20) for node in nodes), "mail that is taken again", 60)
    nodes[0].run("queue", "resume", "corp")
    wait(lambda: standby.sql("SELECT count(*) FROM mailweir.message WHERE open > 0", "shared") == [["0"]], "all that is filed", 60)
    subjects = [re.search(rb"\r\nSubject: (\S+)", octets).group(1).decode() for octets in imap.messages()]
    assert len(subjects) == len(set(subjects)), "filed twice: " + str(sorted(s for s in set(subjects) if subjects.count(s) > 1))
    assert set(kept + gone) <= set(subjects), subjects
    for node in nodes:
        node.stop()
