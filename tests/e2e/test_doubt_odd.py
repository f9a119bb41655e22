"""Doubt with servers that say or do odd things over it, each with an upstream of its own: the message is found, or sent again with a note; never a second copy without one,
and never none."""
import json
import re

from fake_imap import FakeImap, Session
from harness import message, wait

RETRY = {"initial": "50ms", "maximum": "200ms", "settle": "200ms"}
FOREIGN = b"Subject: of somebody else\r\n\r\nx\r\n"
DATE = "01-Jan-2026 10:00:00 +0000"


def fill(fake, count):
    for _ in range(count):
        fake.folder("INBOX").add(FOREIGN, "", DATE)


def keep(fake, facts):
    """What a server does that keeps a message and says no all the same."""
    for octets, flags, date in facts["items"]:
        fake.folder(facts["folder"]).add(octets, flags, date)


class Odd:
    """A server; the first `good` messages are as they should be, the next one is left in doubt, and then it is away until up() was called."""

    kept = True           # the one in doubt
    good = 0
    session = Session
    copies, notes = 1, ("found",)
    prefix = b""          # what the message begins with
    flags = ()            # that it is filed with

    def __init__(self, world):
        self.fake = FakeImap(world, fault=self.fault, session=self.session)
        self.fake.odd = self
        self.away, self.done = False, False
        self.prepare()

    def prepare(self):
        pass

    def meanwhile(self):
        """While it is away."""

    def fault(self, step, session, **facts):
        if step == "greeting" and self.away:
            return "cut"
        if step == "append-end" and not self.done and self.fake.appends == self.good:
            self.done = self.away = True
            return "commit-cut" if self.kept else "cut"
        return self.then(step, session, facts) if self.done else None

    def then(self, step, session, facts):
        """What goes wrong in the look."""

    def up(self):
        self.meanwhile()
        self.away = False


class Lies(Session):
    """What it says of UIDs is not so: lies = (what is true, what is said)."""

    def send(self, text):
        super().send(text.replace(*self.fake.odd.lies) if isinstance(text, str) else text)


class OtherValidityInOk(Odd):
    """APPENDUID of the message before names another UIDVALIDITY."""
    good, session, lies = 1, Lies, ("[APPENDUID 1000 ", "[APPENDUID 999 ")


class OtherValidityInOkAndGone(OtherValidityInOk):
    kept, notes = False, ("possible_duplicate",)


class UidOfAnotherFolder(Odd):
    """APPENDUID of the message before names a UID far beyond all that there are; much has come since."""
    good, session, lies = 1, Lies, ("[APPENDUID 1000 1]", "[APPENDUID 1000 90001]")

    def meanwhile(self):
        fill(self.fake, 230)


class SetBack(Odd):
    """Set back from a backup, with the UIDVALIDITY that it had: UIDs come again. The message in doubt gets one below what was known before, and much comes behind it."""
    good, restored = 1, False

    def prepare(self):
        fill(self.fake, 100)

    def restore(self):
        folder = self.fake.folder("INBOX")
        folder.messages, folder.next = folder.messages[:50], 51
        self.restored = True

    def fault(self, step, session, **facts):
        if step == "append-begin" and session.number == 1 and self.restored:
            return "cut"  # it takes no connection along
        return super().fault(step, session, **facts)

    def meanwhile(self):
        fill(self.fake, 210)


class SameUidTwice(Odd):
    """Nothing was kept, somebody else's messages came and one of them is gone; FETCH tells one UID of two messages, as many as there should be."""
    kept, notes = False, ("possible_duplicate",)

    def prepare(self):
        fill(self.fake, 2)

    class session(Session):
        def send(self, data):
            super().send(data.replace(b"FETCH (UID 2 ", b"FETCH (UID 4 ") if isinstance(data, bytes) else data)

    def meanwhile(self):
        fill(self.fake, 3)
        del self.fake.folder("INBOX").messages[2]


class Noise(Odd):
    """The look's answers stand between others that nobody asked for."""

    class session(Session):
        def send(self, data):
            if isinstance(data, bytes) and b" FETCH (UID" in data:
                data = b'* ESEARCH (TAG "A1") UID ALL 9\r\n* SEARCH 1 2\r\n* 1 FETCH (FLAGS (\\Seen))\r\n* OK still here\r\n' + data + b"* 9 EXISTS\r\n* 0 RECENT\r\n"
            super().send(data)


class LostInTheLook(Odd):
    """The connection ends in the look, four times."""
    ends, words = 0, "cut"

    def then(self, step, session, facts):
        if step in ("examine", "fetch") and self.ends < 4:
            self.ends += 1
            return self.words
        return None


class PuzzledInTheLook(LostInTheLook):
    """It says BAD to the look, four times: who knows why."""
    words = "BAD out of order"


class RefusesTheLook(LostInTheLook):
    words = "NO not now"


