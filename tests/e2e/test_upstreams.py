"""Where mail goes when a server is away: further addresses of the same mailboxes."""
import json

from harness import message, wait


def replicas(world):
    """Two Dovecots over the same mailboxes."""
    first = world.dovecot()
    return first, world.dovecot(name="dovecot2", extra=f"mail_location = maildir:{first.folder}/mail/%u\n")


def address_in_use(gateway):
    upstream, = json.loads(gateway.run("status", "--json")[1])["upstreams"]
    return upstream["port"], upstream["standby"]


def only_doubts(gateway):
    """Nothing waits but what met the connection that was just dying, and is looked for at once."""
    return all(event["error.type"] == "uncertain" for event in gateway.events("deferred"))


def test_standby_takes_over_and_gives_back(world):
    """Nothing answers at the first address: the next serves at once, without a pause; the first is tried again after a while, and takes over."""
    first, second = replicas(world)
    gateway = world.mailweir(first)
    gateway.upstream["standby"] = [f"127.0.0.1:{second.tls_port}"]
    gateway.upstream["retry"] = {"initial": "1h", "maximum": "1h", "failback": "300ms"}
    gateway.upstream["timeouts"] = {"idle": "200ms"}
    gateway.start()
    gateway.send(message("by the first", number=0))
    wait(lambda: second.count() == 1, "message by the first address")
    assert address_in_use(gateway) == (first.tls_port, 0)
    wait(lambda: json.loads(gateway.run("status", "--json")[1])["upstreams"][0]["state"] == "open", "idle")
    first.process.kill()  # with every connection
    gateway.send(message("by the second", number=1))
    wait(lambda: second.count() == 2, "message by the second address")
    over, = gateway.events("upstream_failover")
    assert (over["left.port"], over["server.port"]) == (first.tls_port, second.tls_port), over
    assert over["error.code"] in ("econnrefused", "econnreset"), over  # a server that has just been killed may still take a connection
    assert only_doubts(gateway) and address_in_use(gateway) == (second.tls_port, 1)
    number = 2

    def mail_brings(event):  # without a pause in which the connection would become idle
        nonlocal number
        gateway.send(message("by one of them", number=number))
        number += 1
        return gateway.events(event)

    wait(lambda: mail_brings("upstream_still_down"), "attempt at the first address")
    first.start()
    wait(lambda: mail_brings("upstream_failback"), "return to the first address")
    wait(lambda: second.count() == number, "all messages")
    assert address_in_use(gateway) == (first.tls_port, 0) and only_doubts(gateway)
    gateway.stop()
    assert len(second.messages()) == number == len({octets.split(b"Message-ID: ")[1].split(b"\r\n")[0] for octets in second.messages()})


def test_nobody_answers(world):
    """All addresses are away: one pause for all of them, and then from the first again."""
    first, second = replicas(world)
    gateway = world.mailweir(first)
    gateway.upstream["standby"] = [f"127.0.0.1:{second.tls_port}"]
    first.process.kill()
    second.process.kill()
    gateway.start()
    gateway.send(message("waits"))
    wait(lambda: gateway.events("deferred"), "deferral")
    assert gateway.events("upstream_failover")[0]["left.port"] == first.tls_port
    assert gateway.events("upstream_failed")[0]["error.code"] == "econnrefused"
    second.start()
    wait(lambda: second.count() == 1, "message by the second address")
    gateway.stop()


def test_wrong_standby_is_named(world):
    gateway = world.mailweir(world.dovecot())
    gateway.upstream["standby"] = ["imap2.example.net"]
    status, _, err = gateway.run("check")
    assert status == 78 and "/upstreams/corp/standby/0" in err, (status, err)
