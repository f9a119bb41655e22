"""The Debian package under a real systemd that boots in a container: the unit starts with all its walls, takes mail, reloads, is watched, and stops well."""
import json
import os
import subprocess

from deployed import debian_root, need, run
from harness import Skip, message
from test_package import package

CONFIGURATION = {
    "hostname": "gw.example.net",
    "listeners": [{"name": "apps", "address": "127.0.0.1:2525"}],
    "upstreams": {"main": {"address": "127.0.0.1:1", "tls": {"mode": "none"}, "auth": {"username": "u", "password": {"file": "/etc/mailweir/imap-password"}}}},
    "spool": {"path": "/var/lib/mailweir"},
    "rules": ["rules.d/*.json"],
    "default": {"upstream": "main", "folder": "INBOX"},
}
# Runs when the machine is up; what it finds lies in /found behind the last line, and the machine goes down.
LOOK = """#!/bin/sh
exec >/found 2>&1
say() { printf '%s=' "$1"; shift; "$@" | tr '\\n' ' '; echo; }
say active systemctl is-active mailweir
say pid systemctl show --value --property MainPID mailweir
pid=$(systemctl show --value --property MainPID mailweir)
say user ps -o user= -p "$pid"
say facts grep -E '^(Seccomp|NoNewPrivs|CapEff):' "/proc/$pid/status"
curl --silent --show-error --url smtp://127.0.0.1:2525/me --mail-from app@example.com --mail-rcpt ops@example.net --upload-file /mail.eml
say waiting sh -c "mailweir status --json | grep -o '\\"waiting\\": *[0-9]*'"
say sandbox sh -c "mailweir status | grep sandbox"
say health mailweir health
say reload sh -c "systemctl reload mailweir && echo done"
say still systemctl is-active mailweir
say watchdog systemctl show --value --property WatchdogUSec mailweir
kill -STOP "$pid"
n=0
while [ "$(systemctl show --value --property MainPID mailweir)" = "$pid" ] || [ "$(systemctl is-active mailweir)" != active ]; do
    n=$((n + 1)); [ $n -lt 3000 ] || break
done
say again systemctl is-active mailweir
say kept sh -c "mailweir status --json | grep -o '\\"waiting\\": *[0-9]*'"
say stop sh -c "systemctl stop mailweir && systemctl show --value --property Result mailweir"
say journal sh -c "journalctl --unit mailweir --output cat | grep -c '\\"event.action\\":\\"ready\\"'"
echo end
systemctl poweroff
"""
UNIT = """[Unit]
After=mailweir.service multi-user.target
[Service]
Type=oneshot
ExecStart=/look
[Install]
WantedBy=default.target
"""


def test_boots_with_it(world):
    need("systemd-nspawn")
    deb = package()
    with debian_root(world.folder) as (root, inside):
        (root / "mailweir.deb").write_bytes(deb.read_bytes())
        run(*inside, "apt-get", "update", "-qq")
        run(*inside, "apt-get", "install", "-qq", "-y", "--no-install-recommends", "systemd", "systemd-sysv", "dbus", "procps", "curl", "/mailweir.deb")
        (root / "etc/mailweir/mailweir.json").write_text(json.dumps(CONFIGURATION))
        (root / "etc/mailweir/imap-password").write_text("secret\n")
        (root / "mail.eml").write_bytes(message("while it boots"))
        (root / "look").write_text(LOOK)
        (root / "look").chmod(0o755)
        (root / "etc/systemd/system/look.service").write_text(UNIT)
        # The watchdog shall bite within the test; the unit's own is 30 s.
        (root / "etc/systemd/system/mailweir.service.d").mkdir()
        (root / "etc/systemd/system/mailweir.service.d/test.conf").write_text("[Service]\nWatchdogSec=3s\n")
        run(*inside, "systemctl", "enable", "--quiet", "mailweir", "look")
        (root / "etc/machine-id").write_text("")
    boot = subprocess.run(["systemd-nspawn", "--quiet", "--directory", root, "--machine", f"mailweir-{os.getpid()}", "--private-network",
                           "--register=no", "--keep-unit", "--system-call-filter=landlock_create_ruleset landlock_add_rule landlock_restrict_self", "--boot"], capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=240)
    if not (root / "found").exists():
        said = boot.stdout + boot.stderr
        if "Reached target" not in said and ("cgroup" in said or "Operation not permitted" in said):
            raise Skip(f"systemd does not boot here: {said[-300:]}")
        raise AssertionError(f"nothing was looked at: {said[-3000:]}")
    text = (root / "found").read_text()
    assert text.splitlines()[-1] == "end", text
    found = {name: value.strip() for name, value in (line.split("=", 1) for line in text.splitlines()[:-1] if "=" in line)}
    assert found["active"] == found["still"] == found["again"] == "active", text
    assert found["user"] == "mailweir", text
    facts = found["facts"].replace("\t", "").split()
    assert "Seccomp:2" in facts and "NoNewPrivs:1" in facts and "CapEff:0000000000000400" in facts, text
    assert "system calls filtered, paths limited, core dumps off" in found["sandbox"], text
    assert found["waiting"].endswith("1") and found["kept"].endswith("1"), text
    assert (found["health"], found["reload"], found["watchdog"], found["stop"]) == ("ready", "done", "3s", "success"), text
    assert found["journal"] == "2", text  # the start, and the one that the watchdog asked for
