"""The log as it is written: short ids, and deploy/doc/log.schema.json over every line (that it has every event of the code, and no other: tests/lint/log.py)."""
import json
import re

from harness import ROOT, message, wait


def test_short_ids(world):
    """The log as text has the heads of ids; every command takes one for the whole, and none that two messages share."""
    gateway = world.mailweir(None)
    gateway.configuration["log"] = {"format": "text"}
    gateway.start(ready=False)
    wait(lambda: " ready " in gateway.log.read_text(), "ready line")
    ids = [gateway.send(message(f"number {n}", number=n)) for n in range(2)]
    head = ids[1][:14]
    wait(lambda: re.search(f" deferred +id={head} delivery=\\.1 ", gateway.log.read_text()), "a line with a short id")
    assert ids[1] not in gateway.log.read_text()
    status, out, err = gateway.run("why", head)
    assert status == 0 and f"message {ids[1]}" in out and ids[0] not in out, (out, err)
    assert f"message {ids[1]}" in gateway.run("queue", "show", head)[1]
    assert gateway.run("queue", "cat", head)[1].endswith(gateway.run("queue", "cat", ids[1])[1])
    assert [json.loads(line)["id"] for line in gateway.run("find", head, "--json")[1].splitlines()] == [ids[1]]
    assert gateway.run("find", f"id:{head}.1")[0] == 0
    wait(lambda: gateway.run("queue", "hold", f"{head}.1")[1].startswith("1 "), "a moment between two attempts, in which it can be held")
    listed = [json.loads(line) for line in gateway.run("queue", "list", "--state", "held", "--json")[1].splitlines()]
    assert [one["message"] for one in listed] == [ids[1]], listed
    assert gateway.run("queue", "drop", ids[1][:9])[0] != 0, "less than the millisecond is no id"
    # The head that two messages share is the name of neither.
    out = gateway.folder / "out"
    assert gateway.run("queue", "export", "--all", "--to", str(out))[0] == 0
    facts, twins = (out / "facts.jsonl").read_text(), [head + "TW1NS000000" + end for end in "AB"]
    for ident, twin in zip(ids, twins):
        facts = facts.replace(ident, twin)
        (out / f"{ident}.eml").rename(out / f"{twin}.eml")
    (out / "facts.jsonl").write_text(facts)
    status, text, err = gateway.run("queue", "import", str(out))
    assert status == 0 and text.startswith("2 imported"), (text, err)
    status, text, err = gateway.run("queue", "drop", twins[0][:16])
    assert status != 0 and "no delivery with the id" in err, (text, err)
    wait(lambda: gateway.run("queue", "drop", twins[0], "--again")[1].startswith("1 "), "a moment between two attempts, in which it can be dropped")
    assert all(f"message {twin}" in gateway.run("why", twins[0][:16])[1] for twin in twins)
    gateway.stop()


def test_every_line_is_as_described(world):
    """Names, types, and the id in every line about a message."""
    schema = json.loads((ROOT / "deploy/doc/log.schema.json").read_text())
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
