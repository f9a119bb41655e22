#!/usr/bin/python3
"""show - which rule took each sample message and in which folder it lies, read back over IMAP. Exit status 1 when one is elsewhere.

usage: show.py MAILWEIR_LOG IMAPS_PORT CA_FILE
"""
import email
import imaplib
import json
import ssl
import sys
import time

EXPECTED = {
    "<1042.web-shop@build.example>": ("ci-failures", "CI/web-shop"),
    "<2026-1177@vendor.example>": ("invoices", "Invoices"),
    "<disk.db-1@monitor.example.net>": ("alerts", "Alerts/critical"),
    "<lunch@example.com>": ("default", "INBOX"),
}
DEADLINE = 20


def events(log, action):
    with open(log, errors="replace") as lines:
        found = [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}\n")]
    return [event for event in found if event["event.action"] == action]


def filed(log):
    """The filed lines of all samples, waited for."""
    end = time.monotonic() + DEADLINE
    while True:
        lines = events(log, "filed")
        if len(lines) >= len(EXPECTED) or time.monotonic() > end:
            return {line["id"]: line for line in lines}
        time.sleep(0.05)


def headers_in(connection, folder):
    status, data = connection.select(f'"{folder}"', readonly=True)
    if status != "OK" or int(data[0]) == 0:
        return []
    _, data = connection.fetch("1:*", "(BODY.PEEK[HEADER])")
    return [email.message_from_bytes(part[1]) for part in data if isinstance(part, tuple)]


def main(log, port, ca_file):
    connection = imaplib.IMAP4_SSL("127.0.0.1", int(port), ssl_context=ssl.create_default_context(cafile=ca_file))
    connection.login("relay", "relaypw")
    by_id = filed(log)
    print(f"    {'subject':36} {'rule':14} {'folder':18} there?")
    good = 0
    for accepted in events(log, "accepted"):
        message_id = accepted["email.message_id"]
        rule, folder = EXPECTED[message_id]
        line = by_id.get(accepted["id"], {})
        there = [headers for headers in headers_in(connection, folder) if headers["Message-ID"] == message_id]
        is_right = len(there) == 1 and line.get("rule") == rule and line.get("folder") == folder
        good += is_right
        subject = there[0]["Subject"] if there else message_id
        print(f"    {subject:36} {line.get('rule', '-'):14} {line.get('folder', '-'):18} {'yes' if is_right else 'NO'}")
    connection.logout()
    print(f"    {good} of {len(EXPECTED)} messages lie where the rules say")
    return 0 if good == len(EXPECTED) else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
