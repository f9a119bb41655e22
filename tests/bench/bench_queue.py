#!/usr/bin/python3
"""bench_queue - messages accepted per second by the gateway and by a private Postfix, on the same disk and in the same run.

smtp-source of Postfix is the client of both. Both only take mail and keep it: the gateway's upstream is paused, Postfix puts every message on
hold (no queue manager moves it, the best case for it). Prints for each shape both rates, CPU seconds and syncs for 1,000 messages.
With "backlog N": fills the gateway's queue with N messages, and prints its memory and the time of a start with it.
usage: bench_queue.py [small | large | backlog N]
"""
import json
import pathlib
import re
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))
from admin_client import Admin  # noqa: E402
from harness import Process, World, free_port, listens, wait  # noqa: E402

MAIN_CF = """compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
mail_owner = postfix
setgid_group = postdrop
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
mydestination =
myhostname = postfix.example
smtpd_recipient_restrictions = check_client_access static:HOLD, permit_mynetworks, reject
smtpd_client_connection_count_limit = 0
smtpd_client_connection_rate_limit = 0
smtpd_client_message_rate_limit = 0
default_process_limit = 100
in_flow_delay = 0
message_size_limit = 50000000
maillog_file = /var/log/mailweir-bench-postfix.log
"""
MASTER_CF = """127.0.0.1:{port} inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
anvil unix - - n - 1 anvil
proxymap unix - - n - - proxymap
postlog unix-dgram n - n - 1 postlogd
"""


class Postfix:
    """An instance of its own: configuration, queue and port."""

    def __init__(self, world, main=MAIN_CF, master=MASTER_CF):
        self.folder, self.port = world.folder / "postfix", free_port()
        for name in ("", "queue", "data", "etc"):
            (self.folder / name).mkdir()
        (self.folder / "etc/main.cf").write_text(main.format(folder=self.folder))
        (self.folder / "etc/master.cf").write_text(master.format(port=self.port))
        subprocess.run(["chown", "postfix", self.folder / "data"], check=True)
        subprocess.run(["postfix", "-c", self.folder / "etc", "check"], check=True, capture_output=True)
        daemons = subprocess.run(["postconf", "-h", "daemon_directory"], check=True, capture_output=True, text=True)
        self.process = Process([daemons.stdout.strip() + "/master", "-c", self.folder / "etc", "-d"],
                               world.folder / "postfix.out")
        world.cleanup.append(self.process.kill)
        wait(lambda: listens(self.port), "answer of Postfix")

    def pids(self):
        return [int(p) for p in subprocess.run(["pgrep", "-g", str(self.process.popen.pid)], capture_output=True,
                                               text=True).stdout.split()]


def cpu_seconds(pids):
    total = 0
    for pid in pids:
        try:
            fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        total += sum(int(field) for field in fields[11:15])  # with children that have ended
    return total / 100


def shoot(port, sessions, count, octets, to="ops@example.net"):
    """Seconds that smtp-source took."""
    started = time.monotonic()
    subprocess.run(["smtp-source", "-d", "-s", str(sessions), "-m", str(count), "-l", str(octets), "-f", "app@example.com",
                    "-t", to, f"127.0.0.1:{port}"], check=True)
    return time.monotonic() - started


def syncs(gateway):
    return int(re.search(r"^mailweir_spool_syncs_total (\d+)", Admin(gateway).get("/metrics").text, re.M).group(1))


def paused_gateway(world, name="mailweir"):
    gateway = world.mailweir(None, name=name)
    gateway.configuration["listeners"][0].update({"max_sessions": 10000, "max_transactions": 1000000,
                                                  "max_message_size": "50MiB"})
    gateway.configuration["log"] = {"level": "warning"}
    gateway.start(ready=False)
    wait(lambda: listens(gateway.port), "answer of mailweir")
    status, out, err = gateway.run("queue", "pause", "--json")
    assert status == 0, err
    return gateway


def compare(world, shapes):
    postfix, gateway = Postfix(world), paused_gateway(world)
    print("figure: octets sessions | mailweir/s  cpu s/1000  syncs/message | postfix/s  cpu s/1000 | times")
    for octets, sessions, count in shapes:
        shoot(postfix.port, sessions, sessions, octets)  # its processes are there
        before = cpu_seconds(postfix.pids())
        theirs = shoot(postfix.port, sessions, count, octets)
        their_cpu = cpu_seconds(postfix.pids()) - before
        before, synced = cpu_seconds([gateway.process.popen.pid]), syncs(gateway)
        ours = shoot(gateway.port, sessions, count, octets)
        our_cpu = cpu_seconds([gateway.process.popen.pid]) - before
        print(f"figure: {octets:7} {sessions:8} | {count / ours:10.0f}  {our_cpu / count * 1000:10.2f}  "
              f"{(syncs(gateway) - synced) / count:13.2f} | {count / theirs:9.0f}  {their_cpu / count * 1000:10.2f} | "
              f"{theirs / ours:5.1f}", flush=True)
    gateway.stop()


def memory(pid):
    return int(re.search(r"VmRSS:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text()).group(1)) // 1024


def backlog(world, most):
    gateway = paused_gateway(world, "backlog")
    there = 0
    for count in sorted({1000, 100000, most}):
        if count > most:
            continue
        shoot(gateway.port, 50, count - there, 1000)
        there = count
        filled = memory(gateway.process.popen.pid)
        gateway.stop()
        started = time.monotonic()
        gateway.start(ready=False)
        wait(lambda: listens(gateway.port), "answer of mailweir")
        took = time.monotonic() - started
        waiting = json.loads(gateway.run("queue", "summary", "--json")[1])["upstreams"]["corp"]["waiting"]
        print(f"figure: {waiting} messages wait: {filled} MiB after filling, {memory(gateway.process.popen.pid)} MiB after a start, "
              f"which serves SMTP after {took:.2f} s", flush=True)
    gateway.stop()


SMALL = [(4096, 1, 500), (4096, 10, 2000), (4096, 50, 4000), (51200, 50, 1000), (1 << 20, 10, 100)]
LARGE = [(octets, sessions, count) for octets, count in ((4096, 20000), (51200, 10000), (1 << 20, 1000))
         for sessions in (1, 10, 50)]


def main():
    what = sys.argv[1] if len(sys.argv) > 1 else "small"
    with tempfile.TemporaryDirectory(prefix="mailweir-bench-") as folder:
        pathlib.Path(folder).chmod(0o755)
        world = World(pathlib.Path(folder))
        try:
            if what == "backlog":
                backlog(world, int(sys.argv[2]))
            else:
                compare(world, LARGE if what == "large" else SMALL)
        finally:
            world.end()


if __name__ == "__main__":
    main()
