"""What is filed where, and how: special uses, flags that folders do not keep, servers of other kinds with their own limits."""
from fake_imap import PROFILES, FakeImap, Profile
from harness import message, received_part, wait
from test_imap_faults import SHORT, check_exactly_once, cut_everywhere

INTO = [{"name": name[1:], "if": {"header": "Subject", "is": name[1:]},
         "then": [{"fileinto": {"upstream": "corp", "folder": name}}, {"stop": True}]}
        for name in ("\\Junk", "\\Archive", "\\Sent", "\\Trash", "\\Drafts", "\\Flagged")]
FLAGS = [{"name": "flags", "then": [{"fileinto": {"upstream": "corp", "folder": "INBOX", "flags": ["\\Flagged", "ci"]}}]}]
RETRY = {"initial": "20ms", "maximum": "100ms", "settle": "50ms"}


def gateway_for(world, fake, profile, rules=None, **extra):
    gateway = world.mailweir(None, rules, name=profile + str(len(world.cleanup)))
    return fake.configure(gateway, profile=profile, timeouts={"connect": "5s", "command": "5s"}, retry=RETRY, **extra).start()


# ---- special uses ----

def test_special_use_dovecot(world):
    """Rules name folders by their use; Dovecot says which they are; one that it has not is made under the configured name."""
    dovecot = world.dovecot(extra="""
namespace inbox {
  mailbox "Spam Ü" {
    special_use = \\Junk
    auto = create
  }
  mailbox "Old Mail" {
    special_use = \\Archive
    auto = create
  }
}
""")
    gateway = world.mailweir(dovecot, INTO)
    gateway.upstream.update({"profile": "dovecot", "special_use": {"sent": "Sent/By mail"}})
    gateway.start()
    sent = {}
    for subject in ("Junk", "Archive", "Sent", "Trash", "Junk", "Junk"):
        sent[subject] = message(subject)
        gateway.send(sent[subject])
    wait(lambda: len(gateway.events("filed")) == 6, "six filed")
    for subject, folder, count in (("Junk", "Spam &ANw-", 3), ("Archive", "Old Mail", 1), ("Sent", "Sent/By mail", 1), ("Trash", "Trash", 1)):
        found = dovecot.messages(folder)
        assert len(found) == count, (folder, len(found), dovecot.folders())
        assert received_part(found[-1]) == sent[subject]
    assert not [name for name in dovecot.folders() if "Junk" in name or name.startswith("\\")], dovecot.folders()
    filed = next(one for one in gateway.events("filed") if one["folder"] == "Spam Ü")  # folder and UID lead back
    told = wait(lambda: (found := gateway.run("why", "corp", "Spam Ü", str(filed["uid"])))[0] == 0 and found, "story by folder and UID")
    assert filed["id"] in told[1] and "to corp:Spam Ü" in told[1], told
    told = gateway.events("special_folders")
    assert told and told[0]["junk"] == "Spam &ANw-" and told[0]["archive"] == "Old Mail" and "sent" not in told[0], told
    gateway.stop()


def asked_for_uses(fake):
    return len([question for question in fake.lists if question != '"" ""'])  # the other one is about the delimiter


def test_special_use_is_asked_once(world):
    """Gmail's own name, asked once for all connections; a server without any gets the profile's name, and is not asked again and again."""
    fake = FakeImap(world, "gmail")
    gateway = gateway_for(world, fake, "gmail", INTO)
    for number in range(30):
        gateway.send(message("Junk", number=number))
    wait(lambda: len(fake.folder("[Gmail]/Spam").messages) == 30, "30 in Spam")
    assert asked_for_uses(fake) == 1, fake.lists
    gateway.stop()
    fake = FakeImap(world, "exchange")
    gateway = gateway_for(world, fake, "exchange", INTO)
    for number in range(10):
        gateway.send(message("Junk", number=number))
    wait(lambda: fake.folder("Junk Email") and len(fake.folder("Junk Email").messages) == 10, "10 in Junk Email")
    assert asked_for_uses(fake) == 1, fake.lists
    gateway.stop()


