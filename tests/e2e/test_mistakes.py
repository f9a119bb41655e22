"""What would not survive a start, or should not be done: check says so with its place, and exits as run does."""
import json
import os
import subprocess

from harness import MAILWEIR, Skip, free_port
from smtp_client import add_user

WARNING, ERROR = 0, 78


def two_on_one_address(world, gateway):
    gateway.configuration["listeners"].append({"name": "again", "address": gateway.configuration["listeners"][0]["address"]})
    return ERROR, "/listeners/1/address", "listens on this address already"


def two_on_one_port_of_any(world, gateway):
    gateway.configuration["listeners"].append({"name": "again", "address": f"0.0.0.0:{gateway.port}"})
    return ERROR, "/listeners/1/address", "listens on this address already"


def admin_on_a_listeners_port(world, gateway):
    gateway.configuration["admin"] = {"address": f"127.0.0.1:{gateway.port}", "token": "x" * 20}
    return ERROR, "/listeners/0/address", '"admin" listens on this address as well'


def spool_under_a_file(world, gateway):
    (gateway.folder / "file").write_text("")
    gateway.configuration["spool"]["path"] = str(gateway.folder / "file/spool")
    return ERROR, "/spool/path", "file"


def spool_is_a_file(world, gateway):
    (gateway.folder / "file").write_text("")
    gateway.configuration["spool"]["path"] = str(gateway.folder / "file")
    return ERROR, "/spool/path", "file"


def spool_in_proc(world, gateway):
    gateway.configuration["spool"]["path"] = "/proc/mailweir"
    return ERROR, "/spool/path", "no file can be created in /proc"


def spool_deep_in_proc(world, gateway):
    gateway.configuration["spool"]["path"] = "/proc/var/spool"
    return ERROR, "/spool/path", "no file can be created in /proc"


def spool_is_a_device(world, gateway):
    gateway.configuration["spool"]["path"] = "/dev/null"
    return ERROR, "/spool/path", "no file can be created in /dev/null"


def readable(gateway):
    """For another user who loads the configuration."""
    secret(gateway, 0o644, "relaypw\n")
    gateway.write()
    for file in (gateway.file, gateway.folder / "rules.json"):
        file.chmod(0o644)


def spool_of_another_user(world, gateway):
    readable(gateway)
    (gateway.folder / "root").mkdir(mode=0o755)
    gateway.configuration["spool"]["path"] = str(gateway.folder / "root/spool")
    gateway.configuration["user"] = "nobody"
    return ERROR, "/spool/path", 'the user "nobody" may not create files in'


def nobody_of_that_name(world, gateway):
    gateway.configuration["user"] = "no-such-user-here"
    return ERROR, "/user", "no-such-user-here"


def address_of_another_machine(world, gateway):
    gateway.configuration["listeners"].append({"name": "typo", "address": f"192.0.2.55:{free_port()}", "allow": ["10.0.0.0/8"]})
    return WARNING, "/listeners/1/address", "this machine has no address 192.0.2.55"


def socket_in_no_folder(world, gateway):
    gateway.configuration["admin"] = {"address": f"unix:{world.folder}/nowhere/admin.sock"}
    return WARNING, "/admin/address", f"there is no folder {world.folder}/nowhere"


def certificate_of_yesterday(world, gateway):
    certificate, key = world.certificates.make("expired", days=-1)
    gateway.configuration["listeners"][0]["tls"] = {"mode": "starttls", "certificate": str(certificate), "key": str(key)}
    return WARNING, "/listeners/0/tls", "expired"  # clients that do not look go on: refusing to start would stop them, too


def certificate_of_next_week(world, gateway):
    certificate, key = world.certificates.make("soon", days=5)
    gateway.configuration["listeners"][0]["tls"] = {"mode": "starttls", "certificate": str(certificate), "key": str(key)}
    return WARNING, "/listeners/0/tls", "expires"


def secret(gateway, mode, text):
    file = gateway.folder / "password"
    file.write_text(text)
    file.chmod(mode)
    gateway.folder.chmod(0o755)
    gateway.world.folder.chmod(0o755)
    gateway.upstream["auth"]["password"] = {"file": str(file)}


def secret_of_everybody(world, gateway):
    secret(gateway, 0o644, "relaypw\n")
    return WARNING, "", "chmod"


def empty_secret(world, gateway):
    secret(gateway, 0o600, "\n")
    return ERROR, "/upstreams/corp/auth/password", "empty"


def empty_variable(world, gateway):
    gateway.upstream["auth"]["password"] = {"env": "NOTHING_OF_THIS_NAME"}
    return ERROR, "/upstreams/corp/auth/password", "NOTHING_OF_THIS_NAME"


def literal_secret(world, gateway):
    gateway.upstream["auth"]["password"] = "relaypw"
    return WARNING, "/upstreams/corp/auth/password", "is written in the configuration itself"


def login_in_clear(world, gateway):
    gateway.configuration["listeners"][0]["auth"] = {"users": add_user(gateway)}
    return WARNING, "/listeners/0/auth", "authentication is offered only under TLS"


def no_such_key(world, gateway):
    gateway.configuration["listeners"][0]["adress"] = "x"
    return ERROR, "/listeners/0/adress", 'did you mean "address"'


