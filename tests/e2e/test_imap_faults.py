"""Exactly once against a server that misbehaves at every point: no message lost, none twice."""
import collections
import json

from fake_imap import FakeImap
from harness import SIZE, message, seconds, seconds_between, wait

# Soon over, and longer than a busy machine keeps the fake server from answering.
SHORT = {"connect": "1s", "command": "1s"}


def gateway_for(world, fake, **extra):
    gateway = world.mailweir(None, name=f"mailweir{len(world.cleanup)}")
    fake.configure(gateway, timeouts={"connect": seconds(2), "command": seconds(2)},
                   retry={"initial": "20ms", "maximum": "100ms", "settle": "50ms"}, **extra)
    return gateway


def send_many(gateway, count, folder=None):
    with gateway.smtp() as client:
        for number in range(count):
            client.sendmail("app@example.com", ["ops@example.net"], message(f"number {number}", number=number))


def check_exactly_once(gateway, fake, count, deadline=60):
    """Every accepted message lies there once, and the gateway says so once."""
    wait(lambda: len(gateway.events("filed")) >= count, f"{count} filed lines", deadline)
    accepted = sorted(event["id"] + ".1" for event in gateway.events("accepted"))
    twice = [key for key, times in collections.Counter(fake.ids()).items() if times > 1]
    assert not twice, f"filed twice: {twice}"
    assert sorted(fake.ids()) == accepted, "what lies there is not what was accepted"
    assert sorted(event["delivery"] for event in gateway.events("filed")) == accepted


def test_commit_then_cut(world):
    """The server stores the message and the connection ends before its answer: it is found, and not sent again."""
    cut = iter([True] * 3)
    fake = FakeImap(world, fault=lambda step, session, **facts: "commit-cut" if step == "append-end" and next(cut, False) else None)
    gateway = gateway_for(world, fake).start()
    gateway.send(message("one"))
    wait(lambda: gateway.events("deferred"), "deferred line")
    check_exactly_once(gateway, fake, 1)
    assert gateway.events("filed")[0]["uid"] == 1 and "found" in gateway.events("filed")[0]["note"]
    assert fake.appends == 1
    gateway.stop()


def test_commit_then_stall(world):
    """The same, but the server goes silent; the gateway's own deadline ends the wait."""
    stall = iter([True])
    fake = FakeImap(world, fault=lambda step, session, **facts: "commit-stall" if step == "append-end" and next(stall, False) else None)
    gateway = gateway_for(world, fake).start()
    gateway.send(message("one"))
    check_exactly_once(gateway, fake, 1)
    gateway.stop()


def test_batches_cut_after_commit(world):
    """Many messages, every third command is committed and then cut: each message of a batch is settled for itself."""
    state = {"commands": 0}

    def fault(step, session, **facts):
        if step == "append-end":
            state["commands"] += 1
            return "commit-cut" if state["commands"] % 3 == 0 else None
        return None

    fake = FakeImap(world, fault=fault)
    gateway = gateway_for(world, fake).start()
    send_many(gateway, 200)
    check_exactly_once(gateway, fake, 200, 120)
    gateway.stop()


def test_possible_duplicate_is_counted(world):
    """Committed and then cut, in a folder that may be filled and not read: nothing can be proven, so it is sent again, and that is said."""
    cut = iter([True])

    def fault(step, session, **facts):
        if step == "append-end" and next(cut, False):
            return "commit-cut"
        return "NO [NOPERM] You may post here, not read." if step in ("examine", "select") else None

    fake = FakeImap(world, fault=fault)
    gateway = gateway_for(world, fake).start()
    gateway.send(message("one"))
    filed = wait(lambda: gateway.events("filed"), "filed line")[0]
    assert filed["note"].startswith("possible_duplicate"), filed
    assert len(fake.ids()) == 2 and len(set(fake.ids())) == 1, fake.ids()
    status, out, _ = gateway.run("status", "--json")
    upstream = json.loads(out)["upstreams"][0]
    assert status == 0 and (upstream["uncertain"], upstream["possible_duplicates"]) == (1, 1), upstream
    gateway.stop()


