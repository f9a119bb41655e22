"""The queue by hand, while the gateway runs and while it does not: list, show, cat, hold, release, retry, drop, pause, resume, why."""
import json
import os
import subprocess

from harness import MAILWEIR, message, received_part, wait


def queue(gateway, *arguments, expect=0):
    status, out, err = gateway.run("queue", *arguments)
    assert status == expect, (arguments, status, out, err)
    return out


def listed(gateway, *arguments):
    return [json.loads(line) for line in queue(gateway, "list", "--json", *arguments).splitlines()]


def changed(gateway, *arguments):
    return json.loads(queue(gateway, *arguments, "--json"))["changed"]


def test_by_hand(world):
    """With the upstream paused: what waits is listed, shown and changed; then it is delivered."""
    dovecot = world.dovecot()
    gateway = world.mailweir(dovecot).start()
    assert changed(gateway, "pause", "corp") == 1
    octets = [message(f"number {n}", number=n) for n in range(4)]
    ids = [gateway.send(o, sender=f"app{n}@example.com") for n, o in enumerate(octets)]
    assert [d["message"] for d in listed(gateway)] == ids[::-1]
    assert [d["message"] for d in listed(gateway, "--from", "app2@example.com")] == [ids[2]]
    assert listed(gateway, "--older", "1h") == []
    assert "corp" in queue(gateway, "summary") and "paused: corp" in queue(gateway, "summary")
    assert queue(gateway, "cat", ids[1]).encode() == octets[1].replace(b"\r\n", b"\n"), "not what was sent"
    assert "app1@example.com" in queue(gateway, "show", ids[1])
    assert changed(gateway, "hold", ids[0]) == 1
    assert changed(gateway, "drop", ids[1] + ".1") == 1
    queue(gateway, "drop", expect=64)
    queue(gateway, "show", "nonsense", expect=1)
    assert dovecot.count() == 0
    assert changed(gateway, "resume") == 1
    wait(lambda: dovecot.count() == 2, "the two that were neither held nor dropped")
    # The same without a gateway that runs.
    gateway.stop()
    assert [d["state"] for d in listed(gateway)] == ["held"]
    assert changed(gateway, "release", "--state", "held") == 1
    gateway.start()
    wait(lambda: dovecot.count() == 3, "the released one")
    gateway.stop()
    filed = [received_part(m) for m in dovecot.messages()]
    assert sorted(filed) == sorted([octets[0], octets[2], octets[3]])


def test_why(world):
    """The story of a message by its id, its Message-ID and where it lies; and of one that cannot be delivered."""
    dovecot = world.dovecot()
    gateway = world.mailweir(dovecot, [{"name": "bad", "if": {"header": "Subject", "matches": "^dead"},
                                        "then": [{"fileinto": {"upstream": "nobody", "folder": "X"}}, {"stop": True}]}])
    gateway.configuration["upstreams"]["nobody"] = {**gateway.upstream, "auth": {"username": "nobody", "password": "x"}}
    gateway.start()
    octets = message("number 1", number=1)
    filed = gateway.send(octets)
    wait(lambda: gateway.events("filed"), "filed line")
    event = gateway.events("filed")[0]
    message_id = next(line for line in octets.decode().splitlines() if line.startswith("Message-ID: "))[12:]
    wait(lambda: "filed as UID" in gateway.run("why", filed)[1], "story of a filed message")
    stories = [gateway.run("why", *what)[1] for what in
               ([filed], [message_id], [message_id.strip("<>")], ["corp", "INBOX", str(event["uid"])])]
    assert len(set(stories)) == 1, stories
    for words in ("client.example", "app@example.com", "ops@example.net", message_id, "default", f"UID {event['uid']}"):
        assert words in stories[0], (words, stories[0])
    stuck = gateway.send(message("dead end", number=2))
    wait(lambda: "attempt 1" in gateway.run("why", stuck)[1], "first attempt in the story", 60)
    assert gateway.run("why", "01ARZ3NDEKTSV4RRFFQ69G5FAV")[0] == 1
    assert "tried       bad: no\n" in stories[0] and "tried       bad: yes\n" in gateway.run("why", stuck)[1]
    gateway.stop()
    if not world.on_disk:
        return
    # The record in the segments has it too.
    status, out, _ = gateway.run("spool", "rebuild", "--json")
    told = json.loads(out)
    assert status == 0 and told["damaged"] == 0 and told["old_index"] and told["messages"] == told["deliveries"] == 1, out
    assert "tried       bad: yes\n" in gateway.run("why", stuck)[1]


