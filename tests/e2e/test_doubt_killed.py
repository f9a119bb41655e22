"""A gateway that is killed while the octets of a message lie in the kernel: they are thrown away and the server hears a reset, so that nothing is filed behind the
back of the next start."""
import pathlib
import socket

from fake_imap import FakeImap, Session
from harness import message, wait

SIZE = 80000


class Slow(Session):
    """Has little room for what comes, and reads nothing of a message until it is let go."""

    def setup(self):
        super().setup()
        self.request.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)

    def octets(self, count):
        if not self.fake.let_go.is_set():
            self.fake.peer = self.request.getpeername()[1]
            self.fake.let_go.wait(60)
            try:
                data = super().octets(count)
            except ConnectionResetError:
                self.fake.was_reset = True
                raise
            self.fake.whole = True
            return data
        return super().octets(count)


def queued(local, remote, which):
    """Octets that the kernel holds in one end of a connection: which is 0 for those to be sent, 1 for those to be read."""
    for line in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]:
        words = line.split()
        if (int(words[1].split(":")[1], 16), int(words[2].split(":")[1], 16)) == (local, remote):
            return int(words[4].split(":")[which], 16)
    return 0


def is_handed_over(fake):
    """The gateway has given the whole message to its kernel, and some of it has not gone out."""
    unsent = queued(fake.peer, fake.port, 0) if fake.peer else 0
    return unsent > 4096 and unsent + queued(fake.port, fake.peer, 1) >= SIZE


def test_killed_while_octets_are_unsent(world):
    fake = FakeImap(world, session=Slow)
    fake.let_go, fake.peer, fake.was_reset, fake.whole = fake.release, None, False, False
    gateway = world.mailweir(None)
    fake.configure(gateway, retry={"initial": "50ms", "maximum": "200ms", "settle": "200ms"})
    gateway.start()
    gateway.send(message("one", body="x" * 70 + "\r\n" + ("y" * 70 + "\r\n") * (SIZE // 72)))
    wait(lambda: is_handed_over(fake), "octets that wait in the kernel")
    gateway.kill()
    fake.release.set()
    wait(lambda: fake.was_reset or fake.whole or fake.open == 0, "the end of the connection")
    assert fake.was_reset and not fake.whole
    gateway.start()
    wait(lambda: gateway.events("filed"), "the message filed")
    assert fake.appends == 1 and len(fake.ids()) == 1
    gateway.stop()
