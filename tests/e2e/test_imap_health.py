"""Whether it is the message, the session or the account: what each costs, what is told, and that nothing is asked again that hurts."""
from admin_client import Admin
from fake_imap import BASE, Cut, FakeImap, Profile, Session
from harness import message, seconds, wait
from test_imap_faults import check_exactly_once, gateway_for, send_many


def failures(gateway, cause):
    return [event for event in gateway.events("upstream_failed") if event["cause"] == cause]


def upstream(gateway):
    return Admin(gateway).get("/api/v1/status").json["upstreams"][0]


def test_every_session_ends_at_its_first_append(world):
    """Not one login for each message that waits: the account is down, in the server's words, and works again when one is filed."""
    sick = [True]
    fake = FakeImap(world, fault=lambda step, session, **facts: "bye System Error" if step == "append" and sick else None)
    gateway = gateway_for(world, fake).start()
    send_many(gateway, 40)
    failed = wait(lambda: len(failures(gateway, "sessions")) >= 3 and failures(gateway, "sessions"), "failed lines")
    assert "System Error" in failed[0]["error.message"] and failed[-1]["attempt"] > failed[0]["attempt"], failed
    assert upstream(gateway)["cause"] == "sessions"
    out = gateway.run("status")[1]
    assert "closes each connection before anything is filed" in out, out
    assert fake.connections <= 3 * len(failures(gateway, "sessions")) + 6, (fake.connections, len(failures(gateway, "sessions")))
    sick.clear()
    check_exactly_once(gateway, fake, 40)
    assert gateway.events("upstream_up") and upstream(gateway)["cause"] is None
    assert not gateway.events("dead_letter")
    metrics = Admin(gateway).get("/metrics").text
    assert 'mailweir_upstream_outages_total{upstream="corp",cause="sessions"}' in metrics, metrics
    gateway.stop()


def test_sessions_end_behind_the_login(world):
    """The same before anything is asked: BYE stands behind the last answer of the login."""
    sick = [True]

    class Leaving(Session):
        def on_list(self, tag, rest):
            super().on_list(tag, rest)
            self.leave()

        def on_namespace(self, tag, rest):
            super().on_namespace(tag, rest)
            if len(self.fake.lists) > 0:  # the delimiter is asked for once
                self.leave()

        def leave(self):
            if sick:
                self.say("* BYE Autologout; idle for too long")
                raise Cut

    fake = FakeImap(world, session=Leaving)
    gateway = gateway_for(world, fake).start()
    gateway.send(message("waits"))
    failed = wait(lambda: len(gateway.events("upstream_failed")) >= 3 and gateway.events("upstream_failed"), "failed lines")
    assert fake.connections <= 2 * len(gateway.events("upstream_failed")) + 3, fake.connections
    assert any("Autologout" in event["error.message"] for event in failed), failed
    sick.clear()
    check_exactly_once(gateway, fake, 1)
    gateway.stop()


def test_one_message_ends_sessions(world):
    """It is that message: the others are filed, the account is innocent, and its reason is told."""
    def fault(step, session, **facts):
        poisoned = step == "append-end" and any(b"poison" in item[0] for item in facts["items"])
        return "bye Invalid character in literal" if poisoned else None

    fake = FakeImap(world, fault=fault)
    gateway = gateway_for(world, fake, connections=1, limits={"batch": 1}).start()
    with gateway.smtp() as client:
        for number in range(12):
            client.sendmail("app@example.com", ["ops@example.net"], message("poison" if number == 3 else "fine", number=number))
    wait(lambda: len(gateway.events("filed")) == 11, "11 filed lines")
    assert not failures(gateway, "sessions"), gateway.events("upstream_failed")
    poison = next(event for event in gateway.events("deferred") if event["during"] == "append")
    assert "Invalid character in literal" in gateway.run("why", poison["id"])[1]
    gateway.stop()


def test_one_message_ends_sessions_in_each_of_its_folders(world):
    """Its deliveries are one message: nothing else is filed between them, and the account is innocent all the same."""
    boxes = ["INBOX", "One", "Two"]
    fake = FakeImap(world, fault=lambda step, session, **facts:
                    "cut" if step == "append-end" and any(b"poison" in item[0] for item in facts["items"]) else None)
    for box in boxes:
        fake.folder(box, create=True)
    rules = [{"name": "all", "then": [{"fileinto": {"upstream": "corp", "folder": box}} for box in boxes] + [{"stop": True}]}]
    gateway = gateway_for(world, fake, connections=1)
    gateway.rules = rules
    gateway.start()
    gateway.send(message("poison"))
    wait(lambda: {event["folder"] for event in gateway.events("deferred") if event["during"] == "append"} == set(boxes), "tried in each folder")
    wait(lambda: len(gateway.events("deferred")) >= 9, "tried again")
    gateway.send(message("fine"))
    wait(lambda: len(gateway.events("filed")) == 3, "the other is filed")
    assert not failures(gateway, "sessions"), gateway.events("upstream_failed")
    gateway.stop()


def refusing(count, words, **conditions):
    """A fault: so many APPENDs are refused in these words."""
    left = [count]

    def fault(step, session, **facts):
        if step == "append-begin" and left[0] > 0:
            left[0] -= 1
            return words % {"left": left[0]}
        return None
    return fault, left


