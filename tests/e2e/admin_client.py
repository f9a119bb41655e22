"""admin_client - HTTP over the admin server's socket, by the standard library; and live streams."""
import contextlib
import http.client
import json
import socket


class Connection(http.client.HTTPConnection):
    def __init__(self, path, timeout=60):
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Answer:
    def __init__(self, response):
        self.status, self.headers, self.octets = response.status, response.headers, response.read()

    @property
    def text(self):
        return self.octets.decode()

    @property
    def json(self):
        return json.loads(self.octets)


class Admin:
    """The admin server of a gateway; its socket lies in the spool's folder unless the configuration says otherwise."""

    def __init__(self, gateway):
        self.path = gateway.configuration["spool"]["path"] + "/admin.sock"

    def ask(self, method, path, body=None, headers=None):
        connection = Connection(self.path)
        try:
            # A refusal may come before the body was taken; it can be read all the same.
            with contextlib.suppress(BrokenPipeError):
                connection.request(method, path, body, headers or {})
            return Answer(connection.getresponse())
        finally:
            connection.close()

    def get(self, path, headers=None):
        return self.ask("GET", path, None, headers)

    def post(self, path, value=None, headers=None):
        return self.ask("POST", path, json.dumps(value or {}), {"Content-Type": "application/json", **(headers or {})})

    def events(self, headers=None):
        """Yields (name, object) of the live stream until the caller stops."""
        connection = Connection(self.path)
        try:
            connection.request("GET", "/api/v1/events", headers=headers or {})
            response = connection.getresponse()
            assert response.status == 200, response.status
            name = None
            for line in response:
                text = line.decode().rstrip("\n")
                if text.startswith("event: "):
                    name = text[7:]
                elif text.startswith("data: "):
                    yield name, json.loads(text[6:])
        finally:
            connection.close()
