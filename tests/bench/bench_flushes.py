#!/usr/bin/python3
"""bench_flushes - what a message costs the disk: flushes of the device and KB written, by the device's own counters, for mailweir and for Postfix.

Each keeps its queue on a file system of its own in a file (ext4, then xfs). One session sends message after message, so that no flush is shared.
"accepted": nothing is delivered (the upstream is paused, Postfix holds). "whole life": the gateway files each message in a Dovecot whose mail lies elsewhere.
usage: bench_flushes.py [messages, 1000]      (root: it mounts)
"""
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))
from admin_client import Admin  # noqa: E402
from bench_queue import Postfix, paused_gateway, shoot  # noqa: E402
from harness import World, wait  # noqa: E402
from test_crash import Image  # noqa: E402

OCTETS = 4096
FLUSHES, SECTORS = 15, 6  # fields of /sys/block/*/stat


class Counted:
    """What the device of an image has done since."""

    def __init__(self, image):
        device = subprocess.run(["findmnt", "-n", "-o", "SOURCE", image.folder], check=True, capture_output=True, text=True).stdout.strip()
        self.file = pathlib.Path("/sys/block") / pathlib.Path(device).name / "stat"
        self.before, self.began = self.read(), time.monotonic()

    def read(self):
        os.sync()
        return [int(field) for field in self.file.read_text().split()]

    def tell(self, what, messages):
        took, after = time.monotonic() - self.began, self.read()
        print(f"figure: {what:34} {(after[FLUSHES] - self.before[FLUSHES]) / messages:5.2f} flushes  "
              f"{(after[SECTORS] - self.before[SECTORS]) / 2 / messages:6.1f} KB a message  {messages / took:6.0f} messages/s", flush=True)


def measure(image, port, what, count, until=lambda: True):
    """Twice: a queue that is new first makes its files."""
    for when in ("new", "in use"):
        counted = Counted(image)
        shoot(port, 1, count, OCTETS)
        wait(until, "settled queue", 120)
        counted.tell(f"{what}, {when}", count)


def run(world, kind, count):
    image = Image(world, kind, 1500)
    image.folder.chmod(0o755)
    inside = world.on(image.folder)  # servers keep their queues there
    measure(image, Postfix(inside).port, f"{kind}: postfix, accepted", count)
    gateway = paused_gateway(inside)
    measure(image, gateway.port, f"{kind}: mailweir, accepted", count)
    gateway.stop()
    gateway = inside.mailweir(world.dovecot(), name="delivers")
    gateway.configuration["listeners"][0]["max_transactions"] = 1000000
    gateway.configuration["log"] = {"level": "warning"}
    gateway.start(ready=False)
    wait(lambda: gateway.run("queue", "summary")[0] == 0, "answer of mailweir")
    measure(image, gateway.port, f"{kind}: mailweir, whole life", count,
            lambda: re.search(r"^mailweir_queue_messages 0$", Admin(gateway).get("/metrics").text, re.M))
    gateway.stop()


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    for kind in ("ext4", "xfs"):
        with tempfile.TemporaryDirectory(prefix="mailweir-bench-") as folder:
            pathlib.Path(folder).chmod(0o755)
            world = World(pathlib.Path(folder))
            try:
                run(world, kind, count)
            finally:
                world.end()


if __name__ == "__main__":
    main()
