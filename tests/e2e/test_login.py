"""mailweir upstreams login: a refresh token by the device grant and by code with PKCE, against an identity provider of the test's own."""
import base64
import hashlib
import os
import re
import stat
import subprocess
import urllib.parse
import urllib.request

from harness import MAILWEIR, message, wait
from test_imap_auth import dovecot_for, endpoint, token


def gateway_for(world, dovecot, address, **oauth2):
    gateway = world.mailweir(dovecot)
    gateway.upstream["auth"] = {"username": "relay", "oauth2": {
        "token_endpoint": address, "client_id": "app", "refresh_token_file": str(world.folder / "refresh"), **oauth2}}
    gateway.write()
    return gateway


def kept(world):
    file = world.folder / "refresh"
    assert stat.S_IMODE(os.stat(file).st_mode) == 0o600, oct(os.stat(file).st_mode)
    return file.read_text()


def granted(form, **more):
    return 200, {"access_token": token(), "token_type": "Bearer", "expires_in": 3600, **more}


def test_device_grant(world):
    """The person is told where to go; the program asks until the provider says yes, keeps the token, and mail goes out with it."""
    def answer(form):
        if "scope" in form and "grant_type" not in form:
            return 200, {"device_code": "dev1", "user_code": "WXYZ-1234", "verification_uri": "https://idp.test/device", "interval": 0}
        if form["grant_type"].endswith("device_code"):
            assert form["device_code"] == "dev1" and form["client_id"] == "app"
            asks = len([one for one in asked if one.get("grant_type", "").endswith("device_code")])
            return (400, {"error": "authorization_pending"}) if asks < 3 else granted(form, refresh_token="first")
        assert form["grant_type"] == "refresh_token"
        return granted(form, refresh_token="second")

    address, asked = endpoint(world, answer)
    gateway = gateway_for(world, dovecot_for(world), address, device_endpoint=address, scope="imap offline_access")
    status, out, error = gateway.run("upstreams", "login", "corp")
    assert status == 0, (out, error)
    assert "WXYZ-1234" in out and "https://idp.test/device" in out and kept(world) == "first", out
    assert "first" not in out + error
    gateway.start()
    gateway.send(message("hello"))
    wait(lambda: gateway.events("filed"), "filed line")
    assert asked[-1]["refresh_token"] == "first"
    wait(lambda: kept(world) == "second", "the new refresh token")  # the provider gave another one
    gateway.stop()


def test_device_grant_refused(world):
    def answer(form):
        if "grant_type" not in form:
            return 200, {"device_code": "dev1", "user_code": "A", "verification_uri": "https://idp.test/device", "interval": 0}
        return 400, {"error": "access_denied", "error_description": "the person said no"}

    address, _ = endpoint(world, answer)
    gateway = gateway_for(world, dovecot_for(world), address, device_endpoint=address)
    status, _, error = gateway.run("upstreams", "login", "corp")
    assert status == 1 and "access_denied: the person said no" in error, error
    assert not (world.folder / "refresh").exists()


def test_code_with_pkce(world):
    """The browser's answer comes to a port of this machine; a foreign state is not taken, and the verifier is the challenge's."""
    challenge = []

    def answer(form):
        if form["grant_type"] == "authorization_code":
            digest = hashlib.sha256(form["code_verifier"].encode()).digest()
            assert base64.urlsafe_b64encode(digest).rstrip(b"=").decode() == challenge[0]
            assert form["code"] == "c0de+/" and form["redirect_uri"].startswith("http://127.0.0.1:")
            return granted(form, refresh_token="kept1")
        return granted(form)

    address, _ = endpoint(world, answer)
    gateway = gateway_for(world, dovecot_for(world), address, authorization_endpoint="https://idp.test/auth", scope="mail")
    process = subprocess.Popen([MAILWEIR, "upstreams", "login", "corp", "--config", str(gateway.file)], stdout=subprocess.PIPE, text=True)
    world.cleanup.append(process.kill)
    text = ""
    while "Waiting" not in text:
        line = process.stdout.readline()
        assert line, text
        text += line
    query = dict(urllib.parse.parse_qsl(re.search(r"https://idp\.test/auth\?(\S+)", text).group(1)))
    challenge.append(query["code_challenge"])
    assert query["code_challenge_method"] == "S256" and query["login_hint"] == "relay" and query["scope"] == "mail"

    def come_back(**values):
        with urllib.request.urlopen(query["redirect_uri"] + "?" + urllib.parse.urlencode(values), timeout=20) as page:
            return page.read().decode()

    assert "not the answer" in come_back(code="evil", state="guessed")
    assert "Done" in come_back(code="c0de+/", state=query["state"])
    assert process.wait(30) == 0
    assert kept(world) == "kept1"


def test_what_is_missing_is_said(world):
    address, _ = endpoint(world, granted)
    gateway = gateway_for(world, dovecot_for(world), address)
    status, _, error = gateway.run("upstreams", "login", "corp")
    assert status == 78 and "device_endpoint" in error, error
    status, _, error = gateway.run("upstreams", "login", "other")
    assert status == 64 and "other" in error, error
    gateway.start()
    gateway.send(message("waits"))
    failed = wait(lambda: gateway.events("upstream_failed"), "failed line")[0]
    assert "mailweir upstreams login" in failed["error.message"], failed
    gateway.stop()
