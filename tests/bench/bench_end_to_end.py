#!/usr/bin/python3
"""bench_end_to_end - messages per second from the client to the maildir: the gateway into Dovecot by IMAP, and Postfix into Dovecot by LMTP.

Both in one run, on one disk, each with a Dovecot of its own with the same settings; smtp-source of Postfix is the client of both. The clock runs from
the first connection until the last message lies in the maildir. Prints both rates, CPU seconds for 1,000 messages (of mailweir and of Postfix alone,
and with their Dovecot), and the ratio.
usage: bench_end_to_end.py [small | large]
"""
import os
import pathlib
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))
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


def compare(world, shapes):
    lmtp = free_port()
    into_imap, into_lmtp = Dovecot(world, name="imap"), Dovecot(world, name="lmtp", extra=LMTP.format(port=lmtp))
    wait(lambda: listens(lmtp), "Dovecot's LMTP")
    into_imap.imap().logout()
    postfix, gateway = DeliveringPostfix(world, lmtp), world.mailweir(into_imap)
    gateway.configuration["listeners"][0].update({"max_sessions": 10000, "max_transactions": 1000000, "max_message_size": "50MiB"})
    gateway.upstream["connections"] = CONNECTIONS
    gateway.configuration["log"] = {"level": "warning"}
    gateway.start(ready=False)
    wait(lambda: listens(gateway.port), "answer of mailweir")
    print("figure: octets sessions | mailweir/s  cpu s/1000  with Dovecot | postfix+lmtp/s  cpu s/1000  with Dovecot | times")
    for octets, sessions, count in shapes:
        for port, dovecot, pids in ((postfix.port, into_lmtp, postfix.pids), (gateway.port, into_imap, lambda: [gateway.process.popen.pid])):
            measure(port, dovecot, pids, sessions, sessions, octets)  # processes and connections are there
        theirs = measure(postfix.port, into_lmtp, postfix.pids, sessions, count, octets)
        ours = measure(gateway.port, into_imap, lambda: [gateway.process.popen.pid], sessions, count, octets)
        print(f"figure: {octets:7} {sessions:8} | {ours[0]:10.0f}  {ours[1]:10.2f}  {ours[1] + ours[2]:12.2f} | "
              f"{theirs[0]:14.0f}  {theirs[1]:10.2f}  {theirs[1] + theirs[2]:12.2f} | {ours[0] / theirs[0]:5.1f}", flush=True)
    gateway.stop()


SMALL = [(4096, 50, 2000), (51200, 50, 500)]
LARGE = [(4096, 1, 1000), (4096, 10, 5000), (4096, 50, 10000), (51200, 50, 5000), (1 << 20, 10, 300)]


def main():
    with tempfile.TemporaryDirectory(prefix="mailweir-bench-") as folder:
        pathlib.Path(folder).chmod(0o755)
        world = World(pathlib.Path(folder))
        try:
            compare(world, LARGE if sys.argv[1:] == ["large"] else SMALL)
        finally:
            world.end()


if __name__ == "__main__":
    main()
