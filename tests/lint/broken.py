#!/usr/bin/python3
"""broken - each lint is seen to fail: in a copy of the tree one thing is broken after the other, and the lint that holds it must complain of it there.

Lints that need a build are asked by their own functions, with what they would have read from it.
"""
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests/lint"))
import calls  # noqa: E402
import symbols  # noqa: E402


def replaced(old, new):
    def change(text):
        assert old in text, f"what is to be broken is not there any more: {old!r}"
        return text.replace(old, new, 1)
    return change


def added(line):
    return lambda text: text + line


INCLUDE = replaced('#include "base/buf.h"\n', '#include "base/buf.h"\n#include "net/net_loop.h"\n')
# (lint, file, how it is broken, what the lint must say)
BREAKS = [
    ("floors", "gateway/proto/imap_command.h", INCLUDE, 'gateway/proto may not include "net/net_loop.h"'),
    ("floors", "gateway/base/buf.c", replaced("#include <stdio.h>\n", "#include <uv.h>\n"), "may not include <uv.h>"),
    ("floors", "gateway/spool/spool.c", added('static const char *sql = "DELETE FROM message";\n'), "SQL is spoken"),
    ("floors", "gateway/admin/admin_queue.c", added('static const char *sql = "CREATE INDEX a ON message (id)";\n'), "SQL is spoken"),
    ("floors", "gateway/spool/spool_query.c", added("#include <sqlite3.h>\n"), "gateway/spool may not include <sqlite3.h>"),
    ("floors", "gateway/cli/queue_here.c", added("#include <sqlite3.h>\n"), "gateway/cli may not include <sqlite3.h>"),
    ("floors", "gateway/store/store_meta.c", added("#include <sqlite3.h>\n"), "gateway/store may not include <sqlite3.h>"),
    ("floors", "gateway/store/postgresql/postgresql.c", added("#include <sqlite3.h>\n"), "gateway/store/postgresql may not include <sqlite3.h>"),
    ("floors", "gateway/daemon/gateway.c", added("#include <libpq-fe.h>\n"), "gateway/daemon may not include <libpq-fe.h>"),
    ("floors", "gateway/store/local/local.c", added("#include <libpq-fe.h>\n"), "gateway/store/local may not include <libpq-fe.h>"),
    ("floors", "gateway/spool/spool.c", added('#include "store/local/local_index.h"\n'), "it is behind the door"),
    ("floors", "gateway/cli/cmd_find.c", added('#include "store/postgresql/postgresql_link.h"\n'), "it is behind the door"),
    ("floors", "gateway/spool/spool_admin.c", added('json_t *told(const char *text) { return json_loads(text, 0, NULL); }\n'), "JSON is for the edges"),
    ("code", "gateway/base/buf.c", added("/* " + "wide " * 30 + "*/\n"), "more than 120 are not read"),
    ("code", "gateway/store/local/local_find.c", added("static int counter;\n"), "a mutable global"),
    ("code", "gateway/base/buf.c", added("\n" * 700), "tell of two files in one"),
    ("code", "gateway/base/map.c", added("static void long_one(void)\n{\n" + "    ;\n" * 60 + "}\n"), "a function of"),
    ("code", "gateway/base/map.c", added("static void copy(char *a)\n{\n    strcpy(a, a);\n}\n"), "strcpy is not used here"),
    ("code", "gateway/base/map.c", added("static void winding(int a)\n{\n" + "    if (a > 0) a--;\n" * 15 + "}\n"), "winding() has 16 ways through it"),
    ("code", "tests/lint/code.py", replaced('{"look_at"}', '{"look_at", "look_at_each"}'), "ways through it; take it out of MANY_WAYS"),
    ("code", "gateway/base/map.c", lambda text: "\n" + text, "begins without saying what it is"),
    ("code", "gateway/base/map.c", added("/* /" + "work/tree */\n"), "names a path of one machine"),
    ("floors", "tests/lint/floors.py", replaced('    "gateway/document": ({"base"}, {"jansson.h"}),\n', ""), "gateway/document stands in no floor"),
    ("names", "gateway/base/map.c", added("static void knock(void)\n{\n}\n"), "knock() is a function of its own in each of gateway/base/map.c"),
    ("loops", "gateway/spool/spool_memo.c", replaced("NET_EXPECT_LOOP(", "(void)("), "does not say NET_EXPECT_LOOP() on entry"),
    ("loops", "gateway/spool/spool_memo.h", added("void spool_memo_lost(struct spool *spool);\n"), "spool_memo_lost() is nowhere"),
    ("loops", "tests/lint/loops.py", replaced('"spool_each_counted":', '"spool_each_counted_later":'), "is for any thread, and expects its loop"),
    ("results", "gateway/base/map.h", replaced("MUST_USE int map_set", "int map_set"), "the result of map_set() must be used"),
    ("results", "gateway/base/network.c", added("void x(void)\n{\n    parse_v4(NULL, (struct bytes){0});\n}\n"), "what parse_v4() says is thrown away"),
    ("tables", "gateway/base/fault.c", replaced('[FAULT_LOCAL] = "local",', ""), "names[] has no row for FAULT_LOCAL"),
    ("tables", "gateway/config/config_same.c", replaced("[CONFIG_MAP] = same_list,", ""), "comparers[] has no row for CONFIG_MAP"),
    ("tables", "gateway/dispatch/dispatch_condition.c", replaced("    case DISPATCH_OPEN:\n    case DISPATCH_CONDITIONS:\n", "    default:\n"),
     "the default stands for DISPATCH_OPEN, DISPATCH_CONDITIONS"),
    ("tables", "tests/lint/tables.py", replaced('("imap_reply.c", "names")', '("imap_reply.c", "nouns")'), "nouns[] leaves nothing out any more"),
    ("log", "gateway/daemon/gateway_reload.c", replaced('LOG_LEVEL_ERROR, "reload_failed"', 'LOG_LEVEL_ERROR, "reload_fell"'), "the event reload_fell is not described"),
    ("log", "gateway/dispatch/dispatch_reload.c", replaced('"upstream_added"', '"upstream_come"'), 'names no event "upstream_added" any more'),
    ("log", "deploy/doc/log.schema.json", replaced('"const": "reloaded"', '"const": "reload_done"'), "describes the event reload_done, which nothing writes"),
    ("internals", "deploy/doc/internals/reload.md", added("`no_such_function()`\n"), "there is no function no_such_function()"),
    ("internals", "deploy/doc/internals/reload.md", added("`no_such_file.c`\n"), "there is no file no_such_file.c"),
    ("internals", "deploy/doc/internals/reload.md", added("[lost](lost.md)\n"), "leads to lost.md, which is not there"),
    ("internals", "deploy/doc/internals/reload.md", added("\n" * 80), "are read to their end"),
    ("internals", "tests/lint/floors.py", replaced('"gateway/document": ({"base"}', '"gateway/document": ({"base", "proto"}'), "is not that of tests/lint/floors.py"),
    ("readme", "README.md", lambda text: re.sub(r"`(mailweir )?why`", "", text), 'the command "why" does not stand'),
    ("readme", "deploy/doc/house.md", replaced("`gateway/mail/mail_rope.c`", "`gateway/mail/mail_cord.c`"), "a newcomer is sent to gateway/mail/mail_cord.c"),
    ("readme", "deploy/doc/house.md", replaced("- …a command: its row", "- a command: its row"), "ways in for a newcomer"),
    ("readme", "deploy/doc/house.md", replaced("| libseccomp |", "| |"), "libseccomp does not stand"),
    ("readme", "README.md", added("word " * 1500), "under 1500, the rest is for deploy/doc"),
    ("readme", "deploy/doc/operators-guide.md", replaced("| two machines |", "| three machines |"), 'the index has 0 rows about "two machines"'),
    ("copies", "deploy/prometheus-alerts.yml", added("# one more\n"), "prometheusrule.yaml is not what it is a copy of"),
    ("copies", "CMakeLists.txt", replaced("project(mailweir VERSION 0.1.0", "project(mailweir VERSION 0.1.1"), "deploy/helm/Chart.yaml is not what it is a copy of"),
    ("manuals", "deploy/doc/recipes.md", added("[lost](#nowhere)\n"), "#nowhere leads to no heading"),
    ("readme", "CMakeLists.txt", added("pkg_check_modules(NEWLIB REQUIRED newlib)\n"), "what is NEWLIB"),
    ("manuals", "deploy/doc/operators-guide.md", added("One more line.\n"), "mailweir-guide.7"),
    ("manuals", "deploy/doc/rules.md", added("One more line.\n"), "rules.md"),
    ("shell", "deploy/lib.sh", added("rm -rf $unquoted/$1\n"), "SC2086"),
    ("mutations", "gateway/store/local/local_commit.c", lambda text: text.replace("net_file_sync(", "net_file_sync (", 9), "STALE"),
    ("coverage", "tests/coverage/floors.json", replaced('"gateway/spool": ', '"gateway/spooled": '), "gateway/spool has no floor"),
    ("coverage", "tests/coverage/open.txt", added("gateway/engine/doubt.c: no such line\n"), "has no such line any more"),
]
# What takes long over the whole tree is asked about one file alone.
ALONE = [
    ("layout", "gateway/base/a.c", "int f(void)\n{\n   return 0;\n}\n", "code should be clang-formatted"),
    ("cppcheck", "filters/a.c", "int f(void)\n{\n    int a[2] = {0};\n    return a[5];\n}\n", "arrayIndexOutOfBounds"),
]


