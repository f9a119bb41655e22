#!/usr/bin/python3
"""bench_latency - how long a message takes, not how many there are: from the sender's end of data to the 250, and from the 250 until it is visible in the
folder, at 10, 50 and 90 % of what the machine can, and at 50 % while another upstream is down, and while another is slow.

The load is open: messages are due at even times, whoever is free (bench_generator). Visible is when Dovecot has put the file into the maildir.
usage: bench_latency.py [quick]
"""
import json
import os
import pathlib
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests/e2e"))
from harness import World, listens, wait  # noqa: E402

GENERATOR = ROOT / "build/tests/bench_generator"
SESSIONS = 20


def generate(port, sessions, count, octets, rate=0, log=None):
    command = [str(GENERATOR), str(port), str(sessions), str(count), str(octets), str(rate), *([str(log)] if log else [])]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True, timeout=600).stdout)


class Silent:
    """A server that takes connections and says nothing: slow. Its port, refused after close(): down."""

    def __init__(self, answers):
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port, self.held = self.socket.getsockname()[1], []
        if answers:
            threading.Thread(target=self.hold, daemon=True).start()
        else:
            self.close()

    def hold(self):
        try:
            while True:
                self.held.append(self.socket.accept()[0])
        except OSError:
            pass

    def close(self):
        self.socket.close()
        for each in self.held:
            each.close()


def visible(dovecot):
    """{number: wall-clock microseconds at which it came into the folder}"""
    found = {}
    for part in ("new", "cur"):
        folder = dovecot.folder / "mail/relay" / part
        for entry in os.scandir(folder) if folder.is_dir() else ():
            number = re.search(rb"^X-Bench: (\d+)", pathlib.Path(entry.path).read_bytes(), re.M)
            if number:
                found[int(number.group(1))] = entry.stat().st_ctime_ns // 1000
    return found


def clear(dovecot):
    for part in ("new", "cur"):
        folder = dovecot.folder / "mail/relay" / part
        for entry in os.scandir(folder) if folder.is_dir() else ():
            os.unlink(entry.path)


def count_files(dovecot):
    return sum(len(os.listdir(folder)) for folder in (dovecot.folder / "mail/relay/new", dovecot.folder / "mail/relay/cur") if folder.is_dir())


def percentiles(values):
    values = sorted(values)
    return {name: values[min(len(values) - 1, int(len(values) * part))] for name, part in (("p50", .5), ("p99", .99), ("p99.9", .999))}


def at_rate(world, gateway, dovecot, rate, count):
    """({percentile: microseconds} to the 250, the same from the 250 to the folder)"""
    log = world.folder / "latency.log"
    clear(dovecot)
    generate(gateway.port, SESSIONS, count, 4096, rate, log)
    wait(lambda: count_files(dovecot) >= count, "last message", 300)
    seen, reply, arrival = visible(dovecot), [], []
    for line in log.read_text().splitlines():
        number, _, ended, answered, _ = (int(field) for field in line.split())
        reply.append(answered - ended)
        arrival.append(max(0, seen[number] - answered))
    return percentiles(reply), percentiles(arrival)


def make_gateway(world, dovecot, name, other=None):
    """other: the port of an upstream beside, to which a copy of each tenth message goes; its mail waits."""
    gateway = world.mailweir(dovecot, name=name)
    gateway.configuration["listeners"][0].update({"max_sessions": 10000, "max_transactions": 1000000})
    gateway.configuration["log"] = {"level": "error"}
    if other is not None:
        gateway.configuration["upstreams"]["other"] = {**gateway.upstream, "address": f"127.0.0.1:{other}"}
        rules = gateway.folder / "copies.json"
        rules.write_text(json.dumps({"rules": [{"name": "copies", "if": {"header": "X-Bench", "matches": "0$"},
                                                "then": [{"copy": {"upstream": "other", "folder": "INBOX"}}]}]}))
        gateway.configuration["rules"] = [str(rules)]
    gateway.start(ready=False)
    wait(lambda: listens(gateway.port), "answer of mailweir")
    return gateway


def measure(world, scale=1):
    """(what, {percentile: microseconds}), one after the other."""
    dovecot = world.dovecot()
    dovecot.imap().logout()
    gateway = make_gateway(world, dovecot, "latency")
    count = max(200, 4000 // scale)
    most = capacity(gateway, dovecot, count)
    print(f"figure: what the machine can: {most:.0f} messages/s into the folder", flush=True)
    for share in (10, 50, 90):
        part = max(100, count * share // 100)
        reply, arrival = at_rate(world, gateway, dovecot, most * share / 100, part)
        yield f"end of data to 250, at {share} %", reply
        yield f"250 to the folder, at {share} %", arrival
    gateway.stop()
    for what, answers in (("down", False), ("slow", True)):
        other = Silent(answers)
        gateway = make_gateway(world, dovecot, "beside-" + what, other.port)
        reply, arrival = at_rate(world, gateway, dovecot, most / 2, count // 2)
        yield f"end of data to 250, at 50 %, another upstream {what}", reply
        yield f"250 to the folder, at 50 %, another upstream {what}", arrival
        gateway.stop()
        other.close()


def capacity(gateway, dovecot, count):
    clear(dovecot)
    started = time.monotonic()
    generate(gateway.port, SESSIONS, count, 4096)
    wait(lambda: count_files(dovecot) >= count, "last message", 300)
    return count / (time.monotonic() - started)


def main():
    with tempfile.TemporaryDirectory(prefix="mailweir-bench-") as folder:
        pathlib.Path(folder).chmod(0o755)
        world = World(pathlib.Path(folder))
        try:
            for what, values in measure(world, 10 if sys.argv[1:] == ["quick"] else 1):
                print(f"figure: {what}: " + ", ".join(f"{name} {value / 1000:.2f} ms" for name, value in values.items()), flush=True)
        finally:
            world.end()


if __name__ == "__main__":
    main()
