"""What `upstreams` finds out of a server before mail comes: by a probe message that it takes back, and by names that it tries."""
import json

from fake_imap import BASE, FakeImap, Profile, Session
from harness import wait
from test_imap_faults import gateway_for
from test_imap_servers import Server
from test_imap_servers import gateway_for as gateway_into

BY_MAIL = [{"name": "by domain", "then": [{"fileinto": {"upstream": "corp", "folder": "Alerts/${from.domain}"}}]}]


def probed(gateway, folder):
    status, out, err = gateway.run("upstreams", "--probe", folder, "--json")
    (one,) = json.loads(out)
    return status, one["probe"], err


def flags_of(dovecot, folder="INBOX"):
    return [line.split("FLAGS (")[1].split(")")[0] for _, line in dovecot.fetch(folder)]


def test_probe_into_dovecot(world):
    """Filed, found and removed, that one alone: what another client has marked as deleted stays; a folder that is missing is made, as a delivery does."""
    dovecot = world.dovecot()
    connection = dovecot.imap()
    for flags in ("\\Deleted", ""):
        connection.append("INBOX", flags, None, b"Subject: somebody's\r\n\r\nx\r\n")
    connection.logout()
    gateway = world.mailweir(dovecot)
    status, probe, err = probed(gateway, "INBOX")
    assert status == 0 and probe["filed"] and probe["found"] and probe["removed"] and probe["uid"] == 3, (probe, err)
    assert [b"somebody's" in octets for octets in dovecot.messages()] == [True, True], dovecot.messages()
    assert "\\Deleted" in flags_of(dovecot)[0]
    status, out, _ = gateway.run("upstreams", "--probe", "New/Ünder")
    assert status == 0 and "probe          New/Ünder: filed, found by its id and removed" in out, out
    # `check --upstreams` does the same.
    status, out, err = gateway.run("check", "--upstreams", "--probe", "INBOX", "--json")
    (tried,) = json.loads(out)["tried"]
    assert status == 0 and tried["probe"]["found"] and tried["probe"]["removed"], (out, err)
    assert "New/&ANw-nder" in dovecot.folders() and dovecot.count("New/&ANw-nder") == 0
    assert not [name for name in dovecot.folders() if "tries" in name], dovecot.folders()  # names that were tried are gone


def test_probe_that_cannot_be_removed(world):
    """No UIDPLUS: the message is left there, and nothing is expunged that others have marked."""
    fake = FakeImap(world, Profile(BASE + " NAMESPACE"))
    gateway = gateway_for(world, fake)
    status, probe, _ = probed(gateway, "INBOX")
    assert status == 1 and probe["found"] and not probe["removed"] and probe["fault"]["code"] == "no-uidplus", probe
    assert len(fake.folder("INBOX").messages) == 1


def test_probe_is_refused_and_lost(world):
    """What refuses mail refuses the probe, in the same words; where no answer comes it is looked for, and removed all the same."""
    faults = {"append-end": "NO [NOPERM] not into this one"}
    fake = FakeImap(world, fault=lambda step, session, **facts: faults.get(step))
    gateway = gateway_for(world, fake)
    status, out, _ = gateway.run("upstreams", "--probe", "INBOX")
    assert status == 1 and "not filed" in out and "FAILED         probe during append: not into this one (noperm)" in out, out
    faults["append-end"] = "commit-cut"
    status, probe, _ = probed(gateway, "INBOX")
    assert status == 1 and not probe["filed"] and probe["found"] and probe["removed"], probe
    assert not fake.folder("INBOX").messages


class Dotless(Session):
    """Takes no "." and no "^" in names, and says so of CREATE alone."""

    def on_create(self, tag, rest):
        name = self.words(rest)[0].decode()
        if set(name) & {".", "^"}:
            self.say(f"{tag} NO [CANNOT] Invalid character in mailbox name")
            return
        self.fake.folder(name, create=True)
        self.say(f"{tag} OK done")

    def on_delete(self, tag, rest):
        with self.fake.lock:
            del self.fake.folders[self.words(rest)[0].decode()]
        self.say(f"{tag} OK done")


def test_names_that_the_server_does_not_take(world):
    """A real Dovecot with Maildir says it of STATUS; another one only of CREATE, which a probe may try; the key is proposed, and once it is there no more."""
    gateway = world.mailweir(world.dovecot(), BY_MAIL)
    (one,) = json.loads(gateway.run("upstreams", "--json")[1])
    assert one["names"]["refused"] == "." and one["names"]["folders"] == {"forbidden": ".", "replacement": "_"}, one["names"]
    assert "not allowed in mailbox name" in one["names"]["words"]["."]
    out = gateway.run("upstreams")[1]
    assert '"folders": {"forbidden": ".", "replacement": "_"} in this upstream' in out, out
    gateway.upstream["folders"] = one["names"]["folders"]
    assert "PROPOSED" not in gateway.run("upstreams")[1]
    del gateway.upstream["folders"]
    gateway.upstream["profile"] = "dovecot"
    assert "PROPOSED" not in gateway.run("upstreams")[1]
    fake = FakeImap(world, session=Dotless)
    gateway = gateway_for(world, fake)
    gateway.rules = BY_MAIL
    (one,) = json.loads(gateway.run("upstreams", "--json")[1])
    assert one["names"]["refused"] == "" and list(fake.folders) == ["INBOX"], (one["names"], fake.folders)
    (one,) = json.loads(gateway.run("upstreams", "--json", "--probe", "INBOX")[1])
    assert one["names"]["folders"] == {"forbidden": ".^", "replacement": "_"} and list(fake.folders) == ["INBOX"], (one["names"], fake.folders)


