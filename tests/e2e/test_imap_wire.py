"""The connection itself: compression, and servers that say what no server says. No message lost, none twice, bounded memory and time."""
import pathlib
import re
import socket
import threading
import zlib

from fake_imap import PROFILES, FakeImap, Profile, Session
from harness import is_sanitized, message, received_part, wait
from test_imap_faults import check_exactly_once, cut_everywhere, gateway_for, send_many

COMPRESS = Profile(PROFILES["generic"].capability + " COMPRESS=DEFLATE")


class Counter:
    """Passes connections on to a port and counts the octets of both directions."""

    def __init__(self, world, port):
        self.to, self.counts = port, []
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port = self.server.getsockname()[1]
        world.cleanup.append(self.server.close)
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                near = self.server.accept()[0]
            except OSError:
                return
            far = socket.create_connection(("127.0.0.1", self.to))
            for source, target in ((near, far), (far, near)):
                threading.Thread(target=self.copy, args=(source, target), daemon=True).start()

    @property
    def octets(self):
        return sum(count[0] for count in self.counts)

    def copy(self, source, target):
        # A count of its own for every thread: two that add to one number lose what the other added.
        count = [0]
        self.counts.append(count)
        try:
            while data := source.recv(65536):
                count[0] += len(data)
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            target.close()


def resident(gateway):
    """Megabytes of memory, at most so far."""
    text = pathlib.Path(f"/proc/{gateway.process.popen.pid}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+)", text).group(1)) / 1024


# ---- compression ----

def test_compress_dovecot(world):
    """A real server: mail arrives as it was sent, and takes a fraction of its octets on the way."""
    dovecot = world.dovecot(extra="mail_plugins = $mail_plugins zlib\nprotocol imap {\n  mail_plugins = $mail_plugins imap_zlib\n}\n"
                                  "disable_plaintext_auth = no\n")
    octets = {}
    for compress in ("no", "yes", "auto"):
        counter = Counter(world, dovecot.port)
        gateway = world.mailweir(None, name=compress)
        gateway.upstream.update({"address": f"127.0.0.1:{counter.port}", "tls": {"mode": "none"}, "profile": "dovecot", "compress": compress})
        gateway.configuration["default"]["folder"] = compress
        gateway.start()
        sent = [message(f"number {number}", body="the same words again and again\r\n" * 2000, number=number) for number in range(20)]
        sent.append(message("large", body="".join(f"{number * 7919 % 100003} " for number in range(400000))[:900000]
                            .replace(" ", " \r\n"), number=99))
        with gateway.smtp() as client:
            # The folder is made for the first message alone: what meets none goes out twice, and how many do is chance.
            client.sendmail("app@example.com", ["ops@example.net"], sent[0])
            wait(lambda: gateway.events("filed"), "the first filed", 60)
            for one in sent[1:]:
                client.sendmail("app@example.com", ["ops@example.net"], one)
        wait(lambda: len(gateway.events("filed")) == len(sent), "all filed", 60)
        gateway.stop()
        octets[compress] = counter.octets
        found = [received_part(one) for one in dovecot.messages(compress)]
        assert sorted(found) == sorted(sent), compress
    print(f"figure: octets on the wire for 2.3 MB of text: plain {octets['no']}, deflated {octets['yes']}")
    assert octets["yes"] < octets["no"] / 2, octets
    assert octets["auto"] > octets["no"] * 0.9, ("auto is for servers far away", octets)


def test_compress_cut_at_octets(world):
    cut_everywhere(world, "cut_received", 420, COMPRESS, compress="yes")


def test_compress_cut_at_octets_sent(world):
    cut_everywhere(world, "cut_sent", 280, COMPRESS, compress="yes")


