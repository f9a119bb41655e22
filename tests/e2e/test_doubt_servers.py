"""Doubt with real servers: answers that are lost, a gateway that is killed meanwhile, people who copy old mail in and move what has come."""
import collections
import contextlib
import re
import socket
import ssl
import threading

from harness import message, wait
from test_imap_servers import Server

OLD = b"Subject: old\r\nMessage-ID: <old@example.com>\r\n\r\nx\r\n"


class Thief:
    """Between the gateway, in clear, and the server's TLS port: swallows the answer to an APPEND, closes, and refuses until it is opened again."""

    def __init__(self, world, port):
        self.port_behind, self.armed, self.is_open, self.stolen = port, True, True, 0
        self.clients = []
        self.lie = None  # what is said instead of the answer that is swallowed
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        world.cleanup.append(self.listener.close)
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                if not self.is_open:
                    client.close()
                    continue
                server = ssl._create_unverified_context().wrap_socket(socket.create_connection(("127.0.0.1", self.port_behind)))
                state = {"appends": False}
                self.clients.append(client)
                threading.Thread(target=self.pump, args=(client, server, state, False), daemon=True).start()
                threading.Thread(target=self.pump, args=(server, client, state, True), daemon=True).start()

    def shut(self):
        """It takes no connection, and has none: one that idles since a look would file what comes next."""
        self.is_open = False
        for client in self.clients:
            with contextlib.suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)

    def pump(self, source, sink, state, is_answer):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                state["appends"] = state["appends"] or (not is_answer and b" APPEND " in data)
                if is_answer and self.armed and state["appends"] and re.search(rb"^[A-Z0-9]+ OK ", data, re.M):
                    self.armed = self.is_open = False
                    self.stolen += 1
                    if self.lie:
                        tag = re.search(rb"^([A-Z0-9]+) OK ", data, re.M).group(1)
                        sink.sendall(tag + b" " + self.lie + b"\r\n")
                    break
                sink.sendall(data)
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


def fill(connection, old, inbox="INBOX"):
    """Somebody moves 256 old messages into the folder."""
    assert connection.create(old)[0] == "OK"
    connection.append(old, None, '"01-Jan-2020 10:00:00 +0000"', OLD)
    connection.select(old)
    for _ in range(8):
        assert connection.copy("1:*", old)[0] == "OK"
        connection.noop()
    assert connection.copy("1:*", inbox)[0] == "OK"


def ids(connection, folder):
    """The X-Mailweir-Id of each message of the folder that has one."""
    status, data = connection.select(folder, readonly=True)
    if status != "OK" or int(data[0]) == 0:
        return []
    _, parts = connection.fetch("1:*", "(BODY.PEEK[HEADER.FIELDS (X-Mailweir-Id)])")
    text = b"".join(part[1] for part in parts if isinstance(part, tuple))
    return [found.decode() for found in re.findall(rb"X-Mailweir-Id: (\S+)", text)]


def move_ours(connection, archive):
    """Somebody moves what the gateway has filed to the archive."""
    connection.create(archive)
    connection.select("INBOX")
    found = connection.search(None, "HEADER", "X-Mailweir-Id", ".")[1][0].split()
    assert found
    numbers = b",".join(found).decode()
    assert connection.copy(numbers, archive)[0] == "OK"
    connection.store(numbers, "+FLAGS", "\\Deleted")
    connection.expunge()


def lose_answers(world, server, kind, prefix=""):
    thief = Thief(world, server.tls_port)
    gateway = world.mailweir(None, name="mailweir")
    gateway.upstream.update({"address": f"127.0.0.1:{thief.port}", "profile": kind, "tls": {"mode": "none"}, "insecure": True,
                             "retry": {"initial": "50ms", "maximum": "300ms", "settle": "200ms"}, "timeouts": {"command": "10s"}})
    gateway.start()
    person = server.imap()
    gateway.send(message("first"))
    wait(lambda: thief.stolen == 1, "a lost answer")
    gateway.kill()
    fill(person, f"{prefix}Old")
    thief.is_open = True
    gateway.start()
    first = wait(lambda: gateway.events("filed"), "the first one found")[0]
    assert first["note"] == "found: an earlier attempt had filed the message", first
    # Several, the answer to the first command is lost, and what came is moved before anybody looks.
    thief.shut()
    for number in range(5):
        gateway.send(message("more", number=number))
    thief.armed = thief.is_open = True
    wait(lambda: thief.stolen == 2, "another lost answer")
    move_ours(person, f"{prefix}Archive")
    thief.is_open = True
    wait(lambda: len(gateway.events("filed")) == 6, "all filed", 40)
    notes = [event["note"] for event in gateway.events("filed") if "note" in event]
    assert any("moved to \"" in note and "Archive\"" in note for note in notes), notes
    assert not any("possible_duplicate" in note for note in notes), notes
    person.logout()
    person = server.imap()
    copies = collections.Counter(ids(person, "INBOX") + ids(person, f"{prefix}Archive"))
    assert set(copies) == {event["delivery"] for event in gateway.events("filed")} and len(copies) == 6, copies
    assert set(copies.values()) == {1}, copies
    gateway.stop()


