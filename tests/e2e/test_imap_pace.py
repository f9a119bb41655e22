"""What the gateway knows of an account's pace outlives a restart: octets of the day, a refused password, a pause that the server asked for."""
import base64
import hashlib
import hmac

from fake_imap import FakeImap, Profile, Session
from harness import message, wait
from test_imap_faults import gateway_for, send_many


def again(gateway, crash=False):
    """Ends it and starts it on the same spool; the log begins anew. A crash comes when what the log tells is written, too: this command, which finds nothing
    to do, is answered behind that."""
    if crash:
        gateway.run("queue", "release", "--all")
        gateway.kill()
    else:
        gateway.stop()
    return gateway.start()


def test_daily_budget_over_a_restart(world):
    """A restart, or a crash, does not begin the day anew; another account has a day of its own."""
    fake = FakeImap(world)
    gateway = gateway_for(world, fake, limits={"daily": "4KiB", "batch": 1}).start()
    send_many(gateway, 30)
    wait(lambda: any(e["error.code"] == "daily-budget" for e in gateway.events("deferred")), "deferred line")
    filed = len(fake.ids())
    for crash in (False, True):
        again(gateway, crash)
        gateway.send(message("one more", number=100 + crash))
        gateway.run("queue", "retry", "--all")
        wait(lambda: any(e["error.code"] == "daily-budget" for e in gateway.events("deferred")), "deferred line")
        assert len(fake.ids()) == filed, (crash, filed, fake.ids())
    gateway.stop()
    gateway.upstream["auth"]["username"] = "another"
    gateway.start()
    gateway.run("queue", "retry", "--all")
    wait(lambda: len(fake.ids()) > filed, "mail to the other account")
    gateway.stop()


def test_refused_password_over_a_restart(world):
    """It is not tried again by starting again; with another password, or when an operator says so, it is at once."""
    dovecot = world.dovecot()
    gateway = world.mailweir(dovecot)
    gateway.upstream["auth"]["password"] = "wrong"
    gateway.start()
    gateway.send(message("waits"))
    wait(lambda: gateway.events("deferred"), "deferred line")
    again(gateway, crash=True)
    still = wait(lambda: gateway.events("upstream_still_paused"), "still paused")[0]
    assert still["during"] == "login" and "wrong" not in str(still), still
    gateway.send(message("waits, too", number=1))
    status, out, _ = gateway.run("status")
    assert status == 0 and "failing" in out, out
    assert gateway.events("upstream_failed") == []
    # An operator who knows better: it is tried once, and refused again.
    status, out, _ = gateway.run("queue", "resume", "corp")
    assert status == 0 and 'corp was not paused by anybody: its state is "failing", and the gateway tries it again now' in out, out
    failed = wait(lambda: gateway.events("upstream_failed"), "another try")
    assert len(failed) == 1 and failed[0]["attempt"] == 2, failed
    gateway.stop()
    gateway.upstream["auth"]["password"] = "relaypw"
    gateway.start()
    assert gateway.events("upstream_still_paused") == []
    gateway.send(message("goes", number=2))
    wait(lambda: dovecot.count() >= 1, "a message")
    gateway.stop()


def test_throttling_over_a_restart(world):
    """Microsoft's words are kept, also by the gateway that is started next."""
    once = iter([True])
    fake = FakeImap(world, "microsoft365", fault=lambda step, session, **facts:
                    "NO Request is throttled. Suggested Backoff Time: 10000 milliseconds" if step == "append-begin" and next(once, False)
                    else None)
    gateway = gateway_for(world, fake, profile="microsoft365").start()
    gateway.send(message("one"))
    wait(lambda: gateway.events("deferred"), "deferred line")
    again(gateway)
    still = gateway.events("upstream_still_paused")
    assert len(still) == 1 and still[0]["error.code"] == "throttled", still
    gateway.send(message("two", number=1))
    filed = wait(lambda: gateway.events("filed"), "filed line")[0]
    assert filed["@timestamp"] >= still[0]["until"], (filed, still)
    wait(lambda: len(fake.ids()) == 2, "both messages")
    gateway.stop()


class Scram(Session):
    """Knows the password by SCRAM-SHA-256 (RFC 7677)."""

    def on_authenticate(self, tag, rest):
        self.fake.logins.append(rest)
        if rest.startswith(b"PLAIN"):
            self.say(f"{tag} OK in")
            return
        self.say("+ ")
        first = base64.b64decode(self.line())[3:]
        nonce = first.split(b"r=")[1] + b"server"
        second = b"r=" + nonce + b",s=" + base64.b64encode(b"salt") + b",i=4096"
        self.say("+ " + base64.b64encode(second).decode())
        final = base64.b64decode(self.line()).rsplit(b",p=", 1)[0]
        key = hmac.digest(hashlib.pbkdf2_hmac("sha256", b"relaypw", b"salt", 4096), b"Server Key", "sha256")
        proof = base64.b64encode(hmac.digest(key, b",".join((first, second, final)), "sha256"))
        self.say("+ " + base64.b64encode(b"v=" + proof).decode())
        self.line()
        self.say(f"{tag} OK in")


def test_mechanism_over_a_restart(world):
    """Who has logged in by SCRAM is not asked for the password after a restart, whatever is offered then; with another address it is a new account."""
    fake = FakeImap(world, Profile("IMAP4rev1 LOGINDISABLED AUTH=SCRAM-SHA-256 NAMESPACE UIDPLUS"), session=Scram)
    gateway = gateway_for(world, fake).start()
    gateway.send(message("by SCRAM"))
    wait(lambda: gateway.events("filed"), "filed line")
    fake.capability = "IMAP4rev1 AUTH=PLAIN NAMESPACE UIDPLUS"
    again(gateway, crash=True)
    gateway.send(message("waits", number=1))
    failed = wait(lambda: gateway.events("upstream_failed"), "failed line")[0]
    assert "SCRAM-SHA-256, which this account has used to log in before" in failed["error.message"], failed
    gateway.stop()
    assert [login for login in fake.logins if login != b"SCRAM-SHA-256"] == [], fake.logins
    gateway.upstream["address"] = f"localhost:{fake.port}"
    gateway.start()
    gateway.run("queue", "retry", "--all")
    wait(lambda: len(fake.ids()) == 2, "mail by PLAIN")
    gateway.stop()
