"""Each kind of trouble once more, in other words, at other commands and with other numbers: one gateway, a server for each kind, all at once."""
import copy
import itertools

from admin_client import Admin
from fake_imap import BASE, Cut, FakeImap, Profile, Session
from harness import message, wait

PLAIN = Profile(BASE + " UIDPLUS NAMESPACE UNSELECT")
RETRY = {"initial": "20ms", "maximum": "200ms", "settle": "50ms"}


def first(count, words, step="append-begin"):
    """So many times these words at this step."""
    left = itertools.count(1)
    return lambda now, session, **facts: words if now == step and next(left) <= count else None


def one_session(words):
    return lambda step, session, **facts: words if step == "append-begin" and session.number == 1 else None


def always(step, action):
    return lambda now, session, **facts: action if now == step else None


class Blanks(Session):
    """More than one blank between tokens, blanks in front of tags and at the ends of lines, and blank lines."""

    def say(self, text):
        self.send("\r\n" + " " + text.replace(" ", "  ") + "  \r\n" if text[0] not in "*+" else text.replace(" ", "   ", 1) + " \r\n")


class Hidden(Session):
    """A folder shows some time after CREATE, and until then it is missing in words of the server's own."""

    def on_create(self, tag, rest):
        name = self.words(rest)[0].decode()
        self.fake.created = getattr(self.fake, "created", 0) + 1
        if self.fake.created < 3:
            self.say(f"{tag} " + ("OK made" if self.fake.created == 1 else "NO it exists, I think"))
            return
        self.fake.folder(name, create=True)
        self.say(f"{tag} OK done")


class OneIsEnough(Session):
    """A second login is refused as a wrong password while the first is in."""

    def on_authenticate(self, tag, rest):
        if self.fake.open > 1:
            self.words(rest)
            self.say(f"{tag} NO [AUTHENTICATIONFAILED] Invalid credentials")
            return
        super().on_authenticate(tag, rest)


class NoInitial(Session):
    def on_authenticate(self, tag, rest):
        if b" " in rest:
            self.say(f"{tag} NO Initial response is not supported")
            return
        self.say("+ ")
        self.line()
        self.say(f"{tag} OK in")


class Zero(Session):
    """No limit of messages, by a limit of 0."""

    def on_getquotaroot(self, tag, rest):
        self.say('* QUOTAROOT INBOX "u"')
        self.say('* QUOTA "u" (MESSAGE 100 0 STORAGE 12 0)')
        self.say(f"{tag} OK done")


class Parents(Session):
    """Each folder above must be made first; what lacks is said without a code."""

    def on_create(self, tag, rest):
        name = self.words(rest)[0].decode()
        above = name.rpartition("/")[0]
        if above and self.fake.folder(above) is None:
            self.say(f"{tag} NO Superior folder is missing")
            return
        self.fake.folder(name, create=True)
        self.say(f"{tag} OK done")


def missing(words):
    return lambda step, session, **facts: words if step == "append-begin" and session.fake.folder(facts["folder"]) is None else None


def no_keywords(words):
    return lambda step, session, **facts: words if step == "append-end" and "ticket" in facts["items"][0][1] else None


MANY = r"\Answered \Flagged \Deleted \Seen \Draft " + " ".join(f"keyword-{number:06d}" for number in range(20000)) + r" \*"
# name: how the server is, where mail goes, and how often it may be asked to take a message (of six)
KINDS = {
    "expired": (dict(fault=one_session("BAD Session expired, log in again")), "INBOX", 8),
    "detached": (dict(fault=one_session("NO User is authenticated but not connected.")), "INBOX", 8),
    "fast": (dict(fault=first(4, "NO [ALERT] You are sending too fast")), "INBOX", 12),
    "minute": (dict(fault=first(4, "NO [LIMIT] Message rate limit exceeded (17)")), "INBOX", 12),
    "later": (dict(fault=first(3, "BAD Cannot do that at the moment")), "INBOX", 14),
    "locked": (dict(fault=first(3, "BAD database is locked")), "INBOX", 14),
    "busy-create": (dict(fault=first(2, "NO [INUSE] Mailbox list is locked", "create")), "Sales", 30),
    "late-create": (dict(session=Hidden, fault=missing("NO The folder could not be found")), "Sales", 40),
    "missing": (dict(fault=missing("NO SELECT/APPEND failed: no mailbox Quota reports")), "Quota reports", 13),
    "absent": (dict(fault=missing("BAD Destination folder unknown: Too large")), "Too large", 13),
    "parents": (dict(session=Parents), "A/B/C", 13),
    "keyword": (dict(fault=no_keywords("NO [CANNOT] Keywords are not permitted here")), "INBOX", 14),
    "keyword-bad": (dict(fault=no_keywords("BAD Invalid flag: ticket")), "INBOX", 14),
    "rights": (dict(profile=Profile(BASE + " UIDPLUS NAMESPACE ACL"), fault=always("myrights", "bye never heard of it")), "INBOX", 14),
    "quota": (dict(profile=Profile(BASE + " UIDPLUS NAMESPACE QUOTA"), fault=always("getquotaroot", "cut")), "INBOX", 14),
    "flags": (dict(fault=always("select", "cut")), "INBOX", 14),
    "unselect": (dict(fault=always("unselect", "cut")), "INBOX", 14),
    "zero": (dict(profile=Profile(BASE + " UIDPLUS NAMESPACE QUOTA"), session=Zero), "INBOX", 13),
    "blanks": (dict(session=Blanks), "INBOX", 13),
    "keywords": (dict(profile=Profile(BASE + " UIDPLUS NAMESPACE UNSELECT", keeps=MANY)), "INBOX", 13),
    "no-initial": (dict(session=NoInitial), "INBOX", 13),
    "in-use": (dict(fault=first(2, "NO [INUSE] Mailbox in use", "authenticate")), "INBOX", 13),
    "crowded": (dict(session=OneIsEnough), "INBOX", 13),
}