def says(tree, lint):
    done = subprocess.run([sys.executable, str(tree / "tests/lint" / f"{lint}.py")], capture_output=True, text=True, stdin=subprocess.DEVNULL)
    return done.returncode, done.stdout + done.stderr


def copy_of_the_tree(folder):
    """What git tracks or would, as a repository of its own."""
    listed = subprocess.run(["git", "-C", str(ROOT), "ls-files", "-co", "--exclude-standard"], capture_output=True, text=True, check=True)
    for name in listed.stdout.splitlines():
        source = ROOT / name
        if source.is_file() and not name.startswith(("tests/fuzz/fuzz_", "tests/peers/")):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, folder / name)
    subprocess.run(["git", "init", "-q", str(folder)], check=True)
    subprocess.run(["git", "-C", str(folder), "add", "--all"], check=True)


def problems_of_files(tree):
    for lint, name, change, wanted in BREAKS:
        file = tree / name
        text = file.read_text()
        file.write_text(change(text))
        status, said = says(tree, lint)
        file.write_text(text)
        yield from unseen(lint, name, wanted, status, said)


def problems_of_one(tree):
    for number, (lint, name, text, wanted) in enumerate(ALONE):
        alone = tree / f"alone-{number}"
        for folder in ("tests/lint", "gateway", "filters"):
            (alone / folder).mkdir(parents=True)
        shutil.copy(ROOT / "tests/lint" / f"{lint}.py", alone / "tests/lint")
        shutil.copy(ROOT / ".clang-format", alone)
        (alone / name).parent.mkdir(exist_ok=True)
        (alone / name).write_text(text)
        yield from unseen(lint, name, wanted, *says(alone, lint))


