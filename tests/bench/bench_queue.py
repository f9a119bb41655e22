#!/usr/bin/python3
"""bench_queue - messages accepted per second by the gateway and by a private Postfix, on the same disk and in the same run.

smtp-source of Postfix is the client of both. Both only take mail and keep it: the gateway's upstream is paused, Postfix puts every message on
hold (no queue manager moves it, the best case for it). Prints for each shape both rates, CPU seconds and syncs for 1,000 messages.
With "backlog N": fills the gateway's queue with N messages, and prints its memory and the time of a start with it.
With "against PROGRAM": this build and another one (an older mailweir) by turns, in rounds; prints the ratios of their medians.
With "scrub N": what the background check of N messages costs, and what acceptance loses while it runs without a pause.
usage: bench_queue.py [small | large | backlog N | against PROGRAM [ROUNDS] | scrub N]
"""
import json
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))
import harness  # noqa: E402
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


def thread_seconds(pid):
    """To the microsecond, of the threads that live: /proc/PID/stat counts in hundredths of a second."""
    return sum(int(path.read_text().split()[0]) for path in pathlib.Path(f"/proc/{pid}/task").glob("*/schedstat")) / 1e9


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


def against(world, other, rounds):
    """What a machine does beside the bench hits both alike: they take turns. Processor time says more than seconds where it does much."""
    programs = {"old": other, "new": harness.MAILWEIR}
    gateways, told = {}, {}
    for name, program in programs.items():
        harness.MAILWEIR = program
        gateways[name] = paused_gateway(world, name)
    print("figure: octets sessions | old/s  cpu s/1000 | new/s  cpu s/1000 | rate new/old  cpu new/old")
    for octets, sessions, count in SMALL:
        told = {name: ([], []) for name in gateways}
        for turn in range(rounds):
            for name in ("old", "new") if turn % 2 == 0 else ("new", "old"):
                gateway = gateways[name]
                before = thread_seconds(gateway.process.popen.pid)
                told[name][0].append(count / shoot(gateway.port, sessions, count, octets))
                told[name][1].append((thread_seconds(gateway.process.popen.pid) - before) / count * 1000)
        (old, old_cpu), (new, new_cpu) = ([statistics.median(values) for values in told[name]] for name in ("old", "new"))
        print(f"figure: {octets:7} {sessions:8} | {old:5.0f}  {old_cpu:10.2f} | {new:5.0f}  {new_cpu:10.2f} | {new / old:12.2f}  "
              f"{new_cpu / old_cpu:11.2f}", flush=True)
    for gateway in gateways.values():
        gateway.stop()


def checked(gateway):
    text = Admin(gateway).get("/metrics").text
    return [int(re.search(rf"^mailweir_spool_{name}_total (\d+)", text, re.M).group(1)) for name in ("checked_messages", "check_rounds")]


def scrub(world, count):
    """A round at its fastest (check_every 1s makes it ten steps a second) on a gateway that does nothing else; then both beside acceptance."""
    gateways = {"without": paused_gateway(world, "without"), "with": paused_gateway(world, "with")}
    for gateway in gateways.values():
        shoot(gateway.port, 50, count, 4096)
    gateway = gateways["with"]
    gateway.stop()
    gateway.configuration["spool"]["check_every"] = "1s"
    gateway.start(ready=False)
    wait(lambda: listens(gateway.port), "answer of mailweir")
    pid = gateway.process.popen.pid
    before, started = thread_seconds(pid), time.monotonic()
    wait(lambda: checked(gateway)[1] >= 1, "end of a round", 600)
    idle = thread_seconds(pid) - before
    messages, rounds = checked(gateway)
    print(f"figure: a round over {count} messages of 4 KiB took {time.monotonic() - started:.1f} s beside other work, and {idle / messages * 1e6:.0f} "
          f"us of processor for each of them ({rounds} rounds, {messages} messages looked at)")
    rates = {name: [] for name in gateways}
    for turn in range(5):
        for name in ("without", "with") if turn % 2 == 0 else ("with", "without"):
            rates[name].append(4000 / shoot(gateways[name].port, 50, 4000, 4096))
    without, beside = (statistics.median(rates[name]) for name in ("without", "with"))
    print(f"figure: accepted a second, 4 KiB, 50 sessions: {without:.0f} without a check, {beside:.0f} beside one: ratio {beside / without:.2f}")
    for gateway in gateways.values():
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
            elif what == "scrub":
                scrub(world, int(sys.argv[2]))
            elif what == "against":
                against(world, sys.argv[2], int(sys.argv[3]) if len(sys.argv) > 3 else 5)
            else:
                compare(world, LARGE if what == "large" else SMALL)
        finally:
            world.end()


if __name__ == "__main__":
    main()
