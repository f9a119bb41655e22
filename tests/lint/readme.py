#!/usr/bin/python3
"""readme - the front door names every command and every library: those of the program's table and of CMakeLists.txt; and its ways in lead somewhere."""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
# What pkg-config calls it: what people call it.
LIBRARIES = {"uv": "libuv", "ssl": "OpenSSL", "seccomp": "libseccomp", "pcre2": "PCRE2", "glib": "GLib", "idn2": "libidn2", "jansson": "jansson",
             "microhttpd": "libmicrohttpd", "curl": "libcurl", "sqlite": "SQLite", "gsasl": "libgsasl", "crypt": "libxcrypt",
             "zlib": "zlib", "xxhash": "xxHash", "cmocka": "cmocka"}
WAYS = 12  # for a newcomer, at least


def lost_ways(readme):
    """Of "a newcomer who wants to change…": what is too few, and files that are not there. A name without a folder stands in the folder named before it."""
    section = readme.split("A newcomer who wants to change…\n", 1)[-1].lstrip().split("\n\n", 1)[0]
    ways = re.findall(r"^- …(.*)", section, re.M)
    if len(ways) < WAYS:
        yield f"README.md: {len(ways)} ways in for a newcomer; {WAYS} at least"
    for way in ways:
        folder = None
        for name in re.findall(r"`([\w./*-]+\.[ch])`", way):
            folder = ROOT / name.rpartition("/")[0] if "/" in name else folder
            if folder is None or not any(folder.glob(name.rpartition("/")[2])):
                yield f"README.md: a newcomer is sent to {name}, which is not there"


def main():
    readme = (ROOT / "README.md").read_text()
    table = (ROOT / "gateway/cli/main.c").read_text()
    commands = re.findall(r'^\s*{"(\w+)", cmd_', table, re.M)
    section = readme.split("\n## Commands\n", 1)[1].split("\n## ", 1)[0]
    problems = [f"README.md: the command \"{name}\" does not stand under Commands" for name in commands
                if not re.search(rf"`(mailweir )?{name}`", section)]
    for name in re.findall(r"pkg_check_modules\((\w+)", (ROOT / "CMakeLists.txt").read_text()):
        known = LIBRARIES.get(name.lower())
        if known is None:
            problems.append(f"tests/lint/readme.py: what is {name}? add it to the table")
        elif known not in readme.split("\n## What it is built on\n", 1)[1]:
            problems.append(f"README.md: {known} does not stand under What it is built on")
    problems += lost_ways(readme)
    if not commands:
        problems.append("gateway/cli/main.c: no command was found, which cannot be")
    print("\n".join(problems) or "every command and library is named")
    return 1 if problems else 0


sys.exit(main())
