"""Batches that a server keeps in part, or tells of otherwise than it is: each kind at an upstream of its own. Every message lies there once, and is filed."""
import json
import threading

from fake_imap import FakeImap, Session
from harness import message, wait

RETRY = {"initial": "50ms", "maximum": "200ms", "settle": "200ms"}
MANY = 6


def all_of(count):
    return count


def all_but_one(count):
    return count - 1


def half(count):
    return count // 2


def first(count):
    return 1


# How much of the batch is kept, what is said then (None: the connection ends; {} stands for the UIDs of what is kept), and for how many logins it is away behind it.
KINDS = {
    "no": (all_but_one, "NO one of them is wrong", 0),
    "no-all-kept": (all_of, "NO one of them is wrong", 0),
    "no-limit": (first, "NO [LIMIT] one of them is too much", 0),
    "no-quota": (half, "NO [OVERQUOTA] full", 0),
    "no-inuse": (all_but_one, "NO [INUSE] locked", 0),
    "no-unavailable": (all_but_one, "NO [UNAVAILABLE] shutting down", 2),
    "no-cannot": (first, "NO [CANNOT] one of them", 0),
    "bad": (all_but_one, "BAD syntax", 0),
    "cut": (half, None, 0),
    "cut-and-away": (all_but_one, None, 4),
    "ok-to-one": (first, "OK [APPENDUID 1000 {first}] done", 0),
    "ok-to-half": (half, "OK [APPENDUID 1000 {first}:{last}] done", 0),
    "ok-to-one-many-times": (first, "OK [APPENDUID 1000 {first},{first},{first},{first},{first},{first}] done", 0),
    "ok-last-named": (all_of, "OK [APPENDUID 1000 {last}] done", 0),
    "ok-more-named": (all_of, "OK [APPENDUID 1000 {first}:4000] done", 0),
    "ok-backwards": (all_of, "OK [APPENDUID 1000 {last}:{first}] done", 0),
}


class Says(Session):
    """After a batch, what its kind says."""

    def on_append(self, tag, rest):
        kind = self.fake.kind
        name, items, early = self.read_append(tag, rest)
        assert not early
        kind.gathered.wait(60)  # until then the first one is slow, so that a batch gathers behind it
        folder = self.fake.folder(name)
        is_odd = len(items) > 1 and not kind.done
        uids = [folder.add(*item) for item in items[:kind.kept(len(items)) if is_odd else len(items)]]
        with self.fake.lock:
            self.fake.batches.append(len(items))
        if not is_odd:
            self.say(f"{tag} OK [APPENDUID {folder.validity} {','.join(map(str, uids))}] done")
            return
        kind.done = True
        if kind.words is None:
            self.reset()
        self.say(f"{tag} {kind.words.format(first=uids[0], last=uids[-1])}")


class Kind:
    def __init__(self, world, row):
        self.kept, self.words, self.left_away = row
        self.gathered, self.done = threading.Event(), False
        self.fake = FakeImap(world, fault=self.fault, session=Says)
        self.fake.kind = self

    def fault(self, step, session, **facts):
        if step == "greeting" and self.done and self.left_away > 0:
            self.left_away -= 1
            return "cut"
        return None


def filed_in_all(gateway):
    """The filed lines of all starts."""
    lines = [line for start in range(1, gateway.starts + 1) for line in (gateway.folder / f"log.{start}").read_text().splitlines()]
    return [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}") and '"event.action":"filed"' in line]


def play(world, meanwhile=None, killed=False):
    """All kinds at once; meanwhile is called when each has had its batch."""
    kinds = {name: Kind(world, row) for name, row in KINDS.items()}
    gateway = world.mailweir(None, [{"name": name, "if": {"field": "to", "is": f"{name}@example.net"},
                                     "then": [{"fileinto": {"upstream": name, "folder": "INBOX"}}, {"stop": True}]} for name in kinds])
    for name, kind in kinds.items():
        gateway.configuration["upstreams"][name] = {**gateway.upstream, "address": f"127.0.0.1:{kind.fake.port}", "tls": {"mode": "none"}, "retry": RETRY, "connections": 1}
    gateway.start()
    sent = {name: {gateway.send(message(f"{name} {number}", number=number), to=[f"{name}@example.net"]) + ".1" for number in range(MANY + 1)} for name in kinds}
    for kind in kinds.values():
        kind.gathered.set()
    wait(lambda: all(kind.done for kind in kinds.values()), "a batch to each")
    if meanwhile:
        meanwhile(gateway)
    wait(lambda: json.loads(gateway.run("status", "--json")[1])["queue"]["waiting"] == 0, "all filed", 40)
    filed = filed_in_all(gateway)
    for name, kind in kinds.items():
        there, told = kind.fake.ids(), {event["delivery"] for event in filed if event["upstream"] == name}
        assert len(there) == MANY + 1 and set(there) == sent[name], (name, there)
        # Told when it is on the disk that it was filed: a kill between the two leaves no line.
        assert told <= sent[name] if killed else told == sent[name], (name, told)
    assert not [event for event in filed if event.get("note", "").startswith("possible_duplicate")]
    counted = json.loads(gateway.run("status", "--json")[1])["upstreams"]
    assert sum(upstream["possible_duplicates"] for upstream in counted) == 0
    gateway.stop()
    return kinds


def test_kinds(world):
    kinds = play(world)
    # One whose OK names fewer than it was given gets them one at a time from then on; one that names more, or in another order, has said nothing that is wrong.
    for name in ("ok-to-one", "ok-to-half", "ok-to-one-many-times", "ok-last-named"):
        assert sum(size > 1 for size in kinds[name].fake.batches) == 1, (name, kinds[name].fake.batches)
    for name in ("ok-more-named", "ok-backwards"):
        assert sum(kinds[name].fake.batches) == MANY + 1, (name, kinds[name].fake.batches)


def test_killed_over_them(world):
    def kill(gateway):
        for _ in range(2):
            gateway.kill()
            gateway.start()

    play(world, kill, killed=True)


def test_stopped_over_them(world):
    def stop(gateway):
        gateway.stop()
        gateway.start()

    play(world, stop)


def test_reloaded_over_them(world):
    def reload(gateway):
        for connections in (2, 1, 3):
            for upstream in gateway.configuration["upstreams"].values():
                upstream["connections"] = connections
            gateway.write()
            assert gateway.run("reload")[0] == 0

    play(world, reload)
