#!/usr/bin/python3
"""mutations - the deliberate faults of the simulation (tests/sim/mutate) fit the code: a change of it that moves their text moves them, too."""
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


def main():
    done = subprocess.run([sys.executable, str(ROOT / "tests/sim/mutate"), "--stale"], capture_output=True, text=True)
    print(done.stdout + done.stderr or "every deliberate fault fits the code")
    return done.returncode


sys.exit(main())
