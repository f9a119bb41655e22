"""Devices that `lenient` names: what they send is let pass, over old TLS too; everybody else hears what is wrong. Real clients of several kinds."""
import subprocess

from harness import wait
from smtp_client import Raw, listener, tls

MESSAGE = b"Subject: scan\r\nFrom: scanner\n\nbare\nlines\n\r\n.\r\n"


def filed(dovecot, count):
    wait(lambda: dovecot.count() == count, f"{count} messages")
    return dovecot.fetch()[-1][0]


def scan(port, *lines):
    client = Raw(port)
    replies = [client.reply()] + [client.say(line) for line in lines]
    client.close()
    return [reply[:3].decode() for reply in replies]


def test_a_device_is_let_in(world):
    dovecot = world.dovecot()
    gateway = world.mailweir(dovecot)
    listener(gateway).update(lenient=["127.0.0.1"], add_missing=True)
    gateway.configuration["listeners"].append({"name": "strict", "address": "127.0.0.1:0"})
    gateway.start()
    strict = next(event["server.port"] for event in gateway.events("listening") if event["listener"] == "strict")
    dialogue = (b"HELO\r\n", b"MAIL FROM: Office Scanner <root>\r\n", b"RCPT TO:ops@example.net\r\n", b"DATA\r\n", MESSAGE, b"QUIT\r\n")
    assert scan(gateway.port, *dialogue) == ["220", "250", "250", "250", "354", "250", "221"]
    octets = filed(dovecot, 1)
    assert b"\r\nbare\r\nlines\r\n\r\n" in octets and b"\n" not in octets.replace(b"\r\n", b""), octets
    assert octets.count(b"\r\nDate: ") == 1 and octets.count(b"\r\nMessage-ID: <") == 1, octets
    assert f"<root@{gateway.configuration['hostname']}>".encode() in octets, octets
    # The same of somebody else.
    assert scan(strict, b"HELO\r\n", b"MAIL FROM: Office Scanner <root>\r\n", b"EHLO c\r\n", b"MAIL FROM:a@b.example\r\n",
                b"MAIL FROM:<a@b.example>\r\n", b"RCPT TO:<ops@example.net>\r\n", b"DATA\r\n", MESSAGE) == \
        ["220", "501", "503", "250", "501", "250", "250", "354", "521"]
    gateway.stop()


def test_old_tls_is_for_devices_only(world):
    gateway = world.mailweir(world.dovecot())
    old = {**tls(world, "implicit"), "minimum": "1.0"}
    listener(gateway).update(tls=old, lenient=["127.0.0.1"])
    gateway.configuration["listeners"].append({"name": "others", "address": "127.0.0.1:0", "tls": old, "lenient": ["10.20.0.7"]})
    status, _, err = gateway.run("check")
    assert status == 0 and "tls/minimum" in err and "can be read and changed" in err, (status, err)
    gateway.start()
    others = next(event["server.port"] for event in gateway.events("listening") if event["listener"] == "others")

    def handshake(port, *options):
        done = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-quiet", *options], input=b"QUIT\r\n",
                              capture_output=True, timeout=60, check=False)
        return b"220 " in done.stdout
    assert handshake(gateway.port, "-tls1", "-cipher", "ALL:@SECLEVEL=0")
    assert handshake(gateway.port, "-tls1_3")
    assert not handshake(others, "-tls1", "-cipher", "ALL:@SECLEVEL=0")
    assert handshake(others, "-tls1_2")
    wait(lambda: [e for e in gateway.events("refused") if e.get("reason") == "tls_failed" and e["listener"] == "others"], "its refusal")
    gateway.stop()


def test_check_says_what_a_door_opens(world):
    gateway = world.mailweir(None)
    wide = {"lenient": ["10.0.0.0/8"], "proxy_protocol": ["10.1.2.3"]}
    cases = [(wide, 0, "wide network"), (wide, 0, "stands for many clients"),
             ({"lenient": ["10.1.2.300"]}, 1, "is not a network"), ({"add_missing": True}, 0, "names none"),
             ({"tls": {**tls(world, "implicit"), "minimum": "1.1"}}, 1, "name them"),
             ({"auth": {"users": "/nowhere", "mechanisms": ["PLAN"]}}, 1, "SCRAM-SHA-256-PLUS")]
    base = dict(listener(gateway))
    for more, status, said in cases:
        gateway.configuration["listeners"][0] = {**base, **more}
        found, _, err = gateway.run("check")
        assert (found != 0) == (status != 0) and said in err, (more, found, err)
