"""Logging in to a real Dovecot: SCRAM, certificates, tokens from a file, a command and an endpoint, refusals; TLS that is not right is refused."""
import base64
import hashlib
import hmac
import http.server
import json
import subprocess
import threading
import time
import urllib.parse

from fake_imap import FakeImap
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
    assert -120 < json.loads(gateway.run("status", "--json")[1])["upstreams"][0]["token_seconds"] <= -60
    file.write_text(token())
    wait(lambda: gateway.events("filed"), "filed line")
    assert 500 < json.loads(gateway.run("status", "--json")[1])["upstreams"][0]["token_seconds"] <= 600
    assert token()[:40] not in gateway.log.read_text(), "a token in the log"
    gateway.stop()


def endpoint(world, answer):
    """A token endpoint on loopback: answer(form) gives (status, object). Returns its address and the forms that it gets."""
    asked = []

    class Endpoint(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            form = {key: values[0] for key, values in
                    urllib.parse.parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode()).items()}
            asked.append(form)
            status, text = answer(form)
            text = json.dumps(text).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Endpoint)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    world.cleanup.append(server.shutdown)
    return f"http://127.0.0.1:{server.server_address[1]}/token", asked


def granted(form):
    return 200, {"access_token": token(), "token_type": "Bearer", "expires_in": 3600}


def file_into_four_boxes(world, dovecot, auth):
    """Eight messages over several connections; the gateway, which runs on."""
    gateway = world.mailweir(dovecot, [{"name": "boxes", "if": {"header": "Subject", "matches": "^box (\\d)"},
                                        "then": [{"fileinto": {"upstream": "corp", "folder": "Box${1}"}}, {"stop": True}]}])
    gateway.upstream["auth"] = {"username": "relay", **auth}
    gateway.start()
    for number in range(8):
        gateway.send(message(f"box {number % 4}", number=number))
    wait(lambda: len(gateway.events("filed")) == 8, f"8 filed lines; log: {gateway.log}")
    return gateway


def test_token_endpoint(world):
    """One request serves the whole pool."""
    address, asked = endpoint(world, granted)
    gateway = file_into_four_boxes(world, dovecot_for(world), {"oauth2": {
        "token_endpoint": address, "client_id": "us", "client_secret": "s&cret", "refresh_token": "again", "scope": "imap"}})
    assert len(asked) == 1, asked
    assert asked[0]["grant_type"] == "refresh_token" and asked[0]["client_secret"] == "s&cret"
    gateway.stop()


def write_program(world, name, text):
    program = world.folder / name
    program.write_text("#!/bin/sh\n" + text)
    program.chmod(0o755)
    return program


def test_token_command(world):
    """One run serves the whole pool; the output is JSON, or the token alone."""
    dovecot = dovecot_for(world)
    (world.folder / "answer").write_text(json.dumps({"access_token": token(), "expires_in": 3600}))
    program = write_program(world, "get-token", 'echo "$@" >>"$0.runs"; echo not-in-the-log >&2; cat "$1"\n')
    gateway = file_into_four_boxes(world, dovecot, {"token": {"command": [str(program), str(world.folder / "answer"), "a b"]}})
    runs = program.with_suffix(".runs").read_text()
    assert runs == f"{world.folder}/answer a b\n", runs
    text = gateway.log.read_text()
    assert token()[:40] not in text and "not-in-the-log" not in text
    gateway.stop()
    (world.folder / "answer").write_text(token() + "\n")
    file_one(world, dovecot, {"mechanism": "xoauth2", "token": {"command": [str(program), str(world.folder / "answer")]}}, "plain-token")


