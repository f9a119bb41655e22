"""Reception by clients that are not ours: swaks, curl, Python's smtplib, Postfix; AUTH, LMTP, PROXY, sockets."""
import base64
import contextlib
import hashlib
import hmac
import os
import smtplib
import socket
import ssl
import struct
import subprocess

from harness import MAILWEIR, free_port, message, queue_id, received_part, wait
from postfix import postfix_folder
from smtp_client import Raw, add_user, context_of, listener, tls


# ---- other clients ----

def run_swaks(gateway, *options, port=None):
    return subprocess.run(["swaks", "--server", "127.0.0.1", "--port", str(port or gateway.port), "--from", "app@example.com",
                           "--to", "ops@example.net", "--helo", "client.example", *options],
                          capture_output=True, text=True, timeout=60)


def test_swaks_tls_auth_and_pipelining(world):
    gateway = world.mailweir(None)
    listener(gateway).update(tls=tls(world, "starttls"), auth={"users": add_user(gateway), "required": True})
    gateway.start()
    for mechanism in ("PLAIN", "LOGIN"):
        done = run_swaks(gateway, "--tls", "--tls-verify", "--tls-ca-path", str(world.certificates.ca), "--auth", mechanism,
                         "--auth-user", "app", "--auth-password", "secret", "--pipeline")
        assert done.returncode == 0, done.stdout + done.stderr
        assert "235 2.7.0" in done.stdout and "250 2.0.0 accepted as" in done.stdout, done.stdout
    done = run_swaks(gateway, "--tls", "--auth", "PLAIN", "--auth-user", "app", "--auth-password", "wrong")
    assert done.returncode != 0 and "535 5.7.8" in done.stdout, done.stdout
    done = run_swaks(gateway)
    assert done.returncode != 0 and "530 5.7.0" in done.stdout, done.stdout
    accepted = gateway.events("accepted")
    assert [event["user"] for event in accepted] == ["app", "app"] and accepted[0]["tls"].startswith("TLSv1."), accepted
    failed, = gateway.events("login_failed")
    assert failed["user"] == "app" and failed["client.address"] == "127.0.0.1", failed
    text = gateway.log.read_text()
    assert "secret" not in text and "wrong" not in text and base64.b64encode(b"\0app\0secret").decode() not in text
    gateway.stop()


