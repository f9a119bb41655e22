#!/usr/bin/python3
"""bench_imap - messages per second into a real Dovecot: the gateway with a backlog, against a bare generator in the same run.

The generator sends what measures best: MULTIAPPENDs of 50 with non-synchronising literals over all connections, from octets prepared before.
The gateway reads the same number of messages of the same size from its spool, files them and settles them. Both are measured at work: the generator's connections are
logged in and its folders made; of the gateway the first tenth does not count, in which it finds the server again. Both run in turns, ROUNDS
times; what counts is the median of the ratios. Prints one line per shape.
usage: bench_imap.py [MESSAGES [CONNECTIONS [OCTETS [ROUNDS]]]]
"""
import os
import pathlib
import re
import socket
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))
from harness import World, message, wait  # noqa: E402

BATCH = 50


class Plain:
    """One connection that logs in and sends prepared commands."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.file = self.socket.makefile("rb")
        self.file.readline()
        self.command(b"a LOGIN relay relaypw\r\n")

    def command(self, octets):
        self.socket.sendall(octets)
        tag = octets.split(b" ", 1)[0] + b" "
        while True:
            line = self.file.readline()
            if line.startswith(tag):
                assert line.startswith(tag + b"OK"), line
                return


def generator(port, folders, count, octets, connections):
    body = b"Subject: x\r\n\r\n" + b"x" * (octets - 16) + b"\r\n"
    one = b' () "23-Nov-2026 07:11:20 +0000" {%d+}\r\n%s' % (len(body), body)
    lines = [Plain(port) for _ in range(connections)]
    for name in folders:
        lines[0].command(b"c CREATE %s\r\n" % name.encode())
    work = [folders[i % len(folders)] for i in range(count // BATCH)]
    lock = threading.Lock()

    def send(line):
        while True:
            with lock:
                if not work:
                    return
                folder = work.pop()
            line.command(b"b APPEND %s%s\r\n" % (folder.encode(), one * BATCH))

    threads = [threading.Thread(target=send, args=(line,)) for line in lines]
    started = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return count / (time.monotonic() - started)


def cpu_seconds(process):
    with open(f"/proc/{process.popen.pid}/stat") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def gateway(world, dovecot, folders, count, octets, connections, round_number):
    """Messages per second, and the gateway's seconds of CPU for all of them."""
    rules = [{"name": "boxes", "if": {"header": "Subject", "matches": "^box (\\w+)"},
              "then": [{"fileinto": {"upstream": "corp", "folder": "${1}"}}, {"stop": True}]}]
    mailweir = world.mailweir(dovecot, rules, name=f"gateway-{len(folders)}-{round_number}")
    mailweir.upstream.update({"address": f"127.0.0.1:{dovecot.port}", "tls": {"mode": "none"}, "profile": "dovecot",
                              "connections": connections})
    dovecot.stop()
    mailweir.start()
    for first in range(0, count, 500):
        with mailweir.smtp() as client:
            for number in range(first, min(first + 500, count)):
                client.sendmail("a@example.com", ["b@example.net"],
                                message(f"box {folders[number % len(folders)]}", "x" * (octets - 600), number))
    before = cpu_seconds(mailweir.process)
    dovecot.start()
    seen, tail, word = 0, b"", b'"event.action":"filed"'
    with open(mailweir.log, "rb") as log:
        def filed():
            nonlocal seen, tail  # only what is new is read: the measurement must not take the time that it measures
            tail += log.read()
            seen += tail.count(word)
            tail = tail[-len(word) + 1:]
            return seen >= count

        wait(filed, "everything filed", 300)
    used = cpu_seconds(mailweir.process) - before
    times = [to_seconds(event["@timestamp"]) for event in mailweir.events("filed")]
    mailweir.stop()
    first = times[count // 10]
    return (count - count // 10) / max(times[-1] - first, 0.001), used


def to_seconds(text):
    hours, minutes, seconds = re.search(r"T(\d+):(\d+):([\d.]+)Z", text).groups()
    return int(hours) * 3600 + int(minutes) * 60 + float(seconds)


def measure(world, dovecot, folders, count, octets, connections, rounds):
    found = []
    for number in range(rounds):
        names = [f"Bare{number}{name}" for name in folders]
        bare = generator(dovecot.port, names, count, octets, connections)
        ours, used = gateway(world, dovecot, [f"R{number}{name}" for name in folders], count, octets, connections, number)
        found.append((ours / bare, bare, ours, used * 1e6 / count))
    ratio, bare, ours, used = sorted(found)[len(found) // 2]
    others = " ".join(f"{one[0]:.2f}" for one in found)
    print(f"figure: {len(folders)} folder(s), {connections} connections, {octets} octets: generator {bare:.0f}/s, mailweir {ours:.0f}/s, "
          f"ratio {ratio:.2f} (median of {others}); {used:.0f} us CPU a message", flush=True)


def main():
    defaults = ["4000", "8", "4096", "3"]
    count, connections, octets, rounds = (int(text) for text in sys.argv[1:] + defaults[len(sys.argv) - 1:])
    folder = pathlib.Path(tempfile.mkdtemp(prefix="mailweir-bench-"))
    folder.chmod(0o755)
    world = World(folder)
    try:
        dovecot = world.dovecot()
        for folders in (["One"], [f"Box{i}" for i in range(10)]):
            measure(world, dovecot, folders, count, octets, connections, rounds)
    finally:
        world.end()


main()
