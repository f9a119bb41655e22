"""Servers as their users report them, beside those of the other files: each kind of trouble once more, by another server and in other words."""
from fake_imap import BASE, Cut, FakeImap, Profile, Session
from harness import message, wait
from test_imap_faults import check_exactly_once, gateway_for, send_many
from test_imap_health import failures

INTO = [{"name": "box", "then": [{"fileinto": {"upstream": "corp", "folder": "Sales"}}]}]


def one_by_one(world, fake, **extra):
    return gateway_for(world, fake, connections=1, limits={"batch": 1}, **extra)


# ---- the session, or the message? ----

def test_bad_in_words_that_nobody_knows(world):
    """A BAD may be the session's: another session is asked before anything is a dead letter. What three of them refuse, while others are filed, is the message."""
    fake = FakeImap(world, fault=lambda step, session, **facts: "BAD Command Error. 12" if step == "append-begin" and session.number == 1 else
                    "BAD Command Argument Error. 11" if step == "append-end" and b"poison" in facts["items"][0][0] else None)
    gateway = one_by_one(world, fake).start()
    with gateway.smtp() as client:
        for number in range(6):
            client.sendmail("app@example.com", ["ops@example.net"], message("poison" if number == 3 else "fine", number=number))
    dead = wait(lambda: gateway.events("dead_letter"), "dead letter")
    wait(lambda: len(gateway.events("filed")) == 5, "five filed")
    assert len(dead) == 1 and dead[0]["attempt"] >= 3 and "Error. 11" in dead[0]["error.message"], dead
    gateway.stop()


def test_one_message_tries_behind_a_pause(world):
    """Four connections wait for the end of a pause: one message goes alone, and the others follow when it is filed, not before."""
    calm = [False]

    def fault(step, session, **facts):
        if step == "append-begin":
            tries.append(session.number)
            return None if calm[0] else "NO [THROTTLED] slowly"
        return None

    tries = []
    fake = FakeImap(world, fault=fault)
    for name in "ABCD":
        fake.folder(name, create=True)
    gateway = gateway_for(world, fake, connections=4, limits={"batch": 1})
    gateway.upstream["retry"] = {"initial": "300ms", "maximum": "300ms", "settle": "50ms"}
    gateway.rules = [{"name": "boxes", "if": {"header": "Subject", "matches": "^(?<box>[ABCD])"},
                      "then": [{"fileinto": {"upstream": "corp", "folder": "${box}"}}]}]
    gateway.start()
    with gateway.smtp() as client:
        for number in range(20):
            client.sendmail("app@example.com", ["ops@example.net"], message("ABCD"[number % 4] + " box", number=number))
    wait(lambda: len(failures(gateway, "refused")) >= 4, "pauses")
    assert len(tries) <= 4 + len(failures(gateway, "refused")), (tries, len(failures(gateway, "refused")))
    calm[0] = True
    check_exactly_once(gateway, fake, 20)
    gateway.stop()


# ---- questions ----

class Dies(Session):
    """Ends the session in one command, as often as it comes."""
    deadly = "namespace"
    times = 0

    def ends(self, name):
        if name == self.deadly:
            type(self).times += 1
            raise Cut

    def on_namespace(self, tag, rest):
        self.ends("namespace")
        super().on_namespace(tag, rest)

    def on_capability(self, tag, rest):
        self.ends("capability")
        super().on_capability(tag, rest)

    def on_authenticate(self, tag, rest):
        with self.fake.lock:
            self.fake.logins.append(rest)
        self.say(f"{tag} OK in")  # without its capabilities, so that they are asked for


def test_questions_of_the_login_break_sessions(world):
    """NAMESPACE, and CAPABILITY behind the login, are left out like others when the server does not bear them."""
    for command, name in (("namespace", "NAMESPACE"), ("capability", "CAPABILITY behind the login")):
        Dies.deadly, Dies.times = command, 0
        fake = FakeImap(world, Profile(BASE + " NAMESPACE UIDPLUS"), session=Dies)
        gateway = gateway_for(world, fake).start()
        gateway.send(message("goes"))
        wait(lambda: gateway.events("filed"), "filed line")
        left_out = gateway.events("question_left_out")
        assert [event["question"] for event in left_out] == [name] and Dies.times == 2, (left_out, Dies.times)
        gateway.stop()


class Garbled(Session):
    def on_compress(self, tag, rest):
        self.say(f"{tag} OK DEFLATE active")
        self.say("* OK in the plain all the same")


def test_compression_that_is_none(world):
    fake = FakeImap(world, Profile(BASE + " NAMESPACE UIDPLUS COMPRESS=DEFLATE"), session=Garbled)
    gateway = gateway_for(world, fake, compress="yes").start()
    gateway.send(message("goes"))
    wait(lambda: gateway.events("filed"), "filed line")
    assert [event["question"] for event in gateway.events("question_left_out")] == ["COMPRESS"]
    gateway.stop()


# ---- the login ----

class Shy(Session):
    """Offers PLAIN and hangs up at it; lets nobody use what has not said who it is, and offers ID before the login alone."""

    def greet(self):
        self.say("* OK [CAPABILITY IMAP4rev1 ID AUTH=PLAIN] shy")
        self.known = False

    def on_authenticate(self, tag, rest):
        raise Cut

    def on_login(self, tag, rest):
        self.words(rest)
        self.say(f"{tag} OK [CAPABILITY IMAP4rev1 NAMESPACE UIDPLUS] in")

    def on_id(self, tag, rest):
        self.known = True
        self.say("* ID NIL")
        self.say(f"{tag} OK done")

    def on_append(self, tag, rest):
        if not self.known:
            self.say(f"{tag} NO APPEND Unsafe Login. Please contact support")
            return
        super().on_append(tag, rest)


