"""TLS of reception: STARTTLS and its attacks, versions, certificates of both sides, REQUIRETLS; and what a reload changes of listeners."""
import contextlib
import os
import shutil
import smtplib
import socket
import ssl
import subprocess

from harness import free_port, listens, message, wait
from smtp_client import Raw, context_of, listener, tls


def test_starttls_drops_what_was_said_before(world):
    gateway = world.mailweir(None)
    listener(gateway)["tls"] = tls(world, "starttls")
    gateway.start()
    raw = Raw(gateway.port)
    raw.reply()
    assert b"STARTTLS" in raw.say(b"EHLO c\r\n")
    assert raw.say(b"STARTTLS\r\nMAIL FROM:<evil@example.org>\r\nRCPT TO:<ops@example.net>\r\nNOO").startswith(b"220 ")
    raw.start_tls(context_of(world))
    assert raw.say(b"RCPT TO:<ops@example.net>\r\n").startswith(b"503 5.5.1 EHLO comes first")
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
    assert [one["listener"] for one in gateway.events("listening")] == ["apps", "second"]  # what did not change is not said again
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
