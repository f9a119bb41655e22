"""A primary of PostgreSQL and its standbys: what becomes of mail, and of who waits, when one of them dies, stands still or is promoted."""
import re
import signal
import smtplib
import time

import postgresql
from cluster import Ledger, balance, cluster
from fake_imap import FakeImap
from harness import message, stretch, wait

QUORUM = "synchronous_standby_names = 'ANY 1 (b, c)'"


def with_standbys(world):
    """A primary, and two standbys of which one has what is acknowledged; and how a node reaches whichever is the primary."""
    primary = world.postgresql(safe=True)
    standbys = [postgresql.Server(safe=True, primary=primary, name=name) for name in "bc"]
    for standby in standbys:
        world.cleanup.append(standby.close)
        standby.start()
    with open(primary.data / "postgresql.conf", "a") as out:
        out.write(QUORUM + "\n")
    primary.sql("SELECT pg_reload_conf()", "postgres")
    wait(lambda: primary.sql("SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'quorum'", "postgres") == [["2"]], "two standbys")
    servers = [primary, *standbys]
    hosts, ports = (",".join(str(getattr(one, what)) for one in servers) for what in ("folder", "port"))
    return servers, f"host={hosts} port={ports} dbname=shared user=postgres"


def test_promotion(world):
    """kill -9 of the primary under load, a standby is promoted: mail is taken again within 5 s of that, and what was acknowledged is filed once."""
    imap = FakeImap(world)
    (primary, second, third), place = with_standbys(world)
    _, nodes = cluster(world, imap, 2, connection=place)
    ledger = Ledger(nodes)
    ledger.more(40)
    primary.kill()
    with open(second.data / "postgresql.conf", "a") as out:
        out.write(QUORUM + "\n")
    second.promote()
    began, before = time.monotonic(), len(ledger.sent)
    third.follow(second)
    wait(lambda: len(ledger.sent) > before + 5, "mail that is taken again")
    took = time.monotonic() - began
    assert took < 5 * stretch(), f"mail was taken {took:.1f} s after the promotion"
    ledger.more(20)
    ledger.stop()
    balance(second, ledger, imap)
    for node in nodes:
        node.stop()


def accepts(node, subject, seconds):
    """Whether it says 250 within so many seconds; what else it says, or that it says nothing, is no."""
    try:
        with smtplib.SMTP("127.0.0.1", node.port, local_hostname="client.example", timeout=seconds) as client:
            client.sendmail("app@example.com", ["ops@example.net"], message(subject))
        return True
    except (OSError, smtplib.SMTPException):
        return False


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
