"""What becomes of a message in doubt when the place where it may lie is not what it was: another account, another address, another name, another numbering, no
folder, no account. It is found, or it is sent again with a note, or it waits for the operator's word; never a second copy without one. And the message that ends
the server's sessions while others pass."""
import json
import re

from fake_imap import FakeImap, Session
from harness import message, wait

RETRY = {"initial": "50ms", "maximum": "200ms", "settle": "200ms"}
NOTE = "possible_duplicate"


def doubtful(world, folder="INBOX", create=True, window="0", **upstream):
    """A gateway, and a server that has kept its message, has not said so, and takes no connection until state["up"]."""
    state = {"up": True, "cut": True, "sent": message("one")}

    def fault(step, session, **facts):
        if step == "greeting" and not state["up"]:
            return "cut"
        kept = step == "append-end" and state["cut"] and fake.folder(facts["folder"]) is not None
        if kept:
            state.update(up=False, cut=False)
        return "commit-cut" if kept else None

    fake = FakeImap(world, fault=fault)
    gateway = world.mailweir(None, [{"name": "r", "then": [{"fileinto": {"upstream": "corp", "folder": folder}}]}])
    if create:
        fake.folder(folder.replace("!", "_"), create=True)
    fake.configure(gateway, retry=RETRY, **upstream)
    gateway.configuration["listeners"][0]["duplicate_window"] = window
    gateway.start()
    gateway.send(state["sent"])
    wait(lambda: not state["up"] and gateway.events("deferred"), "a message in doubt")
    assert gateway.events("deferred")[0]["error.type"] == "uncertain"
    return gateway, fake, state


def reload(gateway):
    status, out, err = gateway.run("reload")
    assert status == 0, out + err


def end(gateway, fakes, copies, note):
    """It is filed; so many copies lie there; the note is told by the line, by why, by the metric and by the status, or by none of them."""
    filed = wait(lambda: gateway.events("filed"), "the message filed")[0]
    assert sum(len(fake.ids()) for fake in fakes) == copies
    assert note in filed.get("note", ""), filed
    is_noted = filed.get("note", "").startswith(NOTE)
    assert is_noted or copies == 1, filed
    assert (NOTE in gateway.run("why", filed["id"])[1]) == is_noted
    counted = json.loads(gateway.run("status", "--json")[1])["upstreams"]
    assert sum(upstream["possible_duplicates"] for upstream in counted) == is_noted
    gateway.stop()


def test_another_account(world):
    """The upstream logs in as somebody else: an empty mailbox of his proves nothing, though it has the same numbers."""
    gateway, fake, state = doubtful(world)
    kept = fake.folder("INBOX").messages
    fake.folders["elsewhere"] = fake.folders.pop("INBOX")
    fake.folder("INBOX", create=True).validity = 1000
    gateway.upstream["auth"]["username"] = "another"
    reload(gateway)
    state["up"] = True
    wait(lambda: any("another account" in event["error.message"] for event in gateway.events("deferred")), "the reason")
    end(gateway, [fake], 2, NOTE)
    assert len(kept) == 1


def test_another_address(world):
    gateway, fake, _ = doubtful(world)
    other = FakeImap(world)
    gateway.upstream["address"] = f"127.0.0.1:{other.port}"
    reload(gateway)
    end(gateway, [fake, other], 2, NOTE)


def test_another_address_behind_a_kill(world):
    """Killed while the answer is outstanding, and started with another address: what is written with the hand-out knows where it went."""
    fake, other = FakeImap(world, fault=lambda step, session, **facts: "commit-stall" if step == "append-end" else None), FakeImap(world)
    gateway = world.mailweir(None)
    fake.configure(gateway, retry=RETRY)
    gateway.start()
    gateway.send(message("one"))
    wait(fake.stalled.is_set, "the message kept")
    gateway.kill()
    fake.release.set()
    gateway.upstream["address"] = f"127.0.0.1:{other.port}"
    gateway.start()
    end(gateway, [fake, other], 2, NOTE)