def test_cut_before_commit(world):
    """The octets arrived, nothing was stored, the connection ends: it is sent again."""
    cut = iter([True] * 2)
    fake = FakeImap(world, fault=lambda step, session, **facts: "cut" if step == "append-octets" and next(cut, False) else None)
    gateway = gateway_for(world, fake).start()
    gateway.send(message("one"))
    check_exactly_once(gateway, fake, 1)
    gateway.stop()


def test_stall_at_every_step(world):
    """The server stops answering at each step in turn; other steps are not reached before the deadline ends the wait."""
    for step in ("greeting", "authenticate", "namespace", "append-begin", "append-octets", "append-end"):
        once = iter([True])
        fake = FakeImap(world, fault=lambda at, session, step=step, once=once, **facts:
                        "stall" if at == step and next(once, False) else None)
        gateway = world.mailweir(None, name=f"stall-{step}")
        fake.configure(gateway, timeouts=SHORT)
        gateway.start()
        gateway.send(message(step))
        check_exactly_once(gateway, fake, 1)
        assert fake.stalled.is_set(), step
        gateway.stop()


def test_refused_batch_is_split(world):
    """One message that the server does not want: the others of its batch are filed, it alone is not."""
    def fault(step, session, **facts):
        if step == "append-end" and any(b"poison" in item[0] for item in facts["items"]):
            return "NO [CANNOT] not this one"
        return None

    fake = FakeImap(world, fault=fault)
    gateway = gateway_for(world, fake).start()
    with gateway.smtp() as client:
        for number in range(60):
            client.sendmail("app@example.com", ["ops@example.net"], message("poison" if number == 17 else "fine", number=number))
    wait(lambda: len(gateway.events("filed")) == 59 and gateway.events("dead_letter"), "59 filed, one dead letter", 60)
    assert len(fake.ids()) == len(set(fake.ids())) == 59
    assert gateway.events("dead_letter")[0]["error.code"] == "cannot"
    gateway.stop()


def test_crash_with_backlog_costs_round_trips_by_folder(world):
    """Killed while 60 answers are outstanding in 3 folders: after the restart each folder is looked through once."""
    fake = FakeImap(world, fault=lambda step, session, **facts: "commit-stall" if step == "append-end" and not crashed else None)
    crashed = []
    rules = [{"name": "boxes", "if": {"header": "Subject", "matches": "^box (\\d)"},
              "then": [{"fileinto": {"upstream": "corp", "folder": "Box${1}"}}, {"stop": True}]}]
    for box in range(3):
        fake.folder(f"Box{box}", create=True)
    gateway = world.mailweir(None, rules)
    fake.configure(gateway)
    gateway.start()
    with gateway.smtp() as client:
        for number in range(60):
            client.sendmail("app@example.com", ["ops@example.net"], message(f"box {number % 3}", number=number))
    wait(fake.stalled.is_set, "stalled append")
    wait(lambda: len(fake.ids()) >= 3, "messages committed")
    gateway.kill()
    accepted = sorted(event["id"] + ".1" for event in gateway.events("accepted"))
    crashed.append(True)
    fake.release.set()
    gateway.start()
    wait(lambda: len(gateway.events("filed")) >= 60, "60 filed lines", 60)
    assert sorted(fake.ids()) == accepted
    assert fake.examines <= 6, f"{fake.examines} EXAMINE for 3 folders"
    gateway.stop()


def test_cut_at_every_octet_received(world):
    """The connection is reset after each number of octets that the gateway has sent."""
    cut_everywhere(world, "cut_received", 500)


def test_cut_at_every_octet_sent(world):
    """The connection is reset after each number of octets that the server has sent."""
    cut_everywhere(world, "cut_sent", 250)


# A cut before the login costs three syncs of the disk one after the other, once the message is accepted: what the pace is, that the delivery waits, that it
# is handed out again. A disk under load takes seconds for each, and each attempt that times out costs them again. It stays below the time after which the
# gateway looks at the disk by itself (60 s), so that a wake-up that is lost is seen.
BEHIND_A_CUT = 45