def counting(fake, fault):
    def both(step, session, **facts):
        fake.asked += step == "append"
        return fault(step, session, **facts) if fault else None
    return both


def test_each_kind_once_more(world):
    """All of it is filed, once, without a dead letter, and none of the servers is asked again and again."""
    fakes = {name: FakeImap(world, **{"profile": PLAIN, **copy.copy(how)}) for name, (how, _, _) in KINDS.items()}
    for fake in fakes.values():
        fake.asked, fake.fault = 0, counting(fake, fake.fault)
    rules = [{"name": name, "if": {"field": "to", "is": f"{name}@example.net"},
              "then": [{"fileinto": {"upstream": name, "folder": folder, "flags": ["\\Flagged", "ticket"]}}, {"stop": True}]}
             for name, (_, folder, _) in KINDS.items()]
    gateway = world.mailweir(None, rules)
    for name, fake in fakes.items():
        gateway.configuration["upstreams"][name] = {
            "address": f"127.0.0.1:{fake.port}", "tls": {"mode": "none"}, "auth": {"username": "relay", "password": "relaypw"}, "retry": RETRY,
            "connections": 2, "limits": {"batch": 1, "folder_connections": 2}, "timeouts": {"connect": "5s", "command": "5s"}}
    gateway.start()
    with gateway.smtp() as client:
        for number in range(6):
            for name in KINDS:
                client.sendmail(f"app{number % 3}@example.com", [f"{name}@example.net"], message("kind", number=number))

    def lacking():
        return {name: (len(fake.ids()), fake.asked) for name, fake in fakes.items() if len(fake.ids()) < 6}
    wait(lambda: not lacking(), f"all of it; {lacking} lack", 90)
    assert not gateway.events("dead_letter"), gateway.events("dead_letter")
    for name, fake in fakes.items():
        print(f"{name}: {fake.asked} APPENDs in {fake.connections} sessions")
        assert len(set(fake.ids())) == len(fake.ids()) == 6, (name, fake.ids())
        assert fake.asked <= KINDS[name][2] and fake.connections <= 25, (name, fake.asked, fake.connections)
    left_out = {event["upstream"]: event["question"] for event in gateway.events("question_left_out")}
    assert {"rights": "MYRIGHTS", "quota": "GETQUOTAROOT"}.items() <= left_out.items() and "flags" in left_out, left_out
    assert {event["upstream"] for event in gateway.events("flags_left_out")} >= {"keyword", "keyword-bad"}
    assert not [event for event in gateway.events("upstream_failed") if event["cause"] == "login"], gateway.events("upstream_failed")
    flags = [item["flags"] for item in fakes["keywords"].folder("INBOX").messages]
    assert all("ticket" in one and "\\Flagged" in one for one in flags), flags
    gateway.stop()


def test_sessions_that_file_nothing_once_more(world):
    """By a reset behind the literal, in silence, and with BYE in the answer of the login: each account is down, in words, and works when the server does."""
    sick = [True]

    class Leaving(Session):
        def on_authenticate(self, tag, rest):
            self.words(rest)
            self.say(f"{tag} OK in" + ("\r\n* BYE come back tomorrow" if sick else ""))
            if sick:
                raise Cut

    fakes = {"reset": FakeImap(world, PLAIN, lambda step, session, **facts: "cut" if step == "append-begin" and sick else None),
             "leaving": FakeImap(world, PLAIN, session=Leaving),
             "bye": FakeImap(world, PLAIN, lambda step, session, **facts: "bye The store went away" if step == "status" and sick else None)}
    rules = [{"name": name, "if": {"field": "to", "is": f"{name}@example.net"}, "then": [{"fileinto": {"upstream": name, "folder": "INBOX"}}, {"stop": True}]}
             for name in fakes]
    gateway = world.mailweir(None, rules)
    for name, fake in fakes.items():
        gateway.configuration["upstreams"][name] = {
            "address": f"127.0.0.1:{fake.port}", "tls": {"mode": "none"}, "auth": {"username": "relay", "password": "relaypw"}, "retry": RETRY}
    gateway.start()
    with gateway.smtp() as client:
        for number in range(20):
            for name in fakes:
                client.sendmail("app@example.com", [f"{name}@example.net"], message("kind", number=number))
    for name in ("reset", "leaving"):
        wait(lambda: [event for event in gateway.events("upstream_failed") if event["upstream"] == name and event["cause"] == "sessions"], f"{name} down")
    told = [event["error.message"] for event in gateway.events("upstream_failed") if event["upstream"] == "leaving"]
    assert any("come back tomorrow" in text for text in told), told
    metrics = Admin(gateway).get("/metrics").text
    assert 'mailweir_upstream_outages_total{upstream="leaving",cause="sessions"}' in metrics
    sick.clear()
    wait(lambda: all(len(fake.ids()) == 20 for fake in fakes.values()), "all of it", 60)
    assert not gateway.events("dead_letter") and all(len(set(fake.ids())) == 20 for fake in fakes.values())
    gateway.stop()
