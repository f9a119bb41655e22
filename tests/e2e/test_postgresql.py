"""The queue in PostgreSQL: what the server says and does, and what becomes of mail then. Each test has a server of its own."""
import contextlib
import json
import re
import signal
import smtplib
import socket
import threading

from admin_client import Admin
from cluster import Ledger, balance, cluster, names, slow
from fake_imap import FakeImap, Session
from harness import ROOT, message, received_part, wait
from terminal import top


def on_server(world, gateway, database="mailweir", user="postgres", create=True):
    """The gateway's queue lies in a database of the test's server."""
    server = world.postgresql()
    if create:
        server.create(database)
    gateway.configuration["spool"]["postgresql"] = {"connection": server.connection(database, user)}
    return server


def refuses_to_start(gateway, *words):
    gateway.migrated = True  # not by the harness
    gateway.start(ready=False)
    wait(lambda: not gateway.process.alive(), "end of a gateway that cannot start")
    failures = gateway.events("start_failed")
    assert failures, gateway.log.read_text()
    status, _, err = gateway.run("check", "--database")
    assert status == 1, (status, err)
    for word in words:
        assert word in failures[0]["error.message"] and word in err, (word, failures, err)
    return failures[0]


def test_databases_that_are_refused(world):
    """Without tables, of another program, of a newer version, without rights, that would lose mail: each is refused in words, and left as it is."""
    gateway = world.mailweir(None)
    server = on_server(world, gateway)
    refuses_to_start(gateway, "mailweir spool migrate")
    status, out, err = gateway.run("queue", "list")
    assert status != 0 and "mailweir spool migrate" in err, (status, out, err)

    server.sql("CREATE TABLE orders (id int)")
    status, _, err = gateway.run("spool", "migrate")
    assert status != 0 and "another program" in err and "public.orders" in err, err
    refuses_to_start(gateway, "another program", "public.orders")
    assert server.sql("SELECT to_regnamespace('mailweir')") == [] or server.sql("SELECT to_regnamespace('mailweir') IS NULL") == [["t"]]
    server.sql("DROP TABLE orders")

    status, out, err = gateway.run("spool", "migrate")
    assert status == 0 and f"version {len(STEPS)}" in out, (out, err)
    status, out, err = gateway.run("spool", "migrate")
    assert status == 0 and "nothing to do" in out, (out, err)
    server.sql("INSERT INTO mailweir.version (number) VALUES (4711)")
    refuses_to_start(gateway, "4711", "run the newer mailweir")
    status, _, err = gateway.run("spool", "migrate")
    assert status != 0 and "4711" in err, err
    server.sql("DELETE FROM mailweir.version WHERE number = 4711")

    server.sql("CREATE ROLE node LOGIN")
    gateway.configuration["spool"]["postgresql"]["connection"] = server.connection(user="node")
    refuses_to_start(gateway, "node", "schema mailweir", "grant")
    server.sql("GRANT USAGE ON SCHEMA mailweir TO node")
    server.sql("GRANT SELECT ON ALL TABLES IN SCHEMA mailweir TO node")
    refuses_to_start(gateway, "node", "may not write", "grant")
    server.sql("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA mailweir TO node")
    server.sql("GRANT USAGE ON ALL SEQUENCES IN SCHEMA mailweir TO node")
    server.sql("ALTER ROLE node SET synchronous_commit = off")
    refuses_to_start(gateway, "synchronous_commit", "off")
    server.sql("ALTER ROLE node RESET synchronous_commit")
    server.sql("ALTER ROLE node SET default_transaction_read_only = on")
    assert refuses_to_start(gateway, "read-only")["error.code"] == "standby"
    server.sql("ALTER ROLE node RESET default_transaction_read_only")
    # With what the manual page lists, and no more, it runs.
    status, out, err = gateway.run("check", "--database")
    assert status == 0 and "by this server alone" in out, (status, out, err)
    server.sql("ALTER SYSTEM SET synchronous_standby_names = 'ANY 1 (b, c)'")
    server.sql("SELECT pg_reload_conf()")
    wait(lambda: "none is connected" in gateway.run("check", "--database")[2], "a warning of a standby that is not there")
    server.sql("ALTER SYSTEM RESET synchronous_standby_names")
    server.sql("SELECT pg_reload_conf()")
    gateway.start()
    gateway.send(message("kept"))
    gateway.stop()


