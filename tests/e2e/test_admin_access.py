"""Who may ask the admin server what: tokens by name and role, a browser's session, and what another site cannot do."""
import http.client
import json
import shutil
import ssl
import time

from admin_client import Admin
from harness import free_port, message, wait

OPERATOR, READER, SCRAPER = "the operator's token", "a token for looking", "a token for metrics"
ORIGIN = "http://127.0.0.1"


class Client:
    """HTTP by the standard library, over TCP as a browser or a scraper comes."""

    def __init__(self, port):
        self.port = port

    def connect(self):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)

    def ask(self, method, path, body=None, **headers):
        connection = self.connect()
        try:
            headers = {name.replace("_", "-"): value for name, value in headers.items()}
            if method == "POST":
                headers.setdefault("Content-Type", "application/json")
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            answer = connection.getresponse()
            text = answer.read().decode()
            return answer.status, json.loads(text) if text.startswith("{") else text, answer.headers
        finally:
            connection.close()

    def status(self, method, path, body=None, **headers):
        return self.ask(method, path, body, **headers)[0]

    def log_in(self, token):
        status, who, headers = self.ask("POST", "/api/v1/session", {"token": token}, Origin=f"{ORIGIN}:{self.port}")
        return status, who, headers.get("Set-Cookie")


class Secure(Client):
    """The same over TLS, trusting the test's own authority."""

    def __init__(self, port, world):
        super().__init__(port)
        self.context = ssl.create_default_context(cafile=str(world.certificates.ca))

    def connect(self):
        return http.client.HTTPSConnection("127.0.0.1", self.port, timeout=20, context=self.context)

    def serial(self):
        connection = self.connect()
        connection.connect()
        try:
            return connection.sock.getpeercert()["serialNumber"]
        finally:
            connection.close()


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


def start(world, **admin):
    gateway = world.mailweir(None)
    port = free_port()
    gateway.configuration["admin"] = {"address": f"127.0.0.1:{port}", "tokens": {
        "anna": {"token": OPERATOR, "role": "operate"}, "wall": {"token": READER}, "prometheus": {"token": SCRAPER, "role": "metrics"}}, **admin}
    return gateway.start(), Client(port)


def test_roles(world):
    gateway, client = start(world)
    ident = gateway.send(message())
    asks = [("GET", "/metrics"), ("GET", "/api/v1/status"), ("GET", f"/api/v1/why?id={ident}"), ("GET", f"/api/v1/messages/{ident}"),
            ("POST", "/api/v1/upstreams/corp/pause"), ("POST", "/api/v1/reload")]
    for token, may in ((OPERATOR, [200] * 6), (READER, [200, 200, 200, 403, 403, 403]), (SCRAPER, [200, 403, 403, 403, 403, 403]),
                       ("a token of nobody's", [401] * 6)):
        got = [client.status(*one, **bearer(token)) for one in asks]
        assert got == may, (token, got)
    status, answer, _ = client.ask("POST", "/api/v1/reload", **bearer(READER))
    assert answer["error"]["code"] == "role" and '"wall"' in answer["error"]["message"] and '"operate"' in answer["error"]["message"], answer
    # Who it was stands in the log and in the message's story, whatever the request says.
    hold = {"verb": "hold", "select": {"id": f"{ident}.1"}, "by": "somebody else"}
    wait(lambda: client.ask("POST", "/api/v1/queue", hold, **bearer(OPERATOR))[1]["changed"] == 1, "a hold between two attempts")
    read = [event for event in gateway.events("admin_request") if event["path"] == "/api/v1/messages/{id}"]
    assert [(event["by"], event["parameter"]) for event in read] == [("anna", ident)], read
    story = json.dumps(client.ask("GET", f"/api/v1/why?id={ident}", **bearer(READER))[1])
    assert "anna" in story and "somebody else" not in story, story
    # The commands find a token by which they may.
    assert gateway.run("queue", "release", f"{ident}.1")[0] == 0
    assert gateway.run("status")[0] == 0
    gateway.stop()


