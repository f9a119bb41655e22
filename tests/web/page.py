"""page - a gateway with traffic, and the page's tests (page.mjs) against it."""
import contextlib
import json
import os
import pathlib
import smtplib
import subprocess
import threading

from harness import ROOT, free_port, keep_network_to_itself, message, put, stretch, wait

TOKEN = "a token for the page's tests"
READER = "a token for looking only"
RULES = [
    {"name": "archive-copies", "if": {"header": "X-Archive", "matches": "yes"},
     "then": [{"fileinto": {"upstream": "archive", "folder": "Copies"}}, {"stop": True}]},
    {"name": "ci-failures", "if": {"header": "Subject", "matches": "^failed: (?<project>[\\w.-]+)"},
     "then": [{"fileinto": {"upstream": "corp", "folder": "CI/${project}", "flags": ["\\Flagged", "ci"]}}, {"stop": True}]},
    {"name": "invoices", "if": {"header": "Subject", "matches": "(?i)invoice"},
     "then": [{"fileinto": {"upstream": "corp", "folder": "Finance/Invoices"}}, {"stop": True}]},
    {"name": "scanner", "on_error": "skip", "if": {"header": "X-Scanner", "matches": "^(?:a+)+$|floor"},
     "then": [{"fileinto": {"upstream": "corp", "folder": "Scans"}}, {"stop": True}]},
    {"name": "no-executables", "if": {"header": "X-Virus", "matches": "."},
     "then": [{"reject": "Not here"}]},
    {"name": "archive-inbox", "if": {"header": "X-Archive", "matches": "inbox"},
     "then": [{"fileinto": {"upstream": "archive", "folder": "INBOX"}}, {"stop": True}]},
    {"name": "backups", "state": "watch", "if": {"header": "Subject", "starts_with": "backup"}, "then": [{"discard": True}]},
    {"name": "old-ticket-system", "if": {"header": "X-Ticket-1998", "matches": "."},
     "then": [{"fileinto": {"upstream": "corp", "folder": "Tickets"}}, {"stop": True}]},
]
TESTS = [{"name": "an invoice is filed", "description": "kept as it stands", "from": "a@b.example", "to": ["ops@example.net"],
          "headers": {"Subject": "Invoice 1"}, "expect": {"rules": ["invoices"], "filed": ["corp:Finance/Invoices"]}}]
SUBJECTS = ["failed: web", "failed: web", "failed: api", "Invoice 2026-1107", "Invoice 2026-1108", "Invoice 2026-1109", "hello",
            "disk almost full on db3", "backup finished", "failed: mobile-app"]


def start(world):
    gateway = world.mailweir(world.dovecot(), RULES)
    port = free_port()
    gateway.configuration["listeners"].append({"name": "devices", "address": f"127.0.0.1:{free_port()}"})
    gateway.configuration["upstreams"]["archive"] = {
        "address": "127.0.0.1:1", "tls": {"mode": "none"}, "auth": {"username": "a", "password": "b"},
        "retry": {"initial": "200ms", "maximum": "2s"}}
    if os.environ.get("ONLY") == "picture":  # of a day without trouble
        gateway.configuration["upstreams"]["archive"] = gateway.upstream
    gateway.configuration["admin"] = {"address": f"127.0.0.1:{port}", "token": TOKEN, "tokens": {"wall": {"token": READER}}, "max_requests": 1000}
    gateway.write()
    rules = gateway.folder / "rules.json"
    put(rules, json.dumps({"rules": RULES, "tests": TESTS}, indent=2))
    gateway.write = lambda: None  # the tests that stand beside the rules stay
    gateway.start()
    return gateway, port


def send_some(gateway, port, number):
    gateway.port = port
    for i in range(number):
        if i % 40 == 39:
            refuse_one(gateway)
        extra = "X-Scanner: 3rd floor\r\n" if i % 9 == 8 else "X-Archive: yes\r\n" if i % 13 == 12 else "X-Archive: inbox\r\n" if i == 6 else ""
        gateway.send(message(SUBJECTS[i % len(SUBJECTS)], number=i, extra=extra), sender="app@example.com")


def fail_one(gateway):
    """A pattern hits its limit."""
    gateway.send(message("hello", extra="X-Scanner: " + "a" * 40 + "!\r\n"))


def refuse_one(gateway):
    with gateway.smtp() as client, contextlib.suppress(smtplib.SMTPException):
        client.sendmail("app@example.com", ["ops@example.net"], message("hello", extra="X-Virus: yes\r\n"))


def traffic(gateway, stop):
    """A steady trickle, so that there is something live to see."""
    i = 0
    while not stop.wait(0.15):
        gateway.send(message(SUBJECTS[i % len(SUBJECTS)], number=i))
        i += 1


def test_page(world):
    keep_network_to_itself()
    gateway, port = start(world)
    listeners = gateway.configuration["listeners"]
    apps = gateway.port
    send_some(gateway, int(listeners[1]["address"].rsplit(":", 1)[1]), 30)
    send_some(gateway, apps, 120)
    fail_one(gateway)
    wait(lambda: len(gateway.events("filed")) >= 100, "filed messages")
    stop = threading.Event()
    sender = threading.Thread(target=traffic, args=(gateway, stop), daemon=True)
    sender.start()
    out = ROOT / "build/web"
    out.mkdir(parents=True, exist_ok=True)
    problems = out / "problems.txt"
    problems.write_text("page.mjs did not come to its end")
    try:
        # One of its tests by hand: ONLY="a part of its name"; ONLY=picture makes deploy/doc/page.png again.
        done = subprocess.run(["node", str(pathlib.Path(__file__).with_name("page.mjs")), os.environ.get("ONLY", "")], timeout=600 * stretch(), env={
            **os.environ, "URL": f"http://127.0.0.1:{port}/", "TOKEN": TOKEN, "READER": READER, "OUT": str(out), "SMTP_PORT": str(apps)})
    finally:
        stop.set()
        sender.join()
    assert done.returncode == 0, problems.read_text()
    if os.environ.get("ONLY"):
        return
    # The patch of the workshop is one that git takes, and it changes what was edited and nothing else.
    text = (gateway.folder / "rules.json").read_text()
    subprocess.run(["git", "init", "-q"], cwd=gateway.folder, check=True)
    subprocess.run(["git", "apply", str(out / "workshop.patch")], cwd=gateway.folder, check=True)
    assert (gateway.folder / "rules.json").read_text() == text.replace("Finance/Invoices", "Finance/Bills", 1)
    gateway.stop()
