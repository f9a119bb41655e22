"""Logging in to a real Dovecot: SCRAM, tokens from a file and from an endpoint, a refused password; TLS that is not right is refused."""
import base64
import hashlib
import hmac
import http.server
import json
import threading
import time
import urllib.parse

from harness import message, wait

KEY = b"testsecret"
EXTRA = """
auth_mechanisms = plain login scram-sha-1 scram-sha-256 oauthbearer xoauth2
passdb {
  driver = oauth2
  mechanisms = oauthbearer xoauth2
  args = %s
}
"""


def part(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def token(user="relay", lifetime=600):
    head = part(b'{"alg":"HS256","typ":"JWT"}')
    body = part(json.dumps({"sub": user, "email": user, "iss": "https://idp.test", "exp": int(time.time()) + lifetime,
                            "iat": int(time.time())}).encode())
    return f"{head}.{body}.{part(hmac.new(KEY, f'{head}.{body}'.encode(), hashlib.sha256).digest())}"


def dovecot_for(world):
    keys = world.folder / "keys/default/HS256"
    keys.mkdir(parents=True)
    (keys / "default").write_bytes(base64.b64encode(KEY) + b"\n")
    conf = world.folder / "oauth2.conf"
    conf.write_text(f"introspection_mode = local\nlocal_validation_key_dict = fs:posix:prefix={world.folder}/keys/\n"
                    "username_attribute = email\nissuers = https://idp.test\n")
    return world.dovecot(extra=EXTRA % conf)


def file_one(world, dovecot, auth, name):
    gateway = world.mailweir(dovecot, name=name)
    gateway.upstream["auth"] = {"username": "relay", **auth}
    gateway.start()
    gateway.send(message(name))
    wait(lambda: gateway.events("filed"), f"filed line with {name}; log: {gateway.log}")
    gateway.stop()


def test_scram(world):
    dovecot = dovecot_for(world)
    for mechanism in ("scram-sha-256", "scram-sha-1", "login", "plain"):
        file_one(world, dovecot, {"password": "relaypw", "mechanism": mechanism}, mechanism)
    assert dovecot.count("INBOX") == 4


def test_token_file(world):
    dovecot = dovecot_for(world)
    file = world.folder / "token"
    for mechanism in ("xoauth2", "oauthbearer", "auto"):
        file.write_text(token() + "\n")
        file_one(world, dovecot, {"token_file": str(file), "mechanism": mechanism}, "token-" + mechanism)


def test_token_that_expired_is_read_again(world):
    dovecot = dovecot_for(world)
    file = world.folder / "token"
    file.write_text(token(lifetime=-60))
    gateway = world.mailweir(dovecot)
    gateway.upstream["auth"] = {"username": "relay", "token_file": str(file)}
    gateway.start()
    gateway.send(message("late"))
    failed = wait(lambda: gateway.events("upstream_failed"), "refused login")[0]
    assert failed["error.code"] == "authentication", failed
    file.write_text(token())
    wait(lambda: gateway.events("filed"), "filed line")
    assert token()[:40] not in gateway.log.read_text(), "a token in the log"
    gateway.stop()


def test_token_endpoint(world):
    """One request serves the whole pool."""
    asked = []

    class Endpoint(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            asked.append(urllib.parse.parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode()))
            answer = json.dumps({"access_token": token(), "token_type": "Bearer", "expires_in": 3600}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Endpoint)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    world.cleanup.append(server.shutdown)
    dovecot = dovecot_for(world)
    gateway = world.mailweir(dovecot, [{"name": "boxes", "if": {"header": "Subject", "matches": "^box (\\d)"},
                                        "then": [{"fileinto": {"upstream": "corp", "folder": "Box${1}"}}, {"stop": True}]}])
    gateway.upstream["auth"] = {"username": "relay", "oauth2": {
        "token_endpoint": f"http://127.0.0.1:{server.server_address[1]}/token", "client_id": "us", "client_secret": "s&cret",
        "refresh_token": "again", "scope": "imap"}}
    gateway.start()
    for number in range(8):
        gateway.send(message(f"box {number % 4}", number=number))
    wait(lambda: len(gateway.events("filed")) == 8, "8 filed lines")
    assert len(asked) == 1, asked
    assert asked[0]["grant_type"] == ["refresh_token"] and asked[0]["client_secret"] == ["s&cret"]
    gateway.stop()


def test_wrong_password_is_not_hammered(world):
    dovecot = world.dovecot()
    gateway = world.mailweir(dovecot)
    gateway.upstream["auth"]["password"] = "wrong"
    gateway.start()
    for number in range(3):
        gateway.send(message("x", number=number))
    wait(lambda: len(gateway.events("deferred")) >= 3, "deferred lines")
    failed = gateway.events("upstream_failed")
    assert len(failed) == 1 and failed[0]["retry_after_ms"] >= 40000, failed
    assert not gateway.events("dead_letter")
    assert "wrong" not in json.dumps(failed)
    gateway.stop()


def test_tls_that_is_not_right_is_refused(world):
    """Expired, another name, the name only in CN, for clients only, unknown CA: nothing is said, the mail waits."""
    cases = {"expired": {"days": -1}, "other-name": {"san": "DNS:elsewhere.example"}, "name-in-cn": {"san": None},
             "for-clients": {"usage": "clientAuth"}}
    for name, options in cases.items():
        dovecot = world.dovecot(name=name, certificate=world.certificates.make(name, **options))
        gateway = world.mailweir(dovecot, name="to-" + name).start()
        gateway.send(message(name))
        failed = wait(lambda: gateway.events("upstream_failed"), "failed line")[0]
        assert failed["error.code"].startswith("tls"), (name, failed)
        assert dovecot.count("INBOX") == 0
        gateway.stop()