def see(world, mistake):
    gateway = world.mailweir(None)
    gateway.folder.chmod(0o700)
    if mistake not in (literal_secret,):
        secret(gateway, 0o600, "relaypw\n")
    wanted, place, words = mistake(world, gateway)
    status, out, err = gateway.run("check")
    found = [line for line in err.splitlines() if words in line and place in line]
    assert found and (": error: " if wanted else ": warning: ") in found[0] and status == wanted, (status, out, err)
    problems = json.loads(gateway.run("check", "--json")[1])["problems"]
    assert [one for one in problems if words in one["text"] and one["pointer"].startswith(place)], problems
    if wanted:
        # A service manager is told that a restart mends nothing.
        done = subprocess.run([MAILWEIR, "run", "--config", gateway.file], capture_output=True, text=True, timeout=60)
        assert done.returncode == ERROR and words in done.stderr, (done.returncode, done.stderr)


def test_two_listeners_on_one_address(world):
    see(world, two_on_one_address)


def test_two_listeners_on_one_port_of_any(world):
    see(world, two_on_one_port_of_any)


def test_admin_on_a_listeners_port(world):
    see(world, admin_on_a_listeners_port)


def test_spool_under_a_file(world):
    see(world, spool_under_a_file)


def test_spool_is_a_file(world):
    see(world, spool_is_a_file)


def test_spool_where_nobody_can_create_files(world):
    see(world, spool_in_proc)


def test_spool_deep_where_nobody_can_create_files(world):
    see(world, spool_deep_in_proc)


def test_spool_is_a_device(world):
    see(world, spool_is_a_device)


def test_spool_of_another_user(world):
    if os.geteuid() != 0:
        raise Skip("only root can become another user")
    see(world, spool_of_another_user)


def test_spool_folder_without_rights(world):
    """Whoever checks need not be the gateway's user."""
    gateway = world.mailweir(None)
    readable(gateway)
    (gateway.folder / "locked").mkdir(mode=0o555)
    gateway.configuration["spool"]["path"] = str(gateway.folder / "locked/spool")
    gateway.write()
    nobody = {"user": "nobody"} if os.geteuid() == 0 else {}
    check, run = (subprocess.run([MAILWEIR, command, "--config", gateway.file], capture_output=True, text=True, timeout=60, **nobody) for command in ("check", "run"))
    words = f"may not create files in {gateway.folder}/locked"
    assert check.returncode == 0 and f"warning: the user who runs this command {words}" in check.stderr, check
    assert run.returncode == ERROR and f"error: the user who runs this command {words}" in run.stderr, run
    assert not list((gateway.folder / "locked").iterdir()), "a check leaves something behind"


def test_spool_on_a_read_only_mount(world):
    if os.geteuid() != 0:
        raise Skip("only root can mount")
    gateway = world.mailweir(None)
    secret(gateway, 0o600, "relaypw\n")
    place = gateway.folder / "mounted"
    place.mkdir()
    gateway.configuration["spool"]["path"] = str(place / "spool")
    gateway.write()
    for command in ("check", "run"):
        done = subprocess.run(["unshare", "--mount", "sh", "-c", 'mount -t tmpfs -o ro none "$1" && exec "$2" "$3" --config "$4"', "sh", place, MAILWEIR, command, gateway.file], capture_output=True, text=True, timeout=60)
        assert done.returncode == ERROR and f"error: {place} is on a file system that is mounted read-only" in done.stderr, done


def test_unknown_user(world):
    see(world, nobody_of_that_name)


def test_address_of_another_machine(world):
    see(world, address_of_another_machine)


def test_socket_in_no_folder(world):
    see(world, socket_in_no_folder)


def test_a_secret_that_cannot_be_read_is_said_once(world):
    """It is not missed as well: that would send the operator to the wrong place."""
    gateway = world.mailweir(None)
    for secret, words in (({"file": "/nowhere/password"}, "cannot read the secret"), ({"env": "NO_SUCH_VARIABLE"}, 'no variable "NO_SUCH_VARIABLE"')):
        gateway.upstream["auth"]["password"] = secret
        status, _, err = gateway.run("check")
        assert status == ERROR and words in err and "exactly one of" not in err and err.count("error") == 1, err


def test_expired_certificate(world):
    see(world, certificate_of_yesterday)


def test_certificate_that_expires_soon(world):
    see(world, certificate_of_next_week)


def test_secret_that_others_can_read(world):
    see(world, secret_of_everybody)


def test_empty_secret(world):
    see(world, empty_secret)


def test_variable_that_is_not_there(world):
    see(world, empty_variable)


def test_literal_secret(world):
    see(world, literal_secret)


def test_auth_without_tls(world):
    see(world, login_in_clear)


def test_unknown_key(world):
    see(world, no_such_key)


def test_rule_warnings_come_where_rules_are_looked_at(world):
    """In check, test and reload; not in every command about the queue."""
    gateway = world.mailweir(None, [{"name": "wide", "if": {"header": "Subject", "matches": "(a+)+$"}, "then": [{"stop": True}]}]).start()
    words = "is a repetition inside a repetition"
    assert words in gateway.run("check")[2] and words in gateway.run("test")[2]
    assert gateway.run("reload")[0] == 0
    assert any(words in event["error.message"] for event in gateway.events("reload_warning"))
    for command in (["queue", "list"], ["queue", "summary"], ["status"], ["find", "x"], ["clients"], ["why", "x"], ["upstreams"]):
        assert words not in "".join(gateway.run(*command)[1:]), command
    gateway.stop()


def test_a_relative_configuration(world):
    """From any folder, in every command that takes --config."""
    gateway = world.mailweir(None).start()
    free_port()
    for command in (["check"], ["test"], ["status"], ["queue", "list"], ["queue", "summary"], ["find"], ["clients"], ["health"], ["reload"], ["spool", "check"],
                    ["top", "--times", "1"]):
        done = subprocess.run([MAILWEIR, *command, "--config", gateway.file.name], capture_output=True, text=True, timeout=60, cwd=gateway.folder)
        assert done.returncode == 0, (command, done.stderr)
    gateway.stop()
