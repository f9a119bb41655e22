"""The log: deploy/doc/log.schema.json describes every event and field that the program writes, and no other.

In the code, an event's name that is no literal in its call is named here with its file, where it must stand as one.
"""
import json
import pathlib
import re

from harness import ROOT, message, wait

VARIABLE = {
    "dispatch_job.c": ["deferred", "delayed", "dead_letter"],
    "dispatch_reload.c": ["upstream_added", "upstream_changed", "upstream_removed"],
    "imapc_place.c": ["upstream_still_down", "upstream_failover", "upstream_failback"],
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
    """(events, fields) of the code."""
    events, fields = set(), set()
    for path in sorted((ROOT / "gateway").rglob("*.c")):
        text = path.read_text()
        for call in re.finditer(r"\blog_event\(", text):
            parts = arguments(text, call.end() - 1)
            literal = words(parts[2])
            if not literal:
                literal = set(VARIABLE.get(path.name, [f"{path.name}: {parts[2]}"]))
                assert all(f'"{name}"' in text for name in literal), (path.name, literal)
            events |= literal
        fields |= set(re.findall(r'\bLOG_(?:STR|INT|BYTES|LIST)\(\s*"([\w.@]+)"', text))
        fields |= {name for pair in re.findall(r'\bLOG_STR\([^"?]*\? "(\w+)" : "(\w+)"', text) for name in pair}
    return events, fields


def test_every_event_is_described(world):
    schema = json.loads((ROOT / "deploy/doc/log.schema.json").read_text())
    described = {one["const"] for one in schema["properties"]["event.action"]["oneOf"]}
    events, fields = read()
    assert events == described, (events - described, described - events)
    names = set(schema["properties"])
    assert fields | ALWAYS == names, (fields - names, names - fields - ALWAYS)
    # And what really is written: names, types, and the id in every line about a message.
    gateway = world.mailweir(world.dovecot()).start()
    ids = {gateway.send(message(f"number {n}", number=n)) for n in range(3)}
    wait(lambda: len(gateway.events("filed")) == 3, "filed messages")
    gateway.stop()
    kinds = {"string": str, "integer": int, "array": list}
    for event in gateway.events():
        for name, value in event.items():
            kind = schema["properties"][name].get("type", "string")
            assert isinstance(value, tuple(kinds[one] for one in ([kind] if isinstance(kind, str) else kind))), (name, event)
        if event["event.action"] in ("accepted", "filed"):
            assert event["id"] in ids, event
