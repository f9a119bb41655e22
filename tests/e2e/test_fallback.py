"""A rule's fallback: another upstream gets the mail when the first stays down, each message in exactly one place, and marked."""
import json
import re

from admin_client import Admin
from fake_imap import FakeImap
from harness import message, seconds_between, wait

TARGET = {"fileinto": {"upstream": "corp", "fallback": "backup", "folder": "Alerts"}}


def two_servers(world):
    """A gateway whose rule names the second Dovecot as the fallback of the first."""
    first, second = world.dovecot(), world.dovecot(name="dovecot2")
    gateway = world.mailweir(first, [{"name": "alerts", "then": [TARGET, {"stop": True}]}])
    gateway.configuration["upstreams"]["backup"] = {**gateway.upstream, "address": f"127.0.0.1:{second.tls_port}"}
    gateway.upstream["retry"] = {"initial": "50ms", "maximum": "200ms", "fallback_after": "1s"}
    gateway.upstream["timeouts"] = {"idle": "50ms"}  # what goes out on a connection that has just died is uncertain, and stays
    return first, second, gateway


def numbers(dovecot):
    return sorted(int(re.search(rb"^Subject: number (\d+)", octets, re.M).group(1)) for octets in dovecot.messages("Alerts"))


def send(gateway, first, count):
    for number in range(first, first + count):
        gateway.send(message(f"number {number}", number=number))


def upstream(gateway, name="corp"):
    return next(one for one in json.loads(gateway.run("status", "--json")[1])["upstreams"] if one["name"] == name)


def metrics(gateway):
    return Admin(gateway).get("/metrics").text


def test_goes_there_and_comes_back(world):
    """Not before its time; what waits and what comes then; new mail goes to the first again when that works."""
    first, second, gateway = two_servers(world)
    gateway.start()
    send(gateway, 0, 1)
    wait(lambda: numbers(first) == [0] and upstream(gateway)["connections"] == 0, "message in the first")
    first.process.kill()
    gateway.send(message("number 1", number=1))
    wait(lambda: upstream(gateway)["down_since"], "down since")
    wait(lambda: numbers(second) == [1], "message in the second")
    assert seconds_between(gateway.events("deferred")[0], gateway.events("fallback")[0]) >= 0.7, gateway.events("fallback")
    send(gateway, 2, 20)
    wait(lambda: numbers(second) == list(range(1, 22)), "all in the second")
    for octets in second.messages("Alerts"):
        assert b"\r\nX-Mailweir-Fallback: corp\r\n" in octets.split(b"\r\n\r\n")[0]
    moved = gateway.events("fallback")
    assert len(moved) == 21 and {(one["upstream"], one["fallback"], one["folder"]) for one in moved} == {("corp", "backup", "Alerts")}
    story = gateway.run("why", moved[0]["id"])[1]
    assert "went to its fallback backup as delivery 2: corp had been down since" in story and "instead of corp" in story, story
    assert "mailweir_deliveries_fallback_total{upstream=\"corp\"} 21" in metrics(gateway)
    first.start()
    count = 22

    def works_again():  # found out by the next mail after a pause
        nonlocal count
        send(gateway, count, 1)
        count += 1
        return upstream(gateway)["down_since"] is None

    wait(works_again, "success at the first")
    last = count - 1
    send(gateway, count, 3)
    count += 3
    wait(lambda: set(numbers(first)) >= {last + 1, last + 2, last + 3}, "new mail in the first")
    wait(lambda: len(numbers(first)) + len(numbers(second)) == count, "all of them")
    gateway.stop()
    assert sorted(numbers(first) + numbers(second)) == list(range(count))
    assert all(b"X-Mailweir-Fallback" not in octets for octets in first.messages("Alerts"))


def test_over_a_restart_and_kills(world):
    """That the first was down is remembered; killed while its mail moves, each message is in one place."""
    first, second, gateway = two_servers(world)
    gateway.upstream["retry"]["fallback_after"] = "1h"  # on a busy machine, sending them takes longer than two seconds
    gateway.start()
    first.stop()
    send(gateway, 0, 100)
    since = wait(lambda: upstream(gateway)["down_since"], "down since")
    gateway.stop()
    gateway.upstream["retry"]["fallback_after"] = "2s"
    gateway.start()
    wait(lambda: upstream(gateway)["state"] != "open", "failure after the restart")
    # A database counts by its own clock, of which a gateway knows as much as one question lets it.
    apart = seconds_between({"@timestamp": since}, {"@timestamp": upstream(gateway)["down_since"]})
    assert apart == 0 if world.on_disk else abs(apart) < 1, (apart, since)
    wait(lambda: gateway.events("fallback"), "first of them on their way")
    gateway.kill()
    gateway.start()
    wait(lambda: len(set(numbers(second))) >= 50, "many in the second")
    gateway.kill()
    gateway.start()
    first.start()
    wait(lambda: len(set(numbers(first)) | set(numbers(second))) == 100, "all in one of them")
    wait(lambda: "waiting" not in gateway.run("queue", "summary", "--json")[1], "empty queue")
    gateway.stop()
    assert sorted(numbers(first) + numbers(second)) == list(range(100))


def test_an_uncertain_delivery_stays(world):
    """Filed, and cut off before that was said: it stays with the first, though that is away for long, and what came later goes to the second."""
    state = {"append": "commit-cut", "greeting": None}

    def fault(step, session, **facts):
        if step == "append-end" and state["append"]:
            state["greeting"] = "cut"
            return state["append"]
        return state["greeting"] if step == "greeting" else None

    fake, second = FakeImap(world, fault=fault), world.dovecot()
    gateway = world.mailweir(second, [{"name": "alerts", "then": [TARGET, {"stop": True}]}])
    gateway.configuration["upstreams"]["backup"] = dict(gateway.upstream)
    fake.configure(gateway, retry={"initial": "50ms", "maximum": "200ms", "settle": "50ms", "fallback_after": "1s"})
    gateway.start()
    send(gateway, 0, 1)
    wait(lambda: fake.appends == 1 and upstream(gateway)["down_since"], "cut")
    send(gateway, 1, 5)
    wait(lambda: numbers(second) == [1, 2, 3, 4, 5], "later ones in the second")
    assert fake.appends == 1 and len(gateway.events("fallback")) == 5
    state.update(append=None, greeting=None)
    filed = wait(lambda: [one for one in gateway.events("filed") if one["upstream"] == "corp"], "the first one, settled")
    assert "found" in filed[0]["note"] and fake.appends == 1
    gateway.stop()
    assert numbers(second) == [1, 2, 3, 4, 5]


def test_mistakes_are_named(world):
    gateway = world.mailweir(world.dovecot(), [
        {"name": "itself", "then": [{"fileinto": {"upstream": "corp", "fallback": "corp", "folder": "A"}}]},
        {"name": "unknown", "then": [{"fileinto": {"upstream": "corp", "fallback": "crop", "folder": "A"}}]}])
    gateway.configuration["default"]["fallback"] = "corp"
    status, _, err = gateway.run("check")
    assert status == 78 and "/default/fallback" in err, (status, err)
    gateway.configuration["default"].pop("fallback")
    status, _, err = gateway.run("check")
    assert status == 78 and "must be another upstream" in err and '"corp"' in err and "/rules/1/then/0/fileinto/fallback" in err, (status, err)
