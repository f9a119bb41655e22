"""What is acknowledged survives: kill -9, restarts, an upstream that goes and comes, a stop while mail flows."""
import os
import re
import signal
import smtplib
import threading

from harness import message, queue_id, received_part, wait

RULES = [{"name": "numbered", "if": {"header": "Subject", "matches": "^box (\\d)"},
          "then": [{"fileinto": {"upstream": "corp", "folder": "Box${1}"}}, {"stop": True}]}]


class Ledger:
    """Sends numbered messages in several sessions until told to stop, and remembers each 250."""

    def __init__(self, gateway, first, count, sessions=8):
        self.gateway, self.acknowledged, self.failed = gateway, {}, None
        self.lock = threading.Lock()
        self.numbers = iter(range(first, first + count))
        self.threads = [threading.Thread(target=self.session) for _ in range(sessions)]
        for thread in self.threads:
            thread.start()

    def next(self):
        with self.lock:
            return next(self.numbers, None)

    def session(self):
        try:
            with self.gateway.smtp() as client:
                client.ehlo()
                while (number := self.next()) is not None:
                    client.mail("app@example.com")
                    client.rcpt("ops@example.net")
                    code, text = client.data(message(f"box {number % 5} number {number}", number=number))
                    if code == 250:
                        with self.lock:
                            self.acknowledged[number] = queue_id(text)
        except (smtplib.SMTPException, OSError):
            pass  # the gateway went away: what was not acknowledged is not ours to count

    def count(self):
        with self.lock:
            return len(self.acknowledged)

    def join(self):
        for thread in self.threads:
            thread.join()


def filed_numbers(dovecot):
    found = []
    for box in range(5):
        for octets in dovecot.messages(f"Box{box}"):
            found.append(int(re.search(rb"number (\d+)", received_part(octets)).group(1)))
    return found


def test_kill_nine_three_times(world):
    """Every acknowledged message is in its folder, though the gateway is killed three times while 1,000 flow."""
    dovecot = world.dovecot()
    gateway = world.mailweir(dovecot, RULES)
    acknowledged = {}
    for round_number in range(3):
        gateway.start()
        ledger = Ledger(gateway, round_number * 1000, 1000)
        wait(lambda: ledger.count() >= 150 + 200 * round_number, "acknowledged messages", 60)
        gateway.kill()
        ledger.join()
        acknowledged.update(ledger.acknowledged)
    gateway.start()
    wait(lambda: set(acknowledged) <= set(filed_numbers(dovecot)), f"all {len(acknowledged)} acknowledged messages", 120)
    gateway.stop()
    print(f"figure: {len(acknowledged)} acknowledged, {len(filed_numbers(dovecot))} filed")


def test_waits_for_the_upstream(world):
    """Mail is accepted while the upstream is down, also over a restart, and filed when it comes."""
    dovecot = world.dovecot()
    dovecot.stop()
    gateway = world.mailweir(dovecot, RULES)
    gateway.upstream["retry"]["warn_after"] = "4s"
    gateway.start()
    for number in range(10):
        gateway.send(message(f"box 1 number {number}", number=number))
    wait(lambda: gateway.events("deferred"), "deferred line")
    late = wait(lambda: gateway.events("delayed"), "line about one that waits for longer than the warning age")[0]
    assert late["log.level"] == "error" and late["upstream"] == "corp" and gateway.events("deferred")[0]["log.level"] == "warning"
    gateway.stop()
    gateway.start()
    assert gateway.events("ready")[0]["waiting"] == 10
    dovecot.start()
    wait(lambda: dovecot.count("Box1") == 10, "10 messages in Box1", 60)
    gateway.stop()
    assert sorted(filed_numbers(dovecot)) == list(range(10))


def test_term_drains_under_load(world):
    """SIGTERM while mail flows: exit 0, and nothing acknowledged is lost or twice there."""
    dovecot = world.dovecot()
    gateway = world.mailweir(dovecot, RULES).start()
    ledger = Ledger(gateway, 0, 1000)
    wait(lambda: ledger.count() >= 200, "200 acknowledged messages")
    gateway.stop()
    ledger.join()
    assert gateway.events("stopped")
    gateway.start()
    wait(lambda: set(ledger.acknowledged) <= set(filed_numbers(dovecot)), "all acknowledged messages", 60)
    gateway.stop()
    numbers = filed_numbers(dovecot)
    assert len(numbers) == len(set(numbers)), "something was filed twice"


def test_drain_finishes_the_transaction(world):
    """A client in the middle of DATA may finish; the next command hears 421."""
    dovecot = world.dovecot()
    gateway = world.mailweir(dovecot, RULES).start()
    client = gateway.smtp()
    client.ehlo()
    client.mail("app@example.com")
    client.rcpt("ops@example.net")
    assert client.docmd("DATA")[0] == 354
    gateway.process.send_signal(signal.SIGTERM)
    wait(lambda: gateway.events("stopping"), "stopping line")
    client.send(message("box 1 number 7") + b".\r\n")
    assert client.getreply()[0] == 250
    try:
        assert client.docmd("NOOP")[0] == 421
    except smtplib.SMTPServerDisconnected:
        pass
    client.close()
    assert gateway.process.popen.wait(40) == 0
    gateway.start()
    wait(lambda: dovecot.count("Box1") == 1, "message in Box1")
    gateway.stop()


def test_second_signal_ends_at_once(world):
    """A second SIGTERM ends it while appends wait and a client is in the middle of a message; nothing acknowledged is lost."""
    dovecot = world.dovecot()
    dovecot.process.send_signal(signal.SIGSTOP)
    gateway = world.mailweir(dovecot, RULES).start()
    gateway.send(message("box 1 number 1", number=1))
    client = gateway.smtp()
    client.ehlo()
    client.mail("app@example.com")
    gateway.process.send_signal(signal.SIGTERM)
    wait(lambda: gateway.events("stopping"), "stopping line")
    gateway.process.send_signal(signal.SIGTERM)
    assert gateway.process.popen.wait(20) == 0  # the time that a drain may take is longer
    client.close()
    dovecot.process.send_signal(signal.SIGCONT)
    gateway.start()
    wait(lambda: dovecot.count("Box1") == 1, "message in Box1")
    gateway.stop()