def cut_everywhere(world, kind, end, profile="generic", begin=0, flags=(), profile_name="generic", calm=False, **extra):
    """calm: a message that is not cut goes behind each, or the server would be taken for one that does not bear the question."""
    fake = FakeImap(world, profile)
    gateway = gateway_for(world, fake, profile=profile_name, **extra)
    gateway.configuration["default"]["flags"] = list(flags)
    gateway.upstream["timeouts"]["idle"] = "10ms"  # each message gets the whole dialogue
    gateway.start()
    sent = 0
    for place in range(begin, end, 1 if SIZE == "large" else 6):
        wait(lambda: fake.open == 0, "end of the idle connection")
        setattr(fake, "total_received", 0)
        setattr(fake, "total_sent", 0)
        setattr(fake, kind, place)
        gateway.send(message(f"cut at {place}", number=place))
        sent += 1
        wait(lambda: len(gateway.events("filed")) == sent, f"message behind the cut at {place}", BEHIND_A_CUT)
        assert getattr(fake, kind) is None, f"not cut at {place}"
        if calm:
            gateway.send(message(f"whole behind {place}", number=100000 + place))
            sent += 1
            wait(lambda: len(gateway.events("filed")) == sent, f"whole message behind the cut at {place}", BEHIND_A_CUT)
    check_exactly_once(gateway, fake, sent, 120)
    gateway.stop()


def test_size_announced_is_what_the_upstream_takes(world):
    """EHLO's SIZE is never more than the target takes: the profile's, or the operator's own value."""
    for profile, limits, most in (("exchange", {}, 10 << 20), ("generic", {"max_message_size": "1MiB"}, 1 << 20)):
        fake = FakeImap(world)
        gateway = world.mailweir(None, name=profile)
        fake.configure(gateway, profile=profile, limits=limits)
        gateway.start()
        with gateway.smtp() as client:
            client.ehlo()
            size = int(client.esmtp_features["size"])
            assert most - 65536 < size < most, (profile, size)
        gateway.stop()


def test_daily_budget(world):
    """What is beyond the day's octets waits; nothing is lost and nothing hammers."""
    fake = FakeImap(world)
    gateway = gateway_for(world, fake, limits={"daily": "4KiB", "batch": 1}).start()
    send_many(gateway, 30)
    wait(lambda: any(event["error.code"] == "daily-budget" for event in gateway.events("deferred")), "deferred line")
    assert 1 <= len(fake.ids()) < 30 and fake.connections <= 4
    gateway.stop()


def test_throttled_pause_is_kept(world):
    """Microsoft's words: nothing goes out before the pause is over, other words of it reach the log."""
    once = iter([True])
    fake = FakeImap(world, "microsoft365", fault=lambda step, session, **facts:
                    "NO Request is throttled. Suggested Backoff Time: 1500 milliseconds" if step == "append-begin" and next(once, False)
                    else None)
    gateway = gateway_for(world, fake, profile="microsoft365").start()
    gateway.send(message("one"))
    deferred = wait(lambda: gateway.events("deferred"), "deferred line")[0]
    assert deferred["error.code"] == "throttled" and "Suggested" in deferred["error.message"], deferred
    check_exactly_once(gateway, fake, 1)
    assert seconds_between(deferred, gateway.events("filed")[0]) >= 1.4, gateway.events("filed")
    gateway.stop()


def test_mailweir_upstreams(world):
    dovecot = world.dovecot()
    gateway = world.mailweir(dovecot)
    status, out, _ = gateway.run("upstreams")
    assert status == 0 and "logged in      yes" in out and "TLSv1.3" in out and "MULTIAPPEND" in out, out
    gateway.upstream["auth"]["password"] = "wrong"
    status, out, _ = gateway.run("upstreams")
    assert status == 1 and "FAILED" in out and "authentication" in out and "wrong" not in out, out
