"""ports - ports of loopback for the servers of a test."""
import pathlib
import random
import socket


class Ports:
    """Ports that stay this test's own from the choice to the use: below those that the kernel gives to connections, and held against other tests by a
    name that only one process can have."""

    def __init__(self):
        self.first, self.end = 10000, int(pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
        self.end = self.end if self.end > self.first + 1000 else 65536
        self.held = []

    def choose(self):
        while True:
            port, name = random.randrange(self.first, self.end), socket.socket(socket.AF_UNIX)
            try:
                name.bind(f"\0mailweir-test-port-{port}")
                with socket.socket() as probe:
                    probe.bind(("", port))  # without SO_REUSEADDR: nothing of an earlier use is left
            except OSError:
                name.close()
                continue
            self.held.append(name)
            return port


PORTS = Ports()
free_port = PORTS.choose