def test_session(world):
    gateway, client = start(world)
    own = f"{ORIGIN}:{client.port}"
    status, answer, cookie = client.log_in("a token of nobody's")
    assert status == 401 and cookie is None and "does not know that token" in answer["error"]["message"], answer
    wait(lambda: gateway.events("admin_login_failed"), "a line about it")
    status, who, cookie = client.log_in(OPERATOR)
    assert (status, who["name"], who["role"]) == (200, "anna", "operate"), who
    assert "HttpOnly" in cookie and "SameSite=Strict" in cookie and OPERATOR not in cookie and who["key"] not in cookie, cookie
    shown = {"Cookie": cookie.split(";")[0]}
    # Another tab finds the session, and with it the key.
    assert client.ask("GET", "/api/v1/session", **shown)[1] == who
    assert client.status("GET", "/api/v1/status", **shown) == 200
    pause = "/api/v1/upstreams/corp/pause"
    for headers, wanted in (({}, 403), ({"Origin": own}, 403), ({"X_Mailweir_Key": who["key"]}, 403),
                            ({"Origin": own, "X_Mailweir_Key": "0" * 64}, 403), ({"Origin": "http://evil.example", "X_Mailweir_Key": who["key"]}, 403),
                            ({"Origin": own, "X_Mailweir_Key": who["key"], "Sec_Fetch_Site": "cross-site"}, 403),
                            ({"Origin": own, "X_Mailweir_Key": who["key"]}, 200)):
        assert client.status("POST", pause, **shown, **headers) == wanted, headers
    assert client.status("POST", "/api/v1/session", {"token": OPERATOR}, Origin="http://evil.example") == 403
    # A role is a role, by a cookie as well.
    _, reader, other = client.log_in(READER)
    assert client.status("POST", pause, Cookie=other.split(";")[0], Origin=own, X_Mailweir_Key=reader["key"]) == 403
    # Whoever may only look can log out, too; who may read metrics only has nothing to see here.
    assert client.status("POST", "/api/v1/session/end", Cookie=other.split(";")[0], Origin=own) == 403
    assert client.status("POST", "/api/v1/session/end", Cookie=other.split(";")[0], Origin=own, X_Mailweir_Key=reader["key"]) == 200
    assert client.status("GET", "/api/v1/status", Cookie=other.split(";")[0]) == 401
    status, answer, none = client.log_in(SCRAPER)
    assert status == 403 and none is None and '"prometheus" may read metrics only' in answer["error"]["message"], answer
    other = client.log_in(READER)[2]
    # Ended by hand: the cookie is worth nothing.
    assert client.status("POST", "/api/v1/session/end", **shown, Origin=own, X_Mailweir_Key=who["key"]) == 200
    assert client.status("GET", "/api/v1/status", **shown) == 401
    assert client.status("GET", "/api/v1/status", Cookie=other.split(";")[0]) == 200
    for _ in range(70):  # more than there is room for: those that were idle longest end
        assert client.log_in(READER)[0] == 200
    assert client.status("GET", "/api/v1/status", Cookie=other.split(";")[0]) == 401
    gateway.stop()


def test_mistakes_are_named(world):
    gateway = world.mailweir(None)
    for admin, said in (({"tokens": {"a": {"token": "short"}}}, "shorter than 16"), ({"tokens": {"admin": {"token": "x" * 20}}}, "choose another name"),
                        ({"token": "x" * 20, "tokens": {"a": {"token": "x" * 20}}}, "another token is the same"),
                        ({"tokens": {"a": {"token": "x" * 20}, "b": {"token": "x" * 20}}}, "another token is the same"),
                        ({"tokens": {"a": {"role": "operate"}}}, '"token" is missing'), ({"tokens": {"a": {"token": "x" * 20, "role": "all"}}}, "operate")):
        gateway.configuration["admin"] = {"address": "127.0.0.1:1", **admin}
        status, _, err = gateway.run("check")
        assert status == 78 and said in err and "/admin/tokens/" in err, (admin, err)


