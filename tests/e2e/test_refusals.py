"""What is wrong is said with its place, and refused before it can do harm."""
import json
import os
import socket
import subprocess

from harness import MAILWEIR, free_port, message, wait


def test_bad_configuration_ends_with_its_place(world):
    gateway = world.mailweir(None)
    cases = {
        '{"hostname": "gw",': "mailweir.json:1:",
        '{"hostname": "gw.example.net"}': '"listeners" is missing',
        json.dumps({**gateway.configuration, "listners": []}): "listeners",
    }
    for text, said in cases.items():
        gateway.file.write_text(text)
        for command in ("run", "check"):
            done = subprocess.run([MAILWEIR, command, "--config", str(gateway.file)], capture_output=True, text=True, timeout=30)
            assert done.returncode == 78, (text, command, done.returncode, done.stderr)
            assert said in done.stderr and str(gateway.file) in done.stderr, done.stderr
    done = subprocess.run([MAILWEIR, "run", "--config", "/nonexistent.json"], capture_output=True, text=True, timeout=30)
    assert done.returncode == 78 and "/nonexistent.json" in done.stderr, done.stderr


def test_bad_rules_end_with_their_place(world):
    gateway = world.mailweir(None, [{"name": "r", "if": {"header": "Subject", "matches": "("}, "then": [{"stop": True}]}])
    status, _, err = gateway.run("check")
    assert status == 78 and "rules.json:" in err and "/rules/0/if/matches" in err, err
    status, _, err = gateway.run("run")
    assert status == 78 and "rules.json:" in err, err


def test_second_instance_is_refused(world):
    gateway = world.mailweir(None).start()
    other = world.mailweir(None, name="other")
    other.configuration["spool"] = gateway.configuration["spool"]
    status, _, err = other.run("run")
    assert status == 69, (status, err)
    assert str(gateway.process.popen.pid) in err and gateway.configuration["spool"]["path"] in err, err
    gateway.stop()


def test_port_in_use_is_named(world):
    gateway = world.mailweir(None)
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", gateway.port))
        holder.listen()
        status, _, err = gateway.run("run")
    assert status == 69 and f"127.0.0.1:{gateway.port}" in err and "in use" in err, (status, err)


def test_usage_errors(world):
    for arguments, status in ((["--help"], 0), (["version"], 0), (["--version"], 0), ([], 64), (["nonsense"], 64),
                              (["run", "--nonsense"], 64), (["check", "--config"], 64), (["run", "--help"], 0)):
        done = subprocess.run([MAILWEIR, *arguments], capture_output=True, text=True, timeout=30)
        assert done.returncode == status, (arguments, done)
        assert (done.stdout if status == 0 else done.stderr) != ""


def test_what_was_meant_is_proposed(world):
    """A slip in a command, verb or option names what it probably should be; help is where people look for it."""
    def said(*arguments):
        return subprocess.run([MAILWEIR, *arguments], capture_output=True, text=True, timeout=30)

    for arguments, meant in ((["stauts"], '"status"'), (["queue", "retri"], '"retry"'), (["status", "--jsn"], '"--json"'),
                             (["queue", "list", "--form"], '"--from"')):
        done = said(*arguments)
        assert done.returncode == 64 and f"did you mean {meant}?" in done.stderr, (arguments, done)
        assert "\nusage: mailweir COMMAND" not in done.stderr, done  # the proposal is not lost in front of everything else
    assert said("nothing-like-it").stderr == 'mailweir: there is no command "nothing-like-it"; "mailweir help" lists them\n'
    assert said("queue", "nothing").stderr == 'mailweir queue: there is no verb "nothing"; "mailweir queue --help" lists them\n'
    for one, other in ((["status", "-h"], ["status", "--help"]), (["help", "status"], ["status", "--help"]), (["-h"], ["--help"]),
                       (["help", "queue", "retry"], ["queue", "retry", "--help"]), (["queue", "-h"], ["queue", "--help"])):
        assert said(*one).stdout == said(*other).stdout != "", (one, other)
    assert "/etc/mailweir/mailweir.json" in said("help", "status").stdout and "examples:\n" in said("help", "explain").stdout
    assert "/none.json" in said("check", "-c", "/none.json").stderr
    for before in (["-c", "/none.json"], ["--config", "/none.json"], ["--config=/none.json"]):
        assert "/none.json" in said(*before, "check").stderr, before
    assert said("-c").returncode == 64 and said("-V").stdout == said("version").stdout
    assert 'write since:WORD' in said("find", "--since", "2h").stderr
    assert said("spool", "--help").stdout.count("export") == 0, "spool exports nothing"
    for letters in ("-x", "-cfile", "-hc"):
        assert said("check", letters).returncode == 64, letters