def test_renamed_by_settings(world):
    """The characters that the server does not take are replaced by others from now on: it is found under the name that it went to."""
    gateway, fake, state = doubtful(world, "a!b", folders={"forbidden": "!", "replacement": "_"})
    gateway.upstream["folders"]["replacement"] = "-"
    fake.folder("a-b", create=True)
    reload(gateway)
    state["up"] = True
    end(gateway, [fake], 1, "found")


def test_another_folder_of_that_use(world):
    gateway, fake, state = doubtful(world, "\\Junk", create=False, special_use={"junk": "Junk"})
    gateway.upstream["special_use"]["junk"] = "Spam"
    fake.folder("Spam", create=True)
    reload(gateway)
    state["up"] = True
    end(gateway, [fake], 1, 'moved to "Junk"')


def test_renumbered(world):
    """Another UIDVALIDITY: what is there is found all the same."""
    gateway, fake, state = doubtful(world)
    fake.folder("INBOX").validity += 1
    state["up"] = True
    end(gateway, [fake], 1, "found")


def test_renumbered_and_gone(world):
    gateway, fake, state = doubtful(world)
    fake.folder("INBOX").validity += 1
    fake.folder("INBOX").messages.clear()
    state["up"] = True
    end(gateway, [fake], 1, NOTE)


def test_folder_deleted(world):
    gateway, fake, state = doubtful(world, "Box")
    fake.folders.pop("Box")
    state["up"] = True
    end(gateway, [fake], 1, NOTE)


def test_folder_made_and_renamed_by_somebody(world):
    """We made the folder ourselves: that it is not there any more is no proof."""
    gateway, fake, state = doubtful(world, "New", create=False)
    fake.folders["Old"] = fake.folders.pop("New")
    state["up"] = True
    end(gateway, [fake], 2, NOTE)


def test_folder_made_and_numbered_anew(world):
    """We made the folder ourselves, and it is another one before anybody looks: it was asked for its number before the message went."""
    gateway, fake, state = doubtful(world, "New", create=False)
    fake.folder("New").validity += 1
    fake.folder("New").messages.clear()
    state["up"] = True
    end(gateway, [fake], 1, NOTE)


def test_dropped_and_sent_again(world):
    """Nobody gives up unawares what may lie there: who sends it again within the window is known, and the message is looked for."""
    gateway, fake, state = doubtful(world, window="10m")
    key = gateway.events("accepted")[0]["id"]
    said = wait(lambda: [out for out in [gateway.run("queue", "drop", key)[1]] if "being delivered" not in out], "hands off")[0]
    assert said.startswith("0 deliveries dropped") and "1 left alone" in said and "--again" in said, said
    gateway.send(state["sent"])
    wait(lambda: gateway.events("duplicate"), "the same message known again")
    state["up"] = True
    end(gateway, [fake], 1, "found")


def test_dropped_by_word(world):
    gateway, fake, state = doubtful(world)
    key = gateway.events("accepted")[0]["id"]
    said = wait(lambda: [out for out in [gateway.run("queue", "drop", key, "--again")[1]] if "being delivered" not in out], "hands off")[0]
    assert said.startswith("1 delivery dropped") and "alone" not in said, said
    assert "though an earlier attempt may have filed it" in gateway.run("why", key)[1]
    assert state["up"] is False and len(fake.ids()) == 1
    gateway.stop()


def test_account_gone(world):
    """The upstream is taken out of the configuration: nobody can ask there. It stays; the operator's word moves it, with a note."""
    gateway, fake, state = doubtful(world)
    other = FakeImap(world)
    gone = gateway.configuration["upstreams"].pop("corp")
    gateway.configuration["upstreams"]["other"] = {**gone, "address": f"127.0.0.1:{other.port}"}
    gateway.configuration["default"] = {"upstream": "other", "folder": "INBOX"}
    gateway.rules.clear()
    reload(gateway)
    wait(lambda: gateway.events("upstream_removed"), "the upstream removed")
    key = gateway.events("accepted")[0]["id"]
    said = wait(lambda: [out for out in [gateway.run("queue", "reroute", key)[1]] if "being delivered now" not in out or "0 are being" in out], "hands off")[0]
    assert "stays (corp:INBOX)" in said and "--again" in said, said
    assert "the message may have been filed already" in gateway.run("why", key)[1] and other.ids() == []
    assert "1 moved" in gateway.run("queue", "reroute", key, "--again")[1]
    end(gateway, [fake, other], 2, NOTE)
    assert state["up"] is False


