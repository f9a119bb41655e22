"""Messages that a server does not take as they are: UTF-8 in headers and names, lines that are too long. What is stored stays as it was
received; what goes out is repaired for this server alone, and that is logged."""
import base64
import email
import email.policy
import quopri
import socket

from fake_imap import PROFILES, FakeImap, Profile
from harness import message, received_part, wait
from test_imap_servers import Server
from test_imap_targets import gateway_for

UTF8_MESSAGE = ("From: Jürgen <jürgen@example.com>\r\nTo: ops@example.net\r\nSubject: Größe 日本\r\n"
                "Message-ID: <utf8@example.com>\r\n\r\nKörper\r\n").encode()
RULES = [{"name": "utf8", "if": {"header": "Subject", "contains": "日本"},
          "then": [{"fileinto": {"upstream": "corp", "folder": "Größe/日本"}}, {"stop": True}]}]
CAPABILITY = PROFILES["generic"].capability


def raw_send(gateway, octets, chunked=False):
    """By its own octets: smtplib writes ASCII commands only."""
    with socket.create_connection(("127.0.0.1", gateway.port), 20) as plain:
        stream = plain.makefile("rwb")

        def command(line):
            stream.write(line)
            stream.flush()
            while True:
                answer = stream.readline()
                if answer[3:4] == b" ":
                    assert answer[:1] in b"23", (line[:80], answer)
                    return

        command(b"")
        command(b"EHLO client.example\r\n")
        command("MAIL FROM:<jürgen@example.com> SMTPUTF8 BODY=8BITMIME\r\n".encode())
        command(b"RCPT TO:<ops@example.net>\r\n")
        if chunked:
            command(b"BDAT %d LAST\r\n" % len(octets) + octets)
        else:
            command(b"DATA\r\n")
            command(octets + b".\r\n")
        command(b"QUIT\r\n")


def check_same(octets, sent):
    assert received_part(octets) == sent, octets
    assert octets.startswith("Return-Path: <jürgen@example.com>\r\n".encode())


# ---- UTF-8 ----

def test_utf8_dovecot(world):
    """It does not offer UTF8=ACCEPT and takes 8-bit headers as they are; the folder's name goes in modified UTF-7."""
    dovecot = world.dovecot()
    gateway = world.mailweir(dovecot, RULES)
    gateway.upstream["profile"] = "dovecot"
    gateway.start()
    raw_send(gateway, UTF8_MESSAGE)
    wait(lambda: gateway.events("filed"), "filed line")
    check_same(dovecot.messages("Gr&APYA3w-e/&ZeVnLA-")[0], UTF8_MESSAGE)
    gateway.stop()


def test_utf8_courier(world):
    """It offers UTF8=ACCEPT: enabled, with APPEND's UTF8, and names in UTF-8."""
    server = Server(world, "courier")
    gateway = world.mailweir(None, RULES)
    gateway.upstream.update({"address": f"127.0.0.1:{server.tls_port}", "profile": "courier",
                             "tls": {"mode": "implicit", "ca_file": str(server.certificate())}})
    gateway.start()
    raw_send(gateway, UTF8_MESSAGE)
    raw_send(gateway, message("plain"))
    wait(lambda: len(gateway.events("filed")) == 2, "two filed", 20)
    check_same(server.fetch("INBOX.Gr&APYA3w-e.&ZeVnLA-")[0][0], UTF8_MESSAGE)
    assert len(server.fetch("INBOX")) == 1
    gateway.stop()


def test_utf8_cyrus(world):
    """It would put an X in the place of each octet above 127: header fields are encoded, and say what they said; the body is as it was."""
    server = Server(world, "cyrus")
    gateway = world.mailweir(None, RULES)
    gateway.upstream.update({"address": f"127.0.0.1:{server.tls_port}", "profile": "cyrus",
                             "tls": {"mode": "implicit", "ca_file": str(server.certificate())}})
    gateway.start()
    raw_send(gateway, UTF8_MESSAGE)
    filed = wait(lambda: gateway.events("filed"), "filed line", 20)[0]
    octets = server.fetch("Gr&APYA3w-e/&ZeVnLA-")[0][0]
    parsed = email.message_from_bytes(octets, policy=email.policy.default)
    assert parsed["Subject"] == "Größe 日本" and parsed["Message-ID"] == "<utf8@example.com>", octets
    assert "Jürgen" in parsed["From"] and "jürgen@example.com" in parsed["From"], parsed["From"]
    assert parsed["X-Mailweir-Id"] == filed["delivery"] and octets.endswith("\r\n\r\nKörper\r\n".encode()), octets
    assert gateway.events("repaired")[0]["header"] == "encoded"
    gateway.stop()


