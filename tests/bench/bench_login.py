#!/usr/bin/python3
"""bench_login - whether the time of a failed login tells that the name is known: wrong passwords of known names beside unknown names, each from an address of
its own, so that every answer waits as long as the first failure of a network does.

usage: tests/bench/bench_login.py [NUMBER]     (of logins of each kind; 40)
For each mechanism: the medians of both, and how far they lie apart, in parts of the spread of the known ones (its quartiles). Below one, nobody can tell
from a few tries; what is measured is a machine that does other things, too.
"""
import base64
import pathlib
import socket
import statistics
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))
from harness import World  # noqa: E402
from smtp_client import add_user, listener  # noqa: E402

DELAY = 1.0  # of the first failure, in seconds


def encode(text):
    return base64.b64encode(text)


STEPS = {
    "PLAIN": lambda name: [b"AUTH PLAIN " + encode(b"\0" + name + b"\0wrong")],
    "LOGIN": lambda name: [b"AUTH LOGIN", encode(name), encode(b"wrong")],
    "SCRAM-SHA-256": lambda name: [b"AUTH SCRAM-SHA-256 " + encode(b"n,,n=" + name + b",r=0123456789"),
                                   encode(b"c=biws,r=0123456789,p=" + encode(b"0" * 32))],
}


def attempt(port, address, lines):
    """Seconds from the last line to its answer, without the delay."""
    client = socket.create_connection(("127.0.0.1", port), timeout=120, source_address=(address, 0))
    file = client.makefile("rb")
    file.readline()
    client.sendall(b"EHLO c\r\n")
    while file.readline()[3:4] == b"-":
        pass
    for line in lines:
        began = time.monotonic()
        client.sendall(line + b"\r\n")
        answer = file.readline()
    assert answer.startswith(b"535"), answer
    client.close()
    return time.monotonic() - began - DELAY


def main():
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 40
    with tempfile.TemporaryDirectory() as folder:
        world = World(pathlib.Path(folder))
        gateway = world.mailweir(None)
        for name in ("known", "other"):
            users = add_user(gateway, name)
        listener(gateway).update(auth={"users": users, "required": True, "in_clear": True}, address=f"0.0.0.0:{gateway.port}")
        gateway.start()
        for at, (mechanism, steps) in enumerate(STEPS.items()):
            times = {b"known": [], b"nobody": []}
            for i in range(number):
                for k, name in enumerate(times):
                    times[name].append(attempt(gateway.port, f"127.{10 + at}.{1 + i}.{1 + k}", steps(name)))
            known, unknown = (statistics.quantiles(each, n=4) for each in times.values())
            apart = abs(known[1] - unknown[1]) / max(known[2] - known[0], 1e-6)
            print(f"{mechanism}: known {known[1] * 1000:.1f} ms, unknown {unknown[1] * 1000:.1f} ms, apart {apart:.2f} of the spread")
        gateway.stop()


if __name__ == "__main__":
    main()
