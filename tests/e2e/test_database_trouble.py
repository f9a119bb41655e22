"""The database answers, and refuses: its disk is full, it has no connection left, it takes no changes any more. What senders hear, what operators read, and
that mail goes on by itself."""
import os
import signal
import socket
import smtplib
import struct
import subprocess

from cluster import QUORUM, Ledger, accepts, balance, cluster, quorum
from fake_imap import FakeImap
from harness import Skip, message, wait


def refusal(node):
    """What a sender hears, (code, text); None: 250."""
    try:
        with smtplib.SMTP(node.address, node.port, local_hostname="client.example", timeout=60) as client:
            client.sendmail("app@example.com", ["ops@example.net"], message("refused"))
        return None
    except smtplib.SMTPRecipientsRefused as refused:
        return list(refused.recipients.values())[0]
    except smtplib.SMTPResponseException as refused:
        return refused.smtp_code, refused.smtp_error


def refuses(node, code, enhanced, *words):
    """Senders hear this reply; log and status say in these words what it is and what is to be done."""

    def heard():
        got = refusal(node)
        # A group in limbo, or a connection that broke, is answered otherwise until it is known what became of it.
        assert got is None or 400 <= got[0] < 500, got
        return got is not None and got[0] == code and got[1].startswith(enhanced)

    wait(heard, f"a reply {code}")

    def said():
        assert refusal(node) is not None
        status = node.run("status")[1]
        told = [one["error.message"] for action in ("spool_commit_failed", "spool_refuses") for one in node.events(action)]
        return "no mail is taken" in status and all(word in status and any(word in one for one in told) for word in words)

    wait(said, f"status and log that say {words}")


def small_disk(world, megabytes):
    """A file system that is soon full, in a folder of PostgreSQL's own."""
    folder = world.folder / "small"
    folder.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=0755", "tmpfs", folder], capture_output=True, text=True)
    if done.returncode != 0:
        raise Skip(f"a mount of tmpfs is impossible here: {done.stderr.strip()}")
    world.cleanup.insert(0, lambda: subprocess.run(["umount", folder], capture_output=True))
    return folder


def fill(path):
    """Whatever else lies on that disk takes the last of it."""
    with open(path, "wb", buffering=0) as out:
        try:
            while True:
                out.write(b"x" * 4096)
        except OSError:
            return


def test_full_disk_of_the_database(world):
    """452, what was filed meanwhile is known to be, and mail flows when there is room again."""
    imap, server = FakeImap(world), world.postgresql(safe=True)
    disk = small_disk(world, 80)
    space = disk / "space"
    space.mkdir()
    os.chown(space, server.user.pw_uid if server.user else os.getuid(), -1)
    server.sql(f"CREATE TABLESPACE small LOCATION '{space}'", "postgres")
    server.set("default_tablespace = small")
    server, (node,) = cluster(world, imap, 1)
    ledger = Ledger([node], pace=0.02)
    ledger.more(20)
    fill(disk / "else")
    refuses(node, 452, b"4.3.1", "No space left on device", "make room")
    (disk / "else").unlink()
    ledger.more(20)
    ledger.stop()
    balance(server, ledger, imap)
    assert not node.events("history_lost") and "no mail is taken" not in node.run("status")[1]
    node.stop()


class Crowd:
    """Sessions of another program: as many as the server lets in."""

    def __init__(self, server, user):
        words = b"".join(word.encode() + b"\0" for word in ("user", user, "database", "postgres")) + b"\0"
        self.hello = struct.pack("!ii", 8 + len(words), 3 << 16) + words
        self.place, self.sessions = f"{server.folder}/.s.PGSQL.{server.port}", []
        while self.enter():
            pass
        assert len(self.sessions) > 20, len(self.sessions)

    def enter(self):
        session = socket.socket(socket.AF_UNIX)
        session.settimeout(30)
        session.connect(self.place)
        session.sendall(self.hello)
        with session.makefile("rb") as answers:
            kind = answers.read(1)
            while kind not in (b"Z", b"E"):  # ReadyForQuery, ErrorResponse; who has no slot is told so behind AuthenticationOk
                answers.read(struct.unpack("!i", answers.read(4))[0] - 4)
                kind = answers.read(1)
        self.sessions.append(session)
        return kind == b"Z"

    def leave(self):
        for session in self.sessions:
            session.close()