class ForgetsTheLook(LostInTheLook):
    words = "OK whatever"


class NotSelectable(Odd):
    """The folder has become one that only holds others."""
    copies, notes = 2, ("possible_duplicate",)

    def then(self, step, session, facts):
        return "NO [CANNOT] Mailbox is not selectable" if step == "examine" else None


class Unreadable(Odd):
    """Nothing was kept; of somebody else's message it can read nothing, and says so each time."""
    kept, notes = False, ("possible_duplicate",)

    class session(Session):
        def send(self, data):
            if isinstance(data, bytes) and b"FETCH (UID 2 " in data:
                data = b'* 2 FETCH (UID 2 BODY[HEADER.FIELDS (X-Mailweir-Id)] NIL)\r\n'
            super().send(data)

    def meanwhile(self):
        fill(self.fake, 3)


class Fields(Session):
    """What FETCH tells of the fields is not what lies there: told = (octets) -> octets."""

    def send(self, data):
        found = isinstance(data, bytes) and re.match(rb"(?s)(.* )\{\d+\}\r\n(.*)\)\r\n$", data)
        if found:
            fields = self.fake.odd.told(found.group(2))
            data = b"%s{%d}\r\n%s)\r\n" % (found.group(1), len(fields), fields)
        super().send(data)


class FieldIsCut(Odd):
    """It shows the beginning of the field: that may be the one or another."""
    copies, notes, session = 2, ("possible_duplicate",), Fields

    def told(self, fields):
        return fields[:25]


class BlankLineInFront(Odd):
    session = Fields

    def told(self, fields):
        return b"\r\n" + fields


class NoBound(Odd):
    """It tells UIDNEXT nowhere any more."""
    kept, notes = False, ("possible_duplicate",)

    class session(Session):
        def send(self, data):
            odd = self.fake.odd
            if not (odd.done and isinstance(data, str) and "UIDNEXT" in data):
                super().send(data)


class SameUidAgain(Odd):
    """It lost the message when it was started again, and gave its UID to another one."""
    notes = ("",)

    def meanwhile(self):
        folder = self.fake.folder("INBOX")
        folder.messages.pop()
        folder.next -= 1
        fill(self.fake, 1)


class ExpungedInTheLook(Odd):
    """Somebody takes a message away while the look goes on."""

    def prepare(self):
        fill(self.fake, 300)

    def meanwhile(self):
        fill(self.fake, 250)

    class session(Session):
        def on_fetch(self, tag, rest):
            if self.fake.fetches == 1:
                del self.selected.messages[0]
                self.say("* 1 EXPUNGE")
            super().on_fetch(tag, rest)


class RefusedAndKept(Odd):
    """It keeps what it refuses, in words that nobody knows."""
    words = "BAD it went wrong"

    def fault(self, step, session, **facts):
        if step == "append-end" and not self.done:
            self.done = True
            keep(self.fake, facts)
            return self.words
        return None


class RefusedAsLockedAndKept(RefusedAndKept):
    words = "NO mailbox is locked"


class RefusedAsBusyAndKept(RefusedAndKept):
    words = "NO server busy"


class RefusedForAFlagAndKept(RefusedAndKept):
    """It would go again without its keyword at once: not before a look."""
    words, flags = "NO [CANNOT] no such keyword here", ("ticket",)


class RefusedForAFlagAsBadAndKept(RefusedForAFlagAndKept):
    words = "BAD [CLIENTBUG] flag"


class RefusedForAFlag(RefusedForAFlagAndKept):
    """And this one means it."""
    kept, notes = False, ("",)

    def fault(self, step, session, **facts):
        refused = step == "append-end" and "ticket" in facts["items"][0][1]
        self.done = self.done or refused
        return self.words if refused else None


class RefusedForUnavailableAndKept(RefusedAndKept):
    words = "NO [UNAVAILABLE] later"


class RefusedForServerbugAndKept(RefusedAndKept):
    words = "BAD [SERVERBUG] oh"


class RefusedForALockAndKept(RefusedAndKept):
    words = "NO [INUSE] the mailbox is locked"


class RefusedForALimitAndKept(RefusedAndKept):
    words = "NO [LIMIT] so many at once"


class RefusedForHasteAndKept(RefusedAndKept):
    words = "NO [THROTTLED] slow down"


class RefusedForConnectionsAndKept(RefusedAndKept):
    words = "NO [UNAVAILABLE] Maximum number of connections from user+IP exceeded"


class RefusedAsExpiredAndKept(RefusedAndKept):
    words = "NO [EXPIRED] the session ran out"


class FewerUids(Odd):
    """Of what is filed it tells no UID, or of another one."""
    notes, session, lies = ("",), Lies, ("[APPENDUID 1000 1]", "[APPENDUID 1000 ]")

    def fault(self, step, session, **facts):
        return None


