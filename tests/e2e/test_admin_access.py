"""Who may ask the admin server what: tokens by name and role, a browser's session, and what another site cannot do."""
import http.client
import json

from harness import free_port, message, wait

OPERATOR, READER, SCRAPER = "the operator's token", "a token for looking", "a token for metrics"
ORIGIN = "http://127.0.0.1"


class Client:
    """HTTP by the standard library, over TCP as a browser or a scraper comes."""

    def __init__(self, port):
        self.port = port

    def ask(self, method, path, body=None, **headers):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
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
    client.ask("POST", "/api/v1/queue", {"verb": "hold", "select": {"id": f"{ident}.1"}, "by": "somebody else"}, **bearer(OPERATOR))
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
    assert status == 401 and cookie is None and "not a token" in answer["error"]["message"], answer
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
