"""TLS towards an upstream that is not as good as it should be: it is refused in clear words, nothing is said in clear, and the mail waits."""
import socket
import subprocess
import threading

from harness import Process, free_port, listens, message, wait


class Clear:
    """An IMAP server in clear that answers each command as it is told to, and notes what it hears."""

    def __init__(self, capabilities, greeting="* OK hello", starttls="NO not now"):
        self.capabilities, self.starttls, self.greeting = capabilities, starttls, greeting
        self.heard = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            connection, _ = self.listener.accept()
            threading.Thread(target=self.session, args=(connection,), daemon=True).start()

    def session(self, connection):
        with connection, connection.makefile("rwb") as stream:
            self.say(stream, self.greeting)
            for line in stream:
                self.heard.append(line)
                tag, _, rest = line.decode("latin-1").strip().partition(" ")
                verb = rest.partition(" ")[0].upper()
                if verb == "CAPABILITY":
                    self.say(stream, f"* CAPABILITY {self.capabilities}")
                self.say(stream, f"{tag} {self.starttls}" if verb == "STARTTLS" else f"{tag} OK done")

    @staticmethod
    def say(stream, line):
        try:
            stream.write(line.encode() + b"\r\n")
            stream.flush()
        except OSError:
            pass


def refused(world, gateway, port, mode):
    """Sends a message there, and returns the line that tells why it waits."""
    gateway.upstream.update(address=f"127.0.0.1:{port}", tls={"mode": mode, "ca_file": str(world.certificates.ca)})
    gateway.configuration["spool"]["path"] = str(gateway.folder / f"spool-{port}-{mode}")
    gateway.start()
    gateway.send(message("waits"))
    deferred = wait(lambda: gateway.events("deferred"), f"deferred line ({port}, {mode})")[0]
    status, out, _ = gateway.run("queue", "list")
    assert status == 0 and out.count("waiting") == 1, out
    gateway.stop()
    assert not gateway.events("filed") and not gateway.events("dead_letter")
    assert "relaypw" not in gateway.log.read_text()
    return deferred


def test_weak_key(world):
    """A certificate whose key anybody with some computers can factor."""
    folder, certificates = world.certificates.folder, world.certificates
    key, request, weak, extensions = (folder / f"weak.{end}" for end in ("key", "csr", "pem", "ext"))
    extensions.write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\nextendedKeyUsage=serverAuth\n")
    certificates._openssl("req", "-new", "-newkey", "rsa:1024", "-nodes", "-subj", "/CN=localhost", "-keyout", key, "-out", request)
    certificates._openssl("x509", "-req", "-in", request, "-CA", certificates.ca, "-CAkey", certificates.ca_key, "-CAcreateserial",
                          "-days", 30, "-extfile", extensions, "-out", weak)
    dovecot = world.dovecot(name="weak", certificate=(weak, key), extra="ssl_cipher_list = ALL:@SECLEVEL=0")
    gateway = world.mailweir(dovecot)
    for port, mode in ((dovecot.tls_port, "implicit"), (dovecot.port, "starttls")):
        deferred = refused(world, gateway, port, mode)
        assert deferred["error.code"].startswith("tls") and "key too" in deferred["error.message"], deferred
    assert "Login: user=" not in (dovecot.folder / "dovecot.log").read_text()


def test_old_tls(world):
    """A server that speaks nothing newer than TLS 1.1."""
    certificate, key = world.server_certificate
    for version in ("-tls1", "-tls1_1"):
        port = free_port()
        server = Process(["openssl", "s_server", "-accept", f"127.0.0.1:{port}", "-cert", certificate, "-key", key, version,
                          "-cipher", "ALL:@SECLEVEL=0", "-quiet"], world.folder / f"s_server{version}")
        world.cleanup.append(server.kill)
        wait(lambda: listens(port), "answer of the old server")
        # It does work with a client that is content with that.
        client = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{port}", version, "-cipher", "ALL:@SECLEVEL=0"],
                                stdin=subprocess.DEVNULL, capture_output=True, text=True)
        assert "New, TLSv1.0" in client.stdout or "TLSv1" in client.stdout, client.stdout
        gateway = world.mailweir(None, name="old" + version)
        deferred = refused(world, gateway, port, "implicit")
        assert deferred["error.code"].startswith("tls"), deferred
        assert "version" in deferred["error.message"] or "protocol" in deferred["error.message"], deferred


def test_starttls_that_is_taken_away(world):
    """Somebody in between hides STARTTLS, refuses it, or claims that the session is logged in already (RFC 3501 section 6.2.1)."""
    cases = {"hidden": {"capabilities": "IMAP4rev1"},
             "no": {"capabilities": "IMAP4rev1 STARTTLS"},
             "bad": {"capabilities": "IMAP4rev1 STARTTLS", "starttls": "BAD what?"},
             "preauth": {"capabilities": "IMAP4rev1 STARTTLS", "greeting": "* PREAUTH welcome"},
             "clear": {"capabilities": "IMAP4rev1 STARTTLS", "starttls": "OK begin\r\n* CAPABILITY IMAP4rev1\r\nA OK go on"}}
    for name, options in cases.items():
        server = Clear(**options)
        gateway = world.mailweir(None, name="to-" + name)
        deferred = refused(world, gateway, server.port, "starttls")
        text = (deferred["error.code"] + " " + deferred["error.message"]).lower()
        assert "tls" in text or "preauth" in text, (name, deferred)
        verbs = {line.split()[1].upper() for line in server.heard if len(line.split()) > 1 and line[:1] != b"\x16"}
        assert verbs <= {b"CAPABILITY", b"STARTTLS", b"LOGOUT", b"NOOP"}, (name, server.heard)
        assert b"relaypw" not in b"".join(server.heard), (name, server.heard)