def refuse_what_is_kept(world, server, ending, words=b"NO [LIMIT] the last one is refused"):
    """Several go as one command where the server can; all are kept, NO is heard, the connection closed; the gateway stops or is killed meanwhile.
    Of a single message NO tells for certain that it was not kept, unless it tells of the server's own trouble."""
    thief = Thief(world, server.tls_port)
    thief.lie, thief.armed, thief.is_open = words, False, False
    gateway = world.mailweir(None, name="mailweir")
    gateway.upstream.update({"address": f"127.0.0.1:{thief.port}", "tls": {"mode": "none"}, "insecure": True, "connections": 1,
                             "limits": {"batch_atomic": "no", "plain_refusals": "no"},
                             "retry": {"initial": "50ms", "maximum": "300ms", "settle": "200ms"}, "timeouts": {"command": "10s"}})
    gateway.start()
    for number in range(6):
        gateway.send(message("several", number=number))
    thief.armed = thief.is_open = True
    wait(lambda: thief.stolen == 1, "a refusal of what is kept")
    before = len(gateway.events("filed"))
    getattr(gateway, ending)()
    thief.is_open = True
    gateway.start()
    wait(lambda: before + len(gateway.events("filed")) >= 6, "all filed", 40)
    notes = [event["note"] for event in gateway.events("filed") if "note" in event]
    assert not any("possible_duplicate" in note for note in notes), notes
    person = server.imap()
    copies = collections.Counter(ids(person, "INBOX"))
    assert len(copies) == 6 and set(copies.values()) == {1}, copies
    gateway.stop()
    return notes


def test_batch_refused_dovecot(world):
    assert any(note.startswith("found") for note in refuse_what_is_kept(world, world.dovecot(), "stop"))


def test_batch_refused_dovecot_and_killed(world):
    assert any(note.startswith("found") for note in refuse_what_is_kept(world, world.dovecot(), "kill"))


def test_batch_refused_cyrus_and_killed(world):
    assert any(note.startswith("found") for note in refuse_what_is_kept(world, Server(world, "cyrus"), "kill"))


def test_message_refused_courier_and_killed(world):
    assert any(note.startswith("found") for note in refuse_what_is_kept(world, Server(world, "courier"), "kill", b"NO [UNAVAILABLE] its store is lost"))


def test_dovecot(world):
    lose_answers(world, world.dovecot(), "dovecot")


def test_cyrus(world):
    lose_answers(world, Server(world, "cyrus"), "cyrus")


def test_courier(world):
    lose_answers(world, Server(world, "courier"), "courier", "INBOX.")


def test_removed_dovecot(world):
    """Somebody deletes what is in doubt. Dovecot remembers that (QRESYNC): the second look is sure that no later one shows more, and the second copy is noted."""
    server = world.dovecot()
    thief = Thief(world, server.tls_port)
    gateway = world.mailweir(None, name="mailweir")
    gateway.upstream.update({"address": f"127.0.0.1:{thief.port}", "profile": "dovecot", "tls": {"mode": "none"}, "insecure": True,
                             "retry": {"initial": "50ms", "maximum": "300ms", "settle": "200ms"}, "timeouts": {"command": "10s"}})
    gateway.start()
    person = server.imap()
    gateway.send(message("first"))
    wait(lambda: thief.stolen == 1, "a lost answer")
    person.select("INBOX")
    assert person.store("1", "+FLAGS", "\\Deleted")[0] == "OK"
    person.expunge()
    thief.is_open = True
    filed = wait(lambda: gateway.events("filed"), "the message filed again")[0]
    assert filed["note"].startswith("possible_duplicate") and ids(person, "INBOX") == [filed["delivery"]], filed
    reasons = [event["error.message"] for event in gateway.events("deferred")]
    assert any("were removed, as the server says itself" in reason for reason in reasons), reasons
    gateway.stop()
