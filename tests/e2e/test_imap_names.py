"""Names of folders that mail brings: made fit for the server, and never a dead letter."""
import json

from fake_imap import BASE, FakeImap, Profile
from harness import message, seconds, wait
from test_imap_faults import check_exactly_once


def no_dots(name):
    """Dovecot with Maildir and the separator "/"."""
    return "NO [CANNOT] Character not allowed in mailbox name: '.'" if "." in name else None


def gateway_for(world, fake, rules, **extra):
    gateway = world.mailweir(None, rules)
    fake.configure(gateway, timeouts={"connect": seconds(2), "command": seconds(2)},
                   retry={"initial": "20ms", "maximum": "100ms", "settle": "50ms"}, **extra)
    return gateway


BY_DOMAIN = [{"name": "alerts", "if": {"field": "from", "contains": "@"},
              "then": [{"fileinto": {"upstream": "corp", "folder": "Alerts/${from.domain}"}}, {"stop": True}]}]
PROFILE = Profile(BASE + " UIDPLUS LITERAL+ NAMESPACE UNSELECT", names=[no_dots])


def test_made_fit(world):
    """The key "folders": what mail brings loses what the server does not take; explain and the log say the name that it gets."""
    fake = FakeImap(world, PROFILE)
    gateway = gateway_for(world, fake, BY_DOMAIN, folders={"forbidden": "."}).start()
    gateway.send(message("hello"))
    check_exactly_once(gateway, fake, 1)
    assert gateway.events("filed")[0]["folder"] == "Alerts/example_com" and fake.folder("Alerts/example_com").messages
    sample = world.folder / "sample.eml"
    sample.write_text("From: a@b.c\r\nSubject: x\r\n\r\nhi\r\n")
    out = gateway.run("explain", "--from", "app@mail.example.org", "--to", "x@example.net", str(sample))[1]
    assert "Alerts/mail_example_org" in out, out
    gateway.stop()


def test_refused_for_its_name(world):
    """Without the key the server refuses the name: the message lies in the default folder, and that is said, not a dead letter."""
    fake = FakeImap(world, PROFILE)
    gateway = gateway_for(world, fake, BY_DOMAIN).start()
    for number in range(3):
        gateway.send(message("hello", number=number))
    check_exactly_once(gateway, fake, 3)
    assert len(fake.folder("INBOX").messages) == 3
    refused = gateway.events("folder_refused")[0]
    assert refused["folder"] == "Alerts/example.com" and refused["instead"] == "INBOX", refused
    filed = gateway.events("filed")[0]
    assert filed["folder"] == "INBOX" and "Character not allowed" in filed["note"], filed
    wait(lambda: all(word in gateway.run("why", filed["id"])[1] for word in ("Alerts/example.com", "INBOX")), "both folders in the story")
    assert not gateway.events("dead_letter")
    gateway.stop()


def test_refused_name_and_lost_answer(world):
    """The default folder's answer is lost: the message is looked for there, and lies there once."""
    cut = iter([True])

    def fault(step, session, **facts):
        return "commit-cut" if step == "append-end" and facts["folder"] is not None and next(cut, False) else None

    fake = FakeImap(world, PROFILE, fault=fault)
    gateway = gateway_for(world, fake, BY_DOMAIN).start()
    gateway.send(message("hello"))
    check_exactly_once(gateway, fake, 1)
    assert len(fake.folder("INBOX").messages) == 1
    gateway.stop()


def test_a_name_of_the_operator_is_told(world):
    """What the rule names itself is the operator's to mend: a dead letter with the server's words, as ever."""
    rules = [{"name": "all", "then": [{"fileinto": {"upstream": "corp", "folder": "v1.0"}}, {"stop": True}]}]
    fake = FakeImap(world, PROFILE)
    gateway = gateway_for(world, fake, rules).start()
    gateway.send(message("hello"))
    dead = wait(lambda: gateway.events("dead_letter"), "dead letter")[0]
    assert "Character not allowed" in dead["error.message"], dead
    gateway.stop()


def test_two_values_that_become_one_name(world):
    """`check` tells it of the tests beside the rules, and of what the rules compare with; another replacement ends it, and so does a server that takes dots."""
    def test_of(name, sender):
        return {"name": name, "from": sender, "to": ["ops@example.net"], "headers": {"Subject": "x"}, "expect": {"rules": ["alerts"]}}

    by_test = {"rules": BY_DOMAIN, "tests": [test_of("dots", "a@web.example"), test_of("lines", "a@web_example"), test_of("again", "b@web.example")]}
    by_list = {"rules": [{"name": "alerts", "if": {"field": "from", "part": "user", "in": ["disk.full", "disk_full", "load"]},
                          "then": [{"fileinto": {"upstream": "corp", "folder": "Alerts/${from.user}"}}, {"stop": True}]}]}
    gateway = gateway_for(world, FakeImap(world), [])
    gateway.configuration["rules"] = ["more.json"]
    for rules, pair in ((by_test, ("Alerts/web.example", "Alerts/web_example")), (by_list, ("disk.full", "disk_full"))):
        (gateway.folder / "more.json").write_text(json.dumps(rules))
        gateway.configuration["upstreams"]["corp"]["folders"] = {"forbidden": "."}
        status, _, err = gateway.run("check")
        told = [line for line in err.splitlines() if "become one" in line]
        assert status == 0 and len(told) == 1 and all(f'"{one}"' in told[0] for one in pair) and '"corp"' in told[0], (status, err)
        gateway.configuration["upstreams"]["corp"]["folders"]["replacement"] = "+"
        assert "become one" not in gateway.run("check")[2]
        del gateway.configuration["upstreams"]["corp"]["folders"]
        assert "become one" not in gateway.run("check")[2]


def test_names_at_the_edges(world):
    """A "~" or "#" in front, nothing but blanks, a name that is far too long, the delimiter, and names of other namespaces: each is filed, and none elsewhere."""
    def judge(name):
        bad = name.startswith(("~", "#")) or "/~" in name or len(name.encode()) > 255 or not all(part.strip() for part in name.split("/"))
        return "NO Invalid mailbox name" if bad else None

    rules = [{"name": "by-subject", "if": {"header": "Subject", "matches": "^(?<name>.*)$"},
              "then": [{"fileinto": {"upstream": "corp", "folder": "${name}"}}, {"stop": True}]}]
    fake = FakeImap(world, Profile(BASE + " UIDPLUS LITERAL+ NAMESPACE UNSELECT", names=[judge]))
    gateway = gateway_for(world, fake, rules).start()
    subjects = ["~root", "~", "#shared/x", "#news.x", "  ", "x" * 400, "\u00fc" * 200, "a/b", "..", "INBOX", "inbox", "*", "%", "\\Junk"]
    for subject in subjects:
        gateway.send(message(subject))
    wait(lambda: len(gateway.events("filed")) == len(subjects), "all of them")
    assert not gateway.events("dead_letter")
    with fake.lock:
        names = set(fake.folders)
    assert not [name for name in names if judge(name)] and "a_b" in names and "_Junk" in names, names
    gateway.stop()
