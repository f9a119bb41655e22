#!/usr/bin/python3
"""floors - holds every #include against one table: a floor sees only floors below it, and libraries where they are allowed.

The table is the design; CMakeLists.txt links by the same, and deploy/doc/internals/floors.md shows it: "floors.py --table" writes what stands there.
Exit status 1 and a line for each include that breaks it.
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent

LIBC = {"assert.h", "ctype.h", "errno.h", "fnmatch.h", "inttypes.h", "limits.h", "math.h", "stdalign.h", "stdarg.h", "stdbool.h",
        "stddef.h", "stdint.h", "stdio.h", "stdlib.h", "string.h", "strings.h"}
SYSTEM = {"fcntl.h", "netdb.h", "pthread.h", "signal.h", "sysexits.h", "time.h", "unistd.h", "arpa/inet.h", "netinet/in.h"}

# Who says which store it shall be, and mends the local one: all others know the door alone.
CHOOSES_THE_STORE = {"gateway/cli"}

# folder: (folders of ours it may include, headers of libraries it may include beside libc)
FLOORS = {
    "gateway/base": (set(), set()),
    "gateway/proto": ({"base"}, set()),
    "gateway/mail": ({"base", "proto"}, {"glib.h", "iconv.h", "idn2.h"}),
    "gateway/engine": ({"base", "proto", "mail"}, {"gsasl.h"}),
    "gateway/document": ({"base"}, {"jansson.h"}),
    "filters": ({"base", "document", "proto", "mail", "filters"}, {"glib.h", "pcre2.h", "jansson.h", "hs.h", "stdatomic.h"}),
    "gateway/net": ({"base"}, {"uv.h", "openssl/", "seccomp.h", "linux/", "sys/", "dirent.h", "grp.h", "pwd.h", "sched.h", "termios.h", "netinet/", *SYSTEM}),
    "gateway/store": ({"base", "mail"}, {"jansson.h", "xxhash.h"}),
    "gateway/store/local": ({"base", "mail", "net", "store"}, {"jansson.h", "sqlite3.h", "stdatomic.h"}),
    "gateway/store/postgresql": ({"base", "mail", "net", "store"}, {"libpq-fe.h", "stdatomic.h"}),
    "gateway/store/model": ({"base", "mail", "store"}, set()),
    "gateway/spool": ({"base", "mail", "engine", "net", "store"}, {"jansson.h"}),
    "gateway/reception": ({"base", "document", "proto", "mail", "engine", "net", "spool"}, {"jansson.h", "crypt.h", "gsasl.h", "stdatomic.h"}),
    "gateway/upstream": ({"base", "proto", "mail", "engine", "net"}, {"curl/", "jansson.h", "gsasl.h", "zlib.h"}),
    "gateway/config": ({"base", "document", "proto", "mail", "engine", "net", "spool", "reception", "upstream", "filters"}, {"jansson.h"}),
    "gateway/decision": ({"base", "document", "proto", "mail", "engine", "net", "store", "spool", "reception", "filters"}, {"stdatomic.h"}),
    "gateway/dispatch": ({"base", "document", "proto", "mail", "engine", "net", "store", "spool", "upstream", "config"}, {"jansson.h"}),
    "gateway/daemon": ({"base", "document", "proto", "mail", "engine", "net", "store", "spool", "reception", "upstream", "filters", "config", "decision", "dispatch"},
                       {"jansson.h"}),
    "gateway/admin": ({"base", "document", "proto", "mail", "engine", "net", "store", "spool", "reception", "upstream", "filters", "config", "decision", "dispatch", "daemon"},
                      {"jansson.h", "microhttpd.h"}),
    "gateway/cli": ({"base", "document", "proto", "mail", "engine", "net", "store", "spool", "reception", "upstream", "filters", "config", "decision", "dispatch", "daemon",
                     "admin"},
                    {"jansson.h", "malloc.h", "termios.h", "curl/", "sys/", *SYSTEM}),
}
for name in CHOOSES_THE_STORE:
    FLOORS[name][0].update({"store/local", "store/postgresql"})
# What the rooms of a folder show to others; the rest of their headers is their own.
DOORS = {"store/local/": {"store/local/local.h", "store/local/local_backup.h", "store/local/local_check.h"}, "store/model/": {"store/model/model.h"},
         "store/postgresql/": {"store/postgresql/postgresql.h"}}
# The language of tables is spoken where they are.
SPEAKS_SQL = {"gateway/store/local", "gateway/store/postgresql"}
SQL = re.compile(r'"\s*(WITH \w+ AS|SELECT .* FROM |INSERT (OR|INTO) |REPLACE INTO |UPDATE \w+ SET |DELETE FROM |'
                 r'(CREATE|ALTER|DROP) (TABLE|VIEW|TRIGGER|(UNIQUE )?INDEX) |PRAGMA |VACUUM|SAVEPOINT |BEGIN IMMEDIATE)')
# In these folders rows and structures go from one to the other. JSON is read only where it was kept as such: what an envelope says in a row, what a node
# says of itself, a memo; all else is for the edges (API, command line, export).
READS_JSON = {"gateway/spool": {"spool_query.c", "spool_node.c"}, "gateway/dispatch": {"dispatch_pace.c"}, "gateway/decision": set(), "gateway/daemon": set(),
              "gateway/store/model": set(), "gateway/store/postgresql": set(), "gateway/store": {"store_meta.c"},
              "gateway/store/local": {"local_journal.c", "local_change.c", "local_deliver.c"}}
JSON = re.compile(r"\bjson_load(s|b|f|fd|_file|_callback)\(")
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')


def floor_of(folder, known=()):
    """How many folders stand below one another under it."""
    below = [("" if room == "filters" else "gateway/") + room for room in FLOORS[folder][0]]
    return max((floor_of(one, (*known, folder)) + 1 for one in below if one != folder and one not in known), default=0)


def table():
    """The floors as a table for readers, the ground first; rooms within a folder are between it and who may include it."""
    rows = ["| folder | may include | libraries |", "|---|---|---|"]
    for folder in sorted((one for one in FLOORS if one.count("/") < 2), key=lambda one: (floor_of(one), one)):
        below, libraries = FLOORS[folder]
        rows.append(f"| {folder} | {', '.join(sorted(one for one in below - {folder} if '/' not in one)) or 'nothing of ours'} | "
                    f"{', '.join(sorted(libraries - SYSTEM)) or 'libc'}{', the system' if libraries & SYSTEM else ''} |")
    return "\n".join(rows) + "\n"


def problem_of(folder, quote, target):
    below, libraries = FLOORS[folder]
    own = folder.removeprefix("gateway/")
    for room, shown in DOORS.items():
        if target.startswith(room) and target not in shown and folder != f"gateway/{room[:-1]}":
            return f'{folder} may not include "{target}": it is behind the door'
    if quote == '"':
        other = target.rpartition("/")[0]
        return None if other == own or other in below else f'{folder} may not include "{target}"'
    allowed = target in LIBC or any(target == lib or (lib.endswith("/") and target.startswith(lib)) for lib in libraries)
    return None if allowed else f"{folder} may not include <{target}>"


def main():
    if sys.argv[1:] == ["--table"]:
        print(table(), end="")
        return 0
    problems = []
    for path in sorted([*ROOT.glob("gateway/**/*.[ch]"), *ROOT.glob("filters/*.[ch]")]):
        folder = str(path.parent.relative_to(ROOT))
        if folder not in FLOORS:
            problems.append(f"{path.relative_to(ROOT)}: {folder} stands in no floor; add it to the table in tests/lint/floors.py")
            continue
        for number, line in enumerate(path.read_text().splitlines(), 1):
            match = INCLUDE.match(line)
            problem = match and problem_of(folder, *match.groups())
            if JSON.search(line) and path.name not in READS_JSON.get(folder, {path.name}):
                problem = "JSON is for the edges: what is in the same process is told in structures"
            if SQL.search(line) and folder not in SPEAKS_SQL:
                problem = f"SQL is spoken in {' and '.join(sorted(SPEAKS_SQL))} only"
            if problem:
                problems.append(f"{path.relative_to(ROOT)}:{number}: {problem}")
    print("\n".join(problems) or "every include goes down")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
