"""A message in doubt whose index is lost: what the segments and the decisions tell is enough to look for it by the id that it went out with."""
import select

from fake_imap import FakeImap
from harness import message, seconds, wait
from smtp_client import listener
from test_acknowledge_doubt import lost_answer, send
from test_doubt_outcomes import RETRY, doubtful, end


def lose_index(gateway):
    for file in (gateway.folder / "spool").glob("index.sqlite*"):
        file.unlink()
    status, out, err = gateway.run("spool", "rebuild")
    assert status == 0, out + err


def waits_for_a_look(gateway, fake, octets):
    """He brings it again, and the gateway is killed over the look; False when he was answered before there was one."""
    with gateway.smtp() as client:
        client.ehlo()
        client.mail("app@example.com")
        client.rcpt("ops@example.net")
        client.docmd("DATA")
        client.send(octets + b".\r\n")
        wait(lambda: fake.stalled.is_set() or select.select([client.sock], [], [], 0)[0], "a look, or an answer")
        is_looked_for = fake.stalled.is_set()
        if is_looked_for:
            gateway.kill()
        else:
            client.getreply()
    return is_looked_for


def test_index_is_lost_in_doubt(world):
    if not world.on_disk:
        return
    gateway, fake, state = doubtful(world)
    gateway.kill()
    lose_index(gateway)
    gateway.start()
    state["up"] = True
    end(gateway, [fake], 1, "found")


def test_he_brings_it_again_behind_a_lost_index(world):
    """A sender who heard 451 brings it again before the index is lost and afterwards, over the same doubt: it is that message, looked for by the id that it went out with."""
    if not world.on_disk:
        return
    state, fault = lost_answer()
    fake = FakeImap(world, fault=fault)
    gateway = fake.configure(world.mailweir(None), retry=RETRY)
    listener(gateway).update(acknowledge="delivered", timeouts={"acknowledge": seconds(2)})
    gateway.start()
    octets = message("one")
    assert send(gateway, octets)[0] == 451 and len(fake.ids()) == 1
    assert send(gateway, octets)[0] == 451
    gateway.kill()
    lose_index(gateway)
    gateway.start()
    assert send(gateway, octets)[0] == 451
    state["up"] = True
    wait(lambda: send(gateway, octets)[0] == 250, "250 for what was there")
    assert fake.appends == 1 and len(fake.ids()) == 1, fake.ids()
    gateway.stop()


def test_rest_is_filed_behind_a_lost_index(world):
    """One of two targets has it, the other was away, and the index is lost before he brings it again."""
    if not world.on_disk:
        return
    state = {"away": True}
    fake = FakeImap(world)
    other = FakeImap(world, fault=lambda step, session, **facts: "stall" if step == "greeting" and state["away"] else None)
    gateway = fake.configure(world.mailweir(None, [{"name": "both", "then": [{"fileinto": {"upstream": "corp", "folder": "INBOX"}},
                                                                             {"fileinto": {"upstream": "other", "folder": "INBOX"}}]}]), retry=RETRY)
    gateway.configuration["upstreams"]["other"] = {**gateway.upstream, "address": f"127.0.0.1:{other.port}"}
    listener(gateway).update(acknowledge="delivered", timeouts={"acknowledge": seconds(2)})
    gateway.start()
    octets = message("both")
    assert send(gateway, octets)[0] == 451 and len(fake.ids()) == 1
    gateway.kill()
    lose_index(gateway)
    gateway.start()
    state["away"] = False
    other.release.set()
    wait(lambda: send(gateway, octets)[0] == 250, "250 for both")
    assert (len(fake.ids()), len(other.ids())) == (1, 1)
    gateway.stop()


def test_index_is_lost_behind_a_repeat(world):
    """A sender who heard 451 brought it again, so its body lies in a record of another name. It is the first one's message all the same."""
    if not world.on_disk:
        return
    state, fault = lost_answer()
    fake = FakeImap(world, fault=lambda step, session, **facts: "stall" if step == "examine" and state.get("stalls") else fault(step, session, **facts))
    gateway = fake.configure(world.mailweir(None), retry=RETRY)
    listener(gateway).update(acknowledge="delivered", timeouts={"acknowledge": seconds(5)})
    gateway.start()
    octets = message("one")
    assert send(gateway, octets)[0] == 451 and len(fake.ids()) == 1
    state.update(up=True, stalls=True)
    wait(lambda: waits_for_a_look(gateway, fake, octets), "a look at the folder while he waits")
    lose_index(gateway)
    state["stalls"] = False
    gateway.start()
    filed = wait(lambda: gateway.events("filed"), "the message found")
    assert [event["note"] for event in filed] == ["found: an earlier attempt had filed the message"], filed
    gateway.stop()
    assert gateway.events("ready")[0]["waiting"] == 1 and len(gateway.events("filed")) == 1
    assert fake.appends == 1 and len(fake.ids()) == 1, fake.ids()
