#!/usr/bin/python3
"""layout - clang-format decides it: no C file is laid out otherwise than .clang-format says."""
import pathlib
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


def main():
    if shutil.which("clang-format") is None:
        print("clang-format is not installed")
        return 77
    files = sorted(str(path) for folder in ("gateway", "filters", "tests") for path in (ROOT / folder).rglob("*.[ch]"))
    done = subprocess.run(["clang-format", "--dry-run", "--Werror", *files], capture_output=True, text=True)
    print(done.stderr[-4000:] or "laid out as .clang-format says")
    return 1 if done.returncode else 0


sys.exit(main())
