"""A first configuration by five questions or by options: checked, tried, and with a test message; what exists stays."""
import json
import os
import pty
import pwd
import stat
import subprocess

from harness import MAILWEIR, Skip, free_port


def init(folder, *arguments, answers=""):
    done = subprocess.run([MAILWEIR, "init", "--config", str(folder / "mailweir.json"), "--spool", str(folder / "spool"), *arguments],
                          input=answers, capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout, done.stderr


def test_questions(world):
    """All five are asked; what comes of them runs, takes mail and files it; the password is the owner's alone."""
    dovecot = world.dovecot()
    folder, port = world.folder, free_port()
    status, out, err = init(folder, "--ca-file", str(world.certificates.ca), "--hostname", "gw.example.net",
                            answers=f"127.0.0.1:{dovecot.tls_port}\nrelay\nrelaypw\n127.0.0.1:{port}\n\n")
    assert status == 0, (out, err)
    assert all(f"{number}. " in err for number in range(1, 6)) and "[127.0.0.0/8,::1/128]" in err, err
    assert "is good" in out and "a test message was filed in INBOX of relay" in out and "mailweir run" in out, out
    assert b"Subject: mailweir can file mail here" in dovecot.messages()[0]
    secret = folder / "imap.password"
    assert secret.read_text() == "relaypw\n" and stat.S_IMODE(os.stat(secret).st_mode) == 0o600
    written = json.loads((folder / "mailweir.json").read_text())
    assert "relaypw" not in json.dumps(written) and written["listeners"][0]["allow"] == ["127.0.0.0/8", "::1/128"]
    gateway = world.mailweir(dovecot)
    gateway.configuration, gateway.port = written, port
    gateway.configuration["default"]["folder"] = "INBOX"
    gateway.rules = []
    gateway.start()
    gateway.send(b"Subject: through it\r\n\r\nx\r\n")
    gateway.stop()

    before = (folder / "mailweir.json").read_text()
    status, _, err = init(folder, answers="a\nb\nc\n\n\n")
    assert status == 73 and "exists already" in err and (folder / "mailweir.json").read_text() == before


def test_options_and_what_is_wrong(world):
    folder = world.folder
    (folder / "pw").write_text("wrong\n")
    given = ["--username", "relay", "--password-file", str(folder / "pw"), "--listen", f"127.0.0.1:{free_port()}", "--allow", "127.0.0.1"]
    status, _, err = init(folder, *given)
    assert status == 64 and "give it with --server" in err and not (folder / "mailweir.json").exists(), err
    status, out, err = init(folder, "--server", "127.0.0.1:1", "--offline", *given)
    assert status == 0 and "is good" in out and not (folder / "imap.password").exists(), (out, err)
    dovecot = world.dovecot()
    status, out, err = init(folder, "--force", "--server", f"127.0.0.1:{dovecot.tls_port}", "--ca-file", str(world.certificates.ca), *given)
    assert status == 1 and dovecot.count() == 0 and "the account does not work yet" in err, (status, out, err)
    status, _, err = init(folder, "--force", "--offline", "--server", "127.0.0.1:1", *[word.replace("127.0.0.1", "nonsense") for word in given])
    assert status == 64 and '--listen: ' not in err and '--allow: "nonsense" is not a network' in err, err
    status, _, err = init(folder, "--force", "--offline", "--tls", "maybe", "--server", "127.0.0.1:1", *given)
    assert status == 78 and "is not good yet" in err, err


def on_terminal(folder, *arguments, answers):
    """Each answer is given to its question; what the terminal showed."""
    main, side = pty.openpty()
    process = subprocess.Popen([MAILWEIR, "init", "--offline", *arguments], cwd=folder, stdin=side, stdout=side, stderr=side, start_new_session=True)
    os.close(side)
    shown = ""
    for question, answer in [*answers, (None, None)]:
        begun = len(shown)
        while question is None or question not in shown[begun:]:
            try:
                shown += os.read(main, 65536).decode()
            except OSError:
                break
        if question:
            os.write(main, answer.encode() + b"\n")
    os.close(main)
    return process.wait(20), shown


def test_a_person_is_asked_again(world):
    """What cannot be right is asked once more, and nothing is written before all of it can be."""
    status, shown = on_terminal(world.folder, "--config", "mailweir.json", "--spool", "spool", answers=[
        ("1. ", ""), ("1. ", "imap.example.net:999999"), ("1. ", "imap.example.net"), ("2. ", ""), ("2. ", "relay"), ("3. ", ""), ("3. ", "relaypw"),
        ("4. ", "25"), ("4. ", "127.0.0.1:70000"), ("4. ", f"127.0.0.1:{free_port()}"), ("5. ", "300.1.2.3/8"), ("5. ", "10.0.0.0/8, 192.0.2.1")])
    assert status == 0 and "mailweir.json is good" in shown and '"300.1.2.3/8" is not a network' in shown, shown
    assert shown.count("there is no answer to") == 2 and "there is no password" in shown, shown
    written = json.loads((world.folder / "mailweir.json").read_text())
    assert written["upstreams"]["mailbox"]["address"] == "imap.example.net:993" and written["listeners"][0]["allow"] == ["10.0.0.0/8", "192.0.2.1"]


def test_paths_are_from_the_working_folder(world):
    """What is named from here is found by a configuration that lies elsewhere."""
    folder = world.folder
    (folder / "etc").mkdir()
    (folder / "pw").write_text("relaypw\n")
    common = ["--offline", "--server", "imap.example.net", "--username", "relay", "--listen", f"127.0.0.1:{free_port()}", "--allow", "127.0.0.1", "--spool", "spool"]

    def run(*arguments, answers=""):
        done = subprocess.run([MAILWEIR, "init", *arguments, *common], cwd=folder, input=answers, capture_output=True, text=True, timeout=60)
        return done.returncode, done.stdout + done.stderr

    status, out = run("--config", "etc/one.json", answers="relaypw\n")
    assert status == 0 and json.loads((folder / "etc/one.json").read_text())["spool"]["path"] == str(folder / "spool"), out
    # The password that is there belongs to the first one.
    status, out = run("--config", "etc/two.json", answers="another\n")
    assert status == 73 and "imap.password exists already" in out and (folder / "etc/imap.password").read_text() == "relaypw\n", out
    status, out = run("--config", "etc/two.json", "--password-file", "pw")
    assert status == 0 and "etc/two.json is good" in out, out


def test_the_service_reads_what_root_writes(world):
    """As the package has it: the folder is root's, and the group of the service may enter."""
    if os.geteuid() != 0:
        raise Skip("only root can give a folder to a group")
    folder = world.folder / "etc"
    folder.mkdir(mode=0o750)
    group = pwd.getpwnam("nobody").pw_gid
    os.chown(folder, 0, group)
    status, out, err = init(folder, "--offline", answers=f"imap.example.net\nrelay\nrelaypw\n127.0.0.1:{free_port()}\n\n")
    assert status == 0, (out, err)
    for name in ("mailweir.json", "imap.password"):
        found = (folder / name).stat()
        assert (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (0, group, 0o640), (name, found)


def test_answers_that_are_too_long(world):
    """What is too long is refused, not cut: a part of a password is another one."""
    folder = world.folder
    for answers, said in ((f"127.0.0.1:1\nrelay\n{'x' * 1001}\n\n\n", "the password is longer than 1000 octets"),
                          (f"127.0.0.1:1\n{'x' * 5000}\npw\n\n\n", "is longer than 1000 octets")):
        status, _, err = init(folder, "--offline", answers=answers)
        assert status == 64 and said in err and not list(folder.glob("*.json")) and not list(folder.glob("*password*")), err
    status, out, err = init(folder, "--offline", answers=f"127.0.0.1:1\nrelay\n{'x' * 1000}\n\n\n")
    assert status == 0 and (folder / "imap.password").read_text() == "x" * 1000 + "\n", (out, err)