def test_commands_ask_the_gateway(world):
    """Where only the admin socket can be seen and no spool, each command works: they ask the gateway that runs. Without it, nothing is there."""
    dovecot = world.dovecot()
    gateway = world.mailweir(dovecot).start()
    elsewhere = gateway.folder / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "admin.sock").symlink_to(gateway.folder / "spool/admin.sock")

    def ask(*arguments, expect=0):
        done = subprocess.run([MAILWEIR, *arguments, "--spool", str(elsewhere)], capture_output=True, timeout=60)
        assert done.returncode == expect, (arguments, done)
        return done.stdout

    ask("queue", "pause")
    octets = [message("long", body="x" * 78 + ("\r\n" + "y" * 78) * 30000, number=1), message("short", number=2)]
    ids = [gateway.send(o) for o in octets]
    assert [json.loads(line)["message"] for line in ask("queue", "list", "--json").splitlines()] == ids[::-1]
    assert ask("queue", "cat", ids[0]) == octets[0] and len(octets[0]) > 2_000_000
    assert b"paused: all" in ask("queue", "summary") and b"deliveries chosen: 2" in ask("queue", "drop", "--all", "--dry-run")
    assert b"app@example.com" in ask("queue", "show", ids[0]) and b"app@example.com" in ask("why", ids[1])
    assert json.loads(ask("why", "--json", ids[1]))["id"] == ids[1]
    assert b"2 exported" in ask("queue", "export", "--all", "--to", str(gateway.folder / "out"))
    assert (gateway.folder / "out" / (ids[0] + ".eml")).read_bytes() == octets[0]
    facts = [json.loads(line) for line in (gateway.folder / "out/facts.jsonl").read_text().splitlines()]
    assert [one["envelope"]["id"] for one in facts] == ids, facts
    assert b"0 moved, 2 stay" in ask("queue", "reroute", "--all")
    ask("queue", "hold", "--all")
    ask("queue", "show", "nonsense", expect=1)
    ask("why", "corp", "INBOX", "7", expect=1)
    assert json.loads(ask("queue", "release", "--state", "held", "--json")) == {"changed": 2, "busy": 0}
    ask("queue", "drop", ids[1])
    ask("queue", "resume")
    wait(lambda: dovecot.count() == 1, "the message that was not dropped")
    who = os.environ.get("SUDO_USER") or os.environ.get("USER") or "an operator"
    assert f"dropped by {who}".encode() in ask("why", ids[1])
    gateway.stop()
    ask("queue", "list", expect=66)


def test_what_a_verb_has_no_use_for_is_refused(world):
    """An option that would be ignored, such as a limit for drop, changes nothing and is told: the operator meant something by it."""
    gateway = world.mailweir(None).start()
    changed(gateway, "pause")
    for number in range(3):
        gateway.send(message("kept", number=number))
    for arguments in ("drop --all --limit 1", "hold a b", "pause corp other", "resume --dry-run", "list x", "summary --state held", "show x --all",
                      "import x --state held"):
        status, out, err = gateway.run("queue", *arguments.split())
        assert status == 64 and out == "" and f"usage: mailweir queue {arguments.split()[0]} " in err, (arguments, status, out, err)
    for arguments in ("why x --all", "spool check --older 5d"):
        assert gateway.run(*arguments.split())[0] == 64, arguments
    assert [row["state"] for row in listed(gateway)] == ["waiting"] * 3
    assert json.loads(queue(gateway, "summary", "--json"))["paused"]
    assert json.loads(queue(gateway, "drop", "--all", "--dry-run", "--json")) == {"chosen": 3}
    gateway.stop()


