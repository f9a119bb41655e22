"""Nobody waits for somebody else: beside each attack a well-behaved session is answered as in a control run, within ten times its time (and no less than
eight seconds, for a machine that is busy with others)."""
import base64
import contextlib
import socket
import threading
import time

from admin_client import Admin
from harness import message
from smtp_client import Raw, add_user, listener

EXPLODING = [{"name": f"r{i}", "if": {"field": "to", "matches": f"^(a+)+!{i}@"}, "on_error": "skip", "then": [{"reject": "no"}]} for i in range(8)]
ORDINARY = [{"name": f"r{i}", "if": {"field": "body", "matches": f"(?i)(invoice|order|receipt)[- ]?(no|number)?[:. ]*{i + 1000}\\b"},
             "then": [{"fileinto": {"folder": "X"}}]} for i in range(100)]
TIMES, FLOOR = 10, 8.0


def longest(ask, count):
    worst = 0.0
    for number in range(count):
        began = time.monotonic()
        ask(number)
        worst = max(worst, time.monotonic() - began)
    return worst


class Attack:
    """Threads that do it again and again until the end."""

    def __init__(self, attackers):
        self.over, self.rounds = threading.Event(), 0
        self.threads = [threading.Thread(target=self.run, args=(one,), daemon=True) for one in attackers]

    def run(self, attacker):
        while not self.over.is_set():
            with contextlib.suppress(OSError):
                attacker()
                self.rounds += 1

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()


def compare(ask, attackers, count=10):
    control = longest(ask, count)
    with Attack(attackers) as attack:
        deadline = time.monotonic() + 60
        while attack.rounds == 0 and time.monotonic() < deadline and not attack.over.wait(0.05):
            pass
        worst = longest(ask, count)
    assert worst <= max(TIMES * control, FLOOR), (worst, control)


def test_pipelined_recipients_and_slow_patterns(world):
    gateway = world.mailweir(None, EXPLODING)
    listener(gateway).update(max_errors=10000)
    gateway.start()

    def attack():
        client = Raw(gateway.port)
        for line in (b"EHLO c\r\n", b"MAIL FROM:<a@example.com>\r\n"):
            client.reply()
            client.socket.sendall(line)
        client.socket.sendall(b"".join(b"RCPT TO:<" + b"a" * 57 + b"%06d@example.net>\r\n" % i for i in range(100)))
        for _ in range(100):
            client.reply()
        client.close()

    def ask(number):
        assert Admin(gateway).get("/livez").status == 200
        gateway.send(message(number=number))

    compare(ask, [attack] * 4)
    gateway.kill()


def test_large_bodies_and_ordinary_patterns(world):
    gateway = world.mailweir(None, ORDINARY).start()
    large = message(body="order-77-1 order-5- x of word order \r\n" * 60000)

    def attack():
        gateway.send(large)

    compare(lambda number: gateway.send(message(number=number)), [attack] * 8)
    gateway.kill()


def test_guesses_do_not_hold_up_a_login(world):
    gateway = world.mailweir(None)
    listener(gateway).update(auth={"users": add_user(gateway), "required": True, "in_clear": True}, address="0.0.0.0:%d" % gateway.port,
                             max_auth_failures_per_network=0, max_auth_failures=100, max_sessions_per_network=5)
    gateway.start()

    def login(address, password, wait_for_it):
        client = socket.create_connection(("127.0.0.1", gateway.port), timeout=60, source_address=(address, 0))
        file = client.makefile("rb")
        secret = base64.b64encode(b"\0app\0" + password)
        for line in (b"EHLO c\r\n", b"AUTH PLAIN " + secret + b"\r\n"):
            while file.readline()[3:4] == b"-":
                pass
            client.sendall(line)
        answer = file.readline() if wait_for_it else b""
        client.close()
        return answer

    def guess(number):
        return lambda: login(f"127.0.1.{number}", b"wrong", False)

    def ask(_):
        answer = login("127.0.0.9", b"secret", True)
        assert answer.startswith(b"235"), answer

    compare(ask, [guess(number) for number in range(1, 41)], 5)
    gateway.kill()
