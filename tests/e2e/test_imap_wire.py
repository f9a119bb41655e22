"""The connection itself: compression, and servers that say what no server says. No message lost, none twice, bounded memory and time."""
import pathlib
import re
import socket
import threading
import zlib

from fake_imap import PROFILES, FakeImap, Profile
from harness import message, received_part, wait
from test_imap_faults import check_exactly_once, cut_everywhere, gateway_for, send_many

COMPRESS = Profile(PROFILES["generic"].capability + " COMPRESS=DEFLATE")


class Counter:
    """Passes connections on to a port and counts the octets of both directions."""

    def __init__(self, world, port):
        self.to, self.octets = port, 0
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

    def copy(self, source, target):
        try:
            while data := source.recv(65536):
                self.octets += len(data)
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
            for one in sent:
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
        if step == "compressed" and left:
            data, packer = left.pop(0), session.deflate
            packer.flush(zlib.Z_SYNC_FLUSH)
            try:
                session.request.sendall(data)
            except OSError:
                pass
        return None

    fake = FakeImap(world, COMPRESS, fault=fault)
    gateway = gateway_for(world, fake, compress="yes").start()
    before = resident(gateway)
    send_many(gateway, 3)
    check_exactly_once(gateway, fake, 3)
    assert not left
    assert resident(gateway) - before < 24, f"{before} MB before, {resident(gateway)} MB after the bombs"
    print(f"figure: {sum(map(len, bombs))} octets that inflate to 2.8 GB took {resident(gateway) - before:.0f} MB")
    assert {event["error.code"] for event in gateway.events("upstream_failed")} <= {"protocol", "compress", "connection-lost", "timeout"}
    gateway.stop()
