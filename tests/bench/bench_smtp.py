#!/usr/bin/python3
"""bench_smtp - what idle sessions cost: memory of each, in clear and under TLS, and what 2,000 of them take from 50 busy ones.

usage: tests/bench/bench_smtp.py [IDLE] [BUSY] [SECONDS]      figures are printed, nothing is asserted
"""
import concurrent.futures
import pathlib
import resource
import socket
import ssl
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))
import harness  # noqa: E402

MESSAGE = harness.message("bench", "x" * 3000).replace(b"\r\n.", b"\r\n..") + b".\r\n"


def resident(gateway):
    """KiB in memory of the gateway."""
    for line in pathlib.Path(f"/proc/{gateway.process.popen.pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    raise AssertionError("no VmRSS")


def open_idle(gateway, count, context=None):
    """Sessions that have said EHLO and wait."""
    sessions = []
    for _ in range(count):
        connection = socket.create_connection(("127.0.0.1", gateway.port), 20)
        file = connection.makefile("rb")
        file.readline()
        if context:
            say(connection, file, b"EHLO c\r\n")
            say(connection, file, b"STARTTLS\r\n")
            file.close()
            connection = context.wrap_socket(connection, server_hostname="localhost")
            file = connection.makefile("rb")
        say(connection, file, b"EHLO c\r\n")
        sessions.append((connection, file))
    return sessions


def say(connection, file, data):
    connection.sendall(data)
    while True:
        line = file.readline()
        if line[3:4] != b"-":
            return line


def close(sessions):
    for connection, file in sessions:
        file.close()
        connection.close()


def send_until(port, end):
    """One busy session: messages one after the other; how many."""
    connection = socket.create_connection(("127.0.0.1", port), 20)
    file = connection.makefile("rb")
    file.readline()
    say(connection, file, b"EHLO c\r\n")
    sent = 0
    while time.monotonic() < end:
        connection.sendall(b"MAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.net>\r\nDATA\r\n")
        replies = [file.readline()[:3] for _ in range(3)]
        assert replies == [b"250", b"250", b"354"], replies
        assert say(connection, file, MESSAGE).startswith(b"250")
        sent += 1
    close([(connection, file)])
    return sent


def throughput(port, busy, seconds):
    end = time.monotonic() + seconds
    with concurrent.futures.ThreadPoolExecutor(busy) as pool:
        return sum(pool.map(send_until, [port] * busy, [end] * busy)) / seconds


def measure_memory(world, count, context):
    gateway = world.mailweir(None, name=f"memory-{'tls' if context else 'clear'}")
    prepare(world, gateway, count)
    gateway.start()
    close(open_idle(gateway, 50, context))  # what is made once
    before = resident(gateway)
    sessions = open_idle(gateway, count, context)
    each = (resident(gateway) - before) / count
    print(f"figure: smtp: {each:.1f} KiB resident for each of {count} idle sessions {'under TLS' if context else 'in clear'}", flush=True)
    close(sessions)
    gateway.stop()
    return each


def idle_sessions(world, count):
    """(in clear or under TLS, KiB of each idle session); for tests/bench/run."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 3 * count)), hard))
    yield "in clear", measure_memory(world, count, None)
    yield "under TLS", measure_memory(world, count, ssl.create_default_context(cafile=str(world.certificates.ca)))


def prepare(world, gateway, count):
    certificate, key = world.server_certificate
    gateway.configuration["listeners"][0].update(
        max_sessions=count + 1000, max_sessions_per_network=count + 1000, max_transactions=1000000,
        tls={"mode": "starttls", "certificate": str(certificate), "key": str(key)})


def measure_busy(world, idle, busy, seconds):
    gateway = world.mailweir(None, name="busy")
    prepare(world, gateway, idle)
    gateway.start()
    throughput(gateway.port, busy, 1)
    alone, beside = [], []
    for _ in range(3):
        alone.append(throughput(gateway.port, busy, seconds))
        sessions = open_idle(gateway, idle)
        beside.append(throughput(gateway.port, busy, seconds))
        close(sessions)
    first, second = sorted(alone)[1], sorted(beside)[1]
    print(f"figure: smtp: {busy} busy sessions {first:.0f} messages/s alone, {second:.0f} beside {idle} idle ones "
          f"({100 * (second / first - 1):+.0f} %)", flush=True)
    gateway.stop()


def main():
    idle, busy, seconds = (int(value) for value in (sys.argv[1:] + ["2000", "50", "3"][len(sys.argv) - 1:])[:3])
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 3 * idle)), hard))
    with tempfile.TemporaryDirectory(prefix="mailweir-bench-") as folder:
        world = harness.World(pathlib.Path(folder))
        try:
            context = ssl.create_default_context(cafile=str(world.certificates.ca))
            measure_memory(world, idle, None)
            measure_memory(world, idle, context)
            measure_busy(world, idle, busy, seconds)
        finally:
            world.end()


if __name__ == "__main__":
    main()
