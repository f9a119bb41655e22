"""Nobody waits for somebody else: beside each attack a well-behaved session is answered within ten times what the control takes."""
import base64
import contextlib
import http.client
import socket
import threading
import time

from admin_client import Admin
from harness import free_port, message, wait
from smtp_client import Raw, add_user, listener

EXPLODING = [{"name": f"r{i}", "if": {"field": "to", "matches": f"^(a+)+!{i}@"}, "on_error": "skip", "then": [{"reject": "no"}]} for i in range(8)]
ORDINARY = [{"name": f"r{i}", "if": {"field": "body", "matches": f"(?i)(invoice|order|receipt)[- ]?(no|number)?[:. ]*{i + 1000}\\b"},
             "then": [{"fileinto": {"folder": "X"}}]} for i in range(100)]
TIMES, FLOOR = 10, 1.0  # in seconds: below it nobody minds


def timed(ask, *what):
    began = time.monotonic()
    ask(*what)
    return time.monotonic() - began


class Attack:
    """Threads that do it again and again until the end."""

    def __init__(self, attackers):
        self.over, self.rounds = threading.Event(), 0
        self.threads = [threading.Thread(target=self.run, args=(one,), daemon=True) for one in attackers]

    def run(self, attacker):
        while not self.over.is_set():
            with contextlib.suppress(OSError, AssertionError):
                attacker()
                self.rounds += 1

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()


def compare(ask, gateway, quiet, attackers, count=6):
    """The control is a gateway of the same configuration that nobody attacks, asked in turns with the other: whatever else the machine does, and what the
    attack itself costs it, is the same for both."""
    control = worst = 0.0
    with Attack(attackers) as attack:
        wait(lambda: attack.rounds > 0, "attack")
        for number in range(count):
            control = max(control, timed(ask, quiet, number))
            worst = max(worst, timed(ask, gateway, number))
    print(f"figure: {worst:.2f} s beside the attack, {control:.2f} s elsewhere")
    assert worst <= max(TIMES * control, FLOOR), (worst, control)


def test_pipelined_recipients_and_slow_patterns(world):
    gateway, quiet = (world.mailweir(None, EXPLODING, name=name) for name in ("attacked", "quiet"))
    for each in (gateway, quiet):
        listener(each).update(max_errors=10000)
        each.start()

    def attack():
        client = Raw(gateway.port)
        for line in (b"EHLO c\r\n", b"MAIL FROM:<a@example.com>\r\n"):
            client.reply()
            client.socket.sendall(line)
        client.socket.sendall(b"".join(b"RCPT TO:<" + b"a" * 57 + b"%06d@example.net>\r\n" % i for i in range(100)))
        for _ in range(100):
            client.reply()
        client.close()

    def ask(one, number):
        assert Admin(one).get("/livez").status == 200
        one.send(message(number=number))

    compare(ask, gateway, quiet, [attack] * 4)
    gateway.kill()
    quiet.kill()


def test_large_bodies_and_ordinary_patterns(world):
    gateway, quiet = (world.mailweir(None, ORDINARY, name=name).start() for name in ("attacked", "quiet"))
    large = message(body="order-77-1 order-5- x of word order \r\n" * 20000)

    def attack():
        gateway.send(large)

    compare(lambda one, number: one.send(message(number=number)), gateway, quiet, [attack] * 8, 4)
    gateway.kill()
    quiet.kill()


def test_guesses_do_not_hold_up_a_login(world):
    gateway, quiet = (world.mailweir(None, name=name) for name in ("attacked", "quiet"))
    for one in (gateway, quiet):
        listener(one).update(auth={"users": add_user(one), "required": True, "in_clear": True}, address="0.0.0.0:%d" % one.port,
                             max_auth_failures_per_network=0, max_auth_failures=100, max_sessions_per_network=5)
        one.start()

    def login(to, address, password, wait_for_it):
        client = socket.create_connection(("127.0.0.1", to.port), timeout=60, source_address=(address, 0))
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
        return lambda: login(gateway, f"127.0.1.{number}", b"wrong", False)

    def ask(to, _):
        answer = login(to, "127.0.0.9", b"secret", True)
        assert answer.startswith(b"235"), answer

    for one in (gateway, quiet):
        ask(one, 0)  # he has logged in from there before; of forty strangers nobody can know who is honest
    compare(ask, gateway, quiet, [guess(number) for number in range(1, 41)], 4)
    gateway.kill()
    quiet.kill()


def test_junk_without_a_token_does_not_shut_the_admin_server(world):
    """Two connections that send requests without a token, or with a wrong one, as fast as they can: probes and an operator are answered as ever, and never by
    429; whoever guesses tokens hears it."""
    gateways = [world.mailweir(None, name=name) for name in ("attacked", "quiet")]
    ports = {}
    for one in gateways:
        ports[one] = free_port()
        one.configuration["admin"] = {"address": f"127.0.0.1:{ports[one]}", "token": "an operator's long token"}
        one.start()
    heard = set()

    def junk():
        client = http.client.HTTPConnection("127.0.0.1", ports[gateways[0]], timeout=60)
        for number in range(50):
            client.request("GET", f"/api/v1/queue?x={number}", headers={"Authorization": f"Bearer wrong-{number}"} if number % 2 else {})
            answer = client.getresponse()
            answer.read()
            heard.add(answer.status)
        client.close()

    def ask(one, _):
        for path, headers in (("/livez", {}), ("/api/v1/status", {"Authorization": "Bearer an operator's long token"})):
            client = http.client.HTTPConnection("127.0.0.1", ports[one], timeout=60)
            client.request("GET", path, headers=headers)
            answer = client.getresponse()
            assert answer.status == 200, (path, answer.status, answer.read()[:200])
            client.close()

    attacked, quiet = gateways
    compare(ask, attacked, quiet, [junk, junk], 20)
    assert heard <= {401, 429} and 401 in heard, heard
    attacked.kill()
    quiet.kill()