def test_account_put_back(world):
    """Taken out of the configuration and put back: it is asked there then."""
    gateway, fake, state = doubtful(world)
    other = FakeImap(world)
    upstreams, default = gateway.configuration["upstreams"], gateway.configuration["default"]
    rules, gateway.rules = gateway.rules, []
    gateway.configuration["upstreams"] = {"other": {**upstreams["corp"], "address": f"127.0.0.1:{other.port}"}}
    gateway.configuration["default"] = {"upstream": "other", "folder": "INBOX"}
    reload(gateway)
    wait(lambda: gateway.events("upstream_removed"), "the upstream removed")
    gateway.configuration.update(upstreams=upstreams, default=default)
    gateway.rules = rules
    state["up"] = True
    reload(gateway)
    end(gateway, [fake, other], 1, "found")


def test_message_that_ends_sessions(world):
    """One message ends each session that it comes in, others pass: they are filed at once, it is set aside with the reason, and the account is innocent."""
    fake = FakeImap(world, fault=lambda step, session, **facts:
                    "cut" if step == "append-end" and any(b"poison" in item[0] for item in facts["items"]) else None)
    gateway = world.mailweir(None)
    fake.configure(gateway, connections=1, retry=RETRY)
    gateway.start()
    for number in range(8):
        gateway.send(message("poison" if number == 3 else "fine", number=number))
    wait(lambda: len(gateway.events("filed")) == 7, "seven filed")
    dead = wait(lambda: gateway.events("dead_letter"), "the eighth set aside", 60)[0]
    assert dead["error.code"] == "kills" and "while it filed others" in dead["error.message"], dead
    assert '"mailweir queue retry ID" sends it' in dead["note"], dead
    assert not gateway.events("upstream_failed"), gateway.events("upstream_failed")
    assert "kills" in gateway.run("why", dead["id"])[1]
    gateway.send(message("later"))
    wait(lambda: len(gateway.events("filed")) == 8, "one more filed")
    assert len(fake.ids()) == len(set(fake.ids())) == 8
    gateway.stop()


class Merges(Session):
    """As Gmail: a second message with the Message-ID of one that is there gets a UID, and is thrown away."""

    def on_append(self, tag, rest):
        super().on_append(tag, rest)
        folder = self.fake.folder("INBOX")
        ids = [re.search(rb"^Message-ID: (\S+)", item["octets"], re.M).group(1) for item in folder.messages]
        if ids[-1] in ids[:-1]:
            folder.messages.pop()

    def on_uid(self, tag, rest):
        wanted = re.match(rb"FETCH (\d+) ", rest)
        if not wanted:
            super().on_uid(tag, rest)
            return
        for number, item in enumerate(self.selected.messages, 1):
            if item["uid"] == int(wanted.group(1)):
                field = re.search(rb"^X-Mailweir-Id: \S+\r\n", item["octets"], re.M).group(0)
                self.send(b"* %d FETCH (UID %d BODY[HEADER.FIELDS (X-Mailweir-Id)] {%d}\r\n%s)\r\n" % (number, item["uid"], len(field), field))
        self.say(f"{tag} OK done")


def test_merged_with_an_older_one(world):
    """The server says OK and keeps nothing: the message is filed as far as anybody can tell, and why says what became of it."""
    fake = FakeImap(world, "gmail", session=Merges)
    gateway = world.mailweir(None)
    fake.configure(gateway, profile="gmail", retry=RETRY)
    gateway.start()
    octets = message("one")
    for number in range(2):
        gateway.send(octets)
        wait(lambda number=number: len(gateway.events("filed")) == number + 1, "filed line")
    first, second = gateway.events("filed")
    assert "note" not in first and len(fake.ids()) == 1
    assert second["note"].startswith("merged with an older message"), second
    assert "merged with an older message" in gateway.run("why", second["id"])[1]
    gateway.send(message("another"))
    wait(lambda: len(gateway.events("filed")) == 3, "filed line")
    assert "note" not in gateway.events("filed")[2]
    gateway.stop()
