"""Hostile HTTP: slow, huge, malformed, and too many connections disturb neither mail nor the next request for long."""
import concurrent.futures
import contextlib
import http.client
import json
import os
import pathlib
import re
import socket
from random import Random
from urllib.parse import quote, urlencode

from admin_client import Admin
from harness import free_port, message, wait

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent

CONNECTIONS = 1000


def connect(path, timeout=5):
    client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    client.settimeout(timeout)
    client.connect(path)
    return client


def answer_to(path, octets):
    """What comes back before the connection ends, or b"" when it was cut off."""
    got = b""
    with contextlib.closing(connect(path)) as client, contextlib.suppress(OSError):
        client.sendall(octets)
        client.shutdown(socket.SHUT_WR)
        while piece := client.recv(65536):
            got += piece
    return got


def test_malformed_requests_are_refused(world):
    gateway = world.mailweir(None).start()
    admin = Admin(gateway)
    head = b"GET /livez HTTP/1.1\r\nHost: localhost\r\n"
    cases = [
        b"", b"\r\n\r\n", b"\0" * 5000, os.urandom(5000), b"GET\r\n\r\n", b"GET /livez\r\n\r\n", b"GET /livez HTTP/9.9\r\n\r\n",
        head + b"Content-Length: -1\r\n\r\n", head + b"Content-Length: 99999999999999999999\r\n\r\n",
        head + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nabcde", head + b"Transfer-Encoding: chunked\r\n\r\nZZZ\r\n",
        head + b"X: " + b"a" * 100000 + b"\r\n\r\n", b"GET /" + b"a" * 100000 + b" HTTP/1.1\r\n\r\n",
        head + b"".join(b"X-%d: y\r\n" % i for i in range(10000)) + b"\r\n", b"EHLO me\r\nMAIL FROM:<a@b>\r\n",
        b"POST /api/v1/log HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
        + b"FFFF\r\n" + b"x" * 65535 + b"\r\n" + b"FFFF\r\n" + b"x" * 65535 + b"\r\n0\r\n\r\n",
    ]
    for case in cases:
        got = answer_to(admin.path, case)
        assert not got.startswith(b"HTTP/1.1 2") or case.startswith(b"GET /livez"), (case[:60], got[:100])
        assert admin.get("/livez").status == 200, case[:60]
    deep = "[" * 100000
    assert admin.ask("POST", "/api/v1/log", deep[:60000], {"Content-Type": "application/json"}).status == 400
    gateway.stop()


def test_a_thousand_connections_do_not_disturb_mail(world):
    dovecot = world.dovecot()
    gateway = world.mailweir(dovecot)
    gateway.configuration["admin"] = {"max_connections": 50}
    gateway.start()
    path = Admin(gateway).path
    clients, refused = [], 0
    for i in range(CONNECTIONS):
        client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        try:
            client.connect(path)
            # Half of them say nothing, half begin a request and never end it.
            client.send(b"GET /api/v1/events HTTP/1.1\r\nHost: loc" if i % 2 else b"")
            clients.append(client)
        except OSError:
            refused += 1
            client.close()
    assert len(clients) >= 50, "the flood never came about"
    for number in range(20):
        gateway.send(message(number=number))
    wait(lambda: len(gateway.events("filed")) == 20, "twenty filed messages", 60)
    # Who dawdles is cut off; after that, operators are served again, though all of these are still here.
    def served():
        with contextlib.suppress(OSError):
            client = connect(path, 2)
            client.sendall(b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            return client.recv(100).startswith(b"HTTP/1.1 200")
        return False
    for client in clients[200:]:
        client.close()
    wait(served, "an answer beside the flood", 90)
    for client in clients:
        client.close()
    gateway.stop()


def test_who_asks_too_often_is_told(world):
    gateway = world.mailweir(None)
    port = free_port()
    gateway.configuration["admin"] = {"max_requests": 5, "address": f"127.0.0.1:{port}", "token": "a-token-that-is-long-enough"}
    gateway.start()

    def ask(path, token=None, source="127.0.0.1"):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30, source_address=(source, 0))
        connection.request("GET", path, headers={"Authorization": f"Bearer {token}"} if token else {})
        answer = connection.getresponse()
        answer.read()
        connection.close()
        return answer.status, answer.headers
    token = gateway.configuration["admin"]["token"]
    with concurrent.futures.ThreadPoolExecutor(10) as pool:  # one after the other would be slow enough on a busy machine
        # Junk without a token is refused, and takes nobody's share; probes are always answered.
        junk = [status for status, _ in pool.map(lambda _: ask("/api/v1/log", source="127.0.0.2"), range(60))]
        probes = [status for status, _ in pool.map(lambda _: ask("/livez"), range(60))]
        assert set(junk) == {401} and set(probes) == {200}, (junk, probes)
        answers = list(pool.map(lambda _: ask("/api/v1/log", token), range(60)))
    statuses = [status for status, _ in answers]
    assert 200 in statuses and 429 in statuses, statuses
    assert answers[statuses.index(429)][1]["Retry-After"] == "1"
    assert ask("/livez")[0] == 200
    wait(lambda: ask("/api/v1/log", token)[0] == 200, "room for a request")
    gateway.stop()


