"""Where mail goes otherwise: "else" of a target, for a folder that is refused, an upstream that is down, a mailbox that is full."""
from fake_imap import BASE, FakeImap, Profile
from harness import message, seconds_between, wait

CAPABILITY = BASE + " UIDPLUS LITERAL+ NAMESPACE UNSELECT"


def no_dots(name):
    return "NO [CANNOT] Character not allowed in mailbox name: '.'" if "." in name else None


def world_of(world, target, profile=Profile(CAPABILITY), fault=None, after="1h"):
    """Two servers, "corp" and "b", and one rule that files everything by this target."""
    corp, other = FakeImap(world, profile, fault=fault), FakeImap(world, Profile(CAPABILITY))
    gateway = world.mailweir(None, [{"name": "ci", "then": [{"fileinto": {"upstream": "corp", **target}}, {"stop": True}]}])
    gateway.configuration["upstreams"]["b"] = dict(gateway.upstream)
    quick = {"timeouts": {"connect": "2s", "command": "2s"},
             "retry": {"initial": "20ms", "maximum": "100ms", "settle": "50ms", "fallback_after": after}}
    corp.configure(gateway, **quick)
    gateway.configuration["upstreams"]["b"].update({"address": f"127.0.0.1:{other.port}", "tls": {"mode": "none"}, **quick})
    return corp, other, gateway


def subjects(fake, folder):
    there = fake.folder(folder)
    return sorted(line for item in (there.messages if there else []) for line in item["octets"].split(b"\r\n") if line.startswith(b"Subject"))


def send(gateway, count):
    for number in range(count):
        gateway.send(message(f"number {number}", number=number))


def test_refused_folders_one_after_the_other(world):
    """Also a folder that the rule names itself; each way is gone once, in order, and the first that the server takes gets it."""
    target = {"folder": "v1.0", "else": [{"upstream": "b", "when": "down>1h"}, {"folder": "v1.x", "when": ["refused"]},
                                         {"folder": "CI/other", "when": ["refused", "full>5m"]}]}
    corp, other, gateway = world_of(world, target, Profile(CAPABILITY, names=[no_dots]))
    gateway.start()
    send(gateway, 3)
    wait(lambda: len(gateway.events("filed")) == 3, "filed")
    assert len(corp.folder("CI/other").messages) == 3 and not other.ids()
    steps = [(one["folder"], one["instead"]) for one in gateway.events("folder_refused")]
    assert sorted(set(steps)) == [("v1.0", "v1.x"), ("v1.x", "CI/other")] and len(steps) == 6, steps
    filed = gateway.events("filed")[0]
    assert filed["folder"] == "CI/other" and "not allowed" in filed["note"], filed
    story = gateway.run("why", filed["id"])[1]
    assert "goes to corp:v1.x" in story and "goes to corp:CI/other" in story and "else b:" in story, story
    assert not gateway.events("dead_letter")
    gateway.stop()


def test_refused_goes_to_another_upstream(world):
    """No right to write there, said to the APPEND: the other upstream gets it, marked; what nobody takes is a dead letter."""
    target = {"folder": "Team", "else": {"upstream": "b", "folder": "Team.x", "when": "refused"}}
    corp, other, gateway = world_of(world, target, Profile(CAPABILITY, refuses=[lambda octets, flags: "NO [NOPERM] Permission denied"]))
    gateway.start()
    send(gateway, 1)
    wait(lambda: gateway.events("filed"), "filed")
    octets = other.folder("Team.x").messages[0]["octets"]
    assert b"\r\nX-Mailweir-Fallback: corp\r\n" in octets and not corp.ids()
    other.profile.names = [no_dots]
    other.folders.pop("Team.x")
    send(gateway, 1)
    dead = wait(lambda: gateway.events("dead_letter"), "dead letter")[0]
    assert (dead["upstream"], dead["folder"]) == ("b", "Team.x"), dead
    gateway.stop()


def test_full_for_some_time(world):
    """Not before its time, and not when the mailbox is only down; the time is remembered over a restart."""
    room = {"refuses": True}
    profile = Profile(CAPABILITY, refuses=[lambda octets, flags: "NO [OVERQUOTA] Quota exceeded" if room["refuses"] else None])
    corp, other, gateway = world_of(world, {"folder": "CI", "else": [{"upstream": "b", "when": ["down>1h", "full>2s"]}]}, profile)
    gateway.start()
    send(gateway, 1)
    first = wait(lambda: gateway.events("deferred"), "deferred")[0]
    gateway.stop()
    gateway.start()
    moved = wait(lambda: gateway.events("fallback"), "moved")[0]
    assert seconds_between(first, moved) >= 1.9 and "full_since" in moved and "down_since" not in moved, moved
    wait(lambda: subjects(other, "CI") == [b"Subject: number 0"], "filed on the other")
    assert "corp had been full since" in gateway.run("why", moved["id"])[1]
    assert not corp.ids()
    room["refuses"] = False
    gateway.send(message("number 1", number=1))
    wait(lambda: subjects(corp, "CI") == [b"Subject: number 1"], "the next one, where it belongs")
    gateway.stop()


def test_down_with_a_time_of_its_own(world):
    """Sooner than the upstream's own, and to another folder there; a target that waits longer stays."""
    target = {"folder": "CI", "else": [{"upstream": "b", "folder": "From/corp", "when": "down>1s"}]}
    corp, other, gateway = world_of(world, target, fault=lambda step, session, **facts: "cut" if step == "greeting" else None)
    gateway.rules[0]["then"].insert(0, {"copy": {"upstream": "corp", "folder": "Late", "else": {"upstream": "b", "when": "down"}}})
    gateway.start()
    send(gateway, 5)
    wait(lambda: len(subjects(other, "From/corp")) == 5, "five on the other")
    moved = gateway.events("fallback")[0]
    assert seconds_between(gateway.events("deferred")[0], moved) >= 0.8, moved
    assert "went to b:From/corp as delivery 3: corp had been down since" in gateway.run("why", moved["id"])[1]
    assert len(other.ids()) == 5 and len(gateway.events("fallback")) == 5
    gateway.stop()


def test_a_lost_answer_of_the_other_folder(world):
    """It is looked for where it went, and lies there once."""
    cut = iter([True])

    def fault(step, session, **facts):
        return "commit-cut" if step == "append-end" and facts["folder"] is not None and next(cut, False) else None

    corp, _, gateway = world_of(world, {"folder": "v1.0", "else": {"folder": "CI/other", "when": "refused"}},
                                Profile(CAPABILITY, names=[no_dots]), fault)
    gateway.start()
    send(gateway, 1)
    filed = wait(lambda: gateway.events("filed"), "filed")[0]
    assert filed["folder"] == "CI/other" and len(corp.ids()) == 1 and corp.appends == 1, filed
    gateway.stop()
