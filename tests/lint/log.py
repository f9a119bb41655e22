#!/usr/bin/python3
"""log - deploy/doc/log.schema.json describes every event and field that the program writes, and no other.

In the code, an event's name that is no literal in its call is named here with its file, where it must stand as one.
"""
import json
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
VARIABLE = {
    "dispatch_tell.c": ["deferred", "delayed", "dead_letter"],
    "dispatch_pace.c": ["upstream_still_paused", "upstream_paused_elsewhere"],
    "dispatch_reload.c": ["upstream_added", "upstream_changed", "upstream_removed"],
    "upstream_place.c": ["upstream_still_down", "upstream_failover", "upstream_failback"],
    "reception_intake.c": ["abandoned", "accepted", "spool_refuses", "spool_failed"],
    "reception_told.c": ["rejected"],
}
ALWAYS = {"@timestamp", "log.level", "event.action", "log.logger"}


def arguments(text, start):
    """The arguments of the call whose parenthesis opens at start."""
    found, depth, begin, quoted = [], 0, start + 1, False
    for i in range(start, len(text)):
        c = text[i]
        if c == '"' and text[i - 1] != "\\":
            quoted = not quoted
        if quoted:
            continue
        depth += c in "([{"
        depth -= c in ")]}"
        if depth == 0 or (c == "," and depth == 1):
            found.append(text[begin:i].strip())
            begin = i + 1
        if depth == 0:
            return found
    return found


def words(text):
    return set(re.findall(r'"([a-z]+(?:_[a-z]+)*)"', text))


def read():
    """(events, fields, problems) of the code."""
    events, fields, problems = set(), set(), []
    for path in sorted((ROOT / "gateway").rglob("*.c")):
        text = path.read_text()
        for call in re.finditer(r"\blog_event\(", text):
            parts = arguments(text, call.end() - 1)
            literal = words(parts[2])
            if not literal:
                literal = set(VARIABLE.get(path.name, []))
                problems += [] if literal else [f"{path.relative_to(ROOT)}: the event {parts[2]} has no name here: VARIABLE says which there are"]
                problems += [f"{path.relative_to(ROOT)}: names no event \"{name}\" any more" for name in sorted(literal) if f'"{name}"' not in text]
            events |= literal
        fields |= set(re.findall(r'\bLOG_(?:STR|INT|BYTES|LIST)\(\s*"([\w.@]+)"', text))
        fields |= {name for pair in re.findall(r'\bLOG_STR\([^"?]*\? "(\w+)" : "(\w+)"', text) for name in pair}
    return events, fields, problems


def differences(what, written, described):
    """Both ways, a line each."""
    yield from (f"the {what} {name} is not described in deploy/doc/log.schema.json" for name in sorted(written - described))
    yield from (f"deploy/doc/log.schema.json describes the {what} {name}, which nothing writes" for name in sorted(described - written))


def main():
    properties = json.loads((ROOT / "deploy/doc/log.schema.json").read_text())["properties"]
    events, fields, problems = read()
    problems += differences("event", events, {one["const"] for one in properties["event.action"]["oneOf"]})
    problems += differences("field", fields | ALWAYS, set(properties))
    print("\n".join(problems) or f"{len(events)} events and {len(properties)} fields are described")
    return 1 if problems else 0


sys.exit(main())