def test_a_stream_that_is_not_read_is_ended(world):
    gateway = world.mailweir(None).start()
    admin = Admin(gateway)
    client = connect(admin.path)
    client.sendall(b"GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert client.recv(100).startswith(b"HTTP/1.1 200")
    domain = ".".join(["d" * 60] * 3) + ".example"  # each message is a line of 15 KB in the log
    to = [f"user{number}-{'x' * 50}@{domain}" for number in range(60)]

    def has_lagged():
        for number in range(20):
            gateway.send(message(number=number), to=to)
        return "mailweir_admin_streams_lagged_total 1" in admin.get("/metrics").text

    wait(has_lagged, "end of the stream", 100)
    client.close()
    gateway.stop()



def test_a_stream_that_stands_still_is_ended(world):
    """Too little happens to fill its room: nothing moves on the connection, and that it was not read is counted all the same."""
    gateway = world.mailweir(None).start()
    admin = Admin(gateway)
    with contextlib.closing(connect(admin.path)) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        client.sendall(b"GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert client.recv(100).startswith(b"HTTP/1.1 200")
        to = [f"user{number}-{'x' * 50}@{'d' * 60}.{'d' * 60}.{'d' * 60}.example" for number in range(60)]
        for number in range(25):  # as many octets as a socket has room for, and not as many as a stream has
            gateway.send(message(number=number), to=to)
        wait(lambda: "mailweir_admin_streams 0" in admin.get("/metrics").text, "end of the stream", 60)
        assert "mailweir_admin_streams_lagged_total 1" in admin.get("/metrics").text
    gateway.stop()


VALUES = [None, True, False, 0, -1, 1, 2**63, -2**63, 1e308, "", "x", "\u0000", "\ud7ff" * 50, "a" * 5000, "../../etc/passwd", "%s%n", "'; DROP TABLE",
          "\u202e\u009b31m", [], [[]], [None], {}, {"": ""}, {"a": {"b": [1, {"c": None}]}}, ["hold"] * 300]
NAMES = ["verb", "id", "ids", "selection", "all", "upstream", "folder", "state", "rule", "message", "from", "to", "rules", "new", "old", "area", "level",
         "address", "token", "for", "limit", "kind", "name", "q", "after", "since_ms", "client", "uid", "order", "by", "seconds", "$schema", "dry_run",
         "recent", "spool"]


def test_bodies_and_queries_that_mean_nothing(world):
    """Of a seed: each path of the API with members and parameters of any type. Nothing of it is our fault or ends the gateway, and mail flows behind it."""
    seed = int(os.environ.get("MAILWEIR_SEED", "20261201"))
    random = Random(seed)
    gateway = world.mailweir(None).start()
    admin = Admin(gateway)
    paths = json.loads((ROOT / "deploy/doc/openapi.json").read_text())["paths"]
    todo = [(path, method.upper()) for path, methods in paths.items() for method in methods
            if "/events" not in path and not path.endswith(("/session/end", "/drain"))]
    assert len(todo) > 20, todo
    for _ in range(15):
        for path, method in todo:
            parameter = quote(random.choice(["corp", "x", "", "..", "%00", "a" * 300, "01J00000000000000000000000", "\u202e"]), safe="")
            url = re.sub(r"\{[^}]*\}", parameter, path)
            if method == "GET":
                url += "?" + urlencode({random.choice(NAMES): str(random.choice(VALUES)) for _ in range(random.randrange(4))})
                answer = admin.get(url[:7000])
            else:
                members = {random.choice(NAMES): random.choice(VALUES) for _ in range(random.randrange(6))}
                text = json.dumps(members if random.random() < 0.9 else random.choice(VALUES))
                text = text[:random.randrange(len(text) + 1)] if random.random() < 0.2 else text
                answer = admin.ask("POST", url, text, {"Content-Type": "application/json"})
            assert answer.status < 500 or (path == "/readyz" and answer.status == 503), (seed, method, url, answer.status, answer.octets[:300])
            assert b"\x1b" not in answer.octets and b"\xc2\x9b" not in answer.octets, (seed, method, url)
    assert admin.get("/livez").status == 200
    gateway.send(message("flows"))
    gateway.stop()