def test_special_use_is_looked_for_again(world):
    """The outcome of an append into a special folder is unknown: it is looked for where the server's name says."""
    once = iter([True])
    fake = FakeImap(world, "gmail", fault=lambda step, session, **facts:
                    "commit-cut" if step == "append-end" and next(once, False) else None)
    gateway = gateway_for(world, fake, "gmail", INTO)
    gateway.send(message("Junk"))
    filed = wait(lambda: gateway.events("filed"), "filed line")[0]
    assert "found" in filed["note"] and len(fake.folder("[Gmail]/Spam").messages) == 1 and fake.appends == 1, filed
    gateway.stop()


def test_unknown_use_is_an_error(world):
    gateway = world.mailweir(None, [{"name": "x", "then": [{"fileinto": {"upstream": "corp", "folder": "\\Spam"}}]}])
    status, _, err = gateway.run("check")
    assert status == 78 and "special use" in err and "rules.json:" in err, (status, err)
    gateway.rules = []
    gateway.configuration["default"]["folder"] = "\\Inbox"
    status, _, err = gateway.run("check")
    assert status == 78 and "special use" in err, (status, err)


# ---- flags ----

def test_flags_that_the_folder_does_not_keep(world):
    """Without "\\*" a keyword is left out, which this server would refuse the message for; it is asked once by each of the connections
    that begin together, and told once."""
    fake = FakeImap(world, "exchange")
    gateway = gateway_for(world, fake, "exchange", FLAGS, limits={"keywords": "yes"})
    for number in range(20):
        gateway.send(message("alert", number=number))
    wait(lambda: len(gateway.events("filed")) == 20, "20 filed")
    assert [item["flags"] for item in fake.folder("INBOX").messages] == ["\\Flagged"] * 20
    told = gateway.events("flags_left_out")
    assert 1 <= fake.selects <= 8 and [(one["flags"], one["folder"]) for one in told] == [("ci", "INBOX")], (fake.selects, told)
    gateway.stop()


def test_flags_dovecot(world):
    """A real server says "\\*" and gets the keyword."""
    dovecot = world.dovecot()
    gateway = world.mailweir(dovecot, FLAGS)
    gateway.upstream["profile"] = "dovecot"
    gateway.start()
    gateway.send(message("alert"))
    wait(lambda: gateway.events("filed"), "filed line")
    flags = dovecot.fetch()[0][1]
    assert "\\Flagged" in flags and "ci" in flags, flags
    assert not gateway.events("flags_left_out")
    gateway.stop()


def test_flagged_is_stored_where_append_loses_it(world):
    """Microsoft 365: STORE behind APPEND, once for each message; a STORE that fails or is cut never sends the message again."""
    faults = iter([None, "cut", "refuse"] + [None] * 20)
    fake = FakeImap(world, "microsoft365", fault=lambda step, session, **facts: next(faults) if step == "store" else None)
    gateway = gateway_for(world, fake, "microsoft365", FLAGS, limits={"keywords": "no"})
    for number in range(6):
        gateway.send(message("alert", number=number))
        wait(lambda: len(gateway.events("filed")) == number + 1, "filed line")
    assert len(fake.ids()) == len(set(fake.ids())) == 6 and fake.appends == 6
    flags = [item["flags"] for item in fake.folder("INBOX").messages]
    assert flags.count("\\Flagged") == 4 == fake.stores and flags.count("") == 2, flags
    assert len(gateway.events("flags_not_stored")) == 2
    gateway.stop()


def test_stored_flags_cut_at_octets(world):
    """The connection is reset at each octet of SELECT, STORE and UNSELECT behind the APPEND: filed once, whatever became of the flags."""
    cut_everywhere(world, "cut_received", 600, "microsoft365", begin=400, flags=["\\Flagged"], profile_name="microsoft365",
                   calm=True)


