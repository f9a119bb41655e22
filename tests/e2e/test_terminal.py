"""On a terminal: long work shows how far it is, in colour unless NO_COLOR is there; in a pipe neither is seen."""
import os
import pty
import select
import subprocess

from harness import MAILWEIR, message

BAR, COLOUR = b"\x1b[K", b"\x1b[32m"


def on_terminal(gateway, *arguments, env=None):
    """(exit status, what a terminal as standard output and error showed)"""
    main, side = pty.openpty()
    process = subprocess.Popen([MAILWEIR, *arguments], stdin=subprocess.DEVNULL, stdout=side, stderr=side,
                               env={"PATH": os.environ["PATH"], "TERM": "xterm", "MAILWEIR_CONFIG": str(gateway.file), **(env or {})})
    os.close(side)
    shown = b""
    while True:
        assert select.select([main], [], [], 60)[0], "nothing more comes, and it does not end"
        try:
            octets = os.read(main, 65536)
        except OSError:  # the other side was closed
            break
        if not octets:
            break
        shown += octets
    os.close(main)
    return process.wait(60), shown


def test_progress(world):
    gateway = world.mailweir(None)
    gateway.start()
    for n in range(3):
        gateway.send(message(f"number {n}", number=n))
    out = [str(gateway.folder / name) for name in ("out", "plain", "piped")]
    rules = str(gateway.folder / "rules.json")
    mail = gateway.folder / "mail.eml"
    mail.write_bytes(message())
    work = {"exporting": ["queue", "export", "--all", "--to", out[0]],
            "looking": ["queue", "reroute", "--all", "--dry-run"],
            "checking": ["spool", "check"],
            "comparing": ["explain", "--diff", rules, rules, str(mail), "--to", "a@example.net", "--default", "corp:INBOX"]}
    for word, arguments in work.items():
        status, shown = on_terminal(gateway, *arguments)
        assert status == 0 and word.encode() in shown and BAR in shown, (word, status, shown)
        # The line is taken away before the end: what stays is the result.
        assert word.encode() not in shown.rsplit(BAR, 1)[1], shown
    assert COLOUR in on_terminal(gateway, "queue", "export", "--all", "--to", out[1])[1]
    shown = on_terminal(gateway, "queue", "export", "--all", "--to", out[2], env={"NO_COLOR": "1"})[1]
    assert b"exporting" in shown and COLOUR not in shown and b"\x1b[0m" not in shown, shown
    for arguments in work.values():
        arguments = [a.replace(out[0], str(gateway.folder / "quiet")) for a in arguments]
        done = subprocess.run([MAILWEIR, *arguments], capture_output=True, timeout=60, env={**os.environ, "MAILWEIR_CONFIG": str(gateway.file)})
        assert done.returncode == 0 and b"\x1b" not in done.stdout + done.stderr and b"\r" not in done.stderr, (arguments, done)
    gateway.stop()


def test_colour(world):
    gateway = world.mailweir(None).start()
    assert b"\x1b[" in on_terminal(gateway, "status")[1]
    assert b"\x1b[" not in on_terminal(gateway, "status", env={"NO_COLOR": "1"})[1]
    assert b"\x1b[" not in on_terminal(gateway, "status", env={"TERM": "dumb"})[1]
    assert "\x1b" not in gateway.run("status")[1]
    gateway.stop()