def test_no_connections_left(world):
    """A node that lost its connections and gets no others takes no mail, says why, and goes on when there are some again."""
    imap = FakeImap(world)
    server = world.postgresql(safe=True)
    server.sql("CREATE ROLE node LOGIN; CREATE ROLE others LOGIN", "postgres")
    server.create("shared")
    server.sql("GRANT CREATE ON DATABASE shared TO node", "postgres")
    node = world.mailweir(None, rules=[], name="node0")
    imap.configure(node)
    node.configuration["spool"]["postgresql"] = {"connection": server.connection("shared", "node"), "lease": "5s"}
    node.start()
    ours = "FROM pg_stat_activity WHERE usename = 'node'"

    def without(crowd, leave):
        """The node has lost its connections when there are none left."""
        ledger = Ledger([node], pace=0.02, name=f"{crowd.__name__}-")
        ledger.more(20)
        node.process.send_signal(signal.SIGSTOP)
        server.sql(f"SELECT pg_terminate_backend(pid) {ours}", "postgres")
        wait(lambda: server.sql(f"SELECT count(*) {ours}", "postgres") == [["0"]], "the end of the node's sessions")
        taken = crowd()
        node.process.send_signal(signal.SIGCONT)
        refuses(node, 451, b"4.3.0", "connection", "max_connections")
        leave(taken)
        ledger.more(20)
        ledger.stop()
        balance(server, ledger, imap)

    def the_server_has_none():
        return Crowd(server, "others")

    def the_role_has_none():
        server.sql("ALTER ROLE node CONNECTION LIMIT 0", "postgres")

    without(the_server_has_none, Crowd.leave)
    without(the_role_has_none, lambda _: server.sql("ALTER ROLE node CONNECTION LIMIT -1", "postgres"))
    node.stop()


def test_a_primary_that_turns_read_only(world):
    """As an operator, or what watches a disk, makes it: 451 until it takes changes again, then mail flows over the same connections."""
    imap = FakeImap(world)
    server, (node,) = cluster(world, imap, 1)
    ledger = Ledger([node], pace=0.02)
    ledger.more(20)
    server.set("default_transaction_read_only = on")
    refuses(node, 451, b"4.3.0", "read-only", "default_transaction_read_only")
    server.set("default_transaction_read_only = off")
    ledger.more(20)
    ledger.stop()
    balance(server, ledger, imap)
    node.stop()


def test_a_primary_that_is_demoted_and_lives(world):
    """A standby is promoted, and the old primary goes on as one that takes no changes: nodes ask the new one at once, and read nothing of the old one either."""
    imap = FakeImap(world)
    primary, second, third = quorum(world, world.postgresql(safe=True))
    hosts, ports = (",".join(str(getattr(one, what)) for one in (primary, second, third)) for what in ("folder", "port"))
    _, nodes = cluster(world, imap, 2, connection=f"host={hosts} port={ports} dbname=shared user=postgres")
    ledger = Ledger(nodes, pace=0.02)
    ledger.more(20)
    primary.set("default_transaction_read_only = on")
    wait(lambda: all(refusal(node) for node in nodes), "nodes that take no mail")
    wait(lambda: second.received() == third.received() >= int(primary.sql("SELECT pg_current_wal_lsn() - '0/0'", "postgres")[0][0]), "standbys that have all")
    second.set(QUORUM)
    second.promote()
    third.follow(second)
    ledger.more(20)
    ledger.stop()
    balance(second, ledger, imap)
    sessions = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'mailweir%'"
    wait(lambda: primary.sql(sessions, "postgres") == [["0"]], "an old primary that no node asks")
    for node in nodes:
        assert accepts(node, f"after-{node.name}", 20)
        node.stop()
