"""On a terminal: long work shows how far it is, in colour unless NO_COLOR is there; in a pipe neither is seen."""
import datetime
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios

from harness import MAILWEIR, message, wait
from terminal import Screen, top

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
    ident = gateway.send(message())
    mail = gateway.folder / "mail.eml"
    mail.write_bytes(message())
    wait(lambda: gateway.events("deferred"), "an attempt")
    gateway.rules = [{"name": "wide", "if": {"header": "Subject", "matches": "(a+)+$"}, "then": [{"stop": True}]}]
    gateway.write()
    for arguments in (["queue", "list"], ["why", ident], ["check"], ["find", "state:waiting"],
                      ["explain", "--from", "a@b.example", "--to", "ops@example.net", str(mail)]):
        status, shown = on_terminal(gateway, *arguments)
        assert b"\x1b[" in shown and b"\x1b[0m" in shown, (arguments, shown)
        assert not re.search(rb"\x1b\[[0-9;]*m", on_terminal(gateway, *arguments, env={"NO_COLOR": "1"})[1]), arguments
        assert "\x1b" not in "".join(gateway.run(*arguments)[1:]), arguments
    assert b"\x1b[33mwarning\x1b[0m" in on_terminal(gateway, "check")[1]
    gateway.stop()


def test_the_log_on_a_terminal(world):
    """Columns, levels in colour, local time; the delivery's id as what it adds to its message's."""
    gateway = world.mailweir(None)
    gateway.write()
    main, side = pty.openpty()
    process = subprocess.Popen([MAILWEIR, "run"], stdin=subprocess.DEVNULL, stdout=side, stderr=side, env={
        "PATH": os.environ["PATH"], "TERM": "xterm", "TZ": "<+05>-05", "MAILWEIR_CONFIG": str(gateway.file)})
    world.cleanup.append(process.kill)
    os.close(side)
    shown = b""

    def read():
        nonlocal shown
        while select.select([main], [], [], 0.1)[0]:
            shown += os.read(main, 65536)
        return shown

    wait(lambda: b"mready" in read(), "the start")
    ident = gateway.send(message())
    wait(lambda: b"deferred" in read(), "an attempt")
    process.terminate()
    process.wait(60)
    os.close(main)
    lines = [line for line in shown.decode().replace("\r", "").splitlines() if ident[:14] in line]
    plain = [re.sub(r"\x1b\[[0-9]*m", "", line) for line in lines]
    now = datetime.datetime.now(datetime.timezone(datetime.timedelta(hours=5)))
    for line in plain:
        assert re.match(rf"\d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{{3}} (info   |warning) [a-z_]{{1,}} +id={ident[:14]} ", line), line
    assert abs((datetime.datetime.fromisoformat(plain[0][:23]) - now.replace(tzinfo=None)).total_seconds()) < 600, (plain[0], now)
    assert any("\x1b[33mwarning\x1b[0m \x1b[1mdeferred" in line and "delivery=.1 " in line for line in lines), lines


def test_completion_of_what_is_there(world):
    """States, upstreams, listeners, rules and ids: of the configuration, and of the gateway that runs."""
    gateway = world.mailweir(None, [{"name": "invoices", "if": {"header": "Subject", "contains": "invoice"}, "then": [{"stop": True}]},
                                    {"name": "$(touch pwned)", "if": {"header": "X-None", "exists": True}, "then": [{"stop": True}]}]).start()
    ident = gateway.send(message())
    script = subprocess.run([MAILWEIR, "completion", "bash"], capture_output=True, text=True, timeout=30, check=True).stdout

    def complete(*words):
        words = [str(MAILWEIR), *words]
        quoted = " ".join("'" + word.replace("'", "'\\''") + "'" for word in words)
        ask = f'{script}\nCOMP_WORDS=({quoted}); COMP_CWORD={len(words) - 1}; _mailweir; printf "%s\n" "${{COMPREPLY[@]}}"'
        done = subprocess.run(["bash", "-c", ask], capture_output=True, text=True, timeout=60, cwd=world.folder,
                              env={**os.environ, "MAILWEIR_CONFIG": str(gateway.file)})
        return set(done.stdout.split())

    assert complete("queue", "list", "--state", "") == {"waiting", "held", "dead", "filed", "dropped", "moved"}
    assert complete("queue", "retry", "--state", "w") == {"waiting"}
    assert complete("queue", "list", "--upstream", "") == {"corp"} and complete("queue", "pause", "co") == {"corp"}
    assert "corp" in complete("upstreams", "") and complete("trace", "--listener", "a") == {"apps"}
    assert complete("queue", "list", "--rule", "") == {"invoices"} and not (world.folder / "pwned").exists()
    for command in (["why"], ["queue", "show"], ["queue", "hold"]):
        assert ident in complete(*command, ident[:6]), command
    assert complete("queue", "list", "-c", str(gateway.file), "--upstream", "") == {"corp"}
    gateway.stop()
    assert complete("queue", "list", "--upstream", "") == {"corp"}, "the configuration knows, whether a gateway runs or not"
    assert complete("why", "01") == set() or ident not in complete("why", "01")
    assert gateway.run("completion", "--words", "colours")[0] == 64


