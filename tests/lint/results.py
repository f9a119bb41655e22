#!/usr/bin/python3
"""results - no result that matters is thrown away (gateway/base/must_use.h): headers mark whose result must be used, so that the compiler refuses the
call that does not; static functions that tell of an error need no mark, because here their calls are looked at.

Marked is what returns an int or a ptrdiff_t, a bool beside a result by pointer (x_r), or what it made for its caller. The one exemption is
STICKS_TO_BUF: an error that the buf keeps.
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
COMMENT = re.compile(r"/\*.*?\*/", re.S)
PROTOTYPE = re.compile(r"^((?:MUST_USE |STICKS_TO_BUF )?)((?:(?:static|inline|const|struct|enum|unsigned) )*[a-z_0-9]+ \**)([a-z]\w+)\(([^;{}]*?)\)"
                       r"(?=\s*(?:__attribute__|[;{]))", re.M | re.S)
MAKES = re.compile(r"_(new|open|load|alloc|connect)(_\w+)?$|_(parse|array|calloc|strdup)$")
RESULT_BY_POINTER = re.compile(r"\w_r\b(\[[^]]*\])*\s*(,|$)")


def blank(text):
    return COMMENT.sub(lambda match: re.sub(r"[^\n]", " ", match.group(0)), text)


def must_be_used(kind, name, parameters):
    if kind in ("int", "ptrdiff_t"):
        return True
    if kind == "bool":
        return RESULT_BY_POINTER.search(parameters) is not None
    return "*" in kind and not kind.startswith("const") and MAKES.search(name) is not None


def unmarked(text):
    """(line, name) of each prototype of a header that lacks its mark."""
    code = blank(text)
    for mark, kind, name, parameters, start in ((*m.groups(), m.start()) for m in PROTOTYPE.finditer(code)):
        kind = re.sub(r"\b(static|inline) ", "", kind).strip()
        if not mark and name != "disregard" and must_be_used(kind, name, parameters):
            yield code.count("\n", 0, start) + 1, name


def thrown_away(text):
    """(line, name) of each call of a static function of the file whose int nobody looks at."""
    code = blank(text)
    names = set(re.findall(r"^static (?:int|ptrdiff_t) ([a-z]\w+)\(", code, re.M))
    for match in re.finditer(r"(?:[;{}]|\)\n|\belse)\s*(\(void\)\s*)?([a-z]\w+)\(", code):
        if match.group(2) in names:
            yield code.count("\n", 0, match.start(2)) + 1, match.group(2)


def main():
    problems = []
    for path in sorted([*ROOT.glob("gateway/**/*.[ch]"), *ROOT.glob("filters/*.[ch]")]):
        where, text = path.relative_to(ROOT), path.read_text()
        if path.suffix == ".h":
            problems += [f"{where}:{line}: the result of {name}() must be used: begin with MUST_USE (or STICKS_TO_BUF)" for line, name in unmarked(text)]
        else:
            problems += [f"{where}:{line}: what {name}() says is thrown away: look at it, or say disregard()" for line, name in thrown_away(text)]
    print("\n".join(problems) or "every result that matters is used")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