def test_flags_of_what_was_in_doubt(world):
    """Committed and then cut, where APPEND loses the flag: the message is found, not sent again, and gets its flag by the search, once."""
    once = iter([True])
    fake = FakeImap(world, "microsoft365", fault=lambda step, session, **facts:
                    "commit-cut" if step == "append-end" and next(once, False) else None)
    gateway = gateway_for(world, fake, "microsoft365", FLAGS, limits={"keywords": "no"})
    gateway.send(message("alert"))
    check_exactly_once(gateway, fake, 1)
    assert "found" in gateway.events("filed")[0]["note"] and fake.appends == 1
    assert fake.folder("INBOX").messages[0]["flags"] == "\\Flagged" and fake.stores == 1, fake.folder("INBOX").messages[0]["flags"]
    assert not gateway.events("flags_not_stored")
    gateway.stop()


def test_flags_of_a_batch_in_doubt(world):
    """Many messages of unknown outcome, those in the middle with a flag more: what a search finds gets its flags by few commands."""
    committed = []

    def fault(step, session, **facts):
        if step == "append-end" and len(committed) < 40:
            committed.extend(facts["items"])
            return "commit-cut"
        return None

    rules = [{"name": f"flags {place}", "if": {"header": "Subject", "is": f"flags {place}"},
              "then": [{"fileinto": {"upstream": "corp", "folder": "INBOX", "flags": ["\\Flagged", "\\Seen"][:1 + (place == 1)]}}]}
             for place in range(3)]
    fake = FakeImap(world, Profile(PROFILES["generic"].capability, loses=["\\Flagged", "\\Seen"]), fault=fault)
    gateway = gateway_for(world, fake, "generic", rules, limits={"store_flags": "yes"})
    with gateway.smtp() as client:
        for number in range(60):
            client.sendmail("app@example.com", ["ops@example.net"], message(f"flags {number // 20}", number=number))
    check_exactly_once(gateway, fake, 60)
    flags = [item["flags"] for item in fake.folder("INBOX").messages]
    assert flags.count("\\Flagged") == 40 and flags.count("\\Flagged \\Seen") == 20, flags
    assert sum("found" in event.get("note", "") for event in gateway.events("filed")) == len(committed) >= 40
    print(f"figure: {fake.stores} STORE for 60 messages, of which {len(committed)} were found")
    assert fake.stores < 60 and not gateway.events("flags_not_stored"), fake.stores
    gateway.stop()


def test_stall_where_flags_of_a_search_are_stored(world):
    """The server stops answering at each step of a search and of what follows it: filed once; only a cut at the flags themselves leaves some out, and that is said."""
    for step, stored in (("examine", True), ("fetch", True), ("select", False), ("uid", False), ("unselect", True)):
        due = ["append-end", step]  # what is done before the APPEND goes well

        def fault(at, session, due=due, **facts):
            if due and at == due[0]:
                due.pop(0)
                return "commit-cut" if at == "append-end" else "stall"
            return None

        fake = FakeImap(world, "microsoft365", fault=fault)
        gateway = world.mailweir(None, FLAGS, name=f"stall-{step}")
        fake.configure(gateway, profile="microsoft365", timeouts=SHORT, retry=RETRY, limits={"keywords": "no"})
        gateway.start()
        gateway.send(message(step))
        check_exactly_once(gateway, fake, 1)
        assert fake.stalled.is_set() and fake.appends == 1, step
        flags, told = fake.folder("INBOX").messages[0]["flags"], gateway.events("flags_not_stored")
        assert (flags, len(told)) == (("\\Flagged", 0) if stored else ("", 1)), (step, flags, told)
        assert stored or (told[0]["delivery"], told[0]["messages"]) == (gateway.events("filed")[0]["delivery"], 1), told
        gateway.stop()