def test_several_addresses_and_tls(world):
    """A socket for commands and TCP with TLS of its own for people; a new certificate is taken over; old TLS gets nothing."""
    gateway = world.mailweir(None)
    port, clear = free_port(), free_port()
    folder = gateway.folder
    certificate, key = folder / "admin.crt", folder / "admin.key"
    for found, own in zip(world.certificates.make("first"), (certificate, key)):
        shutil.copy(found, own)
    key.chmod(0o600)
    gateway.configuration["admin"] = {"address": [f"127.0.0.1:{port}", f"unix:{folder}/admin.sock", f"[::1]:{clear}"], "token": OPERATOR,
                                      "tls": {"certificate": str(certificate), "key": str(key)}}
    gateway.start()
    client = Secure(port, world)
    assert client.status("GET", "/api/v1/status", **bearer(OPERATOR)) == 200 and client.status("GET", "/api/v1/status") == 401
    said = [event.get("page") or event["socket"] for event in gateway.events("admin_ready")]
    assert said == [f"https://127.0.0.1:{port}/", f"{folder}/admin.sock", f"https://[::1]:{clear}/"], said
    # A session over TLS has a cookie that goes nowhere else; its Origin is https.
    status, who, headers = client.ask("POST", "/api/v1/session", {"token": OPERATOR}, Origin=f"https://127.0.0.1:{port}")
    assert status == 200 and "; Secure" in headers["Set-Cookie"], headers
    shown = {"Cookie": headers["Set-Cookie"].split(";")[0], "X_Mailweir_Key": who["key"], "Origin": f"https://127.0.0.1:{port}"}
    assert client.status("POST", "/api/v1/upstreams/corp/pause", **shown) == 200
    assert client.status("POST", "/api/v1/upstreams/corp/resume", **shown) == 200
    # Commands take the socket, wherever it stands in the list.
    admin = Admin(gateway)
    admin.path = f"{folder}/admin.sock"
    assert admin.get("/api/v1/status", bearer(OPERATOR)).status == 200
    assert gateway.run("status")[0] == 0
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname, old.verify_mode, old.maximum_version = False, ssl.CERT_NONE, ssl.TLSVersion.TLSv1_1
    secure, client.context = client.context, old
    try:
        client.status("GET", "/livez")
    except (ssl.SSLError, ConnectionError):
        pass
    else:
        raise AssertionError("TLS 1.1 was spoken")
    client.context = secure
    before = client.serial()
    live = admin.get("/metrics", bearer(OPERATOR)).text
    assert 20 < float(live.split("\nmailweir_admin_certificate_expiry_seconds ")[1].split()[0]) / 86400 < 31
    for found, own in zip(world.certificates.make("second"), (certificate, key)):
        own.write_bytes(found.read_bytes())
    wait(lambda: gateway.events("admin_certificate_changed"), "the new certificate")
    assert client.serial() != before and client.status("GET", "/livez") == 200
    assert admin.get("/livez").status == 200, "other doors go on"
    # Without a socket, commands come by TLS, too.
    gateway.stop()
    gateway.configuration["admin"]["address"] = f"127.0.0.1:{port}"
    gateway.start()
    status, out, err = gateway.run("status")
    assert status == 0, err
    gateway.stop()


def test_tls_mistakes(world):
    gateway = world.mailweir(None)
    good, key = world.certificates.make("good")
    other = world.certificates.make("other")[1]
    expired = world.certificates.make("expired", days=-1)
    for tls, said in (({"certificate": str(good), "key": str(other)}, "/admin/tls"), ({"certificate": str(good)}, '"key" is missing'),
                      ({"certificate": str(expired[0]), "key": str(expired[1])}, "expired"),
                      ({"mode": "starttls", "certificate": str(good), "key": str(key)}, "HTTP has no STARTTLS")):
        gateway.configuration["admin"] = {"address": "0.0.0.0:1", "token": "x" * 20, "tls": tls}
        status, _, err = gateway.run("check")
        assert status == 78 and said in err, (tls, err)
    gateway.configuration["admin"] = {"address": ["127.0.0.1:1", "127.0.0.1:1"], "token": "x" * 20}
    status, _, err = gateway.run("check")
    assert status == 78 and "is in the list twice" in err, err
    gateway.configuration["admin"] = {"address": ["127.0.0.1:1", "0.0.0.0:2"], "token": "x" * 20}
    status, _, err = gateway.run("check")
    assert status == 78 and "unencrypted" in err, err
    gateway.configuration["admin"] = {"address": []}
    status, _, err = gateway.run("check")
    assert status == 78 and "/admin/address" in err, err


def test_tokens_live_and_die_with_a_reload(world):
    gateway, client = start(world)
    _, who, cookie = client.log_in(OPERATOR)
    shown = {"Cookie": cookie.split(";")[0]}
    assert client.status("GET", "/api/v1/status", **shown) == 200
    gateway.configuration["admin"]["tokens"]["anna"]["token"] = "another token of anna's"
    gateway.configuration["admin"]["tokens"]["bert"] = {"token": "a token that is new here"}
    gateway.write()
    answer = client.ask("POST", "/api/v1/reload", **bearer(OPERATOR))
    assert answer[0] == 200 and "next start" not in json.dumps(answer[1]), answer
    assert client.status("GET", "/api/v1/status", **bearer(OPERATOR)) == 401, "a token that was taken away opens nothing"
    assert client.status("GET", "/api/v1/status", **shown) == 401, "nor does a session that was begun with it"
    assert client.status("GET", "/api/v1/status", **bearer("a token that is new here")) == 200
    assert client.status("POST", "/api/v1/reload", **bearer("another token of anna's")) == 200
    gateway.stop()


def test_a_session_ends_when_it_is_idle(world):
    gateway, client = start(world, session_idle="2s")
    _, _, cookie = client.log_in(READER)
    shown = {"Cookie": cookie.split(";")[0]}
    begun = time.monotonic()
    # Used, it goes on for longer than it may be idle.
    wait(lambda: client.status("GET", "/api/v1/status", **shown) == 200 and time.monotonic() - begun > 2.5, "a session that is used")
    left = time.monotonic()
    wait(lambda: time.monotonic() - left > 2.2, "its idle time")
    assert client.status("GET", "/api/v1/status", **shown) == 401
    gateway.stop()
