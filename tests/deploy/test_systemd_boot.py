"""The package under a systemd that really runs: its own sandbox within the unit's, a socket that systemd holds, reload, watchdog, the end."""
import contextlib
import json
import pathlib
import shutil
import subprocess

from deployed import Skip, debian_root, need, run
from harness import Process, wait
from test_package import package

CONFIGURATION = {
    "hostname": "gateway.example.net",
    "listeners": [{"name": "smtp", "address": "inherited:smtp"}],
    # Nothing listens there: what is accepted waits, over every restart.
    "upstreams": {"main": {"address": "127.0.0.1:9", "tls": {"mode": "implicit"}, "auth": {"username": "relay", "password": "relaypw"}}},
    "spool": {"path": "/var/lib/mailweir"}, "rules": ["rules.d/*.json"], "default": {"upstream": "main", "folder": "INBOX"}}


class Machine:
    """The root, booted in namespaces of its own, without a network but its loopback."""

    def __init__(self, world, root):
        self.root, self.log = root, world.folder / "machine.log"
        name = f"mailweir-{world.folder.name[-8:].replace('_', '-')}"
        self.process = Process(["systemd-nspawn", "--quiet", "--boot", "--register=no", "--keep-unit", "--private-network", "--console=pipe",
                                # Of the gateway's sandbox; this nspawn does not know them yet.
                                "--system-call-filter=landlock_create_ruleset landlock_add_rule landlock_restrict_self",
                                f"--machine={name}", f"--directory={root}"], self.log)
        self.left = pathlib.Path("/run/systemd/nspawn/propagate") / name
        world.cleanup.append(self.end)
        try:
            wait(lambda: not self.process.alive() or self.ask("systemctl", "is-system-running")[1].strip() in ("running", "degraded"), "boot", 90)
        except AssertionError:
            self.end()
        if not self.process.alive():
            said = self.log.read_text()[-300:]
            if "cgroup" in said or "Operation not permitted" in said:
                raise Skip(f"systemd does not boot in a container here: {said}")
            raise AssertionError(f"systemd does not boot: {said}")

    def end(self):
        """As when the power goes; and what a killed systemd-nspawn leaves on the machine that it ran on."""
        self.process.kill()
        with contextlib.suppress(OSError):
            self.left.rmdir()

    def ask(self, *command):
        """Exit status and output of a command in the machine."""
        pid = self.process.popen.pid
        leader = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        if not leader:
            return 1, ""
        done = subprocess.run(["nsenter", "--all", "--target", leader[0], *command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=120)
        return done.returncode, done.stdout

    def run(self, *command):
        status, out = self.ask(*command)
        assert status == 0, f"{' '.join(command)}: {out}\n{self.journal()[-4000:]}"
        return out

    def journal(self):
        return self.ask("journalctl", "--no-pager", "--output=cat", "--unit=mailweir.service")[1]

    def fact(self, name):
        return self.run("systemctl", "show", "--value", f"--property={name}", "mailweir.service").strip()

    def waiting(self):
        return [line for line in self.run("mailweir", "queue", "list").splitlines() if "main" in line]

    def write(self, configuration):
        (self.root / "etc/mailweir/mailweir.json").write_text(json.dumps(configuration))

    def send(self, subject):
        """One message, by the socket that systemd holds."""
        said = self.run("bash", "-c", f"""exec 3<>/dev/tcp/127.0.0.1/25
            say() {{ while read -r line <&3; do [[ $line == ???-* ]] || break; done; [[ $line == $1* ]] || {{ echo "$line"; exit 1; }}; }}
            say 220; printf 'EHLO x.example\\r\\n' >&3; say 250; printf 'MAIL FROM:<a@x.example>\\r\\n' >&3; say 250
            printf 'RCPT TO:<b@example.net>\\r\\n' >&3; say 250; printf 'DATA\\r\\n' >&3; say 354
            printf 'Subject: {subject}\\r\\n\\r\\nhello\\r\\n.\\r\\n' >&3; say 250; echo accepted""")
        assert said.strip() == "accepted", said


def test_unit_under_systemd(world):
    need("systemd-nspawn", "nsenter")
    deb = package()
    with debian_root(world.folder) as (root, inside):
        shutil.copy(deb, root / "mailweir.deb")
        run(*inside, "apt-get", "update", "-qq")
        run(*inside, "apt-get", "install", "-qq", "-y", "--no-install-recommends", "systemd-sysv", "/mailweir.deb")
        folder = root / "etc/systemd/system/mailweir.service.d"
        folder.mkdir()
        (folder / "soon.conf").write_text("[Service]\nWatchdogSec=5s\n")
        run("umount", root / "proc")  # that of this machine; the booted one takes what is mounted for its own
        machine = Machine(world, root)
        machine.write(CONFIGURATION)
        machine.run("systemctl", "enable", "--now", "mailweir.socket")
        assert machine.fact("ActiveState") == "inactive"
        machine.send("the first one wakes it")
        assert machine.fact("ActiveState") == "active"
        pid = machine.fact("MainPID")
        facts = dict(line.split(":\t", 1) for line in machine.run("cat", f"/proc/{pid}/status").splitlines() if ":\t" in line)
        assert facts["Seccomp"] == "2" and facts["NoNewPrivs"] == "1", facts
        assert facts["Uid"].split()[0] == machine.run("id", "-u", "mailweir").strip() != "0"
        # Where the guide has the tokens of Gmail and Microsoft 365, the service may write them.
        machine.run("nsenter", f"--target={pid}", "--mount", "setpriv", "--reuid=mailweir", "--regid=mailweir", "--clear-groups", "touch", "/var/lib/mailweir-tokens/gmail")
        sandbox, = [line for line in machine.journal().splitlines() if '"event.action":"sandbox"' in line]
        assert all(word in sandbox for word in ('"system_calls":"filtered"', '"paths":"those named', '"core_dumps":"none"')), sandbox

        machine.run("systemctl", "reload", "mailweir.service")
        wait(lambda: '"event.action":"reloaded"' in machine.journal(), "reload")
        machine.write({**CONFIGURATION, "listener": []})
        assert machine.ask("systemctl", "reload", "mailweir.service")[0] != 0, "a wrong file is told to whoever reloads"
        assert machine.fact("MainPID") == pid
        machine.send("still here")
        machine.write(CONFIGURATION)

        machine.run("sh", "-c", f"kill -STOP {pid}")  # it hangs
        wait(lambda: machine.fact("MainPID") not in (pid, "0") and machine.fact("ActiveState") == "active", "restart by the watchdog", 60)
        assert "Watchdog timeout" in machine.journal(), machine.journal()
        machine.send("after the restart")
        assert len(machine.waiting()) == 3, machine.waiting()
        machine.run("systemctl", "stop", "mailweir.socket", "mailweir.service")
        assert (machine.fact("Result"), machine.fact("ActiveState")) == ("success", "inactive")
        # A typo does not mend itself by another start: one try, and the unit says so.
        machine.write({**CONFIGURATION, "listener": []})
        assert machine.ask("systemctl", "start", "mailweir.service")[0] != 0
        wait(lambda: machine.fact("ActiveState") == "failed", "a unit that gave up")
        assert (machine.fact("ExecMainStatus"), machine.fact("NRestarts")) == ("78", "0"), machine.journal()[-2000:]
        assert "listeners" in machine.journal()[-2000:], machine.journal()[-2000:]
        machine.end()