def test_utf8_append(world):
    """With and without APPEND's UTF8, alone and in batches, among other mail: each arrives once, as it was sent."""
    for utf8, extra in ((6855, ""), (9755, ""), (6855, " LITERAL-")):
        capability = CAPABILITY + " ENABLE UTF8=ACCEPT"
        fake = FakeImap(world, Profile(capability.replace(" LITERAL+", extra) if extra else capability, utf8=utf8))
        gateway = gateway_for(world, fake, "generic", RULES)
        for number in range(10):
            raw_send(gateway, UTF8_MESSAGE)
            raw_send(gateway, message("plain", number=number))
        wait(lambda: len(gateway.events("filed")) == 20, "20 filed", 20)
        assert len(set(fake.ids())) == len(fake.ids()) == 20
        for item in fake.folder("Größe/日本").messages:
            check_same(item["octets"], UTF8_MESSAGE)
        gateway.stop()


# ---- lines ----

def long_lines():
    """A message whose lines are too long in a header, in base64, in quoted-printable and in plain text; and its parts."""
    data = bytes(number * 7 % 251 for number in range(30000))
    text = "Straße = " * 3000
    plain = "words " * 3000 + "x" * 12000
    octets = (b"Subject: long\r\nReferences: " + b" ".join(b"<%d@example.com>" % number for number in range(1500)) + b"\r\n"
              b"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=limit\r\n\r\n"
              b"--limit\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\n" + base64.b64encode(data) + b"\r\n"
              b"--limit\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
              + text.encode().replace(b"=", b"=3D").replace("ß".encode(), b"=C3=9F") + b"\r\n"
              b"--limit\r\nContent-Type: text/plain\r\n\r\n" + plain.encode() + b"\r\n--limit--\r\n")
    return octets, data, text, plain


def test_long_lines(world):
    """Microsoft 365 refuses lines over 10,500 octets: what goes out is broken so that the parts are what they were; elsewhere nothing is touched."""
    octets, data, text, plain = long_lines()
    fake, other = FakeImap(world, "microsoft365"), FakeImap(world)
    for server, profile in ((fake, "microsoft365"), (other, "generic")):
        gateway = gateway_for(world, server, profile)
        gateway.send(octets)
        filed = wait(lambda: gateway.events("filed"), "filed line")[0]
        repaired = gateway.events("repaired")
        assert (len(repaired) == 1 and repaired[0]["lines_broken"] > 60 and repaired[0]["id"] == filed["id"]) == (profile == "microsoft365"), repaired
        gateway.stop()
    assert received_part(other.folder("INBOX").messages[0]["octets"]) == octets
    sent = fake.folder("INBOX").messages[0]["octets"]
    assert max(map(len, sent.split(b"\r\n"))) <= 998
    parsed = email.message_from_bytes(sent, policy=email.policy.default)
    parts = list(parsed.iter_parts())
    assert parts[0].get_payload(decode=True) == data
    assert quopri.decodestring(parts[1].get_payload()).decode() == text
    assert parts[2].get_payload().replace("\r\n", "").rstrip() == plain
    assert parsed["References"].split() == [f"<{number}@example.com>" for number in range(1500)]


def test_last_line_without_its_end(world):
    """BDAT may bring one, reception gives it its end: Yahoo would refuse it."""
    octets = b"Subject: chunk\r\n\r\nno end"
    fake = FakeImap(world, "yahoo")
    gateway = gateway_for(world, fake, "yahoo")
    raw_send(gateway, octets, chunked=True)
    wait(lambda: gateway.events("filed"), "filed line")
    assert received_part(fake.folder("INBOX").messages[0]["octets"]) == octets + b"\r\n"
    gateway.stop()
