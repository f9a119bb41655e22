"""The running program keeps only the rights that it needs; what the kernel says of it, what it can no longer do, and that mail flows."""
import base64
import os
import pathlib
import pwd
import shutil
import subprocess

from fake_imap import FakeImap, Profile
from harness import MAILWEIR, Skip, free_port, is_sanitized, message, wait


def sandboxed(gateway):
    """Starts it; the line of its log. Skips where a part of the sandbox cannot be had."""
    gateway.start(ready=False)
    wait(lambda: gateway.events("ready") or not gateway.process.alive(), "ready line")
    line, = gateway.events("sandbox")
    if "sanitizer build" in line.get("note", ""):
        assert is_sanitized(), line
        raise Skip("a sanitizer's runtime needs the calls of a debugger")
    if "this kernel has no Landlock" in line.get("note", ""):
        raise Skip("this kernel has no Landlock")
    assert gateway.process.alive(), "mailweir ended at once:\n" + gateway.log.read_text()
    return line


def facts(pid):
    lines = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: value.strip() for name, value in (line.split(":", 1) for line in lines)}


def test_what_the_kernel_says(world):
    """Every thread is under the filter, without new privileges; a crash leaves no memory on the disk."""
    dovecot = world.dovecot()
    gateway = world.mailweir(dovecot)
    line = sandboxed(gateway)
    assert (line["system_calls"], line["paths"], line["core_dumps"], line.get("note")) == \
        ("filtered", "those named in the configuration", "none", None), line
    gateway.send(message("number 1"))
    wait(lambda: dovecot.count() == 1, "message")
    pid = gateway.process.popen.pid
    threads = os.listdir(f"/proc/{pid}/task")
    assert len(threads) > 3, threads
    for thread in threads:
        found = facts(f"{pid}/task/{thread}")
        assert (found["Seccomp"], found["NoNewPrivs"]) == ("2", "1"), (thread, found)
    limits = pathlib.Path(f"/proc/{pid}/limits").read_text()
    assert [row.split()[4:6] for row in limits.splitlines() if row.startswith("Max core file size")] == [["0", "0"]], limits
    status, out, _ = gateway.run("status")
    assert status == 0 and "sandbox    system calls filtered, paths limited, core dumps off" in out, out
    gateway.stop()


def test_paths_outside_are_out_of_reach(world):
    """A reload that names a file in another folder is refused, and says that this is the sandbox, not the file's mode; a restart takes it."""
    dovecot = world.dovecot()
    gateway = world.mailweir(dovecot)
    sandboxed(gateway)
    outside = world.folder / "elsewhere"
    outside.mkdir()
    (outside / "more.json").write_text('{"rules": []}')
    (gateway.folder / "beside.json").write_text('{"rules": []}')
    gateway.configuration["rules"] = ["rules.json", "beside.json"]
    assert gateway.run("reload")[0] == 0  # a new file in a folder that is known
    gateway.configuration["rules"] = ["rules.json", str(outside / "more.json")]
    assert gateway.run("reload")[0] == 1
    said = " ".join(event["error.message"] for event in gateway.events("reload_failed"))
    assert "Permission denied" in said and "outside the sandbox" in said and "restart" in said, said
    gateway.send(message("still here"))
    wait(lambda: dovecot.count() == 1, "message by the rules that stayed")
    gateway.stop()
    gateway.start()
    gateway.stop()


def test_files_are_replaced_under_it(world):
    """Editors and certbot put a new file in the place of the old one, through symbolic links into other folders."""
    dovecot = world.dovecot()
    gateway = world.mailweir(dovecot)
    archive = world.folder / "archive"
    archive.mkdir()
    (archive / "1.json").write_text('{"rules": []}')
    (gateway.folder / "live.json").symlink_to(archive / "1.json")
    gateway.configuration["rules"] = ["live.json"]
    sandboxed(gateway)
    (archive / "2.json").write_text('{"rules": [{"name": "all", "then": [{"fileinto": {"upstream": "corp", "folder": "New"}}]}]}')
    (gateway.folder / "next.json").symlink_to(archive / "2.json")
    (gateway.folder / "next.json").replace(gateway.folder / "live.json")
    wait(lambda: gateway.events("reloaded"), "new rules by themselves")
    gateway.send(message("number 1"))
    wait(lambda: dovecot.count("New") == 1, "message by the new rules")
    gateway.stop()


def runner_of(gateway):
    """The process that runs programs for it."""
    children = pathlib.Path(f"/proc/{gateway.process.popen.pid}/task/{gateway.process.popen.pid}/children").read_text().split()
    return [int(pid) for pid in children if facts(pid)["Name"] == "mailweir-runner"]