class BeginsWithBlank(Odd):
    """What the message begins with would be a part of the field in front of it, which is ours."""
    prefix = b" folded into what stands before\r\n"


class BeginsWithTab(Odd):
    prefix = b"\tand so is this\r\n \r\n"


class BeginsWithIds(Odd):
    prefix = b"X-Mailweir-Id: 01FORGED.1\r\nx-mailweir-id:\r\n 01FORGED.2\r\n"


class BeginsWithBody(Odd):
    prefix = b"\r\n"


KINDS = [BeginsWithBlank, BeginsWithTab, BeginsWithIds, BeginsWithBody, OtherValidityInOk, OtherValidityInOkAndGone, UidOfAnotherFolder, SetBack, SameUidTwice, Noise, LostInTheLook, PuzzledInTheLook, RefusesTheLook, ForgetsTheLook, NotSelectable, Unreadable, FieldIsCut, BlankLineInFront, NoBound, SameUidAgain,
         ExpungedInTheLook, RefusedAndKept, RefusedAsLockedAndKept, RefusedAsBusyAndKept, RefusedForAFlagAndKept, RefusedForAFlagAsBadAndKept, RefusedForAFlag,
         RefusedForUnavailableAndKept, RefusedForServerbugAndKept, RefusedForALockAndKept,
         RefusedForALimitAndKept, RefusedForHasteAndKept, RefusedForConnectionsAndKept, RefusedAsExpiredAndKept, FewerUids]


def send(gateway, name, odd, number):
    gateway.send(odd.prefix + message(f"{name} {number}", number=number), to=[f"{name}@example.net"])


def check(gateway, name, odd):
    def filed():
        return [event for event in gateway.events("filed") if event["upstream"] == name]

    last = wait(lambda: len(filed()) == odd.good + 1 and filed(), f"the message of {name} filed")[-1]
    note = last.get("note", "")
    there = [found for found in odd.fake.ids() if found == last["delivery"]]
    assert len(there) == odd.copies and note.startswith(odd.notes), (name, there, note)
    assert odd.copies == 1 or note.startswith("possible_duplicate"), (name, note)


def test_odd_servers(world):
    odds = {kind.__name__.lower(): kind(world) for kind in KINDS}
    gateway = world.mailweir(None, [{"name": name, "if": {"field": "to", "is": f"{name}@example.net"},
                                     "then": [{"fileinto": {"upstream": name, "folder": "INBOX", "flags": list(odd.flags)}}, {"stop": True}]} for name, odd in odds.items()])
    for name, odd in odds.items():
        gateway.configuration["upstreams"][name] = {**gateway.upstream, "address": f"127.0.0.1:{odd.fake.port}", "tls": {"mode": "none"}, "retry": RETRY, "connections": 1}
    gateway.start()
    for name, odd in odds.items():
        for number in range(odd.good):
            send(gateway, name, odd, number)
    for name, odd in odds.items():
        wait(lambda: odd.fake.appends == odd.good, f"what comes before, to {name}")
    odds["setback"].restore()
    for name, odd in odds.items():
        send(gateway, name, odd, 9)
    for name, odd in odds.items():
        wait(lambda: odd.done or isinstance(odd, FewerUids), f"doubt at {name}")
        odd.up()
    for name, odd in odds.items():
        check(gateway, name, odd)
    noted = sum(odd.notes == ("possible_duplicate",) for odd in odds.values())
    counted = json.loads(gateway.run("status", "--json")[1])["upstreams"]
    assert sum(upstream["possible_duplicates"] for upstream in counted) == noted
    gateway.stop()


def test_retried_while_the_account_pauses(world):
    """A dead letter is older than give_up whatever happens next: whoever tries it again, or sends it again and hears 250, has it tried for give_up anew."""
    state = {"up": False}
    fake = FakeImap(world, fault=lambda step, session, **facts: "cut" if step == "greeting" and not state["up"] else None)
    gateway = fake.configure(world.mailweir(None), retry={**RETRY, "give_up": "1s"})
    gateway.configuration["listeners"][0]["duplicate_window"] = "1h"
    gateway.start()
    octets = message("kept for long")
    key = gateway.send(octets)

    def wait_for_dead(times):
        wait(lambda: len(gateway.events("dead_letter")) == times, f"dead {times} times", 40)
        return max(event["attempt"] for event in gateway.events("dead_letter"))

    first = wait_for_dead(1)
    assert gateway.run("queue", "retry", key)[0] == 0
    second = wait_for_dead(2)
    assert second > first + 1, (first, second)
    assert gateway.send(octets) == key
    third = wait_for_dead(3)
    assert third > second + 1, (second, third)
    state["up"] = True
    assert gateway.send(octets) == key
    wait(lambda: gateway.events("filed"), "the message filed")
    assert len(fake.ids()) == 1
    gateway.stop()
