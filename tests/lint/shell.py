#!/usr/bin/python3
"""shell - shellcheck over every shell script of the project."""
import pathlib
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


def is_shell(path):
    if path.suffix == ".sh":
        return True
    with open(path, "rb") as file:
        first = file.readline()
    return first.startswith(b"#!") and b"sh" in first.split(b"/")[-1].split()[-1][-4:]


def main():
    if shutil.which("shellcheck") is None:
        print("shellcheck is not installed")
        return 77
    listed = subprocess.run(["git", "-C", str(ROOT), "ls-files", "-co", "--exclude-standard"], capture_output=True, text=True)
    scripts = [name for name in listed.stdout.splitlines() if (ROOT / name).is_file() and is_shell(ROOT / name)]
    if not scripts:
        print("no shell script was found, which cannot be")
        return 1
    return subprocess.run(["shellcheck", "--external-sources", "--source-path=SCRIPTDIR", "--exclude=SC1091", *scripts],
                          cwd=ROOT).returncode


sys.exit(main())
