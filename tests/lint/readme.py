#!/usr/bin/python3
"""readme - the front door is short, names every command, and has what wins a reader in a minute; the page about the house names every library of CMakeLists.txt,
and its ways in lead somewhere; the guide's index has one place for each question that operators ask."""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
# What pkg-config calls it: what people call it.
LIBRARIES = {"uv": "libuv", "ssl": "OpenSSL", "seccomp": "libseccomp", "pcre2": "PCRE2", "glib": "GLib", "idn2": "libidn2", "jansson": "jansson",
             "microhttpd": "libmicrohttpd", "curl": "libcurl", "sqlite": "SQLite", "pq": "libpq", "gsasl": "libgsasl", "crypt": "libxcrypt",
             "zlib": "zlib", "xxhash": "xxHash", "hs": "Vectorscan", "cmocka": "cmocka"}
WAYS = 12  # for a newcomer, at least
WORDS = 1500  # of the front door, at most
HOUSE, GUIDE = ROOT / "deploy/doc/house.md", ROOT / "deploy/doc/operators-guide.md"
# What the index of the guide is asked: a word of each question.
QUESTIONS = ("without a login", "password was changed", "disk is full", "Microsoft 365", "Gmail", "certificate", "from afar", "move the queue", "rate", "daylight saving",
             "dots", "reverse proxy", "rights", "logs", "two machines")


def lost_ways(readme):
    """Of "a newcomer who wants to change…": what is too few, and files that are not there. A name without a folder stands in the folder named before it."""
    section = readme.split("A newcomer who wants to change…\n", 1)[-1].lstrip().split("\n\n", 1)[0]
    ways = re.findall(r"^- …(.*)", section, re.M)
    if len(ways) < WAYS:
        yield f"house.md: {len(ways)} ways in for a newcomer; {WAYS} at least"
    for way in ways:
        folder = None
        for name in re.findall(r"`([\w./*-]+\.[ch])`", way):
            folder = ROOT / name.rpartition("/")[0] if "/" in name else folder
            if folder is None or not any(folder.glob(name.rpartition("/")[2])):
                yield f"house.md: a newcomer is sent to {name}, which is not there"


def lost_questions(guide):
    """Each stands in one row of the index, which leads to one place."""
    index = guide.split("\n## Where each question is answered\n", 1)[-1].split("\n## ", 1)[0]
    for question in QUESTIONS:
        rows = [line for line in index.splitlines() if line.startswith("|") and question in line.split("|")[1]]
        if len(rows) != 1 or len(re.findall(r"\]\(", rows[0])) != 1:
            yield f"operators-guide.md: the index has {len(rows)} rows about \"{question}\", and each leads to one place"


def main():
    readme, house = (ROOT / "README.md").read_text(), HOUSE.read_text()
    table = (ROOT / "gateway/cli/main.c").read_text()
    commands = re.findall(r'^\s*{"(\w+)", cmd_', table, re.M)
    section = readme.split("\n## Commands\n", 1)[1].split("\n## ", 1)[0]
    problems = [f"README.md: the command \"{name}\" does not stand under Commands" for name in commands
                if not re.search(rf"`(mailweir )?{name}`", section)]
    if len(readme.split()) >= WORDS:
        problems.append(f"README.md: {len(readme.split())} words; under {WORDS}, the rest is for deploy/doc")
    for name in re.findall(r"pkg_check_modules\((\w+)", (ROOT / "CMakeLists.txt").read_text()):
        known = LIBRARIES.get(name.lower())
        if known is None:
            problems.append(f"tests/lint/readme.py: what is {name}? add it to the table")
        elif known not in house.split("\n## What it is built on\n", 1)[1]:
            problems.append(f"house.md: {known} does not stand under What it is built on")
    problems += [*lost_ways(house), *lost_questions(GUIDE.read_text())]
    if not commands:
        problems.append("gateway/cli/main.c: no command was found, which cannot be")
    print("\n".join(problems) or "every command, library and question is named")
    return 1 if problems else 0


sys.exit(main())
