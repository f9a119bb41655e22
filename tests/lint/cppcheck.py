#!/usr/bin/python3
"""cppcheck - finds nothing in the program. What it found out about a file is kept in build/, until the file or one that it includes changes."""
import pathlib
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


def main():
    if shutil.which("cppcheck") is None:
        print("cppcheck is not installed")
        return 77
    kept = ROOT / "build/cppcheck"
    kept.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(["cppcheck", f"--cppcheck-build-dir={kept}", "--quiet", "--std=c11",
                           "--enable=warning,performance,portability", "--inline-suppr", "--error-exitcode=1", "-j", "2", "-I", "gateway", "-I", ".", "gateway", "filters"], cwd=ROOT,
                          capture_output=True, text=True)
    print(done.stdout + done.stderr or "nothing to say")
    return 1 if done.returncode else 0


sys.exit(main())
