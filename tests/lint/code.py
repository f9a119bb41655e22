#!/usr/bin/python3
"""code - what every source file owes its readers: bounded files and functions, an opening comment, no banned function, a test.

The limits are those at which a reader gets lost; they are not a style of their own.
"""
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
FILE_LINES = 700
FUNCTION_LINES = 50
COLUMNS = 120
WAYS = 15  # through a function (McCabe's number), with a switch for one: its cases are a table
# What reads octet by octet, or compares two things member by member, has more, and would not be plainer in pieces.
MANY_WAYS = {
    "filters/filters_coarse.c": {"open_special"}, "filters/filters_formula.c": {"is_decimal"}, "filters/filters_lint.c": {"test_implies"},
    "filters/filters_load_formula.c": {"demands"},
    "filters/filters_load_object.c": {"operand_error", "shape_error"}, "filters/filters_scan.c": {"prefix_length"},
    "gateway/base/bytes.c": {"bytes_unprintable", "bytes_utf8_length"}, "gateway/engine/doubt.c": {"read_word"},
    "gateway/mail/mail_header.c": {"odd_length"}, "gateway/mail/mail_html.c": {"hidden_element", "tag_length"},
    "gateway/mail/mail_query.c": {"read_date"}, "gateway/store/local/local_search.c": {"look_at"},
}
WAY = re.compile(r"\b(?:if|for|while|switch)\b|\b\w+_(?:EACH|foreach)\b|&&|\|\||\?")
BANNED = {"strcpy": "snprintf or buf_append", "strcat": "buf_append", "sprintf": "snprintf", "vsprintf": "vsnprintf",
          "gets": "buf", "strtok": "bytes_cut", "atoi": "bytes_to_u64", "atol": "bytes_to_u64", "alloca": "arena_alloc",
          "scanf": "a parser", "sscanf": "a parser", "assert": "EXPECT or a fault", "strncpy": "snprintf"}
BANNED_CALL = re.compile(r"(?<![\w.>])(" + "|".join(BANNED) + r")\s*\(")
COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*|\"(?:\\.|[^\"\\\n])*\"", re.S)
GLOBAL = re.compile(r"^(?:static\s+)?(?!const\b|static\s+const\b|extern\b|typedef\b|return\b|enum\b|_Noreturn\b)"
                    r"(?:struct\s+)?\w[\w\s\*]*?\b(\w+)(?:\[[^\]]*\])*\s*(?:=[^;]*)?;$")


def sources():
    return sorted([*ROOT.glob("gateway/**/*.[ch]"), *ROOT.glob("filters/*.[ch]")])


def blank_comments(text):
    return COMMENT.sub(lambda m: re.sub(r"[^\n]", " ", m.group(0)), text)


def functions(lines):
    """(first line, last line) of each function: from the line before its brace in column 0 to the closing one."""
    start = None
    for number, line in enumerate(lines, 1):
        if line == "{":
            start = number
        elif line == "}" and start is not None:
            yield start, number
            start = None


def many_ways(name, lines):
    """(line, function, ways) of each function with more ways through it than are kept in mind."""
    for first, last in functions(lines):
        head = first - 1
        while head > 1 and lines[head - 2] not in ("", "}") and not lines[head - 2].endswith((";", "*/")):
            head -= 1
        called = re.search(r"\b(\w+)\(", "\n".join(line for line in lines[head - 1:first - 1] if "__attribute__" not in line))
        ways = 1 + len(WAY.findall("\n".join(lines[first:last])))
        if called and (ways > WAYS) != (called[1] in MANY_WAYS.get(name, ())):
            yield first, called[1], ways


def check(path):
    name = path.relative_to(ROOT)
    text = path.read_text()
    lines = text.splitlines()
    code = blank_comments(text)
    if not text.startswith("/*"):
        yield f"{name}:1: begins without saying what it is"
    if len(lines) > FILE_LINES:
        yield f"{name}: {len(lines)} lines; more than {FILE_LINES} tell of two files in one"
    for number, line in enumerate(lines, 1):
        if len(line) > COLUMNS:
            yield f"{name}:{number}: {len(line)} columns; more than {COLUMNS} are not read, in comments either"
    for first, last in functions(lines):
        if last - first > FUNCTION_LINES:
            yield f"{name}:{first}: a function of {last - first} lines; more than {FUNCTION_LINES} tell of two in one"
    for line, function, ways in many_ways(str(name), code.splitlines()):
        yield f"{name}:{line}: {function}() has {ways} ways through it; " + ("take it out of MANY_WAYS" if ways <= WAYS else f"more than {WAYS} tell of two in one")
    for number, line in enumerate(code.splitlines(), 1):
        match = BANNED_CALL.search(line)
        if match:
            yield f"{name}:{number}: {match.group(1)} is not used here; {BANNED[match.group(1)]} is"
        if path.suffix == ".c" and GLOBAL.match(line):
            yield f"{name}:{number}: a mutable global; state belongs to an object"


def texts():
    """Files that git tracks may name no path of one machine."""
    listed = subprocess.run(["git", "-C", str(ROOT), "grep", "-nIE", r"/(work|farm)/[a-z]", "--", ".", ":!tests/lint/code.py"],
                            capture_output=True, text=True).stdout
    return [line[:160] + ": names a path of one machine" for line in listed.splitlines()]


def main():
    problems = [problem for path in sources() for problem in check(path)] + texts()
    print("\n".join(problems) or "nothing to say")
    return 1 if problems else 0


sys.exit(main())
