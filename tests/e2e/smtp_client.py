"""smtp_client - what tests of reception share: a connection whose octets the test chooses, TLS, users."""
import socket
import ssl
import subprocess

from harness import MAILWEIR


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
        self.socket.settimeout(60)
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
