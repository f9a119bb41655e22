"""A reload changes upstreams, too: what is new is used, what is changed is used anew, what is removed leaves its mail in the queue."""
import json
import threading
import time

from admin_client import Admin
from harness import message, wait


def reload(gateway):
    """Reloads, and waits until it is done; returns its line of the log."""
    before = len(gateway.events("reloaded"))
    status, out, err = gateway.run("reload")
    assert status == 0, (out, err)
    return wait(lambda: gateway.events("reloaded")[before:], "reloaded line")[0]


def to_second(folder="Second"):
    return {"name": "second", "if": {"header": "Subject", "contains": "second"},
            "then": [{"fileinto": {"upstream": "second", "folder": folder}}, {"stop": True}]}


def test_upstream_comes_goes_and_comes_again(world):
    first, second = world.dovecot(), world.dovecot(name="dovecot2")
    gateway = world.mailweir(first).start()
    gateway.send(message("first", number=0))
    settings = {**gateway.upstream, "address": f"127.0.0.1:{second.tls_port}"}
    gateway.configuration["upstreams"]["second"] = settings
    gateway.rules.append(to_second())
    reload(gateway)
    assert [e["upstream"] for e in gateway.events("upstream_added")] == ["second"]
    assert gateway.events("upstream_changed") == []  # nothing of the first has changed
    gateway.send(message("second", number=1))
    wait(lambda: second.count("Second") == 1, "message in the new upstream")
    # It goes while a delivery waits for it.
    second.stop()
    assert gateway.run("queue", "pause", "second")[0] == 0
    gateway.send(message("second", number=2))
    rules, gateway.rules = gateway.rules, []
    del gateway.configuration["upstreams"]["second"]
    reload(gateway)
    assert [e["upstream"] for e in gateway.events("upstream_removed")] == ["second"]
    assert gateway.run("queue", "resume")[0] == 0
    gateway.send(message("first", number=3))
    wait(lambda: first.count() == 2, "messages in the first")
    assert gateway.run("queue", "list")[1].count("Second") == 1
    # And comes back; what waited is filed.
    second.start()
    gateway.configuration["upstreams"]["second"] = settings
    gateway.rules = rules
    reload(gateway)
    gateway.run("queue", "resume", "second")
    wait(lambda: second.count("Second") == 2, "message that waited")
    gateway.stop()
    assert (first.count(), second.count("Second")) == (2, 2)


def test_password_is_changed_in_its_file(world):
    """As secrets are mounted in containers: nobody sends a signal, and a wrong password is not tried again before."""
    dovecot = world.dovecot()
    gateway = world.mailweir(dovecot)
    secret = gateway.folder / "secret"
    secret.write_text("of last year\n")
    gateway.upstream["auth"]["password"] = {"file": str(secret)}
    gateway.upstream["retry"] = {"initial": "1h", "maximum": "1h"}
    gateway.start()
    gateway.send(message("waits for the right password"))
    wait(lambda: gateway.events("deferred"), "refused login")
    secret.write_text("relaypw\n")
    wait(lambda: gateway.events("upstream_changed"), "upstream with the new password")
    gateway.send(message("behind it", number=1))
    wait(lambda: dovecot.count() == 2, "both messages")
    gateway.stop()


def test_settings_change_while_mail_flows(world):
    """Each message is filed once, though its upstream gets other settings again and again."""
    dovecot = world.dovecot()
    gateway = world.mailweir(dovecot).start()
    count, failed = 300, []

    def send(first):
        try:
            for number in range(first, count, 3):
                gateway.send(message(f"number {number}", number=number))
        except Exception as problem:  # shown by the test
            failed.append(problem)

    senders = [threading.Thread(target=send, args=(first,)) for first in range(3)]
    for sender in senders:
        sender.start()
    changes = 0
    while any(sender.is_alive() for sender in senders):
        gateway.upstream["connections"] = 1 + changes % 4
        reload(gateway)
        changes += 1
    for sender in senders:
        sender.join()
    assert not failed, failed[0]
    wait(lambda: dovecot.count() >= count, f"all {count} messages", 30)
    gateway.stop()
    subjects = [octets.split(b"Subject: ")[1].split(b"\r\n")[0] for octets in dovecot.messages()]
    assert len(subjects) == len(set(subjects)) == count, len(subjects)
    assert changes > 2 and len(gateway.events("upstream_changed")) > 2
    print(f"figure: {changes} reloads with other settings while {count} messages were filed, each once")


def test_what_a_reload_does_not_change_is_said(world):
    dovecot = world.dovecot()
    gateway = world.mailweir(dovecot).start()
    gateway.configuration["hostname"] = "other.example.net"
    gateway.configuration["upstreams"]["corp"]["timeouts"] = {"connect": "20s"}
    reload(gateway)
    warnings = gateway.events("reload_warning")  # of each load: the files may have asked for one before the command did
    assert {one["pointer"] for one in warnings} == {"/hostname"} and "next start" in warnings[0]["error.message"], warnings
    assert gateway.send(message("still here")) and wait(lambda: dovecot.count() == 1, "message")
    gateway.stop()


def test_what_a_load_has_seen_is_not_loaded_again(world):
    """The watcher comes behind a command that failed, and leaves it at that until the files change again."""
    gateway = world.mailweir(None).start()
    gateway.rules.append({"name": "bad", "wenn": {}})
    assert gateway.run("reload")[0] == 1
    looked = time.monotonic() + 1.5  # a look comes at most a second after what happened in the folder
    wait(lambda: time.monotonic() > looked, "look at the files")
    told = [event["event.action"] for event in gateway.events()]
    assert "files_changed" not in told[told.index("reload_failed"):], told
    gateway.rules.pop()
    gateway.write()
    wait(lambda: gateway.events("files_changed") and gateway.events("reloaded"), "load of the files that were mended")
    gateway.stop()