STEPS = sorted((ROOT / "gateway/store/postgresql").glob("schema_*.sql"))
def back_to(server, database, version):
    """The tables become those of an earlier mailweir, with the mail that is in them."""
    kept = ("message", "delivery", "body")

    def back(table):
        columns = ", ".join(row[0] for row in server.sql(
            f"SELECT attname FROM pg_attribute WHERE attrelid = 'mailweir.{table}'::regclass AND attnum > 0", database))
        return f"INSERT INTO mailweir.{table} ({columns}) SELECT {columns} FROM kept.{table}"

    server.sql("CREATE SCHEMA kept; " + "; ".join(f"CREATE TABLE kept.{table} AS TABLE mailweir.{table}" for table in kept)
               + "; DROP SCHEMA mailweir CASCADE; CREATE SCHEMA mailweir", database)
    for step in STEPS[:version]:
        server.sql("SET search_path = mailweir; " + step.read_text(), database)
    server.sql("; ".join(back(table) for table in kept) + "; DROP SCHEMA kept CASCADE", database)


def test_tables_of_an_earlier_version(world):
    """Refused until they are migrated, which waits for nodes that cannot go on with the new ones; what waited is filed."""
    dovecot = world.dovecot()
    least = 3  # of which nodes go on with the tables of now
    for version in range(1, len(STEPS)):
        gateway = world.mailweir(dovecot, name=f"from{version}")
        database = f"of{version}"
        server = on_server(world, gateway, database)
        gateway.start()
        gateway.run("queue", "pause")
        gateway.send(message("waits"))
        gateway.stop()
        back_to(server, database, version)
        refuses_to_start(gateway, f"has version {version}, older than {len(STEPS)}", "mailweir spool migrate")
        server.sql("INSERT INTO mailweir.node (name, lease_until) VALUES ('old', now() + interval '1 h'); "
                   "INSERT INTO mailweir.fence SELECT epoch FROM mailweir.node", database)
        status, out, err = gateway.run("spool", "migrate")
        if version < least:
            assert status != 0 and "1 node" in err and "mailweir drain" in err, (status, err)
            assert server.sql("SELECT max(number) FROM mailweir.version", database) == [[str(version)]]
            server.sql("DELETE FROM mailweir.fence", database)
            status, out, err = gateway.run("spool", "migrate")
        assert status == 0 and f"version {len(STEPS)}" in out, (out, err)
        gateway.start()
        wait(lambda version=version: dovecot.count() == version, "the message that waited")
        gateway.stop()


def test_tables_of_a_later_version(world):
    """A later version that only adds something is worked with, by nodes that run and by those that start; one that says otherwise is refused."""
    dovecot = world.dovecot()
    gateway = world.mailweir(dovecot)
    server = on_server(world, gateway)
    gateway.start()
    server.sql("ALTER TABLE mailweir.message ADD COLUMN later text; "
               f"INSERT INTO mailweir.version (number, least) VALUES ({len(STEPS) + 1}, {len(STEPS)})")
    gateway.send(message("meanwhile"))
    wait(lambda: dovecot.count() == 1, "filed message")
    gateway.stop()
    status, out, _ = gateway.run("spool", "migrate")
    assert status == 0 and "nothing to do" in out, out
    gateway.migrated = True
    gateway.start()
    gateway.send(message("afterwards"))
    wait(lambda: dovecot.count() == 2, "filed message")
    gateway.stop()
    server.sql(f"INSERT INTO mailweir.version (number, least) VALUES ({len(STEPS) + 2}, {len(STEPS) + 1})")
    refuses_to_start(gateway, f"has version {len(STEPS) + 2}", "run the newer mailweir")


def test_a_role_that_may_not_migrate(world):
    gateway = world.mailweir(None)
    server = on_server(world, gateway)
    server.sql("CREATE ROLE node LOGIN")
    gateway.configuration["spool"]["postgresql"]["connection"] = server.connection(user="node")
    status, _, err = gateway.run("spool", "migrate")
    assert status != 0 and "GRANT CREATE ON DATABASE" in err, err