def test_the_same_words_for_many_messages(world):
    """No code, no words that are known: but three messages from two senders are refused alike, and the account waits; a probe ends that."""
    fault, left = refusing(20, "NO nope, number %(left)d")
    fake = FakeImap(world, fault=fault)
    gateway = gateway_for(world, fake, connections=1, limits={"batch": 1}).start()
    with gateway.smtp() as client:
        for number in range(15):
            client.sendmail(f"app{number % 3}@example.com", ["ops@example.net"], message("waits", number=number))
    check_exactly_once(gateway, fake, 15)
    refused = failures(gateway, "refused")
    assert left[0] == 0 and len(refused) >= 5, refused  # hardly anything goes out between two of them
    assert "nope" in refused[0]["error.message"]
    assert not gateway.events("dead_letter")
    gateway.stop()


def test_throttled_in_words(world):
    """Gmail's words, behind a code that means a full mailbox: the account waits after the first."""
    fault, left = refusing(6, "NO [OVERQUOTA] Account exceeded command or bandwidth limits. (Failure)")
    fake = FakeImap(world, fault=fault)
    gateway = gateway_for(world, fake, connections=1, limits={"batch": 1}).start()
    send_many(gateway, 20)
    check_exactly_once(gateway, fake, 20)
    refused = failures(gateway, "refused")
    assert left[0] == 0 and len(refused) >= 3, refused
    assert refused[0]["error.code"] == "throttled"
    gateway.stop()


def test_a_sick_session_ends(world):
    """One session refuses everything by its own trouble: another one is made, and files."""
    words = {"append-begin": "NO [SERVERBUG] Internal error occurred."}
    fake = FakeImap(world, fault=lambda step, session, **facts: words.get(step) if session.number == 1 else None)
    gateway = gateway_for(world, fake, connections=1, limits={"batch": 1}).start()
    send_many(gateway, 3)
    check_exactly_once(gateway, fake, 3)
    assert fake.connections >= 2
    gateway.stop()


def test_a_session_that_refuses_alike_ends(world):
    """The same in words that nobody knows: two messages refused alike, and another session tries."""
    fake = FakeImap(world, fault=lambda step, session, **facts:
                    "NO hm" if step == "append-begin" and session.number == 1 else None)
    gateway = gateway_for(world, fake, connections=1, limits={"batch": 1}).start()
    send_many(gateway, 3)
    check_exactly_once(gateway, fake, 3)
    assert fake.connections >= 2
    gateway.stop()


def test_a_second_login_is_refused(world):
    """As a wrong password, while the first is in with the same: the account goes on with one connection, and does not wait for a minute."""
    def fault(step, session, **facts):
        return "NO LOGIN failed." if step == "authenticate" and fake.open > 1 else None

    fake = FakeImap(world, fault=fault)
    for name in "ABC":
        fake.folder(name, create=True)
    rules = [{"name": "boxes", "if": {"header": "Subject", "matches": "^(?<box>[ABC])"},
              "then": [{"fileinto": {"upstream": "corp", "folder": "${box}"}}, {"stop": True}]}]
    gateway = world.mailweir(None, rules)
    fake.configure(gateway, timeouts={"connect": seconds(2), "command": seconds(2)}, connections=3,
                   retry={"initial": "20ms", "maximum": "100ms", "settle": "50ms"})
    gateway.start()
    with gateway.smtp() as client:
        for number in range(30):
            client.sendmail("app@example.com", ["ops@example.net"], message("ABC"[number % 3] + " box", number=number))
    check_exactly_once(gateway, fake, 30, 45)
    assert not failures(gateway, "login"), gateway.events("upstream_failed")
    gateway.stop()


def test_an_optional_question_breaks_sessions(world):
    """MYRIGHTS ends the connection: asked twice, then left out, and that is told once."""
    profile = Profile(BASE + " UIDPLUS LITERAL+ NAMESPACE UNSELECT ACL")
    fake = FakeImap(world, profile, fault=lambda step, session, **facts: "cut" if step == "myrights" else None)
    gateway = gateway_for(world, fake).start()
    for number in range(3):
        gateway.send(message("goes", number=number))
        wait(lambda: len(gateway.events("filed")) == number + 1, "filed line")
    left_out = gateway.events("question_left_out")
    assert len(left_out) == 1 and left_out[0]["question"] == "MYRIGHTS", left_out
    gateway.stop()


def test_words_for_people(world):
    """An ALERT has a line of its own, once; the words of an untagged NO come with the fault that they explain."""
    def fault(step, session, **facts):
        if step == "authenticate":
            session.say("* OK [ALERT] The account is nearly full")
        if step == "append":
            session.say("* NO the disk is failing")
            return "cut" if len(fake.logins) < 3 else None
        return None

    fake = FakeImap(world, fault=fault)
    gateway = gateway_for(world, fake).start()
    gateway.send(message("waits"))
    check_exactly_once(gateway, fake, 1)
    alerts = gateway.events("upstream_alert")
    assert len(alerts) == 1 and alerts[0]["message"] == "The account is nearly full", alerts
    identity = gateway.events("filed")[0]["id"]  # the log is faster than what must be durable
    wait(lambda: "the disk is failing" in gateway.run("why", identity)[1], "the server's words in the story")
    gateway.stop()