def test_top_fills_the_terminal(world):
    """Rules with rates, upstreams with state and reason, the queue, failures; keys; a new size; the terminal comes back."""
    gateway = world.mailweir(None, [{"name": "invoices", "if": {"header": "Subject", "contains": "invoice"},
                                     "then": [{"fileinto": {"upstream": "corp", "folder": "Invoices"}}, {"stop": True}]}])
    gateway.start()
    main, side = pty.openpty()
    fcntl.ioctl(main, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 110, 0, 0))
    before = termios.tcgetattr(side)
    process = subprocess.Popen([MAILWEIR, "top"], stdin=side, stdout=side, stderr=side,
                               env={"PATH": os.environ["PATH"], "TERM": "xterm", "MAILWEIR_CONFIG": str(gateway.file)})
    screen = Screen(30, 110)

    def shows(*words):
        """Whether a whole picture has all of the words; what comes is read until then."""
        while select.select([main], [], [], 0)[0]:
            screen.feed(os.read(main, 65536))
        picture = "\n".join(getattr(screen, "last", []))
        return all(word in picture for word in words) and picture

    gateway.send(message("an invoice"))
    picture = wait(lambda: shows("FLOW BY RULE", "invoices", "UPSTREAM", "failing", "refused", "1 waiting (nothing is filed now)", "LAST FAILURES", "deferred"), "a whole picture")
    assert screen.other and max(len(line) for line in picture.splitlines()) <= 110 and len(picture.splitlines()) <= 30, picture
    assert "connection refused" in picture and "sorted by rate" in picture
    os.write(main, b"s")
    wait(lambda: shows("sorted by total"), "another order")
    os.write(main, b"?")
    wait(lambda: shows("sort rules by rate, total or name"), "the help")
    os.write(main, b"?")
    wait(lambda: shows("FLOW BY RULE"), "the picture again")
    fcntl.ioctl(main, termios.TIOCSWINSZ, struct.pack("HHHH", 12, 50, 0, 0))
    picture = wait(lambda: (picture := shows("FLOW BY RULE")) and max(map(len, picture.splitlines())) <= 50 and picture, "a narrow picture")
    assert len(picture.splitlines()) <= 12, picture
    os.write(main, b"q")
    wait(lambda: shows() is not None and process.poll() is not None, "its end")
    shows()
    assert process.returncode == 0 and not screen.other and termios.tcgetattr(side)[3] == before[3]
    os.close(main)
    os.close(side)
    gateway.stop()


def test_top_tells_what_cannot_be_filed(world):
    """What waits for an upstream that is down is not promised at the pace of the others; the command that helps is whole on a small terminal; the
    same failure again is one line that counts."""
    gateway = world.mailweir(world.dovecot(), [{"name": "to-nowhere", "if": {"header": "Subject", "contains": "nowhere"},
                                                "then": [{"fileinto": {"upstream": "nowhere", "folder": "INBOX"}}, {"stop": True}]}])
    gateway.configuration["upstreams"]["nowhere"] = {**gateway.upstream, "address": "127.0.0.1:1", "retry": {"initial": "200ms", "maximum": "500ms"}}
    gateway.start()
    gateway.send(message("nowhere"))
    with top(gateway, rows=30, columns=80) as picture:
        number = iter(range(1, 10000))

        def all_of_it():
            gateway.send(message("hello", number=next(number)))
            found = picture_now("  -> mailweir upstreams nowhere", "next try in ")
            return found and re.search(r"\(for upstreams that take no mail now\)|filed in \d+ s, the others not now\)", found) and found

        picture_now = picture.now
        shown = wait(all_of_it, "a picture")
        assert "empty in" not in shown and max(map(len, shown.splitlines())) <= 80, shown
        shown = wait(lambda: (found := picture_now("x upstream_failed nowhere")) and re.search(r" [1-9]\d*x upstream_failed nowhere", found) and found, "a count")
        assert len(re.findall("upstream_failed nowhere", shown)) == 1, shown
    gateway.stop()


def test_top_hears_keys_at_once(world):
    """Also while nothing comes from the gateway, which stands still here: the picture follows the key, and q ends it."""
    gateway = world.mailweir(None).start()
    with top(gateway) as picture:
        picture("UPSTREAM")
        os.kill(gateway.process.popen.pid, signal.SIGSTOP)
        try:
            picture.press(b"?")
            picture("show or hide this help")
            picture.press(b"?")
            picture("UPSTREAM")
            picture.press(b"q")
            assert picture.ended() == 0
        finally:
            os.kill(gateway.process.popen.pid, signal.SIGCONT)
    gateway.stop()
