"""LMTP: one answer for each recipient (RFC 2033 section 4.2), by what the rules say of each."""
from harness import wait
from smtp_client import Raw, listener

RULES = [{"name": "no", "if": {"all": [{"field": "to", "is": "bad@example.net"}, {"header": "Subject", "contains": "secret"}]},
          "then": [{"reject": "not to this one"}]}]
MESSAGE = b"Subject: secret\r\n\r\nbody\r\n"


def start(world, rules=None):
    dovecot = world.dovecot()
    gateway = world.mailweir(dovecot, rules or RULES)
    listener(gateway)["protocol"] = "lmtp"
    return dovecot, gateway.start()


def begin(gateway, *recipients):
    client = Raw(gateway.port)
    client.reply()
    client.say(b"LHLO c\r\n")
    assert client.say(b"MAIL FROM:<a@example.com>\r\n").startswith(b"250")
    for recipient in recipients:
        assert client.say(b"RCPT TO:<%s>\r\n" % recipient).startswith(b"250")
    return client


def test_each_recipient_has_an_answer(world):
    dovecot, gateway = start(world)
    recipients = (b"one@example.net", b"bad@example.net", b"one@example.net", b"two@example.net")
    for chunked in (False, True):
        client = begin(gateway, *recipients)
        if chunked:
            client.socket.sendall(b"BDAT %d LAST\r\n" % len(MESSAGE) + MESSAGE)
        else:
            assert client.say(b"DATA\r\n").startswith(b"354")
            client.socket.sendall(MESSAGE + b".\r\n")
        assert [client.reply()[:9] for _ in recipients] == [b"250 2.0.0", b"550 5.7.1", b"250 2.0.0", b"250 2.0.0"]
        assert client.say(b"NOOP\r\n").startswith(b"250")
        client.close()
    wait(lambda: dovecot.count() == 2, "two messages, each once")
    told = gateway.events("rejected")
    assert [event["to"] for event in told] == [["bad@example.net"]] * 2 and all(event["rule"] == "no" for event in told), told
    assert all("bad@example.net" not in event["to"] and len(event["to"]) == 3 for event in gateway.events("accepted"))
    gateway.stop()


def test_all_refused_keep_nothing(world):
    dovecot, gateway = start(world)
    client = begin(gateway, b"bad@example.net", b"bad@example.net")
    client.say(b"DATA\r\n")
    client.socket.sendall(MESSAGE + b".\r\n")
    assert [client.reply()[:9] for _ in range(2)] == [b"550 5.7.1"] * 2
    client.close()
    assert gateway.events("accepted") == [] and dovecot.count() == 0
    gateway.stop()