def dialogue(gateway, octets, until_close=True):
    """Sends the octets at once and returns all that comes back until the other side closes."""
    with socket.create_connection(("127.0.0.1", gateway.port), 20) as client:
        client.settimeout(20)
        client.sendall(octets)
        answer = b""
        while data := client.recv(65536):
            answer += data
        return answer


def test_smuggling_is_refused(world):
    """Anything but CR LF . CR LF around the dot ends the session with a refusal; nothing behind it is executed."""
    dovecot = world.dovecot()
    gateway = world.mailweir(dovecot).start()
    head = b"EHLO client.example\r\nMAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.net>\r\nDATA\r\nSubject: x\r\n\r\nbody"
    evil = b"MAIL FROM:<evil@example.com>\r\nRCPT TO:<b@example.net>\r\nDATA\r\nSubject: smuggled\r\n\r\n.\r\n"
    ends = [b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r\n", b"\r.\r", b"\r.\n", b"\n.\r", b"\r\n.\r"]
    for end in ends:
        answer = dialogue(gateway, head + end + evil + b"QUIT\r\n")
        last = answer.splitlines()[-1]
        assert last.startswith(b"5"), (end, answer)
        assert answer.count(b"250 2.0.0") == 0 and answer.count(b"354") == 1, (end, answer)
    assert gateway.events("accepted") == []
    gateway.send(message("honest"))
    wait(lambda: dovecot.count() == 1, "the honest message")
    gateway.stop()
    assert len(gateway.events("rejected")) == len(ends)


def test_pipelining_and_dots(world):
    dovecot = world.dovecot()
    gateway = world.mailweir(dovecot).start()
    answer = dialogue(gateway, b"EHLO client.example\r\nMAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.net>\r\nRCPT TO:<c@>\r\n"
                      b"DATA\r\nSubject: dots\r\n\r\n..\r\n...x\r\n.\r\nNOOP\r\nVRFY x\r\nHELP\r\nQUIT\r\n")
    codes = [line[:3] for line in answer.splitlines() if line[3:4] == b" "]
    assert codes == [b"220", b"250", b"250", b"250", b"501", b"354", b"250", b"250", b"252", b"214", b"221"], answer
    wait(lambda: dovecot.count() == 1, "message")
    assert dovecot.messages()[0].endswith(b"\r\n\r\n.\r\n..x\r\n")
    gateway.stop()


def test_sessions_are_bounded(world):
    gateway = world.mailweir(None)
    port = free_port()
    gateway.configuration["listeners"][0].update(max_sessions=3, max_errors=5)
    gateway.configuration["listeners"].append({"name": "strict", "address": f"127.0.0.1:{port}", "timeouts": {"command": "300ms"}})
    gateway.start()
    with socket.create_connection(("127.0.0.1", port), 10) as silent:
        silent.settimeout(30)
        answer = b""
        while data := silent.recv(4096):
            answer += data
        assert b"421" in answer.splitlines()[-1], answer
    answer = dialogue(gateway, b"EHLO x\r\n" + b"NONSENSE\r\n" * 20)
    assert answer.splitlines()[-1].startswith(b"421"), answer
    assert answer.count(b"500 ") <= 6
    held = [socket.create_connection(("127.0.0.1", gateway.port), 10) for _ in range(3)]
    wait(lambda: all(client.recv(3) == b"220" for client in held) or True, "greetings")
    with socket.create_connection(("127.0.0.1", gateway.port), 10) as fourth:
        fourth.settimeout(10)
        assert fourth.recv(100).startswith(b"421")
    for client in held:
        client.close()
    gateway.stop()


def test_only_loopback_may_send_unless_allowed(world):
    """A listener without `allow` takes mail from loopback only; one with a network takes it from there only."""
    gateway = world.mailweir(None)
    gateway.configuration["listeners"][0]["allow"] = ["192.0.2.0/24"]
    gateway.start()
    with socket.create_connection(("127.0.0.1", gateway.port), 10) as client:
        client.settimeout(10)
        assert client.recv(100)[:1] in (b"5", b"4")
    gateway.stop()