def many_rules(version, count=10000):
    first = {"name": "first", "if": {"field": "from", "is": "probe@x.example"}, "then": [{"reject": f"version {version}"}]}
    return {"rules": [first] + [{"name": f"r{n}", "if": {"header": "Subject", "matches": f"^order (no|number) {n}$"},
                                 "then": [{"fileinto": {"folder": f"F{n}"}}]} for n in range(count)]}


def version(client):
    """The set by which the session decides."""
    client.ehlo_or_helo_if_needed()
    client.mail("probe@x.example")
    answer = client.rcpt("ops@example.net")[1].decode()
    client.rset()
    return answer.split()[-1]


def test_many_rules_are_loaded_while_mail_flows(world):
    """A load runs beside the loop; who asks meanwhile shares the next one; each session keeps the rules that it began with."""
    gateway = world.mailweir(None)
    gateway.configuration["rules"] = ["many.json"]
    file = gateway.folder / "many.json"
    file.write_text(json.dumps(many_rules(1)))
    gateway.start()
    admin = Admin(gateway)
    before = len(gateway.events("reloaded"))
    with gateway.smtp() as old, gateway.smtp() as client:
        assert version(old) == version(client) == "1"
        file.write_text(json.dumps(many_rules(2)))
        answers, flowed = [], []
        askers = [threading.Thread(target=lambda: answers.append(admin.post("/api/v1/reload"))) for _ in range(5)]
        for asker in askers:
            asker.start()
        while any(asker.is_alive() for asker in askers):
            client.sendmail("app@example.com", ["ops@example.net"], message("while it loads"))
            flowed.append(len(answers))
        for asker in askers:
            asker.join()
        assert [answer.status for answer in answers] == [200] * 5 and answers[0].json["rules"] == 10001, [a.text for a in answers]
        first = sum(1 for heard in flowed if heard == 0)
        print(f"figure: {first} messages taken while 10,001 rules were loaded")
        assert first >= 3, f"{first} messages were taken until the first load was done"
        loads = len(gateway.events("reloaded")) - before
        assert 1 <= loads <= 3, f"{loads} loads for five that asked (and one that the files asked for)"
        assert version(old) == "1" and version(client) == "1", "a session under way keeps its rules"
        with gateway.smtp() as new:
            assert version(new) == "2"
    # What is wrong is told to who asked, with its place.
    file.write_text('{"rules": [\n  {"nme": "x", "then": []}]}')
    answer = admin.post("/api/v1/reload")
    problem = answer.json["problems"][0]
    assert answer.status == 409 and (problem["file"], problem["line"], problem["severity"]) == (str(file), 2, "error"), answer.text
    assert '"name"' in problem["text"], problem
    status, _, err = gateway.run("reload")
    assert status == 1 and f"{file}:2:" in err and "stay in force" in err, (status, err)
    with gateway.smtp() as new:
        assert version(new) == "2"
    gateway.stop()


def test_stopping_while_it_loads(world):
    """Who waits for a reload hears that there will be none; what was being loaded is dropped."""
    gateway = world.mailweir(None)
    gateway.configuration["rules"] = ["many.json"]
    (gateway.folder / "many.json").write_text(json.dumps(many_rules(1)))
    gateway.start()
    admin, answers = Admin(gateway), []
    asker = threading.Thread(target=lambda: answers.append(admin.post("/api/v1/reload")))
    asker.start()
    wait(lambda: "\nmailweir_config_reload_running 1" in admin.get("/metrics").text or answers, "the load")
    gateway.stop()
    asker.join()
    assert answers[0].status in (200, 409), answers[0].text
    assert answers[0].status == 200 or "shutting down" in answers[0].text, answers[0].text


def test_files_are_watched(world):
    """What the kernel tells is taken over at once; what it does not see, a target elsewhere of a link, by the look now and then."""
    gateway = world.mailweir(None)
    elsewhere = world.folder / "elsewhere"
    elsewhere.mkdir()
    gateway.configuration["rules"] = ["rules.d/*.json", "link.json"]
    (gateway.folder / "rules.d").mkdir()
    (gateway.folder / "link.json").symlink_to(elsewhere / "target.json")
    (elsewhere / "target.json").write_text('{"rules": []}')

    def rule(name, sender):
        return json.dumps({"rules": [{"name": name, "if": {"field": "from", "is": sender}, "then": [{"reject": name}]}]})

    def refuses(sender):
        with gateway.smtp() as client:
            client.ehlo()
            client.mail(sender)
            return client.rcpt("ops@example.net")[0] == 550

    gateway.start()
    began = time.monotonic()
    (gateway.folder / "rules.d/10.json").write_text(rule("ten", "ten@x.example"))  # into a folder that had nothing
    wait(lambda: refuses("ten@x.example"), "the file that came")
    (gateway.folder / "rules.d/.new").write_text(rule("eleven", "eleven@x.example"))
    (gateway.folder / "rules.d/.new").rename(gateway.folder / "rules.d/10.json")
    wait(lambda: refuses("eleven@x.example"), "the file that was renamed over it")
    print(f"figure: two changes in force after {time.monotonic() - began:.2f} s")
    (elsewhere / "target.json").write_text(rule("far", "far@x.example"))
    wait(lambda: refuses("far@x.example"), "the target of the link", deadline=30)
    gateway.stop()
