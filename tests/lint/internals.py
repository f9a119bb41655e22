#!/usr/bin/python3
"""internals - the pages about mechanisms stay true and short: every function and file that one names is there; no page has 80 lines or more; the
table of floors is the one that floors.py holds includes and calls against."""
import pathlib
import re
import sys

import floors

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
PAGES = ROOT / "deploy/doc/internals"
LINES = 80


def main():
    sources = [*ROOT.glob("gateway/**/*.[ch]"), *ROOT.glob("filters/*.[ch]"), *ROOT.glob("tests/sim/*.[ch]")]
    code = "\n".join(path.read_text() for path in sources)
    names = {path.name for path in [*sources, *ROOT.glob("tests/**/*")]}
    problems = []
    for page in sorted(PAGES.glob("*.md")):
        text = page.read_text()
        where = page.relative_to(ROOT)
        if text.count("\n") >= LINES:
            problems.append(f"{where}: {text.count(chr(10))} lines; fewer than {LINES} are read to their end")
        for name in sorted(set(re.findall(r"`(\w+)\(\)`", text))):
            if not re.search(rf"^[a-z_][^;\n]*\b{name}\(", code, re.M):
                problems.append(f"{where}: there is no function {name}()")
        for name in sorted(set(re.findall(r"`([\w./-]+\.(?:c|h|py))`", text))):
            if name.rpartition("/")[2] not in names or ("/" in name and not (ROOT / name).exists()):
                problems.append(f"{where}: there is no file {name}")
        for link in re.findall(r"\]\(([\w.-]+)\)", text):
            if not (PAGES / link).exists():
                problems.append(f"{where}: leads to {link}, which is not there")
    if floors.table() not in (PAGES / "floors.md").read_text():
        problems.append("deploy/doc/internals/floors.md: the table is not that of tests/lint/floors.py: put in what \"floors.py --table\" writes")
    print("\n".join(problems) or "the pages name what there is")
    return 1 if problems else 0


sys.exit(main())
