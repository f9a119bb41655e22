"""Who may come in and how much: limits per user and per minute, client certificates, IPv6, XCLIENT, peers that fall silent."""
import contextlib
import smtplib
import socket
import ssl

from harness import Skip, free_port, message, seconds, wait
from smtp_client import Raw, add_user, context_of, listener, tls


def test_sessions_of_one_user_are_limited(world):
    gateway = world.mailweir(None)
    listener(gateway).update(tls=tls(world, "starttls"), auth={"users": add_user(gateway), "required": True},
                             max_sessions_per_user=2)
    gateway.start()
    with contextlib.ExitStack() as stack:
        def login():
            client = stack.enter_context(gateway.smtp())
            client.starttls(context=context_of(world))
            client.ehlo()
            return client, client.docmd("AUTH PLAIN AGFwcABzZWNyZXQ=")[0]
        first = login()
        assert first[1] == 235 and login()[1] == 235
        assert login()[1] // 100 == 4
        first[0].quit()
        wait(lambda: login()[1] == 235, "login after one session ended")
    gateway.stop()


def send_until_refused(gateway, most, recipients=1):
    """Messages that were taken before a refusal, and the refusal."""
    with gateway.smtp() as client:
        client.ehlo()
        for taken in range(most):
            codes = [client.mail("app@example.com")]
            codes += [client.rcpt(f"user{i}@example.net") for i in range(recipients)]
            bad = [code for code in codes if code[0] != 250]
            if bad:
                return taken, bad[0]
            assert client.data(message("hello"))[0] == 250
        return most, None


def test_messages_per_minute(world):
    gateway = world.mailweir(None)
    listener(gateway)["max_messages_per_minute"] = 5
    gateway.start()
    taken, refusal = send_until_refused(gateway, 20)
    assert taken == 5 and refusal[0] // 100 == 4, (taken, refusal)
    # Another session of the same network has no budget of its own.
    assert send_until_refused(gateway, 1)[0] == 0
    gateway.stop()


def test_recipients_per_minute(world):
    gateway = world.mailweir(None)
    listener(gateway)["max_recipients_per_minute"] = 7
    gateway.start()
    taken, refusal = send_until_refused(gateway, 20, recipients=3)
    assert taken == 2 and refusal[0] // 100 == 4, (taken, refusal)
    gateway.stop()


def test_a_client_certificate_can_be_required(world):
    gateway = world.mailweir(None)
    settings = tls(world, "implicit")
    settings.update(ca_file=str(world.certificates.ca), client_certificate_required=True)
    listener(gateway).update(tls=settings)
    gateway.start()
    client, key = world.certificates.make("client", san="DNS:client.example", usage="clientAuth")
    good = context_of(world)
    good.load_cert_chain(client, key)
    with smtplib.SMTP_SSL("127.0.0.1", gateway.port, context=good, timeout=20) as smtp:
        assert smtp.ehlo()[0] == 250
    bare = socket.create_connection(("127.0.0.1", gateway.port), 20)
    try:
        with context_of(world).wrap_socket(bare, server_hostname="localhost") as wrapped:
            assert wrapped.recv(100) == b"", "greeted without a certificate"
    except (ssl.SSLError, ConnectionError):
        pass
    gateway.stop()


def test_ipv6(world):
    if not socket.has_ipv6:
        raise Skip("this Python knows no IPv6")
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError as error:
        raise Skip(f"no IPv6 loopback here: {error}")
    gateway = world.mailweir(None)
    port = free_port()
    gateway.configuration["listeners"].append({"name": "six", "address": f"[::1]:{port}", "max_sessions_per_network": 2})
    gateway.start()
    with smtplib.SMTP("::1", port, local_hostname="client.example", timeout=20) as client:
        client.sendmail("app@example.com", ["ops@example.net"], message("hello"))
        accepted, = gateway.events("accepted")
        assert accepted["client.address"] == "::1" and accepted["listener"] == "six", accepted
        with smtplib.SMTP("::1", port, timeout=20):
            try:
                smtplib.SMTP("::1", port, timeout=20)
                raise AssertionError("a third session of one network was greeted")
            except smtplib.SMTPConnectError as refusal:
                assert refusal.smtp_code == 421
    gateway.stop()


def test_xclient_from_a_named_network_only(world):
    gateway = world.mailweir(None)
    port = free_port()
    listener(gateway).update(xclient=["127.0.0.1/32"], allow=["192.0.2.0/24"])
    gateway.configuration["listeners"].append({"name": "plain", "address": f"127.0.0.1:{port}"})
    gateway.start()
    proxy = Raw(gateway.port)
    proxy.reply()
    assert b"XCLIENT" in proxy.say(b"EHLO proxy.example\r\n")
    assert proxy.say(b"MAIL FROM:<a@example.com>\r\n").startswith(b"5"), "a proxy brought mail of its own"
    assert proxy.say(b"XCLIENT ADDR=192.0.2.9 PORT=99 HELO=printer.example\r\n").startswith(b"220")
    assert proxy.say(b"EHLO printer.example\r\n").startswith(b"250")
    for line in (b"MAIL FROM:<a@example.com>", b"RCPT TO:<b@example.net>"):
        assert proxy.say(line + b"\r\n").startswith(b"250")
    assert proxy.say(b"DATA\r\n").startswith(b"354")
    assert proxy.say(b"Subject: x\r\n\r\nbody\r\n.\r\n").startswith(b"250")
    accepted, = gateway.events("accepted")
    assert accepted["client.address"] == "192.0.2.9", accepted
    proxy.close()
    stranger = Raw(port)
    stranger.reply()
    assert b"XCLIENT" not in stranger.say(b"EHLO stranger.example\r\n")
    assert stranger.say(b"XCLIENT ADDR=192.0.2.9\r\n").startswith(b"5")
    stranger.close()
    gateway.stop()


def test_half_open_connections_end(world):
    """Peers that vanish without a word, in clear, in the handshake and in the middle of a message, are let go in time."""
    gateway = world.mailweir(None)
    port = free_port()
    quick = {"command": seconds(0.5), "data": seconds(0.5)}
    listener(gateway)["timeouts"] = quick
    gateway.configuration["listeners"].append({"name": "tls", "address": f"127.0.0.1:{port}", "timeouts": quick,
                                               "tls": tls(world, "implicit")})
    gateway.start()
    silent = [socket.create_connection(("127.0.0.1", gateway.port), 20), socket.create_connection(("127.0.0.1", port), 20)]
    half = Raw(gateway.port)
    half.reply()
    half.say(b"EHLO c\r\n")
    half.say(b"MAIL FROM:<a@example.com>\r\n")
    half.say(b"RCPT TO:<b@example.net>\r\n")
    half.say(b"DATA\r\n")
    half.socket.sendall(b"Subject: never en")
    for peer in [*silent, half.socket]:
        peer.settimeout(20)
        while peer.recv(4096):
            pass
    assert gateway.events("accepted") == []
    gateway.stop()
