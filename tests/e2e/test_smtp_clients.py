"""Mail programs of people and of scripts, with a login: which mechanism each picks, and that it comes through."""
import os
import subprocess

from harness import wait
from smtp_client import add_user, listener, tls

TEXT = b"From: app@example.com\r\nTo: ops@example.net\r\nSubject: from a program\r\n\r\nbody\r\n"


def start(world, **auth):
    gateway = world.mailweir(None)
    listener(gateway).update(tls=tls(world, "starttls"), auth={"users": add_user(gateway), "required": True, **auth})
    return gateway.start()


def msmtp(world, gateway, mechanism, password="secret"):
    return subprocess.run(
        ["msmtp", "--file=/dev/null", "--host=localhost", f"--port={gateway.port}", "--tls=on", "--tls-starttls=on",
         f"--tls-trust-file={world.certificates.ca}", f"--auth={mechanism}", "--user=app", f"--passwordeval=echo {password}",
         "--from=app@example.com", "--timeout=60", "ops@example.net"],
        input=TEXT, capture_output=True, timeout=120, check=False)


def mutt(world, gateway):
    home = world.folder / "mutt"
    home.mkdir(exist_ok=True)
    (home / "muttrc").write_text(
        f'set smtp_url="smtp://app@localhost:{gateway.port}"\nset smtp_pass="secret"\nset ssl_starttls=yes\nset ssl_force_tls=yes\n'
        f'set certificate_file="{world.certificates.ca}"\nset ssl_verify_host=yes\nset from="app@example.com"\nset use_from=yes\nset copy=no\n'
        "set smtp_authenticators=\"\"\nset hostname=client.example\n")
    return subprocess.run(["mutt", "-n", "-F", str(home / "muttrc"), "-s", "from mutt", "ops@example.net"], input=b"body\n",
                          env={**os.environ, "HOME": str(home), "TERM": "dumb"}, capture_output=True, timeout=120, check=False)


def used(gateway, count):
    wait(lambda: len(gateway.events("accepted")) == count, f"{count} messages")
    return gateway.events("accepted")[-1]["user"]


def test_msmtp(world):
    """By each mechanism that it knows and the listener offers; a wrong password is told, and nothing comes of it."""
    gateway = start(world)
    for count, mechanism in enumerate(("plain", "login", "scram-sha-256", "on"), 1):
        done = msmtp(world, gateway, mechanism)
        assert done.returncode == 0, (mechanism, done.stderr)
        assert used(gateway, count) == "app"
    assert msmtp(world, gateway, "plain", "wrong").returncode != 0
    assert gateway.events("login_failed")[0]["user"] == "app" and len(gateway.events("accepted")) == 4
    gateway.stop()


def test_mutt(world):
    """It picks the mechanism that is bound to the TLS connection, and then cannot; the refusal names the key by which the listener offers others."""
    gateway = start(world)
    assert mutt(world, gateway).returncode != 0
    refused = wait(lambda: [event for event in gateway.events("refused") if event["reason"] == "auth_cancelled"], "refusal")[0]
    assert (refused["command"], refused["key"]) == ("AUTH SCRAM-SHA-256-PLUS", "auth.mechanisms"), refused
    gateway.stop()
    listener(gateway)["auth"]["mechanisms"] = ["SCRAM-SHA-256", "PLAIN"]
    gateway.start()
    done = mutt(world, gateway)
    assert done.returncode == 0, done.stderr + done.stdout
    assert used(gateway, 1) == "app"
    gateway.stop()
