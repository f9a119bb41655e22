"""LMTP: one answer for each recipient (RFC 2033 section 4.2), by what the rules say of each, or by what becomes of its delivery."""
import smtplib

from harness import seconds, wait
from postfix import postfix_folder
from smtp_client import Raw, listener

RULES = [{"name": "no", "if": {"all": [{"field": "to", "is": "bad@example.net"}, {"header": "Subject", "contains": "secret"}]},
          "then": [{"reject": "not to this one"}]}]
MESSAGE = b"Subject: secret\r\n\r\nbody\r\n"


def start(world, rules=None):
    dovecot = world.dovecot()
    gateway = world.mailweir(dovecot, rules or RULES)
    listener(gateway)["protocol"] = "lmtp"
    return dovecot, gateway.start()


def start_delivered(world):
    """A gateway that answers when mail is delivered; one upstream of it is not there."""
    dovecot = world.dovecot()
    gateway = world.mailweir(dovecot, RULES + [
        {"name": "gone", "if": {"field": "to", "is": "gone@example.net"}, "then": [{"fileinto": {"upstream": "gone", "folder": "INBOX"}}]}])
    gateway.configuration["upstreams"]["gone"] = {**gateway.upstream, "address": "127.0.0.1:1"}
    listener(gateway).update(protocol="lmtp", acknowledge="delivered", timeouts={"acknowledge": seconds(5)})
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


def test_each_recipient_has_the_answer_of_its_delivery(world):
    """What is filed is 250, what is not hears so; the one that comes again brings the others no second copy."""
    dovecot, gateway = start_delivered(world)
    recipients = (b"one@example.net", b"gone@example.net", b"bad@example.net", b"one@example.net")
    answers = [b"250 2.0.0", b"451 4.3.0", b"550 5.7.1", b"250 2.0.0"]
    for number, chunked in enumerate((False, True), 1):
        client = begin(gateway, *recipients)
        text = MESSAGE + b"%d\r\n" % number
        if chunked:
            client.socket.sendall(b"BDAT %d\r\n" % len(text) + text + b"BDAT 0 LAST\r\n")
            assert client.reply().startswith(b"250")
        else:
            assert client.say(b"DATA\r\n").startswith(b"354")
            client.socket.sendall(text + b".\r\n")
        heard = [client.reply() for _ in recipients]
        assert [answer[:9] for answer in heard] == answers, heard
        assert client.say(b"NOOP\r\n").startswith(b"250")
        client.close()
        assert dovecot.count() == number  # at once: the 250 says so
    assert [event["to"] for event in gateway.events("accepted")] == [["one@example.net"] * 2] * 2
    refused = sorted((event["to"][0], event["reply.code"]) for event in gateway.events("rejected"))
    assert refused == [("bad@example.net", 550)] * 2 + [("gone@example.net", 451)] * 2, refused
    client = begin(gateway, b"gone@example.net")
    client.say(b"DATA\r\n")
    client.socket.sendall(MESSAGE + b"2\r\n.\r\n")
    assert client.reply().startswith(b"451")
    client.close()
    assert gateway.run("queue", "list", "--json")[1].count("gone") == 0  # nothing is kept of what was not acknowledged
    gateway.stop()


def test_postfix_bounces_the_refused_one_alone(world):
    """A real sender in front: the good one is sent, the one that a rule refuses bounces, the one that is not delivered is tried again."""
    dovecot, gateway = start_delivered(world)
    port = postfix_folder(world, "default_destination_concurrency_limit = 1\nlmtp_destination_recipient_limit = 50",
                          f"lmtp:[127.0.0.1]:{gateway.port}")
    with smtplib.SMTP("127.0.0.1", port, timeout=30) as client:
        client.sendmail("app@example.com", ["good@example.net", "bad@example.net", "gone@example.net"], MESSAGE)
    log = world.folder / "postfix.log"

    def told():
        lines = log.read_text().splitlines()
        return {(name, status) for name in ("good", "bad", "gone") for status in ("sent", "bounced", "deferred")
                if any(f"to=<{name}@" in line and f"status={status}" in line for line in lines)}

    wait(lambda: len(told()) >= 3, "three recipients told")
    assert told() == {("good", "sent"), ("bad", "bounced"), ("gone", "deferred")}, log.read_text()
    copies = [message for message in dovecot.messages() if b"\nSubject: secret" in message.split(b"\r\n\r\n")[0]]
    assert len(copies) == 1, copies  # beside it lies what Postfix says of the bounce
    gateway.stop()
