#!/usr/bin/python3
"""bench_admin - what watching costs: accepted messages per second with metrics scraped each second and ten live pages, and without.

Alternating rounds, the median of each.
usage: tests/bench/bench_admin.py [MESSAGES]      figures are printed, nothing is asserted
"""
import pathlib
import statistics
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))
import harness  # noqa: E402
from admin_client import Admin  # noqa: E402

ROUNDS = 5
PAGES = 10
SESSIONS = 10
MESSAGES = int(sys.argv[1]) if len(sys.argv) > 1 else 4000


def send(gateway):
    started = time.monotonic()
    subprocess.run(["smtp-source", "-s", str(SESSIONS), "-m", str(MESSAGES), "-l", "4096", "-f", "a@example.com", "-t", "b@example.com",
                    f"127.0.0.1:{gateway.port}"], check=True, timeout=300)
    return MESSAGES / (time.monotonic() - started)


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
        for thread in self.threads:
            thread.start()

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


def bench(world):
    gateway = world.mailweir(None)
    gateway.configuration["listeners"][0]["max_transactions"] = 1000000
    gateway.upstream["retry"] = {"initial": "1h", "maximum": "1h"}
    gateway.start()
    send(gateway)
    rates = {"unwatched": [], "watched": []}
    for _ in range(ROUNDS):
        rates["unwatched"].append(send(gateway))
        watchers = Watchers(gateway)
        try:
            rates["watched"].append(send(gateway))
        finally:
            watchers.end()
    alone, watched = (statistics.median(rates[name]) for name in ("unwatched", "watched"))
    print(f"figure: accepted, 4 KiB, {SESSIONS} sessions, nobody watches: {alone:.0f}/s")
    print(f"figure: the same with metrics scraped each second and {PAGES} live pages: {watched:.0f}/s ({(watched / alone - 1) * 100:+.1f} %)")
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