def test_check_agrees(world):
    """`check --upstreams` says of every address what `upstreams` says, in the same words, and ends with the same code."""
    fake = FakeImap(world, Profile(BASE + " NAMESPACE UIDPLUS ACL"), session=Barred)
    gateway = gateway_for(world, fake)
    gateway.upstream["standby"] = ["127.0.0.1:1"]
    status, tried = gateway.run("upstreams", "--json")[0], json.loads(gateway.run("upstreams", "--json")[1])
    checked, out, err = gateway.run("check", "--upstreams", "--json")
    assert status == checked == 1 and json.loads(out)["tried"] == tried, (status, checked, tried, out)
    assert "corp: INBOX: the account may not insert messages" in err and "corp: standby during" in err, err
    del gateway.upstream["standby"]
    Barred.rights = "lrswi"
    for command in (["upstreams"], ["check", "--upstreams"]):
        status, out, err = gateway.run(*command)
        assert status == 0 and "may not" not in out + err, (command, out, err)


class Barred(Session):
    rights = "lrs"

    def on_myrights(self, tag, rest):
        self.say(f"* MYRIGHTS INBOX {self.rights}")
        self.say(f"{tag} OK done")


class NoLimit(Session):
    def on_getquotaroot(self, tag, rest):
        self.say('* QUOTAROOT INBOX "#1"')
        self.say('* QUOTA "#1" (STORAGE 12345 0 MESSAGE 17 0)')
        self.say(f"{tag} OK done")


def test_quota_of_0(world):
    """It says what a limit of 0 may mean, and takes nobody for full."""
    fake = FakeImap(world, Profile(BASE + " NAMESPACE UIDPLUS QUOTA"), session=NoLimit)
    gateway = gateway_for(world, fake)
    status, out, _ = gateway.run("upstreams")
    assert status == 0 and "INBOX: there, 12345 KiB used, limit 0, 17 messages used, limit 0" in out, out
    assert "on Cyrus that nothing more fits" in out and "100 %" not in out, out
    gateway.start()
    gateway.send(b"Subject: goes\r\n\r\nx\r\n")
    wait(lambda: gateway.events("filed"), "filed line")
    gateway.stop()


def test_probe_into_cyrus(world):
    server = Server(world, "cyrus")
    gateway = gateway_into(world, server, "cyrus", SHARED="Shared Folders/Invoices", READONLY="Shared Folders/ReadOnly")
    for folder, good in (("INBOX", True), ("Shared Folders/ReadOnly", False)):
        _, probe, err = probed(gateway, folder)
        assert probe["filed"] == probe["found"] == probe["removed"] == good, (folder, probe, err)
    assert not server.fetch("INBOX")
    gateway.stop()


def test_probe_into_courier(world):
    server = Server(world, "courier")
    gateway = gateway_into(world, server, "courier", "implicit", SHARED="#shared/office/Invoices", READONLY="#shared/office/ReadOnly")
    gateway.rules = []  # no names by mail: none is tried, of which each costs Courier two seconds
    status, probe, err = probed(gateway, "Probes/New")
    assert probe["filed"] and probe["found"], (probe, err)
    assert (status == 0) == probe["removed"] and len(server.fetch("INBOX.Probes.New")) == (0 if probe["removed"] else 1), (probe, err)
    gateway.stop()


def test_questions_that_break_the_session(world):
    """What delivery leaves out after two sessions that broke in it is no verdict on the account: `upstreams` and `check` do without it, too, and note it."""
    for step, action in (("myrights", "cut"), ("getquotaroot", "bye what was that?")):
        fake = FakeImap(world, Profile(BASE + " UIDPLUS NAMESPACE UNSELECT ACL QUOTA"),
                        lambda now, session, step=step, action=action, **facts: action if now == step else None, session=Answering)
        gateway = world.mailweir(None, name=f"breaks-{step}")
        fake.configure(gateway, timeouts={"connect": "5s", "command": "5s"})
        status, out, _ = gateway.run("upstreams", "--probe", "INBOX")
        assert status == 0 and f"the connection broke during {step}" in out and "found by its id and removed" in out, out
        status, out, _ = gateway.run("check", "--upstreams", "--json")
        (tried,) = json.loads(out)["tried"]
        assert status == 0 and tried["good"] and step in tried["note"], out


def test_an_answer_that_is_not_imap(world):
    """Cyrus 3.6 answers for a MAILBOXID with octets of freed memory now and then: the next session does not ask for it, and the probe is filed."""
    fake = FakeImap(world, Profile(BASE + " UIDPLUS NAMESPACE UNSELECT OBJECTID"), session=Freed)
    gateway = gateway_for(world, fake)
    status, out, _ = gateway.run("upstreams", "--probe", "INBOX")
    assert status == 0 and "the connection broke during status" in out and "found by its id and removed" in out, out
    assert len(fake.folder("INBOX").messages) == 0


class Freed(Session):
    def on_status(self, tag, rest):
        if b"MAILBOXID" in rest:
            self.say("* STATUS INBOX (UIDNEXT 1 UIDVALIDITY 7 MAILBOXID (t{99999999999}")
        else:
            super().on_status(tag, rest)


class Answering(Session):
    def on_myrights(self, tag, rest):
        self.say("* MYRIGHTS INBOX lrswipte")
        self.say(f"{tag} OK done")

    def on_getquotaroot(self, tag, rest):
        self.say("* QUOTAROOT INBOX")
        self.say(f"{tag} OK done")