def test_stall_at_every_further_step(world):
    """The server stops answering at the steps that only some mail takes: special folders, flags, missing folders, compression, UTF-8."""
    capability = PROFILES["generic"].capability + " SPECIAL-USE ENABLE UTF8=ACCEPT COMPRESS=DEFLATE"
    rules = [{"name": "junk", "then": [{"fileinto": {"upstream": "corp", "folder": "\\Junk", "flags": ["\\Flagged"]}}]}]
    for step in ("compress", "enable", "list", "select", "create", "subscribe", "uid", "unselect"):
        once = iter([True])
        fake = FakeImap(world, Profile(capability, utf8=6855), fault=lambda at, session, step=step, once=once, **facts:
                        "stall" if at == step and next(once, False) else None)
        gateway = world.mailweir(None, rules, name=f"stall-{step}")
        fake.configure(gateway, timeouts=SHORT, compress="yes", limits={"store_flags": "yes"})
        gateway.start()
        gateway.send(message(step))
        check_exactly_once(gateway, fake, 1)
        assert fake.stalled.is_set(), step
        gateway.stop()


# ---- kinds of servers ----

def test_profiles_carry_mail(world):
    """Each kind of server takes mail of small and middle size, with its own literals, flags and names, and no connection is lost by it."""
    rules = [{"name": "label", "if": {"header": "Subject", "is": "label"},
              "then": [{"fileinto": {"upstream": "corp", "folder": "Team/Ü^x", "flags": ["\\Flagged", "ci"]}}]}]
    for profile in PROFILES:
        if profile == "plain":
            continue
        fake = FakeImap(world, profile)
        gateway = gateway_for(world, fake, profile, rules)
        sent = [message("plain", number=1), message("plain", body="x" * 70 + "\r\n" + "y\r\n" * 5000, number=2), message("plain", number=3)]
        for octets in sent:
            gateway.send(octets)
        wait(lambda: len(gateway.events("filed")) == 3, f"three filed ({profile})")
        assert sorted(received_part(item["octets"]) for item in fake.folder("INBOX").messages) == sorted(sent), profile
        gateway.send(message("label", number=4))
        if profile == "gmail":
            dead = wait(lambda: gateway.events("dead_letter"), "a dead letter")[0]
            assert dead["error.code"] == "folder-name", dead
        else:
            wait(lambda: len(gateway.events("filed")) == 4, f"label filed ({profile})")
            assert len(fake.folder("Team/&ANw-^x").messages) == 1
        gateway.stop()


def test_too_many_connections(world):
    """The pool shrinks to what the server lets in; all mail arrives."""
    fake = FakeImap(world, Profile(PROFILES["gmail"].capability, connections=2))
    gateway = gateway_for(world, fake, "gmail", connections=6)
    with gateway.smtp() as client:
        for number in range(60):
            client.sendmail("app@example.com", ["ops@example.net"], message("many", number=number))
    wait(lambda: len(fake.ids()) == 60, "60 filed", 60)
    assert len(set(fake.ids())) == 60
    gateway.stop()


def test_size_is_known_before(world):
    """APPENDLIMIT is believed: what is larger is never sent; without it the server's words say that it is too large for ever."""
    announced = FakeImap(world, Profile("IMAP4rev1 AUTH=PLAIN SASL-IR UIDPLUS APPENDLIMIT=20000"))
    silent = FakeImap(world, Profile("IMAP4rev1 AUTH=PLAIN SASL-IR UIDPLUS", refuses=[
        lambda octets, flags: "NO Maximum size of appendable message has been exceeded." if len(octets) > 20000 else None]))
    for fake, appends in ((announced, 0), (silent, 1)):
        gateway = gateway_for(world, fake, "generic")
        gateway.send(message("large", body="0123456789\r\n" * 3000))
        dead = wait(lambda: gateway.events("dead_letter"), "a dead letter")[0]
        assert dead["error.code"] == "toobig" and fake.appends == appends, (dead, fake.appends)
        gateway.stop()
