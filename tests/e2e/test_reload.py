"""A reload changes upstreams, too: what is new is used, what is changed is used anew, what is removed leaves its mail in the queue."""
import threading

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
    wait(lambda: dovecot.count() >= count, f"all {count} messages", 60)
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
    warning, = gateway.events("reload_warning")
    assert warning["pointer"] == "/hostname" and "next start" in warning["error.message"], warning
    assert gateway.send(message("still here")) and wait(lambda: dovecot.count() == 1, "message")
    gateway.stop()
