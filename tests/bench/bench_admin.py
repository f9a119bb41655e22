#!/usr/bin/python3
"""bench_admin - what watching costs: accepted messages per second with metrics scraped each second and ten live pages, and without.

Turns are short and change between the two kinds, in pairs that begin with the one or the other, so that other load on the machine and the growing queue meet both
alike; the figure is the median of the pairs' ratios, with the quarters around it. The processor time of the gateway for a message is what other load changes least,
and what the pages take of a second while no mail comes is said by itself.
usage: tests/bench/bench_admin.py [MESSAGES [PAIRS]]      messages of one turn; figures are printed, nothing is asserted
"""
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))
import harness  # noqa: E402
from admin_client import Admin  # noqa: E402

PAGES = 10
SESSIONS = 10
MESSAGES = int(sys.argv[1]) if len(sys.argv) > 1 else 3000
PAIRS = int(sys.argv[2]) if len(sys.argv) > 2 else 20
IDLE_SECONDS = 20
TURN_SECONDS = 1800  # of the busiest machine: a turn that takes longer has hung


def cpu_seconds(gateway):
    """User and system time of the gateway so far."""
    fields = pathlib.Path(f"/proc/{gateway.process.popen.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def send(gateway):
    """(messages per second, microseconds of CPU per message)"""
    started, cpu = time.monotonic(), cpu_seconds(gateway)
    subprocess.run(["smtp-source", "-s", str(SESSIONS), "-m", str(MESSAGES), "-l", "4096", "-f", "a@example.com", "-t", "b@example.com",
                    f"127.0.0.1:{gateway.port}"], check=True, timeout=TURN_SECONDS)
    return MESSAGES / (time.monotonic() - started), (cpu_seconds(gateway) - cpu) / MESSAGES * 1e6


class Watchers:
    """A scrape each second, and ten pages: their live stream, and the ways that the page asks for every two seconds."""

    def __init__(self, gateway):
        self.admin, self.stop = Admin(gateway), threading.Event()
        self.threads = [threading.Thread(target=self.ask, args=("/metrics", 1), daemon=True)]
        for _ in range(PAGES):
            self.threads += [threading.Thread(target=self.ask, args=("/api/v1/flows", 2), daemon=True)]
        # The readers are a program of their own: what reading costs is not the gateway's.
        self.readers = [subprocess.Popen(["curl", "-sN", "--unix-socket", self.admin.path, "http://localhost/api/v1/events"],
                                         stdout=subprocess.DEVNULL) for _ in range(PAGES)]
        # Nor is what it takes to open the pages.
        harness.wait(lambda: self.streams() == PAGES, "open pages", 300)
        for thread in self.threads:
            thread.start()

    def streams(self):
        return int(re.search(r"^mailweir_admin_streams (\d+)", self.admin.get("/metrics").text, re.M).group(1))

    def ask(self, path, seconds):
        while not self.stop.wait(seconds):
            self.admin.get(path)

    def end(self):
        self.stop.set()
        for reader in self.readers:
            reader.terminate()
            reader.wait()
        for thread in self.threads:
            thread.join()


def send_watched(gateway):
    watchers = Watchers(gateway)
    try:
        return send(gateway)
    finally:
        watchers.end()


def idle(gateway):
    """Milliseconds of processor a second while nothing happens."""
    cpu, began = cpu_seconds(gateway), time.monotonic()
    time.sleep(IDLE_SECONDS)
    return (cpu_seconds(gateway) - cpu) / (time.monotonic() - began) * 1e3


def idle_watched(gateway):
    watchers = Watchers(gateway)
    try:
        return idle(gateway)
    finally:
        watchers.end()


def bench(world):
    gateway = world.mailweir(None)
    gateway.configuration["listeners"][0]["max_transactions"] = 1000000
    gateway.upstream["retry"] = {"initial": "1h", "maximum": "1h"}
    gateway.start()
    send(gateway)
    pairs = []
    for number in range(PAIRS):
        pair = {}
        for watched in ((False, True), (True, False))[number % 2]:
            pair[watched] = send_watched(gateway) if watched else send(gateway)
        pairs.append(pair)
    for at, what, unit in ((0, "accepted", "/s"), (1, "processor time of the gateway", " us a message")):
        alone, seen = (statistics.median(pair[watched][at] for pair in pairs) for watched in (False, True))
        lower, middle, upper = statistics.quantiles((pair[True][at] / pair[False][at] for pair in pairs), n=4)
        print(f"figure: {what}, 4 KiB, {SESSIONS} sessions, nobody watches: {alone:.0f}{unit}")
        print(f"figure: the same with metrics scraped each second and {PAGES} live pages: {seen:.0f}{unit} "
              f"({(middle - 1) * 100:+.1f} %; half of {PAIRS} pairs from {(lower - 1) * 100:+.1f} to {(upper - 1) * 100:+.1f} %)")
    print(f"figure: processor time of the gateway without mail: {idle(gateway):.1f} ms a second, with the same {PAGES} pages and metrics {idle_watched(gateway):.1f} ms")
    gateway.stop()


def main():
    with tempfile.TemporaryDirectory(prefix="mailweir-bench-") as folder:
        world = harness.World(pathlib.Path(folder))
        try:
            bench(world)
        finally:
            world.end()


if __name__ == "__main__":
    main()
