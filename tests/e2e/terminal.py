"""terminal - a terminal for programs that draw on it, and what it shows."""
import contextlib
import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios

from harness import MAILWEIR, wait


class Screen:
    """What a terminal of this size shows: as much of its language as top speaks (cursor home, rows, clearing, colours)."""

    def __init__(self, rows, columns):
        self.rows, self.columns = rows, columns
        self.lines, self.at = [], 0
        self.other = False

    def feed(self, octets):
        for part in re.split(r"(\x1b\[[?0-9;]*[a-zA-Z])", octets.decode(errors="replace")):
            if part in ("\x1b[?1049h", "\x1b[?1049l"):
                self.other = part.endswith("h")
            elif part == "\x1b[H":
                self.lines = [""]
            elif part == "\x1b[J":  # the end of a picture
                self.last = self.lines
            elif part and not part.startswith("\x1b"):
                first, *more = part.split("\r\n")
                self.lines = self.lines or [""]
                self.lines[-1] += first
                self.lines += more


@contextlib.contextmanager
def top(gateway, rows=40, columns=120):
    """mailweir top on a terminal of this size; gives a function that waits until a whole picture has all of its words, and returns that; its
    press() types, its ended() waits for the program."""
    main, side = pty.openpty()
    fcntl.ioctl(main, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    process = subprocess.Popen([MAILWEIR, "top"], stdin=side, stdout=side, stderr=side,
                               env={"PATH": os.environ["PATH"], "TERM": "xterm", "MAILWEIR_CONFIG": str(gateway.file)})
    screen = Screen(rows, columns)

    def picture(*words):
        while select.select([main], [], [], 0)[0]:
            screen.feed(os.read(main, 65536))
        text = "\n".join(getattr(screen, "last", []))
        return all(word in text for word in words) and text

    def wait_for(*words):
        return wait(lambda: picture(*words), "a picture with " + ", ".join(words))

    wait_for.now = picture
    wait_for.press = lambda keys: os.write(main, keys)
    wait_for.ended = lambda: process.wait(30)
    try:
        yield wait_for
    finally:
        process.terminate()
        process.wait()
        os.close(main)
        os.close(side)