def test_token_command_that_fails(world):
    """What is wrong stands in the log, the token does not, and the mail goes out once the command works."""
    dovecot = dovecot_for(world)
    good = world.folder / "good"
    program = write_program(world, "get-token", f"""[ -e {good} ] && exec cat {good}
echo 'ticket expired: run kinit' >&2; echo {token()}; exit 7
""")
    gateway = world.mailweir(dovecot)
    gateway.upstream["auth"] = {"username": "relay", "token": {"command": [str(program)]}}
    gateway.start()
    gateway.send(message("late"))
    failed = wait(lambda: gateway.events("upstream_failed"), "failed line")[0]
    assert failed["error.code"] == "child-status" and "status 7: ticket expired: run kinit" in failed["error.message"], failed
    good.write_text("this is no token\n")
    failed = wait(lambda: [event for event in gateway.events("upstream_failed") if event["error.code"] == "token"], "failed line")[0]
    assert "not a token" in failed["error.message"] and "this is" not in failed["error.message"], failed
    (world.folder / "next").write_text(token())
    (world.folder / "next").rename(good)
    wait(lambda: gateway.events("filed"), "filed line")
    assert token()[:40] not in gateway.log.read_text(), "a token in the log"
    gateway.stop()


def test_token_command_that_hangs(world):
    dovecot = dovecot_for(world)
    program = write_program(world, "get-token", "exec sleep 1000\n")
    gateway = world.mailweir(dovecot)
    gateway.upstream["auth"] = {"username": "relay", "token": {"command": [str(program)], "timeout": "200ms"}}
    gateway.start()
    gateway.send(message("late"))
    failed = wait(lambda: gateway.events("upstream_failed"), "failed line")[0]
    assert failed["error.code"] == "child-timeout", failed
    gateway.upstream["auth"]["token"]["timeout"] = "1h"
    gateway.stop()
    gateway.start()
    gateway.send(message("never"))
    gateway.stop()  # ends at once, and the command with it


def test_token_is_fetched_anew_before_it_expires(world):
    """A token that is good for two seconds is asked for again when a connection is made later. (The first is kept open as long as mail
    comes faster than it becomes idle.)"""
    address, asked = endpoint(world, lambda form: (200, {"access_token": token(), "expires_in": 2}))
    dovecot = dovecot_for(world)
    gateway = world.mailweir(dovecot)
    gateway.upstream.update({"timeouts": {"idle": "100ms"}, "auth": {"username": "relay", "oauth2": {
        "token_endpoint": address, "client_id": "us", "client_secret": "s"}}})
    gateway.start()

    def is_idle():
        return json.loads(gateway.run("status", "--json")[1])["upstreams"][0]["connections"] == 0

    def asked_again():
        gateway.send(message("again"))
        wait(is_idle, "idle account")
        return len(asked) >= 2

    wait(asked_again, "second request")
    gateway.stop()
    assert not gateway.events("upstream_failed")
    assert asked[0]["grant_type"] == "client_credentials"