def test_second_ways_in(world):
    fake = FakeImap(world, session=Shy)
    gateway = gateway_for(world, fake).start()
    gateway.send(message("goes"))
    check_exactly_once(gateway, fake, 1)
    gateway.stop()


# ---- words ----

class Latin(Session):
    def say(self, text):
        self.send(text.encode("latin-1") + b"\r\n")


def test_words_that_are_no_utf8(world):
    """The sentence is told, with the octets that are none left out; not "?" in its place."""
    fake = FakeImap(world, session=Latin, fault=lambda step, session, **facts: "NO Postfach gest\xf6rt\x1b[2J" if step == "append-begin" else None)
    gateway = gateway_for(world, fake).start()
    gateway.send(message("waits"))
    deferred = wait(lambda: gateway.events("deferred"), "deferred line")[0]
    assert deferred["error.message"] == "Postfach gest?rt?[2J", deferred
    wait(lambda: "Postfach gest?rt" in gateway.run("why", deferred["id"])[1], "the words in the story")
    gateway.stop()


def test_a_missing_folder_in_other_words(world):
    """Without a code, or with one that says something else: the folder is made."""
    for words in ("NO Unable to find mailbox", "NO [CANNOT] Mailbox does not exist", "BAD Target folder missing"):
        fake = FakeImap(world, fault=lambda step, session, words=words, **facts:
                        words if step == "append-begin" and session.fake.folder(facts["folder"]) is None else None)
        gateway = gateway_for(world, fake)
        gateway.rules = INTO
        gateway.start()
        gateway.send(message("goes"))
        wait(lambda: gateway.events("filed"), f"filed line behind {words}")
        assert len(fake.folder("Sales").messages) == 1 and not gateway.events("dead_letter")
        gateway.stop()


def test_too_large_in_other_words(world):
    """A size that is refused in words is for good, at the first attempt."""
    for words in ("NO Message exceeds the size limit", "NO [LIMIT] Message too big"):
        fake = FakeImap(world, fault=lambda step, session, words=words, **facts: words if step == "append-begin" else None)
        gateway = gateway_for(world, fake).start()
        gateway.send(message("large"))
        dead = wait(lambda: gateway.events("dead_letter"), "dead letter")[0]
        assert dead["error.code"] == "toobig" and dead["attempt"] == 1, dead
        gateway.stop()


def test_folder_shows_later_and_keywords_are_too_many(world):
    """CREATE says OK and the folder is there only later; and a limit of keywords costs the keyword, not the message."""
    hidden = [True]

    class Late(Session):
        def on_create(self, tag, rest):
            if not hidden:
                super().on_create(tag, rest)
            else:
                hidden.clear()
                self.words(rest)
                self.say(f"{tag} OK done")

    fake = FakeImap(world, session=Late, fault=lambda step, session, **facts:
                    "NO [LIMIT] Too many keywords in mailbox" if step == "append-end" and "ticket" in facts["items"][0][1] else None)
    gateway = one_by_one(world, fake)
    gateway.rules = [{"name": "box", "then": [{"fileinto": {"upstream": "corp", "folder": "Sales", "flags": ["ticket", "\\Flagged"]}}]}]
    gateway.start()
    gateway.send(message("goes"))
    wait(lambda: gateway.events("filed"), "filed line")
    assert fake.folder("Sales").messages[0]["flags"] == "\\Flagged", fake.folder("Sales").messages
    assert not gateway.events("dead_letter") and [event["flags"] for event in gateway.events("flags_left_out")] == ["ticket"]
    gateway.stop()


# ---- Gmail ----

def test_gmail_in_another_language(world):
    """Rules that name Gmail's folders in English mean their use; a server that is no Gmail has folders of that name."""
    uses = {"\\Junk": "[Google Mail]/Spam", "\\Trash": "[Google Mail]/Papierkorb", "\\All": "[Google Mail]/Alle Nachrichten"}
    rules = [{"name": "bin", "then": [{"fileinto": {"upstream": "corp", "folder": "[Gmail]/Trash"}}]}]
    capability = BASE + " UIDPLUS NAMESPACE SPECIAL-USE"
    for server, place in ((uses, "[Google Mail]/Papierkorb"), ({"\\Trash": "Papierkorb"}, "[Gmail]/Trash")):
        fake = FakeImap(world, Profile(capability, uses=server))
        gateway = gateway_for(world, fake)
        gateway.rules = rules
        gateway.start()
        gateway.send(message("goes"))
        filed = wait(lambda: gateway.events("filed"), "filed line")[0]
        assert len(fake.folder(place).messages) == 1 and filed["folder"] == place, (filed, list(fake.folders))
        gateway.stop()


def test_many_messages_send_no_more_than_a_day_holds(world):
    """Four connections at once, and the budget is kept to the octet."""
    fake = FakeImap(world)
    for name in "ABCD":
        fake.folder(name, create=True)
    gateway = gateway_for(world, fake, connections=4, limits={"daily": "8KiB", "batch": 1})
    gateway.start()
    send_many(gateway, 30)
    wait(lambda: any(event["error.code"] == "daily-budget" for event in gateway.events("deferred")), "deferred line")

    def sent():
        with fake.lock:
            return sum(len(item["octets"]) for folder in fake.folders.values() for item in folder.messages)
    wait(lambda: sent() > 6 << 10, "the end of what is under way")  # one waits for the next day while three others are still being sent
    wait(lambda: gateway.run("queue", "summary", "--json")[1].count("waiting"), "what waits")
    assert sent() <= 8 << 10, sent()
    gateway.stop()
