"""A look through a large folder with the only connection of an account: fresh mail is filed between its windows, and the look still comes to its end."""
import threading

from fake_imap import FakeImap, Session
from harness import message, wait

OLD = 2500
DATE = " 1-Jan-2020 00:00:00 +0000"

class Expunging(Session):
    """Somebody takes an old message away, and the server says so while an APPEND is under way: the folder's numbers are others from there on."""

    def on_append(self, tag, rest):
        if self.selected is not None and self.fake.takes_away:
            self.fake.takes_away = False
            self.selected.messages.pop(1)
            self.say("* 2 EXPUNGE")
        super().on_append(tag, rest)

def look(world, session=Session, takes_away=False, copies=2):
    """Killed over the first message, whose folder holds much: nothing bounds the look. Another message comes while the second window is asked for."""
    state = {"fetches": 0, "crashed": False}
    second, go_on = threading.Event(), threading.Event()

    def fault(step, session, **facts):
        if step == "append-end" and not state["crashed"]:
            return "commit-stall"
        if step == "fetch":
            state["fetches"] += 1
            if state["fetches"] == 2:
                second.set()
                go_on.wait(60)
            if state["fetches"] == 3:
                state["appends"] = fake.appends  # by then the other one had its turn
        return None

    fake = FakeImap(world, fault=fault, session=session)
    fake.takes_away = takes_away
    folder = fake.folder("INBOX")

    gateway = world.mailweir(None)
    fake.configure(gateway, connections=1, retry={"initial": "50ms", "maximum": "200ms", "settle": "200ms"})
    gateway.start()
    gateway.send(message("one"))
    wait(fake.stalled.is_set, "the message kept")
    gateway.kill()
    state["crashed"] = True
    fake.release.set()
    for number in range(OLD):
        folder.add(b"Subject: old\r\n\r\nx\r\n", "", DATE)
    gateway.start()
    wait(second.is_set, "the second window")
    gateway.send(message("two"))
    wait(lambda: '"waiting":2' in gateway.run("status", "--json")[1].replace(" ", ""), "two waiting")
    go_on.set()
    filed = wait(lambda: len(gateway.events("filed")) == 2 and gateway.events("filed"), "both filed")
    assert state["appends"] == 2, state
    assert "note" not in filed[0] or filed[0]["note"] == "", filed
    assert filed[1]["note"] == "found: an earlier attempt had filed the message", filed
    mine = [item for item in folder.messages if b"X-Mailweir-Id" in item["octets"]]
    assert len(mine) == copies, len(mine)
    gateway.stop()
    return fake

def test_makes_room(world):
    fake = look(world)
    assert fake.examines == 1 and fake.connections <= 3, (fake.examines, fake.connections)

def test_begins_anew_when_numbers_change(world):
    fake = look(world, Expunging, True)
    assert fake.examines == 2, fake.examines