def test_sent_again(world):
    """A client that did not hear the 250 sends again: 250, and one copy; off where it is not asked for."""
    dovecot = world.dovecot()
    gateway = world.mailweir(dovecot)
    gateway.configuration["listeners"][0]["duplicate_window"] = "10m"
    gateway.start()
    octets = message("number 1", number=1)
    first = gateway.send(octets)
    assert gateway.send(octets) == first  # the id under which its story is told
    gateway.stop()
    gateway.start()
    assert gateway.send(octets) == first
    gateway.send(message("number 2", number=2))
    wait(lambda: dovecot.count() == 2 and gateway.events("duplicate"), "two messages")
    gateway.stop()
    assert dovecot.count() == 2


def test_reroute_and_export(world):
    """Rules that changed run over what waits, first without doing it; messages are copied out as files and as an mbox."""
    dovecot = world.dovecot()
    gateway = world.mailweir(dovecot).start()
    changed(gateway, "pause")
    octets = [message(f"number {n}", number=n, body="line\r\nFrom me\r\n>From you") for n in range(3)]
    ids = [gateway.send(o) for o in octets]
    gateway.rules.append({"name": "odd", "if": {"header": "Subject", "matches": "^number 1"},
                          "then": [{"fileinto": {"upstream": "corp", "folder": "Odd"}}, {"stop": True}]})
    assert gateway.run("reload")[0] == 0, "the rules that are to run today"
    assert "1 would move, 2 stay" in queue(gateway, "reroute", "--all", "--dry-run")
    assert {d["folder"] for d in listed(gateway)} == {"INBOX"}
    assert f"{ids[1]}: corp:INBOX -> corp:Odd" in queue(gateway, "reroute", "--all")
    queue(gateway, "export", "--all", "--to", str(gateway.folder / "out"))
    assert (gateway.folder / "out" / (ids[2] + ".eml")).read_bytes() == octets[2]
    assert json.loads(queue(gateway, "export", "--all", "--to", str(gateway.folder / "out.mbox"), "--format", "mbox", "--json")) == {"exported": 3}
    mbox = (gateway.folder / "out.mbox").read_text()
    assert mbox.count("\nFrom app@example.com ") == 2 and mbox.startswith("From app@example.com ")
    assert mbox.count("\n>From me\n>>From you\n") == 3
    changed(gateway, "resume")
    wait(lambda: dovecot.count() == 2 and dovecot.count("Odd") == 1, "all three messages")
    assert "rerouted by" in gateway.run("why", ids[1])[1]
    gateway.stop()


def test_index_is_lost(world):
    """Without its index the spool is not taken for an empty one; made anew from the segments, it files nothing twice and loses nothing."""
    dovecot = world.dovecot()
    gateway = world.mailweir(dovecot).start()
    gateway.send(message("number 0", number=0))
    wait(lambda: dovecot.count() == 1, "first message")
    changed(gateway, "pause")
    gateway.send(message("number 1", number=1))
    assert "1 messages" in gateway.run("spool", "check")[1]
    told = json.loads(gateway.run("spool", "check", "--json")[1])
    assert told["messages"] == 1 and told["octets"] > 0 and told["damaged"] == 0, told
    gateway.stop()
    for path in (gateway.folder / "spool").glob("index.sqlite*"):
        path.unlink()
    gateway.start(ready=False)
    wait(lambda: not gateway.process.alive(), "end of a start without an index")
    assert "mailweir spool rebuild" in gateway.log.read_text()
    status, out, err = gateway.run("spool", "rebuild")
    assert status == 0 and "2 messages with 2 deliveries" in out, (out, err)
    assert "2 decisions of operators" not in out and "1 decisions of operators" in out, out
    gateway.start()
    changed(gateway, "resume")
    wait(lambda: dovecot.count() == 2 and '"waiting"' not in queue(gateway, "summary", "--json"), "second message")
    gateway.stop()
    assert dovecot.count() == 2