def test_compress_commit_then_cut(world):
    state = {"commands": 0}

    def fault(step, session, **facts):
        if step == "append-end":
            state["commands"] += 1
            return "commit-cut" if state["commands"] % 3 == 0 else None
        return None

    fake = FakeImap(world, COMPRESS, fault=fault)
    gateway = gateway_for(world, fake, compress="yes").start()
    send_many(gateway, 100)
    check_exactly_once(gateway, fake, 100, 120)
    gateway.stop()


def bomb(line, count):
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    data = b"".join(packer.compress(line) for _ in range(count))
    return data + packer.flush(zlib.Z_SYNC_FLUSH)


def test_compress_bombs(world):
    """Some kilobytes that become gigabytes, as one line, as many responses, as one literal; and what is no deflate stream at all."""
    bombs = [bomb(b"x" * (1 << 20), 2000), bomb(b"* OK hello\r\n" * 87381, 400), bomb(b"* X {999999999}\r\n" + b"y" * (1 << 20), 400),
             b"\xff" * 100000, b"\x03\x00"]
    left = list(bombs)

    def fault(step, session, **facts):
        if step == "compressed" and len(left) > end:
            data, packer = left.pop(0), session.deflate
            packer.flush(zlib.Z_SYNC_FLUSH)
            try:
                session.request.sendall(data)
            except OSError:
                pass
        return None

    for end in (3, 1, 0):  # after two of them compression is left out, for a day
        fake = FakeImap(world, COMPRESS, fault=fault)
        gateway = gateway_for(world, fake, compress="yes").start()
        before = resident(gateway)
        send_many(gateway, 3)
        check_exactly_once(gateway, fake, 3)
        assert len(left) == end, left
        taken = resident(gateway) - before
        assert is_sanitized() or taken < 24, f"{taken} MB more after the bombs"
        assert {event["error.code"] for event in gateway.events("upstream_failed")} <= {"protocol", "compress", "connection-lost", "timeout"}
        gateway.stop()
    print(f"figure: {sum(map(len, bombs))} octets that inflate to 2.8 GB took at most {taken:.0f} MB")


# ---- servers that say what no server says ----

class Hostile(Session):
    """What the greeting, and each answer, is made of besides what belongs there, as long as the test wants it."""

    def greet(self):
        action = self.fault("greet")
        if action == "preauth":
            self.say(f"* PREAUTH [CAPABILITY {self.fake.capability}] welcome")
        elif action == "early tags":
            self.say("* OK ready\r\n" + "\r\n".join(f"{tag}{number} OK done" for tag in ("A", "a", "A00", "") for number in range(1, 9)))
        else:
            super().greet()

    def say(self, text):
        action = self.fault("say", text=text)
        if action == "unsolicited":
            text = UNSOLICITED + text
        elif action == "wrong tag" and " OK" in text and not text.startswith("*"):
            text = "ZZZZZZ9" + text[text.index(" "):]
        elif action == "endless line":
            self.flood(b"* OK " + b"x" * 65531)
        elif action == "endless responses":
            self.flood(b"* 1 FETCH (FLAGS (\\Seen))\r\n" * 2000)
        elif action == "huge literal":
            self.send("* X {99999999999999999999}\r\n")
        elif action == "long literal":
            self.send("* X {67108864}\r\n")
            self.flood(b"y" * 65536, 1100)
        elif action == "brackets":
            self.flood(b"* LIST " + b"(" * 65000 + b"\r\n", 200)
        super().say(text)

    def flood(self, data, count=8000):
        for _ in range(count):
            self.send(data)


UNSOLICITED = ("* 7 EXISTS\r\n* 0 RECENT\r\n* 3 EXPUNGE\r\n* 2 FETCH (FLAGS (\\Seen) UID 9 BODY[HEADER.FIELDS (X-Mailweir-Id)] NIL)\r\n"
               "* SEARCH 1 2 3\r\n* STATUS INBOX (MESSAGES 1)\r\n* LIST (\\Junk) \"/\" INBOX\r\n* NAMESPACE NIL NIL NIL\r\n"
               "* OK [ALERT] \x1b[31mred\r\n* OK [APPENDUID 1 1] no\r\n* OK [UIDVALIDITY 5] no\r\n* NO [OVERQUOTA] warning\r\n* BAD what\r\n"
               "* OK [REFERRAL imap://evil.example/] go\r\n* ENABLED UTF8=ACCEPT\r\n* XYZZY (a (b \"c\\\"\" {3}\r\nd)e) ~{2}\r\nxx)\r\n* FLAGS ()\r\n")