def unseen(lint, name, wanted, status, said):
    if status == 77:
        print(f"{lint}: {said.strip()}")
    elif status == 0 or wanted not in said:
        yield f"{lint} does not see {name} broken ({wanted}): {said.strip()[:300]}"


def problems_of_calls():
    """A call that goes up, a circle in a folder without any, a function that nobody calls, one that has got its caller."""
    up = {("gateway/base", "map.c"): {("gateway/net", "net_loop.c"): "net_now"}, ("gateway/net", "net_loop.c"): {}}
    circle = {("gateway/base", "a.c"): {("gateway/base", "b.c"): "b"}, ("gateway/base", "b.c"): {("gateway/base", "a.c"): "a"}}
    good = {("gateway/net", "net_loop.c"): {("gateway/base", "map.c"): "map_new"}, ("gateway/base", "map.c"): {}}
    unused = {("gateway/base", "expect.c"): ({"expect_failed", "expect_memory"}, set()), ("gateway/base", "map.c"): ({"map_new"}, {"expect_memory", "net_post"})}
    dead = list(calls.dead(unused))
    for name, seen in (("up", any("may not call net_now()" in one for one in calls.problems_of(up))),
                       ("circle", any("a circle of files" in one for one in calls.problems_of(circle))),
                       ("good", not list(calls.problems_of(good))),
                       ("dead", any("nobody calls expect_failed()" in one for one in dead)),
                       ("ahead", any("net_post() has a caller" in one for one in dead))):
        if not seen:
            yield f"calls does not tell: {name}"


def problems_of_symbols():
    for symbol in ("uv_run", "pthread_create", "open64", "clock_gettime", "getrandom", "socket"):
        if not symbols.FORBIDDEN.match(symbol):
            yield f"symbols lets {symbol}() pass"
    for symbol in ("memcpy", "opening", "timed"):
        if symbols.FORBIDDEN.match(symbol):
            yield f"symbols refuses {symbol}()"


def problems_of_this_list():
    held = {lint for lint, *_ in [*BREAKS, *ALONE]} | {"calls", "symbols", "broken"}
    for path in sorted((ROOT / "tests/lint").glob("*.py")):
        if path.stem not in held:
            yield f"tests/lint/broken.py: {path.stem} was never seen to fail: break something that it holds"


def main():
    problems = [*problems_of_calls(), *problems_of_symbols(), *problems_of_this_list()]
    with tempfile.TemporaryDirectory(prefix="mailweir-lint-") as folder:
        tree = pathlib.Path(folder)
        copy_of_the_tree(tree)
        problems += [*problems_of_files(tree), *problems_of_one(tree)]
    print("\n".join(problems) or f"{len(BREAKS) + len(ALONE)} things were broken, and each was seen")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
