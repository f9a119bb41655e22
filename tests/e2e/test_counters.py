"""Counters of the rules: what was acknowledged counts, once, over restarts and kills; who only asks counts nothing."""
import base64
import json

from admin_client import Admin
from fake_imap import BASE, FakeImap, Profile
from harness import message, wait

KEY = "${header.X-Alert-Name}"
RULES = [
    {"name": "storm", "if": {"counter": "storm", "key": KEY, "at_least": 3, "within": "1h"},
     "then": [{"fileinto": {"upstream": "corp", "folder": "Storm"}}]},
    {"name": "no", "if": {"header": "Subject", "is": "no"}, "then": [{"count": "storm", "key": KEY}, {"reject": "no"}]},
    {"name": "gone", "if": {"header": "Subject", "is": "gone"}, "then": [{"count": "storm", "key": KEY}, {"discard": True}]},
    {"name": "shadow", "state": "watch", "then": [{"count": "storm", "key": KEY}]},
    {"name": "count", "then": [{"count": "storm", "key": KEY}]},
]


def gateway_for(world):
    fake = FakeImap(world, Profile(BASE + " UIDPLUS LITERAL+ MULTIAPPEND NAMESPACE UNSELECT"))
    gateway = world.mailweir(None, [dict(rule) for rule in RULES])
    fake.configure(gateway)
    return fake, gateway


def alert(subject, name="disk", number=0, ident=None):
    lines = [f"Subject: {subject}", f"X-Alert-Name: {name}", "From: app@example.com"]
    return "\r\n".join(lines + ([f"Message-ID: <{ident}@example.com>"] if ident else []) + ["", f"alert {number}", ""])


def storms(gateway):
    """Which messages the rule took, in the order in which they came."""
    return ["storm" in event.get("rules", []) for event in gateway.events("accepted")]


def test_counts_what_was_acknowledged(world):
    """From the fourth on; a refused one does not count, a discarded one does, one that watches, is explained or comes twice does not; each key by itself."""
    _, gateway = gateway_for(world)
    gateway.start()
    with gateway.smtp() as client:
        def send(*args, to=("ops@example.net",), **more):
            client.sendmail("app@example.com", list(to), alert(*args, **more))

        for _ in range(5):
            try:
                send("no")
                raise AssertionError("a refusal was accepted")
            except Exception as error:  # noqa: BLE001: smtplib's own kinds
                assert "550" in str(error), error
        send("one", to=("ops@example.net", "dev@example.net", "a@example.net"))
        send("again", ident="same")
        send("again", ident="same")
        send("cpu", name="cpu")
        sample = world.folder / "sample.eml"
        sample.write_text(alert("explained"))
        for _ in range(3):
            status, out, err = gateway.run("explain", "--from", "app@example.com", "--to", "ops@example.net", str(sample))
            assert status == 0 and "would count storm disk" in out, (out, err)
        send("third")
        send("fourth")
        send("fifth", name="cpu")
        send("gone", name="mem")
        send("gone", name="mem")
        send("gone", name="mem")
        send("mem", name="mem")
        send("without a key", name="")
    assert storms(gateway) == [False, False, False, False, False, True, False, False, False, False, True, False], storms(gateway)
    gateway.stop()


def test_over_a_restart_and_a_kill(world):
    """What was counted stands with the mail, settled or not."""
    _, gateway = gateway_for(world)
    gateway.start()
    gateway.send(alert("one"))
    gateway.send(alert("two", ident="two"))
    wait(lambda: len(gateway.events("filed")) >= 2, "filed")
    gateway.stop()
    gateway.start()
    gateway.send(alert("two", ident="two"))
    gateway.send(alert("three"))
    gateway.kill()
    gateway.start()
    gateway.send(alert("four"))
    gateway.send(alert("five", name="cpu"))
    assert storms(gateway)[-2:] == [True, False] and not any(storms(gateway)[:-2]), storms(gateway)
    gateway.stop()


def test_within(world):
    """Only what came so recently counts."""
    _, gateway = gateway_for(world)
    gateway.rules[0]["if"]["within"] = "1s"
    gateway.start()
    for number in range(3):
        gateway.send(alert("one", number=number))

    def is_over():  # the probe counts once, so it is not what the rule sees
        gateway.send(alert("probe", ident="probe"))
        return not storms(gateway)[-1]

    assert not any(storms(gateway)) and not is_over(), storms(gateway)
    wait(is_over, "the end of the second", 10)
    gateway.stop()


def explained(gateway, **asked):
    """What the running gateway says: the outcome of the rule "storm", and what its counter had."""
    body = {"from": "app@example.com", "to": ["ops@example.net"], **asked}
    answer = Admin(gateway).post("/api/v1/explain", body)
    assert answer.status == 200, answer.text
    rule = answer.json["recipients"][0]["rules"][0]
    return rule["result"], rule["if"]["saw"], rule["if"]["test"]


def test_who_explains_sees_what_was_counted(world):
    """Explained by the running gateway, the counters have what they have, however often; a message that is here is explained as of when it came."""
    _, gateway = gateway_for(world)
    gateway.start()
    idents = [gateway.send(alert("one", number=number)) for number in range(3)]
    text = base64.b64encode(alert("explained").encode()).decode()
    for _ in range(3):
        result, saw, test = explained(gateway, message_base64=text)
        assert (result, saw) == ("yes", ["3"]) and test.startswith("counter storm ${header.X-Alert-Name} within 3600s at_least"), (result, saw, test)
    assert explained(gateway, message_base64=base64.b64encode(alert("x", name="cpu").encode()).decode())[:2] == ("no", ["0"])
    seen = [explained(gateway, id=ident)[1] for ident in idents]
    assert seen == [["0"], ["1"], ["2"]], seen
    gateway.send(alert("the fourth"))
    assert storms(gateway) == [False, False, False, True], storms(gateway)
    gateway.stop()


def test_a_reload_looks_back(world):
    """Rules that begin to ask, or ask further back, find what was counted before, without a restart; and nothing twice."""
    _, gateway = gateway_for(world)
    gateway.rules[0] = {"name": "storm", "if": {"header": "Subject", "is": "never"}, "then": [{"stop": True}]}
    gateway.start()
    for number in range(2):
        gateway.send(alert("one", number=number))
    gateway.send(alert("again", ident="same"))

    def reload(rule):
        gateway.rules[0] = dict(rule)
        gateway.write()
        before = len(gateway.events("reloaded"))
        status, _, err = gateway.run("reload")
        assert status == 0, err
        wait(lambda: len(gateway.events("reloaded")) > before, "the reload")

    def saw():
        return explained(gateway, message_base64=base64.b64encode(alert("explained").encode()).decode())[1]
    reload(RULES[0])
    wait(lambda: saw() == ["3"], "what was counted before the reload")
    gateway.send(alert("again", ident="same"))
    assert storms(gateway)[-1] and saw() == ["3"], (storms(gateway), saw())
    reload({**RULES[0], "if": {**RULES[0]["if"], "within": "2d"}})
    gateway.send(alert("one more"))
    wait(lambda: saw() == ["4"], "no message twice, none lost")
    gateway.stop()
