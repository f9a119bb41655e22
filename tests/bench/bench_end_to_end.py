#!/usr/bin/python3
"""bench_end_to_end - messages per second from the client to the maildir: the gateway into Dovecot by IMAP, and Postfix into Dovecot by LMTP.

Both in one run, on one disk, each with a Dovecot of its own with the same settings; smtp-source of Postfix is the client of both. The clock runs from
the first connection until the last message lies in the maildir. Prints both rates, CPU seconds for 1,000 messages (of mailweir and of Postfix alone,
and with their Dovecot), and the ratio.
With "against PROGRAM": this build and another one (an older mailweir) by turns, in rounds; prints the ratio of each pair's rates and processor time as median
and range.
usage: bench_end_to_end.py [small | large | against PROGRAM [ROUNDS]]
"""
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))
import harness  # noqa: E402
from bench_queue import MAIN_CF, MASTER_CF, Postfix, cpu_seconds, shoot  # noqa: E402
from harness import Dovecot, World, free_port, listens, wait  # noqa: E402

LMTP = """protocols = imap lmtp
service lmtp {{
  chroot =
  process_min_avail = 4
  inet_listener lmtp {{
    address = 127.0.0.1
    port = {port}
  }}
}}
protocol lmtp {{
  auth_username_format = %n
  postmaster_address = postmaster@example.net
}}
"""
# What Postfix needs to deliver: its local domain goes to Dovecot, as many at a time as the gateway has connections.
DELIVERS = """mydestination = example.net
local_recipient_maps =
local_transport = lmtp:inet:127.0.0.1:{port}
lmtp_destination_concurrency_limit = {connections}
lmtp_destination_recipient_limit = 1
smtpd_recipient_restrictions = permit_mynetworks, reject
qmgr_message_active_limit = 100000
"""
LMTP_SERVICE = "lmtp unix - - n - - lmtp\n"
CONNECTIONS = 20


class DeliveringPostfix(Postfix):
    def __init__(self, world, port):
        lines = [line for line in MAIN_CF.splitlines() if not line.startswith(("mydestination", "smtpd_recipient"))]
        super().__init__(world, "\n".join(lines) + "\n" + DELIVERS.format(port=port, connections=CONNECTIONS),
                         MASTER_CF + LMTP_SERVICE)


def filed(dovecot):
    """Messages in the INBOX of "relay", without asking Dovecot."""
    count = 0
    for part in ("new", "cur"):
        folder = dovecot.folder / "mail/relay" / part
        if folder.is_dir():
            count += sum(1 for _ in os.scandir(folder))
    return count


def group(process):
    found = subprocess.run(["pgrep", "-g", str(process.popen.pid)], capture_output=True, text=True).stdout
    return [int(pid) for pid in found.split()]


def measure(port, dovecot, pids, sessions, count, octets):
    """Messages per second, CPU seconds for 1,000 of the relay, and of its Dovecot."""
    there = filed(dovecot)
    before, stored = cpu_seconds(pids()), cpu_seconds(group(dovecot.process))
    started = time.monotonic()
    shoot(port, sessions, count, octets, "relay@example.net")
    wait(lambda: filed(dovecot) >= there + count, "last message", 600)
    took = time.monotonic() - started
    assert filed(dovecot) == there + count
    return (count / took, (cpu_seconds(pids()) - before) / count * 1000,
            (cpu_seconds(group(dovecot.process)) - stored) / count * 1000)


def delivering_gateway(world, dovecot, name="mailweir"):
    gateway = world.mailweir(dovecot, name=name)
    gateway.configuration["listeners"][0].update({"max_sessions": 10000, "max_transactions": 1000000, "max_message_size": "50MiB"})
    gateway.upstream["connections"] = CONNECTIONS
    gateway.configuration["log"] = {"level": "warning"}
    gateway.start(ready=False)
    wait(lambda: listens(gateway.port), "answer of mailweir")
    return gateway


def compare(world, shapes):
    lmtp = free_port()
    into_imap, into_lmtp = Dovecot(world, name="imap"), Dovecot(world, name="lmtp", extra=LMTP.format(port=lmtp))
    wait(lambda: listens(lmtp), "Dovecot's LMTP")
    into_imap.imap().logout()
    postfix, gateway = DeliveringPostfix(world, lmtp), delivering_gateway(world, into_imap)
    print("figure: octets sessions | mailweir/s  cpu s/1000  with Dovecot | postfix+lmtp/s  cpu s/1000  with Dovecot | times")
    for octets, sessions, count in shapes:
        for port, dovecot, pids in ((postfix.port, into_lmtp, postfix.pids), (gateway.port, into_imap, lambda: [gateway.process.popen.pid])):
            measure(port, dovecot, pids, sessions, sessions, octets)  # processes and connections are there
        theirs = measure(postfix.port, into_lmtp, postfix.pids, sessions, count, octets)
        ours = measure(gateway.port, into_imap, lambda: [gateway.process.popen.pid], sessions, count, octets)
        print(f"figure: {octets:7} {sessions:8} | {ours[0]:10.0f}  {ours[1]:10.2f}  {ours[1] + ours[2]:12.2f} | "
              f"{theirs[0]:14.0f}  {theirs[1]:10.2f}  {theirs[1] + theirs[2]:12.2f} | {ours[0] / theirs[0]:5.1f}", flush=True)
    gateway.stop()


def against(world, other, rounds):
    """Old and new by turns, each into a Dovecot of its own; a ratio is taken within its pair, because both halves meet what else the machine does."""
    ends = {}
    for name, program in {"old": other, "new": harness.MAILWEIR}.items():
        harness.MAILWEIR = program
        dovecot = Dovecot(world, name="dovecot-" + name)
        dovecot.imap().logout()
        ends[name] = delivering_gateway(world, dovecot, name), dovecot
    print("figure: octets sessions | rate new/old, median (range) | cpu new/old, median (range)")
    for octets, sessions, count in LARGE[:4]:
        rates, seconds = [], []
        for turn in range(rounds):
            said = {}
            for name in ("old", "new") if turn % 2 == 0 else ("new", "old"):
                gateway, dovecot = ends[name]
                said[name] = measure(gateway.port, dovecot, lambda pid=gateway.process.popen.pid: [pid], sessions, count, octets)
            rates.append(said["new"][0] / said["old"][0])
            seconds.append(said["new"][1] / said["old"][1])
        print(f"figure: {octets:7} {sessions:8} | " + " | ".join(
            f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})" for values in (rates, seconds)), flush=True)
    for gateway, _ in ends.values():
        gateway.stop()


SMALL = [(4096, 50, 2000), (51200, 50, 500)]
LARGE = [(4096, 1, 1000), (4096, 10, 5000), (4096, 50, 10000), (51200, 50, 5000), (1 << 20, 10, 300)]


def main():
    with tempfile.TemporaryDirectory(prefix="mailweir-bench-") as folder:
        pathlib.Path(folder).chmod(0o755)
        world = World(pathlib.Path(folder))
        try:
            if sys.argv[1:2] == ["against"]:
                against(world, sys.argv[2], int(sys.argv[3]) if len(sys.argv) > 3 else 5)
            else:
                compare(world, LARGE if sys.argv[1:] == ["large"] else SMALL)
        finally:
            world.end()


if __name__ == "__main__":
    main()