def test_commands_are_only_run_where_they_are_configured(world):
    """A token command that comes by a reload is refused; those that the gateway began with are run by a process beside it, which knows no others, and
    the gateway's own sandbox is as narrow as without."""
    dovecot = world.dovecot()
    gateway = world.mailweir(dovecot)
    sandboxed(gateway)
    assert runner_of(gateway) == []
    token = {"command": ["/bin/echo", "a token"]}
    other = {**gateway.upstream, "auth": {"username": "relay", "token": token}}
    gateway.configuration["upstreams"]["other"] = other
    assert gateway.run("reload")[0] == 1
    failed = gateway.events("reload_failed")[-1]
    assert failed["error.where"] == "other" and "restart" in failed["error.message"], failed
    gateway.stop()
    gateway.configuration["sandbox"] = "required"
    gateway.start()
    line, = gateway.events("sandbox")
    assert (line["paths"], line["system_calls"], line.get("note")) == ("those named in the configuration", "filtered", None), line
    runner, = runner_of(gateway)
    found = facts(runner)
    assert (found["Seccomp"], found["NoNewPrivs"]) == ("2", "1"), found
    assert gateway.run("reload")[0] == 0
    token["command"][1] = "another token"
    assert gateway.run("reload")[0] == 1
    gateway.stop()
    wait(lambda: not pathlib.Path(f"/proc/{runner}").exists() or facts(runner)["State"].startswith("Z"), "its end")


def test_a_command_that_is_run_beside_the_sandbox(world):
    """Its token logs in; its words are told when it fails; it is ended, with its children, when it takes too long; a gateway without its runner says so."""
    script = world.folder / "token.sh"
    mode = world.folder / "mode"
    script.write_text(f'#!/bin/sh\ncase "$(cat {mode})" in\ngood) echo "tok-$1";;\nbad) echo "no such account" >&2; exit 3;;\n'
                      f'slow) sleep 300 & echo $! > {mode}.pid; wait;;\nesac\n')
    script.chmod(0o755)
    fake = FakeImap(world, Profile("IMAP4rev1 SASL-IR AUTH=XOAUTH2 UIDPLUS"))
    gateway = world.mailweir(None)
    fake.configure(gateway, auth={"username": "relay", "token": {"command": [str(script), "one"], "timeout": "1s", "lifetime": "2s"}},
                   timeouts={"connect": "2s", "command": "2s", "idle": "20ms"}, retry={"initial": "20ms", "maximum": "100ms", "settle": "50ms"})
    gateway.configuration["sandbox"] = "required"
    mode.write_text("bad")
    sandboxed(gateway)
    gateway.send(message("waits"))
    wait(lambda: any("no such account" in event["error.message"] and "status 3" in event["error.message"]
                     for event in gateway.events("upstream_failed")), "its words")
    mode.write_text("slow")
    wait(lambda: any("took too long" in event["error.message"] for event in gateway.events("upstream_failed")), "its end")
    # A file that is being written anew is empty for a moment; and one that was ended early has not written it.
    sleeper = wait(lambda: (pid := pathlib.Path(f"{mode}.pid")).exists() and int(pid.read_text() or 0), "its child")
    wait(lambda: not pathlib.Path(f"/proc/{sleeper}").exists() or facts(sleeper)["State"].startswith("Z"), "its children's end")
    mode.write_text("good")
    wait(lambda: gateway.events("filed"), "filed line")
    assert base64.b64decode(fake.logins[-1][1]).decode().startswith("user=relay\x01auth=Bearer tok-one"), fake.logins
    os.kill(runner_of(gateway)[0], 9)

    def is_told():
        gateway.send(message("needs a token when the last one is old"))
        return any("has ended; restart the gateway" in event["error.message"] for event in gateway.events("upstream_failed"))
    wait(is_told, "its lack")
    gateway.stop()


def test_off(world):
    gateway = world.mailweir(world.dovecot())
    gateway.configuration["sandbox"] = "off"
    gateway.start()
    assert facts(gateway.process.popen.pid)["Seccomp"] == "0" and gateway.events("sandbox") == []
    assert "sandbox    off" in gateway.run("status")[1]
    gateway.stop()


def test_root_becomes_somebody(world):
    """Started as root, it reads and writes everything as its user from the first file on, and still listens on low ports."""
    if os.geteuid() != 0:
        raise Skip("only root can become another user")
    dovecot = world.dovecot()
    gateway = world.mailweir(dovecot)
    user = pwd.getpwnam("nobody")
    for path in (world.folder, gateway.folder, *world.folder.glob("*/")):
        path.chmod(0o755)
    for path in (world.folder / "certificates").glob("*"):
        path.chmod(0o644)
    shutil.chown(gateway.folder, user.pw_uid, user.pw_gid)
    gateway.configuration["user"] = "nobody"
    gateway.write()
    for path in (gateway.file, gateway.folder / "rules.json"):
        path.chmod(0o644)
    gateway.start()
    found = facts(gateway.process.popen.pid)
    assert set(found["Uid"].split()) == {str(user.pw_uid)} and found["CapEff"] == "0000000000000400", found
    assert (gateway.folder / "spool").stat().st_uid == user.pw_uid
    gateway.send(message("number 1"))
    wait(lambda: dovecot.count() == 1, "message")
    gateway.stop()
    secret = gateway.folder / "secret"
    secret.write_text("relaypw")
    secret.chmod(0o600)
    gateway.upstream["auth"]["password"] = {"file": str(secret)}
    gateway.start(ready=False)
    assert gateway.process.popen.wait(20) == 78  # root could have read it; a reload could not
    assert "Permission denied" in gateway.log.read_text()
    gateway.configuration["user"] = "no-such-user"
    gateway.start(ready=False)
    assert gateway.process.popen.wait(20) == 78 and "there is no such user" in gateway.log.read_text()