def unpart(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def service_account(world, address):
    """A key file as Google gives it, and the public key that belongs to it."""
    key, public, file = (world.folder / name for name in ("service.key", "service.pub", "service.json"))
    for command in (["genpkey", "-quiet", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", key],
                    ["pkey", "-in", key, "-pubout", "-out", public]):
        subprocess.run(["openssl", *map(str, command)], check=True, capture_output=True, stdin=subprocess.DEVNULL)
    file.write_text(json.dumps({
        "type": "service_account", "project_id": "mail", "private_key_id": "0123abcd", "private_key": key.read_text(),
        "client_email": "gateway@mail.iam.gserviceaccount.com", "client_id": "1", "token_uri": address}))
    return file, public


def check_assertion(world, public, text, claims, began):
    head, body, signature = text.split(".")
    assert json.loads(unpart(head)) == {"alg": "RS256", "typ": "JWT", "kid": "0123abcd"}
    (world.folder / "signature").write_bytes(unpart(signature))
    subprocess.run(["openssl", "dgst", "-sha256", "-verify", public, "-signature", world.folder / "signature"],
                   input=f"{head}.{body}".encode(), check=True, capture_output=True)
    found = json.loads(unpart(body))
    issued = found.pop("iat")
    assert began - 1 <= issued <= time.time() + 1 and found.pop("exp") == issued + 3600
    assert found == claims, found


def test_service_account(world):
    """The JWT bearer grant of RFC 7523: the signature and the claims are right, and one request serves the whole pool."""
    address, asked = endpoint(world, granted)
    file, public = service_account(world, address)
    began = time.time()
    gateway = file_into_four_boxes(world, dovecot_for(world), {
        "mechanism": "xoauth2", "service_account": {"file": str(file), "subject": "shared@example.net"}})
    assert len(asked) == 1 and asked[0]["grant_type"] == "urn:ietf:params:oauth:grant-type:jwt-bearer", asked
    check_assertion(world, public, asked[0]["assertion"], {
        "iss": "gateway@mail.iam.gserviceaccount.com", "sub": "shared@example.net", "scope": "https://mail.google.com/",
        "aud": address}, began)
    assert asked[0]["assertion"] not in gateway.log.read_text()
    gateway.stop()


def test_service_account_refused(world):
    """The provider's words reach the log; a key file that is none is found before the start."""
    address, asked = endpoint(world, lambda form: (400, {"error": "unauthorized_client", "error_description": "no delegation"}))
    file, _ = service_account(world, address)
    gateway = world.mailweir(dovecot_for(world))
    gateway.upstream["auth"] = {"username": "relay", "service_account": {"file": str(file)}}
    gateway.start()
    gateway.send(message("late"))
    failed = wait(lambda: gateway.events("upstream_failed"), "failed line")[0]
    assert "answered 400: unauthorized_client: no delegation" in failed["error.message"], failed
    assert json.loads(unpart(asked[0]["assertion"].split(".")[1]))["sub"] == "relay"
    gateway.stop()
    good = json.loads(file.read_text())
    for change, words in (({"private_key": "x"}, "private key is not PEM"), ({"client_email": None}, 'no "client_email"'),
                          ({"token_uri": "http://example.net/"}, "https://")):
        file.write_text(json.dumps({**good, **change}))
        status, out, err = gateway.run("check")
        assert status == 78 and words in out + err and "mailweir.json:" in out + err, (change, out, err)


def test_shared_mailbox_of_microsoft_365(world):
    """The token is the application's, the user of XOAUTH2 the shared mailbox."""
    address, asked = endpoint(world, lambda form: (200, {"access_token": "of-the-application", "expires_in": "3599"}))
    fake = FakeImap(world, "microsoft365")
    gateway = world.mailweir(None)
    fake.configure(gateway, profile="microsoft365", auth={"username": "shared@example.net", "oauth2": {
        "token_endpoint": address, "client_id": "app", "client_secret": "s", "scope": "https://outlook.office365.com/.default"}})
    gateway.start()
    gateway.send(message("to the shared mailbox"))
    wait(lambda: gateway.events("filed"), "filed line")
    mechanism, response = fake.logins[0]
    assert mechanism == b"XOAUTH2"
    assert base64.b64decode(response) == b"user=shared@example.net\x01auth=Bearer of-the-application\x01\x01"
    assert asked[0]["grant_type"] == "client_credentials" and asked[0]["scope"] == "https://outlook.office365.com/.default"
    gateway.stop()


def test_external(world):
    """Our certificate is the login, where Dovecot takes the name from it; without one, or with another CA's, nothing goes out."""
    extra = """
auth_mechanisms = external
auth_ssl_username_from_cert = yes
auth_ssl_require_client_cert = yes
ssl_verify_client_cert = yes
ssl_cert_username_field = commonName
ssl_ca = <%s
ssl_require_crl = no
passdb {
  driver = static
  args = nopassword=y
  mechanisms = external
}
"""
    dovecot = world.dovecot(extra=extra % world.certificates.ca)
    certificate, key = world.certificates.make("client", san=None, usage="clientAuth", name="relay")
    tls = {"certificate": str(certificate), "key": str(key)}

    def gateway_with(name, user, **tls):
        gateway = world.mailweir(dovecot, name=name)
        gateway.upstream["tls"].update(tls)
        gateway.upstream["auth"] = {"username": user, "mechanism": "external"}
        gateway.start()
        gateway.send(message(name))
        return gateway

    gateway = gateway_with("by-certificate", "relay", **tls)
    wait(lambda: gateway.events("filed"), f"filed line; log: {gateway.log}")
    gateway.stop()
    inbox = list((dovecot.folder / "mail/relay/new").iterdir())
    assert len(inbox) == 1, inbox
    gateway = gateway_with("another-user", "other", **tls)
    failed = wait(lambda: gateway.events("upstream_failed"), "failed line")[0]
    assert failed["during"] == "login", failed
    gateway.stop()
    assert not (dovecot.folder / "mail/other/new").exists()


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
