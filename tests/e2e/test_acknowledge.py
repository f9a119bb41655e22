"""Listeners that acknowledge a message when it is delivered: nothing is kept that the sender did not hear of."""

from harness import free_port, message, seconds, wait
from smtp_client import listener


def test_acknowledge_when_it_is_delivered(world):
    dovecot = world.dovecot()
    gateway = world.mailweir(dovecot)
    listener(gateway)["acknowledge"] = "delivered"
    gateway.start()
    gateway.send(message("first"))
    assert dovecot.count() == 1  # at once: it was there before the 250
    gateway.stop()


def test_sent_again_where_delivery_is_acknowledged(world):
    """What was not acknowledged, and so dropped, is taken anew; what was delivered is not delivered again."""
    dovecot = world.dovecot()
    gateway = world.mailweir(dovecot)
    listener(gateway).update(acknowledge="delivered", duplicate_window="10m", timeouts={"acknowledge": seconds(2)})
    gateway.start()
    octets = message("sent until it is taken")
    dovecot.stop()
    assert send_code(gateway, octets) == 451
    dovecot.start()
    wait(lambda: send_code(gateway, octets) == 250, "the message is taken")
    assert dovecot.count() == 1
    assert gateway.send(octets) == gateway.send(octets) and dovecot.count() == 1
    gateway.stop()


def send_code(gateway, octets):
    with gateway.smtp() as client:
        client.ehlo()
        client.mail("app@example.com")
        client.rcpt("ops@example.net")
        return client.data(octets)[0]


def test_nothing_is_held_where_delivery_is_acknowledged(world):
    """To hold is to keep: the sender hears it at once, with the rule in the log, not when its wait ends; elsewhere it is held."""
    dovecot = world.dovecot()
    gateway = world.mailweir(dovecot)
    gateway.rules.append({"name": "quarantine", "then": [{"hold": True}]})
    listener(gateway)["acknowledge"] = "delivered"
    gateway.start()
    with gateway.smtp() as client:
        client.ehlo()
        client.mail("app@example.com")
        client.rcpt("ops@example.net")
        code, text = client.data(message("to be held"))
    assert (code, b"a rule holds this message" in text) == (451, True), (code, text)
    assert [e["rules"] for e in gateway.events("rejected")] == [["quarantine"]]
    gateway.stop()
    del listener(gateway)["acknowledge"]
    gateway.start()
    gateway.send(message("to be held"))
    assert gateway.run("queue", "list", "--state", "held")[1].count("INBOX") == 1
    gateway.stop()


def test_nothing_is_kept_of_what_was_not_delivered(world):
    dovecot = world.dovecot()
    gateway = world.mailweir(dovecot)
    port = free_port()
    listener(gateway).update(acknowledge="delivered", timeouts={"acknowledge": "3s"})
    gateway.configuration["listeners"].append({"name": "patient", "address": f"127.0.0.1:{port}", "acknowledge": "delivered"})
    gateway.start()
    dovecot.stop()
    with gateway.smtp() as client:
        client.ehlo()
        client.mail("app@example.com")
        client.rcpt("ops@example.net")
        code, text = client.data(message("nobody there"))
        assert code == 451, (code, text)
        assert client.noop()[0] == 250
    assert gateway.events("not_acknowledged") and gateway.events("accepted") == []
    dovecot.start()
    gateway.port = port  # the upstream's pause must end first
    gateway.send(message("second", number=2))
    assert dovecot.count() == 1  # the one that was acknowledged, and no other
    gateway.stop()
    gateway.start()
    gateway.send(message("third", number=3))
    assert dovecot.count() == 2
    gateway.stop()
