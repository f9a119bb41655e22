"""Reception by clients that are not ours: swaks, curl, Python's smtplib, Postfix, openssl s_client; TLS, AUTH, LMTP, BDAT, PROXY, sockets."""
import base64
import contextlib
import hashlib
import hmac
import json
import os
import pathlib
import pwd
import shutil
import smtplib
import socket
import ssl
import struct
import subprocess
import threading
import time

from harness import MAILWEIR, Process, Skip, free_port, listens, message, queue_id, received_part, wait


def listener(gateway):
    return gateway.configuration["listeners"][0]


def tls(world, mode, name="server", **more):
    certificate, key = world.server_certificate if name == "server" else world.certificates.make(name, **more)
    return {"mode": mode, "certificate": str(certificate), "key": str(key)}


def context_of(world):
    return ssl.create_default_context(cafile=str(world.certificates.ca))


def add_user(gateway, name="app", password="secret", *options):
    file = gateway.folder / "users.json"
    done = subprocess.run([MAILWEIR, "passwd", "--users", str(file), *options, name], input=password + "\n", text=True,
                          capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert password not in file.read_text()
    return str(file)


class Raw:
    """A connection whose octets the test chooses."""

    def __init__(self, port, family=socket.AF_INET, path=None):
        self.socket = socket.socket(family)
        self.socket.settimeout(20)
        self.socket.connect(path or ("127.0.0.1", port))
        self.file = self.socket.makefile("rb")

    def reply(self):
        lines = []
        while True:
            line = self.file.readline()
            if not line:
                return b"".join(lines)
            lines.append(line)
            if line[3:4] != b"-":
                return b"".join(lines)

    def say(self, data):
        self.socket.sendall(data)
        return self.reply()

    def start_tls(self, context, name="localhost"):
        self.socket = context.wrap_socket(self.socket, server_hostname=name)
        self.file = self.socket.makefile("rb")
        return self.socket

    def close(self):
        self.file.close()
        self.socket.close()


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


# ---- TLS ----

def test_starttls_drops_what_was_said_before(world):
    gateway = world.mailweir(None)
    listener(gateway)["tls"] = tls(world, "starttls")
    gateway.start()
    raw = Raw(gateway.port)
    raw.reply()
    assert b"STARTTLS" in raw.say(b"EHLO c\r\n")
    assert raw.say(b"STARTTLS\r\nMAIL FROM:<evil@example.org>\r\nRCPT TO:<ops@example.net>\r\nNOO").startswith(b"220 ")
    raw.start_tls(context_of(world))
    assert raw.say(b"RCPT TO:<ops@example.net>\r\n").startswith(b"503 5.5.1 say hello")
    assert b"STARTTLS" not in raw.say(b"EHLO c\r\n")
    assert raw.say(b"RCPT TO:<ops@example.net>\r\n").startswith(b"503 ")
    assert raw.say(b"STARTTLS\r\n").startswith(b"502 ")
    assert raw.say(b"QUIT\r\n").startswith(b"221 ")
    raw.close()
    assert gateway.events("plaintext_dropped")
    gateway.stop()


def test_clear_text_where_tls_is_expected(world):
    gateway = world.mailweir(None)
    listener(gateway)["tls"] = tls(world, "starttls")
    gateway.configuration["listeners"].append(
        {"name": "implicit", "address": f"127.0.0.1:{free_port()}", "tls": tls(world, "implicit")})
    gateway.start()
    implicit = int(gateway.configuration["listeners"][1]["address"].rsplit(":", 1)[1])
    raw = Raw(gateway.port)
    raw.reply()
    raw.say(b"EHLO c\r\n")
    raw.say(b"STARTTLS\r\n")
    raw.socket.sendall(b"NOOP\r\nMAIL FROM:<a@b.example>\r\n")
    assert b"250" not in raw.socket.recv(4096) + b""
    raw.close()
    raw = Raw(implicit)
    raw.socket.sendall(b"EHLO c\r\n")
    heard = b""
    with contextlib.suppress(OSError):
        while part := raw.socket.recv(4096):
            heard += part
    assert b"220 " not in heard and b"250" not in heard, heard
    raw.close()
    raw = Raw(gateway.port)
    raw.reply()
    assert raw.say(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03").startswith(b"521 ")
    assert raw.reply() == b""
    raw.close()
    gateway.send(message("still alive"))
    gateway.stop()


def test_truncation_and_teardown_inside_a_body(world):
    """A session that ends before its message does leaves nothing; octets in clear behind close_notify are never read."""
    gateway = world.mailweir(None)
    listener(gateway)["tls"] = tls(world, "starttls")
    gateway.start()

    def begin(last):
        raw = Raw(gateway.port)
        raw.reply()
        raw.say(b"EHLO c\r\n")
        raw.say(b"STARTTLS\r\n")
        raw.start_tls(context_of(world))
        raw.say(b"EHLO c\r\n")
        raw.say(b"MAIL FROM:<a@example.com>\r\n")
        raw.say(b"RCPT TO:<ops@example.net>\r\n")
        raw.socket.sendall(last)
        return raw
    raw = begin(b"BDAT 5000 LAST\r\nSubject: x\r\n\r\n")
    plain = raw.socket
    with contextlib.suppress(OSError, ssl.SSLError):
        plain = raw.socket.unwrap()
    with contextlib.suppress(OSError):
        plain.sendall(b"x" * 5000)
        plain.close()
    raw = begin(b"DATA\r\nSubject: x\r\n\r\nhalf")
    os.close(raw.socket.detach())  # FIN without close_notify
    raw = Raw(gateway.port)
    raw.reply()
    raw.say(b"EHLO c\r\n")
    raw.socket.sendall(b"MAIL FROM:<a@example.com>\r\nRCPT TO:<ops@example.net>\r\nDATA\r\nSubject: x\r\n\r\nhalf")
    raw.close()
    wait(lambda: len(gateway.events("abandoned")) == 3, "three abandoned transactions")
    assert gateway.events("accepted") == []
    gateway.send(message("still alive"))
    gateway.stop()


def s_client(world, port, *options):
    return subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-CAfile", str(world.certificates.ca), *options],
                          input="QUIT\r\n", capture_output=True, text=True, timeout=60)


def test_s_client_versions_sni_and_tickets(world):
    gateway = world.mailweir(None)
    settings = tls(world, "implicit")
    other, other_key = world.certificates.make("other", san="DNS:mail.other.example")
    settings["certificates"] = [{"certificate": str(other), "key": str(other_key)}]
    listener(gateway)["tls"] = settings
    gateway.start()
    for version in ("-tls1_2", "-tls1_3"):
        done = s_client(world, gateway.port, version, "-verify_return_error", "-crlf", "-quiet", "-servername", "localhost")
        assert "220 gw.example.net" in done.stdout, done.stdout + done.stderr
    for version in ("-tls1", "-tls1_1"):
        done = s_client(world, gateway.port, version, "-cipher", "ALL:@SECLEVEL=0")
        assert "220 gw.example.net" not in done.stdout and "alert protocol version" in done.stderr, done.stderr
    done = s_client(world, gateway.port, "-servername", "mail.other.example", "-verify_hostname", "mail.other.example",
                    "-verify_return_error")
    assert "Verification: OK" in done.stdout, done.stdout + done.stderr
    done = s_client(world, gateway.port, "-servername", "unknown.example", "-verify_hostname", "localhost", "-verify_return_error")
    assert "Verification: OK" in done.stdout, done.stdout + done.stderr
    ticket = gateway.folder / "session.pem"
    s_client(world, gateway.port, "-tls1_2", "-sess_out", str(ticket))
    done = s_client(world, gateway.port, "-tls1_2", "-sess_in", str(ticket))
    assert "Reused, TLSv1.2" in done.stdout, done.stdout
    gateway.stop()


def test_client_certificates_are_an_identity(world):
    gateway = world.mailweir(None)
    settings = tls(world, "starttls")
    settings["ca_file"] = str(world.certificates.ca)
    listener(gateway).update(tls=settings, allow=["192.0.2.0/24"])
    gateway.start()
    client, key = world.certificates.make("client", san="DNS:client.example", usage="clientAuth")

    def try_with(context):
        with gateway.smtp() as smtp:
            smtp.ehlo()
            if context:
                smtp.starttls(context=context)
                smtp.ehlo()
            return smtp.mail("a@example.com")[0]
    with_certificate = context_of(world)
    with_certificate.load_cert_chain(client, key)
    assert try_with(None) == 530
    assert try_with(context_of(world)) == 530
    assert try_with(with_certificate) == 250
    gateway.stop()


def certificate_serial(world, port):
    context = context_of(world)
    with socket.create_connection(("127.0.0.1", port), 10) as plain, context.wrap_socket(plain, server_hostname="localhost") as wrapped:
        return wrapped.getpeercert()["serialNumber"]


def test_certificates_are_read_again_when_they_change(world):
    gateway = world.mailweir(None)
    certificate, key = (gateway.folder / name for name in ("live.pem", "live.key"))
    first, second = world.certificates.make("first"), world.certificates.make("second")
    shutil.copy(first[0], certificate)
    shutil.copy(first[1], key)
    listener(gateway)["tls"] = {"mode": "implicit", "certificate": str(certificate), "key": str(key)}
    gateway.start()
    before = certificate_serial(world, gateway.port)
    session = smtplib.SMTP_SSL("localhost", gateway.port, context=context_of(world), timeout=20)
    session.ehlo()
    for source, target in zip(second, (certificate, key)):
        shutil.copy(source, str(target) + ".new")
    os.rename(str(key) + ".new", key)
    os.rename(str(certificate) + ".new", certificate)
    wait(lambda: certificate_serial(world, gateway.port) != before, "new certificate", 30)
    assert session.noop()[0] == 250  # the open session goes on
    session.quit()
    gateway.stop()


def test_a_reload_changes_listeners(world):
    gateway = world.mailweir(None)
    gateway.start()
    session = gateway.smtp()
    session.ehlo()
    second = free_port()
    gateway.configuration["listeners"].append({"name": "second", "address": f"127.0.0.1:{second}"})
    listener(gateway)["max_message_size"] = "2KiB"
    gateway.write()
    gateway.process.send_signal(1)
    wait(lambda: listens(second), "second listener")
    assert session.noop()[0] == 250 and session.esmtp_features["size"] == str(25 << 20)
    with gateway.smtp() as fresh:
        fresh.ehlo()
        assert fresh.esmtp_features["size"] == "2048"
    gateway.configuration["listeners"].pop()
    gateway.write()
    gateway.process.send_signal(1)
    wait(lambda: not listens(second), "end of the second listener")
    session.close()
    gateway.stop()


def test_requiretls_is_refused_where_it_cannot_be_kept(world):
    dovecot = world.dovecot()
    gateway = world.mailweir(dovecot)
    listener(gateway)["tls"] = tls(world, "starttls")
    gateway.upstream.update(address=f"127.0.0.1:{dovecot.port}", tls={"mode": "none"})
    gateway.start()

    def send():
        with gateway.smtp() as client:
            client.starttls(context=context_of(world))
            client.ehlo()
            assert client.has_extn("requiretls")
            client.mail("app@example.com", ["REQUIRETLS"])
            client.rcpt("ops@example.net")
            return client.data(message())
    assert send()[0] == 550
    gateway.stop()
    gateway.upstream.update(address=f"127.0.0.1:{dovecot.tls_port}",
                            tls={"mode": "implicit", "ca_file": str(world.certificates.ca)})
    gateway.start()
    assert send()[0] == 250
    gateway.stop()


# ---- "acknowledge": "delivered" ----

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
    listener(gateway).update(acknowledge="delivered", duplicate_window="10m", timeouts={"acknowledge": "2s"})
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
    listener(gateway).update(acknowledge="delivered", timeouts={"acknowledge": "3s"})
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
    gateway.send(message("second", number=2))
    assert dovecot.count() == 1  # the one that was acknowledged, and no other
    gateway.stop()
    gateway.start()
    gateway.send(message("third", number=3))
    assert dovecot.count() == 2
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

def postfix_folder(world, settings, transport):
    """An instance of Postfix in folders of its own, which relays everything to the transport; its smtp port."""
    if not shutil.which("postfix") or os.geteuid() != 0:
        raise Skip("Postfix as a client needs root")
    user = pwd.getpwnam("postfix")
    folder = world.folder / "postfix"
    etc, queue, data = folder / "etc", folder / "queue", folder / "data"
    for each in (folder, etc, queue, data):
        each.mkdir(exist_ok=True)
        each.chmod(0o755)
    os.chown(data, user.pw_uid, user.pw_gid)
    port = free_port()
    for name in ("postfix-files", "dynamicmaps.cf"):
        with contextlib.suppress(OSError):
            shutil.copy(pathlib.Path("/etc/postfix") / name, etc)
    master = pathlib.Path("/usr/share/postfix/master.cf.dist").read_text()
    (etc / "master.cf").write_text(
        f"127.0.0.1:{port} inet n - n - - smtpd\n" +
        "".join(line + "\n" for line in master.splitlines() if line and not line.startswith(("smtp      inet", "#", "pickup"))))
    (etc / "main.cf").write_text(
        f"compatibility_level = 3.6\nqueue_directory = {queue}\ndata_directory = {data}\nmail_owner = postfix\n"
        f"setgid_group = postdrop\nmyhostname = relay.example.com\nmydestination =\nrelay_domains = *\nmynetworks = 127.0.0.0/8\n"
        f"relayhost =\ntransport_maps = static:{transport}\nalias_maps =\nmaillog_file = /dev/stdout\nmaximal_queue_lifetime = 1h\n"
        f"inet_protocols = ipv4\nsmtpd_relay_restrictions = permit_mynetworks,reject\nminimal_backoff_time = 1s\n{settings}\n")
    subprocess.run(["postfix", "-c", str(etc), "check"], capture_output=True, timeout=60)
    process = Process(["/usr/lib/postfix/sbin/master", "-c", str(etc), "-i"] if False else ["postfix", "-c", str(etc), "start-fg"],
                      world.folder / "postfix.log")
    world.logs.append(world.folder / "postfix.log")
    world.cleanup.append(process.kill)
    wait(lambda: listens(port), "answer of Postfix")
    return port


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


# ---- those who would do harm ----

def test_slow_loris_does_not_slow_others(world):
    gateway = world.mailweir(None)
    listener(gateway)["timeouts"] = {"command": "1s", "data": "1s"}
    gateway.start()
    slow = [Raw(gateway.port) for _ in range(60)]
    for raw in slow:
        raw.reply()
        raw.socket.sendall(b"EHL")
    for index in range(20):
        gateway.send(message("quick", number=index))
    assert all(raw.reply().startswith(b"421 4.4.2") for raw in slow)
    for raw in slow:
        raw.close()
    gateway.stop()


def test_flood_of_connections_and_unread_replies(world):
    gateway = world.mailweir(None)
    listener(gateway).update(max_sessions=200, max_sessions_per_network=50, max_unknown_commands=10000, max_errors=10000,
                             timeouts={"command": "2s"})
    gateway.start()
    many = [Raw(gateway.port) for _ in range(300)]
    heard = [raw.reply()[:9] for raw in many]
    assert heard.count(b"220 gw.ex") == 50 and heard.count(b"421 4.7.0") == 250, {each: heard.count(each) for each in set(heard)}
    for raw in many:
        raw.close()
    wait(lambda: Raw(gateway.port).reply().startswith(b"220"), "room again")
    greedy = Raw(gateway.port)
    greedy.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    greedy.reply()
    greedy.socket.setblocking(False)
    sent = 0
    with contextlib.suppress(BlockingIOError, ConnectionError):
        while sent < 100 << 20:
            sent += greedy.socket.send(b"HELP\r\n" * 1000)
    assert sent < 50 << 20  # the gateway stops reading
    gateway.send(message("still served"))
    greedy.close()
    gateway.stop()


def test_hundred_thousand_recipients(world):
    """Those within the limit are taken, the others are put off, and a client that does not listen is sent away."""
    gateway = world.mailweir(None)
    gateway.start()
    raw = Raw(gateway.port)
    raw.reply()
    raw.say(b"EHLO c\r\n")
    raw.say(b"MAIL FROM:<app@example.com>\r\n")

    def send_all():
        with contextlib.suppress(OSError):
            raw.socket.sendall(b"".join(b"RCPT TO:<r%d@example.net>\r\n" % number for number in range(100000)))
    sender = threading.Thread(target=send_all)
    sender.start()
    codes = []
    with contextlib.suppress(OSError):
        while reply := raw.reply():
            codes.append(reply[:3])
    sender.join()
    assert codes.count(b"250") == 1000 and set(codes[1000:-1]) == {b"452"} and codes[-1] == b"421", (len(codes), codes[-3:])
    raw.close()
    gateway.send(message("still alive"))
    gateway.stop()


def test_brute_force_runs_into_walls(world):
    """Each failure is slower to hear, the third ends the session, and at the network's limit it is not heard any more."""
    gateway = world.mailweir(None)
    listener(gateway).update(auth={"users": add_user(gateway), "required": True, "in_clear": True},
                             timeouts={"greeting": "1ms"}, max_auth_failures_per_network=4)
    gateway.start()
    attempts = 0
    while True:
        raw = Raw(gateway.port)
        if raw.reply().startswith(b"421 4.7.0"):
            break
        raw.say(b"EHLO c\r\n")
        for _ in range(3):
            attempts += 1
            reply = raw.say(b"AUTH PLAIN " + base64.b64encode(b"\0app\0guess%d" % attempts) + b"\r\n")
            assert reply.startswith(b"535 5.7.8"), reply
            if attempts == 4:
                break
        assert attempts < 10
        raw.close()
    assert attempts == 4
    gateway.stop()


def test_five_hundred_transactions_in_one_session(world):
    gateway = world.mailweir(None)
    gateway.start()
    with gateway.smtp() as client:
        client.ehlo()
        for number in range(500):
            client.sendmail("app@example.com", ["ops@example.net"], message("one of many", number=number))
    assert len(gateway.events("accepted")) == 500
    gateway.stop()


def test_header_and_mime_bombs_are_answered_at_once(world):
    gateway = world.mailweir(None, [{"name": "any", "if": {"any": [{"header": "Subject", "matches": "(a+)+$"},
                                                                   {"header": "To", "matches": "nobody@"}]},
                                     "then": [{"fileinto": {"upstream": "corp", "folder": "X"}}]}])
    gateway.start()
    nested = "".join(f"Content-Type: multipart/mixed; boundary=b{n}\r\n\r\n--b{n}\r\n" for n in range(2000))
    bombs = {
        "addresses": "To: " + ",\r\n ".join(f"a{n}@b.example" for n in range(8000)) + "\r\n",
        "parameters": "Content-Type: text/plain" + "".join(f";\r\n x*{n}=y" for n in range(12000)) + "\r\n",
        "parentheses": "To: " + "(" * 60000 + "\r\n",
        "fields": "".join(f"X-{n}: y\r\n" for n in range(10000)),
        "folded": "Subject: " + "x\r\n " * 40000 + "\r\n",
        "nested": nested,
        "rfc822": "Content-Type: message/rfc822\r\n\r\n" * 1000,
        "parts": "Content-Type: multipart/mixed; boundary=b\r\n\r\n" + "--b\r\n\r\nx\r\n" * 20000,
        "pattern": "Subject: " + "a" * 60000 + "!\r\n",
        "huge": "X: " + "y" * (300 << 10) + "\r\n",
    }
    with gateway.smtp() as client:
        client.ehlo()
        for name, text in bombs.items():
            began = time.monotonic()
            client.mail("app@example.com")
            client.rcpt("ops@example.net")
            code, words = client.data(text.encode() + b"\r\n\r\nbody\r\n")
            assert code in (250, 451, 552, 554), (name, code, words)
            assert time.monotonic() - began < 5, name
    gateway.stop()


def test_log_injection(world):
    gateway = world.mailweir(None)
    listener(gateway).update(auth={"users": add_user(gateway), "in_clear": True})
    gateway.start()
    raw = Raw(gateway.port)
    raw.reply()
    raw.say(b'EHLO %n%s"}{"event.action":"accepted\r\n')
    raw.say(b"AUTH PLAIN " + base64.b64encode(b'\0x"}\\n{"event.action": "accepted"\0y') + b"\r\n")
    raw.say(b'MAIL FROM:<"a\\"}{%n"@example.com>\r\n')
    raw.say(b"RCPT TO:<${run{id}}@example.net>\r\n")
    raw.say(b"DATA\r\n")
    assert raw.say(b"Message-ID: <\"}{\x1b[31m@x>\r\n\r\n.\r\n").startswith(b"250 ")
    raw.close()
    for line in gateway.log.read_text().splitlines():
        json.loads(line)
        assert "\x1b" not in line
    accepted, = gateway.events("accepted")
    assert accepted["from"] == '"a\\"}{%n"@example.com'
    gateway.stop()


def test_the_check_names_open_doors(world):
    gateway = world.mailweir(None)
    listener(gateway).update(address="0.0.0.0:2525", allow=["0.0.0.0/0"])
    status, _, problems = gateway.run("check")
    assert status == 0 and "open door" in problems and "/listeners/0/allow" in problems, problems
    listener(gateway).update(allow=[])
    status, _, problems = gateway.run("check")
    assert status == 0 and "only this machine may send here" in problems, problems
    listener(gateway).update(auth={"users": str(gateway.folder / "none.json")})
    status, _, problems = gateway.run("check")
    assert status == 1 and "none.json" in problems, problems
