#!/usr/bin/python3
"""tables - what is indexed by an enum has a row for each of its values: a value that is added asks for its word, its function, its row.

Such a table is one whose rows are designated ([VALUE] = …). Those that are meant to leave values out are named below, with the reason; a NULL or zero
there is looked for by their readers.

A switch over an enum has no "default" for one, two or three values that are left: it names them, and then the compiler asks for a value that is added.
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
PARTIAL = {
    ("config_manual.c", "joints"): "kinds that have a table of keys",
    ("config_read.c", "units"): "kinds that have a range",
    ("config_read.c", "readers"): "an object is read by its own table",
    ("imapc_auth.c", "mechanisms"): "AUTO is none, LOGIN is a command of its own",
    ("smtpd_envelope.c", "replies"): "a result that is good has no reply, what is not named has the general one",
    ("imap_reply.c", "names"): "no status has no word",
}
COMMENT = re.compile(r"/\*.*?\*/", re.S)
ENUM = re.compile(r"\benum (\w*)\s*\{([^}]*)\}", re.S)
TABLE = re.compile(r"\b(\w+)\[[^]\n]*\] = \{(.*?)\};", re.S)
SWITCH = re.compile(r"^( *)switch \([^\n]*\) \{\n(.*?)^\1\}", re.M | re.S)
FEW = 3
ROW = re.compile(r"(?:^|[{,])\s*\[([A-Z]\w+)\]\s*=", re.M)


def blank(text):
    return COMMENT.sub(lambda match: re.sub(r"[^\n]", " ", match.group(0)), text)


def enums_of(texts):
    """value: (enum, all its values in order)."""
    found = {}
    for text in texts:
        for name, body in ENUM.findall(text):
            values = re.findall(r"(?:^|,)\s*([A-Z]\w+)", body)
            found.update((value, (name, values)) for value in values)
    return found


def missing_rows(text, enums):
    """(line, table, enum, values) for each table that lacks rows. The value behind all others may be their count."""
    for match in TABLE.finditer(text):
        rows = ROW.findall(match.group(2))
        enum, values = enums.get(rows[0], (None, [])) if rows else (None, [])
        counted = values[:-1] if values and values[-1] not in rows else values
        missing = [value for value in counted if value not in rows]
        if missing:
            yield text.count("\n", 0, match.start()) + 1, match.group(1), enum, missing


def unnamed(text, enums):
    """(line, values) of each switch whose default stands for a few values of its enum."""
    for match in SWITCH.finditer(text):
        indent, body = match.groups()
        cases = re.findall(rf"^{indent}case ([A-Z]\w+):", body, re.M)
        _, values = enums.get(cases[0], (None, [])) if cases else (None, [])
        left = [value for value in values if value not in cases]
        if re.search(rf"^{indent}default:", body, re.M) and 0 < len(left) <= FEW:
            yield text.count("\n", 0, match.start()) + 1, left


def main():
    files = sorted([*ROOT.glob("gateway/**/*.[ch]"), *ROOT.glob("filters/*.[ch]")])
    texts = {path: blank(path.read_text()) for path in files}
    enums, problems, partial = enums_of(texts.values()), [], set()
    for path, text in texts.items():
        problems += [f"{path.relative_to(ROOT)}:{line}: the default stands for {', '.join(left)}: name what is left" for line, left in unnamed(text, enums)]
        for line, table, enum, missing in missing_rows(text, enums):
            if (path.name, table) in PARTIAL:
                partial.add((path.name, table))
            else:
                problems.append(f"{path.relative_to(ROOT)}:{line}: {table}[] has no row for {', '.join(missing)} of enum {enum}")
    problems += [f"{file}: {table}[] leaves nothing out any more: take it out of PARTIAL" for file, table in sorted(set(PARTIAL) - partial)]
    print("\n".join(problems) or "every table has all its rows")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