def test_curl_implicit_tls_and_auth(world):
    gateway = world.mailweir(None)
    listener(gateway).update(tls=tls(world, "implicit"), auth={"users": add_user(gateway), "required": True})
    gateway.start()
    mail = gateway.folder / "mail.eml"
    mail.write_bytes(message("from curl"))
    command = ["curl", "--silent", "--show-error", "--url", f"smtps://localhost:{gateway.port}/client.example", "--cacert",
               str(world.certificates.ca), "--mail-from", "app@example.com", "--mail-rcpt", "ops@example.net", "--upload-file",
               str(mail)]
    done = subprocess.run([*command, "--user", "app:secret"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    done = subprocess.run([*command, "--user", "app:no"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 67, (done.returncode, done.stderr)
    assert len(gateway.events("accepted")) == 1
    gateway.stop()


def test_smtplib_utf8_and_8bit(world):
    dovecot = world.dovecot()
    gateway = world.mailweir(dovecot)
    gateway.start()
    sent = "From: Émile <émile@exämple.net>\r\nSubject: Ünïcödé\r\n\r\nçà et là\r\n".encode()
    with gateway.smtp() as client:
        client.ehlo()
        for extension in ("smtputf8", "8bitmime", "size", "pipelining", "chunking", "binarymime", "dsn", "enhancedstatuscodes", "limits"):
            assert client.has_extn(extension), extension
        client.sendmail("émile@exämple.net", ["öps@example.net"], sent, mail_options=["SMTPUTF8", "BODY=8BITMIME"])
    wait(lambda: dovecot.count() == 1, "message in INBOX")
    octets, = dovecot.messages()
    assert received_part(octets) == sent
    assert b"with UTF8SMTP" in octets, octets[:400]
    assert gateway.events("accepted")[0]["from"] == "émile@exämple.net"
    gateway.stop()


def scram(raw, user, password):
    """SCRAM-SHA-256 (RFC 7677) over an SMTP session."""
    def decode(reply):
        assert reply.startswith(b"334 "), reply
        return base64.b64decode(reply[4:]).decode()
    first = f"n={user},r=clientnonce"
    server_first = decode(raw.say(b"AUTH SCRAM-SHA-256 " + base64.b64encode(("n,," + first).encode()) + b"\r\n"))
    fields = dict(part.split("=", 1) for part in server_first.split(","))
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), base64.b64decode(fields["s"]), int(fields["i"]))
    client_key = hmac.digest(salted, b"Client Key", "sha256")
    final = f"c=biws,r={fields['r']}"
    auth = f"{first},{server_first},{final}".encode()
    signature = hmac.digest(hashlib.sha256(client_key).digest(), auth, "sha256")
    proof = base64.b64encode(bytes(a ^ b for a, b in zip(client_key, signature))).decode()
    reply = raw.say(base64.b64encode(f"{final},p={proof}".encode()) + b"\r\n")
    if reply.startswith(b"334"):
        expected = hmac.digest(hmac.digest(salted, b"Server Key", "sha256"), auth, "sha256")
        assert decode(reply) == "v=" + base64.b64encode(expected).decode()
        reply = raw.say(b"\r\n")
    return reply


def test_scram_and_who_is_unknown(world):
    gateway = world.mailweir(None)
    listener(gateway).update(auth={"users": add_user(gateway), "required": True, "in_clear": True},
                             timeouts={"greeting": "1ms"})
    gateway.start()
    raw = Raw(gateway.port)
    raw.reply()
    assert b"AUTH SCRAM-SHA-256 PLAIN LOGIN" in raw.say(b"EHLO c\r\n")
    known, unknown = scram(raw, "app", "wrong"), scram(raw, "nobody", "wrong")
    assert known == unknown and known.startswith(b"535 5.7.8"), (known, unknown)
    assert scram(raw, "app", "secret").startswith(b"235 ")
    raw.close()
    gateway.stop()


def test_senders_of_users_and_networks(world):
    gateway = world.mailweir(None)
    add_user(gateway, "other", "hidden")
    listener(gateway).update(auth={"users": add_user(gateway, "app", "secret", "--senders", "*@app.example"), "in_clear": True},
                             senders=["*@example.com"], recipients=["*@example.net"],
                             sender_rules=[{"networks": ["192.0.2.0/24"], "senders": ["*"]}])
    gateway.start()

    def mail(sender, to="ops@example.net", user=None):
        with gateway.smtp() as client:
            client.ehlo()
            if user:
                client.login(*user)
            return client.mail(sender)[0], client.rcpt(to)[0]
    assert mail("a@example.com") == (250, 250)
    assert mail("a@evil.example")[0] == 553
    assert mail("")[0] == 553
    assert mail("a@example.com", "x@elsewhere.example") == (250, 550)
    assert mail("a@app.example", user=("app", "secret")) == (250, 250)
    assert mail("a@example.com", user=("app", "secret"))[0] == 553
    assert mail("a@example.com", user=("other", "hidden")) == (250, 250)
    gateway.stop()


# ---- LMTP, unix sockets, socket activation, PROXY, XCLIENT ----

def test_lmtp_over_a_unix_socket(world):
    dovecot = world.dovecot()
    gateway = world.mailweir(dovecot, [{"name": "no", "if": {"field": "to", "is": "no@example.net"},
                                        "then": [{"reject": {"code": 550, "text": "not here"}}, {"stop": True}]}])
    path = gateway.folder / "lmtp.sock"
    listener(gateway).update(address=f"unix:{path}", protocol="lmtp")
    gateway.start()
    with smtplib.LMTP(str(path)) as client:
        client.ehlo("client.example")
        client.mail("app@example.com")
        assert client.rcpt("ops@example.net")[0] == 250
        assert client.rcpt("two@example.net")[0] == 250
        code, text = client.data(message("over lmtp"))
        assert code == 250 and queue_id(text)
        code, text = client.getreply()
        assert code == 250, text
    wait(lambda: dovecot.count() >= 1, "message in INBOX")
    assert b"with LMTP" in dovecot.messages()[0]
    gateway.stop()
    assert not path.exists() or not path.is_file()


def test_socket_activation(world):
    """The socket is open before the gateway runs, and comes by its name."""
    gateway = world.mailweir(None)
    passed = socket.socket()
    passed.bind(("127.0.0.1", 0))
    passed.listen(50)
    gateway.port = passed.getsockname()[1]
    listener(gateway)["address"] = "inherited:smtp"
    gateway.write()
    gateway.log = gateway.folder / "log"
    out = open(gateway.log, "ab")

    def pass_on():
        os.dup2(passed.fileno(), 3)
        os.set_inheritable(3, True)
        os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1", LISTEN_FDNAMES="smtp")
        os.execve(MAILWEIR, [MAILWEIR, "run", "--config", str(gateway.file)], os.environ)
    pid = os.fork()
    if pid == 0:
        os.setsid()
        os.dup2(out.fileno(), 1)
        os.dup2(out.fileno(), 2)
        pass_on()
    try:
        wait(lambda: gateway.events("ready"), "ready line")
        gateway.send(message("by an inherited socket"))
        os.kill(pid, 15)
        assert os.waitpid(pid, 0)[1] == 0
    finally:
        with contextlib.suppress(ProcessLookupError, ChildProcessError):
            os.kill(pid, 9)
            os.waitpid(pid, 0)


def test_proxy_header(world):
    gateway = world.mailweir(None)
    listener(gateway).update(proxy_protocol=["127.0.0.0/8"], allow=["192.0.2.0/24", "2001:db8::/32"])
    gateway.configuration["listeners"].append({"name": "plain", "address": f"127.0.0.1:{free_port()}"})
    gateway.start()
    signature = b"\r\n\r\n\0\r\nQUIT\n"
    v2 = signature + b"\x21\x11" + struct.pack("!H4s4sHH", 12, bytes([192, 0, 2, 8]), bytes([127, 0, 0, 1]), 999, 25)
    for header, address in ((b"PROXY TCP4 192.0.2.7 127.0.0.1 1234 25\r\n", "192.0.2.7"), (v2, "192.0.2.8")):
        raw = Raw(gateway.port)
        assert raw.say(header).startswith(b"220 ")
        raw.socket.sendall(b"HELO c\r\nMAIL FROM:<a@example.com>\r\nRCPT TO:<o@example.net>\r\nDATA\r\n")
        assert [raw.reply()[:3] for _ in range(4)] == [b"250", b"250", b"250", b"354"]
        assert raw.say(b"Subject: x\r\n\r\n.\r\n").startswith(b"250 ")
        raw.close()
        assert gateway.events("accepted")[-1]["client.address"] == address
    raw = Raw(gateway.port)
    assert raw.say(b"PROXY TCP4 198.51.100.1 127.0.0.1 1234 25\r\n").startswith(b"554 5.7.1")
    raw.close()
    raw = Raw(gateway.port)  # no header: no session
    assert raw.say(b"EHLO c\r\n") == b""
    raw.close()
    plain = int(gateway.configuration["listeners"][1]["address"].rsplit(":", 1)[1])
    raw = Raw(plain)  # from somebody who is not named, it is no command
    raw.reply()
    assert raw.say(b"PROXY TCP4 192.0.2.7 127.0.0.1 1234 25\r\n").startswith(b"500 ")
    raw.close()
    gateway.stop()


def test_proxy_header_in_front_of_tls(world):
    gateway = world.mailweir(None)
    listener(gateway).update(proxy_protocol=["127.0.0.0/8"], allow=["192.0.2.0/24"], tls=tls(world, "implicit"))
    gateway.start()
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    session = context_of(world).wrap_bio(incoming, outgoing, server_hostname="localhost")
    with contextlib.suppress(ssl.SSLWantReadError):
        session.do_handshake()
    raw = Raw(gateway.port)
    raw.socket.sendall(b"PROXY TCP4 192.0.2.7 127.0.0.1 1234 25\r\n" + outgoing.read())  # both in one segment

    def until(step):
        while True:
            try:
                return step()
            except ssl.SSLWantReadError:
                raw.socket.sendall(outgoing.read() or b"")
                incoming.write(raw.socket.recv(65536))
    until(session.do_handshake)
    raw.socket.sendall(outgoing.read())
    assert until(lambda: session.read(1000)).startswith(b"220 ")
    raw.close()
    gateway.stop()


# ---- Postfix as client ----

def relay_through_postfix(port, gateway, number):
    for index in range(number):
        with smtplib.SMTP("127.0.0.1", port, timeout=30) as client:
            client.sendmail("app@example.com", ["ops@example.net", "two@example.net"], message(f"relayed {index}", number=index))
    wait(lambda: len(gateway.events("accepted")) >= number, "messages from Postfix", 60)


def test_postfix_relays_over_smtp_with_tls(world):
    gateway = world.mailweir(None)
    listener(gateway)["tls"] = tls(world, "starttls") | {"required": True}
    gateway.start()
    port = postfix_folder(world, f"smtp_tls_security_level = secure\nsmtp_tls_secure_cert_match = localhost\n"
                          f"smtp_tls_CAfile = {world.certificates.ca}", f"smtp:[127.0.0.1]:{gateway.port}")
    relay_through_postfix(port, gateway, 5)
    first = gateway.events("accepted")[0]
    assert first["tls"] == "TLSv1.3" and first["to"] == ["ops@example.net", "two@example.net"], first
    gateway.stop()


def test_postfix_relays_over_lmtp(world):
    gateway = world.mailweir(None)
    listener(gateway)["protocol"] = "lmtp"
    gateway.start()
    port = postfix_folder(world, "", f"lmtp:[127.0.0.1]:{gateway.port}")
    relay_through_postfix(port, gateway, 5)
    wait(lambda: (world.folder / "postfix.log").read_text().count("status=sent") == 10, "ten recipients sent")
    gateway.stop()
