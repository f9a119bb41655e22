#!/usr/bin/python3
"""names - a static function that has namesakes says what it is about: a name of one word occurs in one file only.

A reader who greps for "take", or meets it in a backtrace, finds eight functions that have nothing to do with each other; take_lock and
take_job are two. A name of one word is fine as long as it is the only one.
"""
import collections
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
STATIC = re.compile(r"^(?:_Noreturn |__attribute__\(\(.*\)\) )?static (?:inline )?[^=;{}()]*?\b(\w+)\(", re.M)


def main():
    files = collections.defaultdict(set)
    for path in [*ROOT.glob("gateway/**/*.[ch]"), *ROOT.glob("filters/*.[ch]")]:
        for name in STATIC.findall(path.read_text()):
            files[name].add(str(path.relative_to(ROOT)))
    problems = [f"{name}() is a function of its own in each of {', '.join(sorted(where))}: a second word tells them apart"
                for name, where in sorted(files.items()) if "_" not in name and len(where) > 1]
    print("\n".join(problems) or f"{len(files)} names, and each tells what it is about")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