def test_connections_that_are_refused(world):
    """What stands in the configuration is looked at before anybody connects: TLS, passwords, databases."""
    gateway = world.mailweir(None)
    spool = gateway.configuration["spool"]

    def check(text, **more):
        spool["postgresql"] = {"connection": text, **more}
        status, out, err = gateway.run("check")
        return status, out + err

    assert check("host=/run/postgresql dbname=mailweir")[0] == 0
    assert check("host=db.example.net dbname=mailweir")[0] == 0
    for mode in ("disable", "prefer", "require", "verify-ca"):
        status, said = check(f"host=db.example.net dbname=mailweir sslmode={mode}")
        assert status != 0 and f"sslmode={mode}" in said and "verify-full" in said, said
        assert check(f"host=db.example.net dbname=mailweir sslmode={mode}", insecure=True)[0] == 0
    status, said = check("host=db.example.net dbname=mailweir password=secret")
    assert status != 0 and '"password"' in said, said
    for wrong in ("postgresql://db.example.net/mailweir", "db.example.net", "host='db dbname=mailweir"):
        status, said = check(wrong)
        assert status != 0 and "keyword=value" in said, said
    status, said = check("host=db.example.net")
    assert status != 0 and "dbname" in said, said
    del spool["postgresql"], spool["path"]
    status, out, err = gateway.run("check")
    assert status != 0 and '"path" is missing' in out + err and "postgresql" in out + err, out + err


def test_the_password_is_shown_nowhere(world):
    """It is read from a file; neither the log nor the process's arguments have it, nor does the server's log have mail."""
    dovecot = world.dovecot()
    gateway = world.mailweir(dovecot)
    server = on_server(world, gateway)
    server.sql("CREATE ROLE node LOGIN PASSWORD 'kept secret'")
    server.sql("GRANT ALL ON DATABASE mailweir TO node")
    (server.data / "pg_hba.conf").write_text("local all postgres trust\nlocal all all scram-sha-256\n")
    server.sql("SELECT pg_reload_conf()")
    secret = gateway.folder / "password"
    secret.write_text("kept secret\n")
    secret.chmod(0o600)
    gateway.configuration["spool"]["postgresql"] = {"connection": server.connection(user="node"), "password": {"file": str(secret)}}
    gateway.start()
    gateway.send(message("a subject of its own"))
    wait(lambda: dovecot.count() == 1, "filed message")
    gateway.stop()
    assert "kept secret" not in gateway.log.read_text()
    assert "a subject of its own" not in server.log_text()
    secret.write_text("another\n")
    assert refuses_to_start(gateway, "authentication failed")["error.code"] == "refused"