def check_hostile(world, action, steps=("say",), times=3, count=5, fits=None, **extra):
    def fault(step, session, **facts):
        hit = step in steps and session.number <= times and (fits is None or fits(facts.get("text", "")))
        return action if hit else None

    fake = FakeImap(world, fault=fault, session=Hostile)
    gateway = gateway_for(world, fake, **extra)
    gateway.start()
    before = resident(gateway)
    send_many(gateway, count)
    check_exactly_once(gateway, fake, count)
    assert is_sanitized() or resident(gateway) - before < 24, (action, before, resident(gateway))
    gateway.stop()
    return fake, gateway


def test_unsolicited_everything(world):
    """In front of each answer stands all that a server may say, and nothing of it is believed: no deferral, no reconnection."""
    fake, gateway = check_hostile(world, "unsolicited", times=1000, count=20, fits=lambda text: "fake ready" not in text)
    assert not gateway.events("deferred") and not gateway.events("upstream_failed")
    assert "\x1b" not in gateway.log.read_text()


def test_wrong_tags(world):
    """An answer to a command that was not given, at each step of the dialogue."""
    check_hostile(world, "wrong tag")
    check_hostile(world, "early tags", ("greet",))


def test_endless_answers(world):
    """A line without an end, responses without an end, nested lists, literals beyond all sense: given up, with bounded memory."""
    for action in ("endless line", "endless responses", "huge literal", "long literal", "brackets"):
        fake, gateway = check_hostile(world, action, count=2, fits=lambda text: " OK" in text and not text.startswith("*"))
        given_up = gateway.events("upstream_failed") or gateway.events("deferred")
        assert given_up or action == "brackets", action  # those are read to their end: there are no more than a server may send


def test_preauth(world):
    """Somebody else's login, in clear where TLS is demanded: nothing goes out; on loopback, where clear text is allowed, it is used."""
    check_hostile(world, "preauth", ("greet",))
    fake = FakeImap(world, fault=lambda step, session, **facts: "preauth" if step == "greet" else None, session=Hostile)
    gateway = gateway_for(world, fake)
    gateway.upstream["tls"] = {"mode": "starttls", "ca_file": str(world.certificates.ca)}
    gateway.start()
    gateway.send(message("one"))
    deferred = wait(lambda: gateway.events("deferred"), "deferred line")[0]
    assert deferred["error.code"] == "starttls" and "PREAUTH" in deferred["error.message"], deferred
    assert fake.total_received == 0 and not fake.ids()
    gateway.stop()


class Injector(Session):
    """STARTTLS: octets in clear behind the answer, in the same segment or right behind it."""

    def on_starttls(self, tag, rest):
        self.send(f"{tag} OK begin\r\n* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\nA1 OK in\r\n")
        self.fake.release.wait(1)


def test_starttls_injection(world):
    """What stands in clear behind the answer to STARTTLS ends the connection; no password, no mail goes out."""
    fake = FakeImap(world, Profile(PROFILES["generic"].capability + " STARTTLS"), session=Injector)
    gateway = gateway_for(world, fake)
    gateway.upstream["tls"] = {"mode": "starttls", "ca_file": str(world.certificates.ca)}
    gateway.start()
    gateway.send(message("one"))
    deferred = wait(lambda: gateway.events("deferred"), "deferred line")[0]
    assert deferred["error.code"] == "starttls", deferred
    assert not fake.ids() and not fake.logins
    gateway.stop()
