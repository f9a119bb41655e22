"""A first configuration by five questions or by options: checked, tried, and with a test message; what exists stays."""
import json
import os
import stat
import subprocess

from harness import MAILWEIR, free_port


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
    assert status == 1 and dovecot.count() == 0, (status, out, err)
    status, _, err = init(folder, "--force", "--offline", "--server", "127.0.0.1:1", *[word.replace("127.0.0.1", "nonsense") for word in given])
    assert status == 78 and "is not good yet" in err, err


def test_answers_that_are_too_long(world):
    """What is too long is refused, not cut: a part of a password is another one."""
    folder = world.folder
    for answers, said in ((f"127.0.0.1:1\nrelay\n{'x' * 1001}\n\n\n", "the password is longer than 1000 octets"),
                          (f"127.0.0.1:1\n{'x' * 5000}\npw\n\n\n", "is longer than 1000 octets")):
        status, _, err = init(folder, "--offline", answers=answers)
        assert status == 64 and said in err and not list(folder.glob("*.json")) and not list(folder.glob("*password*")), err
    status, out, err = init(folder, "--offline", answers=f"127.0.0.1:1\nrelay\n{'x' * 1000}\n\n\n")
    assert status == 0 and (folder / "imap.password").read_text() == "x" * 1000 + "\n", (out, err)