def test_killed_server(world):
    """kill -9 of PostgreSQL under load: what was acknowledged is filed once, and mail flows again when it is back."""
    dovecot = world.dovecot()
    gateway = world.mailweir(dovecot)
    server = world.postgresql(safe=True)
    on_server(world, gateway)
    gateway.start()
    sent, stop = [], threading.Event()

    def send(number):
        count = 0
        while not stop.is_set():
            count += 1
            subject = f"s{number}-{count}"
            try:
                gateway.send(message(subject))
                sent.append(subject)
            except (AssertionError, OSError, smtplib.SMTPException):
                stop.wait(0.05)

    threads = [threading.Thread(target=send, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(2):
        before = len(sent)
        wait(lambda: len(sent) > before + 20, "mail that is accepted", 60)
        server.kill()
        server.start()
        before = len(sent)
        wait(lambda: len(sent) > before + 5, "mail that is accepted again", 60)
    stop.set()
    for thread in threads:
        thread.join()
    wait(lambda: server.sql("SELECT count(*) FROM mailweir.message WHERE open > 0") == [["0"]], "all that is filed", 120)
    filed = [re.search(rb"\r\nSubject: (\S+)", octets).group(1).decode() for octets in dovecot.messages()]
    assert set(sent) <= set(filed), f"lost: {sorted(set(sent) - set(filed))}"
    assert len(filed) == len(set(filed)), "filed twice: " + str(sorted(s for s in set(filed) if filed.count(s) > 1))
    gateway.stop()


def test_server_down(world):
    """Without the server senders hear 451, nothing is lost, and operators are told; with it, all goes on."""
    dovecot = world.dovecot()
    gateway = world.mailweir(dovecot)
    server = on_server(world, gateway)
    gateway.start()
    gateway.send(message("before"))
    wait(lambda: dovecot.count() == 1, "filed message")
    server.stop()
    with gateway.smtp() as client:
        client.ehlo()
        try:
            client.sendmail("app@example.com", ["ops@example.net"], message("while it is down"))
            raise AssertionError("mail was accepted without a database")
        except (smtplib.SMTPDataError, smtplib.SMTPSenderRefused, smtplib.SMTPRecipientsRefused) as refusal:
            code = refusal.smtp_code if hasattr(refusal, "smtp_code") else list(refusal.recipients.values())[0][0]
            assert code == 451, refusal
    assert any("PostgreSQL" in event.get("error.message", "") for event in gateway.events("spool_commit_failed")), gateway.log.read_text()
    server.start()
    wait(lambda: _accepts(gateway), "mail that is accepted again")
    wait(lambda: dovecot.count() == 2, "filed message")
    gateway.stop()


class Absent(Session):
    """The first time that a large message comes it does not read on until the test lets it."""

    def octets(self, count):
        if count > 500000 and not self.fake.stalled.is_set():
            self.fake.stalled.set()
            self.fake.release.wait(120)
        return super().octets(count)


def test_last_octets_that_nobody_takes(world):
    """A server does not read a message to its end. On a shared queue the kernel gives the last octets up long before `timeouts.command`, so that they cannot
    arrive behind the message that another node files meanwhile."""
    fake = FakeImap(world, session=Absent)
    gateway = world.mailweir(None)
    on_server(world, gateway)
    fake.configure(gateway, timeouts={"connect": "30s", "command": "600s"}, retry={"initial": "20ms", "maximum": "100ms", "settle": "50ms"})
    gateway.start()
    gateway.send(message("large", body="words\r\n" * 140000))
    wait(lambda: gateway.events("deferred"), "a connection that the kernel gives up", 90)
    assert gateway.events("deferred")[0]["error.code"] == "etimedout", gateway.events("deferred")
    fake.release.set()  # what is there is read now
    wait(lambda: gateway.events("filed"), "the message filed", 60)
    gateway.stop()
    assert len(fake.ids()) == 1, fake.ids()


def _overflow(gateway):
    return json.loads(gateway.run("status", "--json")[1])["queue"]["overflow"]


def test_overflow(world):
    """With an overflow mail is accepted without the server, said to be where it is, and filed once when the server is there again: also by the next run."""
    dovecot = world.dovecot()
    gateway = world.mailweir(dovecot)
    server = on_server(world, gateway)
    gateway.configuration["spool"]["postgresql"]["overflow"] = str(gateway.folder / "overflow")
    gateway.start()
    gateway.send(message("before"))
    wait(lambda: dovecot.count() == 1, "filed message")
    assert not _overflow(gateway)["in_use"], _overflow(gateway)
    server.stop()
    wait(lambda: _accepts(gateway), "mail that is accepted without the server")
    for number in range(20):
        gateway.send(message(f"while it is down {number}"))
    gateway.send(message("large", "x" * 70 + "\r\n" * 1 + ("y" * 70 + "\r\n") * 9000))
    state = json.loads(gateway.run("status", "--json")[1])
    assert state["ready"] and state["queue"]["overflow"]["in_use"] and state["queue"]["overflow"]["messages"] == 22, state["queue"]
    told = [one["text"] for one in state["attention"] if one["about"] == "overflow"]
    assert told and "22 messages so far" in told[0] and "overflow" in told[0], state["attention"]
    assert "mailweir_overflow_messages 22\n" in Admin(gateway).get("/metrics").text
    server.start()
    wait(lambda: dovecot.count() == 23, "filed messages")
    wait(lambda: _overflow(gateway)["messages"] == 0 and not _overflow(gateway)["in_use"], "an overflow that is empty")
    assert _overflow(gateway)["handed_over"] == 22
    assert len(gateway.events("overflow_begins")) == 1 and len(gateway.events("overflow_ends")) == 1
    server.stop()
    wait(lambda: _accepts(gateway), "mail that is accepted without the server")
    gateway.stop()
    server.start()
    gateway.start()
    wait(lambda: dovecot.count() == 24, "a message that the run before has left")
    wait(lambda: _overflow(gateway)["messages"] == 0, "an overflow that is empty")
    assert dovecot.count() == 24
    gateway.stop()


def _accepts(gateway):
    try:
        gateway.send(message("after"))
        return True
    except (AssertionError, smtplib.SMTPException):
        return False


def test_nodes_know_each_other(world):
    """Each of three says that it lives and what it does; one that ends in order is gone at once."""
    dovecot = world.dovecot()
    server, nodes = cluster(world, dovecot, lease="60s")
    for node in nodes:
        wait(lambda node=node: sorted(names(node)) == ["node0", "node1", "node2"], "three nodes")
    nodes[1].send(message("by the second"))
    wait(lambda: any(one["name"] == "node1" and one["state"].get("accepted") == 1 and one["state"].get("filed") == 1
                     for one in json.loads(nodes[0].run("status", "--json")[1])["nodes"]), "what the second does, seen from the first")
    assert "node1" in nodes[2].run("status")[1]
    # Each tells by which rules it decides, and hears when another one has others.
    seen = json.loads(nodes[0].run("status", "--json")[1])
    states = [one["state"] for one in seen["nodes"]]
    assert not seen["rules_differ"] and len({state["rules_digest"] for state in states}) == 1, seen["nodes"]
    assert all(abs(state["skew_ms"]) < 5000 for state in states), states
    assert sum(state["upstreams"]["corp"]["slots"] for state in states) >= 1, states
    nodes[1].rules.append({"name": "another", "if": {"header": "Subject", "is": "another"}, "then": [{"stop": True}]})
    assert nodes[1].run("reload")[0] == 0
    wait(lambda: json.loads(nodes[0].run("status", "--json")[1])["rules_differ"], "rules that differ, seen from the first")
    assert "have different rules" in nodes[0].run("status")[1]
    wait(lambda: json.loads(nodes[2].run("status", "--json")[1])["rules_differ"], "the same, seen from the third")
    with top(nodes[2]) as picture:
        lines = [line.split() for line in picture("NODE", "node0", "node1", "node2", "this one", "UPSTREAM").splitlines()]
        digests = {line[0]: line[7] for line in lines if line and line[0].startswith("node") and len(line) > 8}
        assert digests["node0"] == digests["node2"] != digests["node1"], lines
    nodes[1].rules.pop()
    assert nodes[1].run("reload")[0] == 0
    wait(lambda: not json.loads(nodes[0].run("status", "--json")[1])["rules_differ"], "the same rules again")
    used = set(re.findall(r"mailweir_(?:node_\w+|spool_dead_rows)", (ROOT / "deploy/prometheus-alerts.yml").read_text()))
    known = set(re.findall(r"^(mailweir_\w+)", Admin(nodes[0]).get("/metrics").text, re.M))
    assert used and used <= known, used - known
    # Any node knows any message.
    nodes[2].run("queue", "pause", "corp")
    wait(lambda: "paused" in nodes[0].run("status")[1], "the pause, heard of by the first")
    stuck = nodes[0].send(message("stuck"))
    wait(lambda: stuck in nodes[1].run("queue", "list")[1], "a message of the first, seen from the second")
    assert "stuck" in nodes[2].run("why", stuck)[1] or stuck in nodes[2].run("why", stuck)[1]
    nodes[1].run("queue", "resume", "corp")
    wait(lambda: dovecot.count() == 2, "filed messages")
    nodes[0].stop()
    wait(lambda: sorted(names(nodes[1])) == ["node1", "node2"], "two nodes")
    assert not nodes[1].events("node_taken_over"), "one that ended in order was taken over"
    for node in nodes[1:]:
        node.stop()


def test_a_pause_is_the_accounts(world):
    """What the server tells one node, the other heeds: it sends nothing before that time either."""
    told = threading.Event()

    def throttled(step, session, **facts):
        if step == "append-begin" and not told.is_set():
            told.set()
            return "NO Request is throttled. Suggested Backoff Time: 15000 milliseconds"
        return None

    fake = FakeImap(world, "microsoft365", fault=throttled)
    _, nodes = cluster(world, fake, count=2, lease="60s", profile="microsoft365")
    first = nodes[0].send(message("one"))
    until = wait(lambda: [e for node in nodes for e in node.events("upstream_paused_elsewhere")], "the pause, heard of by the other")[0]["until"]
    assert [len(node.events("upstream_failed")) for node in nodes].count(1) == 1, "both were told"
    second = nodes[1].send(message("two", number=1))
    filed = wait(lambda: len(found := [e for node in nodes for e in node.events("filed")]) == 2 and found, "both messages")
    assert len(fake.ids()) == 2, fake.ids()
    assert {e["id"] for e in filed} == {first, second} and all(e["@timestamp"] >= until for e in filed), (filed, until)
    for node in nodes:
        node.stop()


def test_a_node_is_killed(world):
    """kill -9 of a node under load: the others file what it had, once, within its lease and five seconds."""
    imap = FakeImap(world, profile="plain", fault=slow)
    server, nodes = cluster(world, imap, connections=3)
    wait(lambda: sorted(names(nodes[1])) == ["node0", "node1", "node2"], "three nodes")
    ledger = Ledger(nodes, folders=8, pace=0.05)
    ledger.more(60)
    wait(lambda: imap.peak == 3, "all connections that the account may have")
    nodes[0].kill()
    ledger.nodes = nodes[1:]
    taken = wait(lambda: [e for node in nodes[1:] for e in node.events("node_taken_over")], "takeover", 40)
    assert [e["node"] for e in taken] == ["node0"], taken
    imap.most = imap.open
    ledger.more(20)
    wait(lambda: imap.most == 3, "connections of the dead node, in the hands of others")
    ledger.stop()
    balance(server, ledger, imap)
    assert imap.peak == 3, f"{imap.peak} connections at once to an account that may have 3"
    for node in nodes[1:]:
        node.stop()


def test_one_connection_for_three_nodes(world):
    """Where the account may have one connection, one node has it: what the others accept is filed by that one, and by another when it ends."""
    imap = FakeImap(world, profile="plain", fault=slow)
    server, nodes = cluster(world, imap, connections=1, lease="60s")
    ledger = Ledger(nodes, senders=2, folders=3, pace=0.08)
    ledger.more(20)
    wait(lambda: len(imap.messages()) > 10, "filed messages")
    ledger.nodes = nodes[1:]
    nodes[0].stop()
    ledger.more(10)
    ledger.stop()
    balance(server, ledger, imap)
    assert imap.peak == 1, f"{imap.peak} connections at once"
    for node in nodes[1:]:
        node.stop()


def test_tokens_are_asked_for_by_one_node_at_a_time(world):
    """Three nodes that need an access token at once: who asks second might be given what makes the first one's void, so it waits."""
    imap = FakeImap(world, profile="microsoft365")
    asked = world.folder / "asked"
    program = world.folder / "get-token"
    program.write_text(f"#!/bin/sh\necho begins >>{asked}\nsleep 0.3\necho ends >>{asked}\necho a-token\n")
    program.chmod(0o755)
    _, nodes = cluster(world, imap, lease="60s", connections=3, auth={"username": "relay", "token": {"command": [str(program)]}})
    senders = [threading.Thread(target=node.send, args=(message(node.name),)) for node in nodes]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    wait(lambda: len(imap.messages()) == 3, "three filed messages")
    assert asked.read_text().split() == ["begins", "ends"] * 3, asked.read_text()
    for node in nodes:
        node.stop()


def test_a_node_is_stopped_and_goes_on(world):
    """A node that stands still for longer than its lease and then goes on: what it had is another's, it begins anew, and nothing is filed twice."""
    dovecot = world.dovecot()
    server, nodes = cluster(world, dovecot, 2)
    ledger = Ledger(nodes)
    ledger.more(40)
    nodes[0].process.send_signal(signal.SIGSTOP)
    ledger.nodes = nodes[1:]
    wait(lambda: nodes[1].events("node_taken_over"), "takeover", 60)
    nodes[0].process.send_signal(signal.SIGCONT)
    wait(lambda: sorted(names(nodes[1])) == ["node0", "node1"], "a node that has begun anew", 60)
    ledger.nodes = nodes
    ledger.more(20)
    ledger.stop()
    balance(server, ledger, dovecot)
    for node in nodes:
        node.stop()


def test_lost_answers(world):
    """A proxy that loses the answer to a COMMIT: whoever waits hears what became of it, and each message is filed once."""
    dovecot = world.dovecot()
    gateway = world.mailweir(dovecot)
    server = world.postgresql(safe=True, tcp=True)
    server.create("shared")
    proxy = Proxy(server.port)
    world.cleanup.append(proxy.close)
    gateway.configuration["spool"]["postgresql"] = {
        "connection": f"host=127.0.0.1 port={proxy.port} dbname=shared user=postgres sslmode=disable", "insecure": True}
    gateway.start()
    ledger = Ledger([gateway])
    for _ in range(5):
        ledger.more(10)
        proxy.lose_commit()
        wait(lambda: proxy.lost == proxy.wanted, "an answer that is lost")
    ledger.more(10)
    ledger.stop()
    balance(server, ledger, dovecot)
    assert gateway.events("spool_in_limbo"), "nothing was in limbo"
    gateway.stop()


class Proxy:
    """Between a gateway and its server; ends the connection in front of the answer to a COMMIT when that is wanted."""

    def __init__(self, target):
        self.target, self.wanted, self.lost = target, 0, 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.threads = [threading.Thread(target=self.accept, daemon=True)]
        self.threads[0].start()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
                server = socket.create_connection(("127.0.0.1", self.target))
            except OSError:
                return
            for one, other, answers in ((client, server, False), (server, client, True)):
                threading.Thread(target=self.carry, args=(one, other, answers), daemon=True).start()

    def carry(self, one, other, answers):
        with contextlib.suppress(OSError):
            while data := one.recv(65536):
                if answers and b"COMMIT\0" in data and self.lost < self.wanted:
                    self.lost += 1
                    break
                other.sendall(data)
        for end in (one, other):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def lose_commit(self):
        self.wanted += 1

    def close(self):
        self.listener.close()


def test_drain(world):
    """A node that is drained takes nothing new, ends with 0 and leaves nothing in doubt; the other goes on with what waits."""
    dovecot = world.dovecot()
    server, nodes = cluster(world, dovecot, 2, lease="60s")
    wait(lambda: sorted(names(nodes[1])) == ["node0", "node1"], "two nodes")
    ledger = Ledger(nodes)
    ledger.more(20)
    status, out, err = nodes[0].run("drain")
    assert status == 0 and "draining" in out, (status, out, err)
    ledger.nodes = nodes[1:]
    wait(lambda: not nodes[0].process.alive(), "end of a node that is drained")
    assert nodes[0].process.popen.returncode == 0, nodes[0].log.read_text()[-2000:]
    ledger.more(10)
    ledger.stop()
    balance(server, ledger, dovecot)
    assert not nodes[1].events("node_taken_over")
    nodes[1].stop()


def test_moving(world):
    """What waits goes from a folder into a database and back by one command, once, however often that is said; held mail stays held, dead letters wait for their operator."""
    dovecot = world.dovecot()
    gateway = world.mailweir(dovecot)
    server = on_server(world, gateway)
    database = gateway.configuration["spool"].pop("postgresql")
    gateway.start()
    assert gateway.run("queue", "pause", "corp")[0] == 0
    octets = [message(f"number {n}", number=n) for n in range(5)] + [message("large", body="x" * 70 + "\r\n" + ("y" * 70 + "\r\n") * 9000, number=9)]
    ids = [gateway.send(one) for one in octets]
    assert gateway.run("queue", "hold", ids[1])[0] == 0
    assert gateway.run("queue", "resume", "corp")[0] == 0

    def move(to, *words):
        status, out, err = gateway.run("spool", "move", "--to", to)
        assert status == 0 and all(word in out for word in words), (status, out, err)

    wait(lambda: dovecot.count() == len(octets) - 1, "filed messages")
    assert gateway.run("queue", "pause", "corp")[0] == 0
    octets += [message(f"later {n}", number=20 + n) for n in range(5)]
    ids += [gateway.send(one) for one in octets[6:]]
    status, _, err = gateway.run("spool", "move", "--to", "postgresql")
    assert status != 0 and "both places" in err, err
    gateway.configuration["spool"]["postgresql"] = database
    gateway.migrate()
    status, _, err = gateway.run("spool", "move", "--to", "postgresql")
    assert status != 0 and "a gateway runs on the spool" in err, err
    gateway.stop()

    move("postgresql", "6 moved", "0 stay")
    move("postgresql", "0 moved")
    assert server.sql("SELECT count(*) FROM mailweir.message WHERE open > 0") == [["6"]]
    assert server.sql("SELECT state FROM mailweir.delivery JOIN mailweir.message ON message = seq WHERE id = '%s'" % ids[1]) == [["1"]]
    move("local", "6 moved", "0 stay")
    assert server.sql("SELECT count(*) FROM mailweir.message WHERE open > 0") == [["0"]]
    move("postgresql", "6 moved")
    gateway.start()
    status, _, err = gateway.run("spool", "move", "--to", "local")
    assert status != 0 and "1 nodes run" in err, err
    wait(lambda: dovecot.count() == len(octets) - 1, "filed messages")
    assert gateway.run("queue", "release", ids[1])[0] == 0
    wait(lambda: dovecot.count() == len(octets), "the one that was held")
    gateway.stop()
    assert sorted(received_part(m) for m in dovecot.messages()) == sorted(octets)
