#!/usr/bin/python3
"""manuals - the rule reference in Markdown is the manual page in other words: both are held together, and "--write" makes the one from the other.

Links of the front door and of the guides lead to files that are there.
"""
import pathlib
import re
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
PAGE, TEXT = ROOT / "deploy/doc/mailweir-rules.5", ROOT / "deploy/doc/rules.md"
HEAD = "<!-- Made from the manual page mailweir-rules(5) by tests/lint/manuals.py, option write: change that. -->\n\n"
GUIDES = ("README.md", "deploy/doc/operators-guide.md")


def reference():
    made = subprocess.run(["mandoc", "-T", "markdown", str(PAGE)], capture_output=True, text=True, check=True).stdout
    return HEAD + re.sub(r"\n[^\n]*\bDebian\b[^\n]*\n*\Z", "\n", made)  # the last line names the machine it was made on


def main():
    if shutil.which("mandoc") is None:
        print("mandoc is not installed")
        return 77
    wanted = reference()
    if "--write" in sys.argv:
        TEXT.write_text(wanted)
        return 0
    problems = []
    if not TEXT.exists() or TEXT.read_text() != wanted:
        problems.append("deploy/doc/rules.md is not what the manual page says: tests/lint/manuals.py --write")
    for name in GUIDES:
        guide = ROOT / name
        for target in re.findall(r"\]\(([^)#\s]+)", guide.read_text()):
            if "://" not in target and not (guide.parent / target).exists():
                problems.append(f"{name}: {target} is not there")
    print("\n".join(problems) or "the manuals agree, and links lead somewhere")
    return 1 if problems else 0


sys.exit(main())
