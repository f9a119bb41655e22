"""What the manual says of listeners that acknowledge what is delivered, sentence by sentence."""
from fake_imap import FakeImap
from harness import free_port, message, seconds, wait
from smtp_client import listener

RETRY = {"initial": "50ms", "maximum": "200ms", "settle": "200ms"}


def gateway_for(world, fault=None, rules=None, patience=2):
    fake = FakeImap(world, fault=fault)
    gateway = world.mailweir(None, rules)
    fake.configure(gateway, retry=RETRY)
    listener(gateway).update(acknowledge="delivered", timeouts={"acknowledge": seconds(patience)})
    return gateway, fake


def send(gateway, octets, to=("ops@example.net",)):
    with gateway.smtp() as client:
        client.ehlo()
        client.mail("app@example.com")
        for address in to:
            client.rcpt(address)
        code, text = client.data(octets)
    return code, text.decode()


def lost_answer():
    """The server keeps the first message, does not say so, and takes no connection until state["up"]."""
    state = {"up": True, "cut": True}

    def fault(step, session, **facts):
        if step == "greeting" and not state["up"]:
            return "cut"
        if step == "append-end" and state["cut"]:
            state.update(up=False, cut=False)
            return "commit-cut"
        return None

    return state, fault


def test_in_doubt_when_his_time_ends(world):
    """451; the same again, also behind a kill, is that message: it is found, and heard of with 250."""
    state, fault = lost_answer()
    gateway, fake = gateway_for(world, fault)
    gateway.start()
    octets = message("one")
    assert send(gateway, octets)[0] == 451 and len(fake.ids()) == 1
    assert send(gateway, octets)[0] == 451
    gateway.kill()
    gateway.start()
    state["up"] = True
    wait(lambda: send(gateway, octets)[0] == 250, "250 for what was there")
    assert fake.appends == 1 and len(fake.ids()) == 1, fake.ids()
    gateway.stop()


def test_settled_in_his_time(world):
    """The connection ends over the first attempt, and there is time enough: he hears of it once, and it lies there once."""
    cut = iter([True])
    gateway, fake = gateway_for(world, lambda step, session, **facts: "commit-cut" if step == "append-end" and next(cut, False) else None,
                                patience=60)
    gateway.start()
    assert send(gateway, message("one"))[0] == 250
    assert fake.appends == 1 and len(fake.ids()) == 1
    gateway.stop()


def test_refused_by_one_target(world):
    """554 names the folder that has it; as often as it is sent, that one gets it once."""
    rules = [{"name": box, "if": {"field": "to", "is": f"{box}@example.net"},
              "then": [{"fileinto": {"upstream": "corp", "folder": box}}]} for box in ("taken", "refused")]
    gateway, fake = gateway_for(world, lambda step, session, **facts:
                                "NO [CANNOT] not here" if step == "append-end" and facts["folder"] == "refused" else None, rules, 30)
    for box in ("taken", "refused"):
        fake.folder(box, create=True)
    gateway.start()
    octets = message("two targets")
    code, text = send(gateway, octets, ("taken@example.net", "refused@example.net"))
    assert code == 554 and "1 of 2 mailboxes have the message" in text and "corp/taken" in text, (code, text)
    assert send(gateway, octets, ("taken@example.net", "refused@example.net"))[0] == 554
    assert len(fake.ids()) == 1
    gateway.stop()


def test_rest_is_filed(world):
    """One of two targets is away when his time ends: what the other has is not filed again, the rest is."""
    state = {"away": True}
    rules = [{"name": "both", "then": [{"fileinto": {"upstream": "corp", "folder": "INBOX"}}, {"fileinto": {"upstream": "other", "folder": "INBOX"}}]}]
    gateway, fake = gateway_for(world, None, rules)
    other = FakeImap(world, fault=lambda step, session, **facts: "cut" if step == "greeting" and state["away"] else None)
    gateway.configuration["upstreams"]["other"] = {**gateway.upstream, "address": f"127.0.0.1:{other.port}"}
    gateway.start()
    octets = message("both")
    assert send(gateway, octets)[0] == 451
    assert len(other.ids()) == 0
    state["away"] = False
    wait(lambda: send(gateway, octets)[0] == 250, "250 for both")
    assert (len(fake.ids()), len(other.ids())) == (1, 1)
    gateway.stop()


def test_from_another_listener(world):
    """It is that message from the same listener alone: whoever else sends it sends another one."""
    state, fault = lost_answer()
    gateway, fake = gateway_for(world, fault)
    port = free_port()
    gateway.configuration["listeners"].append({"name": "second", "address": f"127.0.0.1:{port}"})
    gateway.start()
    octets = message("one")
    assert send(gateway, octets)[0] == 451
    state["up"] = True
    gateway.port = port
    assert send(gateway, octets)[0] == 250
    wait(lambda: len(fake.ids()) == 2, "two messages")
    assert len(set(fake.ids())) == 2, fake.ids()
    gateway.stop()


def test_equal_ones_that_were_acknowledged(world):
    """Once he has heard 250, an equal message is another one."""
    gateway, fake = gateway_for(world)
    gateway.start()
    octets = message("equal")
    assert [send(gateway, octets)[0] for _ in range(2)] == [250, 250]
    assert len(fake.ids()) == len(set(fake.ids())) == 2
    gateway.stop()


def test_recipients_in_another_order(world):
    """His queue names them in another order, one twice, and a domain in capitals, the next time: it is that message, over a kill and for both targets."""
    state, fault = lost_answer()
    rules = [{"name": box, "if": {"field": "to", "is": f"{box}@example.net"},
              "then": [{"fileinto": {"upstream": "corp", "folder": box}}]} for box in ("one", "two")]
    gateway, fake = gateway_for(world, fault, rules)
    gateway.upstream["connections"] = 1  # another one would stay, and show what is there
    for box in ("one", "two"):
        fake.folder(box, create=True)
    gateway.start()
    octets = message("two targets")
    assert send(gateway, octets, ("one@example.net", "two@example.net"))[0] == 451
    assert send(gateway, octets, ("two@example.net", "one@example.net"))[0] == 451
    gateway.kill()
    gateway.start()
    state["up"] = True
    wait(lambda: send(gateway, octets, ("two@EXAMPLE.net", "one@example.net", "two@example.net"))[0] == 250, "250 for both")
    assert sorted(fake.ids()) == sorted(set(fake.ids())) and len(fake.ids()) == 2, fake.ids()
    gateway.stop()
